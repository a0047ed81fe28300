//! The guard between two ends of a pipe, in a time that stands still until somebody waits.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::*;

const LIMITS: HeadLimits = HeadLimits { head: 400, uri: 100, headers: 10, body: 1000 };
const PATIENCE: Patience = Patience { head: Duration::from_secs(30), idle: Duration::from_secs(75) };
const GOOD: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn guarded() -> (DuplexStream, Guard<DuplexStream>, Arc<Client>) {
    let (client, server) = tokio::io::duplex(64 * 1024);
    let shared = Client::new("127.0.0.1:1".parse().unwrap(), None);
    let guard = Guard::new(server, Arc::clone(&shared), LIMITS, PATIENCE);
    (client, guard, shared)
}

async fn next(guard: &mut Guard<DuplexStream>) -> Vec<u8> {
    let mut bytes = vec![0; 1000];
    let read = guard.read(&mut bytes).await.unwrap();
    bytes.truncate(read);
    bytes
}

#[tokio::test(start_paused = true)]
async fn a_head_in_pieces_comes_whole() {
    let (mut client, mut guard, _) = guarded();
    let (first, second) = GOOD.split_at(7);
    client.write_all(first).await.unwrap();
    let waiting = tokio::time::timeout(Duration::from_secs(1), next(&mut guard)).await;
    assert!(waiting.is_err(), "half a head is not read on");
    client.write_all(second).await.unwrap();
    assert_eq!(next(&mut guard).await, GOOD);
}

#[tokio::test(start_paused = true)]
async fn a_refused_head_has_a_stand_in_and_nothing_follows_it() {
    let (mut client, mut guard, shared) = guarded();
    client.write_all(&[GOOD, b"GET / HTTP/1.1\r\n\r\n", GOOD].concat()).await.unwrap();
    assert_eq!(next(&mut guard).await, [GOOD, STAND_IN].concat());
    assert_eq!(shared.meet(), None);
    assert!(matches!(shared.meet(), Some(Refusal::Malformed(_))));
    let more = tokio::time::timeout(Duration::from_secs(100), next(&mut guard)).await;
    assert!(more.is_err(), "what follows a refused head is not read on");
}

#[tokio::test(start_paused = true)]
async fn a_broken_body_is_read_on_to_where_it_breaks() {
    let (mut client, mut guard, shared) = guarded();
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    client.write_all(&[&head[..], b"x\r\n"].concat()).await.unwrap();
    assert_eq!(next(&mut guard).await, head);
    let error = guard.read(&mut [0; 10]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert!(matches!(shared.broken(), Some(Refusal::Malformed(_))));
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_end_is_late() {
    let (mut client, mut guard, shared) = guarded();
    let began = Instant::now();
    client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let drip = async {
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            client.write_all(b"X").await.unwrap();
        }
    };
    let read = tokio::select! {
        read = next(&mut guard) => read,
        () = drip => Vec::new(),
    };
    assert_eq!(read, STAND_IN);
    assert_eq!(shared.meet(), Some(Refusal::LateHead));
    assert_eq!(began.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_let_go() {
    let (_client, mut guard, _) = guarded();
    let began = Instant::now();
    assert!(next(&mut guard).await.is_empty());
    assert_eq!(began.elapsed().as_secs(), 30, "the first byte has as long as a head");
}

#[tokio::test(start_paused = true)]
async fn a_connection_at_rest_is_let_go_but_not_while_a_request_is_under_way() {
    let (mut client, mut guard, shared) = guarded();
    client.write_all(GOOD).await.unwrap();
    let under_way = shared.begin();
    assert_eq!(next(&mut guard).await, GOOD);
    let waits = tokio::time::timeout(Duration::from_secs(500), next(&mut guard)).await;
    assert!(waits.is_err(), "an answer may take long");
    drop(under_way);
    assert!(next(&mut guard).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_is_given_up() {
    let (_client, mut guard, _) = guarded();
    let began = Instant::now();
    let error = guard.write_all(&[0; 128 * 1024]).await.unwrap_err();
    assert_eq!((error.kind(), began.elapsed().as_secs()), (io::ErrorKind::TimedOut, 75));
}

#[tokio::test(start_paused = true)]
async fn what_is_told_in_between_goes_out_with_the_next_flush() {
    let (mut client, mut guard, shared) = guarded();
    shared.push_interim(b"HTTP/1.1 103 Early Hints\r\n\r\n");
    guard.flush().await.unwrap();
    let mut told = [0; 28];
    client.read_exact(&mut told).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 103 Early Hints\r\n\r\n");
}

#[tokio::test(start_paused = true)]
async fn how_a_connection_opens_is_told_and_not_lost() {
    let (mut client, mut guard, _) = guarded();
    client.write_all(b"PRI * HT").await.unwrap();
    client.write_all(b"TP/2.0\r\n\0").await.unwrap();
    assert!(guard.opens_with(b"PRI * HTTP/2.0\r\n").await.unwrap());
    assert_eq!(next(&mut guard).await, b"PRI * HTTP/2.0\r\n\0");

    let (mut client, mut guard, _) = guarded();
    client.write_all(GOOD).await.unwrap();
    assert!(!guard.opens_with(b"PRI").await.unwrap());
    assert_eq!(next(&mut guard).await, GOOD);
}

#[tokio::test(start_paused = true)]
async fn who_was_refused_may_finish_sending_for_a_while() {
    let (mut client, mut guard, _) = guarded();
    client.write_all(b"nonsense\r\n\r\n").await.unwrap();
    assert_eq!(next(&mut guard).await, STAND_IN);
    let closing = async {
        let began = Instant::now();
        guard.shutdown().await.unwrap();
        began.elapsed()
    };
    let sending = async {
        client.write_all(&[0; 100 * 1024]).await.unwrap();
        assert_eq!(client.read(&mut [0; 10]).await.unwrap(), 0, "the end is told first");
        drop(client);
    };
    let (took, ()) = tokio::join!(closing, sending);
    assert!(took < LINGER, "it ends when the client does: {took:?}");
}
