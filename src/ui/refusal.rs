//! What a browser is shown when something is refused or not there.

use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header};
use maud::html;

use super::layout::Page;
use super::login;
use super::text::data;
use crate::api::{Caller, Problem};

/// A page for a problem; whoever has to log in first is sent there.
pub(super) fn show(problem: &Problem, caller: Option<&Caller>, place: &str) -> Response {
    if problem.status == StatusCode::UNAUTHORIZED && caller.is_none() {
        return login::redirect(place);
    }
    let content = html! {
        section.refusal {
            p.status { (problem.status.as_u16()) }
            h1 { (problem.title) }
            p.lead { (data(&problem.detail)) }
            p { a href="/" { "To the operations" } }
        }
    };
    let page = Page { title: problem.title, caller, revision: None, content };
    let mut response = page.respond(problem.status);
    // What the problem says to programs holds for browsers too.
    let mut original = problem.clone().into_response();
    for name in [header::RETRY_AFTER, header::WWW_AUTHENTICATE] {
        if let Some(value) = original.headers_mut().remove(&name) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
