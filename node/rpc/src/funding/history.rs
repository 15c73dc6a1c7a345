//! Who was granted what: the history of a project, an organisation or an identifier, and grants by filter. Grants of this ledger come first, then
//! past grants declared on it, then events; each page goes on where the one before ended, at the height of the first.

use super::{
    grants::{decided_at, grant_view, ordered_and_paid},
    organisations::identifier,
    past::{PastKey, Sum, Sums, is_withdrawn, keys_of, past_grant_view},
};
use crate::{
    core::{Core, id, page_info, read_at, word},
    event::Reader,
    status,
};
use octroi_ledger::{
    grant::{
        grant::{Grant, GrantStatus},
        past_grant::PastGrant,
    },
    history::RecordRef,
    registry::{organisation::Organisation, project::Project},
    state::Key as _,
};
use octroi_primitives::{
    Balance, BlockTime, FileHash, FundCode, GrantId, Identifier, LegalDate, OrganisationId, ProjectId,
};
use octroi_proto::v1 as pb;
use octroi_views::{Order, Page, View, ViewError, stories};
use prost::Message as _;
use tonic::Status;

/// Which part of an answer a position is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Grants = 0,
    PastGrants = 1,
    Events = 2,
}

/// Where the page before ended.
struct Place<'a> {
    part: Part,
    after: Option<&'a [u8]>,
}

impl<'a> Place<'a> {
    fn of(page: &'a Page) -> Result<Self, Status> {
        let wrong = || status::of_view(ViewError::PageToken("names no position of this list"));
        let Some(position) = page.after() else { return Ok(Self { part: Part::Grants, after: None }) };
        let (part, after) = position.split_first().ok_or_else(wrong)?;
        let part = [Part::Grants, Part::PastGrants, Part::Events].into_iter().find(|known| *known as u8 == *part);
        Ok(Self { part: part.ok_or_else(wrong)?, after: Some(after) })
    }

    /// Whether an item comes after that place.
    fn is_before(&self, part: Part, key: &[u8]) -> bool {
        match self.after {
            None => true,
            Some(after) => (self.part, after) < (part, key),
        }
    }
}

/// Which grants.
#[derive(Default)]
struct Filter {
    funder: Option<OrganisationId>,
    beneficiary: Option<OrganisationId>,
    project: Option<ProjectId>,
    fund: Option<FundCode>,
    source_file: Option<FileHash>,
    /// Numbers of the beneficiary; `None`: any.
    identifiers: Option<Vec<Identifier>>,
    year: Option<u16>,
    status: Option<GrantStatus>,
    amount_min: Balance,
    amount_max: Option<Balance>,
    granted: bool,
    declared: bool,
}

impl Filter {
    fn takes(&self, view: &View, grant: &Grant) -> bool {
        let amount = Balance::from(grant.awarded.minor);
        let of_organisation = |id: &OrganisationId| grant.parties.iter().any(|party| party.organisation == *id);
        let of_identifier = |wanted: &[Identifier]| {
            grant.parties.iter().any(|party| {
                let held = view.state.get::<Organisation>(&party.organisation).map(|of| &of.identifiers);
                held.is_some_and(|held| held.iter().any(|held| wanted.contains(&held.identifier)))
            })
        };
        self.granted
            && self.source_file.is_none()
            && self.funder.is_none()
            && self.beneficiary.is_none_or(|id| of_organisation(&id))
            && (self.beneficiary.is_some() || self.identifiers.as_deref().is_none_or(of_identifier))
            && self.project.is_none_or(|id| grant.project == id)
            && self.fund.is_none_or(|fund| grant.fund == fund)
            && self.status.is_none_or(|status| grant.status == status)
            && amount >= self.amount_min
            && self.amount_max.is_none_or(|most| amount <= most)
    }

    fn takes_past(&self, view: &View, key: &PastKey, grant: &PastGrant) -> bool {
        let amount = grant.amount.as_ref().map_or(0, |amount| Balance::from(amount.minor));
        // Rows of a replaced file are shown to who asks for that file.
        let counts = self.source_file == Some(key.0) || !is_withdrawn(view, &key.0);
        counts
            && self.source_file.is_none_or(|file| key.0 == file)
            && self.funder.is_none_or(|funder| grant.funder == Some(funder))
            && self.year.is_none_or(|year| grant.year.get() == year)
            && amount >= self.amount_min
            && self.amount_max.is_none_or(|most| amount <= most)
    }

    /// Whether past grants can be among the answers at all: they have no project, fund or status here.
    fn wants_past(&self) -> bool {
        self.declared && self.project.is_none() && self.fund.is_none() && self.status.is_none()
    }
}

/// Legal year in which a grant was awarded: that of its first event.
fn year_of(core: &Core, view: &View, events: &mut Reader, id: &GrantId) -> Result<u16, Status> {
    Ok(LegalDate::at(BlockTime(decided_at(core, view, events, id)?)).year())
}

/// What both queries gather.
struct Gathered {
    grants: Vec<pb::GrantView>,
    past_grants: Vec<pb::PastGrantView>,
    totals: Vec<pb::GrantTotals>,
    past_totals: Vec<pb::GrantTotals>,
    /// Of the next page, if the part is full.
    next: Option<Vec<u8>>,
}

fn gather(core: &Core, view: &View, page: &Page, filter: &Filter, events: &mut Reader) -> Result<Gathered, Status> {
    let place = Place::of(page)?;
    let (mut sums, mut past_sums) = (Sums::default(), Sums::default());
    let mut grants: Vec<(GrantId, &Grant)> = Vec::new();
    let mut past: Vec<(PastKey, &PastGrant)> = Vec::new();
    let mut next = None;
    let mut last: Vec<u8> = Vec::new();
    let mut take = |part: Part, key: Vec<u8>, count: usize| -> bool {
        if next.is_some() || !place.is_before(part, &key) {
            return false;
        }
        if count == page.size() {
            next = Some(page.token(&last));
            return false;
        }
        last = [&[part as u8], key.as_slice()].concat();
        true
    };
    for (id, grant) in view.state.all::<Grant>().filter(|(_, grant)| filter.takes(view, grant)) {
        // Asked last, since it reads the disk.
        if let Some(year) = filter.year
            && year_of(core, view, events, id)? != year
        {
            continue;
        }
        let (ordered, paid) = ordered_and_paid(grant);
        let returned = Balance::from(grant.returned) + Balance::from(grant.recovered);
        let awarded = grant.awarded.minor.into();
        sums.add(&grant.awarded.currency, Sum { awarded, ordered: ordered.into(), paid: paid.into(), returned });
        if take(Part::Grants, id.to_key_bytes(), grants.len()) {
            grants.push((*id, grant));
        }
    }
    if filter.wants_past() {
        let mut visit = |key: &PastKey, grant: &'_ PastGrant| -> bool {
            if !filter.takes_past(view, key, grant) {
                return false;
            }
            if let Some(amount) = &grant.amount {
                past_sums.add(&amount.currency, Sum { awarded: amount.minor.into(), ..Sum::default() });
            }
            true
        };
        match (&filter.identifiers, filter.source_file) {
            (Some(identifiers), _) => {
                for key in keys_of(core, view, identifiers)? {
                    let Some(grant) = view.state.get::<PastGrant>(&key) else { continue };
                    if visit(&key, grant) && take(Part::PastGrants, key.to_key_bytes(), grants.len() + past.len()) {
                        past.push((key, grant));
                    }
                }
            }
            (None, file) => {
                let (from, to) = match file {
                    Some(file) => ((file, 0, 0), (file, u32::MAX, u32::MAX)),
                    None => {
                        let (least, most) = (FileHash::from_bytes([0; 32]), FileHash::from_bytes([0xff; 32]));
                        ((least, 0, 0), (most, u32::MAX, u32::MAX))
                    }
                };
                for (key, grant) in view.state.range::<PastGrant>(from..=to) {
                    if visit(key, grant) && take(Part::PastGrants, key.to_key_bytes(), grants.len() + past.len()) {
                        past.push((*key, grant));
                    }
                }
            }
        }
    }
    Ok(Gathered {
        grants: grants
            .into_iter()
            .map(|(id, grant)| grant_view(core, view, events, &id, grant))
            .collect::<Result<_, _>>()?,
        past_grants: past
            .into_iter()
            .map(|(key, grant)| past_grant_view(core, view, events, &key, grant))
            .collect::<Result<_, _>>()?,
        totals: sums.totals(),
        past_totals: past_sums.totals(),
        next,
    })
}

pub(super) fn list(core: &Core, request: pb::ListGrantsRequest) -> Result<pb::ListGrantsResponse, Status> {
    let pb::ListGrantsRequest { filter, page, options } = request;
    let asked = filter.unwrap_or_default();
    let (page, view) = core.page_of_state(&[b"grants", &asked.encode_to_vec()], page, options)?;
    let filter = read_filter(&view, asked)?;
    let gathered = gather(core, &view, &page, &filter, &mut Reader::default())?;
    let Gathered { grants, past_grants, totals, past_totals, next } = gathered;
    Ok(pb::ListGrantsResponse {
        grants,
        past_grants,
        totals,
        past_totals,
        page: page_info(next),
        at: Some(read_at(&view)),
    })
}

fn read_filter(view: &View, asked: pb::GrantFilter) -> Result<Filter, Status> {
    let pb::GrantFilter {
        funder,
        beneficiary,
        project,
        fund,
        source_file,
        beneficiary_identifier,
        year,
        origin,
        status: wanted,
        amount_min,
        amount_max,
    } = asked;
    fn some<'a, T>(bytes: &'a [u8], read: impl FnOnce(&'a [u8]) -> Result<T, Status>) -> Result<Option<T>, Status> {
        if bytes.is_empty() { Ok(None) } else { read(bytes).map(Some) }
    }
    let (granted, declared) = match origin.as_str() {
        "" => (true, true),
        "granted" => (true, false),
        "declared" => (false, true),
        other => return Err(status::argument("filter.origin", format!("{other:?} is neither granted nor declared"))),
    };
    let beneficiary: Option<OrganisationId> = some(&beneficiary, |bytes| id("filter.beneficiary", bytes))?;
    let identifiers = match (beneficiary_identifier, beneficiary) {
        (Some(pb::Identifier { scheme, value, from: _ }), _) => {
            Some(vec![identifier("filter.beneficiary_identifier", &scheme, &value)?])
        }
        (None, Some(organisation)) => Some(identifiers_of(view, &organisation)),
        (None, None) => None,
    };
    let year = match year {
        0 => None,
        year => Some(u16::try_from(year).map_err(|_| status::argument("filter.year", format!("{year} is no year")))?),
    };
    Ok(Filter {
        funder: some(&funder, |bytes| id("filter.funder", bytes))?,
        beneficiary,
        project: some(&project, |bytes| id("filter.project", bytes))?,
        fund: if fund.is_empty() { None } else { Some(word("filter.fund", &fund)?) },
        source_file: some(&source_file, |bytes| id("filter.source_file", bytes))?,
        identifiers,
        year,
        status: if wanted.is_empty() { None } else { Some(word("filter.status", &wanted)?) },
        amount_min: amount_min.into(),
        amount_max: (amount_max != 0).then_some(amount_max.into()),
        granted,
        declared,
    })
}

fn identifiers_of(view: &View, id: &OrganisationId) -> Vec<Identifier> {
    let held = view.state.get::<Organisation>(id).map(|organisation| organisation.identifiers.as_slice());
    held.unwrap_or_default().iter().map(|held| held.identifier.clone()).collect()
}

pub(super) fn get(core: &Core, request: pb::GetGrantHistoryRequest) -> Result<pb::GetGrantHistoryResponse, Status> {
    use pb::get_grant_history_request::Of;
    let pb::GetGrantHistoryRequest { of, page, options } = request.clone();
    let named = pb::GetGrantHistoryRequest { page: None, options: None, ..request }.encode_to_vec();
    let (page, view) = core.page_of_state(&[b"grant-history", &named], page, options)?;
    let mut filter = Filter { granted: true, declared: true, ..Filter::default() };
    // Whose story is told: an identifier of nobody registered has none.
    let subject = match of.ok_or_else(|| status::argument("of", "is missing"))? {
        Of::Project(bytes) => {
            let project: ProjectId = id("project", &bytes)?;
            view.state.get::<Project>(&project).ok_or_else(|| status::not_found("project", project))?;
            filter.project = Some(project);
            Some(RecordRef::of::<Project>(&project))
        }
        Of::Organisation(bytes) => {
            let organisation: OrganisationId = id("organisation", &bytes)?;
            view.state
                .get::<Organisation>(&organisation)
                .ok_or_else(|| status::not_found("organisation", organisation))?;
            filter.beneficiary = Some(organisation);
            filter.identifiers = Some(identifiers_of(&view, &organisation));
            Some(RecordRef::of::<Organisation>(&organisation))
        }
        Of::Identifier(pb::Identifier { scheme, value, from: _ }) => {
            filter.identifiers = Some(vec![identifier("identifier", &scheme, &value)?]);
            None
        }
    };
    let mut reader = Reader::default();
    let Gathered { grants, past_grants, totals, past_totals, mut next } =
        gather(core, &view, &page, &filter, &mut reader)?;
    let mut events = Vec::new();
    if let (Some(subject), None) = (subject, &next) {
        let room = page.size() - grants.len() - past_grants.len();
        (events, next) = story(core, &view, &page, &subject, room, &mut reader)?;
    }
    Ok(pb::GetGrantHistoryResponse {
        totals,
        grants,
        past_grants,
        past_totals,
        events,
        page: page_info(next),
        at: Some(read_at(&view)),
    })
}

/// Events of a record from where the page before ended, as many as there is room for.
fn story(
    core: &Core,
    view: &View,
    page: &Page,
    subject: &RecordRef,
    room: usize,
    reader: &mut Reader,
) -> Result<(Vec<pb::EventRecord>, Option<Vec<u8>>), Status> {
    let place = Place::of(page)?;
    let inner: &[&[u8]] = &[b"grant-history-events"];
    let token = match place.part {
        Part::Events => place.after.unwrap_or_default(),
        Part::Grants | Part::PastGrants => &[],
    };
    let token_of_events = |inner: &[u8]| page.token(&[&[Part::Events as u8], inner].concat());
    if room == 0 {
        return Ok((Vec::new(), Some(token_of_events(&[]))));
    }
    let size = u32::try_from(room).unwrap_or(u32::MAX);
    let rest = Page::new(inner, size, token, view.height()).map_err(status::of_view)?;
    let found = stories::story(core.deps.rows.as_ref(), subject, &rest, Order::Ascending);
    let found = found.map_err(status::of_view)?;
    let events = found.items.into_iter().map(|cursor| reader.record(core, cursor)).collect::<Result<_, _>>()?;
    Ok((events, found.next.map(|token| token_of_events(&token))))
}
