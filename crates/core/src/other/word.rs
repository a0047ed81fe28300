//! Whether a segment of a path is a word of the service's own, or could be somebody's data. In doubt it is data: a
//! word that is taken for data makes a suggestion less exact, data that is taken for a word is kept and shown.

/// Longest word, in bytes.
const LONGEST: usize = 40;
/// Longest part of a word without `-`, `_` or `.` in it.
const LONGEST_PART: usize = 24;
/// Consonants in a row that words have; tokens have more.
const CONSONANTS: usize = 5;

/// Whether a raw segment may be kept as it is. An empty one, at the end of `/returns/`, may.
pub(super) fn is_word(segment: &str) -> bool {
    segment.is_empty()
        || is_version(segment)
        || (segment.len() <= LONGEST && segment.split(['-', '_', '.']).all(is_part))
}

/// `v1`, `v2.1`
fn is_version(segment: &str) -> bool {
    let Some(number) = segment.strip_prefix('v') else { return false };
    number.len() <= 5
        && number.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_part(part: &str) -> bool {
    // One digit as in `oauth2`.
    let letters = part.strip_suffix(|last: char| last.is_ascii_digit()).filter(|rest| rest.len() > 2);
    let letters = letters.unwrap_or(part);
    !letters.is_empty()
        && letters.len() <= LONGEST_PART
        && letters.bytes().all(|byte| byte.is_ascii_alphabetic())
        && !looks_made(letters)
}

/// Whether letters look like a code or a token: hexadecimal, capitals only, capitals strewn in, or without vowels.
fn looks_made(letters: &str) -> bool {
    let is_hex = letters.len() >= 8 && letters.bytes().all(|byte| byte.is_ascii_hexdigit());
    let capitals = letters.bytes().filter(u8::is_ascii_uppercase).count();
    // `returnItems` has humps of some letters each.
    let has_short_humps = capitals > 0 && letters.len() < (capitals + 1) * 3;
    is_hex || has_short_humps || longest_run_of_consonants(letters) > CONSONANTS
}

fn longest_run_of_consonants(letters: &str) -> usize {
    let is_vowel = |byte: u8| b"aeiouy".contains(&byte.to_ascii_lowercase());
    let (mut run, mut longest) = (0, 0);
    for byte in letters.bytes() {
        run = if is_vowel(byte) { 0 } else { run + 1 };
        longest = longest.max(run);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_service_are_told_from_data() {
        for word in [
            "",
            "returns",
            "return-items",
            "returnItems",
            "v1",
            "v2.1",
            "oauth2",
            "index.html",
            "health",
            "api",
            "well_known",
            "strengths",
            "css",
            "Returns",
        ] {
            assert!(is_word(word), "{word}");
        }
        for data in [
            "17",
            "R-1",
            "r1",
            "0193d1f2-7e6b-7c10-b1c4-5f2f0a7be1d0",
            "deadbeef",
            "ann@example.org",
            "a%40b",
            "DE",
            "XK",
            "eyJhbGciOiJIUzI1NiJ9",
            "dGhpc2lzYXRva2Vu",
            "qwrtpsdfgh",
            "+4930123456",
            "2026-01-02",
            "app.3f2a1c.js",
            "é",
            "x'or'1",
            "..",
            ".",
            "v1234567",
            "-",
            "ORDERNUMBERX",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            assert!(!is_word(data), "{data}");
        }
    }
}
