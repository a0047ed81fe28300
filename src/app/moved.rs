//! Operations whose clients are answered by the candidate. Taking one out of the configuration, or giving
//! it other requests, would send these clients back to legacy, silently and without an audit; so
//! that is refused, and the way is a rollback first.

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
}

impl Standing {
    pub(super) fn of(entry: &Entry) -> Self {
        let (operation, stage, revision) = (&entry.operation, entry.stage, entry.revision);
        Self { id: operation.id.clone(), matcher: operation.matcher.clone(), stage, revision }
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
        write!(f, "; take it back first (`parallax rollback {id} --reason …`), or leave it as it was")
    }
}

/// The moved operations that these operations would lose.
pub(super) fn lost(standing: &[Standing], operations: &[Arc<Operation>]) -> Vec<Moved> {
    let moved = standing.iter().filter(|standing| standing.is_moved());
    moved
        .filter_map(|Standing { id, matcher, stage, .. }| {
            let loss = match operations.iter().find(|operation| operation.id == *id) {
                Some(operation) if is_same(&operation.matcher, matcher) => return None,
                Some(operation) => Loss::Rematched(operation.matcher.clone()),
                None => match operations.iter().find(|operation| is_same(&operation.matcher, matcher)) {
                    Some(renamed) => Loss::Renamed(renamed.id.clone()),
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
        let before = operations(before);
        let standing: Vec<Standing> = before
            .iter()
            .map(|operation| Standing {
                id: operation.id.clone(),
                matcher: operation.matcher.clone(),
                stage,
                revision: 1,
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
    fn nothing_is_lost_by_another_name_of_a_parameter_or_while_legacy_answers() {
        assert_eq!(said("{id: a, match: 'GET /a/{x}'}", Stage::Complete, "{id: a, match: 'GET /a/{y}'}"), "");
        assert_eq!(said("{id: a, match: GET /a}", Stage::Shadow, "{id: b, match: GET /b}"), "");
        assert_eq!(said("{id: a, match: GET /a}", Stage::Legacy, "{id: b, match: GET /b}"), "");
    }
}
