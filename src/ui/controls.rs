//! The forms that change stages, and what is said about how that went.

use maud::{Markup, html};
use parallax_core::stage::StageName;

use super::text::{data, operation_path};
use super::words;
use crate::api::{Caller, Need, OperationView, Problem};

/// What was filled in, when it was refused: nobody likes to type it again.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub(super) stage: String,
    pub(super) share: String,
    pub(super) reason: String,
}

/// The forms of one operation.
pub(super) fn operation(caller: &Caller, operation: &OperationView, draft: &Draft) -> Markup {
    html! {
        @if caller.may(Need::Change) {
            div.forms {
                (stage_form(caller, operation, draft))
                (rollback_form(caller, operation))
            }
        } @else {
            p.hint { "Your token allows to read; changing the stage needs the role operator." }
        }
    }
}

fn stage_form(caller: &Caller, operation: &OperationView, draft: &Draft) -> Markup {
    let path = operation_path(operation.id.as_str());
    let chosen = draft.stage.parse().unwrap_or(operation.stage);
    let present = operation.share.map(|share| share.to_string()).unwrap_or_default();
    let share = if draft.stage.is_empty() { &present } else { &draft.share };
    html! {
        form.card method="post" action={ (path) "/stage" } {
            h3 { "Change the stage" }
            (hidden(caller))
            input type="hidden" name="if_revision" value=(operation.revision);
            label for="stage" { "Stage" }
            select #stage name="stage" {
                @for stage in StageName::ALL {
                    option value=(stage) selected[*stage == chosen] { (stage) " – " (words::stage(*stage)) }
                }
            }
            label for="share" { "Share of clients, for canary only; empty: the next step of the plan" }
            input #share name="share" placeholder="5%" inputmode="decimal" autocomplete="off" maxlength="9" value=(share);
            label for="reason" { "Reason, kept in the history" }
            input #reason name="reason" required maxlength="1000" autocomplete="off" value=(draft.reason);
            label.check {
                input type="checkbox" name="force" value="true";
                "Move although it is not ready"
            }
            button type="submit" { "Change the stage" }
        }
    }
}

fn rollback_form(caller: &Caller, operation: &OperationView) -> Markup {
    let path = operation_path(operation.id.as_str());
    let is_back = matches!(operation.stage, StageName::Legacy | StageName::Shadow);
    html! {
        form.card.danger method="post" action={ (path) "/rollback" } {
            h3 { "Roll back" }
            @if is_back {
                p.hint { "Legacy answers already: a rollback would change nothing." }
            } @else {
                p.hint { "Legacy answers again from the very next request, and the candidate is checked in the background." }
                (hidden(caller))
                label for="rollback-reason" { "Reason, kept in the history" }
                input #rollback-reason name="reason" required maxlength="1000" autocomplete="off";
                button.danger type="submit" { "Roll back to shadow" }
            }
        }
    }
}

/// The form that takes back every operation.
pub(super) fn rollback_all(caller: &Caller, refused: Option<(&Problem, &str)>) -> Markup {
    html! {
        @if caller.may(Need::Change) {
            details #rollback-all .rollback-all open[refused.is_some()] {
                summary { "Roll back everything" }
                form.card.danger method="post" action="/rollback" {
                    @if let Some((problem, _)) = refused { (refusal(problem)) }
                    p.hint {
                        "Every operation in canary or switched goes back to shadow at once; those that are "
                        "complete stay and are rolled back on their own pages."
                    }
                    (hidden(caller))
                    label for="all-reason" { "Reason, kept in the history" }
                    input #all-reason name="reason" required maxlength="1000" autocomplete="off"
                        value=[refused.map(|(_, reason)| reason)];
                    button.danger type="submit" { "Roll back everything" }
                }
            }
        }
    }
}

fn hidden(caller: &Caller) -> Markup {
    html! { input type="hidden" name="form_token" value=(caller.form_token); }
}

/// Why nothing was changed.
pub(super) fn refusal(problem: &Problem) -> Markup {
    let missing = problem.member("missing").and_then(|missing| missing.as_array());
    html! {
        div.notice.bad role="alert" {
            @match missing {
                Some(missing) => {
                    strong { "Not changed: the operation is not ready. " }
                    ul { @for condition in missing { li { (words::missing_member(condition)) } } }
                    "Tick “Move although it is not ready” to move nevertheless; the history will say so."
                }
                None => { strong { "Not changed. " } (data(&problem.detail)) }
            }
        }
    }
}

/// What came of an action, from the query of the page that it led to. A closed set of sentences:
/// a link must not be able to put words into our mouth.
pub(super) fn notice(query: Option<&str>) -> Option<Markup> {
    let has = |pair: &str| query.is_some_and(|query| query.split('&').any(|part| part == pair));
    let done = if has("done=stage") {
        "The stage is changed, from the very next request on."
    } else if has("done=rollback") {
        "Rolled back. Legacy answers from the very next request on."
    } else if has("done=rollback-all") {
        "Rolled back everything that was in canary or switched."
    } else {
        return None;
    };
    let kind = if has("persisted=no") || has("legacy=silent") { "notice warn" } else { "notice good" };
    Some(html! {
        div #notice class=(kind) role="status" {
            (done)
            @if has("persisted=no") {
                " It is in force, but not yet in the store; it is written as soon as the store works again."
            }
            @if has("legacy=silent") {
                strong { " Legacy does not accept connections at the moment." }
            }
        }
    })
}
