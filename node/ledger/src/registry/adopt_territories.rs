//! The change `adopt_territories`: new territories, and new facts about known ones (rulebook §2; §4, table B).

use super::territory::{Level, Territory};
use crate::{
    action::Place,
    governance::{
        change::Mode,
        enact_change::{self, ChangeEnacted},
        motion::{Effects, Fault, Motion, ShapeFault},
        propose_change,
    },
    history::RecordRef,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;
use std::collections::BTreeSet;

/// Territories of one change, at most.
const TERRITORIES: usize = 1_000;

message! {
    /// A territory as it is from now on.
    pub struct AdoptedTerritory = AdoptedTerritory {
        /// Its INSEE code.
        pub code: TerritoryCode,
        /// What is known of it.
        pub territory: Territory [required],
    }

    /// What is asked.
    pub struct AdoptTerritories = AdoptTerritories {
        /// A parent stands before its children, or is known.
        pub territories: Vec<AdoptedTerritory>,
    }
}

impl AdoptTerritories {
    /// Tries one after the other: each parent exists and lies above it, so that the tree stays a tree; a known territory keeps its level.
    fn check(&self, state: &Overlay<'_>) -> Result<(), Fault> {
        let mut trial = state.scratch();
        for AdoptedTerritory { code, territory } in &self.territories {
            if let Some(known) = trial.get::<Territory>(code)
                && known.level != territory.level
            {
                return Err(Fault::Territory(format!("territory {code} is a {}", known.level)));
            }
            if let Some(parent) = territory.parent {
                let above = trial.get::<Territory>(&parent).map(|parent| parent.level);
                if !above.is_some_and(|above| lies_above(above, territory.level)) {
                    return Err(Fault::Territory(format!("{parent} does not exist, or does not lie above {code}")));
                }
            }
            trial.put::<Territory>(*code, territory.clone());
        }
        Ok(())
    }
}

/// Whether a level lies above another; the list of levels goes from the inside out.
fn lies_above(above: Level, below: Level) -> bool {
    above > below
}

impl Motion for AdoptTerritories {
    type Asked = Self;

    fn mode(_: &Self, _: &Overlay<'_>) -> Mode {
        Mode::Consent
    }

    fn elements(asked: &Self) -> usize {
        asked.territories.len()
    }

    fn written(asked: &Self) -> usize {
        1 + asked.territories.len()
    }

    fn validate(asked: &Self) -> Result<(), propose_change::Refused> {
        let codes: BTreeSet<TerritoryCode> = asked.territories.iter().map(|adopted| adopted.code).collect();
        if codes.is_empty() || codes.len() != asked.territories.len() || codes.len() > TERRITORIES {
            let words = format!("{} territories: 1 to {TERRITORIES}, each once", asked.territories.len());
            return Err(ShapeFault::Limit(words).into());
        }
        for AdoptedTerritory { code, territory } in &asked.territories {
            let Territory { name, level: _, parent: _, population: _, from, to } = territory;
            if let (Some(from), Some(to)) = (from, to)
                && from > to
            {
                return Err(ShapeFault::Date(format!("territory {code} ends on {to}, before {from}")).into());
            }
            if personal_data::scan(name).is_some() {
                return Err(ShapeFault::PersonalData(format!("the name {name:?} looks like personal data")).into());
            }
        }
        Ok(())
    }

    fn known(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        Ok(asked.check(state)?)
    }

    fn enact(asked: &Self, _: &ChangeId, _: &Place, state: &Overlay<'_>) -> Result<Effects, enact_change::Refused> {
        asked.check(state)?;
        Ok(Effects::default())
    }

    fn apply(asked: &Self, _: &ChangeEnacted, _: &Place, state: &mut Overlay<'_>) {
        for AdoptedTerritory { code, territory } in &asked.territories {
            state.put::<Territory>(*code, territory.clone());
        }
    }

    /// Every territory, so more than 8.
    fn subjects(asked: &Self, _: &ChangeEnacted) -> Vec<RecordRef> {
        asked.territories.iter().map(|adopted| RecordRef::of::<Territory>(&adopted.code)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixture::{self, name},
        governance::{change::Content, enact_change::tests::enact_now},
    };

    fn code(text: &str) -> TerritoryCode {
        TerritoryCode::new(text).unwrap()
    }

    fn adopted(text: &str, level: Level, parent: Option<&str>) -> AdoptedTerritory {
        let territory = Territory {
            name: name(text),
            level,
            parent: parent.map(code),
            population: 7,
            from: LegalDate::new(2027, 1, 1).ok(),
            to: None,
        };
        AdoptedTerritory { code: code(text), territory }
    }

    fn enact(territories: Vec<AdoptedTerritory>) -> Result<ChangeEnacted, &'static str> {
        enact_now(&mut fixture::network(), Content::AdoptTerritories(AdoptTerritories { territories }))
    }

    #[test]
    fn new_territories_stand_under_known_ones_or_under_those_before_them() {
        let epci = adopted("244400404", Level::Epci, Some("44"));
        let town = adopted("44109", Level::Commune, Some("244400404"));
        let renamed = adopted("49", Level::Departement, Some("52"));
        enact(vec![epci.clone(), town.clone(), renamed]).unwrap();
        assert_eq!(enact(vec![town, epci]), Err("TerritoryNamed"), "a parent stands before its children");
    }

    #[test]
    fn a_territory_keeps_its_level_and_lies_below_its_parent() {
        assert_eq!(enact(vec![adopted("44", Level::Commune, Some("52"))]), Err("TerritoryNamed"));
        assert_eq!(enact(vec![adopted("52", Level::Region, Some("44"))]), Err("TerritoryNamed"));
        assert_eq!(enact(vec![adopted("45", Level::Departement, Some("45"))]), Err("TerritoryNamed"));
    }
}
