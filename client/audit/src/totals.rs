//! Control totals: sums that a reader can compare with a bank statement, a publisher's file or a budget. Computed from the receipts that the replay
//! made itself and from the records it ends with.

use octroi_chain::archive::Totals as ArchiveTotals;
use octroi_ledger::{
    Kind, Receipt, State,
    accounts::{Account, Posting},
    grant::{
        grant::{Grant, PartStatus},
        past_grant::{PastGrantFile, PastGrantTotal},
    },
    receipt::Outcome,
    registry::fund::Fund,
};
use octroi_primitives::{Currency, FileHash, FundCode};
use std::collections::BTreeMap;

/// Sums over a whole replay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ControlTotals {
    /// By fund.
    pub funds: BTreeMap<FundCode, FundTotals>,
    /// By published file.
    pub past_grants: BTreeMap<FileHash, PastGrantTotals>,
    /// By kind of transaction, due work included.
    pub kinds: BTreeMap<Kind, KindTotals>,
    /// As the closing record states them and the reader counted them.
    pub archive: ArchiveTotals,
}

/// Sums of one fund, in minor units of its currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FundTotals {
    /// The fund's only currency.
    pub currency: Currency,
    /// Attested credits of its bank accounts, opening balances included.
    pub money_in: u128,
    /// Attested debits of its bank accounts.
    pub money_out: u128,
    /// Grants, offered ones included.
    pub grants: u64,
    /// Sum of their awards.
    pub awarded: u128,
    /// Sum of the parts that the bank has paid.
    pub paid: u128,
}

/// Sums of one file of past grants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PastGrantTotals {
    /// Rows declared, shares counted apart.
    pub rows: u64,
    /// Rows that name an amount, and their sum in minor units, by currency.
    pub sums: BTreeMap<Currency, (u64, i128)>,
    /// Whether a later file replaces this one: its rows are withdrawn.
    pub withdrawn: bool,
}

/// How the transactions of one kind ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindTotals {
    /// Those that happened.
    pub applied: u64,
    /// Those that changed nothing.
    pub refused: u64,
}

impl ControlTotals {
    /// Adds one receipt of the replay.
    pub(crate) fn add(&mut self, receipt: &Receipt) {
        let kind = self.kinds.entry(receipt.kind()).or_default();
        match &receipt.outcome {
            Outcome::Applied(event) => {
                kind.applied += 1;
                for leg in event.postings().map_or(&[][..], |postings| postings.legs()) {
                    self.post(leg);
                }
            }
            Outcome::Refused(_) => kind.refused += 1,
        }
    }

    fn post(&mut self, leg: &Posting) {
        let Posting { fund, account, amount } = leg;
        if let Account::Bank { .. } = account
            && let Some(totals) = self.funds.get_mut(fund)
        {
            let side = if *amount > 0 { &mut totals.money_in } else { &mut totals.money_out };
            *side = side.saturating_add(u128::from(amount.unsigned_abs()));
        }
    }

    /// Makes room for funds that came to be in the last block.
    pub(crate) fn know_funds(&mut self, state: &State) {
        if self.funds.len() == state.count::<Fund>() {
            return;
        }
        for (code, fund) in state.all::<Fund>() {
            let none =
                FundTotals { currency: fund.currency, money_in: 0, money_out: 0, grants: 0, awarded: 0, paid: 0 };
            self.funds.entry(*code).or_insert(none);
        }
    }

    /// Adds what is counted over the records that the replay ends with.
    pub(crate) fn close(&mut self, state: &State) {
        for (_, grant) in state.all::<Grant>() {
            if let Some(totals) = self.funds.get_mut(&grant.fund) {
                totals.grants += 1;
                totals.awarded = totals.awarded.saturating_add(u128::from(grant.awarded.minor));
                totals.paid = totals
                    .paid
                    .saturating_add(grant.tranches.iter().map(|tranche| tranche.sum_in(PartStatus::Paid)).sum());
            }
        }
        for (file, record) in state.all::<PastGrantFile>() {
            let totals = self.past_grants.entry(*file).or_default();
            totals.rows = record.rows;
            totals.withdrawn = record.replaced_by.is_some();
        }
        for ((file, _, currency), total) in state.all::<PastGrantTotal>() {
            let sum = self.past_grants.entry(*file).or_default().sums.entry(*currency).or_default();
            *sum = (sum.0.saturating_add(total.rows), sum.1.saturating_add(total.minor));
        }
    }
}
