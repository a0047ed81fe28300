//! The style sheet and the script. Their paths contain a hash of what is in them, so a browser
//! may keep them for good and still never has an old one.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::header;
use xxhash_rust::xxh3::xxh3_64;

use crate::api::Problem;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("live.js");

static STYLE_NAME: LazyLock<String> =
    LazyLock::new(|| format!("style.{:016x}.css", xxh3_64(STYLE.as_bytes())));
static SCRIPT_NAME: LazyLock<String> =
    LazyLock::new(|| format!("live.{:016x}.js", xxh3_64(SCRIPT.as_bytes())));

/// The path of the style sheet.
pub(super) fn style_path() -> String {
    format!("/assets/{}", *STYLE_NAME)
}

/// The path of the script.
pub(super) fn script_path() -> String {
    format!("/assets/{}", *SCRIPT_NAME)
}

/// `GET /assets/{name}`.
pub(super) async fn serve(Path(name): Path<String>) -> Result<Response, Problem> {
    let (kind, text) = if name == *STYLE_NAME {
        ("text/css; charset=utf-8", STYLE)
    } else if name == *SCRIPT_NAME {
        ("text/javascript; charset=utf-8", SCRIPT)
    } else {
        return Err(Problem::not_found("there is no such file; load the page again"));
    };
    let headers =
        [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    Ok((headers, text).into_response())
}
