//! Random acts on money that was misread, is not explained, or goes back to whom it came from.

use crate::generate::{Generator, ORGANISATIONS};
use octroi_ledger::{
    Kind, Payload,
    bank::{
        book_cost::BookCost,
        entry::{BankEntry, SuspendedCredit},
        fail_refund::FailRefund,
        match_entry::MatchEntry,
        matching::{LevyTarget, MatchTarget, PrepaidTarget, Target},
        order_refund::{OrderRefund, RefundSource, SuspenseSource},
        owed::Owed,
        refund::{Refund, RefundStatus},
        release_refund::ReleaseRefund,
        unmatch_entry::UnmatchEntry,
    },
    contribution::{
        cancel_promise::CancelPromise, contribute_in_kind::ContributeInKind, promise::Promise,
        return_contribution::ReturnContribution,
    },
    fixture::{account, commitment, fund, id, money},
    grant::{
        clawback::{Clawback, MoneyReturn},
        fixture::payee_account,
    },
    levy::{account::LevyAccount, prepaid::PrepaidLevy},
    registry::project::Project,
};
use octroi_primitives::*;

fn reason() -> ReasonCode {
    ReasonCode::new("mistake").expect("a code")
}

impl Generator<'_> {
    /// Who asks for what; `None` for kinds of other families.
    pub fn bank(&mut self, kind: Kind) -> Option<(&'static str, Payload)> {
        Some(match kind {
            Kind::UnmatchEntry => {
                let nothing = (account(), EntryKey::ZERO);
                let (account, entry) = self.any::<BankEntry>(nothing, |entry| !entry.matched.is_empty());
                ("bank", Payload::UnmatchEntry(UnmatchEntry { account, entry, reason: reason() }))
            }
            Kind::OrderRefund => ("region", Payload::OrderRefund(self.refund())),
            Kind::ReleaseRefund => {
                let refund = self.any::<Refund>(Hash::ZERO, |refund| refund.status == RefundStatus::Ordered);
                let payee_account = if self.random.in_hundred(93) { payee_account() } else { commitment("another") };
                let execution_date = self.today();
                let act = ReleaseRefund { refund, from_account: account(), payee_account, execution_date };
                ("bank", Payload::ReleaseRefund(act))
            }
            Kind::FailRefund => ("bank", Payload::FailRefund(self.refund_failure())),
            Kind::BookCost => ("bank", Payload::BookCost(self.cost())),
            Kind::ContributeInKind => (self.random.one(&ORGANISATIONS), Payload::ContributeInKind(self.in_kind())),
            Kind::CancelPromise => {
                let promise = self.any::<Promise>(PromiseId::ZERO, |promise| promise.open() > 0);
                let funder = self.state.get::<Promise>(&promise).map(|record| record.funder);
                let act = CancelPromise { promise, reason: reason() };
                (self.code_of(funder), Payload::CancelPromise(act))
            }
            Kind::ReturnContribution => {
                let there = |promise: &Promise| promise.received.saturating_sub(promise.returned);
                let region = id("region");
                let fits = |promise: &Promise| promise.funder != region && there(promise) > 0;
                let promise = self.any::<Promise>(PromiseId::ZERO, fits);
                let most = self.state.get::<Promise>(&promise).map_or(1, there);
                let (amount, payee_account) = (self.part_of(most), payee_account());
                let act = ReturnContribution { promise, amount, payee_account, reason: reason() };
                ("region", Payload::ReturnContribution(act))
            }
            _ => return None,
        })
    }

    /// Mostly all or a part of so much; sometimes more.
    pub fn part_of(&mut self, most: u64) -> Amount {
        let most = most.max(1);
        Amount::eur(match self.random.below(10) {
            0 => most + 1 + self.random.below(1_000),
            1..=4 => most,
            _ => 1 + self.random.below(most),
        })
    }

    fn suspended(&mut self) -> (SuspenseSource, u64) {
        let (account, _, entry) = self.any::<SuspendedCredit>((account(), 0, EntryKey::ZERO), |_| true);
        let rest = self.state.get::<BankEntry>(&(account, entry)).map_or(1, |entry| entry.rest);
        (SuspenseSource { account, entry }, rest)
    }

    fn refund(&mut self) -> OrderRefund {
        let (source, left) = match self.random.below(6) {
            0 => {
                let nothing = (id("reuser"), money::schedule_code("royalty"));
                let (payer, schedule) = self.any::<PrepaidLevy>(nothing, |_| true);
                let held = self.state.get::<PrepaidLevy>(&(payer, schedule)).map_or(1, PrepaidLevy::sum);
                let held = u64::try_from(held).expect("the amounts of a short history");
                (RefundSource::Prepaid(PrepaidTarget { payer, schedule }), held)
            }
            1 | 2 if self.state.count::<Owed>() > 0 => {
                let owed = self.any::<Owed>(RefundId::ZERO, |_| true);
                (RefundSource::Owed(owed), self.state.get::<Owed>(&owed).map_or(1, |owed| owed.amount))
            }
            _ => {
                let (source, rest) = self.suspended();
                (RefundSource::Suspense(source), rest)
            }
        };
        // Small ones, so that money is left for the next.
        let most = if self.random.in_hundred(70) { left.min(20_000) } else { left };
        OrderRefund { source, amount: self.part_of(most), payee_account: payee_account(), reason: reason() }
    }

    fn refund_failure(&mut self) -> FailRefund {
        let refund = self.any::<Refund>(Hash::ZERO, |refund| refund.status != RefundStatus::Ordered);
        let record = self.state.get::<Refund>(&refund);
        let paid = record.is_some_and(|record| record.status == RefundStatus::Paid) != self.random.in_hundred(5);
        let returned = if paid { Some(self.suspended().0) } else { None };
        FailRefund { refund, reason: reason(), returned }
    }

    fn cost(&mut self) -> BookCost {
        let (account, entry) = self.any::<BankEntry>((account(), EntryKey::ZERO), |entry| entry.unexplained() > 0);
        let most = self.state.get::<BankEntry>(&(account, entry)).map_or(1, BankEntry::unexplained);
        let explained_by = if self.random.in_hundred(70) { Some(self.suspended().0.entry) } else { None };
        BookCost { account, entry, amount: self.part_of(most), explained_by, reason: reason() }
    }

    fn in_kind(&mut self) -> ContributeInKind {
        let project = self.random.in_hundred(30).then(|| self.any::<Project>(ProjectId::ZERO, |_| true));
        let tomorrow = self.random.in_hundred(8);
        ContributeInKind {
            fund: fund(),
            unit: Code::new(self.random.one(&["hours", "servers"])).expect("a code"),
            quantity: self.random.below(1_000),
            estimate: Amount::eur(self.random.below(100_000)),
            given_on: self.today().plus_days(i64::from(tomorrow)).expect("in the calendar"),
            description: commitment("in kind"),
            project,
            schedule: None,
            period: None,
        }
    }

    /// A credit that waits, mostly for something that can still take it.
    pub fn matched(&mut self) -> MatchEntry {
        let (SuspenseSource { account, entry }, rest) = self.suspended();
        let (target, open) = self.target(rest);
        let most = rest.min(open).max(1);
        let minor = if self.random.in_hundred(40) { most } else { self.amount(most + most / 10 + 1).minor };
        MatchEntry { account, entry, targets: vec![MatchTarget { target, amount: Amount::eur(minor) }] }
    }

    /// What could be paid, and how much of it is open.
    fn target(&mut self, rest: u64) -> (Target, u64) {
        let mut choices = vec![0, 0, 1, 2];
        choices.extend((self.state.count::<Clawback>() > 0).then_some(3));
        choices.extend((self.state.count::<MoneyReturn>() > 0).then_some(4));
        match self.random.one(&choices) {
            0 => {
                let promise = self.any::<Promise>(PromiseId::ZERO, |promise| promise.open() > 0);
                (Target::Promise(promise), self.state.get::<Promise>(&promise).map_or(1, Promise::open))
            }
            1 => {
                let nothing = (id("reuser"), money::schedule_code("royalty"), "2026Q4".parse().expect("a period"));
                let (payer, schedule, period) = self.any::<LevyAccount>(nothing, LevyAccount::is_open);
                let levy = self.state.get::<LevyAccount>(&(payer, schedule, period));
                (Target::Levy(LevyTarget { payer, schedule, period }), levy.map_or(1, LevyAccount::open))
            }
            2 => {
                let (payer, schedule) = (id("reuser"), money::schedule_code("royalty"));
                (Target::Prepaid(PrepaidTarget { payer, schedule }), rest)
            }
            3 => {
                let clawback = self.any::<Clawback>(ClawbackId::ZERO, |clawback| clawback.open() > 0);
                (Target::Clawback(clawback), self.state.get::<Clawback>(&clawback).map_or(1, Clawback::open))
            }
            _ => {
                let overlay = self.state.overlay();
                let money_return = self.any::<MoneyReturn>(ReturnId::ZERO, |record| record.open(&overlay) > 0);
                let open = self.state.get::<MoneyReturn>(&money_return).map_or(1, |record| record.open(&overlay));
                (Target::MoneyReturn(money_return), open)
            }
        }
    }
}
