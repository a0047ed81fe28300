//! HAProxy, as a contender.

use std::process::Command;

use crate::contender::{Contender, Doors};
use crate::nginx::installed;
use crate::process::{Process, write};
use crate::setting::Setting;

/// HAProxy that passes requests through on every protocol.
pub(crate) fn passing(setting: &Setting) -> Contender {
    let doors = Doors::all();
    let bind = |port: Option<u16>, options: &str| {
        port.map_or_else(String::new, |port| format!("  bind 127.0.0.1:{port}{options}\n"))
    };
    let tls = format!(" ssl crt {} alpn h2,http/1.1 ssl-min-ver TLSv1.3", setting.certificate.both.display());
    let binds = bind(doors.h1, "") + &bind(doors.h2, " proto h2") + &bind(doors.tls, &tls);
    let text = format!(
        "global
  maxconn 16384
  nbthread 2
  no strict-limits
defaults
  mode http
  timeout connect 5s
  timeout client 300s
  timeout server 60s
  http-reuse always
frontend in
{binds}  default_backend legacy
backend legacy
  server one 127.0.0.1:{}
",
        setting.sides.legacy
    );
    let file = setting.directory.path().join("haproxy.cfg");
    write(&file, &text);
    let mut command = Command::new(installed("haproxy"));
    let process = Process::start("haproxy", &doors.ports(), command.arg("-db").arg("-f").arg(&file));
    Contender { name: "haproxy", doors, control: None, process }
}
