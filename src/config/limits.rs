//! Bounds of what clients may send, how slowly, and of what is held in memory. The defaults are
//! those of the proxies that people come from, where these agree; none of them bounds what a
//! service that is in use may have been sent so far, such as the length of a body.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::error::Problems;
use super::resolve::get;
use super::scalar::{Bound, Count, Raw, Size};

/// Bounds of what clients may send, and of what is held in memory.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "Limits", deny_unknown_fields)]
pub(super) struct LimitsFile {
    /// Checks that wait, at most; 10000 by default.
    pub(super) queue_checks: Option<Raw<Count>>,
    /// Bytes of checks that wait, at most; `256MiB` by default.
    pub(super) queue_bytes: Option<Raw<Size>>,
    /// Checks that wait in the store, at most: posted ones, and those of operations with `durable: true`;
    /// 1000000 by default. Beyond them 503.
    pub(super) stored_checks: Option<Raw<Count>>,
    /// Bytes of checks that wait in the store, at most; `4GiB` by default. Beyond them 503.
    pub(super) stored_bytes: Option<Raw<Size>>,
    /// Longest head of a request; `32KiB` by default. Beyond it 431.
    pub(super) head: Option<Raw<Size>>,
    /// Most header fields of a request; 100 by default. Beyond them 431.
    pub(super) headers: Option<Raw<Count>>,
    /// Longest target of a request; `8KiB` by default. Beyond it 414.
    pub(super) uri: Option<Raw<Size>>,
    /// Longest body of a request; `none` by default. Beyond it 413.
    pub(super) body: Option<Raw<Bound>>,
    /// How long a client may take for the head of a request; `30s` by default. Beyond it 408.
    pub(super) head_time: Option<Raw<Duration>>,
    /// How long a connection may rest between requests, or not take what it is sent; `75s` by default.
    pub(super) idle: Option<Raw<Duration>>,
    /// Bytes per second of a body, at least, over ten seconds of waiting for it; `240B` by default, or `none`.
    /// Below it 408. Bodies of gRPC may rest.
    pub(super) body_rate: Option<Raw<Bound>>,
    /// Clients' connections at a time, at most; 16384 by default. Beyond them 503.
    pub(super) connections: Option<Raw<Count>>,
    /// Requests at a time on one HTTP/2 connection, at most; 128 by default.
    pub(super) streams: Option<Raw<Count>>,
}

/// Bounds of what clients may send, and of what is held in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Checks that wait, at most.
    pub queue_checks: usize,
    /// Bytes of checks that wait, at most.
    pub queue_bytes: usize,
    /// Checks that wait in the store, at most.
    pub stored_checks: usize,
    /// Bytes of checks that wait in the store, at most.
    pub stored_bytes: usize,
    /// Longest head of a request, in bytes.
    pub head_bytes: usize,
    /// Most header fields of a request.
    pub headers: usize,
    /// Longest target of a request, in bytes.
    pub uri_bytes: usize,
    /// Longest body of a request, in bytes; none: any.
    pub body_bytes: Option<u64>,
    /// How long a client may take for the head of a request.
    pub head_time: Duration,
    /// How long a connection may rest between requests.
    pub idle: Duration,
    /// Bytes per second of a body, at least; none: any.
    pub body_rate_bytes: Option<u64>,
    /// Clients' connections at a time, at most.
    pub connections: usize,
    /// Requests at a time on one HTTP/2 connection, at most.
    pub streams: u32,
}

/// http refuses longer targets.
const LONGEST_URI_BYTES: usize = 65_534;
/// Bytes per second of a body.
const BODY_RATE_BYTES: u64 = 240;

pub(super) fn resolve(file: Option<&LimitsFile>, problems: &mut Problems) -> Limits {
    let nothing = LimitsFile::default();
    let file = file.unwrap_or(&nothing);
    let uri_bytes = get(file.uri.as_ref(), Size(8 << 10), problems).0;
    if let Some(raw) = &file.uri
        && uri_bytes > LONGEST_URI_BYTES
    {
        problems.add(raw.at, format!("`limits.uri` is {LONGEST_URI_BYTES} bytes at most"));
    }
    let streams = get(file.streams.as_ref(), Count(128), problems).0;
    Limits {
        queue_checks: get(file.queue_checks.as_ref(), Count(10_000), problems).0,
        queue_bytes: get(file.queue_bytes.as_ref(), Size(256 << 20), problems).0,
        stored_checks: get(file.stored_checks.as_ref(), Count(1_000_000), problems).0,
        stored_bytes: get(file.stored_bytes.as_ref(), Size(4 << 30), problems).0,
        head_bytes: get(file.head.as_ref(), Size(32 << 10), problems).0,
        headers: get(file.headers.as_ref(), Count(100), problems).0,
        uri_bytes,
        body_bytes: get(file.body.as_ref(), Bound(None), problems).0,
        head_time: get(file.head_time.as_ref(), Duration::from_secs(30), problems),
        idle: get(file.idle.as_ref(), Duration::from_secs(75), problems),
        body_rate_bytes: get(file.body_rate.as_ref(), Bound(Some(BODY_RATE_BYTES)), problems).0,
        connections: get(file.connections.as_ref(), Count(16_384), problems).0,
        streams: u32::try_from(streams).unwrap_or(u32::MAX),
    }
}
