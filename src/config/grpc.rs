//! `grpc:` of an operation: a method of gRPC in the words of its service definition. It is a POST to a path made of
//! the two names (gRPC over HTTP/2, "Requests"), so that this is another spelling of `match` and nothing more.

use http::Method;
use parallax_core::operation::Matcher;
use parallax_core::template::Template;
use schemars::{Schema, json_schema};

use super::scalar::Scalar;

/// A method of gRPC.
#[derive(Clone, Debug)]
pub(super) struct GrpcMethod(pub(super) Matcher);

impl Scalar for GrpcMethod {
    fn read(text: &str) -> Result<Self, String> {
        let is_name = |name: &str| {
            let mut parts = name.split('.');
            parts.all(|part| {
                let is_word = part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                !part.is_empty() && is_word && !part.starts_with(|first: char| first.is_ascii_digit())
            })
        };
        match text.split_once('/') {
            Some((service, method)) if is_name(service) && is_name(method) && !method.contains('.') => {
                let template = Template::read(&format!("/{text}"))?;
                Ok(Self(Matcher { method: Method::POST, template }))
            }
            _ => Err(format!("`{text}` is no method of gRPC; write it like `shop.Returns/Get`")),
        }
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_.]*/[A-Za-z_][A-Za-z0-9_]*$"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_a_service_and_a_name() {
        let read = |text: &str| GrpcMethod::read(text).map(|method| method.0.to_string()).ok();
        assert_eq!(read("shop.v1.Returns/Get"), Some("POST /shop.v1.Returns/Get".to_owned()));
        assert_eq!(read("Returns/Get"), Some("POST /Returns/Get".to_owned()));
        for bad in [
            "/shop.Returns/Get",
            "shop.Returns.Get",
            "shop.Returns/",
            "a/b/c",
            "a..b/c",
            "a/{b}",
            "a/b.c",
            "1a/b",
            "",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
