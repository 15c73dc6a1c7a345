//! `resolve_objection`: the delegate of a college admits or rejects an objection, or who raised it takes it back.
//!
//! - Allowed: for admit and reject, an active organisation whose frozen seat is its college's delegate and not conflicted; for withdraw, an active one
//!   that raised the objection; by an office that may use the role college member, or auditor. Nobody judges an auditor's objection.
//! - Effect: the word of the college, the last one if there were several; two thirds of the colleges that vote admit or reject.
//! - Source: rulebook §10; tag 0c04.

use super::{
    change::{Change, ChangeSeat, ChangeStatus},
    objection::{Judgement, Objection, ObjectionStatus, ObjectionVerdict},
    raise_objection::{PhaseFault, in_phase},
};
use crate::{
    action::{Action, Effect, Place},
    history::RecordRef,
    refusal::{refusals, signer_refusals},
    registry::{organisation::Organisation, role::Role},
    signer::Context,
    state::Overlay,
    wire::{message, words},
};
use octroi_primitives::*;

words! {
    /// What becomes of an objection.
    pub enum Resolution {
        /// It stands against the change.
        Admit = "admit",
        /// It does not.
        Reject = "reject",
        /// Who raised it takes it back.
        Withdraw = "withdraw",
    }
}

message! {
    /// The payload.
    pub struct ResolveObjection = ResolveObjection {
        /// To which change.
        pub change: ChangeId,
        /// Which, from 1.
        pub objection: u32,
        /// What becomes of it.
        pub resolution: Resolution,
    }

    /// The event.
    pub struct ObjectionResolved = ObjectionResolved {
        /// To which change.
        pub change: ChangeId,
        /// Which.
        pub number: u32,
        /// Who says so.
        pub organisation: OrganisationId,
        /// For which college; `None`: it is taken back.
        pub college: Option<CollegeCode>,
        /// What becomes of it.
        pub resolution: Resolution,
        /// Where it stands then.
        pub status: ObjectionStatus,
    }
}

refusals! {
    signer;
    RoleNoDelegate(OrganisationId): Role 2 "organisation {0} is no college's delegate on this change", "the signer's seat was not the delegate of its college when the change opened";
    RoleNotRaised(OrganisationId, u32): Role 3 "organisation {0} did not raise objection {1}", "the objection was raised by another";
    UnknownChange(ChangeId): Unknown 1 "change {0} does not exist", "the change does not exist";
    UnknownObjection(ChangeId, u32): Unknown 2 "change {0} has no objection {1}", "the objection does not exist";
    ConflictSeat(OrganisationId): Conflict 1 "the seat of organisation {0} is conflicted", "the signer's seat is conflicted";
    StateSettled(u32, ObjectionStatus): State 1 "objection {0} is {1}", "the objection was withdrawn or met";
    StateBlocking(u32): State 3 "objection {0} is an auditor's", "an auditor's objection blocks, and is judged by nobody";
    StateNotOpen(ChangeId, ChangeStatus): State 2 "change {0} is {1}", "the change does not take objections any more";
    WindowOver(BlockTime, BlockTime): Window 1 "closed at {0}, block time is {1}", "the change has closed";
}
signer_refusals!(Refused);

impl ResolveObjection {
    /// The college that a delegate speaks for, with its word; `None`: the objection is taken back.
    fn voice(
        &self,
        organisation: OrganisationId,
        seat: Option<&ChangeSeat>,
        objection: &Objection,
    ) -> Result<Option<(CollegeCode, Judgement)>, Refused> {
        let delegate = seat.filter(|seat| seat.delegate).map(|seat| seat.college);
        let delegate = delegate.ok_or(Refused::RoleNoDelegate(organisation));
        match self.resolution {
            Resolution::Admit => delegate.map(|college| Some((college, Judgement::Admit))),
            Resolution::Reject => delegate.map(|college| Some((college, Judgement::Reject))),
            Resolution::Withdraw if objection.organisation == organisation => Ok(None),
            Resolution::Withdraw => Err(Refused::RoleNotRaised(organisation, self.objection)),
        }
    }
}

impl Action for ResolveObjection {
    type Event = ObjectionResolved;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        Ok(())
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<ObjectionResolved, Refused> {
        let Self { change, objection: number, resolution } = *self;
        cx.by_office(state, &[Role::CollegeMember, Role::Auditor])?;
        let organisation = cx.organisation;
        let record = state.get::<Change>(&change).ok_or(Refused::UnknownChange(change))?;
        let objection = state.get::<Objection>(&(change, number)).ok_or(Refused::UnknownObjection(change, number))?;
        let seat = state.get::<ChangeSeat>(&(change, organisation));
        let voice = self.voice(organisation, seat, objection)?;
        if seat.is_some_and(|seat| seat.conflicted) {
            return Err(Refused::ConflictSeat(organisation));
        }
        if matches!(objection.status, ObjectionStatus::Withdrawn | ObjectionStatus::Met) {
            return Err(Refused::StateSettled(number, objection.status));
        }
        if objection.college.is_none() && voice.is_some() {
            return Err(Refused::StateBlocking(number));
        }
        in_phase(record, cx.place.time).map_err(|fault| match fault {
            PhaseFault::Over(at) => Refused::WindowOver(at, cx.place.time),
            PhaseFault::NotOpen(status) => Refused::StateNotOpen(change, status),
            // The vote by majority, or another round, has begun.
            PhaseFault::Mode(_) | PhaseFault::Early(_) => Refused::StateNotOpen(change, record.status),
        })?;
        let (college, status) = match voice {
            Some((college, verdict)) => (Some(college), objection.judged(college, verdict, record)),
            None => (None, ObjectionStatus::Withdrawn),
        };
        Ok(ObjectionResolved { change, number, organisation, college, resolution, status })
    }
}

impl Effect for ObjectionResolved {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let Self { change, number, organisation: _, college, resolution, status } = *self;
        let verdict = match resolution {
            Resolution::Admit => Some(Judgement::Admit),
            Resolution::Reject => Some(Judgement::Reject),
            Resolution::Withdraw => None,
        };
        state.update::<Objection>(&(change, number), |objection| {
            objection.status = status;
            if let Some((college, verdict)) = college.zip(verdict) {
                objection.verdicts.retain(|said| said.college != college);
                objection.verdicts.push(ObjectionVerdict { college, verdict });
                objection.verdicts.sort_by_key(|said| said.college);
            }
        });
    }

    fn subjects(&self) -> Vec<RecordRef> {
        vec![
            RecordRef::of::<Change>(&self.change),
            RecordRef::of::<Objection>(&(self.change, self.number)),
            RecordRef::of::<Organisation>(&self.organisation),
        ]
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        action::{Kind, Payload},
        fixture::{self, IntoPayload, Network, id},
        governance::raise_objection::tests::{objectable, objection, record},
    };

    impl IntoPayload for ResolveObjection {
        fn into_payload(self) -> Payload {
            Payload::ResolveObjection(self)
        }
    }

    pub(crate) fn resolution(change: ChangeId, objection: u32, resolution: Resolution) -> ResolveObjection {
        ResolveObjection { change, objection, resolution }
    }

    fn objected() -> (Network, ChangeId) {
        let (mut network, change) = objectable();
        network.run("lab", objection(change)).unwrap();
        (network, change)
    }

    fn status(network: &Network, change: ChangeId) -> ObjectionStatus {
        network.state.get::<Objection>(&(change, 1)).unwrap().status
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let (network, change) = objected();
        let edited = |edit: &dyn Fn(&mut Overlay<'_>)| {
            let mut other = network.clone();
            other.edit(edit);
            other
        };
        let admit = || resolution(change, 1, Resolution::Admit);
        let mut suspended = network.clone();
        suspended.suspend("bank");
        let conflicted =
            edited(&|state| state.update::<ChangeSeat>(&(change, id("bank")), |seat| seat.conflicted = true));
        let met = edited(&|state| {
            state.update::<Objection>(&(change, 1), |objection| objection.status = ObjectionStatus::Met);
        });
        let blocking = edited(&|state| {
            state.update::<Objection>(&(change, 1), |objection| objection.college = None);
        });
        let ended = edited(&|state| state.update::<Change>(&change, |record| record.status = ChangeStatus::Lost));
        let over = edited(&|state| state.update::<Change>(&change, |record| record.closes_at = BlockTime(2)));
        let reached = [
            suspended.refusal("bank", admit()),
            edited(&|state| {
                state.update::<Organisation>(&id("bank"), |bank| bank.offices[0].roles = vec![Role::Reviewer]);
            })
            .refusal("bank", admit()),
            network.refusal("region", admit()),
            network.refusal("bank", resolution(change, 1, Resolution::Withdraw)),
            network.refusal("bank", resolution(ChangeId::ZERO, 1, Resolution::Admit)),
            network.refusal("bank", resolution(change, 2, Resolution::Admit)),
            conflicted.refusal("bank", admit()),
            met.refusal("bank", admit()),
            blocking.refusal("bank", admit()),
            ended.refusal("bank", admit()),
            over.refusal("bank", admit()),
        ];
        fixture::assert_all_reached(Kind::ResolveObjection, &reached);
    }

    #[test]
    fn two_thirds_of_the_colleges_admit_or_reject_and_a_delegate_may_change_its_word() {
        let (mut network, change) = objected();
        fixture::assert_round_trips(&resolution(change, 1, Resolution::Admit).into_payload());
        for (delegate, word, expected) in [
            ("bank", Resolution::Admit, ObjectionStatus::Raised),
            ("federation", Resolution::Admit, ObjectionStatus::Admitted),
            ("foundation", Resolution::Reject, ObjectionStatus::Admitted),
            ("bank", Resolution::Reject, ObjectionStatus::Rejected),
        ] {
            network.run(delegate, resolution(change, 1, word)).unwrap();
            assert_eq!(status(&network, change), expected, "{delegate} {word}");
        }
        assert_eq!(network.state.get::<Objection>(&(change, 1)).unwrap().verdicts.len(), 3);
        assert_eq!(record(&network, change).objections, 1);
    }

    #[test]
    fn who_raised_an_objection_takes_it_back_and_may_raise_another() {
        let (mut network, change) = objected();
        network.run("lab", resolution(change, 1, Resolution::Withdraw)).unwrap();
        assert_eq!(status(&network, change), ObjectionStatus::Withdrawn);
        network.run("lab", objection(change)).unwrap();
        assert_eq!(record(&network, change).objections, 2);
    }

    #[test]
    fn a_college_without_a_delegate_counts_as_not_admitting() {
        let (mut network, change) = objected();
        network.edit(|state| {
            state.update::<ChangeSeat>(&(change, id("federation")), |seat| seat.delegate = false);
            state.update::<ChangeSeat>(&(change, id("foundation")), |seat| seat.delegate = false);
        });
        network.run("bank", resolution(change, 1, Resolution::Admit)).unwrap();
        assert_eq!(status(&network, change), ObjectionStatus::Raised);
    }
}
