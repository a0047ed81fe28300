//! What both sample services agree on: which request means what, what a wrong one is told, and
//! how an answer is put together.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::returns::{Carrier, Return, Shop};
use super::server::Ask;

pub(super) type Answer = Response<Full<Bytes>>;

/// A request that both services understand.
#[derive(Debug)]
pub(super) enum Endpoint<'a> {
    List { customer: u32, status: Option<&'a str> },
    Get(Return),
    Create { customer: u32, key: &'a str, wanted: Wanted },
    Label { of: Return, carrier: &'static str },
    Policy { country: &'a str, days: u32, fee_cents: u64 },
}

/// The body of a request to create a return.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    pub(super) order_id: String,
    pub(super) items: Vec<WantedItem>,
}

/// An article that is to go back.
#[derive(Debug, Deserialize)]
pub(super) struct WantedItem {
    pub(super) article: String,
    pub(super) reason: String,
}

impl<'a> Endpoint<'a> {
    /// What the request means, or what it is told instead.
    pub(super) fn of(ask: &'a Ask, shop: &Shop) -> Result<Self, Box<Answer>> {
        let segments: Vec<_> = ask.path.split('/').skip(1).collect();
        let reads = matches!(ask.method, Method::GET | Method::HEAD);
        match *segments.as_slice() {
            ["returns"] if reads => {
                Ok(Self::List { customer: customer(ask)?, status: ask.parameter("status") })
            }
            ["returns"] if ask.method == Method::POST => create(ask),
            ["returns"] => Err(not_allowed("GET, HEAD, POST")),
            ["returns", id] if reads => Ok(Self::Get(find(shop, id)?)),
            ["returns", id, "label"] if reads => label(find(shop, id)?),
            ["return-policies", country] if reads => policy(country),
            ["returns", _] | ["returns", _, "label"] | ["return-policies", _] => {
                Err(not_allowed("GET, HEAD"))
            }
            _ => Err(problem(StatusCode::NOT_FOUND, "there is nothing here")),
        }
    }
}

/// An answer in JSON.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    with_body(status, "application/json", body)
}

/// What both services say when something is wrong.
pub(super) fn problem(status: StatusCode, detail: &str) -> Box<Answer> {
    let title = status.canonical_reason().unwrap_or_default();
    let body = json!({"title": title, "status": status.as_u16(), "detail": detail});
    Box::new(with_body(status, "application/problem+json", &body))
}

fn with_body(status: StatusCode, content_type: &'static str, body: &impl Serialize) -> Answer {
    // The shop's own types always serialise: no maps with odd keys, no failing writers.
    let bytes = serde_json::to_vec(body).unwrap_or_default();
    let mut answer = Response::new(Full::from(bytes));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

fn customer(ask: &Ask) -> Result<u32, Box<Answer>> {
    ask.customer().ok_or_else(|| problem(StatusCode::UNAUTHORIZED, "sign in first"))
}

fn find(shop: &Shop, id: &str) -> Result<Return, Box<Answer>> {
    shop.get(id).ok_or_else(|| problem(StatusCode::NOT_FOUND, "there is no such return"))
}

fn create(ask: &Ask) -> Result<Endpoint<'_>, Box<Answer>> {
    let customer = customer(ask)?;
    let key = ask
        .header("idempotency-key")
        .ok_or_else(|| problem(StatusCode::BAD_REQUEST, "the header Idempotency-Key is missing"))?;
    let unreadable =
        |_| problem(StatusCode::UNPROCESSABLE_ENTITY, "the body is no return with order_id and items");
    let wanted: Wanted = serde_json::from_slice(&ask.body).map_err(unreadable)?;
    Ok(Endpoint::Create { customer, key, wanted })
}

fn label(of: Return) -> Result<Endpoint<'static>, Box<Answer>> {
    match of.carrier {
        Carrier::Reachable(carrier) => Ok(Endpoint::Label { of, carrier }),
        Carrier::Down => {
            let mut down = problem(StatusCode::SERVICE_UNAVAILABLE, "the carrier does not answer");
            down.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("60"));
            Err(down)
        }
    }
}

fn policy(country: &str) -> Result<Endpoint<'_>, Box<Answer>> {
    let (days, fee_cents) = super::returns::policy(country)
        .ok_or_else(|| problem(StatusCode::NOT_FOUND, "we do not deliver to this country"))?;
    Ok(Endpoint::Policy { country, days, fee_cents })
}

fn not_allowed(allowed: &'static str) -> Box<Answer> {
    let mut answer = problem(StatusCode::METHOD_NOT_ALLOWED, "not with this method");
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}
