//! `propose_change`: asks the colleges for a change.
//!
//! - Allowed: an active organisation with a seat in a college, by an office that may use the role college member; for some changes the holder of a role
//!   instead, as for `award_grants` a programme manager of the call's fund, or besides, as a registrar for suspensions.
//! - Effect: the change waits for `opens_at`, when seats, bases and conflicts are frozen; a vote closes `ballot_days` later, a consent after its days of
//!   clarification and objection; what a role may decide alone, within its limits, is enacted at `opens_at`. A call that is to be decided
//!   is deciding from now on. Both moments are planned as due work. Voting opens within a year.
//! - Source: rulebook §7, §10 and §17, 0c01.

use super::{
    award::ListFault,
    change::{Change, ChangeStatus, Content, Mode},
    delegation,
    electorate::{Counting, electorate, seat_of},
    enact_change::EnactChange,
    motion::{Proposer, fault_refusals, shape_refusals},
};
use crate::{
    action::{Action, BASE_COST, Effect, Kind, Place},
    call::call::CallStatus,
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
        /// Of a consent: objections from this time on.
        pub objections_from: Option<BlockTime>,
    }
}

refusals! {
    AmountBounds(u64): Amount 1 "an award of {0} minor units is above 10^15", "an award is above the bound";
    LimitAwards(usize): Limit 1 "{0} awards: 1 to 1,000, each application once", "no award, too many, or an application twice";
    LimitDerogation(ApplicationId): Limit 2 "a derogation for application {0}, which is not awarded, or twice", "a derogation names an application without an award, or stands there twice";
    AmountShape(String): Amount 5 "{0}", "an amount of the change is out of bounds";
    CurrencyShape(String): Currency 1 "{0}", "a currency of the change is none, or not the one";
    DateShape(String): Date 1 "{0}", "a date of the change does not fit";
    LimitShape(String): Limit 3 "{0}", "a list or text of the change is empty, too long, or names something twice";
    SharesShape(String): Shares 1 "{0}", "shares of the change do not sum to the whole";
    PersonalDataText(String): PersonalData 1 "{0}", "a text of the change holds what looks like personal data";
    signer;
    UnknownCall(CallId): Unknown 1 "call {0} does not exist", "the call does not exist";
    UnknownApplication(ApplicationId): Unknown 2 "application {0} is no admissible one of the call", "a listed application is not an admissible one of the call";
    UnknownOrganisation(OrganisationId): Unknown 3 "organisation {0} does not exist", "the organisation does not exist";
    UnknownScope(Role, Scope): Unknown 4 "role {0} is not held over {1}, or it does not exist", "the scope does not exist, or is none of the role";
    UnknownCollege(CollegeCode): Unknown 5 "college {0} does not exist", "the college does not exist";
    UnknownValidator(PublicKey): Unknown 6 "the organisation runs no validator with key {0}", "the organisation runs no such validator";
    UnknownNamed(String): Unknown 7 "{0}", "something that the change names does not exist";
    TerritoryNamed(String): Territory 1 "{0}", "a territory that the change names does not fit";
    ScheduleNamed(String): Schedule 1 "{0}", "the levy schedule says nothing on it";
    SegregationNamed(String): Segregation 1 "{0}", "offices that must differ would be held by one group";
    StateNamed(String): State 3 "{0}", "what the change names is not in a state that allows it";
    StateCall(CallId, CallStatus): State 1 "call {0} is {1}", "the call is not closed";
    StatePending(CallId): State 2 "a change that decides call {0} is pending", "another change decides the call";
    WindowPast(BlockTime, BlockTime): Window 1 "opens at {0}, before the block's time {1}", "it opens in the past";
    WindowFar(BlockTime): Window 2 "opens at {0}, more than a year ahead", "it opens more than a year ahead";
    WindowLate(BlockTime, BlockTime): Window 4 "opens at {0}, and is to be voted before {1}", "it opens when it is to be voted already";
    WindowNamed(String): Window 3 "{0}", "a time or height that the change names is too early or too late";
    ParameterUnknown(Code): UnknownParameter 1 "no parameter is called {0}", "no parameter has that name";
    AmountParameter(Code, u64): Amount 2 "{0} = {1} is outside its bounds", "the value is outside the parameter's bounds";
    AmountAward(ApplicationId, u64): Amount 3 "{1} minor units for application {0}: neither 0 nor between the call's least award and what is requested", "an award is below the call's least one or above what is requested";
    AmountBudget(u128, u64): Amount 4 "the awards sum to {0} minor units, the call's budget is {1}", "the awards sum to more than the call's budget";
    EvidenceNotReady(ApplicationId): Evidence 1 "application {0} lacks reviews", "an awarded application is not ready";
    EvidenceMissing(ApplicationId): Evidence 2 "admissible application {0} is not listed", "an admissible application is missing";
    EvidenceKey(PublicKey): Evidence 3 "key {0} is not acceptable, or its proof of possession does not verify", "a key of the candidate is malformed, weak, or not proven";
    IdentifierNamed(String): Identifier 1 "{0}", "an identifier that the change names is malformed or held";
    DuplicateNamed(String): Duplicate 1 "{0}", "what the change makes is there already";
    EvidenceNamed(String): Evidence 4 "{0}", "the change lacks evidence, or it does not hold";
    ThresholdNamed(String): Threshold 1 "{0}", "a threshold could not be met";
    AmountNamed(String): Amount 6 "{0}", "an amount of the change does not fit";
    CurrencyNamed(String): Currency 2 "{0}", "a currency of the change does not fit";
    SharesNamed(String): Shares 2 "{0}", "shares of the change do not fit";
    LimitNamed(String): Limit 4 "{0}", "the change asks for more than a limit allows";
    InsufficientNamed(String): Insufficient 1 "{0}", "there is not enough money for it";
    CapNamed(String): Cap 1 "{0}", "it would pass a cap";
    OverflowNamed(String): Overflow 1 "{0}", "a sum leaves its range";
    QuorumNone(): Quorum 1 "conflicts leave nobody to vote", "conflicts of interest leave no base";
    ParityCollege(): Parity 1 "a college has no active seat", "a college has no active seat, and the change does not bear that";
}
signer_refusals!(Refused);
shape_refusals!(Refused);
fault_refusals!(Refused);

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
        self.change.validate()
    }

    fn cost(&self) -> u64 {
        BASE_COST + self.change.elements() as u64
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<ChangeProposed, Refused> {
        let Self { change: content, document, opens_at } = self;
        let delegated = delegation::allows(content, cx, state);
        if !delegated {
            authorise(content, cx, state)?;
        }
        content.known(state)?;
        if *opens_at < cx.place.time {
            return Err(Refused::WindowPast(*opens_at, cx.place.time));
        }
        if *opens_at > cx.place.time.saturating_add(YEAR_MS) {
            return Err(Refused::WindowFar(*opens_at));
        }
        let voted_by = content.voted_within().map(|within| cx.place.time.saturating_add(within));
        if let Some(voted_by) = voted_by
            && *opens_at >= voted_by
        {
            return Err(Refused::WindowLate(*opens_at, voted_by));
        }
        content.own(state)?;
        match electorate(content, state.parameter(Parameter::QuorumPpm), state).counting {
            Counting::PerCollege | Counting::AllSeats | Counting::Alone => {}
            Counting::NoBase | Counting::NoParity if delegated => {}
            Counting::NoBase => return Err(Refused::QuorumNone()),
            Counting::NoParity => return Err(Refused::ParityCollege()),
        }
        let mode = if delegated { Mode::Delegated } else { content.mode(state) };
        let (objections_from, closes_at) = match mode {
            Mode::Consent | Mode::ConsentOnly => {
                let (objections_from, closes_at) = consent_times(*opens_at, state);
                (Some(objections_from), closes_at)
            }
            Mode::Majority | Mode::Supermajority => {
                (None, voted_by.unwrap_or(opens_at.saturating_add(ballot_ms(state))))
            }
            Mode::Delegated => (None, *opens_at),
        };
        Ok(ChangeProposed {
            change: ChangeId::new(object_id("change", &cx.place.transaction)),
            proposer: cx.organisation,
            content: content.clone(),
            document: *document,
            mode,
            opens_at: *opens_at,
            closes_at,
            objections_from,
        })
    }
}

/// Roles by which changes are proposed: by a seat, in an office of the fund or of the registry, or alone within a delegated limit.
pub(super) const PROPOSERS: [Role; 5] =
    [Role::CollegeMember, Role::ProgrammeManager, Role::Registrar, Role::Ordonnateur, Role::Comptable];

/// Milliseconds that a vote is open.
pub(super) fn ballot_ms(state: &Overlay<'_>) -> u64 {
    state.parameter(Parameter::BallotDays).saturating_mul(DAY_MS)
}

/// When the objections to a change that opens now begin, and when it closes: the days of clarification, then those of objection.
pub(super) fn consent_times(opens_at: BlockTime, state: &Overlay<'_>) -> (BlockTime, BlockTime) {
    let days = |parameter| state.parameter(parameter).saturating_mul(DAY_MS);
    let objections_from = opens_at.saturating_add(days(Parameter::ClarifyDays));
    (objections_from, objections_from.saturating_add(days(Parameter::ObjectDays)))
}

/// The records whose story a step of a change belongs to.
pub(super) fn story(change: &ChangeId, proposer: &OrganisationId, content: &Content) -> Vec<RecordRef> {
    let proposer = RecordRef::of::<Organisation>(proposer);
    let mut subjects = vec![RecordRef::of::<Change>(change)];
    subjects.extend(content.target().filter(|target| *target != proposer));
    subjects.push(proposer);
    subjects
}

/// The signer may propose this change: by its seat, or by the role that the change names.
fn authorise(content: &Content, cx: &Context<'_>, state: &Overlay<'_>) -> Result<(), Refused> {
    cx.active(state)?;
    match content.proposer(state)? {
        Proposer::Holder(role, scope) => cx.authorise(state, role, scope)?,
        Proposer::CollegeMember => by_seat(cx, state)?,
        Proposer::CollegeMemberOr(role) => {
            if cx.authorise(state, role, Scope::Network).is_err() {
                by_seat(cx, state)?;
            }
        }
    }
    Ok(())
}

fn by_seat(cx: &Context<'_>, state: &Overlay<'_>) -> Result<(), SignerRefusal> {
    cx.by_office(state, &[Role::CollegeMember])?;
    match seat_of(state, &cx.organisation) {
        Some(_) => Ok(()),
        None => Err(SignerRefusal::Role(format!("organisation {} has no seat in a college", cx.organisation))),
    }
}

/// The object of the duties of a change.
pub(super) fn object(change: &ChangeId) -> Hash {
    *change.hash()
}

impl Effect for ChangeProposed {
    fn apply(&self, place: &Place, state: &mut Overlay<'_>) {
        let Self { change, proposer, content, document, mode, opens_at, closes_at, objections_from } = self.clone();
        if mode == Mode::Delegated {
            delegation::take(&change, &content, place.time, state);
        } else {
            due::schedule(state, opens_at, Kind::OpenChange, object(&change));
        }
        due::schedule(state, closes_at, Kind::EnactChange, EnactChange::object(&change));
        content.start(state);
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
            objections_from,
            round: 0,
            extended_at: None,
            objections: 0,
        };
        state.put::<Change>(change, record);
    }

    fn subjects(&self) -> Vec<RecordRef> {
        story(&self.change, &self.proposer, &self.content)
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
        call::call::Call,
        fixture::{self, IntoPayload, Network},
        governance::change::{AdmitValidator, Award, AwardGrants, RetireValidator, RoleChange, SetParameter},
        governance::motion::{Fault, ShapeFault},
        governance::suspension::{SuspendOrganisation, Urgency},
        refusal::Reject,
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
        let emergency = Content::SuspendOrganisation(SuspendOrganisation {
            organisation: fixture::id("asso1"),
            urgency: Urgency::Emergency,
            reason: ReasonCode::new("fraud").unwrap(),
        });
        let emergency = ProposeChange { opens_at: network.in_days(2), ..proposal(&network, emergency) };
        let shape = |fault: fn(String) -> ShapeFault| Refused::from(fault(String::new())).doc().variant;
        let named = |fault: fn(String) -> Fault| Refused::from(fault(String::new())).doc().variant;

        let reached = [
            refused("foundation", award(call, &[(first, Amount::MAX_MINOR + 1)])),
            refused("foundation", award(call, &[])),
            refused("foundation", Content::AwardGrants(with_derogation)),
            shape(ShapeFault::Amount),
            shape(ShapeFault::Currency),
            shape(ShapeFault::Date),
            shape(ShapeFault::Limit),
            shape(ShapeFault::Shares),
            shape(ShapeFault::PersonalData),
            suspended.refusal("consumers", parameter(&suspended)),
            refused("asso1", set("payout_lag_days", 7)),
            refused("foundation", award(CallId::ZERO, &[(first, 0)])),
            refused("foundation", award(call, &[(first, 0), (ApplicationId::ZERO, 0)])),
            refused("bank", Content::GrantRole(nobody)),
            refused("bank", Content::GrantRole(role("lab", Role::Reviewer, Scope::Network))),
            refused("bank", Content::AdmitValidator(admission("lab", "none", 60))),
            refused("bank", Content::RetireValidator(stranger)),
            named(Fault::Unknown),
            named(Fault::Territory),
            named(Fault::Schedule),
            named(Fault::Segregation),
            named(Fault::State),
            refused("foundation", award(open, &[(first, 0)])),
            refused("foundation", award(deciding, &[(first, 0)])),
            at(BlockTime(network.now().0 - 1)),
            at(network.in_days(400)),
            network.refusal("bank", emergency),
            named(Fault::Window),
            refused("bank", set("no_such_thing", 1)),
            refused("bank", set("ballot_days", 0)),
            refused("foundation", award(call, &[(first, 1)])),
            on(&tight, award(call, &[(first, 1_000_000)])),
            on(&unread, award(call, &[(first, 1_000_000)])),
            on(&two, award(call, &[(first, 1_000_000)])),
            refused("bank", Content::AdmitValidator(unproven)),
            named(Fault::Identifier),
            named(Fault::Duplicate),
            named(Fault::Evidence),
            named(Fault::Threshold),
            named(Fault::Amount),
            named(Fault::Currency),
            named(Fault::Shares),
            named(Fault::Limit),
            named(Fault::Insufficient),
            named(Fault::Cap),
            named(Fault::Overflow),
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
