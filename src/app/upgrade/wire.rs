//! The socket between the two processes: a length in four bytes, then as much JSON; and once, behind a
//! single byte, the listening sockets.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::super::assemble::Listeners;

/// Longest message, in bytes. A sample may be as long as a body; one that is longer is not sent.
pub(super) const LONGEST: usize = 8 << 20;

/// One end of the socket.
pub(super) struct Wire {
    pub(super) incoming: Incoming,
    pub(super) outgoing: Outgoing,
}

/// What comes from the other process.
pub(super) struct Incoming(OwnedReadHalf);

/// What goes to it.
pub(super) struct Outgoing(OwnedWriteHalf);

impl Wire {
    pub(super) fn new(socket: std::os::unix::net::UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let (read, write) = UnixStream::from_std(socket)?.into_split();
        Ok(Self { incoming: Incoming(read), outgoing: Outgoing(write) })
    }
}

impl Incoming {
    pub(super) async fn receive<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        let length = self.0.read_u32().await? as usize;
        if length > LONGEST {
            return Err(invalid(format!("a message of {length} bytes")));
        }
        let mut text = vec![0; length];
        self.0.read_exact(&mut text).await?;
        serde_json::from_slice(&text).map_err(|error| invalid(error.to_string()))
    }

    /// The listening sockets, sent by [`Outgoing::send_listeners`].
    pub(super) async fn receive_listeners(&mut self) -> io::Result<Listeners> {
        let stream: &UnixStream = self.0.as_ref();
        let mut sockets = stream.async_io(Interest::READABLE, || receive_sockets(stream)).await?.into_iter();
        match (sockets.next(), sockets.next(), sockets.next()) {
            (Some(proxy), Some(control), None) => {
                Ok(Listeners { proxy: TcpListener::from(proxy), control: TcpListener::from(control) })
            }
            _ => Err(invalid("not two sockets".to_owned())),
        }
    }
}

impl Outgoing {
    pub(super) async fn send<T: Serialize>(&mut self, message: &T) -> io::Result<()> {
        let text = serde_json::to_vec(message)?;
        let length = u32::try_from(text.len()).ok().filter(|_| text.len() <= LONGEST);
        let length = length.ok_or_else(|| invalid(format!("a message of {} bytes", text.len())))?;
        self.0.write_all(&[&length.to_be_bytes()[..], &text].concat()).await
    }

    pub(super) async fn send_listeners(&mut self, listeners: &Listeners) -> io::Result<()> {
        let stream: &UnixStream = self.0.as_ref();
        stream.async_io(Interest::WRITABLE, || send_sockets(stream, listeners)).await
    }
}

/// How many sockets are sent.
const SOCKETS: usize = 2;
/// What they are sent with: without a byte, nothing is sent.
const WITH: &[u8] = b"L";

fn send_sockets(stream: &UnixStream, listeners: &Listeners) -> io::Result<()> {
    let sockets = [listeners.proxy.as_fd(), listeners.control.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    if !beside.push(SendAncillaryMessage::ScmRights(&sockets)) {
        return Err(io::Error::other("no room for the sockets"));
    }
    sendmsg(stream, &[IoSlice::new(WITH)], &mut beside, SendFlags::NOSIGNAL)?;
    Ok(())
}

fn receive_sockets(stream: &UnixStream) -> io::Result<Vec<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(stream, &mut [IoSliceMut::new(&mut byte)], &mut beside, RecvFlags::CMSG_CLOEXEC)?;
    let mut sockets = Vec::new();
    for message in beside.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            sockets.extend(received);
        }
    }
    Ok(sockets)
}

fn invalid(detail: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, detail)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn pair() -> (Wire, std::os::unix::net::UnixStream) {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().expect("a pair");
        (Wire::new(ours).expect("a wire"), theirs)
    }

    #[tokio::test]
    async fn messages_and_sockets_arrive_in_their_order() {
        let (mut one, theirs) = pair();
        let mut other = Wire::new(theirs).expect("a wire");
        let listen = || TcpListener::bind("127.0.0.1:0").expect("a port");
        let listeners = Listeners { proxy: listen(), control: listen() };
        let addresses =
            [&listeners.proxy, &listeners.control].map(|one| one.local_addr().expect("an address"));
        one.outgoing.send(&"before").await.expect("sent");
        one.outgoing.send_listeners(&listeners).await.expect("sent");
        one.outgoing.send(&"after").await.expect("sent");
        drop(listeners);
        assert_eq!(other.incoming.receive::<String>().await.expect("a message"), "before");
        let received = other.incoming.receive_listeners().await.expect("sockets");
        let here = [&received.proxy, &received.control].map(|one| one.local_addr().expect("an address"));
        assert_eq!(here, addresses);
        std::net::TcpStream::connect(here[0]).expect("it is still listened on");
        assert_eq!(other.incoming.receive::<String>().await.expect("a message"), "after");
        drop(one);
        let gone = other.incoming.receive::<String>().await.expect_err("an end");
        assert_eq!(gone.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn what_is_no_message_is_refused_without_room_being_made_for_it() {
        for bytes in [&b"\xff\xff\xff\xff"[..], b"\x00\x00\x00\x02{]", b"GET / HTTP/1.1\r\n"] {
            let (mut wire, mut theirs) = pair();
            theirs.write_all(bytes).expect("sent");
            let refused = wire.incoming.receive::<String>().await.expect_err("no message");
            assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
        }
    }

    #[tokio::test]
    async fn sockets_that_do_not_come_are_missed() {
        let (mut wire, mut theirs) = pair();
        theirs.write_all(b"L").expect("sent");
        assert!(wire.incoming.receive_listeners().await.is_err());
    }
}
