//! HTTP/1.1 messages as they are on the wire, before a library has read them.
//!
//! A side that is a little sloppy must not become a 502 the day that parallax is put in front of
//! it, and one whose framing can be read in two ways must never be passed on: whoever reads it the
//! other way would take part of one answer for the beginning of the next. So every head of an
//! answer is looked at here first. What RFC 9112 lets a proxy repair is repaired and counted; what
//! is ambiguous is a fault of the side. Bodies are never touched.
//!
//! Knows no other module, no side and no operation.

mod answer;
mod mend;

pub use answer::{Ambiguous, Glance, HEAD_LIMIT_BYTES, Judged, Repair, Repairs, end_of_head, glance, judge};
pub use mend::{CountRepair, Mended, Watch};
