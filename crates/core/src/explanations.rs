//! How often each explanation of a fault was seen, within a bound, so that a fault is shown with its
//! most common one and not with that of whichever check came first.

use serde::{Deserialize, Serialize};

/// Explanations that are told apart. What is seen in more than a ninth of all checks is always among
/// them (Misra and Gries, 1982: where there is no room, every one gives way by as much).
const MAX_KEPT: usize = 8;

/// Explanations with their weights; none is one of them, for most differences have no explanation.
///
/// ```
/// use parallax_core::explanations::Explanations;
/// let mut seen = Explanations::default();
/// seen.add(Some("opposite sign"), 1);
/// seen.add(Some("rounded to 2 decimals"), 5);
/// seen.add(None, 2);
/// assert_eq!(seen.most_common(), Some("rounded to 2 decimals"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Explanations(Vec<(Option<String>, u64)>);

impl Explanations {
    /// One explanation, seen so many times.
    #[must_use]
    pub fn of(explanation: Option<&str>, count: u64) -> Self {
        let mut explanations = Self::default();
        explanations.add(explanation, count);
        explanations
    }

    /// An explanation was seen so many times more.
    pub fn add(&mut self, explanation: Option<&str>, count: u64) {
        if count == 0 {
            return;
        }
        if let Some((_, known)) = self.0.iter_mut().find(|(own, _)| own.as_deref() == explanation) {
            *known = known.saturating_add(count);
            return;
        }
        let mut left = count;
        if self.0.len() >= MAX_KEPT {
            let least = self.0.iter().map(|(_, count)| *count).min().unwrap_or(0).min(count);
            self.0.iter_mut().for_each(|(_, count)| *count -= least);
            self.0.retain(|(_, count)| *count > 0);
            left -= least;
        }
        if left > 0 && self.0.len() < MAX_KEPT {
            self.0.push((explanation.map(str::to_owned), left));
        }
    }

    /// Everything that another has seen was seen too.
    pub fn add_all(&mut self, other: &Self) {
        for (explanation, count) in &other.0 {
            self.add(explanation.as_deref(), *count);
        }
    }

    /// Whether nothing was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The most common explanation, the first of several; none also where most have none.
    #[must_use]
    pub fn most_common(&self) -> Option<&str> {
        let most = self.0.iter().map(|(_, count)| *count).max()?;
        self.0.iter().find(|(_, count)| *count == most).and_then(|(text, _)| text.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_common_wins_and_the_first_of_several() {
        let mut seen = Explanations::default();
        assert_eq!(seen.most_common(), None);
        seen.add(Some("a"), 1);
        seen.add(Some("b"), 1);
        assert_eq!(seen.most_common(), Some("a"));
        seen.add_all(&Explanations::of(Some("b"), 1));
        assert_eq!(seen.most_common(), Some("b"));
        seen.add(None, 3);
        assert_eq!(seen.most_common(), None, "most have none");
    }

    #[test]
    fn what_is_common_survives_any_number_of_others() {
        let mut seen = Explanations::default();
        for number in 0..10_000 {
            seen.add(Some(&format!("other {number}")), 1);
            if number % 3 == 0 {
                seen.add(Some("common"), 1);
            }
            assert!(seen.0.len() <= MAX_KEPT);
        }
        assert_eq!(seen.most_common(), Some("common"));
    }

    #[test]
    fn it_is_kept_as_a_list() {
        let mut seen = Explanations::of(Some("a"), 2);
        seen.add(None, 1);
        let json = serde_json::to_string(&seen).unwrap();
        assert_eq!(json, r#"[["a",2],[null,1]]"#);
        assert_eq!(serde_json::from_str::<Explanations>(&json).unwrap(), seen);
    }
}
