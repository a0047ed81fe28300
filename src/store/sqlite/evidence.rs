//! What checks have shown: its rows. The meaning is that of `Evidences::add` in the core.

use parallax_core::evidence::{
    Distinct, Evidence, Evidences, Faults, Key, Known, MAX_VERSIONS, Recent, RulesId,
};
use parallax_core::operation::OperationId;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::rows::{count, odd, parsed};
use super::sql;
use super::write::{execute, number};

pub(super) fn all(from: &Connection) -> rusqlite::Result<Vec<(OperationId, Evidences)>> {
    let mut statement = from.prepare_cached(sql::EVIDENCES)?;
    let rows = statement.query_map([], |row| Ok((parsed::<OperationId>(row, 0)?, known(row)?)))?;
    let mut all: Vec<(OperationId, Vec<Known>)> = Vec::new();
    for row in rows {
        let (id, known) = row?;
        match all.last_mut() {
            Some((last, of_last)) if *last == id => of_last.push(known),
            Some(_) | None => all.push((id, vec![known])),
        }
    }
    Ok(all.into_iter().map(|(id, known)| (id, Evidences::new(known))).collect())
}

/// Adds what came later to what is kept of the same.
pub(super) fn add(to: &Connection, id: &OperationId, key: &Key, later: &Evidence) -> rusqlite::Result<()> {
    if later.is_empty() {
        return Ok(());
    }
    let (id, rules, version) = (id.as_str(), key.rules.to_string(), key.version.as_str());
    let find = || to.prepare_cached(sql::EVIDENCE)?.query_row(params![id, rules, version], known).optional();
    let kept = match find()? {
        Some(kept) => Some(kept),
        None if adopt(to, id, &rules)? => find()?,
        None => None,
    };
    let mut evidence = match kept {
        Some(kept) => kept.evidence,
        None => {
            make_room(to, id)?;
            execute(to, sql::ADD_EVIDENCE, params![id, rules, version])?;
            Evidence::default()
        }
    };
    let requests = evidence.distinct.clone();
    evidence.add(later);
    let counts = [evidence.matched, evidence.unmatched, evidence.failed].map(number);
    let (recent, faults) = (evidence.recent.to_bytes(), evidence.faults.to_bytes());
    let values = params![id, rules, version, counts[0], counts[1], counts[2], recent, faults];
    execute(to, sql::KEEP_EVIDENCE, values)?;
    if evidence.distinct != requests {
        execute(to, sql::KEEP_REQUESTS, params![id, rules, version, evidence.distinct.to_bytes()])?;
    }
    if later.checks() > 0 {
        execute(to, sql::SEE_EVIDENCE, params![id, rules, version, number(later.checks())])?;
    }
    Ok(())
}

/// Whether what was known of no rules is known of these now.
fn adopt(to: &Connection, id: &str, rules: &str) -> rusqlite::Result<bool> {
    if to.prepare_cached(sql::HAS_RULES)?.exists(params![id, rules])? {
        return Ok(false);
    }
    Ok(execute(to, sql::ADOPT_EVIDENCE, params![id, rules, RulesId::UNKNOWN.to_string()])? > 0)
}

/// Forgets the one that was not seen for longest, where there would be too many.
fn make_room(to: &Connection, id: &str) -> rusqlite::Result<()> {
    let kept = i64::try_from(MAX_VERSIONS - 1).unwrap_or(i64::MAX);
    let mut statement = to.prepare_cached(sql::FORGET_EVIDENCE)?;
    let forgotten = statement
        .query_map(params![id, kept], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    for (rules, version) in forgotten.collect::<rusqlite::Result<Vec<_>>>()? {
        execute(to, sql::FORGET_REQUESTS, params![id, rules, version])?;
    }
    Ok(())
}

fn known(row: &Row<'_>) -> rusqlite::Result<Known> {
    let version = row.get_ref(2)?.as_str()?;
    let version =
        if version.is_empty() { parallax_core::evidence::Version::unnamed() } else { parsed(row, 2)? };
    let damaged = |index| odd(index, "these are no bytes of an evidence");
    let recent = Recent::from_bytes(row.get_ref(8)?.as_blob()?).ok_or_else(|| damaged(8))?;
    let faults = Faults::from_bytes(row.get_ref(9)?.as_blob()?).ok_or_else(|| damaged(9))?;
    let distinct = match row.get_ref(10)?.as_blob_or_null()? {
        Some(bytes) => Distinct::from_bytes(bytes).ok_or_else(|| damaged(10))?,
        None => Distinct::default(),
    };
    let (matched, unmatched, failed) = (count(row, 5)?, count(row, 6)?, count(row, 7)?);
    let evidence = Evidence { matched, unmatched, failed, recent, distinct, faults };
    let key = Key { rules: parsed(row, 1)?, version };
    Ok(Known { key, number: count(row, 3)?, unseen: count(row, 4)?, evidence })
}
