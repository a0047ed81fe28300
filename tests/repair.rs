//! Answers of a side that is a little sloppy: repaired where the RFC lets a proxy, and counted;
//! refused where they could be read in two ways.

mod support;

use parallax_testkit::{Behaviour, RawClient, Step};
use support::{GET_RETURN, House, same};

async fn house(answer: &'static str) -> House {
    House::new(Behaviour::raw(answer), same("{}"), GET_RETURN).await
}

async fn repaired(house: &House, repair: &str) -> Option<f64> {
    let labels = [("side", "legacy"), ("repair", repair)];
    support::sample(&house.metrics().await, "parallax_answers_repaired_total", &labels)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sloppy_answer_reaches_the_client_in_good_order_and_is_counted() {
    let house =
        house("HTTP/1.1 200 OK\nX-Folded: a\r\n  b\r\nX-Spaced : c\r\nContent-Length: 5, 5\r\n\r\nhello")
            .await;
    let mut client = house.client().await;
    for _ in 0..3 {
        let answer = client.get("/returns/1").await.unwrap();
        assert_eq!((answer.status, answer.text()), (200, "hello"));
        assert_eq!(answer.headers.get("x-folded"), Some("a b"));
        assert_eq!(answer.headers.get("x-spaced"), Some("c"));
        assert_eq!(answer.headers.get("content-length"), Some("5"));
    }
    for repair in ["bare_lf", "obs_fold", "space_before_colon", "equal_content_lengths"] {
        assert_eq!(repaired(&house, repair).await, Some(3.0), "{repair}");
    }
    assert_eq!(repaired(&house, "control_character").await, Some(0.0));
    assert_eq!(house.legacy.connections(), 1, "the connection is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_beside_chunks_counts_for_nothing_and_the_connection_is_not_used_again() {
    let house = house(
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    )
    .await;
    let mut client = house.client().await;
    for _ in 0..3 {
        let answer = client.get("/returns/1").await.unwrap();
        assert_eq!((answer.text(), answer.headers.get("content-length")), ("hello", None));
    }
    assert_eq!(repaired(&house, "content_length_beside_transfer_encoding").await, Some(3.0));
    assert_eq!(house.legacy.connections(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_be_read_in_two_ways_is_a_502() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno field\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nA\u{1}: b\r\nContent-Length: 5\r\n\r\nhello",
        "220 mail ready\r\n\r\n",
    ] {
        let house = house(answer).await;
        let seen = house.get("/returns/1").await;
        assert_eq!((seen.status, seen.json()["cause"].as_str()), (502, Some("protocol")), "{answer:?}");
        assert_eq!(seen.json()["side"], "legacy");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_of_a_megabyte_is_a_502_and_a_large_one_passes() {
    let house = House::new(Behaviour::HugeHeader(1 << 20), same("{}"), GET_RETURN).await;
    let answer = house.get("/returns/1").await;
    assert_eq!((answer.status, answer.json()["cause"].as_str()), (502, Some("protocol")));
    let house = House::new(Behaviour::HugeHeader(200 << 10), same("{}"), GET_RETURN).await;
    let answer = house.get("/returns/1").await;
    assert_eq!((answer.status, answer.headers.get("x-huge").map(str::len)), (200, Some(200 << 10)));
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_in_pieces_and_interim_ones_are_read_as_one() {
    let pieces = ["HTTP/1.1 100 Con", "tinue\n\nHTTP/1.1 103 Early Hints\r\nLi", "nk : </a>\r\n\r\n"];
    let rest = ["HTTP/1.1 200 OK\r\nContent-", "Length: 5\n", "\r\nhel", "lo"];
    let script = Behaviour::script(move |_| {
        let steps = pieces.iter().chain(&rest).flat_map(|piece| {
            [Step::Send(piece.as_bytes().into()), Step::Pause(std::time::Duration::from_millis(5))]
        });
        steps.collect()
    });
    let house = House::new(script, same("{}"), GET_RETURN).await;
    let mut client: RawClient = house.client().await;
    for _ in 0..2 {
        assert_eq!(client.get("/returns/1").await.unwrap().text(), "hello");
    }
    assert_eq!(house.legacy.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_copies_answer_is_repaired_as_well() {
    let sloppy = Behaviour::raw("HTTP/1.1 200 OK\nContent-Type : application/json\nContent-Length: 2\n\n{}");
    let house = House::new(same("{}"), sloppy, GET_RETURN).await;
    house.get("/returns/1").await;
    assert_eq!(house.at_rest("getReturn").await["counts"]["matched"], 1);
    let labels = [("side", "candidate"), ("repair", "bare_lf")];
    assert_eq!(
        support::sample(&house.metrics().await, "parallax_answers_repaired_total", &labels),
        Some(1.0)
    );
}
