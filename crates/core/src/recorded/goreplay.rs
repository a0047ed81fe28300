//! What GoReplay writes (`gor --input-raw :8080 --input-raw-track-response --output-file traffic.gor`):
//! a line `1 ID TIME` before each request, `2 ID TIME LATENCY` before each response, the bytes as they
//! were on the wire, and a line of three monkeys between.
//!
//! A response may stand far behind its request, and before it. What waits for its other half is
//! bounded; beyond that, the oldest is taken for one without an answer.

use std::collections::{HashMap, VecDeque};

use super::http1::{self, Not};
use super::split::Piece;
use super::{Found, Recorded, Unusable};
use crate::posted::Posted;

/// What stands between two records: a line of monkeys.
pub(super) const SEPARATOR: &[u8] = "\n🐵🙈🙉\n".as_bytes();

/// Halves that wait, at most, and the bytes that they hold.
const MOST_WAITING: usize = 20_000;
const MOST_BYTES: usize = 256 * 1024 * 1024;
/// Longest id.
const LONGEST_ID: usize = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Request,
    Response,
}

/// Records that wait for their other half.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    waiting: HashMap<Vec<u8>, (Kind, Piece)>,
    /// In the order in which they came; also those that have found their other half by now.
    order: VecDeque<(Vec<u8>, usize)>,
    bytes: usize,
}

impl Pairs {
    /// Adds a record, and tells what it completes.
    pub(super) fn add(&mut self, mut piece: Piece, found: &mut Vec<Found>) {
        let Some((kind, id, payload)) = header(&piece.bytes) else {
            let problem = "this record does not begin with `1 ID TIME` or `2 ID TIME LATENCY`";
            found.push(Found::Broken(piece.broken(problem, "give a file that GoReplay has written")));
            return;
        };
        // What was answered when the recording was replayed is nobody's truth.
        let Some(kind) = kind else { return };
        let id = id.to_vec();
        piece.bytes.drain(..payload);
        match self.take(&id) {
            Some((Kind::Request, request)) if kind == Kind::Response => found.push(pair(&request, &piece)),
            Some((Kind::Response, response)) if kind == Kind::Request => found.push(pair(&piece, &response)),
            Some((same, earlier)) => {
                found.extend(unpaired(same, &earlier));
                self.wait(id, kind, piece);
            }
            None => self.wait(id, kind, piece),
        }
        while self.waiting.len() > MOST_WAITING || self.bytes > MOST_BYTES {
            let Some((id, line)) = self.order.pop_front() else { break };
            if self.waiting.get(&id).is_some_and(|(_, piece)| piece.line == line)
                && let Some((kind, piece)) = self.take(&id)
            {
                found.extend(unpaired(kind, &piece));
            }
        }
        if self.order.len() > 4 * MOST_WAITING {
            let waiting = &self.waiting;
            self.order.retain(|(id, line)| waiting.get(id).is_some_and(|(_, piece)| piece.line == *line));
        }
    }

    /// No more records come.
    pub(super) fn finish(mut self) -> Vec<Found> {
        let mut left: Vec<(Kind, Piece)> = self.waiting.drain().map(|(_, half)| half).collect();
        left.sort_by_key(|(_, piece)| piece.line);
        left.iter().filter_map(|(kind, piece)| unpaired(*kind, piece)).collect()
    }

    fn wait(&mut self, id: Vec<u8>, kind: Kind, piece: Piece) {
        self.bytes += piece.bytes.len();
        self.order.push_back((id.clone(), piece.line));
        self.waiting.insert(id, (kind, piece));
    }

    fn take(&mut self, id: &[u8]) -> Option<(Kind, Piece)> {
        let half = self.waiting.remove(id)?;
        self.bytes -= half.1.bytes.len();
        Some(half)
    }
}

/// A request without its response is told; a response without its request was none of ours.
fn unpaired(kind: Kind, piece: &Piece) -> Option<Found> {
    (kind == Kind::Request).then_some(Found::Unusable { line: piece.line, why: Unusable::NoAnswer })
}

/// The kind of a record (none for one that was replayed), its id, and where its payload begins.
fn header(bytes: &[u8]) -> Option<(Option<Kind>, &[u8], usize)> {
    let end = memchr::memchr(b'\n', bytes)?;
    let mut words = bytes[..end].trim_ascii_end().split(|&byte| byte == b' ');
    let kind = match words.next()? {
        b"1" => Some(Kind::Request),
        b"2" => Some(Kind::Response),
        b"3" => None,
        _ => return None,
    };
    let id = words.next().filter(|id| (1..=LONGEST_ID).contains(&id.len()))?;
    words.next()?;
    Some((kind, id, end + 1))
}

fn pair(request: &Piece, response: &Piece) -> Found {
    let read = |piece: &Piece, not: Not| match not {
        Not::Usable(why) => Found::Unusable { line: request.line, why },
        Not::InOrder { problem, remedy } => Found::Broken(piece.broken(problem, remedy)),
    };
    let (host, asked) = match http1::request(&request.bytes) {
        Ok(asked) => asked,
        Err(not) => return read(request, not),
    };
    match http1::answer(&response.bytes, &asked.method) {
        Ok(answer) => {
            let posted = Posted { id: None, operation_id: None, request: asked, answer };
            Found::Check(Box::new(Recorded { line: request.line, host, posted }))
        }
        Err(not) => read(response, not),
    }
}
