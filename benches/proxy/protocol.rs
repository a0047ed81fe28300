//! What clients speak to a proxy.

/// What clients speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1.
    H1,
    /// HTTP/2 with prior knowledge, in the clear.
    H2,
    /// HTTP/1.1 over TLS 1.3.
    Tls,
    /// HTTP/2 over TLS 1.3, agreed by ALPN.
    TlsH2,
}

impl Protocol {
    pub(crate) const ALL: [Self; 4] = [Self::H1, Self::H2, Self::Tls, Self::TlsH2];

    /// What the table calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::H1 => "h1",
            Self::H2 => "h2",
            Self::Tls => "TLS",
            Self::TlsH2 => "TLS+h2",
        }
    }

    /// The scheme of its URLs.
    pub(crate) fn scheme(self) -> &'static str {
        match self {
            Self::H1 | Self::H2 => "http",
            Self::Tls | Self::TlsH2 => "https",
        }
    }
}
