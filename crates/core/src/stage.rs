//! Where an operation is on its way from legacy to candidate, and what that means for a request.
//! Everyone else asks [`Stage::plan`]; nobody else matches on the stage.

use std::fmt;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::exchange::Side;
use crate::label::labels;
use crate::ratio::Ratio;

mod steps;

pub use steps::Steps;

labels! {
    /// The name of a stage, without the data it carries.
    pub enum StageName {
        /// Legacy answers, nobody is checked.
        Legacy => "legacy",
        /// Legacy answers, the candidate is checked.
        Shadow => "shadow",
        /// The candidate answers a share of the clients, the other side is checked both ways.
        Canary => "canary",
        /// The candidate answers, legacy is checked.
        Switched => "switched",
        /// The candidate answers, nobody is checked.
        Complete => "complete",
    }
}

labels! {
    /// The stages in which an operation may start; the others are reached by a transition only.
    pub enum InitialStage {
        /// Legacy answers, nobody is checked.
        Legacy => "legacy",
        /// Legacy answers, the candidate is checked.
        Shadow => "shadow",
    }
}

/// The share of clients that the candidate answers in canary: more than 0 %, at most 100 %.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct Share(Ratio);

/// A share of nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a canary share is more than 0% and at most 100%")]
pub struct ShareError;

impl Share {
    /// A share, unless it is zero.
    ///
    /// # Errors
    /// For zero.
    pub fn new(ratio: Ratio) -> Result<Self, ShareError> {
        if ratio == Ratio::ZERO { Err(ShareError) } else { Ok(Self(ratio)) }
    }

    /// As a ratio.
    #[must_use]
    pub fn ratio(self) -> Ratio {
        self.0
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Legacy answers, nobody is checked.
    Legacy,
    /// Legacy answers, the candidate is checked.
    Shadow,
    /// The candidate answers a share of the clients, the other side is checked both ways.
    Canary(Share),
    /// The candidate answers, legacy is checked.
    Switched,
    /// The candidate answers, nobody is checked.
    Complete,
}

/// Who answers this request, and whether the other side is checked against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Who answers the client.
    pub answering: Side,
    /// Whether the other side is asked too and compared.
    pub checked: bool,
    /// Whether legacy answers in the candidate's place when not a byte could be sent to it. In
    /// complete legacy may be gone, or hold data of long ago.
    pub falls_back: bool,
}

impl Stage {
    /// Who answers a request of the client in `bucket`, and whether it is checked. Without a
    /// bucket (no key) legacy answers where there is a choice.
    #[must_use]
    pub fn plan(self, bucket: Option<Bucket>) -> Plan {
        let (answering, checked) = match self {
            Self::Legacy => (Side::Legacy, false),
            Self::Shadow => (Side::Legacy, true),
            Self::Canary(share) => {
                let within = bucket.is_some_and(|bucket| bucket.is_within(share));
                (if within { Side::Candidate } else { Side::Legacy }, true)
            }
            Self::Switched => (Side::Candidate, true),
            Self::Complete => (Side::Candidate, false),
        };
        Plan { answering, checked, falls_back: checked && answering == Side::Candidate }
    }

    /// The plan for a request that somebody wants answered by this side: it is checked as others are, and
    /// nobody else answers in its place.
    #[must_use]
    pub fn plan_pinned(self, side: Side) -> Plan {
        Plan { answering: side, falls_back: false, ..self.plan(None) }
    }

    /// Whether the candidate answers clients for whom legacy stands by: then it is rolled back by itself
    /// where it fails them.
    #[must_use]
    pub fn is_watched(self) -> bool {
        matches!(self, Self::Canary(_) | Self::Switched)
    }

    /// Whether a request's client matters for its plan.
    #[must_use]
    pub fn needs_bucket(self) -> bool {
        matches!(self, Self::Canary(_))
    }

    /// Whether a check that has waited for long, and that this side has answered, is still run.
    #[must_use]
    pub fn checks_answered_by(self, side: Side) -> bool {
        match (self, side) {
            (Self::Legacy, _) | (Self::Complete, Side::Candidate) => false,
            (Self::Shadow | Self::Canary(_) | Self::Switched | Self::Complete, _) => true,
        }
    }

    /// Whether checks that were posted for the operation are run.
    #[must_use]
    pub fn checks_posted(self) -> bool {
        self.checks_answered_by(Side::Legacy)
    }

    /// The stage's name.
    #[must_use]
    pub fn name(self) -> StageName {
        match self {
            Self::Legacy => StageName::Legacy,
            Self::Shadow => StageName::Shadow,
            Self::Canary(_) => StageName::Canary,
            Self::Switched => StageName::Switched,
            Self::Complete => StageName::Complete,
        }
    }

    /// The share of clients that the candidate answers.
    #[must_use]
    pub fn candidate_share(self) -> Ratio {
        match self {
            Self::Legacy | Self::Shadow => Ratio::ZERO,
            Self::Canary(share) => share.ratio(),
            Self::Switched | Self::Complete => Ratio::ONE,
        }
    }

    /// The canary share, in canary only.
    #[must_use]
    pub fn share(self) -> Option<Share> {
        if let Self::Canary(share) = self { Some(share) } else { None }
    }

    /// A stage from its name and share.
    ///
    /// # Errors
    /// When canary has no share, or another stage has one.
    pub fn from_parts(name: StageName, share: Option<Share>) -> Result<Self, StageError> {
        match (name, share) {
            (StageName::Canary, Some(share)) => Ok(Self::Canary(share)),
            (StageName::Canary, None) => Err(StageError::NoShare),
            (_, Some(_)) => Err(StageError::ShareOutsideCanary(name)),
            (StageName::Legacy, None) => Ok(Self::Legacy),
            (StageName::Shadow, None) => Ok(Self::Shadow),
            (StageName::Switched, None) => Ok(Self::Switched),
            (StageName::Complete, None) => Ok(Self::Complete),
        }
    }

    /// Whether a change to `to` needs readiness: whatever gives the candidate more clients than
    /// now, or takes the checks away from it.
    #[must_use]
    pub fn is_guarded(self, to: Self) -> bool {
        let rank = |stage: Self| match stage {
            Self::Legacy | Self::Shadow => (0, 0),
            Self::Canary(share) => (1, share.ratio().ppm()),
            Self::Switched => (2, 0),
            Self::Complete => (3, 0),
        };
        rank(to) > rank(self)
    }

    /// Where a rollback takes an operation: to shadow from canary and switched, nowhere from
    /// legacy and shadow. From complete it goes to shadow too, but only when the operation was
    /// named; see [`RollbackScope`].
    #[must_use]
    pub fn rolled_back(self, scope: RollbackScope) -> Self {
        match (self, scope) {
            (Self::Legacy, _) => Self::Legacy,
            (Self::Shadow | Self::Canary(_) | Self::Switched, _) => Self::Shadow,
            (Self::Complete, RollbackScope::Named) => Self::Shadow,
            (Self::Complete, RollbackScope::All) => Self::Complete,
        }
    }
}

/// Whether a rollback names one operation or takes all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RollbackScope {
    /// One operation, by its name.
    Named,
    /// All operations; those that are complete stay.
    All,
}

/// Why a name and a share make no stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StageError {
    /// Canary without its share.
    #[error("canary needs a share, for example 5%")]
    NoShare,
    /// A share in another stage.
    #[error("only canary has a share, not {0}")]
    ShareOutsideCanary(StageName),
}

impl From<InitialStage> for Stage {
    fn from(initial: InitialStage) -> Self {
        match initial {
            InitialStage::Legacy => Self::Legacy,
            InitialStage::Shadow => Self::Shadow,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Canary(share) => f.pad(&format!("canary {share}")),
            other => f.pad(other.name().as_str()),
        }
    }
}

/// Where a client falls between 0 and a million, the same for every operation, process and node,
/// so that one client is on one side, and raising a share moves nobody back.
///
/// ```
/// use parallax_core::stage::{Bucket, Share};
/// let bucket = Bucket::of("salt", b"customer-17");
/// assert_eq!(bucket, Bucket::of("salt", b"customer-17"));
/// assert!(bucket.is_within(Share::new("100%".parse().unwrap()).unwrap()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket(u32);

impl Bucket {
    /// The bucket of a client's key.
    #[must_use]
    pub fn of(salt: &str, key: &[u8]) -> Self {
        let seed = xxh3_64_with_seed(salt.as_bytes(), 0);
        let hash = xxh3_64_with_seed(key, seed);
        let scaled = (u128::from(hash) * 1_000_000) >> 64;
        Self(u32::try_from(scaled).unwrap_or(u32::MAX))
    }

    /// Whether the candidate answers this client at this share.
    #[must_use]
    pub fn is_within(self, share: Share) -> bool {
        self.0 < share.ratio().ppm()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(text: &str) -> Share {
        Share::new(text.parse().expect("a ratio")).expect("a share")
    }

    #[test]
    fn raising_the_share_moves_nobody_back_and_shares_are_honest() {
        let shares = ["5%", "20%", "100%"].map(share);
        let mut within = [0_u32; 3];
        for client in 0..100_000_u32 {
            let bucket = Bucket::of("salt", format!("client-{client}").as_bytes());
            let sides = shares.map(|share| bucket.is_within(share));
            assert!(sides.is_sorted(), "client {client} moved back: {sides:?}");
            for (count, inside) in within.iter_mut().zip(sides) {
                *count += u32::from(inside);
            }
        }
        assert!((4_000..6_000).contains(&within[0]), "{within:?}");
        assert!((19_000..21_000).contains(&within[1]), "{within:?}");
        assert_eq!(within[2], 100_000);
    }

    #[test]
    fn buckets_never_change_between_versions() {
        // A change of these numbers would move clients of a running canary to the other side.
        assert_eq!(Bucket::of("parallax", b"customer-1"), Bucket(374_768));
    }

    #[test]
    fn every_stage_has_its_plan() {
        let client = Some(Bucket(100_000));
        let plan = |stage: Stage, bucket| {
            let plan = stage.plan(bucket);
            (plan.answering, plan.checked)
        };
        assert_eq!(plan(Stage::Legacy, client), (Side::Legacy, false));
        assert_eq!(plan(Stage::Shadow, client), (Side::Legacy, true));
        assert_eq!(plan(Stage::Canary(share("10%")), client), (Side::Legacy, true));
        assert_eq!(plan(Stage::Canary(share("10.0001%")), client), (Side::Candidate, true));
        assert_eq!(plan(Stage::Canary(share("100%")), None), (Side::Legacy, true));
        assert_eq!(plan(Stage::Switched, None), (Side::Candidate, true));
        assert_eq!(plan(Stage::Complete, None), (Side::Candidate, false));
    }

    #[test]
    fn readiness_guards_every_way_up_and_no_way_down() {
        let up = [
            Stage::Shadow,
            Stage::Canary(share("5%")),
            Stage::Canary(share("20%")),
            Stage::Switched,
            Stage::Complete,
        ];
        for (index, from) in up.iter().enumerate() {
            for (other, to) in up.iter().enumerate() {
                assert_eq!(from.is_guarded(*to), other > index, "{from} -> {to}");
            }
        }
        assert!(!Stage::Legacy.is_guarded(Stage::Shadow));
        assert!(Stage::Legacy.is_guarded(Stage::Switched));
    }

    #[test]
    fn rollback_goes_to_shadow_and_leaves_complete_alone_unless_named() {
        use RollbackScope::{All, Named};
        assert_eq!(Stage::Canary(share("5%")).rolled_back(All), Stage::Shadow);
        assert_eq!(Stage::Switched.rolled_back(All), Stage::Shadow);
        assert_eq!(Stage::Complete.rolled_back(All), Stage::Complete);
        assert_eq!(Stage::Complete.rolled_back(Named), Stage::Shadow);
        assert_eq!(Stage::Legacy.rolled_back(Named), Stage::Legacy);
        assert_eq!(Stage::Shadow.rolled_back(All), Stage::Shadow);
    }
}
