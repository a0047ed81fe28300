//! The proxies that are measured: each a process of its own, on ports of its own, configured for
//! the same work, started here and ended here.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A proxy under measurement.
pub(crate) struct Contender {
    /// What the table calls it.
    pub(crate) name: &'static str,
    /// Where clients connect.
    pub(crate) address: SocketAddr,
    process: Child,
}

/// A free port of this machine; free a moment ago, which has to do.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

impl Contender {
    /// Starts a command that serves `port`, and waits until it does.
    fn start(name: &'static str, port: u16, command: &mut Command) -> Self {
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap_or_else(|error| {
            panic!("{name} cannot be started: {error}; scripts/install-tools installs what the benches need")
        });
        let contender = Self { name, address: SocketAddr::from(([127, 0, 0, 1], port)), process };
        wait_for(contender.address, name);
        contender
    }

    /// nginx that passes requests through, and mirrors them when `mirror` has a port.
    pub(crate) fn nginx(name: &'static str, directory: &Path, legacy: u16, mirror: Option<u16>) -> Self {
        let port = free_port();
        let pass = "proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header Host $host;";
        let upstream = |name: &str, port: u16| {
            format!(
                "upstream {name} {{ server 127.0.0.1:{port}; keepalive 256; keepalive_requests 100000000; }}"
            )
        };
        let locations = match mirror {
            None => format!("location / {{ {pass} proxy_pass http://legacy; }}"),
            Some(_) => format!(
                "location / {{ mirror /copy; {pass} proxy_pass http://legacy; }}
                 location = /copy {{ internal; {pass} proxy_pass http://candidate$request_uri; }}"
            ),
        };
        let candidate = mirror.map_or(String::new(), |port| upstream("candidate", port));
        let server = format!(
            "{} {candidate} server {{ listen 127.0.0.1:{port}; {locations} }}",
            upstream("legacy", legacy)
        );
        Self::start(name, port, &mut nginx_command(directory, name, &server))
    }

    /// HAProxy that passes requests through.
    pub(crate) fn haproxy(directory: &Path, legacy: u16) -> Self {
        let port = free_port();
        let file = directory.join("haproxy.cfg");
        let text = format!(
            "global\n  maxconn 4096\n  nbthread 2\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n  http-reuse always\nfrontend in\n  bind 127.0.0.1:{port}\n  default_backend legacy\nbackend legacy\n  server one 127.0.0.1:{legacy}\n"
        );
        fs::write(&file, text).expect("haproxy.cfg");
        Self::start("haproxy", port, Command::new("haproxy").arg("-db").arg("-f").arg(&file))
    }

    /// parallax with every request in this stage.
    pub(crate) fn parallax(
        name: &'static str,
        stage: &str,
        directory: &Path,
        legacy: &str,
        candidate: &str,
    ) -> Self {
        let (port, control) = (free_port(), free_port());
        let file = directory.join(format!("{}.yaml", name.replace(' ', "-")));
        let text = format!(
            "listen: 127.0.0.1:{port}
control: {{listen: '127.0.0.1:{control}'}}
legacy: {{url: '{legacy}'}}
candidate: {{url: '{candidate}', timeout: 10s}}
store: 'memory://'
operations: [{{id: getItem, match: 'GET /items/{{id}}', stage: {stage}}}]
"
        );
        fs::write(&file, text).expect("a configuration");
        let mut command = Command::new(env!("CARGO_BIN_EXE_parallax"));
        Self::start(name, port, command.arg("serve").arg("-c").arg(&file))
    }

    /// CPU time that the process and its children have used so far.
    pub(crate) fn cpu(&self) -> Duration {
        let mut ids = vec![self.process.id()];
        ids.extend(children(self.process.id()));
        ids.into_iter().map(cpu_of).sum()
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        // nginx's workers end with their master only when it is asked to end.
        let id = self.process.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().ok();
        self.process.wait().ok();
    }
}

/// nginx in the foreground with one `http` block.
pub(crate) fn nginx_command(directory: &Path, name: &str, server: &str) -> Command {
    let stem = name.replace(' ', "-");
    let file = directory.join(format!("{stem}.conf"));
    let text = format!(
        "daemon off; worker_processes 2; pid {0}/{stem}.pid; error_log {0}/{stem}.err;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 100000000; default_type application/json;
  client_body_temp_path {0}/{stem}-body; proxy_temp_path {0}/{stem}-proxy; fastcgi_temp_path {0}/{stem}-f;
  uwsgi_temp_path {0}/{stem}-u; scgi_temp_path {0}/{stem}-s;
  {server} }}",
        directory.display()
    );
    fs::write(&file, text).expect("nginx.conf");
    let mut command = Command::new("nginx");
    command.arg("-e").arg(directory.join(format!("{stem}.start"))).arg("-c").arg(file);
    command
}

/// Waits until something listens.
pub(crate) fn wait_for(address: SocketAddr, name: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "{name} does not listen on {address}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn children(id: u32) -> Vec<u32> {
    let listed = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    listed.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

/// User and system time from `/proc/PID/stat` (proc(5), fields 14 and 15, in ticks of 10 ms).
fn cpu_of(id: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 =
        after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
