//! Double entry: accounts, postings, and the one function that moves money (rulebook §3).
//!
//! Debit is +, credit is −. A transaction's postings sum to zero per fund. [`Postings`] can only be made by [`Movement`], which checks that against
//! the state, or read back from an event that was made so.

mod account;
pub mod invariants;

pub use account::{Account, Class};

use crate::{
    state::{Overlay, Record, State},
    wire::{Wire, WireError, pb},
};
use octroi_primitives::{Balance, FundCode};
use std::collections::BTreeMap;

/// Record: what stands on an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountBalance {
    /// The one fund it belongs to.
    pub fund: FundCode,
    /// Minor units; debit is positive.
    pub balance: Balance,
}

impl Record for AccountBalance {
    type Key = Account;
}

impl Wire for AccountBalance {
    type Proto = pb::AccountBalance;

    fn to_proto(&self) -> pb::AccountBalance {
        pb::AccountBalance { fund: self.fund.to_string(), balance: self.balance.to_be_bytes().to_vec() }
    }

    fn from_proto(proto: pb::AccountBalance) -> Result<Self, WireError> {
        let pb::AccountBalance { fund, balance } = proto;
        let balance: [u8; 16] =
            balance.try_into().map_err(|_| WireError::invalid("must be 16 bytes").within("balance"))?;
        Ok(Self {
            fund: FundCode::from_proto(fund).map_err(|error| error.within("fund"))?,
            balance: i128::from_be_bytes(balance),
        })
    }
}

/// One leg of a double entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// The fund.
    pub fund: FundCode,
    /// The account.
    pub account: Account,
    /// Minor units; debit positive, credit negative, never 0.
    pub amount: i64,
}

impl Wire for Posting {
    type Proto = pb::Posting;

    fn to_proto(&self) -> pb::Posting {
        let Self { fund, account, amount } = self;
        pb::Posting { fund: fund.to_string(), account: account.to_string(), amount: *amount }
    }

    fn from_proto(proto: pb::Posting) -> Result<Self, WireError> {
        let pb::Posting { fund, account, amount } = proto;
        if amount == 0 {
            return Err(WireError::invalid("must not be 0").within("amount"));
        }
        Ok(Self {
            fund: FundCode::from_proto(fund).map_err(|error| error.within("fund"))?,
            account: account.parse().map_err(|error: WireError| error.within("account"))?,
            amount,
        })
    }
}

/// Why money cannot move.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostingError {
    /// The account does not hold enough.
    #[error("{account} holds {held} minor units, {wanted} are needed")]
    Insufficient {
        /// The account.
        account: Account,
        /// What it holds on its own side.
        held: i128,
        /// What was to be taken.
        wanted: i128,
    },
    /// A sum leaves its range.
    #[error("a sum on {0} leaves its range")]
    Overflow(Account),
}

/// Balanced legs. Empty only where an event moves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Postings(Vec<Posting>);

impl Postings {
    /// The legs in order.
    pub fn legs(&self) -> &[Posting] {
        &self.0
    }

    /// Sum over all legs per fund; every value is 0 unless legs were taken away.
    pub fn sums(&self) -> BTreeMap<FundCode, Balance> {
        let mut sums = BTreeMap::new();
        for leg in &self.0 {
            *sums.entry(leg.fund).or_insert(0) += Balance::from(leg.amount);
        }
        sums
    }

    /// The same without one leg: what a broken rule would post. Tests prove with it that the checks bite.
    #[must_use]
    pub fn without_leg(&self, index: usize) -> Self {
        let mut legs = self.0.clone();
        legs.remove(index);
        Self(legs)
    }
}

impl Wire for Postings {
    type Proto = Vec<pb::Posting>;

    fn to_proto(&self) -> Vec<pb::Posting> {
        self.0.to_proto()
    }

    fn from_proto(proto: Vec<pb::Posting>) -> Result<Self, WireError> {
        Wire::from_proto(proto).map(Self)
    }
}

/// Postings in the making, in one fund.
#[derive(Debug, Clone)]
pub struct Movement {
    fund: FundCode,
    legs: Vec<(Account, i128)>,
}

impl Movement {
    /// Nothing moved yet.
    pub fn in_fund(fund: FundCode) -> Self {
        Self { fund, legs: Vec::new() }
    }

    /// Moves `amount` minor units: debit one account, credit another. Nothing for 0.
    pub fn transfer(&mut self, debit: Account, credit: Account, amount: u64) -> &mut Self {
        if amount > 0 {
            self.legs.push((debit, i128::from(amount)));
            self.legs.push((credit, -i128::from(amount)));
        }
        self
    }

    /// The postings, if every account can bear them.
    ///
    /// # Errors
    /// `insufficient` for an account that would be overdrawn, else `overflow`.
    pub fn check(self, state: &Overlay<'_>) -> Result<Postings, PostingError> {
        let Self { fund, legs } = self;
        let mut moved: BTreeMap<&Account, i128> = BTreeMap::new();
        for (account, amount) in &legs {
            let sum = moved.entry(account).or_insert(0);
            *sum = sum.checked_add(*amount).ok_or_else(|| PostingError::Overflow(account.clone()))?;
        }
        for (account, amount) in &moved {
            let before = balance(state, account);
            let after = before.checked_add(*amount).ok_or_else(|| PostingError::Overflow((*account).clone()))?;
            account.bears(before, after).map_err(|(held, wanted)| PostingError::Insufficient {
                account: (*account).clone(),
                held,
                wanted,
            })?;
        }
        let postings = legs
            .into_iter()
            .map(|(account, amount)| match i64::try_from(amount) {
                Ok(amount) => Ok(Posting { fund, account, amount }),
                Err(_) => Err(PostingError::Overflow(account)),
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Postings(postings))
    }
}

/// Joins postings of several movements of one event.
impl Extend<Postings> for Postings {
    fn extend<I: IntoIterator<Item = Postings>>(&mut self, others: I) {
        for other in others {
            self.0.extend(other.0);
        }
    }
}

/// Balance of an account; 0 if nothing was ever posted.
pub fn balance(state: &Overlay<'_>, account: &Account) -> Balance {
    state.get::<AccountBalance>(account).map_or(0, |record| record.balance)
}

/// Balance of an account in a committed state.
pub fn balance_of(state: &State, account: &Account) -> Balance {
    state.get::<AccountBalance>(account).map_or(0, |record| record.balance)
}

/// The one function that moves money.
pub fn post(state: &mut Overlay<'_>, postings: &Postings) {
    for Posting { fund, account, amount } in postings.legs() {
        let mut record =
            state.get::<AccountBalance>(account).cloned().unwrap_or(AccountBalance { fund: *fund, balance: 0 });
        record.balance = record
            .balance
            .checked_add(i128::from(*amount))
            .expect("i128 holds 10^15 times more postings than a chain can have");
        state.put::<AccountBalance>(account.clone(), record);
    }
}
