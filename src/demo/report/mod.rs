//! The end of the demo: a line for each operation, and the faults in the words of a bug report.
//! It knows what the public API says and nothing else, least of all what was planted.

mod finding;
mod rows;
mod text;

pub use finding::{Finding, Place, findings};
pub use rows::{Counts, DifferenceRow, Latencies, Latency, OperationRow, Readiness, SampleRow, SignatureRow};
pub(super) use text::grouped;
pub use text::{bug_reports, table};
