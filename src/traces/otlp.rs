//! Spans as OTLP has them in JSON (opentelemetry-proto, `ExportTraceServiceRequest`): ids in hex,
//! 64-bit numbers as texts, enumerations as numbers.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

use super::{Attribute, Kind, Span};

/// The payload for these spans.
pub(super) fn payload(service: &str, spans: &[Box<Span>]) -> serde_json::Result<Vec<u8>> {
    let version = env!("CARGO_PKG_VERSION");
    let resource = [
        KeyValue { key: "service.name", value: Value::Text(service) },
        KeyValue { key: "service.version", value: Value::Text(version) },
    ];
    let scope = Scope { name: "parallax", version };
    let spans = Spans(spans);
    serde_json::to_vec(&Request {
        resource_spans: [ResourceSpans {
            resource: Resource { attributes: resource },
            scope_spans: [ScopeSpans { scope, spans }],
        }],
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'s> {
    resource_spans: [ResourceSpans<'s>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans<'s> {
    resource: Resource<'s>,
    scope_spans: [ScopeSpans<'s>; 1],
}

#[derive(Serialize)]
struct Resource<'s> {
    attributes: [KeyValue<'s>; 2],
}

#[derive(Serialize)]
struct ScopeSpans<'s> {
    scope: Scope,
    spans: Spans<'s>,
}

#[derive(Serialize)]
struct Scope {
    name: &'static str,
    version: &'static str,
}

struct Spans<'s>(&'s [Box<Span>]);

impl Serialize for Spans<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|span| SpanJson::from(&**span)))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SpanJson<'s> {
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    name: &'s str,
    kind: u8,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: Vec<KeyValue<'s>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    links: Option<[Link; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
}

impl<'s> From<&'s Span> for SpanJson<'s> {
    fn from(span: &'s Span) -> Self {
        /// `STATUS_CODE_ERROR`.
        const ERROR: u8 = 2;
        Self {
            trace_id: format!("{:032x}", span.context.trace_id),
            span_id: format!("{:016x}", span.context.span_id),
            parent_span_id: span.parent.map(|parent| format!("{parent:016x}")),
            name: &span.name,
            kind: match span.kind {
                Kind::Server => 2,
                Kind::Client => 3,
            },
            start_time_unix_nano: nanoseconds(span.start),
            end_time_unix_nano: nanoseconds(span.start + span.duration),
            attributes: span
                .attributes
                .iter()
                .map(|(key, value)| KeyValue { key, value: Value::from(value) })
                .collect(),
            links: span.link.map(|link| {
                [Link {
                    trace_id: format!("{:032x}", link.trace_id),
                    span_id: format!("{:016x}", link.span_id),
                }]
            }),
            status: span.is_error.then_some(Status { code: ERROR }),
        }
    }
}

fn nanoseconds(time: SystemTime) -> String {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos()).to_string()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Link {
    trace_id: String,
    span_id: String,
}

#[derive(Serialize)]
struct Status {
    code: u8,
}

#[derive(Serialize)]
struct KeyValue<'s> {
    key: &'s str,
    value: Value<'s>,
}

#[derive(Serialize)]
enum Value<'s> {
    #[serde(rename = "stringValue")]
    Text(&'s str),
    #[serde(rename = "intValue")]
    Number(String),
    #[serde(rename = "boolValue")]
    Flag(bool),
}

impl<'s> From<&'s Attribute> for Value<'s> {
    fn from(attribute: &'s Attribute) -> Self {
        match attribute {
            Attribute::Text(text) => Self::Text(text),
            Attribute::Number(number) => Self::Number(number.to_string()),
            Attribute::Flag(flag) => Self::Flag(*flag),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::traces::Context;

    #[test]
    fn spans_are_written_as_the_protocol_has_them() {
        let context = |trace_id, span_id| Context { trace_id, span_id, sampled: true };
        let span = Span {
            context: context(10, 11),
            parent: Some(12),
            link: Some(context(13, 14)),
            kind: Kind::Client,
            name: "GET /a/{id}".into(),
            start: UNIX_EPOCH + Duration::from_secs(1),
            duration: Duration::from_micros(5),
            is_error: true,
            attributes: vec![
                ("http.route", "/a/{id}".into()),
                ("http.response.status_code", 503.into()),
                ("parallax.shadow", Attribute::Flag(true)),
            ],
        };
        let payload = payload("shop", &[Box::new(span)]).expect("a payload");
        let version = env!("CARGO_PKG_VERSION");
        let expected = serde_json::json!({"resourceSpans": [{
            "resource": {"attributes": [
                {"key": "service.name", "value": {"stringValue": "shop"}},
                {"key": "service.version", "value": {"stringValue": version}},
            ]},
            "scopeSpans": [{
                "scope": {"name": "parallax", "version": version},
                "spans": [{
                    "traceId": "0000000000000000000000000000000a",
                    "spanId": "000000000000000b",
                    "parentSpanId": "000000000000000c",
                    "name": "GET /a/{id}",
                    "kind": 3,
                    "startTimeUnixNano": "1000000000",
                    "endTimeUnixNano": "1000005000",
                    "attributes": [
                        {"key": "http.route", "value": {"stringValue": "/a/{id}"}},
                        {"key": "http.response.status_code", "value": {"intValue": "503"}},
                        {"key": "parallax.shadow", "value": {"boolValue": true}},
                    ],
                    "links": [{
                        "traceId": "0000000000000000000000000000000d",
                        "spanId": "000000000000000e",
                    }],
                    "status": {"code": 2},
                }],
            }],
        }]});
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&payload).expect("json"), expected);
    }
}
