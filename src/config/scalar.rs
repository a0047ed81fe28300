//! Single values of the file: read as text with their place, and turned into a type later, so
//! that every bad value of a file is reported and not only the first.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderName, Method};
use parallax_core::exchange::Side;
use parallax_core::operation::{Idempotent, Matcher, OperationId, When};
use parallax_core::ratio::Ratio;
use parallax_core::redaction::Samples;
use parallax_core::rule::HeaderProfile;
use parallax_core::stage::InitialStage;
use parallax_core::template::Template;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

use super::error::{At, Problems};

/// A type that a single value of the file can be turned into.
pub(super) trait Scalar: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// With what is wrong and how to write it.
    fn read(text: &str) -> Result<Self, String>;

    /// What an editor may check.
    fn schema() -> Schema {
        json_schema!({"type": "string"})
    }
}

/// A value as it was typed. What it says is known only after [`Raw::get`].
#[derive(Clone)]
pub(super) struct Raw<T> {
    /// Where it stands.
    pub(super) at: At,
    text: String,
    kind: PhantomData<T>,
}

impl<T> Raw<T> {
    /// Another text in the same place.
    pub(super) fn say(&mut self, text: String) {
        self.text = text;
    }
}

/// Shows the place only: the text may be a secret that was typed in the wrong place.
impl<T> fmt::Debug for Raw<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Raw({})", self.at)
    }
}

impl<T: Scalar> Raw<T> {
    pub(super) fn new(text: String, at: At) -> Self {
        Self { at, text, kind: PhantomData }
    }

    /// The value, or its error among the problems.
    pub(super) fn get(&self, problems: &mut Problems) -> Option<T> {
        problems.take(self.at, T::read(&self.text))
    }
}

impl<'de, T: Scalar> Deserialize<'de> for Raw<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Spanned::<String>::deserialize(deserializer)?;
        Ok(Self::new(text.value, text.referenced.into()))
    }
}

impl<T: Scalar> JsonSchema for Raw<T> {
    fn schema_name() -> Cow<'static, str> {
        "Value".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        T::schema()
    }
}

/// A number of bytes: `1024`, `32KiB`, `1MiB`, `500KB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size(pub(super) usize);

impl Scalar for Size {
    fn read(text: &str) -> Result<Self, String> {
        const UNITS: [(&str, usize); 7] = [
            ("KiB", 1 << 10),
            ("MiB", 1 << 20),
            ("GiB", 1 << 30),
            ("KB", 1_000),
            ("MB", 1_000_000),
            ("GB", 1_000_000_000),
            ("B", 1),
        ];
        let known = UNITS.iter().find_map(|&(unit, bytes)| Some((text.strip_suffix(unit)?, bytes)));
        let (digits, unit_bytes) = known.unwrap_or((text, 1));
        let number = whole_number(digits.trim_end()).and_then(|number| usize::try_from(number).ok());
        match number.and_then(|number| number.checked_mul(unit_bytes)) {
            Some(bytes) if bytes > 0 => Ok(Self(bytes)),
            _ => Err(format!("`{text}` is no size; write it like `1MiB`, `32KiB`, `500KB` or `1024`")),
        }
    }

    fn schema() -> Schema {
        json_schema!({"type": ["string", "integer"], "pattern": "^[0-9]+ ?([KMG]i?)?B?$", "minimum": 1})
    }
}

/// A number of bytes that bounds something, or `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bound(pub(super) Option<u64>);

impl Scalar for Bound {
    fn read(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        let size = Size::read(text).map_err(|error| format!("{error}, or `none`"))?;
        Ok(Self(Some(size.0 as u64)))
    }

    fn schema() -> Schema {
        json_schema!({"type": ["string", "integer"], "pattern": "^([0-9]+ ?([KMG]i?)?B?|none)$", "minimum": 1})
    }
}

/// A number of things, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count(pub(super) usize);

impl Scalar for Count {
    fn read(text: &str) -> Result<Self, String> {
        match whole_number(text).and_then(|number| usize::try_from(number).ok()) {
            Some(number) if number > 0 => Ok(Self(number)),
            _ => Err(format!("`{text}` is no number of things; write a whole number from 1 up")),
        }
    }

    fn schema() -> Schema {
        json_schema!({"type": "integer", "minimum": 1})
    }
}

impl Scalar for u64 {
    fn read(text: &str) -> Result<Self, String> {
        whole_number(text).ok_or_else(|| format!("`{text}` is no whole number"))
    }

    fn schema() -> Schema {
        json_schema!({"type": "integer", "minimum": 0})
    }
}

impl Scalar for Duration {
    fn read(text: &str) -> Result<Self, String> {
        const UNITS: [(&str, u64); 5] =
            [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
        let known = UNITS.iter().find_map(|&(unit, ms)| Some((text.strip_suffix(unit)?, ms)));
        let number = known.and_then(|(digits, unit_ms)| whole_number(digits)?.checked_mul(unit_ms));
        match number {
            Some(ms) if ms > 0 => Ok(Self::from_millis(ms)),
            _ => Err(format!("`{text}` is no duration; write it like `250ms`, `10s`, `2m`, `1h` or `7d`")),
        }
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$"})
    }
}

/// How long to wait for a side: a duration, or `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timeout(pub(super) Option<Duration>);

impl Scalar for Timeout {
    fn read(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        Duration::read(text).map(|timeout| Self(Some(timeout)))
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "pattern": "^([0-9]+(ms|s|m|h|d)|none)$"})
    }
}

fn whole_number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

impl Scalar for Ratio {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(display)
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9]{1,3}(\\.[0-9]{1,4})? ?%$"})
    }
}

impl Scalar for OperationId {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(display)
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "pattern": "^[A-Za-z0-9_.:/-]{1,128}$"})
    }
}

impl Scalar for InitialStage {
    fn read(text: &str) -> Result<Self, String> {
        let start = |_| {
            format!(
                "an operation starts in `legacy` or `shadow`, not `{text}`; later stages are reached with `parallax stage`"
            )
        };
        text.parse().map_err(start)
    }

    fn schema() -> Schema {
        json_schema!({"enum": Self::ALL})
    }
}

impl Scalar for Side {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(display)
    }

    fn schema() -> Schema {
        json_schema!({"enum": Self::ALL})
    }
}

impl Scalar for Idempotent {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(display)
    }

    fn schema() -> Schema {
        json_schema!({"enum": ["auto", true, false]})
    }
}

impl Scalar for When {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(display)
    }

    fn schema() -> Schema {
        json_schema!({"enum": Self::ALL})
    }
}

impl Scalar for Samples {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(display)
    }

    fn schema() -> Schema {
        json_schema!({"enum": Self::ALL})
    }
}

impl Scalar for Template {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error| format!("`{text}` is no path template: {error}"))
    }
}

impl Scalar for Matcher {
    fn read(text: &str) -> Result<Self, String> {
        let (method, path) = text
            .split_once(char::is_whitespace)
            .ok_or_else(|| format!("`{text}` is no match; write it like `GET /returns/{{return_id}}`"))?;
        Ok(Self { method: read_method(method)?, template: Template::read(path.trim_start())? })
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "pattern": "^[A-Z][A-Z-]* +/"})
    }
}

/// A method that an operation may have. Methods are case-sensitive (RFC 9110 section 9.1), so a
/// small `get` would match nothing.
fn read_method(text: &str) -> Result<Method, String> {
    let upper = text.to_ascii_uppercase();
    if text != upper {
        return Err(format!("`{text}` is no method: methods are case-sensitive; write `{upper}`"));
    }
    match Method::from_bytes(text.as_bytes()) {
        Ok(Method::HEAD) => Err("HEAD belongs to its GET; match `GET` and both are covered".to_owned()),
        Ok(Method::CONNECT) => Err("CONNECT has no path and belongs to no operation".to_owned()),
        Ok(method) => Ok(method),
        Err(_) => Err(format!("`{text}` is no method; write one like `GET` or `POST`")),
    }
}

impl Scalar for HeaderName {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("`{text}` is no header name"))
    }
}

/// Free text that is not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text(pub(super) String);

impl Scalar for Text {
    fn read(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            Err("this must not be empty".to_owned())
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listen(pub(super) SocketAddr);

impl Scalar for Listen {
    fn read(text: &str) -> Result<Self, String> {
        let numeric = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
        numeric.as_deref().unwrap_or(text).parse().map(Self).map_err(|_| {
            format!(
                "`{text}` is no address to listen on; write an IP address and a port, like `127.0.0.1:8080`, `0.0.0.0:8080` or `[::]:8080`"
            )
        })
    }
}

impl Scalar for HeaderProfile {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "default" => Ok(Self::Default),
            "strict" => Ok(Self::Strict),
            _ => Err(format!("`{text}` is not one of default, strict")),
        }
    }

    fn schema() -> Schema {
        json_schema!({"enum": ["default", "strict"]})
    }
}

fn display(error: impl fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_and_decimal_units() {
        let read = |text: &str| Size::read(text).map(|size| size.0).ok();
        assert_eq!(read("1024"), Some(1024));
        assert_eq!(read("32KiB"), Some(32_768));
        assert_eq!(read("1 MiB"), Some(1_048_576));
        assert_eq!(read("500KB"), Some(500_000));
        assert_eq!(read("7B"), Some(7));
        for bad in ["", "0", "MiB", "-1", "1.5MiB", "1mib", "99999999999GiB", "+5"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn durations_need_a_unit() {
        let read = |text: &str| Duration::read(text).ok();
        assert_eq!(read("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(read("10s"), Some(Duration::from_secs(10)));
        assert_eq!(read("2m"), Some(Duration::from_secs(120)));
        assert_eq!(read("7d"), Some(Duration::from_secs(604_800)));
        for bad in ["", "10", "0s", "s", "1.5s", "-1s", "1w", "999999999999999999d"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_match_is_a_method_and_a_template() {
        let matcher = Matcher::read("GET  /returns/{id}").expect("a match");
        assert_eq!(matcher.to_string(), "GET /returns/{id}");
        assert!(Matcher::read("get /a").unwrap_err().contains("write `GET`"));
        assert!(Matcher::read("HEAD /a").unwrap_err().contains("belongs to its GET"));
        assert!(Matcher::read("CONNECT /a").is_err());
        assert!(Matcher::read("/a").is_err());
        assert!(Matcher::read("G(T /a").is_err());
    }
}
