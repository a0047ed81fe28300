//! Requests in HTTP/2 (RFC 9113 section 8) that may not reach a side: whatever is wrong with them would
//! be worse in HTTP/1.1, where a line break in a value is a second request.

use parallax_testkit::h2::{Frame, code, flag};

use super::case::{Case, OK, OPEN, Outcome, PROTOCOL, STREAM_PROTOCOL, WHOLE, case, get, post};

type Fields<'f> = &'f [(&'f str, &'f str)];

const METHOD: (&str, &str) = (":method", "GET");
const SCHEME: (&str, &str) = (":scheme", "http");
const AUTHORITY: (&str, &str) = (":authority", "a");
const PATH: (&str, &str) = (":path", "/ok");

/// A request that no proxy passes on: the stream is reset, or refused with an answer.
const MALFORMED: [Outcome; 2] = [STREAM_PROTOCOL, Outcome::Status(400)];

pub(crate) fn malformed() -> Vec<Case> {
    let of = |name, fields: Fields<'_>| case(name, &[Frame::headers(1, WHOLE, fields)], &MALFORMED);
    let with = |name, field| of(name, &[METHOD, SCHEME, AUTHORITY, PATH, field]);
    let to = |name, path| of(name, &[METHOD, SCHEME, AUTHORITY, (":path", path)]);
    let by = |name, authority| of(name, &[METHOD, SCHEME, (":authority", authority), PATH]);
    let mut cases = vec![
        of("no method", &[SCHEME, AUTHORITY, PATH]),
        of("no scheme", &[METHOD, AUTHORITY, PATH]),
        of("no path", &[METHOD, SCHEME, AUTHORITY]),
        of("neither authority nor host", &[METHOD, SCHEME, PATH]),
        of("no field at all", &[]),
        of("two methods", &[METHOD, METHOD, SCHEME, AUTHORITY, PATH]),
        of("two schemes", &[METHOD, SCHEME, SCHEME, AUTHORITY, PATH]),
        of("two authorities", &[METHOD, SCHEME, AUTHORITY, AUTHORITY, PATH]),
        of("two paths", &[METHOD, SCHEME, AUTHORITY, PATH, PATH]),
        of("a pseudo field after a field", &[METHOD, SCHEME, AUTHORITY, ("x", "y"), PATH]),
        with("an unknown pseudo field", (":whatever", "y")),
        with("the pseudo field of answers", (":status", "200")),
        with("a name in upper case", ("X-Upper", "y")),
        with("a name with a space", ("x y", "z")),
        with("a name with a colon", ("x:y", "z")),
        with("an empty name", ("", "z")),
        with("a value with a line break", ("x", "y\r\nhost: b")),
        with("a value with a bare LF", ("x", "y\nz")),
        with("a value with a NUL", ("x", "y\0z")),
        with("connection", ("connection", "close")),
        with("keep-alive", ("keep-alive", "timeout=5")),
        with("proxy-connection", ("proxy-connection", "keep-alive")),
        with("transfer-encoding", ("transfer-encoding", "chunked")),
        with("upgrade", ("upgrade", "websocket")),
        with("te that is not trailers", ("te", "gzip")),
        with("a host that is not the authority", ("host", "b")),
        of("two hosts", &[METHOD, SCHEME, PATH, ("host", "a"), ("host", "b")]),
        to("an empty path", ""),
        to("a path without its slash", "ok"),
        to("a path with a space", "/o k"),
        to("a path with a line break", "/ok HTTP/1.1\r\nx: y"),
        to("a star that is not for OPTIONS", "*"),
        by("an authority with a user", "user@a"),
        by("an authority with a path", "a/b"),
        by("an authority with a line break", "a\r\nx: y"),
        of("a method with a space", &[(":method", "GE T"), SCHEME, AUTHORITY, PATH]),
        of("a method with a line break", &[(":method", "GET / HTTP/1.1\r\nx:"), SCHEME, AUTHORITY, PATH]),
    ];
    cases.extend(lengths());
    cases.extend(refused());
    cases
}

/// Requests whose bodies are not what their heads say. The head may be under way when that shows; a
/// side may never take such a request for whole.
fn lengths() -> Vec<Case> {
    let body = |bytes: &'static str| Frame::data(1, flag::END_STREAM, bytes);
    let says = |length| post(1, OPEN, "/ok", &[("content-length", length)]);
    let trailer =
        |field| [post(1, OPEN, "/ok", &[]), Frame::data(1, 0, "x"), Frame::headers(1, WHOLE, &[field])];
    let twice = [("content-length", "1"), ("content-length", "2")];
    vec![
        case("less data than content-length", &[says("3"), body("xy")], &MALFORMED),
        case("more data than content-length", &[says("1"), body("xy")], &MALFORMED),
        case(
            "a body announced and none sent",
            &[post(1, WHOLE, "/ok", &[("content-length", "3")])],
            &MALFORMED,
        ),
        case("a content-length that is no number", &[says("+2"), body("xy")], &MALFORMED),
        case("two lengths", &[post(1, OPEN, "/ok", &twice), body("x")], &MALFORMED),
        // Taken off, it harms nobody; that it is taken off is looked at as well.
        case("trailers with a pseudo field", &trailer((":path", "/b")), &[STREAM_PROTOCOL, OK]),
        case("trailers with a name in upper case", &trailer(("X", "y")), &MALFORMED),
        case("trailers with a line break", &trailer(("x", "y\r\nz: 1")), &MALFORMED),
    ]
}

/// Requests that are well-formed and not for a reverse proxy.
fn refused() -> Vec<Case> {
    let not_allowed = [Outcome::Status(405)];
    let huge: Vec<(String, String)> = (0..40).map(|n| (format!("x-{n}"), "y".repeat(1000))).collect();
    let mut fields = vec![METHOD, SCHEME, AUTHORITY, PATH];
    fields.extend(huge.iter().map(|field| (field.0.as_str(), field.1.as_str())));
    let too_large = [
        Outcome::Status(431),
        Outcome::Reset(code::PROTOCOL_ERROR),
        Outcome::Reset(code::ENHANCE_YOUR_CALM),
        Outcome::Reset(code::REFUSED_STREAM),
        Outcome::GoAway(code::ENHANCE_YOUR_CALM),
        PROTOCOL,
    ];
    let (first, rest) = fields.split_at(16);
    let pieces = [
        Frame::headers(1, flag::END_STREAM, first),
        Frame::continuation(1, 0, &rest[..14]),
        Frame::continuation(1, flag::END_HEADERS, &rest[14..]),
    ];
    let long = format!("/{}", "x".repeat(9000));
    vec![
        case(
            "CONNECT",
            &[Frame::headers(1, OPEN, &[(":method", "CONNECT"), (":authority", "a:443")])],
            &not_allowed,
        ),
        case(
            "TRACE",
            &[Frame::headers(1, WHOLE, &[(":method", "TRACE"), SCHEME, AUTHORITY, PATH])],
            &not_allowed,
        ),
        case("40 KB of fields", &pieces, &too_large),
        case("a target of 9 KB", &[get(1, WHOLE, &long)], &[Outcome::Status(414)]),
    ]
}

pub(crate) fn well_formed() -> Vec<Case> {
    let of = |name, fields: Fields<'_>| case(name, &[Frame::headers(1, WHOLE, fields)], &[OK]);
    let trailers =
        [post(1, OPEN, "/ok", &[]), Frame::data(1, 0, "x"), Frame::headers(1, WHOLE, &[("x-sum", "1")])];
    let length = [post(1, OPEN, "/ok", &[("content-length", "2")]), Frame::data(1, flag::END_STREAM, "xy")];
    vec![
        of("a request", &[METHOD, SCHEME, AUTHORITY, PATH]),
        of("te: trailers", &[METHOD, SCHEME, AUTHORITY, PATH, ("te", "trailers")]),
        of("a host in place of the authority", &[METHOD, SCHEME, PATH, ("host", "a")]),
        of("a host that is the authority", &[METHOD, SCHEME, AUTHORITY, PATH, ("host", "a")]),
        of("pseudo fields in another order", &[PATH, AUTHORITY, SCHEME, METHOD]),
        of("OPTIONS *", &[(":method", "OPTIONS"), SCHEME, AUTHORITY, (":path", "*")]),
        case("trailers", &trailers, &[OK]),
        case("as much data as content-length", &length, &[OK]),
        case(
            "data in empty pieces",
            &[post(1, OPEN, "/ok", &[]), Frame::data(1, 0, ""), Frame::data(1, 1, "")],
            &[OK],
        ),
    ]
}
