//! The demo is the main job in small, and its own proof: the report names every fault that was
//! planted, under the right operation, and nothing else.

use std::time::Duration;

use parallax::demo::{Fault, Live, Report};

async fn report(rate: u32, duration: Duration) -> Report {
    let live = Live::start().await.expect("the demo starts");
    let traffic = live.traffic(rate, duration, |_| {}).await;
    assert_eq!((traffic.errors, traffic.left_out), (0, 0), "{traffic:?}");
    let report = live.report().await.expect("the API answers");
    live.stop().await;
    report
}

#[tokio::test]
async fn every_planted_fault_is_named_and_nothing_else() {
    let Report { operations, findings } = report(150, Duration::from_secs(8)).await;
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
}
