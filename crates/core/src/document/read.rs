//! Reads JSON (RFC 8259), strictly and without loss, into the arena.
//!
//! A loop with its own stack instead of recursion, at most [`DEPTH_LIMIT`] deep. It stops at the
//! first byte that is not JSON and says where. It decodes nothing: numbers and strings stay what
//! they were in the source.

use bytes::Bytes;

use super::{Document, Node, NodeKind};

/// Deepest nesting that is read.
pub const DEPTH_LIMIT: usize = 128;

/// Why bytes are no document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Not JSON.
    #[error("no JSON from byte {offset} on")]
    Syntax {
        /// The first byte that does not belong there, or the length when the end came too early.
        offset: usize,
    },
    /// Nested too deeply.
    #[error("nested more than {DEPTH_LIMIT} deep at byte {offset}")]
    Depth {
        /// Where the limit was passed.
        offset: usize,
    },
    /// More nodes than the limit, or more bytes than the arena can address.
    #[error("more nodes than the limit at byte {offset}")]
    Nodes {
        /// Where the limit was passed.
        offset: usize,
    },
}

/// Reads a JSON text with at most `max_nodes` values and names. A byte order mark is skipped.
///
/// # Errors
/// Where the text is not JSON, or passes a limit.
pub fn read(source: Bytes, max_nodes: usize) -> Result<Document, ReadError> {
    read_beside(source, max_nodes, None)
}

/// The same, beside a document that is probably much alike: what is spelt the same there is taken
/// over and not read again. What comes out does not depend on it.
pub(crate) fn read_beside(
    source: Bytes,
    max_nodes: usize,
    twin: Option<&Document>,
) -> Result<Document, ReadError> {
    if u32::try_from(source.len()).is_err() {
        return Err(ReadError::Nodes { offset: 0 });
    }
    // Most bodies are ASCII, which is told several times faster than that UTF-8 is well formed.
    if !source.is_ascii()
        && let Err(error) = std::str::from_utf8(&source)
    {
        return Err(ReadError::Syntax { offset: error.valid_up_to() });
    }
    let mut reader = Reader {
        bytes: &source,
        at: if source.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 },
        nodes: Vec::with_capacity((source.len() / 6).clamp(8, 4096).min(max_nodes)),
        open: Vec::with_capacity(16),
        max_nodes,
        twin,
    };
    reader.document()?;
    let nodes = reader.nodes;
    Ok(Document { source, nodes })
}

struct Reader<'s> {
    bytes: &'s [u8],
    at: usize,
    nodes: Vec<Node>,
    /// Containers that are not closed yet, and whether each is an object.
    open: Vec<(u32, bool)>,
    max_nodes: usize,
    twin: Option<&'s Document>,
}

impl Reader<'_> {
    fn document(&mut self) -> Result<(), ReadError> {
        loop {
            if self.value()? {
                continue;
            }
            if !self.after_value()? {
                self.white_space();
                return if self.at == self.bytes.len() { Ok(()) } else { Err(self.syntax()) };
            }
        }
    }

    /// Reads one value, or the opening of a container that has something in it (then true, and
    /// the next value is its first).
    fn value(&mut self) -> Result<bool, ReadError> {
        self.white_space();
        match self.peek() {
            Some(b'{') => return self.open_container(NodeKind::Object, b'}'),
            Some(b'[') => return self.open_container(NodeKind::Array, b']'),
            Some(b'"') => self.string(NodeKind::String)?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.literal(b"true", NodeKind::True)?,
            Some(b'f') => self.literal(b"false", NodeKind::False)?,
            Some(b'n') => self.literal(b"null", NodeKind::Null)?,
            _ => return Err(self.syntax()),
        }
        Ok(false)
    }

    fn open_container(&mut self, kind: NodeKind, close: u8) -> Result<bool, ReadError> {
        if self.open.len() >= DEPTH_LIMIT {
            return Err(ReadError::Depth { offset: self.at });
        }
        if self.take_over(kind) {
            return Ok(false);
        }
        let id = self.push(kind, false, self.at, self.at)?;
        self.at += 1;
        self.open.push((id, kind == NodeKind::Object));
        self.white_space();
        if self.peek() == Some(close) {
            self.close();
            return Ok(false);
        }
        if kind == NodeKind::Object {
            self.name()?;
        }
        Ok(true)
    }

    /// Takes the container that begins here from the twin, if the twin has the same bytes at the same
    /// node. A container ends where its bytes say, so what stands around it does not matter.
    fn take_over(&mut self, kind: NodeKind) -> bool {
        let Some(twin) = self.twin else { return false };
        let id = self.nodes.len();
        let Some(&Node { kind: same, start, stop, end, .. }) = twin.nodes.get(id) else { return false };
        let count = end as usize - id;
        // No subtree is deeper than it has nodes, so neither limit can be passed unseen.
        let within = self.open.len() + count <= DEPTH_LIMIT && end as usize <= self.max_nodes;
        let spelt = &twin.source[start as usize..stop as usize];
        if !within || same != kind || !self.bytes[self.at..].starts_with(spelt) {
            return false;
        }
        let moved = |at: u32| at - start + self.at as u32;
        let nodes = &twin.nodes[id..end as usize];
        self.nodes.extend(nodes.iter().map(|node| Node {
            start: moved(node.start),
            stop: moved(node.stop),
            ..*node
        }));
        self.at += spelt.len();
        true
    }

    /// What follows a value: the ends of containers, then either a comma (true) or the end.
    fn after_value(&mut self) -> Result<bool, ReadError> {
        while let Some(&(_, is_object)) = self.open.last() {
            self.white_space();
            match (self.peek(), is_object) {
                (Some(b','), true) => {
                    self.at += 1;
                    self.white_space();
                    self.name()?;
                    return Ok(true);
                }
                (Some(b','), false) => {
                    self.at += 1;
                    return Ok(true);
                }
                (Some(b'}'), true) | (Some(b']'), false) => self.close(),
                _ => return Err(self.syntax()),
            }
        }
        Ok(false)
    }

    fn close(&mut self) {
        self.at += 1;
        let end = self.nodes.len() as u32;
        if let Some((id, _)) = self.open.pop() {
            let node = &mut self.nodes[id as usize];
            node.stop = self.at as u32;
            node.end = end;
        }
    }

    fn name(&mut self) -> Result<(), ReadError> {
        if self.peek() != Some(b'"') {
            return Err(self.syntax());
        }
        self.string(NodeKind::Name)?;
        self.white_space();
        if self.peek() != Some(b':') {
            return Err(self.syntax());
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self, kind: NodeKind) -> Result<(), ReadError> {
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.plain();
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return Err(self.syntax()),
            }
        }
        self.push(kind, escaped, start, self.at)?;
        self.at += 1;
        Ok(())
    }

    /// Skips what stands for itself in a string: eight bytes at a time, then one by one up to a
    /// quote, a backslash or a control character.
    fn plain(&mut self) {
        while let Some(chunk) = self.bytes[self.at..].first_chunk::<8>() {
            let special = special_bytes(u64::from_le_bytes(*chunk));
            if special != 0 {
                self.at += (special.trailing_zeros() / 8) as usize;
                return;
            }
            self.at += 8;
        }
        while let Some(byte) = self.peek() {
            if byte == b'"' || byte == b'\\' || byte < 0x20 {
                return;
            }
            self.at += 1;
        }
    }

    fn escape(&mut self) -> Result<(), ReadError> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return Err(self.syntax());
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.syntax()),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), ReadError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        self.push(NodeKind::Number, false, start, self.at).map(|_| ())
    }

    fn digits(&mut self) -> Result<(), ReadError> {
        let count = self.bytes[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { Err(self.syntax()) } else { Ok(()) }
    }

    fn literal(&mut self, word: &[u8], kind: NodeKind) -> Result<(), ReadError> {
        let start = self.at;
        for &expected in word {
            if self.peek() != Some(expected) {
                return Err(self.syntax());
            }
            self.at += 1;
        }
        self.push(kind, false, start, self.at).map(|_| ())
    }

    fn push(&mut self, kind: NodeKind, escaped: bool, start: usize, stop: usize) -> Result<u32, ReadError> {
        if self.nodes.len() >= self.max_nodes {
            return Err(ReadError::Nodes { offset: start });
        }
        let id = self.nodes.len() as u32;
        self.nodes.push(Node { kind, escaped, start: start as u32, stop: stop as u32, end: id + 1 });
        Ok(id)
    }

    fn white_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn syntax(&self) -> ReadError {
        ReadError::Syntax { offset: self.at }
    }
}

/// Marks the high bit of every byte (up to the first mark, exactly) that is a quote, a backslash or
/// a control character: three tests for a small byte, after Mycroft.
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let zero_bytes = |word: u64| word.wrapping_sub(ONES) & !word;
    let quote = zero_bytes(word ^ (ONES * 0x22));
    let backslash = zero_bytes(word ^ (ONES * 0x5c));
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (quote | backslash | control) & HIGHS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> ReadError {
        read(text.as_bytes().to_vec().into(), 1_000).unwrap_err()
    }

    #[test]
    fn says_where_it_stops() {
        assert_eq!(error(""), ReadError::Syntax { offset: 0 });
        assert_eq!(error("[1,]"), ReadError::Syntax { offset: 3 });
        assert_eq!(error("{\"a\" 1}"), ReadError::Syntax { offset: 5 });
        assert_eq!(error("tru"), ReadError::Syntax { offset: 3 });
        assert_eq!(error("1 2"), ReadError::Syntax { offset: 2 });
        assert_eq!(error("\"abcdefgh\u{1}\""), ReadError::Syntax { offset: 9 });
        assert_eq!(error("[\"ab\n\"]"), ReadError::Syntax { offset: 4 });
        assert_eq!(read(b"\"\xff\"".as_slice().into(), 9).unwrap_err(), ReadError::Syntax { offset: 1 });
    }

    #[test]
    fn depth_and_nodes_are_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(read(nested(DEPTH_LIMIT).into(), 1_000).is_ok());
        assert_eq!(error(&nested(DEPTH_LIMIT + 1)), ReadError::Depth { offset: DEPTH_LIMIT });
        assert_eq!(error(&"[".repeat(100_000)), ReadError::Depth { offset: DEPTH_LIMIT });
        assert_eq!(read("[1,2,3]".into(), 3).unwrap_err(), ReadError::Nodes { offset: 5 });
    }

    #[test]
    fn a_twin_changes_nothing() {
        let deep = |depth: usize| "[".repeat(depth) + "{}" + &"]".repeat(depth);
        let texts = [
            "[{\"a\":[1,2]},{\"a\":[1,2]},{\"b\":{}}]".to_owned(),
            "[{\"a\":[1,2.0]}, {\"a\":[1,2]} ,{\"b\":{}}]".to_owned(),
            "  [{\"a\":[1,2]},{\"a\":[1,2]},{\"b\":{}}]  ".to_owned(),
            "[{\"a\":[1,2]}]]".to_owned(),
            "[{\"a\":[1,2]}".to_owned(),
            "[{\"a\":[1,2]}x]".to_owned(),
            "[0,{\"a\":[1,2]},{\"b\":{}}]".to_owned(),
            "[\"[\",[]]".to_owned(),
            "[\"{\",{}]".to_owned(),
            deep(DEPTH_LIMIT - 1),
            format!("[{}]", deep(DEPTH_LIMIT - 1)),
            format!("[0,{}]", deep(DEPTH_LIMIT - 2)),
        ];
        for first in &texts {
            let Ok(twin) = read(first.clone().into(), 1_000) else { continue };
            for text in &texts {
                for max_nodes in [4, 7, 1_000] {
                    let alone = read(text.clone().into(), max_nodes).map(|document| document.nodes);
                    let beside = read_beside(text.clone().into(), max_nodes, Some(&twin));
                    assert_eq!(alone, beside.map(|document| document.nodes), "{text} beside {first}");
                }
            }
        }
    }

    #[test]
    fn special_bytes_are_found_wherever_they_stand() {
        for special in ["\"", "\\\"", "\u{0}"] {
            for length in 0..20 {
                let text = format!("\"{}{special}", "é".repeat(length));
                match read(text.clone().into(), 10) {
                    Ok(document) => assert_eq!(document.text(0), "é".repeat(length)),
                    Err(error) => assert_eq!(
                        error,
                        ReadError::Syntax {
                            offset: if special == "\u{0}" { text.len() - 1 } else { text.len() }
                        }
                    ),
                }
            }
        }
    }
}
