//! Projects: the commons that grants are for (rulebook §2).

use crate::{
    state::Record,
    wire::{message, words},
};
use octroi_primitives::*;

words! {
    /// A right over a commons, as the rulebook lists them.
    pub enum RightKind {
        /// Be there, read it.
        Access = "access",
        /// Add to it.
        Contribute = "contribute",
        /// Take from it.
        Extract = "extract",
        /// Take away from it what others put there.
        Remove = "remove",
        /// Decide how it is used.
        Manage = "manage",
        /// Decide who has the other rights.
        Exclude = "exclude",
        /// Give these rights away.
        Alienate = "alienate",
    }

    /// Who has a right.
    pub enum RightHolders {
        /// Everybody.
        Anyone = "anyone",
        /// Members of its community.
        Members = "members",
        /// Who uses it commercially, under terms.
        Commercial = "commercial",
        /// Nobody.
        None = "none",
    }
}

message! {
    /// One right and who has it.
    pub struct Right = Right {
        /// The right.
        pub right: RightKind,
        /// Who has it.
        pub holders: RightHolders,
    }

    /// Record: a project.
    pub struct Project = Project {
        /// Who registered it.
        pub holder: OrganisationId,
        /// Title.
        pub title: Name,
        /// Categories of the rulebook, section 2.
        pub categories: Vec<CategoryCode>,
        /// Where it is, if anywhere.
        pub territory: Option<TerritoryCode>,
        /// Licence, SPDX id.
        pub licence: Text<64>,
        /// The bundle of rights.
        pub rights: Vec<Right>,
        /// Commitment to the description of the resource.
        pub resource: Option<Commitment>,
        /// Commitment to the description of its community.
        pub community: Option<Commitment>,
        /// Commitment to its rules.
        pub rules: Option<Commitment>,
        /// Organisations that hold it with the holder.
        pub co_holders: Vec<OrganisationId>,
        /// The project that it replicates.
        pub replicates: Option<ProjectId>,
        /// Commitment to its clause against appropriation.
        pub clause: Option<Commitment>,
    }
}

impl Record for Project {
    type Key = ProjectId;
}

impl Project {
    /// Whether an organisation holds or co-holds it.
    pub fn is_held_by(&self, organisation: &OrganisationId) -> bool {
        self.holder == *organisation || self.co_holders.contains(organisation)
    }
}
