//! Heads on their way through: what belongs to one connection only is taken off, the rest passes
//! as it came, and both sides are told the same.

use http::header::{self, HeaderName};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Version, request};

use crate::upstream::{Upstream, is_hop_by_hop, names_connection};

/// Which headers a request has that something is done about. They are found in one pass over the
/// names that are there: most requests have none of them, and to look each up costs more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Survey {
    /// What belongs to one connection only, `Upgrade` and `TE` among it.
    pub(crate) hop_by_hop: bool,
    pub(crate) upgrade: bool,
    pub(crate) expect: bool,
    pub(crate) cookie: bool,
    /// `parallax-…`
    pub(crate) ours: bool,
}

impl Survey {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut survey = Self::default();
        for name in headers.keys() {
            survey.hop_by_hop |= is_hop_by_hop(name);
            match name.as_str() {
                "upgrade" => survey.upgrade = true,
                "expect" => survey.expect = true,
                "cookie" => survey.cookie = true,
                name => survey.ours |= name.starts_with(OURS),
            }
        }
        survey
    }
}

/// What the names of our own headers begin with.
const OURS: &str = "parallax-";

/// What a request asks the connection to become, when it asks for anything.
///
/// HTTP/2 is not among it: a side that took the connection over with h2c would be sent requests
/// that nobody here sees (the way of "h2c smuggling"), and clients go on with HTTP/1.1 as they
/// must (RFC 9110 section 7.8).
pub(crate) fn upgrade_of(headers: &HeaderMap) -> Option<HeaderValue> {
    let wanted = headers.get(header::UPGRADE)?;
    let protocols = wanted.to_str().ok()?;
    let is_h2c = protocols.split(',').any(|protocol| protocol.trim().eq_ignore_ascii_case("h2c"));
    (!is_h2c && names_connection(headers, &header::UPGRADE)).then(|| wanted.clone())
}

/// Says whom the request is for as HTTP/1.1 does it: the authority of an absolute target or of an
/// HTTP/2 request takes the place of `Host` (RFC 9112 section 3.2.2, RFC 9113 section 8.3.1), and
/// the cookies that HTTP/2 may split stand in one line again (RFC 9113 section 8.2.3).
pub(crate) fn settle_host_and_cookies(parts: &mut request::Parts, has_cookie: bool) {
    if let Some(authority) = parts.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        parts.headers.insert(header::HOST, host);
    }
    if has_cookie && parts.headers.get_all(header::COOKIE).iter().nth(1).is_some() {
        let lines: Vec<&[u8]> =
            parts.headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
        if let Ok(joined) = HeaderValue::from_bytes(&lines.join(&b"; "[..])) {
            parts.headers.insert(header::COOKIE, joined);
        }
    }
}

/// Takes off what a client may not say: our own markers, and the expectation that hyper has
/// already met on this connection and meets anew on the next.
pub(crate) fn strip_ours(headers: &mut HeaderMap) {
    let ours: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with(OURS)).cloned().collect();
    for name in ours {
        headers.remove(name);
    }
    headers.remove(header::EXPECT);
}

/// Points a request's head to a side.
pub(crate) fn address_to(head: &mut request::Parts, upstream: &Upstream, target: &PathAndQuery) {
    upstream.address(&mut head.headers);
    head.uri = upstream.uri(target);
    head.version = Version::HTTP_11;
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
    fn a_survey_finds_what_is_there() {
        assert_eq!(Survey::of(&headers(&[("host", "a"), ("accept", "*/*")])), Survey::default());
        let names = ["te", "upgrade", "expect", "cookie", "parallax-hop"];
        let all: Vec<_> = names.iter().map(|&name| (name, "1")).collect();
        let every = Survey { hop_by_hop: true, upgrade: true, expect: true, cookie: true, ours: true };
        assert_eq!(Survey::of(&headers(&all)), every);
        assert_eq!(Survey::of(&headers(&all[..1])), Survey { hop_by_hop: true, ..Survey::default() });
    }

    #[test]
    fn an_upgrade_counts_only_when_connection_names_it() {
        assert_eq!(upgrade_of(&headers(&[("upgrade", "websocket")])), None);
        let both = headers(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]);
        assert_eq!(upgrade_of(&both), Some(HeaderValue::from_static("websocket")));
        let h2c = headers(&[("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c")]);
        assert_eq!(upgrade_of(&h2c), None);
    }

    #[test]
    fn an_http2_request_says_whom_it_is_for_as_http1_does() {
        let request = http::Request::builder()
            .uri("http://shop.test/a")
            .header("cookie", "a=1")
            .header("cookie", "b=2");
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        settle_host_and_cookies(&mut parts, true);
        assert_eq!(parts.headers, headers(&[("cookie", "a=1; b=2"), ("host", "shop.test")]));
    }

    #[test]
    fn a_client_cannot_say_what_only_we_say() {
        let mut all = headers(&[("parallax-shadow", "1"), ("expect", "100-continue"), ("x", "y")]);
        strip_ours(&mut all);
        assert_eq!(all, headers(&[("x", "y")]));
    }
}
