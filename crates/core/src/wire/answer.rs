//! The head of an answer: clean, to be repaired, or ambiguous. Bytes in, verdict out.
//!
//! [`glance`] is for the usual case: one pass that finds the end of a head in which nothing is
//! odd, and copies nothing. Whatever makes it hesitate goes to [`judge`], which takes the head
//! apart and writes it anew.
//!
//! What is repaired, with the sentence that allows it: obs-fold (RFC 9112 section 5.2), a bare LF
//! as the end of a line, a bare CR and lines of white space before the first field (section 2.2),
//! white space before the colon (section 5.1), a Content-Length that says the same several times
//! and one that stands beside Transfer-Encoding (section 6.3), a framing where there is no body, NUL in a value (RFC 9110 section
//! 5.5), and empty members of the list in Transfer-Encoding (RFC 9110 section 5.6.1).
//!
//! What is not: lengths that differ or are no numbers, and any transfer coding but one `chunked`,
//! because we never ask for another, could not undo it, and must not pass it on. Names and values
//! that are no HTTP otherwise are left to the library, which refuses them.

use memchr::{memchr, memchr3};

/// Longest head that is taken from a side. nginx and Envoy stop far earlier by default; the
/// library behind this one stops later.
pub const HEAD_LIMIT_BYTES: usize = 256 * 1024;

/// Something that was repaired in a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// A value continued on the next line: now on one line.
    ObsFold,
    /// A line that ended with LF alone.
    BareLf,
    /// CR within a line, or NUL: now a space.
    Control,
    /// White space between a name and its colon.
    SpaceBeforeColon,
    /// The same Content-Length several times: now once.
    EqualLengths,
    /// Content-Length beside Transfer-Encoding: taken off, and the connection is not used again.
    LengthBesideCoding,
    /// A framing for an answer that has no body (RFC 9110 section 8.6, RFC 9112 section 6.1): taken off,
    /// and the connection is not used again, because a body may follow after all.
    FramingOfNothing,
    /// Transfer-Encoding spelt over several lines or with empty members: now `chunked`.
    CodingList,
}

impl Repair {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::ObsFold,
        Self::BareLf,
        Self::Control,
        Self::SpaceBeforeColon,
        Self::EqualLengths,
        Self::LengthBesideCoding,
        Self::FramingOfNothing,
        Self::CodingList,
    ];

    /// The value of the metric label `repair`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ObsFold => "obs_fold",
            Self::BareLf => "bare_lf",
            Self::Control => "control_character",
            Self::SpaceBeforeColon => "space_before_colon",
            Self::EqualLengths => "equal_content_lengths",
            Self::LengthBesideCoding => "content_length_beside_transfer_encoding",
            Self::FramingOfNothing => "framing_without_body",
            Self::CodingList => "transfer_encoding_list",
        }
    }
}

/// What was repaired in one head, each kind once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repairs(u8);

impl Repairs {
    fn add(&mut self, repair: Repair) {
        self.0 |= 1 << repair as u8;
    }

    /// The kinds.
    pub fn iter(self) -> impl Iterator<Item = Repair> {
        Repair::ALL.iter().copied().filter(move |&repair| self.0 & (1 << repair as u8) != 0)
    }

    /// Whether this is among them.
    #[must_use]
    pub fn contains(self, repair: Repair) -> bool {
        self.0 & (1 << repair as u8) != 0
    }
}

/// Why a head cannot be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ambiguous {
    /// It does not begin as HTTP/1 does.
    #[error("the answer does not begin with an HTTP/1 status line")]
    NotHttp,
    /// It has no end within the limit.
    #[error("the answer's head is longer than {HEAD_LIMIT_BYTES} bytes")]
    TooLong,
    /// Interim answers, and no final one.
    #[error("the answer does not come: there are too many interim ones (1xx) before it")]
    OnlyInterim,
    /// A line without a name and a colon.
    #[error("a line of the answer's head has no name and colon")]
    NoField,
    /// A Content-Length that is no number.
    #[error("the answer's Content-Length is no number")]
    LengthMalformed,
    /// Two lengths.
    #[error("the answer has Content-Lengths that differ")]
    LengthsDiffer,
    /// A transfer coding that nobody asked for.
    #[error("the answer's last transfer coding is not `chunked`, or there are others")]
    CodingUnknown,
    /// Chunks within chunks.
    #[error("the answer's transfer coding is `chunked` twice")]
    ChunkedTwice,
    /// A version that knows no transfer codings.
    #[error("the answer is HTTP/1.0 and has a Transfer-Encoding")]
    CodingInHttp10,
}

/// What one pass over the bytes shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glance {
    /// No end yet.
    Incomplete,
    /// A head of this length in which nothing is odd.
    Clean {
        /// Bytes up to and with the empty line.
        length: usize,
        /// Whether another head follows it: 1xx, but not 101.
        interim: bool,
    },
    /// Something is odd: to be judged once it is complete.
    Odd,
}

/// A head that was taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The head to pass on.
    pub head: Vec<u8>,
    /// What was repaired in it; nothing where it only looked odd.
    pub repairs: Repairs,
    /// Whether another head follows it.
    pub interim: bool,
    /// Whether the connection must not be used again.
    pub closes: bool,
}

/// Looks once over what begins with a head.
#[must_use]
pub fn glance(bytes: &[u8]) -> Glance {
    let mut at = leading_empty_lines(bytes);
    let start = &bytes[at..];
    if !begins_as_http(start) {
        return Glance::Odd;
    }
    let (mut is_first, mut has_length, mut has_coding, mut has_body) = (true, false, false, false);
    loop {
        let Some(found) = memchr3(b'\r', b'\n', 0, &bytes[at..]) else { return Glance::Incomplete };
        let end = at + found;
        match (bytes[end], bytes.get(end + 1)) {
            (b'\r', Some(b'\n')) => {}
            (b'\r', None) => return Glance::Incomplete,
            _ => return Glance::Odd,
        }
        let line = &bytes[at..end];
        at = end + 2;
        if line.is_empty() {
            break;
        }
        if is_first {
            is_first = false;
            continue;
        }
        match framing(line) {
            Framing::None => {}
            Framing::Length(value) if !has_length && is_number(value) => {
                has_length = true;
                has_body |= !is_zero(value);
            }
            Framing::Coding(value) if !has_coding && value.eq_ignore_ascii_case(b"chunked") => {
                has_coding = true;
                has_body = true;
            }
            Framing::Length(_) | Framing::Coding(_) | Framing::Odd => return Glance::Odd,
        }
    }
    let is_ambiguous = has_coding && (has_length || is_http10(start)) || has_body && is_bodiless(start);
    if is_ambiguous || at > HEAD_LIMIT_BYTES {
        return Glance::Odd;
    }
    Glance::Clean { length: at, interim: is_interim(start) }
}

/// Where a head ends, its empty line included, when it ends within these bytes. What lies before
/// `from` was searched already.
///
/// # Errors
/// When this is no head, or too long for one.
pub fn end_of_head(bytes: &[u8], from: usize) -> Result<Option<usize>, Ambiguous> {
    let start = leading_empty_lines(bytes);
    if !begins_as_http(&bytes[start..]) {
        return Err(Ambiguous::NotHttp);
    }
    // The end may have begun with the last two bytes that were searched.
    let mut at = from.saturating_sub(2).max(start);
    let end = loop {
        let Some(found) = memchr(b'\n', &bytes[at..]) else { break None };
        at += found + 1;
        match &bytes[at..] {
            [b'\n', ..] => break Some(at + 1),
            [b'\r', b'\n', ..] => break Some(at + 2),
            _ => {}
        }
    };
    if end.unwrap_or(bytes.len()) > HEAD_LIMIT_BYTES { Err(Ambiguous::TooLong) } else { Ok(end) }
}

/// Takes a complete head apart and writes it anew.
///
/// # Errors
/// When its framing could be read in two ways, or there is no framing to be read.
pub fn judge(head: &[u8]) -> Result<Judged, Ambiguous> {
    let mut repairs = Repairs::default();
    let mut lines = lines(&head[leading_empty_lines(head)..], &mut repairs);
    let status_line = lines.next().unwrap_or_default();
    let mut fields = unfold(lines, &mut repairs)?;
    let mut closes = settle_framing(&mut fields, is_http10(&status_line), &mut repairs)?;
    if is_bodiless(&status_line) {
        closes |= strip_framing(&mut fields, &mut repairs);
    }
    let interim = is_interim(&status_line);
    let mut written = Vec::with_capacity(head.len() + 8);
    written.extend_from_slice(&status_line);
    written.extend_from_slice(b"\r\n");
    for Field { name, value } in fields {
        written.extend_from_slice(&name);
        written.extend_from_slice(b": ");
        written.extend_from_slice(&value);
        written.extend_from_slice(b"\r\n");
    }
    written.extend_from_slice(b"\r\n");
    Ok(Judged { head: written, repairs, interim, closes })
}

/// A field on its way into the new head.
struct Field {
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Field {
    fn is(&self, name: &[u8]) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// The lines of a head up to the empty one, without their ends and without what must not be
/// within a line.
fn lines(head: &[u8], repairs: &mut Repairs) -> std::vec::IntoIter<Vec<u8>> {
    let mut lines = Vec::new();
    for line in head.split(|&byte| byte == b'\n') {
        let (line, ended_well) = match line.strip_suffix(b"\r") {
            Some(line) => (line, true),
            None => (line, false),
        };
        if !ended_well {
            repairs.add(Repair::BareLf);
        }
        if line.is_empty() {
            break;
        }
        let mut line = line.to_vec();
        for byte in &mut line {
            if matches!(byte, b'\r' | 0) {
                *byte = b' ';
                repairs.add(Repair::Control);
            }
        }
        lines.push(line);
    }
    lines.into_iter()
}

fn unfold(lines: impl Iterator<Item = Vec<u8>>, repairs: &mut Repairs) -> Result<Vec<Field>, Ambiguous> {
    let mut fields: Vec<Field> = Vec::new();
    for line in lines {
        if matches!(line[0], b' ' | b'\t') {
            repairs.add(Repair::ObsFold);
            // Before the first field there is nothing to continue: the line counts for nothing.
            if let Some(field) = fields.last_mut() {
                field.value.push(b' ');
                field.value.extend_from_slice(trim(&line));
            }
            continue;
        }
        let colon = memchr(b':', &line).filter(|&colon| colon > 0).ok_or(Ambiguous::NoField)?;
        let name = line[..colon].trim_ascii_end();
        if name.len() < colon {
            repairs.add(Repair::SpaceBeforeColon);
        }
        fields.push(Field { name: name.to_vec(), value: trim(&line[colon + 1..]).to_vec() });
    }
    for field in &mut fields {
        field.value = trim(&field.value).to_vec();
    }
    Ok(fields)
}

/// Leaves one way to read where the body ends (RFC 9112 section 6.3). Says whether the connection
/// must not be used again.
fn settle_framing(
    fields: &mut Vec<Field>,
    is_http10: bool,
    repairs: &mut Repairs,
) -> Result<bool, Ambiguous> {
    let lengths = settle_lengths(fields, repairs)?;
    let codings: Vec<&[u8]> = fields
        .iter()
        .filter(|field| field.is(TRANSFER_ENCODING))
        .flat_map(|field| field.value.split(|&byte| byte == b','))
        .map(trim)
        .collect();
    if codings.is_empty() {
        return Ok(false);
    }
    if is_http10 {
        return Err(Ambiguous::CodingInHttp10);
    }
    let named: Vec<&[u8]> = codings.iter().copied().filter(|coding| !coding.is_empty()).collect();
    let is_chunked = |coding: &&[u8]| coding.eq_ignore_ascii_case(b"chunked");
    match named.as_slice() {
        [only] if is_chunked(only) => {}
        all if all.len() > 1 && all.iter().all(is_chunked) => return Err(Ambiguous::ChunkedTwice),
        _ => return Err(Ambiguous::CodingUnknown),
    }
    if codings.len() > 1 {
        repairs.add(Repair::CodingList);
        keep_first(fields, TRANSFER_ENCODING, b"chunked");
    }
    if lengths > 0 {
        repairs.add(Repair::LengthBesideCoding);
        fields.retain(|field| !field.is(CONTENT_LENGTH));
    }
    Ok(lengths > 0)
}

/// Takes off what announces a body where there is none. `Content-Length: 0` is wrong too, and so
/// usual and so harmless that it may stay.
fn strip_framing(fields: &mut Vec<Field>, repairs: &mut Repairs) -> bool {
    let announces =
        |field: &Field| field.is(TRANSFER_ENCODING) || field.is(CONTENT_LENGTH) && !is_zero(&field.value);
    let before = fields.len();
    fields.retain(|field| !announces(field));
    let is_stripped = fields.len() < before;
    if is_stripped {
        repairs.add(Repair::FramingOfNothing);
    }
    is_stripped
}

/// Leaves at most one Content-Length, and says how many there were.
fn settle_lengths(fields: &mut Vec<Field>, repairs: &mut Repairs) -> Result<usize, Ambiguous> {
    let lengths: Vec<Vec<u8>> = fields
        .iter()
        .filter(|field| field.is(CONTENT_LENGTH))
        .flat_map(|field| field.value.split(|&byte| byte == b','))
        .map(|length| trim(length).to_vec())
        .collect();
    let Some(first) = lengths.first() else { return Ok(0) };
    let wanted = number(first)?;
    for length in &lengths {
        if number(length)? != wanted {
            return Err(Ambiguous::LengthsDiffer);
        }
    }
    if lengths.len() > 1 {
        repairs.add(Repair::EqualLengths);
        keep_first(fields, CONTENT_LENGTH, first);
    }
    Ok(lengths.len())
}

fn keep_first(fields: &mut Vec<Field>, name: &[u8], value: &[u8]) {
    let mut seen = false;
    fields.retain(|field| !field.is(name) || !std::mem::replace(&mut seen, true));
    if let Some(field) = fields.iter_mut().find(|field| field.is(name)) {
        field.value = value.to_vec();
    }
}

const CONTENT_LENGTH: &[u8] = b"content-length";
const TRANSFER_ENCODING: &[u8] = b"transfer-encoding";

/// What a line of a head says about the framing.
enum Framing<'l> {
    None,
    Length(&'l [u8]),
    Coding(&'l [u8]),
    Odd,
}

fn framing(line: &[u8]) -> Framing<'_> {
    let Some(colon) = memchr(b':', line).filter(|&colon| colon > 0) else { return Framing::Odd };
    if matches!(line[0], b' ' | b'\t') || matches!(line[colon - 1], b' ' | b'\t') {
        return Framing::Odd;
    }
    match colon {
        14 if line[..colon].eq_ignore_ascii_case(CONTENT_LENGTH) => Framing::Length(trim(&line[colon + 1..])),
        17 if line[..colon].eq_ignore_ascii_case(TRANSFER_ENCODING) => {
            Framing::Coding(trim(&line[colon + 1..]))
        }
        _ => Framing::None,
    }
}

fn is_number(value: &[u8]) -> bool {
    number(value).is_ok()
}

fn is_zero(value: &[u8]) -> bool {
    value.iter().all(|&digit| digit == b'0')
}

/// RFC 9110 section 8.6: digits, and nothing else.
fn number(value: &[u8]) -> Result<u64, Ambiguous> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Ambiguous::LengthMalformed);
    }
    std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).ok_or(Ambiguous::LengthMalformed)
}

fn trim(value: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !is_space(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    &value[start..end]
}

/// Empty lines before a status line count for nothing, as the library has it.
fn leading_empty_lines(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len())
}

const BEGINNING: &[u8] = b"HTTP/1.";

fn begins_as_http(bytes: &[u8]) -> bool {
    let seen = bytes.len().min(BEGINNING.len());
    bytes[..seen] == BEGINNING[..seen]
}

fn is_http10(status_line: &[u8]) -> bool {
    status_line.starts_with(b"HTTP/1.0")
}

/// Whether no body ever follows, whatever the request was: 1xx and 204.
fn is_bodiless(status_line: &[u8]) -> bool {
    let status = status_line.get(8..12).unwrap_or_default();
    status.starts_with(b" 1") || status == b" 204"
}

/// Whether another head follows: `HTTP/1.1 1xx`, but for 101, which ends HTTP.
fn is_interim(status_line: &[u8]) -> bool {
    let status = status_line.get(8..12).unwrap_or_default();
    status.starts_with(b" 1") && status != b" 101"
}

#[cfg(test)]
mod tests;
