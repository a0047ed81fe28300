//! Connections to a side, kept and reused, in whichever version of HTTP the side is spoken to.
//!
//! A request is sent once; when it may go to a second connection is told in `again`.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use http::{HeaderValue, Request, Response, header};
use hyper::client::conn::http2::SendRequest;
use parallax_core::verdict::Cause;

use super::again::{Again, Spare};
use super::connect::{Connected, Connector, Offer};
use super::error::{broke_off, is_going_away, was_never_looked_at};
use super::{
    Addresses, Fault, Interim, RequestBody, ResponseBody, SendError, Upstream, http1, http2, interim,
};
use crate::tasks;

/// Bounds of a pool.
#[derive(Clone, Copy, Debug)]
pub struct PoolLimits {
    /// Connections kept for later, at most. Below the number of requests in flight at once,
    /// connections would be closed and opened all the time.
    pub idle: usize,
    /// How long a connection is kept.
    pub idle_for: Duration,
    /// How long a connection to a name is used, because the name may come to point elsewhere.
    pub keep_for: Duration,
    /// How long making a connection may take, all addresses together.
    pub connect: Duration,
}

/// How often a request goes out that an HTTP/2 side says it never looked at.
const MOST_TRIES: u32 = 3;
/// How many connections a request meets that are over, at most. More than a pool usually has.
const MOST_ROUNDS: u32 = 256;

/// Connections to one side, for one thread.
pub struct Pool {
    connector: Connector,
    http1: Arc<http1::Connections>,
    http2: http2::Connections,
    /// Host and port as in the URL, for a request whose `Host` is none.
    authority: HeaderValue,
    /// What the side chose when it was last left to it.
    chosen: AtomicU8,
    /// The connection that is being made for all who wait for one that carries many requests.
    connecting: Mutex<Option<Connecting>>,
}

type Connecting = Shared<BoxFuture<'static, Result<(), Fault>>>;

const CHOSE_NOTHING_YET: u8 = 0;
const CHOSE_HTTP1: u8 = 1;
const CHOSE_HTTP2: u8 = 2;

/// A connection that may carry a request.
enum Carrier {
    Kept(http1::Connection, Instant),
    Fresh(http1::Connection),
    Stream(SendRequest<RequestBody>, http2::Stream),
}

/// Why a request was not answered, and whether it may go out again.
enum Missed {
    /// Not a byte of it was looked at, and the connection is of no use any more, as is to be
    /// expected now and then of one that was kept.
    Unsent(Fault, Box<Request<RequestBody>>),
    /// Not a byte of it was looked at, which could go on for ever.
    Refused(Fault, Box<Request<RequestBody>>),
    /// It may have been, and is harmless.
    Harmless(Fault, Box<Request<RequestBody>>),
    /// It must not go out again.
    Over(SendError),
}

impl Pool {
    /// An empty pool of connections to a side.
    #[must_use]
    pub fn new(upstream: &Upstream, limits: PoolLimits) -> Arc<Self> {
        let connector = Connector::new(upstream, limits.connect);
        Self::over_connector(connector, upstream.authority.clone(), !upstream.addresses.is_fixed(), limits)
    }

    /// An empty pool of connections to a service that is no side, in HTTP/1.1 and in the clear.
    #[must_use]
    pub fn in_the_clear(addresses: Arc<Addresses>, authority: HeaderValue, limits: PoolLimits) -> Arc<Self> {
        let may_move = !addresses.is_fixed();
        Self::over_connector(Connector::in_the_clear(addresses, limits.connect), authority, may_move, limits)
    }

    fn over_connector(
        connector: Connector,
        authority: HeaderValue,
        may_move: bool,
        limits: PoolLimits,
    ) -> Arc<Self> {
        Arc::new(Self {
            connector,
            http1: Arc::new(http1::Connections::new(limits, may_move)),
            http2: http2::Connections::new(limits, may_move),
            authority,
            chosen: AtomicU8::new(CHOSE_NOTHING_YET),
            connecting: Mutex::default(),
        })
    }

    /// Sends a request and waits for the head of the answer; `interim` is told of what comes before it. The connection returns to the pool
    /// by itself when the answer was read to its end.
    ///
    /// # Errors
    /// With what went wrong, and the request when the side never looked at it.
    pub async fn send(
        self: &Arc<Self>,
        mut request: Request<RequestBody>,
        again: Again,
        interim: Interim,
    ) -> Result<Response<ResponseBody>, SendError> {
        let offer = self.connector.offer(request.headers().contains_key(header::UPGRADE));
        // Once it may have been looked at, the request is never handed back as unsent.
        let (mut maybe_seen, mut tries_left) = (false, MOST_TRIES);
        let give_up = |fault, request, maybe_seen: bool| {
            let unsent = (!maybe_seen).then_some(request);
            Err(SendError { fault, unsent, client_broke_off: false })
        };
        for _ in 0..MOST_ROUNDS {
            let carrier = match self.carrier(offer).await {
                Ok(carrier) => carrier,
                Err(fault) => return give_up(fault, Box::new(request), maybe_seen),
            };
            if matches!(carrier, Carrier::Fresh(_)) {
                tries_left = 0;
            }
            let missed = match self.over(carrier, request, again, &interim).await {
                Ok(response) => return Ok(response),
                Err(missed) => missed,
            };
            let (fault, unsent) = match missed {
                Missed::Unsent(fault, request) => (fault, request),
                Missed::Refused(fault, request) => {
                    tries_left = tries_left.saturating_sub(1);
                    (fault, request)
                }
                Missed::Harmless(fault, request) => {
                    maybe_seen = true;
                    (fault, request)
                }
                Missed::Over(error) => return Err(error),
            };
            if tries_left == 0 {
                return give_up(fault, unsent, maybe_seen);
            }
            request = *unsent;
        }
        give_up(Fault::new(Cause::Reset, "no connection lasts".to_owned()), Box::new(request), maybe_seen)
    }

    async fn over(
        self: &Arc<Self>,
        carrier: Carrier,
        mut request: Request<RequestBody>,
        again: Again,
        interim: &Interim,
    ) -> Result<Response<ResponseBody>, Missed> {
        match carrier {
            Carrier::Kept(connection, since) => {
                let spare = again.spare(&request, since);
                self.over_http1(connection, request, spare, interim).await
            }
            Carrier::Fresh(connection) => self.over_http1(connection, request, None, interim).await,
            Carrier::Stream(sender, stream) => {
                interim::answer_expectation(&mut request, interim.as_deref());
                self.over_http2(sender, stream, request, again).await
            }
        }
    }

    async fn over_http1(
        &self,
        mut connection: http1::Connection,
        request: Request<RequestBody>,
        spare: Option<Spare>,
        interim: &Interim,
    ) -> Result<Response<ResponseBody>, Missed> {
        let mut error = match connection.send(request, interim.clone()).await {
            Ok(response) => {
                self.http1.keep_when_ready(connection, &response);
                return Ok(response.map(ResponseBody::alone));
            }
            Err(error) => error,
        };
        let fault = Fault::exchanging(error.error());
        if let Some(request) = error.take_message() {
            return Err(Missed::Unsent(fault, Box::new(request)));
        }
        match spare.filter(|_| was_closed(error.error())).and_then(Spare::restore) {
            Some(request) => Err(Missed::Harmless(fault, Box::new(request))),
            None => Err(Missed::Over(SendError::sent(error.error()))),
        }
    }

    async fn over_http2(
        &self,
        mut sender: SendRequest<RequestBody>,
        stream: http2::Stream,
        mut request: Request<RequestBody>,
        again: Again,
    ) -> Result<Response<ResponseBody>, Missed> {
        let is_harmless = stream.is_on_a_proven_connection() && again.is_harmless(&request);
        let spare = Spare::of(&mut request);
        http2::to_http2(&mut request, self.connector.scheme(), &self.authority);
        let error = match sender.try_send_request(request).await {
            Ok(response) => {
                stream.answered();
                spare.forget();
                return Ok(response.map(|body| ResponseBody::on(stream, body)));
            }
            Err(error) => error,
        };
        let (was_handed_back, error) = (error.message().is_some(), error.into_error());
        let fault = Fault::exchanging(&error);
        if spare.client_broke_off() {
            return Err(Missed::Over(SendError { fault, unsent: None, client_broke_off: true }));
        }
        let over = |fault| Missed::Over(SendError { fault, unsent: None, client_broke_off: false });
        let missed = if was_handed_back || (again != Again::Never && was_never_looked_at(&error)) {
            // A connection over which the side goes away is not taken again, and where it has answered
            // others before, the next one will do so, too.
            let is_proven = stream.is_on_a_proven_connection();
            let is_over = is_proven && (was_handed_back || sender.is_closed() || is_going_away(&error));
            if is_over { Missed::Unsent } else { Missed::Refused }
        } else if is_harmless && broke_off(&error) {
            Missed::Harmless
        } else {
            return Err(over(fault));
        };
        Err(match spare.restore() {
            Some(request) => missed(fault, Box::new(request)),
            None => over(fault),
        })
    }

    /// A connection that may carry a request: one that is kept, or a new one.
    async fn carrier(self: &Arc<Self>, offer: Offer) -> Result<Carrier, Fault> {
        let mut has_waited = false;
        loop {
            if offer != Offer::Http1
                && let Some((sender, stream)) = self.http2.take()
            {
                return Ok(Carrier::Stream(sender, stream));
            }
            if offer != Offer::Http2
                && let Some((connection, since)) = self.http1.take()
            {
                return Ok(Carrier::Kept(connection, since));
            }
            // Where one connection carries many requests, one is made for all who wait. Those for
            // whom it had no room then make their own.
            if self.is_for_many(offer) && !has_waited {
                has_waited = true;
                self.connect_once(offer).await?;
                continue;
            }
            return Ok(match self.connector.connect(offer).await? {
                Connected::Http1(connection) => {
                    self.note_choice(offer, CHOSE_HTTP1);
                    Carrier::Fresh(connection)
                }
                Connected::Http2(connection) => {
                    self.note_choice(offer, CHOSE_HTTP2);
                    let (sender, stream) = self.http2.add(connection);
                    Carrier::Stream(sender, stream)
                }
            });
        }
    }

    fn is_for_many(&self, offer: Offer) -> bool {
        match offer {
            Offer::Http1 => false,
            Offer::Http2 => true,
            Offer::Either => self.chosen.load(Ordering::Relaxed) != CHOSE_HTTP1,
        }
    }

    fn note_choice(&self, offer: Offer, choice: u8) {
        if offer == Offer::Either {
            self.chosen.store(choice, Ordering::Relaxed);
        }
    }

    /// Waits for the connection that is being made, or has one made. It is made to its end also
    /// when all who wait have gone.
    async fn connect_once(self: &Arc<Self>, offer: Offer) -> Result<(), Fault> {
        let connecting = {
            let mut connecting = self.connecting.lock().unwrap_or_else(PoisonError::into_inner);
            let make = || {
                let this = Arc::clone(self);
                let made = tasks::spawn(async move {
                    let connected = this.connector.connect(offer).await;
                    this.connecting.lock().unwrap_or_else(PoisonError::into_inner).take();
                    match connected? {
                        Connected::Http1(connection) => {
                            this.note_choice(offer, CHOSE_HTTP1);
                            this.http1.keep(connection);
                        }
                        Connected::Http2(connection) => {
                            this.note_choice(offer, CHOSE_HTTP2);
                            this.http2.keep(connection);
                        }
                    }
                    Ok(())
                });
                made.map(|made| made.unwrap_or_else(|_| Err(Fault::stopping()))).boxed().shared()
            };
            connecting.get_or_insert_with(make).clone()
        };
        connecting.await
    }
}

/// Whether the side closed the connection before it answered anything.
fn was_closed(error: &hyper::Error) -> bool {
    error.is_incomplete_message() || error.is_closed() || error.is_canceled()
}
