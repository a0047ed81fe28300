//! One request: whose operation it is, who answers it, and whether the other side is checked.
//!
//! The client never waits for anything but the answering side. All that a check needs is noted on
//! the way and handed over, without waiting, when the answer is complete.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version, header, request};
use http_body::Body as _;
use hyper::body::Incoming;
use parallax_core::exchange::Side;
use parallax_core::operation::{Idempotent, Operation, OperationId};
use parallax_core::stage::Plan;
use parallax_core::verdict::Skip;

use super::body::{AnswerBody, KeptAnswer, KeptRequest, Never, SharedCapture};
use super::capture::{AnswerCapture, RequestCapture};
use super::pending::PendingCheck;
use super::sticky::Sticky;
use super::{admission, head, problem, upgrade};
use crate::proxy::Shared;
use crate::queue::{AnswerHead, RequestHead};
use crate::routing::{Entry, InForce};
use crate::telemetry::{AnsweredBy, Meter, Ticket};
use crate::upstream::{Again, Fault, Reach, RequestBody, SendError, Sides, strip_hop_by_hop};

/// What serves the requests of one thread.
pub(crate) struct Service {
    pub(crate) shared: Arc<Shared>,
    /// Which thread of the proxy this is.
    pub(crate) thread: usize,
}

/// A request that has met its operation.
struct Met {
    operation: Arc<Operation>,
    meter: Arc<Meter>,
    plan: Plan,
    sides: Arc<Sides>,
    /// The way to the other side, when that is to be checked.
    check: Result<Arc<Reach>, Skip>,
}

/// What it takes to ask for a request of an operation.
struct Asking<'r> {
    met: &'r Met,
    target: &'r PathAndQuery,
    capture: Option<&'r SharedCapture>,
    switching: Option<&'r upgrade::Switching>,
}

/// Who has answered, and since when it was asked.
struct Asked {
    side: Side,
    began: Instant,
    response: Response<Incoming>,
}

impl Service {
    /// Answers a request. Whatever goes wrong becomes an answer.
    pub(crate) async fn answer(
        self: Arc<Self>,
        peer: SocketAddr,
        request: Request<Incoming>,
    ) -> Result<Response<AnswerBody>, Never> {
        let met = {
            let routing = self.shared.routing.load();
            let in_force = routing.in_force();
            if let Some(refusal) = admission::refuse(&request, &in_force.settings.limits) {
                return Ok(refusal);
            }
            let found = routing.find(request.method(), request.uri().path());
            let met = found.map(|entry| self.meet(entry, in_force, &request, peer));
            met.ok_or_else(|| Arc::clone(in_force.reach.for_clients(self.thread)))
        };
        Ok(match met {
            Ok(met) => self.answer_operation(met, request).await,
            Err(sides) => self.answer_other(&sides, request).await,
        })
    }

    /// Decides once, by what stands at this moment: a change of stage in the middle of a request
    /// does not touch it.
    fn meet(&self, entry: &Entry, in_force: &InForce, request: &Request<Incoming>, peer: SocketAddr) -> Met {
        let bucket = if entry.stage.needs_bucket() {
            Sticky::of(&in_force.settings).bucket(request.headers(), peer)
        } else {
            None
        };
        let plan = entry.stage.plan(bucket);
        let check = if plan.checked {
            entry.operation.admits(request.method(), fastrand::u32(..))
        } else {
            Err(Skip::Stage)
        };
        Met {
            operation: Arc::clone(&entry.operation),
            meter: Arc::clone(&entry.meter),
            plan,
            sides: Arc::clone(in_force.reach.for_clients(self.thread)),
            check: check.map(|()| Arc::clone(&in_force.reach)),
        }
    }

    /// A request of no operation: legacy answers.
    async fn answer_other(&self, sides: &Sides, request: Request<Incoming>) -> Response<AnswerBody> {
        let (mut parts, body) = request.into_parts();
        let target = target_of(&parts);
        let switching = upgrade::prepare(&mut parts);
        head::address_to(&mut parts, &sides.legacy.upstream, &target);
        upgrade::ask_again(&mut parts, switching.as_ref());
        let (body, capture) = self.body_for(None, body);
        frame(&mut parts.headers, &body);
        let request = Request::from_parts(parts, body);
        match ask(sides, Side::Legacy, request, capture.as_ref(), Again::IfHarmless).await {
            Ok(response) => {
                self.shared.telemetry.count_other(AnsweredBy::Legacy);
                passed(response, switching)
            }
            Err(error) => {
                self.shared.telemetry.count_other(AnsweredBy::Parallax);
                self.explain(OperationId::OTHER, Side::Legacy, &error)
            }
        }
    }

    async fn answer_operation(&self, mut met: Met, request: Request<Incoming>) -> Response<AnswerBody> {
        let (mut parts, body) = request.into_parts();
        let target = target_of(&parts);
        let switching = upgrade::prepare(&mut parts);
        if switching.is_some() {
            met.check = met.check.and(Err(Skip::Upgrade));
        }
        let unanswered = Unanswered { meter: &met.meter, side: met.plan.answering, armed: true };

        let copy = met.check.is_ok().then(|| RequestHead {
            method: parts.method.clone(),
            target: target.clone(),
            headers: parts.headers.clone(),
            extensions: parts.extensions.clone(),
        });
        let (body, capture) = self.body_for(copy.is_some().then_some(&met), body);
        let asking =
            Asking { met: &met, target: &target, capture: capture.as_ref(), switching: switching.as_ref() };
        let asked = self.ask_with_fallback(asking, parts, body).await;
        unanswered.disarm();

        let Asked { side, began, response } = match asked {
            Ok(asked) => asked,
            Err((side, error)) => return self.no_answer(&met, side, &error),
        };
        let latency = latency_since(began, capture.as_ref());
        let ticket = met.meter.begin(AnsweredBy::from(side));
        ticket.observe(side, latency);
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            ticket.skip(Skip::Upgrade);
            return passed(response, switching);
        }
        match (std::mem::replace(&mut met.check, Err(Skip::Stage)), copy) {
            (Ok(reach), Some(request)) => {
                self.kept(met, reach, ticket, request, capture, side, response, latency)
            }
            (Err(reason), _) => {
                ticket.skip(reason);
                passed(response, None)
            }
            (Ok(_), None) => passed(response, None),
        }
    }

    /// The body on its way to the side: kept when it is needed for a check, and in any case
    /// watched, because timeouts and latencies count from its end.
    fn body_for(&self, checked: Option<&Met>, body: Incoming) -> (RequestBody, Option<SharedCapture>) {
        if body.is_end_stream() {
            return (RequestBody::Empty, None);
        }
        let reservation = self.shared.queue.budget().reservation();
        let capture = match checked {
            Some(met) => RequestCapture::new(met.operation.body_limit, reservation),
            None => RequestCapture::of_nothing(Skip::Stage, reservation),
        };
        let capture = Arc::new(Mutex::new(capture));
        let kept = KeptRequest::new(body, Arc::clone(&capture));
        (RequestBody::Streamed(Box::pin(kept)), Some(capture))
    }

    /// Asks the answering side; where the plan says so and not a byte could be sent to the
    /// candidate, legacy is asked instead.
    async fn ask_with_fallback(
        &self,
        asking: Asking<'_>,
        mut parts: request::Parts,
        body: RequestBody,
    ) -> Result<Asked, (Side, SendError)> {
        let Asking { met, target, capture, switching } = asking;
        let side = met.plan.answering;
        let again =
            if met.operation.idempotent == Idempotent::False { Again::Never } else { Again::IfHarmless };
        frame(&mut parts.headers, &body);
        let original = met.plan.falls_back.then(|| parts.headers.clone());
        head::address_to(&mut parts, &met.sides.of(side).upstream, &met.operation.target_on(side, target));
        upgrade::ask_again(&mut parts, switching);
        let began = Instant::now();
        let mut error = match ask(&met.sides, side, Request::from_parts(parts, body), capture, again).await {
            Ok(response) => return Ok(Asked { side, began, response }),
            Err(error) => error,
        };
        let unsent = original.and_then(|headers| Some((headers, error.unsent.take()?)));
        let Some((headers, unsent)) = unsent else { return Err((side, error)) };
        self.shared.complaints.say(
            met.operation.id.as_str(),
            side,
            &error.fault,
            "legacy answers in its place",
        );
        let (mut parts, body) = unsent.into_parts();
        parts.headers = headers;
        head::address_to(&mut parts, &met.sides.legacy.upstream, target);
        upgrade::ask_again(&mut parts, switching);
        let began = Instant::now();
        match ask(&met.sides, Side::Legacy, Request::from_parts(parts, body), capture, again).await {
            Ok(response) => Ok(Asked { side: Side::Legacy, began, response }),
            Err(error) => Err((Side::Legacy, error)),
        }
    }

    fn no_answer(&self, met: &Met, side: Side, error: &SendError) -> Response<AnswerBody> {
        let reason = if error.client_broke_off { Skip::ClientAborted } else { Skip::NoAnswer };
        met.meter.begin(AnsweredBy::Parallax).skip(reason);
        self.explain(met.operation.id.as_str(), side, error)
    }

    fn explain(&self, operation_id: &str, side: Side, error: &SendError) -> Response<AnswerBody> {
        if error.client_broke_off {
            let detail = "the request's body ended before its end";
            return problem::details(StatusCode::BAD_REQUEST, detail, serde_json::Value::Null);
        }
        self.shared.complaints.say(operation_id, side, &error.fault, "the client was told so");
        problem::no_answer(side, &error.fault)
    }

    /// The answer, kept for a check while it passes.
    #[expect(clippy::too_many_arguments, reason = "these are the parts of one exchange, named once each")]
    fn kept(
        &self,
        met: Met,
        reach: Arc<Reach>,
        ticket: Ticket,
        request: RequestHead,
        request_body: Option<SharedCapture>,
        answering: Side,
        response: Response<Incoming>,
        latency: Duration,
    ) -> Response<AnswerBody> {
        let (mut parts, body) = response.into_parts();
        strip_hop_by_hop(&mut parts.headers);
        parts.version = Version::HTTP_11;
        let mut reservation = self.shared.queue.budget().reservation();
        if !reservation.grow(size_of(&request.headers) + size_of(&parts.headers)) {
            ticket.skip(Skip::Overload);
            return Response::from_parts(parts, AnswerBody::Passed(body));
        }
        let pending = PendingCheck {
            ticket,
            queue: self.shared.queue.clone(),
            answer_body: AnswerCapture::new(met.operation.body_limit, reservation),
            operation: met.operation,
            reach,
            request,
            request_body,
            answering,
            answer: AnswerHead { status: parts.status, headers: parts.headers.clone() },
            trailers: None,
            latency,
        };
        Response::from_parts(parts, AnswerBody::Kept(Box::new(KeptAnswer::new(body, pending))))
    }
}

/// Asks a side. Its timeout counts from when the request was sent to its end: how long a
/// client takes to send it is not the side's doing.
async fn ask(
    sides: &Sides,
    side: Side,
    request: Request<RequestBody>,
    capture: Option<&SharedCapture>,
    again: Again,
) -> Result<Response<Incoming>, SendError> {
    let access = sides.of(side);
    let mut send = pin!(access.pool.send(request, again));
    let Some(limit) = access.upstream.timeout else { return send.await };
    let mut deadline = Instant::now() + limit;
    loop {
        if let Ok(answered) = tokio::time::timeout_at(deadline.into(), send.as_mut()).await {
            return answered;
        }
        deadline = match capture.map(sent_at) {
            Some(None) => Instant::now() + limit,
            Some(Some(sent)) if sent + limit > Instant::now() => sent + limit,
            Some(Some(_)) | None => {
                let fault = Fault::timeout(limit);
                return Err(SendError { fault, unsent: None, client_broke_off: false });
            }
        };
    }
}

/// Counts a request whose client leaves before anybody answered.
struct Unanswered<'m> {
    meter: &'m Arc<Meter>,
    side: Side,
    armed: bool,
}

impl Unanswered<'_> {
    fn disarm(mut self) {
        self.armed = false;
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.meter.begin(AnsweredBy::from(self.side)).skip(Skip::ClientAborted);
        }
    }
}

fn target_of(parts: &request::Parts) -> PathAndQuery {
    parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"))
}

/// Says how a body of unknown length is framed. Without it, the body of a GET would be taken for
/// none (RFC 9112 section 6.3).
fn frame(headers: &mut HeaderMap, body: &RequestBody) {
    let streamed = matches!(body, RequestBody::Streamed(_));
    if streamed && body.size_hint().exact().is_none() {
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// Bytes that headers take, about.
fn size_of(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 64).sum()
}

fn passed(mut response: Response<Incoming>, switching: Option<upgrade::Switching>) -> Response<AnswerBody> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS
        && let Some(switching) = switching
    {
        return upgrade::join(response, switching);
    }
    strip_hop_by_hop(response.headers_mut());
    *response.version_mut() = Version::HTTP_11;
    response.map(AnswerBody::Passed)
}

/// From the request fully sent to now. Where the answer came before the request was fully sent,
/// the side took no time.
fn latency_since(began: Instant, capture: Option<&SharedCapture>) -> Duration {
    match capture {
        None => began.elapsed(),
        Some(capture) => sent_at(capture).map_or(Duration::ZERO, |sent| sent.max(began).elapsed()),
    }
}

fn sent_at(capture: &SharedCapture) -> Option<Instant> {
    capture.lock().unwrap_or_else(PoisonError::into_inner).sent()
}
