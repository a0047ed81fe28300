//! parallax, as a contender.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::contender::{Contender, Doors};
use crate::process::{Process, free_port, write};
use crate::setting::Setting;

const PROGRAM: &str = env!("CARGO_BIN_EXE_parallax");

/// parallax with every request in this stage, in the clear: both versions of HTTP on one port.
pub(crate) fn in_stage(name: &'static str, stage: &str, setting: &Setting) -> Contender {
    between(name, stage, setting, setting.sides.legacy, setting.sides.candidate)
}

/// The same between other sides.
pub(crate) fn between(
    name: &'static str,
    stage: &str,
    setting: &Setting,
    legacy: u16,
    candidate: u16,
) -> Contender {
    let (port, control) = (free_port(), free_port());
    let file = setting.directory.path().join(format!("{}.yaml", name.replace(' ', "-")));
    write(&file, &configuration(port, control, stage, legacy, candidate));
    let doors = Doors { h1: Some(port), h2: Some(port), tls: None };
    serve(name, &file, doors, control)
}

/// parallax with a TLS listener, where this build has one.
pub(crate) fn with_tls(name: &'static str, stage: &str, setting: &Setting) -> Option<Contender> {
    let (port, control) = (free_port(), free_port());
    let sides = &setting.sides;
    let file = setting.directory.path().join(format!("{}-tls.yaml", name.replace(' ', "-")));
    let tls = format!(
        "tls: {{cert: '{}', key: '{}'}}\n",
        setting.certificate.certificate.display(),
        setting.certificate.key.display()
    );
    write(&file, &(configuration(port, control, stage, sides.legacy, sides.candidate) + &tls));
    let doors = Doors { tls: Some(port), ..Doors::default() };
    accepts(&file).then(|| serve(name, &file, doors, control))
}

/// Whether `parallax config check` has nothing to say against a file.
fn accepts(file: &Path) -> bool {
    let mut command = Command::new(PROGRAM);
    command.args(["config", "check", "-c"]).arg(file).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn configuration(port: u16, control: u16, stage: &str, legacy: u16, candidate: u16) -> String {
    format!(
        "listen: 127.0.0.1:{port}
control: {{listen: '127.0.0.1:{control}'}}
legacy: {{url: 'http://127.0.0.1:{legacy}'}}
candidate: {{url: 'http://127.0.0.1:{candidate}', timeout: 10s}}
store: 'memory://'
operations: [{{id: getItem, match: 'GET /items/{{id}}', stage: {stage}}}]
"
    )
}

fn serve(name: &'static str, file: &Path, doors: Doors, control: u16) -> Contender {
    let mut command = Command::new(PROGRAM);
    let process = Process::start(name, &doors.ports(), command.arg("serve").arg("-c").arg(file));
    Contender { name, doors, control: Some(control), process }
}
