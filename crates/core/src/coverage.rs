//! What the description of an operation promises, and which of it checks have met: statuses, parameters of the query,
//! content types. An operation may be matched a thousand times without ever having been asked for its second page.
//!
//! Only names of the description are kept, never what a request or an answer says.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::{HeaderMap, header};

use crate::exchange::{Answer, Request};
use crate::label::labels;
use crate::query::decoded;

/// Names that are kept of one operation, at most.
const MOST: usize = 200;

labels! {
    /// What is described.
    pub enum Aspect {
        /// A status of an answer: `200`, `4XX`, `default`.
        Status => "status",
        /// The media type of an answer.
        ContentType => "content_type",
        /// A parameter of a request's query.
        Parameter => "parameter",
        /// The media type of a request.
        RequestType => "request_type",
    }
}

/// Something that is described, by its name.
pub type Item = (Aspect, Arc<str>);

/// What is described of an operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Documented {
    items: BTreeSet<Item>,
}

impl Documented {
    /// Adds a name; beyond a bound none is.
    pub fn add(&mut self, aspect: Aspect, name: &str) {
        let name = match aspect {
            Aspect::ContentType | Aspect::RequestType => essence(name).to_ascii_lowercase(),
            Aspect::Status => name.to_ascii_uppercase().replace("DEFAULT", "default"),
            Aspect::Parameter => name.to_owned(),
        };
        if self.items.len() < MOST {
            self.items.insert((aspect, name.into()));
        }
    }

    /// Everything that is described.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.items.iter()
    }

    /// Whether nothing is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// What of it a request with its answer has met.
    ///
    /// ```
    /// # use parallax_core::{coverage::{Aspect, Documented}, exchange::{Answer, Body, Request}};
    /// let mut documented = Documented::default();
    /// documented.add(Aspect::Parameter, "page");
    /// documented.add(Aspect::Status, "2XX");
    /// documented.add(Aspect::Status, "404");
    /// let target = "/returns?page=2&secret=x".parse().unwrap();
    /// let request = Request { method: http::Method::GET, target, headers: Default::default(), body: Default::default() };
    /// let answer = Answer { status: http::StatusCode::OK, headers: Default::default(), body: Body::Whole("".into()), trailers: None };
    /// let met: Vec<_> = documented.met_by(&request, &answer).map(|(_, name)| &**name).collect();
    /// assert_eq!(met, ["2XX", "page"]);
    /// ```
    pub fn met_by<'d>(&'d self, request: &'d Request, answer: &'d Answer) -> impl Iterator<Item = &'d Item> {
        let status = self.status(answer.status.as_u16());
        let (answered, asked) = (media_type(&answer.headers), media_type(&request.headers));
        let parameters = parameters(request.target.query());
        self.items.iter().filter(move |(aspect, name)| match aspect {
            Aspect::Status => status.as_deref() == Some(name),
            Aspect::ContentType => answered.as_ref().is_some_and(|found| is_of(found, name)),
            Aspect::RequestType => asked.as_ref().is_some_and(|found| is_of(found, name)),
            Aspect::Parameter => parameters.iter().any(|found| **found == **name),
        })
    }

    /// The name under which a status is described: the closest one (OpenAPI 3.1, Responses Object).
    fn status(&self, status: u16) -> Option<String> {
        let names = [status.to_string(), format!("{}XX", status / 100), "default".to_owned()];
        names.into_iter().find(|name| self.items.contains(&(Aspect::Status, name.as_str().into())))
    }
}

fn essence(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(essence(value).to_ascii_lowercase())
}

/// Whether a media type is one of a range: `text/html`, `text/*`, `*/*`.
fn is_of(media_type: &str, range: &str) -> bool {
    let of_kind = range.strip_suffix("/*").is_some_and(|kind| media_type.split('/').next() == Some(kind));
    media_type == range || range == "*/*" || of_kind
}

/// The names of a query's parameters. `deep[colour]` is described as `deep`.
fn parameters(query: Option<&str>) -> Vec<String> {
    let pairs = query.into_iter().flat_map(|query| query.split('&')).take(MOST);
    let name = |pair: &str| decoded(pair.split('=').next().unwrap_or_default());
    let mut names: Vec<String> = pairs.filter_map(name).collect();
    let deep: Vec<String> =
        names.iter().filter_map(|name| Some(name.split_once('[')?.0.to_owned())).collect();
    names.extend(deep);
    names
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Method, StatusCode};

    use super::*;
    use crate::exchange::Body;

    fn met(documented: &[(Aspect, &str)], target: &str, types: (&str, &str), status: u16) -> Vec<String> {
        let mut all = Documented::default();
        documented.iter().for_each(|(aspect, name)| all.add(*aspect, name));
        let headers = |value: &str| {
            HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_str(value).expect("a value"))])
        };
        let target = target.parse().expect("a target");
        let request = Request { method: Method::GET, target, headers: headers(types.0), body: "".into() };
        let status = StatusCode::from_u16(status).expect("a status");
        let answer =
            Answer { status, headers: headers(types.1), body: Body::Whole("".into()), trailers: None };
        all.met_by(&request, &answer).map(|(aspect, name)| format!("{aspect} {name}")).collect()
    }

    #[test]
    fn the_closest_status_is_met() {
        use Aspect::Status;
        let all = [(Status, "200"), (Status, "4xx"), (Status, "404"), (Status, "default")];
        let of = |status| met(&all, "/", ("a/b", "a/b"), status);
        assert_eq!(of(200), ["status 200"]);
        assert_eq!(of(404), ["status 404"]);
        assert_eq!(of(409), ["status 4XX"]);
        assert_eq!(of(500), ["status default"]);
        assert!(met(&all[..1], "/", ("a/b", "a/b"), 500).is_empty());
    }

    #[test]
    fn parameters_and_types_are_met_by_their_names() {
        use Aspect::{ContentType, Parameter, RequestType};
        let all = [
            (Parameter, "page"),
            (Parameter, "per page"),
            (Parameter, "filter"),
            (Parameter, "sort"),
            (ContentType, "text/*"),
            (ContentType, "application/json"),
            (RequestType, "application/JSON; charset=utf-8"),
        ];
        assert_eq!(
            met(
                &all,
                "/?page=1&per%20page=2&filter[colour]=x&sorted=1",
                ("application/json", "TEXT/html; charset=utf-8"),
                200
            ),
            [
                "content_type text/*",
                "parameter filter",
                "parameter page",
                "parameter per page",
                "request_type application/json"
            ]
        );
        assert_eq!(
            met(&all, "/", ("text/plain", "application/json"), 200),
            ["content_type application/json"]
        );
    }
}
