//! `raise_objection`: a seat says why a change by consent would break a rule or do harm.
//!
//! - Allowed: an active organisation with a frozen seat that is not conflicted, by an office that may use the role college member; where the policy in
//!   force says so, an auditor of the fund that the change is about.
//! - Effect: the objection waits for the delegates; it is an answer of its seat, a no unless the seat has answered. Raised in the last 24 hours it moves
//!   the close by 48 hours, once in a round. An auditor's objection blocks: it is admitted at once, and ends when it is withdrawn or met.
//! - Source: rulebook §10; tag 0c03.

use super::{
    change::{Ballot, Change, ChangeSeat, ChangeStatus, Choice, Content, Mode},
    enact_change::EnactChange,
    objection::{Objection, ObjectionStatus, objections_to},
};
use crate::{
    action::{Action, Effect, Kind, Place},
    due,
    history::RecordRef,
    redistribution::{envelope::period_at, policy::in_force},
    refusal::{refusals, signer_refusals},
    registry::{
        organisation::Organisation,
        role::{Role, Scope},
    },
    signer::Context,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

/// Objections to one change, in all its rounds, at most.
const OBJECTIONS: u32 = 256;
const HOUR_MS: u64 = 3_600_000;
/// An objection so close to the end moves it.
const LATE_MS: u64 = 24 * HOUR_MS;
/// By so much.
const EXTENSION_MS: u64 = 48 * HOUR_MS;

message! {
    /// The payload.
    pub struct RaiseObjection = RaiseObjection {
        /// To which change.
        pub change: ChangeId,
        /// Why, as a code.
        pub reason: ReasonCode,
        /// Why, in a text that stays outside.
        pub text: Commitment,
        /// The rule concerned.
        pub rule: Text<64>,
    }

    /// The event.
    pub struct ObjectionRaised = ObjectionRaised {
        /// To which change.
        pub change: ChangeId,
        /// From 1.
        pub number: u32,
        /// As it stands in the state.
        pub objection: Objection [required],
        /// To when it moves the close; `None`: it does not.
        pub closes_at: Option<BlockTime>,
    }
}

refusals! {
    LimitRule(): Limit 1 "the rule concerned is not named", "the rule concerned is not named";
    PersonalDataRule(Text<64>): PersonalData 1 "the rule {0:?} looks like personal data", "the rule concerned holds what looks like personal data";
    signer;
    RoleNoSeat(OrganisationId): Role 2 "organisation {0} had no seat when the change opened, and cannot block it", "the signer had no seat when the change opened, and is no auditor who may block it";
    UnknownChange(ChangeId): Unknown 1 "change {0} does not exist", "the change does not exist";
    ConflictSeat(OrganisationId): Conflict 1 "the seat of organisation {0} is conflicted", "the signer's seat is conflicted";
    StateMode(ChangeId, Mode): State 1 "change {0} is decided by {1}", "the change is not decided by consent";
    StateNotOpen(ChangeId, ChangeStatus): State 2 "change {0} is {1}", "inside the window, the change has not opened or was ended";
    WindowEarly(BlockTime, BlockTime): Window 1 "objections from {0}, block time is {1}", "the days of clarification are not over";
    WindowOver(BlockTime, BlockTime): Window 2 "closed at {0}, block time is {1}", "the change has closed";
    DuplicateObjection(u32): Duplicate 1 "objection {0} of the signer is open", "an objection of the signer is open in this round";
    LimitObjections(u32): Limit 2 "{0} objections were raised; 256 are allowed", "too many objections were raised to the change";
}
signer_refusals!(Refused);

/// What is wrong with the time of an act in the phase of objections.
pub(super) enum PhaseFault {
    Mode(Mode),
    NotOpen(ChangeStatus),
    Early(BlockTime),
    Over(BlockTime),
}

/// The change is by consent, open, and in its phase of objections, which time alone decides.
pub(super) fn in_phase(record: &Change, time: BlockTime) -> Result<(), PhaseFault> {
    let Some(from) = record.objections_from else { return Err(PhaseFault::Mode(record.mode)) };
    let inside = from <= time && time < record.closes_at;
    match record.status {
        ChangeStatus::Open if inside => Ok(()),
        status if inside => Err(PhaseFault::NotOpen(status)),
        _ if time < from => Err(PhaseFault::Early(from)),
        _ => Err(PhaseFault::Over(record.closes_at)),
    }
}

/// The signer is an auditor of the fund, whose policy in force lets auditors block.
fn may_block(content: &Content, cx: &Context<'_>, state: &Overlay<'_>) -> bool {
    let Some(fund) = content.fund(state) else { return false };
    let policy = period_at(state, &fund, &cx.place).and_then(|period| in_force(state, &fund, period));
    policy.is_some_and(|(_, policy)| policy.auditors_block)
        && cx.authorise(state, Role::Auditor, Scope::Fund(fund)).is_ok()
}

impl Action for RaiseObjection {
    type Event = ObjectionRaised;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        if self.rule.trim().is_empty() {
            return Err(Refused::LimitRule());
        }
        match personal_data::scan(&self.rule) {
            Some(_) => Err(Refused::PersonalDataRule(self.rule.clone())),
            None => Ok(()),
        }
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<ObjectionRaised, Refused> {
        let Self { change, reason, text, rule } = self.clone();
        cx.by_office(state, &[Role::CollegeMember, Role::Auditor])?;
        let organisation = cx.organisation;
        let record = state.get::<Change>(&change);
        let seat = state.get::<ChangeSeat>(&(change, organisation));
        let blocks = || record.is_some_and(|record| may_block(&record.content, cx, state));
        if record.is_some_and(|record| record.counting.is_some()) && seat.is_none() && !blocks() {
            return Err(Refused::RoleNoSeat(organisation));
        }
        let record = record.ok_or(Refused::UnknownChange(change))?;
        if seat.is_some_and(|seat| seat.conflicted) {
            return Err(Refused::ConflictSeat(organisation));
        }
        let time = cx.place.time;
        in_phase(record, time).map_err(|fault| match fault {
            PhaseFault::Mode(mode) => Refused::StateMode(change, mode),
            PhaseFault::NotOpen(status) => Refused::StateNotOpen(change, status),
            PhaseFault::Early(from) => Refused::WindowEarly(from, time),
            PhaseFault::Over(at) => Refused::WindowOver(at, time),
        })?;
        let own = |(_, other): &&(u32, Objection)| other.organisation == organisation && other.is_open();
        if let Some((number, _)) = objections_to(state, &change).iter().find(own) {
            return Err(Refused::DuplicateObjection(*number));
        }
        if record.objections >= OBJECTIONS {
            return Err(Refused::LimitObjections(record.objections));
        }
        let late = record.closes_at.0.saturating_sub(time.0) <= LATE_MS && record.extended_at.is_none();
        Ok(ObjectionRaised {
            change,
            number: record.objections + 1,
            objection: Objection {
                round: record.round,
                organisation,
                college: seat.map(|seat| seat.college),
                reason,
                text,
                rule,
                status: if seat.is_some() { ObjectionStatus::Raised } else { ObjectionStatus::Admitted },
                verdicts: vec![],
            },
            closes_at: late.then(|| record.closes_at.saturating_add(EXTENSION_MS)),
        })
    }
}

impl Effect for ObjectionRaised {
    fn apply(&self, place: &Place, state: &mut Overlay<'_>) {
        let Self { change, number, objection, closes_at } = self;
        let before = state.get::<Change>(change).expect("decide: the change exists").closes_at;
        if let Some(closes_at) = *closes_at {
            due::cancel(state, before, Kind::EnactChange, EnactChange::object(change));
            due::schedule(state, closes_at, Kind::EnactChange, EnactChange::object(change));
        }
        state.update::<Change>(change, |record| {
            record.objections = *number;
            if let Some(closes_at) = *closes_at {
                record.closes_at = closes_at;
                record.extended_at = Some(place.time);
            }
        });
        if objection.college.is_some() {
            let reason = Some(objection.reason);
            state.update::<ChangeSeat>(&(*change, objection.organisation), |seat| {
                seat.ballot.get_or_insert(Ballot { choice: Choice::No, reason });
            });
        }
        state.put::<Objection>((*change, *number), objection.clone());
    }

    fn subjects(&self) -> Vec<RecordRef> {
        vec![
            RecordRef::of::<Change>(&self.change),
            RecordRef::of::<Objection>(&(self.change, self.number)),
            RecordRef::of::<Organisation>(&self.objection.organisation),
        ]
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        action::{Event, Payload},
        fixture::{self, DAY, IntoPayload, Network, id},
        governance::{
            cast_ballot::tests::ballot,
            delegation::SetDelegatedLimit,
            enact_change::ChangeEnacted,
            propose_change::tests::{change_of, parameter, proposal},
            resolve_objection::{Resolution, tests::resolution},
        },
        receipt::Receipt,
        redistribution::policy::Policy,
        registry::college::CollegeSeat,
    };

    impl IntoPayload for RaiseObjection {
        fn into_payload(self) -> Payload {
            Payload::RaiseObjection(self)
        }
    }

    /// A change by consent that falls back to a majority.
    pub(crate) fn limit(per_change: u64) -> Content {
        Content::SetDelegatedLimit(SetDelegatedLimit {
            fund: fixture::fund(),
            change: Code::new("award_grants").unwrap(),
            role: Role::ProgrammeManager,
            per_change,
            per_30_days: 2_000_000,
        })
    }

    /// Makes `bank`, `federation` and `foundation` the delegates of their colleges.
    pub(crate) fn delegates(network: &mut Network) {
        network.edit(|state| {
            for (college, seat) in [("funders", "bank"), ("commoners", "federation"), ("users", "foundation")] {
                let key = (CollegeCode::new(college).unwrap(), id(seat));
                state.update::<CollegeSeat>(&key, |seat| seat.delegate = true);
            }
        });
    }

    /// A change by consent, opened, in its days of clarification; each college has a delegate.
    pub(crate) fn clarified() -> (Network, ChangeId) {
        let mut network = fixture::network();
        delegates(&mut network);
        let change = change_of(&network.run("region", proposal(&network, limit(1_000_000))).unwrap());
        network.advance_to(record(&network, change).opens_at);
        (network, change)
    }

    /// The same, in its days of objection.
    pub(crate) fn objectable() -> (Network, ChangeId) {
        let (mut network, change) = clarified();
        network.advance_to(record(&network, change).objections_from.unwrap());
        (network, change)
    }

    pub(crate) fn objection(change: ChangeId) -> RaiseObjection {
        RaiseObjection {
            change,
            reason: ReasonCode::new("harm").unwrap(),
            text: fixture::commitment("objection"),
            rule: Text::new("rulebook 10").unwrap(),
        }
    }

    pub(crate) fn record(network: &Network, change: ChangeId) -> Change {
        network.state.get::<Change>(&change).unwrap().clone()
    }

    pub(crate) fn enacted(receipts: &[Receipt]) -> ChangeEnacted {
        match receipts.iter().find_map(|receipt| receipt.event()) {
            Some(Event::EnactChange(event)) => event.clone(),
            other => panic!("{other:?}"),
        }
    }

    /// One seat of each college and a second user say yes, which is a quorum.
    pub(crate) fn answer(network: &mut Network, change: ChangeId) {
        for seat in ["region", "lab", "university", "consumers"] {
            network.run(seat, ballot(change, Choice::Yes)).unwrap();
        }
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let (early, early_change) = clarified();
        let (mut network, change) = objectable();
        let majority = change_of(&network.run("bank", parameter(&network)).unwrap());
        network.advance_to(record(&network, majority).opens_at);
        let rule = |text: &str| RaiseObjection { rule: Text::new(text).unwrap(), ..objection(change) };
        let mut suspended = network.clone();
        suspended.suspend("consumers");
        let edited = |edit: &dyn Fn(&mut Overlay<'_>)| {
            let mut other = network.clone();
            other.edit(edit);
            other
        };
        let conflicted =
            edited(&|state| state.update::<ChangeSeat>(&(change, id("lab")), |seat| seat.conflicted = true));
        let stuck = edited(&|state| state.update::<Change>(&change, |record| record.status = ChangeStatus::Proposed));
        let over = edited(&|state| state.update::<Change>(&change, |record| record.closes_at = BlockTime(2)));
        let full = edited(&|state| state.update::<Change>(&change, |record| record.objections = 256));
        let mut again = network.clone();
        again.run("lab", objection(change)).unwrap();
        let reached = [
            network.refusal("lab", rule(" ")),
            network.refusal("lab", rule("call 06 12 34 56 78")),
            suspended.refusal("consumers", objection(change)),
            edited(&|state| {
                state.update::<Organisation>(&id("lab"), |lab| lab.offices[0].roles = vec![Role::Reviewer]);
            })
            .refusal("lab", objection(change)),
            network.refusal("asso1", objection(change)),
            network.refusal("lab", objection(ChangeId::ZERO)),
            conflicted.refusal("lab", objection(change)),
            network.refusal("lab", objection(majority)),
            stuck.refusal("lab", objection(change)),
            early.refusal("lab", objection(early_change)),
            over.refusal("lab", objection(change)),
            again.refusal("lab", objection(change)),
            full.refusal("lab", objection(change)),
        ];
        fixture::assert_all_reached(Kind::RaiseObjection, &reached);
    }

    #[test]
    fn a_consent_passes_at_its_close_with_a_quorum_of_answers_whatever_they_say() {
        let (mut network, change) = objectable();
        let Change { opens_at, objections_from, closes_at, .. } = record(&network, change);
        assert_eq!(objections_from, Some(BlockTime(opens_at.0 + 3 * DAY)));
        assert_eq!(closes_at, BlockTime(opens_at.0 + 10 * DAY));
        for (seat, choice) in [("region", Choice::No), ("lab", Choice::Abstain), ("university", Choice::No)] {
            network.run(seat, ballot(change, choice)).unwrap();
        }
        network.run("consumers", ballot(change, Choice::No)).unwrap();
        let event = enacted(&network.advance_to(closes_at));
        assert_eq!((event.outcome, event.objections, event.refusal), (ChangeStatus::Enacted, 0, None));
    }

    #[test]
    fn an_objection_is_an_answer_of_its_seat_and_stands_for_nothing_until_it_is_admitted() {
        let (mut network, change) = objectable();
        fixture::assert_round_trips(&objection(change).into_payload());
        network.run("lab", objection(change)).unwrap();
        let seat = network.state.get::<ChangeSeat>(&(change, id("lab"))).unwrap();
        assert_eq!(seat.ballot.as_ref().map(|ballot| ballot.choice), Some(Choice::No));
        for seat in ["region", "university", "consumers"] {
            network.run(seat, ballot(change, Choice::Yes)).unwrap();
        }
        let event = enacted(&network.advance_to(record(&network, change).closes_at));
        assert_eq!((event.outcome, event.objections), (ChangeStatus::Enacted, 0));
    }

    #[test]
    fn an_objection_in_the_last_24_hours_extends_the_close_by_48_hours_once() {
        let (mut network, change) = objectable();
        let closes_at = record(&network, change).closes_at;
        // One millisecond more than 24 hours before the close: the block of an act is a millisecond after the last.
        network.advance_to(BlockTime(closes_at.0 - DAY - 2));
        network.run("lab", objection(change)).unwrap();
        assert_eq!(record(&network, change).closes_at, closes_at);
        network.run("consumers", objection(change)).unwrap();
        let extended = BlockTime(closes_at.0 + 2 * DAY);
        assert_eq!(record(&network, change).closes_at, extended);
        assert!(network.advance_to(closes_at).is_empty(), "the old close is due no more");
        network.advance_to(BlockTime(extended.0 - 5));
        network.run("university", objection(change)).unwrap();
        assert_eq!(record(&network, change).closes_at, extended);
        assert_eq!(enacted(&network.advance_to(extended)).outcome, ChangeStatus::FellBack);
    }

    #[test]
    fn an_objection_in_the_last_block_before_the_close_is_heard_and_one_at_the_close_is_not() {
        let (mut network, change) = objectable();
        let closes_at = record(&network, change).closes_at;
        let mut late = network.clone();
        network.advance_to(BlockTime(closes_at.0 - 2));
        network.run("lab", objection(change)).unwrap();
        assert_eq!(network.now(), BlockTime(closes_at.0 - 1));
        assert_eq!(record(&network, change).closes_at, BlockTime(closes_at.0 + 2 * DAY));
        late.advance_to(BlockTime(closes_at.0 - 1));
        assert_eq!(late.refusal("lab", objection(change)), "WindowOver");
    }

    #[test]
    fn a_consent_that_fails_falls_back_to_a_vote_by_majority_of_seats_frozen_again() {
        let (mut network, change) = objectable();
        network.run("lab", objection(change)).unwrap();
        answer(&mut network, change);
        for delegate in ["bank", "federation"] {
            network.run(delegate, resolution(change, 1, Resolution::Admit)).unwrap();
        }
        network.suspend("consumers");
        let closes_at = record(&network, change).closes_at;
        let event = enacted(&network.advance_to(closes_at));
        assert_eq!((event.outcome, event.objections), (ChangeStatus::FellBack, 1));
        let Change { status, mode, opens_at, closes_at: vote, colleges, .. } = record(&network, change);
        assert_eq!((status, mode), (ChangeStatus::Open, Mode::Majority));
        assert_eq!((opens_at, vote), (closes_at, BlockTime(closes_at.0 + 7 * DAY)));
        assert_eq!(colleges[2].base, 2);
        assert!(network.state.get::<ChangeSeat>(&(change, id("lab"))).unwrap().ballot.is_none());
        assert_eq!(network.refusal("lab", objection(change)), "StateMode");
        for seat in ["bank", "lab", "foundation"] {
            network.run(seat, ballot(change, Choice::Yes)).unwrap();
        }
        assert_eq!(enacted(&network.advance_to(vote)).outcome, ChangeStatus::Enacted);
    }

    #[test]
    fn an_auditor_blocks_a_consent_on_its_fund_where_the_policy_says_so() {
        let (mut network, change) = objectable();
        assert_eq!(network.refusal("audit", objection(change)), "RoleNoSeat");
        let policy = Policy { auditors_block: true, ..fixture::money::policy() };
        network.edit(|state| state.put::<Policy>(PolicyCode::new("strict").unwrap(), policy));
        network.run("audit", objection(change)).unwrap();
        assert_eq!(network.refusal("bank", resolution(change, 1, Resolution::Reject)), "StateBlocking");
        answer(&mut network, change);
        let mut withdrawn = network.clone();
        withdrawn.run("audit", resolution(change, 1, Resolution::Withdraw)).unwrap();
        let closes_at = record(&network, change).closes_at;
        let event = enacted(&network.advance_to(closes_at));
        assert_eq!((event.outcome, event.objections), (ChangeStatus::FellBack, 1));
        assert_eq!(enacted(&withdrawn.advance_to(closes_at)).outcome, ChangeStatus::Enacted);
    }

    #[test]
    fn a_consent_without_a_quorum_falls_back_and_one_without_fallback_is_lost() {
        let (mut network, change) = objectable();
        let mut only = network.clone();
        only.edit(|state| state.update::<Change>(&change, |record| record.mode = Mode::ConsentOnly));
        let closes_at = record(&network, change).closes_at;
        assert_eq!(enacted(&network.advance_to(closes_at)).outcome, ChangeStatus::FellBack);
        let mut silent = only.clone();
        let event = enacted(&silent.advance_to(closes_at));
        assert_eq!(event.outcome, ChangeStatus::NoQuorum);
        answer(&mut only, change);
        only.run("lab", objection(change)).unwrap();
        for delegate in ["bank", "foundation"] {
            only.run(delegate, resolution(change, 1, Resolution::Admit)).unwrap();
        }
        let event = enacted(&only.advance_to(closes_at));
        let doc = Kind::EnactChange.refusals().iter().find(|doc| Some(doc.code) == event.refusal).unwrap();
        assert_eq!((event.outcome, doc.variant), (ChangeStatus::Lost, "ObjectionOpen"));
    }
}
