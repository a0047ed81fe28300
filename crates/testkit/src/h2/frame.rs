//! Frames of HTTP/2 (RFC 9113 section 4), valid or not: whatever a test says goes out.

use bytes::{BufMut as _, Bytes, BytesMut};

/// The bytes with which a client begins (RFC 9113 section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The types of frames (RFC 9113 section 6).
#[expect(missing_docs, reason = "the names are the RFC's")]
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// The flags of frames; some numbers mean one thing here and another there.
#[expect(missing_docs, reason = "the names are the RFC's")]
pub mod flag {
    pub const ACK: u8 = 0x1;
    pub const END_STREAM: u8 = 0x1;
    pub const END_HEADERS: u8 = 0x4;
    pub const PADDED: u8 = 0x8;
    pub const PRIORITY: u8 = 0x20;
}

/// The codes of errors (RFC 9113 section 7).
#[expect(missing_docs, reason = "the names are the RFC's")]
pub mod code {
    pub const NO_ERROR: u32 = 0;
    pub const PROTOCOL_ERROR: u32 = 1;
    pub const INTERNAL_ERROR: u32 = 2;
    pub const FLOW_CONTROL_ERROR: u32 = 3;
    pub const STREAM_CLOSED: u32 = 5;
    pub const FRAME_SIZE_ERROR: u32 = 6;
    pub const REFUSED_STREAM: u32 = 7;
    pub const CANCEL: u32 = 8;
    pub const COMPRESSION_ERROR: u32 = 9;
    pub const ENHANCE_YOUR_CALM: u32 = 11;
}

/// The settings (RFC 9113 section 6.5.2).
#[expect(missing_docs, reason = "the names are the RFC's")]
pub mod setting {
    pub const HEADER_TABLE_SIZE: u16 = 1;
    pub const ENABLE_PUSH: u16 = 2;
    pub const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub const INITIAL_WINDOW_SIZE: u16 = 4;
    pub const MAX_FRAME_SIZE: u16 = 5;
    pub const MAX_HEADER_LIST_SIZE: u16 = 6;
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// One of [`kind`].
    pub kind: u8,
    /// Of [`flag`].
    pub flags: u8,
    /// The stream, or 0 for the connection.
    pub stream: u32,
    /// What follows the nine bytes.
    pub payload: Bytes,
}

impl Frame {
    /// A frame of whatever kind.
    pub fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Bytes>) -> Self {
        Self { kind, flags, stream, payload: payload.into() }
    }

    /// DATA.
    pub fn data(stream: u32, flags: u8, bytes: impl Into<Bytes>) -> Self {
        Self::new(kind::DATA, flags, stream, bytes)
    }

    /// HEADERS with these flags and a block of these fields.
    #[must_use]
    pub fn headers(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Self {
        Self::new(kind::HEADERS, flags, stream, block(fields))
    }

    /// CONTINUATION with a block of these fields.
    #[must_use]
    pub fn continuation(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Self {
        Self::new(kind::CONTINUATION, flags, stream, block(fields))
    }

    /// RST_STREAM.
    #[must_use]
    pub fn reset(stream: u32, code: u32) -> Self {
        Self::new(kind::RST_STREAM, 0, stream, code.to_be_bytes().to_vec())
    }

    /// SETTINGS.
    #[must_use]
    pub fn settings(values: &[(u16, u32)]) -> Self {
        let mut payload = BytesMut::new();
        for (name, value) in values {
            payload.put_u16(*name);
            payload.put_u32(*value);
        }
        Self::new(kind::SETTINGS, 0, 0, payload)
    }

    /// PING.
    #[must_use]
    pub fn ping(payload: &[u8; 8]) -> Self {
        Self::new(kind::PING, 0, 0, payload.to_vec())
    }

    /// GOAWAY, with the last stream that was taken.
    #[must_use]
    pub fn go_away(last: u32, code: u32) -> Self {
        Self::new(kind::GOAWAY, 0, 0, [last.to_be_bytes(), code.to_be_bytes()].concat())
    }

    /// WINDOW_UPDATE.
    #[must_use]
    pub fn window(stream: u32, increment: u32) -> Self {
        Self::new(kind::WINDOW_UPDATE, 0, stream, increment.to_be_bytes().to_vec())
    }

    /// The bytes of the frame.
    ///
    /// # Panics
    /// When the payload is of 16 MiB or more, which no frame can say.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).expect("a payload of less than 16 MiB");
        assert!(length < 1 << 24, "a payload of less than 16 MiB");
        let mut bytes = length.to_be_bytes()[1..].to_vec();
        bytes.extend_from_slice(&[self.kind, self.flags]);
        bytes.extend_from_slice(&self.stream.to_be_bytes());
        bytes.extend_from_slice(&self.payload);
        bytes
    }

    /// Takes a frame off the front of what was read, when it is there to its end.
    pub(crate) fn take(buffer: &mut BytesMut) -> Option<Self> {
        let head = buffer.get(..9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let (kind, flags) = (head[3], head[4]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
        if buffer.len() < 9 + length {
            return None;
        }
        let _ = buffer.split_to(9);
        Some(Self { kind, flags, stream, payload: buffer.split_to(length).freeze() })
    }

    /// Four bytes of the payload as a number; 0 where they are missing.
    #[must_use]
    pub fn number_at(&self, at: usize) -> u32 {
        let bytes = self.payload.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u32::from_be_bytes)
    }
}

/// Fields as literals that enter no table (RFC 7541 section 6.2.2), byte for byte as they are given.
#[must_use]
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        string(&mut block, name);
        string(&mut block, value);
    }
    block
}

fn string(block: &mut Vec<u8>, text: &str) {
    // A length with a prefix of seven bits (RFC 7541 section 5.1); text that is not Huffman-coded.
    let mut left = text.len();
    if left < 127 {
        block.push(u8::try_from(left).unwrap_or_default());
    } else {
        block.push(127);
        left -= 127;
        while left >= 128 {
            block.push(u8::try_from(left % 128).unwrap_or_default() | 128);
            left /= 128;
        }
        block.push(u8::try_from(left).unwrap_or_default());
    }
    block.extend_from_slice(text.as_bytes());
}
