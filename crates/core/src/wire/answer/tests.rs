//! Heads as data: what comes, what is passed on, and what was repaired.

use super::*;

/// The head that is passed on with what was repaired in it, or why it is not.
fn mend(head: &str) -> Result<(String, Vec<Repair>), Ambiguous> {
    let end = end_of_head(head.as_bytes(), 0)?.expect("a whole head");
    assert_eq!(end, head.len(), "{head:?}");
    let Judged { head: written, repairs, .. } = judge(head.as_bytes())?;
    let clean = glance(&written);
    assert!(matches!(clean, Glance::Clean { length, .. } if length == written.len()), "{written:?}");
    Ok((String::from_utf8(written).expect("text"), repairs.iter().collect()))
}

#[test]
fn clean_heads_cost_a_glance() {
    for (head, interim) in [
        ("HTTP/1.1 200 OK\r\n\r\n", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: a\r\n\r\n", false),
        ("HTTP/1.1 200\r\nTRANSFER-encoding:\tChunked \r\n\r\n", false),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", false),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", false),
        ("\r\n\r\nHTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", false),
        ("HTTP/1.1 100 Continue\r\n\r\n", true),
        ("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", true),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: a\r\n\r\n", false),
    ] {
        let bytes = [head.as_bytes(), b"and a body\n\0\r"].concat();
        assert_eq!(glance(&bytes), Glance::Clean { length: head.len(), interim }, "{head:?}");
        for length in 0..head.len() {
            assert_eq!(glance(&bytes[..length]), Glance::Incomplete, "{head:?} {length}");
        }
    }
}

#[test]
fn what_may_be_repaired_is() {
    use Repair::*;
    let ok = "HTTP/1.1 200 OK\r\n";
    for (fields, mended, repairs) in [
        ("A: b\r\n c\r\n\td\r\n", "A: b c d\r\n", vec![ObsFold]),
        ("A:\r\n  b  \r\n", "A: b\r\n", vec![ObsFold]),
        ("  lost\r\nA: b\r\n", "A: b\r\n", vec![ObsFold]),
        ("A: b\nC: d\r\n", "A: b\r\nC: d\r\n", vec![BareLf]),
        ("A: b\rc\r\n", "A: b c\r\n", vec![Control]),
        ("A: b\0c\r\n", "A: b c\r\n", vec![Control]),
        ("A \t: b\r\n", "A: b\r\n", vec![SpaceBeforeColon]),
        ("Content-Length: 5\r\ncontent-length: 5\r\n", "Content-Length: 5\r\n", vec![EqualLengths]),
        ("Content-Length: 5, 5\r\n", "Content-Length: 5\r\n", vec![EqualLengths]),
        (
            "Content-Length: 5\r\nA: b\r\nContent-Length: 05\r\n",
            "Content-Length: 5\r\nA: b\r\n",
            vec![EqualLengths],
        ),
        (
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\n",
            vec![LengthBesideCoding],
        ),
        ("Transfer-Encoding: , chunked,\r\n", "Transfer-Encoding: chunked\r\n", vec![CodingList]),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n",
            "Transfer-Encoding: chunked\r\n",
            vec![CodingList],
        ),
        (
            "Content-Length:\r\n 5\nX : y\n",
            "Content-Length: 5\r\nX: y\r\n",
            vec![ObsFold, BareLf, SpaceBeforeColon],
        ),
    ] {
        let head = format!("{ok}{fields}\r\n");
        assert!(glance(head.as_bytes()) == Glance::Odd, "{head:?}");
        let expected = format!("{ok}{mended}\r\n");
        assert_eq!(mend(&head), Ok((expected, repairs)), "{head:?}");
    }
    for (status, fields) in [("204 No", "Transfer-Encoding: chunked"), ("100 Go", "Content-Length: 5")] {
        let head = format!("HTTP/1.1 {status}\r\n{fields}\r\nA: b\r\n\r\n");
        assert_eq!(glance(head.as_bytes()), Glance::Odd, "{head:?}");
        let expected = format!("HTTP/1.1 {status}\r\nA: b\r\n\r\n");
        assert_eq!(mend(&head), Ok((expected, vec![FramingOfNothing])));
        assert!(judge(head.as_bytes()).expect("mended").closes);
    }
    let all_bare = "HTTP/1.1 200 OK\nA: b\n\n";
    assert_eq!(mend(all_bare), Ok(("HTTP/1.1 200 OK\r\nA: b\r\n\r\n".to_owned(), vec![BareLf])));
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    use Ambiguous::*;
    for (head, why) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", LengthsDiffer),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n", LengthsDiffer),
        ("HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n", LengthMalformed),
        ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", LengthMalformed),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5,\r\n\r\n", LengthMalformed),
        ("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", LengthMalformed),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\n", LengthMalformed),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5 5\r\n\r\n", LengthMalformed),
        ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", LengthMalformed),
        ("HTTP/1.1 200 OK\r\nContent-Length: x\r\nTransfer-Encoding: chunked\r\n\r\n", LengthMalformed),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", CodingUnknown),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", CodingUnknown),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", CodingUnknown),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: \r\n\r\n", CodingUnknown),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: \x0bchunked\r\n\r\n", CodingUnknown),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked;q=1\r\n\r\n", CodingUnknown),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n", CodingUnknown),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", ChunkedTwice),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", ChunkedTwice),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n chunked\r\n\r\n", CodingUnknown),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", CodingInHttp10),
        ("HTTP/1.1 200 OK\r\nno field\r\n\r\n", NoField),
        ("HTTP/1.1 200 OK\r\n: nameless\r\n\r\n", NoField),
        ("220 mail ESMTP\r\n\r\n", NotHttp),
        ("HTTP/2 200\r\n\r\n", NotHttp),
    ] {
        assert_eq!(glance(head.as_bytes()), Glance::Odd, "{head:?}");
        assert_eq!(mend(head), Err(why), "{head:?}");
    }
}

#[test]
fn a_length_beside_a_coding_ends_the_connection() {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n";
    assert!(judge(head).expect("mended").closes);
    assert!(!judge(b"HTTP/1.1 200 OK\nA: b\n\n").expect("mended").closes);
}

#[test]
fn the_end_is_found_wherever_the_pieces_are_cut() {
    for head in ["HTTP/1.1 200 OK\nA: b\n\n", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "\r\nHTTP/1.1 200 OK\n\r\n"]
    {
        let bytes = [head.as_bytes(), b"\n\nbody"].concat();
        for searched in 0..head.len() {
            assert_eq!(end_of_head(&bytes[..searched], 0), Ok(None), "{head:?} {searched}");
            assert_eq!(end_of_head(&bytes, searched), Ok(Some(head.len())), "{head:?} {searched}");
        }
    }
}

#[test]
fn a_head_without_an_end_is_given_up() {
    let mut head = b"HTTP/1.1 200 OK\r\nA: ".to_vec();
    head.resize(HEAD_LIMIT_BYTES, b'a');
    assert_eq!(end_of_head(&head, 0), Ok(None));
    head.push(b'a');
    assert_eq!(end_of_head(&head, 0), Err(Ambiguous::TooLong));
}
