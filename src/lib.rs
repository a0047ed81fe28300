//! parallax runs a legacy service and its replacement side by side on live traffic, compares
//! their answers, proves when each operation is ready, and switches it. ARCHITECTURE.md is the
//! map of this crate.

pub mod access_log;
pub mod api;
pub mod app;
pub mod cli;
pub mod config;
pub mod demo;
pub mod durable;
pub mod export;
pub mod intake;
pub mod isolate;
pub mod marker;
pub mod proxy;
pub mod queue;
pub mod recorder;
pub mod recordings;
pub mod rollout;
pub mod routing;
pub mod runner;
pub mod store;
pub mod tasks;
pub mod telemetry;
pub mod tls;
pub mod traces;
pub mod ui;
pub mod upstream;
