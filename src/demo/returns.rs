//! The data of the sample shop: customers and the articles that they send back. All of it comes
//! from a seed, dates too, so both services hold the same and every run shows the same faults.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

/// Customers of the shop, and so sessions in the traffic.
pub(super) const CUSTOMERS: u32 = 60;
const RETURNS_PER_CUSTOMER: u32 = 8;
/// Announced returns that are remembered; beyond it the oldest is forgotten.
const MAX_ANNOUNCED: usize = 20_000;
const ARTICLES: [(&str, u64); 6] = [
    ("Linen shirt", 4_990),
    ("Rain jacket", 12_900),
    ("Cotton socks", 1_999),
    ("Running shoes", 8_900),
    ("Wool scarf", 2_990),
    ("Denim trousers", 5_990),
];
const REASONS: [&str; 4] = ["too small", "too large", "colour differs", "changed my mind"];

/// One return of one customer.
#[derive(Clone, Debug)]
pub(super) struct Return {
    pub(super) id: String,
    pub(super) customer: u32,
    pub(super) order_id: String,
    pub(super) status: Status,
    pub(super) items: Vec<Item>,
    pub(super) method: Method,
    pub(super) created_at: Timestamp,
    pub(super) carrier: Carrier,
}

/// How far a return is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// The customer has asked for it; no parcel yet.
    Announced,
    Received,
    Refunded,
}

/// How the money goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Method {
    Card,
    Invoice,
    Voucher,
}

/// Who carries the parcel, and whether it can be reached: the same outage for both services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    Reachable(&'static str),
    Down,
}

/// An article that goes back.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Item {
    pub(super) article: String,
    pub(super) reason: String,
    #[serde(skip)]
    pub(super) price_cents: u64,
}

impl Return {
    /// What the customer gets back.
    pub(super) fn refund_cents(&self) -> u64 {
        self.items.iter().map(|item| item.price_cents).sum()
    }

    /// How long its label is valid.
    pub(super) fn label_expires_at(&self) -> Timestamp {
        self.created_at + SignedDuration::from_hours(14 * 24)
    }

    pub(super) fn tracking_number(&self) -> String {
        format!("JD{:014}", xxh3_64(self.id.as_bytes()) % 100_000_000_000_000)
    }
}

/// What one service knows. Each has its own, as two services have two databases.
#[derive(Debug)]
pub(super) struct Shop {
    returns: BTreeMap<String, Return>,
    announced: Mutex<Announced>,
}

#[derive(Debug, Default)]
struct Announced {
    returns: BTreeMap<String, Return>,
    oldest_first: VecDeque<String>,
}

impl Shop {
    /// The shop as this seed makes it.
    pub(super) fn new(seed: u64) -> Self {
        let numbers = 0..CUSTOMERS * RETURNS_PER_CUSTOMER;
        let returns = numbers.map(|number| make_return(seed, number)).map(|made| (made.id.clone(), made));
        Self { returns: returns.collect(), announced: Mutex::default() }
    }

    /// A return by its id.
    pub(super) fn get(&self, id: &str) -> Option<Return> {
        let announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        self.returns.get(id).or_else(|| announced.returns.get(id)).cloned()
    }

    /// The returns of a customer whose parcels have come, oldest first.
    pub(super) fn of_customer(&self, customer: u32, status: Option<&str>) -> Vec<&Return> {
        let wanted = |one: &&Return| {
            one.customer == customer && status.is_none_or(|status| status == one.status.as_str())
        };
        self.returns.values().filter(wanted).collect()
    }

    /// The ids of all returns whose parcels have come.
    pub(super) fn ids(&self) -> Vec<String> {
        self.returns.keys().cloned().collect()
    }

    /// Announces a return. The same customer and key always give the same return, however often
    /// and in whatever order they come: that makes this POST safe to run on both sides.
    pub(super) fn announce(
        &self,
        customer: u32,
        key: &str,
        order_id: &str,
        wanted: Vec<(String, String)>,
    ) -> Return {
        let hash = xxh3_64(format!("{customer}/{key}").as_bytes());
        let made = Return {
            id: format!("A{:08}", hash % 100_000_000),
            customer,
            order_id: order_id.to_owned(),
            status: Status::Announced,
            items: wanted
                .into_iter()
                .map(|(article, reason)| Item { article, reason, price_cents: 0 })
                .collect(),
            method: Method::Card,
            created_at: opening() + SignedDuration::from_secs((hash % 1_000_000).cast_signed()),
            carrier: Carrier::Reachable("DHL"),
        };
        let mut announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        if announced.returns.insert(made.id.clone(), made.clone()).is_none() {
            announced.oldest_first.push_back(made.id.clone());
        }
        if announced.oldest_first.len() > MAX_ANNOUNCED
            && let Some(oldest) = announced.oldest_first.pop_front()
        {
            announced.returns.remove(&oldest);
        }
        made
    }
}

impl Status {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::Received => "received",
            Self::Refunded => "refunded",
        }
    }
}

/// The shop's return policy in a country: days, and what sending back costs.
pub(super) fn policy(country: &str) -> Option<(u32, u64)> {
    match country {
        "DE" | "AT" => Some((100, 0)),
        "FR" | "NL" | "IT" => Some((100, 195)),
        "GB" => Some((30, 350)),
        _ => None,
    }
}

/// Numbers that look like dice and are the same in every run.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Below `sides`, which is at least 1.
    pub(super) fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let drawn = xxh3_64(&self.0.to_le_bytes()) % (sides.max(1) as u64);
        usize::try_from(drawn).unwrap_or(0)
    }
}

fn make_return(seed: u64, number: u32) -> Return {
    let mut dice = Dice::new(seed ^ (u64::from(number) << 32));
    let items = (0..=dice.below(3)).map(|_| {
        let (article, price_cents) = ARTICLES[dice.below(ARTICLES.len())];
        Item {
            article: article.to_owned(),
            reason: REASONS[dice.below(REASONS.len())].to_owned(),
            price_cents,
        }
    });
    let items = items.collect();
    Return {
        id: format!("R{}", 10_000 + number),
        customer: number % CUSTOMERS,
        order_id: format!("O{}", 700_000 + dice.below(90_000)),
        status: if dice.below(2) == 0 { Status::Received } else { Status::Refunded },
        items,
        method: [Method::Card, Method::Card, Method::Invoice, Method::Voucher][dice.below(4)],
        created_at: opening() + SignedDuration::from_secs(7_919 * i64::from(number)),
        carrier: if number % 40 == 7 {
            Carrier::Down
        } else {
            Carrier::Reachable(["DHL", "Hermes"][dice.below(2)])
        },
    }
}

/// The day of the first return: 4 November 2021, 9:30 UTC.
fn opening() -> Timestamp {
    Timestamp::constant(1_636_018_200, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_one_shop_and_every_fault_has_returns_to_show_in() {
        let (one, same) = (Shop::new(1), Shop::new(1));
        assert_eq!(format!("{:?}", one.returns), format!("{:?}", same.returns));
        assert_ne!(format!("{:?}", one.returns), format!("{:?}", Shop::new(2).returns));
        let all: Vec<_> = one.returns.values().collect();
        assert!(all.iter().any(|one| one.method == Method::Voucher));
        assert!(all.iter().any(|one| one.carrier == Carrier::Down));
        assert!(all.iter().any(|one| one.refund_cents() % 10 != 0));
        // A final 5 would make rounding to one decimal a matter of taste.
        assert!(all.iter().all(|one| one.refund_cents() % 10 != 5));
        let lists = (0..CUSTOMERS).map(|customer| one.of_customer(customer, Some("received")).len());
        assert!(lists.filter(|length| *length > 1).count() > 10);
    }

    #[test]
    fn announcing_twice_with_one_key_announces_once() {
        let shop = Shop::new(1);
        let wanted = || vec![("Wool scarf".to_owned(), "too small".to_owned())];
        let first = shop.announce(3, "key-1", "O1", wanted());
        let again = shop.announce(3, "key-1", "O1", wanted());
        let other = shop.announce(4, "key-1", "O1", wanted());
        assert_eq!((&first.id, first.created_at), (&again.id, again.created_at));
        assert_ne!(first.id, other.id);
        assert_eq!(shop.get(&first.id).map(|found| found.customer), Some(3));
        assert_eq!(shop.announced.lock().unwrap().oldest_first.len(), 2);
    }
}
