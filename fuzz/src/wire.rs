//! A client's bytes: however they are cut into pieces, the same is read on and the same is refused; and
//! what is read on as heads is read the same way by a parser that is not ours.

use parallax_core::wire::{Fed, HeadLimits, Requests, Then};

const LIMITS: HeadLimits = HeadLimits { head: 2048, uri: 512, headers: 20, body: 10_000 };

/// The first byte says how the rest is cut.
pub fn holds(data: &[u8]) {
    let Some((&cut, data)) = data.split_first() else { return };
    let mut whole = Requests::new(LIMITS);
    let fed = whole.feed(data);
    assert!(fed.cleared <= data.len());
    let (pieces, heads) = in_pieces(data, usize::from(cut).max(1));
    assert_eq!((pieces.cleared, heads), (fed.cleared, whole.heads()), "pieces of {cut}");
    // What comes in pieces is looked at when a line has ended, so that it may be refused later.
    let waits = pieces.then == Then::More;
    assert!(waits || is_refused(pieces.then) == is_refused(fed.then), "pieces of {cut}");
    if whole.heads() > 0 {
        first_head_is_read_alike(data);
    }
}

fn is_refused(then: Then) -> bool {
    matches!(then, Then::Refused(_) | Then::Broken(_))
}

fn in_pieces(data: &[u8], size: usize) -> (Fed, u64) {
    let mut requests = Requests::new(LIMITS);
    let (mut held, mut cleared, mut then) = (Vec::new(), 0, Then::More);
    for piece in data.chunks(size) {
        held.extend_from_slice(piece);
        let fed = requests.feed(&held);
        held.drain(..fed.cleared);
        cleared += fed.cleared;
        then = fed.then;
        if !matches!(then, Then::More | Then::Wait) {
            break;
        }
    }
    (Fed { cleared, then }, requests.heads())
}

fn first_head_is_read_alike(data: &[u8]) {
    let mut fields = [httparse::EMPTY_HEADER; 20];
    let mut head = httparse::Request::new(&mut fields);
    let Ok(httparse::Status::Complete(length)) = head.parse(data) else {
        panic!("a head that we pass is none to another parser");
    };
    assert!(data[..length].ends_with(b"\r\n\r\n"));
    let count =
        |name: &str| head.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name)).count();
    assert!(count("content-length") + count("transfer-encoding") <= 1);
    assert!(count("host") == 1 || (count("host") == 0 && head.version == Some(0)));
    for field in head.headers.iter() {
        assert!(!field.value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "a value with a line end");
    }
}
