//! `cancel_order`: an ordonnateur takes an order back that the comptable has not released.
//!
//! - Allowed: an active organisation with the role ordonnateur over the fund, of no group that benefits.
//! - Effect: payable → encumbered; the part can be ordered again. Also for a part that the bank did not pay.
//! - Source: rulebook §4; table A, cancelled order.

use super::grant::Grant;
use crate::{
    accounts::{Account, Movement, PostingError, Postings},
    action::{Action, Effect, Place},
    history::{RecordRef, distinct},
    refusal::{posting_refusals, refusals, signer_refusals},
    registry::{
        fund::Fund,
        organisation::Organisation,
        project::Project,
        role::{Role, Scope},
    },
    signer::{Context, first_of_group},
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

message! {
    /// The payload.
    pub struct CancelOrder = CancelOrder {
        /// Which grant.
        pub grant: GrantId,
        /// Which tranche.
        pub tranche: u32,
        /// Why.
        pub reason: ReasonCode,
    }

    /// The event.
    pub struct OrderCancelled = OrderCancelled {
        /// Which grant.
        pub grant: GrantId,
        /// Which tranche.
        pub tranche: u32,
        /// Which part of it, from 0.
        pub part: u32,
        /// How much is not paid.
        pub amount: Amount [required],
        /// Why.
        pub reason: ReasonCode,
        /// The fund.
        pub fund: FundCode,
        /// Who cancelled.
        pub ordonnateur: OrganisationId,
        /// Payable → encumbered.
        pub postings: Postings,
        /// The project.
        pub project: ProjectId,
        /// The lead beneficiary.
        pub lead: OrganisationId,
    }
}

refusals! {
    signer;
    UnknownGrant(GrantId): Unknown 1 "grant {0} does not exist", "the grant does not exist";
    UnknownTranche(u32): Unknown 2 "the grant has no tranche {0}", "the grant has no such tranche";
    SegregationBeneficiary(OrganisationId): Segregation 1 "the signer is of the group of beneficiary {0}", "the ordonnateur's group benefits";
    StateTranche(u32): State 1 "no part of tranche {0} is ordered", "nothing of the tranche waits to be released";
    Insufficient(PostingError): Insufficient 1 "{0}", "the payable account does not hold the amount";
    Overflow(PostingError): Overflow 1 "{0}", "a sum leaves its range";
}
signer_refusals!(Refused);
posting_refusals!(Refused);

impl Action for CancelOrder {
    type Event = OrderCancelled;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        Ok(())
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<OrderCancelled, Refused> {
        let Self { grant: id, tranche: number, reason } = *self;

        cx.active(state)?;
        let grant = state.get::<Grant>(&id).ok_or(Refused::UnknownGrant(id))?;
        cx.authorise(state, Role::Ordonnateur, Scope::Fund(grant.fund))?;
        let tranche = grant.tranche(number).ok_or(Refused::UnknownTranche(number))?;
        if let Some(party) =
            first_of_group(state, &cx.organisation, grant.parties.iter().map(|party| party.organisation))
        {
            return Err(Refused::SegregationBeneficiary(party));
        }
        let (part, ordered) = tranche.ordered_part().ok_or(Refused::StateTranche(number))?;
        let mut movement = Movement::in_fund(grant.fund);
        movement.transfer(Account::Payable { grant: id, tranche: number }, grant.encumbered(&id), ordered.amount);
        let postings = movement.check(state)?;
        Ok(OrderCancelled {
            grant: id,
            tranche: number,
            part,
            amount: Amount::new(ordered.amount, grant.awarded.currency),
            reason,
            fund: grant.fund,
            ordonnateur: cx.organisation,
            postings,
            project: grant.project,
            lead: grant.lead(),
        })
    }
}

impl Effect for OrderCancelled {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        state.update::<Grant>(&self.grant, |grant| grant.undo_order(self.tranche, self.part));
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

    fn postings(&self) -> Option<&Postings> {
        Some(&self.postings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Kind, Payload},
        application::fixture::{Step, Trial, assert_precedence},
        fixture::assert_round_trips,
        grant::{fixture::*, grant::PartStatus},
    };

    fn cancellation(grant: GrantId, tranche: u32) -> CancelOrder {
        CancelOrder { grant, tranche, reason: ReasonCode::new("mistake").unwrap() }
    }

    fn payable(t: &Trial<CancelOrder>) -> Account {
        Account::Payable { grant: t.act.grant, tranche: 1 }
    }

    #[test]
    fn a_cancellation_is_refused_in_order_of_precedence() {
        let (mut network, grant) = active();
        run(&mut network, "region", Payload::OrderPayment(order(grant, 1, 300_000)));
        give(&mut network, "asso1_branch", Role::Ordonnateur);
        let steps: &[Step<CancelOrder>] = &[
            ("Suspended", |t| t.reinstate()),
            ("RoleMissing", |t| {
                t.sign_as("asso1_branch");
                t.act.grant = GrantId::ZERO;
            }),
            ("UnknownGrant", |t| t.act.grant = only(t)),
            ("UnknownTranche", |t| t.act.tranche = 1),
            ("SegregationBeneficiary", |t| {
                t.sign_as("region");
                edit(t, |record| record.part_mut(1, 0).status = PartStatus::Planned);
            }),
            ("StateTranche", |t| {
                edit(t, |record| record.part_mut(1, 0).status = PartStatus::Failed);
                set_balance(t, payable(t), -299_999);
            }),
            ("Insufficient", |t| {
                set_balance(t, payable(t), -300_000);
                let encumbered = record(&t.network, t.act.grant).encumbered(&t.act.grant);
                set_balance(t, encumbered, i128::MIN);
            }),
            ("Overflow", |t| {
                let encumbered = record(&t.network, t.act.grant).encumbered(&t.act.grant);
                set_balance(t, encumbered, 0);
            }),
        ];
        let trial = Trial::faulty(network, "lab", cancellation(grant, 9));
        assert_precedence(Kind::CancelOrder, trial, Payload::CancelOrder, steps);
    }

    #[test]
    fn a_cancelled_order_can_be_ordered_again() {
        let (mut network, grant) = active();
        assert_round_trips(&Payload::CancelOrder(cancellation(grant, 1)));
        judge(&mut network, grant, 2, 1_000_000, 1_000_000);
        for (tranche, minor, status) in [(1, 300_000, PartStatus::Planned), (2, 400_000, PartStatus::Accepted)] {
            run(&mut network, "region", Payload::OrderPayment(order(grant, tranche, minor)));
            run(&mut network, "region", Payload::CancelOrder(cancellation(grant, tranche)));
            assert_eq!(record(&network, grant).tranche(tranche).unwrap().parts[0].status, status);
            assert_eq!(credit_of(&network, &Account::Payable { grant, tranche }), 0);
            pay(&mut network, grant, tranche, 1, minor);
        }
    }
}
