//! Foreign formats in a child process: bodies that are made to break a decoder break the child alone,
//! soon and with the right reason.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use parallax::isolate::Children;
use parallax_core::compare::{Comparison, compare_with};
use parallax_core::exchange::{Answer, Body};
use parallax_core::isolation::{Foreign, Isolation, Refusal};
use parallax_core::rule::Rules;
use parallax_core::verdict::{Cause, Equality};

fn children() -> Children {
    Children::of(env!("CARGO_BIN_EXE_parallax"), Duration::from_secs(5))
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// A file of these objects, the first of them the catalog, without a table of where they are.
fn pdf(objects: &[&[u8]]) -> Bytes {
    let mut file = b"%PDF-1.4\n".to_vec();
    let mut places = String::new();
    for (number, object) in (1..).zip(objects) {
        writeln!(places, "{:010} 00000 n ", file.len()).expect("memory");
        file.extend(format!("{number} 0 obj\n").bytes().chain(object.iter().copied()));
        file.extend(b"\nendobj\n");
    }
    let (start, size) = (file.len(), objects.len() + 1);
    let table = format!("xref\n0 {size}\n0000000000 65535 f \n{places}trailer\n");
    let trailer = format!("<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n");
    file.extend(table.bytes().chain(trailer.bytes()));
    file.into()
}

/// One page with this content, and one more object.
fn page(content: &[u8], filter: &str, more: &[u8]) -> Bytes {
    let mut stream = format!("<< /Length {} {filter} >>\nstream\n", content.len()).into_bytes();
    stream.extend(content.iter().chain(b"\nendstream"));
    pdf(&[
        b"<< /Type /Catalog /Pages 2 0 R /More 5 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R /MediaBox [0 0 9 9] >>",
        &stream,
        more,
    ])
}

fn answer(body: &Bytes) -> Answer {
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("application/pdf"))];
    Answer {
        status: StatusCode::OK,
        headers: HeaderMap::from_iter(headers),
        body: Body::Whole(body.clone()),
        trailers: None,
    }
}

fn compared(legacy: &Bytes, candidate: &Bytes) -> Comparison {
    compare_with(&answer(legacy), &answer(candidate), &Rules::default(), &children()).comparison
}

fn places(comparison: &Comparison) -> Vec<String> {
    let Comparison::Different(differences) = comparison else { return Vec::new() };
    differences.kept.iter().map(|one| one.path.to_string()).collect()
}

#[test]
fn a_child_decodes_what_the_parent_would() {
    let body = page(b"BT (to be or not) Tj ET", "", b"null");
    let tree = children().decode(Foreign::Pdf, &body).expect("a tree");
    let here = parallax_core::isolation::decode(Foreign::Pdf, &body).expect("a tree");
    assert_eq!(tree.raw(tree.root()), here.raw(here.root()));
    let text = String::from_utf8_lossy(tree.raw(tree.root())).into_owned();
    assert!(text.contains(r#""text":["to","be","or","not"]"#), "{text}");
}

#[test]
fn a_word_is_one_difference_and_so_is_a_line_that_is_drawn() {
    let one = page(b"BT (to be or not) Tj ET 1 0 m", "", b"null");
    let word = page(b"BT (to be or so) Tj ET 1 0 m", "", b"null");
    let line = page(b"BT (to be or not) Tj ET 2 0 m", "", b"null");
    let packed =
        page(&deflated(b"BT\n<746F206265206F72206E6F74> Tj ET 1.0 0 m"), "/Filter /FlateDecode", b"null");
    let catalog = page(b"BT (to be or not) Tj ET 1 0 m", "", b"[1]");
    assert_eq!(places(&compared(&one, &word)), ["$.body.pages[0].text[3]"]);
    assert_eq!(places(&compared(&one, &line)), ["$.body.pages[0].content"]);
    assert_eq!(places(&compared(&one, &catalog)), ["$.body.catalog.More"]);
    assert_eq!(compared(&one, &packed), Comparison::Equal(Equality::Equal));
}

#[test]
fn what_is_no_pdf_is_told_from_what_is() {
    let (one, html) = (page(b"", "", b"null"), Bytes::from_static(b"<html>"));
    assert_eq!(places(&compared(&one, &html)), ["$.body"]);
    let other = Bytes::from_static(b"%PDF-1.7 and nothing more");
    assert_eq!(compared(&other, &html), Comparison::Incomparable(Cause::Undecodable));
}

#[test]
fn bombs_end_soon_and_by_their_reason() {
    let zeros = deflated(&vec![0; 60 << 20]);
    let twice = deflated(&zeros);
    let filter = "/Filter /FlateDecode";
    let filters = "/Filter [/FlateDecode /FlateDecode]";
    let nested = [b"[".repeat(200_000), b"]".repeat(200_000)].concat();
    let huge_png = {
        let mut head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xc3\x50\0\0\xc3\x50\x08\x06\0\0\0".to_vec();
        let mut crc = flate2::Crc::new();
        crc.update(&head[12..]);
        head.extend(crc.sum().to_be_bytes());
        head.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
        head
    };
    // Operands without end, forms within forms: work that no filter shows.
    let operands = deflated(&b"1 ".repeat(20 << 20));
    let outcomes = [
        ("stream", Foreign::Pdf, page(&zeros, filter, b"null"), &[Refusal::TooLarge][..]),
        ("twice", Foreign::Pdf, page(&twice, filters, b"null"), &[Refusal::TooLarge]),
        ("operands", Foreign::Pdf, page(&operands, filter, b"null"), &[Refusal::Budget]),
        ("image", Foreign::Image, huge_png.into(), &[Refusal::TooLarge]),
    ];
    for (name, what, body, expected) in outcomes {
        let began = Instant::now();
        let found = children().decode(what, &body).expect_err(name);
        assert!(expected.contains(&found), "{name}: {found:?}");
        // A second on a core, which takes longer by the clock where others want the core as well.
        assert!(began.elapsed() < Duration::from_secs(5), "{name}: {:?}", began.elapsed());
    }
    // An object that is nested too deeply is none; that is for the library to say.
    let began = Instant::now();
    let _ = children().decode(Foreign::Pdf, &page(b"", "", &nested));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

/// A program that ends in this way, whatever it is asked.
fn script(directory: &Path, name: &str, line: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{line}\n")).expect("a script");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    path
}

#[test]
fn every_end_of_a_child_has_its_reason() {
    let directory = tempfile::tempdir().unwrap();
    let ends = [
        ("killed", "kill -KILL $$", Refusal::Budget),
        ("no-time", "kill -XCPU $$", Refusal::Budget),
        ("aborted", "kill -ABRT $$", Refusal::Crashed),
        ("no-memory", "echo memory allocation of 9 bytes failed >&2; kill -ABRT $$", Refusal::Budget),
        ("segfault", "kill -SEGV $$", Refusal::Crashed),
        ("panicked", "exit 101", Refusal::Crashed),
        ("broken", "exit 65", Refusal::Broken),
        ("nonsense", "echo '{\"pages\":'", Refusal::Crashed),
        ("silent", "exit 0", Refusal::Crashed),
        ("hung", "exec sleep 600", Refusal::Budget),
    ];
    for (name, line, expected) in ends {
        let program = script(directory.path(), name, line);
        let children = Children::of(program, Duration::from_millis(300));
        let found = children.decode(Foreign::Pdf, &Bytes::from_static(b"x"));
        assert_eq!(found.expect_err(name), expected, "{name}");
    }
    let children = Children::of(directory.path().join("none"), Duration::from_secs(1));
    assert_eq!(children.decode(Foreign::Pdf, &Bytes::new()).unwrap_err(), Refusal::Budget);
}

/// The PDFs that scripts/fetch-pdfs fetched.
fn corpus() -> Vec<PathBuf> {
    let root = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let (mut found, mut open) = (Vec::new(), vec![root.join("pdfs")]);
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).expect("scripts/fetch-pdfs has run") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "pdf") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
#[ignore = "needs qpdf and what scripts/fetch-pdfs fetches"]
fn real_files_saved_again_by_qpdf_are_equal() {
    let directory = tempfile::tempdir().unwrap();
    let (mut equal, mut unknown, mut wrong) = (0, 0, String::new());
    let files = corpus();
    assert!(files.len() >= 72, "only {} files", files.len());
    for file in &files {
        let body = Bytes::from(std::fs::read(file).unwrap());
        let Ok(_) = children().decode(Foreign::Pdf, &body) else { continue };
        let ways: [&[&str]; 3] =
            [&["--object-streams=generate"], &["--linearize"], &["--qdf", "--object-streams=disable"]];
        for words in ways {
            let saved = directory.path().join("saved.pdf");
            let status = Command::new("qpdf").args(words).arg(file).arg(&saved).output().unwrap().status;
            // 3: it had to repair the file, so that what it wrote is not what it read.
            if status.code() != Some(0) {
                continue;
            }
            match compared(&body, &std::fs::read(&saved).unwrap().into()) {
                Comparison::Equal(_) => equal += 1,
                // Evidence of nothing: a file with a name that the library cannot read, saved three times.
                Comparison::Incomparable(_) => unknown += 1,
                different @ Comparison::Different(_) => {
                    writeln!(wrong, "{} {words:?}: {:?}", file.display(), places(&different)).unwrap();
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{equal} are equal, but\n{wrong}");
    assert!(equal >= 160 && unknown <= 3, "{equal} are equal, {unknown} cannot be compared");
}

/// A file in which one letter that is drawn is another one: of the same length, so that no offset
/// in the file is wrong.
fn with_another_letter(plain: &[u8]) -> Option<Vec<u8>> {
    let shown = ["Tj", "TJ"].map(|word| memchr::memmem::find_iter(plain, word).collect::<Vec<_>>()).concat();
    let at = shown.into_iter().find_map(|operator| {
        let before = &plain[operator.saturating_sub(200)..operator];
        let operands = before.trim_ascii_end();
        let operands = operands.strip_suffix(b"]").map_or(operands, <[u8]>::trim_ascii_end);
        let last = operands.strip_suffix(b")").or_else(|| operands.strip_suffix(b">"))?;
        let is_letter =
            if operands.ends_with(b")") { u8::is_ascii_alphabetic } else { u8::is_ascii_hexdigit };
        let found = is_letter(last.last()?) && !last.contains(&b'\\');
        found.then(|| operator - before.len() + last.len() - 1)
    })?;
    let mut changed = plain.to_vec();
    changed[at] = if changed[at] == b'e' { b'a' } else { b'e' };
    Some(changed)
}

#[test]
#[ignore = "needs qpdf and what scripts/fetch-pdfs fetches"]
fn real_files_with_another_word_differ() {
    let directory = tempfile::tempdir().unwrap();
    let (mut different, mut unknown, mut wrong) = (0, 0, String::new());
    for file in &corpus() {
        let body = Bytes::from(std::fs::read(file).unwrap());
        let saved = directory.path().join("plain.pdf");
        let words = ["--qdf", "--object-streams=disable"];
        let status = Command::new("qpdf").args(words).arg(file).arg(&saved).output().unwrap().status;
        let readable = status.code() == Some(0) && children().decode(Foreign::Pdf, &body).is_ok();
        let plain = if readable { std::fs::read(&saved).unwrap() } else { continue };
        let Some(changed) = with_another_letter(&plain) else { continue };
        match compared(&body, &changed.into()) {
            Comparison::Different(_) => different += 1,
            // Evidence of nothing, as above.
            Comparison::Incomparable(_) => unknown += 1,
            Comparison::Equal(_) => writeln!(wrong, "{}", file.display()).unwrap(),
        }
    }
    assert!(wrong.is_empty(), "{different} differ, but these are equal\n{wrong}");
    assert!(different >= 40 && unknown <= 1, "{different} differ, {unknown} cannot be compared");
}
