//! The sample replacement: a rewrite that is quicker at the median, and wrong in the eight places
//! that [`Fault`](super::Fault) names. Each is marked where it is planted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;
use http::header::{CONTENT_LANGUAGE, ETAG, LOCATION};
use jiff::Timestamp;
use jiff::tz::Offset;
use serde_json::{Value, json};

use super::endpoint::{Answer, Endpoint, json as answer_json, problem};
use super::monolith::{X_FRAME_OPTIONS, amount, not_modified, policy_tag, set};
use super::returns::{Method, Return, Shop};
use super::server::{Answered, Ask, Handler};

/// How long the replacement works on most requests.
const WORK: Duration = Duration::from_millis(2);
/// How long it works on those of its slow tail.
const SLOW: Duration = Duration::from_millis(1_200);
/// Every how many requests it fails, or is slow.
const EVERY: u64 = 40;

#[derive(Debug)]
pub(super) struct Replacement {
    shop: Shop,
    shown: AtomicU64,
    labels: AtomicU64,
}

impl Replacement {
    pub(super) fn new(shop: Shop) -> Self {
        Self { shop, shown: AtomicU64::new(0), labels: AtomicU64::new(0) }
    }
}

impl Handler for Replacement {
    fn answer(&self, ask: &Ask) -> Answered {
        match Endpoint::of(ask, &self.shop) {
            Ok(endpoint) => self.respond(ask, endpoint),
            Err(refused) => Answered { response: *refused, after: WORK },
        }
    }
}

impl Replacement {
    fn respond(&self, ask: &Ask, endpoint: Endpoint<'_>) -> Answered {
        let response = match endpoint {
            Endpoint::List { customer, status } => self.list(customer, status),
            // Planted: ServerError.
            Endpoint::Get(_) if is_nth(&self.shown) => {
                *problem(StatusCode::SERVICE_UNAVAILABLE, "no connection to the database left")
            }
            Endpoint::Get(found) => answer_json(StatusCode::OK, &shown(&found)),
            Endpoint::Create { customer, key, wanted } => {
                let items = wanted.items.into_iter().map(|item| (item.article, item.reason)).collect();
                let made = self.shop.announce(customer, key, &wanted.order_id, items);
                // Planted: CreatedStatus.
                let mut answer = answer_json(StatusCode::OK, &announced(&made));
                set(&mut answer, LOCATION, &format!("/returns/{}", made.id));
                answer
            }
            Endpoint::Label { of, carrier } => {
                // Planted: SlowTail.
                let after = if is_nth(&self.labels) { SLOW } else { WORK };
                return Answered { response: label(&of, carrier), after };
            }
            Endpoint::Policy { country, days, fee_cents } => policy(ask, country, days, fee_cents),
        };
        Answered { response, after: WORK }
    }

    fn list(&self, customer: u32, status: Option<&str>) -> Answer {
        let mut found = self.shop.of_customer(customer, status);
        // Planted: ReorderedList. Only the unfiltered list is turned round.
        if status.is_none() {
            found.reverse();
        }
        let listed = |one: &Return| {
            json!({
                "return_id": one.id,
                "status": one.status,
                "items": one.items.len(),
                "created_at": one.created_at.to_string(),
            })
        };
        let listed: Vec<_> = found.into_iter().map(listed).collect();
        answer_json(StatusCode::OK, &json!({"returns": listed}))
    }
}

/// Whether this is one of the requests that go wrong: the first, and every fortieth after it.
fn is_nth(counter: &AtomicU64) -> bool {
    counter.fetch_add(1, Ordering::Relaxed).is_multiple_of(EVERY)
}

fn shown(one: &Return) -> Value {
    // Planted: RoundedAmount.
    let rounded = amount((one.refund_cents() + 5) / 10 * 10);
    let mut refund = json!({"amount": rounded, "currency": "EUR"});
    // Planted: MissingMethod.
    if one.method != Method::Voucher {
        refund["method"] = json!(one.method);
    }
    let mut body = announced(one);
    body["refund"] = refund;
    body
}

fn announced(one: &Return) -> Value {
    json!({
        "return_id": one.id,
        "order_id": one.order_id,
        "status": one.status,
        "items": one.items,
        "created_at": one.created_at.to_string(),
    })
}

fn label(of: &Return, carrier: &str) -> Answer {
    let body = json!({
        "return_id": of.id,
        "carrier": carrier,
        "tracking_number": of.tracking_number(),
        // Planted: TimeZone.
        "expires_at": in_central_europe(of.label_expires_at()),
    });
    let mut answer = answer_json(StatusCode::OK, &body);
    // Planted: ChangedHeader.
    set(&mut answer, X_FRAME_OPTIONS, "SAMEORIGIN");
    answer
}

fn policy(ask: &Ask, country: &str, days: u32, fee_cents: u64) -> Answer {
    let tag = policy_tag(country);
    if ask.header("if-none-match") == Some(tag.as_str()) {
        return not_modified(&tag);
    }
    let fee = json!({"amount": amount(fee_cents), "currency": "EUR"});
    let mut answer = answer_json(StatusCode::OK, &json!({"country": country, "days": days, "fee": fee}));
    set(&mut answer, ETAG, &tag);
    set(&mut answer, CONTENT_LANGUAGE, "en");
    answer
}

/// An instant with the offset of Central European winter time.
fn in_central_europe(at: Timestamp) -> String {
    at.display_with_offset(Offset::constant(1)).to_string()
}
