//! `update_project`: who holds a project tells it anew.
//!
//! - Allowed: the active organisation that registered it, with the role beneficiary.
//! - Effect: the description is replaced whole; who holds it and what it replicates stay. The history keeps what it was: a commons that is closed later
//!   shows.
//! - Source: rulebook §2, §4 (0106).

use super::{
    organisation::Organisation,
    project::{Project, Right},
    register_project::RegisterProject,
    role::{Role, Scope},
};
use crate::{
    action::{Action, BASE_COST, Effect, Place},
    history::RecordRef,
    refusal::{Reject, Shared, refusals, signer_refusals},
    registry::territory::Territory,
    signer::Context,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

message! {
    /// The payload.
    pub struct UpdateProject = UpdateProject {
        /// Which.
        pub project: ProjectId,
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
        /// Commitment to its clause against appropriation.
        pub clause: Option<Commitment>,
    }

    /// The event.
    pub struct ProjectUpdated = ProjectUpdated {
        /// Which.
        pub id: ProjectId,
        /// As it stands in the state now.
        pub project: Project [required],
    }
}

refusals! {
    LimitDescription(String): Limit 1 "{0}", "a list is too long or names something twice, the title is empty, or the licence is no SPDX id";
    PersonalDataTitle(Name): PersonalData 1 "the title {0:?} looks like personal data", "the title holds what looks like personal data";
    signer;
    RoleNotHolder(OrganisationId): Role 2 "organisation {0} did not register the project", "the project was registered by another";
    UnknownProject(ProjectId): Unknown 1 "project {0} does not exist", "the project does not exist";
    UnknownCoHolder(OrganisationId): Unknown 2 "co-holder {0} does not exist", "a co-holder does not exist, or is the signer itself";
    TerritoryUnknown(TerritoryCode): Territory 1 "territory {0} does not exist", "the territory does not exist";
}
signer_refusals!(Refused);

impl UpdateProject {
    /// As it would be registered: the same shape is asked.
    fn as_registered(&self) -> RegisterProject {
        let Self {
            project: _,
            title,
            categories,
            territory,
            licence,
            rights,
            resource,
            community,
            rules,
            co_holders,
            clause: _,
        } = self.clone();
        RegisterProject {
            title,
            categories,
            territory,
            licence,
            rights,
            resource,
            community,
            rules,
            co_holders,
            replicates: None,
        }
    }
}

impl Action for UpdateProject {
    type Event = ProjectUpdated;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        self.as_registered().validate().map_err(|refused| match refused.doc().shared {
            Shared::PersonalData => Refused::PersonalDataTitle(self.title.clone()),
            _ => Refused::LimitDescription(refused.to_string()),
        })
    }

    fn cost(&self) -> u64 {
        BASE_COST + (self.categories.len() + self.rights.len() + self.co_holders.len()) as u64
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<ProjectUpdated, Refused> {
        cx.authorise(state, Role::Beneficiary, Scope::Network)?;
        let id = self.project;
        let before = state.get::<Project>(&id).ok_or(Refused::UnknownProject(id))?;
        if before.holder != cx.organisation {
            return Err(Refused::RoleNotHolder(cx.organisation));
        }
        let is_other = |holder: &OrganisationId| *holder != cx.organisation && state.has::<Organisation>(holder);
        if let Some(holder) = self.co_holders.iter().find(|holder| !is_other(holder)) {
            return Err(Refused::UnknownCoHolder(*holder));
        }
        if let Some(territory) = self.territory
            && !state.has::<Territory>(&territory)
        {
            return Err(Refused::TerritoryUnknown(territory));
        }
        let Self {
            project: _,
            title,
            categories,
            territory,
            licence,
            rights,
            resource,
            community,
            rules,
            co_holders,
            clause,
        } = self.clone();
        let project = Project {
            holder: before.holder,
            title,
            categories,
            territory,
            licence,
            rights,
            resource,
            community,
            rules,
            co_holders,
            replicates: before.replicates,
            clause,
        };
        Ok(ProjectUpdated { id, project })
    }
}

impl Effect for ProjectUpdated {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        state.put::<Project>(self.id, self.project.clone());
    }

    fn subjects(&self) -> Vec<RecordRef> {
        vec![RecordRef::of::<Project>(&self.id), RecordRef::of::<Organisation>(&self.project.holder)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Event, Kind, Payload},
        fixture::{self, IntoPayload, Network, id},
    };

    impl IntoPayload for UpdateProject {
        fn into_payload(self) -> Payload {
            Payload::UpdateProject(self)
        }
    }

    fn registered() -> (Network, ProjectId) {
        let mut network = fixture::network();
        let first = update(ProjectId::ZERO).as_registered();
        match network.run("asso1", first) {
            Ok(Event::RegisterProject(event)) => (network, event.id),
            other => panic!("{other:?}"),
        }
    }

    fn update(project: ProjectId) -> UpdateProject {
        UpdateProject {
            project,
            title: fixture::name("Atlas of hedges and banks (invented)"),
            categories: vec![CategoryCode::new("maps").unwrap()],
            territory: Some(TerritoryCode::new("44").unwrap()),
            licence: Text::new("CC-BY-4.0").unwrap(),
            rights: vec![],
            resource: None,
            community: None,
            rules: None,
            co_holders: vec![id("asso2")],
            clause: Some(fixture::commitment("clause")),
        }
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let (network, project) = registered();
        let mut suspended = network.clone();
        suspended.suspend("asso1");
        let mut idle = network.clone();
        idle.edit(|state| {
            state.update::<Organisation>(&id("asso1"), |asso| asso.offices[0].roles = vec![Role::Reviewer]);
        });
        let licence = UpdateProject { licence: Text::new("GPL 3").unwrap(), ..update(project) };
        let call = UpdateProject { title: fixture::name("call 06 12 34 56 78"), ..update(project) };
        let alone = UpdateProject { co_holders: vec![id("asso1")], ..update(project) };
        let elsewhere = UpdateProject { territory: Some(TerritoryCode::new("99").unwrap()), ..update(project) };
        let reached = [
            network.refusal("asso1", licence),
            network.refusal("asso1", call),
            suspended.refusal("asso1", update(project)),
            idle.refusal("asso1", update(project)),
            network.refusal("asso2", update(project)),
            network.refusal("asso1", update(ProjectId::ZERO)),
            network.refusal("asso1", alone),
            network.refusal("asso1", elsewhere),
        ];
        fixture::assert_all_reached(Kind::UpdateProject, &reached);
    }

    #[test]
    fn a_project_is_told_anew_and_its_history_keeps_what_it_was() {
        let (mut network, project) = registered();
        fixture::assert_round_trips(&update(project).into_payload());
        network.run("asso1", update(project)).unwrap();
        let entry = network.state.entry::<Project>(&project).unwrap();
        assert_eq!(entry.record.clause, Some(fixture::commitment("clause")));
        assert_eq!((entry.record.holder, entry.history.count), (id("asso1"), 2));
    }
}
