//! Which headers tell the sides from whom and to what a request came.
//!
//! Nothing is added unless it is asked for: a service that was reached directly until yesterday may
//! take the client's address from its connection, and one that stands behind a load balancer of its
//! own already has these headers.

use super::scalar::Scalar;

/// Which forwarding headers both sides get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Forwarded {
    /// None: what the client sent passes as it came.
    #[default]
    Off,
    /// `X-Forwarded-For`, `-Proto`, `-Host` and `-Port`.
    XHeaders,
    /// `Forwarded` (RFC 7239).
    Rfc7239,
    /// All of them.
    Both,
}

impl Forwarded {
    /// Whether the `X-Forwarded-*` headers are among them.
    #[must_use]
    pub fn has_x_forwarded(self) -> bool {
        matches!(self, Self::XHeaders | Self::Both)
    }

    /// Whether `Forwarded` is among them.
    #[must_use]
    pub fn has_rfc7239(self) -> bool {
        matches!(self, Self::Rfc7239 | Self::Both)
    }
}

impl Scalar for Forwarded {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "x-forwarded" => Ok(Self::XHeaders),
            "rfc7239" => Ok(Self::Rfc7239),
            "both" => Ok(Self::Both),
            _ => Err(format!(
                "`{text}` is not one of off, x-forwarded (`X-Forwarded-For` and its kin), rfc7239 (`Forwarded`), both"
            )),
        }
    }

    fn schema() -> schemars::Schema {
        schemars::json_schema!({"enum": ["off", "x-forwarded", "rfc7239", "both"]})
    }
}
