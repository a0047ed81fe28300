//! What a copy carries besides the request's own head: the mark that it is one, a marker by which it
//! is recognised when it comes round, and its place in a trace.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http::{Extensions, HeaderMap, HeaderValue};
use parallax_core::check::Check;
use parallax_core::exchange::{Exchange, Side};
use parallax_core::verdict::Cause;

use super::copy::{Missed, Why};
use crate::marker::{Markers, RECHECK, SHADOW};
use crate::traces::{Context, SideSpan, Tracer};

/// What copies carry, the same for all runners.
#[derive(Clone)]
pub struct Carried {
    /// Makes the markers.
    pub markers: Arc<Markers>,
    /// Where traces begin; none when tracing is off.
    pub tracer: Option<Tracer>,
}

/// The trace of one copy.
pub(super) struct CopyTrace {
    tracer: Tracer,
    own: Context,
    of: Option<Context>,
    time: SystemTime,
    began: Instant,
}

impl Carried {
    /// Begins the copy's trace: one of its own, linked to the request's, which the proxy has left
    /// among the extensions of its head.
    pub(super) fn trace(&self, extensions: &mut Extensions) -> Option<CopyTrace> {
        let of = extensions.remove::<Context>();
        let tracer = self.tracer.as_ref()?.clone();
        let own = tracer.copy(of);
        Some(CopyTrace { tracer, own, of, time: SystemTime::now(), began: Instant::now() })
    }

    /// Writes onto the copy's head what it carries.
    pub(super) fn write(&self, headers: &mut HeaderMap, why: Why, trace: Option<&CopyTrace>) {
        headers.insert(SHADOW, HeaderValue::from_static("1"));
        match why {
            Why::Check | Why::Ahead => {}
            Why::Recheck => _ = headers.insert(RECHECK, HeaderValue::from_static("1")),
        }
        self.markers.renew(headers);
        if let Some(trace) = trace {
            trace.own.tell(headers, false);
        }
    }
}

impl CopyTrace {
    /// The copy was answered, or was not.
    pub(super) fn end(self, side: Side, check: &Check, asked: &Result<Exchange, Missed>) {
        if !self.own.sampled {
            return;
        }
        let (duration, answer) = match asked {
            Ok(exchange) => (exchange.latency, Ok(exchange.answer.status)),
            Err(Missed::Fault(fault)) => (self.began.elapsed(), Err(fault.cause)),
            Err(Missed::NoRoom) => (self.began.elapsed(), Err(Cause::Budget)),
            Err(Missed::TooLarge(cut)) => (self.began.elapsed(), Ok(cut.status)),
        };
        self.tracer.side(&SideSpan {
            context: self.own,
            parent: None,
            copy_of: self.of,
            is_copy: true,
            side,
            method: &check.request.method,
            operation: Some(&check.operation),
            start: self.time,
            duration,
            answer,
        });
    }
}
