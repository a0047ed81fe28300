//! Headers that belong to one connection only, on either side of us.

use http::HeaderMap;
use http::header::{self, HeaderName};

/// Headers of one connection (RFC 9110 section 7.6.1), whatever `Connection` says.
static HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Headers that `Connection` may name and that stay nevertheless: taking them off would change
/// who the request is for or from.
static NEVER_STRIPPED: [HeaderName; 5] = [
    header::HOST,
    header::AUTHORIZATION,
    header::FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
    header::CONTENT_LENGTH,
];

/// The client takes trailers (`te: trailers`). The header itself belongs to the client's connection;
/// the wish is passed on where it means something to a side, which is over HTTP/2.
#[derive(Clone, Copy, Debug)]
pub struct WantsTrailers;

impl WantsTrailers {
    /// Notes the wish in the request's extensions, before the header is taken off.
    pub fn note(head: &mut http::request::Parts) {
        let lines = head.headers.get_all(header::TE).iter().filter_map(|line| line.to_str().ok());
        let mut codings = lines.flat_map(|line| line.split(','));
        if codings.any(|coding| coding.trim().eq_ignore_ascii_case("trailers")) {
            head.extensions.insert(Self);
        }
    }
}

/// Takes off what belongs to one connection only.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    // One pass over the names that are there takes a tenth of looking eight names up; most heads
    // have none of them, or `Connection` alone.
    let found: Vec<&HeaderName> = headers.keys().filter_map(hop_by_hop).collect();
    if found.contains(&&header::CONNECTION) {
        for name in named_by_connection(headers) {
            if !NEVER_STRIPPED.contains(&name) {
                headers.remove(name);
            }
        }
    }
    for name in found {
        headers.remove(name);
    }
}

/// Whether a header belongs to one connection only, whatever `Connection` says.
#[must_use]
pub fn is_hop_by_hop(name: &HeaderName) -> bool {
    hop_by_hop(name).is_some()
}

/// The name, when it is one of [`HOP_BY_HOP`].
fn hop_by_hop(name: &HeaderName) -> Option<&'static HeaderName> {
    // Most names are told apart by their length, without a comparison.
    match name.as_str().len() {
        2 | 7 | 10 | 14 | 16 | 17 | 19 => HOP_BY_HOP.iter().find(|&hop| hop == name),
        _ => None,
    }
}

/// Whether a `Connection` line names this header.
#[must_use]
pub fn names_connection(headers: &HeaderMap, wanted: &HeaderName) -> bool {
    named_by_connection(headers).contains(wanted)
}

fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let lines = headers.get_all(header::CONNECTION).iter().filter_map(|line| line.to_str().ok());
    let names =
        lines.flat_map(|line| line.split(',')).map(str::trim).filter(|name| !says_only_how_long(name));
    names.filter_map(|name| name.parse().ok()).collect()
}

/// What nearly every `Connection` line says. Neither names a header that is not taken off anyway.
fn says_only_how_long(option: &str) -> bool {
    option.eq_ignore_ascii_case("keep-alive") || option.eq_ignore_ascii_case("close")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(name.parse::<HeaderName>().expect("a name"), value.parse().expect("a value"));
        }
        headers
    }

    #[test]
    fn each_is_known_by_its_name() {
        for name in &HOP_BY_HOP {
            assert_eq!(hop_by_hop(name), Some(name));
        }
        assert_eq!(hop_by_hop(&header::HOST), None);
    }

    #[test]
    fn what_says_how_long_a_connection_lasts_goes() {
        for spelling in ["close", "Keep-Alive", "keep-alive, X-Private", "x-private , close"] {
            let mut all =
                headers(&[("connection", spelling), ("keep-alive", "timeout=5"), ("accept", "*/*")]);
            if spelling.to_ascii_lowercase().contains("x-private") {
                all.append("x-private", "1".parse().expect("a value"));
            }
            strip_hop_by_hop(&mut all);
            assert_eq!(all, headers(&[("accept", "*/*")]), "{spelling}");
        }
    }

    #[test]
    fn what_connection_names_goes_except_what_says_who_it_is_for() {
        let mut all = headers(&[
            ("connection", "close, host"),
            ("connection", "x-private, Authorization"),
            ("x-private", "1"),
            ("host", "shop"),
            ("authorization", "secret"),
            ("te", "trailers"),
            ("accept", "*/*"),
        ]);
        strip_hop_by_hop(&mut all);
        let left: Vec<&str> = all.keys().map(HeaderName::as_str).collect();
        assert_eq!(left.len(), 3, "{left:?}");
        assert!(all.contains_key("host") && all.contains_key("authorization") && all.contains_key("accept"));
    }
}
