//! What a comparison goes by besides its rules: the hosts that each side calls its own, and how much
//! work one pair may be.

use std::net::SocketAddr;

use parallax_core::rule::{Limits, Origins};

use super::error::Problems;
use super::file::CompareLimitsFile;
use super::host_name::HostName;
use super::resolve::list;
use super::scalar::{Count, Raw};
use super::side::{HostPolicy, Scheme, Upstream};

/// A gigabyte for a body; a pair has two.
const MOST_DECODED_BYTES: usize = 1 << 30;
const MOST_RATIO: usize = 100_000;
/// A value takes some twenty bytes besides its text.
const MOST_NODES: usize = 50_000_000;
/// At some hundred nanoseconds a step, minutes.
const MOST_STEPS: usize = 1_000_000_000;
const MOST_DIFFERENCES: usize = 10_000;

/// The hosts that each side calls its own: the one of its URL, the one that it is told in `Host`, and
/// those under which clients reach the deployment, for both sides.
pub(super) fn origins(
    legacy: Option<&Upstream>,
    candidate: Option<&Upstream>,
    (listen, scheme): (SocketAddr, Scheme),
    public: Option<&[Raw<HostName>]>,
    problems: &mut Problems,
) -> Origins {
    let public = list(public, problems);
    let of = |side: Option<&Upstream>| {
        let mut hosts: Vec<String> =
            side.into_iter().flat_map(|side| own_hosts(side, listen, scheme)).collect();
        hosts.extend(public.iter().map(|host| public_host(&host.text)));
        hosts.sort();
        hosts.dedup();
        hosts
    };
    Origins { legacy: of(legacy), candidate: of(candidate) }
}

/// The hosts of one more instance of the same side.
pub(super) fn add_hosts(
    hosts: &mut Vec<String>,
    instance: &Upstream,
    (listen, scheme): (SocketAddr, Scheme),
) {
    hosts.extend(own_hosts(instance, listen, scheme));
    hosts.sort();
    hosts.dedup();
}

/// `listen` and `scheme` are our listener's own.
fn own_hosts(side: &Upstream, listen: SocketAddr, scheme: Scheme) -> Vec<String> {
    let known = |authority: &str| without_default_port(authority, side.url.scheme);
    let mut hosts = vec![known(side.url.authority.as_str())];
    match &side.host {
        HostPolicy::Upstream => {}
        HostPolicy::Name(name) => hosts.extend(name.to_str().ok().map(known)),
        HostPolicy::Preserve => hosts.extend(listener_hosts(listen, scheme)),
    }
    hosts
}

/// What clients say for our listener, as far as it can be known: a side that is told the client's
/// `Host` builds its URLs from it.
fn listener_hosts(listen: SocketAddr, scheme: Scheme) -> Vec<String> {
    let (ip, port) = (listen.ip(), listen.port());
    let mut hosts = Vec::new();
    if !ip.is_unspecified() {
        hosts.push(without_default_port(&listen.to_string(), scheme));
    }
    if ip.is_unspecified() || ip.is_loopback() {
        hosts.push(without_default_port(&format!("localhost:{port}"), scheme));
    }
    hosts
}

/// As the rule `origin` has it, which takes the port of the URL's scheme off before it compares.
fn without_default_port(authority: &str, scheme: Scheme) -> String {
    let port = match scheme {
        Scheme::Http => ":80",
        Scheme::Https => ":443",
    };
    authority.strip_suffix(port).unwrap_or(authority).to_ascii_lowercase()
}

/// Clients may come by either scheme, so that the port of either says nothing.
fn public_host(host: &str) -> String {
    without_default_port(host.strip_suffix(":443").unwrap_or(host), Scheme::Http)
}

/// How much work one comparison may be: what the operation says, over what `defaults` says.
pub(super) fn limits(layers: [Option<&CompareLimitsFile>; 3], problems: &mut Problems) -> Limits {
    let default = Limits::default();
    let count = |pick: fn(&CompareLimitsFile) -> Option<&Raw<Count>>, most, problems: &mut Problems| {
        let raw = layers.iter().flatten().find_map(|file| pick(file))?;
        bounded(raw, raw.get(problems)?.0, most, problems)
    };
    let decoded = layers.iter().flatten().find_map(|file| file.decoded.as_ref());
    let decoded = decoded.and_then(|raw| bounded(raw, raw.get(problems)?.0, MOST_DECODED_BYTES, problems));
    Limits {
        decoded_bytes: decoded.unwrap_or(default.decoded_bytes),
        ratio: count(|file| file.ratio.as_ref(), MOST_RATIO, problems).unwrap_or(default.ratio),
        nodes: count(|file| file.nodes.as_ref(), MOST_NODES, problems).unwrap_or(default.nodes),
        steps: count(|file| file.steps.as_ref(), MOST_STEPS, problems)
            .map_or(default.steps, |steps| steps as u64),
        differences: count(|file| file.differences.as_ref(), MOST_DIFFERENCES, problems)
            .unwrap_or(default.differences),
    }
}

/// The number, unless it is beyond what one comparison may ask of this process.
fn bounded<T: super::scalar::Scalar>(
    raw: &Raw<T>,
    number: usize,
    most: usize,
    problems: &mut Problems,
) -> Option<usize> {
    if number > most {
        problems.add(raw.at, format!("this is {most} at most: it bounds the work of a single comparison"));
        return None;
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_has_the_names_that_clients_give_it() {
        let hosts = |listen: &str| listener_hosts(listen.parse().expect("an address"), Scheme::Http);
        assert_eq!(hosts("127.0.0.1:8080"), ["127.0.0.1:8080", "localhost:8080"]);
        assert_eq!(hosts("0.0.0.0:80"), ["localhost"]);
        assert_eq!(hosts("192.0.2.1:80"), ["192.0.2.1"]);
        assert_eq!(hosts("[::1]:8080"), ["[::1]:8080", "localhost:8080"]);
        let secure = listener_hosts("0.0.0.0:443".parse().expect("an address"), Scheme::Https);
        assert_eq!(secure, ["localhost"]);
    }

    #[test]
    fn a_port_that_the_scheme_has_anyway_is_left_out() {
        assert_eq!(without_default_port("Shop.example:80", Scheme::Http), "shop.example");
        assert_eq!(without_default_port("shop.example:8080", Scheme::Http), "shop.example:8080");
        assert_eq!(without_default_port("[::1]:80", Scheme::Http), "[::1]");
        assert_eq!(without_default_port("shop.example:443", Scheme::Https), "shop.example");
        assert_eq!(without_default_port("shop.example:80", Scheme::Https), "shop.example:80");
        assert_eq!(public_host("shop.example:443"), "shop.example");
        assert_eq!(public_host("shop.example:8443"), "shop.example:8443");
    }
}
