//! Forwarding headers: none unless asked for, and the same for both sides.

mod support;

use parallax_testkit::Recorded;
use support::{GET_RETURN, House, same};

/// What a client claims.
const CLAIMS: [(&str, &str); 4] = [
    ("X-Forwarded-For", "9.9.9.9"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Prefix", "/shop"),
    ("Forwarded", "for=9.9.9.9"),
];

/// Every forwarding header of both sides' requests, after one with [`CLAIMS`].
async fn told(configuration: &str) -> [Vec<String>; 2] {
    let house = House::new(same("{}"), same("{}"), &format!("{configuration}{GET_RETURN}")).await;
    let mut client = house.client().await;
    client.ask("GET", "/returns/1", &CLAIMS, b"").await.expect("an answer");
    house.at_rest("getReturn").await;
    let port = house.running.proxy.port().to_string();
    let of = |asked: &Recorded| {
        let fields = asked.headers.0.iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
        let told = fields.filter(|(name, _)| name.starts_with("x-forwarded-") || name == "forwarded");
        let mut lines: Vec<String> =
            told.map(|(name, value)| format!("{name}: {}", value.replace(&port, "PORT"))).collect();
        lines.sort();
        lines
    };
    [&house.legacy, &house.candidate].map(|side| of(side.requests().first().expect("a request")))
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_added_or_taken_off_unless_asked_for() {
    let [legacy, candidate] = told("").await;
    let expected = [
        "forwarded: for=9.9.9.9",
        "x-forwarded-for: 9.9.9.9",
        "x-forwarded-prefix: /shop",
        "x-forwarded-proto: https",
    ];
    assert_eq!(legacy, expected);
    assert_eq!(candidate, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_are_told_the_same_and_no_strangers_claims() {
    let [legacy, candidate] = told("forwarded: both\n").await;
    assert_eq!(legacy.len(), 5, "{legacy:?}");
    assert!(legacy[0].starts_with("forwarded: for=127.0.0.1;host="), "{legacy:?}");
    assert_eq!(legacy[1], "x-forwarded-for: 127.0.0.1");
    assert!(legacy[2].starts_with("x-forwarded-host: "), "{legacy:?}");
    assert_eq!(legacy[3..], ["x-forwarded-port: PORT", "x-forwarded-proto: http"]);
    assert_eq!(legacy, candidate);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxys_word_is_added_to() {
    let [legacy, candidate] = told("forwarded: x-forwarded\ntrusted_proxies: [127.0.0.1]\n").await;
    assert!(legacy.contains(&"x-forwarded-for: 9.9.9.9, 127.0.0.1".to_owned()), "{legacy:?}");
    assert!(legacy.contains(&"x-forwarded-proto: https".to_owned()), "{legacy:?}");
    assert!(legacy.contains(&"forwarded: for=9.9.9.9".to_owned()), "{legacy:?}");
    assert_eq!(legacy, candidate);
}
