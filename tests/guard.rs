//! Attempts to get past the guard of the control listener. Each test is an attack, or somebody
//! who asks for more than their role allows; none may change anything or read what is not theirs.

#[expect(dead_code, reason = "shared with the tests of the API")]
mod made_up;

use axum::http::StatusCode;
use made_up::client::{Answer, browse, form_token, get, post, send, submit, tokens};
use made_up::{MadeUp, operation, tally};
use parallax_core::stage::Stage;

const ROLLBACK: &str = "/api/v1/operations/getReturn/rollback";
const REASON: &str = r#"{"reason":"attack"}"#;
const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const OWN: (&str, &str) = ("origin", "http://127.0.0.1:9900");

fn switched() -> MadeUp {
    let operation = operation("getReturn", "GET /returns/{return_id}", "99.9%");
    MadeUp::empty(vec![(operation, Stage::Switched, tally(10, 0, &[], &[]))])
}

fn is_untouched(made_up: &MadeUp) -> bool {
    made_up.routing.load().entries()[0].stage == Stage::Switched
}

async fn bearer(router: &axum::Router, method: &str, path: &str, name: &str) -> Answer {
    let token = format!("Bearer secret of {name}");
    send(router, method, path, &[("authorization", &token), JSON], REASON).await
}

#[tokio::test]
async fn a_name_that_is_not_ours_is_refused_whatever_is_asked() {
    let made_up = switched();
    let router = made_up.router(Vec::new());
    for host in ["evil.example", "evil.example:9900", "127.0.0.1:9901", "localhost.evil.example:9900", ""] {
        for path in ["/", "/api/v1/operations", "/metrics", "/events", "/assets/x", "/login"] {
            let answer = send(&router, "GET", path, &[("host", host)], "").await;
            assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST, "{host} {path}");
        }
        let change = send(&router, "POST", ROLLBACK, &[("host", host), JSON], REASON).await;
        assert_eq!(change.status, StatusCode::MISDIRECTED_REQUEST, "{host}");
    }
    let two = [("host", "127.0.0.1:9900"), ("host", "evil.example")];
    assert_eq!(send(&router, "GET", "/", &two, "").await.status, StatusCode::MISDIRECTED_REQUEST);
    let absolute = send(&router, "GET", "http://evil.example/api/v1/operations", &[], "").await;
    assert_eq!(absolute.status, StatusCode::MISDIRECTED_REQUEST);
    assert!(is_untouched(&made_up));
    assert_eq!(send(&router, "GET", "/", &[("host", "localhost:9900")], "").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_page_from_elsewhere_changes_nothing() {
    let made_up = switched();
    let router = made_up.router(Vec::new());
    let token = form_token(&get(&router, "/").await.text);
    let form = format!("form_token={token}&reason=attack");
    let signs = [
        ("origin", "http://evil.example"),
        ("origin", "null"),
        ("origin", "http://127.0.0.1:9901"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ];
    for sign in signs {
        let json = send(&router, "POST", ROLLBACK, &[sign, JSON], REASON).await;
        assert_eq!(json.status, StatusCode::FORBIDDEN, "{sign:?}");
        for path in ["/operations/getReturn/rollback", "/rollback", "/login", "/logout"] {
            let posted = send(&router, "POST", path, &[sign, FORM], &form).await;
            assert_eq!(posted.status, StatusCode::FORBIDDEN, "{sign:?} {path}");
        }
    }
    let both = [OWN, ("sec-fetch-site", "cross-site"), JSON];
    assert_eq!(send(&router, "POST", ROLLBACK, &both, REASON).await.status, StatusCode::FORBIDDEN);
    assert!(is_untouched(&made_up));
}

#[tokio::test]
async fn a_form_needs_its_token_and_its_origin() {
    let made_up = switched();
    let router = made_up.router(Vec::new());
    let path = "/operations/getReturn/rollback";
    for form in ["reason=attack", "form_token=&reason=attack", "form_token=AAAA&reason=attack"] {
        let answer = send(&router, "POST", path, &[OWN, FORM], form).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{form}");
    }
    let good = format!("form_token={}&reason=fine", form_token(&get(&router, "/").await.text));
    let without_origin = send(&router, "POST", path, &[FORM], &good).await;
    assert_eq!(without_origin.status, StatusCode::FORBIDDEN);
    for kind in ["text/plain", "multipart/form-data; boundary=x", ""] {
        let answer = send(&router, "POST", path, &[OWN, ("content-type", kind)], &good).await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
        let api = send(&router, "POST", ROLLBACK, &[("content-type", kind)], REASON).await;
        assert_eq!(api.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
    }
    assert!(is_untouched(&made_up));
    assert_eq!(send(&router, "POST", path, &[OWN, FORM], &good).await.status, StatusCode::SEE_OTHER);
    assert!(!is_untouched(&made_up));
}

#[tokio::test]
async fn without_a_token_nothing_is_read_and_nothing_changes() {
    let made_up = switched();
    let router = made_up.router(tokens());
    let paths = [
        "/",
        "/operations/getReturn",
        "/api/v1/operations",
        "/api/v1/audit",
        "/metrics",
        "/routes.eskip",
        "/api/v1/plan",
        "/events",
        "/api/v1/openapi.json",
        "/api/v1/nothing",
        "/nothing",
    ];
    for path in paths {
        let answer = get(&router, path).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{path}");
        assert!(!answer.text.contains("getReturn"), "{path}");
    }
    assert_eq!(post(&router, ROLLBACK, REASON).await.status, StatusCode::UNAUTHORIZED);
    let wrong = [
        "Bearer wrong",
        "Bearer ",
        "Bearer",
        "Basic c2VjcmV0IG9mIGFubmE=",
        "secret of anna",
        "Bearer secret of ann",
    ];
    for value in wrong {
        let answer = send(&router, "POST", ROLLBACK, &[("authorization", value), JSON], REASON).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{value}");
    }
    assert!(is_untouched(&made_up));
    for probe in ["/healthz", "/readyz"] {
        assert_eq!(send(&router, "GET", probe, &[("host", "10.0.0.7")], "").await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn the_scheme_of_a_proxy_before_us_is_passed_over() {
    let router = switched().router(tokens());
    for value in ["Basic c2VjcmV0", "Digest username=\"a\"", "Bearer"] {
        let login = send(&router, "GET", "/login", &[("authorization", value)], "").await;
        assert_eq!(login.status, StatusCode::OK, "{value}");
        let page = send(&router, "GET", "/", &[("authorization", value)], "").await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{value}");
        let both = [("authorization", value), ("authorization", "Bearer secret of anna")];
        assert_eq!(send(&router, "GET", "/", &both, "").await.status, StatusCode::OK, "{value}");
    }
    let wrong = send(&router, "GET", "/login", &[("authorization", "Bearer wrong")], "").await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_page_from_elsewhere_holds_no_stream_open() {
    let router = switched().router(Vec::new());
    for sign in [("origin", "http://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")] {
        let answer = send(&router, "GET", "/events", &[sign], "").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{sign:?}");
    }
}

#[tokio::test]
async fn roles_hold() {
    let made_up = switched();
    let router = made_up.router(tokens());
    let status = async |method, path, name| bearer(&router, method, path, name).await.status.as_u16();
    for path in ["/metrics", "/routes.eskip", "/api/v1/plan", "/api/v1/operations", "/api/v1/audit", "/"] {
        assert_eq!(status("GET", path, "grafana").await, 200, "{path}");
        assert_eq!(status("GET", path, "anna").await, 200, "{path}");
        assert_eq!(status("GET", path, "monolith").await, 403, "{path}");
    }
    for path in
        [ROLLBACK, "/api/v1/rollback", "/api/v1/operations/getReturn/stage", "/operations/getReturn/rollback"]
    {
        assert_eq!(status("POST", path, "grafana").await, 403, "{path}");
        assert_eq!(status("POST", path, "monolith").await, 403, "{path}");
    }
    assert_eq!(status("POST", "/consistency-checks", "grafana").await, 403);
    assert!(is_untouched(&made_up));
    assert_eq!(status("POST", ROLLBACK, "anna").await, 200);
    let audit = bearer(&router, "GET", "/api/v1/audit", "grafana").await.json();
    assert_eq!(audit[0]["who"], "anna");
}

async fn log_in(router: &axum::Router, secret: &str) -> Answer {
    let token = form_token(&browse(router, "/login", "").await.text);
    submit(router, "/login", "", &format!("form_token={token}&token={}", secret.replace(' ', "+"))).await
}

#[tokio::test]
async fn a_browser_logs_in_by_token_and_out_again() {
    let made_up = switched();
    let router = made_up.router(tokens());
    let shown = browse(&router, "/operations/getReturn", "").await;
    assert_eq!(shown.status, StatusCode::SEE_OTHER);
    assert_eq!(shown.header("location"), "/login?next=/operations/getReturn");

    let logged_in = log_in(&router, "secret of anna").await;
    assert_eq!((logged_in.status, logged_in.header("location")), (StatusCode::SEE_OTHER, "/"));
    let set = logged_in.header("set-cookie").to_owned();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(set.contains(attribute), "{set}");
    }
    assert!(!set.contains("Secure") && !set.contains("secret"), "{set}");
    let cookie = set.split(';').next().expect("a cookie");

    let page = browse(&router, "/operations/getReturn", cookie).await;
    assert!(page.text.contains("anna · operator"), "{}", page.text);
    let token = form_token(&page.text);
    let strange = form_token(&browse(&router, "/login", "").await.text);
    assert_ne!(token, strange, "a form token belongs to its session");
    let forged = submit(&router, "/rollback", cookie, &format!("form_token={strange}&reason=attack")).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    assert!(is_untouched(&made_up));

    let out = submit(&router, "/logout", cookie, &format!("form_token={token}")).await;
    assert_eq!((out.status, out.header("location")), (StatusCode::SEE_OTHER, "/login"));
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(
        browse(&router, "/", cookie).await.status,
        StatusCode::SEE_OTHER,
        "the old cookie is worth nothing"
    );
}

#[tokio::test]
async fn a_session_ends_with_its_token() {
    let made_up = switched();
    let context = made_up.context(tokens());
    let access = context.access.clone();
    let own = parallax::api::Authorities::of(([127, 0, 0, 1], 9900).into());
    let shared =
        parallax::api::Shared::new(context, own, made_up.finished.subscribe()).expect("random numbers");
    let router = parallax::api::router(std::sync::Arc::new(shared), parallax::ui::pages());
    let logged_in = log_in(&router, "secret of anna").await;
    let cookie = logged_in.header("set-cookie").split(';').next().expect("a cookie").to_owned();
    assert_eq!(browse(&router, "/", &cookie).await.status, StatusCode::OK);
    let others: Vec<_> = tokens().into_iter().filter(|token| token.name != "anna").collect();
    access.replace(&others);
    assert_eq!(browse(&router, "/", &cookie).await.status, StatusCode::SEE_OTHER);
    access.replace(&tokens());
    assert_eq!(browse(&router, "/", &cookie).await.status, StatusCode::OK, "while it is not over by itself");
}

#[tokio::test]
async fn only_who_may_read_logs_in_and_only_with_a_token() {
    let router = switched().router(tokens());
    assert_eq!(log_in(&router, "wrong").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(log_in(&router, "secret of monolith").await.status, StatusCode::FORBIDDEN);
    for cookie in ["parallax_session=", "parallax_session=x", "parallax_session=secret of anna"] {
        assert_eq!(browse(&router, "/", cookie).await.status, StatusCode::SEE_OTHER, "{cookie}");
    }
}

#[tokio::test]
async fn a_viewer_sees_no_form_and_may_not_use_one() {
    let made_up = switched();
    let router = made_up.router(tokens());
    let logged_in = log_in(&router, "secret of grafana").await;
    let cookie = logged_in.header("set-cookie").split(';').next().expect("a cookie").to_owned();
    let page = browse(&router, "/operations/getReturn", &cookie).await.text;
    assert!(!page.contains("/rollback") && page.contains("grafana · viewer"), "{page}");
    let form = format!("form_token={}&reason=attack", form_token(&page));
    let answer = submit(&router, "/operations/getReturn/rollback", &cookie, &form).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.text.contains("<h1>Forbidden</h1>"), "{}", answer.text);
    assert!(is_untouched(&made_up));
}

#[tokio::test]
async fn guessing_comes_to_an_end() {
    let router = switched().router(tokens());
    for _ in 0..20 {
        assert_eq!(log_in(&router, "guess").await.status, StatusCode::UNAUTHORIZED);
    }
    let more = log_in(&router, "secret of anna").await;
    assert_eq!(more.status, StatusCode::TOO_MANY_REQUESTS, "even a right guess is not told now");
    assert!(more.header("set-cookie").is_empty());
    let bearer = bearer(&router, "GET", "/api/v1/operations", "anna").await;
    assert_eq!(bearer.status, StatusCode::TOO_MANY_REQUESTS, "nor by another door");
    assert!(bearer.header("retry-after").parse::<u64>().expect("seconds") <= 7);
}

#[tokio::test]
async fn behind_tls_the_cookie_is_secure() {
    let router = switched().router(tokens());
    let token = form_token(&browse(&router, "/login", "").await.text);
    let headers = [FORM, ("origin", "https://127.0.0.1:9900"), ("x-forwarded-proto", "https")];
    let form = format!("form_token={token}&token=secret+of+anna&next=//evil.example");
    let answer = send(&router, "POST", "/login", &headers, &form).await;
    assert!(answer.header("set-cookie").ends_with("; Secure"), "{}", answer.header("set-cookie"));
    assert_eq!(answer.header("location"), "/", "the way back leads to a page of ours");
}

#[tokio::test]
async fn every_answer_tells_browsers_to_be_careful() {
    let router = switched().router(tokens());
    for path in ["/", "/login", "/metrics", "/healthz", "/nothing", "/assets/nothing", "/api/v1/operations"] {
        let answer = bearer(&router, "GET", path, "anna").await;
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'self'; script-src 'self'"), "{path}");
        assert!(
            policy.ends_with("base-uri 'none'; frame-ancestors 'none'") && !policy.contains("unsafe"),
            "{path}"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
    }
}
