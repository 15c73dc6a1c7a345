//! Records: a change with its frozen electorate, and each frozen seat with its ballot.

use super::electorate::{Counting, FrozenCollege};
use crate::{
    application::application::takes_part,
    call::call::Call,
    history::RecordRef,
    parameters::Adoption,
    registry::{
        organisation::Organisation,
        role::{Role, Scope},
    },
    signer::{group, same_group},
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
    }

    /// Where a change stands.
    pub enum ChangeStatus {
        /// Voting has not opened.
        Proposed = "proposed",
        /// Ballots are taken.
        Open = "open",
        /// Carried and done.
        Enacted = "enacted",
        /// Carried; waits for its height.
        Pending = "pending",
        /// Not carried.
        Lost = "lost",
        /// Too few ballots, or nobody left to vote.
        NoQuorum = "no_quorum",
        /// Carried, but it could not be done.
        NotEnacted = "not_enacted",
        /// The candidate did not show itself in time.
        NotReady = "not_ready",
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

/// What governance may adopt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Decides a whole call.
    AwardGrants(AwardGrants),
    /// Gives a role.
    GrantRole(RoleChange),
    /// Takes a role back.
    RevokeRole(RoleChange),
    /// Sets a parameter.
    SetParameter(SetParameter),
    /// Admits a validator.
    AdmitValidator(AdmitValidator),
    /// Retires a validator.
    RetireValidator(RetireValidator),
}

impl Wire for Content {
    type Proto = pb::Change;

    fn to_proto(&self) -> pb::Change {
        use pb::change::Change;
        let change = match self {
            Self::AwardGrants(change) => Change::AwardGrants(change.to_proto()),
            Self::GrantRole(change) => Change::GrantRole(change.to_proto()),
            Self::RevokeRole(change) => Change::RevokeRole(change.to_proto()),
            Self::SetParameter(change) => Change::SetParameter(change.to_proto()),
            Self::AdmitValidator(change) => Change::AdmitValidator(change.to_proto()),
            Self::RetireValidator(change) => Change::RetireValidator(change.to_proto()),
        };
        pb::Change { change: Some(change) }
    }

    fn from_proto(proto: pb::Change) -> Result<Self, WireError> {
        use pb::change::Change;
        match proto.change.ok_or_else(WireError::missing)? {
            Change::AwardGrants(change) => Wire::from_proto(change).map(Self::AwardGrants),
            Change::GrantRole(change) => Wire::from_proto(change).map(Self::GrantRole),
            Change::RevokeRole(change) => Wire::from_proto(change).map(Self::RevokeRole),
            Change::SetParameter(change) => Wire::from_proto(change).map(Self::SetParameter),
            Change::AdmitValidator(change) => Wire::from_proto(change).map(Self::AdmitValidator),
            Change::RetireValidator(change) => Wire::from_proto(change).map(Self::RetireValidator),
        }
    }
}

impl Content {
    /// Whether the seat of an organisation is conflicted: its group applies, partners, is the target or the candidate (rulebook §10).
    pub fn conflicts(&self, organisation: &OrganisationId, state: &Overlay<'_>) -> bool {
        match self {
            Self::AwardGrants(AwardGrants { call, .. }) => takes_part(state, call, &group(state, organisation)),
            Self::GrantRole(RoleChange { organisation: target, .. })
            | Self::RevokeRole(RoleChange { organisation: target, .. })
            | Self::AdmitValidator(AdmitValidator { organisation: target, .. })
            | Self::RetireValidator(RetireValidator { organisation: target, .. }) => {
                same_group(state, organisation, target)
            }
            Self::SetParameter(SetParameter { .. }) => false,
        }
    }

    /// Whether a college without seats is silent; else the change waits for parity.
    pub const fn bears_empty_colleges(&self) -> bool {
        match self {
            Self::GrantRole(_) => true,
            Self::AwardGrants(_)
            | Self::RevokeRole(_)
            | Self::SetParameter(_)
            | Self::AdmitValidator(_)
            | Self::RetireValidator(_) => false,
        }
    }

    /// The record it is about, if it is one.
    pub fn target(&self) -> Option<RecordRef> {
        match self {
            Self::AwardGrants(AwardGrants { call, .. }) => Some(RecordRef::of::<Call>(call)),
            Self::GrantRole(RoleChange { organisation, .. })
            | Self::RevokeRole(RoleChange { organisation, .. })
            | Self::AdmitValidator(AdmitValidator { organisation, .. })
            | Self::RetireValidator(RetireValidator { organisation, .. }) => {
                Some(RecordRef::of::<Organisation>(organisation))
            }
            Self::SetParameter(SetParameter { .. }) => None,
        }
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
