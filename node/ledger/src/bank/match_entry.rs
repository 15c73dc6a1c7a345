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
posting_refusals!(Refused);

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
        if let Some(ended) = targets.iter().find(|target| !target.target.is_open(record, state)) {
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
            let record = scratch.get::<BankEntry>(&(*account, *entry)).ok_or(Refused::UnknownEntry(*entry))?;
            if let Some(open) = target.open(record, place.date(), &scratch)
                && amount.minor > open
            {
                return Err(Refused::AmountOpen(target.clone(), amount.minor, open));
            }
            for part in target.take((*account, *entry), record, amount.minor, place, &scratch) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        accounts::{Account, AccountBalance},
        action::{Event, Kind, Payload},
        bank::matching::{LevyTarget, PrepaidTarget},
        contribution::promise::Promise,
        fixture::{
            self, IntoPayload, Network, account, fund, id,
            money::{self, date, entry, entry_key, target},
        },
        levy::account::LevyStatus,
        registry::role::RoleGrant,
    };

    impl IntoPayload for MatchEntry {
        fn into_payload(self) -> Payload {
            Payload::MatchEntry(self)
        }
    }

    fn matching(text: &str, targets: Vec<MatchTarget>) -> MatchEntry {
        MatchEntry { account: account(), entry: entry_key(text), targets }
    }

    fn royalty(period: &str) -> Target {
        let (payer, schedule) = (id("reuser"), money::schedule_code("royalty"));
        Target::Levy(LevyTarget { payer, schedule, period: period.parse().unwrap() })
    }

    fn prepaid() -> Target {
        Target::Prepaid(PrepaidTarget { payer: id("reuser"), schedule: money::schedule_code("royalty") })
    }

    fn prepaid_account() -> Account {
        Account::PrepaidLevy { payer: id("reuser"), schedule: money::schedule_code("royalty") }
    }

    fn in_summer() -> Network {
        let mut network = money::network();
        network.advance_to(date(2027, 7, 2).start_time());
        network
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let mut network = in_summer();
        let kept = network.promise(10, None);
        let open = network.promise(100, None);
        let foreign = network.promise(100, None);
        network.declare_calls("2027Q1", 2_000_000);
        let reference = Some(Reference::of(ReferenceKind::Promise, kept.hash()));
        let entries = vec![entry("kept", 10, reference), entry("a", 150, None), entry("debit", -5, None)];
        network.attest(network.statement(entries));
        let other_fund = FundCode::new("other").unwrap();
        network.edit(|state| {
            state.update::<Promise>(&foreign, |promise| promise.fund = other_fund);
            state.put::<RoleGrant>((id("lab"), Role::Comptable, Scope::Fund(fund())), RoleGrant { change: None });
        });
        network.suspend("lab");
        let (nowhere, unknown) = (BankAccountId::ZERO, PromiseId::ZERO);
        let promise = |id, minor| target(Target::Promise(id), minor);
        let dollars =
            |id| MatchTarget { target: Target::Promise(id), amount: Amount::new(200, Currency::new("USD").unwrap()) };
        let table: Vec<(&str, MatchEntry)> = vec![
            ("lab", matching("a", vec![promise(unknown, 0); 65])),
            ("lab", matching("a", vec![])),
            ("lab", MatchEntry { account: nowhere, ..matching("a", vec![promise(open, 1)]) }),
            ("region", matching("never", vec![promise(open, 1)])),
            ("bank", MatchEntry { account: nowhere, ..matching("never", vec![promise(open, 1)]) }),
            ("bank", matching("never", vec![promise(unknown, 1)])),
            ("bank", matching("debit", vec![promise(unknown, 1)])),
            ("bank", matching("debit", vec![promise(kept, 1)])),
            ("bank", matching("a", vec![dollars(open), promise(kept, 1)])),
            ("bank", matching("a", vec![dollars(foreign)])),
            ("bank", matching("a", vec![promise(foreign, 200)])),
            ("bank", matching("a", vec![promise(open, 200)])),
            ("bank", matching("a", vec![promise(open, 60), promise(open, 60)])),
        ];
        let mut reached: Vec<&str> = table.into_iter().map(|(signer, it)| network.refusal(signer, it)).collect();
        let stands = |network: &mut Network, balance| {
            let account = Account::Suspense { account: account() };
            network.edit(|state| state.put::<AccountBalance>(account, AccountBalance { fund: fund(), balance }));
            network.refusal("bank", matching("a", vec![promise(open, 100)]))
        };
        reached.push(stands(&mut network, -1));
        let account = Account::Unallocated { fund: fund(), source: Code::new("contribution").unwrap() };
        network.edit(|state| {
            state.put::<AccountBalance>(account, AccountBalance { fund: fund(), balance: Balance::MIN });
        });
        reached.push(stands(&mut network, -1_000));
        fixture::assert_all_reached(Kind::MatchEntry, &reached);
    }

    #[test]
    fn a_declared_levy_that_is_not_assessed_takes_nothing() {
        let mut network = in_summer();
        network.assess_calls("2027Q1", 2_000_000);
        network.declare_calls("2027Q2", 2_000_000);
        network.receive("a", 100, None);
        assert_eq!(network.refusal("bank", matching("a", vec![target(royalty("2027Q2"), 100)])), "StateTarget");
        assert_eq!(network.refusal("bank", matching("a", vec![target(royalty("2026Q4"), 100)])), "UnknownTarget");
        let unregistered =
            Target::Prepaid(PrepaidTarget { payer: OrganisationId::ZERO, schedule: money::schedule_code("royalty") });
        assert_eq!(network.refusal("bank", matching("a", vec![target(unregistered, 100)])), "UnknownTarget");
    }

    #[test]
    fn an_entry_pays_several_targets_and_its_rest_stays_in_suspense() {
        let mut network = in_summer();
        network.assess_calls("2027Q1", 2_000_000);
        network.assess_calls("2027Q2", 2_000_000);
        let promise = network.promise(700, Some("startups"));
        network.receive("a", 15_000, None);
        let targets =
            vec![target(Target::Promise(promise), 700), target(royalty("2027Q2"), 12_000), target(prepaid(), 300)];
        fixture::assert_round_trips(&matching("a", targets.clone()).into_payload());
        let Event::MatchEntry(event) = network.run("bank", matching("a", targets)).unwrap() else { panic!() };
        assert_eq!(event.parts.iter().map(|part| part.amount).collect::<Vec<_>>(), [700, 10_000, 2_000, 300]);
        assert_eq!(event.rest, 2_000);
        assert_eq!(network.royalty("2027Q1").status, LevyStatus::Paid);
        assert_eq!(network.royalty("2027Q2").open(), 8_000);
        assert_eq!(network.balance(&prepaid_account()), -300);
        assert_eq!(network.balance(&Account::Suspense { account: account() }), -2_000);
        network.assert_sound();
        assert_eq!(network.refusal("bank", matching("a", vec![target(prepaid(), 2_001)])), "EntryUsed");
        network.run("bank", matching("a", vec![target(prepaid(), 2_000)])).unwrap();
        assert_eq!(network.refusal("bank", matching("a", vec![target(prepaid(), 1)])), "EntryUsed");
        network.assert_sound();
    }
}
