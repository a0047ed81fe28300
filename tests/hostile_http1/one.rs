//! One hostile request with its canary and its victims.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use parallax_testkit::RawClient;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};

/// After this long without a byte the victims come; the connection is still read to the end of the test.
const QUIET: Duration = Duration::from_millis(250);
/// How long a write may be stuck; a proxy may stop to read what it has refused.
const STUCK: Duration = Duration::from_secs(5);

/// The numbers of all answers that reached anybody, and how often.
#[derive(Default)]
pub(crate) struct Collected {
    serials: Mutex<BTreeMap<String, u32>>,
    sent: AtomicUsize,
}

impl Collected {
    pub(crate) fn has(&self, serial: &str) -> bool {
        self.serials.lock().unwrap_or_else(PoisonError::into_inner).contains_key(serial)
    }

    pub(crate) fn twice(&self) -> Vec<String> {
        let serials = self.serials.lock().unwrap_or_else(PoisonError::into_inner);
        serials.iter().filter(|serial| *serial.1 > 1).map(|serial| serial.0.clone()).collect()
    }

    /// Cases whose victims have been answered.
    pub(crate) fn sent(&self) -> usize {
        self.sent.load(Ordering::SeqCst)
    }

    fn add(&self, serial: &str) {
        let mut serials = self.serials.lock().unwrap_or_else(PoisonError::into_inner);
        *serials.entry(serial.to_owned()).or_default() += 1;
    }
}

/// One case, to be run.
pub(crate) struct One {
    pub(crate) number: usize,
    pub(crate) bytes: Vec<u8>,
    pub(crate) proxy: SocketAddr,
    pub(crate) collected: Arc<Collected>,
    pub(crate) at_once: Arc<Semaphore>,
    pub(crate) ended: watch::Receiver<bool>,
}

/// What came of a case.
pub(crate) struct Found {
    pub(crate) number: usize,
    /// The first answer on the hostile connection.
    pub(crate) status: Option<u16>,
    /// Whether the canary was answered.
    pub(crate) canary: bool,
    /// What was wrong with the answers of the victims.
    pub(crate) victims: Vec<String>,
}

impl One {
    pub(crate) async fn run(self) -> Found {
        let permit = self.at_once.clone().acquire_owned().await.expect("nobody closes the semaphore");
        let canary = format!("canary-{}", self.number);
        let mut connection = TcpStream::connect(self.proxy).await.expect("the proxy listens");
        connection.set_nodelay(true).ok();
        let mut came = Vec::new();
        let follows = format!("GET /canary/{canary} HTTP/1.1\r\nHost: canary\r\nX-Echo: {canary}\r\n\r\n");
        let all = [self.bytes.as_slice(), follows.as_bytes()].concat();
        // A connection that was closed already is an answer, too.
        let _ = tokio::time::timeout(STUCK, connection.write_all(&all)).await;
        let echo = format!("\"echo\":\"{canary}\"");
        while !contains(&came, &echo)
            && let Ok(Ok(1..)) = tokio::time::timeout(QUIET, connection.read_buf(&mut came)).await
        {}
        let mut victims = Vec::new();
        for victim in 0..2 {
            victims.extend(self.victim(victim).await.err());
        }
        self.collected.sent.fetch_add(1, Ordering::SeqCst);
        drop(permit);
        self.rest(&mut connection, &mut came).await;
        Found { number: self.number, status: status(&came), canary: contains(&came, &echo), victims }
    }

    /// Somebody with a connection of their own, who must get their answer and no other.
    async fn victim(&self, number: usize) -> Result<(), String> {
        let id = format!("victim-{}-{number}", self.number);
        let failed = |error: std::io::Error| format!("{id} got no answer: {error}");
        let mut client = RawClient::connect(self.proxy).await.map_err(failed)?;
        let fields = [("X-Echo", id.as_str()), ("Connection", "close")];
        let answer = client.ask("GET", &format!("/victims/{id}"), &fields, b"").await.map_err(failed)?;
        let serial = answer.headers.get("x-serial").unwrap_or_default().to_owned();
        self.collected.add(&serial);
        let own = format!("{{\"echo\":\"{id}\"}}");
        if answer.status != 200 || answer.body != own.as_bytes() || !serial.starts_with("legacy-") {
            return Err(format!("{id} got {} {} ({serial})", answer.status, answer.body.escape_ascii()));
        }
        Ok(())
    }

    /// Reads on until the proxy closes the connection or the test has all answers.
    async fn rest(&self, connection: &mut TcpStream, came: &mut Vec<u8>) {
        let (mut noted, mut ended) = (self.note(came, 0), self.ended.clone());
        loop {
            tokio::select! {
                read = connection.read_buf(came) => match read {
                    Ok(1..) => noted += self.note(came, noted),
                    Ok(0) | Err(_) => return,
                },
                _ = ended.wait_for(|ended| *ended) => return,
            }
        }
    }

    /// Collects the numbers of the answers after the first `noted` of them; says how many there are.
    fn note(&self, came: &[u8], noted: usize) -> usize {
        let text = String::from_utf8_lossy(came).to_ascii_lowercase();
        let complete = text.rfind("\r\n").map_or("", |end| &text[..end + 2]);
        let serials = complete.split("x-serial: ").skip(1 + noted);
        serials
            .filter_map(|rest| rest.split("\r\n").next())
            .inspect(|serial| self.collected.add(serial))
            .count()
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}

/// The first final status among the answers.
fn status(came: &[u8]) -> Option<u16> {
    let text = String::from_utf8_lossy(came);
    let mut statuses = text.split("HTTP/1.1 ").skip(1).filter_map(|rest| rest.get(..3)?.parse().ok());
    statuses.find(|status| *status >= 200)
}
