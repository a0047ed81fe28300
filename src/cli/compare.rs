//! `parallax compare`: two bodies in two files, compared as the proxy compares answers. For
//! trying rules out, and for scripts.

mod body;
mod listing;
mod object;
mod shown;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use http::uri::Authority;
use http::{HeaderValue, Uri};
use parallax_core::compare::{Comparison, compare_with};
use parallax_core::rule::{Origins, Rules};

use super::output::{Colour, Paint, print};
use super::{NOT_MET, WRONG_USAGE};
use crate::config;
use crate::isolate::Children;

/// Compare two files as the answers of the two sides: exit 0 equal, 1 different, 2 incomparable
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  parallax compare legacy.json candidate.json\n  parallax compare old.json new.json --rules rules.yaml --json\n  curl --silent http://candidate/a | parallax compare legacy.json -\n\n\
    The rules are a list as under `compare:` in parallax.yaml:\n  - {at: \"$.body.tags\", unordered: true}"
)]
pub(super) struct CompareArgs {
    /// The body that legacy answered; `-` is standard input
    #[arg(value_name = "LEGACY")]
    legacy: PathBuf,
    /// The body that the candidate answered; `-` is standard input
    #[arg(value_name = "CANDIDATE")]
    candidate: PathBuf,
    /// Rules that say what may differ
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// What both bodies are, such as `text/csv; charset=utf-8`; without it, the extension of the legacy
    /// file says so, else that of the candidate's, else what the bodies begin with
    #[arg(long, value_name = "TYPE")]
    content_type: Option<HeaderValue>,
    /// Legacy's own host, for the rule `origin`; may be repeated. Without it every host counts as its own
    #[arg(long, value_name = "URL", value_parser = read_origin)]
    legacy_origin: Vec<String>,
    /// The candidate's own host, in the same way
    #[arg(long, value_name = "URL", value_parser = read_origin)]
    candidate_origin: Vec<String>,
    /// When to colour what is printed
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    color: Colour,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &CompareArgs) -> anyhow::Result<ExitCode> {
    let rules = rules(args)?;
    let (legacy, candidate) = body::answers([&args.legacy, &args.candidate], args.content_type.as_ref())?;
    let compared = compare_with(&legacy, &candidate, &rules, &Children::of_this_program());
    let text = if args.json {
        object::of(&compared.comparison)?
    } else {
        listing::of(&compared, &rules, Paint::chosen(args.color))
    };
    print(&text)?;
    Ok(match compared.comparison {
        Comparison::Equal(_) => ExitCode::SUCCESS,
        Comparison::Different(_) => ExitCode::from(NOT_MET),
        Comparison::Incomparable(cause) => {
            // The contract's object has no place for the reason.
            if args.json {
                eprintln!("parallax: {}", listing::incomparable(cause));
            }
            ExitCode::from(WRONG_USAGE)
        }
    })
}

fn rules(args: &CompareArgs) -> anyhow::Result<Rules> {
    let rules = args.rules.as_deref().map(config::load_rules).transpose()?.unwrap_or_default();
    let origins = Origins { legacy: args.legacy_origin.clone(), candidate: args.candidate_origin.clone() };
    Ok(rules.with_origins(origins))
}

/// The authority of a URL, or one that stands alone, without the port that its scheme has anyway.
fn read_origin(text: &str) -> Result<String, String> {
    let (scheme, authority) = match text.split_once("://") {
        Some((scheme, _)) => {
            let uri: Uri = text.parse().map_err(|error| format!("this is no URL: {error}"))?;
            (scheme, uri.authority().cloned())
        }
        None => ("http", text.parse::<Authority>().ok()),
    };
    let authority = authority.filter(|authority| !authority.as_str().contains('@'));
    let authority =
        authority.ok_or("write a URL such as `http://legacy:8081`, or a host such as `legacy:8081`")?;
    let port = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
    let text = authority.as_str();
    Ok(text.strip_suffix(port).unwrap_or(text).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_host_with_its_port_where_it_says_something() {
        let read = |text: &str| read_origin(text).expect("an origin");
        assert_eq!(read("http://legacy:8081/base"), "legacy:8081");
        assert_eq!(read("https://shop.example:443"), "shop.example");
        assert_eq!(read("http://shop.example:443"), "shop.example:443");
        assert_eq!(read("shop.example:80"), "shop.example");
        for bad in ["", "http://", "a b", "http://u:p@a/", "/path"] {
            assert!(read_origin(bad).is_err(), "{bad}");
        }
    }
}
