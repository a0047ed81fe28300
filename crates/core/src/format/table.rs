//! Tables: comma-separated (RFC 4180) and tab-separated values. The first row names the columns, and
//! each other row is an object, so that a cell is found by its column: `$.body[3].price`.
//!
//! Columns are known by their names, so their order says nothing, and neither does the quoting of a
//! cell. A name that two columns share is a repeated key. A cell that a row lacks is `null`; a cell
//! beyond the named columns is `#5`, counted from 1. A table without rows is one row of nothing but
//! `null`, which no row can be, so that its columns are compared. With `header=absent` (RFC 4180
//! section 3) each row is an array.

use super::media;
use crate::document::{Builder, Document, ReadError};

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    pub(super) delimiter: u8,
    /// Whether cells may be quoted.
    pub(super) quoting: bool,
    /// Whether the first row names the columns.
    pub(super) header: bool,
}

impl Style {
    /// As the content type says.
    pub(super) fn of(content_type: &[u8]) -> Self {
        let has_tabs = media::essence_of(content_type) == "text/tab-separated-values";
        let header = media::parameter_of(content_type, "header");
        let header = !header.is_some_and(|value| value.eq_ignore_ascii_case("absent"));
        Self { delimiter: if has_tabs { b'\t' } else { b',' }, quoting: !has_tabs, header }
    }
}

/// Reads a table.
///
/// # Errors
/// What passes a limit; any text is a table.
pub(super) fn table(text: &str, style: Style, max_nodes: usize) -> Result<Document, ReadError> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(style.delimiter)
        .quoting(style.quoting)
        .from_reader(text.as_bytes());
    let mut builder = Builder::new(max_nodes);
    builder.array()?;
    let mut row = csv::StringRecord::new();
    let mut next = |row: &mut csv::StringRecord| {
        let at = reader.position().byte();
        reader.read_record(row).map_err(|_| ReadError::Syntax { offset: at as usize })
    };
    let mut columns: Vec<String> = Vec::new();
    if style.header && next(&mut row)? {
        columns.extend(row.iter().map(str::to_owned));
    }
    let mut rows = 0_usize;
    while next(&mut row)? {
        rows += 1;
        if style.header { named(&mut builder, &columns, &row)? } else { numbered(&mut builder, &row)? }
    }
    if rows == 0 && !columns.is_empty() {
        named(&mut builder, &columns, &csv::StringRecord::new())?;
    }
    builder.end();
    Ok(builder.finish())
}

fn named(builder: &mut Builder, columns: &[String], row: &csv::StringRecord) -> Result<(), ReadError> {
    builder.object()?;
    for (at, column) in columns.iter().enumerate() {
        builder.name(column)?;
        match row.get(at) {
            Some(cell) => builder.string(cell)?,
            None => builder.null()?,
        }
    }
    for (at, cell) in row.iter().enumerate().skip(columns.len()) {
        builder.name(&format!("#{}", at + 1))?;
        builder.string(cell)?;
    }
    builder.end();
    Ok(())
}

fn numbered(builder: &mut Builder, row: &csv::StringRecord) -> Result<(), ReadError> {
    builder.array()?;
    row.iter().try_for_each(|cell| builder.string(cell))?;
    builder.end();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMAS: Style = Style { delimiter: b',', quoting: true, header: true };

    fn shown(text: &str, style: Style) -> String {
        String::from_utf8(table(text, style, 100).unwrap().raw(0).to_vec()).unwrap()
    }

    #[test]
    fn rows_by_column() {
        assert_eq!(
            shown("id,name\r\n1,\"a, \"\"b\"\"\"\n2,\n", COMMAS),
            r#"[{"id":"1","name":"a, \"b\""},{"id":"2","name":""}]"#
        );
        assert_eq!(shown("a,a\n1,2,3\n4\n", COMMAS), r##"[{"a":"1","a":"2","#3":"3"},{"a":"4","a":null}]"##);
        assert_eq!(shown("a,b\n", COMMAS), r#"[{"a":null,"b":null}]"#);
        assert_eq!(shown("", COMMAS), "[]");
        assert_eq!(shown("1,2\n3,4", Style { header: false, ..COMMAS }), r#"[["1","2"],["3","4"]]"#);
        let tabs = Style { delimiter: b'\t', quoting: false, header: true };
        assert_eq!(shown("a\tb\n\"x\ty\"\n", tabs), r#"[{"a":"\"x","b":"y\""}]"#);
        assert!(matches!(table(&"a\n".repeat(200), COMMAS, 100), Err(ReadError::Nodes { .. })));
    }
}
