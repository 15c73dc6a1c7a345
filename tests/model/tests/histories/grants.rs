//! Random acts on the life of a grant besides evidence and payment: amendments, stops, ends, and money that comes back.

use crate::generate::Generator;
use octroi_ledger::{
    Kind, Payload,
    bank::entry::{BankEntry, SuspendedCredit},
    fixture::{account, commitment},
    grant::{
        amend_grant::AmendGrant,
        cancel_order::CancelOrder,
        clawback::{Clawback, ClawbackReason},
        fail_payment::{FailPayment, ReturnedTransfer},
        file_final_report::FileFinalReport,
        grant::{AmendedTranche, Amendment, Grant, GrantStatus, PartStatus, Tranche},
        offset_clawback::OffsetClawback,
        open_clawback::OpenClawback,
        payout::{Payout, PayoutStatus},
        refuse_payment::RefusePayment,
        return_money::ReturnMoney,
        suspend_grant::{SuspendGrant, Suspension},
        terminate_grant::TerminateGrant,
    },
};
use octroi_primitives::*;

fn reason() -> ReasonCode {
    ReasonCode::new("circumstances").expect("a code")
}

fn goes_on(grant: &Grant) -> bool {
    matches!(grant.status, GrantStatus::Active | GrantStatus::Suspended | GrantStatus::Reporting)
}

impl Generator<'_> {
    /// Who asks for what; `None` for kinds of other families.
    pub fn granting(&mut self, kind: Kind) -> Option<(&'static str, Payload)> {
        Some(match kind {
            Kind::FailPayment => ("bank", Payload::FailPayment(self.failure())),
            Kind::AmendGrant => self.amendment_signed(),
            Kind::SuspendGrant => {
                let (grant, record) = self.grant(goes_on);
                let stopped = record.is_some_and(|record| record.status == GrantStatus::Suspended);
                let asked = if stopped != self.random.in_hundred(8) { Suspension::Resume } else { Suspension::Suspend };
                let act = SuspendGrant { grant, asked, reason: reason(), document: commitment("stop") };
                ("region", Payload::SuspendGrant(act))
            }
            Kind::TerminateGrant => {
                let (grant, _) = self.grant(goes_on);
                let from_year = self.random.one(&[None, None, Some(2027), Some(2028)]);
                let act = TerminateGrant { grant, from_year, reason: reason(), document: commitment("end") };
                ("region", Payload::TerminateGrant(act))
            }
            Kind::ReturnMoney => {
                let (grant, record) = self.grant(|grant| grant.refundable() > 0);
                let most = record.as_ref().map_or(1, Grant::refundable);
                let act = ReturnMoney { grant, amount: self.part_of(most), reason: reason() };
                (self.code_of(record.map(|record| record.lead())), Payload::ReturnMoney(act))
            }
            Kind::FileFinalReport => self.report_at_the_end(),
            Kind::OpenClawback => self.clawback(),
            Kind::OffsetClawback => ("region", Payload::OffsetClawback(self.offset())),
            Kind::RefusePayment => {
                let (grant, tranche) = self.ordered();
                let act = RefusePayment { grant, tranche, reason: reason(), comment: commitment("refused") };
                ("bank", Payload::RefusePayment(act))
            }
            Kind::CancelOrder => {
                let (grant, tranche) = self.ordered();
                ("region", Payload::CancelOrder(CancelOrder { grant, tranche, reason: reason() }))
            }
            _ => return None,
        })
    }

    fn ordered(&mut self) -> (GrantId, u32) {
        let waits = |tranche: &Tranche| tranche.ordered_part().is_some();
        let (grant, record) = self.grant(|grant| grant.tranches.iter().any(waits));
        (grant, self.tranche_of(record.as_ref(), waits))
    }

    fn failure(&mut self) -> FailPayment {
        let payout = self.any::<Payout>(PayoutId::ZERO, |payout| payout.status != PayoutStatus::Failed);
        let record = self.state.get::<Payout>(&payout);
        let paid = record.is_some_and(|record| record.status == PayoutStatus::Paid);
        let needed = record.map_or(0, |record| record.amount.minor);
        // Only a credit that holds all of it brings it back.
        let credits: Vec<EntryKey> = self
            .state
            .all::<SuspendedCredit>()
            .map(|((_, _, entry), _)| *entry)
            .filter(|entry| self.state.get::<BankEntry>(&(account(), *entry)).is_some_and(|entry| entry.rest >= needed))
            .collect();
        let returned = (paid != self.random.in_hundred(5)).then(|| {
            let entry = self.random.pick(&credits).unwrap_or(EntryKey::ZERO);
            ReturnedTransfer { account: account(), entry }
        });
        FailPayment { payout, reason: reason(), returned }
    }

    /// Mostly another signature under what waits for it; else a new amendment, of a tranche's amount or date.
    fn amendment_signed(&mut self) -> (&'static str, Payload) {
        let (grant, record) = self.grant(goes_on);
        let lead = self.code_of(record.as_ref().map(Grant::lead));
        let pending = record.as_ref().and_then(|record| record.pending_amendment.clone());
        let amendment = match pending {
            Some(pending) if self.random.in_hundred(80) => pending.amendment,
            _ => self.amendment_of(record.as_ref()),
        };
        (self.random.one(&[lead, "asso2", "region"]), Payload::AmendGrant(AmendGrant { grant, amendment }))
    }

    fn amendment_of(&mut self, record: Option<&Grant>) -> Amendment {
        let untouched = |tranche: &Tranche| tranche.parts.iter().all(|part| part.status == PartStatus::Planned);
        let number = self.tranche_of(record, untouched);
        let tranche = record.and_then(|record| record.tranche(number));
        let line = tranche.map(|tranche| {
            let amount = match self.random.below(4) {
                0 => tranche.amount,
                1 => tranche.amount + self.random.below(100_000),
                _ => self.random.below(tranche.amount + 1),
            };
            AmendedTranche {
                number,
                kind: tranche.kind,
                amount,
                due: tranche.due.plus_months(1).expect("in the calendar"),
                budget_year: tranche.budget_year + u32::from(self.random.in_hundred(30)),
                criteria: tranche.criteria,
                evidence_needed: tranche.evidence_needed,
            }
        });
        let date = self.today().plus_days(i64::from(self.random.in_hundred(5))).expect("in the calendar");
        Amendment { convention: commitment("amended"), date, payee_account: None, tranches: line.into_iter().collect() }
    }

    /// The ordonnateur mostly confirms what the lead has filed.
    fn report_at_the_end(&mut self) -> (&'static str, Payload) {
        let runs = |grant: &Grant| grant.is_running() || grant.status == GrantStatus::Terminated;
        let (grant, record) = self.grant(runs);
        let lead = self.code_of(record.as_ref().map(Grant::lead));
        let awarded = record.as_ref().map_or(1, |record| record.awarded.minor);
        let filed = record.and_then(|record| record.report).map(|filed| filed.actual_cost);
        let cost = Amount::eur(self.random.below(awarded * 2));
        let act = |actual_cost| FileFinalReport { grant, actual_cost, report: commitment("final report") };
        match filed {
            Some(filed) if self.random.in_hundred(75) => ("region", Payload::FileFinalReport(act(filed))),
            _ => (lead, Payload::FileFinalReport(act(cost))),
        }
    }

    /// Another organisation mostly says what one has said.
    fn clawback(&mut self) -> (&'static str, Payload) {
        let (grant, record) = self.grant(|grant| grant.refundable() > 0);
        let refundable = record.as_ref().map_or(1, Grant::refundable);
        let said = record.and_then(|record| record.proposed_clawback);
        let (amount, reason) = match said {
            Some(said) if self.random.in_hundred(80) => (Amount::eur(said.amount), said.reason),
            _ => (self.part_of(refundable), self.random.one(ClawbackReason::ALL)),
        };
        let act = OpenClawback { grant, amount, reason, document: commitment("why") };
        (self.random.one(&["region", "bank", "foundation"]), Payload::OpenClawback(act))
    }

    /// A payment to whoever owes a clawback.
    fn offset(&mut self) -> OffsetClawback {
        let clawback = self.any::<Clawback>(ClawbackId::ZERO, |clawback| clawback.open() > 0);
        let owed = self.state.get::<Clawback>(&clawback).map(|clawback| (clawback.lead, clawback.open()));
        let can_pay = |tranche: &Tranche| tranche.payable_part().is_some();
        let debtor = owed.map(|(lead, _)| lead);
        let (grant, record) = self.grant(|grant| Some(grant.lead()) == debtor && grant.tranches.iter().any(can_pay));
        let tranche = self.tranche_of(record.as_ref(), can_pay);
        let part = record.as_ref().and_then(|record| record.tranche(tranche)?.payable_part());
        let minor = part.map_or(1, |(_, part)| part.amount);
        let offset = self.part_of(minor.min(owed.map_or(1, |(_, open)| open)));
        OffsetClawback { grant, tranche, amount: Amount::eur(minor), offset, budget_year: 2027, clawback }
    }
}
