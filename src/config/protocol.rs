//! Which version of HTTP a side is spoken to in.

use super::scalar::Scalar;

/// Which version of HTTP a side is spoken to in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 without TLS; with TLS, what the side chooses.
    #[default]
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2; without TLS from the first byte, without asking ("prior knowledge").
    Http2,
}

impl Scalar for Protocol {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "http1" => Ok(Self::Http1),
            "http2" => Ok(Self::Http2),
            _ => Err(format!("`{text}` is not one of auto, http1, http2")),
        }
    }

    fn schema() -> schemars::Schema {
        schemars::json_schema!({"enum": ["auto", "http1", "http2"]})
    }
}
