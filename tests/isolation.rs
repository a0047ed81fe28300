//! Whatever the candidate does to its copies, no client notices: each of these faults times each kind of
//! request. A client gets from the proxy what legacy says when it is asked directly, to the byte; the next
//! request on the same connection is as fast; and every request is counted once.

#[path = "isolation/fault.rs"]
mod fault;
mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fault::{Candidate, Fault};
use parallax_testkit::h2::{Frame, H2Client, flag};
use parallax_testkit::{Behaviour, FakeService, RawClient, Reply};
use serde_json::Value;
use support::{DEADLINE, assert_conserved, operation, start};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Longer than anybody may wait: a client that waits for the candidate is told from one that does not.
const CANDIDATE_TIMEOUT: &str = "timeout: 3s";
/// How long the next request may take: many times what it takes, on a machine that does other things as
/// well, and far less than if it waited for the candidate.
const SLACK: Duration = Duration::from_secs(1);
/// Rows at once.
const AT_ONCE: usize = 6;
/// The body of a POST.
const SENT: usize = 1 << 20;

const OPERATIONS: &str = "store: 'memory://'
operations:
  - {id: read, match: 'GET /read/{id}', idempotent: true}
  - {id: write, match: 'POST /write/{id}', idempotent: true, body_limit: 4MiB}
";

/// What a row asks: six times `read`, two times `write`.
const READS: u64 = 6;
const WRITES: u64 = 2;

/// A request and what came of it, in the terms that HTTP/1.1 and HTTP/2 share.
#[derive(Debug, PartialEq, Eq)]
struct Came {
    status: u16,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
    trailers: Vec<(String, String)>,
}

/// Answers with what was asked, 20 KB of it; writes in chunks and with a trailer.
fn legacy() -> Behaviour {
    Behaviour::answer(|request| {
        let sum = request.body.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31) + u64::from(*byte));
        let text =
            format!("{{\"path\":\"{}\",\"length\":{},\"sum\":{sum}}}", request.path(), request.body_length);
        let reply = Reply::json(format!("{text}{}", " ".repeat(20_000)));
        let reply = reply.header("X-Side", "legacy").header("Set-Cookie", "a=1").header("Set-Cookie", "b=2");
        if request.method == "POST" {
            reply.header("Trailer", "X-Sum").trailer("X-Sum", &sum.to_string())
        } else {
            reply
        }
    })
}

/// Fields that belong to a connection and not to the answer.
fn is_framing(name: &str) -> bool {
    ["connection", "transfer-encoding", "keep-alive", "content-length", "trailer"].contains(&name)
}

fn fields(pairs: &[(String, String)]) -> Vec<(String, String)> {
    let lower = pairs.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
    lower.filter(|field| !is_framing(&field.0)).collect()
}

/// The kinds of requests.
const KINDS: [&str; 4] = ["GET", "POST of 1 MB", "POST of 1 MB in chunks", "GET over HTTP/2"];

fn sent() -> Vec<u8> {
    (0..SENT).map(|at| b'a' + u8::try_from(at % 23).unwrap_or_default()).collect()
}

/// Sends a request of a kind over an open connection.
async fn ask(client: &mut RawClient, kind: usize, id: &str) -> std::io::Result<Came> {
    let answer = match kind {
        0 => client.get(&format!("/read/{id}")).await?,
        1 => client.ask("POST", &format!("/write/{id}"), &[("TE", "trailers")], &sent()).await?,
        _ => {
            let head = format!(
                "POST /write/{id} HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n"
            );
            client.send(head.as_bytes()).await?;
            for chunk in sent().chunks(10_000) {
                let size = format!("{:x}\r\n", chunk.len());
                client.send(&[size.as_bytes(), chunk, b"\r\n"].concat()).await?;
            }
            client.send(b"0\r\n\r\n").await?;
            client.response("POST").await?
        }
    };
    if !answer.complete {
        return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the answer was cut off"));
    }
    Ok(Came {
        status: answer.status,
        fields: fields(&answer.headers.0),
        body: answer.body.to_vec(),
        trailers: fields(&answer.trailers.0),
    })
}

async fn ask_h2(client: &mut H2Client, stream: u32, id: &str) -> std::io::Result<Came> {
    let path = format!("/read/{id}");
    let head = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", path.as_str())];
    client.send(&Frame::headers(stream, flag::END_STREAM | flag::END_HEADERS, &head)).await?;
    let answer = client.answer(stream).await?;
    Ok(Came {
        status: answer.status,
        fields: fields(&answer.fields),
        body: answer.body,
        trailers: fields(&answer.trailers),
    })
}

/// A request of each kind and the next one on its connection; what came, and how long the next took.
async fn row(proxy: SocketAddr) -> Result<Vec<(Came, Came, Duration)>, String> {
    let mut all = Vec::new();
    for (kind, name) in KINDS.iter().enumerate() {
        let failed = |error: std::io::Error| format!("{name}: {error}");
        let (first, next, took);
        if kind == 3 {
            let mut client = H2Client::open(proxy, &[]).await.map_err(failed)?;
            first = ask_h2(&mut client, 1, "1").await.map_err(failed)?;
            let began = Instant::now();
            next = ask_h2(&mut client, 3, "2").await.map_err(failed)?;
            took = began.elapsed();
        } else {
            let mut client = RawClient::connect(proxy).await.map_err(failed)?;
            first = ask(&mut client, kind, "1").await.map_err(failed)?;
            let began = Instant::now();
            next = ask(&mut client, 0, "2").await.map_err(failed)?;
            took = began.elapsed();
        }
        all.push((first, next, took));
    }
    Ok(all)
}

/// What legacy says when it is asked directly.
async fn directly(service: &FakeService) -> Vec<(Came, Came)> {
    let mut all = Vec::new();
    for kind in [0, 1, 2, 0] {
        let mut client = RawClient::connect(service.addr()).await.expect("legacy listens");
        let first = ask(&mut client, kind, "1").await.expect("legacy answers");
        all.push((first, ask(&mut client, 0, "2").await.expect("legacy answers")));
    }
    all
}

/// The operation once none of its copies is in flight.
async fn at_rest(control: SocketAddr, id: &str) -> Option<Value> {
    let began = Instant::now();
    while began.elapsed() < DEADLINE {
        let operation = operation(control, id).await;
        if operation["counts"]["in_flight"] == 0 {
            return Some(operation);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    None
}

/// Runs a row and says what is wrong with it.
async fn judge(fault: Fault) -> Vec<String> {
    let (name, is_good) = (fault.name, matches!(fault.candidate, Candidate::Good));
    let service = FakeService::start(legacy());
    let (_held, candidate) = fault.candidate.start(legacy()).await;
    let configuration = format!("candidate: {{{candidate}, {CANDIDATE_TIMEOUT}}}\n{OPERATIONS}");
    let running = start(&service.url(), "", &configuration).await;
    let expected = directly(&service).await;
    let came = match row(running.proxy).await {
        Ok(came) => came,
        Err(error) => return vec![format!("{name}: {error}")],
    };
    let mut wrong = Vec::new();
    for ((kind, came), expected) in KINDS.iter().zip(came).zip(expected) {
        if (&came.0, &came.1) != (&expected.0, &expected.1) {
            wrong.push(format!("{name}, {kind}: not what legacy says: {:.300}", format!("{:?}", came.0)));
        }
        if came.2 > SLACK {
            wrong.push(format!("{name}, {kind}: the next request took {:?}", came.2));
        }
    }
    for (id, requests) in [("read", READS), ("write", WRITES)] {
        let Some(operation) = at_rest(running.control, id).await else {
            wrong.push(format!("{name}: {id} never comes to rest"));
            continue;
        };
        assert_conserved(&operation);
        let counts = &operation["counts"];
        if counts["requests"] != requests {
            wrong.push(format!("{name}: {id} has {} requests of {requests}", counts["requests"]));
        }
        let matched = if is_good { requests } else { 0 };
        if counts["matched"] != matched {
            wrong.push(format!("{name}: {id} is matched {} times: {counts}", counts["matched"]));
        }
    }
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn no_client_notices_any_fault_of_the_candidate() {
    // All is matched when all is well, so that what is not matched below is the fault's doing.
    let good = Fault { name: "no fault", candidate: Candidate::Good };
    assert_eq!(judge(good).await, Vec::<String>::new());
    let faults = fault::faults();
    let count = faults.len();
    assert!(count >= 15, "{count}");
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    let mut rows = JoinSet::new();
    for fault in faults {
        let at_once = Arc::clone(&at_once);
        rows.spawn(async move {
            let _permit = at_once.acquire().await.expect("nobody closes the semaphore");
            judge(fault).await
        });
    }
    let wrong: Vec<String> = rows.join_all().await.into_iter().flatten().collect();
    println!("{count} faults times {} kinds of requests", KINDS.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
