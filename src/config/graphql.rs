//! `graphql:` of an operation: `true`, or which documents clients name by a hash.

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::Method;
use parallax_core::graphql::{GraphQl, Kind};
use parallax_core::operation::{Idempotent, Matcher};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use super::error::{At, Placed, Problems};
use super::file::WordOr;
use super::resolve::list;
use super::scalar::{Raw, Scalar};

/// `graphql:` as typed.
#[derive(Debug)]
pub(super) struct GraphQlFile {
    at: At,
    keys: Said,
}

#[derive(Debug)]
enum Said {
    Word(String),
    Keys(GraphQlKeys),
}

/// How requests are read as GraphQL.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "GraphQl", deny_unknown_fields)]
pub(super) struct GraphQlKeys {
    /// What each document does that clients name by its hash or id instead of sending it: `query`, `mutation` or
    /// `subscription`. One that is not here may not be copied.
    persisted: Option<BTreeMap<String, Raw<Kind>>>,
    /// Operations of GraphQL by their names, whose checks are counted apart in `parallax_graphql_checks_total`.
    #[schemars(length(max = 200))]
    names: Option<Vec<Raw<Name>>>,
}

/// The name of an operation of GraphQL (October 2021, section 2.1.9).
#[derive(Debug)]
pub(super) struct Name(String);

impl Scalar for Name {
    fn read(text: &str) -> Result<Self, String> {
        let mut bytes = text.bytes();
        let begins = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        let is_name = begins && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name || text.len() > 128 {
            return Err(format!(
                "`{text}` is no name of an operation of GraphQL: letters, digits and `_`, 128 at most"
            ));
        }
        if text == GraphQl::OTHER {
            return Err("`other` is what all others are counted as".to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "pattern": "^[_A-Za-z][_0-9A-Za-z]{0,127}$"})
    }
}

/// What it means for an operation with this matcher.
pub(super) fn resolve(
    file: Option<&GraphQlFile>,
    matcher: Option<&Matcher>,
    idempotent: Idempotent,
    problems: &mut Problems,
) -> Option<GraphQl> {
    let file = file?;
    let persisted = match &file.keys {
        Said::Word(word) if word == "true" => BTreeMap::new(),
        Said::Word(word) if word == "false" => return None,
        Said::Word(word) => {
            let message = format!(
                "`{word}` says not how requests are read; write `true` or `{{persisted: {{HASH: query}}}}`"
            );
            problems.add(file.at, message);
            return None;
        }
        Said::Keys(keys) => {
            let known = keys.persisted.iter().flatten();
            known.filter_map(|(name, raw)| Some((name.clone(), raw.get(problems)?))).collect()
        }
    };
    if matcher.is_some_and(|matcher| !matches!(matcher.method, Method::GET | Method::POST)) {
        problems.add(file.at, "GraphQL comes by GET or POST; leave `graphql` out, or change `match`");
    }
    if idempotent == Idempotent::True {
        let message = "with `graphql` it is the request that says whether it may run on both sides, so it does not go with \
                       `idempotent: true`; leave one of them out";
        problems.add(file.at, message);
    }
    let names = match &file.keys {
        Said::Keys(keys) => list(keys.names.as_deref(), problems),
        Said::Word(_) => Vec::new(),
    };
    Some(GraphQl { persisted, names: names.into_iter().map(|Name(name)| name.into()).collect() })
}

impl Scalar for Kind {
    fn read(text: &str) -> Result<Self, String> {
        text.parse::<Self>().map_err(|error| error.to_string())
    }

    fn schema() -> Schema {
        json_schema!({"enum": Self::ALL})
    }
}

impl<'de> Deserialize<'de> for GraphQlFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let said = Placed::<WordOr<GraphQlKeys>>::deserialize(deserializer)?;
        let keys = match said.value {
            WordOr::Word(word) => Said::Word(word),
            WordOr::Mapping(keys) => Said::Keys(keys),
        };
        Ok(Self { at: said.at, keys })
    }
}

impl JsonSchema for GraphQlFile {
    fn schema_name() -> Cow<'static, str> {
        "GraphQlOrWord".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let keys = generator.subschema_for::<GraphQlKeys>();
        json_schema!({"anyOf": [{"type": "boolean"}, keys]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(operation: &str) -> Result<Option<GraphQl>, String> {
        let text = format!("legacy: http://a\ncandidate: http://b\noperations: [{{id: a, {operation}}}]\n");
        let settings =
            crate::config::parse(&text, "x.yaml", &|_| None).map_err(|errors| errors.to_string())?;
        Ok(settings.operations[0].graphql.clone())
    }

    #[test]
    fn it_is_said_for_an_operation_that_can_have_it() {
        assert_eq!(read("match: POST /g"), Ok(None));
        assert_eq!(read("match: POST /g, graphql: false"), Ok(None));
        assert_eq!(read("match: GET /g, graphql: true"), Ok(Some(GraphQl::default())));
        let named =
            read("match: POST /g, graphql: {persisted: {a1: query, b2: mutation}}").expect("settings");
        let expected = [("a1".to_owned(), Kind::Query), ("b2".to_owned(), Kind::Mutation)];
        assert_eq!(named, Some(GraphQl { persisted: expected.into(), ..GraphQl::default() }));
    }

    #[test]
    fn what_it_cannot_mean_is_told() {
        for (operation, expected) in [
            ("match: PUT /g, graphql: true", "GraphQL comes by GET or POST"),
            ("match: POST /g, graphql: true, idempotent: true", "does not go with `idempotent: true`"),
            ("match: POST /g, graphql: yes", "`yes` says not how requests are read"),
            (
                "match: POST /g, graphql: {persisted: {a: read}}",
                "`read` is not one of query, mutation, subscription",
            ),
            ("match: POST /g, graphql: {name: [a]}", "unknown key `name` under `operations[0].graphql`"),
            ("match: POST /g, graphql: {names: ['a b']}", "`a b` is no name of an operation of GraphQL"),
            ("match: POST /g, graphql: {names: [other]}", "`other` is what all others are counted as"),
        ] {
            let told = read(operation).expect_err(operation);
            assert!(told.starts_with("x.yaml:3:") && told.contains(expected), "{told}");
        }
    }
}
