//! Floods over HTTP/2, each the attack of a known weakness: while some clients do their worst, another
//! is answered, and the process's memory stays flat.
//!
//! The process is one of its own, so that its memory is its own. What a flood costs in time is shared
//! with the flooders, who run on the same machine: the deadline has slack for that, the worst is printed.

mod support;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use parallax_testkit::h2::{Frame, PREFACE, block, flag, kind};
use parallax_testkit::{FakeService, RawClient};
use support::process::Process;
use support::same;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How long each flood lasts: longer than anybody may wait, or it would prove nothing.
const LASTS: Duration = Duration::from_secs(3);
/// Who flood at the same time, over a connection each, and a new one whenever that is closed.
const FLOODERS: u32 = 4;
/// Within this, another client is answered whatever happens; the goal is 250 ms, in a release and on
/// a machine that the flooders do not share.
const ANSWERED: Duration = Duration::from_millis(2500);
/// How much memory may grow over all floods together, in bytes.
const GROWS: u64 = 64 * 1024 * 1024;

struct Flood {
    name: &'static str,
    /// What a connection begins with, after the preface.
    first: fn() -> Vec<u8>,
    /// What is sent over and over, with the number of the time.
    again: fn(u32) -> Vec<u8>,
    /// Whether the flooder reads what comes back.
    reads: bool,
}

fn get(stream: u32, flags: u8) -> Vec<u8> {
    let fields = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/flood")];
    Frame::headers(stream, flags, &fields).bytes()
}

fn nothing() -> Vec<u8> {
    Vec::new()
}

fn open() -> Vec<u8> {
    get(1, flag::END_HEADERS)
}

fn unfinished() -> Vec<u8> {
    get(1, flag::END_STREAM)
}

fn stream(number: u32, of: u32) -> u32 {
    (2 * (number * 32 + of) + 1) & 0x7fff_ffff
}

fn thirty_two(make: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    (0..32).flat_map(make).collect()
}

/// A field that enters the table once and is meant thousands of times after that.
fn bomb(number: u32) -> Vec<u8> {
    let mut fields =
        block(&[(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/flood")]);
    let mut large = block(&[("x", &"y".repeat(3900))]);
    large[0] = 0x40;
    fields.extend_from_slice(&large);
    fields.extend_from_slice(&[0xbe; 10_000]);
    Frame::new(kind::HEADERS, flag::END_STREAM | flag::END_HEADERS, stream(number, 0), fields).bytes()
}

const FLOODS: [Flood; 14] = [
    Flood {
        name: "rapid reset",
        first: nothing,
        again: |number| {
            thirty_two(|of| {
                let id = stream(number, of);
                [get(id, flag::END_STREAM | flag::END_HEADERS), Frame::reset(id, 8).bytes()].concat()
            })
        },
        reads: true,
    },
    Flood {
        name: "continuation",
        first: unfinished,
        again: |_| {
            thirty_two(|of| Frame::continuation(1, 0, &[(&format!("x-{of}"), &"y".repeat(1000))]).bytes())
        },
        reads: true,
    },
    Flood {
        name: "empty continuation",
        first: unfinished,
        again: |_| thirty_two(|_| Frame::continuation(1, 0, &[]).bytes()),
        reads: true,
    },
    Flood {
        name: "empty data",
        first: open,
        again: |_| thirty_two(|_| Frame::data(1, 0, "").bytes()),
        reads: true,
    },
    Flood {
        name: "data of nothing but padding",
        first: open,
        again: |_| thirty_two(|_| Frame::data(1, flag::PADDED, vec![0]).bytes()),
        reads: true,
    },
    Flood {
        name: "ping, answers unread",
        first: nothing,
        again: |_| thirty_two(|_| Frame::ping(b"flooding").bytes()),
        reads: false,
    },
    Flood {
        name: "settings, answers unread",
        first: nothing,
        again: |_| thirty_two(|of| Frame::settings(&[(4, of)]).bytes()),
        reads: false,
    },
    Flood {
        name: "windows grown by 0",
        first: open,
        again: |_| thirty_two(|_| Frame::window(1, 0).bytes()),
        reads: true,
    },
    Flood {
        name: "windows grown by 1",
        first: open,
        again: |_| thirty_two(|_| [Frame::window(0, 1).bytes(), Frame::window(1, 1).bytes()].concat()),
        reads: true,
    },
    Flood {
        name: "priorities",
        first: nothing,
        again: |number| {
            thirty_two(|of| Frame::new(kind::PRIORITY, 0, stream(number, of), vec![0, 0, 0, 0, 1]).bytes())
        },
        reads: true,
    },
    Flood {
        name: "requests that are never finished",
        first: nothing,
        again: |number| thirty_two(|of| get(stream(number, of), flag::END_HEADERS)),
        reads: true,
    },
    Flood {
        name: "requests whose answers are not read",
        first: nothing,
        again: |number| thirty_two(|of| get(stream(number, of), flag::END_STREAM | flag::END_HEADERS)),
        reads: false,
    },
    Flood { name: "compression bomb", first: nothing, again: bomb, reads: true },
    Flood {
        name: "unknown frames",
        first: nothing,
        again: |_| thirty_two(|_| Frame::new(0x42, 0, 0, vec![0; 64]).bytes()),
        reads: true,
    },
];

/// Floods until the end; says how many connections that took.
async fn flood(proxy: SocketAddr, flood: &'static Flood, ends: Instant) -> u32 {
    let mut connections = 0;
    while Instant::now() < ends {
        let Ok(connection) = TcpStream::connect(proxy).await else { continue };
        connections += 1;
        let (mut from, mut to) = connection.into_split();
        let sending = async {
            let first = [PREFACE, &Frame::settings(&[]).bytes(), &(flood.first)()].concat();
            to.write_all(&first).await?;
            for number in 0.. {
                if Instant::now() > ends {
                    break;
                }
                to.write_all(&(flood.again)(number)).await?;
            }
            std::io::Result::Ok(())
        };
        let reading = async {
            let mut ignored = [0; 16 * 1024];
            while flood.reads && matches!(from.read(&mut ignored).await, Ok(1..)) {}
            if !flood.reads {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            _ = sending => {}
            () = reading => {}
            // Who reads nothing may be stuck, and that is well.
            () = tokio::time::sleep_until(ends.into()) => {}
        }
    }
    connections
}

/// Somebody who asks, one request after the other; the longest that took.
async fn bystander(proxy: SocketAddr, ends: Instant) -> (Duration, u32) {
    let mut worst = Duration::ZERO;
    let mut client = RawClient::connect(proxy).await.expect("the proxy listens");
    let mut asked = 0;
    while Instant::now() < ends {
        let began = Instant::now();
        // Half of them over connections of their own.
        if asked % 2 == 0 {
            client = RawClient::connect(proxy).await.expect("the proxy listens");
        }
        let answer = client.get("/returns/1").await.expect("an answer");
        assert_eq!(answer.status, 200);
        worst = worst.max(began.elapsed());
        asked += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (worst, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_answered_and_memory_is_flat() {
    let directory = tempfile::tempdir().unwrap();
    let (legacy, candidate) = (FakeService::start(same("{}")), FakeService::start(same("{}")));
    let configuration = format!("store: 'memory://'\n{}", support::GET_RETURN);
    let mut process = Process::start(directory.path(), &legacy.url(), &candidate.url(), &configuration);
    bystander(process.proxy, Instant::now() + Duration::from_secs(1)).await;
    let base = process.resident();
    let mut wrong = Vec::new();
    for one in &FLOODS {
        let ends = Instant::now() + LASTS;
        let mut flooders = JoinSet::new();
        for _ in 0..FLOODERS {
            flooders.spawn(flood(process.proxy, one, ends));
        }
        let mut watched = JoinSet::new();
        watched.spawn(bystander(process.proxy, ends));
        let mut most = 0;
        while Instant::now() < ends {
            most = most.max(process.resident());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let (worst, asked) = watched.join_all().await[0];
        let connections: u32 = flooders.join_all().await.iter().sum();
        let grown = most.saturating_sub(base);
        println!(
            "{}: {connections} connections; {asked} others' requests, the slowest {worst:?}; memory +{} MiB",
            one.name,
            grown >> 20
        );
        if worst > ANSWERED {
            wrong.push(format!("{}: another client waited {worst:?}", one.name));
        }
        if grown > GROWS {
            wrong.push(format!("{}: memory grew by {} MiB", one.name, grown >> 20));
        }
        if asked < 2 {
            wrong.push(format!("{}: only {asked} others' requests", one.name));
        }
        // The sides remember what they are asked; that is the test's memory, not the proxy's.
        legacy.forget();
        candidate.forget();
    }
    process.assert_lives();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
