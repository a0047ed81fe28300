//! The present plan in the hands of other tools: a real nginx and a real HAProxy route as parallax does,
//! a larger share moves nobody back, and nothing in a configuration can be more than a value in theirs.

mod other_proxy;
mod support;

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Output;

use other_proxy::{OtherProxy, assert_accepted, nginx, socket, tool};
use parallax_core::export::{self, PresentPlan};
use parallax_core::stage::{Bucket, Share};
use parallax_testkit::{Behaviour, RawClient, Reply, wait_until};
use serde_json::{Value, json};
use support::process::{Process, command, free_address, signal};
use support::{DEADLINE, House};

const OPERATIONS: &str = "sticky: {cookie: session}
operations:
- {id: getReturn, match: 'GET /returns/{return_id}', candidate_path: '/v2/r/{return_id}/x'}
- {id: getPolicy, match: GET /returns/policy}
- {id: createReturn, match: POST /returns}
- {id: labels, match: 'GET /labels/{name}.pdf'}
";

const CLIENTS: u32 = 2_000;

/// Both sides say who they are and what they were asked.
async fn house() -> House {
    house_with("").await
}

async fn house_with(more: &str) -> House {
    let side = |name: &'static str| {
        Behaviour::answer(move |request| Reply::text(format!("{name} {} {}", request.method, request.target)))
    };
    House::new(side("legacy"), side("candidate"), &format!("{more}{OPERATIONS}")).await
}

async fn stage(house: &House, id: &str, stage: &str, share: Option<&str>) {
    let mut body = json!({"stage": stage, "reason": "a test", "force": true});
    if let Some(share) = share {
        body["share"] = json!(share);
    }
    house.stage(id, body).await;
}

/// Runs `parallax export` against the house.
fn exported(house: &House, directory: &Path, words: &[&str]) -> Output {
    let server = format!("http://{}", house.running.control);
    command(directory, &[&["export"], words, &["--server", &server]].concat()).output().expect("it runs")
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_routes_as_planned_and_a_larger_share_moves_nobody_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let house = house().await;
    stage(&house, "getReturn", "canary", Some("20%")).await;
    stage(&house, "createReturn", "switched", None).await;
    let address = free_address();
    let file = directory.path().join("parallax.conf");
    let words = ["nginx", "--listen", &address.to_string(), "--output", "parallax.conf"];
    let mut before = Vec::new();
    for (share, expected) in [("20%", 400), ("50%", 1_000)] {
        stage(&house, "getReturn", "canary", Some(share)).await;
        assert_accepted(&exported(&house, directory.path(), &words));
        let proxy = OtherProxy::nginx(directory.path(), &file, address).await;
        let now = proxy.on_the_candidate("/returns/7?a=%2F", CLIENTS).await;
        assert!(now.len().abs_diff(expected) < 90, "{share}: {} of {CLIENTS}", now.len());
        assert!(before.iter().all(|client| now.contains(client)), "a client was moved back");
        before = now;
        check_the_rest(&proxy).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_no_operation_go_to_the_candidate_where_it_answers_them() {
    let house = house_with("other: candidate\n").await;
    for name in ["nginx", "haproxy"] {
        let directory = tempfile::tempdir().expect("a directory");
        let (address, file) = (free_address(), directory.path().join("parallax.cfg"));
        let words = [name, "--listen", &address.to_string(), "--output", "parallax.cfg"];
        assert_accepted(&exported(&house, directory.path(), &words));
        let proxy = match name {
            "nginx" => OtherProxy::nginx(directory.path(), &file, address).await,
            _ => OtherProxy::haproxy(directory.path(), &file, address).await,
        };
        for (method, target, said) in [
            ("GET", "/elsewhere?q=a%20b", "candidate GET /elsewhere?q=a%20b"),
            ("PUT", "/returns", "candidate PUT /returns"),
            ("GET", "/labels/../x.pdf", "candidate GET /labels/../x.pdf"),
            ("GET", "/labels/a.pdf", "legacy GET /labels/a.pdf"),
            ("POST", "/returns", "legacy POST /returns"),
        ] {
            assert_eq!(proxy.ask(method, target).await, said, "{name}");
        }
    }
}

/// What is not in canary, in every proxy.
async fn check_the_rest(proxy: &OtherProxy) {
    for (method, target, said) in [
        ("GET", "/returns/7", "legacy GET /returns/7"),
        ("POST", "/returns", "candidate POST /returns"),
        ("PUT", "/returns", "legacy PUT /returns"),
        ("GET", "/returns/policy", "legacy GET /returns/policy"),
        ("GET", "/elsewhere?q=a%20b", "legacy GET /elsewhere?q=a%20b"),
        ("GET", "/labels/a%2Fb.pdf", "legacy GET /labels/a%2Fb.pdf"),
    ] {
        assert_eq!(proxy.ask(method, target).await, said);
    }
    let mut connection = proxy.client().await;
    let mut paths = Vec::new();
    for client in 0..40 {
        let cookie = format!("session={client}");
        let target = "/returns/a%2Fb?q=%7E/";
        let answer = connection.ask("GET", target, &[("cookie", &cookie)], b"").await.expect("an answer");
        paths.push(answer.text().to_owned());
    }
    let candidates = paths.iter().filter(|path| *path == "candidate GET /v2/r/a%2Fb/x?q=%7E/").count();
    let others = paths.iter().filter(|path| *path == "legacy GET /returns/a%2Fb?q=%7E/").count();
    assert!(candidates > 0 && others > 0 && candidates + others == 40, "{paths:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn haproxy_has_every_client_where_parallax_has_it_and_a_share_changes_while_it_runs() {
    let directory = tempfile::tempdir().expect("a directory");
    let house = house().await;
    stage(&house, "getReturn", "canary", Some("20%")).await;
    stage(&house, "createReturn", "switched", None).await;
    let address = free_address();
    let words = ["haproxy", "--listen", &address.to_string(), "--output", "haproxy.cfg"];
    assert_accepted(&exported(&house, directory.path(), &words));
    let proxy = OtherProxy::haproxy(directory.path(), &directory.path().join("haproxy.cfg"), address).await;
    check_the_rest(&proxy).await;
    let now = proxy.on_the_candidate("/returns/7", CLIENTS).await;
    assert_eq!(now, within("20%"));

    let shares = directory.path().join("haproxy.shares");
    let text = std::fs::read_to_string(directory.path().join("haproxy.cfg")).expect("the file");
    let told = format!("set map {} getReturn 50000", shares.display());
    assert!(text.contains(&told), "the command is in the file: {told}");
    for (share, millionths) in [("60%", "600000"), ("0.05%", "500")] {
        let answer = say(directory.path(), &format!("set map {} getReturn {millionths}", shares.display()));
        assert_eq!(answer.trim(), "", "{answer}");
        assert_eq!(proxy.on_the_candidate("/returns/7", CLIENTS).await, within(share));
    }
    say(directory.path(), &format!("set map {} getReturn 1000001", shares.display()));
    assert_eq!(proxy.ask("GET", "/returns/7").await, "candidate GET /v2/r/7/x");
}

/// The clients of [`OtherProxy::on_the_candidate`] that parallax answers from the candidate.
fn within(share: &str) -> Vec<u32> {
    let share = Share::new(share.parse().expect("a ratio")).expect("a share");
    let is_in = |client: &u32| Bucket::of("parallax", client.to_string().as_bytes()).is_within(share);
    (0..CLIENTS).filter(is_in).collect()
}

/// A command on HAProxy's socket.
fn say(directory: &Path, command: &str) -> String {
    let mut stream = UnixStream::connect(socket(directory)).expect("the socket");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    stream.write_all(format!("{command}\n").as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// Clients are told apart by their address, as text, in HAProxy as well.
#[tokio::test(flavor = "multi_thread")]
async fn haproxy_hashes_addresses_and_headers_as_parallax_does() {
    for (sticky, field) in [
        ("sticky: client_ip\ntrusted_proxies: [127.0.0.0/8]\n", "X-Forwarded-For"),
        ("sticky: {header: x-customer.id, salt: other}\n", "X-Customer.Id"),
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let side = |name: &'static str| Behaviour::always(Reply::text(name));
        let operations = OPERATIONS.replace("sticky: {cookie: session}\n", sticky);
        let house = House::new(side("legacy"), side("candidate"), &operations).await;
        stage(&house, "getReturn", "canary", Some("30%")).await;
        let address = free_address();
        let words = ["haproxy", "--listen", &address.to_string(), "--output", "haproxy.cfg"];
        assert_accepted(&exported(&house, directory.path(), &words));
        let file = directory.path().join("haproxy.cfg");
        let proxy = OtherProxy::haproxy(directory.path(), &file, address).await;
        let (mut theirs, mut ours) = (proxy.client().await, house.client().await);
        let mut candidates = 0;
        for client in 0..200 {
            let key =
                if client % 2 == 0 { format!("198.51.100.{client}") } else { format!("2001:db8::{client}") };
            let fields = [(field, key.as_str())];
            let there = theirs.ask("GET", "/returns/1", &fields, b"").await.expect("an answer");
            let here = ours.ask("GET", "/returns/1", &fields, b"").await.expect("an answer");
            assert_eq!(there.text(), here.text(), "{field}: {key}");
            candidates += u32::from(here.text() == "candidate");
        }
        assert!((30..90).contains(&candidates), "{candidates}");
    }
}

#[tokio::test]
async fn skippers_routes_follow_the_stages_without_an_entity_tag() {
    let house = house().await;
    let mut client = RawClient::connect(house.running.control).await.expect("the control listener");
    let mut routes = async || client.get("/routes.eskip").await.expect("an answer");
    let answer = routes().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers.get("content-type"), Some("text/plain; charset=utf-8"));
    assert!(answer.headers.get("etag").is_none() && answer.headers.get("content-length").is_some());
    let line = |side: &str| {
        format!(
            "plx_createReturn: Path(\"/returns\") && Method(\"POST\") && Weight(1000) -> preserveHost(\"true\") -> \"{side}\";\n"
        )
    };
    assert!(answer.text().contains(&line(&house.legacy.url())), "{}", answer.text());
    stage(&house, "createReturn", "switched", None).await;
    let answer = routes().await;
    assert!(answer.text().contains(&line(&house.candidate.url())), "{}", answer.text());
    let said = exported(&house, Path::new("."), &["skipper"]);
    assert_eq!(String::from_utf8_lossy(&said.stdout), answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_for_skipper_is_replaced_after_a_change_of_a_stage_and_of_the_configuration() {
    let directory = tempfile::tempdir().expect("a directory");
    let operations = |more: &str| {
        format!("export: {{skipper: routes.eskip}}\noperations:\n- {{id: a, match: GET /a}}\n{more}")
    };
    let process =
        Process::start(directory.path(), "http://127.0.0.1:1", "http://127.0.0.1:2", &operations(""));
    let file = directory.path().join("routes.eskip");
    let text = || std::fs::read_to_string(&file).unwrap_or_default();
    wait_until(DEADLINE, "it is written at the start", || text().contains("plx_other: *")).await;
    assert!(text().contains("plx_a: ") && !text().contains("127.0.0.1:2\";"), "{}", text());
    let body = json!({"stage": "switched", "reason": "a test", "force": true});
    let answer = support::post(process.control, "/api/v1/operations/a/stage", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    wait_until(DEADLINE, "it follows the stage", || text().contains("127.0.0.1:2\";")).await;
    let config = std::fs::read_to_string(&process.file).expect("the configuration");
    std::fs::write(&process.file, config + "- {id: b, match: GET /b}\n").expect("written");
    signal(process.id(), "HUP");
    wait_until(DEADLINE, "it follows the configuration", || text().contains("plx_b: ")).await;
    let left = std::fs::read_dir(directory.path()).expect("the directory");
    let beside = left.filter(|entry| {
        entry.as_ref().is_ok_and(|entry| entry.file_name().to_string_lossy().ends_with(".new"))
    });
    assert_eq!(beside.count(), 0);
}

#[test]
fn without_a_server_the_configurations_own_plan_is_printed_only_when_asked_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let (proxy, control) = (free_address(), free_address());
    let text = format!(
        "listen: '{proxy}'\ncontrol: {{listen: '{control}'}}\nlegacy: http://127.0.0.1:1\ncandidate: {{url: http://127.0.0.1:2, headers: {{authorization: verysecret}}}}\n{OPERATIONS}"
    );
    std::fs::write(directory.path().join("parallax.yaml"), text).expect("a file");
    let run = |words: &[&str]| {
        let output = command(directory.path(), words).output().expect("it runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    for target in ["skipper", "nginx", "haproxy", "envoy", "gateway-api"] {
        let (code, out, err) = run(&["export", target]);
        assert_eq!((code, out.as_str()), (Some(3), ""), "{target}: the present plan is not known: {err}");
        let (code, out, err) = run(&["export", target, "--initial"]);
        assert_eq!(code, Some(0), "{target}: {err}");
        assert!(out.contains("getReturn") && err.contains("is not checked"), "{target}: {out}{err}");
        assert!(err.contains("parallax sets authorization for candidate"), "{err}");
        assert!(!(out + &err).contains("verysecret"), "a secret is exported to {target}");
    }
    let (code, out, err) = run(&["export", "nginx", "--server", &control.to_string()]);
    assert_eq!((code, out.as_str()), (Some(3), ""), "{err}");
    assert!(err.contains("cannot reach the server"), "{err}");
    let (code, out, _) = run(&["export", "grafana", "-c", "nowhere.yaml"]);
    assert_eq!(code, Some(0));
    assert!(serde_json::from_str::<Value>(&out).is_ok_and(|board| board["panels"].is_array()));
    let (code, _, err) = run(&["export", "prometheus-rules", "--output", "rules.yml"]);
    assert_eq!(code, Some(0), "{err}");
    let checked =
        tool("promtool").args(["check", "rules", "rules.yml"]).current_dir(directory.path()).output();
    assert_accepted(&checked.expect("promtool runs"));
}

/// A configuration that a tool cannot follow is not a good export.
#[tokio::test]
async fn what_departs_from_the_plan_is_told_and_ends_with_1() {
    let house = house().await;
    stage(&house, "getReturn", "switched", None).await;
    let nowhere = exported(&house, Path::new("."), &["nginx"]);
    assert_eq!(nowhere.status.code(), Some(2), "parallax itself listens on a port that the system chose");
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("--listen ADDRESS"));
    let output = exported(&house, Path::new("."), &["gateway-api"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("NOT AS PLANNED: getReturn: legacy answers, because the Gateway API cannot"),
        "{told}"
    );
}

/// Templates with everything that may stand in one.
fn awkward_plan(listen: SocketAddr) -> PresentPlan {
    let literals: Vec<char> = ('!'..='~').filter(|c| !"\"<>\\^`|{}?#/".contains(*c)).collect();
    let mut dice = 0x2545_F491_4F6C_DD1D_u64;
    let mut roll = |sides: usize| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        usize::try_from(dice % sides as u64).expect("a number")
    };
    let mut operations = Vec::new();
    for number in 0..150 {
        let mut path = format!("/{number}");
        for segment in 0..=roll(3) {
            path.push('/');
            for piece in 0..=roll(4) {
                if (piece + segment) % 2 == 0 {
                    (0..=roll(5)).for_each(|_| path.push(literals[roll(literals.len())]));
                } else {
                    path.push_str(&format!("{{p{segment}-{piece}.x}}"));
                }
            }
        }
        let stages = ["shadow", "canary", "switched"];
        let stage = stages[roll(3)];
        let mut operation = json!({"id": format!("a/{number}:x-{number}.y_"), "match": format!("GET {path}"), "stage": stage, "revision": number});
        if stage == "canary" {
            operation["share"] = json!("12.5%");
        }
        if number % 2 == 0 {
            operation["candidate_path"] = json!(format!("/new{path}"));
        }
        operations.push(operation);
    }
    let plan = json!({
        "listen": listen.to_string(),
        "legacy": {"url": "http://127.0.0.1:8081/b;$a'(%20)", "host": "upstream"},
        "candidate": {"url": "http://127.0.0.1:8082/c;$b'", "host": "a.example:1"},
        "sticky": {"by": "cookie", "name": "a$b!#%&*+.^_|~c", "seed": "ffffffff00000000"},
        "operations": operations
    });
    serde_json::from_value(plan).expect("a plan")
}

#[test]
fn whatever_a_template_holds_is_a_value_for_nginx_and_haproxy() {
    let directory = tempfile::tempdir().expect("a directory");
    let plan = awkward_plan(free_address());
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("a.conf"), export::nginx(&plan).text).expect("a file");
    assert_accepted(&nginx(directory.path(), &path("a.conf")).arg("-t").output().expect("nginx runs"));
    let exported = export::haproxy(&plan, &path("a.shares").display().to_string());
    std::fs::write(path("a.cfg"), exported.text).expect("a file");
    std::fs::write(path("a.shares"), exported.beside.expect("shares")).expect("a file");
    let checked = tool("haproxy").args(["-c", "-f"]).arg(path("a.cfg")).output();
    assert_accepted(&checked.expect("haproxy runs"));
}
