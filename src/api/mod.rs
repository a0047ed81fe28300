//! The control API: what the command line, scripts and Prometheus read and change, and the guard
//! before everything that the control listener serves.
//!
//! Handlers read what is in force and ask the rollout for changes; they decide nothing themselves.
//! Who may do what is decided in one place, before any handler runs, so a new route is closed
//! until it is opened. The pages are mounted from outside (see [`Pages`]): this module knows no
//! HTML. It never reaches legacy or candidate, and no client of the proxy waits for it.

mod access;
mod attempts;
mod authority;
mod checks;
mod connections;
mod export;
mod fields;
mod guard;
mod health;
mod operations;
mod origin;
mod other;
mod problem;
mod retire;
mod routes;
mod serve;
mod sessions;
mod triage;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use tokio::sync::watch;

pub use access::{Access, Caller, Need};
pub use authority::Authorities;
pub use guard::Form;
pub use problem::Problem;
pub use routes::router;
pub use serve::{RunError, run};
pub use sessions::{COOKIE, SESSION_TIME};
pub use triage::{Suggested, Triaged};
pub use view::{
    Counts, CoverageView, DetailedView, Latencies, OperationView, ReadinessView, RecheckView, RuleView,
    VersionView,
};

use crate::intake::Intake;
use crate::queue::Budget;
use crate::recorder::Flush;
use crate::rollout::Rollout;
use crate::routing::SharedRouting;
use crate::store::Store;
use crate::telemetry::Telemetry;
use attempts::Attempts;
use sessions::Sessions;

/// What the API and the pages show and change.
pub struct Context {
    /// The routing in force.
    pub routing: SharedRouting,
    /// The metrics.
    pub telemetry: Arc<Telemetry>,
    /// What outlives the process.
    pub store: Store,
    /// Changes stages.
    pub rollout: Arc<Rollout>,
    /// Makes the counts lasting before they are shown.
    pub flush: Flush,
    /// Accepts checks that are posted.
    pub intake: Intake,
    /// Who may do what.
    pub access: Access,
    /// Whether clients are served: configured, listening and not draining.
    pub ready: watch::Receiver<bool>,
}

/// The pages for people, as they are mounted beside the API.
pub struct Pages {
    /// Their routes.
    pub routes: Router<Arc<Shared>>,
    /// What a browser is shown instead of a problem. Gets the problem, who asked, and the path
    /// and query of the request.
    pub refusal: fn(&Problem, Option<&Caller>, &str) -> Response,
}

/// The context, with what the control listener itself keeps in mind.
pub struct Shared {
    /// What is shown and changed.
    pub context: Context,
    /// Turns true when the listener ends: streams end then.
    pub finished: watch::Receiver<bool>,
    own: Authorities,
    sessions: Sessions,
    attempts: Attempts,
    /// What bodies of posted checks hold while they are read.
    posted: Arc<Budget>,
}

impl Shared {
    /// A control listener that is reached at `own`.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn new(
        context: Context,
        own: Authorities,
        finished: watch::Receiver<bool>,
    ) -> Result<Self, getrandom::Error> {
        let posted = Arc::new(Budget::new(checks::READ_AT_ONCE));
        let (sessions, attempts) = (Sessions::new()?, Attempts::default());
        Ok(Self { context, finished, own, sessions, attempts, posted })
    }

    /// Whether a `Host` is the listener's own: its address, or a name in the settings in force.
    fn is_own(&self, host: &str) -> bool {
        let routing = self.context.routing.load();
        self.own.clone().and(&routing.in_force().settings.control.hosts).contains(host)
    }
}
