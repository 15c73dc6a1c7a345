//! Record: how a fund's money is split, from a period on (rulebook §6).
//!
//! Territorial envelopes and carry-over are not part of this version: a policy cannot name them.

use crate::{
    levy::schedule::{LevyKind, LevySchedule},
    registry::fund::{Envelope, Fund},
    state::{Overlay, Record},
    wire::{message, words},
};
use octroi_primitives::*;
use std::collections::BTreeSet;

/// Entries of a list, at most.
const LIST: usize = 64;
const WHOLE: u64 = 1_000_000;

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
    }
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
        let Self { fund, valid_from, reserve_ppm, fee_ppm, shares, sources, caps: _ } = self;
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
        let other = state
            .range::<Policy>(..)
            .into_iter()
            .find(|(other, policy)| other != code && policy.fund == *fund && policy.valid_from == *valid_from);
        other.map_or(Ok(()), |(other, _)| Err(PolicyFault::Duplicate(other)))
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
