//! What must hold for any bytes at all: one module for each fuzz target, with one function `holds` that
//! panics where it does not.

pub mod codings;
pub mod compare;
pub mod graphql;
pub mod json;
pub mod posted;
pub mod recorded;
pub mod rules;
pub mod wire;
