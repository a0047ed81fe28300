//! A tally as rows: one row per term of the conservation law and reason, so that counts of any
//! age add up by plain addition, and a new reason needs no new column.

use std::str::FromStr;

use parallax_core::tally::Tally;

/// One row of a tally: term, reason (empty where the term has none), count.
pub(super) type Row = (&'static str, &'static str, u64);

const REQUESTS: &str = "requests";
const MATCHED: &str = "matched";
const UNMATCHED: &str = "unmatched";
const FAILED: &str = "failed";
const SKIPPED: &str = "skipped";
/// No term of the sum: what became of mismatches that are unmatched or failed too.
const RECHECKS: &str = "rechecks";

/// The rows of a tally, without those that count nothing.
pub(super) fn rows(tally: &Tally) -> Vec<Row> {
    let plain =
        [(REQUESTS, "", tally.requests), (MATCHED, "", tally.matched), (UNMATCHED, "", tally.unmatched)];
    let failed = tally.failed.iter().map(|(cause, &n)| (FAILED, cause.as_str(), n));
    let skipped = tally.skipped.iter().map(|(skip, &n)| (SKIPPED, skip.as_str(), n));
    let rechecks = tally.rechecks.iter().map(|(finding, &n)| (RECHECKS, finding.as_str(), n));
    plain.into_iter().chain(failed).chain(skipped).chain(rechecks).filter(|&(_, _, n)| n > 0).collect()
}

/// Adds one row to a tally.
///
/// # Errors
/// A description of the row, when its term or reason is unknown.
pub(super) fn add(tally: &mut Tally, term: &str, reason: &str, n: u64) -> Result<(), String> {
    let count = match term {
        REQUESTS => &mut tally.requests,
        MATCHED => &mut tally.matched,
        UNMATCHED => &mut tally.unmatched,
        FAILED => tally.failed.entry(parsed(reason)?).or_default(),
        SKIPPED => tally.skipped.entry(parsed(reason)?).or_default(),
        RECHECKS => tally.rechecks.entry(parsed(reason)?).or_default(),
        _ => return Err(format!("`{term}` is no term of a tally")),
    };
    *count = count.saturating_add(n);
    Ok(())
}

fn parsed<T: FromStr<Err: ToString>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use parallax_core::recheck::Finding;
    use parallax_core::verdict::{Cause, Skip};

    use super::*;

    #[test]
    fn every_term_and_reason_survives_the_way_through_rows() {
        let count_all = |n: usize| u64::try_from(n).expect("small") + 4;
        let tally = Tally {
            requests: 1,
            matched: 2,
            unmatched: 3,
            failed: Cause::ALL.iter().enumerate().map(|(n, &cause)| (cause, count_all(n))).collect(),
            skipped: Skip::ALL.iter().enumerate().map(|(n, &skip)| (skip, count_all(n))).collect(),
            rechecks: Finding::ALL.iter().enumerate().map(|(n, &found)| (found, count_all(n))).collect(),
        };
        let mut read = Tally::default();
        for (term, reason, n) in rows(&tally) {
            add(&mut read, term, reason, n).expect("its own rows");
        }
        assert_eq!(read, tally);
    }

    #[test]
    fn what_counts_nothing_has_no_row_and_what_is_unknown_is_named() {
        let tally = Tally { failed: BTreeMap::from([(Cause::Dns, 0)]), ..Tally::default() };
        assert_eq!(rows(&tally), []);
        let mut tally = Tally::default();
        assert!(add(&mut tally, "mirrored", "", 1).expect_err("no term").contains("mirrored"));
        assert!(add(&mut tally, FAILED, "bad_luck", 1).expect_err("no cause").contains("bad_luck"));
        assert!(tally.is_empty());
    }
}
