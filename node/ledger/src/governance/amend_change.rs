//! `amend_change`: the author of a change by consent answers objections with another wording, and a new round begins.
//!
//! - Allowed: the active organisation that proposed it, by an office that may use a role by which changes are proposed.
//! - Effect: the change of the same sort stands in the place of the other; objections that were open are met; clarification and objection begin again,
//!   with seats frozen anew, since the wording may concern others. At most `amend_rounds` times.
//! - Source: rulebook §10; tag 0c05.

use super::{
    change::{Change, ChangeStatus, Content, Mode},
    electorate::{Counting, electorate},
    enact_change::EnactChange,
    motion::{Fault, ShapeFault, fault_refusals, shape_refusals},
    objection::{Objection, ObjectionStatus, objections_to},
    propose_change,
};
use crate::{
    action::{Action, BASE_COST, Effect, Kind, Place},
    due,
    history::RecordRef,
    parameters::Parameter,
    refusal::{Reject, refusals, signer_refusals},
    signer::Context,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

message! {
    /// The payload.
    pub struct AmendChange = AmendChange {
        /// Which change.
        pub change: ChangeId,
        /// As it shall be.
        pub content: Content [required],
        /// Hash of the new explanatory document.
        pub document: Commitment,
    }

    /// The event.
    pub struct ChangeAmended = ChangeAmended {
        /// Which change.
        pub change: ChangeId,
        /// Its author.
        pub proposer: OrganisationId,
        /// As it is now.
        pub content: Content [required],
        /// Hash of the explanatory document.
        pub document: Commitment,
        /// Which amendment this is, from 1.
        pub round: u32,
        /// When the seats are frozen: now, at the start of the next block.
        pub opens_at: BlockTime,
        /// Objections from this time on.
        pub objections_from: BlockTime,
        /// The close.
        pub closes_at: BlockTime,
        /// Objections that it is to meet.
        pub met: Vec<u32>,
    }
}

refusals! {
    AmountShape(String): Amount 1 "{0}", "an amount of the change is out of bounds";
    CurrencyShape(String): Currency 1 "{0}", "a currency of the change is none, or not the one";
    DateShape(String): Date 1 "{0}", "a date of the change does not fit";
    LimitShape(String): Limit 1 "{0}", "a list or text of the change is empty, too long, or names something twice";
    SharesShape(String): Shares 1 "{0}", "shares of the change do not sum to the whole";
    PersonalDataText(String): PersonalData 1 "{0}", "a text of the change holds what looks like personal data";
    signer;
    RoleNotProposer(OrganisationId): Role 2 "organisation {0} did not propose it", "the change was proposed by another";
    UnknownChange(ChangeId): Unknown 1 "change {0} does not exist", "the change does not exist";
    UnknownNamed(String): Unknown 2 "{0}", "something that the change names does not exist";
    TerritoryNamed(String): Territory 1 "{0}", "a territory that the change names does not fit";
    ScheduleNamed(String): Schedule 1 "{0}", "the levy schedule says nothing on it";
    SegregationNamed(String): Segregation 1 "{0}", "offices that must differ would be held by one group";
    StateNamed(String): State 1 "{0}", "what the change names is not in a state that allows it";
    StateMode(ChangeId, Mode): State 2 "change {0} is decided by {1}", "the change is not decided by consent";
    StateNotOpen(ChangeId, ChangeStatus): State 3 "change {0} is {1}", "the change has not opened or was ended";
    WindowOver(BlockTime, BlockTime): Window 1 "closed at {0}, block time is {1}", "the change has closed";
    WindowNamed(String): Window 2 "{0}", "a time or height that the change names is too early or too late";
    LimitSort(&'static str, &'static str): Limit 2 "a change {0} cannot become a change {1}", "the amendment is a change of another sort, or is not by consent";
    LimitRounds(u32): Limit 3 "{0} amendments were made already", "as many amendments were made as the parameter allows";
    IdentifierNamed(String): Identifier 1 "{0}", "an identifier that the change names is malformed or held";
    DuplicateNamed(String): Duplicate 1 "{0}", "what the change makes is there already";
    EvidenceNamed(String): Evidence 1 "{0}", "the change lacks evidence, or it does not hold";
    ThresholdNamed(String): Threshold 1 "{0}", "a threshold could not be met";
    AmountNamed(String): Amount 2 "{0}", "an amount of the change does not fit";
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

/// What a proposal would be refused with, in the names of this kind.
fn named(refused: &propose_change::Refused) -> Refused {
    Fault::of(refused.doc().shared, refused.to_string()).into()
}

impl Action for AmendChange {
    type Event = ChangeAmended;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        self.content.validate().map_err(|refused| ShapeFault::of(refused.doc().shared, refused.to_string()).into())
    }

    fn cost(&self) -> u64 {
        BASE_COST + self.content.elements() as u64
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<ChangeAmended, Refused> {
        let Self { change, content, document } = self.clone();
        cx.by_office(state, &propose_change::PROPOSERS)?;
        let record = state.get::<Change>(&change).ok_or(Refused::UnknownChange(change))?;
        if record.proposer != cx.organisation {
            return Err(Refused::RoleNotProposer(cx.organisation));
        }
        content.known(state).map_err(|refused| named(&refused))?;
        if !record.mode.is_consent() {
            return Err(Refused::StateMode(change, record.mode));
        }
        let time = cx.place.time;
        if record.status != ChangeStatus::Open {
            return Err(Refused::StateNotOpen(change, record.status));
        }
        if time >= record.closes_at {
            return Err(Refused::WindowOver(record.closes_at, time));
        }
        let (before, after) = (record.content.name(), content.name());
        if before != after || content.mode(state) != record.mode {
            return Err(Refused::LimitSort(before, after));
        }
        if u64::from(record.round) >= state.parameter(Parameter::AmendRounds) {
            return Err(Refused::LimitRounds(record.round));
        }
        content.own(state).map_err(|refused| named(&refused))?;
        match electorate(&content, state.parameter(Parameter::QuorumPpm), state).counting {
            Counting::NoBase => return Err(Refused::QuorumNone()),
            Counting::NoParity => return Err(Refused::ParityCollege()),
            Counting::PerCollege | Counting::AllSeats | Counting::Alone => {}
        }
        let (objections_from, closes_at) = propose_change::consent_times(time, state);
        let open = |(_, objection): &(u32, Objection)| objection.is_open();
        let met = objections_to(state, &change).into_iter().filter(open).map(|(number, _)| number).collect();
        Ok(ChangeAmended {
            change,
            proposer: record.proposer,
            content,
            document,
            round: record.round + 1,
            opens_at: time,
            objections_from,
            closes_at,
            met,
        })
    }
}

impl Effect for ChangeAmended {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let Self { change, proposer: _, content, document, round, opens_at, objections_from, closes_at, met } = self;
        let before = state.get::<Change>(change).expect("decide: the change exists").clone();
        due::cancel(state, before.closes_at, Kind::EnactChange, EnactChange::object(change));
        due::schedule(state, *opens_at, Kind::OpenChange, propose_change::object(change));
        due::schedule(state, *closes_at, Kind::EnactChange, EnactChange::object(change));
        before.content.fall(state);
        content.start(state);
        for number in met {
            state.update::<Objection>(&(*change, *number), |objection| objection.status = ObjectionStatus::Met);
        }
        let after = Change {
            content: content.clone(),
            document: *document,
            opens_at: *opens_at,
            closes_at: *closes_at,
            status: ChangeStatus::Proposed,
            colleges: vec![],
            counting: None,
            joint_quorum: 0,
            objections_from: Some(*objections_from),
            round: *round,
            extended_at: None,
            ..before
        };
        state.put::<Change>(*change, after);
    }

    fn subjects(&self) -> Vec<RecordRef> {
        propose_change::story(&self.change, &self.proposer, &self.content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::Payload,
        fixture::{self, DAY, IntoPayload, id},
        governance::{
            change::ChangeSeat,
            delegation::DelegatedLimit,
            propose_change::tests::{change_of, parameter, proposal, set},
            raise_objection::tests::{answer, delegates, enacted, limit, objectable, objection, record},
            resolve_objection::{Resolution, tests::resolution},
            seat::{SeatStep, tests::step},
        },
        registry::{organisation::Organisation, role::Role},
    };

    impl IntoPayload for AmendChange {
        fn into_payload(self) -> Payload {
            Payload::AmendChange(self)
        }
    }

    fn amendment(change: ChangeId, content: Content) -> AmendChange {
        AmendChange { change, content, document: fixture::commitment("amended") }
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let (mut network, change) = objectable();
        let majority = change_of(&network.run("region", parameter(&network)).unwrap());
        let seat = || Content::SetCollegeSeat(step("users", "asso1", SeatStep::Take));
        let election = change_of(&network.run("region", proposal(&network, seat())).unwrap());
        network.advance_to(record(&network, election).opens_at);
        let proposed = change_of(&network.run("region", proposal(&network, limit(5))).unwrap());
        let mut suspended = network.clone();
        suspended.suspend("region");
        let edited = |edit: &dyn Fn(&mut Overlay<'_>)| {
            let mut other = network.clone();
            other.edit(edit);
            other
        };
        let over = edited(&|state| state.update::<Change>(&change, |record| record.closes_at = BlockTime(2)));
        let worn = edited(&|state| state.update::<Change>(&change, |record| record.round = 3));
        let mut empty = network.clone();
        ["federation", "lab"].iter().for_each(|commoner| empty.suspend(commoner));
        // Everybody but two users is of the group that is to get the seat.
        let conflicted = edited(&|state| {
            for member in ["bank", "region", "federation", "lab", "foundation"] {
                state.update::<Organisation>(&id(member), |record| record.parent = Some(id("asso1")));
            }
        });
        let shape = |fault: fn(String) -> ShapeFault| Refused::from(fault(String::new())).doc().variant;
        let fault = |fault: fn(String) -> Fault| Refused::from(fault(String::new())).doc().variant;
        let good = || amendment(change, limit(7));
        let reached = [
            shape(ShapeFault::Amount),
            shape(ShapeFault::Currency),
            shape(ShapeFault::Date),
            shape(ShapeFault::Limit),
            shape(ShapeFault::Shares),
            shape(ShapeFault::PersonalData),
            suspended.refusal("region", good()),
            edited(&|state| {
                state.update::<Organisation>(&id("region"), |region| region.offices[0].roles = vec![Role::Reviewer]);
            })
            .refusal("region", good()),
            network.refusal("bank", good()),
            network.refusal("region", amendment(ChangeId::ZERO, limit(7))),
            fault(Fault::Unknown),
            fault(Fault::Territory),
            fault(Fault::Schedule),
            fault(Fault::Segregation),
            fault(Fault::State),
            network.refusal("region", amendment(majority, limit(7))),
            network.refusal("region", amendment(proposed, limit(7))),
            over.refusal("region", good()),
            fault(Fault::Window),
            network.refusal("region", amendment(change, set("payout_lag_days", 7))),
            worn.refusal("region", good()),
            fault(Fault::Identifier),
            fault(Fault::Duplicate),
            fault(Fault::Evidence),
            fault(Fault::Threshold),
            fault(Fault::Amount),
            fault(Fault::Currency),
            fault(Fault::Shares),
            fault(Fault::Limit),
            fault(Fault::Insufficient),
            fault(Fault::Cap),
            fault(Fault::Overflow),
            conflicted.refusal("region", amendment(election, seat())),
            empty.refusal("region", good()),
        ];
        fixture::assert_all_reached(Kind::AmendChange, &reached);
    }

    #[test]
    fn an_amendment_has_the_shape_of_a_change_and_names_what_exists() {
        let (network, change) = objectable();
        assert_eq!(network.refusal("region", amendment(change, limit(3_000_000))), "AmountShape");
        let Content::SetDelegatedLimit(asked) = limit(7) else { panic!("a limit") };
        let elsewhere = Content::SetDelegatedLimit(crate::governance::delegation::SetDelegatedLimit {
            fund: FundCode::new("none").unwrap(),
            ..asked
        });
        assert_eq!(network.refusal("region", amendment(change, elsewhere)), "UnknownNamed");
    }

    #[test]
    fn an_objection_that_is_met_by_an_amendment_stands_no_more_and_the_new_wording_is_enacted() {
        let (mut network, change) = objectable();
        network.run("lab", objection(change)).unwrap();
        for delegate in ["bank", "federation"] {
            network.run(delegate, resolution(change, 1, Resolution::Admit)).unwrap();
        }
        fixture::assert_round_trips(&amendment(change, limit(400_000)).into_payload());
        network.run("region", amendment(change, limit(400_000))).unwrap();
        let Change { opens_at, objections_from, closes_at, round, status, .. } = record(&network, change);
        assert_eq!((opens_at, round, status), (network.now(), 1, ChangeStatus::Proposed));
        assert_eq!(objections_from, Some(BlockTime(opens_at.0 + 3 * DAY)));
        assert_eq!(closes_at, BlockTime(opens_at.0 + 10 * DAY));
        assert_eq!(network.state.get::<Objection>(&(change, 1)).unwrap().status, ObjectionStatus::Met);
        network.advance(1);
        assert_eq!(record(&network, change).status, ChangeStatus::Open);
        assert!(network.state.get::<ChangeSeat>(&(change, id("lab"))).unwrap().ballot.is_none());
        answer(&mut network, change);
        let event = enacted(&network.advance_to(closes_at));
        assert_eq!(event.outcome, ChangeStatus::Enacted);
        let key = (fixture::fund(), Code::new("award_grants").unwrap());
        assert_eq!(network.state.get::<DelegatedLimit>(&key).unwrap().per_change, 400_000);
    }

    #[test]
    fn after_three_amendments_the_author_can_amend_no_more() {
        let (mut network, change) = objectable();
        delegates(&mut network);
        for round in 1..=3 {
            network.run("region", amendment(change, limit(round))).unwrap();
            network.advance(1);
        }
        assert_eq!(network.refusal("region", amendment(change, limit(9))), "LimitRounds");
    }
}
