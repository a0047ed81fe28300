//! What an operation of a document is called here. An operationId that can be a metric label is kept as it is.
//! Others are made readable, and where there is none it is made of method and path; both depend on the operation
//! alone and not on its place in the document, so that a counter does not change its name when somebody sorts it.

use std::collections::{HashMap, HashSet};

use http::Method;
use parallax_core::naming::{of_requests, readable};
use parallax_core::operation::OperationId;
use xxhash_rust::xxh3::xxh3_64;

/// What is known of an operation's name.
pub(super) enum Wanted {
    /// Its operationId, which can be kept.
    Exact(OperationId),
    /// A readable text, and what tells the operation from all others.
    Readable { base: String, unique: String },
}

impl Wanted {
    pub(super) fn of(operation_id: Option<&str>, method: &Method, path: &str) -> Self {
        if let Some(id) = operation_id.and_then(|text| text.parse().ok()) {
            return Self::Exact(id);
        }
        let from_id = operation_id.map(readable).filter(|text| text.parse::<OperationId>().is_ok());
        let base = from_id.unwrap_or_else(|| of_requests(method, path));
        Self::Readable { base, unique: format!("{method} {path}") }
    }
}

/// The names of these operations, in their order; none for one that cannot have any. Where several would share one, each of them gets a few digits
/// that are made of its method and path.
pub(super) fn give(wanted: &[Wanted]) -> Vec<Option<OperationId>> {
    let mut exact = HashSet::new();
    let mut sharing: HashMap<&str, usize> = HashMap::new();
    for wanted in wanted {
        match wanted {
            Wanted::Exact(id) => _ = exact.insert(id.as_str()),
            Wanted::Readable { base, .. } => *sharing.entry(base).or_default() += 1,
        }
    }
    let name = |wanted: &Wanted| match wanted {
        Wanted::Exact(id) => Some(id.clone()),
        Wanted::Readable { base, unique } => {
            let is_alone = sharing.get(&**base) == Some(&1) && !exact.contains(&**base);
            let digits = format!("{:06x}", xxh3_64(unique.as_bytes()) & 0xff_ffff);
            let text = if is_alone { base.clone() } else { format!("{base}_{digits}") };
            text.parse().ok()
        }
    };
    wanted.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(operations: &[(Option<&str>, &str)]) -> Vec<String> {
        let wanted: Vec<Wanted> =
            operations.iter().map(|(id, path)| Wanted::of(*id, &Method::GET, path)).collect();
        give(&wanted).into_iter().map(|id| id.expect("a name").to_string()).collect()
    }

    #[test]
    fn names_are_readable() {
        let long = "x".repeat(300);
        assert_eq!(
            names(&[
                (None, "/returns/{return_id}"),
                (None, "/returns/{return-id}/label.{format}"),
                (None, "/"),
                (Some("actions/list-jobs"), "/a"),
                (Some("Get all returns (v2)"), "/b"),
                (Some("返品"), "/c"),
                (Some("other"), "/d"),
            ]),
            [
                "get_returns_return_id",
                "get_returns_return_id_label_format",
                "get_root",
                "actions/list-jobs",
                "Get_all_returns_v2",
                "get_c",
                "get_d",
            ]
        );
        assert_eq!(names(&[(Some(&long), "/a")])[0].len(), 121);
    }

    #[test]
    fn those_that_would_share_a_name_are_told_apart_wherever_they_stand() {
        let there = names(&[(None, "/a/b"), (None, "/a_b"), (Some("get_x"), "/y"), (None, "/x")]);
        let turned = names(&[(None, "/x"), (Some("get_x"), "/y"), (None, "/a_b"), (None, "/a/b")]);
        assert!(there[0].starts_with("get_a_b_") && there[1].starts_with("get_a_b_"), "{there:?}");
        assert!(there[0] != there[1] && there[2] == "get_x" && there[3].starts_with("get_x_"), "{there:?}");
        assert_eq!(there, turned.into_iter().rev().collect::<Vec<_>>());
    }
}
