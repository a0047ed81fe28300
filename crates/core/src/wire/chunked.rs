//! Where a body in chunks ends (RFC 9112 section 7.1), read strictly.

use super::bytes::is_value;
use super::refusal::Refusal::{self, Malformed};
use super::request::is_field_line;
use super::requests::HeadLimits;

/// Bytes of chunk extensions that one body may have; they say nothing that anybody uses.
const EXTENSIONS: usize = 4096;
/// Hexadecimal digits of a chunk's size.
const DIGITS: u8 = 15;

/// A body in chunks while it passes.
#[derive(Debug, Default)]
pub(super) struct Chunked {
    state: State,
    /// Bytes of content so far.
    content: u64,
    /// Bytes of extensions so far.
    extensions: usize,
    /// Bytes of trailers so far.
    trailers: usize,
    /// The trailer line that has begun.
    line: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    SizeStart,
    Size {
        size: u64,
        digits: u8,
    },
    Extension {
        size: u64,
    },
    SizeLineFeed {
        size: u64,
    },
    Data {
        left: u64,
    },
    DataReturn,
    DataLineFeed,
    TrailerLine,
    TrailerLineFeed,
    Done,
}

impl Chunked {
    /// Reads on; gives the bytes that belong to the body, and whether it ends with them.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        limits: &HeadLimits,
    ) -> Result<(usize, bool), (usize, Refusal)> {
        let mut at = 0;
        while at < bytes.len() && self.state != State::Done {
            if let State::Data { left } = self.state {
                let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len() - at);
                at += taken;
                let left = left - taken as u64;
                self.state = if left == 0 { State::DataReturn } else { State::Data { left } };
                continue;
            }
            self.state = self.next(bytes[at], limits).map_err(|refusal| (at, refusal))?;
            at += 1;
        }
        Ok((at, self.state == State::Done))
    }

    fn next(&mut self, byte: u8, limits: &HeadLimits) -> Result<State, Refusal> {
        match self.state {
            State::SizeStart => match digit(byte) {
                Some(size) => Ok(State::Size { size, digits: 1 }),
                None => Err(Malformed("a chunk does not begin with its size")),
            },
            State::Size { size, digits } => match (digit(byte), byte) {
                (Some(_), _) if digits == DIGITS => Err(Malformed("a chunk's size is too long")),
                (Some(digit), _) => Ok(State::Size { size: size << 4 | digit, digits: digits + 1 }),
                (None, b';') => Ok(State::Extension { size }),
                (None, b'\r') => Ok(State::SizeLineFeed { size }),
                (None, _) => Err(Malformed("a chunk's size is no number")),
            },
            State::Extension { size } => self.extension(byte, size),
            State::SizeLineFeed { size } => {
                line_feed(byte)?;
                self.begin(size, limits)
            }
            State::Data { .. } | State::Done => Ok(self.state),
            State::DataReturn if byte == b'\r' => Ok(State::DataLineFeed),
            State::DataReturn => Err(Malformed("a chunk is longer than it says")),
            State::DataLineFeed => line_feed(byte).map(|()| State::SizeStart),
            State::TrailerLine => self.trailer(byte, limits),
            State::TrailerLineFeed => {
                line_feed(byte)?;
                self.end_line()
            }
        }
    }

    fn extension(&mut self, byte: u8, size: u64) -> Result<State, Refusal> {
        self.extensions += 1;
        match byte {
            b'\r' => Ok(State::SizeLineFeed { size }),
            _ if self.extensions > EXTENSIONS => Err(Malformed("the chunk extensions are too long")),
            b'\t' | b' '..=b'~' => Ok(State::Extension { size }),
            _ => Err(Malformed("a chunk extension has a byte that none may have")),
        }
    }

    fn begin(&mut self, size: u64, limits: &HeadLimits) -> Result<State, Refusal> {
        if size == 0 {
            return Ok(State::TrailerLine);
        }
        self.content = self.content.saturating_add(size);
        if self.content > limits.body { Err(Refusal::Body) } else { Ok(State::Data { left: size }) }
    }

    fn trailer(&mut self, byte: u8, limits: &HeadLimits) -> Result<State, Refusal> {
        self.trailers += 1;
        match byte {
            b'\r' => Ok(State::TrailerLineFeed),
            _ if self.trailers > limits.head => Err(Refusal::Head),
            _ if !is_value(byte) => Err(Malformed("a trailer has a byte that none may have")),
            _ => {
                self.line.push(byte);
                Ok(State::TrailerLine)
            }
        }
    }

    fn end_line(&mut self) -> Result<State, Refusal> {
        if self.line.is_empty() {
            return Ok(State::Done);
        }
        if !is_field_line(&self.line) {
            return Err(Malformed("a trailer is no header line"));
        }
        self.line.clear();
        Ok(State::TrailerLine)
    }
}

fn line_feed(byte: u8) -> Result<(), Refusal> {
    if byte == b'\n' { Ok(()) } else { Err(Malformed("a carriage return stands without its line feed")) }
}

fn digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits { head: 100, uri: 100, headers: 10, body: 1000 };

    /// Fed at once and byte by byte, which must not differ.
    fn feed(text: &str) -> Result<(usize, bool), Refusal> {
        let whole = Chunked::default().feed(text.as_bytes(), &LIMITS).map_err(|(_, refusal)| refusal);
        let mut slowly = Chunked::default();
        let mut taken = 0;
        let mut result = Ok((0, false));
        for byte in text.bytes() {
            match slowly.feed(&[byte], &LIMITS) {
                Ok((used, done)) => {
                    taken += used;
                    result = Ok((taken, done));
                    if done {
                        break;
                    }
                }
                Err((_, refusal)) => {
                    result = Err(refusal);
                    break;
                }
            }
        }
        assert_eq!(whole, result, "{text:?}");
        whole
    }

    #[test]
    fn a_body_ends_where_its_last_chunk_says() {
        assert_eq!(feed("5\r\nhello\r\n0\r\n\r\nGET /"), Ok((15, true)));
        assert_eq!(feed("5;a=\"b\"\r\nhello\r\nA\r\n0123456789\r\n000\r\nx-a: b\r\n\r\n"), Ok((46, true)));
        assert_eq!(feed("5\r\nhel"), Ok((6, false)));
    }

    #[test]
    fn whatever_may_be_read_in_two_ways_is_refused() {
        for bad in [
            "\r\n",
            "g\r\n",
            "0x5\r\n",
            "+5\r\n",
            " 5\r\n",
            "5 \r\n",
            "5\n",
            "5\r\r\n",
            "-1\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "5\r\nhello!\r\n",
            "5\r\nhello0\r\n",
            "1111111111111111\r\n",
            "5;a\nb\r\n",
            "5;\0\r\n",
            "0\r\n: x\r\n\r\n",
            "0\r\na b: x\r\n\r\n",
            "0\r\n x: y\r\n\r\n",
            "0\r\nx\r\n\r\n",
            "0\r\n\n",
            "0\r\nx: y\n\r\n\r\n",
            "0\r\nx: \0\r\n\r\n",
        ] {
            assert!(feed(bad).is_err(), "{bad:?}");
        }
        assert_eq!(feed("3e8\r\n").map(|_| ()), Ok(()));
        assert_eq!(feed("3e9\r\n"), Err(Refusal::Body));
        assert_eq!(feed(&format!("0\r\nx: {}\r\n\r\n", "y".repeat(100))), Err(Refusal::Head));
    }
}
