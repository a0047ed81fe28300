//! What the access log and a trace will tell of one request. It is gathered on the way and told
//! when the answer's body is gone, or when the client is: by dropping it, so that no way out of a
//! request can forget it. It exists only where somebody wants to know.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use http::{Method, StatusCode, Version};
use parallax_core::exchange::Side;
use parallax_core::operation::Operation;
use parallax_core::verdict::{Cause, Skip};

use super::upload::SharedCapture;
use crate::access_log::{AccessLog, Line, Outcome};
use crate::telemetry::{AnsweredBy, Fate, Ticket};
use crate::traces::{ServerSpan, SideSpan, Trace, Tracer};

/// Who wants to know.
pub(crate) struct Listeners {
    pub(crate) log: Option<AccessLog>,
    pub(crate) tracer: Option<Tracer>,
}

/// What is told of one request.
pub(crate) struct Account {
    pub(crate) listeners: Arc<Listeners>,
    /// Where it is traced.
    pub(crate) trace: Option<Trace>,
    pub(crate) began: Instant,
    pub(crate) time: SystemTime,
    pub(crate) client: Option<IpAddr>,
    pub(crate) method: Method,
    pub(crate) path: Option<String>,
    pub(crate) scheme: &'static str,
    pub(crate) protocol: Version,
    pub(crate) operation: Option<Arc<Operation>>,
    pub(crate) request_body: Option<SharedCapture>,
    pub(crate) asked: Option<Asked>,
    pub(crate) status: Option<StatusCode>,
    pub(crate) bytes_out: u64,
    pub(crate) outcome: Outcome,
    fate: Option<Arc<Fate>>,
}

/// How the side was asked that answered, or was the last to give none.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) side: Side,
    pub(crate) began: Instant,
    /// From `began` to the head of the answer, or to giving up.
    pub(crate) took: Duration,
    /// From the request fully sent to the head of the answer.
    pub(crate) answer: Result<Duration, Cause>,
}

impl Account {
    /// What is known of a request by its head.
    pub(crate) fn of<B>(
        listeners: &Arc<Listeners>,
        request: &http::Request<B>,
        client: IpAddr,
        scheme: &'static str,
        trace: Option<Trace>,
    ) -> Box<Self> {
        let log = listeners.log.as_ref();
        Box::new(Self {
            listeners: Arc::clone(listeners),
            trace,
            began: Instant::now(),
            time: SystemTime::now(),
            client: log.filter(|log| log.client).map(|_| client),
            method: request.method().clone(),
            path: log.filter(|log| log.path).map(|_| request.uri().path().to_owned()),
            scheme,
            protocol: request.version(),
            operation: None,
            request_body: None,
            asked: None,
            status: None,
            bytes_out: 0,
            // Until an answer ends, the one way for this to end is the client's.
            outcome: Outcome::ClientAborted,
            fate: None,
        })
    }

    /// Learns from the ticket what becomes of the check.
    pub(crate) fn follow(&mut self, ticket: &mut Ticket) {
        let fate = self.fate.get_or_insert_default();
        ticket.tell(fate);
    }

    fn answered_by(&self) -> Option<&'static str> {
        self.status?;
        let side = self.asked.filter(|asked| asked.answer.is_ok()).map(|asked| asked.side);
        Some(side.map_or(AnsweredBy::Parallax, AnsweredBy::from).as_str())
    }

    /// Outside of operations nothing is checked. A client that left before the answer began never
    /// had a ticket.
    fn check(&self) -> Option<Result<(), Skip>> {
        self.operation.as_ref()?;
        let Some(fate) = &self.fate else { return Some(Err(Skip::ClientAborted)) };
        Some(fate.skipped().map_or(Ok(()), Err))
    }

    fn bytes_in(&self) -> u64 {
        let length =
            |capture: &SharedCapture| capture.lock().unwrap_or_else(PoisonError::into_inner).length();
        self.request_body.as_ref().map_or(0, length)
    }

    fn write(&self, log: &AccessLog, duration: Duration) {
        log.write(Box::new(Line {
            time: self.time.try_into().unwrap_or(jiff::Timestamp::UNIX_EPOCH),
            duration,
            client: self.client,
            method: self.method.clone(),
            operation: self.operation.clone(),
            path: self.path.clone(),
            status: self.status,
            bytes_in: self.bytes_in(),
            bytes_out: self.bytes_out,
            protocol: self.protocol,
            answered_by: self.answered_by(),
            check: self.check(),
            side_latency: self.asked.and_then(|asked| asked.answer.ok()),
            outcome: self.outcome,
            trace_id: self.trace.map(|trace| trace.own.trace_id),
        }));
    }

    fn record(&self, tracer: &Tracer, trace: Trace, duration: Duration) {
        let operation = self.operation.as_deref();
        if let Some(asked) = self.asked {
            let answer = match (asked.answer, self.status) {
                (Ok(_), Some(status)) => Ok(status),
                (Ok(_), None) => Err(Cause::Reset),
                (Err(cause), _) => Err(cause),
            };
            tracer.side(&SideSpan {
                context: trace.side,
                parent: Some(trace.own.span_id),
                copy_of: None,
                is_copy: false,
                side: asked.side,
                method: &self.method,
                operation,
                start: self.time + asked.began.saturating_duration_since(self.began),
                duration: asked.took,
                answer,
            });
        }
        tracer.server(&ServerSpan {
            trace,
            method: &self.method,
            operation,
            scheme: self.scheme,
            protocol: self.protocol,
            start: self.time,
            duration,
            status: self.status,
            answered_by: self.answered_by(),
            check: self.check(),
            broken: match self.outcome {
                Outcome::Complete => None,
                Outcome::ClientAborted => Some("client_aborted"),
                Outcome::SideBrokeOff => Some("side_broke_off"),
            },
        });
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let duration = self.began.elapsed();
        if let Some(log) = &self.listeners.log {
            self.write(log, duration);
        }
        if let (Some(tracer), Some(trace)) = (&self.listeners.tracer, self.trace) {
            self.record(tracer, trace, duration);
        }
    }
}
