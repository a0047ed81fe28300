//! Heads as data: what passes, and what is refused with which status.

use super::*;

const LIMITS: HeadLimits = HeadLimits { head: 500, uri: 60, headers: 5, body: 1000 };

fn feed(text: &str) -> Fed {
    Requests::new(LIMITS).feed(text.as_bytes())
}

fn refused(text: &str) -> Option<u16> {
    match feed(text).then {
        Then::Refused(refusal) | Then::Broken(refusal) => Some(refusal.status().as_u16()),
        Then::More | Then::Wait => None,
    }
}

#[test]
fn what_is_in_order_passes_whole() {
    for good in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a?b=c%20d|e HTTP/1.1\r\nhost:a:80\r\n\r\n",
        "GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a?b HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: \t\u{e9} \"\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
    ] {
        assert_eq!(feed(good), Fed { cleared: good.len(), then: Then::More }, "{good:?}");
    }
}

#[test]
fn what_is_not_complete_waits() {
    for part in [
        "G",
        "GET / HTTP",
        "GET / HTTP/1.1\r",
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r",
    ] {
        assert_eq!(feed(part), Fed { cleared: 0, then: Then::More }, "{part:?}");
    }
}

#[test]
fn what_is_not_in_order_is_refused() {
    let host = |fields: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
    let cases: Vec<(String, u16)> = [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
        ("GET / http/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /\r\nHost: a\r\n\r\n", 400),
        ("GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET http:///b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET http://u@a/b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
        ("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("G\0T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("\u{16}\u{3}\u{1}", 400),
        ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    ]
    .map(|(text, status)| (text.to_owned(), status))
    .into_iter()
    .chain(
        [
            ("X : a", 400),
            (" X: a", 400),
            ("X: a\r\n b", 400),
            ("X: a\rb", 400),
            ("X: a\0b", 400),
            ("X: a\u{7f}b", 400),
            ("X", 400),
            (": a", 400),
            ("X@: a", 400),
            ("Content-Length: 1\r\nContent-Length: 1", 400),
            ("Content-Length: 1, 1", 400),
            ("Content-Length: +1", 400),
            ("Content-Length: -1", 400),
            ("Content-Length: 0x1", 400),
            ("Content-Length:", 400),
            ("Content-Length: 99999999999999999999", 400),
            ("Content-Length: 1001", 413),
            ("Content-Length: 1\r\nTransfer-Encoding: chunked", 400),
            ("Transfer-Encoding: chunked\r\nContent-Length: 1", 400),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400),
            ("Transfer-Encoding: chunked, chunked", 400),
            ("Transfer-Encoding: chunked, gzip", 400),
            ("Transfer-Encoding: identity", 400),
            ("Transfer-Encoding: \"chunked\"", 400),
            ("Transfer-Encoding: xchunked", 400),
            ("Transfer-Encoding:", 400),
            ("Transfer-Encoding: gzip, chunked", 501),
            ("Expect: something", 417),
            ("A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5", 431),
        ]
        .map(|(fields, status)| (host(fields), status)),
    )
    .chain([
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(60)), 414),
        (format!("GET /{}", "x".repeat(100)), 414),
        (host(&format!("X: {}", "x".repeat(500))), 431),
        (format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(500)), 431),
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n".to_owned(), 400),
    ])
    .collect();
    for (text, status) in cases {
        assert_eq!(refused(&text), Some(status), "{text:?}");
    }
}

#[test]
fn what_comes_before_a_refused_head_is_cleared() {
    let good = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let fed = feed(&format!("{good}GET / HTTP/1.1\r\n\r\n"));
    assert_eq!((fed.cleared, matches!(fed.then, Then::Refused(_))), (good.len(), true));
}

#[test]
fn behind_a_wish_to_leave_http_bytes_wait_for_the_answer() {
    let wish = "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let waiting = Fed { cleared: wish.len(), then: Then::Wait };
    let mut requests = Requests::new(LIMITS);
    assert_eq!(requests.feed(format!("{wish}\0\0").as_bytes()), waiting);
    requests.decide(true);
    assert_eq!(requests.feed(b"\0\0"), Fed { cleared: 2, then: Then::More });
    let mut requests = Requests::new(LIMITS);
    assert_eq!(requests.feed(format!("{wish}\0\0").as_bytes()), waiting);
    requests.decide(false);
    assert!(matches!(requests.feed(b"\0\0").then, Then::Refused(_)));
}

/// However bytes are cut into pieces, the same is cleared and the same is refused.
#[test]
fn pieces_make_no_difference() {
    let text = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\n";
    let whole = feed(text);
    for size in 1..text.len() {
        let mut requests = Requests::new(LIMITS);
        let (mut held, mut cleared, mut then) = (Vec::new(), 0, Then::More);
        for piece in text.as_bytes().chunks(size) {
            held.extend_from_slice(piece);
            let fed = requests.feed(&held);
            held.drain(..fed.cleared);
            cleared += fed.cleared;
            then = fed.then;
        }
        assert_eq!(Fed { cleared, then }, whole, "in pieces of {size}");
    }
}
