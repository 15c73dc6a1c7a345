//! `refuse_payment`: the comptable refuses an order, with a reason.
//!
//! - Allowed: an active organisation with the role comptable over the fund, of another group than the one that ordered.
//! - Effect: payable → encumbered; the part can be ordered again. Also for a part that the bank did not pay.
//! - Source: rulebook §7, evidence; table A, refused order.

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
    pub struct RefusePayment = RefusePayment {
        /// Which grant.
        pub grant: GrantId,
        /// Which tranche.
        pub tranche: u32,
        /// Why.
        pub reason: ReasonCode,
        /// Commitment to the comment.
        pub comment: Commitment,
    }

    /// The event.
    pub struct PaymentRefused = PaymentRefused {
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
        /// Commitment to the comment.
        pub comment: Commitment,
        /// The fund.
        pub fund: FundCode,
        /// Who refused.
        pub comptable: OrganisationId,
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
    SegregationOrdered(OrganisationId): Segregation 1 "the signer is of the group of {0}, which ordered", "the comptable's group ordered the payment";
    StateTranche(u32): State 1 "no part of tranche {0} is ordered", "nothing of the tranche waits to be released";
    Insufficient(PostingError): Insufficient 1 "{0}", "the payable account does not hold the amount";
    Overflow(PostingError): Overflow 1 "{0}", "a sum leaves its range";
}
signer_refusals!(Refused);
posting_refusals!(Refused);

impl Action for RefusePayment {
    type Event = PaymentRefused;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        Ok(())
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<PaymentRefused, Refused> {
        let Self { grant: id, tranche: number, reason, comment } = *self;

        cx.active(state)?;
        let grant = state.get::<Grant>(&id).ok_or(Refused::UnknownGrant(id))?;
        cx.authorise(state, Role::Comptable, Scope::Fund(grant.fund))?;
        let tranche = grant.tranche(number).ok_or(Refused::UnknownTranche(number))?;
        let waiting = tranche.ordered_part();
        let ordered_by = waiting.and_then(|(_, part)| part.ordered_by);
        if let Some(orderer) = first_of_group(state, &cx.organisation, ordered_by) {
            return Err(Refused::SegregationOrdered(orderer));
        }
        let (part, ordered) = waiting.ok_or(Refused::StateTranche(number))?;
        let mut movement = Movement::in_fund(grant.fund);
        movement.transfer(Account::Payable { grant: id, tranche: number }, grant.encumbered(&id), ordered.amount);
        let postings = movement.check(state)?;
        Ok(PaymentRefused {
            grant: id,
            tranche: number,
            part,
            amount: Amount::new(ordered.amount, grant.awarded.currency),
            reason,
            comment,
            fund: grant.fund,
            comptable: cx.organisation,
            postings,
            project: grant.project,
            lead: grant.lead(),
        })
    }
}

impl Effect for PaymentRefused {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        state.update::<Grant>(&self.grant, |grant| grant.undo_order(self.tranche, self.part));
    }

    fn subjects(&self) -> Vec<RecordRef> {
        distinct(vec![
            RecordRef::of::<Grant>(&self.grant),
            RecordRef::of::<Project>(&self.project),
            RecordRef::of::<Fund>(&self.fund),
            RecordRef::of::<Organisation>(&self.lead),
            RecordRef::of::<Organisation>(&self.comptable),
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
        fixture::{assert_round_trips, commitment, id},
        grant::{fixture::*, grant::PartStatus},
    };

    fn refusal(grant: GrantId, tranche: u32) -> RefusePayment {
        RefusePayment { grant, tranche, reason: ReasonCode::new("incomplete").unwrap(), comment: commitment("why") }
    }

    fn payable(t: &Trial<RefusePayment>) -> Account {
        Account::Payable { grant: t.act.grant, tranche: 1 }
    }

    #[test]
    fn a_refusal_is_refused_in_order_of_precedence() {
        let (mut network, grant) = active();
        run(&mut network, "region", Payload::OrderPayment(order(grant, 1, 300_000)));
        network.edit(|state| {
            state.update::<Grant>(&grant, |record| record.part_mut(1, 0).ordered_by = Some(id("bank_branch")));
        });
        let steps: &[Step<RefusePayment>] = &[
            ("Suspended", |t| t.reinstate()),
            ("RoleMissing", |t| {
                t.sign_as("bank");
                t.act.grant = GrantId::ZERO;
            }),
            ("UnknownGrant", |t| t.act.grant = only(t)),
            ("UnknownTranche", |t| t.act.tranche = 1),
            ("SegregationOrdered", |t| edit(t, |record| record.part_mut(1, 0).status = PartStatus::Planned)),
            ("StateTranche", |t| {
                edit(t, |record| {
                    let part = record.part_mut(1, 0);
                    part.status = PartStatus::Ordered;
                    part.ordered_by = Some(id("region"));
                });
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
        let trial = Trial::faulty(network, "lab", refusal(grant, 9));
        assert_precedence(Kind::RefusePayment, trial, Payload::RefusePayment, steps);
    }

    #[test]
    fn a_refused_order_can_be_ordered_again() {
        let (mut network, grant) = active();
        assert_round_trips(&Payload::RefusePayment(refusal(grant, 1)));
        judge(&mut network, grant, 2, 1_000_000, 1_000_000);
        for (tranche, minor, status) in [(1, 300_000, PartStatus::Planned), (2, 400_000, PartStatus::Accepted)] {
            run(&mut network, "region", Payload::OrderPayment(order(grant, tranche, minor)));
            run(&mut network, "bank", Payload::RefusePayment(refusal(grant, tranche)));
            assert_eq!(record(&network, grant).tranche(tranche).unwrap().parts[0].status, status);
            assert_eq!(credit_of(&network, &Account::Payable { grant, tranche }), 0);
            pay(&mut network, grant, tranche, 1, minor);
        }
    }
}
