//! Interim answers (1xx) on their way from a side: whoever sends a request may ask to be told.
//!
//! The wish travels in the request's extensions, so that it survives a second connection and the
//! way from the candidate to legacy. It has a type of its own because a copy must not carry it:
//! the client whose interim answers they would be has been answered already.
//!
//! A side that speaks HTTP/2 is not heard here: the library keeps its interim answers to itself.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, Request, StatusCode, header};

/// Is told of each interim answer but 101, when it comes.
#[derive(Clone)]
pub struct Interim(Arc<Tell>);

type Tell = dyn Fn(StatusCode, &HeaderMap) + Send + Sync;

impl Interim {
    /// Tells this function. It is called on the way of an answer and must not block.
    #[must_use]
    pub fn new(tell: impl Fn(StatusCode, &HeaderMap) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Over HTTP/2 nobody waits to be told that the body is wanted: it has a flow of its own, which the
    /// side can stop, and what the library hears in between it keeps to itself.
    pub(super) fn answer_expectation<B>(request: &mut Request<B>) {
        let expects = request.headers_mut().remove(header::EXPECT).is_some();
        if expects && let Some(Self(tell)) = request.extensions().get::<Self>() {
            tell(StatusCode::CONTINUE, &HeaderMap::new());
        }
    }

    /// Has the library tell, when the request asks for it.
    pub(super) fn arm<B>(request: &mut Request<B>) {
        if let Some(Self(tell)) = request.extensions().get::<Self>().cloned() {
            hyper::ext::on_informational(request, move |answer| tell(answer.status(), answer.headers()));
        }
    }
}

impl fmt::Debug for Interim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Interim")
    }
}
