//! A request's way through: what is learnt of it when it arrives, what the sides are told of it, and
//! what is told of it when it is over.
//!
//! What the sides are told is written onto the head once, before the copy's head is taken from it.
//! Both get the same forwarding headers and the same marker; only `parallax-shadow` and, while
//! tracing is on, `traceparent` tell a copy from its request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderName, HeaderValue, Request, Response, StatusCode, request};
use parallax_core::exchange::Side;
use parallax_core::operation::Operation;
use parallax_core::verdict::Cause;

use super::account::{Account, Asked, Listeners};
use super::address::Trusted;
use super::body::AnswerBody;
use super::complaint::Rarely;
use super::forwarded::{self, Arrival};
use super::head::Survey;
use super::problem;
use super::upload::SharedCapture;
use super::watched::WatchedAnswer;
use crate::access_log::AccessLog;
use crate::config::{Forwarded, Network};
use crate::marker::{HOP, MOST_HOPS, Markers, SHADOW};
use crate::telemetry::Ticket;
use crate::traces::{Trace, Tracer};

/// What the edge of the deployment knows and does, the same for all threads.
pub struct Edge {
    markers: Arc<Markers>,
    scheme: &'static str,
    port: u16,
    complaint: Rarely,
    /// None where nobody wants to know.
    listeners: Option<Arc<Listeners>>,
}

impl Edge {
    /// An edge that listens at `port` for `scheme`, with whoever wants to know of requests.
    #[must_use]
    pub fn new(
        markers: Arc<Markers>,
        (scheme, port): (&'static str, u16),
        log: Option<AccessLog>,
        tracer: Option<Tracer>,
    ) -> Self {
        let is_heard = log.is_some() || tracer.is_some();
        let listeners = is_heard.then(|| Arc::new(Listeners { log, tracer }));
        Self { markers, scheme, port, complaint: Rarely::default(), listeners }
    }

    /// Takes a request in, with all that its head says about where it came from, as far as these
    /// networks are believed.
    pub(crate) fn receive<B>(
        &self,
        peer: SocketAddr,
        request: &Request<B>,
        forwarded: Forwarded,
        trusted: &[Network],
    ) -> Passage {
        let (headers, peer, trusted) = (request.headers(), peer.ip(), Trusted(trusted));
        let survey = Survey::of(headers);
        let hops = if survey.ours { self.markers.hops(headers) } else { 0 };
        let arrival = Arrival { peer, is_trusted: trusted.has(peer), scheme: self.scheme, port: self.port };
        let is_copy = hops > 0 && headers.contains_key(SHADOW);
        let (trace, account, hidden) = (None, None, None);
        let mut passage = Passage { survey, hops, is_copy, arrival, forwarded, hidden, trace, account };
        if let Some(listeners) = &self.listeners {
            passage.trace = listeners.tracer.as_ref().map(|tracer| tracer.receive(headers));
            let recorded = passage.trace.filter(|trace| trace.own.sampled);
            if listeners.log.is_some() || recorded.is_some() {
                let client = trusted.client_address(headers, peer);
                passage.account = Some(Account::of(listeners, request, client, self.scheme, recorded));
            }
        }
        passage
    }

    /// The refusal of a request that goes round in a circle.
    pub(super) fn refuse_circle(&self, passage: &Passage) -> Option<Response<AnswerBody>> {
        if passage.hops < MOST_HOPS {
            return None;
        }
        let detail = format!(
            "the request has passed parallax {MOST_HOPS} times: legacy or candidate leads back to parallax"
        );
        if self.complaint.is_due(Instant::now()) {
            tracing::error!(peer = %passage.arrival.peer, "refused with 508: {detail}; write the services' own addresses");
        }
        Some(problem::details(StatusCode::LOOP_DETECTED, &detail, serde_json::Value::Null))
    }

    /// Writes onto a head what both sides are told. Everything that a client may not say is off it
    /// by now, and `Host` is settled.
    pub(crate) fn tell(&self, passage: &Passage, parts: &mut request::Parts) {
        if let Some(hidden) = &passage.hidden {
            parts.headers.remove(hidden);
        }
        forwarded::write(&mut parts.headers, passage.forwarded, &passage.arrival);
        parts.headers.insert(HOP, self.markers.mark(passage.hops.saturating_add(1)));
        if passage.is_copy {
            parts.headers.insert(SHADOW, HeaderValue::from_static("1"));
        }
        if let Some(trace) = &passage.trace {
            trace.tell(&mut parts.headers);
            // By this the runner links the copy's trace.
            parts.extensions.insert(trace.own);
        }
    }
}

/// One request's way through.
pub(crate) struct Passage {
    survey: Survey,
    /// How many times it has passed before.
    hops: u8,
    /// Whether it is part of a copy that one of us has sent.
    is_copy: bool,
    arrival: Arrival,
    forwarded: Forwarded,
    /// A header that neither side is shown.
    hidden: Option<HeaderName>,
    trace: Option<Trace>,
    account: Option<Box<Account>>,
}

impl Passage {
    /// What its head has that something is done about.
    pub(crate) fn survey(&self) -> Survey {
        self.survey
    }

    /// Whether it has passed before: then it is not checked again.
    pub(crate) fn has_passed(&self) -> bool {
        self.hops > 0
    }

    /// Neither side is shown this header.
    pub(super) fn hides(&mut self, header: HeaderName) {
        self.hidden = Some(header);
    }

    /// The scheme by which it came.
    pub(super) fn scheme(&self) -> &'static str {
        self.arrival.scheme
    }

    /// It belongs to this operation.
    pub(crate) fn meets(&mut self, operation: &Arc<Operation>) {
        if let Some(account) = &mut self.account {
            account.operation = Some(Arc::clone(operation));
        }
    }

    /// Its body passes through here.
    pub(crate) fn sends(&mut self, capture: Option<&SharedCapture>) {
        if let Some(account) = &mut self.account {
            account.request_body = capture.cloned();
        }
    }

    /// A side has answered, so long after the request was fully sent to it.
    pub(crate) fn answered(&mut self, side: Side, began: Instant, latency: Duration) {
        self.asked(side, began, Ok(latency));
    }

    /// A side has given no answer.
    pub(crate) fn unanswered(&mut self, side: Side, began: Instant, cause: Cause) {
        self.asked(side, began, Err(cause));
    }

    fn asked(&mut self, side: Side, began: Instant, answer: Result<Duration, Cause>) {
        if let Some(account) = &mut self.account {
            account.asked = Some(Asked { side, began, took: began.elapsed(), answer });
        }
    }

    /// It is counted with this ticket.
    pub(crate) fn counted(&mut self, ticket: &mut Ticket) {
        if let Some(account) = &mut self.account {
            account.follow(ticket);
        }
    }

    /// The answer on its way: watched to its end where somebody wants to know.
    pub(super) fn answer(self, response: Response<AnswerBody>) -> Response<AnswerBody> {
        let Some(mut account) = self.account else { return response };
        account.status = Some(response.status());
        response.map(|body| AnswerBody::watched(WatchedAnswer::new(body, account)))
    }
}
