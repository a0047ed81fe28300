//! The sample monolith: the source of truth, a little slower at the median and dependable.

use std::time::Duration;

use http::header::{CONTENT_LANGUAGE, ETAG, LOCATION};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

use super::endpoint::{Answer, Endpoint, json};
use super::returns::{Item, Method, Return, Shop, Status};
use super::server::{Answered, Ask, Handler};

/// How long the monolith works on any request.
const WORK: Duration = Duration::from_millis(4);

pub(super) const X_FRAME_OPTIONS: HeaderName = http::header::X_FRAME_OPTIONS;

#[derive(Debug)]
pub(super) struct Monolith {
    shop: Shop,
}

impl Monolith {
    pub(super) fn new(shop: Shop) -> Self {
        Self { shop }
    }
}

impl Handler for Monolith {
    fn answer(&self, ask: &Ask) -> Answered {
        let response = match Endpoint::of(ask, &self.shop) {
            Ok(endpoint) => self.respond(ask, endpoint),
            Err(refused) => *refused,
        };
        Answered { response, after: WORK }
    }
}

impl Monolith {
    fn respond(&self, ask: &Ask, endpoint: Endpoint<'_>) -> Answer {
        match endpoint {
            Endpoint::List { customer, status } => {
                let mut found = self.shop.of_customer(customer, status);
                found.reverse();
                json(StatusCode::OK, &List { returns: found.into_iter().map(Listed::of).collect() })
            }
            Endpoint::Get(found) => json(StatusCode::OK, &Shown::of(&found)),
            Endpoint::Create { customer, key, wanted } => {
                let items = wanted.items.into_iter().map(|item| (item.article, item.reason)).collect();
                let made = self.shop.announce(customer, key, &wanted.order_id, items);
                let mut answer = json(StatusCode::CREATED, &Announced::of(&made));
                set(&mut answer, LOCATION, &format!("/returns/{}", made.id));
                answer
            }
            Endpoint::Label { of, carrier } => {
                let mut answer = json(StatusCode::OK, &Label::of(&of, carrier));
                set(&mut answer, X_FRAME_OPTIONS, "DENY");
                answer
            }
            Endpoint::Policy { country, days, fee_cents } => {
                let tag = policy_tag(country);
                if ask.header("if-none-match") == Some(tag.as_str()) {
                    return not_modified(&tag);
                }
                let fee = Money::of(fee_cents);
                let mut answer = json(StatusCode::OK, &Policy { country, days, fee });
                set(&mut answer, ETAG, &tag);
                set(&mut answer, CONTENT_LANGUAGE, "en");
                answer
            }
        }
    }
}

/// The version of a country's policy.
pub(super) fn policy_tag(country: &str) -> String {
    format!("\"policy-{country}-3\"")
}

pub(super) fn not_modified(tag: &str) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::NOT_MODIFIED;
    set(&mut answer, ETAG, tag);
    answer
}

/// Sets a header; a value that is none, which no id of the shop is, is left out.
pub(super) fn set(answer: &mut Answer, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

// The bodies have their members in the order in which people read them. The replacement has them
// in another, as a rewrite will: that is no difference.

#[derive(Serialize)]
struct List<'a> {
    returns: Vec<Listed<'a>>,
}

#[derive(Serialize)]
struct Listed<'a> {
    return_id: &'a str,
    status: Status,
    items: usize,
    created_at: String,
}

impl<'a> Listed<'a> {
    fn of(one: &'a Return) -> Self {
        Self {
            return_id: &one.id,
            status: one.status,
            items: one.items.len(),
            created_at: one.created_at.to_string(),
        }
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    return_id: &'a str,
    order_id: &'a str,
    status: Status,
    items: &'a [Item],
    refund: Refund,
    created_at: String,
}

impl<'a> Shown<'a> {
    fn of(one: &'a Return) -> Self {
        let Money { amount, currency } = Money::of(one.refund_cents());
        Self {
            return_id: &one.id,
            order_id: &one.order_id,
            status: one.status,
            items: &one.items,
            refund: Refund { method: one.method, amount, currency },
            created_at: one.created_at.to_string(),
        }
    }
}

#[derive(Serialize)]
struct Refund {
    method: Method,
    amount: f64,
    currency: &'static str,
}

#[derive(Serialize)]
struct Money {
    amount: f64,
    currency: &'static str,
}

impl Money {
    fn of(cents: u64) -> Self {
        Self { amount: amount(cents), currency: "EUR" }
    }
}

/// Cents as the shop's JSON has money: with two decimals at most.
pub(super) fn amount(cents: u64) -> f64 {
    // Refunds are a few hundred euro: far below what a double holds exactly.
    f64::from(u32::try_from(cents).unwrap_or(u32::MAX)) / 100.0
}

#[derive(Serialize)]
struct Announced<'a> {
    return_id: &'a str,
    order_id: &'a str,
    status: Status,
    items: &'a [Item],
    created_at: String,
}

impl<'a> Announced<'a> {
    fn of(one: &'a Return) -> Self {
        Self {
            return_id: &one.id,
            order_id: &one.order_id,
            status: one.status,
            items: &one.items,
            created_at: one.created_at.to_string(),
        }
    }
}

#[derive(Serialize)]
struct Label<'a> {
    return_id: &'a str,
    carrier: &'static str,
    tracking_number: String,
    expires_at: String,
}

impl<'a> Label<'a> {
    fn of(one: &'a Return, carrier: &'static str) -> Self {
        Self {
            return_id: &one.id,
            carrier,
            tracking_number: one.tracking_number(),
            expires_at: one.label_expires_at().to_string(),
        }
    }
}

#[derive(Serialize)]
struct Policy<'a> {
    country: &'a str,
    days: u32,
    fee: Money,
}
