//! A proxy under measurement: a process of its own with a door for each protocol that it takes.

use crate::process::{Process, free_port};
use crate::protocol::Protocol;

/// A proxy under measurement.
pub(crate) struct Contender {
    /// What the table calls it.
    pub(crate) name: &'static str,
    /// Where clients connect.
    pub(crate) doors: Doors,
    /// Where its metrics are, for those that have some.
    pub(crate) control: Option<u16>,
    pub(crate) process: Process,
}

/// The port for each protocol; none where the contender does not take it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Doors {
    pub(crate) h1: Option<u16>,
    pub(crate) h2: Option<u16>,
    /// Both versions of HTTP, as ALPN agrees.
    pub(crate) tls: Option<u16>,
}

impl Doors {
    /// One port of its own for each protocol.
    pub(crate) fn all() -> Self {
        Self { h1: Some(free_port()), h2: Some(free_port()), tls: Some(free_port()) }
    }

    /// Where this protocol is spoken.
    pub(crate) fn to(self, protocol: Protocol) -> Option<u16> {
        match protocol {
            Protocol::H1 => self.h1,
            Protocol::H2 => self.h2,
            Protocol::Tls | Protocol::TlsH2 => self.tls,
        }
    }

    /// Every port.
    pub(crate) fn ports(self) -> Vec<u16> {
        [self.h1, self.h2, self.tls].into_iter().flatten().collect()
    }
}

impl Contender {
    /// The URL of a path in this protocol, where the contender takes it.
    pub(crate) fn url(&self, protocol: Protocol, path: &str) -> Option<String> {
        let port = self.doors.to(protocol)?;
        Some(format!("{}://127.0.0.1:{port}{path}", protocol.scheme()))
    }
}
