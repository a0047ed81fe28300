//! The file as it is typed. These structures are the one list of keys: the JSON Schema that
//! `parallax config schema` prints is made of them, and the file is held against that schema
//! (see `shape`). Values are still texts here; `resolve` gives them their meaning and defaults.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use http::HeaderName;
use parallax_core::exchange::Side;
use parallax_core::operation::{Idempotent, Matcher, OperationId, When};
use parallax_core::ratio::Ratio;
use parallax_core::redaction::Samples;
use parallax_core::rule::{HeaderProfile, RuleSpec};
use parallax_core::stage::InitialStage;
use parallax_core::template::Template;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_saphyr::Spanned;

use super::access_log::{AccessLogFile, YesNo};
use super::canary::CanaryFile;
use super::drain::DrainFile;
use super::error::{At, Placed};
use super::export::ExportFile;
use super::forwarded::Forwarded;
use super::graphql::GraphQlFile;
use super::grpc::GrpcMethod;
use super::host_name::HostName;
use super::limits::LimitsFile;
use super::markers::MarkersFile;
use super::network::Network;
use super::or_off::OrOff;
use super::protocol::Protocol;
use super::readiness::{LatencyKeys, Sureness, VersionKeys};
use super::recheck::RecheckKeys;
use super::rollback_when::RollbackKeys;
use super::rules::Written;
use super::scalar::{Count, Listen, Raw, Scalar, Size, Text, Timeout};
use super::secret::Source;
use super::side::{HostPolicy, Scheme, UpstreamUrl};
use super::tester::TesterFile;
use super::tls::{SideTlsFile, TlsFile};
use super::traces::TracesFile;

/// parallax.yaml: a service, its replacement, and the operations to move over.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "parallax.yaml", deny_unknown_fields)]
pub(super) struct File {
    /// Where clients connect; `127.0.0.1:8080` by default.
    pub(super) listen: Option<Raw<Listen>>,
    /// Who answers requests of no operation: `legacy` (default) or `candidate`.
    pub(super) other: Option<Raw<Side>>,
    /// TLS for clients; without it they are spoken to in the clear.
    pub(super) tls: Option<TlsFile>,
    /// The listener of the web UI, the API and the metrics.
    pub(super) control: Option<ControlFile>,
    /// The service that is being replaced.
    pub(super) legacy: SideFile,
    /// The service that replaces it.
    pub(super) candidate: SideFile,
    /// A second legacy instance, asked when a mismatch is looked at again, to learn where legacy
    /// differs from itself; none by default.
    pub(super) secondary: Option<SideFile>,
    /// Where counts, samples and stages are kept; `sqlite://parallax.db` by default, or `memory://`.
    pub(super) store: Option<Raw<Text>>,
    /// Where checks wait. This version knows `store` only.
    pub(super) queue: Option<Later>,
    /// Bounds of what clients may send, and of what is held in memory.
    pub(super) limits: Option<LimitsFile>,
    /// What tells one client from another, so that each stays on one side.
    pub(super) sticky: Option<StickyFile>,
    /// A header by which somebody who tries things out chooses the side that answers; none by default.
    pub(super) tester: Option<TesterFile>,
    /// Networks whose word about the client's address is believed.
    pub(super) trusted_proxies: Option<Vec<Raw<Network>>>,
    /// Which headers tell the sides from whom a request came: `off` (default) adds none, `x-forwarded`,
    /// `rfc7239`, `both`.
    pub(super) forwarded: Option<Raw<Forwarded>>,
    /// How parallax recognises requests that it has sent itself.
    pub(super) markers: Option<MarkersFile>,
    /// A line of JSON for each request: `off` (default), `stdout`, a file, or a mapping.
    pub(super) access_log: Option<AccessLogFile>,
    /// Traces by OpenTelemetry's protocol; none by default.
    pub(super) traces: Option<TracesFile>,
    /// How long samples are kept; `7d` by default.
    pub(super) retention: Option<Raw<Duration>>,
    /// Files that follow the plan, for other tools to watch; none by default.
    pub(super) export: Option<ExportFile>,
    /// How the process ends when it is told to.
    pub(super) drain: Option<DrainFile>,
    /// Hosts under which clients reach the services: `shop.example.org`, with a port where it has one.
    /// The rule `origin` takes them for both sides' own, as it does the hosts of their URLs.
    pub(super) origins: Option<Vec<Raw<HostName>>>,
    /// An OpenAPI document (3.0, 3.1; YAML or JSON) to take operations from: every operation of it is one here,
    /// by its operationId. Relative to this file. The extension `x-parallax` of an operation may hold the keys
    /// of one here but `id` and `match`.
    pub(super) openapi: Option<Raw<Text>>,
    /// What an operation starts from.
    #[serde(default)]
    #[schemars(schema_with = "defaults_schema")]
    pub(super) defaults: Option<Box<OperationFile>>,
    /// The operations to move over, at least one; those of an OpenAPI document are refined by naming their `id`.
    #[schemars(length(min = 1))]
    #[serde(default)]
    pub(super) operations: Option<Vec<OperationFile>>,
}

/// The listener of the web UI, the API and the metrics.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "Control", deny_unknown_fields)]
pub(super) struct ControlFile {
    /// Where it listens; `127.0.0.1:9900` by default.
    pub(super) listen: Option<Raw<Listen>>,
    /// Who may do what; needed beyond loopback.
    pub(super) tokens: Option<Vec<TokenFile>>,
    /// Names under which it is reached besides its own address: `parallax.internal`, with a port
    /// where only that one is meant. Without tokens, only names of loopback.
    pub(super) hosts: Option<Vec<Raw<HostName>>>,
}

/// A token of the control listener.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Token", deny_unknown_fields)]
pub(super) struct TokenFile {
    /// Who it is, for the audit.
    pub(super) name: Raw<Text>,
    /// A viewer reads, an operator changes stages too, intake posts checks.
    pub(super) role: Raw<super::settings::Role>,
    /// A reference: `env:NAME` or `file:PATH`.
    pub(super) token: Raw<Source>,
}

/// How a side is reached: all keys, or just its URL.
#[derive(Debug)]
pub(super) enum SideFile {
    Url(Raw<UpstreamUrl>),
    Full(Box<UpstreamFile>),
}

impl SideFile {
    /// Another place for the side. What is said of TLS is said of a side that has it.
    pub(super) fn move_to(&mut self, place: &UpstreamUrl) {
        let url = match self {
            Self::Url(url) => url,
            Self::Full(full) => {
                if place.scheme == Scheme::Http {
                    full.tls = None;
                }
                &mut full.url
            }
        };
        url.say(place.to_string());
    }
}

/// How a side is reached.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Side", deny_unknown_fields)]
pub(super) struct UpstreamFile {
    /// Where it is: `http://host:port/base` or `https://host:port/base`.
    pub(super) url: Raw<UpstreamUrl>,
    /// Who it must be, and as whom we come, when the URL is `https://`.
    #[schemars(with = "Option<SideTlsFile>")]
    pub(super) tls: Option<Spanned<SideTlsFile>>,
    /// In which version of HTTP it is spoken to: `auto` (default) is HTTP/1.1 without TLS and the side's
    /// choice with it; `http1`; `http2`, which gRPC needs.
    pub(super) protocol: Option<Raw<Protocol>>,
    /// What it is told in `Host`: `preserve` (default) what the client said, `upstream` its own, or a name.
    pub(super) host: Option<Raw<HostPolicy>>,
    /// How long it may take for an answer: `none` by default for legacy, `10s` for the candidate,
    /// whose copies it bounds.
    pub(super) timeout: Option<Raw<Timeout>>,
    /// Copies in flight to it, at most; 256 by default.
    pub(super) max_in_flight: Option<Raw<Count>>,
    /// Headers that every request to it gets; a value may be `env:NAME` or `file:PATH`.
    pub(super) headers: Option<BTreeMap<String, Raw<Source>>>,
}

/// What tells one client from another: `client_ip`, or a mapping.
#[derive(Debug)]
pub(super) enum StickyFile {
    Word(At, String),
    Key(StickyKeyFile),
}

/// What tells one client from another; one of `cookie` and `header`, else the client's address.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Sticky", deny_unknown_fields)]
pub(super) struct StickyKeyFile {
    /// A cookie by its name.
    pub(super) cookie: Option<Raw<Text>>,
    /// A header by its name.
    pub(super) header: Option<Raw<HeaderName>>,
    /// Whether parallax gives the cookie to clients that have none, so that it needs no cookie of the
    /// services; `false` by default. Until a client brings it back, legacy answers.
    pub(super) set: Option<Raw<YesNo>>,
    /// Changes which clients a share takes first.
    pub(super) salt: Option<Raw<Source>>,
}

/// An operation: an endpoint to move over, and how it is checked. Every key except `id`, `match`,
/// `grpc`, `candidate_path` and `graphql` may stand under `defaults` too.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "Operation", deny_unknown_fields)]
pub(super) struct OperationFile {
    /// Its name, and the metric label `operation_id`.
    #[schemars(required)]
    pub(super) id: Option<Raw<OperationId>>,
    /// Method and path template: `GET /returns/{return_id}`. An operation of the OpenAPI document has one.
    #[serde(rename = "match")]
    pub(super) matcher: Option<Raw<Matcher>>,
    /// In place of `match`: a method of gRPC, `package.Service/Method`.
    pub(super) grpc: Option<Raw<GrpcMethod>>,
    /// The candidate's path, where it is another one.
    pub(super) candidate_path: Option<Raw<Template>>,
    /// Where it starts when nothing is stored: `shadow` (default) or `legacy`.
    pub(super) stage: Option<Raw<InitialStage>>,
    /// The share of its requests that is checked; `100%` by default.
    pub(super) sample: Option<Raw<Ratio>>,
    /// The consistency at which it may be switched; `99.9%` by default.
    pub(super) target: Option<Raw<Ratio>>,
    /// How sure one has to be that the consistency is the target or better, from 50% on; `95%` by default.
    /// `off`: the plain percentage over `min_checks`.
    pub(super) confidence: Option<Raw<Sureness>>,
    /// Checks before it may be switched, at least; 1000 by default.
    pub(super) min_checks: Option<Raw<u64>>,
    /// Distinct requests (method, target, body) among them, at least; 1 by default.
    pub(super) min_distinct: Option<Raw<Count>>,
    /// Failed checks, at most; `1%` by default.
    pub(super) max_failed: Option<Raw<Ratio>>,
    /// Checked requests among those that should be, at least; `90%` by default.
    pub(super) min_checked: Option<Raw<Ratio>>,
    /// A limit to the candidate's latency: `{p99: 2x, slack: 50ms}` by default, or `off`.
    pub(super) latency_limit: Option<OrOff<LatencyKeys>>,
    /// Whether its requests may run on both sides: `auto` (default: GET, HEAD, OPTIONS), `true`, `false`.
    pub(super) idempotent: Option<Raw<Idempotent>>,
    /// Whether its requests are GraphQL: `true`, or which documents clients name by a hash. Then what is asked for decides
    /// whether a request may run on both sides: queries may.
    pub(super) graphql: Option<GraphQlFile>,
    /// Whether checks of its proxied requests wait on disk, as posted ones do; `false` by default.
    pub(super) durable: Option<Raw<YesNo>>,
    /// Asking both sides again after a mismatch of a GET or HEAD; on by default, or `off`.
    pub(super) recheck: Option<OrOff<RecheckKeys>>,
    /// When a copy leaves: `after` the answer (default), or `concurrent`, together with a request that
    /// has no body.
    pub(super) when: Option<Raw<When>>,
    /// How the candidate's build is told, for each of which checks are gathered anew: `{header: x-version}`
    /// by default, `{name: "1.4.2"}`, or `off`.
    pub(super) version: Option<OrOff<VersionKeys>>,
    /// The way through canary as a plan.
    pub(super) canary: Option<CanaryFile>,
    /// When it goes back from canary or switched to shadow by itself; on by default, or `off`.
    pub(super) rollback_when: Option<OrOff<RollbackKeys>>,
    /// Longest body that is kept for comparison; `1MiB` by default.
    pub(super) body_limit: Option<Raw<Size>>,
    /// How much of a sample is kept: `masked` (default) its shape and length, `plain`, or `none`.
    pub(super) samples: Option<Raw<Samples>>,
    /// What is never kept, in addition to `authorization`, `cookie` and `set-cookie`.
    pub(super) redact: Option<RedactFile>,
    /// Which headers count: `default`, or `strict` for all of them.
    pub(super) headers: Option<Raw<HeaderProfile>>,
    /// What may differ, and where; an operation adds to the rules under `defaults`.
    #[schemars(with = "Option<Vec<RuleSpec>>")]
    pub(super) compare: Option<Vec<Placed<Written>>>,
    /// How much work one comparison may be; what is beyond is `failed`.
    pub(super) compare_limits: Option<CompareLimitsFile>,
}

/// How much work one comparison may be. It is counted, not timed, so that the same two answers
/// have the same verdict everywhere.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "CompareLimits", deny_unknown_fields)]
pub(super) struct CompareLimitsFile {
    /// Bytes that one body is decoded to, at most; `32MiB` by default.
    pub(super) decoded: Option<Raw<Size>>,
    /// Bytes that one byte of a compressed body gives, at most, beyond the first MiB; 500 by default.
    #[schemars(extend("maximum" = 100_000))]
    pub(super) ratio: Option<Raw<Count>>,
    /// Values and names of one body, at most; 2000000 by default.
    #[schemars(extend("maximum" = 50_000_000))]
    pub(super) nodes: Option<Raw<Count>>,
    /// Steps of comparing and pairing, at most; 20000000 by default.
    #[schemars(extend("maximum" = 1_000_000_000))]
    pub(super) steps: Option<Raw<Count>>,
    /// Differences of one check that are kept, at most; 200 by default.
    #[schemars(extend("maximum" = 10_000))]
    pub(super) differences: Option<Raw<Count>>,
}

/// What is never kept.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Redact", deny_unknown_fields)]
pub(super) struct RedactFile {
    /// Headers by name.
    pub(super) headers: Option<Vec<Raw<HeaderName>>>,
    /// Places in the body: `$.body.customer.email`.
    pub(super) body: Option<Vec<Raw<Text>>>,
}

/// A key of the contract whose feature comes later. It is read so that it can be refused by name
/// where it asks for something that this version does not do.
#[derive(Debug)]
pub(super) struct Later {
    pub(super) at: At,
    /// The value, when it is a single word or number.
    pub(super) word: Option<String>,
}

impl<'de> Deserialize<'de> for Later {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::<Value>::deserialize(deserializer)?;
        let word = match value {
            Value::String(word) => Some(word),
            Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
        Ok(Self { at: referenced.into(), word })
    }
}

impl JsonSchema for Later {
    fn schema_name() -> Cow<'static, str> {
        "Later".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({})
    }
}

/// A word where a mapping could stand too.
pub(super) enum WordOr<T> {
    Word(String),
    Mapping(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for WordOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = WordOr<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a mapping")
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Self::Value, E> {
                Ok(WordOr::Word(word.to_owned()))
            }

            fn visit_bool<E: serde::de::Error>(self, word: bool) -> Result<Self::Value, E> {
                Ok(WordOr::Word(word.to_string()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(WordOr::Mapping)
            }
        }

        deserializer.deserialize_any(Either(std::marker::PhantomData))
    }
}

impl<'de> Deserialize<'de> for SideFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let side = Spanned::<WordOr<Box<UpstreamFile>>>::deserialize(deserializer)?;
        Ok(match side.value {
            WordOr::Word(url) => Self::Url(Raw::new(url, side.referenced.into())),
            WordOr::Mapping(full) => Self::Full(full),
        })
    }
}

impl JsonSchema for SideFile {
    fn schema_name() -> Cow<'static, str> {
        "SideOrUrl".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let full = generator.subschema_for::<UpstreamFile>();
        json_schema!({"anyOf": [UpstreamUrl::schema(), full]})
    }
}

impl<'de> Deserialize<'de> for StickyFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let sticky = Spanned::<WordOr<StickyKeyFile>>::deserialize(deserializer)?;
        Ok(match sticky.value {
            WordOr::Word(word) => Self::Word(sticky.referenced.into(), word),
            WordOr::Mapping(key) => Self::Key(key),
        })
    }
}

impl JsonSchema for StickyFile {
    fn schema_name() -> Cow<'static, str> {
        "StickyOrWord".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let key = generator.subschema_for::<StickyKeyFile>();
        json_schema!({"anyOf": [{"const": "client_ip"}, key]})
    }
}

/// The schema of an operation without what makes it one operation.
fn defaults_schema(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = OperationFile::json_schema(generator);
    schema.remove("required");
    schema.insert("type".to_owned(), serde_json::json!(["object", "null"]));
    schema.insert("description".to_owned(), "What an operation starts from.".into());
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for own in ["id", "match", "grpc", "candidate_path", "graphql"] {
            properties.remove(own);
        }
    }
    schema
}
