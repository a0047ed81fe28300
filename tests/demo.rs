//! The demo is the main job in small, and its own proof: the report names every fault that was
//! planted, under the right operation, and nothing else.

use std::collections::BTreeMap;
use std::time::Duration;

use parallax::demo::{Fault, Live, Report};
use parallax_testkit::RawClient;
use serde_json::{Value, json};

async fn report(rate: u32, duration: Duration) -> (Report, BTreeMap<String, Value>) {
    let live = Live::start().await.expect("the demo starts");
    let traffic = live.traffic(rate, duration, |_| {}).await;
    assert_eq!((traffic.errors, traffic.left_out), (0, 0), "{traffic:?}");
    let report = live.report().await.expect("the API answers");
    let control = live.control_url();
    let mut client = RawClient::connect(control.trim_start_matches("http://").parse().expect("an address"))
        .await
        .expect("the control listener");
    let mut faults = BTreeMap::new();
    for operation in &report.operations {
        let path = format!("/api/v1/operations/{}/signatures?suggest=true", operation.id);
        faults.insert(operation.id.clone(), client.get(&path).await.expect("an answer").json());
    }
    live.stop().await;
    (report, faults)
}

/// The rule that is suggested first for a fault.
fn suggested<'f>(faults: &'f BTreeMap<String, Value>, operation: &str, path: &str, kind: &str) -> &'f Value {
    let found = faults[operation].as_array().expect("a list");
    let fault = found.iter().find(|fault| fault["path"] == path && fault["kind"] == kind);
    let fault = fault.unwrap_or_else(|| panic!("{path} in {found:#?}"));
    assert_eq!(fault["suggestions"][0]["masks"], fault["suggestions"][0]["of"], "{fault:#?}");
    &fault["suggestions"][0]["rule"]
}

#[tokio::test]
async fn every_planted_fault_is_named_and_nothing_else() {
    let (Report { operations, findings }, faults) = report(150, Duration::from_secs(8)).await;
    for fault in Fault::ALL {
        let named = findings.iter().filter(|finding| fault.is(finding)).count();
        assert_eq!(named, 1, "{fault:?} in {findings:#?}");
    }
    let unplanted: Vec<_> =
        findings.iter().filter(|finding| !Fault::ALL.iter().any(|fault| fault.is(finding))).collect();
    assert!(unplanted.is_empty(), "{unplanted:#?}");

    for operation in &operations {
        let counts = &operation.counts;
        let failed: u64 = counts.failed.values().sum();
        let skipped: u64 = counts.skipped.values().sum();
        assert!(counts.matched > 0 || operation.id == "getReturnLabel", "{operation:?}");
        assert_eq!(
            counts.requests,
            counts.matched + counts.unmatched + failed + skipped + counts.in_flight,
            "{operation:?}"
        );
        // The one outage that both sides share; nothing else may fail, and nothing is skipped.
        let reasons: Vec<_> = counts.failed.keys().map(String::as_str).collect();
        let expected: &[&str] = if operation.id == "getReturnLabel" { &["both_5xx"] } else { &[] };
        assert_eq!(reasons, expected, "{operation:?}");
        assert_eq!(skipped, 0, "{operation:?}");
    }
    let policy = operations.iter().find(|operation| operation.id == "getReturnPolicy").expect("listed");
    assert_eq!(policy.counts.unmatched, 0, "{policy:?}");

    // Where a fault would be none, the rule to write is found without a look at any value.
    let amount = suggested(&faults, "getReturn", "$.body.refund.amount", "value");
    assert_eq!(amount["tolerance"], json!({"abs": "0.05"}), "rounded to one decimal");
    let expires = suggested(&faults, "getReturnLabel", "$.body.expires_at", "value");
    assert_eq!(expires["within"], "0s", "the same instant in another time zone");
    let returns = suggested(&faults, "listReturns", "$.body.returns", "order");
    assert!(returns["unordered"] == true || returns["key"] == "return_id", "{returns}");
}
