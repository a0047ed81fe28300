//! The content of JSON strings.
//!
//! Decoded into UTF-8 where a lone surrogate (legal in JSON, impossible in UTF-8) is encoded as if
//! it were a character of its own, so that two strings are equal exactly when their sequences of
//! UTF-16 units are.

/// Resolves the escapes of a string that the reader has accepted.
pub(super) fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut content = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        content.extend_from_slice(&rest[..at]);
        rest = escape(&rest[at + 1..], &mut content);
    }
    content.extend_from_slice(rest);
    content
}

/// Content as text: each lone surrogate becomes one U+FFFD.
pub(super) fn readable(mut content: Vec<u8>) -> String {
    for at in 0..content.len().saturating_sub(2) {
        if content[at] == 0xed && content[at + 1] >= 0xa0 {
            content[at..at + 3].copy_from_slice("\u{fffd}".as_bytes());
        }
    }
    String::from_utf8(content).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Resolves one escape, the backslash taken off, and tells what follows it.
fn escape<'r>(rest: &'r [u8], content: &mut Vec<u8>) -> &'r [u8] {
    let Some((&letter, after)) = rest.split_first() else {
        return rest;
    };
    let byte = match letter {
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => return unicode(after, content),
        other => other,
    };
    content.push(byte);
    after
}

fn unicode<'r>(rest: &'r [u8], content: &mut Vec<u8>) -> &'r [u8] {
    let Some((high, after)) = unit(rest) else {
        return rest;
    };
    if (0xd800..0xdc00).contains(&high)
        && let Some((low, after_low)) = after.strip_prefix(b"\\u").and_then(unit)
        && (0xdc00..0xe000).contains(&low)
    {
        push(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00), content);
        return after_low;
    }
    push(high, content);
    after
}

/// The four hexadecimal digits of an escape.
fn unit(rest: &[u8]) -> Option<(u32, &[u8])> {
    let digits = std::str::from_utf8(rest.get(..4)?).ok()?;
    Some((u32::from_str_radix(digits, 16).ok()?, &rest[4..]))
}

fn push(code: u32, content: &mut Vec<u8>) {
    if let Some(character) = char::from_u32(code) {
        content.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    } else {
        // A surrogate: three bytes, by the same arithmetic as its neighbours.
        let low_six = |shift: u32| 0x80 | ((code >> shift) & 0x3f) as u8;
        content.extend_from_slice(&[0xe0 | (code >> 12) as u8, low_six(6), low_six(0)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolves_every_escape() {
        assert_eq!(unescape(br#"a\"\\\/\b\f\n\r\tz"#), b"a\"\\/\x08\x0c\n\r\tz");
        assert_eq!(unescape(br"\u0041\u00e9\u20ac"), "Aé€".as_bytes());
        assert_eq!(unescape(br"\ud83d\ude00"), "😀".as_bytes());
    }

    #[test]
    fn lone_surrogates_stay_apart() {
        let contents = [&br"\ud83d"[..], br"\ude00", br"\ude00\ud83d", br"\ud83d\u0041", br"\ufffd"];
        for (index, left) in contents.iter().enumerate() {
            for right in &contents[index + 1..] {
                assert_ne!(unescape(left), unescape(right));
            }
        }
        assert_eq!(unescape(br"\ud83d"), [0xed, 0xa0, 0xbd]);
        assert_eq!(readable(unescape(br"a\ud83d\ude00\ude00\ud7ff")), "a😀\u{fffd}\u{d7ff}");
    }
}
