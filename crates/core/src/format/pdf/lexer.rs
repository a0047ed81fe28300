//! The tokens of a content stream (ISO 32000-1 section 7.2): what is drawn, without how it is spelt.
//!
//! Nothing is an error here. Bytes that no rule knows become a word, so that two streams have the same
//! tokens only if they say the same.

use sha2::{Digest, Sha256};

/// One token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A number, as it was written.
    Number(&'a [u8]),
    /// A string, decoded.
    String(Vec<u8>),
    /// A name without its slash, decoded.
    Name(Vec<u8>),
    /// An operator, a literal or a stray byte.
    Word(&'a [u8]),
    /// The data of an inline image.
    Image(&'a [u8]),
    ArrayStart,
    ArrayEnd,
    DictStart,
    DictEnd,
}

pub(super) struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Whether the last token was `ID`, after which the bytes of an image follow.
    in_image: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, in_image: false }
    }

    /// How far it has read, to go on there later.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Goes on where another has stopped; not within an inline image.
    pub(super) fn from(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, in_image: false }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn skip_space(&mut self) {
        while let Some(byte) = self.peek(0) {
            if byte == b'%' {
                let rest = &self.bytes[self.at..];
                self.at += rest.iter().position(|&byte| byte == b'\n' || byte == b'\r').unwrap_or(rest.len());
            } else if is_space(byte) {
                self.at += 1;
            } else {
                return;
            }
        }
    }

    /// Bytes up to the next delimiter or white space.
    fn regular(&mut self) -> &'a [u8] {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|&byte| !is_regular(byte)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn take(&mut self, length: usize, token: Token<'a>) -> Token<'a> {
        self.at += length;
        token
    }

    fn word(&mut self) -> Token<'a> {
        let word = self.regular();
        if is_number(word) {
            return Token::Number(word);
        }
        self.in_image = word == b"ID";
        Token::Word(word)
    }

    fn name(&mut self) -> Vec<u8> {
        self.at += 1;
        let raw = self.regular();
        let mut name = Vec::with_capacity(raw.len());
        let mut at = 0;
        while at < raw.len() {
            let escaped = raw.get(at + 1..at + 3).and_then(|pair| Some(hex(pair[0])? << 4 | hex(pair[1])?));
            match escaped.filter(|_| raw[at] == b'#') {
                Some(byte) => {
                    name.push(byte);
                    at += 3;
                }
                None => {
                    name.push(raw[at]);
                    at += 1;
                }
            }
        }
        name
    }

    /// `<48656C6C6F>`; an odd last digit stands for itself and a zero.
    fn hex_string(&mut self) -> Vec<u8> {
        self.at += 1;
        let mut string = Vec::new();
        let mut half = None;
        while let Some(byte) = self.peek(0) {
            self.at += 1;
            if byte == b'>' {
                break;
            }
            let Some(digit) = hex(byte) else { continue };
            match half.take() {
                Some(high) => string.push(high << 4 | digit),
                None => half = Some(digit),
            }
        }
        string.extend(half.map(|high| high << 4));
        string
    }

    /// `(text)`, with escapes and balanced parentheses.
    fn literal_string(&mut self) -> Vec<u8> {
        self.at += 1;
        let mut string = Vec::new();
        let mut open = 1_usize;
        while let Some(byte) = self.peek(0) {
            self.at += 1;
            match byte {
                b'(' => open += 1,
                b')' => open -= 1,
                b'\\' => {
                    self.escape(&mut string);
                    continue;
                }
                b'\r' => {
                    self.at += usize::from(self.peek(0) == Some(b'\n'));
                    string.push(b'\n');
                    continue;
                }
                _ => {}
            }
            if open == 0 {
                break;
            }
            string.push(byte);
        }
        string
    }

    fn escape(&mut self, string: &mut Vec<u8>) {
        let Some(byte) = self.peek(0) else { return };
        self.at += 1;
        match byte {
            b'n' => string.push(b'\n'),
            b'r' => string.push(b'\r'),
            b't' => string.push(b'\t'),
            b'b' => string.push(8),
            b'f' => string.push(12),
            b'\n' => {}
            b'\r' => self.at += usize::from(self.peek(0) == Some(b'\n')),
            b'0'..=b'7' => {
                let mut code = u32::from(byte - b'0');
                for _ in 0..2 {
                    let Some(digit @ b'0'..=b'7') = self.peek(0) else { break };
                    code = code * 8 + u32::from(digit - b'0');
                    self.at += 1;
                }
                string.push(code as u8);
            }
            other => string.push(other),
        }
    }

    /// The bytes between `ID` and `EI`: the end is the first `EI` that stands alone.
    fn image(&mut self) -> &'a [u8] {
        self.in_image = false;
        self.at = (self.at + 1).min(self.bytes.len());
        let rest = &self.bytes[self.at..];
        let ends = |at: usize| {
            is_space(rest[at])
                && rest[at + 1..].starts_with(b"EI")
                && rest.get(at + 3).is_none_or(|&byte| is_space(byte))
        };
        let length = memchr::memmem::find_iter(rest, b"EI")
            .filter_map(|at| at.checked_sub(1))
            .find(|&at| ends(at))
            .unwrap_or(rest.len());
        self.at += length;
        // White space before the end is no data: some writers put it there, some do not.
        rest[..length].trim_ascii_end()
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        if self.in_image {
            return Some(Token::Image(self.image()));
        }
        self.skip_space();
        let token = match (self.peek(0)?, self.peek(1)) {
            (b'/', _) => Token::Name(self.name()),
            (b'(', _) => Token::String(self.literal_string()),
            (b'<', Some(b'<')) => self.take(2, Token::DictStart),
            (b'>', Some(b'>')) => self.take(2, Token::DictEnd),
            (b'<', _) => Token::String(self.hex_string()),
            (b'[', _) => self.take(1, Token::ArrayStart),
            (b']', _) => self.take(1, Token::ArrayEnd),
            (byte, _) if !is_regular(byte) => {
                self.at += 1;
                Token::Word(&self.bytes[self.at - 1..self.at])
            }
            _ => self.word(),
        };
        Some(token)
    }
}

/// The hash of what a content stream says.
pub(super) fn digest(content: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for token in Lexer::new(content) {
        let (tag, text): (u8, &[u8]) = match &token {
            Token::Number(lexeme) => {
                let (negative, whole, fraction) = parts(lexeme);
                hash.update([b'0', u8::from(negative)]);
                hash.update((whole.len() as u64).to_le_bytes());
                hash.update(whole);
                (b'.', fraction)
            }
            Token::String(text) => (b'(', text),
            Token::Name(name) => (b'/', name),
            Token::Word(word) => (b'w', word),
            Token::Image(data) => (b'i', data),
            Token::ArrayStart => (b'[', b""),
            Token::ArrayEnd => (b']', b""),
            Token::DictStart => (b'<', b""),
            Token::DictEnd => (b'>', b""),
        };
        hash.update([tag]);
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    hash.finalize().into()
}

/// A number's sign, its digits before the point and those behind it, without zeros that say nothing.
fn parts(lexeme: &[u8]) -> (bool, &[u8], &[u8]) {
    let signs = lexeme.iter().take_while(|&&byte| byte == b'-' || byte == b'+').count();
    let digits = &lexeme[signs..];
    let point = digits.iter().position(|&byte| byte == b'.').unwrap_or(digits.len());
    let (mut whole, mut fraction) = (&digits[..point], digits.get(point + 1..).unwrap_or_default());
    while let [b'0', rest @ ..] = whole {
        whole = rest;
    }
    while let [rest @ .., b'0'] = fraction {
        fraction = rest;
    }
    let is_zero = whole.is_empty() && fraction.is_empty();
    (lexeme[..signs].contains(&b'-') && !is_zero, whole, fraction)
}

/// Digits with at most one point and a sign in front.
fn is_number(word: &[u8]) -> bool {
    let unsigned = word.strip_prefix(b"-").or_else(|| word.strip_prefix(b"+")).unwrap_or(word);
    let points = unsigned.iter().filter(|&&byte| byte == b'.').count();
    let digits = unsigned.iter().filter(|byte| byte.is_ascii_digit()).count();
    points <= 1 && digits > 0 && points + digits == unsigned.len()
}

fn is_space(byte: u8) -> bool {
    matches!(byte, 0 | b'\t' | b'\n' | 12 | b'\r' | b' ')
}

fn is_regular(byte: u8) -> bool {
    !is_space(byte) && !matches!(byte, b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%')
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: &str, other: &str) -> bool {
        digest(one.as_bytes()) == digest(other.as_bytes())
    }

    #[test]
    fn spelling_does_not_matter() {
        assert!(same("BT /F1 12 Tf (Hi) Tj ET", "BT\r\n/F#31 12.0 Tf\n<4869>Tj % said\nET\n"));
        assert!(same("1 0 0 -1 .5 -0.0 cm", "+1 0. 00 -1.0 0.50 0 cm"));
        assert!(same("(a\\(b\\)\\101\\\nc)", "(a(b)Ac)"));
        assert!(same("[(A)-20(B)]TJ", "[ (A) -20 (B) ] TJ"));
        assert!(same("<486>", "<48 60>"));
    }

    #[test]
    fn meaning_does() {
        for (one, other) in [
            ("(ab)", "(a) (b)"),
            ("12 3", "1 23"),
            ("1.23", "12.3"),
            ("-1", "1"),
            ("/A", "A"),
            ("/A", "(A)"),
            ("[1]", "1"),
            ("(a", "(b"),
            ("0.1234567890123", "0.1234567890124"),
        ] {
            assert!(!same(one, other), "{one} {other}");
        }
    }

    #[test]
    fn inline_images_are_data() {
        let tokens: Vec<_> = Lexer::new(b"BI /W 1 ID (EI\x00x\nEI Q").collect();
        assert!(matches!(tokens[4], Token::Image(b"(EI\x00x")), "{tokens:?}");
        assert_eq!(tokens[5..], [Token::Word(b"EI"), Token::Word(b"Q")]);
        assert_eq!(Lexer::new(b"ID").count(), 2);
    }

    #[test]
    fn any_bytes_come_to_an_end() {
        let mut state = 1_u32;
        for _ in 0..200 {
            let bytes: Vec<u8> = (0..64)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    b"()<>[]{}/%\\#ID EI\r\n0.-a\x00\xff"[(state >> 16) as usize % 24]
                })
                .collect();
            assert!(Lexer::new(&bytes).count() <= bytes.len() + 1);
        }
    }
}
