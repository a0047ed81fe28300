//! Which fault a difference belongs to. A signature groups the differences of one fault: it names
//! a place and a kind, and holds no values.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::str::FromStr;

use xxhash_rust::xxh3::xxh3_64;

use crate::explanations::Explanations;
use crate::operation::OperationId;
use crate::path::{Path, Step, printed, write_name};
use crate::verdict::{Difference, Kind, Part, Value, ValueType};

/// Names one signature: 64 bits of a hash over all that it is made of, printed as 16 hexadecimal
/// digits, so that the same fault has the same name on every node and after every restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignatureId(pub u64);

impl fmt::Display for SignatureId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A text that names no signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a signature id; it has 16 hexadecimal digits")]
pub struct SignatureIdError(String);

impl FromStr for SignatureId {
    type Err = SignatureIdError;

    fn from_str(text: &str) -> Result<Self, SignatureIdError> {
        let error = || SignatureIdError(text.to_owned());
        if text.len() != 16 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(error());
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| error())
    }
}

impl serde::Serialize for SignatureId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for SignatureId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The kind of fault a difference belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Signature {
    /// Its name.
    pub id: SignatureId,
    /// The operation in which it was seen.
    pub operation_id: OperationId,
    /// Where in the answer.
    pub part: Part,
    /// The generalised place: `$.body.items[*].price`.
    pub path: String,
    /// How the sides differ there.
    pub kind: Kind,
    /// The type of what legacy has there.
    pub legacy_type: Option<ValueType>,
    /// The type of what the candidate has there.
    pub candidate_type: Option<ValueType>,
    /// The relation between the two values, where one is known.
    pub explanation: Option<String>,
}

impl Signature {
    /// The fault that a difference of an operation belongs to.
    ///
    /// ```
    /// use parallax_core::path::{Path, Step};
    /// use parallax_core::signature::Signature;
    /// use parallax_core::verdict::{Difference, Kind, Part};
    /// let price = |index| Difference {
    ///     part: Part::Body,
    ///     path: Path::from(vec![Step::name("body"), Step::name("items"), Step::Index(index), Step::name("price")]),
    ///     kind: Kind::Value,
    ///     legacy: None,
    ///     candidate: None,
    ///     explanation: None,
    /// };
    /// let operation = "getReturn".parse().unwrap();
    /// let signature = Signature::of(&operation, &price(2));
    /// assert_eq!(signature.path, "$.body.items[*].price");
    /// assert_eq!(signature, Signature::of(&operation, &price(7)));
    /// ```
    #[must_use]
    pub fn of(operation_id: &OperationId, difference: &Difference) -> Self {
        let path = place(&difference.path);
        let (legacy_type, candidate_type) = (type_of(&difference.legacy), type_of(&difference.candidate));
        let word = |kind: Option<ValueType>| kind.map_or("", ValueType::as_str);
        let text = [
            operation_id.as_str(),
            difference.part.as_str(),
            &path,
            difference.kind.as_str(),
            word(legacy_type),
            word(candidate_type),
        ]
        .join("\0");
        Self {
            id: SignatureId(xxh3_64(text.as_bytes())),
            operation_id: operation_id.clone(),
            part: difference.part,
            path,
            kind: difference.kind,
            legacy_type,
            candidate_type,
            explanation: difference.explanation.as_deref().map(str::to_owned),
        }
    }

    /// The faults that a check's differences belong to, each once, in the order of the differences and
    /// with the most common explanation of its own.
    #[must_use]
    pub fn all_of(operation_id: &OperationId, differences: &[Difference]) -> Vec<Self> {
        let mut found: Vec<(Self, Explanations)> = Vec::new();
        let mut known: HashMap<SignatureId, usize> = HashMap::new();
        for difference in differences {
            let signature = Self::of(operation_id, difference);
            let at = *known.entry(signature.id).or_insert(found.len());
            let explanation = signature.explanation.clone();
            if at == found.len() {
                found.push((signature, Explanations::default()));
            }
            found[at].1.add(explanation.as_deref(), 1);
        }
        let explained = |(signature, explanations): (Self, Explanations)| Self {
            explanation: explanations.most_common().map(str::to_owned),
            ..signature
        };
        found.into_iter().map(explained).collect()
    }
}

fn type_of(value: &Option<Value>) -> Option<ValueType> {
    value.as_ref().map(|value| value.kind)
}

/// The path with everything taken off that tells one answer from another: which element, and
/// names that are data.
pub(crate) fn place(path: &Path) -> String {
    let steps: Vec<(usize, &Step)> = path.steps().iter().enumerate().collect();
    printed(&steps, |text, &(at, step)| match step {
        Step::Index(_) => text.write_str("[*]"),
        Step::Name { .. } if is_data(path, at) => text.write_str(".*"),
        Step::Name { name, .. } => write_name(text, name),
    })
}

/// Whether the step at this position names data rather than structure. Header fields have names of
/// their own making, cookies often have not: frameworks put random numbers into them.
pub(crate) fn is_data(path: &Path, at: usize) -> bool {
    let name_at = |at: usize| match path.steps().get(at) {
        Some(Step::Name { name, wide }) => Some((&**name, *wide)),
        Some(Step::Index(_)) | None => None,
    };
    let Some((name, wide)) = name_at(at) else { return false };
    match (name_at(0), name_at(1)) {
        (Some(("body", _)), _) => wide || looks_like_id(name),
        (_, Some(("set-cookie", _))) if at == 2 => {
            name.len() > LONGEST_COOKIE || name.split('.').any(looks_like_id)
        }
        _ => false,
    }
}

/// Whether a name is short and plain enough to say nothing about anybody.
pub(crate) fn is_plain_name(name: &str) -> bool {
    let starts = name.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    starts && name.len() <= 32 && name.bytes().all(allowed) && !looks_like_id(name)
}

/// Longest name of a field, in bytes.
const LONGEST_NAME: usize = 128;
/// Longest name of a cookie that somebody chose, in bytes.
const LONGEST_COOKIE: usize = 40;

/// Whether a name is data rather than structure: digits, a UUID, a long hexadecimal or base-32
/// number, an e-mail address, or a text that is longer or has more digits than a field's name.
///
/// ```
/// use parallax_core::signature::looks_like_id;
/// for id in ["4711", "a3bb189e-8bf9-3888-9912-ace4e6543002", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "ann@example.org"] {
///     assert!(looks_like_id(id), "{id}");
/// }
/// for name in ["price", "line2", "address_line_2", "sha256", "x-trace-id", "deadline"] {
///     assert!(!looks_like_id(name), "{name}");
/// }
/// ```
#[must_use]
pub fn looks_like_id(name: &str) -> bool {
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    let all =
        |allowed: fn(&u8) -> bool| name.bytes().all(|byte| allowed(&byte) || byte == b'-' || byte == b'_');
    let is_number = digits > 0 && all(u8::is_ascii_digit);
    let is_hexadecimal = name.len() >= 8 && digits >= 2 && all(u8::is_ascii_hexdigit);
    let is_token = name.len() >= 12 && digits * 5 >= name.len() && all(u8::is_ascii_alphanumeric);
    is_number || is_hexadecimal || is_token || name.contains('@') || digits >= 5 || name.len() > LONGEST_NAME
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Kind, Part};

    fn signature(steps: Vec<Step>) -> Signature {
        let difference = Difference {
            part: Part::Body,
            path: Path::from(steps),
            kind: Kind::Value,
            legacy: None,
            candidate: None,
            explanation: None,
        };
        Signature::of(&"op".parse().unwrap(), &difference)
    }

    #[test]
    fn names_that_are_data_become_a_star() {
        let steps = |name: &str, wide| {
            vec![Step::name("body"), Step::Name { name: name.into(), wide }, Step::name("price")]
        };
        assert_eq!(signature(steps("sku-00017", false)).path, "$.body.*.price");
        assert_eq!(signature(steps("blue", true)).path, "$.body.*.price");
        assert_eq!(signature(steps("blue", false)).path, "$.body.blue.price");
    }

    #[test]
    fn header_names_stay() {
        let path = signature(vec![Step::name("headers"), Step::name("x-b3-1234567")]).path;
        assert_eq!(path, "$.headers['x-b3-1234567']");
    }

    #[test]
    fn names_of_cookies_may_be_data() {
        let path = |part: &str, name: &str| {
            signature(vec![Step::name(part), Step::name("set-cookie"), Step::name(name)]).path
        };
        let random = ".AspNetCore.Correlation.xNyLkbTqRsWvUmHjGfDsAqWeRtYuIoPlKjHgFdSaZxC";
        for name in [random, "_ga_8472913", "session.4711", "pk_id.1.1fff"] {
            assert_eq!(path("headers", name), "$.headers['set-cookie'].*", "{name}");
            assert_eq!(path("trailers", name), "$.trailers['set-cookie'].*", "{name}");
        }
        assert_eq!(path("headers", "session"), "$.headers['set-cookie'].session");
        assert_eq!(
            path("headers", ".AspNetCore.Identity.Application"),
            "$.headers['set-cookie']['.AspNetCore.Identity.Application']"
        );
    }

    #[test]
    fn a_check_has_each_fault_once_with_its_most_common_explanation() {
        let difference = |index, name: &str, explanation: Option<&'static str>| Difference {
            part: Part::Body,
            path: Path::from(vec![Step::name("body"), Step::Index(index), Step::name(name)]),
            kind: Kind::Value,
            legacy: None,
            candidate: None,
            explanation: explanation.map(Into::into),
        };
        let (rare, common) = (Some("opposite sign"), Some("rounded to 1 decimals"));
        let all = [
            difference(0, "a", rare),
            difference(0, "b", None),
            difference(1, "a", common),
            difference(2, "a", common),
        ];
        let found = Signature::all_of(&"op".parse().unwrap(), &all);
        let shown: Vec<_> = found.iter().map(|one| (one.path.as_str(), one.explanation.as_deref())).collect();
        assert_eq!(shown, [("$.body[*].a", common), ("$.body[*].b", None)]);
    }

    #[test]
    fn ids_never_change_between_versions() {
        // A change of this number would split every fault in every store in two.
        assert_eq!(signature(vec![Step::name("body")]).id.to_string(), "fc746ecce834ca80");
    }
}
