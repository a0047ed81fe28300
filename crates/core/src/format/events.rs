//! Server-sent events (WHATWG HTML 9.2.6), as a client gets them: an array of
//! `{event, id, data, retry}`.
//!
//! `event` is `message` where none is named. `id` stands where it changes, for it lasts until then;
//! `retry` at the next event. Data that is a JSON object or array is a tree. Comments, unknown fields
//! and an event that is not ended do not reach a client, so they do not count.

use bytes::Bytes;

use crate::document::{Builder, Document, ReadError, read};

/// Reads a stream of events.
///
/// # Errors
/// What passes a limit; any text is a stream.
pub(super) fn events(text: &str, max_nodes: usize) -> Result<Document, ReadError> {
    let mut stream = Stream { builder: Builder::new(max_nodes), max_nodes, ..Stream::default() };
    stream.builder.array()?;
    let mut rest = text;
    while let Some(end) = memchr::memchr2(b'\r', b'\n', rest.as_bytes()) {
        let length = if rest[end..].starts_with("\r\n") { 2 } else { 1 };
        stream.line(&rest[..end])?;
        rest = &rest[end + length..];
    }
    stream.rest()?;
    Ok(stream.builder.finish())
}

struct Stream {
    builder: Builder,
    max_nodes: usize,
    event: String,
    data: String,
    has_data: bool,
    /// The last id that came, and the one that the last event had.
    id: String,
    shown_id: String,
    retry: Option<String>,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            builder: Builder::new(0),
            max_nodes: 0,
            event: String::new(),
            data: String::new(),
            has_data: false,
            id: String::new(),
            shown_id: String::new(),
            retry: None,
        }
    }
}

impl Stream {
    fn line(&mut self, line: &str) -> Result<(), ReadError> {
        if line.is_empty() {
            return self.dispatch();
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => value.clone_into(&mut self.event),
            "data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                self.data.push_str(value);
                self.has_data = true;
            }
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                let digits = value.trim_start_matches('0');
                self.retry = Some(if digits.is_empty() { "0" } else { digits }.to_owned());
            }
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self) -> Result<(), ReadError> {
        let (event, data) = (std::mem::take(&mut self.event), std::mem::take(&mut self.data));
        if !std::mem::take(&mut self.has_data) {
            return Ok(());
        }
        self.builder.object()?;
        self.builder.name("event")?;
        self.builder.string(if event.is_empty() { "message" } else { &event })?;
        if self.id != self.shown_id {
            self.builder.name("id")?;
            self.builder.string(&self.id)?;
            self.shown_id.clone_from(&self.id);
        }
        self.builder.name("data")?;
        self.data_of_event(&data)?;
        self.retry()?;
        self.builder.end();
        Ok(())
    }

    fn data_of_event(&mut self, data: &str) -> Result<(), ReadError> {
        if data.trim_start().starts_with(['{', '[']) {
            match read(Bytes::copy_from_slice(data.as_bytes()), self.max_nodes) {
                Ok(document) => return self.builder.subtree(&document, document.root()),
                Err(ReadError::Syntax { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.builder.string(data)
    }

    fn retry(&mut self) -> Result<(), ReadError> {
        let Some(retry) = self.retry.take() else { return Ok(()) };
        self.builder.name("retry")?;
        self.builder.number(&retry)
    }

    /// A time to reconnect that no event followed.
    fn rest(&mut self) -> Result<(), ReadError> {
        if self.retry.is_some() {
            self.builder.object()?;
            self.retry()?;
            self.builder.end();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        String::from_utf8(events(text, 100).unwrap().raw(0).to_vec()).unwrap()
    }

    #[test]
    fn what_a_client_gets() {
        assert_eq!(
            shown(": hello\n\nevent: add\rdata:{\"a\": 1}\r\nid: 7\n\ndata: x\ndata:  y\n\ndata: lost"),
            r#"[{"event":"add","id":"7","data":{"a": 1}},{"event":"message","data":"x\u000a y"}]"#
        );
        assert_eq!(shown("data\n\nevent: none\n\n"), r#"[{"event":"message","data":""}]"#);
        assert_eq!(
            shown("id: 1\ndata: a\n\nid: 1\ndata: b\n\nid\ndata: {c\n\n"),
            r#"[{"event":"message","id":"1","data":"a"},{"event":"message","data":"b"},{"event":"message","id":"","data":"{c"}]"#
        );
        assert_eq!(
            shown("retry: 010\ndata: a\n\nretry: x\nretry: 5\n"),
            r#"[{"event":"message","data":"a","retry":10},{"retry":5}]"#
        );
    }
}
