//! Grants made beside this ledger and declared on it: rows of published files, with totals of their own.

use super::organisations::name;
use crate::{
    core::{Core, id, read_at},
    event::Reader,
    ledger::clamp,
    status,
};
use octroi_ledger::{
    grant::past_grant::{PastGrant, PastGrantFile, PastGrantTotal},
    state::Record,
    wire::Wire as _,
};
use octroi_primitives::{Balance, Currency, FileHash, Identifier};
use octroi_proto::v1 as pb;
use octroi_views::{Order, Page, View, lists, stories};
use std::collections::{BTreeMap, BTreeSet};
use tonic::Status;

/// Names the record of a past grant.
pub(super) type PastKey = <PastGrant as Record>::Key;

/// Minor units of grants.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum {
    /// How much they were awarded.
    pub(super) awarded: Balance,
    /// Of that, ordered.
    pub(super) ordered: Balance,
    /// Of that, paid.
    pub(super) paid: Balance,
    /// Sent back, or kept from later payments.
    pub(super) returned: Balance,
}

/// How many grants, and their sums, by currency.
#[derive(Default)]
pub(super) struct Sums(BTreeMap<String, (u64, Sum)>);

impl Sums {
    pub(super) fn add(&mut self, currency: &Currency, grant: Sum) {
        let Sum { awarded, ordered, paid, returned } = grant;
        let (count, sum) = self.0.entry(currency.as_str().to_owned()).or_default();
        *count += 1;
        sum.awarded += awarded;
        sum.ordered += ordered;
        sum.paid += paid;
        sum.returned += returned;
    }

    pub(super) fn totals(self) -> Vec<pb::GrantTotals> {
        let total = |(currency, (count, sum)): (String, (u64, Sum))| pb::GrantTotals {
            currency,
            count,
            awarded: clamp(sum.awarded),
            ordered: clamp(sum.ordered),
            paid: clamp(sum.paid),
            returned: clamp(sum.returned),
        };
        self.0.into_iter().map(total).collect()
    }
}

/// The keys of a beneficiary's past grants, over several identifiers, each once.
pub(super) fn keys_of(core: &Core, view: &View, identifiers: &[Identifier]) -> Result<BTreeSet<PastKey>, Status> {
    let mut keys = BTreeSet::new();
    for identifier in identifiers {
        let list = lists::List::PastGrantsOfBeneficiary(identifier.clone());
        let page = Page::first(view.height(), usize::MAX);
        let found = lists::list::<PastKey>(core.deps.rows.as_ref(), &list, &page, Order::Ascending);
        keys.extend(found.map_err(status::of_view)?.items.into_iter().map(|(_, key)| key));
    }
    Ok(keys)
}

/// Whether a file was replaced by another.
pub(super) fn is_withdrawn(view: &View, file: &FileHash) -> bool {
    view.state.get::<PastGrantFile>(file).is_some_and(|file| file.replaced_by.is_some())
}

pub(super) fn past_grant_view(
    core: &Core,
    view: &View,
    events: &mut Reader,
    key: &PastKey,
    grant: &PastGrant,
) -> Result<pb::PastGrantView, Status> {
    let first = Page::first(view.height(), 1);
    let story = stories::story_of::<PastGrant>(core.deps.rows.as_ref(), key, &first, Order::Ascending);
    let cursor = story.map_err(status::of_view)?.items.first().copied();
    let record = cursor.map(|cursor| events.record(core, cursor)).transpose()?;
    let declaration = match record.and_then(|record| record.event).and_then(|event| event.event) {
        Some(pb::event::Event::DeclarePastGrant(event)) => event.declaration,
        _ => None,
    };
    Ok(pb::PastGrantView {
        id: grant.id.to_proto(),
        grant: Some(grant.to_proto()),
        declaration,
        withdrawn: is_withdrawn(view, &key.0),
        cursor: cursor.map(|cursor| cursor.to_string()).unwrap_or_default(),
        funder_name: grant.funder.map(|funder| name(view, &funder)).unwrap_or_default(),
    })
}

pub(super) fn source_file(core: &Core, request: pb::GetSourceFileRequest) -> Result<pb::GetSourceFileResponse, Status> {
    let pb::GetSourceFileRequest { file: asked, options } = request;
    let file: FileHash = id("file", &asked)?;
    let view = core.view(options)?;
    let record = view.state.get::<PastGrantFile>(&file).ok_or_else(|| status::not_found("source file", file))?;
    // Totals as the ledger keeps them, not as this query would sum them.
    let mut totals: BTreeMap<String, (u64, Balance)> = BTreeMap::new();
    let mut years = Vec::new();
    let least = (file, 0, Currency::new("AAA").map_err(|error| status::argument("file", error))?);
    let of_file = view.state.range::<PastGrantTotal>(least..).take_while(|((of, ..), _)| *of == file);
    for ((_, year, currency), total) in of_file {
        let (rows, minor) = totals.entry(currency.as_str().to_owned()).or_default();
        *rows += total.rows;
        *minor += total.minor;
        years.push(pb::YearTotal {
            year: (*year).into(),
            rows: total.rows,
            minor: clamp(total.minor),
            currency: currency.as_str().to_owned(),
        });
    }
    let total = |(currency, (count, minor)): (String, (u64, Balance))| pb::GrantTotals {
        currency,
        count,
        awarded: clamp(minor),
        ..Default::default()
    };
    let mut present: BTreeMap<u32, Vec<pb::RowRange>> = BTreeMap::new();
    for ((_, row, share_number), _) in view.state.range::<PastGrant>((file, 0, 0)..=(file, u32::MAX, u32::MAX)) {
        let ranges = present.entry(*share_number).or_default();
        match ranges.last_mut() {
            Some(range) if range.last.checked_add(1) == Some(*row) => range.last = *row,
            _ => ranges.push(pb::RowRange { first: *row, last: *row, share_number: *share_number }),
        }
    }
    Ok(pb::GetSourceFileResponse {
        file: asked,
        rows: record.rows,
        totals: totals.into_iter().map(total).collect(),
        years,
        present: present.into_values().flatten().collect(),
        at: Some(read_at(&view)),
        signer: record.signer.to_proto(),
        replaces: record.replaces.map(|file| file.to_proto()).unwrap_or_default(),
        replaced_by: record.replaced_by.map(|file| file.to_proto()).unwrap_or_default(),
    })
}
