//! The words of a page, in the order in which they are drawn (ISO 32000-1 section 9.4).
//!
//! A word ends at white space, wherever the text is moved to another place, and at a gap within a line
//! that is as wide as a space. That may cut a word that its producer placed letter by letter; it does
//! so on both sides alike, and words only explain what the hashes have found.

use std::collections::HashMap;

use lopdf::{Dictionary, Document, Object};

use super::filters::Budget;
use super::lexer::{Lexer, Token};
use super::unicode::Font;
use crate::isolation::Refusal;

/// Forms within forms.
const MAX_FORMS: usize = 12;
/// Most tokens of a page, forms counted each time they are drawn.
const MAX_TOKENS: usize = 3_000_000;
/// Saved graphics states.
const MAX_SAVED: usize = 256;
/// A gap that is as wide as a space, in thousandths of the font's size, seen as `TJ` has it.
const GAP: i64 = -200;
/// Longest word, in bytes.
const MAX_WORD: usize = 1024;
/// Operands of an operator that are looked at.
const MAX_OPERANDS: usize = 65_536;

/// Fonts by where their dictionary is in memory, which does not move while the file is read.
type Fonts<'d> = HashMap<*const Dictionary, Font<'d>>;

/// Reads the words of pages, and keeps the fonts from one to the next.
pub(super) struct Words<'d> {
    document: &'d Document,
    fonts: Fonts<'d>,
    tokens: usize,
}

/// A content stream that is being read.
struct Frame<'d> {
    content: Vec<u8>,
    at: usize,
    resources: Option<&'d Dictionary>,
}

/// What has been read of a page.
#[derive(Default)]
struct Text {
    words: Vec<String>,
    word: String,
}

enum Operand {
    String(Vec<u8>),
    Name(Vec<u8>),
    Gap,
}

impl<'d> Words<'d> {
    pub(super) fn new(document: &'d Document) -> Self {
        Self { document, fonts: HashMap::new(), tokens: MAX_TOKENS }
    }

    /// The words of one page.
    pub(super) fn of(
        &mut self,
        content: Vec<u8>,
        resources: Option<&'d Dictionary>,
        budget: &mut Budget,
    ) -> Result<Vec<String>, Refusal> {
        let mut text = Text::default();
        let mut frames = vec![Frame { content, at: 0, resources }];
        let mut font: Option<*const Dictionary> = None;
        let mut saved = Vec::new();
        while let Some(mut frame) = frames.pop() {
            let Some(form) = self.run(&mut frame, &mut text, &mut font, &mut saved, budget)? else {
                text.end_word();
                continue;
            };
            frames.push(frame);
            if frames.len() < MAX_FORMS {
                frames.push(form);
            }
        }
        Ok(text.words)
    }

    /// Reads on until the end, or until a form is drawn.
    fn run(
        &mut self,
        frame: &mut Frame<'d>,
        text: &mut Text,
        font: &mut Option<*const Dictionary>,
        saved: &mut Vec<Option<*const Dictionary>>,
        budget: &mut Budget,
    ) -> Result<Option<Frame<'d>>, Refusal> {
        let mut operands = Vec::new();
        let mut lexer = Lexer::from(&frame.content, frame.at);
        while let Some(token) = lexer.next() {
            self.tokens = self.tokens.checked_sub(1).ok_or(Refusal::Budget)?;
            let word = match token {
                Token::Word(word) => word,
                other => {
                    if operands.len() < MAX_OPERANDS {
                        operands.extend(operand(other));
                    }
                    continue;
                }
            };
            match word {
                b"q" if saved.len() < MAX_SAVED => saved.push(*font),
                b"Q" => *font = saved.pop().unwrap_or(*font),
                b"Tf" => *font = self.font(frame.resources, &operands, budget)?,
                b"Tj" | b"TJ" => self.show(*font, &operands, text),
                b"'" | b"\"" => {
                    text.end_word();
                    self.show(*font, &operands, text);
                }
                b"BT" | b"ET" | b"Td" | b"TD" | b"Tm" | b"T*" => text.end_word(),
                b"Do" => {
                    if let Some(form) = self.form(frame.resources, &operands, budget)? {
                        text.end_word();
                        frame.at = lexer.position();
                        return Ok(Some(form));
                    }
                }
                _ => {}
            }
            operands.clear();
        }
        Ok(None)
    }

    fn show(&self, font: Option<*const Dictionary>, operands: &[Operand], text: &mut Text) {
        let font = font.and_then(|font| self.fonts.get(&font));
        for operand in operands {
            match operand {
                Operand::String(codes) => text.show(font, codes),
                Operand::Gap => text.end_word(),
                Operand::Name(_) => {}
            }
        }
    }

    /// An entry of a kind of resources, by the name that the content uses.
    fn resource(
        &self,
        resources: Option<&'d Dictionary>,
        kind: &[u8],
        operands: &[Operand],
    ) -> Option<&'d Object> {
        let name = operands.iter().find_map(|operand| match operand {
            Operand::Name(name) => Some(name),
            Operand::String(_) | Operand::Gap => None,
        })?;
        let of_kind = resources?.get_deref(kind, self.document).and_then(Object::as_dict).ok()?;
        of_kind.get_deref(name, self.document).ok()
    }

    fn font(
        &mut self,
        resources: Option<&'d Dictionary>,
        operands: &[Operand],
        budget: &mut Budget,
    ) -> Result<Option<*const Dictionary>, Refusal> {
        let Some(Object::Dictionary(font)) = self.resource(resources, b"Font", operands) else {
            return Ok(None);
        };
        let key = std::ptr::from_ref(font);
        if !self.fonts.contains_key(&key) {
            let font = Font::of(self.document, font, budget)?;
            self.fonts.insert(key, font);
        }
        Ok(Some(key))
    }

    fn form(
        &self,
        resources: Option<&'d Dictionary>,
        operands: &[Operand],
        budget: &mut Budget,
    ) -> Result<Option<Frame<'d>>, Refusal> {
        let Some(Object::Stream(stream)) = self.resource(resources, b"XObject", operands) else {
            return Ok(None);
        };
        if !stream.dict.get(b"Subtype").and_then(Object::as_name).is_ok_and(|name| name == b"Form") {
            return Ok(None);
        }
        let own = stream.dict.get_deref(b"Resources", self.document).and_then(Object::as_dict).ok();
        let content = budget.plain(self.document, stream)?.bytes;
        Ok(Some(Frame { content, at: 0, resources: own.or(resources) }))
    }
}

impl Text {
    fn show(&mut self, font: Option<&Font<'_>>, codes: &[u8]) {
        let mut shown = String::new();
        match font {
            Some(font) => font.write(codes, &mut shown),
            None => shown.extend(codes.iter().copied().map(char::from)),
        }
        for letter in shown.chars() {
            if letter.is_whitespace() || letter == '\0' {
                self.end_word();
            } else {
                self.word.push(letter);
                if self.word.len() >= MAX_WORD {
                    self.end_word();
                }
            }
        }
    }

    fn end_word(&mut self) {
        if !self.word.is_empty() {
            self.words.push(std::mem::take(&mut self.word));
        }
    }
}

fn operand(token: Token<'_>) -> Option<Operand> {
    match token {
        Token::String(text) => Some(Operand::String(text)),
        Token::Name(name) => Some(Operand::Name(name)),
        Token::Number(lexeme) if whole(lexeme) <= GAP => Some(Operand::Gap),
        _ => None,
    }
}

/// The whole part of a number.
fn whole(lexeme: &[u8]) -> i64 {
    let whole = lexeme.split(|&byte| byte == b'.').next().unwrap_or_default();
    std::str::from_utf8(whole).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}
