//! `offset_clawback`: the ordonnateur orders a payment of which a part, or all, pays a clawback that the same beneficiary owes the same fund.
//!
//! - Allowed: as `order_payment`.
//! - Effect: encumbered → payable what is left, and → the envelope of the grant that the clawback is of what is kept; uncollected → receivable.
//!   The kept part of the tranche is offset, the other is ordered.
//! - Source: rulebook §7, clawback; table A, ordered with offset x of y.

use super::{
    clawback::Clawback,
    grant::{Grant, GrantStatus, Part, PartStatus},
};
use crate::{
    accounts::{Account, Movement, PostingError, Postings},
    action::{Action, Effect, Place},
    application::application::TrancheKind,
    history::{RecordRef, distinct},
    refusal::{refusals, signer_refusals},
    registry::{
        fund::Fund,
        organisation::Organisation,
        project::Project,
        role::{Role, Scope},
    },
    signer::{Context, first_of_group, holder_of_group},
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

message! {
    /// The payload.
    pub struct OffsetClawback = OffsetClawback {
        /// Which grant.
        pub grant: GrantId,
        /// Which tranche.
        pub tranche: u32,
        /// The whole payable part.
        pub amount: Amount [required],
        /// What of it pays the clawback.
        pub offset: Amount [required],
        /// Budget year that pays.
        pub budget_year: u32,
        /// Which clawback.
        pub clawback: ClawbackId,
    }

    /// The event.
    pub struct PaymentOffset = PaymentOffset {
        /// Which grant.
        pub grant: GrantId,
        /// Which tranche.
        pub tranche: u32,
        /// Which part of it, from 0.
        pub part: u32,
        /// Who ordered.
        pub ordonnateur: OrganisationId,
        /// How much in all.
        pub amount: Amount [required],
        /// What of it pays the clawback.
        pub offset: Amount [required],
        /// Budget year that pays.
        pub budget_year: u32,
        /// Which clawback.
        pub clawback: ClawbackId,
        /// The grant that the clawback is of.
        pub clawed: GrantId,
        /// The fund.
        pub fund: FundCode,
        /// Encumbered → payable and the envelope of the grant that the clawback is of; uncollected → receivable.
        pub postings: Postings,
        /// The project.
        pub project: ProjectId,
        /// The lead beneficiary.
        pub lead: OrganisationId,
    }
}

refusals! {
    AmountBounds(Amount): Amount 1 "{0} is outside 1 ..= 10^15 minor units", "the amount is 0 or above the bound";
    AmountOffset(u64, u64): Amount 3 "{0} of {1} minor units", "what is kept is 0 or more than the payment";
    signer;
    UnknownGrant(GrantId): Unknown 1 "grant {0} does not exist", "the grant does not exist";
    UnknownTranche(u32): Unknown 2 "the grant has no tranche {0}", "the grant has no such tranche";
    UnknownClawback(ClawbackId): Unknown 3 "clawback {0} does not exist", "the clawback does not exist";
    SegregationComptable(OrganisationId): Segregation 1 "the signer is of the group of comptable {0}", "the ordonnateur's group is comptable of the fund";
    SegregationBeneficiary(OrganisationId): Segregation 2 "the signer is of the group of beneficiary {0}", "the ordonnateur's group benefits";
    SegregationReviewer(OrganisationId): Segregation 3 "the signer is of the group of reviewer {0}", "the ordonnateur's group reviewed the application or judged evidence";
    SegregationManager(OrganisationId): Segregation 4 "the signer is of the group of programme manager {0}", "the ordonnateur's group opened the call or screened the application";
    StateGrant(GrantId, GrantStatus): State 1 "grant {0} is {1}", "the grant is not signed by all, is suspended, or has ended and the tranche is an advance";
    StateTranche(u32): State 2 "no part of tranche {0} is accepted, and none is a planned advance", "no part of the tranche can be paid now";
    StateClawback(u64, u64): State 3 "{0} minor units, {1} are still to come back", "the clawback does not ask for so much any more";
    ReferenceFund(FundCode, FundCode): Reference 1 "the clawback is of fund {0}, the grant of fund {1}", "the clawback is of another fund";
    ReferenceLead(OrganisationId): Reference 2 "the clawback is owed by {0}", "another beneficiary owes the clawback";
    CurrencyOther(Currency, Currency): Currency 1 "{0} is not the grant's currency {1}", "the amount is in another currency than the grant";
    AmountOther(u64, u64): Amount 2 "{0} minor units, {1} can be paid", "the amount is not that of the payable part";
    EvidenceEarlier(u32, u32): Evidence 1 "tranche {1} before advance {0} has no accepted evidence", "an advance follows a tranche without accepted evidence";
    DateBudgetYear(u32, u32): Date 1 "budget year {0}, planned is {1}", "the budget year is before the planned one";
    DateConditional(u32, u32): Date 2 "tranche {0} is conditional until {1}", "the tranche is of a later year than the grant's first, which has not come";
    Insufficient(PostingError): Insufficient 1 "{0}", "what is reserved for the grant does not hold the amount";
    Overflow(PostingError): Overflow 1 "{0}", "a sum leaves its range";
}
signer_refusals!(Refused);

impl From<PostingError> for Refused {
    fn from(error: PostingError) -> Self {
        match error {
            PostingError::Insufficient { .. } => Self::Insufficient(error),
            PostingError::Overflow(_) => Self::Overflow(error),
        }
    }
}

impl Action for OffsetClawback {
    type Event = PaymentOffset;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        let Self { amount, offset, .. } = self;
        if !amount.is_valid_positive() {
            return Err(Refused::AmountBounds(*amount));
        }
        if !(1..=amount.minor).contains(&offset.minor) {
            return Err(Refused::AmountOffset(offset.minor, amount.minor));
        }
        Ok(())
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<PaymentOffset, Refused> {
        let Self { grant: id, tranche: number, amount, offset, budget_year, clawback: clawback_id } = *self;

        cx.active(state)?;
        let grant = state.get::<Grant>(&id).ok_or(Refused::UnknownGrant(id))?;
        cx.authorise(state, Role::Ordonnateur, Scope::Fund(grant.fund))?;
        let tranche = grant.tranche(number).ok_or(Refused::UnknownTranche(number))?;
        let clawback = state.get::<Clawback>(&clawback_id).ok_or(Refused::UnknownClawback(clawback_id))?;
        check_segregation(grant, &cx.organisation, state)?;
        if !grant.may_be_ordered(tranche.kind) {
            return Err(Refused::StateGrant(id, grant.status));
        }
        let (part, payable) = tranche.payable_part().ok_or(Refused::StateTranche(number))?;
        if offset.minor > clawback.open() {
            return Err(Refused::StateClawback(offset.minor, clawback.open()));
        }
        if clawback.fund != grant.fund {
            return Err(Refused::ReferenceFund(clawback.fund, grant.fund));
        }
        if clawback.lead != grant.lead() {
            return Err(Refused::ReferenceLead(clawback.lead));
        }
        for given in [amount, offset] {
            if given.currency != grant.awarded.currency {
                return Err(Refused::CurrencyOther(given.currency, grant.awarded.currency));
            }
        }
        if amount.minor != payable.amount {
            return Err(Refused::AmountOther(amount.minor, payable.amount));
        }
        if let Some(earlier) = grant.unproven_before(number)
            && tranche.kind == TrancheKind::Advance
        {
            return Err(Refused::EvidenceEarlier(number, earlier));
        }
        if budget_year < tranche.budget_year {
            return Err(Refused::DateBudgetYear(budget_year, tranche.budget_year));
        }
        if let Some(year) = grant.year_to_come(tranche, cx.place.date()) {
            return Err(Refused::DateConditional(number, year));
        }
        let mut movement = Movement::in_fund(grant.fund);
        let payable = Account::Payable { grant: id, tranche: number };
        movement.transfer(grant.encumbered(&id), payable, amount.minor - offset.minor);
        let owed = state.get::<Grant>(&clawback.grant).expect("a clawback is of a grant");
        movement.transfer(grant.encumbered(&id), owed.source(), offset.minor);
        clawback.post_settled(offset.minor, &mut movement);
        let postings = movement.check(state)?;
        Ok(PaymentOffset {
            grant: id,
            tranche: number,
            part,
            ordonnateur: cx.organisation,
            amount,
            offset,
            budget_year,
            clawback: clawback_id,
            clawed: clawback.grant,
            fund: grant.fund,
            postings,
            project: grant.project,
            lead: grant.lead(),
        })
    }
}

fn check_segregation(grant: &Grant, signer: &OrganisationId, state: &Overlay<'_>) -> Result<(), Refused> {
    if let Some(comptable) = holder_of_group(state, signer, Role::Comptable, Scope::Fund(grant.fund)) {
        return Err(Refused::SegregationComptable(comptable));
    }
    if let Some(party) = first_of_group(state, signer, grant.parties.iter().map(|party| party.organisation)) {
        return Err(Refused::SegregationBeneficiary(party));
    }
    if let Some(reviewer) = first_of_group(state, signer, grant.reviewers(state)) {
        return Err(Refused::SegregationReviewer(reviewer));
    }
    match first_of_group(state, signer, grant.managers(state)) {
        Some(manager) => Err(Refused::SegregationManager(manager)),
        None => Ok(()),
    }
}

impl Effect for PaymentOffset {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        state.update::<Grant>(&self.grant, |grant| {
            let kept = self.offset.minor;
            let part = grant.part_mut(self.tranche, self.part);
            part.ordered_by = Some(self.ordonnateur);
            if part.amount == kept {
                part.status = PartStatus::Offset;
                return;
            }
            part.amount -= kept;
            part.status = PartStatus::Ordered;
            let proven = Part { amount: kept, status: PartStatus::Offset, payout: None, ..part.clone() };
            // One part of a tranche holds all that was kept of parts that were cut, so that cutting has an end.
            let parts = &mut grant.tranche_mut(self.tranche).parts;
            match parts.iter_mut().find(|part| part.status == PartStatus::Offset) {
                Some(earlier) => earlier.amount += kept,
                None => parts.push(proven),
            }
        });
        Clawback::keep(state, &self.clawback, self.offset.minor);
    }

    fn subjects(&self) -> Vec<RecordRef> {
        distinct(vec![
            RecordRef::of::<Grant>(&self.grant),
            RecordRef::of::<Grant>(&self.clawed),
            RecordRef::of::<Clawback>(&self.clawback),
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
        accounts::balance_of,
        action::{Kind, Payload},
        application::fixture::{Step, Trial, assert_precedence},
        fixture::{Network, assert_round_trips, fund, id},
        grant::fixture::*,
    };

    fn offset(grant: GrantId, tranche: u32, (amount, kept): (u64, u64), clawback: ClawbackId) -> OffsetClawback {
        let (amount, offset) = (Amount::eur(amount), Amount::eur(kept));
        OffsetClawback { grant, tranche, amount, offset, budget_year: 2027, clawback }
    }

    /// The advance is paid and 200,000 of it asked back; the second tranche is accepted.
    fn owing() -> (Network, GrantId, ClawbackId) {
        let (mut network, grant) = active();
        pay(&mut network, grant, 1, 1, 300_000);
        let clawback = open(&mut network, grant, 200_000);
        judge(&mut network, grant, 2, 1_000_000, 1_000_000);
        (network, grant, clawback)
    }

    fn edit_clawback(t: &mut Trial<OffsetClawback>, change: impl FnOnce(&mut Clawback)) {
        let clawback = t.act.clawback;
        t.network.edit(|state| state.update::<Clawback>(&clawback, change));
    }

    #[test]
    fn an_offset_is_refused_in_order_of_precedence() {
        let (mut network, grant, clawback) = owing();
        for organisation in ["bank_branch", "asso1_branch", "federation", "foundation"] {
            give(&mut network, organisation, Role::Ordonnateur);
        }
        network.edit(|state| {
            state.update::<Grant>(&grant, |record| {
                record.status = GrantStatus::Suspended;
                record.tranche_mut(3).kind = TrancheKind::Advance;
                record.part_mut(3, 0).status = PartStatus::Ordered;
                record.part_mut(2, 0).status = PartStatus::Planned;
            });
            state.update::<Clawback>(&clawback, |clawback| {
                clawback.waived = 1;
                clawback.fund = FundCode::new("other").unwrap();
                clawback.lead = id("asso2");
            });
        });
        let mut act = offset(grant, 9, (0, 0), clawback);
        act.amount.currency = "CHF".parse().unwrap();
        act.offset.currency = "CHF".parse().unwrap();
        act.budget_year = 2026;
        let steps: &[Step<OffsetClawback>] = &[
            ("AmountBounds", |t| t.act.amount.minor = 200_000),
            ("AmountOffset", |t| t.act.offset.minor = 200_000),
            ("Suspended", |t| t.reinstate()),
            ("RoleMissing", |t| {
                t.sign_as("bank_branch");
                t.act.grant = GrantId::ZERO;
            }),
            ("UnknownGrant", |t| t.act.grant = only(t)),
            ("UnknownTranche", |t| {
                t.act.tranche = 3;
                t.act.clawback = ClawbackId::ZERO;
            }),
            ("UnknownClawback", |t| t.act.clawback = *t.network.state.all::<Clawback>().next().unwrap().0),
            ("SegregationComptable", |t| t.sign_as("asso1_branch")),
            ("SegregationBeneficiary", |t| t.sign_as("federation")),
            ("SegregationReviewer", |t| t.sign_as("foundation")),
            ("SegregationManager", |t| t.sign_as("region")),
            ("StateGrant", |t| edit(t, |record| record.status = GrantStatus::Active)),
            ("StateTranche", |t| edit(t, |record| record.part_mut(3, 0).status = PartStatus::Planned)),
            ("StateClawback", |t| edit_clawback(t, |clawback| clawback.waived = 0)),
            ("ReferenceFund", |t| edit_clawback(t, |clawback| clawback.fund = fund())),
            ("ReferenceLead", |t| edit_clawback(t, |clawback| clawback.lead = id("asso1"))),
            ("CurrencyOther", |t| {
                t.act.amount.currency = Currency::EUR;
                t.act.offset.currency = Currency::EUR;
            }),
            ("AmountOther", |t| t.act.amount.minor = 300_000),
            ("EvidenceEarlier", |t| edit(t, |record| record.part_mut(2, 0).status = PartStatus::Accepted)),
            ("DateBudgetYear", |t| {
                t.act.budget_year = 2028;
                edit(t, |record| record.tranche_mut(3).budget_year = 2028);
            }),
            ("DateConditional", |t| {
                edit(t, |record| record.tranche_mut(3).budget_year = 2027);
                let encumbered = record(&t.network, t.act.grant).encumbered(&t.act.grant);
                set_balance(t, encumbered, -299_999);
            }),
            ("Insufficient", |t| {
                let encumbered = record(&t.network, t.act.grant).encumbered(&t.act.grant);
                set_balance(t, encumbered, -300_000);
                set_balance(t, Account::Payable { grant: t.act.grant, tranche: 3 }, i128::MIN);
            }),
            ("Overflow", |t| set_balance(t, Account::Payable { grant: t.act.grant, tranche: 3 }, 0)),
        ];
        let trial = Trial::faulty(network, "lab", act);
        assert_precedence(Kind::OffsetClawback, trial, Payload::OffsetClawback, steps);
    }

    #[test]
    fn a_payment_is_ordered_less_what_the_clawback_keeps() {
        let (mut network, grant, clawback) = owing();
        let source = record(&network, grant).source();
        let envelope = credit_of(&network, &source);
        let act = Payload::OffsetClawback(offset(grant, 2, (400_000, 150_000), clawback));
        assert_round_trips(&act);
        run(&mut network, "region", act);
        assert_eq!(credit_of(&network, &Account::Payable { grant, tranche: 2 }), 250_000);
        assert_eq!(credit_of(&network, &source), envelope + 150_000);
        assert_eq!(balance_of(&network.state, &Account::ClawbackReceivable { grant }), 50_000);
        assert_eq!(credit_of(&network, &Account::Uncollected { fund: fund() }), 50_000);
        let tranche = record(&network, grant).tranche(2).unwrap().clone();
        let parts: Vec<_> = tranche.parts.iter().map(|part| (part.amount, part.status)).collect();
        assert_eq!(parts, [(250_000, PartStatus::Ordered), (150_000, PartStatus::Offset)]);
        assert_eq!(network.state.get::<Clawback>(&clawback).unwrap().open(), 50_000);
        assert_eq!(record(&network, grant).to_come_back(), 50_000);
        let act = release(&network, grant, 2, 1);
        run(&mut network, "bank", Payload::ReleasePayment(act));
    }

    #[test]
    fn a_payment_can_be_kept_whole_and_what_was_kept_piles_up_in_one_part() {
        let (mut network, grant, clawback) = owing();
        run(&mut network, "region", Payload::OffsetClawback(offset(grant, 2, (400_000, 1), clawback)));
        let cancel =
            crate::grant::cancel_order::CancelOrder { grant, tranche: 2, reason: ReasonCode::new("mistake").unwrap() };
        run(&mut network, "region", Payload::CancelOrder(cancel));
        run(&mut network, "region", Payload::OffsetClawback(offset(grant, 2, (399_999, 2), clawback)));
        let parts = record(&network, grant).tranche(2).unwrap().parts.clone();
        let parts: Vec<_> = parts.iter().map(|part| (part.amount, part.status)).collect();
        assert_eq!(parts, [(399_997, PartStatus::Ordered), (3, PartStatus::Offset)]);

        judge(&mut network, grant, 3, 500_000, 500_000);
        run(&mut network, "region", Payload::OffsetClawback(offset(grant, 3, (150_000, 150_000), clawback)));
        assert_eq!(record(&network, grant).tranche(3).unwrap().parts[0].status, PartStatus::Offset);
        assert_eq!(credit_of(&network, &Account::Payable { grant, tranche: 3 }), 0);
    }
}
