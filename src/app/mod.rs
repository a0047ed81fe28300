//! The composition root: every channel, thread and long-lived task of the program is made here,
//! and nowhere else.
//!
//! | thread | does |
//! |---|---|
//! | `plx-accept` | takes connections in and deals them out |
//! | `plx-data-N` | one per core: the proxy; nothing on it waits for anything below |
//! | `plx-run-N` | one per core: asks the other side, compares |
//! | `plx-control` | API, UI, metrics; writing of counts; late writing of stages |
//! | `plx-log` | writes the access log, where there is one |
//! | `plx-store` | the store |
//!
//! Shutdown runs down the same list: whoever is upstream lets go of its end of a channel, and
//! whoever is downstream finishes what is left and ends.
//!
//! The main thread has none of this to do. It hears signals, watches the configuration file, and
//! hands over to a new process.

mod assemble;
mod certificates;
mod config_file;
mod control;
mod descriptors;
mod drain;
mod error;
mod moved;
mod notify;
mod own_address;
mod reload;
mod running;
mod serve;
mod signals;
mod telling;
mod threads;
mod upgrade;
mod ways;

pub use config_file::ConfigFile;
pub use error::StartError;
pub use moved::Moved;
pub use reload::ReloadError;
pub use running::Running;
pub use serve::run;
pub use upgrade::{HandOverError, Predecessor};
