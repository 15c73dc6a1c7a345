//! What an entry pays: targets, the parts that a payment falls into, and which target a reference names (rulebook §3, §4, §5).
//!
//! `attest_statement` and `match_entry` use the same functions, so that a match is the same whoever makes it.

use super::entry::{BankEntry, consume};
use crate::{
    accounts::{Account, Movement},
    action::Place,
    contribution::promise::Promise,
    grant::{
        clawback::{Clawback, MoneyReturn},
        grant::Grant,
    },
    history::RecordRef,
    levy::account::{LevyAccount, LevyAssessment, fund_of, open_up_to, post_payment, settle},
    redistribution::envelope,
    registry::organisation::Organisation,
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
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Promise(id) => write!(f, "promise {id}"),
            Self::Levy(LevyTarget { payer, schedule, period }) => write!(f, "levy {schedule} {period} of {payer}"),
            Self::Prepaid(PrepaidTarget { payer, schedule }) => write!(f, "prepaid levy {schedule} of {payer}"),
            Self::Clawback(id) => write!(f, "clawback {id}"),
            Self::MoneyReturn(id) => write!(f, "return {id}"),
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
        use pb::match_target::Target as Proto;
        let target = match &self.target {
            Target::Promise(id) => Proto::Promise(id.to_proto()),
            Target::Levy(levy) => Proto::Levy(levy.to_proto()),
            Target::Prepaid(prepaid) => Proto::Prepaid(prepaid.to_proto()),
            Target::Clawback(id) => Proto::Clawback(id.to_proto()),
            Target::MoneyReturn(id) => Proto::MoneyReturn(id.to_proto()),
        };
        pb::MatchTarget { target: Some(target), amount: Some(self.amount.to_proto()) }
    }

    fn from_proto(proto: pb::MatchTarget) -> Result<Self, WireError> {
        use pb::match_target::Target as Proto;
        let pb::MatchTarget { target, amount } = proto;
        let target = match target.ok_or_else(|| WireError::missing().within("target"))? {
            Proto::Promise(id) => Wire::from_proto(id).map(Target::Promise),
            Proto::Levy(levy) => Wire::from_proto(levy).map(Target::Levy),
            Proto::Prepaid(prepaid) => Wire::from_proto(prepaid).map(Target::Prepaid),
            Proto::Clawback(id) => Wire::from_proto(id).map(Target::Clawback),
            Proto::MoneyReturn(id) => Wire::from_proto(id).map(Target::MoneyReturn),
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
    /// To exactly this period of a levy.
    Levy(LevyTarget),
    /// To the payer's prepaid money.
    Prepaid(PrepaidTarget),
    /// To a clawback.
    Clawback(MatchedClawback),
    /// To a return.
    MoneyReturn(MatchedReturn),
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
        use pb::matched_part::To;
        let Self { entry, amount, to } = self;
        let to = match to {
            Destination::Promise(promise) => To::Promise(promise.to_proto()),
            Destination::Levy(levy) => To::Levy(levy.to_proto()),
            Destination::Prepaid(prepaid) => To::Prepaid(prepaid.to_proto()),
            Destination::Clawback(clawback) => To::Clawback(clawback.to_proto()),
            Destination::MoneyReturn(money_return) => To::MoneyReturn(money_return.to_proto()),
        };
        pb::MatchedPart { entry: entry.to_proto(), amount: *amount, to: Some(to) }
    }

    fn from_proto(proto: pb::MatchedPart) -> Result<Self, WireError> {
        use pb::matched_part::To;
        let pb::MatchedPart { entry, amount, to } = proto;
        let to = match to.ok_or_else(|| WireError::missing().within("to"))? {
            To::Promise(promise) => Wire::from_proto(promise).map(Destination::Promise),
            To::Levy(levy) => Wire::from_proto(levy).map(Destination::Levy),
            To::Prepaid(prepaid) => Wire::from_proto(prepaid).map(Destination::Prepaid),
            To::Clawback(clawback) => Wire::from_proto(clawback).map(Destination::Clawback),
            To::MoneyReturn(money_return) => Wire::from_proto(money_return).map(Destination::MoneyReturn),
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
    pub(super) fn is_open(&self, state: &Overlay<'_>) -> bool {
        let assessed = match self {
            Self::Promise(_) | Self::Prepaid(_) | Self::Clawback(_) | Self::MoneyReturn(_) => true,
            Self::Levy(LevyTarget { payer, schedule, period }) => state
                .get::<LevyAccount>(&(*payer, *schedule, *period))
                .is_some_and(|account| account.assessment.is_some()),
        };
        assessed && self.open(state) != Some(0)
    }

    /// What it can take, in minor units; `None`: any amount.
    pub(super) fn open(&self, state: &Overlay<'_>) -> Option<u64> {
        match self {
            Self::Promise(id) => Some(state.get::<Promise>(id).map_or(0, Promise::open)),
            Self::Levy(LevyTarget { payer, schedule, period }) => Some(open_up_to(state, *payer, *schedule, *period)),
            Self::Prepaid(_) => None,
            Self::Clawback(id) => Some(state.get::<Clawback>(id).map_or(0, Clawback::open)),
            Self::MoneyReturn(id) => Some(state.get::<MoneyReturn>(id).map_or(0, |record| record.open(state))),
        }
    }

    /// The parts that `amount` of an entry falls into. The caller has checked that the target exists and can take it.
    pub(super) fn take(&self, key: EntryKey, entry: &BankEntry, amount: u64, state: &Overlay<'_>) -> Vec<MatchedPart> {
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
            Self::Levy(LevyTarget { payer, schedule, period }) => settle(state, *payer, *schedule, *period, amount)
                .into_iter()
                .map(|settled| {
                    let target = LevyTarget { payer: *payer, schedule: *schedule, period: settled.period };
                    MatchedPart { entry: key, amount: settled.amount, to: Destination::Levy(target) }
                })
                .collect(),
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
            Destination::Levy(LevyTarget { payer, schedule, period }) => {
                post_payment(movement, suspense, (*payer, *schedule, *period), fund, self.amount);
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
        }
    }

    /// Writes it, save its postings.
    pub(super) fn apply(&self, account: BankAccountId, place: &Place, state: &mut Overlay<'_>) {
        consume(account, self.entry, self.amount, state);
        match &self.to {
            Destination::Promise(MatchedPromise { promise, funder: _, credited }) => {
                state.update::<Promise>(promise, |promise| promise.received += self.amount);
                if let Account::Envelope { fund, envelope } = credited {
                    envelope::credit(*fund, *envelope, self.amount, place, state);
                }
            }
            Destination::Levy(LevyTarget { payer, schedule, period }) => {
                state.update::<LevyAccount>(&(*payer, *schedule, *period), |levy| levy.pay(self.amount));
            }
            Destination::Prepaid(_) => {}
            Destination::Clawback(MatchedClawback { clawback, .. }) => Clawback::receive(state, clawback, self.amount),
            Destination::MoneyReturn(MatchedReturn { money_return, .. }) => {
                MoneyReturn::receive(state, money_return, self.amount);
            }
        }
    }

    /// The records whose story it belongs to.
    pub(super) fn subjects(&self) -> Vec<RecordRef> {
        match &self.to {
            Destination::Promise(MatchedPromise { promise, funder, credited: _ }) => {
                vec![RecordRef::of::<Promise>(promise), RecordRef::of::<Organisation>(funder)]
            }
            Destination::Levy(LevyTarget { payer, schedule, period }) => {
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

/// What a credit with this reference pays by itself: a promise, an assessed levy, a clawback or a return of the same fund (rulebook §4). Other letters wait in suspense.
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
        ReferenceKind::Pledge | ReferenceKind::Matching | ReferenceKind::Payout | ReferenceKind::Refund => return None,
    };
    target.is_of(fund, state).then_some(target)
}
