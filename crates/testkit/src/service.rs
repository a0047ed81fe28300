//! A fake service: a real listener on a thread of its own, so that tests with and without a
//! runtime can use it, and a stalled test never stalls the service.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, mpsc as std_mpsc};
use std::thread;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::behaviour::{Behaviour, Step};
use crate::record::{Record, Recorded};
use crate::wire::{Framing, Wire};

/// A service on a port of 127.0.0.1 that behaves as the test says and remembers what it was asked.
/// It stops when it is dropped.
///
/// ```
/// use parallax_testkit::{Behaviour, FakeService, Reply};
/// let service = FakeService::start(Behaviour::always(Reply::json("{}")));
/// service.behave_at("/broken", Behaviour::ResetMidBody);
/// assert_eq!(service.count(), 0);
/// ```
#[derive(Debug)]
pub struct FakeService {
    addr: SocketAddr,
    shared: Arc<Shared>,
    listen: Option<mpsc::Sender<Listen>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl FakeService {
    /// Starts a service that behaves like this on every path.
    ///
    /// # Panics
    /// When the system has no port or no thread to give.
    #[must_use]
    pub fn start(behaviour: Behaviour) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let context = runtime.enter();
        // Bound and never listening: the port stays ours, and refuses, while nothing listens on it.
        let reserved = bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let addr = reserved.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared::default());
        let (listen, commands) = mpsc::channel(4);
        let acceptor = Acceptor { addr, shared: Arc::clone(&shared), connections: JoinSet::new() };
        drop(context);
        let thread = thread::Builder::new()
            .name(format!("fake-{}", addr.port()))
            .spawn(move || {
                runtime.block_on(acceptor.run(commands));
                drop(reserved);
            })
            .expect("a thread");
        let service = Self { addr, shared, listen: Some(listen), thread: Some(thread) };
        service.behave(behaviour);
        service
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where it listens, as a URL without a path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Behaves like this from now on, on every path without a behaviour of its own. When this
    /// returns, the next request is answered in the new way.
    ///
    /// # Panics
    /// When the service's thread has died.
    pub fn behave(&self, behaviour: Behaviour) {
        let listening = !matches!(behaviour, Behaviour::Refuse);
        self.shared.behaviours.lock().expect(UNPOISONED).default = Some(behaviour);
        let (done, is_done) = std_mpsc::sync_channel(1);
        let sender = self.listen.as_ref().expect("the sender goes with the service");
        sender.try_send(Listen { listening, done }).expect("the service runs");
        is_done.recv_timeout(Duration::from_secs(10)).expect("the service runs and has its port");
    }

    /// Behaves like this from now on where the path, without its query, is exactly this one.
    ///
    /// # Panics
    /// When a behaviour panicked on the service's thread.
    pub fn behave_at(&self, path: &str, behaviour: Behaviour) {
        let mut behaviours = self.shared.behaviours.lock().expect(UNPOISONED);
        behaviours.by_path.insert(path.to_owned(), behaviour);
    }

    /// The requests so far whose last byte has come, or whose connection ended before.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.record.requests()
    }

    /// How many requests there were so far, as [`Self::requests`] has them.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.shared.record.count()
    }

    /// How many heads of requests have come, with or without their bodies.
    #[must_use]
    pub fn heads(&self) -> u64 {
        self.shared.record.heads.load(Ordering::SeqCst)
    }

    /// How many bytes of request bodies have come.
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        self.shared.record.body_bytes.load(Ordering::SeqCst)
    }

    /// How many connections were accepted.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.record.connections.load(Ordering::SeqCst)
    }

    /// How many connections are open now.
    #[must_use]
    pub fn open_connections(&self) -> u64 {
        self.shared.record.open.load(Ordering::SeqCst)
    }

    /// Forgets what was recorded and counts from 0 again.
    pub fn forget(&self) {
        self.shared.record.clear();
    }
}

impl Drop for FakeService {
    fn drop(&mut self) {
        self.listen = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed; one in a drop would hide the test's own.
            let _ = thread.join();
        }
    }
}

const UNPOISONED: &str = "no thread panics while it holds the behaviours";

/// Starts or stops to listen, and says when that is done.
struct Listen {
    listening: bool,
    done: std_mpsc::SyncSender<()>,
}

#[derive(Debug, Default)]
struct Shared {
    record: Record,
    behaviours: Mutex<Behaviours>,
}

#[derive(Debug, Default)]
struct Behaviours {
    default: Option<Behaviour>,
    by_path: BTreeMap<String, Behaviour>,
}

impl Shared {
    fn default_behaviour(&self) -> Behaviour {
        let behaviours = self.behaviours.lock().expect(UNPOISONED);
        behaviours.default.clone().unwrap_or(Behaviour::Silent)
    }

    fn behaviour(&self, path: &str) -> Behaviour {
        let behaviours = self.behaviours.lock().expect(UNPOISONED);
        let own = behaviours.by_path.get(path).or(behaviours.default.as_ref());
        own.cloned().unwrap_or(Behaviour::Silent)
    }
}

struct Acceptor {
    addr: SocketAddr,
    shared: Arc<Shared>,
    connections: JoinSet<()>,
}

impl Acceptor {
    async fn run(mut self, mut commands: mpsc::Receiver<Listen>) {
        let mut listener = None;
        loop {
            tokio::select! {
                command = commands.recv() => {
                    let Some(command) = command else { return };
                    if !command.listening {
                        listener = None;
                        self.connections.shutdown().await;
                    } else if listener.is_none() {
                        listener = Some(listen(self.addr).expect("the reserved port"));
                    }
                    let _ = command.done.send(());
                }
                stream = accept(listener.as_ref()) => self.serve(stream),
                Some(_) = self.connections.join_next() => {}
            }
        }
    }

    fn serve(&mut self, stream: TcpStream) {
        let record = &self.shared.record;
        let number = record.connections.fetch_add(1, Ordering::SeqCst) + 1;
        let _ = stream.set_nodelay(true);
        let open = Open::new(Arc::clone(&self.shared));
        self.connections.spawn(async move {
            // A peer that has gone ends the connection, and that is all there is to it.
            let _ = connection(stream, number, &open.0).await;
        });
    }
}

/// Counts a connection as open for as long as its task lives.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: Arc<Shared>) -> Self {
        shared.record.open.fetch_add(1, Ordering::SeqCst);
        Self(shared)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.record.open.fetch_sub(1, Ordering::SeqCst);
    }
}

fn bind(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket)
}

fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    bind(addr)?.listen(1024)
}

async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else { return std::future::pending().await };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // Out of file descriptors, most likely: others end, so it is worth to go on.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn connection(stream: TcpStream, number: u64, shared: &Shared) -> io::Result<()> {
    let behaviour = shared.default_behaviour();
    if matches!(behaviour, Behaviour::ResetAtConnect) {
        return stream.set_zero_linger();
    }
    if matches!(behaviour, Behaviour::NeverRead) {
        return std::future::pending().await;
    }
    let mut wire = Wire::new(stream);
    while let Some(request) = read_request(&mut wire, number, shared).await? {
        let behaviour = shared.behaviour(request.path());
        let wants_close = request.headers.has_token("connection", "close");
        let steps = behaviour.steps(&request);
        let complete = request.complete;
        shared.record.push(request);
        for step in steps {
            if play(&mut wire, step).await?.is_over() {
                return Ok(());
            }
        }
        if wants_close || !complete {
            return wire.stream.shutdown().await;
        }
    }
    Ok(())
}

async fn read_request(wire: &mut Wire, number: u64, shared: &Shared) -> io::Result<Option<Recorded>> {
    let Some(head) = wire.head().await? else { return Ok(None) };
    shared.record.heads.fetch_add(1, Ordering::SeqCst);
    if head.headers.has_token("expect", "100-continue") {
        wire.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let framing = Framing::of(&head.headers, Framing::Length(0));
    let seen = |bytes: usize| {
        shared.record.body_bytes.fetch_add(bytes as u64, Ordering::SeqCst);
    };
    let content = wire.content(framing, seen).await;
    Ok(Some(Recorded::new(head, content, number)))
}

/// Whether a connection goes on after a step.
enum Played {
    GoesOn,
    Over,
}

impl Played {
    fn is_over(&self) -> bool {
        matches!(self, Self::Over)
    }
}

async fn play(wire: &mut Wire, step: Step) -> io::Result<Played> {
    let stream = &mut wire.stream;
    match step {
        Step::Send(bytes) => stream.write_all(&bytes).await?,
        Step::Pause(time) => tokio::time::sleep(time).await,
        Step::Await(gate) => gate.passed().await,
        Step::Repeat(bytes) => loop {
            stream.write_all(&bytes).await?;
        },
        Step::Hang => {
            let mut ignored = [0; 4096];
            while stream.read(&mut ignored).await? > 0 {}
            return Ok(Played::Over);
        }
        Step::Echo => {
            echo(wire).await?;
            return Ok(Played::Over);
        }
        Step::Fin => {
            stream.shutdown().await?;
            return Ok(Played::Over);
        }
        Step::Reset => {
            stream.set_zero_linger()?;
            return Ok(Played::Over);
        }
    }
    Ok(Played::GoesOn)
}

async fn echo(wire: &mut Wire) -> io::Result<()> {
    loop {
        let Wire { stream, buffer } = wire;
        if !buffer.is_empty() {
            stream.write_all(&buffer.split()).await?;
        }
        if stream.read_buf(buffer).await? == 0 {
            return stream.shutdown().await;
        }
    }
}
