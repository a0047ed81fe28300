//! Checks that somebody posts: read, given to their operation, and accepted for good.
//!
//! What is posted is data and nothing else. It says what was asked and what was answered; where the
//! candidate is asked comes from the configuration alone. A check is accepted whole, with everything
//! that is needed to run it, or refused with the place that is wrong.

mod refusal;

use std::sync::Arc;

use http::Method;
use jiff::Timestamp;
use parallax_core::check::CheckId;
use parallax_core::exchange::{Answer, Body, Exchange, Request, Side};
use parallax_core::format::DigestStream;
use parallax_core::operation::Operation;
use parallax_core::posted::{self, Batch, Malformed, Posted, PostedId};
use parallax_core::verdict::Skip;
use sha2::{Digest as _, Sha256};

use crate::durable::{Counted, Durable, Offer};
use crate::routing::{Entry, Routing, SharedRouting};
use crate::store::{Acceptance, KeptCheck, NewCheck, NewState, Store, StoreError};

pub use refusal::Refusal;

/// Checks in one request, at most.
pub const MAX_BATCH: usize = 1_000;

/// Accepts checks that are posted.
pub struct Intake {
    routing: SharedRouting,
    durable: Arc<Durable>,
    store: Store,
}

/// A check that is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The name under which it is found: the poster's own, or one that was made up.
    pub id: String,
}

/// A check that is read, sealed, and has its operation.
pub struct Checked {
    receipt: Receipt,
    offer: Offer,
}

impl Intake {
    /// Accepts for the operations in force.
    #[must_use]
    pub fn new(routing: SharedRouting, durable: Arc<Durable>, store: Store) -> Self {
        Self { routing, durable, store }
    }

    /// Reads one check, or several with a result for each, and seals them. Takes as long as a comparison
    /// of bodies of this size.
    ///
    /// # Errors
    /// When the one is not in order, or several cannot be told apart or are too many.
    pub fn read(
        &self,
        payload: &[u8],
        batch: Option<Batch>,
    ) -> Result<Vec<Result<Checked, Refusal>>, Refusal> {
        let routing = self.routing.load_full();
        match batch {
            None => Ok(vec![Ok(self.check(&routing, posted::read(payload))?)]),
            Some(batch) => {
                let payloads = posted::read_batch(payload, batch, MAX_BATCH)?;
                Ok(payloads.into_iter().map(|payload| self.check(&routing, payload)).collect())
            }
        }
    }

    /// A check that was accepted, until it is forgotten.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn find(&self, id: &str) -> Result<Option<KeptCheck>, StoreError> {
        let Ok(id) = id.parse::<PostedId>() else { return Ok(None) };
        let id = check_id(&id);
        self.store.read(move |backend| backend.kept(id)).await
    }

    /// Accepts what was read, each with a result of its own, in their order; all that are accepted are
    /// in one commit.
    ///
    /// # Errors
    /// When none could be accepted, for a reason that is none of theirs.
    pub async fn accept(
        &self,
        read: Vec<Result<Checked, Refusal>>,
    ) -> Result<Vec<Result<Receipt, Refusal>>, Refusal> {
        let mut offers = Vec::with_capacity(read.len());
        let mut results = Vec::with_capacity(read.len());
        for read in read {
            results.push(read.map(|Checked { receipt, offer }| {
                offers.push(offer);
                receipt
            }));
        }
        let said = if offers.is_empty() {
            Vec::new()
        } else {
            self.durable.accept(offers).await.map_err(|refusal| refusal.reason)?
        };
        let mut said = said.into_iter();
        let told = |result: Result<Receipt, Refusal>| {
            let receipt = result?;
            match said.next() {
                Some(Acceptance::New | Acceptance::Known) => Ok(receipt),
                Some(Acceptance::Conflict) => Err(Refusal::Conflict { id: receipt.id }),
                None => Err(Refusal::Store(StoreError::Closed)),
            }
        };
        Ok(results.into_iter().map(told).collect())
    }

    fn check(&self, routing: &Routing, payload: Result<Posted, Malformed>) -> Result<Checked, Refusal> {
        let Posted { id, operation_id, mut request, answer } = payload?;
        if let Some(tester) = &routing.in_force().settings.tester {
            request.headers.remove(&tester.header);
        }
        let path = request.target.path();
        let entry = match &operation_id {
            Some(id) => named(routing, id, &request.method, path)?,
            None => routing.find(&request.method, path).ok_or(Refusal::NoOperation)?,
        };
        let operation = &entry.operation;
        let (receipt, id) = names(id);
        let skipped = skipped(entry, &request);
        let answered = Exchange { side: Side::Legacy, answer, latency: std::time::Duration::ZERO };
        // Of the content as it was posted, so that another limit makes no other content of it.
        let fingerprint = Some(self.durable.fingerprint(&operation.id, &request, &answered));
        let answered = Exchange { answer: within(operation, answered.answer), ..answered };
        let sealed = self.durable.sealed(id, &operation.id, &request, &answered)?;
        let state = skipped.map_or(NewState::Waiting(sealed), NewState::Skipped);
        let at = Timestamp::now();
        let check = NewCheck { id, operation_id: operation.id.clone(), fingerprint, at, state };
        Ok(Checked { receipt, offer: Offer { check, counted: Counted::Posted(Arc::clone(&entry.meter)) } })
    }
}

/// The operation that a payload names; the request has to be one of its own.
fn named<'r>(
    routing: &'r Routing,
    id: &parallax_core::operation::OperationId,
    method: &Method,
    path: &str,
) -> Result<&'r Entry, Refusal> {
    let entry = routing.entry(id).ok_or(Refusal::UnknownOperation)?;
    let matcher = &entry.operation.matcher;
    if !matcher.takes(method, path) {
        return Err(Refusal::OtherOperation { matcher: matcher.to_string() });
    }
    Ok(entry)
}

/// Why a check is not run, where it is known already.
fn skipped(entry: &Entry, request: &Request) -> Option<Skip> {
    let operation = &entry.operation;
    if !entry.stage.checks_posted() {
        Some(Skip::Stage)
    } else if !operation.may_copy(request) {
        Some(Skip::NotIdempotent)
    } else if request.body.len() > operation.body_limit {
        Some(Skip::BodyTooLarge)
    } else {
        None
    }
}

/// An answer whose body is over the operation's limit is kept as its hash, as it would be if it had
/// passed the proxy.
fn within(operation: &Operation, answer: Answer) -> Answer {
    let body = match answer.body {
        Body::Whole(bytes) if bytes.len() > operation.body_limit => {
            let mut digest = DigestStream::new(answer.headers.get_all(http::header::CONTENT_ENCODING));
            digest.update(&bytes);
            Body::Digest(digest.finish())
        }
        body @ (Body::Whole(_) | Body::Digest(_)) => body,
    };
    Answer { body, ..answer }
}

/// What the poster is told, and the name in the store.
fn names(id: Option<PostedId>) -> (Receipt, CheckId) {
    match id {
        Some(id) => (Receipt { id: id.as_str().to_owned() }, check_id(&id)),
        None => {
            let id = CheckId(fastrand::u128(..));
            (Receipt { id: id.to_string() }, id)
        }
    }
}

/// The name in the store of what has this name outside: itself where it is one of ours, else a
/// hash of it, of which nobody finds two.
fn check_id(id: &PostedId) -> CheckId {
    let own = id.as_str().parse::<CheckId>().ok().filter(|own| own.to_string() == id.as_str());
    own.unwrap_or_else(|| {
        let hash: [u8; 32] = Sha256::digest([b"posted\0", id.as_str().as_bytes()].concat()).into();
        let mut short = [0; 16];
        short.copy_from_slice(&hash[..16]);
        CheckId(u128::from_be_bytes(short))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_ours_is_itself_and_any_other_has_its_own_place() {
        let of = |text: &str| check_id(&text.parse().expect("an id"));
        let (receipt, id) = names(None);
        assert_eq!(of(&receipt.id), id);
        let others = ["a", "A", "order/17?x=%20", "0123456789ABCDEF0123456789ABCDEF"];
        let ids: std::collections::BTreeSet<CheckId> = others.iter().map(|text| of(text)).collect();
        assert_eq!(ids.len(), others.len());
        assert_eq!(of("0123456789abcdef0123456789abcdef").to_string(), "0123456789abcdef0123456789abcdef");
        assert_ne!(of(others[3]).to_string(), "0123456789abcdef0123456789abcdef", "a name knows case");
    }
}
