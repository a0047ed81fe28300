//! A body as it came in, piece by piece, without copying. Most bodies are one piece.

use bytes::{Bytes, BytesMut};

/// A body in the pieces in which it came.
#[derive(Debug, Default)]
pub struct Chunks {
    first: Bytes,
    rest: Vec<Bytes>,
    /// Small pieces, copied: a slice of fifty bytes would hold on to the kilobytes that it was
    /// read into, and the budget could not see it.
    tail: BytesMut,
    length: usize,
}

/// Pieces below this are copied, from the second on.
const SMALL: usize = 4096;

impl Chunks {
    /// Adds a piece.
    pub fn push(&mut self, piece: Bytes) {
        self.length += piece.len();
        if self.first.is_empty() {
            self.first = piece;
        } else if piece.len() < SMALL {
            self.tail.extend_from_slice(&piece);
        } else {
            self.settle_tail();
            self.rest.push(piece);
        }
    }

    fn settle_tail(&mut self) {
        if !self.tail.is_empty() {
            self.rest.push(self.tail.split().freeze());
        }
    }

    /// Length in bytes.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let rest = self.rest.iter().map(|piece| &piece[..]);
        std::iter::once(&self.first[..]).chain(rest).chain(std::iter::once(&self.tail[..]))
    }

    /// The pieces in order, to be used up one by one.
    pub fn into_pieces(mut self) -> impl Iterator<Item = Bytes> {
        self.settle_tail();
        std::iter::once(self.first).chain(self.rest)
    }

    /// The whole body; copied only when it came in several pieces.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        if self.rest.is_empty() && self.tail.is_empty() { self.first } else { self.to_compact() }
    }

    /// The whole body in memory of its own, so that it no longer holds the buffer it was read
    /// into, which may be a hundred times larger.
    #[must_use]
    pub fn to_compact(&self) -> Bytes {
        let mut whole = BytesMut::with_capacity(self.length);
        for piece in self.pieces() {
            whole.extend_from_slice(piece);
        }
        whole.freeze()
    }

    /// The same body, in memory of its own.
    #[must_use]
    pub fn compacted(&self) -> Self {
        Self { first: self.to_compact(), length: self.length, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_pieces_stay_in_order() {
        let mut chunks = Chunks::default();
        let mut whole = Vec::new();
        for (number, length) in [5, 10, 5000, 1, 2, 4096, 3].into_iter().enumerate() {
            let piece = vec![u8::try_from(number).unwrap(); length];
            whole.extend_from_slice(&piece);
            chunks.push(piece.into());
        }
        assert_eq!(chunks.length(), whole.len());
        assert_eq!(chunks.to_compact(), whole);
        assert_eq!(chunks.compacted().into_bytes(), whole);
        assert_eq!(chunks.into_pieces().collect::<Vec<_>>().concat(), whole);
    }
}
