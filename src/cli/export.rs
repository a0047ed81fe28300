//! `parallax export`: the present plan for another tool, or what watches over it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use parallax_core::export::{self as write, Exported, Note, PresentPlan};

use super::NOT_MET;
use super::client::{Client, ServerArgs};
use super::output::{plain, print};
use crate::{config, export};

/// The shares of HAProxy where they are not written beside a file.
const SHARES: &str = "parallax.shares";

/// Print the present plan for another tool, so that it routes as parallax does: exit 1 when clients
/// would be answered by another side than planned
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  parallax export nginx --listen 127.0.0.1:8088 --output parallax.nginx.conf\n  \
        parallax export prometheus-rules > parallax.rules.yml\n\n\
        What the tool does otherwise than parallax is told on standard error and in comments."
)]
pub(super) struct ExportArgs {
    /// The tool
    #[arg(value_enum, value_name = "TARGET")]
    target: Target,
    /// Write it to a file, which is replaced as a whole; for haproxy the shares are beside it
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Where nginx or HAProxy listens [default: where parallax does]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Print the plan with which the configuration begins, without asking a server
    #[arg(long)]
    initial: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// What can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Target {
    /// Routes in eskip
    Skipper,
    /// A file for the `http` block
    Nginx,
    /// A configuration, whose shares can be changed while it runs
    Haproxy,
    /// A route configuration (RDS)
    Envoy,
    /// HTTPRoutes of Kubernetes
    GatewayApi,
    /// The dashboard for Grafana
    Grafana,
    /// Alerts for Prometheus
    PrometheusRules,
}

pub(super) fn run(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    let exported = match args.target {
        Target::Grafana => finished(include_str!("../../dashboards/parallax.json")),
        Target::PrometheusRules => finished(include_str!("../../dashboards/rules.yml")),
        Target::Skipper => write::skipper(&plan(args)?),
        Target::Nginx => write::nginx(&plan(args)?),
        Target::Envoy => write::envoy(&plan(args)?),
        Target::GatewayApi => write::gateway_api(&plan(args)?),
        Target::Haproxy => {
            let shares = shares_file(args.output.as_deref())?;
            let exported = write::haproxy(&plan(args)?, &shares);
            if args.output.is_some() {
                replace(Path::new(&shares), exported.beside.as_deref().unwrap_or_default())?;
            }
            exported
        }
    };
    match &args.output {
        Some(path) => replace(path, &exported.text)?,
        None => print(&(exported.text.clone() + &shares_to_copy(&exported)))?,
    }
    exported.notes.iter().for_each(tell);
    Ok(if exported.departs() { ExitCode::from(NOT_MET) } else { ExitCode::SUCCESS })
}

/// What needs no plan.
fn finished(text: &str) -> Exported {
    Exported { text: text.to_owned(), notes: Vec::new(), beside: None }
}

fn tell(note: &Note) {
    eprintln!("parallax: {}", plain(&note.to_string()));
}

/// The plan of the running server. The configuration's own never stands in for it unasked: it would take
/// every client of an operation that is switched back to a legacy that may be gone.
fn plan(args: &ExportArgs) -> anyhow::Result<PresentPlan> {
    let plan: PresentPlan = if args.initial {
        export::initial(&config::load(args.server.config())?)?
    } else {
        Client::find(&args.server)?.get("/api/v1/plan")?
    };
    let plan: PresentPlan = match args.listen {
        Some(listen) => plan.listening_at(&listen.to_string())?,
        None => plan,
    };
    let listens = matches!(args.target, Target::Nginx | Target::Haproxy);
    if listens && plan.is_port_unknown() {
        anyhow::bail!(
            "`listen` has port 0, which the system chooses; say where the other proxy listens: `--listen ADDRESS`"
        );
    }
    Ok(plan)
}

/// Where HAProxy finds the shares: `haproxy.shares` beside `haproxy.cfg`.
fn shares_file(output: Option<&Path>) -> anyhow::Result<String> {
    let Some(output) = output else { return Ok(SHARES.to_owned()) };
    let file = std::path::absolute(output).context("`--output`")?.with_extension("shares");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    match file.to_str() {
        Some(text) if text.chars().all(is_plain) => Ok(text.to_owned()),
        _ => anyhow::bail!(
            "`--output`: HAProxy names the file of shares in its configuration and on its socket; \
             choose a path of letters, digits, `/`, `.`, `_` and `-`"
        ),
    }
}

/// The shares as comments at the end, where they are in no file.
fn shares_to_copy(exported: &Exported) -> String {
    let Some(shares) = &exported.beside else { return String::new() };
    let lines: String = shares.lines().map(|line| format!("#:{line}\n")).collect();
    format!("\n# The file {SHARES}, where HAProxy starts: sed -n 's/^#://p' THIS_FILE > {SHARES}\n{lines}")
}

fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    export::replace(path, text).with_context(|| format!("cannot write {}", path.display()))
}
