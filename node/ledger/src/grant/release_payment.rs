//! `release_payment`: the comptable instructs the bank to pay what was ordered.
//!
//! - Allowed: an active organisation with the role comptable over the fund, of another group than the one that ordered.
//! - Effect: payable → in transit; the payout has a reference (T and 26 characters) for the transfer. The equal debit in a final statement makes it paid.
//! - Source: rulebook §7 and §17, 0805; table A, released.

use super::{
    grant::{Grant, GrantStatus},
    payout::{self, Payout, PayoutStatus, in_transit_from},
};
use crate::{
    accounts::{Account, Movement, PostingError, Postings, balance},
    action::{Action, Effect, Place},
    bank::account::BankAccount,
    history::{RecordRef, distinct},
    refusal::{refusals, signer_refusals},
    registry::{
        fund::Fund,
        organisation::{Organisation, Status},
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
    pub struct ReleasePayment = ReleasePayment {
        /// Which grant.
        pub grant: GrantId,
        /// Which tranche.
        pub tranche: u32,
        /// From 1; one more for each new try.
        pub attempt: u32,
        /// From which account of the fund.
        pub from_account: BankAccountId,
        /// To which account, as in the convention.
        pub payee_account: Commitment,
        /// When the bank should pay.
        pub execution_date: LegalDate [required],
    }

    /// The event.
    pub struct PaymentReleased = PaymentReleased {
        /// The new payout.
        pub id: PayoutId,
        /// As it stands in the state.
        pub payout: Payout [required],
        /// Who released.
        pub comptable: OrganisationId,
        /// Payable → in transit.
        pub postings: Postings,
        /// The project.
        pub project: ProjectId,
    }
}

refusals! {
    signer;
    UnknownGrant(GrantId): Unknown 1 "grant {0} does not exist", "the grant does not exist";
    UnknownTranche(u32): Unknown 2 "the grant has no tranche {0}", "the grant has no such tranche";
    UnknownAccount(BankAccountId): Unknown 3 "bank account {0} does not exist", "the paying account does not exist";
    SegregationOrdered(OrganisationId): Segregation 1 "the signer is of the group of {0}, which ordered", "the comptable's group ordered the payment";
    StateGrant(GrantId, GrantStatus): State 4 "grant {0} is {1}", "the grant is suspended";
    StateTranche(u32): State 1 "no part of tranche {0} is ordered", "nothing of the tranche waits to be released";
    StateAttempt(u32, u32): State 2 "attempt {0}, the next is {1}", "the attempt is not the next one";
    StatePayee(OrganisationId): State 3 "payee {0} is not active", "the lead beneficiary is suspended, merged or closed";
    ReferenceFund(BankAccountId, FundCode): Reference 1 "bank account {0} is of fund {1}", "the paying account is of another fund";
    ReferencePayee(): Reference 2 "the payee's account is not that of the convention", "the payee's account is not that of the convention";
    DatePast(LegalDate, LegalDate): Date 1 "execution date {0} is before today, {1}", "the execution date has passed";
    InsufficientBank(i128, u64): Insufficient 1 "{0} minor units are free on the account, {1} are needed", "the account holds too little besides what is in transit";
    Insufficient(PostingError): Insufficient 2 "{0}", "the payable account does not hold the amount";
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

impl Action for ReleasePayment {
    type Event = PaymentReleased;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        Ok(())
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<PaymentReleased, Refused> {
        let Self { grant: grant_id, tranche: number, attempt, from_account, payee_account, execution_date } = *self;

        cx.active(state)?;
        let grant = state.get::<Grant>(&grant_id).ok_or(Refused::UnknownGrant(grant_id))?;
        cx.authorise(state, Role::Comptable, Scope::Fund(grant.fund))?;
        let tranche = grant.tranche(number).ok_or(Refused::UnknownTranche(number))?;
        let account = state.get::<BankAccount>(&from_account).ok_or(Refused::UnknownAccount(from_account))?;
        let waiting = tranche.ordered_part();
        let ordered_by = waiting.and_then(|(_, part)| part.ordered_by);
        if let Some(orderer) = first_of_group(state, &cx.organisation, ordered_by) {
            return Err(Refused::SegregationOrdered(orderer));
        }
        if grant.status == GrantStatus::Suspended {
            return Err(Refused::StateGrant(grant_id, grant.status));
        }
        let (part, ordered) = waiting.ok_or(Refused::StateTranche(number))?;
        if attempt != tranche.attempts + 1 {
            return Err(Refused::StateAttempt(attempt, tranche.attempts + 1));
        }
        let payee = grant.lead();
        if state.get::<Organisation>(&payee).is_none_or(|organisation| organisation.status != Status::Active) {
            return Err(Refused::StatePayee(payee));
        }
        if account.fund != grant.fund {
            return Err(Refused::ReferenceFund(from_account, account.fund));
        }
        let agreed = grant.convention.as_ref().and_then(|convention| convention.payee_account);
        if agreed != Some(payee_account) {
            return Err(Refused::ReferencePayee());
        }
        let today = cx.place.date();
        if execution_date < today {
            return Err(Refused::DatePast(execution_date, today));
        }
        let held = balance(state, &Account::Bank { account: from_account });
        let free = held - i128::from(in_transit_from(state, &from_account));
        if free < i128::from(ordered.amount) {
            return Err(Refused::InsufficientBank(free, ordered.amount));
        }
        let id = PayoutId::new(object_id("payout", &cx.place.transaction));
        let mut movement = Movement::in_fund(grant.fund);
        movement.transfer(Account::Payable { grant: grant_id, tranche: number }, Payout::account(&id), ordered.amount);
        let postings = movement.check(state)?;
        let payout = Payout {
            grant: grant_id,
            tranche: number,
            part,
            attempt,
            fund: grant.fund,
            from_account,
            payee_account,
            payee,
            amount: Amount::new(ordered.amount, grant.awarded.currency),
            execution_date,
            status: PayoutStatus::InTransit,
            entry: None,
        };
        Ok(PaymentReleased { id, payout, comptable: cx.organisation, postings, project: grant.project })
    }
}

impl Effect for PaymentReleased {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        payout::released(state, &self.id, &self.payout);
    }

    fn subjects(&self) -> Vec<RecordRef> {
        let mut subjects = vec![
            RecordRef::of::<Project>(&self.project),
            RecordRef::of::<Fund>(&self.payout.fund),
            RecordRef::of::<BankAccount>(&self.payout.from_account),
            RecordRef::of::<Organisation>(&self.payout.payee),
            RecordRef::of::<Organisation>(&self.comptable),
        ];
        subjects.extend(payout::subjects(&self.id, &self.payout));
        distinct(subjects)
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
        fixture::{account, assert_round_trips, fund, id},
        grant::{fixture::*, grant::PartStatus, payout::TransitTotal},
    };

    fn account_of(t: &mut Trial<ReleasePayment>, fund: FundCode) {
        t.network.edit(|state| state.update::<BankAccount>(&account(), |record| record.fund = fund));
    }

    fn payable(t: &Trial<ReleasePayment>) -> Account {
        Account::Payable { grant: t.act.grant, tranche: 1 }
    }

    fn faulty() -> Trial<ReleasePayment> {
        let (mut network, grant) = active();
        run(&mut network, "region", Payload::OrderPayment(order(grant, 1, 300_000)));
        network.edit(|state| {
            state.update::<Grant>(&grant, |record| record.part_mut(1, 0).ordered_by = Some(id("bank_branch")));
            state.put::<TransitTotal>(account(), TransitTotal { amount: IN_ENVELOPE - 299_999 });
        });
        network.suspend("asso1");
        let mut act = release(&network, grant, 9, 2);
        act.execution_date = act.execution_date.plus_days(-1).unwrap();
        act.from_account = BankAccountId::ZERO;
        act.payee_account = Commitment::ZERO;
        Trial::faulty(network, "lab", act)
    }

    #[test]
    fn a_release_is_refused_in_order_of_precedence() {
        let steps: &[Step<ReleasePayment>] = &[
            ("Suspended", |t| t.reinstate()),
            ("RoleMissing", |t| {
                t.sign_as("bank");
                t.act.grant = GrantId::ZERO;
            }),
            ("UnknownGrant", |t| t.act.grant = only(t)),
            ("UnknownTranche", |t| t.act.tranche = 1),
            ("UnknownAccount", |t| {
                t.act.from_account = account();
                account_of(t, FundCode::new("other").unwrap());
            }),
            ("SegregationOrdered", |t| {
                edit(t, |record| {
                    record.status = GrantStatus::Suspended;
                    record.part_mut(1, 0).status = PartStatus::Planned;
                });
            }),
            ("StateGrant", |t| edit(t, |record| record.status = GrantStatus::Active)),
            ("StateTranche", |t| {
                edit(t, |record| {
                    let part = record.part_mut(1, 0);
                    part.status = PartStatus::Ordered;
                    part.ordered_by = Some(id("region"));
                });
            }),
            ("StateAttempt", |t| t.act.attempt = 1),
            ("StatePayee", |t| t.status("asso1", Status::Active)),
            ("ReferenceFund", |t| account_of(t, fund())),
            ("ReferencePayee", |t| t.act.payee_account = payee_account()),
            ("DatePast", |t| t.act.execution_date = t.network.today()),
            ("InsufficientBank", |t| {
                let free = TransitTotal { amount: IN_ENVELOPE - 300_000 };
                t.network.edit(|state| state.put::<TransitTotal>(account(), free));
                set_balance(t, payable(t), -299_999);
            }),
            ("Insufficient", |t| {
                set_balance(t, payable(t), -300_000);
                let payout = PayoutId::new(object_id("payout", &place_of(t)));
                set_balance(t, Account::InTransit { payout }, i128::MIN);
            }),
            ("Overflow", |t| {
                let payout = PayoutId::new(object_id("payout", &place_of(t)));
                set_balance(t, Account::InTransit { payout }, 0);
            }),
        ];
        assert_precedence(Kind::ReleasePayment, faulty(), Payload::ReleasePayment, steps);
    }

    /// Id of the transaction that the next trial runs as: no account of a payout can be known before.
    fn place_of(t: &Trial<ReleasePayment>) -> TransactionId {
        t.network.next_transaction()
    }

    #[test]
    fn a_released_payment_is_in_transit_until_its_debit_is_attested() {
        let (mut network, grant) = active();
        run(&mut network, "region", Payload::OrderPayment(order(grant, 1, 300_000)));
        let act = release(&network, grant, 1, 1);
        assert_round_trips(&Payload::ReleasePayment(act.clone()));
        let Event::ReleasePayment(released) = run(&mut network, "bank", Payload::ReleasePayment(act.clone())) else {
            panic!()
        };
        let reference = Payout::reference(&released.id);
        let (found, payout) = payout::find(&network.state.overlay(), &reference).unwrap();
        assert_eq!((found, &payout), (released.id, &released.payout));
        assert!(payout.is_paid_by(&account(), 300_000));
        assert!(!payout.is_paid_by(&account(), 299_999) && !payout.is_paid_by(&BankAccountId::ZERO, 300_000));
        let promise = Reference { kind: ReferenceKind::Promise, ..reference };
        assert_eq!(payout::find(&network.state.overlay(), &promise), None);
        assert_eq!(in_transit_from(&network.state.overlay(), &account()), 300_000);
        assert_eq!(credit_of(&network, &Payout::account(&released.id)), 300_000);
        assert_eq!(network.refusal("bank", Payload::ReleasePayment(act)), "StateTranche");
        assert_eq!(network.state.entry::<Payout>(&released.id).unwrap().history.count, 1);
    }

    #[test]
    fn a_grant_is_paid_to_the_last_cent() {
        let (mut network, grant) = active();
        let first = pay(&mut network, grant, 1, 1, 300_000);
        judge(&mut network, grant, 2, 1_000_000, 1_000_000);
        pay(&mut network, grant, 2, 1, 400_000);
        judge(&mut network, grant, 3, 1_000_000, 1_000_000);
        pay(&mut network, grant, 3, 1, 300_000);
        assert_eq!(network.state.get::<Payout>(&first).unwrap().status, PayoutStatus::Paid);
        assert_eq!(credit_of(&network, &record(&network, grant).encumbered(&grant)), 0);
        assert_eq!(credit_of(&network, &Account::Bank { account: account() }), 1_000_000 - i128::from(IN_ENVELOPE));
        assert_eq!(in_transit_from(&network.state.overlay(), &account()), 0);
    }
}
