//! What a single peer may hold of the control listener: so many connections and no more, and none
//! of them for good by not reading what it asked for.

use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// Connections of one peer at a time, loopback included.
pub(super) const MAX_OF_A_PEER: usize = 128;
/// How long a peer may take nothing of what is written to it.
const WRITE_TIME: Duration = Duration::from_secs(30);

/// How many connections each peer has. As large as the number of connections, which is bounded.
#[derive(Clone, Default)]
pub(super) struct Peers(Arc<Mutex<HashMap<IpAddr, usize>>>);

impl Peers {
    /// A place for one more connection of this peer, unless it has as many as it may.
    pub(super) fn admit(&self, peer: IpAddr) -> Option<PeerPlace> {
        let address = peer.to_canonical();
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_insert(0);
        if *count >= MAX_OF_A_PEER {
            return None;
        }
        *count += 1;
        Some(PeerPlace { peers: self.clone(), address })
    }
}

/// One connection's place, which it gives back.
pub(super) struct PeerPlace {
    peers: Peers,
    address: IpAddr,
}

impl Drop for PeerPlace {
    fn drop(&mut self) {
        let mut counts = self.peers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// A stream whose writes fail when the peer takes nothing for [`WRITE_TIME`].
pub(super) struct Impatient<S> {
    stream: S,
    waits_until: Option<Pin<Box<Sleep>>>,
}

impl<S> Impatient<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, waits_until: None }
    }

    /// What came of a write, or its end where nothing has come of it for too long.
    fn within<T>(&mut self, cx: &mut Context<'_>, write: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if write.is_ready() {
            self.waits_until = None;
            return write;
        }
        let until = self.waits_until.get_or_insert_with(|| Box::pin(tokio::time::sleep(WRITE_TIME)));
        let stalled = || io::Error::new(io::ErrorKind::TimedOut, "the peer does not read its answer");
        until.as_mut().poll(cx).map(|()| Err(stalled()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.within(cx, write)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.within(cx, write)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_never_reads_is_cut_off() {
        let (ours, _theirs) = tokio::io::duplex(8);
        let start = Instant::now();
        let error = Impatient::new(ours).write_all(&[0; 9]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed().as_secs(), WRITE_TIME.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_slowly_is_served_to_the_end() {
        let (ours, mut theirs) = tokio::io::duplex(1);
        let write = async { Impatient::new(ours).write_all(b"slow").await };
        let read = async {
            let mut text = String::new();
            for _ in 0..4 {
                tokio::time::sleep(WRITE_TIME - Duration::from_secs(1)).await;
                text.push(char::from(theirs.read_u8().await.expect("a byte")));
            }
            text
        };
        let (written, text) = tokio::join!(write, read);
        written.expect("all is written");
        assert_eq!(text, "slow");
    }

    #[test]
    fn a_peer_has_so_many_places_and_gives_them_back() {
        let peers = Peers::default();
        let one: IpAddr = "192.0.2.1".parse().expect("an address");
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().expect("an address");
        let mut places: Vec<_> = (0..MAX_OF_A_PEER).map(|_| peers.admit(one).expect("a place")).collect();
        assert!(peers.admit(one).is_none() && peers.admit(mapped).is_none());
        assert!(peers.admit("192.0.2.2".parse().expect("an address")).is_some());
        places.pop();
        assert!(peers.admit(mapped).is_some());
        places.clear();
        assert!(peers.0.lock().expect("no panic").is_empty());
    }
}
