//! The configuration: one YAML file, read in two steps. `file` is what was typed, `settings` is
//! what is meant, with every default applied; in between, everything that is wrong is collected
//! with file, line, column and remedy, so that nothing has to be guessed and no key is ever a
//! silent no-op. Secrets are references and are never printed.

mod access_log;
mod canary;
mod comparing;
mod drain;
mod error;
mod export;
mod file;
mod forwarded;
mod graphql;
mod grpc;
mod host_name;
mod limits;
mod markers;
mod network;
mod openapi;
mod operations;
mod or_off;
mod places;
mod protocol;
mod readiness;
mod recheck;
mod resolve;
mod rollback_when;
mod rules;
mod scalar;
mod secret;
mod settings;
mod shape;
mod side;
mod tester;
mod tls;
mod traces;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::Path;

use parallax_core::rule::Rules;
use serde::de::DeserializeOwned;
use serde_saphyr::Spanned;

pub use access_log::{AccessLog, LogTarget};
pub use drain::Drain;
pub use error::{At, ConfigError, ConfigErrors, Source};
pub use forwarded::Forwarded;
pub use limits::Limits;
pub use network::Network;
pub use places::{OperationPlace, operation_place};
pub use protocol::Protocol;
pub use secret::Secret;
pub use settings::{Control, Role, Settings, Sticky, StickyKey, Token};
pub use side::{HostPolicy, Scheme, Upstream, UpstreamUrl};
pub use tester::Tester;
pub use traces::Traces;

/// Largest configuration that is read, in bytes.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Reads a configuration file, with the process's environment.
///
/// # Errors
/// With everything that is wrong with it.
pub fn load(path: &Path) -> Result<Settings, ConfigErrors> {
    let name = path.display().to_string();
    let text = read(path, "-c").map_err(|message| ConfigErrors::whole(&name, message))?;
    parse(&text, &name, &|variable| std::env::var(variable).ok())
}

/// The same, with another candidate in place of the one in the file: its URL, with every other key
/// of the candidate as it is.
///
/// # Errors
/// With everything that is wrong with it.
pub fn load_against(path: &Path, candidate: &UpstreamUrl) -> Result<Settings, ConfigErrors> {
    let name = path.display().to_string();
    let text = read(path, "-c").map_err(|message| ConfigErrors::whole(&name, message))?;
    settings(&text, &name, &|variable| std::env::var(variable).ok(), Some(candidate))
}

/// Reads a configuration from its text. `name` is the file's path: it stands in front of every
/// error, and references to files start from its directory.
///
/// # Errors
/// With everything that is wrong with it.
pub fn parse(text: &str, name: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Settings, ConfigErrors> {
    settings(text, name, env, None)
}

fn settings(
    text: &str,
    name: &str,
    env: &dyn Fn(&str) -> Option<String>,
    candidate: Option<&UpstreamUrl>,
) -> Result<Settings, ConfigErrors> {
    let mut problems = error::Problems::default();
    let settings = read_file(text, &mut problems).and_then(|mut file| {
        if let Some(candidate) = candidate {
            file.candidate.move_to(candidate);
        }
        let directory = Path::new(name).parent().unwrap_or(Path::new(""));
        resolve::resolve(&file, &secret::Vault { env, directory }, &mut problems)
    });
    match settings {
        Some(settings) if problems.is_empty() => Ok(settings),
        _ => Err(problems.finish(name)),
    }
}

/// Where the control listener of a configuration is, whatever else is in it: whoever asks a
/// running server need not have its secrets.
///
/// # Errors
/// When the file cannot be read that far.
pub fn control_address(path: &Path) -> Result<SocketAddr, ConfigErrors> {
    let name = path.display().to_string();
    let text = read(path, "-c").map_err(|message| ConfigErrors::whole(&name, message))?;
    let mut problems = error::Problems::default();
    let file = read_file(&text, &mut problems);
    let address = file.map(|file| resolve::control_listen(file.control.as_ref(), &mut problems));
    address.filter(|_| problems.is_empty()).ok_or_else(|| problems.finish(&name))
}

/// Reads rules from a file of their own: a list as under `compare:`.
///
/// # Errors
/// With everything that is wrong with it.
pub fn load_rules(path: &Path) -> Result<Rules, ConfigErrors> {
    let name = path.display().to_string();
    let text = read(path, "--rules").map_err(|message| ConfigErrors::whole(&name, message))?;
    let mut problems = error::Problems::default();
    let written: Vec<error::Placed<rules::Written>> = from_yaml(&text, &mut problems).unwrap_or_default();
    let rules = rules::compile_rules(&written.iter().collect::<Vec<_>>(), &mut problems);
    if problems.is_empty() { Ok(rules) } else { Err(problems.finish(&name)) }
}

/// The JSON Schema of the file, for editors.
#[must_use]
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(file::File)
}

/// `option` is how another file is named on the command line.
fn read(path: &Path, option: &str) -> Result<String, String> {
    use std::io::Read as _;
    let mut text = String::new();
    let file = std::fs::File::open(path)
        .map_err(|error| format!("cannot read it: {error}; name another with `{option} FILE`"))?;
    match file.take(MAX_BYTES + 1).read_to_string(&mut text) {
        Err(error) => Err(format!("cannot read it: {error}")),
        Ok(read) if read as u64 > MAX_BYTES => Err(format!("it is larger than {MAX_BYTES} bytes")),
        Ok(_) => Ok(text),
    }
}

/// What was typed; none where its shape is too broken to go on.
fn read_file(text: &str, problems: &mut error::Problems) -> Option<file::File> {
    let root: Spanned<shape::Node> = from_yaml(text, problems)?;
    let shapes = [
        shape::check(&root, &schema(), "", problems),
        shape::needs_one_of(&root, ["operations", "openapi"], problems),
    ];
    if shapes.contains(&shape::Shape::Broken) { None } else { from_yaml(text, problems) }
}

fn from_yaml<T: DeserializeOwned>(text: &str, problems: &mut error::Problems) -> Option<T> {
    // `off` is a word here, not a boolean, as YAML 1.2 has it.
    // The deepest key lies seven levels down. A level costs a debug build some 30 KiB of stack.
    let options = serde_saphyr::options! {
        strict_booleans: true,
        with_snippet: false,
        budget: serde_saphyr::budget! { max_depth: 24, max_nodes: 250_000, max_events: 1_000_000 },
    };
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| {
            let at = error.location().map_or(At::start_of(Source::Config), At::from);
            let message = error.without_snippet().render_with_formatter(&serde_saphyr::UserMessageFormatter);
            let place = error.location().map(|at| format!(" at line {}, column {}", at.line(), at.column()));
            let without_place = place.and_then(|place| message.strip_suffix(&place));
            problems.add(at, format!("not readable as YAML: {}", without_place.unwrap_or(&message)));
        })
        .ok()
}
