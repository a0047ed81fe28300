//! A copy that has left together with its request: asked at once, judged when the answering side has
//! answered too. Where that never comes, because the side broke off or the client left, the request is
//! skipped by whoever saw it, and what the copy was answered is dropped.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use parallax_core::check::{Check, CheckId};
use parallax_core::exchange::{Answer, Body, Exchange, Request};
use tokio::sync::oneshot;

use super::Shared;
use super::copy::Why;
use super::gate::Pass;
use super::mismatch::Mismatch;
use super::result::{self, Answered};
use crate::queue::{Ahead, Completed, Reservation};

/// A copy that was answered, or was not, and waits for its check.
pub(super) struct Early {
    answered: Answered,
    reservation: Reservation,
    completed: oneshot::Receiver<Box<Completed>>,
}

/// Sends the copy.
pub(super) async fn ask(shared: &Shared, ahead: Ahead, pass: Pass, id: CheckId) -> Early {
    let Ahead { operation, reach, request, asked, mut reservation, place, completed, .. } = ahead;
    drop(place);
    let sides = Arc::clone(reach.for_copies(shared.number));
    // Nobody reads this answer: the true one takes its place before anything is compared.
    let none = Answer {
        status: StatusCode::OK,
        headers: HeaderMap::new(),
        body: Body::Whole(Bytes::new()),
        trailers: None,
    };
    let answered = Exchange { side: asked.other(), answer: none, latency: Duration::ZERO };
    let extensions = request.extensions;
    let request = Request {
        method: request.method,
        target: request.target,
        headers: request.headers,
        body: Bytes::new(),
    };
    let check = Check { id, operation, request, answered };
    let for_recheck = result::for_recheck(&check, &extensions);
    let way = (&mut reservation, pass);
    let other = result::ask(shared, sides.of(asked), (&check, Why::Ahead), extensions, way).await;
    Early { answered: Answered { sides, check, for_recheck, other }, reservation, completed }
}

/// Judges the check, once it is there.
pub(super) async fn judge(shared: &Arc<Shared>, early: Early) -> Option<Mismatch> {
    let Early { mut answered, mut reservation, completed } = early;
    let Completed { waiting, ticket, reservation: held } = *completed.await.ok()?;
    reservation.join(held);
    let (check, _) = waiting.into_check(answered.check.id);
    answered.check = check;
    result::judge(shared, answered, ticket, reservation).await
}
