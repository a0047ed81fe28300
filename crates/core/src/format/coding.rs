//! Content codings (RFC 9110 section 8.4): gzip, deflate in both readings, br, zstd, and stacks of
//! them. Bodies are compared decoded, because a coding is how an answer came, not what it is.
//!
//! Decoding is a chain of writers that ends in a [`Sink`]; nothing between them holds more than one
//! buffer, and every layer counts at the sink what it gives and what it costs, so a small bomb costs
//! at most what its sink allows, also when nothing of it ever arrives there.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::{Decompress, FlushDecompress, Status};
use http::header::GetAll;
use http::{HeaderMap, HeaderValue, header};
use zstd::stream::raw::{Decoder as ZstdDecoder, Operation};

/// Most codings, one upon the other.
const MAX_CODINGS: usize = 2;
const BUFFER: usize = 16 * 1024;
/// What a member of a gzip body counts for beside its bytes: an empty one has none, but a decoder.
const MEMBER: usize = 1024;

/// One content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// The codings by name, in any case.
const NAMES: [(&str, Coding); 5] = [
    ("gzip", Coding::Gzip),
    ("x-gzip", Coding::Gzip),
    ("deflate", Coding::Deflate),
    ("br", Coding::Brotli),
    ("zstd", Coding::Zstd),
];

/// The codings of a body, in the order in which they were applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Codings(Vec<Coding>);

/// Why a body is not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DecodeError {
    /// An unknown coding, or bytes that are not coded so, or cut off.
    Undecodable,
    /// More bytes than the limit.
    TooLarge,
}

impl Codings {
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, DecodeError> {
        Self::of_values(headers.get_all(header::CONTENT_ENCODING))
    }

    pub(super) fn of_values(values: GetAll<'_, HeaderValue>) -> Result<Self, DecodeError> {
        let mut codings = Vec::new();
        for value in values {
            let text = value.to_str().map_err(|_| DecodeError::Undecodable)?;
            for word in text.split(',').map(str::trim) {
                if word.is_empty() || word.eq_ignore_ascii_case("identity") {
                    continue;
                }
                let named = NAMES.iter().find(|(name, _)| word.eq_ignore_ascii_case(name));
                let (_, coding) = *named.ok_or(DecodeError::Undecodable)?;
                if codings.len() == MAX_CODINGS {
                    return Err(DecodeError::Undecodable);
                }
                codings.push(coding);
            }
        }
        Ok(Self(codings))
    }

    /// Whether bodies are sent as they are.
    pub(crate) fn is_identity(&self) -> bool {
        self.0.is_empty()
    }

    /// A chain that decodes into `sink`.
    pub(super) fn chain_to<S: Sink>(&self, sink: S) -> io::Result<Box<dyn Stage<S>>> {
        let mut chain: Box<dyn Stage<S>> = Box::new(Last(sink));
        for (depth, coding) in self.0.iter().enumerate() {
            if depth > 0 {
                chain = Box::new(Between(chain));
            }
            chain = match coding {
                Coding::Gzip => Box::new(Gzip(flate2::write::MultiGzDecoder::new(chain))),
                Coding::Deflate => Box::new(Inflate { next: chain, state: InflateState::Start(Vec::new()) }),
                Coding::Brotli => Box::new(Brotli(brotli::DecompressorWriter::new(chain, BUFFER))),
                Coding::Zstd => Box::new(Zstd { next: chain, decoder: ZstdDecoder::new()?, complete: true }),
            };
        }
        Ok(chain)
    }
}

/// Decodes a whole body to at most `cap` bytes. No bytes at all are an empty body in any coding.
pub(crate) fn decode(codings: &Codings, body: &Bytes, cap: usize) -> Result<Bytes, DecodeError> {
    if codings.is_identity() || body.is_empty() {
        return Ok(body.clone());
    }
    let undecodable = |_| DecodeError::Undecodable;
    let mut chain =
        codings.chain_to(Kept { bytes: Vec::new(), passed: 0, cap, over: false }).map_err(undecodable)?;
    let written = chain.write_all(body);
    if chain.sink().over {
        return Err(DecodeError::TooLarge);
    }
    written.map_err(undecodable)?;
    match chain.finish() {
        Ok(kept) => Ok(kept.bytes.into()),
        Err(_) => Err(DecodeError::Undecodable),
    }
}

/// Where decoded bytes end up.
pub(super) trait Sink: Send + 'static {
    /// Takes decoded bytes.
    fn take(&mut self, decoded: &[u8]) -> io::Result<()>;
    /// Counts work for so many bytes that do not arrive here.
    fn pass(&mut self, bytes: usize) -> io::Result<()>;
}

/// One writer of the chain.
pub(super) trait Stage<S>: Write + Send {
    /// The sink at the end of the chain.
    fn sink(&mut self) -> &mut S;
    /// Says that all was written; fails when the coding was cut off.
    fn finish(self: Box<Self>) -> io::Result<S>;
}

struct Kept {
    bytes: Vec<u8>,
    /// Counted beside the bytes that are kept.
    passed: usize,
    cap: usize,
    over: bool,
}

impl Sink for Kept {
    fn take(&mut self, decoded: &[u8]) -> io::Result<()> {
        self.check(decoded.len())?;
        self.bytes.extend_from_slice(decoded);
        Ok(())
    }

    fn pass(&mut self, bytes: usize) -> io::Result<()> {
        self.check(bytes)?;
        self.passed += bytes;
        Ok(())
    }
}

impl Kept {
    fn check(&mut self, more: usize) -> io::Result<()> {
        self.over = self.bytes.len() + self.passed + more > self.cap;
        if self.over { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(()) }
    }
}

struct Last<S>(S);

impl<S: Sink> Write for Last<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.take(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<S: Sink> Stage<S> for Last<S> {
    fn sink(&mut self) -> &mut S {
        &mut self.0
    }

    fn finish(self: Box<Self>) -> io::Result<S> {
        Ok(self.0)
    }
}

/// Counts what one coding hands to the next.
struct Between<S>(Box<dyn Stage<S>>);

impl<S: Sink> Write for Between<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.sink().pass(bytes.len())?;
        self.0.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<S: Sink> Stage<S> for Between<S> {
    fn sink(&mut self) -> &mut S {
        self.0.sink()
    }

    fn finish(self: Box<Self>) -> io::Result<S> {
        self.0.finish()
    }
}

struct Gzip<S: Sink>(flate2::write::MultiGzDecoder<Box<dyn Stage<S>>>);

impl<S: Sink> Write for Gzip<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.0.write(bytes)?;
        // A write ends early at the end of a member, and when the decoder's buffer is full.
        if taken < bytes.len() {
            self.sink().pass(MEMBER)?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<S: Sink> Stage<S> for Gzip<S> {
    fn sink(&mut self) -> &mut S {
        self.0.get_mut().sink()
    }

    fn finish(self: Box<Self>) -> io::Result<S> {
        self.0.finish()?.finish()
    }
}

struct Brotli<S: Sink>(brotli::DecompressorWriter<Box<dyn Stage<S>>>);

impl<S: Sink> Write for Brotli<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<S: Sink> Stage<S> for Brotli<S> {
    fn sink(&mut self) -> &mut S {
        self.0.get_mut().sink()
    }

    fn finish(self: Box<Self>) -> io::Result<S> {
        self.0.into_inner().map_err(|_| cut_off())?.finish()
    }
}

struct Zstd<S> {
    next: Box<dyn Stage<S>>,
    decoder: ZstdDecoder<'static>,
    /// Whether the last frame is complete.
    complete: bool,
}

impl<S: Sink> Write for Zstd<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut buffer = [0; BUFFER];
        let mut rest = bytes;
        loop {
            let step = self.decoder.run_on_buffers(rest, &mut buffer)?;
            self.next.write_all(&buffer[..step.bytes_written])?;
            rest = &rest[step.bytes_read..];
            // With room left in the buffer there is nothing more to come from what was read.
            if step.bytes_read > 0 || step.bytes_written > 0 {
                self.complete = step.remaining == 0;
            }
            if rest.is_empty() && step.bytes_written < BUFFER {
                return Ok(bytes.len());
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<S: Sink> Stage<S> for Zstd<S> {
    fn sink(&mut self) -> &mut S {
        self.next.sink()
    }

    fn finish(self: Box<Self>) -> io::Result<S> {
        if !self.complete {
            return Err(cut_off());
        }
        self.next.finish()
    }
}

/// `deflate` is zlib (RFC 1950) by the standard and raw (RFC 1951) in the wild; the first two bytes
/// tell them apart.
struct Inflate<S> {
    next: Box<dyn Stage<S>>,
    state: InflateState,
}

enum InflateState {
    Start(Vec<u8>),
    Running(Box<Decompress>),
    Done,
}

impl<S: Sink> Inflate<S> {
    fn run(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut buffer = [0; BUFFER];
        let mut rest = bytes;
        loop {
            let InflateState::Running(decompress) = &mut self.state else {
                // What follows the end of the stream is not part of it.
                return if rest.is_empty() { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) };
            };
            let (read, written) = (decompress.total_in(), decompress.total_out());
            let status = decompress.decompress(rest, &mut buffer, FlushDecompress::None)?;
            let read = (decompress.total_in() - read) as usize;
            let written = (decompress.total_out() - written) as usize;
            rest = &rest[read..];
            match status {
                Status::StreamEnd => self.state = InflateState::Done,
                Status::Ok | Status::BufError if rest.is_empty() && written < BUFFER => {
                    return self.next.write_all(&buffer[..written]);
                }
                Status::BufError if read == 0 && written == 0 => return Err(cut_off()),
                Status::Ok | Status::BufError => {}
            }
            self.next.write_all(&buffer[..written])?;
        }
    }
}

impl<S: Sink> Write for Inflate<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let InflateState::Start(seen) = &mut self.state {
            seen.extend_from_slice(bytes);
            if let [first, second, ..] = seen[..] {
                let is_zlib = first & 0x0f == 8 && u16::from_be_bytes([first, second]) % 31 == 0;
                let seen = std::mem::take(seen);
                self.state = InflateState::Running(Box::new(Decompress::new(is_zlib)));
                self.run(&seen)?;
            }
        } else {
            self.run(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<S: Sink> Stage<S> for Inflate<S> {
    fn sink(&mut self) -> &mut S {
        self.next.sink()
    }

    fn finish(self: Box<Self>) -> io::Result<S> {
        match self.state {
            InflateState::Done => self.next.finish(),
            InflateState::Start(_) | InflateState::Running(_) => Err(cut_off()),
        }
    }
}

fn cut_off() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::format) fn headers(codings: &[&'static str]) -> HeaderMap {
        codings.iter().map(|coding| (header::CONTENT_ENCODING, HeaderValue::from_static(coding))).collect()
    }

    pub(in crate::format) fn encode(coding: &str, bytes: &[u8]) -> Vec<u8> {
        let level = flate2::Compression::default();
        let mut out = Vec::new();
        match coding {
            "gzip" => flate2::write::GzEncoder::new(&mut out, level).write_all(bytes).unwrap(),
            "zlib" => flate2::write::ZlibEncoder::new(&mut out, level).write_all(bytes).unwrap(),
            "raw" => flate2::write::DeflateEncoder::new(&mut out, level).write_all(bytes).unwrap(),
            "br" => brotli::CompressorWriter::new(&mut out, 4096, 5, 20).write_all(bytes).unwrap(),
            "zstd" => out = zstd::encode_all(bytes, 3).unwrap(),
            other => panic!("{other}"),
        }
        out
    }

    fn decoded(codings: &[&'static str], bytes: Vec<u8>, cap: usize) -> Result<Bytes, DecodeError> {
        Codings::of(&headers(codings)).and_then(|codings| decode(&codings, &bytes.into(), cap))
    }

    const CODED: [(&str, &str); 5] =
        [("gzip", "gzip"), ("deflate", "zlib"), ("deflate", "raw"), ("br", "br"), ("zstd", "zstd")];

    fn sample() -> Vec<u8> {
        (0..20_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
    }

    #[test]
    fn decodes_every_coding() {
        for (name, coding) in CODED {
            for body in [Vec::new(), b"short".to_vec(), sample()] {
                assert_eq!(decoded(&[name], encode(coding, &body), 1 << 20).unwrap(), body, "{coding}");
            }
        }
        assert_eq!(decoded(&["Identity"], b"x".to_vec(), 0).unwrap(), "x");
    }

    #[test]
    fn decodes_stacks_in_order() {
        let body = encode("br", &encode("gzip", &sample()));
        assert_eq!(decoded(&["gzip, br"], body.clone(), 1 << 20).unwrap(), sample());
        assert_eq!(decoded(&["gzip", "br"], body.clone(), 1 << 20).unwrap(), sample());
        assert_eq!(decoded(&["br, gzip"], body, 1 << 20), Err(DecodeError::Undecodable));
    }

    #[test]
    fn what_is_cut_off_or_garbage_is_undecodable() {
        for (name, coding) in CODED {
            let whole = encode(coding, &sample());
            for length in [1, 2, 5, whole.len() / 2, whole.len() - 1] {
                let result = decoded(&[name], whole[..length].to_vec(), 1 << 20);
                assert_eq!(result, Err(DecodeError::Undecodable), "{coding} {length}");
            }
            assert_eq!(decoded(&[name], b"<html>".to_vec(), 1 << 20), Err(DecodeError::Undecodable));
        }
        assert_eq!(decoded(&["snappy"], b"x".to_vec(), 9), Err(DecodeError::Undecodable));
        assert_eq!(decoded(&["gzip,gzip,gzip"], b"x".to_vec(), 9), Err(DecodeError::Undecodable));
    }

    #[test]
    fn bombs_end_at_the_cap() {
        let zeros = vec![0; 4 << 20];
        for (name, coding) in CODED {
            let bomb = encode(coding, &zeros);
            assert_eq!(decoded(&[name], bomb, 1 << 20), Err(DecodeError::TooLarge), "{coding}");
        }
    }

    #[test]
    fn every_layer_of_a_stack_counts() {
        let cap = 1 << 20;
        let zeros = encode("gzip", &encode("gzip", &vec![0; 64 << 20]));
        assert_eq!(decoded(&["gzip, gzip"], zeros, cap), Err(DecodeError::TooLarge));
        // Nothing ever arrives at the end of these, however much passes between the layers.
        let empty = encode("gzip", b"");
        let members = empty.repeat((8 << 20) / empty.len());
        for outer in ["gzip", "br", "zstd"] {
            let bomb = encode(outer, &members);
            assert!(bomb.len() < cap / 4, "{outer}");
            let codings: &[&'static str] = if outer == "gzip" { &["gzip, gzip"] } else { &["gzip", outer] };
            assert_eq!(decoded(codings, bomb, cap), Err(DecodeError::TooLarge), "{outer}");
        }
        let bytes = empty.len() + members.len().min(cap / 4);
        assert_eq!(decoded(&["gzip"], members[..bytes].to_vec(), cap), Err(DecodeError::TooLarge));
        assert_eq!(decoded(&["gzip"], empty.repeat(100), cap).unwrap(), "");
    }

    #[test]
    fn no_bytes_are_an_empty_body() {
        for (name, _) in CODED {
            assert_eq!(decoded(&[name], Vec::new(), 9).unwrap(), "");
        }
    }

    #[test]
    fn gzip_may_have_members() {
        let body = [encode("gzip", b"one "), encode("gzip", b"two")].concat();
        assert_eq!(decoded(&["x-gzip"], body, 1 << 20).unwrap(), "one two");
    }
}
