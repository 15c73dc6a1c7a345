//! `match_entry`: a comptable says what an attested credit pays.
//!
//! - Allowed: an active organisation with the role comptable over the account's fund.
//! - Effect: promise: suspense to unallocated money of its source, or to the promise's envelope; levy: oldest period first, the receivable is settled and
//!   the money becomes free; prepaid: suspense to the payer's prepaid money. What is not matched stays in suspense (I9).
//! - Source: rulebook §3, §5 and §17, 0202.

use super::{
    account::BankAccount,
    entry::BankEntry,
    matching::{MatchTarget, MatchedPart, Target},
};
use crate::{
    accounts::{Movement, PostingError, Postings},
    action::{Action, BASE_COST, Effect, Place},
    history::RecordRef,
    refusal::{refusals, signer_refusals},
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

/// Targets of an entry, at most.
const MAX_TARGETS: usize = 64;

message! {
    /// The payload.
    pub struct MatchEntry = MatchEntry {
        /// The account.
        pub account: BankAccountId,
        /// The entry.
        pub entry: EntryKey,
        /// What it pays, in order.
        pub targets: Vec<MatchTarget>,
    }

    /// The event.
    pub struct EntryMatched = EntryMatched {
        /// The account.
        pub account: BankAccountId,
        /// Its fund.
        pub fund: FundCode,
        /// The entry.
        pub entry: EntryKey,
        /// Who matched.
        pub comptable: OrganisationId,
        /// What it pays; a levy has one part for each period that it settles.
        pub parts: Vec<MatchedPart>,
        /// Minor units that are still in suspense.
        pub rest: u64,
        /// In the order of parts.
        pub postings: Postings,
    }
}

refusals! {
    AmountBounds(Amount): Amount 1 "{0} is outside 1 ..= 10^15 minor units", "an amount is 0 or above the bound";
    LimitTargets(usize): Limit 1 "{0} targets; 1 ..= 64 are possible", "there is no target, or too many";
    signer;
    UnknownAccount(BankAccountId): Unknown 1 "bank account {0} does not exist", "the bank account does not exist";
    UnknownEntry(EntryKey): Unknown 2 "entry {0} is in no final statement of the account", "no final statement of the account has the entry";
    UnknownTarget(Target): Unknown 3 "{0} does not exist", "there is no such promise, declared levy, schedule or payer";
    StateDebit(EntryKey): State 1 "entry {0} is a debit", "the entry is a debit";
    StateTarget(Target): State 2 "{0} has nothing open", "the promise is kept, or the levy is not assessed or paid";
    CurrencyOther(Currency, Currency): Currency 1 "{0} is not the fund's currency {1}", "an amount is in another currency than the fund";
    ReferenceFund(Target, FundCode): Reference 1 "{0} is not of fund {1}", "a target is of another fund than the account";
    EntryUsed(u128, u64): EntryUsed 1 "{0} minor units where the entry has {1} left", "the amounts are more than what the entry has left";
    AmountOpen(Target, u64, u64): Amount 2 "{1} minor units for {0}, which has {2} open", "an amount is more than what its target has open";
    Insufficient(PostingError): Insufficient 1 "{0}", "an account does not hold what the match moves";
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

impl Action for MatchEntry {
    type Event = EntryMatched;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        if let Some(wrong) = self.targets.iter().find(|target| !target.amount.is_valid_positive()) {
            return Err(Refused::AmountBounds(wrong.amount));
        }
        if !(1..=MAX_TARGETS).contains(&self.targets.len()) {
            return Err(Refused::LimitTargets(self.targets.len()));
        }
        Ok(())
    }

    fn cost(&self) -> u64 {
        BASE_COST + self.targets.len() as u64
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<EntryMatched, Refused> {
        let Self { account, entry, targets } = self;

        cx.active(state)?;
        // The role is held over the account's fund: an account that does not exist has none to judge it by.
        let fund = state.get::<BankAccount>(account).ok_or(Refused::UnknownAccount(*account))?.fund;
        cx.authorise(state, Role::Comptable, Scope::Fund(fund))?;
        let record = state.get::<BankEntry>(&(*account, *entry)).ok_or(Refused::UnknownEntry(*entry))?;
        if let Some(unknown) = targets.iter().find(|target| !target.target.exists(state)) {
            return Err(Refused::UnknownTarget(unknown.target.clone()));
        }
        if !record.is_credit() {
            return Err(Refused::StateDebit(*entry));
        }
        if let Some(ended) = targets.iter().find(|target| !target.target.is_open(state)) {
            return Err(Refused::StateTarget(ended.target.clone()));
        }
        let currency = state.get::<Fund>(&fund).map(|fund| fund.currency);
        for MatchTarget { amount, .. } in targets {
            if let Some(currency) = currency
                && amount.currency != currency
            {
                return Err(Refused::CurrencyOther(amount.currency, currency));
            }
        }
        if let Some(foreign) = targets.iter().find(|target| !target.target.is_of(fund, state)) {
            return Err(Refused::ReferenceFund(foreign.target.clone(), fund));
        }
        let sum: u128 = targets.iter().map(|target| u128::from(target.amount.minor)).sum();
        let rest = u64::try_from(sum).ok().and_then(|sum| record.rest.checked_sub(sum));
        let rest = rest.ok_or(Refused::EntryUsed(sum, record.rest))?;
        let parts = self.parts(&cx.place, state)?;
        let mut movement = Movement::in_fund(fund);
        for part in &parts {
            part.post(*account, fund, &mut movement);
        }
        let postings = movement.check(state)?;
        let (account, entry, comptable) = (*account, *entry, cx.organisation);
        Ok(EntryMatched { account, fund, entry, comptable, parts, rest, postings })
    }
}

impl MatchEntry {
    /// The parts, decided target by target on a scratch state: two targets may draw on the same open amount.
    fn parts(&self, place: &Place, state: &Overlay<'_>) -> Result<Vec<MatchedPart>, Refused> {
        let Self { account, entry, targets } = self;
        let mut scratch = state.scratch();
        let mut parts = Vec::new();
        for MatchTarget { target, amount } in targets {
            if let Some(open) = target.open(&scratch)
                && amount.minor > open
            {
                return Err(Refused::AmountOpen(target.clone(), amount.minor, open));
            }
            let record = scratch.get::<BankEntry>(&(*account, *entry)).ok_or(Refused::UnknownEntry(*entry))?;
            for part in target.take(*entry, record, amount.minor, &scratch) {
                part.apply(*account, place, &mut scratch);
                parts.push(part);
            }
        }
        Ok(parts)
    }
}

impl Effect for EntryMatched {
    fn apply(&self, place: &Place, state: &mut Overlay<'_>) {
        for part in &self.parts {
            part.apply(self.account, place, state);
        }
    }

    /// The entry, the account, the fund, the comptable, and what was paid: up to 132.
    fn subjects(&self) -> Vec<RecordRef> {
        let mut subjects = BTreeSet::from([
            RecordRef::of::<BankEntry>(&(self.account, self.entry)),
            RecordRef::of::<BankAccount>(&self.account),
            RecordRef::of::<Fund>(&self.fund),
            RecordRef::of::<Organisation>(&self.comptable),
        ]);
        subjects.extend(self.parts.iter().flat_map(MatchedPart::subjects));
        subjects.into_iter().collect()
    }

    fn postings(&self) -> Option<&Postings> {
        Some(&self.postings)
    }
}
