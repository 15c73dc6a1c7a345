//! What governance decides: changes, the seats frozen for them, ballots.

use super::organisations::name;
use crate::{
    core::{Core, id, page_info, read_at},
    status,
};
use octroi_ledger::{
    governance::change::{Change, ChangeSeat},
    state::Key as _,
    wire::Wire as _,
};
use octroi_primitives::{ChangeId, OrganisationId};
use octroi_proto::v1 as pb;
use octroi_views::{Order, Page, PageOf, View, lists};
use tonic::Status;

/// Changes looked at between two of those that are wanted.
const CHUNK: usize = 256;

fn change_view(view: &View, id: &ChangeId, change: &Change) -> pb::ChangeView {
    pb::ChangeView {
        id: id.to_proto(),
        change: Some(change.to_proto()),
        proposer_name: name(view, &change.proposer),
        seats: Vec::new(),
    }
}

pub(super) fn get(core: &Core, request: pb::GetChangeRequest) -> Result<pb::GetChangeResponse, Status> {
    let pb::GetChangeRequest { id: asked, options } = request;
    let asked: ChangeId = id("id", &asked)?;
    let view = core.view(options)?;
    let change = view.state.get::<Change>(&asked).ok_or_else(|| status::not_found("change", asked))?;
    let first = (asked, OrganisationId::from_bytes([0; 32]));
    let last = (asked, OrganisationId::from_bytes([0xff; 32]));
    let seats = view.state.range::<ChangeSeat>(first..=last).map(|((_, organisation), seat)| pb::SeatView {
        organisation: organisation.to_proto(),
        organisation_name: name(&view, organisation),
        seat: Some(seat.to_proto()),
    });
    let change = pb::ChangeView { seats: seats.collect(), ..change_view(&view, &asked, change) };
    Ok(pb::GetChangeResponse { change: Some(change), at: Some(read_at(&view)) })
}

pub(super) fn list(core: &Core, request: pb::ListChangesRequest) -> Result<pb::ListChangesResponse, Status> {
    let pb::ListChangesRequest { status: wanted, page, options } = request;
    let (page, view) = core.page_of_state(&[b"changes", wanted.as_bytes()], page, options)?;
    // Changes are few: all up to the height are gone through in the order in which they were proposed.
    let query: &[&[u8]] = &[b"all-changes"];
    let mut token = Vec::new();
    let mut found = Vec::new();
    loop {
        let chunk = Page::new(query, CHUNK as u32, &token, page.height()).map_err(status::of_view)?;
        let listed = lists::list::<ChangeId>(core.deps.rows.as_ref(), &lists::List::Changes, &chunk, Order::Ascending);
        let PageOf { items, next } = listed.map_err(status::of_view)?;
        for (cursor, id) in items {
            let Some(change) = view.state.get::<Change>(&id) else { continue };
            if wanted.is_empty() || change.status.to_string() == wanted {
                let mut position = cursor.height.0.to_be_bytes().to_vec();
                position.extend_from_slice(&cursor.receipt.to_be_bytes());
                id.write(&mut position);
                found.push((position, change_view(&view, &id, change)));
            }
        }
        match next {
            Some(next) => token = next,
            None => break,
        }
    }
    let cut = page.cut(found);
    Ok(pb::ListChangesResponse { changes: cut.items, page: page_info(cut.next), at: Some(read_at(&view)) })
}
