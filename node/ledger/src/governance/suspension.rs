//! The changes `suspend_organisation`, `confirm_suspension` and `reinstate_organisation` (rulebook §2, §10).
//!
//! A suspended organisation may pay, report, return money and answer, and nothing else. An emergency is voted within 24 hours of its proposal, acts when
//! it is carried, and lapses after 14 days unless it is confirmed: due work of the change (`conclude_change`*).

use super::{
    change::{Change, Content, Mode},
    conclude_change::ConcludeChange,
    enact_change::{self, ChangeEnacted},
    motion::{Effects, Fault, Motion, Proposer},
    propose_change,
};
use crate::{
    action::{Kind, Place},
    due,
    history::RecordRef,
    registry::{
        organisation::{Organisation, Status},
        role::Role,
    },
    signer::same_group,
    state::{Overlay, Record},
    wire::{message, words},
};
use octroi_primitives::*;

const DAY_MS: u64 = 86_400_000;
/// An emergency is voted within so long of its proposal.
const EMERGENCY_VOTE_MS: u64 = DAY_MS;
/// And lapses after so long.
const EMERGENCY_MS: u64 = 14 * DAY_MS;

words! {
    /// How soon a suspension is voted, and how long it holds.
    pub enum Urgency {
        /// Voted like any change, until it is lifted.
        Ordinary = "ordinary",
        /// Voted within 24 hours, lapses after 14 days unless confirmed.
        Emergency = "emergency",
    }
}

message! {
    /// The change: an organisation may only pay, report, return money and answer.
    pub struct SuspendOrganisation = SuspendOrganisation {
        /// Which.
        pub organisation: OrganisationId,
        /// How soon, for how long.
        pub urgency: Urgency,
        /// Why.
        pub reason: ReasonCode,
    }

    /// The change: an emergency suspension does not lapse.
    pub struct ConfirmSuspension = ConfirmSuspension {
        /// The change that suspended.
        pub suspension: ChangeId,
    }

    /// The change: an organisation may act again.
    pub struct ReinstateOrganisation = ReinstateOrganisation {
        /// Which.
        pub organisation: OrganisationId,
    }

    /// Record: a suspension in force; its key is the organisation.
    pub struct Suspension = Suspension {
        /// The change that suspended.
        pub change: ChangeId,
        /// When it lapses; `None`: it does not.
        pub lapses_at: Option<BlockTime>,
    }
}

impl Record for Suspension {
    type Key = OrganisationId;
}

fn known(organisation: &OrganisationId, state: &Overlay<'_>) -> Result<Status, Fault> {
    let record = state.get::<Organisation>(organisation);
    let record = record.ok_or_else(|| Fault::Unknown(format!("organisation {organisation} does not exist")))?;
    Ok(record.status)
}

fn expect(organisation: &OrganisationId, wanted: Status, state: &Overlay<'_>) -> Result<(), Fault> {
    match known(organisation, state)? {
        status if status == wanted => Ok(()),
        status => Err(Fault::State(format!("organisation {organisation} is {status}, not {wanted}"))),
    }
}

impl Motion for SuspendOrganisation {
    type Asked = Self;

    fn mode(_: &Self, _: &Overlay<'_>) -> Mode {
        Mode::Majority
    }

    /// Rulebook §2: a registrar suspends, which is to say asks for it.
    fn proposer(_: &Self, _: &Overlay<'_>) -> Result<Proposer, propose_change::Refused> {
        Ok(Proposer::CollegeMemberOr(Role::Registrar))
    }

    fn voted_within(asked: &Self) -> Option<u64> {
        match asked.urgency {
            Urgency::Ordinary => None,
            Urgency::Emergency => Some(EMERGENCY_VOTE_MS),
        }
    }

    fn known(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        Ok(expect(&asked.organisation, Status::Active, state)?)
    }

    fn conflicts(asked: &Self, organisation: &OrganisationId, state: &Overlay<'_>) -> bool {
        same_group(state, organisation, &asked.organisation)
    }

    fn target(asked: &Self) -> Option<RecordRef> {
        Some(RecordRef::of::<Organisation>(&asked.organisation))
    }

    fn enact(asked: &Self, _: &ChangeId, _: &Place, state: &Overlay<'_>) -> Result<Effects, enact_change::Refused> {
        expect(&asked.organisation, Status::Active, state)?;
        Ok(Effects::default())
    }

    fn apply(asked: &Self, event: &ChangeEnacted, place: &Place, state: &mut Overlay<'_>) {
        let lapses_at = match asked.urgency {
            Urgency::Ordinary => None,
            Urgency::Emergency => Some(place.time.saturating_add(EMERGENCY_MS)),
        };
        if let Some(at) = lapses_at {
            due::schedule(state, at, Kind::ConcludeChange, ConcludeChange::object(&event.change));
        }
        state.update::<Organisation>(&asked.organisation, |record| record.status = Status::Suspended);
        state.put::<Suspension>(asked.organisation, Suspension { change: event.change, lapses_at });
    }
}

/// The organisation that a change suspended in an emergency, and when that lapses.
pub(super) fn in_emergency(suspension: &ChangeId, state: &Overlay<'_>) -> Option<(OrganisationId, BlockTime)> {
    let Content::SuspendOrganisation(asked) = &state.get::<Change>(suspension)?.content else { return None };
    let record = state.get::<Suspension>(&asked.organisation).filter(|record| record.change == *suspension)?;
    record.lapses_at.map(|at| (asked.organisation, at))
}

fn emergency(suspension: &ChangeId, state: &Overlay<'_>) -> Result<(OrganisationId, BlockTime), Fault> {
    if !state.has::<Change>(suspension) {
        return Err(Fault::Unknown(format!("change {suspension} does not exist")));
    }
    in_emergency(suspension, state)
        .ok_or_else(|| Fault::State(format!("change {suspension} is no emergency suspension in force")))
}

impl Motion for ConfirmSuspension {
    type Asked = Self;

    fn mode(_: &Self, _: &Overlay<'_>) -> Mode {
        Mode::Majority
    }

    /// Rulebook §2: a registrar suspends, which is to say asks for it.
    fn proposer(_: &Self, _: &Overlay<'_>) -> Result<Proposer, propose_change::Refused> {
        Ok(Proposer::CollegeMemberOr(Role::Registrar))
    }

    fn known(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        emergency(&asked.suspension, state)?;
        Ok(())
    }

    fn conflicts(asked: &Self, organisation: &OrganisationId, state: &Overlay<'_>) -> bool {
        in_emergency(&asked.suspension, state).is_some_and(|(target, _)| same_group(state, organisation, &target))
    }

    fn target(asked: &Self) -> Option<RecordRef> {
        Some(RecordRef::of::<Change>(&asked.suspension))
    }

    fn enact(asked: &Self, _: &ChangeId, _: &Place, state: &Overlay<'_>) -> Result<Effects, enact_change::Refused> {
        emergency(&asked.suspension, state)?;
        Ok(Effects::default())
    }

    fn apply(asked: &Self, _: &ChangeEnacted, _: &Place, state: &mut Overlay<'_>) {
        let (organisation, at) = in_emergency(&asked.suspension, state).expect("enact: it is in force");
        due::cancel(state, at, Kind::ConcludeChange, ConcludeChange::object(&asked.suspension));
        state.update::<Suspension>(&organisation, |record| record.lapses_at = None);
    }
}

/// The organisation may act again, whatever was due.
pub(super) fn lift(organisation: &OrganisationId, state: &mut Overlay<'_>) {
    forget(organisation, state);
    state.update::<Organisation>(organisation, |record| record.status = Status::Active);
}

/// Nothing of a suspension is due any more.
pub(crate) fn forget(organisation: &OrganisationId, state: &mut Overlay<'_>) {
    if let Some(Suspension { change, lapses_at }) = state.get::<Suspension>(organisation).cloned() {
        if let Some(at) = lapses_at {
            due::cancel(state, at, Kind::ConcludeChange, ConcludeChange::object(&change));
        }
        state.remove::<Suspension>(organisation);
    }
}

impl Motion for ReinstateOrganisation {
    type Asked = Self;

    fn mode(_: &Self, _: &Overlay<'_>) -> Mode {
        Mode::Majority
    }

    /// Rulebook §2: a registrar suspends, which is to say asks for it.
    fn proposer(_: &Self, _: &Overlay<'_>) -> Result<Proposer, propose_change::Refused> {
        Ok(Proposer::CollegeMemberOr(Role::Registrar))
    }

    fn known(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        Ok(expect(&asked.organisation, Status::Suspended, state)?)
    }

    fn conflicts(asked: &Self, organisation: &OrganisationId, state: &Overlay<'_>) -> bool {
        same_group(state, organisation, &asked.organisation)
    }

    fn target(asked: &Self) -> Option<RecordRef> {
        Some(RecordRef::of::<Organisation>(&asked.organisation))
    }

    fn enact(asked: &Self, _: &ChangeId, _: &Place, state: &Overlay<'_>) -> Result<Effects, enact_change::Refused> {
        expect(&asked.organisation, Status::Suspended, state)?;
        Ok(Effects::default())
    }

    fn apply(asked: &Self, _: &ChangeEnacted, _: &Place, state: &mut Overlay<'_>) {
        lift(&asked.organisation, state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        due::DueItem,
        fixture::{self, Network, id},
        governance::{
            change::{ChangeStatus, Choice},
            enact_change::tests::decide,
            propose_change::{
                ProposeChange,
                tests::{change_of, proposal},
            },
        },
    };

    const YES: [(&str, Choice); 4] =
        [("bank", Choice::Yes), ("lab", Choice::Yes), ("university", Choice::Yes), ("foundation", Choice::Yes)];

    fn suspend(organisation: &str, urgency: Urgency) -> Content {
        let reason = ReasonCode::new("fraud").unwrap();
        Content::SuspendOrganisation(SuspendOrganisation { organisation: id(organisation), urgency, reason })
    }

    fn status(network: &Network, organisation: &str) -> Status {
        network.state.get::<Organisation>(&id(organisation)).unwrap().status
    }

    /// What is due in a network where nobody has done anything.
    fn nothing_due() -> usize {
        fixture::network().state.count::<DueItem>()
    }

    fn emergency() -> (Network, ChangeId) {
        let mut network = fixture::network();
        let proposed = network.now();
        let (change, event) = decide(&mut network, "bank", suspend("asso1", Urgency::Emergency), &YES);
        assert_eq!(event.outcome, ChangeStatus::Enacted);
        assert_eq!(network.now().0 - proposed.0, DAY_MS + 1, "24 hours from the block of the proposal");
        assert_eq!(status(&network, "asso1"), Status::Suspended);
        (network, change)
    }

    #[test]
    fn an_emergency_is_voted_within_24_hours_of_its_proposal() {
        let network = fixture::network();
        let late = ProposeChange {
            opens_at: BlockTime(network.now().0 + 1 + DAY_MS),
            ..proposal(&network, suspend("asso1", Urgency::Emergency))
        };
        assert_eq!(network.refusal("bank", late.clone()), "WindowLate");
        let ordinary = ProposeChange { change: suspend("asso1", Urgency::Ordinary), ..late };
        network.decide("bank", crate::fixture::IntoPayload::into_payload(ordinary)).unwrap();
    }

    #[test]
    fn an_emergency_suspension_lapses_after_fourteen_days() {
        let (mut network, change) = emergency();
        let lapses_at = network.state.get::<Suspension>(&id("asso1")).unwrap().lapses_at.unwrap();
        assert_eq!(lapses_at.0 - network.now().0, 14 * DAY_MS);
        network.advance_to(BlockTime(lapses_at.0 - 1));
        assert_eq!(status(&network, "asso1"), Status::Suspended);
        network.advance_to(lapses_at);
        assert_eq!(status(&network, "asso1"), Status::Active);
        assert_eq!(network.state.get::<Change>(&change).unwrap().status, ChangeStatus::Lapsed);
        assert_eq!(network.state.count::<Suspension>(), 0);
    }

    #[test]
    fn an_emergency_suspension_that_is_confirmed_does_not_lapse() {
        let (mut network, change) = emergency();
        let confirm = || Content::ConfirmSuspension(ConfirmSuspension { suspension: change });
        let (_, event) = decide(&mut network, "bank", confirm(), &YES);
        assert_eq!(event.outcome, ChangeStatus::Enacted);
        assert_eq!(network.state.count::<DueItem>(), nothing_due());
        network.advance(20 * DAY_MS);
        assert_eq!(status(&network, "asso1"), Status::Suspended);
        assert_eq!(network.refusal("bank", proposal(&network, confirm())), "StateNamed");
        let nothing = Content::ConfirmSuspension(ConfirmSuspension { suspension: ChangeId::ZERO });
        assert_eq!(network.refusal("bank", proposal(&network, nothing)), "UnknownNamed");
    }

    #[test]
    fn a_confirmation_that_comes_too_late_is_carried_and_not_enacted() {
        let (mut network, change) = emergency();
        network.advance(10 * DAY_MS);
        let confirm = Content::ConfirmSuspension(ConfirmSuspension { suspension: change });
        let confirmation = change_of(&network.run("bank", proposal(&network, confirm)).unwrap());
        let Change { opens_at, closes_at, .. } = network.state.get::<Change>(&confirmation).unwrap().clone();
        network.advance_to(opens_at);
        for (seat, choice) in YES {
            network.run(seat, crate::governance::cast_ballot::tests::ballot(confirmation, choice)).unwrap();
        }
        network.advance_to(closes_at);
        assert_eq!(network.state.get::<Change>(&confirmation).unwrap().status, ChangeStatus::NotEnacted);
        assert_eq!(status(&network, "asso1"), Status::Active);
    }

    #[test]
    fn who_is_suspended_without_emergency_stays_so_until_reinstated() {
        let mut network = fixture::network();
        decide(&mut network, "bank", suspend("asso1", Urgency::Ordinary), &YES);
        network.advance(30 * DAY_MS);
        assert_eq!(status(&network, "asso1"), Status::Suspended);
        assert_eq!(network.refusal("bank", proposal(&network, suspend("asso1", Urgency::Ordinary))), "StateNamed");
        let reinstate = || Content::ReinstateOrganisation(ReinstateOrganisation { organisation: id("asso1") });
        decide(&mut network, "bank", reinstate(), &YES);
        assert_eq!(status(&network, "asso1"), Status::Active);
        assert_eq!(network.refusal("bank", proposal(&network, reinstate())), "StateNamed");
    }

    #[test]
    fn a_registrar_without_a_seat_asks_for_a_suspension_and_for_nothing_else() {
        use crate::registry::role::{RoleGrant, Scope};
        let mut network = fixture::network();
        let asked = |network: &Network, content| network.refusal("tax", proposal(network, content));
        let ordinary = || suspend("asso1", Urgency::Ordinary);
        assert_eq!(asked(&network, ordinary()), "RoleMissing");
        network.edit(|state| {
            state.put::<RoleGrant>((id("tax"), Role::Registrar, Scope::Network), RoleGrant { change: None });
        });
        let set = crate::governance::propose_change::tests::set("payout_lag_days", 7);
        assert_eq!(asked(&network, set), "RoleMissing");
        network.run("tax", proposal(&network, ordinary())).unwrap();
    }

    #[test]
    fn reinstating_ends_an_emergency_and_leaves_nothing_due() {
        let (mut network, _) = emergency();
        let reinstate = Content::ReinstateOrganisation(ReinstateOrganisation { organisation: id("asso1") });
        decide(&mut network, "bank", reinstate, &YES);
        assert_eq!((status(&network, "asso1"), network.state.count::<DueItem>()), (Status::Active, nothing_due()));
    }
}
