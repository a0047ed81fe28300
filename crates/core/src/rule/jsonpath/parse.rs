//! Reads a path letter by letter; every refusal names the column.

use std::str::Chars;

use super::{Filter, JsonPath, Literal, PathError, Segment, Selector};

/// Longest path that is read, in segments.
const MAX_SEGMENTS: usize = 64;
/// Most selectors of all its segments: what two paths have in common is looked for pair by pair.
const MAX_SELECTORS: usize = 256;

impl JsonPath {
    /// Reads a path.
    pub(crate) fn parse(text: &str) -> Result<Self, PathError> {
        let mut parser = Parser { rest: text.chars(), text, column: 1 };
        parser.expect('$', "a path starts with `$`, for example `$.body.items[*].price`")?;
        let mut segments = Vec::new();
        let mut selectors = 0;
        while parser.peek().is_some() {
            // Allowed between segments, but not after the last.
            parser.white_space();
            let segment = parser.segment()?;
            selectors += segment.selectors.len();
            if segments.len() >= MAX_SEGMENTS || selectors > MAX_SELECTORS {
                return Err(segment.error("the path is too long".into()));
            }
            segments.push(segment);
        }
        Ok(Self { segments })
    }
}

struct Parser<'t> {
    rest: Chars<'t>,
    text: &'t str,
    column: usize,
}

impl Parser<'_> {
    fn segment(&mut self) -> Result<Segment, PathError> {
        let column = self.column;
        if self.text.len() > MAX_SEGMENTS * 256 {
            return Err(self.error("the path is too long"));
        }
        let (descendant, selectors) = match self.next() {
            Some('.') if self.peek() == Some('.') => {
                self.next();
                let bracket = self.peek() == Some('[');
                (
                    true,
                    if bracket {
                        self.next();
                        self.bracket()?
                    } else {
                        vec![self.dotted()?]
                    },
                )
            }
            Some('.') => (false, vec![self.dotted()?]),
            Some('[') => (false, self.bracket()?),
            _ => {
                self.column = column;
                return Err(self.error("expected `.name`, `..name` or `[…]`"));
            }
        };
        Ok(Segment { descendant, selectors, column })
    }

    /// A name or `*` after a dot.
    fn dotted(&mut self) -> Result<Selector, PathError> {
        if self.peek() == Some('*') {
            self.next();
            return Ok(Selector::Wildcard);
        }
        self.shorthand().map(Selector::Name)
    }

    fn shorthand(&mut self) -> Result<Box<str>, PathError> {
        let first = |letter: char| letter.is_ascii_alphabetic() || letter == '_' || !letter.is_ascii();
        let mut name = String::new();
        while let Some(letter) = self.peek() {
            if !first(letter) && (name.is_empty() || !letter.is_ascii_digit()) {
                break;
            }
            name.push(letter);
            self.next();
        }
        match (name.is_empty(), self.peek()) {
            (true, _) => Err(self.error("expected a name or `*`; other names are written `['like-this']`")),
            (false, Some('-')) => Err(self.error("a name with `-` is written `['like-this']`")),
            (false, _) => Ok(name.into()),
        }
    }

    /// The selectors of `[…]`, the bracket already taken.
    fn bracket(&mut self) -> Result<Vec<Selector>, PathError> {
        let mut selectors = Vec::new();
        loop {
            self.white_space();
            selectors.push(self.selector()?);
            self.white_space();
            match self.next() {
                Some(',') if selectors.len() < MAX_SEGMENTS => {}
                Some(']') => return Ok(selectors),
                other => return Err(self.back_error(other, "expected `,` or `]`")),
            }
        }
    }

    fn selector(&mut self) -> Result<Selector, PathError> {
        match self.peek() {
            Some(quote @ ('\'' | '"')) => self.quoted(quote).map(Selector::Name),
            Some('*') => {
                self.next();
                Ok(Selector::Wildcard)
            }
            Some('?') => self.filter().map(Selector::Filter),
            Some('-' | ':' | '0'..='9') => self.index_or_slice(),
            _ => Err(self.error("expected a quoted name, `*`, an index, a slice or `?@.k=='v'`")),
        }
    }

    fn index_or_slice(&mut self) -> Result<Selector, PathError> {
        let start = self.optional_integer()?;
        self.white_space();
        if self.peek() != Some(':') {
            return start.map(Selector::Index).ok_or_else(|| self.error("expected an index"));
        }
        self.next();
        self.white_space();
        let end = self.optional_integer()?;
        self.white_space();
        let mut step = None;
        if self.peek() == Some(':') {
            self.next();
            self.white_space();
            step = self.optional_integer()?;
        }
        Ok(match (start, end, step.unwrap_or(1)) {
            (_, _, 0) => return Err(self.error("a slice with step 0 selects nothing")),
            (start, end, step) => Selector::Slice { start, end, step },
        })
    }

    fn optional_integer(&mut self) -> Result<Option<i64>, PathError> {
        let mut text = String::new();
        while let Some(letter) = self.peek() {
            if !(letter.is_ascii_digit() || (letter == '-' && text.is_empty())) {
                break;
            }
            text.push(letter);
            self.next();
        }
        if text.is_empty() {
            return Ok(None);
        }
        let digits = text.trim_start_matches('-');
        // RFC 9535 section 2.1: no leading zeros, no -0, within what a double counts exactly.
        let canonical = !digits.is_empty() && (text == "0" || !digits.starts_with('0'));
        let value = text.parse::<i64>().ok().filter(|value| value.unsigned_abs() < 1 << 53);
        match value {
            Some(value) if canonical => Ok(Some(value)),
            _ => Err(self.error(&format!("`{text}` is no index"))),
        }
    }

    fn filter(&mut self) -> Result<Filter, PathError> {
        const ONLY: &str = "the only filter available is a comparison with a literal, `[?@.k=='v']`";
        self.next();
        self.white_space();
        self.expect('@', ONLY)?;
        let mut names = Vec::new();
        loop {
            self.white_space();
            match self.peek() {
                Some('.') => {
                    self.next();
                    names.push(self.shorthand()?);
                }
                Some('[') => {
                    self.next();
                    self.white_space();
                    let Some(quote @ ('\'' | '"')) = self.peek() else {
                        return Err(self.error(ONLY));
                    };
                    names.push(self.quoted(quote)?);
                    self.white_space();
                    self.expect(']', "expected `]`")?;
                }
                _ => break,
            }
        }
        self.expect('=', ONLY)?;
        self.expect('=', ONLY)?;
        self.white_space();
        let value = self.literal(ONLY)?;
        Ok(Filter { names, value })
    }

    fn literal(&mut self, only: &str) -> Result<Literal, PathError> {
        if let Some(quote @ ('\'' | '"')) = self.peek() {
            return self.quoted(quote).map(Literal::Text);
        }
        let mut text = String::new();
        while let Some(letter) =
            self.peek().filter(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(*letter))
        {
            text.push(letter);
            self.next();
        }
        match crate::document::read(text.clone().into(), 1) {
            Ok(_) => Ok(Literal::Other(text.into())),
            Err(_) => Err(self.error(only)),
        }
    }

    fn quoted(&mut self, quote: char) -> Result<Box<str>, PathError> {
        self.next();
        let mut name = String::new();
        loop {
            match self.next() {
                None => return Err(self.error("the quote is not closed")),
                Some(letter) if letter == quote => return Ok(name.into()),
                Some('\\') => name.push(self.escape(quote)?),
                Some(control) if control < ' ' => {
                    return Err(self.back_error(Some(control), "a control character must be escaped"));
                }
                Some(letter) => name.push(letter),
            }
        }
    }

    fn escape(&mut self, quote: char) -> Result<char, PathError> {
        match self.next() {
            Some('b') => Ok('\u{8}'),
            Some('f') => Ok('\u{c}'),
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some(letter @ ('/' | '\\')) => Ok(letter),
            Some(letter) if letter == quote => Ok(letter),
            Some('u') => self.unicode(),
            other => Err(self.back_error(other, "unknown escape")),
        }
    }

    fn unicode(&mut self) -> Result<char, PathError> {
        let high = self.unit()?;
        let code = if (0xd800..0xdc00).contains(&high) {
            self.expect('\\', "expected the second half of a surrogate pair")?;
            self.expect('u', "expected the second half of a surrogate pair")?;
            let low = self.unit()?;
            if !(0xdc00..0xe000).contains(&low) {
                return Err(self.error("expected the second half of a surrogate pair"));
            }
            0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)
        } else {
            high
        };
        char::from_u32(code).ok_or_else(|| self.error("half of a surrogate pair"))
    }

    fn unit(&mut self) -> Result<u32, PathError> {
        let mut value = 0;
        for _ in 0..4 {
            let digit = self.next().and_then(|letter| letter.to_digit(16));
            value = value * 16 + digit.ok_or_else(|| self.error("expected four hexadecimal digits"))?;
        }
        Ok(value)
    }

    fn white_space(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
            self.next();
        }
    }

    fn expect(&mut self, wanted: char, message: &str) -> Result<(), PathError> {
        if self.peek() == Some(wanted) {
            self.next();
            return Ok(());
        }
        Err(self.error(message))
    }

    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.rest.next()?;
        self.column += 1;
        Some(letter)
    }

    fn error(&self, message: &str) -> PathError {
        PathError { column: self.column, message: message.to_owned() }
    }

    /// An error at the character that was just taken.
    fn back_error(&self, taken: Option<char>, message: &str) -> PathError {
        PathError { column: self.column - usize::from(taken.is_some()), message: message.to_owned() }
    }
}
