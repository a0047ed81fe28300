//! Values of the core as columns, and back.

use std::error::Error;
use std::str::FromStr;

use jiff::Timestamp;
use parallax_core::stage::{Share, Stage, StageName};
use parallax_core::transition::Transition;
use rusqlite::types::Type;
use rusqlite::{Params, Row, ToSql, params_from_iter};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A transition as it is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AuditRow {
    at: i64,
    who: String,
    pub(super) operation_id: String,
    from_stage: String,
    from_share: Option<String>,
    pub(super) to_stage: String,
    pub(super) to_share: Option<String>,
    reason: String,
    forced: bool,
    automatic: bool,
    pub(super) revision: i64,
    evidence: String,
}

impl AuditRow {
    pub(super) fn of(transition: &Transition) -> rusqlite::Result<Self> {
        let share = |stage: Stage| stage.share().map(|share| share.to_string());
        Ok(Self {
            at: nanoseconds(transition.at),
            who: transition.who.clone(),
            operation_id: transition.operation_id.as_str().to_owned(),
            from_stage: transition.from.name().to_string(),
            from_share: share(transition.from),
            to_stage: transition.to.name().to_string(),
            to_share: share(transition.to),
            reason: transition.reason.clone(),
            forced: transition.forced,
            automatic: transition.automatic,
            revision: i64::try_from(transition.revision).unwrap_or(i64::MAX),
            evidence: json(&transition.evidence)?,
        })
    }

    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            at: row.get(0)?,
            who: row.get(1)?,
            operation_id: row.get(2)?,
            from_stage: row.get(3)?,
            from_share: row.get(4)?,
            to_stage: row.get(5)?,
            to_share: row.get(6)?,
            reason: row.get(7)?,
            forced: row.get(8)?,
            automatic: row.get(9)?,
            revision: row.get(10)?,
            evidence: row.get(11)?,
        })
    }

    pub(super) fn values(&self) -> impl Params + '_ {
        let values: [&dyn ToSql; 12] = [
            &self.at,
            &self.who,
            &self.operation_id,
            &self.from_stage,
            &self.from_share,
            &self.to_stage,
            &self.to_share,
            &self.reason,
            &self.forced,
            &self.automatic,
            &self.revision,
            &self.evidence,
        ];
        params_from_iter(values)
    }
}

/// A transition from the columns of an [`AuditRow`].
pub(super) fn transition(row: &Row<'_>) -> rusqlite::Result<Transition> {
    Ok(Transition {
        at: instant(row, 0)?,
        who: row.get(1)?,
        operation_id: parsed(row, 2)?,
        from: stage(row, 3)?,
        to: stage(row, 5)?,
        reason: row.get(7)?,
        forced: row.get(8)?,
        automatic: row.get(9)?,
        revision: count(row, 10)?,
        evidence: from_json(row, 11)?,
    })
}

/// A stage from its name at `index` and its share after it.
pub(super) fn stage(row: &Row<'_>, index: usize) -> rusqlite::Result<Stage> {
    let name: StageName = parsed(row, index)?;
    let share = match parsed_or_null(row, index + 1)? {
        Some(ratio) => Some(Share::new(ratio).map_err(|error| odd(index + 1, error))?),
        None => None,
    };
    Stage::from_parts(name, share).map_err(|error| odd(index, error))
}

pub(super) fn parsed<T>(row: &Row<'_>, index: usize) -> rusqlite::Result<T>
where
    T: FromStr<Err: Error + Send + Sync + 'static>,
{
    row.get_ref(index)?.as_str()?.parse().map_err(|error| odd(index, error))
}

pub(super) fn parsed_or_null<T>(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<T>>
where
    T: FromStr<Err: Error + Send + Sync + 'static>,
{
    let text = row.get_ref(index)?.as_str_or_null()?;
    text.map(str::parse).transpose().map_err(|error| odd(index, error))
}

pub(super) fn count(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    u64::try_from(row.get::<_, i64>(index)?).map_err(|error| odd(index, error))
}

pub(super) fn instant(row: &Row<'_>, index: usize) -> rusqlite::Result<Timestamp> {
    let nanoseconds: i64 = row.get(index)?;
    Timestamp::from_nanosecond(nanoseconds.into()).map_err(|error| odd(index, error))
}

/// Instants were bounded by `Write::validate`.
pub(super) fn nanoseconds(at: Timestamp) -> i64 {
    i64::try_from(at.as_nanosecond()).unwrap_or(if at < Timestamp::UNIX_EPOCH { i64::MIN } else { i64::MAX })
}

pub(super) fn from_json<T: DeserializeOwned>(row: &Row<'_>, index: usize) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(index)?.as_str()?).map_err(|error| odd(index, error))
}

pub(super) fn json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// A column that holds what is never written there.
pub(super) fn odd(index: usize, error: impl Into<Box<dyn Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, Type::Text, error.into())
}
