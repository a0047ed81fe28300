//! As much of YAML as is needed to write a configuration: texts are always in quotes, so that none is
//! taken for a number, a boolean or anything but a text.

/// A text in single quotes. Whatever comes here is printable ASCII on one line.
pub(super) fn text(text: &str) -> String {
    let on_a_line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("'{}'", on_a_line.replace('\'', "''"))
}
