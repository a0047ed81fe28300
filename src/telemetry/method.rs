//! Which methods may be told of: in a line, a span or a label.

use http::Method;
use parallax_core::operation::Operation;

/// A method by its name where it is a well-known one or the operation's own. Any other is the
/// client's invention, of any length, and nothing to write down.
#[must_use]
pub fn known_method<'m>(method: &'m Method, operation: Option<&Operation>) -> Option<&'m str> {
    const KNOWN: [Method; 9] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
        Method::CONNECT,
        Method::TRACE,
    ];
    let is_configured = operation.is_some_and(|operation| operation.matcher.method == *method);
    (is_configured || KNOWN.contains(method)).then(|| method.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_makes_up_has_no_name() {
        let known = |text: &str| known_method(&Method::from_bytes(text.as_bytes()).unwrap(), None).is_some();
        assert!(known("GET") && known("HEAD"));
        assert!(!known("get") && !known("INVENTED"));
    }
}
