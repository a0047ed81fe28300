//! Which field means what: a row for every field whose spelling is not its meaning, by the standard
//! that defines it. A field that has no row is compared as bytes.

use http::HeaderName;

use super::structured::Shape;

/// Whether upper and lower case are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Letters {
    Folded,
    Exact,
}

/// What the value of a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A media type with parameters.
    MediaType,
    /// Items whose order and repetition say nothing.
    Set(Letters),
    /// Items whose order counts.
    List(Letters),
    /// Items with parameters and weights; the weights make the order.
    Weighted,
    /// Targets with parameters, in order.
    Links,
    /// Authentication schemes with parameters, in order.
    Challenges,
    /// `name=value`, in any order, between these separators.
    Directives(char),
    /// A word with parameters.
    Disposition,
    /// Content security policies: directives that each are a set of sources.
    Policies,
    /// An HTTP date.
    Instant,
    /// An HTTP date that is read as a time after `Date`.
    Expiry,
    /// A date of RFC 9651, and in the drafts an HTTP date.
    Deprecation,
    /// An entity tag, strong or weak.
    EntityTag,
    /// A structured field.
    Structured(Shape),
    /// Not known: every byte counts.
    Bytes,
}

impl Meaning {
    /// What the field of this name means.
    pub(super) fn of(name: &HeaderName) -> Self {
        let name = name.as_str();
        listed(name).or_else(|| single(name)).or_else(|| structured(name)).unwrap_or(Self::Bytes)
    }
}

/// Fields that their standard defines as lists, sets or directives.
fn listed(name: &str) -> Option<Meaning> {
    use Letters::{Exact, Folded};
    use Meaning::{Challenges, Directives, Links, List, Policies, Set, Weighted};
    Some(match name {
        // Sets of field names, which know no case (RFC 9110 5.1): RFC 9110 12.5.5, 6.6.2 and 7.6.1,
        // Fetch 3.3, RFC 8942 3.1.
        "vary"
        | "trailer"
        | "connection"
        | "access-control-allow-headers"
        | "access-control-expose-headers"
        | "accept-ch"
        | "critical-ch" => Set(Folded),
        // Sets of methods, which do know case: RFC 9110 10.2.1 and 9.1, Fetch 3.3.
        "allow" | "access-control-allow-methods" => Set(Exact),
        // Sets of range units (RFC 9110 14.3) and of the one known option (Fetch 3.6).
        "accept-ranges" | "x-content-type-options" => Set(Folded),
        // Sets of quoted types and of origins (Clear Site Data 3.1, Resource Timing 4.5.1).
        "clear-site-data" | "timing-allow-origin" => Set(Exact),
        // What may be sent next: RFC 9110 12.5.1 to 12.5.3, RFC 5789 3.1, LDP 7.1.
        "accept" | "accept-charset" | "accept-encoding" | "accept-patch" | "accept-post" => Weighted,
        // Some take the order for a preference (RFC 9110 12.5.4), so it counts.
        "accept-language" => List(Folded),
        // Language tags and codings know no case (RFC 9110 8.5.1, 8.4.1); codings are undone in order.
        "content-language" | "content-encoding" | "transfer-encoding" | "upgrade" | "te" => List(Folded),
        // The last policy that is known counts (Referrer Policy 4.1); others are read in order.
        "referrer-policy" | "x-frame-options" => List(Folded),
        // RFC 9110 7.6.3 and RFC 8586: one entry for each hop.
        "via" | "cdn-loop" => List(Exact),
        // RFC 8288 3.5: the order may count. RFC 7838 3: the order is a preference.
        "link" | "alt-svc" => Links,
        // RFC 9110 11.6.1 and 11.7.1.
        "www-authenticate" | "proxy-authenticate" => Challenges,
        // RFC 9111 5.2 and 5.4, Edge Architecture 2.2, RFC 9110 11.6.3, RFC 2068 19.7.1.1.
        "cache-control"
        | "pragma"
        | "surrogate-control"
        | "authentication-info"
        | "proxy-authentication-info"
        | "keep-alive"
        | "expect-ct" => Directives(','),
        // RFC 6797 6.1.
        "strict-transport-security" => Directives(';'),
        // CSP 2.2 and 2.3.
        "content-security-policy" | "content-security-policy-report-only" => Policies,
        _ => return None,
    })
}

/// Fields with one value.
fn single(name: &str) -> Option<Meaning> {
    Some(match name {
        // RFC 9110 8.3.
        "content-type" => Meaning::MediaType,
        // RFC 6266 4.1.
        "content-disposition" => Meaning::Disposition,
        // RFC 9110 8.8.2, 6.6.1 and 10.2.3, RFC 8594 3, RFC 7089 2.1.1.
        "last-modified" | "date" | "retry-after" | "sunset" | "memento-datetime" => Meaning::Instant,
        // RFC 9111 5.3.
        "expires" => Meaning::Expiry,
        // RFC 9745 2.1.
        "deprecation" => Meaning::Deprecation,
        // RFC 9110 8.8.3.
        "etag" => Meaning::EntityTag,
        _ => return None,
    })
}

/// Fields whose registration says that they are structured.
fn structured(name: &str) -> Option<Meaning> {
    Some(Meaning::Structured(match name {
        "priority" // RFC 9218 4
        | "content-digest" // RFC 9530 2
        | "repr-digest" // RFC 9530 3
        | "want-content-digest" // RFC 9530 4
        | "want-repr-digest" // RFC 9530 4
        | "unencoded-digest"
        | "want-unencoded-digest"
        | "signature" // RFC 9421 4.2
        | "accept-signature" // RFC 9421 5.1
        | "cdn-cache-control" // RFC 9213 2.1
        | "permissions-policy" // Permissions Policy 5.2
        | "document-policy"
        | "reporting-endpoints" // Reporting API 3.2
        | "no-vary-search"
        | "integrity-policy"
        | "use-as-dictionary" => Shape::Dictionary, // RFC 9842 2.1
        "signature-input" => Shape::Ordered, // RFC 9421 4.1
        "cache-status" // RFC 9211 2
        | "proxy-status" // RFC 9209 2
        | "cache-groups" // RFC 9875 2
        | "cache-group-invalidation" // RFC 9875 3
        | "client-cert-chain" // RFC 9440 2.3
        | "speculation-rules"
        | "supports-loading-mode"
        | "sec-ch-ua"
        | "sec-ch-ua-full-version-list" => Shape::List,
        "ratelimit" | "ratelimit-policy" => Shape::ListOrDictionary,
        "ratelimit-limit"
        | "ratelimit-remaining"
        | "ratelimit-reset"
        | "client-cert" // RFC 9440 2.2
        | "available-dictionary" // RFC 9842 2.2
        | "dictionary-id" // RFC 9842 2.3
        | "capsule-protocol" // RFC 9297 3.4
        | "incremental"
        | "idempotency-key"
        | "origin-agent-cluster"
        | "cross-origin-embedder-policy"
        | "cross-origin-opener-policy"
        | "sec-ch-ua-mobile"
        | "sec-ch-ua-platform" => Shape::Item,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_know_no_case_and_unknown_ones_no_meaning() {
        let of = |name: &str| Meaning::of(&name.parse().unwrap());
        assert_eq!(of("Vary"), Meaning::Set(Letters::Folded));
        assert_eq!(of("ALLOW"), Meaning::Set(Letters::Exact));
        assert_eq!(of("Priority"), Meaning::Structured(Shape::Dictionary));
        assert_eq!(of("Location"), Meaning::Bytes);
        assert_eq!(of("X-Vary"), Meaning::Bytes);
    }
}
