//! Reads.

use parallax_core::check::CheckId;
use parallax_core::operation::OperationId;
use parallax_core::report::Report;
use parallax_core::signature::{Signature, SignatureId};
use parallax_core::tally::Tally;
use parallax_core::transition::Transition;
use rusqlite::{Connection, Params, Row, params};

use super::rows::{count, from_json, instant, odd, parsed, parsed_or_null, stage, transition};
use super::sql;
use crate::store::backend::{Minute, SeenSignature, StoredStage};
use crate::store::terms;

pub(super) fn last_commit(from: &Connection) -> rusqlite::Result<i64> {
    from.query_row(sql::LAST_COMMIT, [], |row| row.get(0))
}

/// Bytes of the file that hold nothing.
pub(super) fn unused_bytes(from: &Connection) -> rusqlite::Result<u64> {
    let number = |sql| from.query_row(sql, [], |row| count(row, 0));
    Ok(number("PRAGMA freelist_count")?.saturating_mul(number("PRAGMA page_size")?))
}

pub(super) fn totals(from: &Connection) -> rusqlite::Result<Vec<(OperationId, Tally)>> {
    tallies(from, sql::TOTALS, [], |row| parsed(row, 0))
}

/// The names of the operations that ever counted anything.
pub(super) fn operations(from: &Connection) -> rusqlite::Result<Vec<String>> {
    rows(from, sql::OPERATIONS, [], |row| row.get(0))
}

pub(super) fn minutes(
    from: &Connection,
    operation_id: &OperationId,
    since: Minute,
) -> rusqlite::Result<Vec<(Minute, Tally)>> {
    let wanted = params![operation_id.as_str(), since.0];
    tallies(from, sql::MINUTES, wanted, |row| row.get(0).map(Minute))
}

pub(super) fn signatures(from: &Connection, id: &OperationId) -> rusqlite::Result<Vec<SeenSignature>> {
    rows(from, sql::SIGNATURES, [id.as_str()], seen_signature)
}

pub(super) fn signature(from: &Connection, id: SignatureId) -> rusqlite::Result<Option<SeenSignature>> {
    Ok(rows(from, sql::SIGNATURE, [id.to_string()], seen_signature)?.pop())
}

pub(super) fn samples(from: &Connection, id: SignatureId, limit: usize) -> rusqlite::Result<Vec<Report>> {
    rows(from, sql::SAMPLES, params![id.to_string(), at_most(limit)], |row| from_json(row, 0))
}

pub(super) fn sample(from: &Connection, id: CheckId) -> rusqlite::Result<Option<Report>> {
    Ok(rows(from, sql::SAMPLE, [id.to_string()], |row| from_json(row, 0))?.pop())
}

pub(super) fn stages(from: &Connection) -> rusqlite::Result<Vec<StoredStage>> {
    rows(from, sql::STAGES, [], |row| {
        let (operation_id, revision, retired) = (parsed(row, 0)?, count(row, 3)?, row.get(4)?);
        Ok(StoredStage { operation_id, stage: stage(row, 1)?, revision, retired })
    })
}

pub(super) fn audit(
    from: &Connection,
    operation_id: Option<&OperationId>,
    limit: usize,
) -> rusqlite::Result<Vec<Transition>> {
    let wanted = params![operation_id.map(OperationId::as_str), at_most(limit)];
    rows(from, sql::AUDIT, wanted, transition)
}

fn rows<T>(
    from: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    from.prepare_cached(sql)?.query_map(params, read)?.collect()
}

/// Gathers rows of (key, term, reason, n), sorted by key, into one tally a key.
fn tallies<K: PartialEq>(
    from: &Connection,
    sql: &str,
    params: impl Params,
    key: impl Fn(&Row<'_>) -> rusqlite::Result<K>,
) -> rusqlite::Result<Vec<(K, Tally)>> {
    let mut statement = from.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut tallies: Vec<(K, Tally)> = Vec::new();
    while let Some(row) = rows.next()? {
        let key = key(row)?;
        if tallies.last().is_none_or(|(last, _)| *last != key) {
            tallies.push((key, Tally::default()));
        }
        if let Some((_, tally)) = tallies.last_mut() {
            let (term, reason) = (row.get_ref(1)?.as_str()?, row.get_ref(2)?.as_str()?);
            terms::add(tally, term, reason, count(row, 3)?).map_err(|problem| odd(1, problem))?;
        }
    }
    Ok(tallies)
}

fn seen_signature(row: &Row<'_>) -> rusqlite::Result<SeenSignature> {
    let signature = Signature {
        id: parsed(row, 0)?,
        operation_id: parsed(row, 1)?,
        part: parsed(row, 2)?,
        path: row.get(3)?,
        kind: parsed(row, 4)?,
        legacy_type: parsed_or_null(row, 5)?,
        candidate_type: parsed_or_null(row, 6)?,
        explanation: row.get(7)?,
    };
    let (first_at, last_at) = (instant(row, 9)?, instant(row, 10)?);
    let (seen, noise, reversed) = (count(row, 8)?, count(row, 11)?, count(row, 12)?);
    Ok(SeenSignature { signature, count: seen, reversed, noise, first_at, last_at })
}

fn at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
