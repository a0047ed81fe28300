//! A control listener over made-up data: operations in every stage, faults with samples, hostile
//! names. No proxy, no sides. Also used by the example that shows the pages.

pub(crate) mod client;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use parallax::api::{Access, Authorities, Context, Shared, router};
use parallax::config::Token;
use parallax::durable::{Durable, Seal, StoreKey};
use parallax::intake::Intake;
use parallax::recorder::{Flush, Recorder};
use parallax::rollout::Rollout;
use parallax::routing::{Entry, InForce, Routing, SharedRouting};
use parallax::store::testing::{Outage, flaky};
use parallax::store::{Minute, Store, Write};
use parallax::telemetry::{AnsweredBy, CountRepair, Ground, Lasting, Telemetry};
use parallax::ui;
use parallax::upstream::{PoolLimits, Reach, Threads, Upstream};
use parallax_core::check::CheckId;
use parallax_core::evidence::{Evidence, Evidences, Key, Version};
use parallax_core::exchange::Side;
use parallax_core::judge::Judged;
use parallax_core::operation::{Operation, OperationId};
use parallax_core::relation::{Distance, Relation};
use parallax_core::report::{AnswerSample, Line, Report, ReportedDifference, RequestSample, Sample};
use parallax_core::signature::{Signature, SignatureId};
use parallax_core::stage::{Share, Stage};
use parallax_core::tally::Tally;
use parallax_core::transition::Transition;
use parallax_core::verdict::{Cause, Equality, Kind, Outcome, Part, Skip, ValueType, Verdict};
use tokio::sync::watch;

/// The made-up deployment.
pub(crate) struct MadeUp {
    /// What the listener shows.
    pub(crate) routing: SharedRouting,
    /// Its store.
    pub(crate) store: Store,
    /// Turns the store off and on.
    pub(crate) outage: Outage,
    /// Whether clients are served.
    pub(crate) ready: watch::Sender<bool>,
    /// Ends the listener.
    pub(crate) finished: watch::Sender<bool>,
    telemetry: Arc<Telemetry>,
}

/// Text that must never become markup.
pub(crate) const HOSTILE: &str = "<script>alert('x')</script>\u{202e}\"&";

/// Counts, and checks of a candidate without a name that have shown as much.
fn shown(operation: &Operation, tally: Tally) -> Lasting {
    let key = Key { rules: Ground::of(operation).rules, version: Version::unnamed() };
    let mut evidence = Evidences::default();
    evidence.add(&key, &Evidence::of_counts(tally.matched, tally.unmatched, tally.failed_total()));
    Lasting { tally, evidence }
}

impl MadeUp {
    /// Operations without any counts or faults.
    pub(crate) fn empty(operations: Vec<(Arc<Operation>, Stage, Tally)>) -> Self {
        let telemetry = Arc::new(Telemetry::new().expect("metrics"));
        let (store, outage) = flaky().expect("a store");
        let entry = |(operation, stage, tally): (Arc<Operation>, Stage, Tally)| Entry {
            retired: false,
            meter: telemetry
                .meter(
                    &operation.id,
                    shown(&operation, tally),
                    operation.rules.specs(),
                    Ground::of(&operation),
                )
                .expect("a meter"),
            revision: u64::from(stage != Stage::Shadow),
            operation,
            stage,
        };
        let entries = operations.into_iter().map(entry).collect();
        let routing = Arc::new(ArcSwap::from_pointee(Routing::new(entries, in_force()).expect("a routing")));
        Self {
            routing,
            store,
            outage,
            ready: watch::channel(true).0,
            finished: watch::channel(false).0,
            telemetry,
        }
    }

    /// The context that a listener needs.
    pub(crate) fn context(&self, tokens: impl AsRef<[Token]>) -> Context {
        let recorder = Recorder::new(self.store.clone(), Arc::clone(&self.telemetry), Vec::new());
        let key = StoreKey::find(None).expect("a key");
        let limits = self.routing.load().in_force().settings.limits;
        let durable = Durable::new(Seal::new(&key), self.store.clone(), &limits, &[], &self.telemetry);
        Context {
            intake: Intake::new(Arc::clone(&self.routing), durable, self.store.clone()),
            routing: Arc::clone(&self.routing),
            telemetry: Arc::clone(&self.telemetry),
            store: self.store.clone(),
            rollout: Arc::new(Rollout::new(Arc::clone(&self.routing), self.store.clone(), None)),
            flush: Flush::new(recorder),
            access: Access::new(tokens.as_ref()),
            ready: self.ready.subscribe(),
        }
    }

    /// Everything that the listener serves, reached at 127.0.0.1:9900.
    pub(crate) fn router(&self, tokens: impl AsRef<[Token]>) -> axum::Router {
        let own = Authorities::of(([127, 0, 0, 1], 9900).into());
        let shared = Shared::new(self.context(tokens), own, self.finished.subscribe());
        router(Arc::new(shared.expect("random numbers")), ui::pages())
    }

    /// Lets an operation's next change follow on a history of so many.
    fn continue_from(&self, id: &str, revision: u64) {
        let id = id.parse().expect("an id");
        let routing = self.routing.load();
        let stage = routing.entry(&id).expect("an operation").stage;
        self.routing.store(Arc::new(routing.with_stage(&id, stage, revision)));
    }

    /// One more request of an operation: matched, and answered in these times.
    pub(crate) fn match_one(&self, id: &str, legacy: Duration, candidate: Duration) {
        let routing = self.routing.load();
        let entry = routing.entry(&id.parse().expect("an id")).expect("an operation");
        let ticket = entry.meter.begin(AnsweredBy::Legacy);
        ticket.observe(Side::Legacy, legacy);
        ticket.observe(Side::Candidate, candidate);
        let verdict = Verdict::Matched(Equality::Identical);
        ticket.judged(&Judged { verdict, masked: Vec::new() });
    }
}

/// Settings with the defaults, and the ways to sides that nobody asks here.
fn in_force() -> InForce {
    let text =
        "legacy: http://127.0.0.1:9\ncandidate: http://127.0.0.1:19\noperations: [{id: a, match: GET /a}]\n";
    let settings = parallax::config::parse(text, "made-up.yaml", &|_| None).expect("a configuration");
    let limits = |_| {
        let time = Duration::from_secs(1);
        PoolLimits { idle: 1, idle_for: time, keep_for: time, connect: time }
    };
    let side = |side, configured| {
        Arc::new(Upstream::new(side, configured, CountRepair::new(|_| ())).expect("a side"))
    };
    let (legacy, candidate) =
        (side(Side::Legacy, &settings.legacy), side(Side::Candidate, &settings.candidate));
    let reach = Reach::new(legacy, candidate, 1, Threads { data: 1, runners: 1 }, limits);
    InForce { settings: Arc::new(settings), reach: Arc::new(reach) }
}

/// An operation with the configuration's defaults.
pub(crate) fn operation(id: &str, matcher: &str, target: &str) -> Arc<Operation> {
    let text = format!(
        "legacy: {{url: 'http://127.0.0.1:9'}}\ncandidate: {{url: 'http://127.0.0.1:19'}}\noperations:\n\
         - {{id: '{id}', match: '{matcher}', target: '{target}'}}\n"
    );
    let settings = parallax::config::parse(&text, "made-up.yaml", &|_| None).expect("a configuration");
    Arc::clone(&settings.operations[0])
}

/// Counts; `requests` follows from the rest.
pub(crate) fn tally(matched: u64, unmatched: u64, failed: &[(Cause, u64)], skipped: &[(Skip, u64)]) -> Tally {
    let mut tally = Tally {
        rechecks: std::collections::BTreeMap::new(),
        requests: 0,
        matched,
        unmatched,
        failed: failed.iter().copied().collect(),
        skipped: skipped.iter().copied().collect(),
    };
    tally.requests = tally.settled();
    tally
}

/// The returns service of the article, half-way through its migration.
pub(crate) async fn returns() -> MadeUp {
    let share = |text: &str| Share::new(text.parse().expect("a ratio")).expect("a share");
    let made_up = MadeUp::empty(vec![
        (
            operation("listReturns", "GET /returns", "99.5%"),
            Stage::Shadow,
            tally(48_212, 2_911, &[(Cause::Timeout, 31), (Cause::Both5xx, 12)], &[(Skip::QueueFull, 40)]),
        ),
        (
            operation("getReturn", "GET /returns/{return_id}", "99.9%"),
            Stage::Canary(share("5%")),
            tally(183_554, 97, &[(Cause::Timeout, 18)], &[(Skip::ClientAborted, 204)]),
        ),
        (
            operation("createReturn", "POST /returns", "99%"),
            Stage::Shadow,
            tally(0, 0, &[], &[(Skip::NotIdempotent, 9_120)]),
        ),
        (
            operation("getLabel", "GET /returns/{return_id}/label", "99.9%"),
            Stage::Switched,
            tally(20_411, 3, &[], &[]),
        ),
        (
            operation("getPolicy", "GET /policy", "100%"),
            Stage::Complete,
            tally(90_000, 0, &[], &[(Skip::Stage, 4_000)]),
        ),
        (
            operation("reports/weekly:v2", "GET /reports/{year}/weeks/{week}", "95%"),
            Stage::Legacy,
            tally(412, 0, &[], &[(Skip::Stage, 733)]),
        ),
        (
            operation(
                "aVeryLongOperationNameThatSomebodyGeneratedFromAnOpenApiFile.withDots.andMore:getEverythingAboutEverythingForEverybodyAtOnce",
                "GET /a/{very}/long/{path}/that/goes/on/{and}/on/until/it/does/not/fit/{anywhere}",
                "99.9%",
            ),
            Stage::Shadow,
            Tally::default(),
        ),
    ]);
    fill(&made_up).await;
    made_up
}

async fn fill(made_up: &MadeUp) {
    let now = Timestamp::now();
    for number in 0..200_u64 {
        for id in ["listReturns", "getReturn", "getLabel"] {
            made_up.match_one(
                id,
                Duration::from_micros(3_000 + number * 40),
                Duration::from_micros(1_500 + number * 90),
            );
        }
    }
    let mut writes = minutes("listReturns", now);
    writes.extend(minutes("getReturn", now));
    for (number, fault) in faults("listReturns").into_iter().enumerate() {
        let count = 2_000 / (number as u64 * number as u64 + 1);
        writes.push(Write::seen(fault.clone(), count, before(now, 60 * number as i64)));
        for sample in 0..3 {
            let id = (number * 10 + sample) as u128 + 1;
            writes.push(Write::Sample(Box::new(report(id, &fault, before(now, 40 + 300 * sample as i64)))));
        }
    }
    let history = transitions("getReturn", now);
    made_up.continue_from("getReturn", history.len() as u64);
    writes.extend(history);
    made_up.store.write(writes).await.expect("a write");
}

/// An instant some seconds ago.
pub(crate) fn before(now: Timestamp, seconds: i64) -> Timestamp {
    now.checked_sub(jiff::SignedDuration::from_secs(seconds)).expect("an instant")
}

fn minutes(id: &str, now: Timestamp) -> Vec<Write> {
    let write = |ago: i64| {
        let unmatched = if ago % 7 == 3 { (ago % 5).unsigned_abs() * 3 + 1 } else { 0 };
        let matched = 700 + (ago * 37 % 240).unsigned_abs();
        Write::Tally {
            operation_id: id.parse().expect("an id"),
            minute: Minute(Minute::of(now).0 - ago),
            tally: tally(matched, unmatched, &[], &[]),
        }
    };
    (0..52).map(write).collect()
}

fn transitions(id: &str, now: Timestamp) -> Vec<Write> {
    let share = |text: &str| Share::new(text.parse().expect("a ratio")).expect("a share");
    let steps = [
        (Stage::Shadow, Stage::Canary(share("1%")), "first step, together with the returns team", false),
        (Stage::Canary(share("1%")), Stage::Shadow, "prices rounded differently, see RET-412", false),
        (Stage::Shadow, Stage::Canary(share("5%")), HOSTILE, true),
    ];
    let write = |(number, (from, to, reason, forced)): (usize, (Stage, Stage, &str, bool))| {
        Write::Transition(Box::new(Transition {
            at: before(now, 86_400 * (3 - number as i64) - 4_000),
            who: "anna".to_owned(),
            operation_id: id.parse().expect("an id"),
            from,
            to,
            reason: reason.to_owned(),
            forced,
            automatic: false,
            revision: number as u64 + 1,
            evidence: serde_json::json!({"matched": 1000}),
        }))
    };
    steps.into_iter().enumerate().map(write).collect()
}

/// Faults of an operation, one of them with a hostile name.
pub(crate) fn faults(id: &str) -> Vec<Signature> {
    let fault = |number: u64, part, path: &str, kind, explanation: Option<&str>| Signature {
        id: SignatureId(0xa000 + number),
        operation_id: id.parse::<OperationId>().expect("an id"),
        part,
        path: path.to_owned(),
        kind,
        legacy_type: (kind != Kind::Extra).then_some(ValueType::Number),
        candidate_type: (kind != Kind::Missing).then_some(ValueType::Number),
        explanation: explanation.map(str::to_owned),
    };
    vec![
        fault(0, Part::Body, "$.body.items[*].price.amount", Kind::Value, Some("rounded to 2 decimals")),
        fault(1, Part::Body, "$.body.items[*].customs_code", Kind::Missing, None),
        fault(2, Part::Header, "$.headers['cache-control']", Kind::Extra, None),
        fault(3, Part::Status, "$.status", Kind::Value, Some("201 and 200")),
        fault(4, Part::Body, &format!("$.body['{HOSTILE}']"), Kind::Type, Some(HOSTILE)),
    ]
}

/// A sample of a fault.
pub(crate) fn report(id: u128, fault: &Signature, at: Timestamp) -> Report {
    let line = |depth: u16, text: &str, differs: bool| Line { depth, text: text.to_owned(), differs };
    let body = |price: &str, differs: bool| {
        let mut lines = vec![
            line(0, "{", false),
            line(1, "\"return_id\": \"r-00000000\",", false),
            line(1, "\"customer\": \"aaaa aaaaaa\",", false),
            line(1, "\"items\": [", false),
        ];
        for item in 0..4 {
            lines.push(line(2, "{", false));
            lines.push(line(3, &format!("\"return_item_id\": {item},"), false));
            lines.push(line(3, "\"name\": \"Aaaaaaa aaaaaa, aaa\",", false));
            lines.push(line(
                3,
                &format!("\"price\": {{\"amount\": {price}, \"currency\": \"EUR\"}}"),
                differs && item == 3,
            ));
            lines.push(line(2, "},", false));
        }
        lines.push(line(1, &format!("\"note\": \"{HOSTILE}\""), false));
        lines.push(line(0, "}", false));
        lines
    };
    let answer = |status, price: &str, extra: Option<&str>| AnswerSample {
        status,
        headers: [Some("content-type: application/json"), Some("vary: accept-encoding"), extra]
            .into_iter()
            .flatten()
            .map(|text| line(0, text, Some(text) == extra))
            .collect(),
        body: body(price, true),
        more_lines: 0,
        trailers: Vec::new(),
    };
    Report {
        id: CheckId(id),
        at,
        operation_id: fault.operation_id.clone(),
        answering: Side::Legacy,
        outcome: Outcome::Unmatched,
        reason: None,
        recheck: None,
        differences: vec![
            ReportedDifference {
                signature: fault.id,
                part: fault.part,
                path: "$.body.items[3].price.amount".to_owned(),
                kind: fault.kind,
                legacy: Some("19.995".to_owned()),
                candidate: Some("20.00".to_owned()),
                explanation: fault.explanation.clone(),
                relation: Relation {
                    distance: Some(Distance { abs: -2, rel: -3, rounded_to: Some(2) }),
                    ..Relation::default()
                },
            },
            ReportedDifference {
                signature: faults(fault.operation_id.as_str())[2].id,
                part: Part::Header,
                path: "$.headers['cache-control']".to_owned(),
                kind: Kind::Extra,
                legacy: None,
                candidate: Some(HOSTILE.to_owned()),
                explanation: None,
                relation: Relation::default(),
            },
        ],
        more: 3,
        signatures: vec![fault.clone(), faults(fault.operation_id.as_str())[2].clone()],
        sample: Some(Sample {
            request: RequestSample {
                method: "GET".to_owned(),
                target: "/returns?customer=aaaaaaaa&page=2".to_owned(),
                headers: vec![
                    line(0, "accept: application/json", false),
                    line(0, "authorization: ***", false),
                ],
                body: Vec::new(),
                redacted: true,
                masked: true,
            },
            legacy: Some(answer(200, "19.995", None)),
            candidate: Some(answer(200, "20.00", Some("cache-control: no-store"))),
        }),
    }
}
