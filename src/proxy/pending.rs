//! A check in the making: everything but the end of the answer's body. It ends in exactly one of
//! three ways: complete, broken off by the side, or left by the client.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use parallax_core::exchange::{Request, Side};
use parallax_core::operation::Operation;
use parallax_core::rollback::RollbackWhen;
use parallax_core::verdict::Skip;

use super::capture::AnswerCapture;
use super::upload::SharedCapture;
use crate::queue::{AheadOf, AnswerHead, Chunks, Completed, Queue, RequestHead, Reservation, Waiting};
use crate::telemetry::{Did, Ticket};
use crate::upstream::Reach;

/// A check in the making.
pub(crate) struct PendingCheck {
    pub(crate) ticket: Ticket,
    pub(crate) queue: Queue,
    pub(crate) operation: Arc<Operation>,
    pub(crate) reach: Arc<Reach>,
    pub(crate) request: RequestHead,
    pub(crate) request_body: Option<SharedCapture>,
    pub(crate) answering: Side,
    pub(crate) answer: AnswerHead,
    pub(crate) answer_body: AnswerCapture,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) latency: Duration,
    /// When the operation is rolled back by itself, where the candidate answers clients.
    pub(crate) watched: Option<RollbackWhen>,
    /// The copy, where it has left already.
    pub(crate) ahead: Option<AheadOf>,
}

impl PendingCheck {
    pub(crate) fn keep(&mut self, piece: &Bytes) {
        self.answer_body.push(piece, &self.answer.headers);
    }

    pub(crate) fn keep_trailers(&mut self, trailers: &HeaderMap) {
        self.trailers = Some(trailers.clone());
    }

    /// The exchange is complete: the check goes to the queue.
    pub(crate) fn complete(self) {
        let request_body = take_request(self.request_body.as_ref());
        let bodies = request_body.and_then(|request| Ok((request, self.answer_body.finish()?)));
        let ((request_body, held), (answer_body, mut reservation)) = match bodies {
            Ok(bodies) => bodies,
            Err(reason) => return self.ticket.skip(reason),
        };
        if let Some(held) = held {
            reservation.join(held);
        }
        if !may_copy(&self.operation, &self.request, &request_body) {
            return self.ticket.skip(Skip::NotIdempotent);
        }
        let waiting = Waiting {
            operation: self.operation,
            reach: self.reach,
            request: self.request,
            request_body,
            answering: self.answering,
            answer: self.answer,
            answer_body,
            trailers: self.trailers,
            latency: self.latency,
        };
        match self.ahead {
            Some(ahead) => {
                ahead.complete(Completed { waiting, ticket: self.ticket, reservation }, &self.queue);
            }
            None => self.queue.offer(waiting, self.ticket, reservation),
        }
    }

    /// The answering side broke off in the middle.
    pub(crate) fn side_broke_off(self) {
        if let Some(when) = self.watched {
            self.ticket.did(self.answering, Did::NOTHING, when);
        }
        self.ticket.skip(Skip::NoAnswer);
    }

    /// The client left in the middle.
    pub(crate) fn client_went_away(self) {
        self.ticket.skip(Skip::ClientAborted);
    }
}

/// Whether the other side may be asked, where that is known by the whole request only: it is decided here, when
/// the client has its answer, so that nobody had to wait for the body.
fn may_copy(operation: &Operation, request: &RequestHead, body: &Chunks) -> bool {
    operation.graphql.is_none()
        || operation.may_copy(&Request {
            method: request.method.clone(),
            target: request.target.clone(),
            headers: request.headers.clone(),
            body: body.to_compact(),
        })
}

fn take_request(capture: Option<&SharedCapture>) -> Result<(Chunks, Option<Reservation>), Skip> {
    let Some(capture) = capture else { return Ok((Chunks::default(), None)) };
    let (chunks, reservation) = capture.lock().unwrap_or_else(PoisonError::into_inner).take()?;
    Ok((chunks, Some(reservation)))
}
