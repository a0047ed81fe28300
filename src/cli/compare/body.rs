//! Two files as the bodies of two answers, and what they are: by the command line, by their names, or
//! by how they begin. Both get one type, because what is compared is their content: a type that was
//! only guessed must not become a difference.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use parallax_core::exchange::{Answer, Body};

/// Largest file that is read, in bytes.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Media types by extension, in small letters.
const EXTENSIONS: [(&str, &str); 29] = [
    ("json", "application/json"),
    ("geojson", "application/geo+json"),
    ("jsonld", "application/ld+json"),
    ("ndjson", "application/x-ndjson"),
    ("jsonl", "application/x-ndjson"),
    ("sse", "text/event-stream"),
    ("xml", "application/xml"),
    ("rss", "application/rss+xml"),
    ("atom", "application/atom+xml"),
    ("svg", "image/svg+xml"),
    ("html", "text/html"),
    ("htm", "text/html"),
    ("xhtml", "application/xhtml+xml"),
    ("csv", "text/csv"),
    ("tsv", "text/tab-separated-values"),
    ("txt", "text/plain"),
    ("text", "text/plain"),
    ("md", "text/markdown"),
    ("css", "text/css"),
    ("js", "text/javascript"),
    ("form", "application/x-www-form-urlencoded"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("zip", "application/zip"),
    ("bin", "application/octet-stream"),
];

/// Media types by what a body begins with. JSON is not among them: the comparison recognises it.
const BEGINNINGS: [(&[u8], &str); 8] = [
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"<?xml", "application/xml"),
    (b"<!doctype html", "text/html"),
    (b"<html", "text/html"),
];

/// The two files as answers of one type, if a type is known.
pub(super) fn answers(
    files: [&Path; 2],
    content_type: Option<&HeaderValue>,
) -> anyhow::Result<(Answer, Answer)> {
    if files.iter().all(|file| is_stdin(file)) {
        anyhow::bail!("standard input can be one of the two bodies, not both");
    }
    let [legacy, candidate] = [read(files[0])?, read(files[1])?];
    let content_type = content_type.cloned().or_else(|| {
        let by_name = files.iter().find_map(|file| by_extension(file));
        by_name.or_else(|| by_beginning(&legacy, &candidate)).map(HeaderValue::from_static)
    });
    let answer = |body| Answer {
        status: StatusCode::OK,
        headers: HeaderMap::from_iter(content_type.clone().map(|value| (header::CONTENT_TYPE, value))),
        body: Body::Whole(body),
        trailers: None,
    };
    Ok((answer(legacy), answer(candidate)))
}

fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

fn read(file: &Path) -> anyhow::Result<Bytes> {
    let name = if is_stdin(file) { "standard input".to_owned() } else { file.display().to_string() };
    let mut bytes = Vec::new();
    let read = if is_stdin(file) {
        io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut bytes)
    } else {
        File::open(file).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
    };
    if read.with_context(|| format!("cannot read {name}"))? as u64 > MAX_BYTES {
        anyhow::bail!("{name} is larger than {MAX_BYTES} bytes");
    }
    Ok(bytes.into())
}

fn by_extension(file: &Path) -> Option<&'static str> {
    let extension = file.extension()?.to_str()?;
    EXTENSIONS.iter().find(|(known, _)| known.eq_ignore_ascii_case(extension)).map(|(_, media)| *media)
}

/// What both begin with: where only one does, the type says nothing of the other.
fn by_beginning(legacy: &[u8], candidate: &[u8]) -> Option<&'static str> {
    let media = sniffed(legacy)?;
    (sniffed(candidate) == Some(media)).then_some(media)
}

fn sniffed(body: &[u8]) -> Option<&'static str> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
    if body.starts_with(b"RIFF") && body.get(8..12) == Some(b"WEBP") {
        return Some("image/webp");
    }
    let begins = |with: &[u8]| body.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    BEGINNINGS.iter().find(|(with, _)| begins(with)).map(|(_, media)| *media)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_a_file_is() {
        assert_eq!(by_extension(Path::new("a/b.JSON")), Some("application/json"));
        assert_eq!(by_extension(Path::new("a.b.csv")), Some("text/csv"));
        for unknown in ["-", "a", "json", "a.json.bak", ".json"] {
            assert_eq!(by_extension(Path::new(unknown)), None, "{unknown}");
        }
    }

    #[test]
    fn both_have_to_begin_alike() {
        assert_eq!(by_beginning(b"%PDF-1.7\n", b"%PDF-1.4\n"), Some("application/pdf"));
        assert_eq!(by_beginning(b"\n<!DOCTYPE html>", b"<!doctype HTML>"), Some("text/html"));
        assert_eq!(by_beginning(b"RIFF0000WEBPVP8 ", b"RIFF1111WEBPVP8L"), Some("image/webp"));
        assert_eq!(by_beginning(b"%PDF-1.7\n", b"{}"), None);
        assert_eq!(by_beginning(b"{}", b"{}"), None);
        assert_eq!(by_beginning(b"", b""), None);
    }
}
