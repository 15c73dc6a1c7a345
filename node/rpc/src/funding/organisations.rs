//! Organisations and projects.

use crate::{
    core::{Core, id, page_info, read_at, word},
    status,
};
use octroi_ledger::{
    registry::{
        college::CollegeSeat,
        organisation::{IdentifierHolder, Organisation},
        project::Project,
        role::{Role, RoleGrant, Scope},
    },
    state::Key as _,
    wire::Wire as _,
};
use octroi_primitives::{Identifier, OrganisationId, ProjectId, Scheme};
use octroi_proto::v1 as pb;
use octroi_views::View;
use std::ops::Bound;
use tonic::Status;

/// Name of an organisation for people; empty if it is none.
pub(super) fn name(view: &View, id: &OrganisationId) -> String {
    view.state.get::<Organisation>(id).map(|organisation| organisation.name.as_str().to_owned()).unwrap_or_default()
}

fn organisation_view(view: &View, id: OrganisationId, organisation: &Organisation) -> pb::OrganisationView {
    // Keys of grants begin with the organisation: from its first possible one, as long as they are its own.
    let from = (id, Role::ALL[0], Scope::Network);
    let granted = view.state.range::<RoleGrant>(from..).take_while(|((holder, _, _), _)| *holder == id);
    let seats = view.state.all::<CollegeSeat>().filter(|((_, seated), _)| *seated == id);
    pb::OrganisationView {
        id: id.to_proto(),
        organisation: Some(organisation.to_proto()),
        roles: granted
            .map(|((_, role, scope), _)| pb::RoleView { role: role.to_string(), scope: Some(scope.to_proto()) })
            .collect(),
        colleges: seats.map(|((college, _), _)| college.to_string()).collect(),
    }
}

pub(super) fn get(core: &Core, request: pb::GetOrganisationRequest) -> Result<pb::GetOrganisationResponse, Status> {
    let pb::GetOrganisationRequest { id: asked, options } = request;
    let asked: OrganisationId = id("id", &asked)?;
    let view = core.view(options)?;
    let organisation =
        view.state.get::<Organisation>(&asked).ok_or_else(|| status::not_found("organisation", asked))?;
    let organisation = Some(organisation_view(&view, asked, organisation));
    Ok(pb::GetOrganisationResponse { organisation, at: Some(read_at(&view)) })
}

/// An identifier as a request names it.
pub(super) fn identifier(field: &str, scheme: &str, value: &str) -> Result<Identifier, Status> {
    let scheme: Scheme = word(&format!("{field}.scheme"), scheme)?;
    Identifier::new(scheme, value).map_err(|error| status::argument(&format!("{field}.value"), error))
}

pub(super) fn find(core: &Core, request: pb::FindOrganisationRequest) -> Result<pb::FindOrganisationResponse, Status> {
    let pb::FindOrganisationRequest { scheme, value, name_contains, page, options } = request;
    let query: &[&[u8]] = &[b"find-organisation", scheme.as_bytes(), value.as_bytes(), name_contains.as_bytes()];
    let (page, view) = core.page_of_state(query, page, options)?;
    let at = Some(read_at(&view));
    if !scheme.is_empty() || !value.is_empty() {
        let asked =
            Identifier::new(word("scheme", &scheme)?, &value).map_err(|error| status::argument("value", error))?;
        let holder = view.state.get::<IdentifierHolder>(&asked).map(|holder| holder.organisation);
        let found = holder.and_then(|id| Some(organisation_view(&view, id, view.state.get::<Organisation>(&id)?)));
        return Ok(pb::FindOrganisationResponse {
            organisations: found.into_iter().collect(),
            page: page_info(None),
            at,
        });
    }
    let wanted = name_contains.to_lowercase();
    let after = page.after().and_then(OrganisationId::from_key_bytes).map_or(Bound::Unbounded, Bound::Excluded);
    let all = view.state.range::<Organisation>((after, Bound::Unbounded));
    let found = all
        .filter(|(_, organisation)| organisation.name.as_str().to_lowercase().contains(&wanted))
        .map(|(id, organisation)| (id.to_key_bytes(), (*id, organisation)));
    let cut = page.cut(found);
    let organisations = cut.items.into_iter().map(|(id, organisation)| organisation_view(&view, id, organisation));
    Ok(pb::FindOrganisationResponse { organisations: organisations.collect(), page: page_info(cut.next), at })
}

fn project_view(id: &ProjectId, project: &Project) -> pb::ProjectView {
    pb::ProjectView { id: id.to_proto(), project: Some(project.to_proto()) }
}

pub(super) fn project(core: &Core, request: pb::GetProjectRequest) -> Result<pb::GetProjectResponse, Status> {
    let pb::GetProjectRequest { id: asked, options } = request;
    let asked: ProjectId = id("id", &asked)?;
    let view = core.view(options)?;
    let project = view.state.get::<Project>(&asked).ok_or_else(|| status::not_found("project", asked))?;
    Ok(pb::GetProjectResponse { project: Some(project_view(&asked, project)), at: Some(read_at(&view)) })
}

pub(super) fn projects(core: &Core, request: pb::ListProjectsRequest) -> Result<pb::ListProjectsResponse, Status> {
    let pb::ListProjectsRequest { holder, category, territory, page, options } = request;
    let query: &[&[u8]] = &[b"projects", &holder, category.as_bytes(), territory.as_bytes()];
    let (page, view) = core.page_of_state(query, page, options)?;
    let wanted: Option<OrganisationId> = if holder.is_empty() { None } else { Some(id("holder", &holder)?) };
    let after = page.after().and_then(ProjectId::from_key_bytes).map_or(Bound::Unbounded, Bound::Excluded);
    let held = |project: &Project| match wanted {
        None => true,
        Some(wanted) => project.holder == wanted || project.co_holders.contains(&wanted),
    };
    let found = view.state.range::<Project>((after, Bound::Unbounded)).filter(|(_, project)| {
        held(project)
            && (category.is_empty() || project.categories.iter().any(|of| of.to_string() == category))
            && (territory.is_empty() || project.territory.is_some_and(|of| of.to_string() == territory))
    });
    let cut = page.cut(found.map(|(id, project)| (id.to_key_bytes(), project_view(id, project))));
    Ok(pb::ListProjectsResponse { projects: cut.items, page: page_info(cut.next), at: Some(read_at(&view)) })
}
