//! Whose a recorded request is: the configured operations, or ones that are made up from the paths
//! where there is no configuration.

use std::collections::HashMap;
use std::sync::Arc;

use parallax_core::operation::{Operation, OperationId};
use parallax_core::posted::Posted;
use parallax_core::recorded::guessed;
use parallax_core::router::{Router, SameRequests};

/// Operations that are made up, at most; requests of further ones belong to none.
const MAX_GUESSED: usize = 200;

/// The operations that requests belong to.
pub struct Operations {
    list: Vec<Arc<Operation>>,
    by_id: HashMap<OperationId, usize>,
    source: Source,
}

enum Source {
    Configured(Router),
    /// Like this one in everything but name and matcher.
    Guessed(Box<Operation>),
}

impl Operations {
    /// Those of a configuration.
    ///
    /// # Errors
    /// When two match the same requests; the configuration has refused that before.
    pub fn configured(list: &[Arc<Operation>]) -> Result<Self, SameRequests> {
        let mut router = Router::default();
        let mut by_id = HashMap::new();
        for (at, operation) in list.iter().enumerate() {
            router.insert(operation.matcher.method.clone(), &operation.matcher.template, at)?;
            by_id.insert(operation.id.clone(), at);
        }
        Ok(Self { list: list.to_vec(), by_id, source: Source::Configured(router) })
    }

    /// One for each method and kind of path that is met, all like `model`.
    #[must_use]
    pub fn guessed(model: Operation) -> Self {
        Self { list: Vec::new(), by_id: HashMap::new(), source: Source::Guessed(Box::new(model)) }
    }

    /// All that are known by now.
    #[must_use]
    pub fn list(&self) -> &[Arc<Operation>] {
        &self.list
    }

    /// The number of the operation that a recorded request belongs to.
    pub(super) fn of(&mut self, posted: &Posted) -> Option<usize> {
        let request = &posted.request;
        if let Some(&known) = posted.operation_id.as_ref().and_then(|id| self.by_id.get(id)) {
            // What may be sent is said of the operation's own requests, and of no others.
            let is_own = self.list[known].matcher.takes(&request.method, request.target.path());
            return (is_own || matches!(self.source, Source::Guessed(_))).then_some(known);
        }
        let model = match &self.source {
            Source::Configured(_) if posted.operation_id.is_some() => return None,
            Source::Configured(router) => return router.find(&request.method, request.target.path()),
            Source::Guessed(model) => model,
        };
        let (guessed_id, matcher) = guessed(&request.method, request.target.path())?;
        let id = posted.operation_id.clone().unwrap_or(guessed_id);
        if let Some(known) = self.by_id.get(&id) {
            return Some(*known);
        }
        let at = self.list.len();
        if at >= MAX_GUESSED {
            return None;
        }
        self.list.push(Arc::new(Operation { id: id.clone(), matcher, ..Operation::clone(model) }));
        self.by_id.insert(id, at);
        Some(at)
    }
}
