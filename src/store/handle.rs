//! The handle to the store, and the thread behind it.
//!
//! A commit costs a write to the disk whatever is in it, so whatever is waiting when the thread
//! comes back from one goes into the next: the busier it is, the more callers share a commit. No
//! caller waits for company: the time of the commit before is all the gathering there is.
//!
//! Calls are done in the order in which they came, so a read sees every write that was awaited
//! before it. The queue is bounded; when it is full, callers wait, and none of them serves a
//! client.

use tokio::sync::{mpsc, oneshot, watch};

use jiff::Timestamp;

use super::StoreError;
use super::absent::Absent;
use super::backend::{Backend, Purged, Write};
use super::checks::{Acceptance, NewCheck};
use crate::tasks;

/// Calls that may wait for the store's thread.
const MAX_WAITING: usize = 1_024;

/// Writes in one transaction; those of one caller are never split.
const MAX_GROUP: usize = 256;

/// Rows that a purge forgets at a time: others have their turn in between.
const PURGE_STEP: usize = 500;

/// The store. Cheap to clone; the thread behind it ends when the last handle is dropped or one is
/// closed, after it has finished what it had accepted.
#[derive(Clone, Debug)]
pub struct Store {
    calls: mpsc::Sender<Call>,
    fault: watch::Receiver<Option<StoreError>>,
}

impl Store {
    /// Starts a thread for a backend.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start(backend: Box<dyn Backend>) -> Result<Self, StoreError> {
        let (calls, waiting) = mpsc::channel(MAX_WAITING);
        let (fault_sender, fault) = watch::channel(None);
        let keeper = Keeper { backend, waiting, next: None, closing: Vec::new(), fault: fault_sender };
        tasks::spawn_thread("store", move || keeper.run()).map_err(|error| StoreError::Unavailable {
            place: "(not opened)".to_owned(),
            detail: format!("cannot start its thread: {error}"),
        })?;
        Ok(Self { calls, fault })
    }

    /// Writes all of `writes` or none; they are durable when this returns. Dropping the future
    /// does not take back what was accepted.
    ///
    /// # Errors
    /// A refusal (see [`StoreError::is_refusal`]) when one of these writes can never be right,
    /// and otherwise what is wrong with the store. It is not tried again.
    pub async fn write(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        self.write_all(writes).await.map(drop)
    }

    /// Accepts all of `checks` and tells what the store says to each, in their order; they are
    /// durable when this returns.
    ///
    /// # Errors
    /// What is wrong with the store: then none of them is accepted as far as is known. Asking for
    /// them by name tells, once the store is in order again.
    pub async fn accept(&self, checks: Vec<NewCheck>) -> Result<Vec<Acceptance>, StoreError> {
        self.write_all(checks.into_iter().map(|check| Write::Check(Box::new(check))).collect()).await
    }

    async fn write_all(&self, writes: Vec<Write>) -> Result<Vec<Acceptance>, StoreError> {
        let (done, result) = oneshot::channel();
        self.call(Call::Write(Writes { writes, done })).await?;
        result.await.map_err(|_| StoreError::Closed)?
    }

    /// Reads from the store, on its thread: what takes long there keeps everyone waiting.
    ///
    /// # Errors
    /// Those of `read`, and [`StoreError::Closed`].
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut dyn Backend) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (done, result) = oneshot::channel();
        let run = move |backend: &mut dyn Backend, note: &dyn Fn(Option<&StoreError>)| {
            let result = read(backend);
            note(result.as_ref().err());
            // Whoever asked may have gone in the meantime.
            _ = done.send(result);
        };
        self.call(Call::Read(Box::new(run))).await?;
        result.await.map_err(|_| StoreError::Closed)?
    }

    /// Forgets samples and minutes from before `before`, in steps that let others in between.
    ///
    /// # Errors
    /// What is wrong with the store; what was forgotten until then stays so.
    pub async fn purge(&self, before: Timestamp) -> Result<Purged, StoreError> {
        let mut purged = Purged::default();
        loop {
            let step = self.read(move |backend| backend.purge(before, PURGE_STEP)).await?;
            purged.samples += step.samples;
            purged.minutes += step.minutes;
            if step.samples < PURGE_STEP && step.minutes < PURGE_STEP {
                return Ok(purged);
            }
        }
    }

    /// Forgets checks that were done before `before`, in steps that let others in between.
    ///
    /// # Errors
    /// What is wrong with the store; what was forgotten until then stays so.
    pub async fn forget_done(&self, before: Timestamp) -> Result<(), StoreError> {
        while self.read(move |backend| backend.forget_done(before, PURGE_STEP)).await? == PURGE_STEP {}
        Ok(())
    }

    /// Whether the last call found the store in order.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.fault().is_none()
    }

    /// What the last call found wrong with the store. A refused write is not the store's fault.
    #[must_use]
    pub fn fault(&self) -> Option<StoreError> {
        if self.calls.is_closed() { Some(StoreError::Closed) } else { self.fault.borrow().clone() }
    }

    /// Gives the backend away, after everything that was accepted before is done. From then on every
    /// call is answered with [`StoreError::HandedOver`], until [`Store::take_back`].
    ///
    /// # Errors
    /// When the store is closed.
    pub async fn hand_over(&self) -> Result<Box<dyn Backend>, StoreError> {
        self.exchange(Box::new(Absent)).await
    }

    /// Goes on with this backend after [`Store::hand_over`].
    ///
    /// # Errors
    /// When the store is closed.
    pub async fn take_back(&self, backend: Box<dyn Backend>) -> Result<(), StoreError> {
        self.exchange(backend).await.map(drop)
    }

    async fn exchange(&self, backend: Box<dyn Backend>) -> Result<Box<dyn Backend>, StoreError> {
        let (done, before) = oneshot::channel();
        self.call(Call::Exchange(backend, done)).await?;
        before.await.map_err(|_| StoreError::Closed)
    }

    /// Takes no more calls, from no handle, and returns when all accepted ones are done and the
    /// store is free for another process.
    pub async fn close(self) {
        let (done, closed) = oneshot::channel();
        if self.call(Call::Close(done)).await.is_ok() {
            // An error means that the thread has ended, which is what is waited for.
            _ = closed.await;
        }
    }

    async fn call(&self, call: Call) -> Result<(), StoreError> {
        self.calls.send(call).await.map_err(|_| StoreError::Closed)
    }
}

enum Call {
    Write(Writes),
    Read(Read),
    Exchange(Box<dyn Backend>, oneshot::Sender<Box<dyn Backend>>),
    Close(oneshot::Sender<()>),
}

/// Reads, notes what went wrong, and then answers whoever asked.
type Read = Box<dyn FnOnce(&mut dyn Backend, &dyn Fn(Option<&StoreError>)) + Send>;

struct Writes {
    writes: Vec<Write>,
    done: oneshot::Sender<Written>,
}

/// What the store says to the checks among the writes.
type Written = Result<Vec<Acceptance>, StoreError>;

/// The thread: has the backend to itself.
struct Keeper {
    backend: Box<dyn Backend>,
    waiting: mpsc::Receiver<Call>,
    /// A call that was taken from the queue while gathering writes and is no write.
    next: Option<Call>,
    closing: Vec<oneshot::Sender<()>>,
    fault: watch::Sender<Option<StoreError>>,
}

impl Keeper {
    fn run(mut self) {
        while let Some(call) = self.next.take().or_else(|| self.waiting.blocking_recv()) {
            match call {
                Call::Write(first) => {
                    let group = self.gather(first);
                    self.commit(group);
                }
                Call::Read(read) => {
                    let fault = &self.fault;
                    read(&mut *self.backend, &|error| note(fault, error));
                }
                Call::Exchange(backend, done) => {
                    // Whoever wanted it and has gone has no use for it.
                    _ = done.send(std::mem::replace(&mut self.backend, backend));
                    note(&self.fault, None);
                }
                Call::Close(done) => {
                    self.waiting.close();
                    self.closing.push(done);
                }
            }
        }
        drop(self.backend);
        for done in self.closing {
            // Whoever closed may not wait for it.
            _ = done.send(());
        }
    }

    /// What is waiting behind `first`, up to the size of a group.
    fn gather(&mut self, first: Writes) -> Group {
        let mut group = Group::default();
        group.push(first);
        while group.writes.len() < MAX_GROUP {
            match self.waiting.try_recv() {
                Ok(Call::Write(more)) => group.push(more),
                Ok(other) => {
                    self.next = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        group
    }

    /// One transaction for all; when one of them is at fault, or there is no room for all, one for
    /// each, so that only that one has its error.
    fn commit(&mut self, group: Group) {
        let result = self.backend.write(&group.writes);
        let is_shared_refusal = group.callers.len() > 1
            && result
                .as_ref()
                .is_err_and(|error| error.is_refusal() || matches!(error, StoreError::Full { .. }));
        note(&self.fault, result.as_ref().err());
        let mut said = result.map(Vec::into_iter);
        let mut start = 0;
        for (end, done) in group.callers {
            let writes = &group.writes[start..end];
            let result = if is_shared_refusal {
                let own = self.backend.write(writes);
                note(&self.fault, own.as_ref().err());
                own
            } else {
                let checks = writes.iter().filter(|write| matches!(write, Write::Check(_))).count();
                said.as_mut().map(|said| said.take(checks).collect()).map_err(|error| error.clone())
            };
            // Whoever wrote may not wait for it.
            _ = done.send(result);
            start = end;
        }
    }
}

/// Before the answer, so that who has it finds the store's health as of that call.
fn note(fault: &watch::Sender<Option<StoreError>>, error: Option<&StoreError>) {
    let found = error.filter(|error| !error.is_refusal());
    fault.send_if_modified(|known| {
        let is_new = known.as_ref() != found;
        if is_new {
            *known = found.cloned();
        }
        is_new
    });
}

/// Writes of several callers: all in one list, and where each caller's end.
#[derive(Default)]
struct Group {
    writes: Vec<Write>,
    callers: Vec<(usize, oneshot::Sender<Written>)>,
}

impl Group {
    fn push(&mut self, more: Writes) {
        self.writes.extend(more.writes);
        self.callers.push((self.writes.len(), more.done));
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::mpsc::{SyncSender, sync_channel};
    use std::task::{Context, Waker};

    use futures_util::future::join_all;
    use parallax_core::stage::Stage;
    use tokio::task::unconstrained;

    use super::*;
    use crate::store::contract::{at, counted, operation, tally, transition};
    use crate::store::testing::flaky;
    use crate::store::{Memory, Sqlite};

    type Waiting = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>>;

    /// Lets a call into the queue; it cannot be done yet.
    fn begin<F: Future + ?Sized>(call: &mut Pin<Box<F>>) {
        assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }

    /// Keeps the thread busy until the sender sends or goes.
    async fn occupy(store: &Store) -> (SyncSender<()>, Waiting) {
        let (release, released) = sync_channel::<()>(1);
        let store = store.clone();
        let mut busy: Waiting = Box::pin(async move {
            let wait = move |_: &mut dyn Backend| {
                _ = released.recv();
                Ok(())
            };
            store.read(wait).await
        });
        begin(&mut busy);
        (release, busy)
    }

    fn count_one(minute: i64) -> Vec<Write> {
        vec![counted("a", minute, tally(1))]
    }

    fn invalid() -> Vec<Write> {
        vec![counted("a", 1, tally(u64::MAX))]
    }

    async fn requests(store: &Store) -> u64 {
        let totals = store.read(|backend| backend.totals()).await.expect("totals");
        totals.iter().map(|(_, tally)| tally.requests).sum()
    }

    #[tokio::test]
    async fn what_waits_together_is_committed_together() {
        let (store, outage) = flaky().expect("a store");
        let (release, _busy) = occupy(&store).await;
        // Unconstrained, or tokio would have a task rest after 128 of them.
        let writes = join_all((0..300).map(|minute| store.write(count_one(minute))));
        let mut waiting = Box::pin(unconstrained(writes));
        begin(&mut waiting);
        drop(release);
        assert!(waiting.await.iter().all(Result::is_ok));
        assert_eq!(outage.transactions(), 2, "256 and the rest");
        assert_eq!(requests(&store).await, 300);
    }

    #[tokio::test]
    async fn one_refused_write_spoils_nobody_elses() {
        let (store, _) = flaky().expect("a store");
        let (release, _busy) = occupy(&store).await;
        let batches = [count_one(1), invalid(), count_one(2), [count_one(3), invalid()].concat()];
        let mut waiting = Box::pin(join_all(batches.map(|writes| store.write(writes))));
        begin(&mut waiting);
        drop(release);
        let written: Vec<_> = waiting.await.iter().map(Result::is_ok).collect();
        assert_eq!(written, [true, false, true, false]);
        assert_eq!(requests(&store).await, 2);
        assert!(store.is_healthy(), "a refusal is not the store's fault");
    }

    #[tokio::test]
    async fn a_fault_is_everyones_answer_and_is_not_tried_again() {
        let (store, outage) = flaky().expect("a store");
        let (release, _busy) = occupy(&store).await;
        let mut waiting = Box::pin(join_all((0..3).map(|minute| store.write(count_one(minute)))));
        begin(&mut waiting);
        outage.begin();
        drop(release);
        for result in waiting.await {
            assert!(matches!(result, Err(StoreError::Unavailable { .. })), "{result:?}");
        }
        assert!(!store.is_healthy());
        assert!(store.read(|backend| backend.stages()).await.is_err());

        outage.end();
        assert_eq!(requests(&store).await, 0);
        assert!(store.is_healthy());
        store.write(count_one(1)).await.expect("it is back");
        assert_eq!(outage.transactions(), 1);
    }

    #[tokio::test]
    async fn calls_are_done_in_their_order() {
        let (store, _) = flaky().expect("a store");
        let (release, _busy) = occupy(&store).await;
        let mut first = Box::pin(store.write(count_one(1)));
        let mut between = Box::pin(requests(&store));
        let mut second = Box::pin(store.write(count_one(2)));
        begin(&mut first);
        begin(&mut between);
        begin(&mut second);
        drop(release);
        assert_eq!(between.await, 1);
        second.await.expect("a write");
        assert_eq!(requests(&store).await, 2);
    }

    #[tokio::test]
    async fn closing_finishes_what_was_accepted_and_frees_the_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("store.db");
        let store = Store::start(Box::new(Sqlite::open(&path).expect("a new store"))).expect("a store");
        let other = store.clone();
        let (release, _busy) = occupy(&store).await;
        let mut accepted = Box::pin(other.write(count_one(1)));
        begin(&mut accepted);
        let mut closed = Box::pin(store.close());
        begin(&mut closed);
        drop(release);
        closed.await;
        assert_eq!(accepted.await, Ok(()));
        assert_eq!(other.write(count_one(2)).await, Err(StoreError::Closed));
        assert_eq!(other.fault(), Some(StoreError::Closed));
        other.close().await;
        let again = Sqlite::open(&path).expect("the file is free").totals();
        assert_eq!(again, Ok(vec![(operation("a"), tally(1))]));
    }

    #[tokio::test]
    async fn a_store_that_was_handed_over_is_free_and_goes_on_when_it_is_taken_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("store.db");
        let open = || Box::new(Sqlite::open(&path).expect("it is free"));
        let store = Store::start(open()).expect("a store");
        store.write(count_one(1)).await.expect("a write");
        drop(store.hand_over().await.expect("a backend"));
        assert_eq!(store.write(count_one(2)).await, Err(StoreError::HandedOver));
        assert_eq!(store.read(|backend| backend.totals()).await, Err(StoreError::HandedOver));
        assert!(!store.is_healthy());
        let mut other = open();
        other.write(&count_one(3)).expect("another process's write");
        drop(other);
        store.take_back(open()).await.expect("it is open");
        assert!(store.is_healthy());
        assert_eq!(requests(&store).await, 2, "what was not taken was not written");
    }

    #[tokio::test]
    async fn the_thread_ends_with_the_last_handle_after_what_was_accepted() {
        let (store, outage) = flaky().expect("a store");
        let (release, busy) = occupy(&store).await;
        {
            let mut abandoned = Box::pin(store.write(count_one(1)));
            begin(&mut abandoned);
        }
        let mut ended = store.fault.clone();
        drop((store, busy));
        assert_eq!(outage.transactions(), 0);
        drop(release);
        assert!(ended.changed().await.is_err(), "the thread has dropped its end");
        assert_eq!(outage.transactions(), 1);
    }

    #[tokio::test]
    async fn a_purge_goes_on_until_nothing_old_is_left() {
        let store = Store::start(Box::new(Memory::default())).expect("a store");
        let old = (0..1_100).map(|minute| counted("a", minute, tally(1))).collect();
        store.write(old).await.expect("a write");
        let moved = Write::Transition(Box::new(transition("a", 1, Stage::Shadow)));
        store.write(vec![moved]).await.expect("a write");
        assert_eq!(store.purge(at(0)).await, Ok(Purged { samples: 0, minutes: 1_100 }));
        assert_eq!(requests(&store).await, 1_100);
    }
}
