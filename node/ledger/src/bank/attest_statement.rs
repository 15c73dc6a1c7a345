//! `attest_statement`: a bank attestor says what a bank statement of an account holds.
//!
//! - Allowed: an active organisation with the role bank attestor over the account.
//! - Effect: the body is kept; the m-th equal body makes the statement final and posts it in the order of its entries: a credit goes to suspense, a
//!   debit pays exactly the payout or refund that it names or is unexplained; then credits are matched by their references, as `match_entry` would. An
//!   attestor may replace its own body until then; differing bodies are the finding `STATEMENT_CONFLICT`, and nothing is posted.
//! - Attested facts are never refused for what they say: an overdraft or an unknown debit is a finding.
//! - Source: rulebook §3, §4 and §17, 0201.

use super::{
    account::{AttestedBody, BankAccount},
    entry::{BankEntry, EntryOrigin, enter, opening_entry},
    matching::{MatchedPart, automatic, named},
    refund::{self, Refund},
};
use crate::{
    accounts::{Account, Movement, PostingError, Postings},
    action::{Action, BASE_COST, Effect, Place},
    grant::{
        grant::Grant,
        payout::{self, Payout},
    },
    history::RecordRef,
    refusal::{posting_refusals, refusals, signer_refusals},
    registry::{
        fund::Fund,
        organisation::Organisation,
        role::{Role, Scope},
    },
    signer::{Context, group, holds},
    state::Overlay,
    wire::{Canonical, message, words},
};
use octroi_primitives::*;
use std::collections::BTreeSet;

/// Entries of a statement, at most; a longer one is sent as consecutive sequences.
const MAX_ENTRIES: usize = 400;

words! {
    /// What an attested statement shows that somebody should look at.
    pub enum BankFinding {
        /// Attestors say different things of the same statement.
        StatementConflict = "STATEMENT_CONFLICT",
        /// A debit that is no payout under way.
        UnexplainedDebit = "UNEXPLAINED_DEBIT",
        /// The account closes below zero.
        Overdraft = "OVERDRAFT",
    }
}

message! {
    /// A line of a statement.
    pub struct StatementEntry = StatementEntry {
        /// Key within the account, unique for ever.
        pub key: EntryKey,
        /// Minor units; positive is a credit; never 0.
        pub amount: i64,
        /// Memo.
        pub booking_date: LegalDate [required],
        /// Memo, save for due dates of levies.
        pub value_date: LegalDate [required],
        /// Salted commitment to the bank's own texts.
        pub reference_commitment: Commitment,
        /// A reference of this ledger that the attestor found.
        pub reference: Option<Reference>,
    }

    /// The payload.
    pub struct AttestStatement = AttestStatement {
        /// The account.
        pub account: BankAccountId,
        /// The bank's id of the statement.
        pub statement_id: Text<35>,
        /// From 1, without gaps.
        pub sequence: u64,
        /// First day.
        pub from: LegalDate [required],
        /// Last day.
        pub to: LegalDate [required],
        /// Minor units; may be negative.
        pub opening: i64,
        /// Minor units; may be negative.
        pub closing: i64,
        /// In the order of the bank.
        pub entries: Vec<StatementEntry>,
        /// Hash of the bank's file.
        pub file_hash: FileHash,
    }

    /// A debit that pays a tranche.
    pub struct PaidDebit = PaidDebit {
        /// The entry.
        pub entry: EntryKey,
        /// The payout that it equals.
        pub payout: PayoutId,
        /// The grant that is paid.
        pub grant: GrantId,
    }

    /// A debit that pays a refund.
    pub struct PaidRefund = PaidRefund {
        /// The entry.
        pub entry: EntryKey,
        /// The refund that it equals.
        pub refund: Hash,
    }

    /// What a final statement does.
    pub struct StatementBooked = StatementBooked {
        /// Entry made of the balance that stood on the account before its first statement.
        pub opening_entry: Option<EntryKey>,
        /// Debits that are exactly a payout under way.
        pub paid: Vec<PaidDebit>,
        /// Debits that no payout explains.
        pub unexplained: Vec<EntryKey>,
        /// Credits that their reference matched.
        pub matches: Vec<MatchedPart>,
        /// In the order of entries, then of matches.
        pub postings: Postings,
        /// Debits that are exactly a refund under way.
        pub refunds: Vec<PaidRefund>,
    }

    /// The event.
    pub struct StatementAttested = StatementAttested {
        /// Who attests.
        pub attestor: OrganisationId,
        /// Fund of the account.
        pub fund: FundCode,
        /// The statement.
        pub statement: AttestStatement [required],
        /// Hash of its canonical bytes.
        pub body: Hash,
        /// Groups whose attestors sent this body, this one included.
        pub agreed: u32,
        /// Attestors that must.
        pub needed: u32,
        /// What somebody should look at.
        pub findings: Vec<BankFinding>,
        /// What it does, once enough attestors agree.
        pub booked: Option<StatementBooked>,
    }
}

refusals! {
    LimitEntries(usize): Limit 1 "{0} entries; 400 are allowed in one sequence", "the statement has too many entries";
    AmountEntry(EntryKey, i64): Amount 1 "entry {0} of {1} minor units; an entry has 1 ..= 10^15 either way", "an entry is 0 or above the bound";
    DateOrder(LegalDate, LegalDate): Date 1 "ends on {1}, before it begins on {0}", "the statement ends before it begins";
    PersonalDataId(): PersonalData 1 "the statement id looks like personal data, such as an account number", "the statement id holds what looks like personal data";
    signer;
    UnknownAccount(BankAccountId): Unknown 1 "bank account {0} does not exist", "the bank account does not exist";
    StateFinal(u64): State 1 "sequence {0} is final already", "the sequence is final";
    DateFuture(LegalDate, LegalDate): Date 2 "ends on {0}, after today, {1}", "the statement ends in the future";
    GapSequence(u64, u64): StatementGap 1 "sequence {0} where {1} is next", "a sequence is left out";
    GapBalance(i64, i64): StatementGap 2 "opens at {0} where {1} was left", "it does not open where the last one closed";
    GapDates(LegalDate, LegalDate): StatementGap 3 "from {0}, after the statement to {1}, leaves days out or goes back", "its days do not follow those of the last one";
    AmountSum(i128, i64): Amount 2 "opening and entries give {0}, the closing balance is {1}", "opening balance and entries do not give the closing balance";
    EntryUsed(EntryKey): EntryUsed 1 "entry {0} is on the ledger already, or stands there twice", "an entry's key was used before";
    DuplicateBody(Hash): Duplicate 1 "body {0} was attested by this attestor already", "the attestor has sent this body already";
    Insufficient(PostingError): Insufficient 1 "{0}", "an account does not hold what the statement moves";
    Overflow(PostingError): Overflow 1 "{0}", "a sum leaves its range";
}
signer_refusals!(Refused);
posting_refusals!(Refused);

impl Action for AttestStatement {
    type Event = StatementAttested;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        if self.entries.len() > MAX_ENTRIES {
            return Err(Refused::LimitEntries(self.entries.len()));
        }
        for StatementEntry { key, amount, .. } in &self.entries {
            if !(1..=Amount::MAX_MINOR).contains(&amount.unsigned_abs()) {
                return Err(Refused::AmountEntry(*key, *amount));
            }
        }
        if self.to < self.from {
            return Err(Refused::DateOrder(self.from, self.to));
        }
        if personal_data::scan(&self.statement_id).is_some() {
            return Err(Refused::PersonalDataId());
        }
        Ok(())
    }

    fn cost(&self) -> u64 {
        BASE_COST + 4 * self.entries.len() as u64
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<StatementAttested, Refused> {
        cx.authorise(state, Role::BankAttestor, Scope::Account(self.account))?;
        let account = state.get::<BankAccount>(&self.account).ok_or(Refused::UnknownAccount(self.account))?;
        self.follows(account, cx.place.date())?;
        self.adds_up()?;
        self.is_new(account, state)?;
        let body = hash("statement", &[&self.to_bytes()]);
        if account.pending.contains(&AttestedBody { attestor: cx.organisation, body }) {
            return Err(Refused::DuplicateBody(body));
        }

        let pending = with_body(account, cx.organisation, body);
        let agreed = agreeing(&pending, &body, &self.account, state);
        let mut findings = Vec::new();
        if pending.iter().any(|other| other.body != body) {
            findings.push(BankFinding::StatementConflict);
        }
        let booked = if agreed < account.attestors_needed {
            None
        } else {
            let booked = self.book(account, &cx.place, state)?;
            if !booked.unexplained.is_empty() {
                findings.push(BankFinding::UnexplainedDebit);
            }
            if self.closing < 0 {
                findings.push(BankFinding::Overdraft);
            }
            Some(booked)
        };
        Ok(StatementAttested {
            attestor: cx.organisation,
            fund: account.fund,
            statement: self.clone(),
            body,
            agreed,
            needed: account.attestors_needed,
            findings,
            booked,
        })
    }
}

/// The bodies of the next sequence with this one, which replaces the attestor's own earlier one.
fn with_body(account: &BankAccount, attestor: OrganisationId, body: Hash) -> Vec<AttestedBody> {
    let mut pending = account.pending.clone();
    pending.retain(|other| other.attestor != attestor);
    pending.push(AttestedBody { attestor, body });
    pending
}

/// How many groups sent this body, by attestors that still have the role: two of one group are one voice (rulebook §2).
fn agreeing(pending: &[AttestedBody], body: &Hash, account: &BankAccountId, state: &Overlay<'_>) -> u32 {
    let counts = |sent: &&AttestedBody| {
        sent.body == *body && holds(state, &sent.attestor, Role::BankAttestor, Scope::Account(*account))
    };
    let groups: BTreeSet<OrganisationId> =
        pending.iter().filter(counts).map(|sent| group(state, &sent.attestor)).collect();
    groups.len() as u32
}

impl AttestStatement {
    /// It is the next statement of the account, without gap.
    fn follows(&self, account: &BankAccount, today: LegalDate) -> Result<(), Refused> {
        if self.sequence <= account.sequence {
            return Err(Refused::StateFinal(self.sequence));
        }
        if self.to > today {
            return Err(Refused::DateFuture(self.to, today));
        }
        if self.sequence != account.sequence + 1 {
            return Err(Refused::GapSequence(self.sequence, account.sequence + 1));
        }
        if self.opening != account.balance {
            return Err(Refused::GapBalance(self.opening, account.balance));
        }
        // The parts of one long statement are of the same days, so days may overlap, never go back.
        if let (Some(from), Some(to)) = (account.from, account.to)
            && (self.from < from || self.to < to || self.from.days_since(to) > 1)
        {
            return Err(Refused::GapDates(self.from, to));
        }
        Ok(())
    }

    fn adds_up(&self) -> Result<(), Refused> {
        let entries: i128 = self.entries.iter().map(|entry| i128::from(entry.amount)).sum();
        let sum = i128::from(self.opening) + entries;
        if sum == i128::from(self.closing) { Ok(()) } else { Err(Refused::AmountSum(sum, self.closing)) }
    }

    fn is_new(&self, account: &BankAccount, state: &Overlay<'_>) -> Result<(), Refused> {
        let mut seen: BTreeSet<EntryKey> = opening_entry(&self.account, account).into_iter().collect();
        for StatementEntry { key, .. } in &self.entries {
            if !seen.insert(*key) || state.has::<BankEntry>(&(self.account, *key)) {
                return Err(Refused::EntryUsed(*key));
            }
        }
        Ok(())
    }

    /// What it does when it is final, decided entry by entry on a scratch state: each sees what those before it did.
    fn book(&self, account: &BankAccount, place: &Place, state: &Overlay<'_>) -> Result<StatementBooked, Refused> {
        let mut scratch = state.scratch();
        let mut booked = StatementBooked {
            opening_entry: opening_entry(&self.account, account),
            paid: Vec::new(),
            unexplained: Vec::new(),
            matches: Vec::new(),
            postings: Postings::default(),
            refunds: Vec::new(),
        };
        let mut movement = Movement::in_fund(account.fund);
        let bank = Account::Bank { account: self.account };
        let suspense = Account::Suspense { account: self.account };
        if booked.opening_entry.is_some() {
            movement.transfer(bank.clone(), suspense.clone(), account.opening);
        }
        for entry in &self.entries {
            let amount = entry.amount.unsigned_abs();
            if entry.amount > 0 {
                movement.transfer(bank.clone(), suspense.clone(), amount);
            } else if let Some(paid) = self.paid_by(entry, &scratch) {
                movement.transfer(Payout::account(&paid.payout), bank.clone(), amount);
                payout::paid(&mut scratch, &paid.payout, &paid.entry);
                booked.paid.push(paid);
            } else if let Some(paid) = self.refunded_by(entry, &scratch) {
                movement.transfer(Refund::in_transit(&paid.refund), bank.clone(), amount);
                refund::paid(&mut scratch, &paid.refund, &paid.entry);
                booked.refunds.push(paid);
            } else {
                movement.transfer(Account::Unexplained { account: self.account }, bank.clone(), amount);
                booked.unexplained.push(entry.key);
            }
        }
        self.enter(account, &booked, place.date(), &mut scratch);
        for entry in &self.entries {
            for part in self.matched(entry, account.fund, place, &scratch) {
                part.post(self.account, account.fund, &mut movement);
                part.apply(self.account, place, &mut scratch);
                booked.matches.push(part);
            }
        }
        booked.postings = movement.check(state)?;
        Ok(booked)
    }

    /// The payout under way that a debit names and equals.
    fn paid_by(&self, entry: &StatementEntry, state: &Overlay<'_>) -> Option<PaidDebit> {
        let (id, payout) = payout::find(state, entry.reference.as_ref()?)?;
        payout.is_paid_by(&self.account, entry.amount.unsigned_abs()).then_some(PaidDebit {
            entry: entry.key,
            payout: id,
            grant: payout.grant,
        })
    }

    /// The refund under way that a debit names and equals.
    fn refunded_by(&self, entry: &StatementEntry, state: &Overlay<'_>) -> Option<PaidRefund> {
        let reference = entry.reference.as_ref().filter(|reference| reference.kind == ReferenceKind::Refund)?;
        let (id, refund) = named::<Refund>(state, reference, |id| id)?;
        let equal = refund.is_paid_by(&self.account, entry.amount.unsigned_abs());
        equal.then_some(PaidRefund { entry: entry.key, refund: id })
    }

    /// What a credit's reference matches: up to what is open, the surplus stays in suspense.
    fn matched(&self, entry: &StatementEntry, fund: FundCode, place: &Place, state: &Overlay<'_>) -> Vec<MatchedPart> {
        let record = state.get::<BankEntry>(&(self.account, entry.key)).filter(|record| record.is_credit());
        let target = entry.reference.and_then(|reference| automatic(fund, &reference, state));
        let (Some(record), Some(target)) = (record, target) else { return Vec::new() };
        let amount = target.open(record, place.date(), state).unwrap_or(0).min(record.rest);
        if amount == 0 { Vec::new() } else { target.take((self.account, entry.key), record, amount, place, state) }
    }

    /// Writes the entries: the opening balance first, then those of the statement.
    fn enter(&self, account: &BankAccount, booked: &StatementBooked, today: LegalDate, state: &mut Overlay<'_>) {
        if let Some(key) = booked.opening_entry {
            let opening = BankEntry {
                origin: EntryOrigin::Opening,
                sequence: self.sequence,
                amount: account.balance,
                booking_date: self.from,
                value_date: self.from,
                reference_commitment: None,
                reference: None,
                attested_on: today,
                rest: account.opening,
                payout: None,
                matched: Vec::new(),
                explained: 0,
            };
            enter(self.account, key, opening, state);
        }
        for entry in &self.entries {
            let StatementEntry { key, amount, booking_date, value_date, reference_commitment, reference } =
                entry.clone();
            let paid = booked.paid.iter().find(|paid| paid.entry == key).map(|paid| paid.payout);
            let refunded = booked.refunds.iter().find(|paid| paid.entry == key);
            let record = BankEntry {
                origin: EntryOrigin::Statement,
                sequence: self.sequence,
                amount,
                booking_date,
                value_date,
                reference_commitment: Some(reference_commitment),
                reference,
                attested_on: today,
                rest: u64::try_from(amount).unwrap_or(0),
                payout: paid.or_else(|| refunded.map(|paid| PayoutId::new(paid.refund))),
                matched: Vec::new(),
                explained: 0,
            };
            enter(self.account, key, record, state);
        }
    }
}

impl Effect for StatementAttested {
    fn apply(&self, place: &Place, state: &mut Overlay<'_>) {
        let Self { attestor, fund: _, statement, body, agreed: _, needed: _, findings: _, booked } = self;
        let id = statement.account;
        let mut account = state.get::<BankAccount>(&id).expect("decide: the account exists").clone();
        let Some(booked) = booked else {
            account.pending = with_body(&account, *attestor, *body);
            state.put::<BankAccount>(id, account);
            return;
        };
        statement.enter(&account, booked, place.date(), state);
        for PaidDebit { entry, payout, grant: _ } in &booked.paid {
            payout::paid(state, payout, entry);
        }
        for PaidRefund { entry, refund } in &booked.refunds {
            refund::paid(state, refund, entry);
        }
        for part in &booked.matches {
            part.apply(id, place, state);
        }
        account.sequence = statement.sequence;
        account.from = Some(statement.from);
        account.to = Some(statement.to);
        account.balance = statement.closing;
        account.pending = Vec::new();
        state.put::<BankAccount>(id, account);
    }

    /// The account, its fund, the attestor; for a final statement also all that it pays, so more than 8.
    fn subjects(&self) -> Vec<RecordRef> {
        let mut subjects = BTreeSet::from([
            RecordRef::of::<BankAccount>(&self.statement.account),
            RecordRef::of::<Fund>(&self.fund),
            RecordRef::of::<Organisation>(&self.attestor),
        ]);
        if let Some(booked) = &self.booked {
            for PaidDebit { entry: _, payout, grant } in &booked.paid {
                subjects.extend([RecordRef::of::<Payout>(payout), RecordRef::of::<Grant>(grant)]);
            }
            subjects.extend(booked.refunds.iter().map(|paid| RecordRef::of::<Refund>(&paid.refund)));
            subjects.extend(booked.matches.iter().flat_map(MatchedPart::subjects));
        }
        subjects.into_iter().collect()
    }

    fn postings(&self) -> Option<&Postings> {
        self.booked.as_ref().map(|booked| &booked.postings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        accounts::AccountBalance,
        action::{Event, Kind, Payload},
        application::application::TrancheKind,
        bank::entry::{SuspendedCredit, opening_key},
        contribution::promise::Promise,
        fixture::{
            self, DAY, IntoPayload, Network, account, fund, id,
            money::{self, date, entry, entry_key},
        },
        grant::{
            grant::{GrantStatus, Part, PartStatus, Tranche},
            payout::{PayoutStatus, TransitTotal},
        },
        levy::account::{LevyAccount, LevyAssessment, LevyStatus},
        registry::role::RoleGrant,
    };

    impl IntoPayload for AttestStatement {
        fn into_payload(self) -> Payload {
            Payload::AttestStatement(self)
        }
    }

    fn promised(promise: PromiseId) -> Option<Reference> {
        Some(Reference::of(ReferenceKind::Promise, promise.hash()))
    }

    fn suspense() -> Account {
        Account::Suspense { account: account() }
    }

    fn bank() -> Account {
        Account::Bank { account: account() }
    }

    fn contribution() -> Account {
        Account::Unallocated { fund: fund(), source: Code::new("contribution").unwrap() }
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let mut network = money::network();
        network.receive("a", 100, None);
        network.advance(10 * DAY);
        let levy = AssessmentId::new(hash("test", &[]));
        let other = BankAccountId::new(hash("test", &[]));
        network.edit(|state| {
            let attests = |who: &str, account| (id(who), Role::BankAttestor, Scope::Account(account));
            state.put::<RoleGrant>(attests("lab", account()), RoleGrant { change: None });
            state.put::<RoleGrant>(attests("university", other), RoleGrant { change: None });
            // A levy that stands in its records and on no account: a payment of it finds nothing to move.
            let key = (id("reuser"), money::schedule_code("royalty"), "2027Q1".parse().unwrap());
            let (declaration, status) = (DeclarationId::ZERO, LevyStatus::Assessed);
            let mut record = LevyAccount::new(Some(declaration), status);
            (record.assessment, record.assessed) = (Some(levy), 7);
            state.put::<LevyAccount>(key, record);
            let (payer, schedule, period) = key;
            let tax = Amount::eur(7);
            state.put::<LevyAssessment>(
                levy,
                LevyAssessment { payer, schedule, period, declaration, version: 1, tax, replaced_by: None },
            );
        });
        network.suspend("lab");
        let good = network.statement(vec![entry("b", 50, Some(Reference::of(ReferenceKind::Levy, levy.hash())))]);
        network.run("bank", good.clone()).unwrap();
        let with = |change: &dyn Fn(&mut AttestStatement)| {
            let mut statement = good.clone();
            change(&mut statement);
            statement
        };
        let table: Vec<(&str, AttestStatement)> = vec![
            ("region", with(&|s| s.entries = vec![entry("b", 0, None); 401])),
            ("region", with(&|s| (s.entries[0].amount, s.to) = (0, date(2020, 1, 1)))),
            ("region", with(&|s| s.to = date(2020, 1, 1))),
            ("region", with(&|s| s.statement_id = Text::new("FR7630006000011234567890189").unwrap())),
            ("lab", good.clone()),
            ("region", with(&|s| s.sequence = 1)),
            ("university", with(&|s| s.account = other)),
            ("bank", with(&|s| (s.sequence, s.to) = (1, date(2028, 1, 1)))),
            ("bank", with(&|s| (s.sequence, s.to) = (3, date(2028, 1, 1)))),
            ("bank", with(&|s| (s.sequence, s.opening) = (3, 0))),
            ("bank", with(&|s| (s.opening, s.from) = (0, date(2027, 1, 6)))),
            ("bank", with(&|s| (s.from, s.closing) = (date(2027, 1, 6), 0))),
            ("bank", with(&|s| (s.closing, s.entries[0].key) = (0, entry_key("a")))),
            ("bank", with(&|s| s.entries[0].key = entry_key("a"))),
            ("bank", good.clone()),
            ("foundation", good.clone()),
        ];
        let mut reached: Vec<&str> = table.into_iter().map(|(signer, it)| network.refusal(signer, it)).collect();
        network
            .edit(|state| state.put::<AccountBalance>(bank(), AccountBalance { fund: fund(), balance: Balance::MAX }));
        reached.push(network.refusal("foundation", good.clone()));
        fixture::assert_all_reached(Kind::AttestStatement, &reached);
        fixture::assert_round_trips(&good.into_payload());
    }

    #[test]
    fn days_may_overlap_but_never_go_back_or_leave_a_gap() {
        let mut network = money::network();
        network.advance(20 * DAY);
        let mut first = network.statement(vec![]);
        (first.from, first.to) = (date(2027, 1, 5), date(2027, 1, 10));
        network.attest(first);
        let dated = |from, to| AttestStatement { from, to, ..network.statement(vec![]) };
        for (from, to) in [(4, 10), (5, 9), (12, 12)] {
            let statement = dated(date(2027, 1, from), date(2027, 1, to));
            assert_eq!(network.refusal("bank", statement), "GapDates", "{from} to {to}");
        }
        for (from, to) in [(5, 10), (10, 10), (11, 11), (11, 24)] {
            let statement = dated(date(2027, 1, from), date(2027, 1, to)).into_payload();
            assert!(network.decide("bank", statement).is_ok(), "{from} to {to}");
        }
    }

    #[test]
    fn the_second_equal_body_makes_it_final_and_posts_it() {
        let mut network = money::network();
        let statement = network.statement(vec![entry("a", 100, None)]);
        let Event::AttestStatement(first) = network.run("foundation", statement.clone()).unwrap() else { panic!() };
        assert_eq!((first.agreed, first.needed, first.booked), (1, 2, None));
        assert_eq!(network.balance(&bank()), 0);
        let Event::AttestStatement(second) = network.run("bank", statement.clone()).unwrap() else { panic!() };
        assert_eq!((second.agreed, second.findings.len(), second.booked.is_some()), (2, 0, true));
        assert_eq!((network.balance(&bank()), network.balance(&suspense())), (100, -100));
        assert_eq!(network.refusal("bank", statement), "StateFinal");
        network.assert_sound();
    }

    #[test]
    fn differing_bodies_are_a_conflict_that_posts_nothing_until_an_attestor_replaces_its_own() {
        let mut network = money::network();
        let mine = network.statement(vec![entry("a", 100, None)]);
        let other = network.statement(vec![entry("a", 101, None)]);
        network.run("bank", mine.clone()).unwrap();
        let Event::AttestStatement(conflict) = network.run("foundation", other.clone()).unwrap() else { panic!() };
        assert_eq!(conflict.findings, [BankFinding::StatementConflict]);
        assert_eq!(conflict.booked, None);
        assert_eq!(network.balance(&bank()), 0);
        let Event::AttestStatement(agreed) = network.run("foundation", mine).unwrap() else { panic!() };
        assert!(agreed.findings.is_empty() && agreed.booked.is_some());
        assert_eq!(network.balance(&bank()), 100);
        assert!(network.state.get::<BankAccount>(&account()).unwrap().pending.is_empty());
    }

    #[test]
    fn an_attestor_that_lost_its_role_no_longer_counts() {
        let mut network = money::network();
        let statement = network.statement(vec![]);
        network.run("bank", statement.clone()).unwrap();
        network.edit(|state| {
            state.remove::<RoleGrant>(&(id("bank"), Role::BankAttestor, Scope::Account(account())));
        });
        let Event::AttestStatement(event) = network.run("foundation", statement).unwrap() else { panic!() };
        assert_eq!((event.agreed, event.booked), (1, None));
    }

    #[test]
    fn credits_are_matched_by_reference_up_to_what_is_open_and_the_surplus_waits() {
        let mut network = money::network();
        let (free, earmarked) = (network.promise(100, None), network.promise(40, Some("commons")));
        let event = network.attest(network.statement(vec![
            entry("a", 70, promised(free)),
            entry("b", 50, promised(free)),
            entry("c", 40, promised(earmarked)),
            entry("d", 9, Some(Reference::of(ReferenceKind::Promise, &hash("test", &[])))),
            entry("e", 8, Some(Reference::of(ReferenceKind::Refund, free.hash()))),
        ]));
        let booked = event.booked.unwrap();
        let amounts: Vec<u64> = booked.matches.iter().map(|part| part.amount).collect();
        assert_eq!(amounts, [70, 30, 40]);
        assert_eq!(network.balance(&contribution()), -100);
        assert_eq!(network.balance(&Account::Envelope { fund: fund(), envelope: fixture::envelope("commons") }), -40);
        assert_eq!(network.balance(&suspense()), -(20 + 9 + 8));
        assert_eq!(network.state.get::<Promise>(&free).unwrap().open(), 0);
        assert_eq!(network.state.get::<BankEntry>(&(account(), entry_key("b"))).unwrap().rest, 20);
        assert_eq!(network.state.count::<SuspendedCredit>(), 3);
        network.assert_sound();
    }

    #[test]
    fn a_levy_is_paid_by_its_reference_oldest_period_first() {
        let mut network = money::network();
        network.advance_to(date(2027, 7, 2).start_time());
        network.assess_calls("2027Q1", 2_000_000);
        let second = network.assess_calls("2027Q2", 3_000_000);
        assert_eq!((network.royalty("2027Q1").open(), network.royalty("2027Q2").open()), (10_000, 20_000));
        let reference = Some(Reference::of(ReferenceKind::Levy, second.id.hash()));
        let booked = network.receive("a", 25_000, reference).booked.unwrap();
        assert_eq!(booked.matches.len(), 2);
        assert_eq!(network.royalty("2027Q1").status, LevyStatus::Paid);
        assert_eq!(network.royalty("2027Q2").status, LevyStatus::PartPaid);
        assert_eq!(network.royalty("2027Q2").open(), 5_000);
        let source = money::schedule_code("royalty").code();
        assert_eq!(network.balance(&Account::Unallocated { fund: fund(), source }), -25_000);
        assert_eq!(network.balance(&Account::Uncollected { fund: fund() }), -5_000);
        network.assert_sound();
        network.receive("b", 6_000, reference);
        assert_eq!(network.balance(&suspense()), -1_000);
        network.assert_sound();
    }

    #[test]
    fn the_opening_balance_of_genesis_is_posted_with_the_first_statement_and_has_its_own_source() {
        let mut genesis = money::genesis();
        genesis.bank_accounts[0].opening = 500;
        let mut network = fixture::of_genesis(&genesis);
        network.assert_sound();
        let promise = network.promise(500, None);
        let statement = network.statement(vec![entry("a", -1, None)]);
        assert_eq!(statement.opening, 500);
        assert_eq!(network.refusal("bank", AttestStatement { opening: 0, ..statement.clone() }), "GapBalance");
        let mut clashing = statement.clone();
        clashing.entries[0].key = opening_key(&account());
        assert_eq!(network.refusal("bank", clashing), "EntryUsed");
        let booked = network.attest(statement).booked.unwrap();
        assert_eq!(booked.opening_entry, Some(opening_key(&account())));
        assert_eq!((network.balance(&bank()), network.balance(&suspense())), (499, -500));
        let payload = crate::bank::match_entry::MatchEntry {
            account: account(),
            entry: opening_key(&account()),
            targets: vec![money::target(crate::bank::matching::Target::Promise(promise), 500)],
        };
        network.run("bank", Payload::MatchEntry(payload)).unwrap();
        let source = Code::new("opening").unwrap();
        assert_eq!(network.balance(&Account::Unallocated { fund: fund(), source }), -500);
        network.assert_sound();
    }

    #[test]
    fn an_unknown_debit_and_an_overdraft_are_findings_and_never_refused() {
        let mut network = money::network();
        let event = network.attest(network.statement(vec![entry("a", 10, None), entry("b", -30, None)]));
        assert_eq!(event.findings, [BankFinding::UnexplainedDebit, BankFinding::Overdraft]);
        assert_eq!(event.booked.unwrap().unexplained, [entry_key("b")]);
        assert_eq!(network.balance(&bank()), -20);
        assert_eq!(network.balance(&Account::Unexplained { account: account() }), 30);
        network.assert_sound();
    }

    /// A payout of 60 under way, as the release of an advance leaves it.
    fn with_payout(network: &mut Network) -> PayoutId {
        let payout = PayoutId::new(hash("test-payout", &[]));
        let grant = GrantId::new(hash("test-grant", &[]));
        let part = Part { status: PartStatus::InTransit, payout: Some(payout), ..Part::planned(60) };
        let tranche = Tranche {
            number: 1,
            kind: TrancheKind::Advance,
            amount: 60,
            due: date(2027, 6, 30),
            budget_year: 2027,
            criteria: fixture::commitment("criteria"),
            evidence_needed: 0,
            parts: vec![part],
            attempts: 1,
            regranted: 0,
        };
        let record = Grant {
            call: CallId::ZERO,
            application: ApplicationId::ZERO,
            project: ProjectId::ZERO,
            change: ChangeId::ZERO,
            fund: fund(),
            envelope: fixture::envelope("commons"),
            awarded: Amount::eur(60),
            parties: vec![crate::grant::grant::Party { organisation: id("asso1"), share_ppm: Ppm::ONE }],
            status: GrantStatus::Active,
            sign_before: BlockTime(0),
            convention: None,
            signed: vec![],
            ordonnateur: None,
            tranches: vec![tranche],
            judges: vec![],
            territory: None,
            returned: 0,
            clawed: 0,
            recovered: 0,
            waived: 0,
            proposed_clawback: None,
            report: None,
            lowered: 0,
            pending_amendment: None,
            amended_by: vec![],
        };
        let under_way = Payout {
            grant,
            tranche: 1,
            part: 0,
            attempt: 1,
            fund: fund(),
            from_account: account(),
            payee_account: fixture::commitment("payee"),
            payee: id("asso1"),
            amount: Amount::eur(60),
            execution_date: date(2027, 1, 4),
            status: PayoutStatus::InTransit,
            entry: None,
        };
        network.edit(|state| {
            let mut moved = Movement::in_fund(fund());
            moved.transfer(contribution(), Payout::account(&payout), 60);
            let postings = moved.check(state).unwrap();
            crate::accounts::post(state, &postings);
            state.put::<TransitTotal>(account(), TransitTotal { amount: 60 });
            state.put::<Grant>(grant, record);
            state.put::<Payout>(payout, under_way);
        });
        payout
    }

    #[test]
    fn a_debit_pays_exactly_the_payout_that_it_equals_and_only_once() {
        let mut network = money::network();
        let promise = network.promise(100, None);
        network.receive("a", 100, promised(promise));
        let payout = with_payout(&mut network);
        network.assert_sound();
        let reference = Some(Payout::reference(&payout));
        let entries =
            vec![entry("less", -59, reference), entry("equal", -60, reference), entry("again", -60, reference)];
        let event = network.attest(network.statement(entries));
        let booked = event.booked.clone().unwrap();
        assert_eq!(booked.paid.iter().map(|paid| paid.entry).collect::<Vec<_>>(), [entry_key("equal")]);
        assert_eq!(booked.unexplained, [entry_key("less"), entry_key("again")]);
        assert!(event.findings.contains(&BankFinding::UnexplainedDebit));
        let record = network.state.get::<Payout>(&payout).unwrap();
        assert_eq!((record.status, record.entry), (PayoutStatus::Paid, Some(entry_key("equal"))));
        assert_eq!(network.balance(&Payout::account(&payout)), 0);
        assert_eq!(network.balance(&Account::Unexplained { account: account() }), 59 + 60);
        assert!(event.subjects().contains(&RecordRef::of::<Grant>(&record.grant)));
        network.assert_sound();
    }

    #[test]
    fn an_event_without_one_leg_is_found_by_the_invariants() {
        let mut network = money::network();
        let statement = network.statement(vec![entry("a", 100, None)]);
        network.run("bank", statement.clone()).unwrap();
        let event = network.decide("foundation", statement.into_payload()).unwrap();
        let postings = event.postings().unwrap();
        assert!(postings.sums().values().all(|sum| *sum == 0));
        let broken = postings.without_leg(0);
        network.edit(|state| crate::accounts::post(state, &broken));
        let found: Vec<String> = crate::accounts::invariants::check(&network.state)
            .iter()
            .map(|violation| violation.invariant.to_string())
            .collect();
        assert_eq!(found, ["I1", "I9"]);
    }

    #[test]
    fn two_attestors_of_one_group_are_one_voice() {
        let mut network = money::network();
        network.edit(|state| {
            let grant = (id("bank_branch"), Role::BankAttestor, Scope::Account(account()));
            state.put::<RoleGrant>(grant, RoleGrant { change: None });
        });
        let statement = network.statement(vec![entry("a", 100, None)]);
        network.run("bank", statement.clone()).unwrap();
        let Event::AttestStatement(event) = network.run("bank_branch", statement.clone()).unwrap() else { panic!() };
        assert_eq!((event.agreed, event.booked), (1, None));
        let Event::AttestStatement(event) = network.run("foundation", statement).unwrap() else { panic!() };
        assert_eq!((event.agreed, event.booked.is_some()), (2, true));
    }
}
