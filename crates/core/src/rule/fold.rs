//! `fold: [case, whitespace, nfc]`: spelling that says nothing is folded away before values are
//! compared. Case by Unicode's simple foldings, white space to single blanks and none at the ends,
//! canonical composition by Unicode's form C.

use schemars::{Schema, json_schema};
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

use super::Action;
use super::spec::nearest;
use super::word::{Word, for_values};

/// What is folded away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Folds {
    /// Upper and lower case.
    pub case: bool,
    /// How many blanks, tabs and line ends there are, and any around the text.
    pub whitespace: bool,
    /// How accents are composed.
    pub nfc: bool,
}

const NAMES: [&str; 3] = ["case", "whitespace", "nfc"];

pub(super) const WORD: Word = Word {
    word: "fold",
    about: "Spelling that says nothing is folded away: case, whitespace, nfc.",
    example: "fold: [case, whitespace]",
    schema,
    read: |argument| read(argument).map(Action::Fold),
    refuses: for_values,
};

fn schema() -> Schema {
    json_schema!({
        "anyOf": [
            { "enum": NAMES },
            { "type": "array", "items": { "enum": NAMES }, "minItems": 1, "uniqueItems": true }
        ]
    })
}

fn read(argument: &Value) -> Result<Folds, String> {
    let expected = "`fold` takes one or more of `case`, `whitespace` and `nfc`";
    let names = super::key::names(argument).filter(|names| !names.is_empty()).ok_or(expected)?;
    let mut folds = Folds::default();
    for name in names {
        match &*name {
            "case" => folds.case = true,
            "whitespace" => folds.whitespace = true,
            "nfc" => folds.nfc = true,
            other => {
                let hint = nearest(other, NAMES.into_iter()).map(|near| format!("; did you mean `{near}`?"));
                return Err(format!("{expected}, not `{other}`{}", hint.unwrap_or_default()));
            }
        }
    }
    Ok(folds)
}

impl Folds {
    pub(super) fn argument(self) -> Value {
        let asked = [self.case, self.whitespace, self.nfc];
        NAMES.iter().zip(asked).filter(|&(_, asked)| asked).map(|(name, _)| Value::from(*name)).collect()
    }

    /// The text without what is folded away: two texts are the same when this is.
    #[must_use]
    pub fn fold(self, text: &str) -> String {
        let mut folded = text.to_owned();
        if self.nfc {
            folded = folded.nfc().collect();
        }
        if self.case {
            // Up and down again, so that ß meets SS and the two small sigmas each other.
            folded = folded.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect();
        }
        if self.whitespace {
            folded = folded.split_whitespace().collect::<Vec<_>>().join(" ");
        }
        if self.nfc && self.case {
            folded = folded.nfc().collect();
        }
        folded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(folds: &[&str], left: &str, right: &str) -> bool {
        let folds = read(&folds.iter().copied().map(Value::from).collect()).unwrap();
        folds.fold(left) == folds.fold(right)
    }

    #[test]
    fn each_fold_does_its_own() {
        assert!(same(&["case"], "Straße", "STRASSE") && same(&["case"], "ΟΔΟΣ", "οδος"));
        assert!(!same(&["case"], "a b", "a  b") && !same(&["whitespace"], "a", "A"));
        assert!(same(&["whitespace"], " a\t\nb ", "a b") && !same(&["whitespace"], "ab", "a b"));
        assert!(same(&["nfc"], "e\u{301}", "é") && !same(&["case"], "e\u{301}", "é"));
        assert!(same(&["case", "nfc"], "E\u{301}", "é"));
    }

    #[test]
    fn a_bad_fold_is_refused() {
        assert!(read(&Value::from("cases")).unwrap_err().contains("did you mean `case`?"));
        assert!(read(&Value::Array(vec![])).unwrap_err().contains("one or more"));
        assert_eq!(read(&Value::from("nfc")).unwrap().argument(), serde_json::json!(["nfc"]));
    }
}
