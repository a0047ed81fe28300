//! HTTP/1.1 messages as they are on the wire, judged byte by byte before a library reads them.
//!
//! A proxy is attacked where two readers disagree about where a message ends. The library that
//! parses for us is lenient in places (bare line feeds, several `Content-Length` of one value, no
//! `Host`), as most are; so every head and every chunk of a client is held against the grammar of
//! RFC 9112 here first, and what does not fit never reaches a side.
//!
//! Everything here is pure: bytes in, verdict out. It allocates nothing for a message that is in
//! order, keeps no time, and changes no byte.

mod bytes;
mod chunked;
mod host;
mod refusal;
mod request;
mod requests;

pub use host::is_valid as is_host;
pub use refusal::Refusal;
pub use requests::{Fed, HeadLimits, Requests, Then};
