//! The pages for people: where every operation is, what is missing, what differs, and the way
//! forward and back.
//!
//! Rendered on the server, so they work without scripts, except that they then do not update
//! themselves. One style sheet and one small script of ours, both in the binary; nothing is
//! loaded from anywhere else. What comes from traffic is only ever text (see `text.rs`).

mod actions;
mod assets;
mod bar;
mod chart;
mod controls;
mod coverage;
mod events;
mod layout;
mod load;
mod login;
mod numbers;
mod operation;
mod overview;
mod readiness;
mod refusal;
mod sample;
mod signature;
mod text;
mod words;

use std::sync::Arc;

use axum::routing::{get, post};
use axum::{Extension, Router};

use crate::api::Pages;

/// The pages, to be mounted beside the API.
#[must_use]
pub fn pages() -> Pages {
    let routes = Router::new()
        .route("/", get(overview::show))
        .route("/operations/{id}", get(operation::show))
        .route("/operations/{id}/stage", post(actions::stage))
        .route("/operations/{id}/rollback", post(actions::rollback))
        .route("/rollback", post(actions::rollback_all))
        .route("/signatures/{id}", get(signature::show))
        .route("/login", get(login::show).post(login::log_in))
        .route("/logout", post(login::log_out))
        .route("/events", get(events::stream))
        .route("/assets/{name}", get(assets::serve))
        .layer(Extension(Arc::new(events::Streams::default())));
    Pages { routes, refusal: refusal::show }
}
