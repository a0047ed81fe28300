//! The simulated customers: which request comes next. A mix of the shop's operations with a few
//! requests of the kind that real traffic always has: unknown paths, wrong methods, bad bodies.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, HOST, IF_NONE_MATCH, USER_AGENT};
use http::{HeaderName, Method, Request};
use http_body_util::Full;
use serde_json::json;

use super::returns::{CUSTOMERS, Dice, Shop};

const COUNTRIES: [&str; 6] = ["DE", "AT", "FR", "NL", "IT", "GB"];
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// All customers together, as one endless row of requests.
#[derive(Debug)]
pub(super) struct Customers {
    authority: String,
    dice: Dice,
    ids: Vec<String>,
    announced: u64,
}

impl Customers {
    pub(super) fn new(authority: &str, seed: u64) -> Self {
        let ids = Shop::new(seed).ids();
        Self { authority: authority.to_owned(), dice: Dice::new(seed), ids, announced: 0 }
    }

    /// The next request of some customer.
    pub(super) fn next(&mut self) -> Request<Full<Bytes>> {
        match self.dice.below(20) {
            0..=2 => self.ask(Method::GET, "/returns"),
            3 => self.ask(Method::GET, "/returns?status=received"),
            4 => self.ask(Method::GET, "/returns?status=refunded"),
            5..=10 => self.ask_return(Method::GET, ""),
            11 => self.ask_return(Method::HEAD, ""),
            12..=13 => self.announce(),
            14..=16 => self.ask_return(Method::GET, "/label"),
            17 => self.ask_policy(),
            18 => self.ask_policy_again(),
            _ => self.ask_amiss(),
        }
    }

    fn ask(&mut self, method: Method, target: &str) -> Request<Full<Bytes>> {
        let customer = self.dice.below(CUSTOMERS as usize);
        let mut request = Request::new(Full::default());
        *request.method_mut() = method;
        // Targets are made here, of the shop's own ids.
        *request.uri_mut() = target.parse().unwrap_or_default();
        set(&mut request, HOST, &self.authority);
        set(&mut request, COOKIE, &format!("session=customer-{customer}"));
        set(&mut request, ACCEPT, "application/json");
        set(&mut request, USER_AGENT, "parallax-demo");
        request
    }

    fn ask_return(&mut self, method: Method, below: &str) -> Request<Full<Bytes>> {
        let id = self.ids[self.dice.below(self.ids.len())].clone();
        self.ask(method, &format!("/returns/{id}{below}"))
    }

    fn ask_policy(&mut self) -> Request<Full<Bytes>> {
        let country = COUNTRIES[self.dice.below(COUNTRIES.len())];
        self.ask(Method::GET, &format!("/return-policies/{country}"))
    }

    /// As a browser does that has the page already: the answer is 304.
    fn ask_policy_again(&mut self) -> Request<Full<Bytes>> {
        let country = COUNTRIES[self.dice.below(COUNTRIES.len())];
        let mut request = self.ask(Method::GET, &format!("/return-policies/{country}"));
        set(&mut request, IF_NONE_MATCH, &super::monolith::policy_tag(country));
        request
    }

    fn announce(&mut self) -> Request<Full<Bytes>> {
        self.announced += 1;
        let key = format!("announcement-{}", self.announced);
        let wanted = json!({
            "order_id": format!("O{}", 800_000 + self.announced % 100_000),
            "items": [{"article": "Wool scarf", "reason": "too small"}],
        });
        let mut request = self.ask(Method::POST, "/returns");
        set(&mut request, IDEMPOTENCY_KEY, &key);
        with_body(request, wanted.to_string())
    }

    fn ask_amiss(&mut self) -> Request<Full<Bytes>> {
        match self.dice.below(7) {
            0 => self.ask(Method::GET, "/wishlist"),
            1 => self.ask_return(Method::DELETE, ""),
            2 => self.ask(Method::GET, "/returns/R1"),
            3 => self.ask(Method::GET, "/return-policies/AQ"),
            4 => {
                let mut request = self.ask(Method::GET, "/returns");
                request.headers_mut().remove(COOKIE);
                request
            }
            5 => {
                let request = self.ask(Method::POST, "/returns");
                with_body(request, "{}".to_owned())
            }
            _ => {
                let mut request = self.ask(Method::POST, "/returns");
                set(&mut request, IDEMPOTENCY_KEY, "broken");
                with_body(request, "{\"order_id\":".to_owned())
            }
        }
    }
}

fn set(request: &mut Request<Full<Bytes>>, name: HeaderName, value: &str) {
    if let Ok(value) = value.parse() {
        request.headers_mut().insert(name, value);
    }
}

fn with_body(mut request: Request<Full<Bytes>>, body: String) -> Request<Full<Bytes>> {
    set(&mut request, CONTENT_TYPE, "application/json");
    *request.body_mut() = Full::from(body);
    request
}
