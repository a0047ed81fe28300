//! Rules that cannot both be meant: two that say different things of one place, and one that can
//! never match because another has taken its place out.

use super::{Action, JsonPath, RuleError, RuleSpec};

/// Refuses the first rule that contradicts another or can never match.
pub(super) fn check(specs: &[RuleSpec], paths: &[JsonPath]) -> Result<(), RuleError> {
    for (index, (spec, path)) in specs.iter().zip(paths).enumerate() {
        let refuse = |other: usize, message: String| RuleError::new(index, &spec.at, message).beside(other);
        for (number, (other, other_path)) in specs.iter().zip(paths).enumerate() {
            if number < index && path.is_same(other_path) {
                if spec.action == other.action {
                    let message = "says what another rule says already; remove one of the two";
                    return Err(refuse(number, message.to_owned()));
                }
                if same_matter(&spec.action, &other.action) {
                    let (own, others) = (spec.action.as_str(), other.action.as_str());
                    let message =
                        format!("`{own}` contradicts `{others}` at the same place; keep one of the two");
                    return Err(refuse(number, message));
                }
            }
            // Of two that say the same, it is told once, of the later.
            let again = number > index && spec.action == other.action && path.is_same(other_path);
            if number != index && !again && takes_out(&other.action, other_path, path) {
                let (word, at) = (other.action.as_str(), &other.at);
                let message =
                    format!("can never match: `{word}` at `{at}` takes its place out; remove one of the two");
                return Err(refuse(number, message));
            }
        }
    }
    Ok(())
}

fn same_matter(one: &Action, other: &Action) -> bool {
    let both = |of: fn(&Action) -> bool| of(one) && of(other);
    both(Action::is_of_values)
        || both(Action::is_of_order)
        || std::mem::discriminant(one) == std::mem::discriminant(other)
}

/// Whether an action at one path leaves nothing of what the other path selects.
fn takes_out(action: &Action, at: &JsonPath, path: &JsonPath) -> bool {
    match action {
        Action::Ignore => at.covers(path),
        Action::Only(only) => {
            let (above, rest) = path.segments.split_at(at.segments.len().min(path.segments.len()));
            let excluded = |name: &str| !only.keeps(name.as_bytes());
            let same = above.len() == at.segments.len() && at.is_same(&JsonPath { segments: above.to_vec() });
            same && rest.first().is_some_and(|next| {
                !next.descendant && next.selectors.iter().all(|selector| selector.names(excluded))
            })
        }
        Action::TextOnly
        | Action::Unordered
        | Action::Key(_)
        | Action::Tolerance(_)
        | Action::Within(_)
        | Action::Format(_)
        | Action::Fold(_)
        | Action::Absent(_)
        | Action::Decode(_)
        | Action::Ref(_)
        | Action::Origin => false,
    }
}
