//! What the two processes say to each other. These are forms of their own, so that what the store or the
//! API call things can change without two versions misunderstanding each other.

use std::net::SocketAddr;

use jiff::Timestamp;
use parallax_core::evidence::{Evidence, Evidences, Key, Known, RulesId, Version};
use parallax_core::explanations::Explanations;
use parallax_core::operation::{Matcher, OperationId};
use parallax_core::ratio::Ratio;
use parallax_core::report::Report;
use parallax_core::signature::Signature;
use parallax_core::stage::{Share, Stage, StageName};
use parallax_core::tally::Tally;
use parallax_core::transition::Transition;
use serde::{Deserialize, Serialize};

use super::HandOverError;
use crate::app::moved::Standing;
use crate::store::{Minute, StoredStage, Write};

/// What the new process says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub(super) enum FromNew {
    /// Its configuration is good.
    Hello { protocol: u32, program: String },
    /// It can listen, and asks for the store.
    Claim,
    /// The store is open and read.
    Prepared,
    /// It accepts connections.
    Serving,
    /// Where operations are now.
    Stages { stages: Vec<Placed> },
    /// The last late counts have arrived.
    Taken,
    /// It gives up.
    Refused { reason: String },
}

/// What the old process says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub(super) enum FromOld {
    /// The configured addresses of the two sockets that follow.
    Listeners { protocol: u32, listen: SocketAddr, control: SocketAddr },
    /// The store is free. Where every operation is, and, of a store that is gone with this process, the
    /// counts and what was shown.
    Free {
        standing: Vec<Stood>,
        totals: Vec<(OperationId, Tally)>,
        #[serde(default)]
        shown: Vec<Counted>,
    },
    /// The new process may accept connections.
    Go,
    /// Nothing is decided here any more; these changes are in force and not written.
    Closed { transitions: Vec<Moved> },
    /// What was counted since, to be written.
    Late { counted: Vec<Counted> },
    /// Nothing more will come.
    Done,
}

impl FromNew {
    /// Makes a refusal an error.
    pub(super) fn or_refusal(self) -> Result<Self, HandOverError> {
        match self {
            Self::Refused { reason } => Err(HandOverError::Refused(reason)),
            other => Ok(other),
        }
    }
}

/// A stage.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct At {
    stage: StageName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    share: Option<Ratio>,
}

impl From<Stage> for At {
    fn from(stage: Stage) -> Self {
        Self { stage: stage.name(), share: stage.share().map(Share::ratio) }
    }
}

impl At {
    fn stage(self) -> Option<Stage> {
        let share = self.share.map(Share::new).transpose().ok()?;
        Stage::from_parts(self.stage, share).ok()
    }
}

/// Where an operation is.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Placed {
    id: OperationId,
    at: At,
    revision: u64,
    #[serde(default)]
    retired: bool,
}

impl Placed {
    pub(super) fn of(stored: &StoredStage) -> Self {
        let StoredStage { operation_id, stage, revision, retired } = stored;
        Self { id: operation_id.clone(), at: (*stage).into(), revision: *revision, retired: *retired }
    }

    pub(super) fn stored(self) -> Option<StoredStage> {
        let Self { id, at, revision, retired } = self;
        Some(StoredStage { operation_id: id, stage: at.stage()?, revision, retired })
    }
}

/// Where an operation stood, with what it matched.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Stood {
    id: OperationId,
    method: String,
    template: String,
    at: At,
    revision: u64,
    #[serde(default)]
    retired: bool,
}

impl Stood {
    pub(super) fn of(standing: &Standing) -> Self {
        Self {
            id: standing.id.clone(),
            method: standing.matcher.method.to_string(),
            template: standing.matcher.template.to_string(),
            at: standing.stage.into(),
            revision: standing.revision,
            retired: standing.retired,
        }
    }

    pub(super) fn standing(self) -> Option<Standing> {
        let matcher = Matcher { method: self.method.parse().ok()?, template: self.template.parse().ok()? };
        let (id, revision, retired) = (self.id, self.revision, self.retired);
        Some(Standing { id, matcher, stage: self.at.stage()?, revision, retired })
    }
}

/// A change of stage.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Moved {
    at: Timestamp,
    who: String,
    id: OperationId,
    from: At,
    to: At,
    reason: String,
    forced: bool,
    automatic: bool,
    revision: u64,
    evidence: serde_json::Value,
}

impl Moved {
    pub(super) fn of(transition: Transition) -> Self {
        let Transition { at, who, operation_id, from, to, reason, forced, automatic, revision, evidence } =
            transition;
        let (from, to) = (from.into(), to.into());
        Self { at, who, id: operation_id, from, to, reason, forced, automatic, revision, evidence }
    }

    pub(super) fn transition(self) -> Option<Transition> {
        Some(Transition {
            at: self.at,
            who: self.who,
            operation_id: self.id,
            from: self.from.stage()?,
            to: self.to.stage()?,
            reason: self.reason,
            forced: self.forced,
            automatic: self.automatic,
            revision: self.revision,
            evidence: self.evidence,
        })
    }
}

/// Something that was counted or found.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Counted {
    Tally {
        id: OperationId,
        minute: i64,
        tally: Tally,
    },
    Evidence {
        id: OperationId,
        rules: RulesId,
        version: Option<Version>,
        evidence: Box<Evidence>,
    },
    Seen {
        signature: Box<Signature>,
        explanations: Explanations,
        count: u64,
        #[serde(default)]
        reversed: u64,
        at: Timestamp,
    },
    Noise {
        signature: Box<Signature>,
        count: u64,
        at: Timestamp,
    },
    Sample {
        report: Box<Report>,
    },
}

impl Counted {
    /// What a store knows of every operation.
    pub(super) fn all(evidences: Vec<(OperationId, Evidences)>) -> Vec<Self> {
        let of_one = |(operation_id, evidences): (OperationId, Evidences)| {
            let write = |known: &Known| Write::Evidence {
                operation_id: operation_id.clone(),
                key: known.key.clone(),
                evidence: Box::new(known.evidence.clone()),
            };
            evidences.iter().map(write).filter_map(Self::of).collect::<Vec<_>>()
        };
        evidences.into_iter().flat_map(of_one).collect()
    }

    /// Changes of stage go another way, and checks that were accepted for good are in the store.
    pub(super) fn of(write: Write) -> Option<Self> {
        match write {
            Write::Tally { operation_id, minute, tally } => {
                Some(Self::Tally { id: operation_id, minute: minute.0, tally })
            }
            Write::Evidence { operation_id, key: Key { rules, version }, evidence } => {
                let version = version.name().is_some().then_some(version);
                Some(Self::Evidence { id: operation_id, rules, version, evidence })
            }
            Write::Seen { signature, explanations, count, reversed, at } => {
                Some(Self::Seen { signature, explanations, count, reversed, at })
            }
            Write::Noise { signature, count, at } => Some(Self::Noise { signature, count, at }),
            Write::Sample(report) => Some(Self::Sample { report }),
            Write::Transition(_) | Write::Check(_) | Write::Done(_) => None,
        }
    }

    pub(super) fn write(self) -> Write {
        match self {
            Self::Tally { id, minute, tally } => {
                Write::Tally { operation_id: id, minute: Minute(minute), tally }
            }
            Self::Evidence { id, rules, version, evidence } => {
                let version = version.unwrap_or_else(Version::unnamed);
                Write::Evidence { operation_id: id, key: Key { rules, version }, evidence }
            }
            Self::Seen { signature, explanations, count, reversed, at } => {
                Write::Seen { signature, explanations, count, reversed, at }
            }
            Self::Noise { signature, count, at } => Write::Noise { signature, count, at },
            Self::Sample { report } => Write::Sample(report),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again<T: Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
        serde_json::from_str(&serde_json::to_string(value).expect("a text")).expect("the same")
    }

    #[test]
    fn every_stage_and_change_arrives_as_it_was() {
        let share = Share::new("12.5%".parse().expect("a ratio")).expect("a share");
        let all = [Stage::Legacy, Stage::Shadow, Stage::Canary(share), Stage::Switched, Stage::Complete];
        for (revision, to) in (1..).zip(all) {
            let transition = Transition {
                at: Timestamp::UNIX_EPOCH,
                who: "anna".to_owned(),
                operation_id: "a".parse().expect("an id"),
                from: Stage::Canary(share),
                to,
                reason: "why".to_owned(),
                forced: true,
                automatic: false,
                revision,
                evidence: serde_json::json!({"matched": 3}),
            };
            assert_eq!(again(&Moved::of(transition.clone())).transition(), Some(transition));
        }
        for retired in [false, true] {
            let operation_id: OperationId = "a".parse().expect("an id");
            let stored = StoredStage { operation_id, stage: Stage::Complete, revision: 4, retired };
            assert_eq!(again(&Placed::of(&stored)).stored(), Some(stored));
        }
        let nowhere = At { stage: StageName::Canary, share: None };
        assert_eq!(nowhere.stage(), None, "a canary has a share");
    }

    #[test]
    fn counts_arrive_with_every_reason() {
        use parallax_core::verdict::{Cause, Skip};

        let tally = Tally {
            requests: 9,
            failed: Cause::ALL.iter().map(|&cause| (cause, 1)).collect(),
            skipped: Skip::ALL.iter().map(|&skip| (skip, 2)).collect(),
            ..Tally::default()
        };
        let id: OperationId = "a".parse().expect("an id");
        let write = Write::Tally { operation_id: id, minute: Minute(7), tally: tally.clone() };
        let message = FromOld::Late { counted: Counted::of(write).into_iter().collect() };
        let FromOld::Late { counted } = again(&message) else { panic!("late counts") };
        let arrived = counted.into_iter().map(Counted::write).next();
        assert!(matches!(arrived, Some(Write::Tally { tally: same, .. }) if same == tally));
    }
}
