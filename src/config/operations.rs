//! The operations: what each says itself, over what `defaults` says, over what the contract says.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use http::HeaderName;
use parallax_core::graphql::GraphQl;
use parallax_core::operation::{Idempotent, Matcher, Operation, OperationId, Target, When};
use parallax_core::ratio::Ratio;
use parallax_core::redaction::{DEFAULT_HEADERS, Redaction, Samples};
use parallax_core::router::Router;
use parallax_core::rule::{HeaderProfile, Origins, Rules};
use parallax_core::stage::InitialStage;
use parallax_core::template::Template;

use super::access_log::YesNo;
use super::error::{At, Problems, Source};
use super::file::{File, OperationFile, RedactFile};
use super::openapi::Imported;
use super::readiness::Sureness;
use super::resolve::get;
use super::rules::compile_rules;
use super::scalar::{Count, Raw, Scalar, Size, Text};
use super::{canary, comparing, graphql, readiness, recheck, rollback_when};

/// The operations of a file: first those of its OpenAPI document, in its order, then the others.
pub(super) fn resolve(
    file: &File,
    imported: &[Imported],
    origins: &Origins,
    problems: &mut Problems,
) -> Vec<Arc<Operation>> {
    let absent = OperationFile::default();
    let defaults = file.defaults.as_deref().unwrap_or(&absent);
    // Read on their own too: each operation may have a value in place of a bad one here.
    Layers::of(&absent, None, defaults, origins).operation(problems);
    let (mut refined, others) = sorted(file.operations.as_deref().unwrap_or_default(), imported, problems);
    let mut resolved = Resolved::default();
    for found in imported {
        let own = refined.remove(&found.id).unwrap_or(&absent);
        // On its own too, as `defaults` are.
        Layers::of(&absent, Some(found), &absent, origins).operation(problems);
        resolved.add(&Layers::of(own, Some(found), defaults, origins), problems);
    }
    for own in others {
        resolved.add(&Layers::of(own, None, defaults, origins), problems);
    }
    resolved.operations
}

/// What the file says of operations that its OpenAPI document has, and the operations that only the file has.
fn sorted<'f>(
    own: &'f [OperationFile],
    imported: &[Imported],
    problems: &mut Problems,
) -> (HashMap<OperationId, &'f OperationFile>, Vec<&'f OperationFile>) {
    let known: HashSet<&OperationId> = imported.iter().map(|found| &found.id).collect();
    let mut refined: HashMap<OperationId, &OperationFile> = HashMap::new();
    let mut others = Vec::new();
    for own in own {
        let id = own.id.as_ref().and_then(|raw| Some((raw.at, raw.get(&mut Problems::default())?)));
        match id {
            Some((at, id)) if known.contains(&id) => match refined
                .get(&id)
                .and_then(|first| first.id.as_ref())
            {
                Some(first) => {
                    problems.add(
                        at,
                        format!("the operation `{id}` stands in line {} already; keep one", first.at.line),
                    );
                }
                None => _ = refined.insert(id, own),
            },
            Some(_) | None => others.push(own),
        }
    }
    (refined, others)
}

/// What an operation says itself, what its OpenAPI document says of it, and what it says where both are silent.
struct Layers<'a> {
    /// The first that says something is right.
    layers: [&'a OperationFile; 3],
    imported: Option<&'a Imported>,
    origins: &'a Origins,
}

impl<'a> Layers<'a> {
    /// `own` is empty where the operation is in the OpenAPI document alone.
    fn of(
        own: &'a OperationFile,
        imported: Option<&'a Imported>,
        defaults: &'a OperationFile,
        origins: &'a Origins,
    ) -> Self {
        let document = imported.map_or(own, |imported| &*imported.keys);
        // Without a document its place is taken by what is asked before it anyway, and adds nothing.
        let layers = [own, document, defaults];
        Self { layers, imported, origins }
    }

    /// Each layer once, the most general first: lists grow from one to the next.
    fn growing(&self) -> impl Iterator<Item = &'a OperationFile> {
        let [own, document, defaults] = self.layers;
        [Some(defaults), self.imported.map(|_| document), Some(own)].into_iter().flatten()
    }

    /// Where errors about the operation as a whole belong.
    fn at(&self) -> Option<At> {
        let own = self.layers[0].id.as_ref().map(|id| id.at);
        own.or(self.imported.map(|imported| imported.at))
    }

    fn matcher(&self, problems: &mut Problems) -> Option<Matcher> {
        let own = self.layers[0];
        if let (Some(_), Some(raw)) = (&own.matcher, &own.grpc) {
            problems.add(raw.at, "`grpc` stands in place of `match`; keep one of them");
        }
        if let Some(raw) = &own.grpc {
            return raw.get(problems).map(|method| method.0);
        }
        if let Some(raw) = &own.matcher {
            return raw.get(problems);
        }
        if let (None, Some(id), false) = (self.imported, &own.id, problems.has_bad_document()) {
            let elsewhere =
                problems.openapi.as_ref().map(|name| format!("; {name} has no operation of this id"));
            let elsewhere = elsewhere.unwrap_or_default();
            let message = format!(
                "the operation lacks the key `match`; add one like `match: GET /returns/{{return_id}}`{elsewhere}"
            );
            problems.add(id.at, message);
        }
        self.imported.map(|imported| imported.matcher.clone())
    }

    fn operation(&self, problems: &mut Problems) -> Option<Operation> {
        let own: Option<OperationId> = self.layers[0].id.as_ref().and_then(|raw| raw.get(problems));
        let id = own.or(self.imported.map(|imported| imported.id.clone()));
        let matcher = self.matcher(problems);
        let candidate_path = self.candidate_path(matcher.as_ref(), problems);
        let operation = Operation {
            candidate_path,
            initial_stage: self.value(|file| file.stage.as_ref(), InitialStage::Shadow, problems),
            sample: self.value(|file| file.sample.as_ref(), Ratio::ONE, problems),
            target: self.target(problems),
            steps: canary::resolve(self.layers.map(|file| file.canary.as_ref()), problems),
            rollback_when: rollback_when::resolve(
                self.layers.map(|file| file.rollback_when.as_ref()),
                problems,
            ),
            documented: self.imported.map(|imported| imported.documented.clone()).unwrap_or_default(),
            graphql: self.graphql(matcher.as_ref(), problems),
            version: readiness::version(self.layers.map(|file| file.version.as_ref()), problems),
            idempotent: self.value(|file| file.idempotent.as_ref(), Idempotent::Auto, problems),
            when: self.when(problems),
            recheck: recheck::resolve(self.layers.map(|file| file.recheck.as_ref()), problems),
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
        get(self.layers.into_iter().find_map(pick), default, problems)
    }

    /// A copy that leaves with its request leaves before there is a check to be kept.
    fn when(&self, problems: &mut Problems) -> When {
        let when = self.value(|file| file.when.as_ref(), When::After, problems);
        let is_durable = self.value(|file| file.durable.as_ref(), YesNo(false), &mut Problems::default()).0;
        let said = self.layers.into_iter().find_map(|file| file.when.as_ref());
        if let (When::Concurrent, true, Some(said)) = (when, is_durable, said) {
            let message = "`when: concurrent` sends a copy before there is a check that could wait on disk, so it does \
                           not go with `durable: true`; leave one of them out";
            problems.add(said.at, message.to_owned());
        }
        when
    }

    fn graphql(&self, matcher: Option<&Matcher>, problems: &mut Problems) -> Option<GraphQl> {
        let idempotent =
            self.value(|file| file.idempotent.as_ref(), Idempotent::Auto, &mut Problems::default());
        let file = self.layers.into_iter().find_map(|file| file.graphql.as_ref());
        graphql::resolve(file, matcher, idempotent, problems)
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
            latency: readiness::latency(self.layers.map(|file| file.latency_limit.as_ref()), problems),
        }
    }

    /// The candidate's path; every parameter in it must come from the match.
    fn candidate_path(&self, matcher: Option<&Matcher>, problems: &mut Problems) -> Option<Template> {
        let raw = self.layers.into_iter().find_map(|file| file.candidate_path.as_ref())?;
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

    /// An operation starts from the rules under `defaults` and adds its document's and its own.
    fn rules(&self, problems: &mut Problems) -> Rules {
        let profile = self.value(|file| file.headers.as_ref(), HeaderProfile::Default, problems);
        let specs: Vec<_> = self.growing().flat_map(|file| file.compare.iter().flatten()).collect();
        let limits = self.layers.map(|file| file.compare_limits.as_ref());
        let rules = match readiness::told_by(self.layers.map(|file| file.version.as_ref())) {
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
        self.growing().filter_map(|file| file.redact.as_ref())
    }
}

/// The operations so far, and whose names and requests are taken.
#[derive(Default)]
struct Resolved {
    operations: Vec<Arc<Operation>>,
    ids: HashMap<OperationId, At>,
    router: Router,
    entries: Vec<(OperationId, At)>,
}

impl Resolved {
    fn add(&mut self, layers: &Layers<'_>, problems: &mut Problems) {
        if let (Some(operation), Some(at)) = (layers.operation(problems), layers.at()) {
            self.claim(&operation, at, problems);
            self.operations.push(Arc::new(operation));
        }
    }

    fn claim(&mut self, operation: &Operation, at: At, problems: &mut Problems) {
        let Operation { id, matcher, .. } = operation;
        if let Some(first) = self.ids.insert(id.clone(), at) {
            let first = problems.place(first, at.source);
            problems.add(at, format!("the id `{id}` is taken by the operation {first}; choose another"));
        }
        let entry = self.entries.len();
        self.entries.push((id.clone(), at));
        if let Err(same) = self.router.insert(matcher.method.clone(), &matcher.template, entry)
            && let Some((first, place)) = self.entries.get(same.first)
        {
            let place = problems.place(*place, at.source);
            let remedy = match at.source {
                Source::Config => "remove one or change its `match`",
                Source::OpenApi => "remove one, or leave it out with `x-parallax: off`",
            };
            problems.add(
                at,
                format!("`{id}` matches the same requests ({matcher}) as `{first}` {place}; {remedy}"),
            );
        }
    }
}
