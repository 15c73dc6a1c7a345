//! Grants of this ledger, their tranches, and the calls and applications they come from.

use super::organisations::name;
use crate::{
    core::{Core, id, page_info, read_at, word},
    event::Reader,
    status,
};
use octroi_ledger::{
    application::application::{Application, CallApplication},
    call::call::{Call, CallStatus},
    grant::{
        grant::{Grant, PartStatus},
        payout::Payout,
    },
    registry::{fund::Fund, project::Project},
    state::Key as _,
    wire::Wire as _,
};
use octroi_primitives::{
    ApplicationId, CallId, FundCode, GrantId, LegalDate, OrganisationId, Reference, ReferenceKind,
};
use octroi_proto::v1 as pb;
use octroi_views::{Order, Page, View, lists, stories};
use std::ops::Bound;
use tonic::Status;

/// Events of a grant that come with it; more are read by `ListEvents`.
const EVENTS: usize = 1000;

/// Minor units of a grant's parts that were ordered, and of those that were paid.
pub(super) fn ordered_and_paid(grant: &Grant) -> (i64, i64) {
    let parts = grant.tranches.iter().flat_map(|tranche| &tranche.parts);
    let (mut ordered, mut paid) = (0_i128, 0_i128);
    for part in parts {
        match part.status {
            PartStatus::Paid => {
                ordered += i128::from(part.amount);
                paid += i128::from(part.amount);
            }
            PartStatus::Ordered | PartStatus::InTransit | PartStatus::Offset => ordered += i128::from(part.amount),
            PartStatus::Planned
            | PartStatus::EvidenceSubmitted
            | PartStatus::Accepted
            | PartStatus::Rejected
            | PartStatus::Failed
            | PartStatus::Cancelled => {}
        }
    }
    (crate::ledger::clamp(ordered), crate::ledger::clamp(paid))
}

/// When a grant was awarded, milliseconds UTC: the time of its first event; 0 if none is known.
pub(super) fn decided_at(core: &Core, view: &View, events: &mut Reader, id: &GrantId) -> Result<u64, Status> {
    let first = Page::first(view.height(), 1);
    let story = stories::story_of::<Grant>(core.deps.rows.as_ref(), id, &first, Order::Ascending);
    let cursor = story.map_err(status::of_view)?.items.first().copied();
    cursor.map_or(Ok(0), |cursor| events.time(core, cursor))
}

/// A grant with names for people.
pub(super) fn grant_view(
    core: &Core,
    view: &View,
    events: &mut Reader,
    id: &GrantId,
    grant: &Grant,
) -> Result<pb::GrantView, Status> {
    let (ordered, paid) = ordered_and_paid(grant);
    let decided_at = decided_at(core, view, events, id)?;
    let state = &view.state;
    Ok(pb::GrantView {
        id: id.to_proto(),
        grant: Some(grant.to_proto()),
        fund_name: state.get::<Fund>(&grant.fund).map(|fund| fund.name.as_str().to_owned()).unwrap_or_default(),
        lead_name: name(view, &grant.lead()),
        project_title: state
            .get::<Project>(&grant.project)
            .map(|project| project.title.as_str().to_owned())
            .unwrap_or_default(),
        call_title: state.get::<Call>(&grant.call).map(|call| call.title.as_str().to_owned()).unwrap_or_default(),
        decided_by: grant.change.to_proto(),
        decided_at,
        ordered,
        paid,
        currency: grant.awarded.currency.as_str().to_owned(),
    })
}

pub(super) fn get(core: &Core, request: pb::GetGrantRequest) -> Result<pb::GetGrantResponse, Status> {
    let pb::GetGrantRequest { id: asked, options } = request;
    let asked: GrantId = id("id", &asked)?;
    let view = core.view(options)?;
    let grant = view.state.get::<Grant>(&asked).ok_or_else(|| status::not_found("grant", asked))?;
    let mut reader = Reader::default();
    let page = Page::first(view.height(), EVENTS);
    let story = stories::story_of::<Grant>(core.deps.rows.as_ref(), &asked, &page, Order::Ascending);
    let cursors = story.map_err(status::of_view)?.items;
    let events = cursors.into_iter().map(|cursor| reader.record(core, cursor)).collect::<Result<_, _>>()?;
    let payouts = view.state.all::<Payout>().filter(|(_, payout)| payout.grant == asked);
    let payouts = payouts.map(|(id, payout)| pb::PayoutView {
        id: id.to_proto(),
        payout: Some(payout.to_proto()),
        reference: Reference::of(ReferenceKind::Payout, id.hash()).to_string(),
    });
    Ok(pb::GetGrantResponse {
        payouts: payouts.collect(),
        grant: Some(grant_view(core, &view, &mut reader, &asked, grant)?),
        events,
        at: Some(read_at(&view)),
    })
}

pub(super) fn tranches(core: &Core, request: pb::ListTranchesRequest) -> Result<pb::ListTranchesResponse, Status> {
    let pb::ListTranchesRequest { fund, grant, page, options } = request;
    let (page, view) = core.page_of_state(&[b"tranches", fund.as_bytes(), &grant], page, options)?;
    let wanted_fund: Option<FundCode> = if fund.is_empty() { None } else { Some(word("fund", &fund)?) };
    let wanted_grant: Option<GrantId> = if grant.is_empty() { None } else { Some(id("grant", &grant)?) };
    let position = |due: &LegalDate, grant: &GrantId, number: u32| {
        let mut position = vec![];
        position.extend_from_slice(&due.year().to_be_bytes());
        position.extend_from_slice(&[due.month(), due.day()]);
        grant.write(&mut position);
        position.extend_from_slice(&number.to_be_bytes());
        position
    };
    let mut found = Vec::new();
    for (id, grant) in view.state.all::<Grant>() {
        if wanted_fund.is_some_and(|fund| grant.fund != fund) || wanted_grant.is_some_and(|wanted| *id != wanted) {
            continue;
        }
        for tranche in &grant.tranches {
            found.push((position(&tranche.due, id, tranche.number), (id, tranche)));
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    let cut = page.cut(found);
    let tranches = cut.items.into_iter();
    let tranches =
        tranches.map(|(grant, tranche)| pb::TrancheView { grant: grant.to_proto(), tranche: Some(tranche.to_proto()) });
    Ok(pb::ListTranchesResponse { tranches: tranches.collect(), page: page_info(cut.next), at: Some(read_at(&view)) })
}

fn call_view(view: &View, id: &CallId, call: &Call) -> pb::CallView {
    let time = view.state.head().time;
    let state = match call.status {
        CallStatus::Open if time < call.opens_at => "draft",
        CallStatus::Open if time >= call.closes_at => CallStatus::Closed.as_str(),
        status => status.as_str(),
    };
    pb::CallView { id: id.to_proto(), call: Some(call.to_proto()), state: state.into() }
}

pub(super) fn call(core: &Core, request: pb::GetCallRequest) -> Result<pb::GetCallResponse, Status> {
    let pb::GetCallRequest { id: asked, options } = request;
    let asked: CallId = id("id", &asked)?;
    let view = core.view(options)?;
    let call = view.state.get::<Call>(&asked).ok_or_else(|| status::not_found("call", asked))?;
    Ok(pb::GetCallResponse { call: Some(call_view(&view, &asked, call)), at: Some(read_at(&view)) })
}

pub(super) fn calls(core: &Core, request: pb::ListCallsRequest) -> Result<pb::ListCallsResponse, Status> {
    let pb::ListCallsRequest { fund, page, options } = request;
    let (page, view) = core.page_of_state(&[b"calls", fund.as_bytes()], page, options)?;
    let list = if fund.is_empty() { lists::List::Calls } else { lists::List::CallsOfFund(word("fund", &fund)?) };
    let listed = lists::list::<CallId>(core.deps.rows.as_ref(), &list, &page, Order::Ascending);
    let listed = listed.map_err(status::of_view)?;
    let calls = listed.items.iter().filter_map(|(_, id)| Some(call_view(&view, id, view.state.get::<Call>(id)?)));
    Ok(pb::ListCallsResponse { calls: calls.collect(), page: page_info(listed.next), at: Some(read_at(&view)) })
}

pub(super) fn applications(
    core: &Core,
    request: pb::ListApplicationsRequest,
) -> Result<pb::ListApplicationsResponse, Status> {
    let pb::ListApplicationsRequest { call, applicant, page, options } = request;
    let (page, view) = core.page_of_state(&[b"applications", &call, &applicant], page, options)?;
    let applicant: Option<OrganisationId> =
        if applicant.is_empty() { None } else { Some(id("applicant", &applicant)?) };
    let takes_part =
        |application: &Application| applicant.is_none_or(|wanted| application.parties().any(|party| party == wanted));
    let seen = |id: &ApplicationId, application: &Application| pb::ApplicationView {
        id: id.to_proto(),
        application: Some(application.to_proto()),
    };
    let cut = if call.is_empty() {
        let after = page.after().and_then(ApplicationId::from_key_bytes).map_or(Bound::Unbounded, Bound::Excluded);
        let found = view.state.range::<Application>((after, Bound::Unbounded));
        let found = found.filter(|(_, application)| takes_part(application));
        page.cut(found.map(|(id, application)| (id.to_key_bytes(), seen(id, application))))
    } else {
        // In the order of their numbers.
        let call: CallId = id("call", &call)?;
        let found = view.state.range::<CallApplication>((call, 0)..=(call, u32::MAX));
        let found = found.filter_map(|(key, entry)| {
            let application = view.state.get::<Application>(&entry.application)?;
            takes_part(application).then(|| (key.to_key_bytes(), seen(&entry.application, application)))
        });
        page.cut(found)
    };
    Ok(pb::ListApplicationsResponse { applications: cut.items, page: page_info(cut.next), at: Some(read_at(&view)) })
}
