//! Counting what is repaired in the answers of a side.

use std::fmt;
use std::sync::Arc;

use parallax_core::wire::Repair;

/// Counts a repair.
#[derive(Clone)]
pub struct CountRepair(Arc<dyn Fn(Repair) + Send + Sync>);

impl CountRepair {
    /// Counts with this function, which must not block.
    #[must_use]
    pub fn new(count: impl Fn(Repair) + Send + Sync + 'static) -> Self {
        Self(Arc::new(count))
    }

    /// One more.
    pub fn count(&self, repair: Repair) {
        (self.0)(repair);
    }
}

impl fmt::Debug for CountRepair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CountRepair")
    }
}
