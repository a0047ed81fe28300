//! A mismatch that is looked at again before it is counted. Until then it is in flight and holds its
//! memory. However it ends, it is counted once: dropped, it is unmatched and unconfirmed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Extensions;
use parallax_core::check::Check;
use parallax_core::exchange::{Answer, Body, Side};
use parallax_core::judge::Judged;
use parallax_core::recheck::{Again, Finding, Rate, Recheck, noise_between};
use parallax_core::verdict::{Difference, Verdict};

use super::Shared;
use super::copy::{self, Missed, Why};
use super::gate::Pass;
use super::result::{is_large, record, record_noise};
use crate::queue::{Reservation, compact_headers};
use crate::telemetry::Ticket;
use crate::upstream::{Access, Sides};

/// How long a second instance of the answering side may take.
const FOR_A_TWIN: Duration = Duration::from_secs(1);

/// A mismatch that is looked at again.
pub(super) struct Mismatch {
    /// From the mismatch to the second requests.
    pub(super) after: Duration,
    rate: Rate,
    /// Which side answered.
    pub(super) answering: Side,
    open: Option<Box<Open>>,
}

/// All that is needed to ask again and to count.
pub(super) struct Open {
    pub(super) shared: Arc<Shared>,
    pub(super) sides: Arc<Sides>,
    pub(super) check: Check,
    pub(super) extensions: Extensions,
    pub(super) other: Answer,
    pub(super) judged: Judged,
    pub(super) ticket: Ticket,
    pub(super) reservation: Reservation,
}

impl Mismatch {
    pub(super) fn new(open: Open, Recheck { after, rate }: Recheck) -> Self {
        Self { after, rate, answering: open.check.answered.side, open: Some(Box::new(open)) }
    }

    /// The same in memory of its own, to wait: what it holds are otherwise slices of the connections'
    /// read buffers.
    pub(super) fn compacted(mut self) -> Self {
        if let Some(open) = &mut self.open {
            let Check { request, answered, .. } = &mut open.check;
            request.body = Bytes::copy_from_slice(&request.body);
            compact_headers(&mut request.headers);
            compact(&mut answered.answer);
            compact(&mut open.other);
        }
        self
    }

    /// Whether the store has lent the check.
    pub(super) fn is_stored(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.ticket.stored_id().is_some())
    }

    /// Whether the operation's rate allows to ask now.
    pub(super) fn may_ask(&self) -> bool {
        let Some(open) = &self.open else { return false };
        open.shared.gates.rechecks.may_ask(&open.check.operation.id, self.rate)
    }

    /// Asks both sides again at the same time, so that little can move between them, and counts.
    pub(super) async fn ask_again(mut self, passes: Passes) {
        let Some(open) = &mut self.open else { return };
        let Some(seconds) = open.ask(passes).await else { return };
        let answered = &open.check.answered.answer;
        let is_large = is_large(answered, Some(&seconds.answering))
            || is_large(&seconds.answering, Some(&seconds.other))
            || is_large(&seconds.answering, seconds.twin.as_ref());
        let decide = move || self.decide(&seconds);
        if is_large {
            tokio::task::spawn_blocking(decide).await.ok();
        } else {
            decide();
        }
    }

    fn decide(mut self, Seconds { answering, other, twin }: &Seconds) {
        let Some(open) = &self.open else { return };
        let (check, isolation) = (&open.check, &*open.shared.isolation);
        let (side, rules) = (check.answered.side, &check.operation.rules);
        let again = Again::new(side, &check.answered.answer, answering, other, rules, isolation);
        let Verdict::Unmatched(differences) = &open.judged.verdict else { return };
        let (finding, mut noise) = (again.finding(differences), again.noise(differences));
        if let Some(twin) = twin {
            let more = noise_between(side, (answering, twin), differences, rules, isolation);
            noise.extend(
                more.into_iter()
                    .filter(|one| noise.iter().all(|known| known.path != one.path))
                    .collect::<Vec<_>>(),
            );
        }
        self.settle(finding, noise);
    }

    fn settle(&mut self, finding: Finding, noise: Vec<Difference>) {
        let Some(open) = self.open.take() else { return };
        let Open { shared, check, other, judged, mut ticket, .. } = *open;
        record_noise(&shared, (&check, &other), noise, finding);
        let judged = match finding.cause() {
            Some(cause) => Judged { verdict: Verdict::Failed(cause), masked: Vec::new() },
            None => {
                record(&shared, &check, Some(&other), &judged.verdict, Some(finding), &mut ticket);
                judged
            }
        };
        ticket.rechecked(&judged, finding);
    }
}

impl Drop for Mismatch {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.settle(Finding::Unconfirmed, Vec::new());
        } else if let Some(open) = self.open.take() {
            // Whatever panicked may do so again, and that would end the process.
            open.ticket.rechecked(&open.judged, Finding::Unconfirmed);
        }
    }
}

/// The ways through both gates.
pub(super) struct Passes {
    pub(super) answering: Pass,
    pub(super) other: Pass,
}

/// The second answers.
struct Seconds {
    answering: Answer,
    other: Answer,
    /// Of a second instance of the answering side, where there is one and it has answered.
    twin: Option<Answer>,
}

impl Open {
    /// Both second answers, or none.
    async fn ask(&mut self, passes: Passes) -> Option<Seconds> {
        let side = self.check.answered.side;
        let twin = match side {
            Side::Legacy => self.sides.secondary.as_ref(),
            Side::Candidate => None,
        };
        let mut held = [(); 3].map(|()| self.reservation.empty());
        let [for_answering, for_other, for_twin] = &mut held;
        let (answering, other, twin) = tokio::join!(
            self.ask_one(self.sides.of(side), Some(passes.answering), for_answering),
            self.ask_one(self.sides.of(side.other()), Some(passes.other), for_other),
            // It changes no outcome, so it may not hold up what does.
            async { tokio::time::timeout(FOR_A_TWIN, self.ask_one(twin?, None, for_twin)).await.ok()? },
        );
        held.into_iter().for_each(|held| self.reservation.join(held));
        Some(Seconds { answering: answering?, other: other?, twin })
    }

    /// A second instance has no gate: it is asked no more often than the rate allows.
    async fn ask_one(
        &self,
        access: &Access,
        mut pass: Option<Pass>,
        reservation: &mut Reservation,
    ) -> Option<Answer> {
        let Self { shared, check, extensions, .. } = self;
        if let Some(pass) = &mut pass {
            pass.sent(Instant::now());
        }
        let what = (check, Why::Recheck);
        match copy::ask(access, &shared.carried, what, extensions.clone(), reservation).await {
            Ok(exchange) => {
                if let Some(pass) = pass {
                    pass.answered(&check.operation.id, shared.lag.of_an_exchange());
                }
                Some(exchange.answer)
            }
            Err(Missed::NoRoom | Missed::TooLarge(_)) => None,
            Err(Missed::Fault(fault)) => {
                if let Some(pass) = pass {
                    pass.lost();
                }
                let side = access.upstream.side;
                tracing::debug!(operation_id = %check.operation.id, %side, cause = %fault.cause, detail = %fault.detail, "no second answer");
                None
            }
        }
    }
}

fn compact(answer: &mut Answer) {
    compact_headers(&mut answer.headers);
    if let Body::Whole(bytes) = &mut answer.body {
        *bytes = Bytes::copy_from_slice(bytes);
    }
}
