//! Content codings: whatever claims to be coded is decoded, or refused, within the limits, and its digest
//! does not depend on how it was cut. The first byte chooses the codings and the cut.

use bytes::Bytes;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue, StatusCode};
use parallax_core::compare::{Comparison, compare};
use parallax_core::exchange::{Answer, Body};
use parallax_core::format::DigestStream;
use parallax_core::rule::Rules;

const CODINGS: [&str; 8] =
    ["gzip", "deflate", "br", "zstd", "gzip, br", "zstd, gzip", "identity", "gzip, gzip, gzip"];

/// These bytes are decoded or refused, the same in any cut.
pub fn holds(data: &[u8]) {
    let Some((&choice, body)) = data.split_first() else { return };
    let coding = HeaderValue::from_static(CODINGS[usize::from(choice % 8)]);
    let headers = HeaderMap::from_iter([(CONTENT_ENCODING, coding)]);
    let digest = |cut: usize| {
        let mut stream = DigestStream::new(headers.get_all(CONTENT_ENCODING));
        body.chunks(cut).for_each(|piece| stream.update(piece));
        stream.finish()
    };
    assert!(digest(usize::from(choice / 8) + 1) == digest(1 << 20), "the cut changes the digest");

    let answer = |headers: HeaderMap, body: &[u8]| Answer {
        status: StatusCode::OK,
        headers,
        body: Body::Whole(Bytes::copy_from_slice(body)),
        trailers: None,
    };
    // No bytes are an empty body in any coding that is known; three of them, one upon the other, are not.
    let found = compare(&answer(headers, body), &answer(HeaderMap::new(), b""), &Rules::default());
    if body.is_empty() && choice % 8 != 7 {
        assert!(matches!(found.comparison, Comparison::Equal(_)), "no bytes are an empty body");
    }
}
