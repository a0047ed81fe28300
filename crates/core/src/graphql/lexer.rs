//! The tokens of a GraphQL document (GraphQL, October 2021, section 2.1). Ignored tokens are left out; values are
//! not looked into, because only where they end matters.

/// A token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'d> {
    /// A name or keyword.
    Name(&'d str),
    /// One of `! $ & ( ) : = @ [ ] { | }`, or `.` for `...`.
    Punctuator(u8),
    /// A number or string.
    Value,
}

/// What cannot be a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoToken;

/// Reads a document token by token.
pub(super) struct Lexer<'d> {
    text: &'d str,
    at: usize,
}

impl<'d> Lexer<'d> {
    pub(super) fn new(text: &'d str) -> Self {
        Self { text, at: 0 }
    }

    /// The next token; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Token<'d>>, NoToken> {
        self.skip_ignored()?;
        let Some(&first) = self.bytes().get(self.at) else { return Ok(None) };
        let token = match first {
            b'!' | b'$' | b'&' | b'(' | b')' | b':' | b'=' | b'@' | b'[' | b']' | b'{' | b'|' | b'}' => {
                self.at += 1;
                Token::Punctuator(first)
            }
            b'.' if self.text[self.at..].starts_with("...") => {
                self.at += 3;
                Token::Punctuator(b'.')
            }
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => Token::Name(self.name()),
            b'"' => self.string()?,
            b'-' | b'0'..=b'9' => self.number()?,
            _ => return Err(NoToken),
        };
        Ok(Some(token))
    }

    fn bytes(&self) -> &'d [u8] {
        self.text.as_bytes()
    }

    /// White space, commas, byte order marks and comments.
    fn skip_ignored(&mut self) -> Result<(), NoToken> {
        loop {
            let rest = &self.text[self.at..];
            match rest.as_bytes().first() {
                Some(b' ' | b'\t' | b'\n' | b'\r' | b',') => self.at += 1,
                Some(b'#') => {
                    let end = rest.find(['\n', '\r']).unwrap_or(rest.len());
                    if rest[..end].bytes().any(|byte| byte < b' ' && byte != b'\t') {
                        return Err(NoToken);
                    }
                    self.at += end;
                }
                Some(_) if rest.starts_with('\u{feff}') => self.at += '\u{feff}'.len_utf8(),
                Some(_) | None => return Ok(()),
            }
        }
    }

    fn name(&mut self) -> &'d str {
        let rest = &self.text[self.at..];
        let end = rest.find(|next: char| !next.is_ascii_alphanumeric() && next != '_').unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn number(&mut self) -> Result<Token<'d>, NoToken> {
        let rest = &self.text[self.at..];
        let is_of_number = |next: char| next.is_ascii_digit() || matches!(next, '-' | '+' | '.' | 'e' | 'E');
        let end = rest.find(|next| !is_of_number(next)).unwrap_or(rest.len());
        self.at += end;
        // A name may not follow at once, and a spread would be taken for a part of the number.
        let is_followed = rest[end..].starts_with(|next: char| next.is_ascii_alphabetic() || next == '_');
        if is_followed || rest[..end].contains("..") { Err(NoToken) } else { Ok(Token::Value) }
    }

    fn string(&mut self) -> Result<Token<'d>, NoToken> {
        let bytes = self.bytes();
        if self.text[self.at..].starts_with("\"\"\"") {
            return self.block_string();
        }
        self.at += 1;
        loop {
            match bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Token::Value);
                }
                Some(b'\\') if bytes.get(self.at + 1).is_some_and(|next| b"\"\\/bfnrtu".contains(next)) => {
                    self.at += 2;
                }
                Some(b'\\' | 0..=8 | 10..=31) | None => return Err(NoToken),
                Some(_) => self.at += 1,
            }
        }
    }

    fn block_string(&mut self) -> Result<Token<'d>, NoToken> {
        self.at += 3;
        loop {
            let rest = &self.text[self.at..];
            let end = rest.find("\"\"\"").ok_or(NoToken)?;
            if rest[..end].bytes().any(|byte| byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r')) {
                return Err(NoToken);
            }
            self.at += end + 3;
            // `\"""` is data, whatever stands before the backslash: no other escape exists here.
            if !rest[..end].ends_with('\\') {
                return Ok(Token::Value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Result<String, NoToken> {
        let mut lexer = Lexer::new(text);
        let mut shown = Vec::new();
        while let Some(token) = lexer.next()? {
            shown.push(match token {
                Token::Name(name) => name.to_owned(),
                Token::Punctuator(byte) => char::from(byte).to_string(),
                Token::Value => "V".to_owned(),
            });
        }
        Ok(shown.join(" "))
    }

    #[test]
    fn strings_and_comments_hide_what_is_in_them() {
        for (text, expected) in [
            (
                "query A($a: [Int!] = [1, -2.5e+3]) @b { c }",
                "query A ( $ a : [ Int ! ] = [ V V ] ) @ b { c }",
            ),
            ("\u{feff}# mutation {\r{ a } # }\n", "{ a }"),
            (r#"{ a(b: "} mutation \" { ") ...C }"#, "{ a ( b : V ) . C }"),
            ("{ a(b: \"\"\" } \" \\\"\"\" \"\" mutation\"\"\") }", "{ a ( b : V ) }"),
            ("\"\" \"\"\"\"\"\" 0", "V V V"),
            (r#""\\" a"#, "V a"),
            // `\"""` is data after another backslash too, so that the string ends at the last quotes.
            (r#"""" \\""" a """"#, "V"),
        ] {
            assert_eq!(tokens(text), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in [
            "\"a",
            "\"a\nb\"",
            "\"\"\"a",
            "\"\"\"a\\\"\"\"",
            "..",
            "%",
            "é",
            "\u{0}",
            "# \u{7}\n",
            "0x1",
            "1_",
            "1...a",
            "\"\\q\"",
            "'a'",
            "\u{2028}",
        ] {
            assert_eq!(tokens(text), Err(NoToken), "{text:?}");
        }
    }
}
