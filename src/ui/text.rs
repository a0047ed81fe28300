//! Text that comes from traffic or from users. It is escaped, it cannot change the direction of
//! the text around it, and characters that one would not see are shown by their number.

use maud::{Markup, html};

/// Longest text that is shown, in characters.
const MAX_SHOWN: usize = 4000;

/// A text of unknown origin.
pub(super) fn data(text: &str) -> Markup {
    let shown = text.char_indices().nth(MAX_SHOWN).map_or(text, |(end, _)| &text[..end]);
    let hidden = text[shown.len()..].chars().count();
    html! {
        bdi {
            @for piece in pieces(shown) {
                @match piece {
                    Piece::Plain(text) => (text),
                    Piece::Unseen(character) => span.unseen title="a character that is not visible" {
                        (number(character))
                    },
                }
            }
            @if hidden > 0 { span.more { " … " (hidden) " more characters" } }
        }
    }
}

/// The same where only plain text may stand, like the title of a page.
pub(super) fn plain(text: &str) -> String {
    let shown = text.char_indices().nth(MAX_SHOWN).map_or(text, |(end, _)| &text[..end]);
    let mut plain = String::with_capacity(shown.len());
    for piece in pieces(shown) {
        match piece {
            Piece::Plain(text) => plain.push_str(text),
            Piece::Unseen(character) => plain.push_str(&number(character)),
        }
    }
    plain
}

/// A path of unknown origin, which may be broken after each `/`.
pub(super) fn path(text: &str) -> Markup {
    html! { @for part in text.split_inclusive('/') { (data(part)) wbr; } }
}

/// The path of an operation's page, which has its id as one segment.
pub(super) fn operation_path(id: &str) -> String {
    format!("/operations/{}", id.replace('/', "%2F"))
}

fn number(character: char) -> String {
    format!("U+{:04X}", u32::from(character))
}

enum Piece<'a> {
    Plain(&'a str),
    Unseen(char),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((at, character)) = rest.char_indices().find(|(_, character)| is_unseen(*character)) {
        if at > 0 {
            pieces.push(Piece::Plain(&rest[..at]));
        }
        pieces.push(Piece::Unseen(character));
        rest = &rest[at + character.len_utf8()..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Plain(rest));
    }
    pieces
}

/// Control characters, marks of direction, and spaces of no width.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{61c}' | '\u{feff}' | '\u{200b}' | '\u{200e}' | '\u{200f}')
        || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_text() {
        let shown = data("<script>alert(1)</script>&\"").into_string();
        assert_eq!(shown, "<bdi>&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;</bdi>");
    }

    #[test]
    fn what_cannot_be_seen_is_shown_by_number() {
        let shown = data("a\u{202e}cod\u{0}.exe\u{200b}").into_string();
        assert!(!shown.contains(['\u{202e}', '\u{0}', '\u{200b}']), "{shown}");
        for number in ["U+202E", "U+0000", "U+200B"] {
            assert!(shown.contains(number), "{shown}");
        }
        assert_eq!(data("größe 日本 👩‍👩‍👧").into_string(), "<bdi>größe 日本 👩‍👩‍👧</bdi>");
    }

    #[test]
    fn a_long_text_is_cut_and_says_so() {
        let shown = data(&"é".repeat(MAX_SHOWN + 7)).into_string();
        assert!(shown.contains(" … 7 more characters"), "{shown}");
    }
}
