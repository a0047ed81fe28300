//! The headers of a payload: which of them are the message's own, and which belonged to a connection
//! that is long closed.
//!
//! They come as an object (`{"Accept": "text/html", "Set-Cookie": ["a=1", "b=2"]}`) or as a list of
//! pairs (`[["Accept", "text/html"], …]` or `[{"name": "Accept", "value": "text/html"}, …]`), as
//! different libraries have them.

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};

use super::fields::{members, required, text, wrong_kind};
use super::malformed::{Malformed, wrong, wrong_name};
use crate::document::{Document, NodeId, NodeKind};

/// Most header lines of a message.
const MAX_LINES: usize = 500;
/// Most bytes of all names and values together.
const MAX_BYTES: usize = 256 * 1024;

/// What frames a message or belongs to one connection (RFC 9110 section 7.6.1, RFC 9112 section 6).
const OF_THE_CONNECTION: [HeaderName; 11] = [
    header::CONNECTION,
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
];

/// What `Connection` may name and what stays nevertheless: without it, the request would be another
/// client's.
const NEVER_STRIPPED: [HeaderName; 3] =
    [header::AUTHORIZATION, header::FORWARDED, HeaderName::from_static("x-forwarded-for")];

/// Headers that are our own: a payload cannot speak for this deployment.
const OWN: &str = "parallax-";

/// Why a header cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Name,
    Value,
    TooMany,
}

/// Headers as they were given.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    map: HeaderMap,
    bytes: usize,
}

impl Collected {
    /// Adds a line.
    pub(crate) fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refused> {
        let name = HeaderName::from_bytes(name).map_err(|_| Refused::Name)?;
        let value = HeaderValue::from_bytes(value.trim_ascii()).map_err(|_| Refused::Value)?;
        self.bytes += name.as_str().len() + value.len();
        if self.map.len() >= MAX_LINES || self.bytes > MAX_BYTES {
            return Err(Refused::TooMany);
        }
        self.map.append(name, value);
        Ok(())
    }

    /// All of them, as they came.
    pub(crate) fn as_given(&self) -> &HeaderMap {
        &self.map
    }

    /// Those that a request may be sent with: neither where it goes nor how long its body is comes
    /// from here.
    pub(crate) fn of_a_request(self) -> HeaderMap {
        let mut map = self.of_an_answer();
        map.remove(header::HOST);
        map.remove(header::CONTENT_LENGTH);
        map
    }

    /// Those that an answer is compared by. An answer is never sent anywhere, so its length may stay.
    pub(crate) fn of_an_answer(mut self) -> HeaderMap {
        let lines = self.map.get_all(header::CONNECTION).iter().filter_map(|line| line.to_str().ok());
        let named: Vec<HeaderName> = lines
            .flat_map(|line| line.split(','))
            .filter_map(|name| name.trim().parse().ok())
            .filter(|name| !NEVER_STRIPPED.contains(name))
            .collect();
        let own = self.map.keys().filter(|name| name.as_str().starts_with(OWN)).cloned();
        let dropped: Vec<HeaderName> = named.into_iter().chain(own).chain(OF_THE_CONNECTION).collect();
        for name in dropped {
            self.map.remove(name);
        }
        self.map
    }
}

/// Reads the headers of a message; nothing is no headers.
pub(super) fn read(document: &Document, node: Option<NodeId>) -> Result<Collected, Malformed> {
    let mut collected = Collected::default();
    let Some(node) = node else { return Ok(collected) };
    match document.kind(node) {
        NodeKind::Object => object(document, node, &mut collected)?,
        NodeKind::Array => list(document, node, &mut collected)?,
        _ => return Err(wrong_kind(document, node, "an object, name by name, or a list of pairs")),
    }
    Ok(collected)
}

fn object(document: &Document, node: NodeId, collected: &mut Collected) -> Result<(), Malformed> {
    for (name, value) in document.members(node) {
        let is_there = HeaderName::from_bytes(&document.content(name))
            .is_ok_and(|known| collected.map.contains_key(known));
        if is_there {
            let remedy = "give its values as one array; names of headers know no case";
            return Err(wrong_name(document, name, "this header stands twice", remedy));
        }
        match document.kind(value) {
            NodeKind::String => line(document, (name, value), value, collected)?,
            NodeKind::Array => {
                for element in document.elements(value) {
                    line(document, (name, element), element, collected)?;
                }
            }
            _ => return Err(wrong_kind(document, value, "a string, or an array of strings")),
        }
    }
    Ok(())
}

fn list(document: &Document, node: NodeId, collected: &mut Collected) -> Result<(), Malformed> {
    for pair in document.elements(node) {
        let (name, value) = match document.kind(pair) {
            NodeKind::Object => {
                let [name, value] = members(document, pair, ["name", "value"])?;
                (required(document, pair, "name", name)?, required(document, pair, "value", value)?)
            }
            NodeKind::Array => {
                let mut both = document.elements(pair);
                match (both.next(), both.next(), both.next()) {
                    (Some(name), Some(value), None) => (name, value),
                    _ => return Err(wrong(document, pair, "this is no pair", "write `[name, value]`")),
                }
            }
            _ => return Err(wrong_kind(document, pair, "a pair: `[name, value]` or `{name, value}`")),
        };
        text(document, name)?;
        line(document, (name, value), name, collected)?;
    }
    Ok(())
}

/// One line; what is wrong with its name is told at `named`, which is a value of the tree.
fn line(
    document: &Document,
    (name, value): (NodeId, NodeId),
    named: NodeId,
    collected: &mut Collected,
) -> Result<(), Malformed> {
    let value_text = text(document, value)?;
    let added = collected.add(&document.content(name), value_text.as_bytes());
    added.map_err(|refused| match refused {
        Refused::Name => {
            let remedy = "use letters, digits and `-` (RFC 9110 section 5.1)";
            wrong(document, named, "the name of this header is none", remedy)
        }
        Refused::Value => wrong(
            document,
            value,
            "this holds a character that no header may have, such as a line end",
            "leave the header out",
        ),
        Refused::TooMany => {
            let problem =
                format!("there are more than {MAX_LINES} header lines or {MAX_BYTES} bytes of them");
            wrong(document, value, problem, "leave out what the other side does not need")
        }
    })
}
