//! The changes `set_college_seat` and `seat_nominee`: who sits in a college, and who speaks for it (rulebook §2, §10).
//!
//! A seat is held by one organisation per group, in one college, for a term, until the successor sits: the end of a term takes nothing away. A college
//! keeps its last seat. An election has no candidates: seats of the college name others and say why (`nominate`), then consent is asked for one of them.

use super::{
    change::Mode,
    enact_change::{self, ChangeEnacted},
    motion::{Effects, Fault, Motion},
    nominate::{Nomination, nominations_in},
    propose_change,
};
use crate::{
    action::Place,
    history::RecordRef,
    registry::{
        college::{College, CollegeSeat},
        organisation::{Organisation, Status},
    },
    signer::same_group,
    state::Overlay,
    wire::{message, words},
};
use octroi_primitives::*;

words! {
    /// What happens to a seat.
    pub enum SeatStep {
        /// The organisation takes it.
        Take = "take",
        /// The organisation, which has it, speaks for the college.
        Delegate = "delegate",
        /// The organisation leaves it.
        Leave = "leave",
    }
}

message! {
    /// The change: a seat of a college.
    pub struct SetCollegeSeat = SetCollegeSeat {
        /// Which college.
        pub college: CollegeCode,
        /// Whose seat.
        pub organisation: OrganisationId,
        /// What happens to it.
        pub step: SeatStep,
        /// Who leaves the seat that is taken.
        pub replaces: Option<OrganisationId>,
        /// Last day of the term; `None`: not said.
        pub until: Option<LegalDate>,
    }

    /// The change: the result of an election without candidate.
    pub struct SeatNominee = SeatNominee {
        /// Which college.
        pub college: CollegeCode,
        /// Whom its seats have named.
        pub nominee: OrganisationId,
        /// Who leaves the seat that is taken.
        pub replaces: Option<OrganisationId>,
        /// Last day of the term; `None`: not said.
        pub until: Option<LegalDate>,
    }
}

fn known(college: &CollegeCode, organisations: &[OrganisationId], state: &Overlay<'_>) -> Result<(), Fault> {
    if !state.has::<College>(college) {
        return Err(Fault::Unknown(format!("college {college} does not exist")));
    }
    match organisations.iter().find(|organisation| !state.has::<Organisation>(organisation)) {
        Some(organisation) => Err(Fault::Unknown(format!("organisation {organisation} does not exist"))),
        None => Ok(()),
    }
}

fn seats(state: &Overlay<'_>) -> Vec<(CollegeCode, OrganisationId)> {
    state.range::<CollegeSeat>(..).into_iter().map(|(key, _)| key).collect()
}

/// Whether an organisation can take a seat of the college, in the place of another.
fn check_take(
    college: &CollegeCode,
    organisation: &OrganisationId,
    replaces: Option<OrganisationId>,
    state: &Overlay<'_>,
) -> Result<(), Fault> {
    if let Some(left) = replaces
        && !state.has::<CollegeSeat>(&(*college, left))
    {
        return Err(Fault::State(format!("organisation {left} has no seat in college {college}")));
    }
    let leaves = |key: &(CollegeCode, OrganisationId)| replaces.is_some_and(|left| *key == (*college, left));
    let of_group = |(_, holder): &(CollegeCode, OrganisationId)| same_group(state, holder, organisation);
    if let Some((other, holder)) = seats(state).into_iter().find(|key| of_group(key) && !leaves(key)) {
        return Err(Fault::Segregation(format!("organisation {holder} of the same group sits in college {other}")));
    }
    match state.get::<Organisation>(organisation).map(|record| record.status) {
        Some(Status::Active) => Ok(()),
        status => {
            Err(Fault::State(format!("organisation {organisation} is {}", status.map_or("unknown", Status::as_str))))
        }
    }
}

fn check_step(asked: &SetCollegeSeat, state: &Overlay<'_>) -> Result<(), Fault> {
    let SetCollegeSeat { college, organisation, step, replaces, until: _ } = asked;
    let holds = state.has::<CollegeSeat>(&(*college, *organisation));
    match step {
        SeatStep::Take => check_take(college, organisation, *replaces, state),
        SeatStep::Delegate | SeatStep::Leave if !holds => {
            Err(Fault::State(format!("organisation {organisation} has no seat in college {college}")))
        }
        SeatStep::Delegate | SeatStep::Leave if replaces.is_some() => {
            Err(Fault::State("only a seat that is taken replaces another".into()))
        }
        SeatStep::Delegate => Ok(()),
        SeatStep::Leave => match seats(state).iter().filter(|(code, _)| code == college).count() {
            0 | 1 => Err(Fault::State(format!("college {college} would have no seat: name the successor"))),
            _ => Ok(()),
        },
    }
}

fn take(
    college: CollegeCode,
    organisation: OrganisationId,
    replaces: Option<OrganisationId>,
    until: Option<LegalDate>,
    state: &mut Overlay<'_>,
) {
    if let Some(left) = replaces {
        state.remove::<CollegeSeat>(&(college, left));
    }
    state.put::<CollegeSeat>((college, organisation), CollegeSeat { delegate: false, until });
}

impl Motion for SetCollegeSeat {
    type Asked = Self;

    fn mode(_: &Self, _: &Overlay<'_>) -> Mode {
        Mode::ConsentOnly
    }

    fn known(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        Ok(known(&asked.college, &[asked.organisation], state)?)
    }

    fn conflicts(asked: &Self, organisation: &OrganisationId, state: &Overlay<'_>) -> bool {
        let parties = [Some(asked.organisation), asked.replaces];
        parties.into_iter().flatten().any(|party| same_group(state, organisation, &party))
    }

    fn bears_empty_colleges() -> bool {
        true
    }

    fn target(asked: &Self) -> Option<RecordRef> {
        Some(RecordRef::of::<Organisation>(&asked.organisation))
    }

    fn enact(asked: &Self, _: &ChangeId, _: &Place, state: &Overlay<'_>) -> Result<Effects, enact_change::Refused> {
        known(&asked.college, &[asked.organisation], state)?;
        check_step(asked, state)?;
        Ok(Effects::default())
    }

    fn apply(asked: &Self, _: &ChangeEnacted, _: &Place, state: &mut Overlay<'_>) {
        let Self { college, organisation, step, replaces, until } = *asked;
        match step {
            SeatStep::Take => take(college, organisation, replaces, until, state),
            SeatStep::Leave => state.remove::<CollegeSeat>(&(college, organisation)),
            SeatStep::Delegate => {
                for (code, holder) in seats(state).into_iter().filter(|(code, _)| *code == college) {
                    state.update::<CollegeSeat>(&(code, holder), |seat| seat.delegate = holder == organisation);
                }
            }
        }
    }

    fn subjects(asked: &Self, _: &ChangeEnacted) -> Vec<RecordRef> {
        vec![RecordRef::of::<College>(&asked.college)]
    }
}

/// Somebody in the college has named the nominee.
fn check_named(asked: &SeatNominee, state: &Overlay<'_>) -> Result<(), Fault> {
    let SeatNominee { college, nominee, .. } = asked;
    if nominations_in(state, college).iter().any(|(_, nomination)| nomination.nominee == *nominee) {
        Ok(())
    } else {
        Err(Fault::Evidence(format!("no seat of college {college} has named organisation {nominee}")))
    }
}

impl Motion for SeatNominee {
    type Asked = Self;

    fn mode(_: &Self, _: &Overlay<'_>) -> Mode {
        Mode::ConsentOnly
    }

    fn known(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        Ok(known(&asked.college, &[asked.nominee], state)?)
    }

    fn own(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        Ok(check_named(asked, state)?)
    }

    fn conflicts(asked: &Self, organisation: &OrganisationId, state: &Overlay<'_>) -> bool {
        let parties = [Some(asked.nominee), asked.replaces];
        parties.into_iter().flatten().any(|party| same_group(state, organisation, &party))
    }

    fn target(asked: &Self) -> Option<RecordRef> {
        Some(RecordRef::of::<Organisation>(&asked.nominee))
    }

    fn enact(asked: &Self, _: &ChangeId, _: &Place, state: &Overlay<'_>) -> Result<Effects, enact_change::Refused> {
        known(&asked.college, &[asked.nominee], state)?;
        check_take(&asked.college, &asked.nominee, asked.replaces, state)?;
        check_named(asked, state)?;
        Ok(Effects::default())
    }

    /// The election is over: what was named for it is forgotten.
    fn apply(asked: &Self, _: &ChangeEnacted, _: &Place, state: &mut Overlay<'_>) {
        let Self { college, nominee, replaces, until } = *asked;
        take(college, nominee, replaces, until, state);
        for (by, _) in nominations_in(state, &college) {
            state.remove::<Nomination>(&(college, by));
        }
    }

    fn subjects(asked: &Self, _: &ChangeEnacted) -> Vec<RecordRef> {
        vec![RecordRef::of::<College>(&asked.college)]
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        fixture::{self, Network, id},
        governance::{
            change::{Change, ChangeStatus, Choice, Content},
            electorate::Counting,
            enact_change::tests::decide,
            nominate::tests::nomination,
            propose_change::tests::proposal,
        },
    };

    fn college(code: &str) -> CollegeCode {
        CollegeCode::new(code).unwrap()
    }

    pub(crate) fn step(code: &str, organisation: &str, step: SeatStep) -> SetCollegeSeat {
        SetCollegeSeat { college: college(code), organisation: id(organisation), step, replaces: None, until: None }
    }

    /// All seats answer, and the change closes; answers with what became of it.
    pub(crate) fn consented(network: &mut Network, content: Content) -> (ChangeStatus, Option<u32>) {
        let free: Vec<&str> = ["bank", "region", "federation", "lab", "foundation", "university", "consumers"]
            .into_iter()
            .filter(|seat| {
                let state = network.state.overlay();
                !content.conflicts(&id(seat), &state) && super::super::electorate::seat_of(&state, &id(seat)).is_some()
            })
            .collect();
        let ballots: Vec<(&str, Choice)> = free.into_iter().map(|seat| (seat, Choice::Yes)).collect();
        let proposer = ballots[0].0;
        let (_, event) = decide(network, proposer, content, &ballots);
        (event.outcome, event.refusal)
    }

    #[test]
    fn a_successor_takes_the_seat_when_the_predecessor_leaves_it() {
        let mut network = fixture::network();
        let until = LegalDate::new(2029, 12, 31).ok();
        let asked = SetCollegeSeat { replaces: Some(id("lab")), until, ..step("commoners", "asso1", SeatStep::Take) };
        let (outcome, _) = consented(&mut network, Content::SetCollegeSeat(asked));
        assert_eq!(outcome, ChangeStatus::Enacted);
        assert!(network.state.get::<CollegeSeat>(&(college("commoners"), id("lab"))).is_none());
        let seat = network.state.get::<CollegeSeat>(&(college("commoners"), id("asso1"))).unwrap();
        assert_eq!((seat.delegate, seat.until), (false, until));
    }

    #[test]
    fn a_college_has_one_delegate() {
        let mut network = fixture::network();
        for delegate in ["bank", "region"] {
            let asked = step("funders", delegate, SeatStep::Delegate);
            assert_eq!(consented(&mut network, Content::SetCollegeSeat(asked)).0, ChangeStatus::Enacted);
        }
        let is_delegate = |seat| network.state.get::<CollegeSeat>(&(college("funders"), id(seat))).unwrap().delegate;
        assert_eq!((is_delegate("bank"), is_delegate("region")), (false, true));
    }

    #[test]
    fn a_step_that_cannot_be_made_says_why() {
        let network = fixture::network();
        let state = network.state.overlay();
        let fault = |asked: SetCollegeSeat| check_step(&asked, &state).unwrap_err();
        let replaces = Some(id("asso1"));
        assert!(matches!(fault(step("users", "bank_branch", SeatStep::Take)), Fault::Segregation(_)));
        let stranger = SetCollegeSeat { replaces, ..step("users", "asso2", SeatStep::Take) };
        assert!(matches!(fault(stranger), Fault::State(_)));
        assert!(matches!(fault(step("users", "asso1", SeatStep::Delegate)), Fault::State(_)));
        assert!(matches!(fault(step("users", "asso1", SeatStep::Leave)), Fault::State(_)));
        let both = SetCollegeSeat { replaces, ..step("users", "university", SeatStep::Leave) };
        assert!(matches!(fault(both), Fault::State(_)));
        let mut idle = network.clone();
        idle.suspend("asso1");
        let fault = check_step(&step("users", "asso1", SeatStep::Take), &idle.state.overlay()).unwrap_err();
        assert!(matches!(fault, Fault::State(_)));
        let unknown = |asked| network.refusal("bank", proposal(&network, Content::SetCollegeSeat(asked)));
        assert_eq!(unknown(step("none", "lab", SeatStep::Take)), "UnknownNamed");
        let nobody = SetCollegeSeat { organisation: OrganisationId::ZERO, ..step("users", "lab", SeatStep::Take) };
        assert_eq!(unknown(nobody), "UnknownNamed");
    }

    #[test]
    fn a_college_keeps_its_last_seat_and_an_empty_one_is_silent_when_it_gets_one() {
        let mut network = fixture::network();
        let leave = Content::SetCollegeSeat(step("commoners", "lab", SeatStep::Leave));
        assert_eq!(consented(&mut network, leave).0, ChangeStatus::Enacted);
        let last = check_step(&step("commoners", "federation", SeatStep::Leave), &network.state.overlay());
        assert!(matches!(last, Err(Fault::State(_))));
        network.suspend("federation");
        let asked = Content::SetCollegeSeat(step("commoners", "asso1", SeatStep::Take));
        let ballots = ["bank", "foundation", "university"].map(|seat| (seat, Choice::Yes));
        let (change, event) = decide(&mut network, "bank", asked, &ballots);
        assert_eq!((event.outcome, event.counting), (ChangeStatus::Enacted, Counting::PerCollege));
        assert_eq!(event.silent, [college("commoners")]);
        assert_eq!(network.state.get::<Change>(&change).unwrap().mode, Mode::ConsentOnly);
    }

    #[test]
    fn an_election_without_candidate_seats_whom_the_college_has_named() {
        let mut network = fixture::network();
        let asked = |nominee| {
            let nominee = id(nominee);
            Content::SeatNominee(SeatNominee { college: college("commoners"), nominee, replaces: None, until: None })
        };
        assert_eq!(network.refusal("bank", proposal(&network, asked("asso1"))), "EvidenceNamed");
        network.run("lab", nomination("commoners", "asso1")).unwrap();
        network.run("federation", nomination("commoners", "asso2")).unwrap();
        assert_eq!(consented(&mut network, asked("asso1")).0, ChangeStatus::Enacted);
        assert!(network.state.get::<CollegeSeat>(&(college("commoners"), id("asso1"))).is_some());
        assert_eq!(network.state.count::<Nomination>(), 0);
    }
}
