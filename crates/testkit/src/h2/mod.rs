//! A client that speaks HTTP/2 in frames of the test's own making, and says what came back.
//!
//! It opens no window and sends no frame by itself, but for the acknowledgement of the peer's settings:
//! a test of flow control has to be the one who counts. It holds the peer to nothing either.

mod frame;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use loona_hpack::Decoder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub use frame::{Frame, PREFACE, block, code, flag, kind, setting};

/// How long any one step may take, so that a hung peer fails a test instead of hanging it.
const DEADLINE: Duration = Duration::from_secs(20);

/// A connection over which a test speaks HTTP/2.
pub struct H2Client {
    stream: TcpStream,
    buffer: BytesMut,
    decoder: Decoder<'static>,
    settings: Vec<(u16, u32)>,
}

/// What came from the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A head, or trailers.
    Head {
        /// The stream.
        stream: u32,
        /// The fields in their order, `:status` among them.
        fields: Vec<(String, String)>,
        /// Whether nothing follows on the stream.
        ends: bool,
    },
    /// A piece of a body.
    Data {
        /// The stream.
        stream: u32,
        /// The bytes, without padding.
        bytes: Bytes,
        /// Whether nothing follows on the stream.
        ends: bool,
    },
    /// The stream was reset.
    Reset {
        /// The stream.
        stream: u32,
        /// One of [`code`].
        code: u32,
    },
    /// The connection is given up, or ends after the present streams.
    GoAway {
        /// One of [`code`].
        code: u32,
    },
    /// Our PING came back.
    Pong(Bytes),
    /// Our settings are known to the peer.
    SettingsAck,
    /// The peer opened a window.
    Window {
        /// The stream, or 0.
        stream: u32,
        /// By how much.
        increment: u32,
    },
    /// Anything else.
    Other(Frame),
    /// The connection has ended.
    Closed,
}

/// An answer over HTTP/2.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct H2Answer {
    /// The final status.
    pub status: u16,
    /// The interim answers (1xx) before it.
    pub interim: Vec<u16>,
    /// The fields of the head.
    pub fields: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The trailers.
    pub trailers: Vec<(String, String)>,
}

impl fmt::Debug for H2Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("H2Client").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl H2Client {
    /// Connects and says nothing.
    ///
    /// # Errors
    /// When nobody listens there.
    pub async fn connect(addr: SocketAddr) -> io::Result<Self> {
        let stream = within(TcpStream::connect(addr)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: BytesMut::new(), decoder: Decoder::new(), settings: Vec::new() })
    }

    /// Connects, says the preface and these settings, and waits until the peer knows them.
    ///
    /// # Errors
    /// When the peer does not speak HTTP/2.
    pub async fn open(addr: SocketAddr, settings: &[(u16, u32)]) -> io::Result<Self> {
        let mut client = Self::connect(addr).await?;
        client.send_raw(PREFACE).await?;
        client.send(&Frame::settings(settings)).await?;
        loop {
            match client.event().await? {
                Event::SettingsAck => return Ok(client),
                Event::Closed | Event::GoAway { .. } => {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "no HTTP/2 is spoken here"));
                }
                _ => {}
            }
        }
    }

    /// A setting of the peer, when it has said one.
    #[must_use]
    pub fn peer_setting(&self, name: u16) -> Option<u32> {
        self.settings.iter().rev().find(|setting| setting.0 == name).map(|setting| setting.1)
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// When the peer has gone or takes nothing.
    pub async fn send(&mut self, frame: &Frame) -> io::Result<()> {
        self.send_raw(&frame.bytes()).await
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// When the peer has gone or takes nothing.
    pub async fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        within(self.stream.write_all(bytes)).await
    }

    /// Asks with GET on this stream.
    ///
    /// # Errors
    /// When the peer has gone or takes nothing.
    pub async fn get(&mut self, stream: u32, path: &str) -> io::Result<()> {
        let fields = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", path)];
        self.send(&Frame::headers(stream, flag::END_STREAM | flag::END_HEADERS, &fields)).await
    }

    /// The next that comes from the peer. Its settings are acknowledged on the way.
    ///
    /// # Errors
    /// When nothing comes by the deadline, or a header block cannot be decoded.
    pub async fn event(&mut self) -> io::Result<Event> {
        let Some(frame) = within(self.frame()).await? else { return Ok(Event::Closed) };
        Ok(match frame.kind {
            kind::HEADERS => return self.head(frame).await,
            kind::DATA => Event::Data {
                stream: frame.stream,
                ends: frame.flags & flag::END_STREAM != 0,
                bytes: unpadded(&frame),
            },
            kind::RST_STREAM => Event::Reset { stream: frame.stream, code: frame.number_at(0) },
            kind::GOAWAY => Event::GoAway { code: frame.number_at(4) },
            kind::PING if frame.flags & flag::ACK != 0 => Event::Pong(frame.payload),
            kind::SETTINGS if frame.flags & flag::ACK != 0 => Event::SettingsAck,
            kind::SETTINGS => {
                for setting in frame.payload.chunks_exact(6) {
                    let value = u32::from_be_bytes([setting[2], setting[3], setting[4], setting[5]]);
                    self.settings.push((u16::from_be_bytes([setting[0], setting[1]]), value));
                }
                // A peer that has gone shows in the next event.
                self.send(&Frame::new(kind::SETTINGS, flag::ACK, 0, Bytes::new())).await.ok();
                Event::Other(frame)
            }
            kind::WINDOW_UPDATE => {
                Event::Window { stream: frame.stream, increment: frame.number_at(0) & 0x7fff_ffff }
            }
            _ => Event::Other(frame),
        })
    }

    /// Reads until this stream's answer has ended; what else comes is dropped, and windows are opened
    /// for what was read.
    ///
    /// # Errors
    /// When the stream or the connection ends without it.
    pub async fn answer(&mut self, stream: u32) -> io::Result<H2Answer> {
        let mut answer = H2Answer::default();
        loop {
            let event = self.event().await?;
            match event {
                Event::Head { stream: of, fields, ends } if of == stream => {
                    answer.head(fields);
                    if ends {
                        return Ok(answer);
                    }
                }
                Event::Data { stream: of, bytes, ends } => {
                    let length = u32::try_from(bytes.len()).unwrap_or_default();
                    if length > 0 {
                        self.send(&Frame::window(0, length)).await?;
                    }
                    if of == stream {
                        answer.body.extend_from_slice(&bytes);
                        if ends {
                            return Ok(answer);
                        }
                        if length > 0 {
                            self.send(&Frame::window(stream, length)).await?;
                        }
                    }
                }
                Event::Reset { stream: of, .. } if of == stream => return Err(broken(&event)),
                Event::GoAway { code } if code != code::NO_ERROR => return Err(broken(&event)),
                Event::Closed => return Err(broken(&event)),
                _ => {}
            }
        }
    }

    async fn frame(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = Frame::take(&mut self.buffer) {
                return Ok(Some(frame));
            }
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    async fn head(&mut self, first: Frame) -> io::Result<Event> {
        let mut block = unpadded(&first).to_vec();
        if first.flags & flag::PRIORITY != 0 {
            block.drain(..5.min(block.len()));
        }
        let mut flags = first.flags;
        while flags & flag::END_HEADERS == 0 {
            let Some(more) = within(self.frame()).await? else { return Ok(Event::Closed) };
            block.extend_from_slice(&more.payload);
            flags = more.flags;
        }
        let decoded = self.decoder.decode(&block);
        let pairs =
            decoded.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{error:?}")))?;
        let text = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect();
        let fields = pairs.iter().map(|(name, value)| (text(name), text(value))).collect();
        Ok(Event::Head { stream: first.stream, fields, ends: first.flags & flag::END_STREAM != 0 })
    }
}

impl H2Answer {
    fn head(&mut self, mut fields: Vec<(String, String)>) {
        match status_of(&fields) {
            None => self.trailers = fields,
            Some(interim @ 100..200) => self.interim.push(interim),
            Some(status) => {
                self.status = status;
                fields.retain(|field| field.0 != ":status");
                self.fields = fields;
            }
        }
    }

    /// The first value of a field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|field| field.0 == name).map(|field| field.1.as_str())
    }
}

/// `:status` among the fields of a head.
#[must_use]
pub fn status_of(fields: &[(String, String)]) -> Option<u16> {
    fields.iter().find(|field| field.0 == ":status").and_then(|field| field.1.parse().ok())
}

fn unpadded(frame: &Frame) -> Bytes {
    if frame.flags & flag::PADDED == 0 {
        return frame.payload.clone();
    }
    let padding = frame.payload.first().map_or(0, |length| usize::from(*length));
    let end = frame.payload.len().saturating_sub(padding).max(1);
    frame.payload.slice(1.min(frame.payload.len())..end.min(frame.payload.len()))
}

fn broken(event: &Event) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, format!("{event:?} instead of an answer"))
}

async fn within<T>(step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, "the peer took too long");
    tokio::time::timeout(DEADLINE, step).await.map_err(|_| late())?
}
