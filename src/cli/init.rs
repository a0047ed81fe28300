//! `parallax init`: a first configuration, with the words that explain it. It is written only if it is good: what is
//! written has been read by the code that `parallax config check` and the server read it with.

mod text;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use http::Method;
use parallax_core::operation::Operation;
use parallax_core::router::Router;

use super::client::{Client, ServerArgs};
use super::output::print;
use super::view::OtherView;
use crate::config::{self, Settings, UpstreamUrl};
use text::{Found, Wanted};

/// Write a first configuration, with comments: from an OpenAPI document, from the traffic of a running server, or
/// from the two addresses alone
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  parallax init --openapi returns.yaml --legacy http://127.0.0.1:8081 --candidate http://127.0.0.1:8082"
)]
pub(super) struct InitArgs {
    /// Take every operation of this OpenAPI document (3.0, 3.1; YAML or JSON)
    #[arg(long, value_name = "FILE")]
    openapi: Option<PathBuf>,
    /// Where the service is that is being replaced
    #[arg(long, value_name = "URL")]
    legacy: UpstreamUrl,
    /// Where the service is that replaces it
    #[arg(long, value_name = "URL")]
    candidate: UpstreamUrl,
    /// Add the operations that the requests which match none could be; asks a running server
    #[arg(long)]
    from_traffic: bool,
    /// Where to write it; `-` is standard output
    #[arg(short, long, value_name = "FILE", default_value = "parallax.yaml")]
    output: PathBuf,
    /// Replace the file if there is one
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) fn run(args: &InitArgs) -> anyhow::Result<ExitCode> {
    let to_stdout = args.output == Path::new("-");
    // Asked before anything else is, so that nobody waits for a refusal.
    if !to_stdout && !args.force && args.output.symlink_metadata().is_ok() {
        anyhow::bail!(
            "{} is there already; `--force` replaces it, `--output FILE` writes another",
            args.output.display()
        );
    }
    let seen = if args.from_traffic {
        Client::find(&args.server)?.get("/api/v1/other")?
    } else {
        OtherView::default()
    };
    let mut wanted = Wanted {
        legacy: args.legacy.to_string(),
        candidate: args.candidate.to_string(),
        openapi: args.openapi.as_deref().map(|file| as_named_in(file, &args.output)).transpose()?,
        found: Vec::new(),
        writing: Vec::new(),
        first: None,
    };
    // The document alone first: what is wrong with it is told before anything is made of it.
    if wanted.openapi.is_some() {
        let settings = read(&wanted.text(), &args.output)?;
        wanted.writing = writing(&settings);
        wanted.first = settings.operations.first().map(|operation| operation.id.to_string());
        wanted.found = beside(&seen, &settings.operations);
    } else {
        wanted.found = beside(&seen, &[]);
    }
    let text = wanted.text();
    let count = read(&text, &args.output)?.operations.len();
    if to_stdout {
        print(&text)?;
    } else {
        write(&args.output, &text, args.force)?;
        print(&told(&args.output, count))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn told(output: &Path, count: usize) -> String {
    let operations = if count == 1 { "operation" } else { "operations" };
    let file = output.display();
    let option = if output == Path::new("parallax.yaml") { String::new() } else { format!(" -c {file}") };
    format!("wrote {file}: {count} {operations}\nnext: look through it, then `parallax serve{option}`\n")
}

/// Reads the text as the file that it will be.
fn read(text: &str, output: &Path) -> anyhow::Result<Settings> {
    Ok(config::parse(text, &output.display().to_string(), &|name| std::env::var(name).ok())?)
}

/// The document's path as the configuration has to name it, which is from the configuration's own directory on.
fn as_named_in(document: &Path, output: &Path) -> anyhow::Result<String> {
    let beside = output.parent().is_none_or(|directory| directory.as_os_str().is_empty());
    let path = if beside || document.is_absolute() {
        document.to_owned()
    } else {
        document.canonicalize().with_context(|| format!("cannot find {}", document.display()))?
    };
    path.into_os_string().into_string().map_err(|_| anyhow::anyhow!("the document's path is no text"))
}

/// The operations that change something: these are not copied until somebody says that they may be.
fn writing(settings: &Settings) -> Vec<String> {
    let changes = |operation: &&std::sync::Arc<Operation>| {
        operation.admits(&operation.matcher.method, None, 0).is_err()
    };
    settings.operations.iter().filter(changes).map(|operation| operation.id.to_string()).collect()
}

/// What was seen of other requests than those of these operations.
fn beside(seen: &OtherView, operations: &[std::sync::Arc<Operation>]) -> Vec<Found> {
    let mut router = Router::default();
    let mut ids: Vec<String> = Vec::new();
    for operation in operations {
        // They are from a configuration that was accepted.
        _ = router.insert(operation.matcher.method.clone(), &operation.matcher.template, 0);
        ids.push(operation.id.to_string());
    }
    let mut found = Vec::new();
    for one in &seen.suggestions {
        let Some((method, path)) = one.matcher.split_once(' ') else { continue };
        let (Ok(method), Ok(template)) = (method.parse::<Method>(), path.parse()) else { continue };
        if router.insert(method, &template, 0).is_err() || ids.contains(&one.id) {
            continue;
        }
        ids.push(one.id.clone());
        found.push(Found { id: one.id.clone(), matcher: one.matcher.clone(), requests: one.requests });
    }
    found
}

/// Writes it beside its place and moves it there, so that nobody reads half of it.
fn write(output: &Path, text: &str, force: bool) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", output.display());
    if !force {
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).open(output).with_context(failed)?;
        return file.write_all(text.as_bytes()).with_context(|| {
            // Half of it would be taken for a configuration.
            _ = std::fs::remove_file(output);
            failed()
        });
    }
    let name = output.file_name().context("`--output` names no file")?;
    let beside = output.with_file_name(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, output)).with_context(|| {
        _ = std::fs::remove_file(&beside);
        failed()
    })
}
