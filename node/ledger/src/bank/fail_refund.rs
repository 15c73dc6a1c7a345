//! `fail_refund`: a comptable says that the bank did not pay a released refund, or that the transfer came back.
//!
//! - Allowed: an active organisation with the role comptable over the fund.
//! - Effect: before the debit in transit → refund; after it the credit that brings the money back goes suspense → refund. The refund can be released
//!   again. The credit holds at least the refund; what is more stays in suspense.
//! - Source: rulebook §3, table A (failed before debit, transfer returned after debit). The rulebook's list names no kind for it; this one follows
//!   `fail_payment`, 0806.

use super::{
    account::BankAccount,
    entry::{BankEntry, consume},
    order_refund::SuspenseSource,
    refund::{self, Refund, RefundStatus},
};
use crate::{
    accounts::{Account, Movement, PostingError, Postings},
    action::{Action, Effect, Place},
    history::RecordRef,
    refusal::{posting_refusals, refusals, signer_refusals},
    registry::{
        fund::Fund,
        organisation::Organisation,
        role::{Role, Scope},
    },
    signer::Context,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;
use std::collections::BTreeSet;

message! {
    /// The payload.
    pub struct FailRefund = FailRefund {
        /// Which.
        pub refund: Hash,
        /// Why.
        pub reason: ReasonCode,
        /// The credit that brings the money back; `None` where the bank never paid.
        pub returned: Option<SuspenseSource>,
    }

    /// The event.
    pub struct RefundFailed = RefundFailed {
        /// Which.
        pub refund: Hash,
        /// The fund.
        pub fund: FundCode,
        /// How much waits again.
        pub amount: Amount [required],
        /// Why.
        pub reason: ReasonCode,
        /// The credit that brought the money back.
        pub returned: Option<SuspenseSource>,
        /// Who says so.
        pub comptable: OrganisationId,
        /// In transit, or suspense, to the refund.
        pub postings: Postings,
    }
}

refusals! {
    Suspended(OrganisationId): Suspended 1 "organisation {0} is not active", "the signer is suspended, merged or closed";
    UnknownRefund(Hash): Unknown 1 "refund {0} does not exist", "the refund does not exist";
    RoleMissing(String): Role 1 "{0}", "the signer does not hold the role in this scope, or too few of the signing keys are in offices that may use it";
    UnknownEntry(EntryKey): Unknown 2 "entry {0} is not on the account", "the account or the entry does not exist";
    StateRefund(Hash, RefundStatus): State 1 "refund {0} is {1}", "the refund is not in transit, or, where a credit brings it back, not paid";
    StateDebit(EntryKey): State 2 "entry {0} is a debit", "the entry is not money received";
    ReferenceFund(BankAccountId, FundCode): Reference 1 "bank account {0} is of fund {1}", "the account is of another fund";
    EntryUsed(u64, u64): EntryUsed 1 "{1} minor units are needed, the entry has {0} left", "the entry does not hold the whole refund any more";
    Insufficient(PostingError): Insufficient 1 "{0}", "the account does not hold the amount";
    Overflow(PostingError): Overflow 1 "{0}", "a sum leaves its range";
}
signer_refusals!(Refused);
posting_refusals!(Refused);

impl Action for FailRefund {
    type Event = RefundFailed;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        Ok(())
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<RefundFailed, Refused> {
        let Self { refund: id, reason, returned } = self.clone();

        cx.active(state)?;
        let record = state.get::<Refund>(&id).ok_or(Refused::UnknownRefund(id))?;
        cx.authorise(state, Role::Comptable, Scope::Fund(record.fund))?;
        let needed = record.amount.minor;
        let (expected, from) = match &returned {
            None => (RefundStatus::InTransit, Refund::in_transit(&id)),
            Some(SuspenseSource { account, .. }) => (RefundStatus::Paid, Account::Suspense { account: *account }),
        };
        let credit = returned.as_ref().map(|credit| named(credit, state)).transpose()?;
        if record.status != expected {
            return Err(Refused::StateRefund(id, record.status));
        }
        if let (Some((account, entry)), Some(SuspenseSource { account: at, entry: key })) = (credit, &returned) {
            if !entry.is_credit() {
                return Err(Refused::StateDebit(*key));
            }
            if account.fund != record.fund {
                return Err(Refused::ReferenceFund(*at, account.fund));
            }
            if entry.rest < needed {
                return Err(Refused::EntryUsed(entry.rest, needed));
            }
        }
        let mut movement = Movement::in_fund(record.fund);
        movement.transfer(from, Refund::payable(&id), needed);
        let postings = movement.check(state)?;
        let (fund, amount, comptable) = (record.fund, record.amount, cx.organisation);
        Ok(RefundFailed { refund: id, fund, amount, reason, returned, comptable, postings })
    }
}

fn named<'a>(credit: &SuspenseSource, state: &'a Overlay<'_>) -> Result<(&'a BankAccount, &'a BankEntry), Refused> {
    let SuspenseSource { account, entry } = credit;
    let found = state.get::<BankAccount>(account).zip(state.get::<BankEntry>(&(*account, *entry)));
    found.ok_or(Refused::UnknownEntry(*entry))
}

impl Effect for RefundFailed {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        match &self.returned {
            None => refund::arrived(state, &self.refund),
            Some(SuspenseSource { account, entry }) => consume(*account, *entry, self.amount.minor, state),
        }
        refund::waits_again(state, &self.refund);
    }

    fn subjects(&self) -> Vec<RecordRef> {
        let mut subjects = BTreeSet::from([
            RecordRef::of::<Refund>(&self.refund),
            RecordRef::of::<Fund>(&self.fund),
            RecordRef::of::<Organisation>(&self.comptable),
        ]);
        if let Some(SuspenseSource { account, entry }) = &self.returned {
            subjects.insert(RecordRef::of::<BankAccount>(account));
            subjects.insert(RecordRef::of::<BankEntry>(&(*account, *entry)));
        }
        subjects.into_iter().collect()
    }

    fn postings(&self) -> Option<&Postings> {
        Some(&self.postings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        accounts::AccountBalance,
        action::{Event, Kind, Payload},
        bank::{order_refund::tests::of_entry, release_refund::ReleaseRefund},
        fixture::{
            self, IntoPayload, Network, account, commitment, fund, id,
            money::{self, entry, entry_key},
        },
        registry::role::RoleGrant,
    };

    impl IntoPayload for FailRefund {
        fn into_payload(self) -> Payload {
            Payload::FailRefund(self)
        }
    }

    fn fail(refund: Hash, returned: Option<&str>) -> FailRefund {
        let returned = returned.map(|text| SuspenseSource { account: account(), entry: entry_key(text) });
        FailRefund { refund, reason: ReasonCode::new("closed").unwrap(), returned }
    }

    fn release(network: &mut Network, refund: Hash) {
        let execution_date = network.today();
        let payload =
            ReleaseRefund { refund, from_account: account(), payee_account: commitment("payee"), execution_date };
        network.run("bank", Payload::ReleaseRefund(payload)).unwrap();
    }

    /// A released refund of 60, and one that was paid.
    fn released() -> (Network, Hash, Hash) {
        let mut network = money::network();
        network.receive("a", 200, None);
        let ids = [60, 60].map(|minor| {
            let Ok(Event::OrderRefund(event)) = network.run("region", of_entry("a", minor)) else { panic!() };
            release(&mut network, event.id);
            event.id
        });
        network.attest(network.statement(vec![entry("paid", -60, Some(Refund::reference(&ids[1])))]));
        (network, ids[0], ids[1])
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let (mut network, under_way, paid) = released();
        network.receive("small", 59, None);
        network.receive("back", 60, None);
        network.edit(|state| {
            state.put::<RoleGrant>((id("lab"), Role::Comptable, Scope::Fund(fund())), RoleGrant { change: None });
        });
        network.suspend("lab");
        let table: Vec<(&str, FailRefund)> = vec![
            ("lab", fail(Hash::ZERO, None)),
            ("region", fail(Hash::ZERO, None)),
            ("region", fail(paid, Some("never"))),
            ("bank", fail(paid, Some("never"))),
            ("bank", fail(paid, None)),
            ("bank", fail(paid, Some("paid"))),
        ];
        let mut reached: Vec<&str> = table.into_iter().map(|(signer, it)| network.refusal(signer, it)).collect();
        let mut foreign = network.clone();
        foreign.edit(|state| {
            let other = FundCode::new("other").unwrap();
            state.update::<BankAccount>(&account(), |record| record.fund = other);
        });
        reached.push(foreign.refusal("bank", fail(paid, Some("small"))));
        reached.push(network.refusal("bank", fail(paid, Some("small"))));
        let put = |network: &mut Network, account: Account, balance| {
            network.edit(|state| state.put::<AccountBalance>(account, AccountBalance { fund: fund(), balance }));
        };
        put(&mut network, Refund::in_transit(&under_way), -59);
        reached.push(network.refusal("bank", fail(under_way, None)));
        put(&mut network, Refund::in_transit(&under_way), Balance::MAX);
        reached.push(network.refusal("bank", fail(under_way, None)));
        fixture::assert_all_reached(Kind::FailRefund, &reached);
    }

    #[test]
    fn a_refund_that_failed_or_came_back_waits_again_and_can_be_released_again() {
        let (mut network, under_way, paid) = released();
        fixture::assert_round_trips(&fail(paid, Some("back")).into_payload());
        network.run("bank", fail(under_way, None)).unwrap();
        assert_eq!(network.balance(&Refund::payable(&under_way)), -60);
        network.assert_sound();
        network.receive("back", 60, None);
        network.run("bank", fail(paid, Some("back"))).unwrap();
        assert_eq!(network.state.get::<Refund>(&paid).unwrap().status, RefundStatus::Ordered);
        network.assert_sound();
        release(&mut network, under_way);
        release(&mut network, paid);
        network.assert_sound();
    }
}
