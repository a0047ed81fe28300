//! A payload: read or refused, never with a target, a header or a status that could not be sent, and
//! refused with a place that is in the text and with a message of bounded length.

use parallax_core::posted::{Batch, Malformed, Posted, read, read_batch, target};
use serde::de::IgnoredAny;

const MOST: usize = 100;

/// These bytes as a payload, as several of both kinds, and as a path.
pub fn holds(data: &[u8]) {
    match read(data) {
        Ok(posted) => {
            let text = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
            assert!(serde_json::from_slice::<IgnoredAny>(text).is_ok(), "read what is no JSON");
            can_be_sent(&posted);
        }
        Err(error) => is_placed(&error, data),
    }
    for batch in [Batch::Array, Batch::Lines] {
        match read_batch(data, batch, MOST) {
            Ok(results) => {
                assert!(results.len() <= MOST);
                results.iter().for_each(|result| match result {
                    Ok(posted) => can_be_sent(posted),
                    Err(error) => is_placed(error, data),
                });
            }
            Err(error) => is_placed(&error, data),
        }
    }
    if let Some(target) = std::str::from_utf8(data).ok().and_then(|text| target(text).ok()) {
        is_in_origin_form(target.as_str());
        let again = parallax_core::posted::target(target.as_str());
        assert!(again.is_ok_and(|again| again == target), "another target when read again");
    }
}

pub(crate) fn can_be_sent(posted: &Posted) {
    let request = &posted.request;
    is_in_origin_form(request.target.as_str());
    assert!(!matches!(request.method.as_str(), "CONNECT" | "TRACE"));
    assert!((200..600).contains(&posted.answer.status.as_u16()));
    for name in ["host", "content-length", "transfer-encoding", "connection", "te", "expect", "upgrade"] {
        assert!(!request.headers.contains_key(name), "{name}");
    }
    for headers in [&request.headers, &posted.answer.headers] {
        assert!(headers.keys().all(|name| !name.as_str().starts_with("parallax-")));
        assert!(headers.values().all(|value| !value.as_bytes().iter().any(|byte| b"\r\n\0".contains(byte))));
    }
}

fn is_in_origin_form(target: &str) {
    assert!(target.starts_with('/') && !target.starts_with("//"), "{target}");
    assert!(target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#' && byte != b'\\'), "{target}");
    let mut path = target.split('?').next().unwrap_or_default().as_bytes().to_vec();
    // As readers see it that decode it again and again.
    for _ in 0..5 {
        assert!(!path.contains(&b'\\') && !path.starts_with(b"//"), "{target}");
        assert!(
            !path.split(|&byte| byte == b'/').any(|segment| segment == b"." || segment == b".."),
            "{target}"
        );
        path = decoded(&path);
    }
}

fn decoded(path: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < path.len() {
        let digits = path.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.filter(|_| path[at] == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(byte.unwrap_or(path[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    out
}

fn is_placed(error: &Malformed, data: &[u8]) {
    let lines = data.split(|&byte| byte == b'\n').count();
    assert!((1..=lines).contains(&error.line), "{error}");
    assert!(error.column >= 1 && error.column <= data.len() + 1, "{error}");
    assert!(error.to_string().len() < 5_000, "a message without end");
}
