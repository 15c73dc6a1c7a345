//! Colleges weigh the same whatever their size; seats are held by organisations, one per group and college (rulebook §2).

use crate::{state::Record, wire::message};
use octroi_primitives::*;

message! {
    /// A college.
    pub struct College = College {
        /// Name for people.
        pub name: Name,
    }

    /// A seat.
    pub struct CollegeSeat = CollegeSeat {
        /// Speaks for the college where one delegate does.
        pub delegate: bool,
        /// Last day of the term; the seat is kept until the successor sits.
        pub until: Option<LegalDate>,
    }
}

impl Record for College {
    type Key = CollegeCode;
}

impl Record for CollegeSeat {
    type Key = (CollegeCode, OrganisationId);
}
