//! Records: what an envelope received and committed in a period, as a whole and by territory (rulebook §6, caps, carry-over; I6).

use crate::{
    accounts::{Account, AccountBalance, balance},
    action::Place,
    registry::{
        fund::Fund,
        territory::{Level, Territory},
    },
    state::{Overlay, Record},
    wire::message,
};
use octroi_primitives::*;

message! {
    /// Record: what an envelope received in a period, the base of its caps.
    pub struct EnvelopePeriod = EnvelopePeriod {
        /// Minor units.
        pub credited: u64,
        /// Minor units of it that went to accounts of territories.
        pub territorial: u64,
        /// Minor units of the rest that a close put there and that expire.
        pub expiring: u64,
    }

    /// Record: what a territory's account of an envelope received in a period.
    pub struct TerritoryPeriod = TerritoryPeriod {
        /// Minor units.
        pub credited: u64,
        /// Minor units of it that expire.
        pub expiring: u64,
    }

    /// Record: what grants of an envelope and a period give to a territory.
    pub struct TerritoryCommitment = TerritoryCommitment {
        /// Minor units, derogations included.
        pub committed: u64,
        /// Minor units of it that a listed derogation allowed.
        pub derogated: u64,
    }

    /// Record: what grants of an envelope and a period give to an organisation, and to its whole group where it is the topmost parent.
    pub struct EnvelopeCommitment = EnvelopeCommitment {
        /// Minor units to the organisation itself, derogations included.
        pub beneficiary: u64,
        /// Minor units to the group that it heads.
        pub group: u64,
        /// Minor units of `beneficiary` that a listed derogation allowed.
        pub beneficiary_derogated: u64,
        /// Minor units of `group` that a listed derogation allowed.
        pub group_derogated: u64,
    }
}

impl Record for EnvelopePeriod {
    type Key = (FundCode, EnvelopeCode, Period);
}

impl Record for TerritoryPeriod {
    /// The period stands before the envelope: what expires of a period is one range.
    type Key = (FundCode, Period, EnvelopeCode, TerritoryCode);
}

impl Record for TerritoryCommitment {
    type Key = (FundCode, EnvelopeCode, Period, TerritoryCode);
}

impl EnvelopePeriod {
    /// Nothing received.
    pub const NOTHING: Self = Self { credited: 0, territorial: 0, expiring: 0 };
}

impl Record for EnvelopeCommitment {
    type Key = (FundCode, EnvelopeCode, Period, OrganisationId);
}

/// The period of a fund that a place belongs to: that of its block's legal date (rulebook §1). A fund that does not exist has none.
pub fn period_at(state: &Overlay<'_>, fund: &FundCode, place: &Place) -> Option<Period> {
    state.get::<Fund>(fund).map(|record| Period::containing(place.date(), record.period_length))
}

/// Whether what a close puts into an envelope expires when it stays unspent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// It stays until it is spent.
    Kept,
    /// The policy's carry-over ends.
    Expiring,
}

/// What an envelope received in a period so far.
pub fn received(state: &Overlay<'_>, key: &(FundCode, EnvelopeCode, Period)) -> EnvelopePeriod {
    state.get::<EnvelopePeriod>(key).cloned().unwrap_or(EnvelopePeriod::NOTHING)
}

/// Notes money that an envelope receives, whatever brought it; the postings are the event's own.
pub fn credit(fund: FundCode, envelope: EnvelopeCode, amount: u64, place: &Place, state: &mut Overlay<'_>) {
    share(fund, envelope, None, amount, Stay::Kept, place, state);
}

/// Notes money that a close puts into an envelope, or into a territory's account of it.
pub(super) fn share(
    fund: FundCode,
    envelope: EnvelopeCode,
    territory: Option<TerritoryCode>,
    amount: u64,
    stay: Stay,
    place: &Place,
    state: &mut Overlay<'_>,
) {
    let Some(period) = period_at(state, &fund, place) else { return };
    let expiring = match stay {
        Stay::Kept => 0,
        Stay::Expiring => amount,
    };
    let key = (fund, envelope, period);
    let mut record = received(state, &key);
    record.credited = record.credited.saturating_add(amount);
    match territory {
        None => record.expiring = record.expiring.saturating_add(expiring),
        Some(territory) => {
            record.territorial = record.territorial.saturating_add(amount);
            let key = (fund, period, envelope, territory);
            let mut part =
                state.get::<TerritoryPeriod>(&key).cloned().unwrap_or(TerritoryPeriod { credited: 0, expiring: 0 });
            part.credited = part.credited.saturating_add(amount);
            part.expiring = part.expiring.saturating_add(expiring);
            state.put::<TerritoryPeriod>(key, part);
        }
    }
    state.put::<EnvelopePeriod>(key, record);
}

/// The account that pays an award of an envelope in a territory: that of the nearest territory around it that has one, else the envelope's own
/// (rulebook §6, territorial envelopes).
pub fn pot(
    state: &Overlay<'_>,
    fund: FundCode,
    envelope: EnvelopeCode,
    territory: Option<TerritoryCode>,
) -> Option<TerritoryCode> {
    let has_account = |territory: &TerritoryCode| {
        state.has::<AccountBalance>(&Account::TerritorialEnvelope { fund, envelope, territory: *territory })
    };
    territory.and_then(|territory| around(state, territory).into_iter().find(has_account))
}

/// The account of an envelope, or of a territory in it.
pub fn account(fund: FundCode, envelope: EnvelopeCode, territory: Option<TerritoryCode>) -> Account {
    match territory {
        Some(territory) => Account::TerritorialEnvelope { fund, envelope, territory },
        None => Account::Envelope { fund, envelope },
    }
}

/// A territory and those around it, from the inside out; the tree has six levels.
pub fn around(state: &Overlay<'_>, territory: TerritoryCode) -> Vec<TerritoryCode> {
    let parent = |code: &TerritoryCode| state.get::<Territory>(code).and_then(|record| record.parent);
    core::iter::successors(Some(territory), parent).take(Level::ALL.len()).collect()
}

/// A fund's deficit that its free money would no longer cover.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the fund has {free} minor units free and a deficit of {deficit}; {outflow} were to go")]
pub struct Uncovered {
    /// Unallocated money, envelopes and reserve.
    pub free: i128,
    /// The deficit.
    pub deficit: i128,
    /// What was to leave them.
    pub outflow: u64,
}

/// Whether unallocated money, envelopes and reserve still cover the deficit when so much leaves them (rulebook §3). Reads the fund's accounts where
/// there is a deficit.
///
/// # Errors
/// What there is, and what would go.
pub fn covers_deficit(fund: FundCode, outflow: u64, state: &Overlay<'_>) -> Result<(), Uncovered> {
    let deficit = balance(state, &Account::Deficit { fund });
    if deficit <= 0 {
        return Ok(());
    }
    let free: i128 = state
        .range::<AccountBalance>(..)
        .into_iter()
        .filter(|(account, record)| record.fund == fund && is_free(account))
        .map(|(_, record)| -record.balance)
        .sum();
    if free - i128::from(outflow) < deficit { Err(Uncovered { free, deficit, outflow }) } else { Ok(()) }
}

/// Whether an account holds money that nothing is reserved for.
fn is_free(account: &Account) -> bool {
    matches!(
        account,
        Account::Unallocated { .. }
            | Account::Envelope { .. }
            | Account::TerritorialEnvelope { .. }
            | Account::Reserve { .. }
    )
}

/// Takes back what [`credit`] noted on a day: the match that brought the money was undone.
pub fn take_back(fund: FundCode, envelope: EnvelopeCode, amount: u64, on: LegalDate, state: &mut Overlay<'_>) {
    let Some(length) = state.get::<Fund>(&fund).map(|record| record.period_length) else { return };
    let key = (fund, envelope, Period::containing(on, length));
    let mut record = received(state, &key);
    record.credited = record.credited.saturating_sub(amount);
    state.put::<EnvelopePeriod>(key, record);
}
