//! gRPC from client to side: unary calls are checked by message and status, streams pass both ways
//! as they come.

mod support;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parallax::app::Running;
use parallax_testkit::{AnyBody, HttpService, Reached, with_trailers};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

const OPERATION: &str = "operations:
- {id: getReturn, grpc: shop.Returns/Get, idempotent: true}
- {id: shop.Returns/Cancel, grpc: shop.Returns/Cancel}
";

/// A gRPC message in its frame.
fn message(text: &str) -> Bytes {
    let length = u32::try_from(text.len()).expect("short").to_be_bytes();
    [&[0][..], &length, text.as_bytes()].concat().into()
}

fn status(code: &str) -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), code.parse().expect("a code"))])
}

/// A side whose every answer is this message with this status.
fn side(text: &'static str, code: &'static str) -> HttpService {
    HttpService::start(Reached::default(), move |request: Request<Incoming>| async move {
        request.into_body().collect().await.expect("a request");
        grpc(with_trailers(vec![message(text)], status(code)))
    })
}

fn grpc(body: AnyBody) -> Response<AnyBody> {
    Response::builder().header("content-type", "application/grpc").body(body).expect("an answer")
}

async fn between(legacy: &HttpService, candidate: &HttpService) -> Running {
    let configuration = format!(
        "store: 'memory://'\nlegacy: {{url: '{}', protocol: http2}}\n\
         candidate: {{url: '{}', protocol: http2}}\n{OPERATION}",
        legacy.url(),
        candidate.url()
    );
    support::start("", "", &configuration).await
}

/// A client in HTTP/2 that sends this body.
async fn call<B>(running: &Running, body: B) -> Response<Incoming>
where
    B: hyper::body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    call_method(running, "Get", body).await
}

async fn call_method<B>(running: &Running, method: &str, body: B) -> Response<Incoming>
where
    B: hyper::body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let stream = TcpStream::connect(running.proxy).await.expect("the proxy listens");
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.expect("HTTP/2");
    parallax::tasks::spawn(connection);
    let request = Request::post(format!("http://{}/shop.Returns/{method}", running.proxy))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(body)
        .expect("a request");
    let answered = tokio::time::timeout(support::DEADLINE, sender.send_request(request));
    answered.await.expect("in time").expect("an answer")
}

async fn unary(running: &Running) -> (Bytes, Option<String>) {
    let response = call(running, Full::new(message("which return?"))).await;
    assert_eq!(response.headers()["content-type"], "application/grpc");
    let in_head = response.headers().get("grpc-status").cloned();
    let collected = response.into_body().collect().await.expect("a body");
    let status = collected.trailers().and_then(|trailers| trailers.get("grpc-status").cloned()).or(in_head);
    (collected.to_bytes(), status.map(|status| status.to_str().expect("text").to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unary_call_is_checked_by_its_message_and_its_status() {
    for (candidate, matched, part) in [
        (("a return", "0"), 1, None),
        (("another return", "0"), 0, Some("body")),
        (("a return", "5"), 0, Some("trailer")),
        // UNAVAILABLE is an answer like any other: whether it counts for nothing is for the rules to say.
        (("a return", "14"), 0, Some("trailer")),
    ] {
        let (legacy, candidate) = (side("a return", "0"), side(candidate.0, candidate.1));
        let running = between(&legacy, &candidate).await;
        assert_eq!(unary(&running).await, (message("a return"), Some("0".to_owned())));
        let operation = support::at_rest(running.control, "getReturn").await;
        assert_eq!(operation["counts"]["matched"], matched, "{operation}");
        assert_eq!(operation["counts"]["unmatched"], 1 - matched, "{operation}");
        let asked = [&legacy.asked()[0], &candidate.asked()[0]].map(|asked| asked.headers["te"].clone());
        assert_eq!(asked, ["trailers", "trailers"]);
        if let Some(part) = part {
            let mut client = parallax_testkit::RawClient::connect(running.control).await.unwrap();
            let metrics = client.get("/metrics").await.unwrap();
            let labels = [("operation_id", "getReturn"), ("part", part)];
            let counted = support::sample(metrics.text(), "parallax_differences_total", &labels);
            assert!(counted >= Some(1.0), "{part}: {counted:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_nothing_but_trailers_passes_and_is_checked() {
    let refused = || {
        HttpService::start(Reached::default(), |request: Request<Incoming>| async {
            // A check is of a request that was sent to its end.
            request.into_body().collect().await.expect("a request");
            let mut response = grpc(parallax_testkit::whole(""));
            response.headers_mut().insert("grpc-status", "7".parse().expect("a code"));
            response
        })
    };
    let (legacy, candidate) = (refused(), refused());
    let running = between(&legacy, &candidate).await;
    assert_eq!(unary(&running).await, (Bytes::new(), Some("7".to_owned())));
    let operation = support::at_rest(running.control, "getReturn").await;
    assert_eq!(operation["counts"]["matched"], json!(1), "{operation}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_passes_messages_both_ways_before_its_end() {
    let echo = |request: Request<Incoming>| async move {
        let frames = futures_util::stream::unfold(Some(request.into_body()), |body| async {
            let mut body = body?;
            match body.frame().await {
                Some(frame) => {
                    let data = frame.ok()?.into_data().ok()?;
                    Some((Ok(Frame::data(data)), Some(body)))
                }
                None => Some((Ok(Frame::trailers(status("0"))), None)),
            }
        });
        grpc(StreamBody::new(frames).boxed_unsync())
    };
    let (legacy, candidate) =
        (HttpService::start(Reached::default(), echo), HttpService::start(Reached::default(), echo));
    let running = between(&legacy, &candidate).await;
    let (sender, receiver) = mpsc::channel::<Bytes>(1);
    let sent = futures_util::stream::unfold(receiver, |mut receiver| async {
        let bytes = receiver.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(Frame::data(bytes)), receiver))
    });
    let response = call(&running, StreamBody::new(Box::pin(sent))).await;
    let mut body = response.into_body();
    for number in 0..20 {
        let one = message(&format!("message {number}"));
        sender.send(one.clone()).await.expect("the stream is open");
        let mut echoed = Vec::new();
        while echoed.len() < one.len() {
            let frame = tokio::time::timeout(support::DEADLINE, body.frame()).await.expect("in time");
            echoed.extend_from_slice(&frame.expect("a frame").expect("no error").into_data().expect("data"));
        }
        assert_eq!(echoed, one, "{number}");
    }
    drop(sender);
    let rest = body.collect().await.expect("an end");
    assert_eq!(rest.trailers().expect("trailers")["grpc-status"], "0");
    let operation = support::at_rest(running.control, "getReturn").await;
    support::assert_conserved(&operation);
    assert_eq!(operation["counts"]["matched"], json!(1), "{operation}");
}

/// What may not be copied is told from what may by its method alone, on the same connection.
#[tokio::test(flavor = "multi_thread")]
async fn each_method_is_an_operation_and_only_what_may_be_is_copied() {
    let (legacy, candidate) = (side("a return", "0"), side("a return", "0"));
    let running = between(&legacy, &candidate).await;
    for method in ["Get", "Cancel", "Unknown"] {
        let response = call_method(&running, method, Full::new(message("which return?"))).await;
        let collected = response.into_body().collect().await.expect("a body");
        assert_eq!(collected.trailers().expect("trailers")["grpc-status"], "0");
    }
    assert_eq!(support::at_rest(running.control, "getReturn").await["counts"]["matched"], 1);
    let cancel = support::at_rest(running.control, "shop.Returns%2FCancel").await;
    assert_eq!(cancel["id"], "shop.Returns/Cancel", "{cancel}");
    assert_eq!(cancel["counts"]["skipped"], json!({"not_idempotent": 1}));
    assert_eq!((legacy.asked().len(), candidate.asked().len()), (3, 1));
    let mut client = parallax_testkit::RawClient::connect(running.control).await.unwrap();
    let metrics = client.get("/metrics").await.unwrap();
    let labels = [("operation_id", "shop.Returns/Cancel"), ("answered_by", "legacy")];
    assert_eq!(support::sample(metrics.text(), "parallax_requests_total", &labels), Some(1.0));
}
