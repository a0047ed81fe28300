//! Writes, each batch in one transaction.

use jiff::Timestamp;
use parallax_core::explanations::Explanations;
use parallax_core::operation::OperationId;
use parallax_core::report::Report;
use parallax_core::signature::{Signature, SignatureId};
use parallax_core::tally::Tally;
use parallax_core::transition::Transition;
use parallax_core::verdict::ValueType;
use rusqlite::{Connection, OptionalExtension, Params, TransactionBehavior, params};

use super::checks::{Counts, accept, complete};
use super::rows::{AuditRow, from_json, json, nanoseconds};
use super::{evidence, read, sql};
use crate::store::backend::{MAX_SAMPLES, MAX_SIGNATURES, Minute, Purged, Write, other_signature};
use crate::store::checks::Acceptance;
use crate::store::terms;

/// Why a transaction was not done, or is not known to have been.
pub(super) enum Failure<T> {
    /// A statement failed: nothing was written.
    Sql(rusqlite::Error),
    /// Another transition has that revision: nothing was written.
    Conflict { operation_id: OperationId, revision: u64 },
    /// The commit of the transaction with this number failed: it may have been written.
    Commit { number: i64, done: T, error: rusqlite::Error },
}

impl<T> From<rusqlite::Error> for Failure<T> {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// Writes all of the batch, or nothing.
pub(super) fn all(
    connection: &mut Connection,
    batch: &[Write],
) -> Result<Vec<Acceptance>, Failure<Vec<Acceptance>>> {
    numbered(connection, |transaction| write_each(transaction, batch))
}

/// What is no batch of writes, in a transaction of its own.
pub(super) fn alone<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<T, Failure<T>> {
    numbered(connection, |transaction| Ok(work(transaction)?))
}

/// A transaction with a number, by which it is known whether its commit has landed.
fn numbered<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Connection) -> Result<T, Failure<T>>,
) -> Result<T, Failure<T>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let number = transaction.query_row(sql::COUNT_COMMIT, [], |row| row.get(0))?;
    let done = work(&transaction)?;
    match transaction.commit() {
        Ok(()) => Ok(done),
        Err(error) => Err(Failure::Commit { number, done, error }),
    }
}

fn write_each(to: &Connection, batch: &[Write]) -> Result<Vec<Acceptance>, Failure<Vec<Acceptance>>> {
    let (mut accepted, mut counts) = (Vec::new(), Counts::default());
    for write in batch {
        match write {
            Write::Tally { operation_id, minute, tally } => {
                count(to, operation_id, *minute, tally)?;
            }
            Write::Evidence { operation_id, key, evidence } => {
                evidence::add(to, operation_id, key, evidence)?;
            }
            Write::Seen { signature, explanations, count, reversed, at } => {
                let id = see(to, signature, (*count, *reversed), *at)?;
                // What is counted as `other` is explained by that.
                if id == signature.id && !explanations.is_empty() {
                    explain(to, id, explanations)?;
                }
            }
            Write::Noise { signature, count, at } => hear(to, signature, *count, *at)?,
            Write::Sample(report) => keep_sample(to, report)?,
            Write::Transition(transition) => move_stage(to, transition)?,
            Write::Check(check) => accepted.push(accept(to, check, &mut counts)?),
            Write::Done(completion) => complete(to, completion, &mut counts)?,
        }
    }
    counts.write(to)?;
    Ok(accepted)
}

/// Forgets what is old, at most `limit` rows of each kind.
pub(super) fn purge(to: &Connection, before: Timestamp, limit: usize) -> rusqlite::Result<Purged> {
    let rows = i64::try_from(limit).unwrap_or(i64::MAX);
    let samples = execute(to, sql::PURGE_SAMPLES, params![nanoseconds(before), rows])?;
    let mut minutes = 0;
    for operation_id in read::operations(to)? {
        let left = i64::try_from(limit - minutes).unwrap_or(i64::MAX);
        minutes += execute(to, sql::PURGE_MINUTES, params![operation_id, Minute::of(before).0, left])?;
    }
    Ok(Purged { samples, minutes })
}

pub(super) fn count(
    to: &Connection,
    operation_id: &OperationId,
    minute: Minute,
    tally: &Tally,
) -> rusqlite::Result<()> {
    for (term, reason, n) in terms::rows(tally) {
        let (operation_id, n) = (operation_id.as_str(), number(n));
        execute(to, sql::ADD_TOTAL, params![operation_id, term, reason, n])?;
        execute(to, sql::ADD_MINUTE, params![operation_id, minute.0, term, reason, n])?;
    }
    Ok(())
}

fn see(
    to: &Connection,
    signature: &Signature,
    (count, reversed): (u64, u64),
    at: Timestamp,
) -> rusqlite::Result<SignatureId> {
    let id = admit(to, signature, at)?;
    let values = params![id.to_string(), number(count), nanoseconds(at), number(reversed)];
    execute(to, sql::SEE_SIGNATURE, values)?;
    Ok(id)
}

fn hear(to: &Connection, signature: &Signature, count: u64, at: Timestamp) -> rusqlite::Result<()> {
    let id = admit(to, signature, at)?;
    execute(to, sql::HEAR_NOISE, params![id.to_string(), number(count), nanoseconds(at)])?;
    Ok(())
}

/// Adds to how a fault was explained, and keeps the most common explanation as its own.
fn explain(to: &Connection, id: SignatureId, more: &Explanations) -> rusqlite::Result<()> {
    let id = id.to_string();
    let mut explanations: Explanations =
        to.prepare_cached(sql::EXPLANATIONS)?.query_row([&id], |row| from_json(row, 0))?;
    explanations.add_all(more);
    let values = params![id, json(&explanations)?, explanations.most_common()];
    execute(to, sql::EXPLAIN_SIGNATURE, values)?;
    Ok(())
}

/// The signature under which a fault is kept: its own while there is room, else `other`.
fn admit(to: &Connection, signature: &Signature, at: Timestamp) -> rusqlite::Result<SignatureId> {
    if to.prepare_cached(sql::HAS_SIGNATURE)?.exists([signature.id.to_string()])? {
        return Ok(signature.id);
    }
    let other = other_signature(&signature.operation_id);
    let kept: i64 = to
        .prepare_cached(sql::COUNT_SIGNATURES)?
        .query_row([signature.operation_id.as_str(), &other.id.to_string()], |row| row.get(0))?;
    let is_full = usize::try_from(kept).is_ok_and(|kept| kept >= MAX_SIGNATURES);
    let admitted = if is_full { &other } else { signature };
    let values = params![
        admitted.id.to_string(),
        admitted.operation_id.as_str(),
        admitted.part.as_str(),
        admitted.path,
        admitted.kind.as_str(),
        admitted.legacy_type.map(ValueType::as_str),
        admitted.candidate_type.map(ValueType::as_str),
        admitted.explanation,
        nanoseconds(at),
    ];
    execute(to, sql::ADD_SIGNATURE, values)?;
    Ok(admitted.id)
}

fn keep_sample(to: &Connection, report: &Report) -> rusqlite::Result<()> {
    let check_id = report.id.to_string();
    execute(to, sql::FORGET_SAMPLE, [&check_id])?;
    if report.signatures.is_empty() {
        return Ok(());
    }
    execute(to, sql::ADD_SAMPLE, params![check_id, nanoseconds(report.at), json(report)?])?;
    for signature in &report.signatures {
        let id = admit(to, signature, report.at)?.to_string();
        execute(to, sql::FILE_SAMPLE, params![id, nanoseconds(report.at), check_id])?;
        trim(to, &id)?;
    }
    Ok(())
}

/// Keeps the newest samples of a signature only; others go, unless another signature keeps them.
fn trim(to: &Connection, signature_id: &str) -> rusqlite::Result<()> {
    let kept = i64::try_from(MAX_SAMPLES).unwrap_or(i64::MAX);
    let mut statement = to.prepare_cached(sql::TRIM_SAMPLES)?;
    let dropped = statement.query_map(params![signature_id, kept], |row| row.get::<_, String>(0))?;
    for check_id in dropped.collect::<rusqlite::Result<Vec<_>>>()? {
        execute(to, sql::FORGET_UNFILED_SAMPLE, [check_id])?;
    }
    Ok(())
}

fn move_stage<T>(to: &Connection, transition: &Transition) -> Result<(), Failure<T>> {
    let row = AuditRow::of(transition)?;
    let written = to
        .prepare_cached(sql::AUDIT_OF_REVISION)?
        .query_row(params![row.operation_id, row.revision], AuditRow::read)
        .optional()?;
    match written {
        Some(written) if written == row => {}
        Some(_) => {
            let operation_id = transition.operation_id.clone();
            return Err(Failure::Conflict { operation_id, revision: transition.revision });
        }
        None => _ = execute(to, sql::ADD_AUDIT, row.values())?,
    }
    execute(to, sql::MOVE_STAGE, params![row.operation_id, row.to_stage, row.to_share, row.revision])?;
    Ok(())
}

pub(super) fn execute(to: &Connection, sql: &str, params: impl Params) -> rusqlite::Result<usize> {
    to.prepare_cached(sql)?.execute(params)
}

/// Counts were bounded by [`Write::validate`].
pub(super) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
