//! The strict service knows valid from invalid; otherwise a test that stands on it proves nothing.

use std::time::Duration;

use parallax_testkit::{
    RawClient, StrictFraming, StrictService, check_chunk_line, check_head, check_request, wait_until,
};

const VALID: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.0\r\n\r\n",
    "GET /a?b=c%20d HTTP/1.1\r\nhost:a:80\r\nX: \t y\u{e9} \t\r\nEmpty:\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
    "POST http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    "PURGE / HTTP/1.1\r\nHost:\r\nTransfer-Encoding: Chunked\r\n\r\n",
];

const INVALID: &[&str] = &[
    "GET / HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
    "GET / HTTP/1.1\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: y\rz\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: y\0\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: y\u{7f}\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n: no name\r\n\r\n",
    "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
    "GET /\tx HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /#x HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET x HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
    "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\n",
    "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
    "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
    "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
];

#[test]
fn heads_are_read_by_the_letter() {
    for head in VALID {
        assert!(check_head(head.as_bytes()).is_ok(), "{head:?}: {:?}", check_head(head.as_bytes()));
    }
    for head in INVALID {
        assert!(check_head(head.as_bytes()).is_err(), "{head:?} was taken");
    }
    let head = check_head(b"PUT / HTTP/1.1\r\nHost: a\r\ncontent-length: 7\r\nX-Echo: a-1\r\n\r\n").unwrap();
    assert_eq!((head.framing, head.echo.as_str()), (StrictFraming::Length(7), "a-1"));
}

#[test]
fn chunk_sizes_are_hexadecimal_digits() {
    for (line, size) in [("0\r\n", 0), ("1f\r\n", 31), ("00A;x=\"y\"\r\n", 10)] {
        assert_eq!(check_chunk_line(line.as_bytes()), Ok(size), "{line:?}");
    }
    for line in
        ["1\n", "\r\n", " 1\r\n", "1 \r\n", "0x1\r\n", "-1\r\n", "g\r\n", "1;\0\r\n", "11111111111111111\r\n"]
    {
        assert!(check_chunk_line(line.as_bytes()).is_err(), "{line:?} was taken");
    }
}

#[test]
fn requests_are_read_as_far_as_they_go() {
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for rest in ["", "3\r\nabc\r\n0\r\n\r\nGET", "3\r\nabc", "3\r\nabc\r", "3\r\na", "0\r\nX: y\r\n\r\n", "5"]
    {
        assert_eq!(check_request(format!("{chunked}{rest}").as_bytes()), Ok(()), "{rest:?}");
    }
    for rest in
        ["3\nabc\r\n", "3\r\nabcd\r\n", "3\r\nabc\n", "0\r\nX y\r\n\r\n", "0\r\nHost: a\r\n\r\n", "x\r\n"]
    {
        assert!(check_request(format!("{chunked}{rest}").as_bytes()).is_err(), "{rest:?} was taken");
    }
    assert_eq!(check_request(b"GET / HTTP/1.1\r\nHost:"), Ok(()));
    assert!(check_request(b"GET / HTTP/1.1\nHost:").is_err());
}

#[tokio::test]
async fn requests_are_answered_with_a_number_and_faults_are_kept() {
    let service = StrictService::start("side");
    let address = service.url().strip_prefix("http://").unwrap().parse().unwrap();
    let mut client = RawClient::connect(address).await.unwrap();
    for number in 0..2 {
        let answer = client.ask("POST", "/", &[("X-Echo", "me")], b"{}").await.unwrap();
        assert_eq!(answer.json()["echo"], "me");
        assert_eq!(answer.headers.get("x-serial"), Some(format!("side-{number}").as_str()));
    }
    client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n").await.unwrap();
    assert!(client.is_closed().await.unwrap());
    let mut broken_off = RawClient::connect(address).await.unwrap();
    broken_off.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1234").await.unwrap();
    broken_off.finish().await.unwrap();
    wait_until(Duration::from_secs(20), "the end is seen", || service.cut_off() == 1).await;
    assert_eq!(service.answered().len(), 2);
    let invalid = service.invalid();
    assert_eq!(invalid.len(), 1, "{invalid:?}");
    assert!(invalid[0].why.contains("CRLF"), "{invalid:?}");
}
