//! One line: what is known of a request when its answer has ended.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode, Version};
use jiff::Timestamp;
use parallax_core::operation::{Operation, OperationId};
use parallax_core::verdict::Skip;
use serde::Serialize;

use crate::telemetry::known_method;

/// What is known of a request when its answer has ended.
#[derive(Clone, Debug)]
pub struct Line {
    /// When its head had arrived.
    pub time: Timestamp,
    /// From then to the end of the answer.
    pub duration: Duration,
    /// Who asked, as far as trusted proxies tell.
    pub client: Option<IpAddr>,
    /// Its method.
    pub method: Method,
    /// Its operation; none: it belongs to none.
    pub operation: Option<Arc<Operation>>,
    /// The raw path, where it is asked for.
    pub path: Option<String>,
    /// The answer's status; none where the client left before there was one.
    pub status: Option<StatusCode>,
    /// Bytes of the request's body that were passed on.
    pub bytes_in: u64,
    /// Bytes of the answer's body that were passed on.
    pub bytes_out: u64,
    /// The version of HTTP that the client speaks.
    pub protocol: Version,
    /// `legacy`, `candidate`, or `parallax` for an answer of its own; none without an answer.
    pub answered_by: Option<&'static str>,
    /// Whether the other side is checked, and why not; none outside of operations.
    pub check: Option<Result<(), Skip>>,
    /// From the request fully sent to the head of the side's answer.
    pub side_latency: Option<Duration>,
    /// How it ended.
    pub outcome: Outcome,
    /// The trace that it belongs to, where it is traced.
    pub trace_id: Option<u128>,
}

/// How an exchange with a client ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The client was sent all of it.
    Complete,
    /// The client left before.
    ClientAborted,
    /// The answering side broke off within the answer.
    SideBrokeOff,
}

/// The line as it is written; the order of the members is the order in the line.
#[derive(Serialize)]
struct Written<'l> {
    time: String,
    duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<IpAddr>,
    method: &'l str,
    operation_id: &'l str,
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'l str>,
    status: Option<u16>,
    bytes_in: u64,
    bytes_out: u64,
    protocol: &'static str,
    answered_by: Option<&'static str>,
    check: Option<&'static str>,
    side_latency_ms: Option<f64>,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
}

impl Line {
    /// Adds the line to a buffer, with its end.
    pub(super) fn write(&self, buffer: &mut Vec<u8>) {
        let configured = self.operation.as_ref().map(|operation| &operation.matcher);
        let written = Written {
            time: format!("{:.3}", self.time),
            duration_ms: milliseconds(self.duration),
            client: self.client,
            method: known_method(&self.method, self.operation.as_deref()).unwrap_or("_OTHER"),
            operation_id: self
                .operation
                .as_ref()
                .map_or(OperationId::OTHER, |operation| operation.id.as_str()),
            template: configured.map(|matcher| matcher.template.to_string()),
            path: self.path.as_deref(),
            status: self.status.map(|status| status.as_u16()),
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            protocol: protocol(self.protocol),
            answered_by: self.answered_by,
            check: self.check.map(|check| check.err().map_or("checked", Skip::as_str)),
            side_latency_ms: self.side_latency.map(milliseconds),
            outcome: self.outcome,
            trace_id: self.trace_id.map(|id| format!("{id:032x}")),
        };
        // Nothing in it can fail to be written, and half a line would spoil the next.
        let length = buffer.len();
        if serde_json::to_writer(&mut *buffer, &written).is_err() {
            buffer.truncate(length);
            return;
        }
        buffer.push(b'\n');
    }
}

/// To the microsecond: more would be noise.
#[expect(clippy::cast_precision_loss, reason = "a duration of days is no request's")]
fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_3 => "HTTP/3",
        // The type is open; nothing else is spoken here.
        _ => "HTTP/1.1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        Line {
            time: "2026-03-01T10:00:00.1234Z".parse().expect("a time"),
            duration: Duration::from_micros(12_345),
            client: None,
            method: Method::GET,
            operation: None,
            path: None,
            status: Some(StatusCode::OK),
            bytes_in: 0,
            bytes_out: 61,
            protocol: Version::HTTP_11,
            answered_by: Some("legacy"),
            check: None,
            side_latency: Some(Duration::from_millis(2)),
            outcome: Outcome::Complete,
            trace_id: None,
        }
    }

    fn written(line: &Line) -> String {
        let mut buffer = Vec::new();
        line.write(&mut buffer);
        String::from_utf8(buffer).expect("a text")
    }

    #[test]
    fn a_line_has_what_is_known() {
        let expected = r#"{"time":"2026-03-01T10:00:00.123Z","duration_ms":12.345,"method":"GET","operation_id":"other","status":200,"bytes_in":0,"bytes_out":61,"protocol":"HTTP/1.1","answered_by":"legacy","check":null,"side_latency_ms":2.0,"outcome":"complete"}"#;
        assert_eq!(written(&line()), format!("{expected}\n"));
    }

    #[test]
    fn a_client_cannot_write_lines_of_its_own() {
        let hostile = Line {
            method: Method::from_bytes(b"INVENTED").expect("a method"),
            path: Some("/a\"}\n{\"time\":1}\u{1b}[2J".into()),
            check: Some(Err(Skip::Loop)),
            trace_id: Some(7),
            ..line()
        };
        let text = written(&hostile);
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        let read: serde_json::Value = serde_json::from_str(&text).expect("json");
        assert_eq!(read["method"], "_OTHER");
        assert_eq!(read["check"], "loop");
        assert_eq!(read["trace_id"], "00000000000000000000000000000007");
    }
}
