//! GraphQL: whether a request does nothing but read. Its method says nothing, since everything is a POST, and
//! neither does what a client calls it; the document that is executed does. A query may run on both sides
//! (GraphQL, October 2021, section 6.2.1: it has no side effects), a mutation or a subscription may not.
//!
//! In doubt a request may not be copied: a copy too few costs a check, one too many may cost somebody money. So
//! whatever could be read in two ways (a key that stands twice, one in other capitals, a document beside a hash of
//! another one) is no query here. Nothing recurses, and what is looked at is bounded.

mod definitions;
mod lexer;
mod request;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use http::Method;

use crate::exchange::Request;
use crate::label::labels;

pub use definitions::kind_of;
pub use request::MOST_BYTES;

labels! {
    /// What an operation of GraphQL does.
    pub enum Kind {
        /// It reads.
        Query => "query",
        /// It changes something.
        Mutation => "mutation",
        /// It opens a stream of events.
        Subscription => "subscription",
    }
}

/// How requests of an operation are read as GraphQL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GraphQl {
    /// Documents that clients name instead of sending them, by their hash or id. One that is not here may not be
    /// copied: nobody knows what it does.
    pub persisted: BTreeMap<String, Kind>,
    /// Operations of GraphQL whose checks are counted by name.
    pub names: BTreeSet<Arc<str>>,
}

impl GraphQl {
    /// Whether a request, with its whole body, does nothing but read.
    #[must_use]
    pub fn only_reads(&self, request: &Request) -> bool {
        request::all_are_queries(request, &self.persisted)
    }

    /// The name under which a check of the request is counted, beside its operation: one that is configured, by
    /// what the document says and not by what its client calls it, or [`GraphQl::OTHER`]. None where there is none.
    #[must_use]
    pub fn counted_as(&self, request: &Request) -> Option<&str> {
        if self.names.is_empty() {
            return None;
        }
        let name = request::name_executed(request);
        Some(name.and_then(|name| self.names.get(name.as_str())).map_or(Self::OTHER, |name| name))
    }

    /// What has no configured name is counted as this.
    pub const OTHER: &'static str = "other";

    /// The same by a request's method and its URL's query alone: a POST may, and its body is still to come.
    #[must_use]
    pub fn may_only_read(&self, method: &Method, query: Option<&str>) -> bool {
        request::is_post_without_document(method, query)
            || request::asks_for_a_query(method, query, &self.persisted)
    }
}
