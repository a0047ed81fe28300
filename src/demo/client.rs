//! A plain HTTP client that keeps its connections: the demo's browsers. It shares nothing with the
//! proxy's own client, so the proxy does not judge itself.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::tasks;

/// Longest answer that is read.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// How long an answer may take, connection and all.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections kept for later.
const MAX_IDLE: usize = 64;

/// A client of one server.
#[derive(Clone, Debug)]
pub(super) struct Client {
    authority: Arc<str>,
    idle: Arc<Mutex<VecDeque<SendRequest<Full<Bytes>>>>>,
}

/// Why there is no complete answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    #[error("cannot connect to {authority}")]
    Connect { authority: Arc<str>, source: io::Error },
    #[error("no HTTP answer from {authority}")]
    Http { authority: Arc<str>, source: hyper::Error },
    #[error("the answer of {authority} broke off or is larger than {MAX_ANSWER} bytes: {reason}")]
    Body { authority: Arc<str>, reason: String },
    #[error("{authority} gave no complete answer within {PATIENCE:?}")]
    Late { authority: Arc<str> },
}

impl Client {
    /// A client of the server at `host:port`.
    pub(super) fn new(authority: &str) -> Self {
        Self { authority: authority.into(), idle: Arc::default() }
    }

    /// Asks, and reads the answer to its end.
    pub(super) async fn ask(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let late = |_| ClientError::Late { authority: Arc::clone(&self.authority) };
        tokio::time::timeout(PATIENCE, self.exchange(request)).await.map_err(late)?
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), ClientError> {
        let mut sender = match self.take_idle() {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let http = |source| ClientError::Http { authority: Arc::clone(&self.authority), source };
        let response = sender.send_request(request).await.map_err(http)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await.map_err(|error| {
            ClientError::Body { authority: Arc::clone(&self.authority), reason: error.to_string() }
        })?;
        if sender.ready().await.is_ok() {
            self.keep(sender);
        }
        Ok((status, body.to_bytes()))
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, ClientError> {
        let connect = |source| ClientError::Connect { authority: Arc::clone(&self.authority), source };
        let http = |source| ClientError::Http { authority: Arc::clone(&self.authority), source };
        let stream = TcpStream::connect(&*self.authority).await.map_err(connect)?;
        stream.set_nodelay(true).map_err(connect)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(http)?;
        tasks::spawn(async move {
            // The request on the connection learns of its end by itself.
            let _ = connection.await;
        });
        Ok(sender)
    }

    fn take_idle(&self) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(sender) = idle.pop_back() {
            if sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }

    fn keep(&self, sender: SendRequest<Full<Bytes>>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push_back(sender);
        }
    }
}
