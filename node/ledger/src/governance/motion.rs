//! What each change implements, and the one list of changes (rulebook §4, table B).
//!
//! A change is one file: what it asks is data in a proposal; [`Motion`] says how it is voted, who is conflicted, what is checked at the proposal and at
//! enactment, and what it writes. A new change is its message, its file, and its line in the list at the end of this file. Everybody else walks the list.
//!
//! A change of its own family answers with a [`Fault`] or a [`ShapeFault`]: a shared name and words. The kinds of governance turn it into the refusal
//! that they have for that name, so that no change touches their lists.

use super::{
    bank_accounts::{RegisterBankAccount, SetAttestors},
    change::*,
    delegation::SetDelegatedLimit,
    enact_change,
    enact_change::ChangeEnacted,
    levy_schedules::PublishLevySchedule,
    licence_terms::PublishLicenceTerms,
    propose_change,
    recovery::RecoverKeys,
    seat::{SeatNominee, SetCollegeSeat},
    suspension::{ConfirmSuspension, ReinstateOrganisation, SuspendOrganisation},
    upgrade::ScheduleUpgrade,
    validator::SetValidatorCollege,
    write_off::WriteOff,
};
use crate::{
    accounts::Postings,
    action::Place,
    grant::GrantOffer,
    history::RecordRef,
    indicator::indicator::DefineIndicator,
    levy::ending::LevyEnded,
    matching::settle_challenge::SettleChallenge,
    redistribution::{
        adopt_need_table::AdoptNeedTable, adopt_policy::AdoptPolicy, release_reserve::ReleaseReserve,
        transfer_funds::TransferFunds,
    },
    refusal::Shared,
    registry::{
        adopt_territories::AdoptTerritories, close_fund::CloseFund, open_fund::OpenFund, role::Role, role::Scope,
        validator_seat::PendingSeat,
    },
    state::Overlay,
    wire::{Wire, WireError, pb},
};
use octroi_primitives::*;

/// Who may propose a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proposer {
    /// An organisation with a seat in a college.
    CollegeMember,
    /// The same, or the holder of a role over the whole network.
    CollegeMemberOr(Role),
    /// The holder of a role.
    Holder(Role, Scope),
}

/// What is wrong with the shape of a change: bounds and lists, judged without state.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(dead_code, reason = "the whole list of names, whichever changes use it")]
pub(crate) enum ShapeFault {
    /// `amount`.
    Amount(String),
    /// `currency`.
    Currency(String),
    /// `date`.
    Date(String),
    /// `limit`.
    Limit(String),
    /// `shares`.
    Shares(String),
    /// `personal_data`.
    PersonalData(String),
}

/// What state has against a change, by its shared name, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(dead_code, reason = "the whole list of names, whichever changes use it")]
pub(crate) enum Fault {
    /// `unknown`.
    Unknown(String),
    /// `territory`.
    Territory(String),
    /// `schedule`.
    Schedule(String),
    /// `segregation`.
    Segregation(String),
    /// `state`.
    State(String),
    /// `window`.
    Window(String),
    /// `identifier`.
    Identifier(String),
    /// `duplicate`.
    Duplicate(String),
    /// `evidence`.
    Evidence(String),
    /// `threshold`.
    Threshold(String),
    /// `amount`.
    Amount(String),
    /// `currency`.
    Currency(String),
    /// `shares`.
    Shares(String),
    /// `limit`.
    Limit(String),
    /// `insufficient`.
    Insufficient(String),
    /// `cap`.
    Cap(String),
    /// `overflow`.
    Overflow(String),
}

impl Fault {
    /// At the proposal, before the window is judged: what comes later in the order of precedence is left to [`Motion::own`].
    ///
    /// # Errors
    /// `unknown`, `territory`, `schedule`, `segregation`, `state`.
    pub(crate) fn later(self) -> Result<(), Self> {
        match self {
            Self::Unknown(_) | Self::Territory(_) | Self::Schedule(_) | Self::Segregation(_) | Self::State(_) => {
                Err(self)
            }
            Self::Window(_)
            | Self::Identifier(_)
            | Self::Duplicate(_)
            | Self::Evidence(_)
            | Self::Threshold(_)
            | Self::Amount(_)
            | Self::Currency(_)
            | Self::Shares(_)
            | Self::Limit(_)
            | Self::Insufficient(_)
            | Self::Cap(_)
            | Self::Overflow(_) => Ok(()),
        }
    }

    /// The fault of a shared name; names that no change answers with are faults of state.
    pub(crate) fn of(shared: Shared, words: String) -> Self {
        match shared {
            Shared::Unknown | Shared::UnknownParameter => Self::Unknown(words),
            Shared::Territory => Self::Territory(words),
            Shared::Schedule => Self::Schedule(words),
            Shared::Segregation => Self::Segregation(words),
            Shared::Window => Self::Window(words),
            Shared::Identifier => Self::Identifier(words),
            Shared::Duplicate => Self::Duplicate(words),
            Shared::Evidence => Self::Evidence(words),
            Shared::Threshold => Self::Threshold(words),
            Shared::Amount => Self::Amount(words),
            Shared::Currency => Self::Currency(words),
            Shared::Shares => Self::Shares(words),
            Shared::Limit => Self::Limit(words),
            Shared::Insufficient => Self::Insufficient(words),
            Shared::Cap => Self::Cap(words),
            Shared::Overflow => Self::Overflow(words),
            _ => Self::State(words),
        }
    }
}

impl ShapeFault {
    /// The fault of a shared name; names that are none of shape are limits.
    pub(crate) fn of(shared: Shared, words: String) -> Self {
        match shared {
            Shared::Amount => Self::Amount(words),
            Shared::Currency => Self::Currency(words),
            Shared::Date => Self::Date(words),
            Shared::Shares => Self::Shares(words),
            Shared::PersonalData => Self::PersonalData(words),
            _ => Self::Limit(words),
        }
    }
}

/// Lets `?` turn a fault of shape into the refusal that a kind of governance has for its name.
macro_rules! shape_refusals {
    ($refused:ty) => {
        impl From<$crate::governance::motion::ShapeFault> for $refused {
            fn from(fault: $crate::governance::motion::ShapeFault) -> Self {
                use $crate::governance::motion::ShapeFault as Fault;
                match fault {
                    Fault::Amount(words) => Self::AmountShape(words),
                    Fault::Currency(words) => Self::CurrencyShape(words),
                    Fault::Date(words) => Self::DateShape(words),
                    Fault::Limit(words) => Self::LimitShape(words),
                    Fault::Shares(words) => Self::SharesShape(words),
                    Fault::PersonalData(words) => Self::PersonalDataText(words),
                }
            }
        }
    };
}
pub(crate) use shape_refusals;

/// The same for what state has against a change.
macro_rules! fault_refusals {
    ($refused:ty) => {
        impl From<$crate::governance::motion::Fault> for $refused {
            fn from(fault: $crate::governance::motion::Fault) -> Self {
                use $crate::governance::motion::Fault;
                match fault {
                    Fault::Unknown(words) => Self::UnknownNamed(words),
                    Fault::Territory(words) => Self::TerritoryNamed(words),
                    Fault::Schedule(words) => Self::ScheduleNamed(words),
                    Fault::Segregation(words) => Self::SegregationNamed(words),
                    Fault::State(words) => Self::StateNamed(words),
                    Fault::Window(words) => Self::WindowNamed(words),
                    Fault::Identifier(words) => Self::IdentifierNamed(words),
                    Fault::Duplicate(words) => Self::DuplicateNamed(words),
                    Fault::Evidence(words) => Self::EvidenceNamed(words),
                    Fault::Threshold(words) => Self::ThresholdNamed(words),
                    Fault::Amount(words) => Self::AmountNamed(words),
                    Fault::Currency(words) => Self::CurrencyNamed(words),
                    Fault::Shares(words) => Self::SharesNamed(words),
                    Fault::Limit(words) => Self::LimitNamed(words),
                    Fault::Insufficient(words) => Self::InsufficientNamed(words),
                    Fault::Cap(words) => Self::CapNamed(words),
                    Fault::Overflow(words) => Self::OverflowNamed(words),
                }
            }
        }
    };
}
pub(crate) use fault_refusals;

/// What a carried change does, before it is done; fields that a change does not need stay empty. They stand in the event as they are.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Grants offered.
    pub(crate) offers: Vec<GrantOffer>,
    /// Applications that get nothing.
    pub(crate) refused: Vec<ApplicationId>,
    /// Applications above a cap by a derogation.
    pub(crate) derogated: Vec<ApplicationId>,
    /// Value before.
    pub(crate) previous_value: Option<u64>,
    /// What waits for its height.
    pub(crate) pending: Option<PendingSeat>,
    /// When it takes effect, if that is later.
    pub(crate) effective_at: Option<BlockTime>,
    /// Money moved.
    pub(crate) postings: Postings,
    /// What a payer owed and need not pay.
    pub(crate) written_off: Option<LevyEnded>,
}

/// One change that governance may adopt. `Asked` is what a proposal says.
pub(crate) trait Motion {
    /// The change's own message.
    type Asked;

    /// How it is voted (table B).
    fn mode(asked: &Self::Asked, state: &Overlay<'_>) -> Mode;

    /// Milliseconds after the proposal in which it is voted, where it is not voted for `ballot_days` from its opening.
    fn voted_within(_asked: &Self::Asked) -> Option<u64> {
        None
    }

    /// Who may propose it.
    ///
    /// # Errors
    /// `unknown`, when the object that the role is held over does not exist.
    fn proposer(_asked: &Self::Asked, _state: &Overlay<'_>) -> Result<Proposer, propose_change::Refused> {
        Ok(Proposer::CollegeMember)
    }

    /// Elements of its lists; each costs a work unit at the proposal.
    fn elements(_asked: &Self::Asked) -> usize {
        0
    }

    /// Objects that an enactment may write; each costs 4 work units.
    fn written(_asked: &Self::Asked) -> usize {
        2
    }

    /// Checks that need no state.
    ///
    /// # Errors
    /// The first refusal of shape.
    fn validate(_asked: &Self::Asked) -> Result<(), propose_change::Refused> {
        Ok(())
    }

    /// At the proposal: what it names exists, and is in a state to be decided on. Before the window is judged.
    ///
    /// # Errors
    /// `unknown`, `territory`, `schedule`, `segregation`, `state`.
    fn known(_asked: &Self::Asked, _state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        Ok(())
    }

    /// At the proposal: what only this change asks for. After the window is judged.
    ///
    /// # Errors
    /// The change's own.
    fn own(_asked: &Self::Asked, _state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        Ok(())
    }

    /// Whether the seat of an organisation is conflicted: its group applies, partners, is the target, the candidate or the payer (rulebook §10).
    fn conflicts(_asked: &Self::Asked, _organisation: &OrganisationId, _state: &Overlay<'_>) -> bool {
        false
    }

    /// Whether a college without seats is silent; else the change waits for parity (rulebook §10).
    fn bears_empty_colleges() -> bool {
        false
    }

    /// The record it is about, if it is one that exists when it is proposed.
    fn target(_asked: &Self::Asked) -> Option<RecordRef> {
        None
    }

    /// The fund it is about, if it is one: whose auditors may object to it.
    fn fund(_asked: &Self::Asked, _state: &Overlay<'_>) -> Option<FundCode> {
        None
    }

    /// The minor units that it decides on: what counts against a delegated limit. `None`: it cannot be delegated.
    fn money(_asked: &Self::Asked) -> Option<u64> {
        None
    }

    /// Writes what a proposal of it changes at once.
    fn start(_asked: &Self::Asked, _state: &mut Overlay<'_>) {}

    /// At enactment: all of it, or why nothing of it. Reads alone.
    ///
    /// # Errors
    /// The refusal that the change ends with.
    fn enact(
        asked: &Self::Asked,
        change: &ChangeId,
        place: &Place,
        state: &Overlay<'_>,
    ) -> Result<Effects, enact_change::Refused>;

    /// Writes what was decided, its postings apart, which are posted before.
    fn apply(asked: &Self::Asked, event: &ChangeEnacted, place: &Place, state: &mut Overlay<'_>);

    /// Writes what the end of a change that was not carried or not enacted gives back.
    fn fall(_asked: &Self::Asked, _state: &mut Overlay<'_>) {}

    /// Records of its story besides the change, its target, its fund and its offers, as they are after [`Motion::apply`].
    fn subjects(_asked: &Self::Asked, _event: &ChangeEnacted) -> Vec<RecordRef> {
        Vec::new()
    }
}

macro_rules! changes {
    ($($(#[$meta:meta])* $variant:ident($asked:ty) $snake:ident by $motion:ty;)+) => {
        /// What governance may adopt.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Content { $($(#[$meta])* $variant($asked),)+ }

        impl Wire for Content {
            type Proto = pb::Change;

            fn to_proto(&self) -> pb::Change {
                pb::Change { change: Some(match self { $(Self::$variant(asked) => pb::change::Change::$variant(asked.to_proto()),)+ }) }
            }

            fn from_proto(proto: pb::Change) -> Result<Self, WireError> {
                match proto.change.ok_or_else(WireError::missing)? {
                    $(pb::change::Change::$variant(asked) => Wire::from_proto(asked).map(Self::$variant).map_err(|error: WireError| error.within(stringify!($snake))),)+
                    #[allow(unreachable_patterns)]
                    _ => Err(WireError::invalid("this version does not know the change")),
                }
            }
        }

        impl Content {
            /// Names of all changes, as table B writes them.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($snake)),+];

            /// Name in snake case, as table B writes it.
            pub const fn name(&self) -> &'static str { match self { $(Self::$variant(_) => stringify!($snake),)+ } }

            pub(crate) fn mode(&self, state: &Overlay<'_>) -> Mode { match self { $(Self::$variant(asked) => <$motion as Motion>::mode(asked, state),)+ } }

            pub(crate) fn voted_within(&self) -> Option<u64> { match self { $(Self::$variant(asked) => <$motion as Motion>::voted_within(asked),)+ } }

            pub(crate) fn proposer(&self, state: &Overlay<'_>) -> Result<Proposer, propose_change::Refused> {
                match self { $(Self::$variant(asked) => <$motion as Motion>::proposer(asked, state),)+ }
            }

            pub(crate) fn elements(&self) -> usize { match self { $(Self::$variant(asked) => <$motion as Motion>::elements(asked),)+ } }

            pub(crate) fn written(&self) -> usize { match self { $(Self::$variant(asked) => <$motion as Motion>::written(asked),)+ } }

            pub(crate) fn validate(&self) -> Result<(), propose_change::Refused> {
                match self { $(Self::$variant(asked) => <$motion as Motion>::validate(asked),)+ }
            }

            pub(crate) fn known(&self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
                match self { $(Self::$variant(asked) => <$motion as Motion>::known(asked, state),)+ }
            }

            pub(crate) fn own(&self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
                match self { $(Self::$variant(asked) => <$motion as Motion>::own(asked, state),)+ }
            }

            /// Whether the seat of an organisation is conflicted (rulebook §10).
            pub fn conflicts(&self, organisation: &OrganisationId, state: &Overlay<'_>) -> bool {
                match self { $(Self::$variant(asked) => <$motion as Motion>::conflicts(asked, organisation, state),)+ }
            }

            /// Whether a college without seats is silent; else the change waits for parity.
            pub fn bears_empty_colleges(&self) -> bool { match self { $(Self::$variant(_) => <$motion as Motion>::bears_empty_colleges(),)+ } }

            /// The record it is about, if it is one.
            pub fn target(&self) -> Option<RecordRef> { match self { $(Self::$variant(asked) => <$motion as Motion>::target(asked),)+ } }

            /// The fund it is about, if it is one.
            pub fn fund(&self, state: &Overlay<'_>) -> Option<FundCode> { match self { $(Self::$variant(asked) => <$motion as Motion>::fund(asked, state),)+ } }

            /// The minor units that it decides on, where it can be delegated.
            pub fn money(&self) -> Option<u64> { match self { $(Self::$variant(asked) => <$motion as Motion>::money(asked),)+ } }

            pub(crate) fn start(&self, state: &mut Overlay<'_>) { match self { $(Self::$variant(asked) => <$motion as Motion>::start(asked, state),)+ } }

            pub(crate) fn enact(&self, change: &ChangeId, place: &Place, state: &Overlay<'_>) -> Result<Effects, enact_change::Refused> {
                match self { $(Self::$variant(asked) => <$motion as Motion>::enact(asked, change, place, state),)+ }
            }

            pub(crate) fn apply(&self, event: &ChangeEnacted, place: &Place, state: &mut Overlay<'_>) {
                match self { $(Self::$variant(asked) => <$motion as Motion>::apply(asked, event, place, state),)+ }
            }

            pub(crate) fn fall(&self, state: &mut Overlay<'_>) { match self { $(Self::$variant(asked) => <$motion as Motion>::fall(asked, state),)+ } }

            pub(crate) fn subjects(&self, event: &ChangeEnacted) -> Vec<RecordRef> {
                match self { $(Self::$variant(asked) => <$motion as Motion>::subjects(asked, event),)+ }
            }
        }
    };
}

// One line a change, in the order of the fields of `Change` in governance.proto, which reserves a number for every change of table B.
changes! {
    /// Decides a whole call.
    AwardGrants(AwardGrants) award_grants by AwardGrants;
    /// Gives a role.
    GrantRole(RoleChange) grant_role by super::role::Grant;
    /// Takes a role back.
    RevokeRole(RoleChange) revoke_role by super::role::Revoke;
    /// Sets a parameter.
    SetParameter(SetParameter) set_parameter by SetParameter;
    /// Admits a validator.
    AdmitValidator(AdmitValidator) admit_validator by AdmitValidator;
    /// Retires a validator.
    RetireValidator(RetireValidator) retire_validator by RetireValidator;
    /// Opens a fund.
    OpenFund(OpenFund) open_fund by OpenFund;
    /// Adopts a policy.
    AdoptPolicy(AdoptPolicy) adopt_policy by AdoptPolicy;
    /// Adopts a table of needs.
    AdoptNeedTable(AdoptNeedTable) adopt_need_table by AdoptNeedTable;
    /// Moves money to another fund.
    TransferFunds(TransferFunds) transfer_funds by TransferFunds;
    /// Frees money of the reserve.
    ReleaseReserve(ReleaseReserve) release_reserve by ReleaseReserve;
    /// Adopts territories.
    AdoptTerritories(AdoptTerritories) adopt_territories by AdoptTerritories;
    /// Closes a fund.
    CloseFund(CloseFund) close_fund by CloseFund;
    /// Decides on a challenge of a matching round.
    SettleChallenge(SettleChallenge) settle_challenge by SettleChallenge;
    /// What is measured, and how.
    DefineIndicator(DefineIndicator) define_indicator by DefineIndicator;
    /// Lets a role decide alone, within limits.
    SetDelegatedLimit(SetDelegatedLimit) set_delegated_limit by SetDelegatedLimit;
    /// A seat of a college.
    SetCollegeSeat(SetCollegeSeat) set_college_seat by SetCollegeSeat;
    /// The result of an election without candidate.
    SeatNominee(SeatNominee) seat_nominee by SeatNominee;
    /// An organisation may only pay, report, return money and answer.
    SuspendOrganisation(SuspendOrganisation) suspend_organisation by SuspendOrganisation;
    /// An organisation may act again.
    ReinstateOrganisation(ReinstateOrganisation) reinstate_organisation by ReinstateOrganisation;
    /// An emergency suspension does not lapse.
    ConfirmSuspension(ConfirmSuspension) confirm_suspension by ConfirmSuspension;
    /// Counts a validator in another college.
    SetValidatorCollege(SetValidatorCollege) set_validator_college by SetValidatorCollege;
    /// From a height on, the rules of a version.
    ScheduleUpgrade(ScheduleUpgrade) schedule_upgrade by ScheduleUpgrade;
    /// New keys for an office, after 30 days.
    RecoverKeys(RecoverKeys) recover_keys by RecoverKeys;
    /// Asks for what is open of a clawback no more.
    WaiveClawback(super::waive_clawback::WaiveClawback) waive_clawback by super::waive_clawback::WaiveClawback;
    /// Registers a bank account.
    RegisterBankAccount(RegisterBankAccount) register_bank_account by RegisterBankAccount;
    /// Names who attests a bank account.
    SetAttestors(SetAttestors) set_attestors by SetAttestors;
    /// Publishes a levy schedule.
    PublishLevySchedule(PublishLevySchedule) publish_levy_schedule by PublishLevySchedule;
    /// Publishes the terms of a licence.
    PublishLicenceTerms(PublishLicenceTerms) publish_licence_terms by PublishLicenceTerms;
    /// Gives up what a payer owes.
    WriteOff(WriteOff) write_off by WriteOff;
}
