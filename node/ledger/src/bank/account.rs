//! Record: a bank account of a fund, and where its attested statements stand (rulebook §3, §4).
//!
//! The account is a salted commitment; its number stays off the ledger. Who attests holds the role bank attestor over it.

use crate::{state::Record, wire::message};
use octroi_primitives::*;

message! {
    /// What one attestor says of the next statement: only the hash is kept, the body that agrees makes it final.
    pub struct AttestedBody = AttestedBody {
        /// Who says so.
        pub attestor: OrganisationId,
        /// Hash of the body.
        pub body: Hash,
    }

    /// Record: a bank account.
    pub struct BankAccount = BankAccount {
        /// The one fund it serves.
        pub fund: FundCode,
        /// Attestors that must send identical bodies.
        pub attestors_needed: u32,
        /// Minor units that stood on it before the first statement; posted with it.
        pub opening: u64,
        /// Of the last final statement; 0 before the first.
        pub sequence: u64,
        /// First day of the last final statement.
        pub from: Option<LegalDate>,
        /// Its last day.
        pub to: Option<LegalDate>,
        /// Its closing balance in minor units; the opening balance before the first statement.
        pub balance: i64,
        /// Bodies of the next sequence, in the order of arrival.
        pub pending: Vec<AttestedBody>,
    }
}

impl Record for BankAccount {
    type Key = BankAccountId;
}

impl BankAccount {
    /// An account before its first statement. `opening` is at most 10^15.
    pub fn opened(fund: FundCode, attestors_needed: u32, opening: u64) -> Self {
        let balance = i64::try_from(opening).unwrap_or(i64::MAX);
        Self { fund, attestors_needed, opening, sequence: 0, from: None, to: None, balance, pending: Vec::new() }
    }

    /// What statements have attested so far, as invariant I3 compares it with the postings: nothing before the first one.
    pub fn attested_balance(&self) -> Balance {
        if self.sequence == 0 { 0 } else { self.balance.into() }
    }

    /// Whether every day up to `day` is attested.
    pub fn is_attested_to(&self, day: LegalDate) -> bool {
        self.to.is_some_and(|to| to >= day)
    }
}

/// The accounts of a fund, ascending. Networks have few accounts: all are read.
pub fn accounts_of(state: &crate::state::Overlay<'_>, fund: &FundCode) -> Vec<(BankAccountId, BankAccount)> {
    let mut accounts = state.range::<BankAccount>(..);
    accounts.retain(|(_, account)| account.fund == *fund);
    accounts
}
