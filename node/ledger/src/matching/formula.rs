//! The quadratic formula, in integers alone (rulebook §9).
//!
//! With K = 10^6: r = isqrt(c · K²), S = Σ r, raw = max(0, S² − K² · Σ c) in 256 bits; the pool is split over raw by largest remainder; then the limits
//! cut, and what they cut is not given to others. Must not know where contributions are kept, or who gives them.

use crate::wire::{Wire, WireError, message};
use octroi_primitives::*;
use ruint::Uint;

type Wide = Uint<256, 4>;

/// K².
const SCALE: u128 = 1_000_000_000_000;

/// Σ isqrt(c · K²): on the wire 16 bytes, big-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RootSum(pub u128);

impl Wire for RootSum {
    type Proto = Vec<u8>;

    fn to_proto(&self) -> Vec<u8> {
        self.0.to_be_bytes().to_vec()
    }

    fn from_proto(proto: Vec<u8>) -> Result<Self, WireError> {
        let bytes = proto.try_into().map_err(|_| WireError::invalid("must be 16 bytes"))?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }
}

/// max(0, S² − K² · Σ c): on the wire 32 bytes, big-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Raw(Wide);

impl Wire for Raw {
    type Proto = Vec<u8>;

    fn to_proto(&self) -> Vec<u8> {
        self.0.to_be_bytes::<32>().to_vec()
    }

    fn from_proto(proto: Vec<u8>) -> Result<Self, WireError> {
        let bytes: [u8; 32] = proto.try_into().map_err(|_| WireError::invalid("must be 32 bytes"))?;
        Ok(Self(Wide::from_be_bytes(bytes)))
    }
}

impl Raw {
    /// As a weight of the split. S is below 2^96: 10^14 donors of 10^15 minor units each, which no bank has.
    fn weight(self) -> Weight {
        let [low, middle, high, top] = self.0.into_limbs();
        debug_assert_eq!(top, 0, "S is below 2^96");
        Weight::new(Uint::from_limbs([low, middle, high]))
    }
}

message! {
    /// What a project's contributions give.
    pub struct ProjectCount = ProjectCount {
        /// The project.
        pub project: ProjectId,
        /// Groups and donors that count.
        pub donors: u64,
        /// Minor units of funded contributions, those that do not count in the formula included.
        pub funded: u64,
        /// Σ c: what counts, each donor's up to the cap.
        pub capped: u64,
        /// S.
        pub root_sum: RootSum,
    }

    /// What a project gets of the pool.
    pub struct ProjectResult = ProjectResult {
        /// The project.
        pub project: ProjectId,
        /// Its weight.
        pub raw: Raw,
        /// Its part of the pool by largest remainder, in minor units.
        pub allocation: u64,
        /// After the limits, in minor units.
        pub amount: u64,
    }
}

/// The limits on what a project gets.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Minor units of the pool.
    pub pool: u64,
    /// Of the pool, at most.
    pub max_share: Ppm,
    /// Of what counts, at most.
    pub multiple: Factor,
}

impl ProjectCount {
    /// Nothing counted yet.
    pub fn of(project: ProjectId) -> Self {
        Self { project, donors: 0, funded: 0, capped: 0, root_sum: RootSum(0) }
    }

    /// One donor more, with all that it gave to the project, up to the cap.
    pub fn count(&mut self, given: u64, cap: u64) {
        let counted = given.min(cap);
        self.donors += 1;
        self.capped += counted;
        self.root_sum.0 += (u128::from(counted) * SCALE).isqrt();
    }

    /// The weight of the project.
    pub fn raw(&self) -> Raw {
        let root = Wide::from(self.root_sum.0);
        let linear = Wide::from(SCALE) * Wide::from(self.capped);
        Raw((root * root).saturating_sub(linear))
    }
}

/// The results, in the order of the counts; projects without weight are left out.
pub fn results(counts: &[ProjectCount], limits: Limits) -> Vec<ProjectResult> {
    let Limits { pool, max_share, multiple } = limits;
    let weighed: Vec<(&ProjectCount, Raw)> =
        counts.iter().map(|count| (count, count.raw())).filter(|(_, raw)| !raw.0.is_zero()).collect();
    let weights: Vec<(Weight, &[u8])> =
        weighed.iter().map(|(count, raw)| (raw.weight(), count.project.as_bytes().as_slice())).collect();
    let Some(allocations) = largest_remainder(pool.into(), &weights) else { return Vec::new() };
    let most = max_share.floor_of(pool.into());
    weighed
        .into_iter()
        .zip(allocations)
        .map(|((count, raw), allocation)| {
            let amount = allocation.min(most).min(multiple.floor_of(count.capped.into()));
            let narrow = |part: u128| u64::try_from(part).expect("a part is at most the pool");
            ProjectResult { project: count.project, raw, allocation: narrow(allocation), amount: narrow(amount) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn project(number: u8) -> ProjectId {
        ProjectId::from_bytes([number; 32])
    }

    fn counted(number: u8, gifts: &[u64], cap: u64) -> ProjectCount {
        let mut count = ProjectCount::of(project(number));
        gifts.iter().for_each(|given| count.count(*given, cap));
        count
    }

    fn unlimited(pool: u64) -> Limits {
        Limits { pool, max_share: Ppm::ONE, multiple: Factor::new(10_000_000).unwrap() }
    }

    fn amounts(counts: &[ProjectCount], limits: Limits) -> Vec<(ProjectId, u64)> {
        results(counts, limits).into_iter().map(|result| (result.project, result.amount)).collect()
    }

    #[test]
    fn the_vectors_of_the_rulebook_hold() {
        // Pool 10,000.00 €: A 100 donors of 10 €, B one donor of 1,000 €, C 4 donors of 25 €.
        let counts =
            [counted(1, &[1_000; 100], u64::MAX), counted(2, &[100_000], u64::MAX), counted(3, &[2_500; 4], u64::MAX)];
        let limits = Limits { max_share: Ppm::ONE, ..unlimited(1_000_000) };
        let allocations: Vec<u64> = results(&counts, limits).iter().map(|result| result.allocation).collect();
        assert_eq!(allocations, [996_979, 3_021], "B has one donor and no weight");
        // Pool 5,000 €: A {1 €, 4 €, 9 €}, B {25 €, 16 €}.
        let counts = [counted(1, &[100, 400, 900], u64::MAX), counted(2, &[2_500, 1_600], u64::MAX)];
        let allocations: Vec<u64> =
            results(&counts, unlimited(500_000)).iter().map(|result| result.allocation).collect();
        assert_eq!(allocations, [177_419, 322_581]);
    }

    #[test]
    fn a_limit_cuts_and_what_it_cuts_is_not_given_to_others() {
        let counts = [counted(1, &[1_000; 10], u64::MAX), counted(2, &[1_000; 10], u64::MAX)];
        let half = Limits { max_share: Ppm::new(300_000).unwrap(), ..unlimited(10_000) };
        assert_eq!(amounts(&counts, half), [(project(1), 3_000), (project(2), 3_000)]);
        let tenth = Limits { multiple: Factor::new(100_000).unwrap(), ..unlimited(10_000) };
        assert_eq!(amounts(&counts, tenth), [(project(1), 1_000), (project(2), 1_000)]);
    }

    #[test]
    fn a_donor_counts_up_to_the_cap_in_the_formula_and_in_the_multiple() {
        let count = counted(1, &[1_000_000, 400], 400);
        assert_eq!((count.capped, count.donors, count.root_sum), (800, 2, RootSum(40_000_000)));
        assert_eq!(count.raw(), Raw(Wide::from(800u64) * Wide::from(SCALE)));
    }

    #[test]
    fn nobody_and_single_donors_leave_the_pool_whole() {
        assert_eq!(amounts(&[], unlimited(100)), []);
        assert_eq!(amounts(&[counted(1, &[7], u64::MAX), counted(2, &[], u64::MAX)], unlimited(100)), []);
    }

    #[test]
    fn the_greatest_contributions_do_not_overflow() {
        let mut count = counted(1, &[1_000_000_000_000_000; 9_000], u64::MAX);
        count.root_sum.0 <<= 30;
        assert_eq!(amounts(&[count], unlimited(1_000_000_000_000_000)).len(), 1);
    }

    proptest! {
        #[test]
        fn no_more_than_the_pool_is_given_and_no_one_gets_more_than_the_limits(
            pool in 1..=1_000_000_000_000_000u64,
            max_share in 0u32..=1_000_000,
            multiple in 0u32..=10_000_000,
            gifts in prop::collection::vec(prop::collection::vec(1..1_000_000_000u64, 0..20), 1..10),
        ) {
            let counts: Vec<ProjectCount> =
                gifts.iter().zip(1..).map(|(gifts, number)| counted(number, gifts, 1_000_000)).collect();
            let limits =
                Limits { pool, max_share: Ppm::new(max_share).unwrap(), multiple: Factor::new(multiple).unwrap() };
            let results = results(&counts, limits);
            let allocated: u64 = results.iter().map(|result| result.allocation).sum();
            prop_assert!(results.is_empty() || allocated == pool);
            for result in &results {
                let count = counts.iter().find(|count| count.project == result.project).unwrap();
                prop_assert!(result.amount <= result.allocation);
                prop_assert!(u128::from(result.amount) * 1_000_000 <= u128::from(pool) * u128::from(max_share));
                prop_assert!(u128::from(result.amount) * 1_000_000 <= u128::from(count.capped) * u128::from(multiple));
            }
        }
    }
}
