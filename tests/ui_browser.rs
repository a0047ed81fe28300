//! The pages in a real browser: a walk from the operations to a difference, a rollback by form,
//! live updates that leave alone what is being typed, a phone's width, and not one complaint in
//! the browser's console. Needs Debian's `chromium` and `chromium-driver`.

#[expect(dead_code, reason = "shared with the tests of the pages")]
mod made_up;

use std::io::{BufRead, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use made_up::{MadeUp, returns};
use parallax::{api, tasks, ui};
use parallax_core::stage::Stage;
use serde_json::{Value, json};

/// The made-up deployment on a thread of its own.
struct Server {
    made_up: Arc<MadeUp>,
    url: String,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    fn start() -> Self {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let serve = async move {
            let made_up = Arc::new(returns().await);
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let address = listener.local_addr().expect("an address");
            sender.send((Arc::clone(&made_up), format!("http://{address}"))).expect("the test waits");
            let finished = made_up.finished.subscribe();
            api::run(
                listener,
                made_up.context(Vec::new()),
                ui::pages(),
                finished,
                tokio::sync::watch::channel(false).0,
            )
            .await
            .expect("it ran");
        };
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(serve);
        };
        let thread = tasks::spawn_thread("made-up", run).expect("a thread");
        let (made_up, url) = receiver.recv().expect("the server is up");
        Self { made_up, url, thread: Some(thread) }
    }

    fn count(&self, requests: usize) {
        for _ in 0..requests {
            self.made_up.match_one("getReturn", Duration::from_millis(4), Duration::from_millis(3));
        }
    }

    fn stage(&self, id: &str) -> Stage {
        let id = id.parse().expect("an id");
        self.made_up.routing.load().entry(&id).expect("an operation").stage
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.made_up.finished.send_replace(true);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server's thread");
        }
    }
}

/// A chromedriver on a port of its own choice. It takes a free port of IPv4 and then wants the
/// same one of IPv6, which somebody else may have: then it ends, and the next one chooses anew.
fn driver() -> (Child, SocketAddr) {
    for _ in 0..10 {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("Debian's chromium-driver");
        let output = BufReader::new(driver.stdout.take().expect("its output"));
        let mut said = Vec::new();
        for line in output.lines().map_while(Result::ok) {
            if let Some(port) = port_in(&line) {
                return (driver, SocketAddr::from(([127, 0, 0, 1], port)));
            }
            said.push(line);
        }
        let status = driver.wait().expect("its end");
        eprintln!("chromedriver ended with {status}: {said:#?}");
    }
    panic!("no chromedriver started, of 10");
}

fn port_in(line: &str) -> Option<u16> {
    let port = line.strip_prefix("ChromeDriver was started successfully on port ")?;
    port.trim_end_matches('.').parse().ok()
}

/// A browser, driven over the WebDriver protocol (W3C WebDriver 2).
struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    _profile: tempfile::TempDir,
}

impl Browser {
    fn start() -> Self {
        let (driver, address) = driver();
        let profile = tempfile::tempdir().expect("a directory");
        let mut browser = Self { driver, address, session: String::new(), _profile: profile };
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--window-size=1280,900",
            &format!("--user-data-dir={}", browser._profile.path().display()),
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
            "timeouts": {"script": 20_000, "pageLoad": 20_000},
        }}});
        let opened = browser.call("POST", "/session", &wanted);
        browser.session = opened["sessionId"].as_str().expect("a session").to_owned();
        browser
    }

    /// One call; its value.
    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let value = self.ask(method, path, body).expect("the driver answers");
        assert!(value["error"].is_null(), "{method} {path}: {value}");
        value
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> std::io::Result<Value> {
        let path =
            if path == "/session" { path.to_owned() } else { format!("/session/{}{path}", self.session) };
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let (address, length) = (self.address, body.len());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n"
        );
        stream.write_all((head + &body).as_bytes())?;
        let mut answer = serde_json::from_slice::<Value>(&read_answer(&mut BufReader::new(stream))?)?;
        Ok(answer["value"].take())
    }

    fn go(&self, url: &str) {
        self.call("POST", "/url", &json!({"url": url}));
    }

    fn find(&self, selector: &str) -> String {
        let found = self.call("POST", "/element", &json!({"using": "css selector", "value": selector}));
        let id = found.as_object().and_then(|object| object.values().next()).and_then(Value::as_str);
        id.expect("an element").to_owned()
    }

    fn click(&self, selector: &str) {
        let element = self.find(selector);
        self.call("POST", &format!("/element/{element}/click"), &json!({}));
    }

    fn write(&self, selector: &str, text: &str) {
        let element = self.find(selector);
        self.call("POST", &format!("/element/{element}/value"), &json!({"text": text}));
    }

    fn run(&self, script: &str) -> Value {
        self.call("POST", "/execute/sync", &json!({"script": script, "args": []}))
    }

    fn text(&self) -> String {
        self.run("return document.body.innerText").as_str().expect("text").to_owned()
    }

    /// Waits until a text is on the page. Asked from outside: a script that waits within the page
    /// ends with the page when a form's answer replaces it.
    fn wait_for(&self, text: &str) {
        let shown = json!({"script": "return document.body.innerText", "args": []});
        parallax_testkit::wait_until_blocking(Duration::from_secs(20), text, || {
            let page = self.ask("POST", "/execute/sync", &shown).unwrap_or_default();
            page.as_str().is_some_and(|page| page.contains(text))
        });
    }

    /// Lets pages be as wide as on a phone.
    fn be_a_phone(&self) {
        let metrics = json!({"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": true});
        let body = json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics});
        self.call("POST", "/goog/cdp/execute", &body);
    }

    /// What the browser complained about: scripts that failed, and whatever the policy forbade.
    fn complaints(&self) -> Vec<String> {
        let log = self.call("POST", "/se/log", &json!({"type": "browser"}));
        log.as_array().expect("a list").iter().map(|entry| entry["message"].to_string()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // This ends the browser, also after a test that failed.
        if !self.session.is_empty() {
            self.ask("DELETE", "", &Value::Null).ok();
        }
        self.driver.kill().ok();
        self.driver.wait().ok();
    }
}

/// The body of an answer; the driver keeps its connections open, so its length counts.
fn read_answer(stream: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().map_err(std::io::Error::other)?;
            }
            None if line.trim_end().is_empty() => break,
            Some(_) | None => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(body)
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn somebody_finds_a_difference_and_rolls_back() {
    let server = Server::start();
    let browser = Browser::start();
    browser.go(&server.url);
    browser.wait_for("live");
    browser.click("a[href='/operations/listReturns']");
    assert!(browser.text().contains("rounded to 2 decimals"));
    browser.click("a[href='/signatures/000000000000a000']");
    let text = browser.text();
    assert!(text.contains("19.995") && text.contains("The sides have different values here."), "{text}");
    let marked = browser.run("return document.querySelectorAll('.line.differs .mark').length");
    assert!(marked.as_u64().expect("a number") >= 3, "{marked}");

    browser.go(&format!("{}/operations/getReturn", server.url));
    browser.write("#rollback-reason", "wrong totals");
    browser.click("button.danger");
    browser.wait_for("Rolled back. Legacy answers from the very next request on.");
    assert_eq!(server.stage("getReturn"), Stage::Shadow);
    assert!(browser.text().contains("wrong totals"), "the history says why");
    assert_eq!(browser.run("return location.search"), "", "loading it again says it no more");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn a_page_updates_itself_and_leaves_alone_what_is_being_typed() {
    let server = Server::start();
    let browser = Browser::start();
    browser.go(&format!("{}/operations/getReturn", server.url));
    browser.wait_for("live");
    browser.write("#reason", "half a sen");
    assert!(browser.text().contains("183,754"));
    server.count(1_000);
    browser.wait_for("184,754");
    browser.write("#reason", "tence");
    assert_eq!(browser.run("return document.getElementById('reason').value"), "half a sentence");
    assert_eq!(browser.run("return document.activeElement.id"), "reason");
    server.count(1);
    browser.wait_for("184,755");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn everything_fits_on_a_phone_and_hostile_text_stays_text() {
    let server = Server::start();
    let browser = Browser::start();
    browser.be_a_phone();
    let paths =
        ["/", "/operations/listReturns", "/operations/getReturn", "/signatures/000000000000a004", "/nothing"];
    for path in paths {
        browser.go(&format!("{}{path}", server.url));
        let width = browser.run("return document.documentElement.scrollWidth");
        assert_eq!(width, 390, "{path} is wider than the screen");
        assert_eq!(browser.run("return document.scripts.length"), 1, "{path}");
    }
    // A page that is not there is a complaint in the console; nothing else is.
    let complaints = browser.complaints();
    assert!(complaints.iter().all(|complaint| complaint.contains("/nothing")), "{complaints:?}");
}
