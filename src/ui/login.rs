//! `/login`: a browser gets a session for a token, so that the token itself is typed once and is
//! never kept by the browser.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{StatusCode, header};
use maud::html;

use super::layout::Page;
use super::text::data;
use crate::api::{Caller, Form, Need, Problem, Shared};

/// Longest path that is returned to after the login, in bytes.
const MAX_NEXT: usize = 512;

/// `GET /login`.
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Response {
    if shared.context.access.is_open() || caller.may(Need::Read) {
        return Redirect::to("/").into_response();
    }
    let next = query.as_deref().and_then(|query| query.strip_prefix("next=")).unwrap_or("/");
    page(&caller, next, None)
}

/// `POST /login`.
pub(super) async fn log_in(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let form = parts.extensions.get::<Form>().cloned().unwrap_or_default();
    match shared.log_in(form.get("token"), &parts) {
        Ok(cookie) => {
            let next = if is_ours(form.get("next")) { form.get("next") } else { "/" };
            ([(header::SET_COOKIE, cookie)], Redirect::to(next)).into_response()
        }
        Err(problem) => page(&caller, form.get("next"), Some(&problem)),
    }
}

/// `POST /logout`.
pub(super) async fn log_out(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
) -> Response {
    ([(header::SET_COOKIE, shared.log_out(&caller))], Redirect::to("/login")).into_response()
}

/// Where somebody who has to log in first is sent.
pub(super) fn redirect(place: &str) -> Response {
    let path =
        if is_ours(place) && place != "/" { format!("/login?next={place}") } else { "/login".to_owned() };
    Redirect::to(&path).into_response()
}

/// Whether a path leads to one of our pages, rather than `//elsewhere`.
fn is_ours(path: &str) -> bool {
    let is_page = path == "/" || path.starts_with("/operations/") || path.starts_with("/signatures/");
    is_page
        && path.len() <= MAX_NEXT
        && !path.contains(['\\', '&', '#'])
        && path.bytes().all(|byte| byte.is_ascii_graphic())
}

fn page(caller: &Caller, next: &str, problem: Option<&Problem>) -> Response {
    let content = html! {
        form.card.login method="post" action="/login" {
            h1 { "Log in" }
            @if let Some(problem) = problem {
                div.notice.bad role="alert" { (data(&problem.detail)) }
            }
            input type="hidden" name="form_token" value=(caller.form_token);
            input type="hidden" name="next" value=(next);
            label for="token" { "Token" }
            input #token type="password" name="token" required autofocus autocomplete="current-password" maxlength="4096";
            p.hint { "One of the tokens under " code { "control.tokens" } " in the configuration, with the role viewer or operator." }
            button type="submit" { "Log in" }
        }
    };
    let status = problem.map_or(StatusCode::OK, |problem| problem.status);
    Page { title: "Log in", caller: None, revision: None, content }.respond(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_leads_to_a_page_of_ours() {
        for good in ["/", "/operations/a%2Fb", "/signatures/00"] {
            assert!(is_ours(good), "{good}");
        }
        let bad = [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/operations/\r\nx",
            "/login",
            "/operations/a b",
        ];
        for bad in bad {
            assert!(!is_ours(bad), "{bad}");
        }
    }
}
