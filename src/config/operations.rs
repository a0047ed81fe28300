//! The operations: what each says itself, over what `defaults` says, over what the contract says.

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderName;
use parallax_core::operation::{Idempotent, Matcher, Operation, OperationId, Target, When};
use parallax_core::ratio::Ratio;
use parallax_core::redaction::{DEFAULT_HEADERS, Redaction, Samples};
use parallax_core::router::Router;
use parallax_core::rule::{HeaderProfile, Origins, Rules};
use parallax_core::stage::InitialStage;
use parallax_core::template::Template;

use super::access_log::YesNo;
use super::error::{At, Problems};
use super::file::{File, OperationFile, RedactFile};
use super::readiness::Sureness;
use super::resolve::get;
use super::rules::compile_rules;
use super::scalar::{Count, Raw, Scalar, Size, Text};
use super::{canary, comparing, readiness, recheck, rollback_when};

/// The operations of a file, in its order.
pub(super) fn resolve(file: &File, origins: &Origins, problems: &mut Problems) -> Vec<Arc<Operation>> {
    let absent = OperationFile::default();
    let defaults = file.defaults.as_deref().unwrap_or(&absent);
    // Read on their own too: each operation may have a value in place of a bad one here.
    Layers { own: &absent, defaults, origins }.operation(problems);
    let mut operations = Vec::new();
    let mut taken = Taken::default();
    for own in &file.operations {
        let layers = Layers { own, defaults, origins };
        let operation = layers.operation(problems);
        if let (Some(operation), Some(id)) = (operation, &own.id) {
            taken.claim(&operation, id.at, problems);
            operations.push(Arc::new(operation));
        }
    }
    operations
}

/// What an operation says itself, and what it says where it is silent.
struct Layers<'a> {
    own: &'a OperationFile,
    defaults: &'a OperationFile,
    origins: &'a Origins,
}

impl<'a> Layers<'a> {
    fn operation(&self, problems: &mut Problems) -> Option<Operation> {
        let id: Option<OperationId> = self.own.id.as_ref().and_then(|raw| raw.get(problems));
        let matcher: Option<Matcher> = self.own.matcher.as_ref().and_then(|raw| raw.get(problems));
        let candidate_path = self.candidate_path(matcher.as_ref(), problems);
        let layers = [self.own, self.defaults];
        let operation = Operation {
            candidate_path,
            initial_stage: self.value(|file| file.stage.as_ref(), InitialStage::Shadow, problems),
            sample: self.value(|file| file.sample.as_ref(), Ratio::ONE, problems),
            target: self.target(problems),
            steps: canary::resolve(layers.map(|file| file.canary.as_ref()), problems),
            rollback_when: rollback_when::resolve(layers.map(|file| file.rollback_when.as_ref()), problems),
            version: readiness::version(self.layers(|file| file.version.as_ref()), problems),
            idempotent: self.value(|file| file.idempotent.as_ref(), Idempotent::Auto, problems),
            when: self.when(problems),
            recheck: recheck::resolve(layers.map(|file| file.recheck.as_ref()), problems),
            durable: self.value(|file| file.durable.as_ref(), YesNo(false), problems).0,
            body_limit: self.value(|file| file.body_limit.as_ref(), Size(1 << 20), problems).0,
            rules: self.rules(problems),
            redaction: self.redaction(problems),
            id: id?,
            matcher: matcher?,
        };
        Some(operation)
    }

    fn value<T: Scalar + 'a>(
        &self,
        pick: impl Fn(&'a OperationFile) -> Option<&'a Raw<T>>,
        default: T,
        problems: &mut Problems,
    ) -> T {
        get(pick(self.own).or_else(|| pick(self.defaults)), default, problems)
    }

    /// What the operation says, and what `defaults` says.
    fn layers<T>(&self, pick: impl Fn(&'a OperationFile) -> Option<&'a T>) -> [Option<&'a T>; 2] {
        [self.own, self.defaults].map(pick)
    }

    /// A copy that leaves with its request leaves before there is a check to be kept.
    fn when(&self, problems: &mut Problems) -> When {
        let when = self.value(|file| file.when.as_ref(), When::After, problems);
        let is_durable = self.value(|file| file.durable.as_ref(), YesNo(false), &mut Problems::default()).0;
        let said = [self.own, self.defaults].into_iter().find_map(|file| file.when.as_ref());
        if let (When::Concurrent, true, Some(said)) = (when, is_durable, said) {
            let message = "`when: concurrent` sends a copy before there is a check that could wait on disk, so it does \
                           not go with `durable: true`; leave one of them out";
            problems.add(said.at, message.to_owned());
        }
        when
    }

    fn target(&self, problems: &mut Problems) -> Target {
        let percent = |tenths: u32| Ratio::from_ppm(tenths * 1_000);
        Target {
            consistency: self.value(|file| file.target.as_ref(), percent(999), problems),
            confidence: self.value(|file| file.confidence.as_ref(), Sureness::usual(), problems).0,
            min_checks: self.value(|file| file.min_checks.as_ref(), 1000, problems),
            min_distinct: self.value(|file| file.min_distinct.as_ref(), Count(1), problems).0 as u64,
            max_failed: self.value(|file| file.max_failed.as_ref(), percent(10), problems),
            min_checked: self.value(|file| file.min_checked.as_ref(), percent(900), problems),
            latency: readiness::latency(self.layers(|file| file.latency_limit.as_ref()), problems),
        }
    }

    /// The candidate's path; every parameter in it must come from the match.
    fn candidate_path(&self, matcher: Option<&Matcher>, problems: &mut Problems) -> Option<Template> {
        let raw = self.own.candidate_path.as_ref()?;
        let template = raw.get(problems)?;
        let matcher = matcher?;
        let unknown =
            template.parameters().find(|name| matcher.template.parameters().all(|known| known != *name));
        if let Some(name) = unknown {
            problems.add(
                raw.at,
                format!("`{{{name}}}` in `candidate_path` is no parameter of `match: {matcher}`, so it has no value"),
            );
        }
        Some(template)
    }

    /// An operation starts from the rules under `defaults` and adds its own.
    fn rules(&self, problems: &mut Problems) -> Rules {
        let profile = self.value(|file| file.headers.as_ref(), HeaderProfile::Default, problems);
        let layers = [self.defaults, self.own];
        let specs: Vec<_> = layers.iter().flat_map(|file| file.compare.iter().flatten()).collect();
        let limits = [self.own, self.defaults].map(|file| file.compare_limits.as_ref());
        let rules = match readiness::told_by(self.layers(|file| file.version.as_ref())) {
            Some(header) => compile_rules(&specs, problems).with_signature(header),
            None => compile_rules(&specs, problems),
        };
        rules
            .with_headers(profile)
            .with_origins(self.origins.clone())
            .with_limits(comparing::limits(limits, problems))
    }

    /// What is never kept only ever grows: leaving a name out of a list must not bring to light
    /// what another list hides.
    fn redaction(&self, problems: &mut Problems) -> Redaction {
        let samples = self.value(|file| file.samples.as_ref(), Samples::Masked, problems);
        let mut headers: Vec<HeaderName> = DEFAULT_HEADERS.to_vec();
        for raw in self.redacts().flat_map(|redact| redact.headers.iter().flatten()) {
            headers.extend(raw.get(problems).filter(|name| !headers.contains(name)));
        }
        let body = self.redacts().flat_map(|redact| redact.body.iter().flatten());
        let read = |raw: &Raw<Text>| raw.get(problems).map(|Text(path)| (raw.at, path));
        let (places, paths): (Vec<At>, Vec<String>) = body.filter_map(read).unzip();
        Redaction::new(samples, headers, &paths).unwrap_or_else(|error| {
            if let Some(at) = places.get(error.index) {
                problems.add(*at, format!("`redact.body`: {error}"));
            }
            Redaction::default()
        })
    }

    fn redacts(&self) -> impl Iterator<Item = &'a RedactFile> {
        [self.defaults, self.own].into_iter().filter_map(|file| file.redact.as_ref())
    }
}

/// Names and requests that belong to an operation already, and where it stands.
#[derive(Default)]
struct Taken {
    ids: HashMap<OperationId, At>,
    router: Router,
    entries: Vec<(OperationId, At)>,
}

impl Taken {
    fn claim(&mut self, operation: &Operation, at: At, problems: &mut Problems) {
        let Operation { id, matcher, .. } = operation;
        if let Some(first) = self.ids.insert(id.clone(), at) {
            problems.add(
                at,
                format!("the id `{id}` is taken by the operation in line {}; choose another", first.line),
            );
        }
        let entry = self.entries.len();
        self.entries.push((id.clone(), at));
        if let Err(same) = self.router.insert(matcher.method.clone(), &matcher.template, entry)
            && let Some((first, place)) = self.entries.get(same.first)
        {
            problems.add(
                at,
                format!(
                    "`{id}` matches the same requests ({matcher}) as `{first}` in line {}; remove one or change its `match`",
                    place.line
                ),
            );
        }
    }
}
