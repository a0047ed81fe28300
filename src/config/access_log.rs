//! Whether and where a line is written for each request, and what may stand in it.

use std::borrow::Cow;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

use super::error::{At, Problems};
use super::file::WordOr;
use super::resolve::get;
use super::scalar::{Raw, Scalar};

/// The access log, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// Where the lines go.
    pub to: LogTarget,
    /// Whether a line has the client's address.
    pub client: bool,
    /// Whether a line has the path that was asked for, besides the operation's template.
    pub path: bool,
}

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard output.
    Stdout,
    /// A file, to whose end they are added.
    File(PathBuf),
}

/// The access log: `off`, `stdout`, a file, or a mapping.
#[derive(Debug)]
pub(super) enum AccessLogFile {
    Word(At, String),
    Full(AccessLogKeys),
}

/// A line for each request.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "AccessLog", deny_unknown_fields)]
pub(super) struct AccessLogKeys {
    /// Where the lines go: `off`, `stdout` or the path of a file.
    to: Raw<Destination>,
    /// Whether a line has the client's address; `true` by default.
    client: Option<Raw<YesNo>>,
    /// Whether a line has the raw path, which may hold what identifies a person; `false` by default.
    path: Option<Raw<YesNo>>,
}

/// The access log; none when it is off.
pub(super) fn resolve(file: Option<&AccessLogFile>, problems: &mut Problems) -> Option<AccessLog> {
    match file? {
        AccessLogFile::Word(at, word) => {
            let Destination(to) = problems.take(*at, Destination::read(word))?;
            Some(AccessLog { to: to?, client: true, path: false })
        }
        AccessLogFile::Full(keys) => {
            let client = get(keys.client.as_ref(), YesNo(true), problems).0;
            let path = get(keys.path.as_ref(), YesNo(false), problems).0;
            let Destination(to) = keys.to.get(problems)?;
            Some(AccessLog { to: to?, client, path })
        }
    }
}

struct Destination(Option<LogTarget>);

impl Scalar for Destination {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self(None)),
            "stdout" => Ok(Self(Some(LogTarget::Stdout))),
            // A slip in one of the words must not become a file of that name.
            file if file.contains(['/', '.']) && !file.ends_with('/') => {
                Ok(Self(Some(LogTarget::File(file.into()))))
            }
            _ => Err(format!(
                "`{text}` is neither `off` nor `stdout` nor the path of a file; write one like `./access.log`"
            )),
        }
    }
}

/// `true` or `false`.
#[derive(Clone, Copy, Debug)]
pub(super) struct YesNo(pub(super) bool);

impl Scalar for YesNo {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "true" => Ok(Self(true)),
            "false" => Ok(Self(false)),
            _ => Err(format!("`{text}` is neither `true` nor `false`")),
        }
    }

    fn schema() -> Schema {
        json_schema!({"type": "boolean"})
    }
}

impl<'de> Deserialize<'de> for AccessLogFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let log = Spanned::<WordOr<AccessLogKeys>>::deserialize(deserializer)?;
        Ok(match log.value {
            WordOr::Word(word) => Self::Word(log.referenced.into(), word),
            WordOr::Mapping(keys) => Self::Full(keys),
        })
    }
}

impl JsonSchema for AccessLogFile {
    fn schema_name() -> Cow<'static, str> {
        "AccessLogOrWord".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let keys = generator.subschema_for::<AccessLogKeys>();
        json_schema!({"anyOf": [{"type": "string"}, keys]})
    }
}
