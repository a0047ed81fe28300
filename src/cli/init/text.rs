//! The text of a first configuration. Every key in it is either needed or explained; what is only an example is a
//! comment, so that nothing is in force that nobody has asked for.

use std::fmt::Write as _;

use crate::cli::output::{grouped, one_line};

/// Operations that are named in a comment, at most.
const MOST_NAMED: usize = 40;

/// What a configuration is made of.
pub(super) struct Wanted {
    pub(super) legacy: String,
    pub(super) candidate: String,
    pub(super) openapi: Option<String>,
    /// Operations that traffic has shown.
    pub(super) found: Vec<Found>,
    /// Operations of the document that change something.
    pub(super) writing: Vec<String>,
    /// An operation of the document, for examples.
    pub(super) first: Option<String>,
}

/// An operation that traffic has shown.
pub(super) struct Found {
    pub(super) id: String,
    pub(super) matcher: String,
    pub(super) requests: u64,
}

impl Wanted {
    pub(super) fn text(&self) -> String {
        [HEAD.to_owned(), self.sides(), self.document(), DEFAULTS.to_owned(), self.operations()].concat()
    }

    fn sides(&self) -> String {
        let (legacy, candidate) = (quoted(&self.legacy), quoted(&self.candidate));
        format!(
            "
# The service that clients use today answers them. The candidate gets a copy of a request when its answer is
# complete, and nobody waits for it.
legacy: {{url: {legacy}}}
candidate: {{url: {candidate}, timeout: 10s, max_in_flight: 256}}
"
        )
    }

    fn document(&self) -> String {
        let Some(document) = &self.openapi else { return String::new() };
        let mut text = format!(
            "
# Every operation of this document is one here, by its operationId. An operation in it may have the keys of one
# here under `x-parallax`, and is left out with `x-parallax: off`.
openapi: {}
",
            quoted(document)
        );
        if !self.writing.is_empty() {
            text += "
# These change something. Legacy answers them, and they are not checked until you say `idempotent: true` for them,
# because the candidate would do the work again:
";
            for id in self.writing.iter().take(MOST_NAMED) {
                _ = writeln!(text, "#   {id}");
            }
            let more = self.writing.len().saturating_sub(MOST_NAMED);
            if more > 0 {
                _ = writeln!(text, "#   and {more} more");
            }
        }
        text
    }

    fn operations(&self) -> String {
        match (&self.openapi, self.found.is_empty()) {
            (Some(_), true) => {
                let id = self.first.as_deref().unwrap_or("getReturn");
                format!(
                    "
# What is said here of an operation goes before what the document says, and that before `defaults`.
# operations:
#   - id: {id}
#     target: 99.5%
#     compare:
#       - {{at: \"$.body.items\", key: item_id}}       # pair array elements by a field, order free
"
                )
            }
            (_, false) => format!("{FOUND}operations:\n{}", self.found.iter().map(entry).collect::<String>()),
            (None, true) => EXAMPLE.to_owned(),
        }
    }
}

fn entry(found: &Found) -> String {
    let (id, matcher) = (quoted(&found.id), quoted(&found.matcher));
    format!("  - {{id: {id}, match: {matcher}}}   # {} requests\n", grouped(found.requests))
}

/// A text as YAML has it in quotes, which is as JSON has it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(one_line(text)).to_string()
}

const HEAD: &str = "# parallax runs two services side by side: the legacy one answers, the candidate is asked the same afterwards, and
# the answers are compared. `parallax config check` tells what is wrong with this file, and where;
# `parallax config schema` helps an editor with its keys.

listen: 127.0.0.1:8080              # clients come here
control:
  listen: 127.0.0.1:9900            # web UI, API, metrics; beyond this machine it needs `tokens`
store: \"sqlite://parallax.db\"       # counts, samples and stages
";

const DEFAULTS: &str = "
# An operation starts from these, which are what holds without them.
defaults:
  stage: shadow                     # or legacy: nothing is copied
  sample: 100%                      # the share of the requests that is checked
  target: 99.9%                     # consistency at which an operation may be switched
  samples: masked                   # what is kept of a mismatch: its shape and length; or plain, none
  # compare:                        # what may differ everywhere
  #   - {at: \"$.headers['x-request-id']\", ignore: true}
  #   - {at: \"$.body..updated_at\", within: 2s}
";

const FOUND: &str = "
# Requests that matched no operation looked like these. Give them the names that you want to see in metrics, and
# remove those that you do not want to move. What is not named here goes to legacy and is not checked.
";

const EXAMPLE: &str = "
# What is to move over, one by one: method and path. What is not named here goes to legacy and is not checked.
# Once clients come by, `parallax status other` shows what they ask for, and
# `parallax init --from-traffic` writes it into a file like this one.
operations:
  - {id: getRoot, match: GET /}     # an example: put your own in its place
  # - {id: getReturn, match: \"GET /returns/{return_id}\", target: 99.5%}
  # - {id: createReturn, match: POST /returns, idempotent: true}   # only if it may run on both sides
";
