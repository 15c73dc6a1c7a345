//! The split of one source's money: a deficit is covered first, then reserve, fee, shares (rulebook §6).
//!
//! Promises: cover + reserve + fee + Σ shares = balance, exactly; the same inputs give the same parts in any order of shares. I13 holds by
//! computing this again.

use super::policy::{PolicyShare, SplitRule};
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

/// Splits `balance` minor units of a source while `deficit` are to be covered. The rule's shares sum to the whole, as every adopted policy's do.
pub fn split(source: Code, balance: u64, deficit: u64, rule: SplitRule<'_>) -> SplitSource {
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
        .map(|(PolicyShare { envelope, ppm }, amount)| SplitShare {
            envelope: *envelope,
            ppm: *ppm,
            amount: u64::try_from(amount).expect("a part is at most the whole"),
        })
        .collect();
    SplitSource { source, balance, cover, reserve_ppm, fee_ppm, reserve, fee, shares }
}
