//! Record: how a fund's money is split, from a period on (rulebook §6).

use super::need::NeedTable;
use crate::{
    levy::schedule::{LevyKind, LevySchedule},
    registry::{
        fund::{Envelope, Fund},
        territory::Level,
    },
    state::{Overlay, Record},
    wire::{message, words},
};
use octroi_primitives::*;
use std::collections::BTreeSet;

/// Entries of a list, at most.
const LIST: usize = 64;
const WHOLE: u64 = 1_000_000;
/// Periods that unspent money is carried over, at most.
const CARRIED: u32 = 120;

words! {
    /// The levies that a rule of a policy is about.
    pub enum Levies {
        /// Those of kind `revenue`.
        Revenue = "revenue",
        /// Those of kind `volumetric`.
        Volumetric = "volumetric",
        /// Those of kind `data_royalty`.
        DataRoyalty = "data_royalty",
        /// Those of kind `reciprocity`.
        Reciprocity = "reciprocity",
        /// Those of kind `flat`.
        Flat = "flat",
        /// Every levy that no other rule is about.
        Any = "any",
    }

    /// What becomes of money that stayed unspent for too long.
    pub enum Then {
        /// It goes to the reserve.
        Reserve = "reserve",
        /// It is unallocated again, source `other`, and shared by the next close.
        Reshare = "reshare",
    }
}

impl Levies {
    /// The word for levies of a kind.
    const fn of(kind: LevyKind) -> Self {
        match kind {
            LevyKind::Revenue => Self::Revenue,
            LevyKind::Volumetric => Self::Volumetric,
            LevyKind::DataRoyalty => Self::DataRoyalty,
            LevyKind::Reciprocity => Self::Reciprocity,
            LevyKind::Flat => Self::Flat,
        }
    }
}

message! {
    /// An envelope's share of what is left after reserve and fee.
    pub struct PolicyShare = PolicyShare {
        /// Which envelope.
        pub envelope: EnvelopeCode,
        /// Above 0; all sum to 1,000,000.
        pub ppm: Ppm,
    }

    /// A rule for the money of some levies, instead of the policy's own.
    pub struct PolicySource = PolicySource {
        /// Which levies.
        pub levies: Levies,
        /// To the reserve.
        pub reserve_ppm: Ppm,
        /// To the costs.
        pub fee_ppm: Ppm,
        /// The rest.
        pub shares: Vec<PolicyShare>,
    }

    /// Limits on what an envelope gives in a period, over what was credited to it in that period.
    pub struct PolicyCaps = PolicyCaps {
        /// To one organisation; `None`: no cap.
        pub per_beneficiary_ppm: Option<Ppm>,
        /// To one group; `None`: no cap.
        pub per_group_ppm: Option<Ppm>,
        /// Groups that a call awards at least, or none.
        pub min_beneficiaries: u32,
        /// To one territory; `None`: no cap.
        pub per_territory_ppm: Option<Ppm>,
    }

    /// An envelope that is split over territories by need.
    pub struct PolicyTerritorial = PolicyTerritorial {
        /// Which.
        pub envelope: EnvelopeCode,
        /// Level of the territories.
        pub level: Level,
        /// Code of the need table.
        pub need: Code,
        /// Least part of a territory, of the envelope's share.
        pub floor_ppm: Ppm,
        /// Greatest part of a territory, of the envelope's share.
        pub ceiling_ppm: Ppm,
    }

    /// What becomes of unspent money that a close put into envelopes.
    pub struct PolicyCarryOver = PolicyCarryOver {
        /// Periods after that of its arrival in which it can still be spent.
        pub max_periods: u32,
        /// And then.
        pub then: Then,
    }

    /// Record: a policy.
    pub struct Policy = Policy {
        /// The fund it is about.
        pub fund: FundCode,
        /// First period that it decides; the next policy's ends it.
        pub valid_from: Period,
        /// To the reserve, of every source's money.
        pub reserve_ppm: Ppm,
        /// To the costs.
        pub fee_ppm: Ppm,
        /// The rest.
        pub shares: Vec<PolicyShare>,
        /// Levies that are split otherwise.
        pub sources: Vec<PolicySource>,
        /// Limits on awards.
        pub caps: PolicyCaps [required],
        /// Envelopes that are split over territories by need.
        pub territorial: Vec<PolicyTerritorial>,
        /// What becomes of unspent money; `None`: it stays.
        pub carry_over: Option<PolicyCarryOver>,
        /// Whether an auditor of the fund may block a consent on it by an objection.
        pub auditors_block: bool,
    }
}

impl PolicyCaps {
    /// No limit at all.
    pub const NONE: Self =
        Self { per_beneficiary_ppm: None, per_group_ppm: None, min_beneficiaries: 0, per_territory_ppm: None };
}

impl Record for Policy {
    type Key = PolicyCode;
}

/// Why a policy cannot be adopted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyFault {
    /// No such fund.
    #[error("fund {0} does not exist")]
    UnknownFund(FundCode),
    /// No such envelope.
    #[error("envelope {0} does not exist in the fund")]
    UnknownEnvelope(EnvelopeCode),
    /// Another period length than the fund's.
    #[error("period {0} is none of the fund's")]
    Period(Period),
    /// Shares, reserve or fee do not make a whole.
    #[error("{0}")]
    Shares(String),
    /// A list is too long or names something twice.
    #[error("{0}")]
    Limit(String),
    /// No such need table, or one of another level.
    #[error("need table {0} does not exist, or is of another level")]
    Need(Code),
    /// Another policy of the fund starts with that period.
    #[error("policy {0} starts with that period already")]
    Duplicate(PolicyCode),
}

/// How the money of one source is split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SplitRule<'a> {
    /// To the reserve.
    pub reserve_ppm: Ppm,
    /// To the costs.
    pub fee_ppm: Ppm,
    /// The rest.
    pub shares: &'a [PolicyShare],
}

impl Policy {
    /// Whether it can be adopted in this state.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check(&self, code: &PolicyCode, state: &Overlay<'_>) -> Result<(), PolicyFault> {
        let Self {
            fund,
            valid_from,
            reserve_ppm,
            fee_ppm,
            shares,
            sources,
            caps: _,
            territorial: _,
            carry_over,
            auditors_block: _,
        } = self;
        let record = state.get::<Fund>(fund).ok_or(PolicyFault::UnknownFund(*fund))?;
        if valid_from.length() != record.period_length {
            return Err(PolicyFault::Period(*valid_from));
        }
        self.check_rule(SplitRule { reserve_ppm: *reserve_ppm, fee_ppm: *fee_ppm, shares }, state)?;
        let mut seen = BTreeSet::new();
        for PolicySource { levies, reserve_ppm, fee_ppm, shares } in sources {
            if !seen.insert(*levies) {
                return Err(PolicyFault::Limit(format!("two rules for levies of kind {levies}")));
            }
            self.check_rule(SplitRule { reserve_ppm: *reserve_ppm, fee_ppm: *fee_ppm, shares }, state)?;
        }
        self.check_territorial(state)?;
        if let Some(PolicyCarryOver { max_periods, then: _ }) = carry_over
            && *max_periods > CARRIED
        {
            return Err(PolicyFault::Limit(format!("{max_periods} periods; {CARRIED} are possible")));
        }
        let other = state
            .range::<Policy>(..)
            .into_iter()
            .find(|(other, policy)| other != code && policy.fund == *fund && policy.valid_from == *valid_from);
        other.map_or(Ok(()), |(other, _)| Err(PolicyFault::Duplicate(other)))
    }

    /// Each envelope once, with a table of its level; the floors of all territories are within the share.
    fn check_territorial(&self, state: &Overlay<'_>) -> Result<(), PolicyFault> {
        if self.territorial.len() > LIST {
            return Err(PolicyFault::Limit(format!(
                "{} territorial envelopes; {LIST} are allowed",
                self.territorial.len()
            )));
        }
        let mut seen = BTreeSet::new();
        for PolicyTerritorial { envelope, level, need, floor_ppm, ceiling_ppm } in &self.territorial {
            if !state.has::<Envelope>(&(self.fund, *envelope)) {
                return Err(PolicyFault::UnknownEnvelope(*envelope));
            }
            if !seen.insert(*envelope) {
                return Err(PolicyFault::Limit(format!("envelope {envelope} is split over territories twice")));
            }
            let table = state.get::<NeedTable>(need).filter(|table| table.level == *level);
            let territories = table.ok_or(PolicyFault::Need(*need))?.rows.len() as u64;
            if floor_ppm > ceiling_ppm || *ceiling_ppm == Ppm::ZERO {
                return Err(PolicyFault::Shares(format!("floor {floor_ppm} and ceiling {ceiling_ppm} leave no room")));
            }
            if u64::from(floor_ppm.get()) * territories > WHOLE {
                return Err(PolicyFault::Shares(format!(
                    "a floor of {floor_ppm} for {territories} territories is more than the whole"
                )));
            }
        }
        Ok(())
    }

    fn check_rule(&self, rule: SplitRule<'_>, state: &Overlay<'_>) -> Result<(), PolicyFault> {
        let SplitRule { reserve_ppm, fee_ppm, shares } = rule;
        if u64::from(reserve_ppm.get()) + u64::from(fee_ppm.get()) > WHOLE {
            return Err(PolicyFault::Shares(format!(
                "reserve {reserve_ppm} and fee {fee_ppm} are more than the whole"
            )));
        }
        if shares.len() > LIST {
            return Err(PolicyFault::Limit(format!("{} shares; {LIST} are allowed", shares.len())));
        }
        let mut seen = BTreeSet::new();
        for PolicyShare { envelope, ppm } in shares {
            if !state.has::<Envelope>(&(self.fund, *envelope)) {
                return Err(PolicyFault::UnknownEnvelope(*envelope));
            }
            if *ppm == Ppm::ZERO || !seen.insert(*envelope) {
                return Err(PolicyFault::Limit(format!("envelope {envelope} stands there twice or has nothing")));
            }
        }
        let sum: u64 = shares.iter().map(|share| u64::from(share.ppm.get())).sum();
        if sum == WHOLE {
            Ok(())
        } else {
            Err(PolicyFault::Shares(format!("shares sum to {sum} ppm, not to 1,000,000")))
        }
    }

    /// The rule for the money of a source: that of its kind of levy, else that for any levy, else the policy's own.
    pub fn rule_for(&self, source: Code, state: &Overlay<'_>) -> SplitRule<'_> {
        let kind = state
            .get::<LevySchedule>(&ScheduleCode::from(source))
            .filter(|schedule| schedule.fund == self.fund)
            .map(|schedule| schedule.kind);
        let special = kind.and_then(|kind| {
            let of = |levies| self.sources.iter().find(|rule| rule.levies == levies);
            of(Levies::of(kind)).or_else(|| of(Levies::Any))
        });
        match special {
            Some(PolicySource { levies: _, reserve_ppm, fee_ppm, shares }) => {
                SplitRule { reserve_ppm: *reserve_ppm, fee_ppm: *fee_ppm, shares }
            }
            None => SplitRule { reserve_ppm: self.reserve_ppm, fee_ppm: self.fee_ppm, shares: &self.shares },
        }
    }
}

/// The policy that decides a period of a fund: the one that starts last, not after the period.
pub fn in_force(state: &Overlay<'_>, fund: &FundCode, period: Period) -> Option<(PolicyCode, Policy)> {
    state
        .range::<Policy>(..)
        .into_iter()
        .filter(|(_, policy)| policy.fund == *fund && policy.valid_from <= period)
        .max_by_key(|(_, policy)| policy.valid_from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{
        envelope, fund,
        money::{self, policy, policy_code, ppm, schedule_code},
    };

    fn fault(change: impl FnOnce(&mut Policy)) -> PolicyFault {
        let network = money::network();
        let mut asked = policy();
        asked.valid_from = "2028Q1".parse().unwrap();
        assert_eq!(asked.check(&PolicyCode::new("p2028").unwrap(), &network.state.overlay()), Ok(()));
        change(&mut asked);
        asked.check(&PolicyCode::new("p2028").unwrap(), &network.state.overlay()).unwrap_err()
    }

    #[test]
    fn a_policy_that_breaks_a_rule_is_not_adopted() {
        assert!(matches!(fault(|it| it.fund = FundCode::new("other").unwrap()), PolicyFault::UnknownFund(_)));
        assert!(matches!(fault(|it| it.valid_from = "2028".parse().unwrap()), PolicyFault::Period(_)));
        assert!(matches!(fault(|it| it.fee_ppm = ppm(950_001)), PolicyFault::Shares(_)));
        assert!(matches!(fault(|it| it.shares[0].ppm = ppm(250_001)), PolicyFault::Shares(_)));
        assert!(matches!(fault(|it| it.shares[0].envelope = envelope("roads")), PolicyFault::UnknownEnvelope(_)));
        assert!(matches!(fault(|it| it.shares[0].envelope = it.shares[1].envelope), PolicyFault::Limit(_)));
        assert!(matches!(fault(|it| it.sources.push(it.sources[0].clone())), PolicyFault::Limit(_)));
        assert!(matches!(fault(|it| it.sources[0].shares.clear()), PolicyFault::Shares(_)));
        assert_eq!(fault(|it| it.valid_from = "2027Q1".parse().unwrap()), PolicyFault::Duplicate(policy_code()));
    }

    #[test]
    fn a_territorial_envelope_needs_a_table_of_its_level_and_room_between_floor_and_ceiling() {
        let mut network = money::network();
        let need = Code::new("need").unwrap();
        network.edit(|state| state.put::<NeedTable>(need, crate::redistribution::need::tests::table()));
        let state = network.state.overlay();
        let fault = |change: fn(&mut PolicyTerritorial)| {
            let mut rule = PolicyTerritorial {
                envelope: envelope("territories"),
                level: Level::Departement,
                need: Code::new("need").unwrap(),
                floor_ppm: ppm(500_000),
                ceiling_ppm: ppm(600_000),
            };
            change(&mut rule);
            let asked = Policy { valid_from: "2028Q1".parse().unwrap(), territorial: vec![rule], ..policy() };
            asked.check(&PolicyCode::new("p2028").unwrap(), &state).err()
        };
        assert_eq!(fault(|_| ()), None);
        assert_eq!(fault(|it| it.level = Level::Region), Some(PolicyFault::Need(need)));
        assert!(matches!(fault(|it| it.need = Code::new("other").unwrap()), Some(PolicyFault::Need(_))));
        assert!(matches!(fault(|it| it.envelope = envelope("roads")), Some(PolicyFault::UnknownEnvelope(_))));
        assert!(matches!(fault(|it| it.floor_ppm = ppm(500_001)), Some(PolicyFault::Shares(_))));
        assert!(matches!(fault(|it| it.ceiling_ppm = ppm(499_999)), Some(PolicyFault::Shares(_))));
    }

    #[test]
    fn a_source_follows_its_kind_then_any_levy_then_the_policy_itself() {
        let network = money::network();
        let state = network.state.overlay();
        let mut policy = policy();
        let any = PolicySource { levies: Levies::Any, fee_ppm: ppm(7), ..policy.sources[0].clone() };
        policy.sources.push(any);
        let fee = |source: Code| policy.rule_for(source, &state).fee_ppm.get();
        let reserve = |source: Code| policy.rule_for(source, &state).reserve_ppm.get();
        assert_eq!((fee(schedule_code("dst").code()), reserve(schedule_code("dst").code())), (7, 0));
        assert_eq!((fee(schedule_code("royalty").code()), reserve(schedule_code("royalty").code())), (0, 0));
        assert_eq!(reserve(Code::new("contribution").unwrap()), 50_000);
    }

    #[test]
    fn the_policy_that_starts_last_decides() {
        let mut network = money::network();
        let later = Policy { valid_from: "2028Q1".parse().unwrap(), ..policy() };
        let code = PolicyCode::new("a2028").unwrap();
        network.edit(|state| state.put::<Policy>(code, later));
        let state = network.state.overlay();
        let decides = |period: &str| in_force(&state, &fund(), period.parse().unwrap()).map(|(code, _)| code);
        assert_eq!(decides("2026Q4"), None);
        assert_eq!(decides("2027Q4"), Some(policy_code()));
        assert_eq!(decides("2028Q1"), Some(code));
    }
}
