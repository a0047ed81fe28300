//! The connections to a side by themselves: who is told of interim answers, and what is handed
//! back.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use parallax::config;
use parallax::telemetry::CountRepair;
use parallax::upstream::{Again, HearInterim, Pool, PoolLimits, RequestBody, Upstream};
use parallax_core::exchange::Side;
use parallax_core::verdict::Cause;
use parallax_testkit::{Arrived, Behaviour, FakeService, FrameService, Reply, Step, go_away, reset};

fn pool(legacy: &str) -> Arc<Pool> {
    let text = format!(
        "legacy: {legacy}\ncandidate: 'http://127.0.0.1:9'\noperations: [{{id: a, match: GET /a}}]\n"
    );
    let settings = config::parse(&text, "test.yaml", &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
    let upstream = Upstream::new(Side::Legacy, &settings.legacy, CountRepair::new(|_| {})).expect("a side");
    let time = Duration::from_secs(20);
    Pool::new(&upstream, PoolLimits { idle: 8, idle_for: time, keep_for: time, connect: time })
}

fn request(body: RequestBody) -> Request<RequestBody> {
    Request::post("/a").header("host", "a").body(body).expect("a request")
}

/// What was said, and the link that it named.
#[derive(Default)]
struct Told(Mutex<Vec<(u16, Option<String>)>>);

impl HearInterim for Told {
    fn hear(&self, status: StatusCode, headers: HeaderMap) {
        let link = headers.get("link").map(|link| link.to_str().expect("text").to_owned());
        self.0.lock().expect("a lock").push((status.as_u16(), link));
    }
}

#[tokio::test]
async fn whoever_asks_is_told_of_interim_answers() {
    let service = FakeService::start(Behaviour::script(|_| {
        let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
        vec![Step::Send(interim.into()), Step::Send("HTTP/1.1 204 No Content\r\n\r\n".into())]
    }));
    let pool = pool(&format!("'{}'", service.url()));
    let told = Arc::new(Told::default());
    for _ in 0..2 {
        let told: Arc<dyn HearInterim> = told.clone();
        let request = request(RequestBody::Empty);
        let answer = pool.send(request, Again::IfHarmless, Some(told)).await.expect("an answer");
        assert_eq!(answer.status(), 204);
    }
    let early = (103, Some("</a>".to_owned()));
    assert_eq!(*told.0.lock().expect("a lock"), [(100, None), early.clone(), (100, None), early]);
    pool.send(request(RequestBody::Empty), Again::Never, None).await.expect("an answer");
    assert_eq!(told.0.lock().expect("a lock").len(), 4, "nobody else is told");
    assert_eq!(service.connections(), 1);
}

#[tokio::test]
async fn what_no_side_looked_at_is_handed_back_whole() {
    for script in [|stream| reset(stream, 7), |_| go_away(0, 0)] {
        let service = FrameService::start(move |Arrived { stream, .. }| script(stream));
        let pool = pool(&format!("{{url: '{}', protocol: http2}}", service.url()));
        let sent = || request(RequestBody::whole("hello".into()));
        let error = pool.send(sent(), Again::IfHarmless, None).await.expect_err("nobody answers");
        assert_eq!(error.fault.cause, Cause::Reset);
        let back = error.unsent.expect("the request");
        assert_eq!(
            (back.uri().to_string(), &back.headers()["host"]),
            ("/a".to_owned(), &"a".parse().unwrap())
        );
        assert_eq!(back.into_body().collect().await.expect("a body").to_bytes(), "hello");
        assert_eq!(service.requests(), 3);
        // A copy is sent once, whatever the side says of it.
        let error = pool.send(sent(), Again::Never, None).await.expect_err("nobody answers");
        assert!(error.unsent.is_none(), "{error}");
        assert_eq!(service.requests(), 4);
    }
    let pool = pool("'http://127.0.0.1:9'");
    let error = pool.send(request(RequestBody::Empty), Again::Never, None).await.expect_err("nobody listens");
    assert!(error.unsent.is_some() && error.fault.cause == Cause::Refused, "{error}");
}

#[tokio::test]
async fn what_a_side_may_have_looked_at_is_not() {
    let service = FrameService::start(|Arrived { stream, .. }| reset(stream, 2));
    let pool = pool(&format!("{{url: '{}', protocol: http2}}", service.url()));
    let error = pool.send(request(RequestBody::Empty), Again::IfHarmless, None).await.expect_err("a reset");
    assert!(error.unsent.is_none() && !error.client_broke_off, "{error}");
    assert_eq!(service.requests(), 1);
}

#[tokio::test]
async fn one_dead_address_among_several_costs_nothing() {
    // `localhost` is two addresses on most machines, and the service has the one in IPv4.
    let service = FakeService::start(Behaviour::always(Reply::json("{}").close()));
    let pool = pool(&format!("'http://localhost:{}'", service.addr().port()));
    for _ in 0..8 {
        let answer = pool.send(request(RequestBody::Empty), Again::Never, None).await.expect("an answer");
        assert_eq!(answer.into_body().collect().await.expect("a body").to_bytes(), "{}");
    }
}
