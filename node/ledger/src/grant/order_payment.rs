//! `order_payment`: the ordonnateur orders what can be paid of a tranche.
//!
//! - Allowed: an active organisation with the role ordonnateur over the fund, of no group that is comptable of it, benefits, reviews or manages.
//! - Effect: encumbered → payable; the part is ordered. What can be paid is an accepted part, or an advance of a signed convention (I11). What was
//!   accepted before a grant was closed or terminated is paid all the same.
//! - Source: rulebook §7 and §17, 0804; table A, tranche ordered.

use super::grant::{Grant, GrantStatus, PartStatus};
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
    pub struct OrderPayment = OrderPayment {
        /// Which grant.
        pub grant: GrantId,
        /// Which tranche.
        pub tranche: u32,
        /// The whole payable part.
        pub amount: Amount [required],
        /// Budget year that pays.
        pub budget_year: u32,
    }

    /// The event.
    pub struct PaymentOrdered = PaymentOrdered {
        /// Which grant.
        pub grant: GrantId,
        /// Which tranche.
        pub tranche: u32,
        /// Which part of it, from 0.
        pub part: u32,
        /// Who ordered.
        pub ordonnateur: OrganisationId,
        /// How much.
        pub amount: Amount [required],
        /// Budget year that pays.
        pub budget_year: u32,
        /// The fund.
        pub fund: FundCode,
        /// Encumbered → payable.
        pub postings: Postings,
        /// The project.
        pub project: ProjectId,
        /// The lead beneficiary.
        pub lead: OrganisationId,
    }
}

refusals! {
    AmountBounds(Amount): Amount 1 "{0} is outside 1 ..= 10^15 minor units", "the amount is 0 or above the bound";
    signer;
    UnknownGrant(GrantId): Unknown 1 "grant {0} does not exist", "the grant does not exist";
    UnknownTranche(u32): Unknown 2 "the grant has no tranche {0}", "the grant has no such tranche";
    SegregationComptable(OrganisationId): Segregation 1 "the signer is of the group of comptable {0}", "the ordonnateur's group is comptable of the fund";
    SegregationBeneficiary(OrganisationId): Segregation 2 "the signer is of the group of beneficiary {0}", "the ordonnateur's group benefits";
    SegregationReviewer(OrganisationId): Segregation 3 "the signer is of the group of reviewer {0}", "the ordonnateur's group reviewed the application or judged evidence";
    SegregationManager(OrganisationId): Segregation 4 "the signer is of the group of programme manager {0}", "the ordonnateur's group opened the call or screened the application";
    StateGrant(GrantId, GrantStatus): State 1 "grant {0} is {1}", "the grant is not signed by all, is suspended, or has ended and the tranche is an advance";
    StateTranche(u32): State 2 "no part of tranche {0} is accepted, and none is a planned advance", "no part of the tranche can be paid now";
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

impl Action for OrderPayment {
    type Event = PaymentOrdered;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        if self.amount.is_valid_positive() { Ok(()) } else { Err(Refused::AmountBounds(self.amount)) }
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<PaymentOrdered, Refused> {
        let Self { grant: id, tranche: number, amount, budget_year } = *self;

        cx.active(state)?;
        let grant = state.get::<Grant>(&id).ok_or(Refused::UnknownGrant(id))?;
        cx.authorise(state, Role::Ordonnateur, Scope::Fund(grant.fund))?;
        let tranche = grant.tranche(number).ok_or(Refused::UnknownTranche(number))?;
        check_segregation(grant, &cx.organisation, state)?;
        if !grant.may_be_ordered(tranche.kind) {
            return Err(Refused::StateGrant(id, grant.status));
        }
        let (part, payable) = tranche.payable_part().ok_or(Refused::StateTranche(number))?;
        if amount.currency != grant.awarded.currency {
            return Err(Refused::CurrencyOther(amount.currency, grant.awarded.currency));
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
        movement.transfer(grant.encumbered(&id), Account::Payable { grant: id, tranche: number }, amount.minor);
        let postings = movement.check(state)?;
        Ok(PaymentOrdered {
            grant: id,
            tranche: number,
            part,
            ordonnateur: cx.organisation,
            amount,
            budget_year,
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

impl Effect for PaymentOrdered {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        state.update::<Grant>(&self.grant, |grant| {
            let part = grant.part_mut(self.tranche, self.part);
            part.status = PartStatus::Ordered;
            part.ordered_by = Some(self.ordonnateur);
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

    fn postings(&self) -> Option<&Postings> {
        Some(&self.postings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Event, Kind, Payload},
        application::fixture::{Step, Trial, assert_precedence},
        fixture::assert_round_trips,
        grant::fixture::*,
    };

    fn faulty() -> Trial<OrderPayment> {
        let (mut network, grant) = active();
        for organisation in ["bank_branch", "asso1_branch", "federation", "foundation"] {
            give(&mut network, organisation, Role::Ordonnateur);
        }
        network.edit(|state| {
            state.update::<Grant>(&grant, |record| {
                record.status = GrantStatus::Offered;
                record.tranche_mut(3).kind = TrancheKind::Advance;
                record.part_mut(3, 0).status = PartStatus::Ordered;
            });
        });
        let amount = Amount::new(0, "CHF".parse().unwrap());
        Trial::faulty(network, "lab", OrderPayment { grant, tranche: 9, amount, budget_year: 2026 })
    }

    #[test]
    fn an_order_is_refused_in_order_of_precedence() {
        let steps: &[Step<OrderPayment>] = &[
            ("AmountBounds", |t| t.act.amount.minor = 1),
            ("Suspended", |t| t.reinstate()),
            ("RoleMissing", |t| {
                t.sign_as("bank_branch");
                t.act.grant = GrantId::ZERO;
            }),
            ("UnknownGrant", |t| t.act.grant = only(t)),
            ("UnknownTranche", |t| t.act.tranche = 3),
            ("SegregationComptable", |t| t.sign_as("asso1_branch")),
            ("SegregationBeneficiary", |t| t.sign_as("federation")),
            ("SegregationReviewer", |t| t.sign_as("foundation")),
            ("SegregationManager", |t| t.sign_as("region")),
            ("StateGrant", |t| edit(t, |record| record.status = GrantStatus::Active)),
            ("StateTranche", |t| edit(t, |record| record.part_mut(3, 0).status = PartStatus::Planned)),
            ("CurrencyOther", |t| t.act.amount.currency = Currency::EUR),
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
        assert_precedence(Kind::OrderPayment, faulty(), Payload::OrderPayment, steps);
    }

    #[test]
    fn an_advance_is_ordered_once_and_nothing_else_without_accepted_evidence() {
        let (mut network, grant) = active();
        assert_round_trips(&Payload::OrderPayment(order(grant, 1, 1)));
        let Event::OrderPayment(ordered) = run(&mut network, "region", Payload::OrderPayment(order(grant, 1, 300_000)))
        else {
            panic!()
        };
        assert_eq!(ordered.postings.legs().len(), 2);
        assert_eq!(credit_of(&network, &Account::Payable { grant, tranche: 1 }), 300_000);
        assert_eq!(credit_of(&network, &record(&network, grant).encumbered(&grant)), 700_000);
        for tranche in [1, 2, 3] {
            let amount = if tranche == 2 { 400_000 } else { 300_000 };
            let act = Payload::OrderPayment(order(grant, tranche, amount));
            assert_eq!(network.refusal("region", act), "StateTranche", "tranche {tranche}");
        }
    }

    #[test]
    fn an_offered_grant_is_not_paid() {
        let (network, grant) = offered();
        assert_eq!(network.refusal("region", Payload::OrderPayment(order(grant, 1, 300_000))), "StateGrant");
    }

    #[test]
    fn a_judge_cannot_order() {
        let (mut network, grant) = active();
        give(&mut network, "consumers", Role::Ordonnateur);
        run(&mut network, "asso1", Payload::SubmitEvidence(evidence(grant, 2)));
        run(&mut network, "consumers", Payload::JudgeEvidence(judgement(grant, 2, 1_000_000)));
        let act = Payload::OrderPayment(order(grant, 1, 300_000));
        assert_eq!(network.refusal("consumers", act), "SegregationReviewer");
    }
}
