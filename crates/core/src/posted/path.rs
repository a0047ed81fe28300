//! The path of a payload: data, never a URL.
//!
//! Whoever posts must not choose where a request goes. What comes out is always a target in origin
//! form (RFC 9112 section 3.2.1) that begins with exactly one `/`, and the authority is set beside it
//! by whoever sends. That alone would be safe for us; but the target is read again by routers, proxies
//! and frameworks behind us, and each decodes a little differently. So what would lead somewhere else
//! for a reader that decodes once more, reads `\` as `/`, drops `;parameters` or folds Unicode
//! (`%2e%2e`, `%252e`, `..;`, `．．`, `／`) is refused and never repaired.
//!
//! The query is data too, but nobody walks along it: only what cannot stand in a request line, or
//! would end the target, is refused there. Characters beyond ASCII are percent-encoded in UTF-8, as
//! every client does (RFC 3987 section 3.1); everything else stays byte for byte.

use std::borrow::Cow;

use http::uri::PathAndQuery;
use unicode_normalization::UnicodeNormalization;

/// Longest target, in bytes as it is sent.
pub const MAX_TARGET: usize = 32 * 1024;

/// How often a path is decoded to see where it leads.
const DECODED_AT_MOST: usize = 8;

/// Why a text is no path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It begins with a scheme, a user or a host.
    #[error("this is a URL, or could be read as one")]
    Url,
    /// It begins with two slashes, however they are written.
    #[error("this begins with `//`, behind which a host would stand")]
    TwoSlashes,
    /// `.` or `..`, however they are written.
    #[error("this has a dot segment, which leads to another path")]
    DotSegment,
    /// `\` or a character that is folded into a slash.
    #[error("this has a character that some take for a slash")]
    LikeASlash,
    /// A control character or a space.
    #[error("this has a control character or a space")]
    Control,
    /// A fragment, which is never sent.
    #[error("this has a fragment")]
    Fragment,
    /// A `%` that is not followed by two hexadecimal digits.
    #[error("this has a `%` that encodes nothing")]
    Percent,
    /// UTF-8 that is written with more bytes than it needs, to hide a character.
    #[error("this has a character in overlong UTF-8")]
    Overlong,
    /// Encoded again and again.
    #[error("this is percent-encoded more than {DECODED_AT_MOST} times over")]
    TooOftenEncoded,
    /// Over [`MAX_TARGET`].
    #[error("this is longer than {MAX_TARGET} bytes")]
    TooLong,
    /// Another character that no target may have.
    #[error("this has a character that no path may have")]
    Character,
}

impl TargetError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Url | Self::TwoSlashes => {
                "give the path and query alone, such as `/returns/17?page=2`: where requests are sent to comes from the configuration"
            }
            Self::DotSegment => "give the path that it leads to",
            Self::LikeASlash => "write `/`",
            Self::Control | Self::Percent | Self::Character => "percent-encode it (RFC 3986 section 2.1)",
            Self::Fragment => "leave out what begins with `#`, or write it as `%23`",
            Self::Overlong => "encode it in UTF-8",
            Self::TooOftenEncoded => "encode it once",
            Self::TooLong => "leave the check out: the other side would refuse such a request",
        }
    }
}

/// The target that a path and query stand for. A path may lack its leading slash, as the article's
/// does.
///
/// ```
/// use parallax_core::posted::{TargetError, target};
/// assert_eq!(target("api/example?param=something").unwrap(), "/api/example?param=something");
/// assert_eq!(target("/straße").unwrap(), "/stra%C3%9Fe");
/// assert_eq!(target("http://elsewhere/"), Err(TargetError::Url));
/// assert_eq!(target("/a/%2e%2E/b"), Err(TargetError::DotSegment));
/// ```
///
/// # Errors
/// Where it could be read as anything but a path on the side that is asked.
pub fn target(text: &str) -> Result<PathAndQuery, TargetError> {
    if text.len() > MAX_TARGET {
        return Err(TargetError::TooLong);
    }
    let (path, query) = match text.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (text, None),
    };
    check_characters(text)?;
    if !path.starts_with('/') {
        check_first_segment(path)?;
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    let path = format!("{slash}{path}");
    check_percents(&path)?;
    check_where_it_leads(path.as_bytes())?;
    let mut target = encoded(&path).into_owned();
    if let Some(query) = query {
        target.push('?');
        target.push_str(&encoded(query));
    }
    if target.len() > MAX_TARGET {
        return Err(TargetError::TooLong);
    }
    PathAndQuery::try_from(target).map_err(|_| TargetError::Character)
}

/// What can stand in no part of a request line, or would end the target.
fn check_characters(text: &str) -> Result<(), TargetError> {
    for character in text.chars() {
        match character {
            '#' => return Err(TargetError::Fragment),
            '\\' => return Err(TargetError::LikeASlash),
            _ if character.is_control() || character.is_whitespace() => return Err(TargetError::Control),
            _ => {}
        }
    }
    Ok(())
}

/// What does not begin with a slash begins with a segment, and not with a scheme, a user or a port
/// (RFC 3986 section 4.2), also for a reader that decodes it first. `*` is no path but the whole side.
fn check_first_segment(path: &str) -> Result<(), TargetError> {
    let mut decoded = Cow::Borrowed(path.as_bytes());
    for _ in 0..DECODED_AT_MOST {
        let readable = skeleton(&decoded);
        let first = readable.split('/').next().unwrap_or_default();
        if first.contains([':', '@']) || path == "*" {
            return Err(TargetError::Url);
        }
        match decode(&decoded) {
            Some(again) => decoded = Cow::Owned(again),
            None => break,
        }
    }
    Ok(())
}

fn check_percents(path: &str) -> Result<(), TargetError> {
    let mut pieces = path.split('%');
    pieces.next();
    let encodes = |piece: &str| {
        piece.as_bytes().first_chunk::<2>().is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if pieces.all(encodes) { Ok(()) } else { Err(TargetError::Percent) }
}

/// Looks at the path as it is, and as readers see it that decode it once, twice and so on.
fn check_where_it_leads(path: &[u8]) -> Result<(), TargetError> {
    let mut seen = Cow::Borrowed(path);
    for _ in 0..=DECODED_AT_MOST {
        check_decoded(&seen)?;
        match decode(&seen) {
            Some(again) => seen = Cow::Owned(again),
            None => return Ok(()),
        }
    }
    Err(TargetError::TooOftenEncoded)
}

fn check_decoded(path: &[u8]) -> Result<(), TargetError> {
    if path.iter().any(u8::is_ascii_control) {
        return Err(TargetError::Control);
    }
    if path.windows(2).any(|pair| is_overlong([pair[0], pair[1]])) {
        return Err(TargetError::Overlong);
    }
    for character in String::from_utf8_lossy(path).chars() {
        if is_like_a_slash(character) {
            return Err(TargetError::LikeASlash);
        }
        // Folded, they would encode something that is not looked at here.
        if matches!(character, '\u{ff05}' | '\u{fe6a}') {
            return Err(TargetError::Percent);
        }
    }
    let skeleton = skeleton(path);
    let mut segments = skeleton.split('/').skip(1).map(name_of).peekable();
    if let Some(first) = segments.next()
        && first.is_empty()
        && segments.peek().is_some()
    {
        return Err(TargetError::TwoSlashes);
    }
    if skeleton.split('/').map(name_of).any(|name| matches!(name, "." | "..")) {
        return Err(TargetError::DotSegment);
    }
    Ok(())
}

/// UTF-8 that spends more bytes than a character needs (RFC 3629 section 10). Some decoders take it.
fn is_overlong(pair: [u8; 2]) -> bool {
    matches!(pair, [0xc0 | 0xc1, 0x80..=0xbf] | [0xe0, 0x80..=0x9f] | [0xf0, 0x80..=0x8f])
}

/// A backslash, or what becomes a slash or backslash by compatibility folding (UAX 15) or by looks.
fn is_like_a_slash(character: char) -> bool {
    match character {
        '\\' | '\u{2044}' | '\u{2215}' | '\u{2216}' | '\u{29f5}' | '\u{29f8}' | '\u{29f9}' => true,
        ascii if ascii.is_ascii() => false,
        other => std::iter::once(other).nfkc().any(|folded| matches!(folded, '/' | '\\')),
    }
}

/// A path as the most lenient reader sees it: folded for compatibility, other full stops as `.`, and
/// without what is invisible.
fn skeleton(path: &[u8]) -> String {
    let text = String::from_utf8_lossy(path);
    if text.is_ascii() {
        return text.into_owned();
    }
    let seen = text.nfkc().filter(|character| !is_invisible(*character));
    seen.map(|character| if is_like_a_stop(character) { '.' } else { character }).collect()
}

fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// What host names (IDNA) and lenient readers take for a full stop.
fn is_like_a_stop(character: char) -> bool {
    matches!(character, '\u{3002}' | '\u{ff61}' | '\u{fe12}' | '\u{2024}' | '\u{fe52}' | '\u{ff0e}')
}

/// What is left of a segment for readers that drop `;parameters` (as servlet containers do) or spaces
/// around it (as file systems do).
fn name_of(segment: &str) -> &str {
    segment.split(';').next().unwrap_or_default().trim()
}

/// Decoded once; none where there is nothing to decode. `%u002e` is a spelling of no standard that some
/// take. A `%` that encodes nothing stays.
fn decode(path: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    let mut found = false;
    while let Some(at) = memchr::memchr(b'%', rest) {
        decoded.extend_from_slice(&rest[..at]);
        let behind = &rest[at + 1..];
        if let Some(byte) = behind.first_chunk::<2>().and_then(|digits| byte_of(*digits)) {
            decoded.push(byte);
            rest = &behind[2..];
            found = true;
        } else if let Some(character) = behind.first_chunk::<5>().and_then(unicode_of) {
            decoded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            rest = &behind[5..];
            found = true;
        } else {
            decoded.push(b'%');
            rest = behind;
        }
    }
    decoded.extend_from_slice(rest);
    found.then_some(decoded)
}

fn unicode_of(digits: &[u8; 5]) -> Option<char> {
    let [b'u' | b'U', a, b, c, d] = *digits else { return None };
    let (high, low) = (byte_of([a, b])?, byte_of([c, d])?);
    char::from_u32(u32::from(u16::from_be_bytes([high, low])))
}

fn byte_of(digits: [u8; 2]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let value = digit(digits[0])? * 16 + digit(digits[1])?;
    u8::try_from(value).ok()
}

/// Percent-encoded where it is not ASCII.
fn encoded(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut encoded = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii() {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    Cow::Owned(encoded)
}
