//! Records: a change with its frozen electorate, and each frozen seat with its ballot.

use super::electorate::{Counting, FrozenCollege};
pub use super::motion::Content;
use crate::{
    parameters::Adoption,
    registry::role::{Role, Scope},
    state::{Overlay, Record},
    wire::{Wire, WireError, message, pb, words},
};
use octroi_primitives::*;

words! {
    /// How ballots are counted (rulebook §10).
    pub enum Mode {
        /// More yes than no in every college.
        Majority = "majority",
        /// Two thirds in every college.
        Supermajority = "supermajority",
        /// A quorum of answers in every college and no admitted objection; what fails is voted by majority.
        Consent = "consent",
        /// The same; what fails is lost.
        ConsentOnly = "consent_only",
        /// A role decides alone, within its limits.
        Delegated = "delegated",
    }

    /// Where a change stands.
    pub enum ChangeStatus {
        /// Voting has not opened.
        Proposed = "proposed",
        /// Ballots are taken.
        Open = "open",
        /// Carried and done.
        Enacted = "enacted",
        /// Carried; waits for its height or its time.
        Pending = "pending",
        /// Not carried.
        Lost = "lost",
        /// Too few ballots, or nobody left to vote.
        NoQuorum = "no_quorum",
        /// Carried, but it could not be done.
        NotEnacted = "not_enacted",
        /// The candidate did not show itself in time.
        NotReady = "not_ready",
        /// It held for a time, which is over.
        Lapsed = "lapsed",
        /// Taken back by its proposer.
        Withdrawn = "withdrawn",
        /// An outcome alone: consent failed, and the vote by majority opens.
        FellBack = "fell_back",
    }
}

impl Mode {
    /// Whether objections stand against it, and not ballots.
    pub const fn is_consent(self) -> bool {
        match self {
            Self::Consent | Self::ConsentOnly => true,
            Self::Majority | Self::Supermajority | Self::Delegated => false,
        }
    }
}

impl From<Adoption> for Mode {
    fn from(adoption: Adoption) -> Self {
        match adoption {
            Adoption::Majority => Self::Majority,
            Adoption::Supermajority => Self::Supermajority,
        }
    }
}

/// How a seat votes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// For it.
    Yes,
    /// Against it.
    No,
    /// Counts for the quorum alone.
    Abstain,
}

impl Wire for Choice {
    type Proto = i32;

    fn to_proto(&self) -> i32 {
        (match self {
            Self::Yes => pb::BallotChoice::Yes,
            Self::No => pb::BallotChoice::No,
            Self::Abstain => pb::BallotChoice::Abstain,
        }) as i32
    }

    fn from_proto(proto: i32) -> Result<Self, WireError> {
        match pb::BallotChoice::try_from(proto) {
            Ok(pb::BallotChoice::Yes) => Ok(Self::Yes),
            Ok(pb::BallotChoice::No) => Ok(Self::No),
            Ok(pb::BallotChoice::Abstain) => Ok(Self::Abstain),
            Ok(pb::BallotChoice::Unspecified) => Err(WireError::missing()),
            Err(_) => Err(WireError::invalid(format!("{proto} is no choice"))),
        }
    }
}

message! {
    /// An application and what it is awarded.
    pub struct Award = Award {
        /// Which.
        pub application: ApplicationId,
        /// Minor units in the fund's currency; 0 refuses.
        pub amount: u64,
    }

    /// Decides a whole call.
    pub struct AwardGrants = AwardGrants {
        /// Which.
        pub call: CallId,
        /// Every admissible application, at most 1,000.
        pub awards: Vec<Award>,
        /// Applications whose award may exceed a cap.
        pub derogations: Vec<ApplicationId>,
    }

    /// Gives, or takes back, a role.
    pub struct RoleChange = RoleChange {
        /// To or from whom.
        pub organisation: OrganisationId,
        /// Which.
        pub role: Role,
        /// Over what.
        pub scope: Scope [required],
    }

    /// Sets a parameter.
    pub struct SetParameter = SetParameter {
        /// Name in snake case.
        pub name: Code,
        /// Value, within the parameter's bounds.
        pub value: u64,
    }

    /// Admits a validator.
    pub struct AdmitValidator = AdmitValidator {
        /// Who runs it.
        pub organisation: OrganisationId,
        /// Signs proposals and votes.
        pub consensus_key: PublicKey,
        /// Identity on the network.
        pub network_key: PublicKey,
        /// Proof that the candidate has the consensus key.
        pub possession: Signature,
        /// College it is counted in.
        pub college: CollegeCode,
        /// Height at whose start it is seated, at least 10 above that of the enactment; it votes from the next height on.
        pub at_height: Height,
    }

    /// Retires a validator.
    pub struct RetireValidator = RetireValidator {
        /// Who runs it.
        pub organisation: OrganisationId,
        /// Its key.
        pub consensus_key: PublicKey,
        /// Height at whose start it leaves the set.
        pub at_height: Height,
    }
}

message! {
    /// Record: a change.
    pub struct Change = ChangeRecord {
        /// Who proposed it.
        pub proposer: OrganisationId,
        /// What is asked.
        pub content: Content [required],
        /// Hash of the explanatory document.
        pub document: Commitment,
        /// What it takes.
        pub mode: Mode,
        /// Ballots from this time on.
        pub opens_at: BlockTime,
        /// And before this one.
        pub closes_at: BlockTime,
        /// Where it stands.
        pub status: ChangeStatus,
        /// The colleges as they were frozen; none before.
        pub colleges: Vec<FrozenCollege>,
        /// How their ballots are put together; `None` before.
        pub counting: Option<Counting>,
        /// Ballots that all seats together take, where they decide together; 0 before.
        pub joint_quorum: u32,
        /// Why a carried change was not enacted, or why nothing could be counted: a code of `enact_change`.
        pub refusal: Option<u32>,
        /// Of a consent: objections from this time on.
        pub objections_from: Option<BlockTime>,
        /// Amendments so far.
        pub round: u32,
        /// When a late objection moved the close of this round.
        pub extended_at: Option<BlockTime>,
        /// Objections raised so far, in all rounds.
        pub objections: u32,
    }

    /// A seat's last word.
    pub struct Ballot = Ballot {
        /// Which.
        pub choice: Choice,
        /// Why.
        pub reason: Option<ReasonCode>,
    }

    /// Record: a seat as it was frozen when voting opened.
    pub struct ChangeSeat = ChangeSeat {
        /// Its college.
        pub college: CollegeCode,
        /// Whether it may not vote on this change.
        pub conflicted: bool,
        /// Its ballot, the last one if there were several.
        pub ballot: Option<Ballot>,
        /// Whether it speaks for its college on objections.
        pub delegate: bool,
    }
}

impl Record for Change {
    type Key = ChangeId;
}

impl Record for ChangeSeat {
    /// (the change, the organisation that holds the seat): nobody holds two.
    type Key = (ChangeId, OrganisationId);
}

/// The frozen seats of a change, by organisation.
pub fn seats_of(state: &Overlay<'_>, change: &ChangeId) -> Vec<(OrganisationId, ChangeSeat)> {
    let last = OrganisationId::from_bytes([0xff; 32]);
    let seats = state.range::<ChangeSeat>((*change, OrganisationId::ZERO)..=(*change, last));
    seats.into_iter().map(|((_, organisation), seat)| (organisation, seat)).collect()
}
