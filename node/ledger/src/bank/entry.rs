//! Records: attested bank entries, and which of them wait in suspense since when (rulebook §3, I9).

use super::{account::BankAccount, matching::MatchedPart};
use crate::{
    state::{Overlay, Record},
    wire::{message, words},
};
use octroi_primitives::*;

words! {
    /// Where an entry comes from.
    pub enum EntryOrigin {
        /// A line of a final statement.
        Statement = "statement",
        /// The balance that stood on the account before its first statement.
        Opening = "opening",
    }
}

message! {
    /// Record: an attested entry. It stays for ever, so that no key is booked twice.
    pub struct BankEntry = BankEntry {
        /// Where it comes from.
        pub origin: EntryOrigin,
        /// Of the statement that made it final.
        pub sequence: u64,
        /// Minor units; positive is a credit.
        pub amount: i64,
        /// Memo.
        pub booking_date: LegalDate [required],
        /// Memo, save for due dates of levies.
        pub value_date: LegalDate [required],
        /// Salted commitment to the bank's own texts.
        pub reference_commitment: Option<Commitment>,
        /// A reference of this ledger that the attestor found.
        pub reference: Option<Reference>,
        /// Legal date of the block that made it final.
        pub attested_on: LegalDate [required],
        /// Minor units of a credit that are still in suspense.
        pub rest: u64,
        /// The payout that a debit paid; of a refund its id.
        pub payout: Option<PayoutId>,
        /// Where the money of a credit went.
        pub matched: Vec<EntryMatch>,
        /// Minor units of an unexplained debit that were booked as a cost, or that a later credit explains.
        pub explained: u64,
    }

    /// Money of a credit that was matched.
    pub struct EntryMatch = EntryMatch {
        /// How much, and where it went.
        pub part: MatchedPart [required],
        /// Legal date of the block.
        pub on: LegalDate [required],
    }

    /// Record: nothing but its key; it is there while an entry has a rest.
    pub struct SuspendedCredit = SuspendedCredit {}
}

impl Record for BankEntry {
    type Key = (BankAccountId, EntryKey);
}

impl Record for SuspendedCredit {
    /// Account, days since 1970 on which the entry became final, entry.
    type Key = (BankAccountId, u64, EntryKey);
}

/// Days since 1970; block times do not lie before it.
fn day_number(date: LegalDate) -> u64 {
    date.days().unsigned_abs()
}

impl BankEntry {
    /// Whether it is money received.
    pub fn is_credit(&self) -> bool {
        self.amount > 0
    }

    /// Minor units of a debit that nothing explains yet.
    pub fn unexplained(&self) -> u64 {
        if self.is_credit() || self.payout.is_some() {
            return 0;
        }
        self.amount.unsigned_abs().saturating_sub(self.explained)
    }

    /// Where the money of an entry goes that pays nothing in particular (rulebook §3, sources).
    pub fn source(&self) -> Code {
        let name = match self.origin {
            EntryOrigin::Statement => "contribution",
            EntryOrigin::Opening => "opening",
        };
        Code::new(name).expect("both are codes")
    }
}

/// Writes a new entry; a credit waits in suspense.
pub(crate) fn enter(account: BankAccountId, key: EntryKey, entry: BankEntry, state: &mut Overlay<'_>) {
    if entry.rest > 0 {
        state.put::<SuspendedCredit>((account, day_number(entry.attested_on), key), SuspendedCredit {});
    }
    state.put::<BankEntry>((account, key), entry);
}

/// Takes money of an entry out of suspense, to where a match says.
pub(super) fn note_match(account: BankAccountId, part: MatchedPart, on: LegalDate, state: &mut Overlay<'_>) {
    let (key, amount) = (part.entry, part.amount);
    state.update::<BankEntry>(&(account, key), |entry| entry.matched.push(EntryMatch { part, on }));
    consume(account, key, amount, state);
}

/// Takes money of an entry out of suspense.
pub(crate) fn consume(account: BankAccountId, key: EntryKey, amount: u64, state: &mut Overlay<'_>) {
    let mut emptied_on = None;
    state.update::<BankEntry>(&(account, key), |entry| {
        entry.rest = entry.rest.checked_sub(amount).expect("decide: the entry has this much left");
        if entry.rest == 0 {
            emptied_on = Some(entry.attested_on);
        }
    });
    if let Some(day) = emptied_on {
        state.remove::<SuspendedCredit>(&(account, day_number(day), key));
    }
}

/// Puts all that was matched of an entry back into suspense.
pub(super) fn suspend_again(account: BankAccountId, key: EntryKey, state: &mut Overlay<'_>) {
    let mut entry = state.get::<BankEntry>(&(account, key)).expect("decide: the entry exists").clone();
    let matched: u64 = entry.matched.iter().map(|matched| matched.part.amount).sum();
    entry.rest += matched;
    entry.matched.clear();
    enter(account, key, entry, state);
}

/// Minor units of an account that wait in suspense since before `day`. Reads only those entries.
pub fn suspended_before(state: &Overlay<'_>, account: &BankAccountId, day: LegalDate) -> u64 {
    let from = (*account, 0, EntryKey::ZERO);
    let until = (*account, day_number(day), EntryKey::ZERO);
    state
        .range::<SuspendedCredit>(from..until)
        .iter()
        .filter_map(|((account, _, key), _)| state.get::<BankEntry>(&(*account, *key)))
        .fold(0, |sum, entry| sum.saturating_add(entry.rest))
}

/// Key of the entry that an account's opening balance becomes.
pub fn opening_key(account: &BankAccountId) -> EntryKey {
    EntryKey::new(hash("opening-entry", &[account.as_bytes()]))
}

/// The key of the opening entry, if the next statement of the account is its first and money stood there before.
pub(super) fn opening_entry(id: &BankAccountId, account: &BankAccount) -> Option<EntryKey> {
    (account.sequence == 0 && account.opening > 0).then(|| opening_key(id))
}
