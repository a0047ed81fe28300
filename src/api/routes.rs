//! Every route of the API in one table, so that its description can be held against it.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::routing::{MethodRouter, get, post};
use axum::{Router, middleware};

use super::fields::MAX_BODY;
use super::guard::{self, Guard};
use super::{Pages, Problem, Shared, checks, export, health, operations, other, retire, triage};

/// One route: its method, its path, and what answers it.
pub(super) struct Route {
    #[cfg_attr(not(test), expect(dead_code, reason = "the description is held against it"))]
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    handler: MethodRouter<Arc<Shared>>,
}

/// Every route of the API.
pub(super) fn table() -> Vec<Route> {
    let read = |path, handler| Route { method: "get", path, handler };
    let change = |path, handler| Route { method: "post", path, handler };
    vec![
        change("/consistency-checks", post(checks::post)),
        read("/consistency-checks/{id}", get(checks::get)),
        read("/api/v1/other", get(other::get)),
        read("/api/v1/operations", get(operations::list)),
        read("/api/v1/operations/{id}", get(operations::one)),
        read("/api/v1/operations/{id}/coverage", get(operations::coverage)),
        read("/api/v1/operations/{id}/load", get(operations::load)),
        change("/api/v1/operations/{id}/stage", post(operations::stage)),
        change("/api/v1/operations/{id}/rollback", post(operations::rollback)),
        read("/api/v1/operations/{id}/retire", get(retire::could)),
        change("/api/v1/operations/{id}/retire", post(retire::retire)),
        change("/api/v1/rollback", post(operations::rollback_all)),
        read("/api/v1/operations/{id}/signatures", get(triage::signatures)),
        read("/api/v1/signatures/{id}", get(triage::signature)),
        read("/api/v1/checks/{id}", get(triage::check)),
        read("/api/v1/audit", get(triage::audit)),
        read("/api/v1/plan", get(export::plan)),
        read("/api/v1/openapi.json", get(health::openapi)),
        read("/metrics", get(health::metrics)),
        read("/routes.eskip", get(export::routes)),
        read("/healthz", get(health::healthz)),
        read("/readyz", get(health::readyz)),
    ]
}

/// Everything that the control listener serves: the API, the pages, and the guard before both.
pub fn router(shared: Arc<Shared>, pages: Pages) -> Router {
    let guard = Guard { shared: Arc::clone(&shared), refusal: pages.refusal };
    let api =
        table().into_iter().fold(Router::new(), |router, route| router.route(route.path, route.handler));
    api.merge(pages.routes)
        .fallback(nothing_here)
        .method_not_allowed_fallback(other_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(guard, guard::guard))
        .with_state(shared)
}

async fn nothing_here() -> Problem {
    Problem::not_found("there is nothing under this path; GET /api/v1/openapi.json lists what there is")
}

async fn other_method() -> Problem {
    let detail = "this path has another method; GET /api/v1/openapi.json lists what there is";
    Problem::new(http::StatusCode::METHOD_NOT_ALLOWED, detail)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_description_has_every_route_and_no_other() {
        let document: serde_json::Value =
            serde_json::from_str(include_str!("openapi.json")).expect("the description is JSON");
        let paths = document["paths"].as_object().expect("paths");
        let described: BTreeSet<(String, String)> = paths
            .iter()
            .flat_map(|(path, item)| {
                let methods = item.as_object().expect("methods").keys();
                methods.map(|method| (method.clone(), path.clone()))
            })
            .collect();
        let served: BTreeSet<(String, String)> =
            table().iter().map(|route| (route.method.to_owned(), route.path.to_owned())).collect();
        assert_eq!(described, served);
    }

    #[test]
    fn every_reference_in_the_description_leads_somewhere() {
        let text = include_str!("openapi.json");
        let document: serde_json::Value = serde_json::from_str(text).expect("the description is JSON");
        let references: BTreeSet<&str> =
            text.split("\"$ref\": \"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(references.len() > 20, "{references:?}");
        for reference in references {
            assert!(document.pointer(reference).is_some(), "{reference}");
        }
    }
}
