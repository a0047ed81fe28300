//! A check that belongs to no running proxy, such as one from a file: the candidate is asked and the
//! answers are judged as for every other check, and nothing is counted.

use std::sync::Arc;

use http::{Extensions, HeaderName};
use parallax_core::check::Check;
use parallax_core::exchange::{Answer, Exchange, Side};
use parallax_core::isolation::Isolation;
use parallax_core::judge::{Judged, judge_with};
use parallax_core::report::Report;
use parallax_core::verdict::Cause;

use super::Carried;
use super::copy::{self, Missed, Why};
use super::result::is_large;
use crate::queue::Budget;
use crate::upstream::{Access, Fault};

/// Runs checks that belong to no running proxy.
pub struct Apart {
    access: Access,
    carried: Carried,
    budget: Arc<Budget>,
    isolation: Arc<dyn Isolation>,
}

/// A check that was run.
pub struct Ran {
    /// The check.
    pub check: Check,
    /// What the asked side answered.
    pub other: Option<Answer>,
    /// Why it did not, where it is the side's doing.
    pub fault: Option<Fault>,
    /// What that says.
    pub judged: Judged,
}

impl Apart {
    /// Asks this side, with answers in `budget` and foreign formats decoded by `isolation`.
    #[must_use]
    pub fn new(access: Access, carried: Carried, budget: Arc<Budget>, isolation: Arc<dyn Isolation>) -> Self {
        Self { access, carried, budget, isolation }
    }

    /// Runs one check: asks once, and compares. None where comparing failed in a way that it must not.
    pub async fn run(&self, check: Check) -> Option<Ran> {
        self.run_without(check, Vec::new()).await
    }

    /// The same, for a check of which these headers of the answer are not known, so that the other
    /// side's count for nothing either.
    pub async fn run_without(&self, check: Check, unknown: Vec<HeaderName>) -> Option<Ran> {
        let mut reservation = self.budget.reservation();
        let asked =
            copy::ask(&self.access, &self.carried, (&check, Why::Check), Extensions::new(), &mut reservation)
                .await;
        let (other, fault) = match asked {
            Ok(Exchange { mut answer, .. }) => {
                for name in &unknown {
                    answer.headers.remove(name);
                }
                (Ok(answer), None)
            }
            Err(Missed::Fault(fault)) => (Err(fault.cause), Some(fault)),
            Err(Missed::NoRoom) => (Err(Cause::Budget), None),
            Err(Missed::TooLarge(_)) => (Err(Cause::TooLarge), None),
        };
        let is_large = is_large(&check.answered.answer, other.as_ref().ok());
        let isolation = Arc::clone(&self.isolation);
        let work = move || {
            let answered = &check.answered;
            let rules = &check.operation.rules;
            let judged = judge_with(answered.side, &answered.answer, &other, rules, &*isolation);
            Ran { check, other: other.ok(), fault, judged }
        };
        if is_large { tokio::task::spawn_blocking(work).await.ok() } else { Some(work()) }
    }
}

impl Ran {
    /// What may be kept of it.
    #[must_use]
    pub fn report(&self, at: jiff::Timestamp) -> Report {
        let answered = Some(&self.check.answered.answer);
        let (legacy, candidate) = match self.check.answered.side {
            Side::Legacy => (answered, self.other.as_ref()),
            Side::Candidate => (self.other.as_ref(), answered),
        };
        Report::new(&self.check, legacy, candidate, &self.judged.verdict, at)
    }
}
