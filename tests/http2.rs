//! HTTP/2 as clients speak it to the proxy, frame by frame: RFC 9113 and RFC 7541, as far as a peer can
//! tell from outside. Every case says which outcomes are right; when an error is one of the stream, the
//! connection serves the next request, and after every case a new connection is served.

#[path = "http2/case.rs"]
mod case;
#[path = "http2/framing.rs"]
mod framing;
#[path = "http2/requests.rs"]
mod requests;
mod support;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use case::{Case, Outcome, Step};
use parallax_testkit::h2::{Event, Frame, H2Client, PREFACE, code, kind, setting, status_of};
use parallax_testkit::{Behaviour, FakeService, RawClient, Reply};
use support::House;

/// The proxy between two sides that answer, but for a few paths.
async fn house() -> House {
    let house =
        House::new(Behaviour::always(Reply::json("{}")), Behaviour::always(Reply::json("{}")), ONE).await;
    house.legacy.behave_at("/silent", Behaviour::Silent);
    house.legacy.behave_at("/large", Behaviour::always(Reply::text(vec![b'x'; 300_000])));
    house
}

const ONE: &str = "operations: [{id: getReturn, match: 'GET /returns/{return_id}'}]\n";
/// How long a case may take to come to its outcome.
const PATIENCE: Duration = Duration::from_secs(10);
const SENTINEL: &[u8; 8] = b"sentinel";

/// Runs a case on a connection of its own.
async fn run(proxy: SocketAddr, case: &Case) -> io::Result<(Outcome, H2Client)> {
    let mut client = H2Client::open(proxy, &[]).await?;
    for step in &case.steps {
        match step {
            // The peer may be gone before all is said; what it said is what counts.
            Step::Send(bytes) => client.send_raw(bytes).await.unwrap_or_default(),
            Step::Answered(stream) => {
                client.answer(*stream).await?;
            }
        }
    }
    client.send(&Frame::ping(SENTINEL)).await.unwrap_or_default();
    let lives = case.right.contains(&Outcome::Lives);
    loop {
        let outcome = match client.event().await? {
            Event::Head { fields, .. } => match status_of(&fields) {
                Some(status @ 200..) => Outcome::Status(status),
                Some(_) | None => continue,
            },
            Event::Reset { code, .. } if code != code::NO_ERROR => Outcome::Reset(code),
            Event::GoAway { code } => Outcome::GoAway(code),
            Event::Closed => Outcome::Closed,
            Event::Pong(bytes) if lives && bytes == SENTINEL[..] => Outcome::Lives,
            _ => continue,
        };
        return Ok((outcome, client));
    }
}

/// Runs a case and says what is wrong, if anything.
async fn judge(house: &House, case: &Case) -> Result<(), String> {
    let ran = tokio::time::timeout(PATIENCE, run(house.running.proxy, case)).await;
    let came = match ran {
        Err(_) => Err("nothing".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Ok(Ok(came)) => Ok(came),
    };
    let wrong = |came: &str| format!("{}: {came} came, and right is {:?}", case.name, case.right);
    let (outcome, mut client) = came.map_err(|nothing| wrong(&nothing))?;
    if !case.accepts(&outcome) {
        return Err(wrong(&format!("{outcome:?}")));
    }
    if outcome.leaves_the_connection() && !case.name.starts_with("goaway") {
        client.get(1001, "/ok").await.map_err(|error| format!("{}: then {error}", case.name))?;
        let next = client.answer(1001).await.map_err(|error| format!("{}: then {error}", case.name))?;
        if next.status != 200 {
            return Err(format!("{}: the next request gets {}", case.name, next.status));
        }
    }
    let mut fresh = RawClient::connect(house.running.proxy).await.map_err(|error| error.to_string())?;
    let answer = fresh.get("/ok").await.map_err(|error| format!("{}: others: {error}", case.name))?;
    if answer.status == 200 { Ok(()) } else { Err(format!("{}: others get {}", case.name, answer.status)) }
}

/// The next that comes; the end of the connection, or its giving up, is a failure.
async fn next(client: &mut H2Client) -> Event {
    let event = client.event().await.expect("something comes");
    assert!(!matches!(event, Event::Closed | Event::GoAway { .. }), "{event:?}");
    event
}

/// Complete requests that a side has got with HTTP/2's own path, told from the ones that look after.
fn whole(side: &FakeService) -> usize {
    side.requests().iter().filter(|request| request.complete).count()
}

async fn all_of(cases: Vec<Case>) -> (House, usize) {
    let house = house().await;
    let count = cases.len();
    let mut wrong = Vec::new();
    for case in cases {
        wrong.extend(judge(&house, &case).await.err());
    }
    assert!(wrong.is_empty(), "{} of {count} cases are wrong:\n{}", wrong.len(), wrong.join("\n"));
    println!("{count} cases");
    (house, count)
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_streams_windows_and_compression() {
    let (_house, count) = all_of(framing::cases()).await;
    assert!(count >= 60, "{count}");
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_reach_no_side() {
    let house = house().await;
    let mut wrong = Vec::new();
    for case in requests::malformed() {
        let before = whole(&house.legacy);
        wrong.extend(judge(&house, &case).await.err());
        // Two requests look after the case where the connection lives, else one.
        let after = whole(&house.legacy) - before;
        let tolerated = case.right.contains(&case::OK);
        if after > 2 && !tolerated {
            wrong.push(format!("{}: legacy got it as a whole request", case.name));
        }
    }
    for request in house.legacy.requests() {
        assert!(request.trailers.0.iter().all(|field| !field.0.starts_with(':')), "{:?}", request.trailers);
    }
    assert!(wrong.is_empty(), "{} cases are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn well_formed_requests_are_answered() {
    let (house, count) = all_of(requests::well_formed()).await;
    assert_eq!(whole(&house.legacy), count * 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn something_else_than_the_preface() {
    let house = house().await;
    let mut client = H2Client::connect(house.running.proxy).await.unwrap();
    client.send_raw(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n").await.unwrap();
    // Whatever it says, in whichever protocol, the connection ends.
    let mut ended = false;
    for _ in 0..10 {
        match client.event().await {
            Ok(Event::Closed) => ended = true,
            Ok(_) => continue,
            Err(error) => assert_ne!(error.kind(), io::ErrorKind::TimedOut),
        }
        break;
    }
    assert!(ended, "it goes on");
    assert_eq!(house.legacy.heads(), 0);

    let mut client = H2Client::connect(house.running.proxy).await.unwrap();
    client.send_raw(&[PREFACE, &Frame::ping(b"too soon").bytes()].concat()).await.unwrap();
    let mut refused = false;
    while !refused {
        match client.event().await.unwrap() {
            Event::GoAway { code } => refused = code == code::PROTOCOL_ERROR,
            Event::Closed => refused = true,
            // Some implementations answer it, which harms nobody.
            Event::Pong(_) => return,
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_waits_for_the_clients_window() {
    let house = house().await;
    let settings = [(setting::INITIAL_WINDOW_SIZE, 10)];
    let mut client = H2Client::open(house.running.proxy, &settings).await.unwrap();
    client.get(1, "/large").await.unwrap();
    let mut got = 0;
    while got < 10 {
        if let Event::Data { bytes, .. } = next(&mut client).await {
            got += bytes.len();
        }
    }
    // Nothing more may come before the window opens: the PING is answered first.
    client.send(&Frame::ping(SENTINEL)).await.unwrap();
    loop {
        match next(&mut client).await {
            Event::Pong(_) => break,
            Event::Data { bytes, .. } => got += bytes.len(),
            _ => {}
        }
    }
    assert_eq!(got, 10);
    // Other streams are answered meanwhile, and a window made negative by a setting is not forgotten.
    client.send(&Frame::settings(&[(setting::INITIAL_WINDOW_SIZE, 5)])).await.unwrap();
    client.send(&Frame::window(1, 6)).await.unwrap();
    while got < 11 {
        if let Event::Data { bytes, .. } = next(&mut client).await {
            got += bytes.len();
        }
    }
    assert_eq!(got, 11);
    client.send(&Frame::window(1, 1_000_000)).await.unwrap();
    client.send(&Frame::window(0, 1_000_000)).await.unwrap();
    let rest = client.answer(1).await.unwrap();
    assert_eq!(got + rest.body.len(), 300_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_data_than_the_window() {
    // The side reads nothing, so that no window is given back.
    let house = House::new(Behaviour::NeverRead, Behaviour::Refuse, ONE).await;
    let mut client = H2Client::open(house.running.proxy, &[]).await.unwrap();
    client.send(&case::post(1, case::OPEN, "/upload", &[])).await.unwrap();
    // Far more than a window and what sockets hold; the proxy may be gone before all is said.
    let chunk = Frame::data(1, 0, vec![b'x'; 16_384]).bytes();
    let mut sent = 0;
    while sent < 4000 && client.send_raw(&chunk).await.is_ok() {
        sent += 1;
    }
    loop {
        match client.event().await.unwrap() {
            Event::Reset { code, .. } | Event::GoAway { code } => {
                assert_eq!(code, code::FLOW_CONTROL_ERROR);
                break;
            }
            Event::Closed => {
                assert!(sent < 4000, "the connection ends for another reason");
                break;
            }
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_beyond_the_limit_are_refused_and_harm_nobody() {
    let house = house().await;
    let mut client = H2Client::open(house.running.proxy, &[]).await.unwrap();
    let limit = client.peer_setting(setting::MAX_CONCURRENT_STREAMS).expect("a limit is said");
    assert!(limit <= 1000, "{limit}");
    for number in 0..=limit {
        client.get(2 * number + 1, "/silent").await.unwrap();
    }
    let refused = loop {
        if let Event::Reset { stream, code } = next(&mut client).await {
            break (stream, code);
        }
    };
    assert_eq!(refused, (2 * limit + 1, code::REFUSED_STREAM));
    client.send(&Frame::reset(1, code::CANCEL)).await.unwrap();
    client.get(2 * limit + 3, "/ok").await.unwrap();
    assert_eq!(client.answer(2 * limit + 3).await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_padded_body_is_flow_controlled_with_its_padding() {
    let house = house().await;
    let mut client = H2Client::open(house.running.proxy, &[]).await.unwrap();
    client.send(&case::post(1, case::OPEN, "/ok", &[])).await.unwrap();
    // Far more padding than any window: it goes through only when padding is given back.
    let padded = [&[255][..], &[b'x'; 300], &[0; 255]].concat();
    let mut credit = i64::from(client.peer_setting(setting::INITIAL_WINDOW_SIZE).unwrap_or(65_535));
    let frames = 10_000;
    for _ in 0..frames {
        while credit < 556 {
            if let Event::Window { stream: 1, increment } = next(&mut client).await {
                credit += i64::from(increment);
            }
        }
        credit -= 556;
        client.send(&Frame::new(kind::DATA, 8, 1, padded.clone())).await.unwrap();
    }
    client.send(&Frame::data(1, 1, "")).await.unwrap();
    assert_eq!(client.answer(1).await.unwrap().status, 200);
    assert_eq!(house.legacy.requests().last().map(|request| request.body_length), Some(300 * frames));
}
