//! The faults that are planted in the replacement, one value each: what a person who reads the
//! demo's report is to find, and what its test holds the report to.

use super::report::{Finding, Place};

/// A fault of the replacement. The monolith has none: it is the source of truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Filtered lists are sorted by id instead of newest first.
    ReorderedList,
    /// The refund's method is left out where it is a voucher.
    MissingMethod,
    /// The refund's amount is rounded to one decimal.
    RoundedAmount,
    /// Every fortieth answer is a 503.
    ServerError,
    /// 200 where the monolith answers 201.
    CreatedStatus,
    /// Another default of the framework for a header.
    ChangedHeader,
    /// The same instant, written in another time zone.
    TimeZone,
    /// Every fortieth answer takes a third of a second.
    SlowTail,
}

impl Fault {
    /// Every fault, in the order in which the report lists the operations.
    pub const ALL: [Self; 8] = [
        Self::ReorderedList,
        Self::MissingMethod,
        Self::RoundedAmount,
        Self::ServerError,
        Self::CreatedStatus,
        Self::ChangedHeader,
        Self::TimeZone,
        Self::SlowTail,
    ];

    /// The operation that it is in.
    #[must_use]
    pub fn operation_id(self) -> &'static str {
        match self {
            Self::ReorderedList => "listReturns",
            Self::MissingMethod | Self::RoundedAmount | Self::ServerError => "getReturn",
            Self::CreatedStatus => "createReturn",
            Self::ChangedHeader | Self::TimeZone | Self::SlowTail => "getReturnLabel",
        }
    }

    /// Where and how it must be found.
    #[must_use]
    pub fn place(self) -> Place {
        match self {
            Self::ReorderedList => Place::difference("body", "$.body.returns", "order"),
            Self::MissingMethod => Place::difference("body", "$.body.refund.method", "missing"),
            Self::RoundedAmount => Place::difference("body", "$.body.refund.amount", "value"),
            Self::ServerError | Self::CreatedStatus => Place::difference("status", "$.status", "value"),
            Self::ChangedHeader => Place::difference("header", "$.headers['x-frame-options']", "value"),
            Self::TimeZone => Place::difference("body", "$.body.expires_at", "value"),
            Self::SlowTail => Place::Latency,
        }
    }

    /// Whether this is what was found.
    #[must_use]
    pub fn is(self, finding: &Finding) -> bool {
        finding.operation_id == self.operation_id() && finding.place == self.place()
    }
}
