//! `cast_ballot`: a seat votes on a change; a later ballot of the same seat replaces the earlier one.
//!
//! - Allowed: an active organisation whose seat was frozen when voting opened, by an office that may use the role college member.
//! - Effect: the seat's ballot. Nothing is counted before the close.
//! - Source: rulebook §10 and §17, 0c02.

use super::change::{Ballot, Change, ChangeSeat, ChangeStatus, Choice};
use crate::{
    action::{Action, Effect, Place},
    history::RecordRef,
    refusal::{refusals, signer_refusals},
    registry::{organisation::Organisation, role::Role},
    signer::Context,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

message! {
    /// The payload.
    pub struct CastBallot = CastBallot {
        /// On which change.
        pub change: ChangeId,
        /// Which way.
        pub choice: Choice,
        /// Why.
        pub reason: Option<ReasonCode>,
    }

    /// The event.
    pub struct BallotCast = BallotCast {
        /// On which change.
        pub change: ChangeId,
        /// Who voted.
        pub organisation: OrganisationId,
        /// For which college.
        pub college: CollegeCode,
        /// Which way.
        pub choice: Choice,
        /// Why.
        pub reason: Option<ReasonCode>,
    }
}

refusals! {
    signer;
    RoleNoSeat(OrganisationId): Role 2 "organisation {0} had no seat when voting opened", "the signer had no seat when voting opened";
    UnknownChange(ChangeId): Unknown 1 "change {0} does not exist", "the change does not exist";
    ConflictSeat(OrganisationId): Conflict 1 "the seat of organisation {0} is conflicted", "the signer's group applies, partners, is the target or the candidate";
    StateNotOpen(ChangeId, ChangeStatus): State 1 "change {0} is {1}", "inside the window, voting has not opened or was ended";
    WindowEarly(BlockTime, BlockTime): Window 1 "voting opens at {0}, block time is {1}", "voting opens later";
    WindowOver(BlockTime, BlockTime): Window 2 "voting closed at {0}, block time is {1}", "voting has closed";
}
signer_refusals!(Refused);

impl Action for CastBallot {
    type Event = BallotCast;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        Ok(())
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<BallotCast, Refused> {
        let Self { change, choice, reason } = *self;
        cx.by_office(state, &[Role::CollegeMember])?;
        let organisation = cx.organisation;
        let record = state.get::<Change>(&change);
        let seat = state.get::<ChangeSeat>(&(change, organisation));
        if record.is_some_and(|record| record.counting.is_some()) && seat.is_none() {
            return Err(Refused::RoleNoSeat(organisation));
        }
        let record = record.ok_or(Refused::UnknownChange(change))?;
        if seat.is_some_and(|seat| seat.conflicted) {
            return Err(Refused::ConflictSeat(organisation));
        }
        // The window is judged by time alone, so that the answer does not depend on whether due work has run (rulebook §1).
        let time = cx.place.time;
        let inside = record.opens_at <= time && time < record.closes_at;
        match seat {
            Some(seat) if inside && record.status == ChangeStatus::Open => {
                Ok(BallotCast { change, organisation, college: seat.college, choice, reason })
            }
            _ if inside => Err(Refused::StateNotOpen(change, record.status)),
            _ if time < record.opens_at => Err(Refused::WindowEarly(record.opens_at, time)),
            _ => Err(Refused::WindowOver(record.closes_at, time)),
        }
    }
}

impl Effect for BallotCast {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let Self { change, organisation, college: _, choice, reason } = *self;
        state.update::<ChangeSeat>(&(change, organisation), |seat| seat.ballot = Some(Ballot { choice, reason }));
    }

    fn subjects(&self) -> Vec<RecordRef> {
        vec![RecordRef::of::<Change>(&self.change), RecordRef::of::<Organisation>(&self.organisation)]
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        action::{Kind, Payload},
        fixture::{self, IntoPayload},
        governance::{
            change::{Content, RoleChange},
            propose_change::tests::{change_of, parameter, proposal},
        },
        registry::role::Scope,
    };

    impl IntoPayload for CastBallot {
        fn into_payload(self) -> Payload {
            Payload::CastBallot(self)
        }
    }

    pub(crate) fn ballot(change: ChangeId, choice: Choice) -> CastBallot {
        CastBallot { change, choice, reason: None }
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let mut network = fixture::network();
        network.suspend("consumers");
        network.edit(|state| {
            state.update::<Organisation>(&fixture::id("lab"), |lab| lab.offices[0].roles = vec![Role::Reviewer]);
        });
        let grant = Content::GrantRole(RoleChange {
            organisation: fixture::id("region"),
            role: Role::Reviewer,
            scope: Scope::Fund(fixture::fund()),
        });
        let open = change_of(&network.run("bank", proposal(&network, grant)).unwrap());
        network.advance_to(network.state.get::<Change>(&open).unwrap().opens_at);
        let early = change_of(&network.run("bank", parameter(&network)).unwrap());
        let stuck = change_of(&network.run("bank", parameter(&network)).unwrap());
        network.edit(|state| state.update::<Change>(&stuck, |change| change.opens_at = BlockTime(1)));
        let over = change_of(&network.run("bank", parameter(&network)).unwrap());
        network.edit(|state| {
            state.update::<Change>(&over, |change| (change.opens_at, change.closes_at) = (BlockTime(1), BlockTime(2)));
        });
        let table = [
            ("consumers", open),
            ("lab", open),
            ("asso1", open),
            ("bank", ChangeId::ZERO),
            ("region", open),
            ("bank", stuck),
            ("bank", early),
            ("bank", over),
        ];
        let reached: Vec<&str> =
            table.into_iter().map(|(signer, change)| network.refusal(signer, ballot(change, Choice::Yes))).collect();
        fixture::assert_all_reached(Kind::CastBallot, &reached);
    }

    #[test]
    fn a_later_ballot_replaces_the_earlier_one() {
        let mut network = fixture::network();
        let change = change_of(&network.run("bank", parameter(&network)).unwrap());
        network.advance_to(network.state.get::<Change>(&change).unwrap().opens_at);
        fixture::assert_round_trips(&ballot(change, Choice::Abstain).into_payload());
        for choice in [Choice::Yes, Choice::No] {
            network.run("region", ballot(change, choice)).unwrap();
            let seat = network.state.get::<ChangeSeat>(&(change, fixture::id("region"))).unwrap();
            assert_eq!(seat.ballot, Some(Ballot { choice, reason: None }));
        }
    }
}
