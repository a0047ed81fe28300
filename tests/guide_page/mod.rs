//! A page of the guide as something that can be run. What the marks mean is at the top of
//! `tests/guide.rs`.

mod services;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use parallax_testkit::{FakeService, RawClient};
use serde_json::Value;

use crate::support::DEADLINE;
use crate::support::process::free_address;

/// What a page does, in its order.
enum Step {
    Write { file: String, text: String },
    Run { line: usize, command: String, said: String },
}

pub(crate) struct Page {
    name: String,
    steps: VecDeque<Step>,
}

impl Page {
    /// The page at this path in the repository.
    pub(crate) fn read(name: &str) -> Self {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name));
        let text = text.unwrap_or_else(|error| panic!("{name}: {error}"));
        let steps = steps(&text);
        let commands = steps.iter().filter(|step| matches!(step, Step::Run { .. })).count();
        assert!(commands > 0, "{name} has no command that could be run");
        Self { name: name.to_owned(), steps }
    }

    /// Runs the page to its end.
    pub(crate) async fn run(mut self) {
        let mut place = Place::new();
        let mut last = 0;
        while let Some(step) = self.steps.pop_front() {
            match step {
                Step::Write { file, text } => place.write(&file, &text),
                Step::Run { line, command, said } => {
                    let (status, printed) = place.run(&command, last).await;
                    let at = format!("{}:{line}: $ {command}", self.name);
                    assert!(is_as_said(&said, &printed), "{at}\nsays\n{said}\nand prints\n{printed}");
                    assert!(status == 0 || self.tells_status(), "{at}\nended with {status}\n{printed}");
                    last = status;
                }
            }
        }
    }

    fn tells_status(&self) -> bool {
        matches!(self.steps.front(), Some(Step::Run { command, .. }) if command == "echo $?")
    }
}

/// Whether what was printed is what the page says; trailing white space aside.
pub(crate) fn is_as_said(said: &str, printed: &str) -> bool {
    let lines = |text: &str| -> Vec<String> {
        text.trim_end().lines().map(|line| line.trim_end().to_owned()).collect()
    };
    lines_match(&lines(said), &lines(printed))
}

fn lines_match(said: &[String], printed: &[String]) -> bool {
    match (said.split_first(), printed.split_first()) {
        (None, _) => printed.is_empty(),
        (Some((first, rest)), _) if first == "..." => {
            (0..=printed.len()).any(|skipped| lines_match(rest, &printed[skipped..]))
        }
        (Some(_), None) => false,
        (Some((said, said_rest)), Some((printed, rest))) => {
            line_matches(said, printed) && lines_match(said_rest, rest)
        }
    }
}

fn line_matches(said: &str, printed: &str) -> bool {
    let Some((start, said)) = said.split_once("...") else { return said == printed };
    let Some(printed) = printed.strip_prefix(start) else { return false };
    let ends = printed.char_indices().map(|(at, _)| at).chain([printed.len()]);
    ends.into_iter().any(|at| line_matches(said, &printed[at..]))
}

fn steps(text: &str) -> VecDeque<Step> {
    let mut steps = VecDeque::new();
    let mut lines = (1..).zip(text.lines());
    while let Some((_, line)) = lines.next() {
        let Some(mark) = line.strip_prefix("```") else { continue };
        let block: Vec<(usize, &str)> = lines.by_ref().take_while(|(_, line)| *line != "```").collect();
        match mark.split_once(' ') {
            Some(("yaml", file)) => {
                let text = block.iter().map(|(_, line)| format!("{line}\n")).collect();
                steps.push_back(Step::Write { file: file.to_owned(), text });
            }
            _ if mark == "console" => steps.extend(commands(&block)),
            _ => {}
        }
    }
    steps
}

fn commands(block: &[(usize, &str)]) -> Vec<Step> {
    let mut commands: Vec<Step> = Vec::new();
    for (line, text) in block {
        if let Some(command) = text.strip_prefix("$ ") {
            commands.push(Step::Run { line: *line, command: command.to_owned(), said: String::new() });
        } else if let Some(Step::Run { said, .. }) = commands.last_mut() {
            said.push_str(text);
            said.push('\n');
        }
    }
    commands
}

/// Where a page is run: a directory, two services, and ports that are free.
struct Place {
    directory: tempfile::TempDir,
    ports: Vec<(String, String)>,
    control: SocketAddr,
    background: Option<Child>,
    _services: [FakeService; 2],
}

impl Place {
    fn new() -> Self {
        let services = [FakeService::start(services::legacy()), FakeService::start(services::candidate())];
        let (proxy, control) = (free_address(), free_address());
        let pairs =
            [("8080", proxy), ("8081", services[0].addr()), ("8082", services[1].addr()), ("9900", control)];
        let ports = pairs.map(|(said, free)| (format!(":{said}"), format!(":{}", free.port())));
        let directory = tempfile::tempdir().expect("a directory");
        Self { directory, ports: ports.into(), control, background: None, _services: services }
    }

    fn write(&self, file: &str, text: &str) {
        let mut text = text.to_owned();
        let configures = text.contains("legacy:");
        for (key, default) in
            [("listen:", " 127.0.0.1:8080\n"), ("control:", " {listen: '127.0.0.1:9900'}\n")]
        {
            if configures && !text.lines().any(|line| line.starts_with(key)) {
                text.push_str(key);
                text.push_str(default);
            }
        }
        std::fs::write(self.directory.path().join(file), self.with_free_ports(&text)).expect("a file");
    }

    /// Runs a command; how it ended and what it printed.
    async fn run(&mut self, command: &str, last: i32) -> (i32, String) {
        let command = command.replace("cargo run --release -- demo", "parallax demo --for 1s");
        let command = self.with_free_ports(&command);
        if let Some(command) = command.strip_suffix(" &") {
            return self.start(command).await;
        }
        if command.ends_with(" %1") && command.starts_with("kill") {
            return self.end(&command);
        }
        // What `$?` is at the start; the rest of the shell is the page's own.
        let script = format!("exec 2>&1; (exit {last}); {command}");
        let output = self.bash(&script).output().expect("bash runs");
        if command.contains("curl") {
            self.at_rest().await;
        }
        let printed = self.with_said_ports(&String::from_utf8_lossy(&output.stdout));
        (output.status.code().unwrap_or(-1), printed)
    }

    /// Starts a command that goes on.
    async fn start(&mut self, command: &str) -> (i32, String) {
        self.stop();
        let mut bash = self.bash(&format!("exec 2>server.log; exec {command}"));
        self.background = Some(bash.stdout(Stdio::null()).spawn().expect("bash starts"));
        let began = Instant::now();
        while RawClient::connect(self.control).await.is_err() {
            let log = || std::fs::read_to_string(self.directory.path().join("server.log"));
            assert!(began.elapsed() < DEADLINE, "`{command}` does not listen: {log:?}", log = log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        (0, String::new())
    }

    /// Sends the command that goes on a signal, and waits for its end.
    fn end(&mut self, kill: &str) -> (i32, String) {
        let mut child = self.background.take().expect("a command in the background");
        let kill = kill.replace("%1", &child.id().to_string());
        assert!(self.bash(&kill).status().expect("kill runs").success(), "{kill}");
        let began = Instant::now();
        loop {
            if let Some(status) = child.try_wait().expect("a child") {
                // A signal that nobody caught is no orderly end, unless it was meant so.
                return (if kill.contains("KILL") { 0 } else { status.code().unwrap_or(-1) }, String::new());
            }
            assert!(began.elapsed() < DEADLINE, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until no check is in flight, where that can be seen.
    async fn at_rest(&self) {
        let began = Instant::now();
        while let Ok(mut client) = RawClient::connect(self.control).await {
            let Ok(answer) = client.get("/api/v1/operations").await else { return };
            let operations: Value = serde_json::from_str(answer.text()).unwrap_or_default();
            let busy = |operation: &Value| operation["counts"]["in_flight"] != 0;
            if !operations.as_array().is_some_and(|operations| operations.iter().any(busy)) {
                return;
            }
            assert!(began.elapsed() < DEADLINE, "never at rest: {operations}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn bash(&self, script: &str) -> Command {
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_parallax"));
        let here = binary.parent().expect("a directory").display().to_string();
        let path = format!("{here}:{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let mut bash = Command::new("bash");
        bash.args(["-c", script]).current_dir(self.directory.path()).stdin(Stdio::null());
        bash.env("PATH", path).env("COLUMNS", "100").env("LC_ALL", "C.UTF-8");
        for variable in ["PARALLAX_SERVER", "PARALLAX_TOKEN", "PARALLAX_LOG"] {
            bash.env_remove(variable);
        }
        bash
    }

    fn with_free_ports(&self, text: &str) -> String {
        self.ports.iter().fold(text.to_owned(), |text, (said, free)| text.replace(said, free))
    }

    fn with_said_ports(&self, text: &str) -> String {
        self.ports.iter().fold(text.to_owned(), |text, (said, free)| text.replace(free, said))
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.background.take() {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.stop();
    }
}
