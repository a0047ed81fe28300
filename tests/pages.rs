//! The pages for people: what they show, that nothing in them is ever markup of somebody else,
//! that their forms work, and that they update themselves.

#[expect(dead_code, reason = "shared with the tests of the API")]
mod made_up;

use std::time::Duration;

use axum::http::StatusCode;
use http_body_util::BodyExt as _;
use made_up::client::{HOST, browse, form_token, get, submit};
use made_up::{HOSTILE, MadeUp, operation, returns, tally};
use parallax_core::stage::Stage;
use tower::ServiceExt as _;

/// The words on a page, without its markup.
fn words(page: &str) -> String {
    let mut words = String::new();
    let mut rest = page;
    while let Some((before, tag)) = rest.split_once('<') {
        words.push_str(before);
        words.push(' ');
        rest = tag.split_once('>').map_or("", |(_, after)| after);
    }
    words.push_str(rest);
    let words = words.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn shows(page: &str, expected: &[&str]) {
    let words = words(page);
    for expected in expected {
        assert!(words.contains(expected), "`{expected}` is not on the page: {words}");
    }
}

#[tokio::test]
async fn the_operations_page_shows_where_everything_is() {
    let router = returns().await.router(Vec::new());
    let page = browse(&router, "/", "").await;
    assert_eq!((page.status, page.header("content-type")), (StatusCode::OK, "text/html; charset=utf-8"));
    shows(
        &page.text,
        &[
            "listReturns GET / returns shadow 94.3",
            "target 99.5%",
            "unmatched 2,911 failed 43 skipped 40",
            "Not ready consistency is 94.3",
            "getReturn GET / returns/ {return_id} canary 5% 99.94",
            "createReturn POST / returns shadow no checks yet target 99%",
            "Gathering 0 of 1,000 checks",
            "getPolicy GET / policy complete 100% target 100%",
            "local · operator",
        ],
    );
    let order = ["listReturns", "getReturn", "createReturn", "getLabel", "getPolicy", "reports/weekly:v2"];
    let places: Vec<_> =
        order.iter().map(|id| page.text.find(&format!("<bdi>{id}</bdi>")).expect("on the page")).collect();
    assert!(places.is_sorted(), "as configured");
    assert!(page.text.contains("href=\"/operations/reports%2Fweekly:v2\""));
}

#[tokio::test]
async fn the_operation_page_shows_what_is_missing_and_what_differs() {
    let router = returns().await.router(Vec::new());
    let page = browse(&router, "/operations/listReturns", "").await;
    shows(
        &page.text,
        &[
            "Consistency 94.3",
            "≥ 99.5% ✗ not yet",
            "Few failed checks 0.08",
            "more checks, all of them matching",
            "$.body.items[*].price.amount body value rounded to 2 decimals 2,000",
            "$.headers['cache-control'] header extra",
            "In the last hour 42,",
            "timeout the other side took too long 31",
            "queue_full too many checks were waiting 40",
            "The stage was never changed.",
        ],
    );
    assert!(page.text.contains("href=\"/signatures/000000000000a000\""));
    let history = browse(&router, "/operations/getReturn", "").await;
    shows(
        &history.text,
        &["shadow → canary 5% forced", "prices rounded differently, see RET-412 anna , 46 h ago"],
    );
    let slash = browse(&router, "/operations/reports%2Fweekly:v2", "").await;
    shows(&slash.text, &["reports/weekly:v2", "Legacy answers, nothing is checked."]);
}

#[tokio::test]
async fn the_signature_page_shows_both_sides_and_marks_what_differs() {
    let router = returns().await.router(Vec::new());
    let page = browse(&router, "/signatures/000000000000a000", "").await;
    shows(
        &page.text,
        &[
            "The sides have different values here. The relation: rounded to 2 decimals .",
            "The newest 3, of at most 20.",
            "$.body.items[3].price.amount rounded to 2 decimals value 19.995 20.00",
            "18 lines without a difference",
            "≠ differs: \"price\": {\"amount\": 19.995, \"currency\": \"EUR\"}",
            "≠ differs: \"price\": {\"amount\": 20.00, \"currency\": \"EUR\"}",
            "≠ differs: cache-control: no-store",
            "The client got the answer of legacy.",
            "And 3 more.",
        ],
    );
    assert!(!page.text.contains("data-live"), "a sample that is being read stays");
}

#[tokio::test]
async fn what_comes_from_traffic_is_only_ever_text() {
    let router = returns().await.router(Vec::new());
    for path in ["/", "/operations/listReturns", "/operations/getReturn", "/signatures/000000000000a004"] {
        let page = browse(&router, path, "").await.text;
        let scripts = page.matches("<script").count();
        assert_eq!(scripts, 1, "{path}: only our own");
        assert!(!page.contains('\u{202e}'), "{path}: nothing turns the direction of the text");
        assert!(!page.contains("style=\"") && !page.contains("onerror"), "{path}");
    }
    let page = browse(&router, "/signatures/000000000000a004", "").await.text;
    assert!(page.matches("&lt;script&gt;alert('x')&lt;/script&gt;").count() > 3, "it is shown: {page}");
    let path = "/operations/%3Cscript%3Ealert(1)%3C%2Fscript%3E%E2%80%AE";
    let missing = browse(&router, path, "").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    assert!(
        missing.text.contains("&lt;script&gt;alert(1)&lt;/script&gt;")
            && !missing.text.contains("<script>alert")
    );
}

#[tokio::test]
async fn a_link_cannot_put_words_into_our_mouth() {
    let router = returns().await.router(Vec::new());
    let page = browse(&router, "/?done=%3Cb%3Etransfer%3C/b%3E&persisted=no&message=transfer", "").await.text;
    assert!(!page.contains("transfer") && !page.contains("id=\"notice\""), "{page}");
}

#[tokio::test]
async fn forms_change_the_stage_and_say_what_came_of_it() {
    let made_up = returns().await;
    let router = made_up.router(Vec::new());
    let token = form_token(&browse(&router, "/operations/getReturn", "").await.text);
    let path = "/operations/getReturn/stage";
    let form = format!("form_token={token}&if_revision=3&stage=canary&share=20%25&reason=next+step");
    let changed = submit(&router, path, "", &form).await;
    assert_eq!(changed.status, StatusCode::SEE_OTHER, "{}", changed.text);
    let to = changed.header("location");
    assert_eq!(to, "/operations/getReturn?done=stage&persisted=yes");
    shows(
        &browse(&router, to, "").await.text,
        &["The stage is changed", "canary 5% → canary 20% next step local"],
    );

    let late = submit(&router, path, "", &form).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    shows(
        &late.text,
        &["Not changed. getReturn is at revision 4 (canary 20%) by now", "local was first: next step"],
    );
    assert!(late.text.contains("value=\"next step\""), "nobody has to type it again");

    let back =
        submit(&router, "/operations/getReturn/rollback", "", &format!("form_token={token}&reason=errors"))
            .await;
    assert_eq!(back.header("location"), "/operations/getReturn?done=rollback&persisted=yes");
    let all = submit(&router, "/rollback", "", &format!("form_token={token}&reason=errors")).await;
    assert_eq!(all.header("location"), "/?done=rollback-all&persisted=yes");
    let stages: Vec<Stage> = made_up.routing.load().entries().iter().map(|entry| entry.stage).collect();
    assert_eq!(stages[..5], [Stage::Shadow, Stage::Shadow, Stage::Shadow, Stage::Shadow, Stage::Complete]);
}

#[tokio::test]
async fn a_refusal_says_what_is_missing_on_the_page_itself() {
    let router = returns().await.router(Vec::new());
    let token = form_token(&browse(&router, "/operations/listReturns", "").await.text);
    let form = format!("form_token={token}&if_revision=0&stage=switched&share=&reason=%3Cb%3Ego%3C%2Fb%3E");
    let refused = submit(&router, "/operations/listReturns/stage", "", &form).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    shows(
        &refused.text,
        &["Not changed: the operation is not ready. consistency is 94.3", "99.5% is the target"],
    );
    assert!(refused.text.contains("value=\"&lt;b&gt;go&lt;/b&gt;\""));
    assert!(refused.text.contains("<option value=\"switched\" selected>"));
    for (form, expected) in [
        ("stage=canary&share=abc&reason=x", "`abc` is not a percentage"),
        ("stage=canary&share=0%25&reason=x&force=true", "a canary share is more than 0%"),
        ("stage=nope&reason=x", "`nope` is not one of"),
        ("stage=legacy&reason=", "needs a reason"),
    ] {
        let form = format!("form_token={token}&{form}");
        let refused = submit(&router, "/operations/listReturns/stage", "", &form).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{form}");
        shows(&refused.text, &["Not changed.", expected]);
    }
}

#[tokio::test]
async fn with_the_store_down_the_pages_work_and_say_so() {
    let made_up = returns().await;
    let router = made_up.router(Vec::new());
    let token = form_token(&browse(&router, "/", "").await.text);
    made_up.outage.begin();
    let back =
        submit(&router, "/operations/getLabel/rollback", "", &format!("form_token={token}&reason=errors"))
            .await;
    let to = back.header("location");
    assert_eq!(to, "/operations/getLabel?done=rollback&persisted=no");
    let page = browse(&router, to, "").await;
    assert_eq!(page.status, StatusCode::OK);
    shows(
        &page.text,
        &[
            "not yet in the store",
            "The store does not work at the moment.",
            "cannot be shown now",
            "Legacy answers already",
        ],
    );
    assert_eq!(
        browse(&router, "/signatures/000000000000a000", "").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test]
async fn style_and_script_come_from_here_and_stay() {
    let router = returns().await.router(Vec::new());
    let page = browse(&router, "/", "").await.text;
    let sources: Vec<&str> = page
        .split(['"', '\''])
        .filter(|value| value.starts_with("http") || value.starts_with("//") || value.starts_with("/assets/"))
        .collect();
    let outside = sources
        .iter()
        .filter(|source| !source.starts_with("/assets/") && **source != "http://www.w3.org/2000/svg");
    assert_eq!(outside.count(), 0, "{sources:?}");
    for source in sources.iter().filter(|source| source.starts_with("/assets/")) {
        let asset = get(&router, source).await;
        assert_eq!(asset.status, StatusCode::OK, "{source}");
        assert!(asset.header("cache-control").contains("immutable"));
    }
    assert_eq!(get(&router, "/assets/style.0.css").await.status, StatusCode::NOT_FOUND);
    assert_eq!(get(&router, "/assets/..%2FCargo.toml").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn tables_and_landmarks_can_be_found_without_eyes() {
    let router = returns().await.router(Vec::new());
    for path in ["/", "/operations/listReturns", "/signatures/000000000000a000", "/nothing"] {
        let page = browse(&router, path, "").await.text;
        for landmark in ["<header", "<main", "<footer", "<html lang=\"en\"", "<h1", "name=\"viewport\""] {
            assert_eq!(page.matches(landmark).count(), 1, "{path}: {landmark}");
        }
        for heading in page.split("<th").skip(1).filter(|rest| !rest.starts_with("ead")) {
            let tag = heading.split('>').next().expect("a tag");
            assert!(tag.contains("scope="), "{path}: <th{tag}>");
        }
        for picture in page.split("<svg").skip(1) {
            let tag = picture.split('>').next().expect("a tag");
            assert!(
                tag.contains("aria-label") || tag.contains("aria-hidden") || tag.contains("xmlns"),
                "{path}: <svg{tag}>"
            );
        }
        for field in page.split("<input").skip(1).map(|rest| rest.split('>').next().expect("a tag")) {
            let id = field.split("id=\"").nth(1).and_then(|rest| rest.split('"').next());
            let is_named = field.contains("hidden")
                || field.contains("checkbox")
                || id.is_some_and(|id| page.contains(&format!("for=\"{id}\"")));
            assert!(is_named, "{path}: <input{field}>");
        }
    }
}

/// The next event of a stream, without waiting for more than the paused clock.
async fn next(body: &mut axum::body::Body) -> Option<String> {
    let frame = body.frame().await?.expect("a frame");
    Some(String::from_utf8(frame.into_data().expect("data").to_vec()).expect("text"))
}

async fn events(router: &axum::Router) -> axum::http::Response<axum::body::Body> {
    let request = axum::http::Request::get("/events").header("host", HOST);
    router
        .clone()
        .oneshot(request.body(axum::body::Body::empty()).expect("a request"))
        .await
        .expect("an answer")
}

fn one() -> MadeUp {
    let counts = tally(10, 0, &[], &[]);
    MadeUp::empty(vec![(operation("getReturn", "GET /returns/{return_id}", "99.9%"), Stage::Shadow, counts)])
}

#[tokio::test(start_paused = true)]
async fn open_pages_hear_of_news_at_most_once_a_second() {
    let made_up = one();
    let router = made_up.router(Vec::new());
    let mut body = events(&router).await.into_body();
    let start = tokio::time::Instant::now();
    let first = next(&mut body).await.expect("at once");
    assert!(first.starts_with("event: refresh\ndata: "), "{first}");
    assert_eq!(start.elapsed(), Duration::ZERO);
    for _ in 0..500 {
        made_up.match_one("getReturn", Duration::from_millis(1), Duration::from_millis(1));
    }
    let second = next(&mut body).await.expect("news");
    assert_ne!(first, second);
    assert!(start.elapsed() >= Duration::from_secs(1));
    let silence = next(&mut body).await.expect("a heartbeat");
    assert!(silence.starts_with(':'), "{silence}");
    made_up.finished.send_replace(true);
    assert_eq!(next(&mut body).await, None, "it ends with the listener");
}

#[tokio::test(start_paused = true)]
async fn streams_are_bounded_and_their_places_are_given_back() {
    let made_up = one();
    let router = made_up.router(Vec::new());
    let mut open = Vec::new();
    for _ in 0..64 {
        open.push(events(&router).await);
    }
    assert!(open.iter().all(|response| response.status() == StatusCode::OK));
    assert_eq!(events(&router).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    open.pop();
    assert_eq!(events(&router).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn problems_are_pages_for_browsers_and_json_for_programs() {
    let router = one().router(Vec::new());
    let page = browse(&router, "/nothing", "").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    shows(&page.text, &["404 Not Found", "To the operations"]);
    assert!(HOSTILE.contains("<script>"), "the made-up data is hostile");
    assert_eq!(get(&router, "/nothing").await.header("content-type"), "application/problem+json");
    let api = browse(&router, "/api/v1/nothing", "").await;
    assert_eq!(api.header("content-type"), "application/problem+json", "whoever asks");
}

#[tokio::test]
async fn requests_of_no_operation_are_told_once_there_are_any() {
    let made_up = MadeUp::empty(vec![]);
    let router = made_up.router(Vec::new());
    assert!(!get(&router, "/").await.text.contains("belong to no operation"));
    for _ in 0..3 {
        made_up.context(Vec::new()).telemetry.count_other(parallax::telemetry::AnsweredBy::Legacy);
    }
    let page = get(&router, "/").await;
    assert!(page.text.contains("belong to no operation, since the process started: 3."), "{}", page.text);
}
