//! The copy of a request to the other side, and its answer to the last byte.

use std::cell::LazyCell;
use std::ops::Deref;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Extensions, HeaderMap, Request, Response, header};
use http_body_util::BodyExt;
use parallax_core::check::Check;
use parallax_core::exchange::{Answer, Body, Exchange};
use parallax_core::format::{DigestStream, decoded_length};

use super::Carried;
use crate::queue::{Chunks, Reservation};
use crate::upstream::{Access, Again, Fault, RequestBody, ResponseBody, Upstream, strip_hop_by_hop};

/// How long a side may take for a copy when it has no timeout of its own: nobody waits for it,
/// but nothing may wait for ever.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no answer to compare.
pub(super) enum Missed {
    /// The side gave no complete answer.
    Fault(Fault),
    /// There was no room to hold it.
    NoRoom,
    /// It is larger than what is kept, and there is nothing yet to hold its digest against: its head,
    /// with the digest of what was read.
    TooLarge(Box<Answer>),
}

/// What a copy is sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The one of a check.
    Check,
    /// The one of a check, before the answering side's answer is known.
    Ahead,
    /// To look at a mismatch again.
    Recheck,
}

/// How long a side may take for a copy.
pub(super) fn patience(upstream: &Upstream) -> Duration {
    upstream.timeout.unwrap_or(PATIENCE)
}

/// Asks a side the check's request, once.
pub(super) async fn ask(
    access: &Access,
    carried: &Carried,
    (check, why): (&Check, Why),
    mut extensions: Extensions,
    reservation: &mut Reservation,
) -> Result<Exchange, Missed> {
    let limit = patience(&access.upstream);
    let trace = carried.trace(&mut extensions);
    let mut request = copy_of(access, check, extensions);
    carried.write(request.headers_mut(), why, trace.as_ref());
    let asked = tokio::time::timeout(limit, exchange(access, (check, why), request, reservation))
        .await
        .unwrap_or_else(|_| Err(Missed::Fault(Fault::timeout(limit))));
    if let Some(trace) = trace {
        trace.end(access.upstream.side, check, &asked);
    }
    asked
}

async fn exchange(
    access: &Access,
    (check, why): (&Check, Why),
    request: Request<RequestBody>,
    reservation: &mut Reservation,
) -> Result<Exchange, Missed> {
    let side = access.upstream.side;
    let began = Instant::now();
    let response =
        access.pool.send(request, Again::Never, None).await.map_err(|error| Missed::Fault(error.fault))?;
    let latency = began.elapsed();
    let answer = read(response, (check, why), reservation).await?;
    Ok(Exchange { side, answer, latency })
}

fn copy_of(access: &Access, check: &Check, extensions: Extensions) -> Request<RequestBody> {
    let upstream = &access.upstream;
    let target = check.operation.target_on(upstream.side, &check.request.target);
    let mut request = Request::new(RequestBody::whole(check.request.body.clone()));
    *request.method_mut() = check.request.method.clone();
    *request.uri_mut() = upstream.uri(&target);
    *request.headers_mut() = check.request.headers.clone();
    *request.extensions_mut() = extensions;
    upstream.address(request.headers_mut());
    request
}

async fn read(
    response: Response<ResponseBody>,
    (check, why): (&Check, Why),
    reservation: &mut Reservation,
) -> Result<Answer, Missed> {
    let (mut head, mut incoming) = response.into_parts();
    strip_hop_by_hop(&mut head.headers);
    let mut body = Reading::Whole(Chunks::default());
    let mut trailers = None;
    // A digest is for holding against one known answer; two second ones would be cut off at different
    // places.
    let other_length = LazyCell::new(|| (why == Why::Check).then(|| decoded_length(&check.answered.answer)));
    let mut is_cut_off = false;
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|error| Missed::Fault(Fault::exchanging(&error)))?;
        match frame.into_data() {
            Ok(piece) => {
                let limit = check.operation.body_limit;
                if !body.push(piece, &head.headers, limit, reservation) {
                    return Err(Missed::NoRoom);
                }
                if body.is_long_enough(&other_length) {
                    // What was not read must not seem to be missing.
                    trailers.clone_from(&check.answered.answer.trailers);
                    is_cut_off = other_length.is_none();
                    break;
                }
            }
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    let answer = Answer { status: head.status, headers: head.headers, body: body.finish(), trailers };
    if is_cut_off { Err(Missed::TooLarge(Box::new(answer))) } else { Ok(answer) }
}

/// A body that is being read: whole while it is within the limit, then hashed for as long as it
/// can still equal the answering side's.
enum Reading {
    Whole(Chunks),
    Hashing(Box<DigestStream>),
}

impl Reading {
    /// Takes a piece; false where there is no room for it.
    fn push(
        &mut self,
        piece: Bytes,
        headers: &HeaderMap,
        limit: usize,
        reservation: &mut Reservation,
    ) -> bool {
        match self {
            Self::Whole(chunks) if chunks.length() + piece.len() <= limit => {
                let has_room = reservation.grow(piece.len());
                if has_room {
                    chunks.push(piece);
                }
                return has_room;
            }
            Self::Whole(chunks) => {
                let mut digest = Box::new(DigestStream::new(headers.get_all(header::CONTENT_ENCODING)));
                for kept in std::mem::take(chunks).into_pieces() {
                    digest.update(&kept);
                }
                digest.update(&piece);
                *self = Self::Hashing(digest);
            }
            Self::Hashing(digest) => digest.update(&piece),
        }
        true
    }

    /// An answer that is longer than the other cannot equal it any more, so that an endless one is
    /// given up here and not at its end; where the other is not known, as soon as it is over the limit.
    fn is_long_enough(&self, other_length: &impl Deref<Target = Option<u64>>) -> bool {
        match self {
            Self::Whole(_) => false,
            Self::Hashing(digest) => other_length.is_none_or(|length| digest.decoded() > length),
        }
    }

    fn finish(self) -> Body {
        match self {
            Self::Whole(chunks) => Body::Whole(chunks.into_bytes()),
            Self::Hashing(digest) => Body::Digest(digest.finish()),
        }
    }
}
