//! What an entry pays: targets, the parts that a payment falls into, and which target a reference names (rulebook §3, §4, §5).
//!
//! `attest_statement` and `match_entry` use the same functions, so that a match is the same whoever makes it.

use super::{
    entry::{BankEntry, note_match},
    owed::OwedRefund,
};
use crate::{
    accounts::{Account, Movement},
    action::Place,
    campaign::pledge_record::{self, MatchedPledge, PledgeRecord},
    contribution::promise::Promise,
    grant::{
        clawback::{Clawback, MoneyReturn},
        grant::Grant,
    },
    history::RecordRef,
    levy::{
        account::{LevyAccount, LevyAssessment, LevySettlement, fund_of, owes_up_to, take_part},
        late::{Payment, post_payment, settle},
        prepaid, watch,
    },
    matching::round_contribution::{self, MatchedContribution, RoundContribution},
    redistribution::{cap::CapKey, envelope},
    registry::{fund::Fund, organisation::Organisation},
    state::{Overlay, Record},
    wire::{Wire, WireError, message, pb},
};
use core::fmt;
use octroi_primitives::*;

message! {
    /// A levy of a period. A payment for it settles older periods first.
    pub struct LevyTarget = LevyTarget {
        /// Who owes.
        pub payer: OrganisationId,
        /// Under which schedule.
        pub schedule: ScheduleCode,
        /// Up to and including which period.
        pub period: Period,
    }

    /// Money received before its assessment, or more than was due.
    pub struct PrepaidTarget = PrepaidTarget {
        /// Whose money it is.
        pub payer: OrganisationId,
        /// For which schedule.
        pub schedule: ScheduleCode,
    }

    /// A promise that was kept.
    pub struct MatchedPromise = MatchedPromise {
        /// Which.
        pub promise: PromiseId,
        /// Who promised.
        pub funder: OrganisationId,
        /// The account that received the money: an envelope, or unallocated money of a source.
        pub credited: Account,
    }

    /// Money that a clawback asked for.
    pub struct MatchedClawback = MatchedClawback {
        /// Which.
        pub clawback: ClawbackId,
        /// Of which grant.
        pub grant: GrantId,
        /// Who paid it back.
        pub lead: OrganisationId,
        /// The account that the grant's money came from.
        pub credited: Account,
    }

    /// Money of a grant that was sent back.
    pub struct MatchedReturn = MatchedReturn {
        /// Which.
        pub money_return: ReturnId,
        /// Of which grant.
        pub grant: GrantId,
        /// Who sent it.
        pub lead: OrganisationId,
        /// The account that the grant's money came from.
        pub credited: Account,
    }
}

/// What a payment is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A promise.
    Promise(PromiseId),
    /// A levy.
    Levy(LevyTarget),
    /// A levy that is not assessed yet.
    Prepaid(PrepaidTarget),
    /// A clawback.
    Clawback(ClawbackId),
    /// Money that a beneficiary sends back.
    MoneyReturn(ReturnId),
    /// A pledge to a campaign.
    Pledge(PledgeId),
    /// A contribution to a project in a matching round.
    Contribution(ContributionId),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Promise(id) => write!(f, "promise {id}"),
            Self::Levy(LevyTarget { payer, schedule, period }) => write!(f, "levy {schedule} {period} of {payer}"),
            Self::Prepaid(PrepaidTarget { payer, schedule }) => write!(f, "prepaid levy {schedule} of {payer}"),
            Self::Clawback(id) => write!(f, "clawback {id}"),
            Self::MoneyReturn(id) => write!(f, "return {id}"),
            Self::Pledge(id) => write!(f, "pledge {id}"),
            Self::Contribution(id) => write!(f, "contribution {id}"),
        }
    }
}

/// A target and how much of an entry goes there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchTarget {
    /// Where to.
    pub target: Target,
    /// How much.
    pub amount: Amount,
}

impl Wire for MatchTarget {
    type Proto = pb::MatchTarget;

    fn to_proto(&self) -> pb::MatchTarget {
        use pb::match_target::{Further, Target as Proto};
        let (target, further) = match &self.target {
            Target::Promise(id) => (Some(Proto::Promise(id.to_proto())), None),
            Target::Levy(levy) => (Some(Proto::Levy(levy.to_proto())), None),
            Target::Prepaid(prepaid) => (Some(Proto::Prepaid(prepaid.to_proto())), None),
            Target::Clawback(id) => (None, Some(Further::Clawback(id.to_proto()))),
            Target::MoneyReturn(id) => (None, Some(Further::MoneyReturn(id.to_proto()))),
            Target::Pledge(id) => (None, Some(Further::Pledge(id.to_proto()))),
            Target::Contribution(id) => (None, Some(Further::Contribution(id.to_proto()))),
        };
        pb::MatchTarget { target, amount: Some(self.amount.to_proto()), further }
    }

    fn from_proto(proto: pb::MatchTarget) -> Result<Self, WireError> {
        use pb::match_target::{Further, Target as Proto};
        let pb::MatchTarget { target, amount, further } = proto;
        let target = match (target, further) {
            (Some(Proto::Promise(id)), None) => Wire::from_proto(id).map(Target::Promise),
            (Some(Proto::Levy(levy)), None) => Wire::from_proto(levy).map(Target::Levy),
            (Some(Proto::Prepaid(prepaid)), None) => Wire::from_proto(prepaid).map(Target::Prepaid),
            (None, Some(Further::Clawback(id))) => Wire::from_proto(id).map(Target::Clawback),
            (None, Some(Further::MoneyReturn(id))) => Wire::from_proto(id).map(Target::MoneyReturn),
            (None, Some(Further::Pledge(id))) => Wire::from_proto(id).map(Target::Pledge),
            (None, Some(Further::Contribution(id))) => Wire::from_proto(id).map(Target::Contribution),
            (None, None) => Err(WireError::missing()),
            (Some(_), Some(_)) => Err(WireError::invalid("one target, not two")),
        };
        let amount = amount.ok_or_else(WireError::missing).and_then(Wire::from_proto);
        Ok(Self {
            target: target.map_err(|error| error.within("target"))?,
            amount: amount.map_err(|error| error.within("amount"))?,
        })
    }
}

/// Where a part of an entry went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// To a promise.
    Promise(MatchedPromise),
    /// To exactly this period of a levy, and what it does there.
    Levy(LevyTarget, LevySettlement),
    /// To the payer's prepaid money.
    Prepaid(PrepaidTarget),
    /// To a clawback.
    Clawback(MatchedClawback),
    /// To a return.
    MoneyReturn(MatchedReturn),
    /// To a pledge, held until its campaign is settled.
    Pledge(MatchedPledge),
    /// To a contribution, held until its round is settled.
    Contribution(MatchedContribution),
    /// To what is owed back, since it came too late or above a hard cap.
    Refund(OwedRefund),
}

/// Money of an entry that went to one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchedPart {
    /// The entry.
    pub entry: EntryKey,
    /// Minor units, above 0.
    pub amount: u64,
    /// Where it went.
    pub to: Destination,
}

impl Wire for MatchedPart {
    type Proto = pb::MatchedPart;

    fn to_proto(&self) -> pb::MatchedPart {
        use pb::matched_part::{Further, To};
        let Self { entry, amount, to } = self;
        let settlement = match to {
            Destination::Levy(_, settlement) => Some(settlement.to_proto()),
            Destination::Promise(_)
            | Destination::Prepaid(_)
            | Destination::Clawback(_)
            | Destination::MoneyReturn(_)
            | Destination::Pledge(_)
            | Destination::Contribution(_)
            | Destination::Refund(_) => None,
        };
        let (to, further) = match to {
            Destination::Promise(promise) => (Some(To::Promise(promise.to_proto())), None),
            Destination::Levy(levy, _) => (Some(To::Levy(levy.to_proto())), None),
            Destination::Prepaid(prepaid) => (Some(To::Prepaid(prepaid.to_proto())), None),
            Destination::Clawback(clawback) => (None, Some(Further::Clawback(clawback.to_proto()))),
            Destination::MoneyReturn(money_return) => (None, Some(Further::MoneyReturn(money_return.to_proto()))),
            Destination::Pledge(pledge) => (None, Some(Further::Pledge(pledge.to_proto()))),
            Destination::Contribution(contribution) => (None, Some(Further::Contribution(contribution.to_proto()))),
            Destination::Refund(owed) => (None, Some(Further::Refund(owed.to_proto()))),
        };
        pb::MatchedPart { entry: entry.to_proto(), amount: *amount, to, settlement, further }
    }

    fn from_proto(proto: pb::MatchedPart) -> Result<Self, WireError> {
        use pb::matched_part::{Further, To};
        let pb::MatchedPart { entry, amount, to, settlement, further } = proto;
        let settlement =
            Option::<LevySettlement>::from_proto(settlement).map_err(|error| error.within("settlement"))?;
        let to = match (to, further, settlement) {
            (Some(To::Levy(levy)), None, Some(settlement)) => {
                Wire::from_proto(levy).map(|levy| Destination::Levy(levy, settlement))
            }
            (Some(To::Levy(_)), None, None) => return Err(WireError::missing().within("settlement")),
            (_, _, Some(_)) => return Err(WireError::invalid("stands beside no levy").within("settlement")),
            (Some(To::Promise(promise)), None, None) => Wire::from_proto(promise).map(Destination::Promise),
            (Some(To::Prepaid(prepaid)), None, None) => Wire::from_proto(prepaid).map(Destination::Prepaid),
            (None, Some(Further::Clawback(clawback)), None) => Wire::from_proto(clawback).map(Destination::Clawback),
            (None, Some(Further::MoneyReturn(money_return)), None) => {
                Wire::from_proto(money_return).map(Destination::MoneyReturn)
            }
            (None, Some(Further::Pledge(pledge)), None) => Wire::from_proto(pledge).map(Destination::Pledge),
            (None, Some(Further::Contribution(contribution)), None) => {
                Wire::from_proto(contribution).map(Destination::Contribution)
            }
            (None, Some(Further::Refund(owed)), None) => Wire::from_proto(owed).map(Destination::Refund),
            (None, None, None) => Err(WireError::missing()),
            (Some(_), Some(_), None) => Err(WireError::invalid("one destination, not two")),
        };
        Ok(Self {
            entry: EntryKey::from_proto(entry).map_err(|error| error.within("entry"))?,
            amount,
            to: to.map_err(|error| error.within("to"))?,
        })
    }
}

impl Target {
    /// The fund that it pays into.
    fn fund(&self, state: &Overlay<'_>) -> Option<FundCode> {
        match self {
            Self::Promise(id) => state.get::<Promise>(id).map(|promise| promise.fund),
            Self::Levy(LevyTarget { payer, schedule, period }) => {
                state.has::<LevyAccount>(&(*payer, *schedule, *period)).then(|| fund_of(state, schedule))?
            }
            Self::Prepaid(PrepaidTarget { payer, schedule }) => {
                state.has::<Organisation>(payer).then(|| fund_of(state, schedule))?
            }
            Self::Clawback(id) => state.get::<Clawback>(id).map(|clawback| clawback.fund),
            Self::MoneyReturn(id) => state.get::<MoneyReturn>(id).map(|money_return| money_return.fund),
            Self::Pledge(id) => state.get::<PledgeRecord>(id).map(|pledge| pledge.fund),
            Self::Contribution(id) => state.get::<RoundContribution>(id).map(|contribution| contribution.fund),
        }
    }

    /// Whether it exists.
    pub(super) fn exists(&self, state: &Overlay<'_>) -> bool {
        self.fund(state).is_some()
    }

    /// Whether it pays into `fund`.
    pub(super) fn is_of(&self, fund: FundCode, state: &Overlay<'_>) -> bool {
        self.fund(state) == Some(fund)
    }

    /// Whether it can still be paid: a promise not kept in full, a levy that is assessed and has something open.
    pub(super) fn is_open(&self, entry: &BankEntry, state: &Overlay<'_>) -> bool {
        match self {
            Self::Promise(id) => state.get::<Promise>(id).is_some_and(|promise| promise.open_on(entry.value_date) > 0),
            Self::Levy(LevyTarget { payer, schedule, period }) => {
                let account = state.get::<LevyAccount>(&(*payer, *schedule, *period));
                account.is_some_and(|account| account.assessment.is_some())
                    && owes_up_to(state, *payer, *schedule, *period)
            }
            Self::Prepaid(_) => true,
            Self::Clawback(id) => state.get::<Clawback>(id).is_some_and(|clawback| clawback.open() > 0),
            Self::MoneyReturn(id) => state.get::<MoneyReturn>(id).is_some_and(|record| record.open(state) > 0),
            Self::Pledge(id) => state.get::<PledgeRecord>(id).is_some_and(|pledge| pledge.open() > 0),
            Self::Contribution(id) => state.get::<RoundContribution>(id).is_some_and(|record| record.open() > 0),
        }
    }

    /// What it can take of an entry, in minor units; `None`: any amount. A levy can take the charges for being late too, as the entry's value date
    /// leaves them owed; one whose charges leave their range takes nothing.
    pub(super) fn open(&self, entry: &BankEntry, at: LegalDate, state: &Overlay<'_>) -> Option<u64> {
        match self {
            Self::Promise(id) => Some(state.get::<Promise>(id).map_or(0, |promise| promise.open_on(entry.value_date))),
            Self::Levy(LevyTarget { payer, schedule, period }) => {
                let payment = Payment { amount: u64::MAX, value_date: entry.value_date, at };
                let settled = settle(state, *payer, *schedule, *period, payment).unwrap_or_default();
                Some(settled.iter().fold(0, |sum, part| sum.saturating_add(part.amount)))
            }
            Self::Pledge(id) => Some(state.get::<PledgeRecord>(id).map_or(0, PledgeRecord::open)),
            Self::Contribution(id) => Some(state.get::<RoundContribution>(id).map_or(0, RoundContribution::open)),
            Self::Prepaid(_) => None,
            Self::Clawback(id) => Some(state.get::<Clawback>(id).map_or(0, Clawback::open)),
            Self::MoneyReturn(id) => Some(state.get::<MoneyReturn>(id).map_or(0, |record| record.open(state))),
        }
    }

    /// The parts that `amount` of an entry falls into. The caller has checked that the target exists and can take it.
    pub(super) fn take(
        &self,
        (account, key): (BankAccountId, EntryKey),
        entry: &BankEntry,
        amount: u64,
        place: &Place,
        state: &Overlay<'_>,
    ) -> Vec<MatchedPart> {
        let at = place.date();
        match self {
            Self::Promise(id) => {
                let Some(promise) = state.get::<Promise>(id) else { return Vec::new() };
                let (fund, funder) = (promise.fund, promise.funder);
                let credited = match promise.earmark {
                    Some(envelope) => Account::Envelope { fund, envelope },
                    None => Account::Unallocated { fund, source: entry.source() },
                };
                let to = Destination::Promise(MatchedPromise { promise: *id, funder, credited });
                vec![MatchedPart { entry: key, amount, to }]
            }
            Self::Levy(LevyTarget { payer, schedule, period }) => {
                let payment = Payment { amount, value_date: entry.value_date, at };
                let settled = settle(state, *payer, *schedule, *period, payment).unwrap_or_default();
                let part = |settled: crate::levy::account::SettledPeriod| {
                    let target = LevyTarget { payer: *payer, schedule: *schedule, period: settled.period };
                    let to = Destination::Levy(target, settled.settlement);
                    MatchedPart { entry: key, amount: settled.amount, to }
                };
                settled.into_iter().map(part).collect()
            }
            Self::Prepaid(prepaid) => {
                vec![MatchedPart { entry: key, amount, to: Destination::Prepaid(prepaid.clone()) }]
            }
            Self::Clawback(id) => {
                let Some(Clawback { grant, lead, .. }) = state.get::<Clawback>(id).cloned() else { return Vec::new() };
                let Some(credited) = state.get::<Grant>(&grant).map(Grant::source) else { return Vec::new() };
                let to = Destination::Clawback(MatchedClawback { clawback: *id, grant, lead, credited });
                vec![MatchedPart { entry: key, amount, to }]
            }
            Self::MoneyReturn(id) => {
                let Some(MoneyReturn { grant, lead, .. }) = state.get::<MoneyReturn>(id).cloned() else {
                    return Vec::new();
                };
                let Some(credited) = state.get::<Grant>(&grant).map(Grant::source) else { return Vec::new() };
                let to = Destination::MoneyReturn(MatchedReturn { money_return: *id, grant, lead, credited });
                vec![MatchedPart { entry: key, amount, to }]
            }
            Self::Pledge(id) => pledge_record::take(id, key, account, amount, place, state),
            Self::Contribution(id) => round_contribution::take(id, key, account, amount, place, state),
        }
    }
}

impl MatchedPart {
    /// Adds its postings: out of suspense, to where it went (rulebook §3, table A).
    pub(super) fn post(&self, account: BankAccountId, fund: FundCode, movement: &mut Movement) {
        let suspense = Account::Suspense { account };
        match &self.to {
            Destination::Promise(promise) => {
                movement.transfer(suspense, promise.credited.clone(), self.amount);
            }
            Destination::Levy(LevyTarget { payer, schedule, period }, settlement) => {
                post_payment(movement, suspense, (*payer, *schedule, *period), fund, settlement);
            }
            Destination::Prepaid(PrepaidTarget { payer, schedule }) => {
                let prepaid = Account::PrepaidLevy { payer: *payer, schedule: *schedule };
                movement.transfer(suspense, prepaid, self.amount);
            }
            Destination::Clawback(MatchedClawback { clawback: _, grant, lead: _, credited }) => {
                movement.transfer(suspense, Account::ClawbackReceivable { grant: *grant }, self.amount);
                movement.transfer(Account::Uncollected { fund }, credited.clone(), self.amount);
            }
            Destination::MoneyReturn(MatchedReturn { credited, .. }) => {
                movement.transfer(suspense, credited.clone(), self.amount);
            }
            Destination::Pledge(pledge) => {
                movement.transfer(suspense, pledge.escrow(), self.amount);
            }
            Destination::Contribution(contribution) => {
                movement.transfer(suspense, contribution.escrow(), self.amount);
            }
            Destination::Refund(owed) => {
                movement.transfer(suspense, owed.owed(), self.amount);
            }
        }
    }

    /// Writes it, save its postings.
    pub(super) fn apply(&self, account: BankAccountId, place: &Place, state: &mut Overlay<'_>) {
        note_match(account, self.clone(), place.date(), state);
        match &self.to {
            Destination::Promise(MatchedPromise { promise, funder: _, credited }) => {
                state.update::<Promise>(promise, |promise| promise.receive(credited, self.amount));
                if let Account::Envelope { fund, envelope } = credited {
                    envelope::credit(*fund, *envelope, self.amount, place, state);
                }
            }
            Destination::Levy(LevyTarget { payer, schedule, period }, settlement) => {
                state.update::<LevyAccount>(&(*payer, *schedule, *period), |levy| levy.take(settlement));
            }
            Destination::Prepaid(PrepaidTarget { payer, schedule }) => {
                let entry = state.get::<BankEntry>(&(account, self.entry)).expect("decide: the entry exists");
                let value_date = entry.value_date;
                prepaid::add(state, *payer, *schedule, value_date, self.amount);
            }
            Destination::Clawback(MatchedClawback { clawback, .. }) => Clawback::receive(state, clawback, self.amount),
            Destination::MoneyReturn(MatchedReturn { money_return, .. }) => {
                MoneyReturn::receive(state, money_return, self.amount);
            }
            Destination::Pledge(pledge) => pledge_record::fund(pledge, account, self.amount, state),
            Destination::Contribution(contribution) => {
                round_contribution::fund(contribution, self.amount, state);
            }
            Destination::Refund(owed) => {
                let object = owed.refund.object;
                let (pledge, contribution) = (PledgeId::new(object), ContributionId::new(object));
                if state.has::<PledgeRecord>(&pledge) {
                    state.update::<PledgeRecord>(&pledge, |record| record.returned += self.amount);
                } else {
                    state.update::<RoundContribution>(&contribution, |record| record.returned += self.amount);
                }
                owed.apply(state);
            }
        }
    }

    /// Adds the postings that take it back: into suspense again.
    pub(super) fn post_back(&self, account: BankAccountId, fund: FundCode, movement: &mut Movement) {
        let suspense = Account::Suspense { account };
        match &self.to {
            Destination::Promise(promise) => {
                movement.transfer(promise.credited.clone(), suspense, self.amount);
            }
            Destination::Levy(LevyTarget { payer, schedule, period }, settlement) => {
                let (payer, schedule, period) = (*payer, *schedule, *period);
                let penalties = settlement.interest + settlement.surcharge;
                let receivable = Account::LevyReceivable { payer, schedule, period };
                let penalty = Account::PenaltyReceivable { payer, schedule, period };
                let free = Account::Unallocated { fund, source: schedule.code() };
                movement.transfer(receivable, suspense.clone(), settlement.principal);
                movement.transfer(penalty, suspense, penalties);
                movement.transfer(free, Account::Uncollected { fund }, self.amount);
            }
            Destination::Prepaid(PrepaidTarget { payer, schedule }) => {
                let prepaid = Account::PrepaidLevy { payer: *payer, schedule: *schedule };
                movement.transfer(prepaid, suspense, self.amount);
            }
            Destination::Clawback(MatchedClawback { clawback: _, grant, lead: _, credited }) => {
                movement.transfer(Account::ClawbackReceivable { grant: *grant }, suspense, self.amount);
                movement.transfer(credited.clone(), Account::Uncollected { fund }, self.amount);
            }
            Destination::MoneyReturn(MatchedReturn { credited, .. }) => {
                movement.transfer(credited.clone(), suspense, self.amount);
            }
            Destination::Pledge(pledge) => {
                movement.transfer(pledge.escrow(), suspense, self.amount);
            }
            Destination::Contribution(contribution) => {
                movement.transfer(contribution.escrow(), suspense, self.amount);
            }
            Destination::Refund(owed) => {
                movement.transfer(owed.owed(), suspense, self.amount);
            }
        }
    }

    /// Takes it back, save its postings and the entry. `on` is the day of the match. Charges that the payment left posted stay; the next payment
    /// computes them again. False if what it paid was used or given back since: then nothing may be written of it.
    pub(super) fn undo(&self, account: BankAccountId, on: LegalDate, place: &Place, state: &mut Overlay<'_>) -> bool {
        match &self.to {
            Destination::Promise(MatchedPromise { promise, funder: _, credited }) => {
                let Some(mut record) = state.get::<Promise>(promise).cloned() else { return false };
                if !record.take_back(credited, self.amount) {
                    return false;
                }
                state.put::<Promise>(*promise, record);
                if let Account::Envelope { fund, envelope } = credited {
                    envelope::take_back(*fund, *envelope, self.amount, on, state);
                }
                true
            }
            Destination::Levy(LevyTarget { payer, schedule, period }, settlement) => {
                let key = (*payer, *schedule, *period);
                let Some(mut levy) = state.get::<LevyAccount>(&key).cloned() else { return false };
                let paid = take_part(&mut levy.parts, settlement.value_date, settlement.principal)
                    && levy.interest_paid >= settlement.interest
                    && levy.surcharge_paid >= settlement.surcharge
                    && !levy.has_ended();
                if !paid {
                    return false;
                }
                levy.paid -= settlement.principal;
                levy.interest_paid -= settlement.interest;
                levy.surcharge_paid -= settlement.surcharge;
                levy.stand();
                state.put::<LevyAccount>(key, levy);
                watch::mark_if_late(state, key, place.date());
                true
            }
            Destination::Prepaid(PrepaidTarget { payer, schedule }) => {
                let entry = state.get::<BankEntry>(&(account, self.entry)).expect("decide: the entry exists");
                let value_date = entry.value_date;
                prepaid::take(state, *payer, *schedule, value_date, self.amount)
            }
            Destination::Clawback(MatchedClawback { clawback, .. }) => {
                Clawback::receive_back(state, clawback, self.amount);
                true
            }
            Destination::MoneyReturn(MatchedReturn { money_return, .. }) => {
                MoneyReturn::receive_back(state, money_return, self.amount);
                true
            }
            // Held for others, under a goal or formula that counts it already: it comes back by a withdrawal or a refund.
            Destination::Pledge(_) | Destination::Contribution(_) | Destination::Refund(_) => false,
        }
    }

    /// The envelope and period in which the base of the caps shrinks when it is taken back; `on` is the day of the match.
    pub(super) fn cap_base(&self, on: LegalDate, state: &Overlay<'_>) -> Option<CapKey> {
        match &self.to {
            Destination::Promise(MatchedPromise { credited: Account::Envelope { fund, envelope }, .. }) => {
                let length = state.get::<Fund>(fund)?.period_length;
                Some(CapKey { fund: *fund, envelope: *envelope, period: Period::containing(on, length) })
            }
            Destination::Promise(_)
            | Destination::Levy(..)
            | Destination::Prepaid(_)
            | Destination::Clawback(_)
            | Destination::MoneyReturn(_)
            | Destination::Pledge(_)
            | Destination::Contribution(_)
            | Destination::Refund(_) => None,
        }
    }

    /// The records whose story it belongs to.
    pub(super) fn subjects(&self) -> Vec<RecordRef> {
        match &self.to {
            Destination::Promise(MatchedPromise { promise, funder, credited: _ }) => {
                vec![RecordRef::of::<Promise>(promise), RecordRef::of::<Organisation>(funder)]
            }
            Destination::Levy(LevyTarget { payer, schedule, period }, _) => {
                vec![RecordRef::of::<LevyAccount>(&(*payer, *schedule, *period)), RecordRef::of::<Organisation>(payer)]
            }
            Destination::Prepaid(PrepaidTarget { payer, schedule: _ }) => vec![RecordRef::of::<Organisation>(payer)],
            Destination::Clawback(MatchedClawback { clawback, grant, lead, credited: _ }) => vec![
                RecordRef::of::<Clawback>(clawback),
                RecordRef::of::<Grant>(grant),
                RecordRef::of::<Organisation>(lead),
            ],
            Destination::MoneyReturn(MatchedReturn { money_return, grant, lead, credited: _ }) => vec![
                RecordRef::of::<MoneyReturn>(money_return),
                RecordRef::of::<Grant>(grant),
                RecordRef::of::<Organisation>(lead),
            ],
            Destination::Pledge(pledge) => pledge_record::subjects(pledge),
            Destination::Contribution(contribution) => round_contribution::subjects(contribution),
            Destination::Refund(owed) => owed.subjects().to_vec(),
        }
    }
}

/// The one record whose id begins as the reference says; `None` if there is none, or more than one.
pub fn named<R: Record>(
    state: &Overlay<'_>,
    reference: &Reference,
    id: impl Fn(Hash) -> R::Key,
) -> Option<(R::Key, R)> {
    let mut first = [0x00; 32];
    let mut last = [0xff; 32];
    first[..16].copy_from_slice(&reference.bytes);
    last[..16].copy_from_slice(&reference.bytes);
    let mut found = state.range::<R>(id(Hash::from_bytes(first))..=id(Hash::from_bytes(last)));
    if found.len() == 1 { found.pop() } else { None }
}

/// What a credit with this reference pays by itself: a promise, an assessed levy, a clawback, a return, a pledge or a contribution of the same fund
/// (rulebook §4). Other letters wait in suspense.
pub(super) fn automatic(fund: FundCode, reference: &Reference, state: &Overlay<'_>) -> Option<Target> {
    let target = match reference.kind {
        ReferenceKind::Promise => Target::Promise(named::<Promise>(state, reference, PromiseId::new)?.0),
        ReferenceKind::Levy => {
            let (_, assessment) = named::<LevyAssessment>(state, reference, AssessmentId::new)?;
            let LevyAssessment { payer, schedule, period, .. } = assessment;
            Target::Levy(LevyTarget { payer, schedule, period })
        }
        ReferenceKind::Clawback => Target::Clawback(named::<Clawback>(state, reference, ClawbackId::new)?.0),
        ReferenceKind::Return => Target::MoneyReturn(named::<MoneyReturn>(state, reference, ReturnId::new)?.0),
        ReferenceKind::Pledge => Target::Pledge(named::<PledgeRecord>(state, reference, PledgeId::new)?.0),
        ReferenceKind::Matching => {
            Target::Contribution(named::<RoundContribution>(state, reference, ContributionId::new)?.0)
        }
        ReferenceKind::Payout | ReferenceKind::Refund => return None,
    };
    target.is_of(fund, state).then_some(target)
}
