//! Bounds on what clients may send and how slowly, as the parts of the proxy take them.

use std::time::Duration;

use parallax_core::wire::HeadLimits;

use super::guard::Patience;
use super::upload::UploadLimits;
use crate::config;

/// Bounds on what clients may send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Of a head, and of a body whose length is said.
    pub(crate) message: HeadLimits,
    /// Of time.
    pub(crate) patience: Patience,
    /// Of a body while it comes.
    pub(crate) upload: UploadLimits,
    /// Requests at a time on one HTTP/2 connection.
    pub(crate) streams: u32,
}

impl From<&config::Limits> for Limits {
    fn from(limits: &config::Limits) -> Self {
        let body = limits.body_bytes.unwrap_or(u64::MAX);
        Self {
            message: HeadLimits {
                head: limits.head_bytes,
                uri: limits.uri_bytes,
                headers: limits.headers,
                body,
            },
            patience: Patience { head: limits.head_time, idle: limits.idle },
            upload: UploadLimits { length: body, rate: limits.body_rate_bytes.unwrap_or(0) },
            streams: limits.streams,
        }
    }
}

/// How long a connection may still be asked for something when the process ends: a request that is
/// on its way when an idle connection is closed would be lost.
pub(crate) const GRACE: Duration = Duration::from_secs(1);
