//! The feeder: takes what waits in the store, a bounded number at a time, hands it to the runners
//! and brings the ends back, many to a commit. However many wait on disk, few are in memory.
//!
//! What it has taken is under a lease that it renews for as long as it lives. An end that the store
//! does not take is kept and offered again, which is safe because a check ends once; nothing more is
//! taken meanwhile.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parallax_core::check::CheckId;
use parallax_core::tally::End;
use parallax_core::verdict::{Cause, Outcome, Skip};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::Durable;
use super::held::{Back, Ended, Returning};
use super::packed;
use super::room::Amount;
use crate::queue::{Job, Queue, Waiting};
use crate::routing::SharedRouting;
use crate::store::{ClaimedCheck, Lease, Room, StoreError};
use crate::telemetry::{Meter, Settled, Telemetry, Ticket};

/// Checks that are out at a time, at most, and their bytes. It begins with few and takes one more for
/// each that ends: where something ends the process again and again, only few checks lose an attempt
/// with it.
const FIRST: usize = 32;
const AHEAD: usize = 512;
const AHEAD_BYTES: u64 = 32 << 20;
/// Ends in one commit, at most.
const TOGETHER: usize = 256;
/// How long a lease lasts, and how often it is renewed.
const LEASE: Duration = Duration::from_secs(30);
const RENEW: Duration = Duration::from_secs(10);
/// How long to wait: for room in memory, after a check came back unsent, for a store that is not in
/// order, and for leases of others to run out.
const FOR_ROOM: Duration = Duration::from_millis(5);
const FOR_A_SIDE: Duration = Duration::from_millis(250);
const FOR_THE_STORE: Duration = Duration::from_millis(500);
const FOR_OTHERS: Duration = Duration::from_secs(1);
/// How long what is out may take to end before another process takes over.
const FOR_THE_LAST: Duration = Duration::from_secs(5);
/// How often the last ends are offered when the process ends.
const LAST_TRIES: usize = 4;

/// Takes checks from the store to the runners.
pub struct Feeder {
    durable: Arc<Durable>,
    routing: SharedRouting,
    telemetry: Arc<Telemetry>,
    /// Gone once the process drains, because runners end when nobody can make checks any more.
    queue: Option<Queue>,
    orders: mpsc::Receiver<Order>,
    back: mpsc::Receiver<Back>,
    sender: Option<mpsc::Sender<Back>>,
    holder: u64,
    /// Whether the leases of whoever had the store before have been made to run out.
    has_outlived: bool,
    /// Whose leases this feeder has, and how many it may have.
    out: HashSet<CheckId>,
    ahead: usize,
    /// Taken, and waiting for room in memory.
    ready: VecDeque<Ready>,
    ended: Vec<Ended>,
    /// Ends in one commit: fewer while there is little room on the disk.
    together: usize,
    unsent: Vec<CheckId>,
    renewed: Instant,
    /// When to look into the store again.
    look: Instant,
    not_before: Instant,
    resting: Option<Resting>,
}

/// Tells a feeder what to do.
#[derive(Clone)]
pub struct Feeding(mpsc::Sender<Order>);

enum Order {
    Rest(oneshot::Sender<()>),
    GoOn,
}

struct Resting {
    until: Instant,
    told: Option<oneshot::Sender<()>>,
}

struct Ready {
    waiting: Waiting,
    ticket: Ticket,
    bytes: usize,
}

impl Feeding {
    /// Has the feeder take nothing more, and returns when nothing is out, or after a bounded time:
    /// what is still out then is given back as it stands, and run again by whoever takes it.
    pub async fn rest(&self) {
        let (told, is_told) = oneshot::channel();
        if self.0.send(Order::Rest(told)).await.is_ok() {
            is_told.await.ok();
        }
    }

    /// Has the feeder go on.
    pub async fn go_on(&self) {
        self.0.send(Order::GoOn).await.ok();
    }
}

impl Feeder {
    /// A feeder into this queue. It rests until it is told to go on.
    #[must_use]
    pub fn new(
        durable: Arc<Durable>,
        routing: SharedRouting,
        queue: Queue,
        telemetry: Arc<Telemetry>,
    ) -> (Self, Feeding) {
        let (orders_sender, orders) = mpsc::channel(4);
        // One for each that may be out, and those that were out when it had to rest.
        let (sender, back) = mpsc::channel(4 * AHEAD);
        let now = Instant::now();
        let feeder = Self {
            durable,
            routing,
            telemetry,
            queue: Some(queue),
            orders,
            back,
            sender: Some(sender),
            // Zero is nobody.
            holder: fastrand::u64(1..),
            has_outlived: false,
            out: HashSet::new(),
            ahead: FIRST,
            together: TOGETHER,
            ready: VecDeque::new(),
            ended: Vec::new(),
            unsent: Vec::new(),
            renewed: now,
            look: now,
            not_before: now,
            resting: Some(Resting { until: now, told: None }),
        };
        (feeder, Feeding(orders_sender))
    }

    /// Feeds until `draining` turns true, then brings back what is out.
    pub async fn run(mut self, mut draining: watch::Receiver<bool>) {
        let mut came = Vec::with_capacity(TOGETHER);
        while !*draining.borrow() {
            self.outlive().await;
            self.feed().await;
            let until = self.next_look();
            tokio::select! {
                _ = self.back.recv_many(&mut came, TOGETHER) => self.take_back(&mut came),
                () = self.durable.arrived.notified() => {
                    self.look = self.look.min(Instant::now().max(self.not_before));
                }
                order = self.orders.recv() => self.obey(order),
                () = tokio::time::sleep_until(until) => {}
                _ = draining.wait_for(|draining| *draining) => {}
            }
            self.bring_back().await;
            self.renew().await;
            self.rest().await;
        }
        self.finish().await;
    }

    /// Whoever had leases before is gone: the store belongs to this process alone.
    async fn outlive(&mut self) {
        if self.has_outlived || self.resting.is_some() || Instant::now() < self.look {
            return;
        }
        let holder = self.holder;
        match self.durable.store.read(move |backend| backend.outlive(holder)).await {
            Ok(()) => self.has_outlived = true,
            Err(error) => {
                tracing::warn!(%error, "checks in the store have to wait");
                self.look = Instant::now() + FOR_THE_STORE;
            }
        }
    }

    fn next_look(&self) -> Instant {
        let now = Instant::now();
        if !self.ready.is_empty() {
            return now + FOR_ROOM;
        }
        if !self.ended.is_empty() || !self.unsent.is_empty() {
            return now + FOR_THE_STORE;
        }
        let is_full = self.out.len() > self.ahead / 2;
        if is_full || self.resting.is_some() { now + FOR_OTHERS } else { self.look }
    }

    /// Hands over what is ready, and takes more when there is room for it.
    async fn feed(&mut self) {
        let Some(queue) = &self.queue else { return };
        while let Some(ready) = self.ready.pop_front() {
            let Some((place, reservation)) = queue.room(ready.bytes) else {
                self.ready.push_front(ready);
                return;
            };
            let Ready { waiting, ticket, .. } = ready;
            let since = std::time::Instant::now();
            queue.hand_over(Box::new(Job { waiting, ticket, reservation, place, since }));
        }
        let now = Instant::now();
        let has_room = self.out.len() <= self.ahead / 2 && self.ended.is_empty() && self.unsent.is_empty();
        if has_room && self.has_outlived && self.resting.is_none() && now >= self.look {
            self.claim(now).await;
        }
    }

    async fn claim(&mut self, now: Instant) {
        // Or what is out here would be taken for left, where the store was away for long.
        self.renew().await;
        if !self.out.is_empty() && self.renewed.elapsed() >= RENEW {
            self.look = now + FOR_THE_STORE;
            return;
        }
        let room = Room { checks: self.ahead - self.out.len(), bytes: AHEAD_BYTES };
        let lease = self.lease();
        let claimed =
            self.durable.store.read(move |backend| backend.claim(Timestamp::now(), lease, room)).await;
        let claim = match claimed {
            Ok(claim) => claim,
            Err(error) => {
                tracing::debug!(%error, "checks in the store have to wait");
                self.look = now + FOR_THE_STORE;
                return;
            }
        };
        for (operation_id, bytes) in claim.dead {
            tracing::error!(%operation_id, "a check was given up: its lease ran out too often");
            self.durable.room.release(Amount { checks: 1, bytes });
            self.telemetry.ended(&operation_id, End::DEAD_LETTER);
        }
        self.look = if claim.checks.is_empty() { now + FOR_OTHERS } else { now };
        for check in &claim.checks {
            // One whose lease ran out while it is out here, because the store was away for long.
            if self.out.insert(check.id) {
                self.open(check);
            }
        }
    }

    fn lease(&self) -> Lease {
        let until = Timestamp::now().checked_add(LEASE).unwrap_or(Timestamp::MAX);
        Lease { holder: self.holder, until }
    }

    /// From what was sealed to a check that can be run, by the configuration that is in force now.
    fn open(&mut self, check: &ClaimedCheck) {
        let routing = self.routing.load_full();
        let entry = routing.entry(&check.operation_id);
        let amount = Amount::one(check.sealed.len());
        let end = |end| Ended {
            id: check.id,
            whose: Err(check.operation_id.clone()),
            amount,
            end,
            shown: None,
            differences: Vec::new(),
        };
        // One of an operation that is not configured any more is counted by the store all the same.
        let Some(entry) = entry.filter(|entry| entry.stage.checks_posted()) else {
            return self.ended.push(end(End::Skipped(Skip::Stage)));
        };
        if self.queue.as_ref().is_some_and(|queue| check.sealed.len() > queue.budget().limit()) {
            // It was taken under a larger `limits.queue_bytes`, and would hold up all others for ever.
            let cause = Some(Cause::Budget);
            return self.ended.push(end(End::Judged { outcome: Outcome::Failed, cause }));
        }
        let opened = self.durable.seal.open(check.id, &check.operation_id, &check.sealed);
        let Some((request, answered)) = opened.ok().and_then(|content| packed::unpack(content).ok()) else {
            tracing::error!(operation_id = %check.operation_id, check = %check.id, "a check in the store cannot be opened: it is damaged");
            let cause = Some(Cause::Undecodable);
            return self.ended.push(end(End::Judged { outcome: Outcome::Failed, cause }));
        };
        // While it waited, the operation may have been found to have effects, or to be complete.
        if !entry.operation.may_copy(&request) {
            return self.ended.push(end(End::Skipped(Skip::NotIdempotent)));
        }
        if !entry.stage.checks_answered_by(answered.side) {
            return self.ended.push(end(End::Skipped(Skip::Stage)));
        }
        let waiting = Waiting::of(
            Arc::clone(&entry.operation),
            Arc::clone(&routing.in_force().reach),
            request,
            answered,
        );
        self.make_ready(&entry.meter, check, waiting);
    }

    fn make_ready(&mut self, meter: &Arc<Meter>, check: &ClaimedCheck, waiting: Waiting) {
        let Some(back) = self.sender.clone() else { return };
        let (id, bytes) = (check.id, check.sealed.len());
        let keeper = Returning { id, meter: Arc::clone(meter), bytes, back };
        let ticket = Ticket::stored(Arc::clone(meter), id, check.may_be_asked_for, Box::new(keeper));
        // What was sealed is about as long as what it holds.
        self.ready.push_back(Ready { waiting, ticket, bytes });
    }

    fn take_back(&mut self, came: &mut Vec<Back>) {
        for Back { id, meter, bytes, how } in came.drain(..) {
            // Another process may have those by now that were out when this one had to rest.
            if !self.out.contains(&id) {
                continue;
            }
            match how {
                Settled::Ended { end, differences, shown } => {
                    let shown = Some((meter.key_of(&shown), shown));
                    let (whose, amount) = (Ok(meter), Amount::one(bytes));
                    self.ended.push(Ended { id, whose, amount, end, shown, differences });
                }
                Settled::GivenBack => self.unsent.push(id),
                // Not renewed any more, so it is taken again when its lease has run out.
                Settled::Left => _ = self.out.remove(&id),
            }
        }
    }

    /// Completes what has ended, and gives back what was not sent.
    async fn bring_back(&mut self) {
        while !self.ended.is_empty() {
            let count = self.ended.len().min(self.together);
            let at = Timestamp::now();
            let writes = self.ended[..count].iter().map(|ended| ended.write(at)).collect();
            if let Err(error) = self.durable.store.write(writes).await {
                tracing::debug!(%error, "ends of checks are kept in memory until the store takes them");
                if matches!(error, StoreError::Full { .. } | StoreError::Unsettled { .. }) {
                    self.together = (self.together / 2).max(1);
                }
                return;
            }
            self.together = (self.together + 1).min(TOGETHER);
            self.ahead = (self.ahead + count).min(AHEAD);
            for ended in self.ended.drain(..count) {
                self.out.remove(&ended.id);
                self.durable.room.release(ended.amount);
                ended.count(&self.telemetry);
            }
        }
        if !self.unsent.is_empty() && self.release(self.unsent.clone()).await.is_ok() {
            for id in self.unsent.drain(..) {
                self.out.remove(&id);
            }
            // However many arrive meanwhile: the side does not take them.
            self.not_before = Instant::now() + FOR_A_SIDE;
            self.look = self.not_before;
        }
    }

    async fn release(&self, checks: Vec<CheckId>) -> Result<(), StoreError> {
        let holder = self.holder;
        self.durable.store.read(move |backend| backend.release(holder, &checks)).await
    }

    async fn renew(&mut self) {
        if self.renewed.elapsed() < RENEW || self.out.is_empty() {
            return;
        }
        let (lease, out) = (self.lease(), self.out.iter().copied().collect::<Vec<_>>());
        match self.durable.store.read(move |backend| backend.renew(lease, &out)).await {
            Ok(()) => self.renewed = Instant::now(),
            Err(error) => tracing::debug!(%error, "leases could not be renewed yet"),
        }
    }

    fn obey(&mut self, order: Option<Order>) {
        match order {
            Some(Order::Rest(told)) => {
                self.give_up_ready();
                self.resting = Some(Resting { until: Instant::now() + FOR_THE_LAST, told: Some(told) });
            }
            Some(Order::GoOn) => {
                self.resting = None;
                // Somebody else may have had the store meanwhile.
                self.has_outlived = false;
                self.look = Instant::now();
            }
            None => {}
        }
    }

    fn give_up_ready(&mut self) {
        self.ready.drain(..).for_each(|ready| ready.ticket.give_back());
    }

    /// Says so once nothing is out any more.
    async fn rest(&mut self) {
        let Some(resting) = &mut self.resting else { return };
        if resting.told.is_none() || (!self.out.is_empty() && Instant::now() < resting.until) {
            return;
        }
        let told = resting.told.take();
        if !self.out.is_empty() {
            tracing::warn!(
                checks = self.out.len(),
                "checks that have not ended are given back to be run again"
            );
            let out = self.out.drain().collect();
            self.release(out).await.ok();
            self.ended.clear();
            self.unsent.clear();
            // Those that still run have no say any more: another may run the same.
            let (sender, back) = mpsc::channel(4 * AHEAD);
            (self.sender, self.back) = (Some(sender), back);
        }
        if let Some(told) = told {
            // Whoever waited may have gone.
            told.send(()).ok();
        }
    }

    /// The last checks end, or are left by runners that are cut off.
    async fn finish(mut self) {
        self.give_up_ready();
        // Runners end when nobody can make checks any more, and `back` when nobody has any.
        (self.queue, self.sender) = (None, None);
        let mut came = Vec::with_capacity(TOGETHER);
        while self.back.recv_many(&mut came, TOGETHER).await > 0 {
            self.take_back(&mut came);
            self.bring_back().await;
            self.renew().await;
        }
        for _ in 0..LAST_TRIES {
            self.bring_back().await;
            if self.ended.is_empty() && self.unsent.is_empty() {
                return;
            }
            tokio::time::sleep(FOR_THE_STORE).await;
        }
        tracing::warn!(
            checks = self.ended.len(),
            "ends that the store did not take are found out again after the next start"
        );
    }
}
