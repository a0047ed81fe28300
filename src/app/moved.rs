//! Operations whose clients are answered by the candidate. Taking one out of the configuration, or giving
//! it other requests, would send these clients back to legacy, silently and without an audit; so
//! that is refused, and the way is a rollback first. One that is retired may go, and keep its name until then.

use std::fmt;
use std::sync::Arc;

use parallax_core::operation::{Matcher, Operation, OperationId};
use parallax_core::router::Router;
use parallax_core::stage::Stage;

use crate::routing::Entry;

/// Where an operation stands before a change of the configuration.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) id: OperationId,
    pub(super) matcher: Matcher,
    pub(super) stage: Stage,
    pub(super) revision: u64,
    pub(super) retired: bool,
}

impl Standing {
    pub(super) fn of(entry: &Entry) -> Self {
        let Entry { operation, stage, revision, retired, .. } = entry;
        let (id, matcher) = (operation.id.clone(), operation.matcher.clone());
        Self { id, matcher, stage: *stage, revision: *revision, retired: *retired }
    }
}

/// A moved operation that the configuration would lose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    id: OperationId,
    stage: Stage,
    matcher: Matcher,
    loss: Loss,
}

/// What becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Loss {
    Removed,
    Renamed(OperationId),
    Rematched(Matcher),
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, stage, matcher, loss } = self;
        write!(f, "operation `{id}` is in {stage} and ")?;
        match loss {
            Loss::Removed => write!(f, "is not in the file any more")?,
            Loss::Renamed(name) => write!(f, "is called `{name}` in the file")?,
            Loss::Rematched(other) => write!(f, "has `match: {other}` in the file instead of `{matcher}`")?,
        }
        if (*stage, loss) == (Stage::Complete, &Loss::Removed) {
            write!(f, "; retire it first (`parallax retire {id} --reason …`) if it is done, else")?;
        } else {
            write!(f, ";")?;
        }
        write!(f, " take it back first (`parallax rollback {id} --reason …`), or leave it as it was")
    }
}

/// The moved operations that these operations would lose.
pub(super) fn lost(standing: &[Standing], operations: &[Arc<Operation>]) -> Vec<Moved> {
    let moved = standing.iter().filter(|standing| standing.is_moved());
    moved
        .filter_map(|Standing { id, matcher, stage, retired, .. }| {
            let loss = match operations.iter().find(|operation| operation.id == *id) {
                Some(operation) if is_same(&operation.matcher, matcher) => return None,
                Some(operation) => Loss::Rematched(operation.matcher.clone()),
                None => match operations.iter().find(|operation| is_same(&operation.matcher, matcher)) {
                    Some(renamed) => Loss::Renamed(renamed.id.clone()),
                    None if *retired => return None,
                    None => Loss::Removed,
                },
            };
            Some(Moved { id: id.clone(), stage: *stage, matcher: matcher.clone(), loss })
        })
        .collect()
}

/// Whether both match the same requests; what the parameters are called does not matter.
fn is_same(one: &Matcher, other: &Matcher) -> bool {
    let mut router = Router::default();
    let both = [one, other].map(|matcher| router.insert(matcher.method.clone(), &matcher.template, 0));
    both.iter().any(Result::is_err)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operations(list: &str) -> Vec<Arc<Operation>> {
        let text = format!("legacy: http://a\ncandidate: http://b\noperations: [{list}]");
        crate::config::parse(&text, "x.yaml", &|_| None).expect("a configuration").operations
    }

    fn said(before: &str, stage: Stage, after: &str) -> String {
        told(before, (stage, false), after)
    }

    fn told(before: &str, (stage, retired): (Stage, bool), after: &str) -> String {
        let before = operations(before);
        let standing: Vec<Standing> = before
            .iter()
            .map(|operation| Standing {
                id: operation.id.clone(),
                matcher: operation.matcher.clone(),
                stage,
                revision: 1,
                retired,
            })
            .collect();
        let lost = lost(&standing, &operations(after));
        lost.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_would_be_lost_is_named_with_the_remedy() {
        let before = "{id: a, match: 'GET /a/{x}'}";
        for (after, expected) in [
            (
                "{id: b, match: GET /b}",
                "operation `a` is in switched and is not in the file any more; take it back first (`parallax rollback a --reason …`), or leave it as it was",
            ),
            ("{id: b, match: 'GET /a/{y}'}", "is called `b` in the file"),
            ("{id: a, match: 'POST /a/{x}'}", "has `match: POST /a/{x}` in the file instead of `GET /a/{x}`"),
        ] {
            let told = said(before, Stage::Switched, after);
            assert!(told.contains(expected), "{told}");
        }
    }

    #[test]
    fn what_is_retired_may_go_and_nothing_else() {
        let (before, other) = ("{id: a, match: 'GET /a/{x}'}", "{id: b, match: GET /b}");
        assert_eq!(told(before, (Stage::Complete, true), other), "");
        let unretired = told(before, (Stage::Complete, false), other);
        assert!(
            unretired.contains(
                "retire it first (`parallax retire a --reason …`) if it is done, else take it back"
            ),
            "{unretired}"
        );
        for after in ["{id: b, match: 'GET /a/{y}'}", "{id: a, match: 'POST /a/{x}'}"] {
            assert!(
                told(before, (Stage::Complete, true), after).contains("operation `a` is in complete"),
                "{after}"
            );
        }
    }

    #[test]
    fn nothing_is_lost_by_another_name_of_a_parameter_or_while_legacy_answers() {
        assert_eq!(said("{id: a, match: 'GET /a/{x}'}", Stage::Complete, "{id: a, match: 'GET /a/{y}'}"), "");
        assert_eq!(said("{id: a, match: GET /a}", Stage::Shadow, "{id: b, match: GET /b}"), "");
        assert_eq!(said("{id: a, match: GET /a}", Stage::Legacy, "{id: b, match: GET /b}"), "");
    }
}
