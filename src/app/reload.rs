//! A changed configuration, put in force while clients are served.
//!
//! It is taken as a whole or not at all. What a request meets is one value behind one pointer, so a
//! reload is: make the new value, from the new settings and the stages as they are, and swap it. The
//! next request meets it; requests in the middle finish with what they began with, on the
//! connections they have. No listener is closed and no thread is told.

use std::sync::Arc;

use parallax_core::stage::StageName;

use super::moved::{self, Moved, Standing};
use super::{Running, StartError, assemble};
use crate::config::Settings;

/// Why a configuration is not put in force. The one before stays, untouched.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// Keys that a running process cannot follow.
    #[error(
        "{} cannot change while the process runs; restart or upgrade it (SIGUSR2), or set the value back",
        listed(.0)
    )]
    NeedsRestart(Vec<&'static str>),
    /// Operations would be lost whose clients are answered by the candidate.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Moved(Vec<Moved>),
    /// It cannot be put together.
    #[error(transparent)]
    Unusable(#[from] StartError),
}

fn listed(keys: &[&str]) -> String {
    keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
}

impl Running {
    /// Puts other settings in force. Needs neither the store nor the network, and takes no time that
    /// a client would notice.
    ///
    /// # Errors
    /// When this process cannot follow them, or they would take a moved operation away from its
    /// clients; then nothing has changed.
    pub fn reload(&self, settings: Settings) -> Result<(), ReloadError> {
        let parts = &self.parts;
        let present = Arc::clone(&parts.routing.load().in_force().settings);
        let fixed =
            needs_restart(&present, &settings, parts.routing.load().in_force().reach.threads().runners);
        if !fixed.is_empty() {
            return Err(ReloadError::NeedsRestart(fixed));
        }
        self.show_certificates(&present, &settings)?;
        let settings = Arc::new(settings);
        parts.rollout.replace(|routing, last| {
            let standing: Vec<Standing> = routing.entries().iter().map(Standing::of).collect();
            let lost = moved::lost(&standing, &settings.operations);
            if !lost.is_empty() {
                return Err(ReloadError::Moved(lost));
            }
            let settings = Arc::clone(&settings);
            Ok(assemble::changed(routing, last, settings, &parts.memory, &parts.telemetry)?)
        })?;
        parts.access.replace(&settings.control.tokens);
        Ok(())
    }

    /// Shows the certificates that the settings name, when these are others.
    fn show_certificates(&self, present: &Settings, wanted: &Settings) -> Result<(), ReloadError> {
        let Some(tls) = &self.parts.tls else { return Ok(()) };
        if present.tls != wanted.tls {
            tls.replace(wanted.tls.clone()).map_err(StartError::from)?;
        }
        Ok(())
    }

    /// Notes for the metrics whether the last reload was accepted.
    pub(super) fn note_reload(&self, is_accepted: bool) {
        self.parts.telemetry.config_reload_success.set(i64::from(is_accepted));
    }
}

/// The keys whose values differ and that only another process can follow: sockets are bound, the
/// store is open, and the queue has its size.
fn needs_restart(present: &Settings, wanted: &Settings, runners: usize) -> Vec<&'static str> {
    let fixed = [
        ("listen", present.listen == wanted.listen),
        ("control.listen", present.control.listen == wanted.control.listen),
        ("tls", present.tls.is_empty() == wanted.tls.is_empty()),
        ("store", present.store == wanted.store),
        ("markers", present.marker_key == wanted.marker_key),
        ("access_log", present.access_log == wanted.access_log),
        ("traces", present.traces == wanted.traces),
        ("limits.queue_checks", present.limits.queue_checks == wanted.limits.queue_checks),
        ("limits.queue_bytes", present.limits.queue_bytes == wanted.limits.queue_bytes),
        ("limits.stored_checks", present.limits.stored_checks == wanted.limits.stored_checks),
        ("limits.stored_bytes", present.limits.stored_bytes == wanted.limits.stored_bytes),
        // Each runner has at least one in flight.
        ("candidate.max_in_flight", wanted.candidate.max_in_flight >= runners),
    ];
    fixed.into_iter().filter(|(_, is_fine)| !is_fine).map(|(key, _)| key).collect()
}

impl Standing {
    /// Whether clients are answered by the candidate.
    pub(super) fn is_moved(&self) -> bool {
        matches!(self.stage.name(), StageName::Canary | StageName::Switched | StageName::Complete)
    }
}
