//! A fake service that speaks HTTP/2 frame by frame, so that a test can close, refuse and reset
//! as no library would at its bidding. It reads nothing out of a request but that there is one.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::host::Host;

/// Which request it is.
#[derive(Clone, Copy, Debug)]
pub struct Arrived {
    /// The connection, the first being 1.
    pub connection: u64,
    /// The stream's number.
    pub stream: u32,
}

/// A service on a port of 127.0.0.1 that sends the bytes that the test's function gives for each
/// request, as soon as its head has come. It stops when it is dropped.
pub struct FrameService {
    host: Host,
    connections: Arc<AtomicU64>,
    requests: Arc<AtomicU64>,
}

type Script = Arc<dyn Fn(Arrived) -> Vec<u8> + Send + Sync>;

impl FrameService {
    /// Starts a service.
    ///
    /// # Panics
    /// When the system has no port or no thread to give.
    pub fn start(script: impl Fn(Arrived) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let (connections, requests) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let host = {
            let (connections, requests) = (Arc::clone(&connections), Arc::clone(&requests));
            Host::start("frames", move |listener| serve(listener, Arc::new(script), connections, requests))
        };
        Self { host, connections, requests }
    }

    /// Where it listens, as a URL without a path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.host.addr())
    }

    /// How many connections were accepted.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }

    /// How many requests have come.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// `:status: 200`, with more to come.
#[must_use]
pub fn head_200(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &[0x88])
}

/// The last piece of a body.
#[must_use]
pub fn last_data(stream: u32, bytes: &[u8]) -> Vec<u8> {
    frame(DATA, END_STREAM, stream, bytes)
}

/// A whole answer with this body.
#[must_use]
pub fn answer_200(stream: u32, body: &[u8]) -> Vec<u8> {
    [head_200(stream), last_data(stream, body)].concat()
}

/// Resets a stream with this error code.
#[must_use]
pub fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

/// Says that no stream after `last` will be answered.
#[must_use]
pub fn go_away(last: u32, code: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat())
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

async fn serve(listener: TcpListener, script: Script, connections: Arc<AtomicU64>, requests: Arc<AtomicU64>) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                let number = connections.fetch_add(1, Ordering::SeqCst) + 1;
                let (script, requests) = (Arc::clone(&script), Arc::clone(&requests));
                open.spawn(async move { connection(stream, number, &script, &requests).await });
            },
            Some(_) = open.join_next() => {}
        }
    }
}

async fn connection(
    mut stream: TcpStream,
    number: u64,
    script: &Script,
    requests: &AtomicU64,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await?;
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).await?;
        let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        match (head[3], head[4] & ACK) {
            (SETTINGS, 0) => stream.write_all(&frame(SETTINGS, ACK, 0, &[])).await?,
            (PING, 0) => stream.write_all(&frame(PING, ACK, 0, &payload)).await?,
            (HEADERS, _) => {
                requests.fetch_add(1, Ordering::SeqCst);
                stream.write_all(&script(Arrived { connection: number, stream: id })).await?;
            }
            _ => {}
        }
    }
}
