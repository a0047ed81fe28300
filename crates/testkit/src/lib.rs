//! What the tests of parallax stand on: fake services over real sockets that misbehave on demand,
//! a client that sends and reads bytes exactly as they are, and waiting with a deadline.
//!
//! Nearly everything here works below an HTTP library, because a test of a proxy has to see and to send
//! what no library would: broken framing, resets, the case and the order of header names. It
//! listens on 127.0.0.1 only, on ports that the system chooses, and it never depends on the crate
//! that it tests.

mod behaviour;
mod certificates;
mod client;
mod frame_service;
pub mod h2;
mod host;
mod http_service;
mod record;
mod reply;
mod service;
mod strict;
mod wait;
mod wire;

pub use behaviour::{Behaviour, Gate, PerRequest, Step};
pub use certificates::{Authority, TestCertificate};
pub use client::{RawClient, RawResponse};
pub use frame_service::{Arrived, FrameService, answer_200, go_away, head_200, last_data, reset};
pub use http_service::{AnyBody, Asked, HttpService, Reached, ServerTls, whole, with_trailers};
pub use record::Recorded;
pub use reply::Reply;
pub use service::FakeService;
pub use strict::{
    Answered, Invalid, StrictFraming, StrictHead, StrictService, check_chunk_line, check_head, check_request,
    check_trailer,
};
pub use wait::{wait_until, wait_until_blocking};
pub use wire::Headers;
