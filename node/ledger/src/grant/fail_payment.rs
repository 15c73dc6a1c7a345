//! `fail_payment`: the comptable says that the bank did not pay a released payment, or that the transfer came back.
//!
//! - Allowed: an active organisation with the role comptable over the fund.
//! - Effect: before the debit in transit → payable; after it the credit that brings the money back goes suspense → payable. The part has failed:
//!   it can be released again as a new attempt, refused by the comptable or cancelled by the ordonnateur.
//! - The credit holds at least the payout; what is more stays in suspense. A debit that is attested later all the same is unexplained, and a finding.
//! - Source: rulebook §3, transfers returned by the bank; table A, failed before debit, transfer returned after debit.

use super::{
    grant::Grant,
    payout::{self, Payout, PayoutStatus},
};
use crate::{
    accounts::{Account, Movement, PostingError, Postings},
    action::{Action, Effect, Place},
    bank::{
        account::BankAccount,
        entry::{BankEntry, consume},
    },
    history::{RecordRef, distinct},
    refusal::{posting_refusals, refusals, signer_refusals},
    registry::{
        fund::Fund,
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
    /// A credit that brings back a transfer.
    pub struct ReturnedTransfer = ReturnedTransfer {
        /// On which account of the fund.
        pub account: BankAccountId,
        /// Which entry.
        pub entry: EntryKey,
    }

    /// The payload.
    pub struct FailPayment = FailPayment {
        /// Which payout.
        pub payout: PayoutId,
        /// Why.
        pub reason: ReasonCode,
        /// The credit that brings the money back; `None` where the bank never paid.
        pub returned: Option<ReturnedTransfer>,
    }

    /// The event.
    pub struct PaymentFailed = PaymentFailed {
        /// Which payout.
        pub payout: PayoutId,
        /// Its grant.
        pub grant: GrantId,
        /// The tranche.
        pub tranche: u32,
        /// Which part of it, from 0.
        pub part: u32,
        /// How much is payable again.
        pub amount: Amount [required],
        /// Why.
        pub reason: ReasonCode,
        /// The credit that brought the money back.
        pub returned: Option<ReturnedTransfer>,
        /// The fund.
        pub fund: FundCode,
        /// Who says so.
        pub comptable: OrganisationId,
        /// In transit → payable, or suspense → payable.
        pub postings: Postings,
        /// The project.
        pub project: ProjectId,
        /// The lead beneficiary.
        pub lead: OrganisationId,
    }
}

refusals! {
    signer;
    UnknownPayout(PayoutId): Unknown 1 "payout {0} does not exist", "the payout does not exist";
    UnknownEntry(EntryKey): Unknown 2 "entry {0} is not on the account", "the account or the entry does not exist";
    StatePayout(PayoutId, PayoutStatus): State 1 "payout {0} is {1}", "the payout is not in transit, or, where a credit brings it back, not paid";
    StateDebit(EntryKey): State 2 "entry {0} is a debit", "the entry is not money received";
    StateAskedBack(u64, u64): State 3 "{1} minor units came back, {0} are not asked back already", "a clawback or a return counts on the payment";
    ReferenceFund(BankAccountId, FundCode): Reference 1 "bank account {0} is of fund {1}", "the account is of another fund";
    EntryUsed(u64, u64): EntryUsed 1 "{1} minor units are needed, the entry has {0} left", "the entry does not hold the whole payout any more";
    Insufficient(PostingError): Insufficient 1 "{0}", "the account does not hold the amount";
    Overflow(PostingError): Overflow 1 "{0}", "a sum leaves its range";
}
signer_refusals!(Refused);
posting_refusals!(Refused);

impl Action for FailPayment {
    type Event = PaymentFailed;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        Ok(())
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<PaymentFailed, Refused> {
        let Self { payout: id, reason, returned } = self.clone();

        cx.active(state)?;
        let payout = state.get::<Payout>(&id).ok_or(Refused::UnknownPayout(id))?;
        cx.authorise(state, Role::Comptable, Scope::Fund(payout.fund))?;
        let grant = state.get::<Grant>(&payout.grant).expect("a payout is of a grant");
        let needed = payout.amount.minor;
        let (expected, from) = match &returned {
            None => (PayoutStatus::InTransit, Payout::account(&id)),
            Some(ReturnedTransfer { account, .. }) => (PayoutStatus::Paid, Account::Suspense { account: *account }),
        };
        let credit = returned.as_ref().map(|credit| credit.named(state)).transpose()?;
        if payout.status != expected {
            return Err(Refused::StatePayout(id, payout.status));
        }
        if let (Some((account, entry)), Some(ReturnedTransfer { account: at, entry: key })) = (credit, &returned) {
            if !entry.is_credit() {
                return Err(Refused::StateDebit(*key));
            }
            if grant.refundable() < needed {
                return Err(Refused::StateAskedBack(grant.refundable(), needed));
            }
            if account.fund != payout.fund {
                return Err(Refused::ReferenceFund(*at, account.fund));
            }
            if entry.rest < needed {
                return Err(Refused::EntryUsed(entry.rest, needed));
            }
        }
        let mut movement = Movement::in_fund(payout.fund);
        movement.transfer(from, Account::Payable { grant: payout.grant, tranche: payout.tranche }, needed);
        let postings = movement.check(state)?;
        let Payout { grant: of, tranche, part, amount, fund, .. } = payout.clone();
        let (comptable, project, lead) = (cx.organisation, grant.project, grant.lead());
        Ok(PaymentFailed {
            payout: id,
            grant: of,
            tranche,
            part,
            amount,
            reason,
            returned,
            fund,
            comptable,
            postings,
            project,
            lead,
        })
    }
}

impl ReturnedTransfer {
    fn named<'a>(&self, state: &'a Overlay<'_>) -> Result<(&'a BankAccount, &'a BankEntry), Refused> {
        let Self { account, entry } = self;
        let found = state.get::<BankAccount>(account).zip(state.get::<BankEntry>(&(*account, *entry)));
        found.ok_or(Refused::UnknownEntry(*entry))
    }
}

impl Effect for PaymentFailed {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        if let Some(ReturnedTransfer { account, entry }) = self.returned {
            consume(account, entry, self.amount.minor, state);
        }
        payout::failed(state, &self.payout);
    }

    fn subjects(&self) -> Vec<RecordRef> {
        let mut subjects = vec![
            RecordRef::of::<Payout>(&self.payout),
            RecordRef::of::<Grant>(&self.grant),
            RecordRef::of::<Project>(&self.project),
            RecordRef::of::<Fund>(&self.fund),
            RecordRef::of::<Organisation>(&self.lead),
            RecordRef::of::<Organisation>(&self.comptable),
        ];
        if let Some(ReturnedTransfer { account, entry }) = self.returned {
            subjects.push(RecordRef::of::<BankAccount>(&account));
            subjects.push(RecordRef::of::<BankEntry>(&(account, entry)));
        }
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
        fixture::{DAY, Network, account, assert_round_trips, fund},
        grant::{fixture::*, grant::PartStatus, payout::in_transit_from},
    };

    fn failure(payout: PayoutId, returned: Option<EntryKey>) -> FailPayment {
        let returned = returned.map(|entry| ReturnedTransfer { account: account(), entry });
        FailPayment { payout, reason: ReasonCode::new("account_closed").unwrap(), returned }
    }

    fn released(network: &mut Network, grant: GrantId, attempt: u32) -> PayoutId {
        let act = release(network, grant, 1, attempt);
        let Event::ReleasePayment(released) = run(network, "bank", Payload::ReleasePayment(act)) else { panic!() };
        released.id
    }

    #[test]
    fn a_failure_is_refused_in_order_of_precedence() {
        let (mut network, grant) = active();
        let payout = pay(&mut network, grant, 1, 1, 300_000);
        let entry = receive(&mut network, "back", 300_000);
        network.edit(|state| {
            state.update::<BankEntry>(&(account(), entry), |entry| (entry.amount, entry.rest) = (-1, 299_999));
            state.update::<BankAccount>(&account(), |record| record.fund = FundCode::new("other").unwrap());
        });
        let steps: &[Step<FailPayment>] = &[
            ("Suspended", |t| t.reinstate()),
            ("RoleMissing", |t| {
                t.sign_as("bank");
                t.act.payout = PayoutId::ZERO;
            }),
            ("UnknownPayout", |t| t.act.payout = *t.network.state.all::<Payout>().next().unwrap().0),
            ("UnknownEntry", |t| {
                let ((account, entry), _) = t.network.state.all::<BankEntry>().next().unwrap();
                let (account, entry) = (*account, *entry);
                t.act.returned = Some(ReturnedTransfer { account, entry });
                let payout = t.act.payout;
                t.network.edit(|state| {
                    state.update::<Payout>(&payout, |payout| payout.status = PayoutStatus::InTransit);
                });
            }),
            ("StatePayout", |t| {
                let payout = t.act.payout;
                t.network.edit(|state| state.update::<Payout>(&payout, |payout| payout.status = PayoutStatus::Paid));
            }),
            ("StateDebit", |t| {
                let (key, _) = t.network.state.all::<BankEntry>().next().unwrap();
                let key = *key;
                t.network.edit(|state| state.update::<BankEntry>(&key, |entry| entry.amount = 300_000));
                edit(t, |grant| grant.clawed = 1);
            }),
            ("StateAskedBack", |t| edit(t, |grant| grant.clawed = 0)),
            ("ReferenceFund", |t| {
                t.network.edit(|state| state.update::<BankAccount>(&account(), |record| record.fund = fund()));
            }),
            ("EntryUsed", |t| {
                let (key, _) = t.network.state.all::<BankEntry>().next().unwrap();
                let key = *key;
                t.network.edit(|state| state.update::<BankEntry>(&key, |entry| entry.rest = 300_000));
                set_balance(t, Account::Suspense { account: account() }, -299_999);
            }),
            ("Insufficient", |t| {
                set_balance(t, Account::Suspense { account: account() }, -300_000);
                let grant = only(t);
                set_balance(t, Account::Payable { grant, tranche: 1 }, i128::MIN);
            }),
            ("Overflow", |t| {
                let grant = only(t);
                set_balance(t, Account::Payable { grant, tranche: 1 }, 0);
            }),
        ];
        let trial = Trial::faulty(network, "lab", failure(payout, Some(EntryKey::ZERO)));
        assert_precedence(Kind::FailPayment, trial, Payload::FailPayment, steps);
    }

    #[test]
    fn a_payment_that_the_bank_never_made_is_released_again_as_a_new_attempt() {
        let (mut network, grant) = active();
        run(&mut network, "region", Payload::OrderPayment(order(grant, 1, 300_000)));
        let first = released(&mut network, grant, 1);
        assert_round_trips(&Payload::FailPayment(failure(first, None)));
        run(&mut network, "bank", Payload::FailPayment(failure(first, None)));
        let part = record(&network, grant).tranche(1).unwrap().parts[0].clone();
        assert_eq!((part.status, part.payout), (PartStatus::Failed, Some(first)));
        assert_eq!(credit_of(&network, &Account::Payable { grant, tranche: 1 }), 300_000);
        assert_eq!(in_transit_from(&network.state.overlay(), &account()), 0);
        assert_eq!(network.refusal("bank", Payload::FailPayment(failure(first, None))), "StatePayout");
        assert_eq!(network.refusal("bank", Payload::ReleasePayment(release(&network, grant, 1, 1))), "StateAttempt");
        let second = released(&mut network, grant, 2);
        assert_ne!(first, second);
        assert_eq!(record(&network, grant).tranche(1).unwrap().parts[0].payout, Some(second));
    }

    #[test]
    fn a_transfer_that_comes_back_is_payable_again_and_a_surplus_stays_in_suspense() {
        let (mut network, grant) = active();
        let first = pay(&mut network, grant, 1, 1, 300_000);
        let entry = receive(&mut network, "back", 300_005);
        assert_eq!(network.refusal("bank", Payload::FailPayment(failure(first, None))), "StatePayout");
        run(&mut network, "bank", Payload::FailPayment(failure(first, Some(entry))));
        assert_eq!(record(&network, grant).tranche(1).unwrap().parts[0].status, PartStatus::Failed);
        assert_eq!(credit_of(&network, &Account::Suspense { account: account() }), 5);
        let second = released(&mut network, grant, 2);
        let lost = receive(&mut network, "again", 300_000);
        let twice = Payload::FailPayment(failure(first, Some(lost)));
        assert_eq!(network.refusal("bank", twice), "StatePayout");
        run(&mut network, "bank", Payload::FailPayment(failure(second, None)));
    }

    #[test]
    fn a_payout_in_transit_is_a_finding_after_the_days_of_the_parameter_and_not_before() {
        let (mut network, grant) = active();
        run(&mut network, "region", Payload::OrderPayment(order(grant, 1, 300_000)));
        let payout = released(&mut network, grant, 1);
        let found = |network: &Network| payout::overdue(&network.state.overlay(), network.today());
        network.advance(5 * DAY);
        assert_eq!(found(&network), []);
        network.advance(DAY);
        assert_eq!(found(&network), [payout]);
        run(&mut network, "bank", Payload::FailPayment(failure(payout, None)));
        assert_eq!(found(&network), []);
    }
}
