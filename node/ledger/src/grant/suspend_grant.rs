//! `suspend_grant`: an ordonnateur stops a grant for a while, or lets it go on.
//!
//! - Allowed: an active organisation with the role ordonnateur over the fund, of no group that benefits.
//! - Effect: while a grant is suspended nothing of it is proven, judged, ordered or released; amending, ending it and clawbacks stay possible.
//! - Source: rulebook §7 (active ⇄ suspended).

use super::grant::{Grant, GrantStatus};
use crate::{
    action::{Action, Effect, Place},
    history::{RecordRef, distinct},
    refusal::{refusals, signer_refusals},
    registry::{
        fund::Fund,
        organisation::Organisation,
        project::Project,
        role::{Role, Scope},
    },
    signer::{Context, first_of_group},
    state::Overlay,
    wire::{message, words},
};
use octroi_primitives::*;

words! {
    /// Which way.
    pub enum Suspension {
        /// Stop it.
        Suspend = "suspend",
        /// Let it go on.
        Resume = "resume",
    }
}

message! {
    /// The payload.
    pub struct SuspendGrant = SuspendGrant {
        /// Which grant.
        pub grant: GrantId,
        /// Stop it, or let it go on.
        pub asked: Suspension,
        /// Why.
        pub reason: ReasonCode,
        /// Hash of the document that explains it.
        pub document: Commitment,
    }

    /// The event.
    pub struct GrantSuspended = GrantSuspended {
        /// Which grant.
        pub grant: GrantId,
        /// Stopped, or let go on.
        pub asked: Suspension,
        /// Why.
        pub reason: ReasonCode,
        /// Hash of the document that explains it.
        pub document: Commitment,
        /// Who did.
        pub ordonnateur: OrganisationId,
        /// The fund.
        pub fund: FundCode,
        /// The project.
        pub project: ProjectId,
        /// The lead beneficiary.
        pub lead: OrganisationId,
    }
}

refusals! {
    signer;
    UnknownGrant(GrantId): Unknown 1 "grant {0} does not exist", "the grant does not exist";
    SegregationBeneficiary(OrganisationId): Segregation 1 "the signer is of the group of beneficiary {0}", "the ordonnateur's group benefits";
    StateGrant(GrantId, GrantStatus): State 1 "grant {0} is {1}", "the grant is not signed by all or has ended, is suspended already, or is not";
}
signer_refusals!(Refused);

impl Action for SuspendGrant {
    type Event = GrantSuspended;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        Ok(())
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<GrantSuspended, Refused> {
        let Self { grant: id, asked, reason, document } = *self;

        cx.active(state)?;
        let grant = state.get::<Grant>(&id).ok_or(Refused::UnknownGrant(id))?;
        cx.authorise(state, Role::Ordonnateur, Scope::Fund(grant.fund))?;
        let parties = grant.parties.iter().map(|party| party.organisation);
        if let Some(party) = first_of_group(state, &cx.organisation, parties) {
            return Err(Refused::SegregationBeneficiary(party));
        }
        let fits = match asked {
            Suspension::Suspend => grant.is_running(),
            Suspension::Resume => grant.status == GrantStatus::Suspended,
        };
        if !fits {
            return Err(Refused::StateGrant(id, grant.status));
        }
        let (ordonnateur, fund, project, lead) = (cx.organisation, grant.fund, grant.project, grant.lead());
        Ok(GrantSuspended { grant: id, asked, reason, document, ordonnateur, fund, project, lead })
    }
}

impl Effect for GrantSuspended {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        state.update::<Grant>(&self.grant, |grant| {
            grant.status = match self.asked {
                Suspension::Suspend => GrantStatus::Suspended,
                Suspension::Resume if grant.report.is_some() => GrantStatus::Reporting,
                Suspension::Resume => GrantStatus::Active,
            };
        });
    }

    fn subjects(&self) -> Vec<RecordRef> {
        distinct(vec![
            RecordRef::of::<Grant>(&self.grant),
            RecordRef::of::<Project>(&self.project),
            RecordRef::of::<Fund>(&self.fund),
            RecordRef::of::<Organisation>(&self.lead),
            RecordRef::of::<Organisation>(&self.ordonnateur),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Kind, Payload},
        application::fixture::{Step, Trial, assert_precedence},
        fixture::assert_round_trips,
        grant::fixture::*,
    };

    #[test]
    fn a_suspension_is_refused_in_order_of_precedence() {
        let (mut network, grant) = offered();
        give(&mut network, "asso1_branch", Role::Ordonnateur);
        let steps: &[Step<SuspendGrant>] = &[
            ("Suspended", |t| t.reinstate()),
            ("RoleMissing", |t| {
                t.sign_as("asso1_branch");
                t.act.grant = GrantId::ZERO;
            }),
            ("UnknownGrant", |t| t.act.grant = only(t)),
            ("SegregationBeneficiary", |t| t.sign_as("region")),
            ("StateGrant", |t| edit(t, |record| record.status = GrantStatus::Active)),
        ];
        let trial = Trial::faulty(network, "lab", suspension(grant, Suspension::Suspend));
        assert_precedence(Kind::SuspendGrant, trial, Payload::SuspendGrant, steps);
    }

    #[test]
    fn a_suspended_grant_stands_still_until_it_is_resumed() {
        let (mut network, grant) = active();
        run(&mut network, "region", Payload::OrderPayment(order(grant, 1, 300_000)));
        run(&mut network, "asso1", Payload::SubmitEvidence(evidence(grant, 2)));
        let suspend = Payload::SuspendGrant(suspension(grant, Suspension::Suspend));
        let resume = Payload::SuspendGrant(suspension(grant, Suspension::Resume));
        assert_round_trips(&suspend);
        assert_eq!(network.refusal("region", resume.clone()), "StateGrant");
        run(&mut network, "region", suspend.clone());
        assert_eq!(network.refusal("region", suspend), "StateGrant");
        let act = release(&network, grant, 1, 1);
        assert_eq!(network.refusal("bank", Payload::ReleasePayment(act.clone())), "StateGrant");
        assert_eq!(network.refusal("federation", Payload::JudgeEvidence(judgement(grant, 2, 1_000_000))), "StateGrant");
        assert_eq!(network.refusal("asso1", Payload::SubmitEvidence(evidence(grant, 2))), "StateGrant");
        run(&mut network, "region", resume);
        run(&mut network, "bank", Payload::ReleasePayment(act));
    }
}
