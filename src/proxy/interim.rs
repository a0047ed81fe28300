//! What a side says before its answer (RFC 9110 section 15.2): `100` opens the way for a body that
//! was held back, and what else there is, such as `103` with early hints, is passed on.

use std::sync::Arc;

use http::{HeaderMap, Request, StatusCode, Version};

use super::client::{Client, Protocol};
use super::upload::Gate;
use crate::upstream::{Interim, strip_hop_by_hop};

/// Whether a request's client can be told something before the answer.
pub(crate) fn is_possible<B>(client: &Client, request: &Request<B>) -> bool {
    client.protocol() == Protocol::Http1 && request.version() == Version::HTTP_11
}

/// Listens for what the side says before its answer.
pub(crate) fn listen<B>(request: &mut Request<B>, client: &Arc<Client>, gate: Option<Arc<Gate>>) {
    let client = Arc::clone(client);
    request.extensions_mut().insert(Interim::new(move |status, headers| match (status, &gate) {
        (StatusCode::CONTINUE, Some(gate)) => gate.send(),
        (StatusCode::CONTINUE, None) => {}
        (status, _) => client.push_interim(&head(status, headers)),
    }));
}

fn head(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let mut headers = headers.clone();
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
