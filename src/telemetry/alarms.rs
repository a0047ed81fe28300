//! Operations whose candidate fails clients, for whoever takes it back. A failing one is told until it is
//! taken back; nobody waits for anything here.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use parallax_core::operation::OperationId;
use parallax_core::rollback::Excess;
use tokio::sync::Notify;

/// Operations whose candidate fails clients.
#[derive(Debug, Default)]
pub struct Alarms {
    raised: Mutex<BTreeMap<OperationId, Excess>>,
    something: Notify,
}

impl Alarms {
    /// The operation's candidate fails clients.
    pub fn raise(&self, id: &OperationId, excess: Excess) {
        let mut raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        raised.entry(id.clone()).or_insert(excess);
        drop(raised);
        self.something.notify_one();
    }

    /// Waits until there is one, and gives all that there are.
    pub async fn raised(&self) -> BTreeMap<OperationId, Excess> {
        loop {
            let raised = std::mem::take(&mut *self.raised.lock().unwrap_or_else(PoisonError::into_inner));
            if !raised.is_empty() {
                return raised;
            }
            self.something.notified().await;
        }
    }
}
