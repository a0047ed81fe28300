//! Form fields in a URL's spelling (WHATWG URL 5.1): an object of name and list of values.
//!
//! The order of the names says nothing, the order of one name's values stays. An escape that is no
//! UTF-8 is an error, never a replacement character that another escape might become too.

use std::collections::HashMap;

use crate::document::{Builder, Document, ReadError};

/// Reads form fields.
///
/// # Errors
/// Where the text is not UTF-8 behind its escapes, or passes a limit.
pub(super) fn fields(body: &[u8], max_nodes: usize) -> Result<Document, ReadError> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut lists: Vec<(String, Vec<String>)> = Vec::new();
    let mut start = 0;
    for field in body.split(|&byte| byte == b'&') {
        let at = start;
        start += field.len() + 1;
        if field.is_empty() {
            continue;
        }
        if lists.len() >= max_nodes {
            return Err(ReadError::Nodes { offset: at });
        }
        let split = field.iter().position(|&byte| byte == b'=').unwrap_or(field.len());
        let name = plain(&field[..split], at)?;
        let value = plain(field.get(split + 1..).unwrap_or_default(), at)?;
        let place = *places.entry(name.clone()).or_insert_with(|| {
            lists.push((name, Vec::new()));
            lists.len() - 1
        });
        lists[place].1.push(value);
    }
    let mut builder = Builder::new(max_nodes);
    builder.object()?;
    for (name, values) in &lists {
        builder.name(name)?;
        builder.array()?;
        values.iter().try_for_each(|value| builder.string(value))?;
        builder.end();
    }
    builder.end();
    Ok(builder.finish())
}

/// A name or value without its escapes.
fn plain(escaped: &[u8], at: usize) -> Result<String, ReadError> {
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((&first, after)) = rest.split_first() {
        let digit = |at: usize| rest.get(at).and_then(|&byte| char::from(byte).to_digit(16));
        match (first, digit(1), digit(2)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &rest[3..];
            }
            _ => {
                bytes.push(if first == b'+' { b' ' } else { first });
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| ReadError::Syntax { offset: at })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(body: &str) -> String {
        String::from_utf8(fields(body.as_bytes(), 100).unwrap().raw(0).to_vec()).unwrap()
    }

    #[test]
    fn names_with_their_values() {
        assert_eq!(shown("a=1&b=x+y%26&&a=%C3%b6&c&=d"), r#"{"a":["1","ö"],"b":["x y&"],"c":[""],"":["d"]}"#);
        assert_eq!(shown("a=%zz%4"), r#"{"a":["%zz%4"]}"#);
        assert_eq!(fields(b"a=1&b=%ff", 9).unwrap_err(), ReadError::Syntax { offset: 4 });
        assert!(matches!(fields(b"a=1&b=2&c=3", 5), Err(ReadError::Nodes { .. })));
    }
}
