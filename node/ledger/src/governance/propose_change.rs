//! `propose_change`: asks the colleges for a change.
//!
//! - Allowed: an active organisation with a seat in a college, by an office that may use the role college member; for `award_grants` a programme
//!   manager of the call's fund instead.
//! - Effect: the change waits for `opens_at`, when seats, bases and conflicts are frozen; it closes `ballot_days` later. A call that is to be decided
//!   is deciding from now on. Both moments are planned as due work. Voting opens within a year.
//! - Source: rulebook §7, §10 and §17, 0c01.

use super::{
    award::{ListFault, Listed},
    change::{AwardGrants, Change, ChangeStatus, Content, Mode},
    electorate::{Counting, electorate, seat_of},
    enact_change::EnactChange,
    parameter::{self, ParameterFault},
    role::{self, RoleFault},
    validator::{self, ValidatorFault},
};
use crate::{
    action::{Action, BASE_COST, Effect, Kind, Place},
    call::call::{Call, CallStatus},
    due,
    history::RecordRef,
    parameters::Parameter,
    refusal::{SignerRefusal, refusals, signer_refusals},
    registry::{
        organisation::Organisation,
        role::{Role, Scope},
    },
    signer::Context,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;
use std::collections::BTreeSet;

/// Awards of one change, at most.
const AWARDS: usize = 1_000;
const DAY_MS: u64 = 86_400_000;
/// Voting opens within a year, so that no call waits for ever.
const YEAR_MS: u64 = 366 * DAY_MS;

message! {
    /// The payload.
    pub struct ProposeChange = ProposeChange {
        /// What is asked.
        pub change: Content [required],
        /// Hash of the explanatory document.
        pub document: Commitment,
        /// When voting opens.
        pub opens_at: BlockTime,
    }

    /// The event.
    pub struct ChangeProposed = ChangeProposed {
        /// The new change.
        pub change: ChangeId,
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
    }
}

refusals! {
    AmountBounds(u64): Amount 1 "an award of {0} minor units is above 10^15", "an award is above the bound";
    LimitAwards(usize): Limit 1 "{0} awards: 1 to 1,000, each application once", "no award, too many, or an application twice";
    LimitDerogation(ApplicationId): Limit 2 "a derogation for application {0}, which is not awarded, or twice", "a derogation names an application without an award, or stands there twice";
    signer;
    UnknownCall(CallId): Unknown 1 "call {0} does not exist", "the call does not exist";
    UnknownApplication(ApplicationId): Unknown 2 "application {0} is no admissible one of the call", "a listed application is not an admissible one of the call";
    UnknownOrganisation(OrganisationId): Unknown 3 "organisation {0} does not exist", "the organisation does not exist";
    UnknownScope(Role, Scope): Unknown 4 "role {0} is not held over {1}, or it does not exist", "the scope does not exist, or is none of the role";
    UnknownCollege(CollegeCode): Unknown 5 "college {0} does not exist", "the college does not exist";
    UnknownValidator(PublicKey): Unknown 6 "the organisation runs no validator with key {0}", "the organisation runs no such validator";
    StateCall(CallId, CallStatus): State 1 "call {0} is {1}", "the call is not closed";
    StatePending(CallId): State 2 "a change that decides call {0} is pending", "another change decides the call";
    WindowPast(BlockTime, BlockTime): Window 1 "opens at {0}, before the block's time {1}", "it opens in the past";
    WindowFar(BlockTime): Window 2 "opens at {0}, more than a year ahead", "it opens more than a year ahead";
    ParameterUnknown(Code): UnknownParameter 1 "no parameter is called {0}", "no parameter has that name";
    AmountParameter(Code, u64): Amount 2 "{0} = {1} is outside its bounds", "the value is outside the parameter's bounds";
    AmountAward(ApplicationId, u64): Amount 3 "{1} minor units for application {0}: neither 0 nor between the call's least award and what is requested", "an award is below the call's least one or above what is requested";
    AmountBudget(u128, u64): Amount 4 "the awards sum to {0} minor units, the call's budget is {1}", "the awards sum to more than the call's budget";
    EvidenceNotReady(ApplicationId): Evidence 1 "application {0} lacks reviews", "an awarded application is not ready";
    EvidenceMissing(ApplicationId): Evidence 2 "admissible application {0} is not listed", "an admissible application is missing";
    EvidenceKey(PublicKey): Evidence 3 "key {0} is not acceptable, or its proof of possession does not verify", "a key of the candidate is malformed, weak, or not proven";
    QuorumNone(): Quorum 1 "conflicts leave nobody to vote", "conflicts of interest leave no base";
    ParityCollege(): Parity 1 "a college has no active seat", "a college has no active seat, and the change does not bear that";
}
signer_refusals!(Refused);

impl From<ListFault> for Refused {
    fn from(fault: ListFault) -> Self {
        match fault {
            ListFault::NotAdmissible(id) => Self::UnknownApplication(id),
            ListFault::Missing(id) => Self::EvidenceMissing(id),
            ListFault::NotReady(id) => Self::EvidenceNotReady(id),
            ListFault::Amount(id, amount) => Self::AmountAward(id, amount),
            ListFault::Budget(sum, budget) => Self::AmountBudget(sum, budget),
        }
    }
}

impl Action for ProposeChange {
    type Event = ChangeProposed;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        let Content::AwardGrants(AwardGrants { call: _, awards, derogations }) = &self.change else { return Ok(()) };
        if let Some(award) = awards.iter().find(|award| award.amount > Amount::MAX_MINOR) {
            return Err(Refused::AmountBounds(award.amount));
        }
        let listed: BTreeSet<ApplicationId> = awards.iter().map(|award| award.application).collect();
        if listed.is_empty() || listed.len() != awards.len() || awards.len() > AWARDS {
            return Err(Refused::LimitAwards(awards.len()));
        }
        let mut awarded: BTreeSet<ApplicationId> =
            awards.iter().filter(|award| award.amount > 0).map(|award| award.application).collect();
        match derogations.iter().find(|application| !awarded.remove(application)) {
            Some(application) => Err(Refused::LimitDerogation(*application)),
            None => Ok(()),
        }
    }

    fn cost(&self) -> u64 {
        match &self.change {
            Content::AwardGrants(AwardGrants { call: _, awards, derogations }) => {
                BASE_COST + (awards.len() + derogations.len()) as u64
            }
            Content::GrantRole(_)
            | Content::RevokeRole(_)
            | Content::SetParameter(_)
            | Content::AdmitValidator(_)
            | Content::RetireValidator(_) => BASE_COST,
        }
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<ChangeProposed, Refused> {
        let Self { change: content, document, opens_at } = self;
        authorise(content, cx, state)?;
        check_known(content, state)?;
        if let Content::AwardGrants(AwardGrants { call, .. }) = content {
            match state.get::<Call>(call).map(|record| record.status) {
                Some(CallStatus::Closed) | None => {}
                Some(CallStatus::Deciding) => return Err(Refused::StatePending(*call)),
                Some(status) => return Err(Refused::StateCall(*call, status)),
            }
        }
        if *opens_at < cx.place.time {
            return Err(Refused::WindowPast(*opens_at, cx.place.time));
        }
        if *opens_at > cx.place.time.saturating_add(YEAR_MS) {
            return Err(Refused::WindowFar(*opens_at));
        }
        let mode = check_own(content, state)?;
        match electorate(content, state.parameter(Parameter::QuorumPpm), state).counting {
            Counting::NoBase => return Err(Refused::QuorumNone()),
            Counting::NoParity => return Err(Refused::ParityCollege()),
            Counting::PerCollege | Counting::AllSeats => {}
        }
        Ok(ChangeProposed {
            change: ChangeId::new(object_id("change", &cx.place.transaction)),
            proposer: cx.organisation,
            content: content.clone(),
            document: *document,
            mode,
            opens_at: *opens_at,
            closes_at: opens_at.saturating_add(state.parameter(Parameter::BallotDays).saturating_mul(DAY_MS)),
        })
    }
}

fn authorise(content: &Content, cx: &Context<'_>, state: &Overlay<'_>) -> Result<(), Refused> {
    match content {
        Content::AwardGrants(AwardGrants { call, .. }) => {
            cx.active(state)?;
            let record = state.get::<Call>(call).ok_or(Refused::UnknownCall(*call))?;
            cx.authorise(state, Role::ProgrammeManager, Scope::Fund(record.fund))?;
        }
        Content::GrantRole(_)
        | Content::RevokeRole(_)
        | Content::SetParameter(_)
        | Content::AdmitValidator(_)
        | Content::RetireValidator(_) => {
            cx.by_office(state, &[Role::CollegeMember])?;
            if seat_of(state, &cx.organisation).is_none() {
                let words = format!("organisation {} has no seat in a college", cx.organisation);
                return Err(SignerRefusal::Role(words).into());
            }
        }
    }
    Ok(())
}

/// What the change names exists.
fn check_known(content: &Content, state: &Overlay<'_>) -> Result<(), Refused> {
    match content {
        Content::AwardGrants(awards) => {
            let call = state.get::<Call>(&awards.call).ok_or(Refused::UnknownCall(awards.call))?;
            // The list of a call that is not closed is judged after that: it may still change.
            if call.status == CallStatus::Closed {
                Listed::new(awards, call, state).all_admissible()?;
            }
            Ok(())
        }
        Content::GrantRole(asked) | Content::RevokeRole(asked) => match role::check_known(asked, state) {
            Err(RoleFault::Organisation(id)) => Err(Refused::UnknownOrganisation(id)),
            Err(RoleFault::Scope(role, scope)) => Err(Refused::UnknownScope(role, scope)),
            Ok(()) | Err(RoleFault::Segregation(..) | RoleFault::Inactive(..) | RoleFault::Held(..)) => Ok(()),
        },
        Content::AdmitValidator(asked) => match validator::check_candidate(asked, state) {
            Err(ValidatorFault::Organisation(id)) => Err(Refused::UnknownOrganisation(id)),
            Err(ValidatorFault::College(code)) => Err(Refused::UnknownCollege(code)),
            // A key is evidence of the candidate's own, and judged after state and window.
            Ok(()) | Err(_) => Ok(()),
        },
        Content::RetireValidator(asked) => match validator::check_runs(asked, state) {
            Err(_) => Err(Refused::UnknownValidator(asked.consensus_key)),
            Ok(_) => Ok(()),
        },
        Content::SetParameter(_) => Ok(()),
    }
}

/// What only this sort of change asks for; answers with what it takes to carry it.
fn check_own(content: &Content, state: &Overlay<'_>) -> Result<Mode, Refused> {
    match content {
        Content::SetParameter(asked) => match parameter::check(asked) {
            Err(ParameterFault::Unknown) => Err(Refused::ParameterUnknown(asked.name)),
            Err(ParameterFault::Bounds) => Err(Refused::AmountParameter(asked.name, asked.value)),
            Ok(parameter) => Ok(parameter.mode().into()),
        },
        Content::AwardGrants(awards) => {
            let call = state.get::<Call>(&awards.call).ok_or(Refused::UnknownCall(awards.call))?;
            let listed = Listed::new(awards, call, state);
            listed.amounts_fit()?;
            listed.awarded_are_ready(state)?;
            listed.none_missing()?;
            Ok(Mode::Majority)
        }
        Content::GrantRole(_) | Content::RevokeRole(_) => Ok(Mode::Majority),
        Content::AdmitValidator(asked) => match validator::check_candidate(asked, state) {
            Err(ValidatorFault::Key(key)) => Err(Refused::EvidenceKey(key)),
            Ok(()) | Err(_) => Ok(Mode::Supermajority),
        },
        Content::RetireValidator(_) => Ok(Mode::Supermajority),
    }
}

/// The object of the duties of a change.
pub(super) fn object(change: &ChangeId) -> Hash {
    *change.hash()
}

impl Effect for ChangeProposed {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let Self { change, proposer, content, document, mode, opens_at, closes_at } = self.clone();
        due::schedule(state, opens_at, Kind::OpenChange, object(&change));
        due::schedule(state, closes_at, Kind::EnactChange, EnactChange::object(&change));
        if let Content::AwardGrants(AwardGrants { call, .. }) = &content {
            state.update::<Call>(call, |record| record.status = CallStatus::Deciding);
        }
        let record = Change {
            proposer,
            content,
            document,
            mode,
            opens_at,
            closes_at,
            status: ChangeStatus::Proposed,
            colleges: vec![],
            counting: None,
            joint_quorum: 0,
            refusal: None,
        };
        state.put::<Change>(change, record);
    }

    fn subjects(&self) -> Vec<RecordRef> {
        let proposer = RecordRef::of::<Organisation>(&self.proposer);
        let mut subjects = vec![RecordRef::of::<Change>(&self.change)];
        subjects.extend(self.content.target().filter(|target| *target != proposer));
        subjects.push(proposer);
        subjects
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        action::{Event, Payload},
        application::{
            application::{Application, CallApplication, CallParty},
            fixture::{call_opened_at, reviewed},
        },
        fixture::{self, IntoPayload, Network},
        governance::change::{AdmitValidator, Award, RetireValidator, RoleChange, SetParameter},
    };

    impl IntoPayload for ProposeChange {
        fn into_payload(self) -> Payload {
            Payload::ProposeChange(self)
        }
    }

    /// A proposal that opens in an hour.
    pub(crate) fn proposal(network: &Network, change: Content) -> ProposeChange {
        let opens_at = BlockTime(network.now().0 + 3_600_000);
        ProposeChange { change, document: fixture::commitment("change"), opens_at }
    }

    pub(crate) fn set(name: &str, value: u64) -> Content {
        Content::SetParameter(SetParameter { name: Code::new(name).unwrap(), value })
    }

    pub(crate) fn parameter(network: &Network) -> ProposeChange {
        proposal(network, set("payout_lag_days", 7))
    }

    pub(crate) fn change_of(event: &Event) -> ChangeId {
        match event {
            Event::ProposeChange(proposed) => proposed.change,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn awards(call: CallId, awards: &[(ApplicationId, u64)]) -> AwardGrants {
        let awards = awards.iter().map(|(application, amount)| Award { application: *application, amount: *amount });
        AwardGrants { call, awards: awards.collect(), derogations: vec![] }
    }

    pub(crate) fn admission(candidate: &str, college: &str, at_height: u64) -> AdmitValidator {
        let key = fixture::consensus_key(candidate);
        AdmitValidator {
            organisation: fixture::id(candidate),
            consensus_key: key.public(),
            network_key: fixture::network_key(candidate),
            possession: prove_possession(&key, PossessionPurpose::Consensus, fixture::NAME),
            college: CollegeCode::new(college).unwrap(),
            at_height: Height(at_height),
        }
    }

    pub(crate) fn role(organisation: &str, role: Role, scope: Scope) -> RoleChange {
        RoleChange { organisation: fixture::id(organisation), role, scope }
    }

    /// A second application like the first, without reviews.
    pub(crate) fn second(network: &mut Network, call: CallId, first: ApplicationId) -> ApplicationId {
        let second = ApplicationId::new(hash("test-second", &[]));
        network.edit(|state| {
            let mut record = state.get::<Application>(&first).unwrap().clone();
            record.number = 2;
            record.reviews.clear();
            state.put::<Application>(second, record);
            state.put::<CallApplication>((call, 2), CallApplication { application: second });
        });
        second
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let (mut network, call, first) = reviewed();
        let award = |call, list: &[(ApplicationId, u64)]| Content::AwardGrants(awards(call, list));
        let opened = Payload::OpenCall(call_opened_at(network.in_days(1)));
        let [open, deciding] = [(); 2].map(|()| match network.run("foundation", opened.clone()) {
            Ok(Event::OpenCall(opened)) => opened.id,
            other => panic!("{other:?}"),
        });
        network.edit(|state| state.update::<Call>(&deciding, |call| call.status = CallStatus::Deciding));
        let network = network;
        let edited = |edit: &dyn Fn(&mut Overlay<'_>)| {
            let mut other = network.clone();
            other.edit(edit);
            other
        };
        let refused = |signer: &str, change: Content| network.refusal(signer, proposal(&network, change));
        let at = |opens_at| network.refusal("bank", ProposeChange { opens_at, ..parameter(&network) });

        let mut suspended = network.clone();
        suspended.suspend("consumers");
        let tight = edited(&|state| state.update::<Call>(&call, |call| call.budget = Amount::eur(500_000)));
        let unread = edited(&|state| state.update::<Application>(&first, |record| record.reviews.clear()));
        let mut two = network.clone();
        second(&mut two, call, first);
        let conflicted = edited(&|state| {
            for seat in ["bank", "region", "federation", "lab", "foundation"] {
                state.put::<CallParty>((call, fixture::id(seat)), CallParty { applications: 1 });
            }
        });
        let mut empty = network.clone();
        ["federation", "lab"].iter().for_each(|commoner| empty.suspend(commoner));
        let with_derogation = AwardGrants { derogations: vec![first], ..awards(call, &[(first, 0)]) };
        let unproven = AdmitValidator { possession: Signature::from_bytes([1; 64]), ..admission("lab", "users", 60) };
        let stranger = RetireValidator {
            organisation: fixture::id("bank"),
            consensus_key: fixture::consensus_key("region").public(),
            at_height: Height(60),
        };
        let on = |other: &Network, change: Content| other.refusal("foundation", proposal(other, change));
        let nobody = RoleChange { organisation: OrganisationId::ZERO, ..role("lab", Role::Registrar, Scope::Network) };

        let reached = [
            refused("foundation", award(call, &[(first, Amount::MAX_MINOR + 1)])),
            refused("foundation", award(call, &[])),
            refused("foundation", Content::AwardGrants(with_derogation)),
            suspended.refusal("consumers", parameter(&suspended)),
            refused("asso1", set("payout_lag_days", 7)),
            refused("foundation", award(CallId::ZERO, &[(first, 0)])),
            refused("foundation", award(call, &[(first, 0), (ApplicationId::ZERO, 0)])),
            refused("bank", Content::GrantRole(nobody)),
            refused("bank", Content::GrantRole(role("lab", Role::Reviewer, Scope::Network))),
            refused("bank", Content::AdmitValidator(admission("lab", "none", 60))),
            refused("bank", Content::RetireValidator(stranger)),
            refused("foundation", award(open, &[(first, 0)])),
            refused("foundation", award(deciding, &[(first, 0)])),
            at(BlockTime(network.now().0 - 1)),
            at(network.in_days(400)),
            refused("bank", set("no_such_thing", 1)),
            refused("bank", set("ballot_days", 0)),
            refused("foundation", award(call, &[(first, 1)])),
            on(&tight, award(call, &[(first, 1_000_000)])),
            on(&unread, award(call, &[(first, 1_000_000)])),
            on(&two, award(call, &[(first, 1_000_000)])),
            refused("bank", Content::AdmitValidator(unproven)),
            on(&conflicted, award(call, &[(first, 1_000_000)])),
            empty.refusal("bank", parameter(&empty)),
        ];
        fixture::assert_all_reached(Kind::ProposeChange, &reached);
    }

    #[test]
    fn a_college_member_cannot_propose_an_award_nor_a_manager_without_seat_another_change() {
        let (network, call, first) = reviewed();
        let award = Content::AwardGrants(awards(call, &[(first, 0)]));
        assert_eq!(network.refusal("bank", proposal(&network, award)), "RoleMissing");
    }

    #[test]
    fn a_proposed_award_makes_its_call_deciding_and_closes_after_the_days_of_ballot() {
        let (mut network, call, first) = reviewed();
        let proposal = proposal(&network, Content::AwardGrants(awards(call, &[(first, 0)])));
        fixture::assert_round_trips(&proposal.clone().into_payload());
        let change = change_of(&network.run("foundation", proposal.clone()).unwrap());
        let record = network.state.get::<Change>(&change).unwrap();
        assert_eq!(record.closes_at, BlockTime(proposal.opens_at.0 + 7 * fixture::DAY));
        assert_eq!(record.status, ChangeStatus::Proposed);
        assert_eq!(network.state.get::<Call>(&call).unwrap().status, CallStatus::Deciding);
        assert_eq!(network.refusal("foundation", proposal), "StatePending");
    }
}
