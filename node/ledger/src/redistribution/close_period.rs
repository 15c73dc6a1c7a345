//! `close_period`: splits what stands unallocated in a fund by the policy of the period, source by source.
//!
//! - Allowed: any active organisation, once the period has ended and every bank account of the fund is attested to its end.
//! - Effect: per source in order of code: a deficit is covered first, then reserve, costs, envelopes (largest remainder). The fund's next period is
//!   due. The event holds every input: anyone can compute the split again (I13).
//! - Source: rulebook §3, §6 and §17, 0501.

use super::{
    envelope,
    policy::{Policy, in_force},
    split::{SplitShare, SplitSource, split},
};
use crate::{
    accounts::{Account, AccountBalance, Movement, PostingError, Postings, balance},
    action::{Action, BASE_COST, Effect, Place},
    bank::{
        account::{BankAccount, accounts_of},
        entry::suspended_before,
    },
    history::RecordRef,
    parameters::Parameter,
    refusal::refusals,
    registry::{
        fund::{Envelope, Fund},
        organisation::Organisation,
    },
    signer::Context,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;
use std::collections::BTreeSet;

message! {
    /// The payload.
    pub struct ClosePeriod = ClosePeriod {
        /// The fund.
        pub fund: FundCode,
        /// Its next period.
        pub period: Period,
    }

    /// How far a bank account is attested.
    pub struct AttestedAccount = AttestedAccount {
        /// Which.
        pub account: BankAccountId,
        /// Its last final statement.
        pub sequence: u64,
        /// Last day of that.
        pub to: LegalDate [required],
    }

    /// The event.
    pub struct PeriodClosed = PeriodClosed {
        /// The fund.
        pub fund: FundCode,
        /// The period.
        pub period: Period,
        /// The one that is next now.
        pub next_period: Period,
        /// The policy that decides.
        pub policy: PolicyCode,
        /// Who asked.
        pub organisation: OrganisationId,
        /// How far the fund's accounts are attested.
        pub accounts: Vec<AttestedAccount>,
        /// Minor units in suspense for longer than allowed, within the tolerance.
        pub old_suspense: u64,
        /// In order of code.
        pub sources: Vec<SplitSource>,
        /// In the same order.
        pub postings: Postings,
    }
}

refusals! {
    Suspended(OrganisationId): Suspended 1 "organisation {0} is not active", "the signer is suspended, merged or closed";
    UnknownFund(FundCode): Unknown 1 "fund {0} does not exist", "the fund does not exist";
    StateLength(Period, PeriodLength): State 1 "{0} is no {1}", "the fund's periods have another length";
    StateClosed(Period): State 2 "period {0} is closed", "the period is closed already";
    StateEarlier(Period): State 3 "period {0} is open and comes first", "an earlier period is open";
    StatePolicy(Period): State 4 "no policy decides {0}", "no policy of the fund is in force";
    WindowOpen(Period, BlockTime): Window 1 "period {0} ends at {1}", "the period has not ended";
    StatementGap(BankAccountId, LegalDate): StatementGap 1 "bank account {0} is not attested to {1}", "a bank account of the fund is not attested to the period's end";
    StateSuspense(u64, u64): State 5 "{0} minor units are in suspense for too long, {1} are tolerated", "old suspense exceeds the tolerance";
    Insufficient(PostingError): Insufficient 1 "{0}", "an account does not hold what the split moves";
    Overflow(PostingError): Overflow 1 "{0}", "a sum leaves its range";
    OverflowCalendar(Period): Overflow 2 "no period follows {0}", "the calendar ends";
    OverflowSource(Code): Overflow 3 "the balance of source {0} leaves its range", "a source holds more than one transaction can move";
}

impl From<PostingError> for Refused {
    fn from(error: PostingError) -> Self {
        match error {
            PostingError::Insufficient { .. } => Self::Insufficient(error),
            PostingError::Overflow(_) => Self::Overflow(error),
        }
    }
}

impl Action for ClosePeriod {
    type Event = PeriodClosed;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        Ok(())
    }

    /// The objects that a split writes are known only when it is decided: the price is that of a policy of full length.
    fn cost(&self) -> u64 {
        BASE_COST + 4 * 64
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<PeriodClosed, Refused> {
        let Self { fund, period } = *self;

        cx.active(state).map_err(|_| Refused::Suspended(cx.organisation))?;
        let record = state.get::<Fund>(&fund).ok_or(Refused::UnknownFund(fund))?;
        if period.length() != record.period_length {
            return Err(Refused::StateLength(period, record.period_length));
        }
        if period < record.next_period {
            return Err(Refused::StateClosed(period));
        }
        if period > record.next_period {
            return Err(Refused::StateEarlier(record.next_period));
        }
        let (code, policy) = in_force(state, &fund, period).ok_or(Refused::StatePolicy(period))?;
        if cx.place.time < period.end_time() {
            return Err(Refused::WindowOpen(period, period.end_time()));
        }
        let accounts = attested(state, &fund, period)?;
        let old_suspense = old_suspense(state, &accounts, cx.place.date())?;
        let next_period = period.next().ok_or(Refused::OverflowCalendar(period))?;
        let sources = sources(state, fund, &policy)?;
        let mut movement = Movement::in_fund(fund);
        for source in &sources {
            post(source, fund, &mut movement);
        }
        let postings = movement.check(state)?;
        Ok(PeriodClosed {
            fund,
            period,
            next_period,
            policy: code,
            organisation: cx.organisation,
            accounts,
            old_suspense,
            sources,
            postings,
        })
    }
}

/// Every bank account of the fund is attested to the period's last day.
fn attested(state: &Overlay<'_>, fund: &FundCode, period: Period) -> Result<Vec<AttestedAccount>, Refused> {
    let end = period.last_day();
    accounts_of(state, fund)
        .into_iter()
        .map(|(account, record)| match record.to {
            Some(to) if to >= end => Ok(AttestedAccount { account, sequence: record.sequence, to }),
            _ => Err(Refused::StatementGap(account, end)),
        })
        .collect()
}

/// Minor units in suspense for longer than `suspense_days`, if they are tolerated.
fn old_suspense(state: &Overlay<'_>, accounts: &[AttestedAccount], today: LegalDate) -> Result<u64, Refused> {
    let days = i64::try_from(state.parameter(Parameter::SuspenseDays)).unwrap_or(i64::MAX);
    let tolerated = state.parameter(Parameter::SuspenseTolerance);
    let before = today.plus_days(days.saturating_neg()).unwrap_or(LegalDate::MIN);
    let old = accounts
        .iter()
        .fold(0u64, |sum, attested| sum.saturating_add(suspended_before(state, &attested.account, before)));
    if old > tolerated { Err(Refused::StateSuspense(old, tolerated)) } else { Ok(old) }
}

/// The split of every source of a fund, in order of code.
fn sources(state: &Overlay<'_>, fund: FundCode, policy: &Policy) -> Result<Vec<SplitSource>, Refused> {
    let least = Code::new("-").expect("the least character of codes");
    let greatest = Code::new(&"z".repeat(Code::MAX)).expect("the greatest code");
    let unallocated = |source| Account::Unallocated { fund, source };
    let found = state.range::<AccountBalance>(unallocated(least)..=unallocated(greatest));
    // A deficit stands on the debit side; on the other side there is nothing to cover.
    let mut deficit = u64::try_from(balance(state, &Account::Deficit { fund })).unwrap_or(0);
    let mut sources = Vec::with_capacity(found.len());
    for (account, AccountBalance { balance, .. }) in found {
        let Account::Unallocated { source, .. } = account else { continue };
        // Postings are 64-bit legs; a source that no invariant lets overdraw holds 0 or more.
        let held = i64::try_from(-balance).ok().and_then(|held| u64::try_from(held).ok());
        let held = held.ok_or(Refused::OverflowSource(source))?;
        let part = split(source, held, deficit, policy.rule_for(source, state));
        deficit -= part.cover;
        sources.push(part);
    }
    Ok(sources)
}

/// Adds the postings of one source (rulebook §3, table A).
fn post(part: &SplitSource, fund: FundCode, movement: &mut Movement) {
    let SplitSource { source, balance: _, cover, reserve_ppm: _, fee_ppm: _, reserve, fee, shares } = part;
    let from = Account::Unallocated { fund, source: *source };
    movement.transfer(from.clone(), Account::Deficit { fund }, *cover);
    movement.transfer(from.clone(), Account::Reserve { fund }, *reserve);
    movement.transfer(from.clone(), Account::Costs { fund }, *fee);
    for SplitShare { envelope, ppm: _, amount } in shares {
        movement.transfer(from.clone(), Account::Envelope { fund, envelope: *envelope }, *amount);
    }
}

impl Effect for PeriodClosed {
    fn apply(&self, place: &Place, state: &mut Overlay<'_>) {
        for SplitShare { envelope, ppm: _, amount } in self.sources.iter().flat_map(|part| &part.shares) {
            envelope::credit(self.fund, *envelope, *amount, place, state);
        }
        state.update::<Fund>(&self.fund, |fund| fund.next_period = self.next_period);
    }

    /// The fund, the policy, who asked, the bank accounts that it rests on, and every envelope that it fills.
    fn subjects(&self) -> Vec<RecordRef> {
        let mut subjects = BTreeSet::from([
            RecordRef::of::<Fund>(&self.fund),
            RecordRef::of::<Policy>(&self.policy),
            RecordRef::of::<Organisation>(&self.organisation),
        ]);
        subjects.extend(self.accounts.iter().map(|attested| RecordRef::of::<BankAccount>(&attested.account)));
        let filled = self.sources.iter().flat_map(|part| &part.shares).filter(|share| share.amount > 0);
        subjects.extend(filled.map(|share| RecordRef::of::<Envelope>(&(self.fund, share.envelope))));
        subjects.into_iter().collect()
    }

    fn postings(&self) -> Option<&Postings> {
        Some(&self.postings)
    }
}
