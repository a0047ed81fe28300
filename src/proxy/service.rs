//! One request: whose operation it is, who answers it, and whether the other side is checked.
//!
//! The client never waits for anything but the answering side. All that a check needs is noted on
//! the way and handed over, without waiting, when the answer is complete.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version, header, request};
use http_body::Body as _;
use hyper::body::Incoming;
use parallax_core::exchange::Side;
use parallax_core::operation::{Operation, OperationId, When};
use parallax_core::verdict::Skip;
use parallax_core::wire::Refusal;

use super::ask::{Asked, Asking};
use super::body::{AnswerBody, Never};
use super::capture::{AnswerCapture, RequestCapture};
use super::client::{Client, Protocol};
use super::limits::Limits;
use super::met::Met;
use super::passage::Passage;
use super::pending::PendingCheck;
use super::sent::Sent;
use super::serve::interim_written;
use super::sticky::{self, Sticky};
use super::upload::UploadLimits;
use super::{admission, head, interim, problem, tester, upgrade};
use crate::proxy::Shared;
use crate::queue::{AheadOf, AnswerHead, RequestHead};
use crate::routing::{Entry, InForce};
use crate::telemetry::{AnsweredBy, Did, Meter, Ticket, Watching};
use crate::upstream::{Again, Reach, ResponseBody, SendError, Sides, strip_hop_by_hop};

/// What serves the requests of one thread.
pub(crate) struct Service {
    pub(crate) shared: Arc<Shared>,
    /// Which thread of the proxy this is.
    pub(crate) thread: usize,
    /// Whether connections end with their present request.
    pub(crate) ending: AtomicBool,
}

/// A request as it has arrived.
enum Arrived {
    /// It is not taken.
    Refused(Refusal),
    /// It belongs to an operation.
    Met(Met),
    /// It belongs to none: these sides, the one that answers, and what its body may be.
    Other(Arc<Sides>, Side, UploadLimits),
}

impl Service {
    /// Answers a request. Whatever goes wrong becomes an answer.
    pub(crate) async fn answer(
        self: Arc<Self>,
        client: Arc<Client>,
        request: Request<Incoming>,
    ) -> Result<Response<AnswerBody>, Never> {
        let under_way = client.begin();
        let (mut passage, arrived) = self.arrive(&client, &request);
        let response = self.answer_arrived(&client, arrived, request, &mut passage).await;
        let mut response = passage.answer(response);
        interim_written(&client).await;
        if self.ending.load(Ordering::Relaxed) && client.protocol() == Protocol::Http1 {
            response.headers_mut().entry(header::CONNECTION).or_insert(HeaderValue::from_static("close"));
        }
        Ok(response.map(|body| body.while_under_way(under_way)))
    }

    /// Everything is decided here, once and by what is in force at this moment: a change of stage or
    /// of the configuration in the middle of a request does not touch it.
    fn arrive(&self, client: &Client, request: &Request<Incoming>) -> (Passage, Arrived) {
        let routing = self.shared.routing.load();
        let in_force = routing.in_force();
        let settings = &in_force.settings;
        let mut passage =
            self.shared.edge.receive(client.peer, request, settings.forwarded, &settings.trusted_proxies);
        if let Some(tester) = &settings.tester {
            passage.hides(tester.header.clone());
        }
        let refusal = match client.protocol() {
            Protocol::Http1 => client.meet(),
            Protocol::Http2 => admission::refuse(request, &Limits::from(&settings.limits)),
        };
        let arrived = match (refusal, routing.find(request.method(), request.uri().path())) {
            (Some(refusal), _) => Arrived::Refused(refusal),
            (None, Some(entry)) => Arrived::Met(self.meet(entry, in_force, request, client, &passage)),
            (None, None) => {
                let sides = Arc::clone(in_force.reach.for_clients(self.thread));
                Arrived::Other(sides, settings.other, Limits::from(&settings.limits).upload)
            }
        };
        (passage, arrived)
    }

    fn refuse(&self, refusal: Refusal) -> Response<AnswerBody> {
        self.shared.telemetry.clients.refused(refusal.word());
        problem::refused(refusal)
    }

    async fn answer_arrived(
        &self,
        client: &Arc<Client>,
        arrived: Arrived,
        request: Request<Incoming>,
        passage: &mut Passage,
    ) -> Response<AnswerBody> {
        let may_switch = passage.survey().upgrade;
        let response = match (arrived, self.shared.edge.refuse_circle(passage)) {
            (Arrived::Refused(refusal), _) => self.refuse(refusal),
            (Arrived::Met(met), Some(refusal)) => self.goes_round(Some(&met), passage, refusal),
            (Arrived::Other(..), Some(refusal)) => self.goes_round(None, passage, refusal),
            (Arrived::Met(mut met), None) => {
                let (gift, is_pinned) = (met.gift.take(), met.is_pinned);
                let on_break = met.on_break();
                let response = self.answer_operation(client, met, request, passage).await;
                let mut response = response.map(|body| body.or_break(on_break));
                if let Some(gift) = gift {
                    sticky::give(&mut response, gift);
                }
                if is_pinned {
                    tester::keep_private(&mut response);
                }
                response
            }
            (Arrived::Other(sides, side, upload), None) => {
                self.answer_other(client, (&sides, side, upload), request, passage).await
            }
        };
        if may_switch {
            client.decide(response.status() == StatusCode::SWITCHING_PROTOCOLS);
        }
        response
    }

    /// What will be known of the request's body on its way: kept when it is needed for a check of the
    /// operation, and in any case watched, because timeouts and latencies count from its end.
    fn sent(&self, client: &Client, checked: Option<&Arc<Operation>>, request: &Request<Incoming>) -> Sent {
        let mut sent = Sent { hears_interim: interim::is_possible(client, request), ..Sent::default() };
        if request.body().is_end_stream() {
            return sent;
        }
        let reservation = self.shared.queue.budget().reservation();
        let capture = match checked {
            Some(operation) => RequestCapture::new(operation.request_limit(), reservation),
            None => RequestCapture::of_nothing(Skip::Stage, reservation),
        };
        sent.capture = Some(Arc::new(Mutex::new(capture)));
        if sent.hears_interim && request.headers().contains_key(header::EXPECT) {
            sent.gate = Some(Arc::default());
        }
        sent
    }

    fn meet(
        &self,
        entry: &Entry,
        in_force: &InForce,
        request: &Request<Incoming>,
        client: &Client,
        passage: &Passage,
    ) -> Met {
        let (stage, operation, settings) = (entry.stage, &entry.operation, &in_force.settings);
        let pinned = tester::pinned(settings.tester.as_ref(), request.headers());
        let sticky = Sticky::of(settings);
        let is_open = pinned.is_none() && stage.needs_bucket();
        let bucket = is_open.then(|| sticky.bucket(request.headers(), client.peer)).flatten();
        let gift = if is_open && bucket.is_none() { sticky.gift(passage.scheme()) } else { None };
        let plan = pinned.map_or_else(|| stage.plan(bucket), |side| stage.plan_pinned(side));
        // What somebody tries out says nothing of what clients are answered.
        let rollback_when = operation.rollback_when.filter(|_| pinned.is_none());
        let check = if !plan.checked {
            Err(Skip::Stage)
        } else if passage.has_passed() {
            Err(Skip::Loop)
        } else {
            operation.admits(request.method(), request.uri().query(), fastrand::u32(..))
        };
        Met {
            operation: Arc::clone(operation),
            meter: Arc::clone(&entry.meter),
            plan,
            sides: Arc::clone(in_force.reach.for_clients(self.thread)),
            upload: Limits::from(&settings.limits).upload,
            watched: rollback_when.filter(|_| stage.is_watched()).map(|when| entry.meter.watching(when)),
            is_pinned: pinned.is_some(),
            gift,
            check: check.map(|()| Arc::clone(&in_force.reach)),
        }
    }

    /// A request that goes round in a circle: nobody is asked once more.
    fn goes_round(
        &self,
        met: Option<&Met>,
        passage: &mut Passage,
        refusal: Response<AnswerBody>,
    ) -> Response<AnswerBody> {
        match met {
            Some(met) => {
                passage.meets(&met.operation);
                let mut ticket = met.meter.begin(AnsweredBy::Parallax);
                passage.counted(&mut ticket);
                ticket.skip(Skip::Loop);
            }
            None => self.shared.telemetry.count_other(AnsweredBy::Parallax),
        }
        refusal
    }

    /// A request of no operation: the side that is configured for it answers, and nobody in its place.
    async fn answer_other(
        &self,
        client: &Arc<Client>,
        (sides, side, upload): (&Sides, Side, UploadLimits),
        request: Request<Incoming>,
        passage: &mut Passage,
    ) -> Response<AnswerBody> {
        let sent = self.sent(client, None, &request);
        let (mut parts, incoming) = request.into_parts();
        let (method, target) = (parts.method.clone(), target_of(&parts));
        let switching = upgrade::prepare(&mut parts, passage.survey());
        self.shared.edge.tell(passage, &mut parts);
        head::address_to(&mut parts, &sides.of(side).upstream, &target);
        upgrade::ask_again(&mut parts, switching.as_ref());
        let body = sent.body(incoming, client, upload, &parts.headers);
        passage.sends(sent.capture.as_ref());
        sent.frame(&mut parts.headers, &body);
        let request = Request::from_parts(parts, body);
        let began = Instant::now();
        match self.ask(sides, side, request, client, &sent, Again::IfHarmless).await {
            Ok(response) => {
                passage.answered(side, began, sent.latency_since(began));
                self.shared.telemetry.count_other(AnsweredBy::from(side));
                self.shared.telemetry.other_shapes.note(&method, target.path(), response.status());
                passed(response, switching, sent)
            }
            Err(error) => {
                passage.unanswered(side, began, error.fault.cause);
                self.shared.telemetry.count_other(AnsweredBy::Parallax);
                self.explain(OperationId::OTHER, side, client, &error)
            }
        }
    }

    async fn answer_operation(
        &self,
        client: &Arc<Client>,
        mut met: Met,
        request: Request<Incoming>,
        passage: &mut Passage,
    ) -> Response<AnswerBody> {
        passage.meets(&met.operation);
        let sent = self.sent(client, met.check.is_ok().then_some(&met.operation), &request);
        let (mut parts, incoming) = request.into_parts();
        let target = target_of(&parts);
        let switching = upgrade::prepare(&mut parts, passage.survey());
        self.shared.edge.tell(passage, &mut parts);
        let mut check = std::mem::replace(&mut met.check, Err(Skip::Stage));
        if switching.is_some() {
            check = check.and(Err(Skip::Upgrade));
        }
        let unanswered = Unanswered {
            meter: &met.meter,
            side: met.plan.answering,
            watched: met.watched,
            began: Instant::now(),
            armed: true,
        };

        let copy = check.is_ok().then(|| RequestHead {
            method: parts.method.clone(),
            target: target.clone(),
            headers: parts.headers.clone(),
            extensions: parts.extensions.clone(),
        });
        let ahead = self.send_ahead(&met, check.as_ref().ok(), copy.as_ref(), &sent);
        let body = sent.body(incoming, client, met.upload, &parts.headers);
        passage.sends(sent.capture.as_ref());
        let began = Instant::now();
        let asking =
            Asking { met: &met, target: &target, sent: &sent, client, switching: switching.as_ref() };
        let asked = self.ask_with_fallback(asking, parts, body).await;
        unanswered.disarm();

        let Asked { side, began, response } = match asked {
            Ok(asked) => asked,
            Err((side, error)) => {
                passage.unanswered(side, began, error.fault.cause);
                if !error.client_broke_off {
                    met.note(side, Did::NOTHING);
                }
                return self.no_answer(client, &met, side, &error, passage);
            }
        };
        let latency = sent.latency_since(began);
        met.note(side, Did::answered(response.status(), latency));
        passage.answered(side, began, latency);
        let mut ticket = met.meter.begin(AnsweredBy::from(side));
        passage.counted(&mut ticket);
        ticket.observe(side, latency);
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            ticket.skip(Skip::Upgrade);
            return passed(response, switching, sent);
        }
        // Another side has answered than was to: the copy, if it has left, went to this one.
        let ahead = ahead.filter(|ahead| {
            let is_of_use = side == met.plan.answering;
            if !is_of_use && !ahead.recall() {
                check = Err(Skip::NoAnswer);
            }
            is_of_use
        });
        match (check, copy) {
            (Ok(reach), Some(request)) => {
                self.kept(met, reach, ticket, (request, ahead), sent, side, response, latency)
            }
            (Err(reason), _) => {
                ticket.skip(reason);
                passed(response, None, sent)
            }
            (Ok(_), None) => passed(response, None, sent),
        }
    }

    /// Lets the copy leave together with its request, where that is wanted and the request has no body.
    fn send_ahead(
        &self,
        met: &Met,
        reach: Option<&Arc<Reach>>,
        copy: Option<&RequestHead>,
        sent: &Sent,
    ) -> Option<AheadOf> {
        if met.operation.when != When::Concurrent || sent.capture.is_some() {
            return None;
        }
        let (reach, copy) = (reach?, copy?);
        let mut reservation = self.shared.queue.budget().reservation();
        let asked = met.plan.answering.other();
        let has_room = reservation.grow(size_of(&copy.headers));
        has_room.then(|| {
            self.shared.queue.send_ahead((&met.operation, reach), copy.clone(), asked, reservation)
        })?
    }

    fn no_answer(
        &self,
        client: &Client,
        met: &Met,
        side: Side,
        error: &SendError,
        passage: &mut Passage,
    ) -> Response<AnswerBody> {
        let reason = if error.client_broke_off { Skip::ClientAborted } else { Skip::NoAnswer };
        let mut ticket = met.meter.begin(AnsweredBy::Parallax);
        passage.counted(&mut ticket);
        ticket.skip(reason);
        self.explain(met.operation.id.as_str(), side, client, error)
    }

    fn explain(
        &self,
        operation_id: &str,
        side: Side,
        client: &Client,
        error: &SendError,
    ) -> Response<AnswerBody> {
        if error.client_broke_off {
            let unknown = Refusal::Malformed("the request's body ended before its end");
            return self.refuse(client.broken().unwrap_or(unknown));
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
        (request, ahead): (RequestHead, Option<AheadOf>),
        sent: Sent,
        answering: Side,
        response: Response<ResponseBody>,
        latency: Duration,
    ) -> Response<AnswerBody> {
        let (mut parts, body) = response.into_parts();
        strip_hop_by_hop(&mut parts.headers);
        parts.version = Version::HTTP_11;
        let mut reservation = self.shared.queue.budget().reservation();
        if !reservation.grow(size_of(&request.headers) + size_of(&parts.headers)) {
            ticket.skip(Skip::Overload);
            return Response::from_parts(parts, AnswerBody::passed(body).closing(sent.gate));
        }
        let pending = PendingCheck {
            ticket,
            queue: self.shared.queue.clone(),
            answer_body: AnswerCapture::new(met.operation.body_limit, reservation),
            operation: met.operation,
            reach,
            request,
            request_body: sent.capture,
            answering,
            answer: AnswerHead { status: parts.status, headers: parts.headers.clone() },
            trailers: None,
            latency,
            ahead,
        };
        Response::from_parts(parts, AnswerBody::kept(body, pending).closing(sent.gate))
    }
}

/// Counts a request whose client leaves before anybody answered.
struct Unanswered<'m> {
    meter: &'m Arc<Meter>,
    side: Side,
    watched: Option<Watching>,
    began: Instant,
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
            if let Some(watching) = self.watched {
                self.meter.did(self.side, Did::left(self.began.elapsed()), watching);
            }
            self.meter.begin(AnsweredBy::from(self.side)).skip(Skip::ClientAborted);
        }
    }
}

fn target_of(parts: &request::Parts) -> PathAndQuery {
    parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"))
}

/// Bytes that headers take, about.
fn size_of(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 64).sum()
}

fn passed(
    mut response: Response<ResponseBody>,
    switching: Option<upgrade::Switching>,
    sent: Sent,
) -> Response<AnswerBody> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS
        && let Some(switching) = switching
    {
        return upgrade::join(response, switching);
    }
    strip_hop_by_hop(response.headers_mut());
    *response.version_mut() = Version::HTTP_11;
    response.map(|body| AnswerBody::passed(body).closing(sent.gate))
}
