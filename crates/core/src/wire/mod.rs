//! HTTP/1.1 messages as they are on the wire, judged byte by byte before a library reads them.
//!
//! A proxy is attacked where two readers disagree about where a message ends. The library that
//! parses for us is lenient in places (bare line feeds, several `Content-Length` of one value, no
//! `Host`), as most are; so every head and every chunk of a client is held against the grammar of
//! RFC 9112 here first, and what does not fit never reaches a side.
//!
//! With the answers of the sides it is the other way round: what RFC 9112 lets a proxy repair is
//! repaired and counted, or a service that is a little sloppy would become a 502 the day that
//! parallax is put in front of it. Only what is ambiguous is refused.
//!
//! Everything here is pure: bytes in, verdict out. It allocates nothing for a message that is in
//! order, keeps no time, and changes no byte of a request.

mod answer;
mod bytes;
mod chunked;
mod host;
mod refusal;
mod request;
mod requests;

pub use answer::{Ambiguous, Glance, HEAD_LIMIT_BYTES, Judged, Repair, Repairs, end_of_head, glance, judge};
pub use host::is_valid as is_host;
pub use refusal::Refusal;
pub use requests::{Fed, HeadLimits, Requests, Then};
