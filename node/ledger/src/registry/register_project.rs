//! `register_project`: a beneficiary enters a project of the commons, with its licence and who has which rights over it.
//!
//! - Allowed: any active organisation, by an office that may use the role beneficiary.
//! - Effect: the project is active; co-holders confirm by their application or convention.
//! - Source: rulebook §2 and §17, 0105.

use super::{
    organisation::Organisation,
    project::{Project, Right},
    role::{Role, Scope},
    territory::Territory,
};
use crate::{
    action::{Action, BASE_COST, Effect, Place},
    history::RecordRef,
    refusal::{refusals, signer_refusals},
    signer::Context,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;
use std::collections::BTreeSet;

/// Entries of a list, at most.
const LIST: usize = 64;

message! {
    /// The payload.
    pub struct RegisterProject = RegisterProject {
        /// Title.
        pub title: Name,
        /// Category codes.
        pub categories: Vec<CategoryCode>,
        /// Where.
        pub territory: Option<TerritoryCode>,
        /// SPDX licence id.
        pub licence: Text<64>,
        /// Bundle of rights; each right at most once.
        pub rights: Vec<Right>,
        /// Commitment to the description of the resource.
        pub resource: Option<Commitment>,
        /// Commitment to the description of its community.
        pub community: Option<Commitment>,
        /// Commitment to its rules.
        pub rules: Option<Commitment>,
        /// Organisations that hold it with the signer.
        pub co_holders: Vec<OrganisationId>,
        /// The model that it replicates.
        pub replicates: Option<ProjectId>,
    }

    /// The event.
    pub struct ProjectRegistered = ProjectRegistered {
        /// The new project.
        pub id: ProjectId,
        /// As it stands in the state.
        pub project: Project [required],
    }
}

refusals! {
    LimitLists(usize): Limit 1 "a list of {0} entries; 64 are allowed", "a list is too long";
    LimitTwice(String): Limit 2 "{0} stands there twice", "a category, right or co-holder stands there twice";
    LimitTitle(): Limit 3 "the title is empty", "the title is empty";
    LimitLicence(Text<64>): Limit 4 "{0:?} is no SPDX id", "the licence is no SPDX id: letters, digits, `.`, `-`, `+`";
    PersonalDataTitle(Name): PersonalData 1 "the title {0:?} looks like personal data", "the title holds what looks like personal data";
    signer;
    TerritoryUnknown(TerritoryCode): Territory 1 "territory {0} does not exist", "the territory does not exist";
    UnknownCoHolder(OrganisationId): Unknown 1 "co-holder {0} does not exist", "a co-holder does not exist, or is the signer itself";
    UnknownModel(ProjectId): Unknown 2 "project {0}, which this one replicates, does not exist", "the replicated project does not exist";
}
signer_refusals!(Refused);

/// The first item that stands in a list before.
fn repeated<T: Ord + Copy>(items: impl IntoIterator<Item = T>) -> Option<T> {
    let mut seen = BTreeSet::new();
    items.into_iter().find(|item| !seen.insert(*item))
}

fn is_spdx(licence: &str) -> bool {
    !licence.is_empty()
        && licence.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+'))
}

impl Action for RegisterProject {
    type Event = ProjectRegistered;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        for length in [self.categories.len(), self.rights.len(), self.co_holders.len()] {
            if length > LIST {
                return Err(Refused::LimitLists(length));
            }
        }
        let category = repeated(self.categories.iter().copied()).map(|category| category.to_string());
        let right = || repeated(self.rights.iter().map(|right| right.right)).map(|right| right.to_string());
        let holder = || repeated(self.co_holders.iter().copied()).map(|holder| holder.to_string());
        if let Some(twice) = category.or_else(right).or_else(holder) {
            return Err(Refused::LimitTwice(twice));
        }
        if self.title.trim().is_empty() {
            return Err(Refused::LimitTitle());
        }
        if !is_spdx(&self.licence) {
            return Err(Refused::LimitLicence(self.licence.clone()));
        }
        if personal_data::scan(&self.title).is_some() {
            return Err(Refused::PersonalDataTitle(self.title.clone()));
        }
        Ok(())
    }

    fn cost(&self) -> u64 {
        BASE_COST + (self.categories.len() + self.rights.len() + self.co_holders.len()) as u64
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<ProjectRegistered, Refused> {
        let Self { title, categories, territory, licence, rights, resource, community, rules, co_holders, replicates } =
            self.clone();
        cx.authorise(state, Role::Beneficiary, Scope::Network)?;
        if let Some(territory) = territory
            && !state.has::<Territory>(&territory)
        {
            return Err(Refused::TerritoryUnknown(territory));
        }
        let is_other = |holder: &OrganisationId| *holder != cx.organisation && state.has::<Organisation>(holder);
        if let Some(holder) = co_holders.iter().find(|holder| !is_other(holder)) {
            return Err(Refused::UnknownCoHolder(*holder));
        }
        if let Some(model) = replicates
            && !state.has::<Project>(&model)
        {
            return Err(Refused::UnknownModel(model));
        }
        let holder = cx.organisation;
        Ok(ProjectRegistered {
            id: ProjectId::new(object_id("project", &cx.place.transaction)),
            project: Project {
                holder,
                title,
                categories,
                territory,
                licence,
                rights,
                resource,
                community,
                rules,
                co_holders,
                replicates,
                clause: None,
            },
        })
    }
}

impl Effect for ProjectRegistered {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        state.put::<Project>(self.id, self.project.clone());
    }

    /// The project, its holder, its model: co-holders join the story when they confirm.
    fn subjects(&self) -> Vec<RecordRef> {
        let holder = RecordRef::of::<Organisation>(&self.project.holder);
        let model = self.project.replicates.map(|model| RecordRef::of::<Project>(&model));
        [RecordRef::of::<Project>(&self.id), holder].into_iter().chain(model).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Event, Kind, Payload},
        fixture::{self, IntoPayload},
        registry::project::{RightHolders, RightKind},
    };

    impl IntoPayload for RegisterProject {
        fn into_payload(self) -> Payload {
            Payload::RegisterProject(self)
        }
    }

    fn project() -> RegisterProject {
        RegisterProject {
            title: fixture::name("Atlas of hedges (invented)"),
            categories: vec![CategoryCode::new("maps").unwrap()],
            territory: Some(TerritoryCode::new("44").unwrap()),
            licence: Text::new("ODbL-1.0").unwrap(),
            rights: vec![Right { right: RightKind::Access, holders: RightHolders::Anyone }],
            resource: Some(fixture::commitment("resource")),
            community: None,
            rules: None,
            co_holders: vec![fixture::id("asso2")],
            replicates: None,
        }
    }

    fn with(change: impl FnOnce(&mut RegisterProject)) -> RegisterProject {
        let mut project = project();
        change(&mut project);
        project
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let mut network = fixture::network();
        network.suspend("asso3");
        network.edit(|state| {
            state.update::<Organisation>(&fixture::id("lab"), |lab| lab.offices[0].roles = vec![Role::Reviewer]);
        });
        let right = Right { right: RightKind::Extract, holders: RightHolders::None };
        let table = [
            ("asso1", with(|project| project.co_holders = vec![fixture::id("asso2"); 65])),
            ("asso1", with(|project| project.rights = vec![right.clone(), right])),
            ("asso1", with(|project| project.title = fixture::name(" "))),
            ("asso1", with(|project| project.licence = Text::new("GPL 3").unwrap())),
            ("asso1", with(|project| project.title = fixture::name("call 06 12 34 56 78"))),
            ("asso3", project()),
            ("lab", project()),
            ("asso1", with(|project| project.territory = Some(TerritoryCode::new("99").unwrap()))),
            ("asso2", project()),
            ("asso1", with(|project| project.replicates = Some(ProjectId::ZERO))),
        ];
        let reached: Vec<&str> = table.into_iter().map(|(signer, payload)| network.refusal(signer, payload)).collect();
        fixture::assert_all_reached(Kind::RegisterProject, &reached);
    }

    #[test]
    fn a_project_is_entered_as_it_was_told_and_a_replica_names_its_model() {
        let mut network = fixture::network();
        fixture::assert_round_trips(&project().into_payload());
        let Event::RegisterProject(first) = network.run("asso1", project()).unwrap() else { panic!("registered") };
        let record = network.state.get::<Project>(&first.id).unwrap();
        assert!(record.is_held_by(&fixture::id("asso1")) && record.is_held_by(&fixture::id("asso2")));
        assert!(!record.is_held_by(&fixture::id("asso3")));
        let Event::RegisterProject(second) =
            network.run("asso3", with(|project| project.replicates = Some(first.id))).unwrap()
        else {
            panic!("registered")
        };
        assert_eq!(network.state.get::<Project>(&second.id).unwrap().replicates, Some(first.id));
        assert_eq!(network.state.entry::<Project>(&first.id).unwrap().history.count, 2);
    }
}
