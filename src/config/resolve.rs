//! From what was typed to what is meant: defaults, types, and what only the whole file can tell
//! (a side that is our own listener, a control listener open to the world without tokens).

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use parallax_core::exchange::Side;
use parallax_core::operation::Operation;

use super::access_log::YesNo;
use super::drain;
use super::error::{At, Problems};
use super::export;
use super::file::{ControlFile, File, Later, SideFile, StickyFile, TokenFile, UpstreamFile};
use super::forwarded::Forwarded;
use super::limits;
use super::openapi;
use super::operations;
use super::protocol::Protocol;
use super::scalar::{Count, Listen, Raw, Scalar, Text, Timeout};
use super::secret::{Source, Vault};
use super::settings::{Control, Settings, Sticky, StickyKey, Token};
use super::side::{HostPolicy, Scheme, Upstream, UpstreamUrl};
use super::tester::Tester;
use super::{access_log, comparing, markers, tester, tls, traces};

/// How long the candidate may take, unless the file says otherwise; it bounds every copy.
const CANDIDATE_TIMEOUT: Duration = Duration::from_secs(10);

/// The settings, or everything that is wrong collected. The result is of use only when nothing was.
pub(super) fn resolve(file: &File, vault: &Vault<'_>, problems: &mut Problems) -> Option<Settings> {
    later_keys(file, problems);
    let listen = get(file.listen.as_ref(), Listen(loopback(8080)), problems).0;
    let control = control(file.control.as_ref(), vault, problems);
    let listeners = [("listen", listen), ("control.listen", control.listen)];
    same_listener(file, listen, control.listen, problems);
    let mut side =
        |name, file: &SideFile, timeout| upstream(name, file, timeout, &listeners, vault, problems);
    let legacy = side(Side::Legacy.as_str(), &file.legacy, None);
    let candidate = side(Side::Candidate.as_str(), &file.candidate, Some(CANDIDATE_TIMEOUT));
    let secondary = file.secondary.as_ref().map(|file| side("secondary", file, Some(CANDIDATE_TIMEOUT)));
    check_copies_end(file, candidate.as_ref(), problems);
    let sides = (legacy.as_ref(), candidate.as_ref());
    let scheme = if file.tls.is_some() { Scheme::Https } else { Scheme::Http };
    let mut origins =
        comparing::origins(sides.0, sides.1, (listen, scheme), file.origins.as_deref(), problems);
    if let Some(Some(secondary)) = &secondary {
        comparing::add_hosts(&mut origins.legacy, secondary, (listen, scheme));
    }
    let tester = tester::resolve(file.tester.as_ref(), vault, problems);
    let imported = openapi::import(file.openapi.as_ref(), vault.directory, problems);
    let operations = operations::resolve(file, &imported, &origins, problems);
    let settings = Settings {
        listen,
        tls: tls::for_clients(file.tls.as_ref(), vault, problems),
        control,
        other: get(file.other.as_ref(), Side::Legacy, problems),
        store: store(file.store.as_ref(), problems),
        limits: limits::resolve(file.limits.as_ref(), problems),
        sticky: sticky(file.sticky.as_ref(), vault, problems),
        trusted_proxies: list(file.trusted_proxies.as_deref(), problems),
        forwarded: get(file.forwarded.as_ref(), Forwarded::Off, problems),
        marker_key: markers::resolve(file.markers.as_ref(), vault, problems),
        access_log: access_log::resolve(file.access_log.as_ref(), problems),
        traces: traces::resolve(file.traces.as_ref(), problems),
        retention: get(file.retention.as_ref(), Duration::from_secs(7 * 24 * 3600), problems),
        routes_file: export::routes_file(file.export.as_ref(), problems),
        drain: drain::resolve(file.drain.as_ref(), problems),
        openapi: openapi::path(file.openapi.as_ref(), vault.directory),
        operations: without_the_tester(tester.as_ref(), operations),
        tester,
        legacy: legacy?,
        candidate: candidate?,
        // Outer none: there is no such key. Inner none: it is wrong, which is a problem already.
        secondary: secondary.flatten(),
    };
    Some(settings)
}

/// The value, or its default when there is none or it is wrong (which is then a problem).
pub(super) fn get<T: Scalar>(raw: Option<&Raw<T>>, default: T, problems: &mut Problems) -> T {
    raw.and_then(|raw| raw.get(problems)).unwrap_or(default)
}

pub(super) fn list<T: Scalar>(raw: Option<&[Raw<T>]>, problems: &mut Problems) -> Vec<T> {
    raw.unwrap_or_default().iter().filter_map(|raw| raw.get(problems)).collect()
}

/// Refuses a key whose feature comes later, unless it asks for what this version does anyway.
fn later(name: &str, key: Option<&Later>, does: Option<&str>, problems: &mut Problems) {
    let Some(key) = key else { return };
    match (does, &key.word) {
        (Some(does), Some(word)) if does == word => {}
        (Some(does), _) => problems.add(
            key.at,
            format!("`{name}` is not available in this version (only `{does}` is); remove the key"),
        ),
        (None, _) => {
            problems.add(key.at, format!("`{name}` is not available in this version; remove the key"));
        }
    }
}

/// A tester's secret is never kept, however it comes: a check that was posted or recorded may have it.
fn without_the_tester(tester: Option<&Tester>, mut operations: Vec<Arc<Operation>>) -> Vec<Arc<Operation>> {
    let Some(tester) = tester else { return operations };
    for operation in &mut operations {
        Arc::make_mut(operation).redaction.headers.push(tester.header.clone());
    }
    operations
}

fn later_keys(file: &File, problems: &mut Problems) {
    later("queue", file.queue.as_ref(), Some("store"), problems);
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn same_listener(file: &File, listen: SocketAddr, control: SocketAddr, problems: &mut Problems) {
    let typed = file.control.as_ref().and_then(|control| control.listen.as_ref()).or(file.listen.as_ref());
    if let Some(raw) = typed
        && listen == control
        && listen.port() != 0
    {
        problems
            .add(raw.at, format!("`listen` and `control.listen` are both {listen}; give each its own port"));
    }
}

/// Where the control listener is.
pub(super) fn control_listen(file: Option<&ControlFile>, problems: &mut Problems) -> SocketAddr {
    get(file.and_then(|file| file.listen.as_ref()), Listen(loopback(9900)), problems).0
}

fn control(file: Option<&ControlFile>, vault: &Vault<'_>, problems: &mut Problems) -> Control {
    let absent = ControlFile::default();
    let file = file.unwrap_or(&absent);
    let listen = control_listen(Some(file), problems);
    let tokens = tokens(file.tokens.as_deref().unwrap_or_default(), vault, problems);
    if let Some(raw) = &file.listen
        && file.tokens.as_ref().is_none_or(Vec::is_empty)
        && !listen.ip().is_loopback()
    {
        problems.add(
            raw.at,
            format!(
                "the control listener at {listen} is open beyond this machine and has no tokens; add `control.tokens` or listen on 127.0.0.1"
            ),
        );
    }
    let hosts = hosts(file, problems);
    Control { listen, tokens, hosts }
}

/// The names of the control listener. Without tokens everybody is an operator, so a name that
/// others resolve too, and that a proxy before us may serve, would let them all in.
fn hosts(file: &ControlFile, problems: &mut Problems) -> Vec<String> {
    let is_open = file.tokens.as_ref().is_none_or(Vec::is_empty);
    let mut hosts = Vec::new();
    for raw in file.hosts.as_deref().unwrap_or_default() {
        let Some(host) = raw.get(problems) else { continue };
        if is_open && !host.is_loopback {
            let message = format!(
                "under the name `{}` the control listener is reached from beyond this machine, and it has no tokens; add `control.tokens` or remove the name",
                host.text
            );
            problems.add(raw.at, message);
        }
        hosts.push(host.text);
    }
    hosts
}

fn tokens(files: &[TokenFile], vault: &Vault<'_>, problems: &mut Problems) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    for file in files {
        let name = file.name.get(problems);
        let role = file.role.get(problems);
        let secret = file.token.get(problems).and_then(|source| match source {
            Source::Plain(_) => {
                problems.add(
                    file.token.at,
                    "a token is a reference, never the secret itself: write `env:NAME` or `file:PATH`",
                );
                None
            }
            Source::Env(_) | Source::File(_) => problems.take(file.token.at, vault.open(&source)),
        });
        let (Some(Text(name)), Some(role), Some(secret)) = (name, role, secret) else { continue };
        if !secret.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
            problems.add(
                file.token.at,
                "a token has visible ASCII characters only, without spaces, so that it fits a header",
            );
        }
        if let Some(known) = tokens.iter().find(|known| known.name == name || known.secret == secret) {
            let message = format!(
                "the tokens `{}` and `{name}` share a name or a secret; give each its own",
                known.name
            );
            problems.add(file.name.at, message);
        }
        tokens.push(Token { name, role, secret });
    }
    tokens
}

fn upstream(
    name: &str,
    file: &SideFile,
    timeout: Option<Duration>,
    listeners: &[(&str, SocketAddr)],
    vault: &Vault<'_>,
    problems: &mut Problems,
) -> Option<Upstream> {
    let (raw_url, full) = match file {
        SideFile::Url(url) => (url, None),
        SideFile::Full(full) => (&full.url, Some(&**full)),
    };
    let url: UpstreamUrl = raw_url.get(problems)?;
    for (listening, listener) in listeners {
        if url.reaches(*listener) {
            let message = format!(
                "{name} is parallax itself (`{listening}` is {listener}); write the service's own address"
            );
            problems.add(raw_url.at, message);
        }
    }
    fn key<T>(full: Option<&UpstreamFile>, pick: fn(&UpstreamFile) -> Option<&Raw<T>>) -> Option<&Raw<T>> {
        full.and_then(pick)
    }
    let tls = full.and_then(|full| full.tls.as_ref());
    let tls = tls::for_side((&url, raw_url.at), tls, vault, problems);
    Some(Upstream {
        url,
        tls,
        protocol: get(key(full, |full| full.protocol.as_ref()), Protocol::Auto, problems),
        host: get(key(full, |full| full.host.as_ref()), HostPolicy::Preserve, problems),
        timeout: get(key(full, |full| full.timeout.as_ref()), Timeout(timeout), problems).0,
        max_in_flight: get(key(full, |full| full.max_in_flight.as_ref()), Count(256), problems).0,
        headers: full
            .and_then(|full| full.headers.as_ref())
            .map_or_else(Vec::new, |map| headers(map, vault, problems)),
    })
}

fn headers(
    map: &BTreeMap<String, Raw<Source>>,
    vault: &Vault<'_>,
    problems: &mut Problems,
) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::new();
    for (name, raw) in map {
        let secret = raw.get(problems).and_then(|source| problems.take(raw.at, vault.open(&source)));
        let name = problems.take(raw.at, settable_header(name));
        let (Some(secret), Some(name)) = (secret, name) else { continue };
        match HeaderValue::from_str(secret.expose()) {
            Ok(mut value) => {
                value.set_sensitive(true);
                headers.push((name, value));
            }
            Err(_) => {
                problems
                    .add(raw.at, format!("the value for `{name}` has characters that no header may have"));
            }
        }
    }
    headers
}

/// A header that the configuration may set: not one that frames the message or belongs to a
/// single connection, or both sides would read the request differently.
pub(super) fn settable_header(name: &str) -> Result<HeaderName, String> {
    const FRAMING: [&str; 9] = [
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let parsed = HeaderName::read(name)?;
    if parsed == "host" {
        return Err("`host` is set with the key `host` of the side, not under `headers`".to_owned());
    }
    if FRAMING.contains(&parsed.as_str()) || parsed.as_str().starts_with("parallax-") {
        return Err(format!("`{name}` is set by parallax itself; remove it"));
    }
    Ok(parsed)
}

/// Every copy is bounded, so that a timeout of `none` is for legacy only.
fn check_copies_end(file: &File, candidate: Option<&Upstream>, problems: &mut Problems) {
    let typed = match &file.candidate {
        SideFile::Url(_) => None,
        SideFile::Full(full) => full.timeout.as_ref(),
    };
    let is_unbounded = candidate.is_some_and(|candidate| candidate.timeout.is_none());
    if let (true, Some(raw)) = (is_unbounded, typed) {
        let message = "the candidate's timeout bounds every copy and cannot be `none`; write one like `10s`";
        problems.add(raw.at, message);
    }
}

fn store(raw: Option<&Raw<Text>>, problems: &mut Problems) -> String {
    let Text(url) = get(raw, Text("sqlite://parallax.db".to_owned()), problems);
    let Some(raw) = raw else { return url };
    let message = match url.split_once("://") {
        Some(("sqlite", path)) if !path.is_empty() => return url,
        Some(("memory", "")) => return url,
        Some(("postgres" | "postgresql", _)) => {
            "a `postgres://` store is not available in this version; use `sqlite://parallax.db`".to_owned()
        }
        _ => "this is no store; write `sqlite://parallax.db` (a file) or `memory://` (lost at the end)"
            .to_owned(),
    };
    problems.add(raw.at, message);
    url
}

fn sticky(file: Option<&StickyFile>, vault: &Vault<'_>, problems: &mut Problems) -> Sticky {
    let mut sticky = Sticky { key: StickyKey::ClientIp, set: false, salt: "parallax".to_owned() };
    let file = match file {
        None => return sticky,
        Some(StickyFile::Word(at, word)) => {
            if word != "client_ip" {
                unknown_sticky(*at, word, problems);
            }
            return sticky;
        }
        Some(StickyFile::Key(file)) => file,
    };
    if let (Some(_), Some(header)) = (&file.cookie, &file.header) {
        problems.add(header.at, "a client has one key: keep either `cookie` or `header`");
    }
    if let Some(name) = file.header.as_ref().and_then(|raw| raw.get(problems)) {
        sticky.key = StickyKey::Header(name);
    }
    if let Some(raw) = &file.cookie
        && let Some(Text(name)) = raw.get(problems)
    {
        // RFC 6265 section 4.1.1: a cookie's name is a token, as a header's is.
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            problems.add(raw.at, format!("`{name}` is no cookie name"));
        }
        sticky.key = StickyKey::Cookie(name);
    }
    if let Some(raw) = &file.set
        && let Some(YesNo(set)) = raw.get(problems)
    {
        if set && file.cookie.is_none() {
            problems.add(raw.at, "only a cookie can be given to a client; write `{cookie: NAME, set: true}`");
        }
        sticky.set = set;
    }
    if let Some(raw) = &file.salt
        && let Some(salt) = raw.get(problems).and_then(|source| problems.take(raw.at, vault.open(&source)))
    {
        salt.expose().clone_into(&mut sticky.salt);
    }
    sticky
}

fn unknown_sticky(at: At, word: &str, problems: &mut Problems) {
    problems.add(
        at,
        format!(
            "`{word}` is no key of a client; write `client_ip`, `{{cookie: NAME}}` or `{{header: NAME}}`"
        ),
    );
}
