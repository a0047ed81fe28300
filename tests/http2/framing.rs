//! Frames, streams, windows and settings (RFC 9113 sections 3 to 6), and header compression (RFC 7541).

use parallax_testkit::h2::{Frame, block, code, flag, kind, setting};

use super::case::{
    COMPRESSION, Case, FLOW, FRAME_SIZE, LIVES, OK, OPEN, Outcome, PROTOCOL, STREAM_PROTOCOL, WHOLE,
    after_an_answer, case, get, post,
};

/// A number in the four bytes of a setting, a window or a priority.
const MAX_WINDOW: u32 = 0x7fff_ffff;

pub(crate) fn cases() -> Vec<Case> {
    [settings(), data(), headers(), control(), windows(), continuations(), compression(), sizes()]
        .into_iter()
        .flatten()
        .collect()
}

fn raw(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Frame {
    Frame::new(kind, flags, stream, payload.to_vec())
}

fn settings() -> Vec<Case> {
    let one = |name, value| [Frame::settings(&[(name, value)])];
    vec![
        case("acknowledgement of settings with a payload", &[raw(4, flag::ACK, 0, &[0; 6])], &[FRAME_SIZE]),
        case("settings on a stream", &[raw(kind::SETTINGS, 0, 1, b"")], &[PROTOCOL]),
        case("settings of five bytes", &[raw(kind::SETTINGS, 0, 0, &[0; 5])], &[FRAME_SIZE]),
        case("push enabled with 2", &one(setting::ENABLE_PUSH, 2), &[PROTOCOL]),
        case("initial window of 2^31", &one(setting::INITIAL_WINDOW_SIZE, 1 << 31), &[FLOW]),
        case("frames of less than 16384 bytes", &one(setting::MAX_FRAME_SIZE, 16383), &[PROTOCOL]),
        case("frames of 2^24 bytes", &one(setting::MAX_FRAME_SIZE, 1 << 24), &[PROTOCOL]),
        case("an unknown setting", &one(0x5a5a, 7), &[LIVES]),
        case(
            "a window grown beyond its limit by a setting",
            &[
                get(1, WHOLE, "/silent"),
                Frame::window(1, MAX_WINDOW - 65_535),
                Frame::settings(&[(setting::INITIAL_WINDOW_SIZE, 65_536)]),
            ],
            &[FLOW],
        ),
    ]
}

fn data() -> Vec<Case> {
    let closed = [Outcome::Reset(code::STREAM_CLOSED), Outcome::GoAway(code::STREAM_CLOSED)];
    vec![
        case("data on stream 0", &[Frame::data(0, 0, "x")], &[PROTOCOL]),
        case("data on an idle stream", &[Frame::data(1, 0, "x")], &[PROTOCOL]),
        case(
            "data after the end of the request",
            &[get(1, WHOLE, "/silent"), Frame::data(1, 0, "x")],
            &closed,
        ),
        after_an_answer("data on a closed stream", &[Frame::data(1, 0, "x")], &closed),
        case(
            "data on a stream that the client has reset",
            &[get(1, OPEN, "/silent"), Frame::reset(1, code::CANCEL), Frame::data(1, 0, "x")],
            &[closed[0].clone(), closed[1].clone(), LIVES],
        ),
        case(
            "padding as long as the data",
            &[post(1, OPEN, "/silent", &[]), raw(kind::DATA, flag::PADDED, 1, &[3, 0, 0])],
            &[PROTOCOL],
        ),
        case(
            "padded data",
            &[post(1, OPEN, "/ok", &[]), raw(kind::DATA, flag::PADDED | flag::END_STREAM, 1, &[1, b'x', 0])],
            &[OK],
        ),
    ]
}

fn headers() -> Vec<Case> {
    let fields = get(1, WHOLE, "/ok").payload;
    let with = |prefix: &[u8]| [prefix, &fields].concat();
    let itself = with(&[0, 0, 0, 1, 16]);
    vec![
        case("headers on stream 0", &[get(0, WHOLE, "/ok")], &[PROTOCOL]),
        case("headers on an even stream", &[get(2, WHOLE, "/ok")], &[PROTOCOL]),
        case(
            "a stream with a lower number",
            &[get(5, WHOLE, "/silent"), get(3, WHOLE, "/ok")],
            &[PROTOCOL, Outcome::GoAway(code::STREAM_CLOSED)],
        ),
        after_an_answer(
            "headers on a closed stream",
            &[get(1, WHOLE, "/ok")],
            &[PROTOCOL, Outcome::GoAway(code::STREAM_CLOSED), Outcome::Reset(code::STREAM_CLOSED)],
        ),
        case(
            "headers after the end of the request",
            &[get(1, WHOLE, "/silent"), get(1, WHOLE, "/silent")],
            &[Outcome::Reset(code::STREAM_CLOSED), Outcome::GoAway(code::STREAM_CLOSED), PROTOCOL],
        ),
        case("padding longer than headers", &[raw(kind::HEADERS, WHOLE | 8, 1, &[200, 0, 0])], &[PROTOCOL]),
        case(
            "padded headers",
            &[raw(kind::HEADERS, WHOLE | 8, 1, &[&with(&[2])[..], &[0, 0]].concat())],
            &[OK],
        ),
        case(
            "trailers that do not end the stream",
            &[post(1, OPEN, "/silent", &[]), Frame::headers(1, OPEN, &[("x", "y")])],
            &[STREAM_PROTOCOL, PROTOCOL],
        ),
        case("a priority", &[raw(kind::HEADERS, WHOLE | flag::PRIORITY, 1, &with(&[0, 0, 0, 0, 16]))], &[OK]),
        // Priorities are deprecated; to ignore even this one is as right as the old error.
        case(
            "headers that depend on their own stream",
            &[raw(kind::HEADERS, WHOLE | flag::PRIORITY, 1, &itself)],
            &[OK, STREAM_PROTOCOL, PROTOCOL],
        ),
        case("undefined flags", &[get(1, WHOLE | 0xd2, "/ok")], &[OK]),
    ]
}

fn control() -> Vec<Case> {
    vec![
        case("priority on stream 0", &[raw(kind::PRIORITY, 0, 0, &[0, 0, 0, 1, 1])], &[PROTOCOL]),
        case(
            "priority of four bytes",
            &[get(1, OPEN, "/silent"), raw(kind::PRIORITY, 0, 1, &[0; 4])],
            &[FRAME_SIZE, Outcome::Reset(code::FRAME_SIZE_ERROR)],
        ),
        case("priority of an idle stream", &[raw(kind::PRIORITY, 0, 9, &[0, 0, 0, 1, 1])], &[LIVES]),
        case(
            "a priority that depends on its own stream",
            &[raw(kind::PRIORITY, 0, 9, &[0, 0, 0, 9, 1])],
            &[LIVES, Outcome::Reset(code::PROTOCOL_ERROR), PROTOCOL],
        ),
        case("reset of stream 0", &[Frame::reset(0, code::CANCEL)], &[PROTOCOL]),
        case("reset of an idle stream", &[Frame::reset(1, code::CANCEL)], &[PROTOCOL]),
        case(
            "reset of three bytes",
            &[get(1, OPEN, "/silent"), raw(kind::RST_STREAM, 0, 1, &[0; 3])],
            &[FRAME_SIZE],
        ),
        case("push by a client", &[raw(kind::PUSH_PROMISE, OPEN, 1, &[0, 0, 0, 2])], &[PROTOCOL]),
        case("ping", &[], &[LIVES]),
        case("answer to a ping that nobody sent", &[raw(kind::PING, flag::ACK, 0, b"nobody's")], &[LIVES]),
        case("ping on a stream", &[raw(kind::PING, 0, 1, &[0; 8])], &[PROTOCOL]),
        case("ping of six bytes", &[raw(kind::PING, 0, 0, &[0; 6])], &[FRAME_SIZE]),
        case("goaway on a stream", &[raw(kind::GOAWAY, 0, 1, &[0; 8])], &[PROTOCOL]),
        case("goaway of seven bytes", &[raw(kind::GOAWAY, 0, 0, &[0; 7])], &[FRAME_SIZE, PROTOCOL]),
        case("goaway, and the answer still comes", &[get(1, WHOLE, "/ok"), Frame::go_away(0, 0)], &[OK]),
        case("an unknown frame", &[raw(0x16, 0xff, 0, b"whatever")], &[LIVES]),
        case("an unknown frame on an idle stream", &[raw(0x16, 0, 7, b"whatever")], &[LIVES]),
    ]
}

fn windows() -> Vec<Case> {
    vec![
        case("a window of the connection grown by 0", &[Frame::window(0, 0)], &[PROTOCOL]),
        case(
            "a window of a stream grown by 0",
            &[get(1, WHOLE, "/silent"), Frame::window(1, 0)],
            &[STREAM_PROTOCOL, PROTOCOL],
        ),
        case("a window of the connection beyond 2^31-1", &[Frame::window(0, MAX_WINDOW)], &[FLOW]),
        case(
            "a window of a stream beyond 2^31-1",
            &[get(1, WHOLE, "/silent"), Frame::window(1, MAX_WINDOW)],
            &[Outcome::Reset(code::FLOW_CONTROL_ERROR)],
        ),
        case("a window of an idle stream", &[Frame::window(1, 1)], &[PROTOCOL]),
        after_an_answer("a window of a closed stream", &[Frame::window(1, 1)], &[LIVES]),
        case("a window of three bytes", &[raw(kind::WINDOW_UPDATE, 0, 0, &[0; 3])], &[FRAME_SIZE]),
    ]
}

fn continuations() -> Vec<Case> {
    let begun = || {
        let fields = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/ok")];
        Frame::headers(1, flag::END_STREAM, &fields)
    };
    let more = |stream, flags| Frame::continuation(stream, flags, &[("x", "y")]);
    vec![
        case("continued headers", &[begun(), more(1, 0), more(1, flag::END_HEADERS)], &[OK]),
        case("continuation of nothing", &[more(1, flag::END_HEADERS)], &[PROTOCOL]),
        case(
            "continuation after the end of the headers",
            &[get(1, WHOLE, "/silent"), more(1, flag::END_HEADERS)],
            &[PROTOCOL, Outcome::GoAway(code::STREAM_CLOSED)],
        ),
        case("continuation on another stream", &[begun(), more(3, flag::END_HEADERS)], &[PROTOCOL]),
        case("continuation on stream 0", &[begun(), more(0, flag::END_HEADERS)], &[PROTOCOL]),
        case("headers within headers", &[begun(), get(3, WHOLE, "/ok")], &[PROTOCOL]),
        case(
            "priority within headers",
            &[begun(), raw(kind::PRIORITY, 0, 1, &[0, 0, 0, 3, 1]), more(1, flag::END_HEADERS)],
            &[PROTOCOL],
        ),
        case("ping within headers", &[begun(), Frame::ping(b"within!!")], &[PROTOCOL]),
        case("an unknown frame within headers", &[begun(), raw(0x16, 0, 1, b"")], &[PROTOCOL]),
        case("data within headers", &[begun(), Frame::data(1, 0, "x")], &[PROTOCOL]),
    ]
}

fn compression() -> Vec<Case> {
    let of = |bytes: &[u8]| [raw(kind::HEADERS, WHOLE, 1, bytes)];
    let request = get(1, WHOLE, "/ok").payload;
    vec![
        case("an index of no table", &of(&[0xff, 0x80, 0x01]), &[COMPRESSION]),
        case("index 0", &of(&[0x80]), &[COMPRESSION]),
        case("a literal that is cut off", &of(&[0x00, 0x05, b'a']), &[COMPRESSION]),
        case("a number without end", &of(&[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), &[COMPRESSION]),
        case("a table larger than was allowed", &of(&[0x3f, 0xe2, 0xff, 0x03]), &[COMPRESSION]),
        case("a change of the table after a field", &of(&[&request[..], &[0x20]].concat()), &[COMPRESSION]),
        case(
            "Huffman code with more than seven bits of padding",
            &of(&[0x00, 0x01, b'x', 0x82, 0x1f, 0xff]),
            &[COMPRESSION],
        ),
        case("Huffman code padded with zeroes", &of(&[0x00, 0x01, b'x', 0x81, 0x00]), &[COMPRESSION]),
        case(
            "Huffman code with the end of text",
            &of(&[0, 1, b'x', 0x84, 255, 255, 255, 255]),
            &[COMPRESSION],
        ),
        case("a change of the table before the fields", &of(&[&[0x20], &request[..]].concat()), &[OK]),
    ]
}

fn sizes() -> Vec<Case> {
    let large = vec![0; 16_385];
    let fields = block(&[("x", &"y".repeat(16_400))]);
    vec![
        case(
            "data of more than a frame may hold",
            &[post(1, OPEN, "/silent", &[]), raw(kind::DATA, 0, 1, &large)],
            &[FRAME_SIZE, Outcome::Reset(code::FRAME_SIZE_ERROR)],
        ),
        case(
            "headers of more than a frame may hold",
            &[raw(kind::HEADERS, WHOLE, 1, &fields)],
            &[FRAME_SIZE],
        ),
        case("an unknown frame of more than it may hold", &[raw(0x16, 0, 0, &large)], &[FRAME_SIZE]),
    ]
}
