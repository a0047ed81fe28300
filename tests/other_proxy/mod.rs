//! A proxy of another make that runs what was exported, in a directory of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use parallax_testkit::RawClient;

use crate::support::DEADLINE;

/// The proxy, ended with the test.
pub(crate) struct OtherProxy {
    child: Child,
    address: SocketAddr,
}

impl OtherProxy {
    /// nginx with the exported file in its `http` block.
    pub(crate) async fn nginx(directory: &Path, exported: &Path, address: SocketAddr) -> Self {
        let mut command = nginx(directory, exported);
        assert_accepted(&nginx(directory, exported).arg("-t").output().expect("nginx runs"));
        Self::start(&mut command, directory, address).await
    }

    /// HAProxy with the exported file, and another that has its socket.
    pub(crate) async fn haproxy(directory: &Path, exported: &Path, address: SocketAddr) -> Self {
        let global = directory.join("global.cfg");
        let text = format!("global\n  stats socket {} level admin\n", socket(directory).display());
        std::fs::write(&global, text).expect("a file");
        let command = || {
            let mut command = tool("haproxy");
            command.args(["-db", "-f"]).arg(&global).arg("-f").arg(exported);
            command
        };
        assert_accepted(&command().arg("-c").output().expect("haproxy runs"));
        Self::start(&mut command(), directory, address).await
    }

    async fn start(command: &mut Command, directory: &Path, address: SocketAddr) -> Self {
        let log = std::fs::File::create(directory.join("other.log")).expect("a log");
        command.current_dir(directory).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().expect("it starts");
        let began = Instant::now();
        while RawClient::connect(address).await.is_err() {
            let log = std::fs::read_to_string(directory.join("other.log"));
            assert!(began.elapsed() < DEADLINE, "it does not listen: {log:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Self { child, address }
    }

    /// A client's connection.
    pub(crate) async fn client(&self) -> RawClient {
        RawClient::connect(self.address).await.expect("it listens")
    }

    /// Of so many clients, each with a cookie of its own, those that the candidate answers.
    pub(crate) async fn on_the_candidate(&self, target: &str, clients: u32) -> Vec<u32> {
        let mut connection = self.client().await;
        let mut found = Vec::new();
        for client in 0..clients {
            let cookie = format!("a=b; session={client}");
            let answer = connection.ask("GET", target, &[("Cookie", &cookie)], b"").await.expect("an answer");
            assert_eq!(answer.status, 200, "{}", answer.text());
            if answer.text().starts_with("candidate") {
                found.push(client);
            }
        }
        found
    }

    /// What a request without a cookie is answered.
    pub(crate) async fn ask(&self, method: &str, target: &str) -> String {
        let answer = self.client().await.ask(method, target, &[], b"").await.expect("an answer");
        assert_eq!(answer.status, 200, "{method} {target}: {}", answer.text());
        answer.text().to_owned()
    }
}

impl Drop for OtherProxy {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// HAProxy's socket.
pub(crate) fn socket(directory: &Path) -> PathBuf {
    directory.join("haproxy.sock")
}

/// nginx as one process, with nothing outside its directory.
pub(crate) fn nginx(directory: &Path, exported: &Path) -> Command {
    let file = directory.join("nginx.conf");
    let at = directory.display();
    let text = format!(
        "daemon off; master_process off; pid {at}/pid; error_log {at}/error.log;
events {{ worker_connections 256; }}
http {{ access_log off; keepalive_requests 100000;
  client_body_temp_path {at}/b; proxy_temp_path {at}/p; fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;
  include {};
}}\n",
        exported.display()
    );
    std::fs::write(&file, text).expect("a file");
    let mut command = tool("nginx");
    command.arg("-e").arg(directory.join("error.log")).arg("-c").arg(file);
    command
}

/// A program that must be here: without it the test fails, because nothing would be tested. Debian keeps
/// servers where only root looks.
pub(crate) fn tool(name: &str) -> Command {
    let sbin = PathBuf::from("/usr/sbin").join(name);
    let program = if sbin.exists() { sbin } else { PathBuf::from(name) };
    let found = Command::new(&program).arg("-v").output();
    assert!(found.is_ok(), "{name} is not installed; run scripts/install-tools");
    Command::new(program)
}

pub(crate) fn assert_accepted(output: &Output) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}
