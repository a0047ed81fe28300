//! What `packaging/` says about parallax is true: the container's file and the Kubernetes file name
//! ports, paths, users and versions that the program has, and the configuration in there serves.
//!
//! How these files have to be written at all is for linters that know: `scripts/lint-packaging`.
//! Here each property that matters in production is a complaint when it does not hold, and each
//! complaint is provoked with a broken copy.

mod packaging_files;
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use packaging_files::dockerfile::Dockerfile;
use packaging_files::kubernetes::Manifests;
use packaging_files::server::Server;
use parallax_testkit::{Behaviour, FakeService, RawClient, Reply};
use support::process::command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn dockerfile() -> String {
    read("packaging/docker/Dockerfile")
}

fn kubernetes() -> String {
    read("packaging/kubernetes/parallax.yaml")
}

#[test]
fn the_image_is_small_and_nobody_is_root() {
    let complaints = Dockerfile::read(&dockerfile()).complaints();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn a_broken_dockerfile_is_told() {
    for (from, to, told) in [
        ("USER 65532:65532\n", "", "USER"),
        ("USER 65532:65532", "USER 0:0", "USER"),
        ("USER 65532:65532", "USER parallax", "USER"),
        ("ENTRYPOINT [\"/usr/bin/parallax\"]", "ENTRYPOINT /usr/bin/parallax", "ENTRYPOINT"),
        ("CMD [", "CMD exec [", "CMD"),
        ("STOPSIGNAL SIGTERM", "STOPSIGNAL SIGKILL", "STOPSIGNAL"),
        ("rust:1.95-bookworm", "rust:latest", "tag"),
        ("rust:1.95-bookworm", "rust", "tag"),
        ("rust:1.95-bookworm", "registry.example/rust:1", "host"),
        ("rust:1.95-bookworm", "rust:1.60-bookworm", "older than"),
        ("VERSION=0", "VERSION=7", "VERSION"),
        ("EXPOSE 8080 9900", "EXPOSE 8080 9900\nRUN true", "RUN"),
        ("COPY src src/", "ADD src src/", "ADD"),
        ("COPY src src/", "COPY source src/", "source"),
        ("COPY src src/", "COPY docs src/", ".dockerignore"),
    ] {
        let broken = dockerfile().replacen(from, to, 1);
        assert_ne!(broken, dockerfile(), "{from}");
        let complaints = Dockerfile::read(&broken).complaints();
        assert!(complaints.iter().any(|text| text.contains(told)), "{from} → {to}: {complaints:?}");
    }
}

/// Cargo refuses a manifest whose targets are not there, and the compiler a file that it includes.
#[test]
fn what_the_image_is_built_from_is_all_that_is_needed() {
    let context = tempfile::tempdir().expect("a directory");
    let sources = Dockerfile::read(&dockerfile()).sources();
    for source in &sources {
        copy(&root().join(source), &context.path().join(source));
    }
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--offline", "--locked", "--format-version=1"]);
    let output = cargo.current_dir(context.path()).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let mut files = Vec::new();
    list(&root().join("src"), &mut files);
    list(&root().join("crates/core/src"), &mut files);
    for file in files.iter().filter(|file| file.extension().is_some_and(|kind| kind == "rs")) {
        let text = fs::read_to_string(file).expect("a source file");
        let included = text.split("include_str!(\"").skip(1).chain(text.split("include_bytes!(\"").skip(1));
        for name in included.filter_map(|rest| rest.split('"').next()) {
            let path = file.with_file_name(name).canonicalize().expect("an included file");
            let is_copied = sources.iter().any(|source| path.starts_with(root().join(source)));
            assert!(is_copied, "{} includes {name}, which the Dockerfile does not copy", file.display());
        }
    }
}

#[test]
fn the_kubernetes_file_fits_the_program() {
    let complaints = Manifests::read(&kubernetes()).complaints();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn a_broken_kubernetes_file_is_told() {
    for (from, to, told) in [
        ("runAsNonRoot: true", "runAsNonRoot: false", "runAsNonRoot"),
        ("runAsUser: 65532", "runAsUser: 0", "runAsUser"),
        ("seccompProfile: {type: RuntimeDefault}", "seccompProfile: {type: Unconfined}", "seccomp"),
        ("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "readOnlyRootFilesystem"),
        ("allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true", "allowPrivilegeEscalation"),
        ("{drop: [ALL]}", "{drop: [NET_RAW]}", "capabilities"),
        ("automountServiceAccountToken: false", "automountServiceAccountToken: true", "automount"),
        ("image: parallax:0", "image: parallax:7", "image"),
        ("image: parallax:", "image: registry.example/parallax:", "image"),
        ("replicas: 1", "replicas: 2", "replicas"),
        ("memory: 1Gi", "memory: 256Mi", "queue_bytes"),
        ("terminationGracePeriodSeconds: 60", "terminationGracePeriodSeconds: 30", "terminationGrace"),
        ("drain: {delay: 5s, deadline: 30s}", "drain: {delay: 0s, deadline: 30s}", "notice"),
        ("containerPort: 8080", "containerPort: 8081", "listen"),
        ("containerPort: 9900", "containerPort: 9901", "control.listen"),
        ("targetPort: proxy", "targetPort: proxies", "proxies"),
        ("path: /healthz, port: control", "path: /health, port: control", "/health"),
        ("path: /readyz, port: control", "path: /readyz, port: proxy", "proxy"),
        ("selector: {app.kubernetes.io/name: parallax}", "selector: {app: parallax}", "selects"),
        ("hosts: [parallax-control]", "hosts: [elsewhere]", "hosts"),
        ("mountPath: /etc/parallax,", "mountPath: /etc/other,", "/etc/parallax/parallax.yaml"),
        ("mountPath: /run/parallax/tokens", "mountPath: /run/other", "/run/parallax/tokens"),
        ("mountPath: /var/lib/parallax", "mountPath: /var/lib/other", "store"),
        ("serviceName: parallax-control", "serviceName: elsewhere", "serviceName"),
        ("ReadWriteOncePod", "ReadWriteMany", "accessModes"),
    ] {
        let broken = kubernetes().replacen(from, to, 1);
        assert_ne!(broken, kubernetes(), "{from}");
        let complaints = Manifests::read(&broken).complaints();
        assert!(complaints.iter().any(|text| text.contains(told)), "{from} → {to}: {complaints:?}");
    }
}

/// The configuration as it stands there, but for ports and paths that are this machine's; probed and
/// reached as a node, Prometheus and a person do.
#[tokio::test]
async fn the_configuration_in_the_kubernetes_file_serves() {
    let same = Behaviour::always(Reply::json("{}"));
    let (legacy, candidate) = (FakeService::start(same.clone()), FakeService::start(same));
    let place = tempfile::tempdir().expect("a directory");
    for name in ["operator", "viewer"] {
        fs::write(place.path().join(name), format!("the-token-of-the-{name}\n")).expect("a token");
    }
    let manifests = Manifests::read(&kubernetes());
    let text = here(&manifests.configuration_text(), place.path());
    fs::write(place.path().join("parallax.yaml"), &text).expect("a file");
    let checked = command(place.path(), &["config", "check"]).output().expect("parallax runs");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

    let legacy = format!("http://{}", legacy.addr());
    let candidate = format!("http://{}", candidate.addr());
    let server = Server::start(place.path(), |proxy, control| {
        text.replace("0.0.0.0:8080", &format!("0.0.0.0:{}", proxy.port()))
            .replace("0.0.0.0:9900", &format!("0.0.0.0:{}", control.port()))
            .replace("http://legacy:8080", &legacy)
            .replace("http://candidate:8080", &candidate)
    });

    let mut client = RawClient::connect(server.proxy).await.expect("a connection");
    assert_eq!(client.get("/returns/1").await.expect("an answer").status, 200);
    let port = server.control.port();
    for path in manifests.probed_paths() {
        assert_eq!(status(&server, &path, "10.1.2.3", None).await, 200, "{path}");
    }
    let viewer = Some("the-token-of-the-viewer");
    for host in [format!("parallax-control:{port}"), format!("10.1.2.3:{port}"), format!("localhost:{port}")]
    {
        assert_eq!(status(&server, "/metrics", &host, viewer).await, 200, "{host}");
        assert_eq!(status(&server, "/metrics", &host, None).await, 401, "{host}");
    }
    assert_eq!(status(&server, "/metrics", "elsewhere:9900", viewer).await, 421);
}

async fn status(server: &Server, path: &str, host: &str, token: Option<&str>) -> u16 {
    let authorization = token.map(|token| format!("Bearer {token}"));
    let mut headers = vec![("Host", host)];
    headers.extend(authorization.as_deref().map(|value| ("Authorization", value)));
    let mut client = RawClient::connect(server.control).await.expect("a connection");
    client.ask("GET", path, &headers, b"").await.expect("an answer").status
}

/// The configuration with this machine's paths.
fn here(text: &str, place: &Path) -> String {
    let place = place.display().to_string();
    let moved = text.replace("/run/parallax/tokens", &place).replace("/var/lib/parallax", &place);
    assert_eq!(moved.matches(&place).count(), 3, "{moved}");
    moved
}

fn list(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { list(&path, files) } else { files.push(path) }
    }
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).expect("a directory");
        for entry in fs::read_dir(from).expect("a directory") {
            let name = entry.expect("an entry").file_name();
            copy(&from.join(&name), &to.join(&name));
        }
    } else {
        fs::create_dir_all(to.parent().expect("a directory")).expect("a directory");
        fs::copy(from, to).expect("a copy");
    }
}
