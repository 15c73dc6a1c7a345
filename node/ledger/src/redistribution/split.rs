//! The split of one source's money: a deficit is covered first, then reserve, fee, shares (rulebook §6).
//!
//! Promises: cover + reserve + fee + Σ shares = balance, exactly; the same inputs give the same parts in any order of shares. I13 holds by
//! computing this again.

use super::{
    need::{ApportionFault, Apportioned, NeedSplit},
    policy::{PolicyShare, SplitRule},
};
use crate::wire::message;
use octroi_primitives::*;

message! {
    /// What an envelope gets of a source.
    pub struct SplitShare = SplitShare {
        /// Which envelope.
        pub envelope: EnvelopeCode,
        /// Its share by the rule.
        pub ppm: Ppm,
        /// Minor units.
        pub amount: u64,
        /// What each territory gets of it; none where the envelope is not split by need.
        pub territories: Vec<TerritoryShare>,
        /// Minor units of it that go to the reserve, since every territory is at its ceiling.
        pub to_reserve: u64,
    }

    /// What a territory gets of a share.
    pub struct TerritoryShare = TerritoryShare {
        /// Which.
        pub territory: TerritoryCode,
        /// Minor units.
        pub amount: u64,
    }

    /// How the money of one source was split, with the inputs.
    pub struct SplitSource = SplitSource {
        /// Code of a schedule, or `contribution`, `interest`, `opening`, `other`.
        pub source: Code,
        /// Minor units that stood there.
        pub balance: u64,
        /// Minor units of it that covered a deficit.
        pub cover: u64,
        /// To the reserve, by the rule.
        pub reserve_ppm: Ppm,
        /// To the costs, by the rule.
        pub fee_ppm: Ppm,
        /// Minor units to the reserve.
        pub reserve: u64,
        /// Minor units to the costs.
        pub fee: u64,
        /// The rest, in the order of the rule.
        pub shares: Vec<SplitShare>,
    }
}

/// A share that cannot be split over its territories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitFault {
    /// The envelope.
    pub envelope: EnvelopeCode,
    /// Why.
    pub fault: ApportionFault,
}

/// Splits `balance` minor units of a source while `deficit` are to be covered. The rule's shares sum to the whole, as every adopted policy's do;
/// `needs` are the envelopes that are split further, over territories.
///
/// # Errors
/// A share whose floors are more than it, or with nobody to weigh.
pub fn split(
    source: Code,
    balance: u64,
    deficit: u64,
    rule: SplitRule<'_>,
    needs: &[NeedSplit],
) -> Result<SplitSource, SplitFault> {
    let SplitRule { reserve_ppm, fee_ppm, shares } = rule;
    let cover = balance.min(deficit);
    let distributed = balance - cover;
    let part = |ppm: Ppm| u64::try_from(ppm.floor_of(distributed.into())).expect("a share is at most the whole");
    let (reserve, fee) = (part(reserve_ppm), part(fee_ppm));
    let rest = distributed - reserve - fee;
    let weights: Vec<(u32, &[u8])> = shares.iter().map(|share| (share.ppm.get(), share.envelope.as_bytes())).collect();
    let amounts = largest_remainder(rest.into(), &weights).expect("the shares of a policy sum to 1,000,000");
    let shares = shares
        .iter()
        .zip(amounts)
        .map(|(PolicyShare { envelope, ppm }, amount)| {
            let amount = u64::try_from(amount).expect("a part is at most the whole");
            let need = needs.iter().find(|need| need.envelope == *envelope);
            let fault = |fault| SplitFault { envelope: *envelope, fault };
            let (territories, to_reserve) =
                need.map_or(Ok(Default::default()), |need| by_need(need, amount)).map_err(fault)?;
            Ok(SplitShare { envelope: *envelope, ppm: *ppm, amount, territories, to_reserve })
        })
        .collect::<Result<_, _>>()?;
    Ok(SplitSource { source, balance, cover, reserve_ppm, fee_ppm, reserve, fee, shares })
}

/// What each territory gets, those without anything left out, and what goes to the reserve.
fn by_need(need: &NeedSplit, amount: u64) -> Result<(Vec<TerritoryShare>, u64), ApportionFault> {
    let Apportioned { parts, to_reserve } = need.apportion(amount)?;
    let territories = need.weights.iter().zip(parts).filter(|(_, amount)| *amount > 0);
    let territories = territories.map(|(weight, amount)| TerritoryShare { territory: weight.territory, amount });
    Ok((territories.collect(), to_reserve))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule_of(shares: &[PolicyShare], reserve: u32, fee: u32) -> SplitRule<'_> {
        SplitRule { reserve_ppm: Ppm::new(reserve).unwrap(), fee_ppm: Ppm::new(fee).unwrap(), shares }
    }

    fn source() -> Code {
        Code::new("contribution").unwrap()
    }

    /// Envelopes `e0`, `e1`, … with shares that sum to the whole.
    fn shares_from(cuts: &[u32]) -> Vec<PolicyShare> {
        let mut cuts: Vec<u32> = cuts.iter().copied().filter(|cut| (1..1_000_000).contains(cut)).collect();
        cuts.sort_unstable();
        cuts.dedup();
        cuts.push(1_000_000);
        let mut before = 0;
        cuts.into_iter()
            .enumerate()
            .map(|(index, cut)| {
                let ppm = Ppm::new(cut - before).unwrap();
                before = cut;
                PolicyShare { envelope: EnvelopeCode::new(&format!("e{index}")).unwrap(), ppm }
            })
            .collect()
    }

    #[test]
    fn reserve_and_fee_are_floored_and_the_shares_get_the_rest() {
        let shares = shares_from(&[500_000]);
        let part = split(source(), 1_999, 0, rule_of(&shares, 1_000, 2_000), &[]).unwrap();
        assert_eq!((part.reserve, part.fee), (1, 3));
        assert_eq!(part.shares.iter().map(|share| share.amount).collect::<Vec<_>>(), [998, 997]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_every_share_is_within_one_unit_of_its_exact_part(
            balance in 0..=1_000_000_000_000_000u64,
            deficit in 0..=2_000_000_000_000_000u64,
            reserve in 0u32..=600_000,
            fee in 0u32..=400_000,
            cuts in prop::collection::vec(0u32..1_000_000, 0..8),
        ) {
            let shares = shares_from(&cuts);
            let part = split(source(), balance, deficit, rule_of(&shares, reserve, fee), &[]).unwrap();
            let given: u64 = part.shares.iter().map(|share| share.amount).sum();
            prop_assert_eq!(part.cover + part.reserve + part.fee + given, balance);
            prop_assert_eq!(part.cover, balance.min(deficit));
            let distributed = u128::from(balance - part.cover);
            prop_assert_eq!(u128::from(part.reserve), distributed * u128::from(reserve) / 1_000_000);
            prop_assert_eq!(u128::from(part.fee), distributed * u128::from(fee) / 1_000_000);
            for share in &part.shares {
                let (exact, got) = (u128::from(given) * u128::from(share.ppm.get()), u128::from(share.amount) * 1_000_000);
                prop_assert!(exact.abs_diff(got) < 1_000_000, "{share:?} of {given}");
            }
        }

        #[test]
        fn the_order_of_shares_does_not_matter(balance in 0..1_000_000u64, cuts in prop::collection::vec(0u32..1_000_000, 1..6)) {
            let shares = shares_from(&cuts);
            let mut turned = shares.clone();
            turned.reverse();
            let mut there = split(source(), balance, 0, rule_of(&turned, 0, 0), &[]).unwrap().shares;
            there.reverse();
            prop_assert_eq!(split(source(), balance, 0, rule_of(&shares, 0, 0), &[]).unwrap().shares, there);
        }
    }
}
