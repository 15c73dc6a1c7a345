//! Territories form a tree (rulebook §2).

use crate::{
    state::Record,
    wire::{message, words},
};
use octroi_primitives::*;

words! {
    /// Level of a territory.
    pub enum Level {
        /// Municipality.
        Commune = "commune",
        /// Association of municipalities.
        Epci = "epci",
        /// Département.
        Departement = "departement",
        /// Région.
        Region = "region",
        /// Country.
        Country = "country",
        /// European Union.
        Eu = "eu",
    }
}

message! {
    /// A territory; its key is its INSEE code.
    pub struct Territory = Territory {
        /// Name for people.
        pub name: Name,
        /// Level.
        pub level: Level,
        /// The territory around it.
        pub parent: Option<TerritoryCode>,
        /// Inhabitants; 0: unknown.
        pub population: u64,
        /// First day on which it exists; `None`: from ever.
        pub from: Option<LegalDate>,
        /// Last day on which it exists; `None`: for ever.
        pub to: Option<LegalDate>,
    }
}

impl Record for Territory {
    type Key = TerritoryCode;
}
