//! `/events`: tells open pages that there is something new, at most once a second. It says only
//! *that*; a page then reads itself again, so there is one way in which anything is rendered.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::{self, Stream};
use http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use xxhash_rust::xxh3::Xxh3;

use crate::api::{Problem, Shared};

/// Streams at a time.
const MAX_STREAMS: usize = 64;
/// How often a stream looks for news.
const EVERY: Duration = Duration::from_secs(1);
/// How long a stream is silent at most, so that a dead connection is noticed.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The streams that are open.
pub(super) struct Streams {
    places: Arc<Semaphore>,
    latest: Mutex<Option<(Instant, u64)>>,
}

impl Default for Streams {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(MAX_STREAMS)), latest: Mutex::default() }
    }
}

impl Streams {
    /// The present revision, looked up once a second for all streams together.
    fn revision(&self, shared: &Shared) -> u64 {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        match *latest {
            Some((at, revision)) if at.elapsed() < EVERY / 2 => revision,
            _ => {
                let revision = revision(shared);
                *latest = Some((Instant::now(), revision));
                revision
            }
        }
    }
}

/// A number that changes with everything that the pages show.
pub(super) fn revision(shared: &Shared) -> u64 {
    let mut hash = Xxh3::new();
    for entry in shared.context.routing.load().entries() {
        let state = (entry.stage, entry.revision, entry.meter.standing());
        hash.update(format!("{state:?}").as_bytes());
    }
    hash.update(&shared.context.telemetry.other_requests().to_le_bytes());
    hash.update(&[u8::from(shared.context.store.is_healthy())]);
    hash.digest()
}

/// `GET /events`.
pub(super) async fn stream(
    State(shared): State<Arc<Shared>>,
    Extension(streams): Extension<Arc<Streams>>,
) -> Response {
    let Ok(place) = Arc::clone(&streams.places).try_acquire_owned() else {
        let detail = "too many pages update themselves already; this one shows the state of its loading";
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after_s(30).into_response();
    };
    let finished = shared.finished.clone();
    let news = News { shared, streams, finished, last: None, _place: place };
    Sse::new(news.into_stream()).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response()
}

/// One open stream.
struct News {
    shared: Arc<Shared>,
    streams: Arc<Streams>,
    finished: watch::Receiver<bool>,
    last: Option<u64>,
    _place: OwnedSemaphorePermit,
}

impl News {
    fn into_stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut news| async move {
            let revision = news.next().await?;
            let event = Event::default().event("refresh").data(format!("{revision:016x}"));
            Some((Ok(event), news))
        })
    }

    /// The next revision that differs from the last one; none when the listener ends. The first
    /// comes at once: the page may have been rendered a while ago.
    async fn next(&mut self) -> Option<u64> {
        loop {
            if self.last.is_some() {
                tokio::select! {
                    () = tokio::time::sleep(EVERY) => {}
                    _ = self.finished.wait_for(|done| *done) => return None,
                }
            }
            let revision = self.streams.revision(&self.shared);
            if self.last.replace(revision) != Some(revision) {
                return Some(revision);
            }
        }
    }
}
