//! `book_cost`: a comptable books what no payout explains: a bank charge as a cost, or a debit that a later credit gave back.
//!
//! - Allowed: an active organisation with the role comptable over the account's fund.
//! - Effect: a cost leaves `unexplained` for the fund's costs; what a credit in suspense explains leaves both. What is booked of a debit never passes
//!   the debit.
//! - Source: rulebook §3, table A (cost booked; explained by a later credit); §4, 0205.

use super::{
    account::BankAccount,
    entry::{BankEntry, consume},
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
    pub struct BookCost = BookCost {
        /// The account.
        pub account: BankAccountId,
        /// The unexplained debit.
        pub entry: EntryKey,
        /// How much of it.
        pub amount: Amount [required],
        /// The credit that gave it back; `None`: it is a cost.
        pub explained_by: Option<EntryKey>,
        /// Why.
        pub reason: ReasonCode,
    }

    /// The event.
    pub struct CostBooked = CostBooked {
        /// The account.
        pub account: BankAccountId,
        /// Its fund.
        pub fund: FundCode,
        /// The debit.
        pub entry: EntryKey,
        /// How much of it.
        pub amount: Amount [required],
        /// The credit that gave it back.
        pub explained_by: Option<EntryKey>,
        /// Why.
        pub reason: ReasonCode,
        /// Who books.
        pub comptable: OrganisationId,
        /// Costs, or suspense, against unexplained.
        pub postings: Postings,
    }
}

refusals! {
    AmountBounds(Amount): Amount 1 "{0} is outside 1 ..= 10^15 minor units", "the amount is 0 or above the bound";
    Suspended(OrganisationId): Suspended 1 "organisation {0} is not active", "the signer is suspended, merged or closed";
    UnknownAccount(BankAccountId): Unknown 1 "bank account {0} does not exist", "the bank account does not exist";
    RoleMissing(String): Role 1 "{0}", "the signer does not hold the role in this scope, or too few of the signing keys are in offices that may use it";
    UnknownEntry(EntryKey): Unknown 2 "entry {0} is in no final statement of the account", "no final statement of the account has the entry";
    StateEntry(EntryKey): State 1 "entry {0} is no unexplained debit", "the entry is a credit, or pays a payout or refund";
    StateCredit(EntryKey): State 2 "entry {0} is no credit", "what should explain it is no credit";
    CurrencyOther(Currency, Currency): Currency 1 "{0} is not the fund's currency {1}", "the amount is in another currency than the fund";
    AmountEntry(u64, u64): Amount 2 "{0} minor units where {1} are unexplained", "the amount is more than what is unexplained of the debit";
    EntryUsed(u64, u64): EntryUsed 1 "{0} minor units where the credit has {1} left", "the amount is more than what the credit has left";
    Insufficient(PostingError): Insufficient 1 "{0}", "the costs of the fund, or suspense, do not hold the amount";
    Overflow(PostingError): Overflow 1 "{0}", "a sum leaves its range";
}
signer_refusals!(Refused);
posting_refusals!(Refused);

impl Action for BookCost {
    type Event = CostBooked;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        if self.amount.is_valid_positive() { Ok(()) } else { Err(Refused::AmountBounds(self.amount)) }
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<CostBooked, Refused> {
        let Self { account, entry, amount, explained_by, reason } = *self;

        cx.active(state)?;
        let fund = state.get::<BankAccount>(&account).ok_or(Refused::UnknownAccount(account))?.fund;
        cx.authorise(state, Role::Comptable, Scope::Fund(fund))?;
        let known = |key: EntryKey| state.get::<BankEntry>(&(account, key)).ok_or(Refused::UnknownEntry(key));
        let debit = known(entry)?;
        let credit = explained_by.map(known).transpose()?;
        if debit.is_credit() || debit.payout.is_some() {
            return Err(Refused::StateEntry(entry));
        }
        if let Some((key, credit)) = explained_by.zip(credit)
            && !credit.is_credit()
        {
            return Err(Refused::StateCredit(key));
        }
        let currency = state.get::<Fund>(&fund).map(|record| record.currency);
        if let Some(currency) = currency
            && currency != amount.currency
        {
            return Err(Refused::CurrencyOther(amount.currency, currency));
        }
        let left = debit.unexplained();
        if amount.minor > left {
            return Err(Refused::AmountEntry(amount.minor, left));
        }
        if let Some(credit) = credit
            && amount.minor > credit.rest
        {
            return Err(Refused::EntryUsed(amount.minor, credit.rest));
        }
        let explained = if explained_by.is_some() { Account::Suspense { account } } else { Account::Costs { fund } };
        let mut movement = Movement::in_fund(fund);
        movement.transfer(explained, Account::Unexplained { account }, amount.minor);
        let postings = movement.check(state)?;
        let comptable = cx.organisation;
        Ok(CostBooked { account, fund, entry, amount, explained_by, reason, comptable, postings })
    }
}

impl Effect for CostBooked {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let minor = self.amount.minor;
        state.update::<BankEntry>(&(self.account, self.entry), |debit| debit.explained += minor);
        if let Some(credit) = self.explained_by {
            consume(self.account, credit, minor, state);
        }
    }

    fn subjects(&self) -> Vec<RecordRef> {
        let mut subjects = BTreeSet::from([
            RecordRef::of::<BankEntry>(&(self.account, self.entry)),
            RecordRef::of::<BankAccount>(&self.account),
            RecordRef::of::<Fund>(&self.fund),
            RecordRef::of::<Organisation>(&self.comptable),
        ]);
        subjects.extend(self.explained_by.map(|credit| RecordRef::of::<BankEntry>(&(self.account, credit))));
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
        action::{Kind, Payload},
        fixture::{
            self, IntoPayload, Network, account, fund, id,
            money::{self, entry, entry_key},
        },
        registry::role::RoleGrant,
    };

    impl IntoPayload for BookCost {
        fn into_payload(self) -> Payload {
            Payload::BookCost(self)
        }
    }

    fn book(text: &str, minor: u64, explained_by: Option<&str>) -> BookCost {
        BookCost {
            account: account(),
            entry: entry_key(text),
            amount: Amount::eur(minor),
            explained_by: explained_by.map(entry_key),
            reason: ReasonCode::new("charge").unwrap(),
        }
    }

    fn put(network: &mut Network, account: Account, balance: Balance) {
        network.edit(|state| state.put::<AccountBalance>(account, AccountBalance { fund: fund(), balance }));
    }

    /// A charge of 30, a mistaken debit of 200, and the credit of 200 that gave it back.
    fn charged() -> Network {
        let mut network = money::network();
        let lines = vec![entry("in", 1_000, None), entry("fee", -30, None), entry("wrong", -200, None)];
        network.attest(network.statement(lines));
        network.receive("back", 200, None);
        network
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let mut network = charged();
        network.edit(|state| {
            state.put::<RoleGrant>((id("lab"), Role::Comptable, Scope::Fund(fund())), RoleGrant { change: None });
        });
        network.suspend("lab");
        let nowhere = BookCost { account: BankAccountId::ZERO, ..book("never", 31, None) };
        let dollars = BookCost { amount: Amount::new(31, Currency::new("USD").unwrap()), ..book("fee", 31, None) };
        let table: Vec<(&str, BookCost)> = vec![
            ("lab", book("fee", 0, None)),
            ("lab", nowhere.clone()),
            ("region", nowhere),
            ("region", book("never", 31, None)),
            ("bank", book("never", 31, None)),
            ("bank", book("in", 31, Some("fee"))),
            ("bank", book("fee", 31, Some("wrong"))),
            ("bank", dollars),
            ("bank", book("fee", 31, Some("back"))),
            ("bank", book("wrong", 200, Some("small"))),
            ("bank", book("fee", 30, None)),
        ];
        network.receive("small", 5, None);
        let mut reached: Vec<&str> = table.into_iter().map(|(signer, it)| network.refusal(signer, it)).collect();
        put(&mut network, Account::Costs { fund: fund() }, Balance::MAX);
        reached.push(network.refusal("bank", book("fee", 30, None)));
        fixture::assert_all_reached(Kind::BookCost, &reached);
    }

    #[test]
    fn a_charge_is_a_cost_and_a_mistake_that_came_back_is_none() {
        let mut network = charged();
        fixture::assert_round_trips(&book("fee", 30, Some("back")).into_payload());
        put(&mut network, Account::Costs { fund: fund() }, -100);
        put(&mut network, Account::Unallocated { fund: fund(), source: Code::new("other").unwrap() }, 0);
        network.run("bank", book("wrong", 150, Some("back"))).unwrap();
        network.run("bank", book("wrong", 50, Some("back"))).unwrap();
        network.run("bank", book("fee", 30, None)).unwrap();
        assert_eq!(network.balance(&Account::Unexplained { account: account() }), 0);
        assert_eq!(network.balance(&Account::Costs { fund: fund() }), -70);
        assert_eq!(network.balance(&Account::Suspense { account: account() }), -1_000);
        assert_eq!(network.refusal("bank", book("fee", 1, None)), "AmountEntry");
    }
}
