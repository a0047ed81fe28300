//! A stream cut into pieces by what stands between them.

use crate::posted::Malformed;

/// Longest piece that is kept, in bytes.
pub(super) const MAX_PIECE: usize = 64 * 1024 * 1024;

/// A piece of a file, with its place.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    /// The line that it begins in, from 1.
    pub(super) line: usize,
    /// Characters before it in that line.
    pub(super) column: usize,
    /// It was longer than what is kept, and is not here.
    pub(super) is_too_long: bool,
}

impl Piece {
    /// An error in the piece, placed in the file.
    pub(super) fn placed(&self, mut error: Malformed) -> Malformed {
        if error.line == 1 {
            error.column += self.column;
        }
        error.below(self.line - 1)
    }

    /// An error about the whole piece.
    pub(super) fn broken(&self, problem: impl Into<String>, remedy: impl Into<String>) -> Malformed {
        self.placed(Malformed::at(b"", 0, problem, remedy))
    }

    pub(super) fn too_long(&self) -> Malformed {
        self.broken(format!("this record is longer than {MAX_PIECE} bytes"), "leave it out")
    }
}

/// Cuts at a separator. Empty pieces count for nothing.
#[derive(Debug)]
pub(super) struct Separated {
    separator: &'static [u8],
    held: Vec<u8>,
    /// How much of what is held was searched already.
    searched: usize,
    line: usize,
    is_too_long: bool,
}

impl Separated {
    pub(super) fn by(separator: &'static [u8]) -> Self {
        Self { separator, held: Vec::new(), searched: 0, line: 1, is_too_long: false }
    }

    pub(super) fn feed(&mut self, bytes: &[u8], pieces: &mut Vec<Piece>) {
        self.held.extend_from_slice(bytes);
        let mut start = 0;
        let mut from = self.searched;
        while let Some(at) = memchr::memmem::find(&self.held[from..], self.separator) {
            let end = from + at;
            self.push(start, end, pieces);
            let next = end + self.separator.len();
            self.line += memchr::memchr_iter(b'\n', &self.held[start..next]).count();
            self.is_too_long = false;
            start = next;
            from = next;
        }
        self.held.drain(..start);
        if self.held.len() > MAX_PIECE {
            self.is_too_long = true;
            // The separator may have begun.
            let gone = self.held.len() + 1 - self.separator.len();
            self.line += memchr::memchr_iter(b'\n', &self.held[..gone]).count();
            self.held.drain(..gone);
        }
        self.searched = self.held.len().saturating_sub(self.separator.len() - 1);
    }

    pub(super) fn finish(&mut self, pieces: &mut Vec<Piece>) {
        self.push(0, self.held.len(), pieces);
        self.held.clear();
    }

    fn push(&self, start: usize, end: usize, pieces: &mut Vec<Piece>) {
        let bytes = &self.held[start..end];
        let is_empty = bytes.trim_ascii().is_empty() && !self.is_too_long;
        if !is_empty {
            let bytes = if self.is_too_long { Vec::new() } else { bytes.to_vec() };
            pieces.push(Piece { bytes, line: self.line, column: 0, is_too_long: self.is_too_long });
        }
    }
}
