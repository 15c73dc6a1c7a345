//! What always holds, in terms that anyone can check on a state (rulebook §3, invariants).
//!
//! [`check`] reads everything; [`check_touched`] reads what one block wrote. Both answer with every violation that they find, in the order of the
//! invariants; an empty list is the proof. I10 has no records of its own; I13 is checked where the split's event is at hand
//! ([`crate::redistribution::split`]); I14 and I15 are no matter of records.

use super::{Account, AccountBalance, Class, balance_of};
use crate::{
    bank::{
        account::BankAccount,
        entry::{BankEntry, SuspendedCredit},
    },
    campaign::pledge_record::PledgeRecord,
    contribution::promise::Promise,
    execute::ExecutedBlock,
    grant::{
        grant::Grant,
        invariants::{self as grants, GrantBroken},
    },
    levy::{
        account::{LevyAccount, LevyAssessment, LevyDeclaration, LevyKey},
        compute::compute,
        dispute::LevyDispute,
        prepaid::PrepaidLevy,
        schedule::LevySchedule,
    },
    matching::round_contribution::RoundContribution,
    redistribution::{
        cap::{self, CapKey},
        envelope::{EnvelopeCommitment, TerritoryCommitment},
    },
    registry::validator_seat::ValidatorSeat,
    signer::group,
    state::{Key, Record, RecordRow, State, Table},
    wire::words,
};
use octroi_merkle::tree::{Leaf, Tree};
use octroi_primitives::*;
use std::collections::{BTreeMap, BTreeSet};

words! {
    /// An invariant of the rulebook.
    pub enum Invariant {
        /// Postings sum to 0 per transaction and fund.
        I1 = "I1",
        /// No liability or fund account is overdrawn.
        I2 = "I2",
        /// A bank account holds what its last final statement closes at.
        I3 = "I3",
        /// A grant's accounts hold what its parts say.
        I4 = "I4",
        /// A grant's tranches sum to its award.
        I5 = "I5",
        /// No group has more of an envelope than its cap.
        I6 = "I6",
        /// Uncollected money equals the receivables.
        I7 = "I7",
        /// Escrow holds the money of pledges and contributions that stand.
        I8 = "I8",
        /// A bank entry is consumed at most once.
        I9 = "I9",
        /// Nothing is paid without accepted evidence or an advance clause.
        I11 = "I11",
        /// An assessment recomputes.
        I12 = "I12",
        /// Caps on consensus power hold.
        I16 = "I16",
        /// The state root recomputes.
        I17 = "I17",
    }
}

/// An invariant that does not hold, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{invariant}: {what}")]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// In words, with the values.
    pub what: String,
}

/// Violations found so far.
#[derive(Default)]
struct Found(Vec<Violation>);

impl Found {
    fn expect(&mut self, invariant: Invariant, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.0.push(Violation { invariant, what: what() });
        }
    }

    fn grant(&mut self, checked: Result<(), GrantBroken>) {
        let Err(broken) = checked else { return };
        let invariant = match broken {
            GrantBroken::Account { .. } | GrantBroken::Transit { .. } => Invariant::I4,
            GrantBroken::Sum { .. } => Invariant::I5,
            GrantBroken::Unproven(..) => Invariant::I11,
        };
        self.0.push(Violation { invariant, what: broken.to_string() });
    }

    fn in_order(mut self) -> Vec<Violation> {
        self.0.sort_by_key(|violation| violation.invariant);
        self.0
    }
}

/// Checks the whole state. Reads every record: for tests, simulation, the auditor, and every 10,000 blocks.
pub fn check(state: &State) -> Vec<Violation> {
    let mut found = Found::default();
    funds(state, &mut found);
    for (account, AccountBalance { balance, .. }) in state.all::<AccountBalance>() {
        side(account, *balance, &mut found);
    }
    for (id, account) in state.all::<BankAccount>() {
        bank(state, id, account, &mut found);
    }
    suspense(state, &mut found);
    found.grant(grants::check(state));
    for (key, _) in state.all::<EnvelopeCommitment>() {
        commitment(state, key, &mut found);
    }
    for (key, _) in state.all::<TerritoryCommitment>() {
        territory(state, key, &mut found);
    }
    for (id, promise) in state.all::<Promise>() {
        kept(id, promise, &mut found);
    }
    for (id, pledge) in state.all::<PledgeRecord>() {
        escrow(state, &pledge.escrow(id), pledge.held(), &mut found);
    }
    for (id, contribution) in state.all::<RoundContribution>() {
        escrow(state, &contribution.escrow(id), contribution.held(), &mut found);
    }
    for (key, levy) in state.all::<LevyAccount>() {
        levy_account(state, key, levy, &mut found);
    }
    for (id, assessment) in state.all::<LevyAssessment>() {
        recomputes(state, id, assessment, &mut found);
    }
    for (account, _) in state.all::<AccountBalance>() {
        if let Account::PrepaidLevy { payer, schedule } = account {
            prepaid(state, *payer, *schedule, &mut found);
        }
    }
    provisions(state, &mut found);
    power(state, &mut found);
    root(state, &mut found);
    found.in_order()
}

/// Checks what a block did and the records it touched. `state` is the state after the block.
pub fn check_touched(state: &State, executed: &ExecutedBlock) -> Vec<Violation> {
    let mut found = Found::default();
    let mut uncollected: BTreeMap<FundCode, i128> = BTreeMap::new();
    for receipt in executed.receipts() {
        let Some(postings) = receipt.event().and_then(|event| event.postings()) else { continue };
        for (fund, sum) in postings.sums() {
            found.expect(Invariant::I1, sum == 0, || {
                format!("postings of transaction {} sum to {sum} in fund {fund}", receipt.transaction)
            });
        }
        for leg in postings.legs() {
            if is_uncollected(&leg.account) {
                *uncollected.entry(leg.fund).or_default() += i128::from(leg.amount);
            }
        }
    }
    for (fund, sum) in uncollected {
        found.expect(Invariant::I7, sum == 0, || {
            format!("uncollected and receivables of fund {fund} moved apart by {sum} in block {}", executed.id())
        });
    }
    for row in executed.rows().iter().filter(|row| row.value.is_some()) {
        touched(state, row, &mut found);
    }
    found.in_order()
}

/// The record of a row, if the row is of this table.
fn record<'a, R: Record>(state: &'a State, row: &RecordRow) -> Option<(R::Key, &'a R)> {
    if row.table != R::TABLE.number() {
        return None;
    }
    let key = R::Key::from_key_bytes(&row.key)?;
    let record = state.get::<R>(&key)?;
    Some((key, record))
}

fn touched(state: &State, row: &RecordRow, found: &mut Found) {
    if let Some((account, AccountBalance { balance, .. })) = record::<AccountBalance>(state, row) {
        side(&account, *balance, found);
        match &account {
            Account::Bank { account: id } | Account::Suspense { account: id } => {
                if let Some(record) = state.get::<BankAccount>(id) {
                    bank(state, id, record, found);
                }
            }
            Account::PrepaidLevy { payer, schedule } => prepaid(state, *payer, *schedule, found),
            Account::LevyReceivable { payer, schedule, period }
            | Account::PenaltyReceivable { payer, schedule, period } => {
                let key = (*payer, *schedule, *period);
                if let Some(levy) = state.get::<LevyAccount>(&key) {
                    levy_account(state, &key, levy, found);
                }
            }
            _ => {}
        }
    }
    if let Some((id, account)) = record::<BankAccount>(state, row) {
        bank(state, &id, account, found);
    }
    if let Some((key, entry)) = record::<BankEntry>(state, row) {
        entry_rest(&key, entry, found);
    }
    if let Some((id, grant)) = record::<Grant>(state, row) {
        found.grant(grants::check_grant(state, &id, grant));
    }
    if let Some((key, _)) = record::<EnvelopeCommitment>(state, row) {
        commitment(state, &key, found);
    }
    if let Some((key, _)) = record::<TerritoryCommitment>(state, row) {
        territory(state, &key, found);
    }
    if let Some((id, promise)) = record::<Promise>(state, row) {
        kept(&id, promise, found);
    }
    if let Some((id, pledge)) = record::<PledgeRecord>(state, row) {
        escrow(state, &pledge.escrow(&id), pledge.held(), found);
    }
    if let Some((id, contribution)) = record::<RoundContribution>(state, row) {
        escrow(state, &contribution.escrow(&id), contribution.held(), found);
    }
    if let Some((key, levy)) = record::<LevyAccount>(state, row) {
        levy_account(state, &key, levy, found);
    }
    if let Some((id, assessment)) = record::<LevyAssessment>(state, row) {
        recomputes(state, &id, assessment, found);
    }
    if row.table == Table::validators.number() {
        power(state, found);
    }
}

/// Uncollected money, or a receivable that it is the counterpart of.
fn is_uncollected(account: &Account) -> bool {
    matches!(
        account,
        Account::Uncollected { .. }
            | Account::LevyReceivable { .. }
            | Account::PenaltyReceivable { .. }
            | Account::ClawbackReceivable { .. }
    )
}

/// I1 over all that was ever posted, and I7.
fn funds(state: &State, found: &mut Found) {
    let mut sums: BTreeMap<FundCode, (i128, i128)> = BTreeMap::new();
    for (account, AccountBalance { fund, balance }) in state.all::<AccountBalance>() {
        let (all, uncollected) = sums.entry(*fund).or_default();
        *all += balance;
        if is_uncollected(account) {
            *uncollected += balance;
        }
    }
    for (fund, (all, uncollected)) in sums {
        found.expect(Invariant::I1, all == 0, || format!("the accounts of fund {fund} sum to {all}"));
        found.expect(Invariant::I7, uncollected == 0, || {
            format!("uncollected and receivables of fund {fund} differ by {uncollected}")
        });
    }
}

/// I2: an account stands on its own side.
fn side(account: &Account, balance: Balance, found: &mut Found) {
    let holds = match account {
        Account::Bank { .. } | Account::Deficit { .. } => true,
        _ => match account.class() {
            Class::Asset => balance >= 0,
            Class::Liability | Class::Fund => balance <= 0,
        },
    };
    found.expect(Invariant::I2, holds, || format!("{account} stands at {balance}"));
}

/// I3, and what an account's suspense holds.
fn bank(state: &State, id: &BankAccountId, account: &BankAccount, found: &mut Found) {
    let posted = balance_of(state, &Account::Bank { account: *id });
    let attested = account.attested_balance();
    found.expect(Invariant::I3, posted == attested, || {
        format!("bank account {id} stands at {posted}, its last statement closes at {attested}")
    });
    let waiting: u128 = suspended(state, id).map(|(_, entry)| u128::from(entry.rest)).sum();
    let suspense = -balance_of(state, &Account::Suspense { account: *id });
    found.expect(Invariant::I9, u128::try_from(suspense) == Ok(waiting), || {
        format!("suspense of bank account {id} holds {suspense}, its entries have {waiting} left")
    });
}

/// The entries of an account that wait in suspense, by the index.
fn suspended<'a>(
    state: &'a State,
    account: &BankAccountId,
) -> impl Iterator<Item = (EntryKey, &'a BankEntry)> + use<'a> {
    let bound = |day, byte| (*account, day, EntryKey::from_bytes([byte; 32]));
    state
        .range::<SuspendedCredit>(bound(0, 0)..=bound(u64::MAX, 0xff))
        .filter_map(|((account, _, key), _)| state.get::<BankEntry>(&(*account, *key)).map(|entry| (*key, entry)))
}

/// I9 on the entries themselves: none gives more than it has, and the index names exactly those with a rest.
fn suspense(state: &State, found: &mut Found) {
    let indexed: BTreeSet<(BankAccountId, EntryKey)> =
        state.all::<SuspendedCredit>().map(|((account, _, key), _)| (*account, *key)).collect();
    for (key, entry) in state.all::<BankEntry>() {
        entry_rest(key, entry, found);
        found.expect(Invariant::I9, indexed.contains(key) == (entry.rest > 0), || {
            format!("entry {} has {} left and the index of suspense says otherwise", key.1, entry.rest)
        });
    }
}

fn entry_rest((_, key): &(BankAccountId, EntryKey), entry: &BankEntry, found: &mut Found) {
    let most = u64::try_from(entry.amount).unwrap_or(0);
    found.expect(Invariant::I9, entry.rest <= most, || {
        format!("entry {key} of {} has {} left", entry.amount, entry.rest)
    });
}

/// A promise takes no more than what was promised.
fn kept(id: &PromiseId, promise: &Promise, found: &mut Found) {
    found.expect(Invariant::I9, promise.received <= promise.amount.minor, || {
        format!("promise {id} of {} received {}", promise.amount, promise.received)
    });
    let credited: u128 = promise.credited.iter().map(|part| u128::from(part.amount)).sum();
    let stayed = u128::from(promise.received) - u128::from(promise.returned).min(promise.received.into());
    found.expect(Invariant::I9, credited == stayed, || {
        format!(
            "promise {id} received {} and returned {}, its accounts have {credited}",
            promise.received, promise.returned
        )
    });
}

/// I6, derogations apart.
fn commitment(state: &State, key: &(FundCode, EnvelopeCode, Period, OrganisationId), found: &mut Found) {
    let (fund, envelope, period, holder) = *key;
    let standing = cap::check(&state.overlay(), &CapKey { fund, envelope, period }, holder, 0);
    if let Err(exceeded) = standing {
        found.0.push(Violation { invariant: Invariant::I6, what: exceeded.to_string() });
    }
}

/// The cap of a territory, derogations apart.
fn territory(state: &State, key: &(FundCode, EnvelopeCode, Period, TerritoryCode), found: &mut Found) {
    let (fund, envelope, period, territory) = *key;
    let standing = cap::check_territory(&state.overlay(), &CapKey { fund, envelope, period }, territory, 0);
    if let Err(exceeded) = standing {
        found.0.push(Violation { invariant: Invariant::I6, what: exceeded.to_string() });
    }
}

/// I8 for one pledge or contribution.
fn escrow(state: &State, account: &Account, held: u64, found: &mut Found) {
    let balance = -balance_of(state, account);
    found.expect(Invariant::I8, balance == i128::from(held), || {
        format!("{account} holds {balance}, its pledge or contribution has {held}")
    });
}

/// I9: prepaid money and its value dates agree.
fn prepaid(state: &State, payer: OrganisationId, schedule: ScheduleCode, found: &mut Found) {
    let held = -balance_of(state, &Account::PrepaidLevy { payer, schedule });
    let dated = state.get::<PrepaidLevy>(&(payer, schedule)).map_or(0, PrepaidLevy::sum);
    found.expect(Invariant::I9, u128::try_from(held) == Ok(dated), || {
        format!("prepaid money of {payer} under {schedule} is {held}, {dated} with value dates")
    });
}

/// I2: a fund's provision is what its open disputes hold.
fn provisions(state: &State, found: &mut Found) {
    let mut held: BTreeMap<FundCode, i128> = BTreeMap::new();
    for (_, dispute) in state.all::<LevyDispute>() {
        let Some(schedule) = state.get::<LevySchedule>(&dispute.schedule) else { continue };
        *held.entry(schedule.fund).or_default() += i128::from(dispute.held);
    }
    for (account, AccountBalance { fund, balance }) in state.all::<AccountBalance>() {
        let Account::Provision { .. } = account else { continue };
        let held = held.get(fund).copied().unwrap_or(0);
        found.expect(Invariant::I2, -balance == held, || {
            format!("the provision of fund {fund} stands at {balance}, its disputes hold {held}")
        });
    }
}

/// I7 for one payer, schedule and period: the receivables are what is open, and the parts are what is paid.
fn levy_account(state: &State, key: &LevyKey, levy: &LevyAccount, found: &mut Found) {
    let (payer, schedule, period) = *key;
    let receivable = balance_of(state, &Account::LevyReceivable { payer, schedule, period });
    let open = i128::from(levy.assessed) - i128::from(levy.paid) - i128::from(levy.ended);
    found.expect(Invariant::I7, receivable == open, || {
        format!("levy {schedule} {period} of {payer}: {receivable} receivable, {open} open")
    });
    let penalties = balance_of(state, &Account::PenaltyReceivable { payer, schedule, period });
    let charged = i128::from(levy.interest) + i128::from(levy.surcharge);
    let charges = charged - i128::from(levy.interest_paid) - i128::from(levy.surcharge_paid);
    found.expect(Invariant::I7, penalties == charges, || {
        format!("levy {schedule} {period} of {payer}: {penalties} of penalties receivable, {charges} open")
    });
    let dated: u128 = levy.parts.iter().map(|part| u128::from(part.amount)).sum();
    found.expect(Invariant::I7, dated == u128::from(levy.paid), || {
        format!("levy {schedule} {period} of {payer}: {} paid, {dated} with value dates", levy.paid)
    });
}

/// I12: declaration and version give the tax again.
fn recomputes(state: &State, id: &AssessmentId, assessment: &LevyAssessment, found: &mut Found) {
    let LevyAssessment { payer, schedule, period, declaration, version, tax, replaced_by } = assessment;
    let rules = state
        .get::<LevySchedule>(schedule)
        .and_then(|record| record.versions.iter().find(|known| known.version == *version));
    let declared = state.get::<LevyDeclaration>(declaration);
    let again = rules.zip(declared).and_then(|(rules, declared)| compute(rules, declared).ok());
    found.expect(Invariant::I12, again.is_some_and(|again| again.tax == u128::from(tax.minor)), || {
        format!("assessment {id} of {tax} does not follow from declaration {declaration} and version {version}")
    });
    if replaced_by.is_some() {
        return;
    }
    let account = state.get::<LevyAccount>(&(*payer, *schedule, *period));
    let stands = account.is_some_and(|account| account.assessment == Some(*id) && account.assessed == tax.minor);
    found.expect(Invariant::I12, stands, || format!("assessment {id} of {tax} does not stand in the payer's account"));
}

/// I16: no group runs two validators; from four validators on, no college counts more than a third of them, rounded up.
fn power(state: &State, found: &mut Found) {
    let mut groups = BTreeSet::new();
    let mut colleges: BTreeMap<CollegeCode, usize> = BTreeMap::new();
    for (_, seat) in state.all::<ValidatorSeat>() {
        found.expect(Invariant::I16, groups.insert(group(state, &seat.organisation)), || {
            format!("the group of {} runs two validators", seat.organisation)
        });
        *colleges.entry(seat.college).or_default() += 1;
    }
    let count = state.count::<ValidatorSeat>();
    for (college, seats) in colleges {
        found.expect(Invariant::I16, count < 4 || seats <= count.div_ceil(3), || {
            format!("college {college} counts {seats} of {count} validators")
        });
    }
}

/// I17: the records give the root.
fn root(state: &State, found: &mut Found) {
    let leaves = state.rows().into_iter().filter_map(|row| {
        let (key, value) = row.leaf();
        value.map(|value| Leaf { key, value })
    });
    let mut leaves: Vec<Leaf> = leaves.collect();
    leaves.sort_by_key(|leaf| leaf.key);
    let again = Tree::from_sorted(&leaves).map(|tree| tree.root());
    found.expect(Invariant::I17, again == Ok(state.root()), || {
        format!("the records do not give the state root {}", state.root())
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixture::{
            Network, account, consensus_key, envelope, fund, id,
            money::{self, date, entry_key, schedule_code},
        },
        levy::account::LevyStatus,
        redistribution::envelope::EnvelopePeriod,
        state::Overlay,
    };

    /// A network with money on most accounts: a matched and a waiting credit, a levy paid in part.
    fn busy() -> Network {
        let mut network = money::network();
        network.advance_to(date(2027, 4, 2).start_time());
        let promise = network.promise(1_000, None);
        network.receive("kept", 1_000, Some(Reference::of(ReferenceKind::Promise, promise.hash())));
        network.receive("waits", 70, None);
        let levy = network.assess_calls("2027Q1", 2_000_000);
        network.receive("levy", 4_000, Some(Reference::of(ReferenceKind::Levy, levy.id.hash())));
        network.assert_sound();
        network
    }

    fn found_after(tamper: impl FnOnce(&mut Overlay<'_>)) -> Vec<Invariant> {
        let mut network = busy();
        network.edit(tamper);
        let mut found: Vec<Invariant> = check(&network.state).iter().map(|violation| violation.invariant).collect();
        found.dedup();
        found
    }

    fn shift(state: &mut Overlay<'_>, account: Account, by: Balance) {
        let balance = crate::accounts::balance(state, &account) + by;
        state.put::<AccountBalance>(account, AccountBalance { fund: fund(), balance });
    }

    #[test]
    fn each_invariant_bites() {
        use Invariant::*;
        let unallocated = |source: &str| Account::Unallocated { fund: fund(), source: Code::new(source).unwrap() };
        let bank = Account::Bank { account: account() };
        let key = (id("reuser"), schedule_code("royalty"), "2027Q1".parse().unwrap());
        assert_eq!(found_after(|state| shift(state, unallocated("contribution"), 1)), [I1]);
        assert_eq!(
            found_after(|state| {
                shift(state, unallocated("contribution"), 1_001);
                shift(state, Account::Reserve { fund: fund() }, -1_001);
            }),
            [I2]
        );
        assert_eq!(
            found_after(|state| {
                shift(state, bank.clone(), -1);
                shift(state, Account::Unexplained { account: account() }, 1);
            }),
            [I3]
        );
        assert_eq!(
            found_after(|state| {
                let (fund, envelope, period) = (fund(), envelope("commons"), "2027Q1".parse().unwrap());
                state.put::<EnvelopePeriod>(
                    (fund, envelope, period),
                    EnvelopePeriod { credited: 99, ..EnvelopePeriod::NOTHING },
                );
                let key = CapKey { fund, envelope, period };
                cap::commit(state, &key, id("asso1"), 10, cap::CapStanding::Within);
            }),
            [I6]
        );
        assert_eq!(
            found_after(|state| {
                shift(state, Account::Uncollected { fund: fund() }, 5);
                shift(state, unallocated("royalty"), -5);
            }),
            [I7]
        );
        assert_eq!(found_after(|state| state.update::<LevyAccount>(&key, |levy| levy.paid += 1)), [I7]);
        assert_eq!(
            found_after(|state| {
                state.update::<BankEntry>(&(account(), entry_key("waits")), |entry| entry.rest = 71);
            }),
            [I9]
        );
        assert_eq!(
            found_after(|state| {
                let kept = (account(), entry_key("kept"));
                state.update::<BankEntry>(&kept, |entry| entry.rest = 1);
            }),
            [I9]
        );
        assert_eq!(
            found_after(|state| {
                let (promise, _) = state.range::<Promise>(..).pop().unwrap();
                state.update::<Promise>(&promise, |promise| promise.received += 1);
            }),
            [I9]
        );
        assert_eq!(
            found_after(|state| {
                state.update::<LevyAccount>(&key, |levy| {
                    (levy.assessment, levy.status) = (None, LevyStatus::Declared);
                });
            }),
            [I12]
        );
        assert_eq!(
            found_after(|state| {
                let seat = consensus_key("region").public();
                state.update::<ValidatorSeat>(&seat, |seat| seat.organisation = id("bank_branch"));
            }),
            [I16]
        );
        assert_eq!(
            found_after(|state| {
                let seat = consensus_key("federation").public();
                state.update::<ValidatorSeat>(&seat, |seat| seat.college = CollegeCode::new("funders").unwrap());
            }),
            [I16]
        );
    }

    #[test]
    fn records_that_changed_behind_the_tree_are_found() {
        let mut network = busy();
        let mut overlay = network.state.overlay();
        overlay.put::<AccountBalance>(Account::Deficit { fund: fund() }, AccountBalance { fund: fund(), balance: 0 });
        let changes = overlay.into_changes();
        let (head, tree) = (network.state.head().clone(), network.state.tree().clone());
        let validators = network.state.validators().clone();
        network.state.merge(head, &changes, tree, &[], 0, validators);
        let found: Vec<Invariant> = check(&network.state).iter().map(|violation| violation.invariant).collect();
        assert_eq!(found, [Invariant::I17]);
    }
}
