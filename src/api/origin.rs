//! Whether a request that changes something was made by a page of ours, by a program, or by a
//! page from elsewhere that uses somebody's browser (cross-site request forgery).

use http::{HeaderMap, HeaderName, Uri, header};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Where a request comes from, by what browsers add and pages cannot change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A page of ours, or the address bar.
    Own,
    /// Neither header: a program, or a browser of another age.
    Unknown,
    /// A page from elsewhere.
    Foreign,
}

/// Reads `Origin` and `Sec-Fetch-Site`; both have to agree when both are there.
pub(super) fn origin(headers: &HeaderMap, host: &str) -> Origin {
    let site = headers
        .get_all(SEC_FETCH_SITE)
        .iter()
        .map(|value| matches!(value.as_bytes(), b"same-origin" | b"none"));
    let origin = headers
        .get_all(header::ORIGIN)
        .iter()
        .map(|value| value.to_str().is_ok_and(|text| is_at(text, host)));
    let signs: Vec<bool> = site.chain(origin).collect();
    match signs.as_slice() {
        [] => Origin::Unknown,
        signs if signs.iter().all(|&is_own| is_own) => Origin::Own,
        _ => Origin::Foreign,
    }
}

/// Whether an origin has this host and port. Not its scheme: TLS may end before us.
fn is_at(origin: &str, host: &str) -> bool {
    let Ok(uri) = origin.parse::<Uri>() else { return false };
    let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
    is_web && uri.authority().is_some_and(|authority| authority.as_str().eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&'static str, &'static str)]) -> Origin {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, http::HeaderValue::from_static(value));
        }
        origin(&headers, "127.0.0.1:9900")
    }

    #[test]
    fn only_a_page_of_ours_is_own() {
        assert_eq!(of(&[]), Origin::Unknown);
        let own = [
            vec![("origin", "http://127.0.0.1:9900")],
            vec![("origin", "https://127.0.0.1:9900")],
            vec![("sec-fetch-site", "same-origin")],
            vec![("sec-fetch-site", "none")],
            vec![("origin", "http://127.0.0.1:9900"), ("sec-fetch-site", "same-origin")],
        ];
        for headers in own {
            assert_eq!(of(&headers), Origin::Own, "{headers:?}");
        }
        let foreign = [
            vec![("origin", "null")],
            vec![("origin", "http://127.0.0.1:9901")],
            vec![("origin", "http://127.0.0.1:9900.evil.example")],
            vec![("origin", "http://evil.example")],
            vec![("origin", "http://evil@127.0.0.1:9900")],
            vec![("origin", "file://127.0.0.1:9900")],
            vec![("sec-fetch-site", "cross-site")],
            vec![("sec-fetch-site", "same-site")],
            vec![("origin", "http://127.0.0.1:9900"), ("sec-fetch-site", "cross-site")],
            vec![("origin", "http://evil.example"), ("sec-fetch-site", "same-origin")],
            vec![("origin", "http://127.0.0.1:9900"), ("origin", "http://evil.example")],
        ];
        for headers in foreign {
            assert_eq!(of(&headers), Origin::Foreign, "{headers:?}");
        }
    }
}
