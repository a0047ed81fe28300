//! The present plan, written for another tool: who answers which operation now, in the words of
//! Skipper, nginx, HAProxy, Envoy or the Gateway API.
//!
//! There is one plan ([`PresentPlan`]) and a file for each tool that turns it into text. What a tool
//! cannot do as parallax does it is told, in the text and as a [`Note`]; where clients would be
//! answered by another side than planned, the note is a *departure*, and legacy answers. Whatever
//! comes from a configuration is quoted for the tool, so that no template, name or URL can be more
//! than a value in there.
//!
//! Nothing here tells a secret: of the headers that a side gets only the names are known, and of the
//! salt only what is made of it.

mod envoy;
mod gateway_api;
mod haproxy;
mod json;
mod nginx;
mod notes;
mod order;
mod path;
mod plan;
mod planned;
mod skipper;
#[cfg(test)]
mod tests;
mod yaml;

pub use envoy::envoy;
pub use gateway_api::gateway_api;
pub use haproxy::haproxy;
pub use nginx::nginx;
pub use notes::{Exported, Note};
pub use plan::{ClientKey, HostPolicy, PlanError, PresentPlan, Route, Service};
pub use skipper::skipper;
