//! `enact_change`*: a vote has closed. The executor makes it at the start of the first block at or after `closes_at`.
//!
//! - Outcomes, not refusals: enacted; pending (carried, waits for its height); lost; no quorum; not enacted (carried, with the refusal of the change);
//!   fell back (a consent failed, and the vote by majority opens in the same block).
//! - Effect of a carried change: all of it or nothing. An award moves money from the envelope to what is reserved for each grant, offers the grants,
//!   refuses the other applications and decides the call; without it the call is closed again.
//! - Source: rulebook §4 (table B), §7, §10 and §17, 0c08.

use super::{
    award::{AwardFault, ListFault},
    change::{AwardGrants, Change, ChangeStatus, Content, Mode, seats_of},
    delegation,
    electorate::{CollegeCount, Counting, Verdict, count, verdict},
    motion::{Effects, fault_refusals},
    objection, propose_change,
    role::RoleFault,
    validator::ValidatorFault,
};
use crate::{
    accounts::{Account, Postings},
    action::{BASE_COST, Duty, Effect, Kind, Place},
    application::application::Application,
    due,
    grant::{GrantOffer, offer::OfferError},
    history::RecordRef,
    levy::ending::LevyEnded,
    redistribution::cap::CapExceeded,
    refusal::{Reject, refusals},
    registry::{
        fund::Fund,
        organisation::{Organisation, Status},
        project::Project,
        role::{Role, Scope},
        validator_seat::PendingSeat,
    },
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;
use std::collections::BTreeSet;

/// The duty; its object is the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnactChange;

impl EnactChange {
    /// The object of this duty.
    pub fn object(change: &ChangeId) -> Hash {
        *change.hash()
    }
}

message! {
    /// The event.
    pub struct ChangeEnacted = ChangeEnacted {
        /// The change.
        pub change: ChangeId,
        /// What became of it: enacted, pending, lost, no_quorum or not_enacted.
        pub outcome: ChangeStatus,
        /// What was asked.
        pub content: Content [required],
        /// How ballots were put together.
        pub counting: Counting,
        /// What each college said.
        pub counts: Vec<CollegeCount>,
        /// Colleges left out, since nobody in them could vote: a derogation.
        pub silent: Vec<CollegeCode>,
        /// Why nothing could be counted, or why a carried change was not enacted: a code of this kind.
        pub refusal: Option<u32>,
        /// Grants offered.
        pub offers: Vec<GrantOffer>,
        /// Applications that got nothing.
        pub refused: Vec<ApplicationId>,
        /// Applications whose award is above a cap, by a derogation that the change lists.
        pub derogated: Vec<ApplicationId>,
        /// The fund that pays.
        pub fund: Option<FundCode>,
        /// Projects and leads that the decision concerns.
        pub concerned: Vec<Concerned>,
        /// The parameter's value before.
        pub previous_value: Option<u64>,
        /// What waits for its height.
        pub pending: Option<PendingSeat>,
        /// Money moved.
        pub postings: Postings,
        /// Of a consent: admitted objections that were open at the close.
        pub objections: u32,
        /// Of a consent that fell back: the close of the vote by majority that opens now.
        pub closes_at: Option<BlockTime>,
        /// When it takes effect, if that is later.
        pub effective_at: Option<BlockTime>,
        /// What a payer owed and need not pay.
        pub written_off: Option<LevyEnded>,
    }

    /// Who an application was of.
    pub struct Concerned = Concerned {
        /// The project.
        pub project: ProjectId,
        /// The lead.
        pub lead: OrganisationId,
    }
}

refusals! {
    UnknownChange(ChangeId): Unknown 1 "change {0} does not exist", "the change does not exist";
    UnknownOrganisation(OrganisationId): Unknown 2 "organisation {0} does not exist", "the organisation does not exist";
    UnknownScope(Role, Scope): Unknown 3 "role {0} is not held over {1}, or it does not exist", "the scope does not exist, or is none of the role";
    UnknownCollege(CollegeCode): Unknown 4 "college {0} does not exist", "the college does not exist";
    UnknownValidator(PublicKey): Unknown 5 "the organisation runs no validator with key {0}", "the organisation runs no such validator";
    UnknownNamed(String): Unknown 6 "{0}", "something that the change names does not exist";
    TerritoryNamed(String): Territory 1 "{0}", "a territory that the change names does not fit";
    ScheduleNamed(String): Schedule 1 "{0}", "the levy schedule says nothing on it";
    SegregationRole(OrganisationId, Role): Segregation 1 "organisation {0} of the same group is {1} there", "the group holds a role that can never be held together with this one";
    SegregationValidator(OrganisationId): Segregation 2 "organisation {0} of the same group runs a validator", "the group runs a validator already";
    SegregationNamed(String): Segregation 3 "{0}", "offices that must differ would be held by one group";
    StateDecided(ChangeId, ChangeStatus): State 1 "change {0} is {1}", "the change was decided already";
    StateCall(CallId): State 2 "call {0} does not wait for a decision", "the call does not wait for this decision";
    StateApplication(ApplicationId): State 3 "application {0} is no admissible and ready one, or is not listed", "the admissible applications, or their reviews, are no longer those of the list";
    StateOrganisation(OrganisationId, Status): State 4 "organisation {0} is {1}", "the organisation is not active";
    StateRole(Role, Scope): State 5 "role {0} over {1} is held already, or is not held", "the role is held already, or is not held";
    StateValidators(ChangeId): State 6 "change {0} of validators waits for its height", "another change of validators waits for its height";
    StateNamed(String): State 7 "{0}", "what the change names is no longer in a state that allows it";
    WindowHeight(Height): Window 1 "height {0} is not 10 to 1,000,000 ahead", "the height is less than 10 ahead, or more than 1,000,000";
    WindowNamed(String): Window 2 "{0}", "a time or height that the change names is too early or too late";
    ParameterUnknown(Code): UnknownParameter 1 "no parameter is called {0}", "no parameter has that name";
    AmountParameter(Code, u64): Amount 1 "{0} = {1} is outside its bounds", "the value is outside the parameter's bounds";
    AmountAward(ApplicationId, u64): Amount 2 "{1} minor units for application {0} do not fit", "an award is below the call's least one, above what is requested, or breaks the call's limits on advance and retention";
    AmountBudget(u128, u64): Amount 3 "the awards sum to {0} minor units, the call's budget is {1}", "the awards sum to more than the call's budget";
    EvidenceKey(PublicKey): Evidence 1 "key {0} is not acceptable, or its proof of possession does not verify", "a key of the candidate is malformed, weak, or not proven";
    DuplicateKey(PublicKey): Duplicate 1 "key {0} is in use", "a key of the candidate is in use";
    IdentifierNamed(String): Identifier 1 "{0}", "an identifier that the change names is malformed or held";
    DuplicateNamed(String): Duplicate 2 "{0}", "what the change makes is there already";
    EvidenceNamed(String): Evidence 2 "{0}", "the change lacks evidence, or it does not hold";
    ThresholdNamed(String): Threshold 1 "{0}", "a threshold could not be met";
    AmountNamed(String): Amount 4 "{0}", "an amount of the change does not fit";
    CurrencyNamed(String): Currency 1 "{0}", "a currency of the change does not fit";
    SharesNamed(String): Shares 1 "{0}", "shares of the change do not fit";
    LimitNamed(String): Limit 1 "{0}", "the change asks for more than a limit allows";
    QuorumMissing(): Quorum 1 "too few ballots, or conflicts leave nobody to vote", "a college has too few ballots, or conflicts leave no base";
    ParityCollege(): Parity 1 "a college had no active seat when voting opened", "a college had no active seat when voting opened";
    ObjectionOpen(u32): ObjectionOpen 1 "{0} admitted objections are open", "an admitted objection is open";
    Insufficient(String): Insufficient 1 "{0}", "the envelope does not hold enough, or the fund's deficit would no longer be covered";
    InsufficientNamed(String): Insufficient 2 "{0}", "there is not enough money for it";
    CapHolder(CapExceeded): Cap 1 "{0}", "a beneficiary, group or territory would have more than the policy's cap, without a derogation";
    CapGroups(usize, u32): Cap 2 "{0} groups are awarded, the policy asks for {1}", "fewer groups are awarded than the policy asks for";
    CapMany(usize): Cap 5 "{0} validators; a set has 128 at most", "there would be more than 128 validators";
    CapPower(CollegeCode, usize, usize): Cap 3 "college {0} would count {1} of {2} validators", "a college would count more than a third of the validators, rounded up";
    CapFew(usize): Cap 4 "{0} validators would be left", "fewer than 4 validators would be left on a live network, or none";
    CapNamed(String): Cap 6 "{0}", "it would pass a cap";
    OverflowNamed(String): Overflow 2 "{0}", "a sum leaves its range";
    Overflow(Account): Overflow 1 "a sum on {0} leaves its range", "a sum leaves its range";
}

fault_refusals!(Refused);

impl From<RoleFault> for Refused {
    fn from(fault: RoleFault) -> Self {
        match fault {
            RoleFault::Organisation(id) => Self::UnknownOrganisation(id),
            RoleFault::Scope(role, scope) => Self::UnknownScope(role, scope),
            RoleFault::Segregation(holder, role) => Self::SegregationRole(holder, role),
            RoleFault::Inactive(id, status) => Self::StateOrganisation(id, status),
            RoleFault::Held(role, scope) => Self::StateRole(role, scope),
        }
    }
}

impl From<ValidatorFault> for Refused {
    fn from(fault: ValidatorFault) -> Self {
        match fault {
            ValidatorFault::Organisation(id) => Self::UnknownOrganisation(id),
            ValidatorFault::College(code) => Self::UnknownCollege(code),
            ValidatorFault::Validator(key) => Self::UnknownValidator(key),
            ValidatorFault::Key(key) => Self::EvidenceKey(key),
            ValidatorFault::Group(id) => Self::SegregationValidator(id),
            ValidatorFault::Inactive(id, status) => Self::StateOrganisation(id, status),
            ValidatorFault::Pending(change) => Self::StateValidators(change),
            ValidatorFault::Height(height) => Self::WindowHeight(height),
            ValidatorFault::Duplicate(key) => Self::DuplicateKey(key),
            ValidatorFault::Power(college, held, of) => Self::CapPower(college, held, of),
            ValidatorFault::Few(left) => Self::CapFew(left),
            ValidatorFault::Many(seats) => Self::CapMany(seats),
        }
    }
}

impl From<AwardFault> for Refused {
    fn from(fault: AwardFault) -> Self {
        match fault {
            AwardFault::Call(call) => Self::StateCall(call),
            AwardFault::List(ListFault::NotAdmissible(id) | ListFault::Missing(id) | ListFault::NotReady(id)) => {
                Self::StateApplication(id)
            }
            AwardFault::List(ListFault::Amount(id, amount)) => Self::AmountAward(id, amount),
            AwardFault::List(ListFault::Budget(sum, budget)) => Self::AmountBudget(sum, budget),
            AwardFault::Offer(OfferError::Unknown(id) | OfferError::State(id, _)) => Self::StateApplication(id),
            AwardFault::Offer(OfferError::Amount { application, awarded, .. }) => {
                Self::AmountAward(application, awarded)
            }
            AwardFault::Insufficient(words) => Self::Insufficient(words),
            AwardFault::Cap(exceeded) => Self::CapHolder(exceeded),
            AwardFault::Groups(groups, least) => Self::CapGroups(groups, least),
            AwardFault::Overflow(account) => Self::Overflow(account),
        }
    }
}

/// Whom a decision on a call concerns, each pair once.
fn concerned(content: &Content, state: &Overlay<'_>) -> Vec<Concerned> {
    let Content::AwardGrants(AwardGrants { awards, .. }) = content else { return Vec::new() };
    let applications = awards.iter().filter_map(|award| state.get::<Application>(&award.application));
    applications.map(|asked| Concerned { project: asked.project, lead: asked.lead }).collect()
}

impl Duty for EnactChange {
    type Event = ChangeEnacted;
    type Refused = Refused;

    /// Base and 4 for each object that an enactment may write.
    fn cost(object: &Hash, state: &Overlay<'_>) -> u64 {
        let record = state.get::<Change>(&ChangeId::new(*object));
        BASE_COST + 4 * record.map_or(0, |record| record.content.written() as u64)
    }

    fn decide(object: &Hash, place: &Place, state: &Overlay<'_>) -> Result<ChangeEnacted, Refused> {
        let change = ChangeId::new(*object);
        let record = state.get::<Change>(&change).ok_or(Refused::UnknownChange(change))?;
        let counting = match (record.status, record.mode, record.counting) {
            (ChangeStatus::Open, _, Some(counting)) => counting,
            (ChangeStatus::Proposed, Mode::Delegated, _) => Counting::Alone,
            (status, _, _) => return Err(Refused::StateDecided(change, status)),
        };
        let Change { content, colleges, mode, .. } = record.clone();
        let counts = count(&colleges, &seats_of(state, &change));
        let objections = objection::admitted(state, &change);
        let verdict = verdict(mode, counting, &colleges, &counts, record.joint_quorum, objections);
        let carried = |outcome| (outcome, None, Effects::default());
        let ended = |outcome, refused| (outcome, Some(refused), Effects::default());
        let (outcome, refused, effects) = match (verdict, counting) {
            (Verdict::NoQuorum, Counting::NoParity) => ended(ChangeStatus::NoQuorum, Refused::ParityCollege()),
            (Verdict::NoQuorum, Counting::NoBase) => ended(ChangeStatus::NoQuorum, Refused::QuorumMissing()),
            (Verdict::NoQuorum | Verdict::Objected | Verdict::Lost, _) if mode == Mode::Consent => {
                carried(ChangeStatus::FellBack)
            }
            (Verdict::NoQuorum, _) => ended(ChangeStatus::NoQuorum, Refused::QuorumMissing()),
            (Verdict::Objected, _) => ended(ChangeStatus::Lost, Refused::ObjectionOpen(objections)),
            (Verdict::Lost, _) => carried(ChangeStatus::Lost),
            (Verdict::Carried, _) => match content.enact(&change, place, state) {
                Ok(effects) if effects.pending.is_some() || effects.effective_at.is_some() => {
                    (ChangeStatus::Pending, None, effects)
                }
                Ok(effects) => (ChangeStatus::Enacted, None, effects),
                Err(refused) => ended(ChangeStatus::NotEnacted, refused),
            },
        };
        let closes_at =
            (outcome == ChangeStatus::FellBack).then(|| place.time.saturating_add(propose_change::ballot_ms(state)));
        let Effects { offers, refused: left, derogated, previous_value, pending, effective_at, postings, written_off } =
            effects;
        Ok(ChangeEnacted {
            change,
            outcome,
            counting,
            counts,
            silent: colleges.iter().filter(|college| college.silent).map(|college| college.college).collect(),
            refusal: refused.map(|refused| refused.doc().code),
            offers,
            refused: left,
            derogated,
            fund: content.fund(state),
            concerned: concerned(&content, state),
            previous_value,
            pending,
            postings,
            objections,
            closes_at,
            effective_at,
            written_off,
            content,
        })
    }
}

/// A consent that failed is voted by majority from now on, by seats that are frozen anew.
fn fall_back(change: &ChangeId, now: BlockTime, closes_at: BlockTime, state: &mut Overlay<'_>) {
    due::schedule(state, now, Kind::OpenChange, propose_change::object(change));
    due::schedule(state, closes_at, Kind::EnactChange, EnactChange::object(change));
    state.update::<Change>(change, |record| {
        record.mode = Mode::Majority;
        record.status = ChangeStatus::Proposed;
        (record.opens_at, record.closes_at) = (now, closes_at);
        (record.objections_from, record.counting) = (None, None);
        record.colleges.clear();
    });
}

impl ChangeEnacted {
    /// Whether it was carried and done.
    pub fn is_enacted(&self) -> bool {
        self.outcome == ChangeStatus::Enacted
    }
}

impl Effect for ChangeEnacted {
    fn apply(&self, place: &Place, state: &mut Overlay<'_>) {
        let Self { change, outcome, content, refusal, closes_at, .. } = self;
        if let Some(closes_at) = *closes_at {
            return fall_back(change, place.time, closes_at, state);
        }
        state.update::<Change>(change, |record| {
            record.status = *outcome;
            record.refusal = *refusal;
        });
        if matches!(outcome, ChangeStatus::Enacted | ChangeStatus::Pending) {
            content.apply(self, place, state);
        } else {
            delegation::give_back(change, content, state);
            content.fall(state);
        }
    }

    /// The change and what it is about; of an award also the fund, and every grant, application, project and lead it decides on.
    fn subjects(&self) -> Vec<RecordRef> {
        let mut subjects: BTreeSet<RecordRef> = [RecordRef::of::<Change>(&self.change)].into();
        subjects.extend(self.content.target());
        subjects.extend(self.fund.map(|fund| RecordRef::of::<Fund>(&fund)));
        // What was not done has written no record that a story could go on in.
        if matches!(self.outcome, ChangeStatus::Enacted | ChangeStatus::Pending) {
            subjects.extend(self.content.subjects(self));
        }
        subjects.extend(self.offers.iter().flat_map(GrantOffer::subjects));
        for Concerned { project, lead } in &self.concerned {
            subjects.insert(RecordRef::of::<Project>(project));
            subjects.insert(RecordRef::of::<Organisation>(lead));
        }
        subjects.into_iter().collect()
    }

    fn postings(&self) -> Option<&Postings> {
        Some(&self.postings).filter(|postings| !postings.legs().is_empty())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        accounts::{self, AccountBalance, balance_of},
        action::Event,
        application::{
            application::{ApplicationStatus, CallParty},
            fixture::{record, reviewed},
        },
        call::call::{Call, CallStatus},
        fixture::{self, Network, id},
        governance::change::{AdmitValidator, RetireValidator, RoleChange},
        governance::motion::Fault,
        governance::objection::{Objection, ObjectionStatus},
        governance::{
            cast_ballot::tests::ballot,
            change::{Ballot, ChangeSeat, Choice},
            electorate::FrozenCollege,
            propose_change::tests::{admission, awards, change_of, parameter, proposal, role, second, set},
        },
        grant::{fixture::credit, grant::Grant},
        network::{NetworkKind, NetworkRecord},
        parameters::Parameter,
        redistribution::{
            envelope::EnvelopePeriod,
            policy::{Policy, PolicyCaps, PolicyShare},
        },
        registry::role::RoleGrant,
        registry::validator_seat::{SeatAction, ValidatorSeat},
        state::Only,
    };

    const ALL: [&str; 7] = ["bank", "region", "federation", "lab", "foundation", "university", "consumers"];

    /// Proposes, lets these seats vote, and closes; answers with the change and what became of it.
    pub(crate) fn decide(
        network: &mut Network,
        proposer: &str,
        content: Content,
        ballots: &[(&str, Choice)],
    ) -> (ChangeId, ChangeEnacted) {
        let proposal = proposal(network, content);
        let change = change_of(&network.run(proposer, proposal).unwrap());
        let Change { opens_at, closes_at, .. } = network.state.get::<Change>(&change).unwrap().clone();
        network.advance_to(opens_at);
        for (seat, choice) in ballots {
            network.run(seat, ballot(change, *choice)).unwrap();
        }
        let receipts = network.advance_to(closes_at);
        let event = receipts.iter().find_map(|receipt| match receipt.event() {
            Some(Event::EnactChange(event)) => Some(event.clone()),
            _ => None,
        });
        (change, event.expect("the vote has closed"))
    }

    /// As [`decide`], with every seat for it that is not conflicted: it is enacted.
    pub(crate) fn enacted(network: &mut Network, proposer: &str, content: Content) -> ChangeEnacted {
        let mut seats = ALL.to_vec();
        seats.retain(|seat| !content.conflicts(&id(seat), &network.state.overlay()));
        let (_, event) = decide(network, proposer, content, &yes(&seats));
        assert_eq!(event.outcome, ChangeStatus::Enacted, "{event:?}");
        event
    }

    fn yes(seats: &[&'static str]) -> Vec<(&'static str, Choice)> {
        seats.iter().map(|seat| (*seat, Choice::Yes)).collect()
    }

    fn pot() -> Account {
        Account::Envelope { fund: fixture::fund(), envelope: fixture::envelope("commons") }
    }

    fn place(network: &Network) -> Place {
        Place {
            height: Height(network.state.head().height.0 + 1),
            time: network.now(),
            receipt: 0,
            transaction: TransactionId::ZERO,
        }
    }

    /// The change as it stands when its one seat has said yes.
    fn carried(content: Content) -> (Change, ChangeSeat) {
        let college = CollegeCode::new("users").unwrap();
        let record = Change {
            proposer: id("bank"),
            content,
            document: fixture::commitment("change"),
            mode: Mode::Majority,
            opens_at: BlockTime(1),
            closes_at: BlockTime(2),
            status: ChangeStatus::Open,
            colleges: vec![FrozenCollege { college, base: 1, quorum: 1, silent: false }],
            counting: Some(Counting::PerCollege),
            joint_quorum: 1,
            refusal: None,
            objections_from: None,
            round: 0,
            extended_at: None,
            objections: 0,
        };
        let ballot = Some(Ballot { choice: Choice::Yes, reason: None });
        (record, ChangeSeat { college, conflicted: false, ballot, delegate: false })
    }

    /// Why the change would not be enacted now, though carried.
    fn refused(network: &Network, (record, seat): (Change, ChangeSeat)) -> &'static str {
        let mut network = network.clone();
        let change = ChangeId::new(hash("test-change", &[]));
        network.edit(|state| {
            state.put::<Change>(change, record);
            state.put::<ChangeSeat>((change, id("university")), seat);
        });
        let event = EnactChange::decide(change.hash(), &place(&network), &network.state.overlay()).unwrap();
        let code = event.refusal.expect("it is not enacted");
        assert!(event.offers.is_empty() && event.pending.is_none() && event.postings.legs().is_empty());
        Refused::ALL.iter().find(|doc| doc.code == code).expect("a code of the kind").variant
    }

    /// Enacts the change in the next block, as one that its vote has carried; the name of the refusal if it cannot be done.
    pub(crate) fn enact_now(network: &mut Network, content: Content) -> Result<ChangeEnacted, &'static str> {
        let change = ChangeId::new(hash("test-change", &[&network.state.head().height.0.to_be_bytes()]));
        let (record, seat) = carried(content);
        let at = network.now();
        network.edit(|state| {
            state.put::<Change>(change, record);
            state.put::<ChangeSeat>((change, id("university")), seat);
            crate::due::schedule(state, at, Kind::EnactChange, EnactChange::object(&change));
        });
        let receipts = network.advance(1);
        let event = receipts.iter().filter_map(|receipt| receipt.event()).find_map(|event| match event {
            Event::EnactChange(event) => Some(event.clone()),
            _ => None,
        });
        let event = event.expect("it is due");
        match event.refusal {
            None => Ok(event),
            Some(code) => Err(Refused::ALL.iter().find(|doc| doc.code == code).expect("a code of the kind").variant),
        }
    }

    fn policy(caps: PolicyCaps) -> Policy {
        Policy {
            fund: fixture::fund(),
            valid_from: "2027Q1".parse().unwrap(),
            reserve_ppm: Ppm::ZERO,
            fee_ppm: Ppm::ZERO,
            shares: vec![PolicyShare { envelope: fixture::envelope("commons"), ppm: Ppm::ONE }],
            sources: vec![],
            caps,
            territorial: vec![],
            carry_over: None,
            auditors_block: false,
        }
    }

    fn with_policy(network: &Network, per_group: Option<u32>, min_beneficiaries: u32) -> Network {
        let mut network = network.clone();
        let per_group_ppm = per_group.map(|ppm| Ppm::new(ppm).unwrap());
        let caps = PolicyCaps { per_group_ppm, min_beneficiaries, ..PolicyCaps::NONE };
        network.edit(|state| {
            state.put::<Policy>(PolicyCode::new("first").unwrap(), policy(caps));
            let key = (fixture::fund(), fixture::envelope("commons"), "2027Q1".parse().unwrap());
            state.put::<EnvelopePeriod>(key, EnvelopePeriod { credited: 5_000_000, ..EnvelopePeriod::NOTHING });
        });
        network
    }

    /// A call under decision, its application with reviews, and 50,000.00 EUR in the envelope.
    fn deciding() -> (Network, CallId, ApplicationId) {
        let (mut network, call, first) = reviewed();
        credit(&mut network, pot(), 5_000_000);
        network.edit(|state| state.update::<Call>(&call, |call| call.status = CallStatus::Deciding));
        (network, call, first)
    }

    #[test]
    fn a_carried_change_that_cannot_be_done_says_why_in_order_of_precedence() {
        let (network, call, first) = deciding();
        let award = |amount| Content::AwardGrants(awards(call, &[(first, amount)]));
        let edited = |edit: &dyn Fn(&mut Overlay<'_>)| {
            let mut other = network.clone();
            other.edit(edit);
            other
        };
        let why = |content: Content| refused(&network, carried(content));
        let on = |other: &Network, content: Content| refused(other, carried(content));
        let fund = || Scope::Fund(fixture::fund());
        let height = place(&network).height.0 + 20;
        let retire = |organisation: &str| {
            Content::RetireValidator(RetireValidator {
                organisation: id(organisation),
                consensus_key: fixture::consensus_key("bank").public(),
                at_height: Height(height),
            })
        };
        let admit = |candidate: &str, college: &str| Content::AdmitValidator(admission(candidate, college, height));
        let decided = {
            let (mut record, seat) = carried(set("payout_lag_days", 7));
            record.status = ChangeStatus::Lost;
            let other = edited(&|state| {
                state.put::<Change>(ChangeId::ZERO, record.clone());
                state.put::<ChangeSeat>((ChangeId::ZERO, id("university")), seat.clone());
            });
            move |object: Hash| {
                let answer = EnactChange::decide(&object, &place(&other), &other.state.overlay());
                answer.unwrap_err().doc().variant
            }
        };
        let counted = |counting| {
            let (mut record, mut seat) = carried(set("payout_lag_days", 7));
            (record.counting, seat.ballot) = (Some(counting), None);
            refused(&network, (record, seat))
        };
        let objected = {
            let (mut record, seat) = carried(set("payout_lag_days", 7));
            record.mode = Mode::ConsentOnly;
            let admitted = edited(&|state| {
                let objection = Objection {
                    round: 0,
                    organisation: id("lab"),
                    college: None,
                    reason: ReasonCode::new("harm").unwrap(),
                    text: fixture::commitment("objection"),
                    rule: Text::new("rulebook 10").unwrap(),
                    status: ObjectionStatus::Admitted,
                    verdicts: vec![],
                };
                state.put::<Objection>((ChangeId::new(hash("test-change", &[])), 1), objection);
            });
            refused(&admitted, (record, seat))
        };
        let nobody = RoleChange { organisation: OrganisationId::ZERO, ..role("lab", Role::Reviewer, fund()) };
        let closed = edited(&|state| state.update::<Call>(&call, |call| call.status = CallStatus::Closed));
        let unread = edited(&|state| state.update::<Application>(&first, |record| record.reviews.clear()));
        let tight = edited(&|state| state.update::<Call>(&call, |call| call.budget = Amount::eur(500_000)));
        let mut idle = network.clone();
        idle.suspend("lab");
        let waiting = edited(&|state| {
            let seat = state.get::<ValidatorSeat>(&fixture::consensus_key("bank").public()).unwrap().clone();
            let consensus_key = fixture::consensus_key("bank").public();
            let pending = PendingSeat { action: SeatAction::Retire, consensus_key, seat, ready_at: None };
            state.put::<PendingSeat>((Height(height), ChangeId::ZERO), pending);
        });
        let unproven =
            AdmitValidator { possession: Signature::from_bytes([1; 64]), ..admission("lab", "users", height) };
        let taken = AdmitValidator { network_key: fixture::network_key("bank"), ..admission("lab", "users", height) };
        let poor = edited(&|state| {
            let record = AccountBalance { fund: fixture::fund(), balance: -10 };
            state.put::<AccountBalance>(pot(), record);
        });
        let live = edited(&|state| state.update::<NetworkRecord>(&Only, |record| record.dev = NetworkKind::Live));
        let crowded = edited(&|state| {
            let seat = state.get::<ValidatorSeat>(&fixture::consensus_key("bank").public()).unwrap().clone();
            for number in 4..octroi_chain::MAX_VALIDATORS {
                let network_key = fixture::network_key(&format!("network {number}"));
                let seat = ValidatorSeat { network_key, ..seat.clone() };
                state.put::<ValidatorSeat>(fixture::network_key(&format!("consensus {number}")), seat);
            }
        });
        let grant = GrantId::new(object_id_at("grant", &TransactionId::ZERO, 0));
        let full = edited(&|state| {
            let account = Account::Encumbered { fund: fixture::fund(), grant };
            state.put::<AccountBalance>(account, AccountBalance { fund: fixture::fund(), balance: i128::MIN });
        });

        let named = |fault: fn(String) -> Fault| Refused::from(fault(String::new())).doc().variant;

        let reached = [
            decided(Hash::from_bytes([9; 32])),
            why(Content::GrantRole(nobody)),
            why(Content::GrantRole(role("lab", Role::Reviewer, Scope::Network))),
            why(admit("lab", "none")),
            why(retire("region")),
            named(Fault::Unknown),
            named(Fault::Territory),
            named(Fault::Schedule),
            why(Content::GrantRole(role("bank_branch", Role::Ordonnateur, fund()))),
            why(admit("bank_branch", "users")),
            named(Fault::Segregation),
            decided(Hash::ZERO),
            on(&closed, award(1_000_000)),
            on(&unread, award(1_000_000)),
            on(&idle, Content::GrantRole(role("lab", Role::Reviewer, fund()))),
            why(Content::RevokeRole(role("lab", Role::Reviewer, fund()))),
            on(&waiting, admit("lab", "commoners")),
            named(Fault::State),
            why(Content::AdmitValidator(admission("lab", "commoners", place(&network).height.0 + 9))),
            named(Fault::Window),
            why(set("no_such_thing", 1)),
            why(set("ballot_days", 91)),
            why(award(1)),
            on(&tight, award(1_000_000)),
            why(Content::AdmitValidator(unproven)),
            why(Content::AdmitValidator(taken)),
            named(Fault::Identifier),
            named(Fault::Duplicate),
            named(Fault::Evidence),
            named(Fault::Threshold),
            named(Fault::Amount),
            named(Fault::Currency),
            named(Fault::Shares),
            named(Fault::Limit),
            counted(Counting::NoBase),
            counted(Counting::NoParity),
            objected,
            on(&poor, award(1_000_000)),
            named(Fault::Insufficient),
            on(&with_policy(&network, Some(100_000), 0), award(1_000_000)),
            on(&with_policy(&network, None, 2), award(1_000_000)),
            on(&crowded, admit("lab", "commoners")),
            why(admit("lab", "funders")),
            on(&live, retire("bank")),
            named(Fault::Cap),
            named(Fault::Overflow),
            on(&full, award(1_000_000)),
        ];
        fixture::assert_all_reached(Kind::EnactChange, &reached);
    }

    /// The part of territory 44 in the envelope, and so many minor units on it.
    fn with_territory(network: &mut Network, minor: u64) -> Account {
        let territory = TerritoryCode::new("44").unwrap();
        let part =
            Account::TerritorialEnvelope { fund: fixture::fund(), envelope: fixture::envelope("commons"), territory };
        credit(network, part.clone(), minor);
        part
    }

    #[test]
    fn an_award_in_a_territory_with_a_part_of_its_own_is_paid_by_that_part() {
        let (mut network, call, first) = reviewed();
        let part = with_territory(&mut network, 1_000_000);
        let content = Content::AwardGrants(awards(call, &[(first, 1_000_000)]));
        let (_, event) = decide(&mut network, "foundation", content, &yes(&ALL));
        assert_eq!(event.offers[0].territory, Some(TerritoryCode::new("44").unwrap()));
        assert_eq!((network.balance(&part), network.balance(&pot())), (0, 0));
        let grant = network.state.get::<Grant>(&event.offers[0].grant).unwrap();
        assert_eq!(grant.source(), part, "a rest goes back there");
        network.assert_sound();
    }

    #[test]
    fn a_territory_gets_no_more_than_its_cap_unless_a_derogation_says_so() {
        let (network, call, first) = deciding();
        let mut network = with_policy(&network, None, 0);
        network.edit(|state| {
            state.update::<Policy>(&PolicyCode::new("first").unwrap(), |policy| {
                policy.caps.per_territory_ppm = Some(Ppm::new(199_999).unwrap());
            });
        });
        let mut list = awards(call, &[(first, 1_000_000)]);
        assert_eq!(refused(&network, carried(Content::AwardGrants(list.clone()))), "CapHolder");
        list.derogations = vec![first];
        let allowed =
            Content::AwardGrants(list).enact(&ChangeId::ZERO, &place(&network), &network.state.overlay()).unwrap();
        assert_eq!(allowed.derogated, [first]);
    }

    #[test]
    fn a_carried_award_offers_grants_refuses_the_others_and_decides_the_call() {
        let (mut network, call, first) = reviewed();
        credit(&mut network, pot(), 5_000_000);
        let other = second(&mut network, call, first);
        network.edit(|state| {
            let manager = (id("lab"), Role::ProgrammeManager, Scope::Fund(fixture::fund()));
            state.put::<RoleGrant>(manager, RoleGrant { change: None });
        });
        let content = Content::AwardGrants(awards(call, &[(first, 800_000), (other, 0)]));
        let (change, event) = decide(&mut network, "lab", content, &yes(&ALL));
        assert_eq!((event.outcome, event.refusal, event.counting), (ChangeStatus::Enacted, None, Counting::PerCollege));
        let state = &network.state;
        let grant = event.offers[0].grant;
        let record_of = state.get::<Grant>(&grant).unwrap();
        assert_eq!((record_of.awarded, record_of.change), (Amount::eur(800_000), change));
        assert!(record_of.managers(&state.overlay()).contains(&id("lab")), "who proposed the award is a manager");
        assert_eq!(balance_of(state, &pot()), -4_200_000);
        assert_eq!(balance_of(state, &record_of.encumbered(&grant)), -800_000);
        assert_eq!(record(&network, first).status, ApplicationStatus::Awarded);
        assert_eq!(record(&network, other).status, ApplicationStatus::Refused);
        assert_eq!(state.get::<Call>(&call).unwrap().status, CallStatus::Decided);
        let broken: Vec<_> = accounts::invariants::check(state)
            .into_iter()
            .filter(|violation| violation.invariant != accounts::invariants::Invariant::I3)
            .collect();
        assert!(broken.is_empty(), "{broken:?}");
    }

    #[test]
    fn an_award_above_a_cap_needs_a_derogation_that_the_change_lists() {
        let (network, call, first) = deciding();
        let network = with_policy(&network, Some(100_000), 0);
        let enact = |derogations: Vec<ApplicationId>| {
            let content = Content::AwardGrants(AwardGrants { derogations, ..awards(call, &[(first, 1_000_000)]) });
            let mut network = network.clone();
            let (record, seat) = carried(content);
            network.edit(|state| {
                state.put::<Change>(ChangeId::ZERO, record);
                state.put::<ChangeSeat>((ChangeId::ZERO, id("university")), seat);
            });
            let place = place(&network);
            let event = EnactChange::decide(&Hash::ZERO, &place, &network.state.overlay()).unwrap();
            network.edit(|state| {
                accounts::post(state, &event.postings);
                event.apply(&place, state);
            });
            let broken = accounts::invariants::check(&network.state).into_iter();
            let broken = broken.filter(|violation| violation.invariant == accounts::invariants::Invariant::I6).count();
            (event.outcome, event.derogated, broken)
        };
        assert_eq!(enact(vec![]), (ChangeStatus::NotEnacted, vec![], 0));
        assert_eq!(enact(vec![first]), (ChangeStatus::Enacted, vec![first], 0));
    }

    #[test]
    fn an_award_that_is_lost_closes_its_call_again() {
        for (ballots, outcome) in [
            (yes(&["bank", "federation"]), ChangeStatus::NoQuorum),
            (
                [yes(&["bank", "federation", "university"]), vec![("foundation", Choice::No)]].concat(),
                ChangeStatus::Lost,
            ),
            (yes(&["bank", "federation", "university", "foundation"]), ChangeStatus::NotEnacted),
        ] {
            let (mut network, call, first) = reviewed();
            let content = Content::AwardGrants(awards(call, &[(first, 800_000)]));
            let (change, event) = decide(&mut network, "foundation", content, &ballots);
            assert_eq!(event.outcome, outcome);
            assert_eq!(network.state.get::<Change>(&change).unwrap().refusal, event.refusal);
            assert_eq!(network.state.get::<Call>(&call).unwrap().status, CallStatus::Closed);
            assert_eq!(network.state.count::<Grant>(), 0);
        }
    }

    #[test]
    fn a_parameter_marked_for_a_supermajority_needs_two_thirds_in_every_college() {
        let split = [yes(&["bank", "federation", "university"]), vec![("region", Choice::No)]].concat();
        let two_thirds = [yes(&["bank", "federation", "university", "foundation"]), vec![("consumers", Choice::No)]];
        for (ballots, outcome, days) in [
            ([split, yes(&["foundation"])].concat(), ChangeStatus::Lost, 7),
            (two_thirds.concat(), ChangeStatus::Enacted, 3),
        ] {
            let mut network = fixture::network();
            let (_, event) = decide(&mut network, "bank", set("ballot_days", 3), &ballots);
            assert_eq!(event.outcome, outcome);
            assert_eq!(event.previous_value, (outcome == ChangeStatus::Enacted).then_some(7));
            assert_eq!(network.state.overlay().parameter(Parameter::BallotDays), days);
        }
    }

    #[test]
    fn a_college_whose_seats_are_all_conflicted_is_silent_and_listed() {
        let mut network = fixture::network();
        network.suspend("lab");
        let grant = Content::GrantRole(role("federation", Role::Publisher, Scope::Funder(id("asso1"))));
        let (_, event) = decide(&mut network, "bank", grant, &yes(&["bank", "foundation", "university"]));
        assert_eq!(event.outcome, ChangeStatus::Enacted);
        assert_eq!(event.silent, [CollegeCode::new("commoners").unwrap()]);
        let key = (id("federation"), Role::Publisher, Scope::Funder(id("asso1")));
        assert!(network.state.get::<RoleGrant>(&key).is_some());
    }

    #[test]
    fn three_seats_without_a_conflict_decide_together_when_two_colleges_are_silent() {
        for (ballots, outcome) in [
            ([Choice::Yes, Choice::Yes, Choice::No], ChangeStatus::Enacted),
            ([Choice::Yes, Choice::No, Choice::No], ChangeStatus::Lost),
        ] {
            let (mut network, call, first) = reviewed();
            credit(&mut network, pot(), 5_000_000);
            network.edit(|state| {
                for seat in ["bank", "region", "federation", "lab"] {
                    state.put::<CallParty>((call, id(seat)), CallParty { applications: 1 });
                }
            });
            let content = Content::AwardGrants(awards(call, &[(first, 800_000)]));
            let ballots: Vec<_> = ["foundation", "university", "consumers"].into_iter().zip(ballots).collect();
            let (_, event) = decide(&mut network, "foundation", content, &ballots);
            assert_eq!((event.counting, event.outcome), (Counting::AllSeats, outcome));
            assert_eq!(event.silent.len(), 2);
        }
    }

    #[test]
    fn an_enactment_costs_by_the_objects_it_may_write() {
        let (mut network, call, first) = reviewed();
        let proposal = proposal(&network, Content::AwardGrants(awards(call, &[(first, 800_000)])));
        let change = change_of(&network.run("foundation", proposal).unwrap());
        // The change, the call, the application and its grant.
        assert_eq!(EnactChange::cost(change.hash(), &network.state.overlay()), 10 + 4 * 4);
    }

    #[test]
    fn a_role_that_is_taken_back_is_gone() {
        let mut network = fixture::network();
        let revoke = Content::RevokeRole(role("audit", Role::Auditor, Scope::Fund(fixture::fund())));
        let (_, event) = decide(&mut network, "bank", revoke, &yes(&ALL));
        assert_eq!(event.outcome, ChangeStatus::Enacted);
        let key = (id("audit"), Role::Auditor, Scope::Fund(fixture::fund()));
        assert!(network.state.get::<RoleGrant>(&key).is_none());
    }

    #[test]
    fn the_seats_are_those_of_the_moment_when_voting_opened() {
        let mut network = fixture::network();
        let change = change_of(&network.run("bank", parameter(&network)).unwrap());
        network.suspend("consumers");
        network.advance_to(network.state.get::<Change>(&change).unwrap().opens_at);
        network.edit(|state| {
            state.update::<Organisation>(&id("consumers"), |record| record.status = Status::Active);
        });
        assert_eq!(network.refusal("consumers", ballot(change, Choice::Yes)), "RoleNoSeat");
        assert_eq!(network.state.get::<Change>(&change).unwrap().colleges[2].base, 2);
    }
}
