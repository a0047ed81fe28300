//! Checks that were accepted for good: their rows.

use std::collections::BTreeMap;

use jiff::Timestamp;
use parallax_core::check::CheckId;
use parallax_core::evidence::{Evidence, Key};
use parallax_core::operation::OperationId;
use parallax_core::tally::{End, Tally};
use parallax_core::verdict::{Cause, Outcome, Skip};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::rows::{from_json, instant, json, nanoseconds, parsed, parsed_or_null};
use super::write::{count, execute};
use super::{evidence, sql};
use crate::store::backend::Minute;
use crate::store::checks::{
    Acceptance, Backlog, Claim, ClaimedCheck, Completion, KEPT_FOR, KEPT_UNASKED_FOR, KeptCheck, Lease,
    MAX_ATTEMPTS, NewCheck, NewState, Room,
};

/// What a transaction counts, gathered so that each row of the counts is touched once.
#[derive(Default)]
pub(super) struct Counts {
    tallies: BTreeMap<(OperationId, Minute), Tally>,
    shown: BTreeMap<(OperationId, Key), Evidence>,
}

impl Counts {
    pub(super) fn add(&mut self, operation_id: &OperationId, at: Timestamp, tally: &Tally) {
        self.tallies.entry((operation_id.clone(), Minute::of(at))).or_default().add(tally);
    }

    fn show(&mut self, operation_id: &OperationId, completion: &Completion) {
        if let Some((key, shown)) = &completion.shown {
            let evidence = self.shown.entry((operation_id.clone(), key.clone())).or_default();
            evidence.note(completion.end, shown);
        }
    }

    pub(super) fn write(self, to: &Connection) -> rusqlite::Result<()> {
        self.tallies.into_iter().try_for_each(|((id, minute), tally)| count(to, &id, minute, &tally))?;
        self.shown.into_iter().try_for_each(|((id, key), shown)| evidence::add(to, &id, &key, &shown))
    }
}

pub(super) fn accept(to: &Connection, check: &NewCheck, counts: &mut Counts) -> rusqlite::Result<Acceptance> {
    let id = key(check.id);
    let fingerprint = check.fingerprint.as_ref().map_or(&[][..], |fingerprint| fingerprint);
    let mut statement = to.prepare_cached(sql::FINGERPRINT)?;
    let known = statement.query_row([&id], |row| row.get::<_, Vec<u8>>(0)).optional()?;
    if let Some(known) = known {
        let is_same = known == fingerprint;
        return Ok(if is_same { Acceptance::Known } else { Acceptance::Conflict });
    }
    let skipped = match check.state {
        NewState::Waiting(_) => None,
        NewState::Skipped(skip) => Some(skip),
    };
    let done_at = skipped.map(|_| nanoseconds(check.at));
    let operation_id = check.operation_id.as_str();
    let at = nanoseconds(check.at);
    let values = params![id, operation_id, fingerprint, at, done_at, skipped.map(Skip::as_str)];
    execute(to, sql::ADD_CHECK, values)?;
    if let NewState::Waiting(sealed) = &check.state {
        let seq = to.last_insert_rowid();
        execute(to, sql::ADD_WAITING, params![seq, i64::try_from(sealed.len()).unwrap_or(i64::MAX)])?;
        execute(to, sql::ADD_SEALED, params![seq, sealed])?;
    }
    let mut tally = skipped.map_or_else(Tally::default, |skip| End::Skipped(skip).tally());
    tally.requests = 1;
    counts.add(&check.operation_id, check.at, &tally);
    Ok(Acceptance::New)
}

pub(super) fn complete(
    to: &Connection,
    completion: &Completion,
    counts: &mut Counts,
) -> rusqlite::Result<()> {
    let (outcome, reason) = match completion.end {
        End::Judged { outcome, cause } => (Some(outcome.as_str()), cause.map(Cause::as_str)),
        End::Skipped(skip) => (None, Some(skip.as_str())),
    };
    let differences = &completion.differences;
    let differences = (!differences.is_empty()).then(|| json(differences)).transpose()?;
    let dated_back = completion.at.checked_sub(KEPT_FOR - KEPT_UNASKED_FOR).unwrap_or(Timestamp::MIN);
    let (at, dated_back) = (nanoseconds(completion.at), nanoseconds(dated_back));
    let values = params![key(completion.id), at, outcome, reason, differences, dated_back];
    let ended = to
        .prepare_cached(sql::END_CHECK)?
        .query_row(values, |row| Ok((row.get::<_, i64>(0)?, parsed(row, 1)?)))
        .optional()?;
    let Some((seq, operation_id)) = ended else { return Ok(()) };
    execute(to, sql::DEQUEUE, [seq])?;
    execute(to, sql::ERASE_SEALED, [seq])?;
    counts.add(&operation_id, completion.at, &completion.end.tally());
    counts.show(&operation_id, completion);
    Ok(())
}

/// A check that may be claimed.
struct Claimable {
    seq: i64,
    bytes: u64,
    attempts: u32,
    id: CheckId,
    operation_id: OperationId,
    may_be_asked_for: bool,
}

pub(super) fn claim(to: &Connection, now: Timestamp, lease: Lease, room: Room) -> rusqlite::Result<Claim> {
    let mut claim = Claim::default();
    let mut counts = Counts::default();
    let mut left = room.bytes;
    for check in claimable(to, now, room.checks)? {
        let Claimable { seq, bytes, attempts, id, operation_id, may_be_asked_for } = check;
        if attempts >= MAX_ATTEMPTS {
            complete(
                to,
                &Completion { id, at: now, end: End::DEAD_LETTER, shown: None, differences: Vec::new() },
                &mut counts,
            )?;
            claim.dead.push((operation_id, bytes));
            continue;
        }
        if bytes > left && !claim.checks.is_empty() {
            break;
        }
        left = left.saturating_sub(bytes);
        let values = params![seq, lease.holder.cast_signed(), nanoseconds(lease.until), attempts];
        execute(to, sql::TAKE_LEASE, values)?;
        let sealed = to.prepare_cached(sql::SEALED)?.query_row([seq], |row| row.get(0))?;
        claim.checks.push(ClaimedCheck { id, operation_id, attempts, may_be_asked_for, sealed });
    }
    counts.write(to)?;
    Ok(claim)
}

fn claimable(from: &Connection, now: Timestamp, limit: usize) -> rusqlite::Result<Vec<Claimable>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = from.prepare_cached(sql::CLAIMABLE)?;
    let rows = statement.query_map(params![nanoseconds(now), limit], |row| {
        Ok(Claimable {
            seq: row.get(0)?,
            bytes: super::rows::count(row, 1)?,
            attempts: row.get(2)?,
            id: CheckId(u128::from_be_bytes(row.get(3)?)),
            operation_id: parsed(row, 4)?,
            may_be_asked_for: row.get(5)?,
        })
    })?;
    rows.collect()
}

pub(super) fn renew(to: &Connection, lease: Lease, checks: &[CheckId]) -> rusqlite::Result<()> {
    let (holder, until) = (lease.holder.cast_signed(), nanoseconds(lease.until));
    checks.iter().try_for_each(|&id| execute(to, sql::RENEW, params![holder, until, key(id)]).map(|_| ()))
}

pub(super) fn release(to: &Connection, holder: u64, checks: &[CheckId]) -> rusqlite::Result<()> {
    checks
        .iter()
        .try_for_each(|&id| execute(to, sql::RELEASE, params![holder.cast_signed(), key(id)]).map(|_| ()))
}

pub(super) fn outlive(to: &Connection, holder: u64) -> rusqlite::Result<()> {
    execute(to, sql::OUTLIVE, [holder.cast_signed()]).map(|_| ())
}

pub(super) fn kept(from: &Connection, id: CheckId) -> rusqlite::Result<Option<KeptCheck>> {
    from.prepare_cached(sql::KEPT)?.query_row([key(id)], kept_check).optional()
}

fn kept_check(row: &Row<'_>) -> rusqlite::Result<KeptCheck> {
    let is_done = row.get_ref(1)?.as_i64_or_null()?.is_some();
    let end = match (is_done, parsed_or_null::<Outcome>(row, 2)?) {
        (false, _) => None,
        (true, Some(outcome)) => Some(End::Judged { outcome, cause: parsed_or_null::<Cause>(row, 3)? }),
        (true, None) => Some(End::Skipped(parsed(row, 3)?)),
    };
    let has_differences = row.get_ref(4)?.as_str_or_null()?.is_some();
    let differences = if has_differences { from_json(row, 4)? } else { Vec::new() };
    Ok(KeptCheck { operation_id: parsed(row, 0)?, at: instant(row, 5)?, end, differences })
}

pub(super) fn backlog(from: &Connection) -> rusqlite::Result<Vec<Backlog>> {
    let mut statement = from.prepare_cached(sql::BACKLOG)?;
    let rows = statement.query_map([], |row| {
        let (checks, bytes) = (super::rows::count(row, 1)?, super::rows::count(row, 2)?);
        Ok(Backlog { operation_id: parsed(row, 0)?, checks, bytes })
    })?;
    rows.collect()
}

pub(super) fn forget_done(to: &Connection, before: Timestamp, limit: usize) -> rusqlite::Result<usize> {
    execute(to, sql::FORGET_DONE, params![nanoseconds(before), i64::try_from(limit).unwrap_or(i64::MAX)])
}

pub(super) fn use_key(to: &Connection, key_id: &[u8]) -> rusqlite::Result<bool> {
    let known: Option<Vec<u8>> = to.query_row(sql::KEY, [], |row| row.get(0)).optional()?;
    if known.as_deref() == Some(key_id) {
        return Ok(true);
    }
    if known.is_some() && to.prepare(sql::IS_WAITING)?.exists([])? {
        return Ok(false);
    }
    to.execute(sql::FORGET_KEY, [])?;
    to.execute(sql::NOTE_KEY, [key_id])?;
    Ok(true)
}

fn key(id: CheckId) -> [u8; 16] {
    id.0.to_be_bytes()
}
