//! The pure part of parallax: what an operation is, how two answers are compared, what the
//! outcome is, and when an operation may move to the next stage.
//!
//! Nothing here does IO, reads a clock, rolls dice or knows an async runtime: time and
//! randomness are arguments, so every decision can be repeated in a test. The shell (the
//! `parallax` crate) acts on what is decided here.

pub mod check;
pub mod compare;
pub mod coverage;
mod diff;
pub mod document;
pub mod evidence;
pub mod exchange;
pub mod explanations;
pub mod export;
pub mod format;
pub mod graphql;
mod header;
pub mod isolation;
pub mod judge;
mod label;
pub mod naming;
pub mod operation;
pub mod other;
pub mod path;
pub mod posted;
pub mod pressure;
mod query;
pub mod ratio;
pub mod readiness;
pub mod recheck;
pub mod recorded;
pub mod redaction;
pub mod relation;
pub mod report;
pub mod rollback;
pub mod router;
pub mod rule;
pub mod signature;
pub mod stage;
pub mod suggest;
pub mod tally;
pub mod template;
pub mod transition;
pub mod verdict;
pub mod wire;
