//! `parallax serve` as a process: it says where it listens, ends when told to, and says clearly
//! why it cannot start.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

fn configuration(directory: &Path, listen: &str) -> String {
    let path = directory.join("parallax.yaml");
    let text = format!(
        "listen: '{listen}'
control: {{listen: '127.0.0.1:0'}}
legacy: http://127.0.0.1:9
candidate: http://127.0.0.1:9
store: 'memory://'
operations: [{{id: getReturn, match: 'GET /returns/{{return_id}}'}}]
"
    );
    std::fs::write(&path, text).expect("a configuration");
    path.to_str().expect("a path").to_owned()
}

fn serve(config: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parallax"));
    command.args(["serve", "-c", config]).env_remove("PARALLAX_LOG").stderr(Stdio::piped());
    command
}

/// Ends the process with the test, whatever happens.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn it_says_where_it_listens_and_ends_when_told_to() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut running =
        Ended(serve(&configuration(directory.path(), "127.0.0.1:0")).spawn().expect("the program"));
    let stderr = BufReader::new(running.0.stderr.take().expect("standard error"));
    let ready = stderr
        .lines()
        .map(|line| line.expect("a line"))
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(&line).unwrap_or_else(|_| panic!("no JSON: {line}"))
        })
        .find(|line| line["message"] == "ready")
        .expect("a line that says it is ready");
    let listen = ready["listen"].as_str().expect("an address");
    std::net::TcpStream::connect(listen).expect("a listener");
    let id = running.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill").success());
    assert_eq!(running.0.wait().expect("an end").code(), Some(0));
}

#[test]
fn a_port_in_use_is_named_with_its_key() {
    let directory = tempfile::tempdir().expect("a directory");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let output = serve(&configuration(directory.path(), &address)).output().expect("the program");
    let told = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(2), "{told}");
    let expected = format!("parallax: `listen`: {address} is in use by another program");
    assert!(told.contains(&expected), "{told}");
}

#[test]
fn a_bad_configuration_or_log_level_is_exit_2() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = configuration(directory.path(), "nowhere");
    let output = serve(&config).output().expect("the program");
    let told = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.starts_with(&format!("{config}:1:9: `nowhere` is no address")), "{told}");
    let good = configuration(directory.path(), "127.0.0.1:0");
    let output = serve(&good).env("PARALLAX_LOG", "a=b=c").output().expect("the program");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("PARALLAX_LOG"), "the variable is named");
}
