//! `challenge_matching`: somebody doubts the provisional results of a matching round.
//!
//! - Allowed: an active auditor of the fund, holder of a seat in a college, or donor that names a contribution of its own.
//! - Effect: the results are frozen. The change `settle_challenge` confirms them, or removes contributions and has them computed once more; without
//!   one they stand after 30 days.
//! - Source: rulebook §9, 0a03.

use super::{
    round::{Round, RoundStatus},
    round_contribution::RoundContribution,
    settle_matching::SettleMatching,
};
use crate::{
    action::{Action, BASE_COST, Effect, Kind, Place},
    due,
    governance::electorate::seat_of,
    history::RecordRef,
    refusal::{refusals, signer_refusals},
    registry::{
        fund::Fund,
        organisation::Organisation,
        role::{Role, Scope},
    },
    signer::{Context, holds},
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;
use std::collections::BTreeSet;

/// Contributions that a challenge names, at most.
const CONTRIBUTIONS: usize = 64;
/// Results stand after 30 days, unless a change decides.
const STANDS_MS: u64 = 30 * 86_400_000;

message! {
    /// The payload.
    pub struct ChallengeMatching = ChallengeMatching {
        /// Which round.
        pub round: RoundId,
        /// Contributions that should not count.
        pub contributions: Vec<ContributionId>,
        /// Why.
        pub reason: ReasonCode,
        /// Salted commitment to the statement.
        pub statement: Commitment,
        /// A contribution of the signer's own, where it challenges as a donor.
        pub own: Option<ContributionId>,
    }

    /// The event.
    pub struct MatchingChallenged = MatchingChallenged {
        /// Which round.
        pub round: RoundId,
        /// Its fund.
        pub fund: FundCode,
        /// Who challenges.
        pub challenger: OrganisationId,
        /// Contributions that should not count.
        pub contributions: Vec<ContributionId>,
        /// Why.
        pub reason: ReasonCode,
        /// Salted commitment to the statement.
        pub statement: Commitment,
        /// When the results stand unless a change decides.
        pub stands_at: BlockTime,
    }
}

refusals! {
    LimitContributions(usize): Limit 1 "{0} contributions: up to 64, each once", "too many contributions, or one twice";
    signer;
    UnknownRound(RoundId): Unknown 1 "round {0} does not exist", "the round does not exist";
    RoleChallenger(OrganisationId): Role 2 "organisation {0} is neither auditor of the fund, nor has a seat, nor gave the contribution", "the signer is neither auditor, nor seated, nor a donor";
    UnknownContribution(ContributionId): Unknown 2 "contribution {0} is none of the round", "a contribution is none of the round";
    StateRound(RoundId, RoundStatus): State 1 "round {0} is {1}", "there are no provisional results";
    WindowOver(BlockTime): Window 1 "results could be challenged before {0}", "the time to challenge has passed";
}
signer_refusals!(Refused);

impl ChallengeMatching {
    /// In which capacity the signer may challenge.
    fn authorise(&self, round: &Round, cx: &Context<'_>, state: &Overlay<'_>) -> Result<(), Refused> {
        let audits = holds(state, &cx.organisation, Role::Auditor, Scope::Fund(round.fund));
        let seated = seat_of(state, &cx.organisation).is_some();
        let gave = self
            .own
            .and_then(|own| state.get::<RoundContribution>(&own))
            .is_some_and(|own| own.round == self.round && own.organisation == cx.organisation && own.funded > 0);
        let roles: Vec<Role> = [(audits, Role::Auditor), (seated, Role::CollegeMember), (gave, Role::Funder)]
            .into_iter()
            .filter_map(|(holds, role)| holds.then_some(role))
            .collect();
        if roles.is_empty() {
            return Err(Refused::RoleChallenger(cx.organisation));
        }
        Ok(cx.by_office(state, &roles)?)
    }
}

impl Action for ChallengeMatching {
    type Event = MatchingChallenged;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        let distinct: BTreeSet<&ContributionId> = self.contributions.iter().collect();
        if distinct.len() != self.contributions.len() || distinct.len() > CONTRIBUTIONS {
            return Err(Refused::LimitContributions(self.contributions.len()));
        }
        Ok(())
    }

    fn cost(&self) -> u64 {
        BASE_COST + self.contributions.len() as u64
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<MatchingChallenged, Refused> {
        let Self { round, contributions, reason, statement, own: _ } = self.clone();

        cx.by_office(state, &[Role::Auditor, Role::CollegeMember, Role::Funder])?;
        let record = state.get::<Round>(&round).ok_or(Refused::UnknownRound(round))?;
        self.authorise(record, cx, state)?;
        let of_round = |id: &&ContributionId| state.get::<RoundContribution>(id).is_some_and(|it| it.round == round);
        if let Some(unknown) = contributions.iter().find(|id| !of_round(id)) {
            return Err(Refused::UnknownContribution(*unknown));
        }
        if record.status != RoundStatus::Provisional {
            return Err(Refused::StateRound(round, record.status));
        }
        if cx.place.time >= record.next_at {
            return Err(Refused::WindowOver(record.next_at));
        }
        Ok(MatchingChallenged {
            round,
            fund: record.fund,
            challenger: cx.organisation,
            contributions,
            reason,
            statement,
            stands_at: cx.place.time.saturating_add(STANDS_MS),
        })
    }
}

impl Effect for MatchingChallenged {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        replan(&self.round, RoundStatus::Challenged, self.stands_at, state);
    }

    /// The round, its fund, who challenges, and the contributions in doubt, so more than 8.
    fn subjects(&self) -> Vec<RecordRef> {
        let mut subjects = vec![
            RecordRef::of::<Round>(&self.round),
            RecordRef::of::<Fund>(&self.fund),
            RecordRef::of::<Organisation>(&self.challenger),
        ];
        subjects.extend(self.contributions.iter().map(RecordRef::of::<RoundContribution>));
        subjects
    }
}

/// Sets where a round stands, and moves its planned step.
pub(super) fn replan(round: &RoundId, status: RoundStatus, at: BlockTime, state: &mut Overlay<'_>) {
    let mut record = state.get::<Round>(round).expect("decide: the round exists").clone();
    due::cancel(state, record.next_at, Kind::SettleMatching, SettleMatching::object(round));
    due::schedule(state, at, Kind::SettleMatching, SettleMatching::object(round));
    record.status = status;
    record.next_at = at;
    state.put::<Round>(*round, record);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::Payload,
        application::fixture::{Trial, assert_precedence},
        fixture::{DAY, Network, assert_round_trips},
        matching::fixture::{OPEN_DAYS, challenge, give, opened, round, steps},
    };

    fn counted() -> (Network, RoundId, ContributionId) {
        let (mut network, id) = opened();
        let given = give(&mut network, id, "platform", "asso1", 400, None);
        give(&mut network, id, "reuser", "asso1", 400, None);
        network.advance(OPEN_DAYS * DAY);
        (network, id, given)
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let (mut network, id, _) = counted();
        network.edit(|state| {
            state.update::<Round>(&id, |round| {
                round.status = RoundStatus::Open;
                round.next_at = BlockTime(1);
            });
        });
        let act = challenge(RoundId::ZERO, vec![ContributionId::ZERO; 2]);
        assert_precedence(
            Kind::ChallengeMatching,
            Trial::faulty(network, "asso3", act),
            Payload::ChallengeMatching,
            &[
                ("LimitContributions", |t| t.act.contributions.truncate(1)),
                ("Suspended", |t| t.reinstate()),
                ("RoleMissing", |t| t.sign()),
                ("UnknownRound", |t| t.act.round = *t.network.state.all::<Round>().next().expect("one round").0),
                ("RoleChallenger", |t| t.sign_as("bank")),
                ("UnknownContribution", |t| t.act.contributions.clear()),
                ("StateRound", |t| {
                    let round = t.act.round;
                    t.network.edit(|state| {
                        state.update::<Round>(&round, |round| round.status = RoundStatus::Provisional);
                    });
                }),
                ("WindowOver", |t| {
                    let (round, later) = (t.act.round, t.network.in_days(1));
                    t.network.edit(|state| state.update::<Round>(&round, |round| round.next_at = later));
                }),
            ],
        );
    }

    #[test]
    fn an_auditor_a_seat_and_a_donor_may_challenge_and_the_results_stand_after_30_days() {
        let (network, id, given) = counted();
        let own = ChallengeMatching { own: Some(given), ..challenge(id, vec![given]) };
        assert_round_trips(&Payload::ChallengeMatching(own.clone()));
        assert!(network.decide("audit", Payload::ChallengeMatching(challenge(id, vec![]))).is_ok());
        assert!(network.decide("university", Payload::ChallengeMatching(challenge(id, vec![]))).is_ok());
        assert!(network.decide("platform", Payload::ChallengeMatching(own.clone())).is_ok());
        assert_eq!(network.refusal("reuser", own.clone()), "RoleChallenger", "not its own contribution");
        let mut network = network;
        network.run("platform", own).unwrap();
        assert_eq!(round(&network, id).status, RoundStatus::Challenged);
        assert_eq!(network.refusal("audit", challenge(id, vec![])), "StateRound");
        assert!(steps(&network.advance(8 * DAY)).is_empty(), "they are frozen");
        let paid = steps(&network.advance(22 * DAY));
        assert_eq!(paid.len(), 1);
        assert_eq!(round(&network, id).status, RoundStatus::Settled);
        network.assert_sound();
    }
}
