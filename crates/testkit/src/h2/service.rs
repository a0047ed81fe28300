//! A service that speaks HTTP/2 without TLS, and not for long: the faults of a side that only HTTP/2 has.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::thread;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::frame::{Frame, PREFACE, block, code, flag, kind, setting};

/// What happens when the head of a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum H2Fault {
    /// The connection is given up, with the request not taken.
    GoAway,
    /// The stream is refused.
    Refuse,
    /// The head of an answer comes, some of its body, and the stream is reset.
    ResetMidBody,
    /// The head of an answer comes, some of its body, and the connection is given up.
    GoAwayMidBody,
    /// No window is ever opened, and nothing is answered.
    NoWindow,
    /// The head of an answer that never ends.
    EndlessHead,
}

/// A service on a port of 127.0.0.1 with one fault. It stops when it is dropped.
#[derive(Debug)]
pub struct H2Service {
    addr: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl H2Service {
    /// Starts a service.
    ///
    /// # Panics
    /// When the system has no port or no thread to give.
    #[must_use]
    pub fn start(fault: H2Fault) -> Self {
        let listener = StdListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket of ours");
        let addr = listener.local_addr().expect("a bound socket has an address");
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let thread = thread::Builder::new()
            .name(format!("h2-{}", addr.port()))
            .spawn(move || runtime.block_on(accept(listener, fault, stopped)))
            .expect("a thread");
        Self { addr, stop, thread: Some(thread) }
    }

    /// Where it listens, as a URL without a path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
}

impl Drop for H2Service {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed; one in a drop would hide the test's own.
            let _ = thread.join();
        }
    }
}

async fn accept(listener: StdListener, fault: H2Fault, mut stopped: watch::Receiver<bool>) {
    let listener = TcpListener::from_std(listener).expect("a runtime that knows sockets");
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return,
            Ok((stream, _)) = listener.accept() => {
                // A peer that has gone ends the connection, and that is all there is to it.
                connections.spawn(async move { serve(stream, fault).await.unwrap_or_default() });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(mut stream: TcpStream, fault: H2Fault) -> io::Result<()> {
    let mut preface = [0; PREFACE.len()];
    stream.read_exact(&mut preface).await?;
    let window = if fault == H2Fault::NoWindow { 0 } else { 65_535 };
    stream.write_all(&Frame::settings(&[(setting::INITIAL_WINDOW_SIZE, window)]).bytes()).await?;
    let mut buffer = BytesMut::new();
    loop {
        while let Some(frame) = Frame::take(&mut buffer) {
            match frame.kind {
                kind::SETTINGS if frame.flags & flag::ACK == 0 => {
                    stream.write_all(&Frame::new(kind::SETTINGS, flag::ACK, 0, "").bytes()).await?;
                }
                kind::HEADERS => fail(&mut stream, fault, frame.stream).await?,
                _ => {}
            }
        }
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

async fn fail(stream: &mut TcpStream, fault: H2Fault, of: u32) -> io::Result<()> {
    let begun = [
        Frame::headers(of, flag::END_HEADERS, &[(":status", "200"), ("content-length", "100")]).bytes(),
        Frame::data(of, 0, "{\"half\":").bytes(),
    ]
    .concat();
    match fault {
        H2Fault::GoAway => {
            stream.write_all(&Frame::go_away(0, code::NO_ERROR).bytes()).await?;
            stream.shutdown().await
        }
        H2Fault::Refuse => stream.write_all(&Frame::reset(of, code::REFUSED_STREAM).bytes()).await,
        H2Fault::ResetMidBody => {
            stream.write_all(&[begun, Frame::reset(of, code::INTERNAL_ERROR).bytes()].concat()).await
        }
        H2Fault::GoAwayMidBody => {
            stream.write_all(&[begun, Frame::go_away(of, code::INTERNAL_ERROR).bytes()].concat()).await?;
            stream.shutdown().await
        }
        H2Fault::NoWindow => Ok(()),
        H2Fault::EndlessHead => {
            stream.write_all(&Frame::headers(of, 0, &[(":status", "200")]).bytes()).await?;
            let more = Frame::new(kind::CONTINUATION, 0, of, block(&[("x", &"y".repeat(8000))])).bytes();
            loop {
                stream.write_all(&more).await?;
            }
        }
    }
}
