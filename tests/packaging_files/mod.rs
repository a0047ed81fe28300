//! The files in `packaging/`, read as far as their promises go.

pub(crate) mod dockerfile;
pub(crate) mod kubernetes;
pub(crate) mod server;
