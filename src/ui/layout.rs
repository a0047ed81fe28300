//! What all pages have in common.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use maud::{DOCTYPE, Markup, html};

use super::assets;
use super::text::plain;
use crate::api::Caller;

/// A page.
pub(super) struct Page<'a> {
    /// Its title, without the program's name.
    pub(super) title: &'a str,
    /// Who sees it, when they are known.
    pub(super) caller: Option<&'a Caller>,
    /// What changes with the state that it shows; none for a page that does not update itself.
    pub(super) revision: Option<u64>,
    /// Its content.
    pub(super) content: Markup,
}

const ICON: &str = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>\
<g fill='none' stroke='%230f766e' stroke-width='2.4' stroke-linecap='round'><path d='M3 4h10'/>\
<path d='M3 12h10' stroke-dasharray='2.4 4'/></g></svg>";

impl Page<'_> {
    /// The page as an answer.
    pub(super) fn respond(self, status: StatusCode) -> Response {
        let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
        (status, kind, self.render().into_string()).into_response()
    }

    fn render(&self) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (plain(self.title)) " · parallax" }
                    link rel="icon" href=(ICON);
                    link rel="stylesheet" href=(assets::style_path());
                    script defer src=(assets::script_path()) {}
                }
                body data-revision=[self.revision.map(|revision| format!("{revision:016x}"))] {
                    a.skip href="#content" { "Skip to content" }
                    (header(self.caller, self.revision.is_some()))
                    main #content { (self.content) }
                    (footer())
                }
            }
        }
    }
}

fn header(caller: Option<&Caller>, updates: bool) -> Markup {
    html! {
        header.top {
            a.brand href="/" {
                svg viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" {
                    path.solid d="M3 7h18" {}
                    path.dashed d="M3 17h18" {}
                }
                "parallax"
            }
            @if updates {
                // Filled in by the script; without it the page stays as it is.
                span #live .live hidden role="status" {}
            }
            @if let Some(caller) = caller {
                span.who title="Changes are recorded under this name" { (caller.name) " · " (role(caller)) }
                @if caller.has_session() {
                    form.logout method="post" action="/logout" {
                        input type="hidden" name="form_token" value=(caller.form_token);
                        button.quiet type="submit" { "Log out" }
                    }
                }
            }
        }
    }
}

fn role(caller: &Caller) -> &'static str {
    use crate::config::Role;

    match caller.role {
        Role::Viewer => "viewer",
        Role::Operator => "operator",
        Role::Intake => "intake",
    }
}

fn footer() -> Markup {
    html! {
        footer.bottom {
            "parallax " (env!("CARGO_PKG_VERSION"))
            nav aria-label="For programs" {
                a href="/metrics" { "Metrics" }
                a href="/api/v1/operations" { "API" }
                a href="/api/v1/openapi.json" { "OpenAPI" }
            }
        }
    }
}
