//! Printing: once, to standard output, in columns, with colour on a terminal only. Whatever the
//! server sent is printed without control characters, because a body may hold escape sequences
//! that a terminal would obey.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};

/// Characters of a value that are shown; the lines of a sample have the rest.
pub(super) const SHOWN: usize = 120;

/// Writes a text to standard output.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()?;
    Ok(())
}

/// Whether an error is only that the reader of a pipe has gone, as `| head` does.
pub(super) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// The text without anything that a terminal would obey or that would turn its direction; line
/// breaks stay.
pub(super) fn plain(text: &str) -> String {
    let harmless = |character: char| character == '\n' || !(character.is_control() || is_bidi(character));
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if harmless(character) {
            out.push(character);
        } else {
            out.extend(character.escape_unicode());
        }
    }
    out
}

fn is_bidi(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The same on a single line.
pub(super) fn one_line(text: &str) -> String {
    plain(text).replace('\n', "\\n")
}

/// A value on one line, cut where it is long.
pub(super) fn in_short(value: Option<&str>) -> String {
    let Some(value) = value else { return "–".to_owned() };
    let mut short: String = value.chars().take(SHOWN).collect();
    if short.len() < value.len() {
        short.push('…');
    }
    one_line(&short)
}

/// A colour with a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Warning,
    Bad,
    Faint,
}

/// Whether to colour what is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Colour {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Everywhere
    Always,
    /// Nowhere
    Never,
}

/// Colours texts, or leaves them alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    terminal: bool,
    enabled: bool,
}

impl Paint {
    /// Colour for a terminal, unless NO_COLOR is set.
    pub(super) fn for_stdout() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let terminal = io::stdout().is_terminal();
        Self { terminal, enabled: terminal && !unwanted }
    }

    /// As the command line says.
    pub(super) fn chosen(colour: Colour) -> Self {
        match colour {
            Colour::Auto => Self::for_stdout(),
            Colour::Always => Self { enabled: true, ..Self::for_stdout() },
            Colour::Never => Self { enabled: false, ..Self::for_stdout() },
        }
    }

    #[cfg(test)]
    pub(super) fn never() -> Self {
        Self { terminal: false, enabled: false }
    }

    /// The text in place of what the terminal shows; elsewhere, the text and an empty line.
    pub(super) fn fresh_screen(self, text: &str) -> String {
        if self.terminal { format!("\u{1b}[2J\u{1b}[H{text}") } else { format!("{text}\n") }
    }

    pub(super) fn text(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Good => "32",
            Tone::Warning => "33",
            Tone::Bad => "31",
            Tone::Faint => "2",
        };
        if self.enabled { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// A table whose columns line up. Colour is added after measuring.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Vec<(Tone, String)>>,
}

impl Table {
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = (Tone, String)>) {
        self.rows.push(cells.into_iter().map(|(tone, text)| (tone, one_line(&text))).collect());
    }

    pub(super) fn render(&self, paint: Paint) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|(_, text)| text.chars().count()).max()
        };
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let mut out = String::new();
        for row in &self.rows {
            for (column, (tone, text)) in row.iter().enumerate() {
                out.push_str(&paint.text(*tone, text));
                if column + 1 < row.len() {
                    let padding = widths[column] - text.chars().count() + 2;
                    out.extend(std::iter::repeat_n(' ', padding));
                }
            }
            out.push('\n');
        }
        out
    }
}

/// `1234567` as `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `name 3, other 2`, largest first; nothing for nothing.
pub(super) fn tallied<'a>(counts: impl IntoIterator<Item = (&'a String, &'a u64)>) -> String {
    let mut counts: Vec<_> = counts.into_iter().filter(|&(_, &count)| count > 0).collect();
    counts.sort_by_key(|&(_, &count)| std::cmp::Reverse(count));
    let mut out = String::new();
    for (index, (name, count)) in counts.into_iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(out, "{comma}{name} {}", grouped(*count));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_told_nothing() {
        assert_eq!(plain("a\u{1b}[31mb\u{202e}c\nd"), "a\\u{1b}[31mb\\u{202e}c\nd");
        assert_eq!(one_line("a\nb"), "a\\nb");
    }

    #[test]
    fn columns_line_up_with_and_without_colour() {
        let mut table = Table::default();
        table.row([(Tone::Plain, "a".to_owned()), (Tone::Plain, "b".to_owned())]);
        table.row([(Tone::Good, "größer".to_owned()), (Tone::Plain, "c".to_owned())]);
        assert_eq!(table.render(Paint::never()), "a       b\ngrößer  c\n");
        assert_eq!(
            table.render(Paint { terminal: true, enabled: true }),
            "a       b\n\u{1b}[32mgrößer\u{1b}[0m  c\n"
        );
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
