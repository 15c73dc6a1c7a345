//! Caps on what an envelope gives in a period: to one organisation, to one group, to one territory (rulebook §6, I6).
//!
//! A territory counts as the département that it lies in; one above that level, or outside the tree, counts as itself.
//!
//! An award checks its beneficiaries one after the other, committing each before it checks the next. Partners count by their shares: the
//! caller passes each with its part. The base is all that was credited to the envelope in the period of the award.

use super::{
    envelope::{EnvelopeCommitment, EnvelopePeriod, TerritoryCommitment, around},
    policy::{PolicyCaps, in_force},
};
use crate::{
    registry::territory::{Level, Territory},
    signer::group,
    state::Overlay,
};
use octroi_primitives::*;

/// Where a commitment counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CapKey {
    /// The fund.
    pub fund: FundCode,
    /// The envelope.
    pub envelope: EnvelopeCode,
    /// The period of the award.
    pub period: Period,
}

/// How an award stands to the caps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CapStanding {
    /// Within them.
    Within,
    /// Above one, by a derogation that is listed publicly.
    Derogation,
}

/// A cap would be passed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{per} would have {wanted} of envelope {envelope}, the cap is {cap}")]
pub struct CapExceeded {
    /// Which cap.
    pub per: CapPer,
    /// The envelope.
    pub envelope: EnvelopeCode,
    /// Minor units with the new award, derogations apart.
    pub wanted: u64,
    /// Minor units at most.
    pub cap: u64,
}

/// Which cap, and on whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CapPer {
    /// On one organisation.
    #[error("organisation {0}")]
    Beneficiary(OrganisationId),
    /// On one group, named by its topmost parent.
    #[error("group {0}")]
    Group(OrganisationId),
    /// On one territory.
    #[error("territory {0}")]
    Territory(TerritoryCode),
}

/// The caps in force for a period; none without a policy.
pub fn caps(state: &Overlay<'_>, key: &CapKey) -> PolicyCaps {
    in_force(state, &key.fund, key.period).map_or(PolicyCaps::NONE, |(_, policy)| policy.caps)
}

/// All that was credited to the envelope in the period, in minor units.
pub fn base(state: &Overlay<'_>, key: &CapKey) -> u64 {
    let CapKey { fund, envelope, period } = *key;
    state.get::<EnvelopePeriod>(&(fund, envelope, period)).map_or(0, |record| record.credited)
}

fn commitment(state: &Overlay<'_>, key: &CapKey, holder: OrganisationId) -> EnvelopeCommitment {
    let CapKey { fund, envelope, period } = *key;
    let none = EnvelopeCommitment { beneficiary: 0, group: 0, beneficiary_derogated: 0, group_derogated: 0 };
    state.get::<EnvelopeCommitment>(&(fund, envelope, period, holder)).cloned().unwrap_or(none)
}

/// Minor units that a share of a base allows.
pub(crate) fn limit(ppm: Ppm, base: u64) -> u64 {
    u64::try_from(ppm.floor_of(base.into())).expect("a share of a base is at most the base")
}

/// Whether `new` minor units more to an organisation stay within the caps.
///
/// # Errors
/// The cap that would be passed, the organisation's own before its group's.
pub fn check(state: &Overlay<'_>, key: &CapKey, beneficiary: OrganisationId, new: u64) -> Result<(), CapExceeded> {
    let caps = caps(state, key);
    let base = base(state, key);
    let own = commitment(state, key, beneficiary);
    let top = group(state, &beneficiary);
    let whole = commitment(state, key, top);
    let measured = [
        (CapPer::Beneficiary(beneficiary), caps.per_beneficiary_ppm, own.beneficiary - own.beneficiary_derogated),
        (CapPer::Group(top), caps.per_group_ppm, whole.group - whole.group_derogated),
    ];
    measured
        .into_iter()
        .try_for_each(|(per, ppm, committed)| within(key, per, ppm, committed.saturating_add(new), base))
}

fn within(key: &CapKey, per: CapPer, ppm: Option<Ppm>, wanted: u64, base: u64) -> Result<(), CapExceeded> {
    match ppm.map(|ppm| limit(ppm, base)) {
        Some(cap) if wanted > cap => Err(CapExceeded { per, envelope: key.envelope, wanted, cap }),
        Some(_) | None => Ok(()),
    }
}

/// Whether all that is committed stays within the caps of its base as it is now. Reads every commitment of the envelope and period.
///
/// # Errors
/// The first cap that is passed.
pub fn check_all(state: &Overlay<'_>, key: &CapKey) -> Result<(), CapExceeded> {
    let CapKey { fund, envelope, period } = *key;
    let holder = |byte| (fund, envelope, period, OrganisationId::from_bytes([byte; 32]));
    for ((_, _, _, holder), _) in state.range::<EnvelopeCommitment>(holder(0)..=holder(0xff)) {
        check(state, key, holder, 0)?;
    }
    let place = |code: &str| (fund, envelope, period, TerritoryCode::new(code).expect("a code"));
    for ((_, _, _, territory), _) in state.range::<TerritoryCommitment>(place("-")..=place(&"z".repeat(Code::MAX))) {
        check_territory(state, key, territory, 0)?;
    }
    Ok(())
}

/// As what a territory counts: the département that it lies in, else itself.
pub fn counted_as(state: &Overlay<'_>, territory: TerritoryCode) -> TerritoryCode {
    let is_departement =
        |code: &TerritoryCode| state.get::<Territory>(code).is_some_and(|record| record.level == Level::Departement);
    around(state, territory).into_iter().find(is_departement).unwrap_or(territory)
}

fn of_territory(state: &Overlay<'_>, key: &CapKey, territory: TerritoryCode) -> TerritoryCommitment {
    let CapKey { fund, envelope, period } = *key;
    let none = TerritoryCommitment { committed: 0, derogated: 0 };
    state.get::<TerritoryCommitment>(&(fund, envelope, period, territory)).cloned().unwrap_or(none)
}

/// Whether `new` minor units more to a territory, as it is counted, stay within the cap.
///
/// # Errors
/// The cap that would be passed.
pub fn check_territory(
    state: &Overlay<'_>,
    key: &CapKey,
    territory: TerritoryCode,
    new: u64,
) -> Result<(), CapExceeded> {
    let TerritoryCommitment { committed, derogated } = of_territory(state, key, territory);
    let wanted = (committed - derogated).saturating_add(new);
    within(key, CapPer::Territory(territory), caps(state, key).per_territory_ppm, wanted, base(state, key))
}

/// Notes that an award gives `amount` minor units to a territory, as it is counted.
pub fn commit_territory(
    state: &mut Overlay<'_>,
    key: &CapKey,
    territory: TerritoryCode,
    amount: u64,
    standing: CapStanding,
) {
    let CapKey { fund, envelope, period } = *key;
    let mut record = of_territory(state, key, territory);
    record.committed = record.committed.saturating_add(amount);
    if standing == CapStanding::Derogation {
        record.derogated = record.derogated.saturating_add(amount);
    }
    state.put::<TerritoryCommitment>((fund, envelope, period, territory), record);
}

/// Notes that an award gives `amount` minor units to an organisation.
pub fn commit(state: &mut Overlay<'_>, key: &CapKey, beneficiary: OrganisationId, amount: u64, standing: CapStanding) {
    let CapKey { fund, envelope, period } = *key;
    let derogated = match standing {
        CapStanding::Within => 0,
        CapStanding::Derogation => amount,
    };
    let mut own = commitment(state, key, beneficiary);
    own.beneficiary = own.beneficiary.saturating_add(amount);
    own.beneficiary_derogated = own.beneficiary_derogated.saturating_add(derogated);
    state.put::<EnvelopeCommitment>((fund, envelope, period, beneficiary), own);

    let top = group(state, &beneficiary);
    let mut whole = commitment(state, key, top);
    whole.group = whole.group.saturating_add(amount);
    whole.group_derogated = whole.group_derogated.saturating_add(derogated);
    state.put::<EnvelopeCommitment>((fund, envelope, period, top), whole);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        accounts::invariants,
        fixture::{self, Network, fund, id, money},
        redistribution::policy::Policy,
    };

    fn key() -> CapKey {
        CapKey { fund: fund(), envelope: fixture::envelope("commons"), period: "2027Q1".parse().unwrap() }
    }

    /// 1,000 minor units credited: 10 % of them to a group, and 6 % to an organisation.
    fn credited() -> Network {
        let mut network = money::network();
        network.edit(|state| {
            let CapKey { fund, envelope, period } = key();
            state.put::<EnvelopePeriod>(
                (fund, envelope, period),
                EnvelopePeriod { credited: 1_000, ..EnvelopePeriod::NOTHING },
            );
            state.update::<Policy>(&money::policy_code(), |policy| {
                policy.caps.per_beneficiary_ppm = Some(money::ppm(60_000));
            });
        });
        network
    }

    #[test]
    fn members_of_a_group_add_up_and_exactly_the_cap_is_within_it() {
        let mut network = credited();
        let (own, branch) = (id("asso1"), id("asso1_branch"));
        network.edit(|state| {
            assert_eq!(check(state, &key(), own, 60), Ok(()));
            assert_eq!(check(state, &key(), own, 61).unwrap_err().per, CapPer::Beneficiary(own));
            commit(state, &key(), own, 60, CapStanding::Within);
            assert_eq!(check(state, &key(), branch, 40), Ok(()));
            let exceeded = check(state, &key(), branch, 41).unwrap_err();
            assert_eq!((exceeded.per, exceeded.wanted, exceeded.cap), (CapPer::Group(own), 101, 100));
            commit(state, &key(), branch, 40, CapStanding::Within);
            assert_eq!(check(state, &key(), id("asso2"), 60), Ok(()), "another group has its own cap");
        });
        network.assert_sound();
    }

    #[test]
    fn a_derogation_is_left_out_of_what_counts_and_without_it_the_invariant_bites() {
        let mut network = credited();
        network.edit(|state| {
            commit(state, &key(), id("asso2"), 500, CapStanding::Derogation);
            assert_eq!(check(state, &key(), id("asso2"), 60), Ok(()));
        });
        network.assert_sound();
        network.edit(|state| commit(state, &key(), id("asso3"), 500, CapStanding::Within));
        let found = invariants::check(&network.state);
        assert!(
            !found.is_empty() && found.iter().all(|found| found.invariant == invariants::Invariant::I6),
            "{found:?}"
        );
    }

    #[test]
    fn a_territory_counts_as_its_departement_and_has_a_cap_of_its_own() {
        let mut network = credited();
        let code = |text: &str| TerritoryCode::new(text).unwrap();
        network.edit(|state| {
            let town = Territory {
                level: Level::Commune,
                parent: Some(code("44")),
                ..state.get::<Territory>(&code("44")).unwrap().clone()
            };
            state.put::<Territory>(code("44109"), town);
            state.update::<Policy>(&money::policy_code(), |policy| {
                policy.caps.per_territory_ppm = Some(money::ppm(250_000))
            });
            assert_eq!(counted_as(state, code("44109")), code("44"));
            assert_eq!(counted_as(state, code("52")), code("52"), "a region lies in no département");
            commit_territory(state, &key(), code("44"), 200, CapStanding::Within);
            commit_territory(state, &key(), code("44"), 900, CapStanding::Derogation);
            assert_eq!(check_territory(state, &key(), code("44"), 50), Ok(()));
            let exceeded = check_territory(state, &key(), code("44"), 51).unwrap_err();
            assert_eq!((exceeded.per, exceeded.wanted, exceeded.cap), (CapPer::Territory(code("44")), 251, 250));
            assert_eq!(check_territory(state, &key(), code("49"), 250), Ok(()));
        });
        network.assert_sound();
        network.edit(|state| commit_territory(state, &key(), code("49"), 251, CapStanding::Within));
        let found = invariants::check(&network.state);
        assert!(found.iter().any(|found| found.invariant == invariants::Invariant::I6), "{found:?}");
    }

    #[test]
    fn nothing_credited_allows_nothing_and_no_policy_caps_nothing() {
        let mut network = money::network();
        network.edit(|state| {
            assert!(check(state, &key(), id("asso1"), 1).is_err());
            let earlier = CapKey { period: "2026Q4".parse().unwrap(), ..key() };
            assert_eq!(check(state, &earlier, id("asso1"), u64::MAX), Ok(()), "the policy begins with 2027Q1");
        });
    }
}
