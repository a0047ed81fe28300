//! Interim answers (1xx) on their way from a side: whoever sends a request may ask to be told.
//!
//! They are heard where the heads of answers are mended, and go no further: the library that reads
//! the final answer never sees them. A side that speaks HTTP/2 is not heard: there the library
//! keeps its interim answers to itself.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};

/// Is told of each interim answer but 101, when it comes. It is called on the way of an answer and
/// must not block.
pub trait HearInterim: Send + Sync {
    /// This was said, with these end-to-end and hop-by-hop headers.
    fn hear(&self, status: StatusCode, headers: HeaderMap);
}

/// Whoever wants to be told; none for a copy, because the client whose interim answers they would
/// be has been answered already.
pub type Interim = Option<Arc<dyn HearInterim>>;

/// Over HTTP/2 nobody waits to be told that the body is wanted: it has a flow of its own, which the
/// side can stop, and what the library hears in between it keeps to itself.
pub(super) fn answer_expectation<B>(request: &mut Request<B>, interim: Option<&dyn HearInterim>) {
    let expects = request.headers_mut().remove(header::EXPECT).is_some();
    if expects && let Some(interim) = interim {
        interim.hear(StatusCode::CONTINUE, HeaderMap::new());
    }
}

/// Tells what the head of an interim answer says. Fields that are no HTTP are left out.
pub(super) fn tell(interim: &dyn HearInterim, head: &[u8]) {
    let mut lines = head.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    let status = lines.next().and_then(|line| line.split(|&byte| byte == b' ').nth(1));
    let Some(Ok(status)) = status.map(StatusCode::from_bytes) else { return };
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(field) {
        headers.append(name, value);
    }
    interim.hear(status, headers);
}

fn field(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = memchr::memchr(b':', line)?;
    let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
    Some((HeaderName::from_bytes(&line[..colon]).ok()?, value))
}
