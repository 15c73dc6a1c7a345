//! The parameters that governance may set (rulebook §4): names, defaults, bounds.

use crate::{state::Record, wire::message};
use octroi_primitives::Code;

message! {
    /// The value of a parameter in force.
    pub struct ParameterValue = ParameterValue {
        /// In the unit that the parameter's name says.
        pub value: u64,
    }
}

impl Record for ParameterValue {
    type Key = Code;
}

macro_rules! parameters {
    ($($(#[$meta:meta])* $variant:ident $name:literal = $default:literal, $least:literal ..= $most:literal, $mode:ident;)+) => {
        /// A parameter.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Parameter { $($(#[$meta])* $variant,)+ }

        impl Parameter {
            /// Every parameter, in the order of the rulebook.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Name in snake case.
            pub const fn name(self) -> &'static str { match self { $(Self::$variant => $name,)+ } }

            /// Value when genesis says nothing.
            pub const fn default(self) -> u64 { match self { $(Self::$variant => $default,)+ } }

            /// Least and greatest value.
            pub const fn bounds(self) -> (u64, u64) { match self { $(Self::$variant => ($least, $most),)+ } }

            /// What it takes to change it.
            pub const fn mode(self) -> Adoption { match self { $(Self::$variant => Adoption::$mode,)+ } }
        }
    };
}

/// What it takes to change a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adoption {
    /// Majority per college.
    Majority,
    /// Two thirds in every college; marked ! in the rulebook.
    Supermajority,
}

impl Parameter {
    /// Key in the table of parameters.
    pub fn code(self) -> Code {
        Code::new(self.name()).expect("names of parameters are codes")
    }

    /// The parameter of a name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|parameter| parameter.name() == name)
    }
}

parameters! {
    /// Days a vote is open.
    BallotDays "ballot_days" = 7, 1 ..= 90, Supermajority;
    /// Ballots that a college needs, of its base.
    QuorumPpm "quorum_ppm" = 500_000, 1 ..= 1_000_000, Supermajority;
    /// Days of clarification of a consent.
    ClarifyDays "clarify_days" = 3, 1 ..= 60, Majority;
    /// Days of objection of a consent.
    ObjectDays "object_days" = 7, 1 ..= 60, Majority;
    /// Rounds of amendment of a consent.
    AmendRounds "amend_rounds" = 3, 0 ..= 5, Majority;
    /// Days to sign a convention.
    ConventionDays "convention_days" = 90, 1 ..= 365, Majority;
    /// Days a payout may be in transit.
    PayoutLagDays "payout_lag_days" = 5, 1 ..= 60, Majority;
    /// Days a receipt may stay in suspense before it blocks the close of a period.
    SuspenseDays "suspense_days" = 30, 0 ..= 365, Majority;
    /// Minor units of older suspense that a close of a period tolerates.
    SuspenseTolerance "suspense_tolerance" = 0, 0 ..= 1_000_000_000_000_000, Majority;
    /// Reviews that a call must ask for at least.
    ReviewsMin "reviews_min" = 2, 1 ..= 20, Majority;
    /// Groups that the reviews of an application must come from.
    ReviewGroupsMin "review_groups_min" = 2, 1 ..= 20, Majority;
    /// Judges of a tranche's evidence.
    JudgesMin "judges_min" = 2, 1 ..= 20, Majority;
    /// Days to challenge a matching round.
    ChallengeDays "challenge_days" = 7, 1 ..= 60, Majority;
    /// Hours before a campaign's close until which a pledge can be withdrawn.
    WithdrawHours "withdraw_hours" = 48, 0 ..= 720, Majority;
    /// Milliseconds after which an empty block may follow.
    HeartbeatMs "heartbeat_ms" = 60_000, 100 ..= 86_400_000, Supermajority;
    /// Milliseconds between blocks at least, unless the block is full.
    MinBlockIntervalMs "min_block_interval_ms" = 20, 0 ..= 60_000, Supermajority;
    /// Bytes of the transactions of a block; 1 MiB less than the network carries as one body, for header, lengths and certificate.
    BlockBytes "block_bytes" = 2_097_152, 65_536 ..= 7_340_032, Supermajority;
    /// Transactions of a block.
    BlockTransactions "block_transactions" = 4_000, 1 ..= 100_000, Supermajority;
    /// Work units of a block.
    BlockWork "block_work" = 40_000, 10_000 ..= 10_000_000, Supermajority;
    /// Minutes a transaction may be valid ahead.
    ValidityWindowMinutes "validity_window_minutes" = 60, 1 ..= 1_440, Supermajority;
    /// Ids remembered at most.
    MaxSeenIds "max_seen_ids" = 2_000_000, 1_000 ..= 100_000_000, Supermajority;
    /// Transactions per organisation and ledger day.
    QuotaTransactions "quota_transactions" = 50_000, 100 ..= 1_000_000_000, Majority;
    /// Bytes per organisation and ledger day.
    QuotaBytes "quota_bytes" = 26_214_400, 100 ..= 1_000_000_000_000, Majority;
    /// Milliseconds to wait for a proposal in round 0.
    TimeoutProposeMs "timeout_propose_ms" = 500, 10 ..= 60_000, Supermajority;
    /// Milliseconds to wait for prevotes and precommits in round 0.
    TimeoutVoteMs "timeout_vote_ms" = 200, 10 ..= 60_000, Supermajority;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_within_their_bounds_and_names_are_codes() {
        for parameter in Parameter::ALL {
            let (least, most) = parameter.bounds();
            assert!((least..=most).contains(&parameter.default()), "{}", parameter.name());
            assert_eq!(Parameter::of_name(parameter.code().as_str()), Some(*parameter));
        }
    }

    /// A body that carries a full block, its header and a certificate has to pass through the network, which takes 8 MiB.
    #[test]
    fn a_full_block_leaves_room_for_its_header_and_certificate() {
        assert_eq!(Parameter::BlockBytes.bounds().1, 7 << 20);
    }
}
