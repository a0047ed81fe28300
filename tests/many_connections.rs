//! Ten thousand idle connections, and a thousand uploads that are open at once and of which some are
//! large: the process's memory stays under stated caps, and others are answered meanwhile.
//!
//! Both ends live on this machine, so that the test needs some 13,000 descriptors; it raises its own limit
//! as far as it may. The caps hold for a debug build; they were measured and doubled.

#[path = "many_connections/sink.rs"]
mod sink;
mod support;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parallax_testkit::{FakeService, RawClient};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sink::Sink;
use support::process::Process;
use support::same;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Barrier, Semaphore, watch};
use tokio::task::JoinSet;

const IDLE: usize = 10_000;
const UPLOADS: usize = 1000;
/// How many of them are large.
const LARGE: usize = 20;
const SMALL_BYTES: usize = 1_000_000;
const LARGE_BYTES: usize = 100_000_000;
/// Connections that are opened at once, at most: below what a listener's queue holds.
const AT_ONCE: usize = 100;

/// How much memory idle connections may take, all together.
const IDLE_CAP: u64 = 600 << 20;
/// How much they may take once nothing has been asked on them for a while.
const REST_CAP: u64 = 200 << 20;
/// How long that may take.
const REST: Duration = Duration::from_secs(20);
/// How much memory the uploads may take beyond that: what is under way in buffers, and the copies that
/// wait, whose budget is `queue_bytes` below.
const UPLOAD_CAP: u64 = 600 << 20;
/// Within this another client is answered whatever happens.
const ANSWERED: Duration = Duration::from_secs(5);
/// How long the whole may take.
const PATIENCE: Duration = Duration::from_secs(120);

const CONFIGURATION: &str = "store: 'memory://'
limits: {queue_bytes: 64MiB}
operations:
  - {id: upload, match: 'POST /uploads/{id}', idempotent: true}
  - {id: getReturn, match: 'GET /returns/{return_id}'}
";

/// Raises the number of descriptors as far as this process may; the child inherits it.
fn raise_descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(1 << 20).min(1 << 20);
    setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: limit.maximum })
        .expect("up to the maximum");
    most
}

/// Opens connections and asks once over each, so that all are known to be taken.
async fn idle(proxy: SocketAddr, count: usize) -> Vec<RawClient> {
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    let mut opening = JoinSet::new();
    for number in 0..count {
        let at_once = Arc::clone(&at_once);
        opening.spawn(async move {
            let _permit = at_once.acquire().await.expect("nobody closes the semaphore");
            let mut client = RawClient::connect(proxy).await.expect("the proxy listens");
            assert_eq!(client.get(&format!("/idle/{number}")).await.expect("an answer").status, 200);
            client
        });
    }
    opening.join_all().await
}

/// An upload that stops one byte before its end until all are there.
async fn upload(proxy: SocketAddr, number: usize, all_open: Arc<Barrier>) -> io::Result<u16> {
    let length = if number < LARGE { LARGE_BYTES } else { SMALL_BYTES };
    let mut stream = TcpStream::connect(proxy).await?;
    let head = format!("POST /uploads/{number} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let piece = vec![b'x'; 20_000];
    send(&mut stream, &piece, SMALL_BYTES - 1).await?;
    all_open.wait().await;
    send(&mut stream, &piece, length - (SMALL_BYTES - 1)).await?;
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer[9..]).parse().unwrap_or(0))
}

async fn send(stream: &mut TcpStream, piece: &[u8], mut left: usize) -> io::Result<()> {
    while left > 0 {
        let now = piece.len().min(left);
        stream.write_all(&piece[..now]).await?;
        left -= now;
    }
    Ok(())
}

/// Somebody who asks all the time; the longest that took, and how often.
async fn bystander(proxy: SocketAddr, mut ended: watch::Receiver<bool>) -> (Duration, u32) {
    let (mut worst, mut asked) = (Duration::ZERO, 0);
    while !*ended.borrow_and_update() {
        let began = Instant::now();
        let mut client = RawClient::connect(proxy).await.expect("the proxy listens");
        assert_eq!(client.get("/returns/1").await.expect("an answer").status, 200);
        worst = worst.max(began.elapsed());
        asked += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (worst, asked)
}

/// The most memory that the process has while this goes on.
async fn watching<T>(process: &Process, going_on: impl Future<Output = T>) -> (T, u64) {
    let mut most = 0;
    let mut going_on = std::pin::pin!(going_on);
    loop {
        tokio::select! {
            done = going_on.as_mut() => return (done, most.max(process.resident())),
            () = tokio::time::sleep(Duration::from_millis(50)) => most = most.max(process.resident()),
        }
    }
}

/// Waits until the process holds no more than this; what it holds then.
async fn holds_no_more_than(process: &Process, cap: u64) -> u64 {
    let began = Instant::now();
    loop {
        let resident = process.resident();
        if resident <= cap {
            return resident;
        }
        assert!(began.elapsed() < REST, "idle connections still take {} MiB", resident >> 20);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_under_its_caps_and_others_are_answered() {
    let descriptors = raise_descriptors();
    assert!(descriptors >= 15_000, "{descriptors} descriptors are too few (ulimit -Hn)");
    let directory = tempfile::tempdir().unwrap();
    let (legacy, candidate) = (Sink::start(), FakeService::start(same("{}")));
    let url = format!("http://{}", legacy.addr);
    let mut process = Process::start(directory.path(), &url, &candidate.url(), CONFIGURATION);
    drop(idle(process.proxy, 200).await);
    let base = process.resident();
    let proxy = process.proxy;
    let began = Instant::now();

    let (mut kept, _) = watching(&process, idle(proxy, IDLE)).await;
    let with_idle = process.resident();
    println!("{IDLE} idle connections after {:?}: +{} MiB", began.elapsed(), (with_idle - base) >> 20);
    let at_rest = holds_no_more_than(&process, base + REST_CAP).await;
    println!("at rest after {:?}: +{} MiB", began.elapsed(), at_rest.saturating_sub(base) >> 20);
    // They are there, and not given up.
    for client in kept.iter_mut().step_by(500) {
        assert_eq!(client.get("/returns/1").await.expect("it is kept").status, 200);
    }

    let (end, ended) = watch::channel(false);
    let mut others = JoinSet::new();
    others.spawn(bystander(proxy, ended));
    let all_open = Arc::new(Barrier::new(UPLOADS));
    let mut uploads = JoinSet::new();
    for number in 0..UPLOADS {
        uploads.spawn(upload(proxy, number, Arc::clone(&all_open)));
    }
    let (statuses, most) = tokio::time::timeout(PATIENCE, watching(&process, uploads.join_all()))
        .await
        .expect("the uploads come to their end");
    end.send_replace(true);
    let (worst, asked) = others.join_all().await[0];
    println!(
        "{UPLOADS} uploads, {LARGE} of them of 100 MB, after {:?}: +{} MiB; {asked} others' requests, the slowest {worst:?}",
        began.elapsed(),
        most.saturating_sub(with_idle) >> 20
    );
    for status in statuses {
        assert_eq!(status.expect("an answer"), 200);
    }
    process.assert_lives();
    assert!(with_idle - base < IDLE_CAP, "idle connections take {} MiB", (with_idle - base) >> 20);
    assert!(most.saturating_sub(with_idle) < UPLOAD_CAP, "uploads take {} MiB", (most - with_idle) >> 20);
    assert!(worst < ANSWERED, "somebody waited {worst:?}");
    assert!(asked > 5, "{asked}");
}
