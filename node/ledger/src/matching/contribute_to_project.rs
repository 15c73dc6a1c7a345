//! `contribute_to_project`: an organisation, or a collector for one of its donors, gives to a project in a matching round.
//!
//! - Allowed: any active organisation, by an office that may use the role funder; for a donor, a collector that the round names.
//! - Effect: the contribution stands and has a reference (M and 26 characters); no money moves. It counts when its money comes in before the close.
//! - Source: rulebook §9, 0a02.

use super::{
    round::{Round, RoundProject},
    round_contribution::{ContributionStatus, RoundContribution},
};
use crate::{
    action::{Action, Effect, Place},
    history::RecordRef,
    refusal::{refusals, signer_refusals},
    registry::{
        organisation::Organisation,
        project::Project,
        role::{Role, Scope},
    },
    signer::Context,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

message! {
    /// The payload.
    pub struct ContributeToProject = ContributeToProject {
        /// In which round.
        pub round: RoundId,
        /// To which project.
        pub project: ProjectId,
        /// How much, in the round's currency.
        pub amount: Amount [required],
        /// A collector's donor: a salted commitment, never a name.
        pub donor: Option<Commitment>,
    }

    /// The event.
    pub struct ProjectContributed = ProjectContributed {
        /// The new contribution.
        pub id: ContributionId,
        /// As it stands in the state.
        pub contribution: RoundContribution [required],
    }
}

refusals! {
    AmountBounds(Amount): Amount 1 "{0} is outside 1 ..= 10^15 minor units", "the amount is 0 or above the bound";
    signer;
    UnknownRound(RoundId): Unknown 1 "round {0} does not exist", "the round does not exist";
    UnknownProject(ProjectId): Unknown 2 "project {0} takes no part in the round", "the project takes no part in the round";
    RoleCollector(OrganisationId): Role 2 "organisation {0} is no collector of the round", "it names a donor, and the round does not name the signer as collector";
    WindowClosed(BlockTime, BlockTime): Window 1 "the round is open from {0} and before {1}", "the round is not open";
    CurrencyOther(Currency, Currency): Currency 1 "{0} is not the round's currency {1}", "the amount is in another currency than the round";
}
signer_refusals!(Refused);

impl Action for ContributeToProject {
    type Event = ProjectContributed;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        if self.amount.is_valid_positive() { Ok(()) } else { Err(Refused::AmountBounds(self.amount)) }
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<ProjectContributed, Refused> {
        let Self { round, project, amount, donor } = self.clone();

        cx.authorise(state, Role::Funder, Scope::Network)?;
        let record = state.get::<Round>(&round).ok_or(Refused::UnknownRound(round))?;
        if !state.has::<RoundProject>(&(round, project)) {
            return Err(Refused::UnknownProject(project));
        }
        if donor.is_some() && !record.collectors.contains(&cx.organisation) {
            return Err(Refused::RoleCollector(cx.organisation));
        }
        if !record.is_open(cx.place.time) {
            return Err(Refused::WindowClosed(record.opens_at, record.closes_at));
        }
        if amount.currency != record.pool.currency {
            return Err(Refused::CurrencyOther(amount.currency, record.pool.currency));
        }
        let contribution = RoundContribution {
            round,
            project,
            fund: record.fund,
            organisation: cx.organisation,
            donor,
            amount,
            funded: 0,
            returned: 0,
            removed: false,
            status: ContributionStatus::Open,
        };
        Ok(ProjectContributed {
            id: ContributionId::new(object_id("matching-contribution", &cx.place.transaction)),
            contribution,
        })
    }
}

impl Effect for ProjectContributed {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        state.put::<RoundContribution>(self.id, self.contribution.clone());
    }

    fn subjects(&self) -> Vec<RecordRef> {
        let RoundContribution { round, project, organisation, .. } = &self.contribution;
        vec![
            RecordRef::of::<RoundContribution>(&self.id),
            RecordRef::of::<Round>(round),
            RecordRef::of::<Project>(project),
            RecordRef::of::<Organisation>(organisation),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Kind, Payload},
        application::fixture::{Trial, assert_precedence, project},
        bank::owed::{Owed, RefundCause},
        fixture::{DAY, assert_round_trips},
        matching::fixture::{gift, give, in_round, opened, pay, project_of, record, round},
    };

    #[test]
    fn refuses_in_order_of_precedence() {
        let (mut network, id) = opened();
        project(&mut network, "asso3");
        network.edit(|state| state.update::<Round>(&id, |round| round.opens_at.0 += DAY));
        let dollars = Amount::new(0, Currency::new("USD").unwrap());
        let act = ContributeToProject { amount: dollars, ..gift(RoundId::ZERO, "asso3", 1, Some("donor")) };
        assert_precedence(
            Kind::ContributeToProject,
            Trial::faulty(network, "region", act),
            Payload::ContributeToProject,
            &[
                ("AmountBounds", |t| t.act.amount.minor = 1),
                ("Suspended", |t| t.reinstate()),
                ("RoleMissing", |t| t.sign()),
                ("UnknownRound", |t| t.act.round = *t.network.state.all::<Round>().next().expect("one round").0),
                ("UnknownProject", |t| t.act.project = project_of("asso1")),
                ("RoleCollector", |t| t.sign_as("lab")),
                ("WindowClosed", |t| {
                    t.network.advance(DAY);
                }),
                ("CurrencyOther", |t| t.act.amount.currency = Currency::EUR),
            ],
        );
    }

    #[test]
    fn money_is_held_for_the_contribution_and_what_comes_after_the_close_is_owed_back() {
        let (mut network, id) = opened();
        let given = give(&mut network, id, "region", "asso1", 400, None);
        assert_round_trips(&Payload::ContributeToProject(gift(id, "asso1", 1, Some("x"))));
        assert_eq!(network.balance(&record(&network, given).escrow(&given)), -400);
        assert_eq!((in_round(&network, id, "asso1").funded, in_round(&network, id, "asso1").contributions), (400, 1));
        let late = network.run("region", gift(id, "asso1", 70, None)).unwrap();
        let crate::action::Event::ContributeToProject(late) = late else { panic!("contributed") };
        network.advance_to(round(&network, id).closes_at);
        pay(&mut network, late.id, 70);
        assert_eq!((record(&network, late.id).funded, record(&network, late.id).returned), (0, 70));
        let refunds: Vec<Owed> = network.state.all::<Owed>().map(|(_, refund)| refund.clone()).collect();
        assert_eq!((refunds[0].amount, refunds[0].cause), (70, RefundCause::Late));
    }
}
