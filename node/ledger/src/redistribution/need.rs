//! Territorial envelopes: the voted table of needs, what each territory weighs, and the split within floors and ceilings (rulebook §6).
//!
//! Promises: the parts and what goes to the reserve sum to the total exactly; every part is within its floor and its ceiling; the order of the
//! list does not matter.

use super::policy::PolicyTerritorial;
use crate::{
    registry::territory::{Level, Territory},
    state::{Overlay, Record},
    wire::message,
};
use octroi_primitives::*;
use std::collections::BTreeSet;

/// Territories of a table, at most: all associations of municipalities of a country.
pub const ROWS: usize = 1_500;
/// Components of a table, at most.
pub const COMPONENTS: usize = 16;
/// Weights and indices lie within ten times the whole, either way.
const BOUND: i64 = 10_000_000;
const WHOLE: i128 = 1_000_000;

message! {
    /// What a table looks at, and how much it counts.
    pub struct NeedComponent = NeedComponent {
        /// Such as `poverty`.
        pub code: Code,
        /// Parts per million; negative where a greater index is less need.
        pub alpha_ppm: i64,
    }

    /// A territory of a table.
    pub struct NeedRow = NeedRow {
        /// Which.
        pub territory: TerritoryCode,
        /// One index for each component, in parts per million of the deviation that the table's document defines.
        pub indices_ppm: Vec<i64>,
    }

    /// Record: a voted table of needs. It never changes: another one has another code.
    pub struct NeedTable = NeedTable {
        /// Level of its territories.
        pub level: Level,
        /// What it looks at.
        pub components: Vec<NeedComponent>,
        /// Ascending by code.
        pub rows: Vec<NeedRow>,
        /// Hash of the document.
        pub document: Commitment,
    }

    /// What a territory weighs in a split, with the inputs.
    pub struct NeedWeight = NeedWeight {
        /// Which.
        pub territory: TerritoryCode,
        /// Inhabitants.
        pub population: u64,
        /// Parts per million: 500,000 to 2,000,000.
        pub factor: u32,
    }

    /// How an envelope's share is split over territories, with the inputs.
    pub struct NeedSplit = NeedSplit {
        /// Which envelope.
        pub envelope: EnvelopeCode,
        /// Code of the table.
        pub need: Code,
        /// Least part of a territory.
        pub floor_ppm: Ppm,
        /// Greatest part of a territory.
        pub ceiling_ppm: Ppm,
        /// Ascending by code.
        pub weights: Vec<NeedWeight>,
    }
}

impl Record for NeedTable {
    type Key = Code;
}

/// Why a table cannot be adopted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NeedFault {
    /// There is one with that code.
    #[error("need table {0} exists")]
    Duplicate(Code),
    /// Too many, too few, out of order, or of another length than the components.
    #[error("{0}")]
    Limit(String),
    /// A number is out of bounds.
    #[error("{0} is more than ten times the whole")]
    Bounds(i64),
    /// No such territory, or one of another level.
    #[error("territory {0} is none of the table's level")]
    Territory(TerritoryCode),
}

impl NeedTable {
    /// What needs no state: lengths, order, bounds.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check_shape(&self) -> Result<(), NeedFault> {
        let Self { level: _, components, rows, document: _ } = self;
        let codes: BTreeSet<Code> = components.iter().map(|component| component.code).collect();
        if codes.len() != components.len() || components.len() > COMPONENTS {
            return Err(NeedFault::Limit(format!(
                "{} components: up to {COMPONENTS}, each once, are possible",
                components.len()
            )));
        }
        if !(1..=ROWS).contains(&rows.len()) {
            return Err(NeedFault::Limit(format!("{} territories: 1 to {ROWS} are possible", rows.len())));
        }
        if let Some(pair) = rows.windows(2).find(|pair| pair[0].territory >= pair[1].territory) {
            return Err(NeedFault::Limit(format!("territory {} does not stand in order of code", pair[1].territory)));
        }
        if let Some(row) = rows.iter().find(|row| row.indices_ppm.len() != components.len()) {
            return Err(NeedFault::Limit(format!(
                "territory {} has {} indices for {} components",
                row.territory,
                row.indices_ppm.len(),
                components.len()
            )));
        }
        let numbers = components.iter().map(|component| component.alpha_ppm);
        let mut numbers = numbers.chain(rows.iter().flat_map(|row| row.indices_ppm.iter().copied()));
        match numbers.find(|number| !(-BOUND..=BOUND).contains(number)) {
            Some(number) => Err(NeedFault::Bounds(number)),
            None => Ok(()),
        }
    }

    /// Whether it can be adopted in this state.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check(&self, code: &Code, state: &Overlay<'_>) -> Result<(), NeedFault> {
        self.check_shape()?;
        let fits =
            |row: &&NeedRow| state.get::<Territory>(&row.territory).is_some_and(|known| known.level == self.level);
        if let Some(row) = self.rows.iter().find(|row| !fits(row)) {
            return Err(NeedFault::Territory(row.territory));
        }
        if state.has::<Self>(code) { Err(NeedFault::Duplicate(*code)) } else { Ok(()) }
    }

    /// clamp(10^6 + floor(Σ α · z / 10^6), 500,000, 2,000,000): the Euclidean floor, so that a lack counts like a need.
    fn factor(&self, row: &NeedRow) -> u32 {
        let products = self.components.iter().zip(&row.indices_ppm);
        let sum: i128 = products.map(|(component, index)| i128::from(component.alpha_ppm) * i128::from(*index)).sum();
        let factor = (WHOLE + sum.div_euclid(WHOLE)).clamp(500_000, 2_000_000);
        u32::try_from(factor).expect("clamped to 2,000,000")
    }

    /// What its territories weigh now.
    pub fn weights(&self, state: &Overlay<'_>) -> Vec<NeedWeight> {
        let population = |code| state.get::<Territory>(code).map_or(0, |territory| territory.population);
        self.rows
            .iter()
            .map(|row| NeedWeight {
                territory: row.territory,
                population: population(&row.territory),
                factor: self.factor(row),
            })
            .collect()
    }
}

/// The inputs of a policy's territorial envelope; `None` without its table, which every adopted policy has.
pub fn inputs(rule: &PolicyTerritorial, state: &Overlay<'_>) -> Option<NeedSplit> {
    let PolicyTerritorial { envelope, level: _, need, floor_ppm, ceiling_ppm } = *rule;
    let weights = state.get::<NeedTable>(&need)?.weights(state);
    Some(NeedSplit { envelope, need, floor_ppm, ceiling_ppm, weights })
}

/// Why a share cannot be split by need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApportionFault {
    /// The floors sum to more than the total.
    Floors {
        /// Minor units that the floors ask for.
        floors: u128,
        /// Minor units there are.
        total: u64,
    },
    /// Nobody lives in any of the territories that still take money.
    NoWeight,
}

/// What each territory gets, in the order of weights, and what goes to the reserve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apportioned {
    /// Minor units.
    pub parts: Vec<u64>,
    /// Minor units above all ceilings.
    pub to_reserve: u64,
}

impl NeedSplit {
    /// Splits a total by need within floors and ceilings (rulebook §6).
    ///
    /// # Errors
    /// When the floors sum to more than the total, or nobody lives where the money should go.
    pub fn apportion(&self, total: u64) -> Result<Apportioned, ApportionFault> {
        let part = |ppm: Ppm| u64::try_from(ppm.floor_of(total.into())).expect("a share is at most the whole");
        let (floor, ceiling) = (part(self.floor_ppm), part(self.ceiling_ppm));
        let count = self.weights.len();
        let floors = u128::from(floor) * count as u128;
        if floors > u128::from(total) {
            return Err(ApportionFault::Floors { floors, total });
        }
        if u128::from(ceiling) * count as u128 <= u128::from(total) {
            let given = ceiling * count as u64;
            return Ok(Apportioned { parts: vec![ceiling; count], to_reserve: total - given });
        }
        let mut parts = vec![0; count];
        let mut free: Vec<usize> = (0..count).collect();
        let mut left = total;
        while left > 0 && !free.is_empty() {
            let split = self.split(left, &free)?;
            let under: u128 = split.iter().map(|part| u128::from(floor.saturating_sub(*part))).sum();
            let over: u128 = split.iter().map(|part| u128::from(part.saturating_sub(ceiling))).sum();
            if under == 0 && over == 0 {
                for (index, part) in free.iter().zip(&split) {
                    parts[*index] = *part;
                }
                break;
            }
            let mut still_free = Vec::with_capacity(free.len());
            for (index, part) in free.into_iter().zip(split) {
                if under >= over && part < floor {
                    parts[index] = floor;
                } else if over >= under && part > ceiling {
                    parts[index] = ceiling;
                } else {
                    still_free.push(index);
                    continue;
                }
                left -= parts[index];
            }
            free = still_free;
        }
        Ok(Apportioned { parts, to_reserve: 0 })
    }

    /// Largest remainder of `left` over the free territories.
    fn split(&self, left: u64, free: &[usize]) -> Result<Vec<u64>, ApportionFault> {
        let weights: Vec<(u128, &[u8])> = free
            .iter()
            .map(|index| {
                let NeedWeight { territory, population, factor } = &self.weights[*index];
                (u128::from(*population) * u128::from(*factor), territory.as_bytes())
            })
            .collect();
        let parts = largest_remainder(left.into(), &weights).ok_or(ApportionFault::NoWeight)?;
        Ok(parts.into_iter().map(|part| u64::try_from(part).expect("a part is at most the whole")).collect())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::fixture::{self, commitment};
    use proptest::prelude::*;

    fn ppm(parts: u32) -> Ppm {
        Ppm::new(parts).unwrap()
    }

    fn weighing(populations: &[u64], floor: u32, ceiling: u32) -> NeedSplit {
        let weights = populations.iter().enumerate().map(|(index, population)| NeedWeight {
            territory: TerritoryCode::new(&format!("t{index:03}")).unwrap(),
            population: *population,
            factor: 1_000_000,
        });
        NeedSplit {
            envelope: fixture::envelope("territories"),
            need: Code::new("need").unwrap(),
            floor_ppm: ppm(floor),
            ceiling_ppm: ppm(ceiling),
            weights: weights.collect(),
        }
    }

    /// A table over the départements of the fixture: poverty counts for half, fiscal potential against it.
    pub(crate) fn table() -> NeedTable {
        let component = |code, alpha_ppm| NeedComponent { code: Code::new(code).unwrap(), alpha_ppm };
        let row = |code, indices: [i64; 2]| NeedRow {
            territory: TerritoryCode::new(code).unwrap(),
            indices_ppm: indices.to_vec(),
        };
        NeedTable {
            level: Level::Departement,
            components: vec![component("poverty", 500_000), component("fiscal_potential", -250_000)],
            rows: vec![row("44", [-200_000, 400_001]), row("49", [300_000, -100_000])],
            document: commitment("needs"),
        }
    }

    #[test]
    fn the_vector_of_the_rulebook_holds() {
        let split = weighing(&[1, 98, 1], 100_000, 500_000).apportion(100).unwrap();
        assert_eq!((split.parts, split.to_reserve), (vec![25, 50, 25], 0));
        let populations = [1_413_341, 820_655, 306_323, 566_901, 680_191];
        let split = weighing(&populations, 0, 1_000_000).apportion(27_700_000_000).unwrap();
        assert_eq!(split.parts, [10_336_756_613, 6_002_027_110, 2_240_355_510, 4_146_145_665, 4_974_715_102]);
    }

    #[test]
    fn floors_above_the_total_are_a_fault_and_ceilings_below_it_leave_a_rest_for_the_reserve() {
        let fault = weighing(&[1, 1, 1], 333_334, 1_000_000).apportion(1_000_000).unwrap_err();
        assert_eq!(fault, ApportionFault::Floors { floors: 1_000_002, total: 1_000_000 });
        let split = weighing(&[7, 1, 1], 0, 300_000).apportion(1_001).unwrap();
        assert_eq!((split.parts, split.to_reserve), (vec![300, 300, 300], 101));
        assert_eq!(weighing(&[0, 0], 0, 1_000_000).apportion(1), Err(ApportionFault::NoWeight));
        assert_eq!(weighing(&[0, 0], 0, 1_000_000).apportion(0).unwrap().parts, [0, 0]);
    }

    #[test]
    fn need_weighs_by_population_and_index_with_the_euclidean_floor() {
        let network = fixture::network();
        // 44: −100,000 − 100,000.25 → −200,001; 49: 150,000 + 25,000.
        let factors: Vec<u32> = table().weights(&network.state.overlay()).iter().map(|weight| weight.factor).collect();
        assert_eq!(factors, [799_999, 1_175_000]);
        let mut extreme = table();
        extreme.rows[0].indices_ppm = vec![-10_000_000, 10_000_000];
        extreme.rows[1].indices_ppm = vec![10_000_000, -10_000_000];
        let factors: Vec<u32> = extreme.weights(&network.state.overlay()).iter().map(|weight| weight.factor).collect();
        assert_eq!(factors, [500_000, 2_000_000]);
    }

    #[test]
    fn a_table_that_breaks_a_rule_is_not_adopted() {
        let network = fixture::network();
        let code = Code::new("need").unwrap();
        let fault = |change: fn(&mut NeedTable)| {
            let mut table = table();
            change(&mut table);
            table.check(&code, &network.state.overlay()).unwrap_err()
        };
        assert_eq!(table().check(&code, &network.state.overlay()), Ok(()));
        assert!(matches!(fault(|it| it.components[0].code = it.components[1].code), NeedFault::Limit(_)));
        assert!(matches!(fault(|it| it.rows.clear()), NeedFault::Limit(_)));
        assert!(matches!(fault(|it| it.rows.reverse()), NeedFault::Limit(_)));
        assert!(matches!(fault(|it| it.rows[1].indices_ppm.push(0)), NeedFault::Limit(_)));
        assert!(matches!(fault(|it| it.components[0].alpha_ppm = 10_000_001), NeedFault::Bounds(_)));
        assert!(matches!(fault(|it| it.rows[0].indices_ppm[0] = -10_000_001), NeedFault::Bounds(_)));
        assert!(matches!(fault(|it| it.level = Level::Region), NeedFault::Territory(_)));
        let mut network = network.clone();
        network.edit(|state| state.put::<NeedTable>(code, table()));
        assert_eq!(table().check(&code, &network.state.overlay()), Err(NeedFault::Duplicate(code)));
    }

    proptest! {
        #[test]
        fn parts_sum_to_the_total_and_stay_within_floor_and_ceiling(
            total in 0..=1_000_000_000_000_000u64,
            populations in prop::collection::vec(1u64..3_000_000, 1..40),
            floor in 0u32..200_000,
            above in 0u32..1_000_000,
        ) {
            let ceiling = floor.saturating_add(above).min(1_000_000);
            let need = weighing(&populations, floor, ceiling);
            let part = |ppm: Ppm| u64::try_from(ppm.floor_of(total.into())).unwrap();
            let (least, most) = (part(need.floor_ppm), part(need.ceiling_ppm));
            match need.apportion(total) {
                Ok(Apportioned { parts, to_reserve }) => {
                    prop_assert_eq!(parts.iter().sum::<u64>() + to_reserve, total);
                    prop_assert!(parts.iter().all(|part| (least..=most).contains(part)));
                    prop_assert!(to_reserve == 0 || parts.iter().all(|part| *part == most));
                }
                Err(ApportionFault::Floors { floors, .. }) => prop_assert!(floors > u128::from(total)),
                Err(ApportionFault::NoWeight) => prop_assert!(false, "everybody lives somewhere"),
            }
        }
    }
}
