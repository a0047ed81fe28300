//! What a side says before its answer (RFC 9110 section 15.2): `100` opens the way for a body that
//! was held back, and what else there is, such as `103` with early hints, is passed on.

use std::sync::Arc;

use http::{HeaderMap, Request, StatusCode, Version};

use super::client::{Client, Protocol};
use super::upload::Gate;
use crate::upstream::{HearInterim, strip_hop_by_hop};

/// Whether a request's client can be told something before the answer.
pub(crate) fn is_possible<B>(client: &Client, request: &Request<B>) -> bool {
    client.protocol() == Protocol::Http1 && request.version() == Version::HTTP_11
}

/// The client, listening for what the side says before its answer; with a gate, where its body waits
/// to be wanted.
pub(crate) fn listener(client: &Arc<Client>, gate: Option<&Arc<Gate>>) -> Arc<dyn HearInterim> {
    let client = Arc::clone(client);
    match gate {
        Some(gate) => Arc::new(Waiting { client, gate: Arc::clone(gate) }),
        None => client,
    }
}

/// A client whose body waits to be wanted.
struct Waiting {
    client: Arc<Client>,
    gate: Arc<Gate>,
}

impl HearInterim for Waiting {
    fn hear(&self, status: StatusCode, headers: HeaderMap) {
        match status {
            StatusCode::CONTINUE => self.gate.send(),
            status => self.client.hear(status, headers),
        }
    }
}

impl HearInterim for Client {
    fn hear(&self, status: StatusCode, headers: HeaderMap) {
        // Where no body waits, nobody asked whether it is wanted.
        if status != StatusCode::CONTINUE {
            self.push_interim(&head(status, headers));
        }
    }
}

fn head(status: StatusCode, mut headers: HeaderMap) -> Vec<u8> {
    strip_hop_by_hop(&mut headers);
    let mut head =
        format!("HTTP/1.1 {} {}\r\n", status.as_str(), status.canonical_reason().unwrap_or("")).into_bytes();
    for (name, value) in &headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}
