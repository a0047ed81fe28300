//! nginx, as a contender and as what the sides are made of.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use crate::contender::{Contender, Doors};
use crate::process::{Process, write};
use crate::setting::Setting;

/// nginx that passes requests through on every protocol.
pub(crate) fn passing(setting: &Setting) -> Contender {
    passing_to(setting, setting.sides.legacy)
}

/// The same before another side.
pub(crate) fn passing_to(setting: &Setting, legacy: u16) -> Contender {
    let locations = format!("location / {{ {PASS} proxy_pass http://legacy; }}");
    start("nginx", setting, Doors::all(), &upstream("legacy", legacy), &locations)
}

/// nginx that sends every request to the candidate as well, and compares nothing.
pub(crate) fn mirroring(setting: &Setting) -> Contender {
    mirroring_to(setting, setting.sides.legacy, setting.sides.candidate)
}

/// The same between other sides.
pub(crate) fn mirroring_to(setting: &Setting, legacy: u16, candidate: u16) -> Contender {
    let locations = format!(
        "location / {{ mirror /copy; {PASS} proxy_pass http://legacy; }}
         location = /copy {{ internal; {PASS} proxy_pass http://candidate$request_uri; }}"
    );
    let upstreams = upstream("legacy", legacy) + &upstream("candidate", candidate);
    start("nginx mirror", setting, Doors::all(), &upstreams, &locations)
}

const PASS: &str =
    "proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header Host $http_host;";

fn upstream(name: &str, port: u16) -> String {
    format!("upstream {name} {{ server 127.0.0.1:{port}; keepalive 256; keepalive_requests 100000000; }}\n")
}

fn start(name: &'static str, setting: &Setting, doors: Doors, upstreams: &str, locations: &str) -> Contender {
    let mut listens = String::new();
    for (port, options) in [(doors.h1, ""), (doors.h2, " http2"), (doors.tls, " ssl http2")] {
        if let Some(port) = port {
            let _ = writeln!(listens, "listen 127.0.0.1:{port}{options} backlog=4096;");
        }
    }
    let certificate = &setting.certificate;
    let server = format!(
        "{upstreams} server {{ {listens} ssl_certificate {}; ssl_certificate_key {}; ssl_protocols TLSv1.3;
         {locations} }}",
        certificate.certificate.display(),
        certificate.key.display(),
    );
    let mut command = command(setting.directory.path(), name, &server);
    Contender { name, doors, control: None, process: Process::start(name, &doors.ports(), &mut command) }
}

/// nginx in the foreground with one `http` block and two workers.
pub(crate) fn command(directory: &Path, name: &str, server: &str) -> Command {
    let stem = name.replace(' ', "-");
    let file = directory.join(format!("{stem}.conf"));
    let text = format!(
        "daemon off; worker_processes 2; pid {0}/{stem}.pid; error_log {0}/{stem}.err;
events {{ worker_connections 16384; }}
http {{ access_log off; keepalive_requests 100000000; keepalive_timeout 300s; tcp_nodelay on;
  default_type application/json;
  client_body_temp_path {0}/{stem}-body; proxy_temp_path {0}/{stem}-proxy; fastcgi_temp_path {0}/{stem}-f;
  uwsgi_temp_path {0}/{stem}-u; scgi_temp_path {0}/{stem}-s;
  {server} }}",
        directory.display()
    );
    write(&file, &text);
    let mut command = Command::new(installed("nginx"));
    command.arg("-e").arg(directory.join(format!("{stem}.start"))).arg("-c").arg(file);
    command
}

/// Debian keeps servers where only root looks for them.
pub(crate) fn installed(program: &str) -> String {
    let sbin = format!("/usr/sbin/{program}");
    if Path::new(&sbin).exists() { sbin } else { program.to_owned() }
}
