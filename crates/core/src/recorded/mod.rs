//! Recorded traffic, as other tools write it down: each request with its answer becomes the same
//! [`Posted`] as a payload does, with its place in the file.
//!
//! A recording is fed piece by piece and keeps no more of it than one record, so that its size does
//! not matter. What is broken is told with its line, and the rest goes on; what is whole and cannot
//! be checked (an aborted request, an answer whose body was not kept) is told as skipped, for it is
//! nobody's fault and must not look like one.

mod goreplay;
mod guess;
mod har;
mod http1;
mod json;
mod split;

pub use guess::guessed;

use crate::label::labels;
use crate::posted::{Malformed, Posted, read};
use goreplay::Pairs;
use json::Elements;
use split::{Piece, Separated};

labels! {
    /// How a recording is written.
    pub enum Format {
        /// The article's payload, one a line.
        JsonLines => "jsonl",
        /// The article's payload, one or an array of them, in any layout.
        Json => "json",
        /// HTTP Archive 1.2, as browsers and proxies save it.
        Har => "har",
        /// What GoReplay writes with `--output-file`, requests with their responses.
        GoReplay => "goreplay",
    }
}

labels! {
    /// Why a record is no check, though nothing is wrong with it.
    pub enum Unusable {
        /// The client or the network gave up before there was an answer.
        Aborted => "aborted",
        /// A request without its response.
        NoAnswer => "no_answer",
        /// A body that was not written down.
        NoBody => "no_body",
        /// The recorder stopped before the message's end.
        CutOff => "cut_off",
        /// The connection went on as something else, such as a WebSocket.
        Upgrade => "upgrade",
        /// `data:`, `blob:` and other requests that never left the client.
        NoHttp => "no_http",
    }
}

/// What stands next in a recording.
#[derive(Debug)]
pub enum Found {
    /// A request with its answer.
    Check(Box<Recorded>),
    /// A record that cannot be checked.
    Unusable {
        /// The line that it begins in.
        line: usize,
        /// Why.
        why: Unusable,
    },
    /// A record that is not in order.
    Broken(Malformed),
}

/// A request with its answer, from a recording.
#[derive(Debug)]
pub struct Recorded {
    /// The line that it begins in, from 1.
    pub line: usize,
    /// The host that it was recorded at, where the recording says so. Nothing is ever sent there.
    pub host: Option<String>,
    /// What was asked and answered.
    pub posted: Posted,
}

/// A recording that is being read.
///
/// ```
/// use parallax_core::recorded::{Format, Found, Recording};
/// let line = br#"{"request": {"method": "GET", "url": {"path": "/a"}}, "response": {"status": 200}}"#;
/// let mut recording = Recording::new(Format::JsonLines);
/// assert!(recording.feed(line).is_empty());
/// let found = recording.feed(b"\nbroken\n");
/// assert!(matches!(&found[..], [Found::Check(check), Found::Broken(error)] if check.line == 1 && error.line == 2));
/// assert!(recording.finish().is_empty());
/// ```
#[derive(Debug)]
pub struct Recording {
    reader: Reader,
}

#[derive(Debug)]
enum Reader {
    Lines(Separated),
    Json(Elements),
    Har(Elements),
    GoReplay(Separated, Pairs),
}

impl Format {
    /// What a file is, by its name or by how it begins; none where neither tells. A name that ends in
    /// `.gz` is that of what was compressed.
    ///
    /// ```
    /// use parallax_core::recorded::Format;
    /// assert_eq!(Format::of("shop.har", b""), Some(Format::Har));
    /// assert_eq!(Format::of("requests.gor.gz", b""), Some(Format::GoReplay));
    /// assert_eq!(Format::of("-", b"{\"request\": {}, \"response\": {}}\n{"), Some(Format::JsonLines));
    /// ```
    #[must_use]
    pub fn of(name: &str, beginning: &[u8]) -> Option<Self> {
        let name = name.strip_suffix(".gz").unwrap_or(name);
        match name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).as_deref() {
            Some("har") => Some(Self::Har),
            Some("gor") => Some(Self::GoReplay),
            Some("jsonl" | "ndjson") => Some(Self::JsonLines),
            _ => Self::of_beginning(beginning),
        }
    }

    fn of_beginning(beginning: &[u8]) -> Option<Self> {
        let text = beginning.strip_prefix(b"\xef\xbb\xbf").unwrap_or(beginning).trim_ascii_start();
        match text {
            [b'1'..=b'3', b' ', ..] => Some(Self::GoReplay),
            [b'[', ..] => Some(Self::Json),
            [b'{', rest @ ..] if rest.trim_ascii_start().starts_with(b"\"log\"") => Some(Self::Har),
            [b'{', ..] => {
                let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
                let is_whole = line.trim_ascii_end().ends_with(b"}");
                Some(if is_whole { Self::JsonLines } else { Self::Json })
            }
            _ => None,
        }
    }
}

impl Recording {
    /// A recording of which nothing was read yet.
    #[must_use]
    pub fn new(format: Format) -> Self {
        let reader = match format {
            Format::JsonLines => Reader::Lines(Separated::by(b"\n")),
            Format::Json => Reader::Json(Elements::of_the_root()),
            Format::Har => Reader::Har(Elements::of_log_entries()),
            Format::GoReplay => Reader::GoReplay(Separated::by(goreplay::SEPARATOR), Pairs::default()),
        };
        Self { reader }
    }

    /// Reads the next bytes, and tells what was completed by them, in the file's order.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Found> {
        let mut pieces = Vec::new();
        match &mut self.reader {
            Reader::Lines(lines) => lines.feed(bytes, &mut pieces),
            Reader::Json(elements) | Reader::Har(elements) => elements.feed(bytes, &mut pieces),
            Reader::GoReplay(records, _) => records.feed(bytes, &mut pieces),
        }
        self.found(pieces)
    }

    /// The file has ended: what was not complete until now never will be.
    #[must_use]
    pub fn finish(mut self) -> Vec<Found> {
        let mut pieces = Vec::new();
        let mut broken = None;
        match &mut self.reader {
            Reader::Lines(lines) => lines.finish(&mut pieces),
            Reader::Json(elements) | Reader::Har(elements) => broken = elements.finish(&mut pieces),
            Reader::GoReplay(records, _) => records.finish(&mut pieces),
        }
        let mut found = self.found(pieces);
        if let Reader::GoReplay(_, pairs) = self.reader {
            found.extend(pairs.finish());
        }
        found.extend(broken.map(Found::Broken));
        found
    }

    fn found(&mut self, pieces: Vec<Piece>) -> Vec<Found> {
        let mut found = Vec::with_capacity(pieces.len());
        for piece in pieces {
            if piece.is_too_long {
                found.push(Found::Broken(piece.too_long()));
                continue;
            }
            match &mut self.reader {
                Reader::Lines(_) | Reader::Json(_) => found.push(payload(&piece)),
                Reader::Har(_) => found.push(har::entry(&piece)),
                Reader::GoReplay(_, pairs) => pairs.add(piece, &mut found),
            }
        }
        found
    }
}

fn payload(piece: &Piece) -> Found {
    match read(&piece.bytes) {
        Ok(posted) => Found::Check(Box::new(Recorded { line: piece.line, host: None, posted })),
        Err(error) => Found::Broken(piece.placed(error)),
    }
}

#[cfg(test)]
mod tests;
