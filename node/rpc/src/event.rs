//! `EventService`: what happened, in order. A stream reads blocks by height, so it cannot lose any, and only as fast as its client takes them.

use crate::{
    Reason,
    core::{Core, page_info},
    raw, status,
};
use futures::StreamExt as _;
use octroi_ledger::{Event, Kind, wire::Wire as _};
use octroi_primitives::{Cursor, Hash, Height, OrganisationId};
use octroi_proto::v1::{self as pb, event_service_server::EventService};
use octroi_views::ReadFault;
use prost::Message as _;
use std::{
    collections::{BTreeSet, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tonic::{Request, Response, Status};

/// Blocks kept for all streams that follow the tip.
const RECENT: usize = 8;
/// Blocks looked at for a page; a page that finds little ends there and has a next one.
const BLOCKS_A_PAGE: u64 = 1000;

/// The events of one block, not decoded yet.
pub(crate) struct BlockEvents {
    height: Height,
    time: u64,
    receipts: Vec<u8>,
    places: Vec<Place>,
    /// Who signed, by transaction; due work comes before and has nobody.
    organisations: Vec<OrganisationId>,
}

/// Where in the stored bytes a receipt is.
struct Place {
    /// Tag of the kind that was applied; `None`: refused.
    kind: Option<u32>,
    bytes: std::ops::Range<usize>,
}

/// Blocks at the tip, read once for all who follow it.
#[derive(Default)]
pub(crate) struct Recent(Mutex<VecDeque<Arc<BlockEvents>>>);

impl Recent {
    fn get(&self, height: Height) -> Option<Arc<BlockEvents>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|block| block.height == height).cloned()
    }

    fn put(&self, block: &Arc<BlockEvents>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.iter().all(|other| other.height != block.height) {
            kept.push_back(block.clone());
        }
        while kept.len() > RECENT {
            kept.pop_front();
        }
    }
}

/// Reads the events of a height; `None` when this node does not hold it.
pub(crate) fn read(core: &Core, height: Height) -> Result<Option<Arc<BlockEvents>>, Status> {
    if let Some(block) = core.recent.get(height) {
        return Ok(Some(block));
    }
    let load = || -> Result<Option<BlockEvents>, ReadFault> {
        let Some(receipts) = core.deps.blocks.receipts_bytes(height)? else { return Ok(None) };
        let Some(block) = core.deps.blocks.block_bytes(height)? else { return Ok(None) };
        let organisations: Vec<_> =
            raw::transactions(&block).map(|signed| raw::organisation(signed?)).collect::<Result<_, _>>()?;
        let mut places = Vec::with_capacity(organisations.len());
        for receipt in raw::receipts(&receipts) {
            let receipt = receipt?;
            let kind = match receipt.outcome {
                raw::Outcome::Applied { kind } => Some(kind),
                raw::Outcome::Refused { .. } => None,
            };
            places.push(Place { kind, bytes: raw::place_in(&receipts, receipt.bytes) });
        }
        Ok(Some(BlockEvents { height, time: raw::header(&block)?.time, receipts, places, organisations }))
    };
    let Some(block) = load().map_err(status::of_fault)?.map(Arc::new) else { return Ok(None) };
    if height.0 + RECENT as u64 > core.deps.views.newest().height().0 {
        core.recent.put(&block);
    }
    Ok(Some(block))
}

impl BlockEvents {
    /// The events after a receipt that a filter lets through.
    fn records(&self, after: Option<u32>, filter: &Filter) -> Result<Vec<pb::EventRecord>, ReadFault> {
        let first = after.map_or(0, |after| after.saturating_add(1));
        let mut records = Vec::new();
        for (index, place) in (0_u32..).zip(&self.places).skip(first as usize) {
            if !place.kind.is_some_and(|kind| filter.takes_kind(kind)) {
                continue;
            }
            let Some(record) = self.record(index)? else { continue };
            if filter.takes_subjects(&record)? {
                records.push(record);
            }
        }
        Ok(records)
    }

    /// The event of a receipt; `None` for a refusal.
    fn record(&self, index: u32) -> Result<Option<pb::EventRecord>, ReadFault> {
        let Some(Place { kind: Some(kind), bytes }) = self.places.get(index as usize) else { return Ok(None) };
        let receipt = pb::Receipt::decode(&self.receipts[bytes.clone()]).map_err(|error| ReadFault::Damaged {
            place: format!("receipts of {}", self.height),
            reason: error.to_string(),
        })?;
        let Some(pb::receipt::Outcome::Applied(event)) = receipt.outcome else { return Ok(None) };
        let system = self.places.len().saturating_sub(self.organisations.len());
        let organisation = (index as usize).checked_sub(system).and_then(|index| self.organisations.get(index));
        Ok(Some(pb::EventRecord {
            cursor: Cursor { height: self.height, receipt: index }.to_string(),
            height: self.height.0,
            receipt: index,
            time: self.time,
            transaction: receipt.transaction,
            organisation: organisation.map(|id| id.as_bytes().to_vec()).unwrap_or_default(),
            kind: kind_name(*kind),
            event: Some(event),
        }))
    }
}

fn kind_name(tag: u32) -> String {
    let kind = u16::try_from(tag).ok().and_then(Kind::of_tag);
    kind.map_or_else(|| format!("kind_{tag:04x}"), |kind| kind.name().to_owned())
}

/// Reads events at cursors that are known to exist; those that follow each other in one block cost one read of it.
#[derive(Default)]
pub(crate) struct Reader(Option<Arc<BlockEvents>>);

impl Reader {
    fn block(&mut self, core: &Core, at: Cursor) -> Result<Arc<BlockEvents>, Status> {
        if let Some(block) = self.0.as_ref().filter(|block| block.height == at.height) {
            return Ok(block.clone());
        }
        let block = read(core, at.height)?.ok_or_else(|| gone(at))?;
        self.0 = Some(block.clone());
        Ok(block)
    }

    pub(crate) fn record(&mut self, core: &Core, at: Cursor) -> Result<pb::EventRecord, Status> {
        let record = self.block(core, at)?.record(at.receipt).map_err(status::of_fault)?;
        record.ok_or_else(|| gone(at))
    }

    /// Time of the block.
    pub(crate) fn time(&mut self, core: &Core, at: Cursor) -> Result<u64, Status> {
        Ok(self.block(core, at)?.time)
    }
}

fn gone(at: Cursor) -> Status {
    status::of_fault(ReadFault::Damaged { place: format!("event {at}"), reason: "missing".into() })
}

/// Which events a caller wants.
#[derive(Debug, Default)]
struct Filter {
    kinds: BTreeSet<u32>,
    /// First bytes of the keys of records.
    subjects: Vec<Vec<u8>>,
}

impl Filter {
    fn new(filter: Option<pb::EventFilter>) -> Result<Self, Status> {
        let pb::EventFilter { kinds, subjects } = filter.unwrap_or_default();
        for (field, found, limit) in [("filter.kinds", kinds.len(), 256), ("filter.subjects", subjects.len(), 64)] {
            if found > limit {
                return Err(status::too_many(field, found, limit));
            }
        }
        let kind = |name: &String| {
            let kind = Kind::ALL.iter().find(|kind| kind.name() == name);
            kind.map(|kind| kind.tag().into())
                .ok_or_else(|| status::argument("filter.kinds", format!("{name:?} is no kind")))
        };
        let subject = |text: &String| match text.parse::<Hash>() {
            Ok(id) => Ok(id.as_bytes().to_vec()),
            // A code ends with a zero byte in keys.
            Err(_) if !text.is_empty() && text.is_ascii() && text.len() <= 64 => Ok([text.as_bytes(), &[0]].concat()),
            Err(_) => Err(status::argument("filter.subjects", format!("{text:?} is neither an id nor a code"))),
        };
        Ok(Self {
            kinds: kinds.iter().map(kind).collect::<Result<_, _>>()?,
            subjects: subjects.iter().map(subject).collect::<Result<_, _>>()?,
        })
    }

    fn takes_kind(&self, kind: u32) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }

    fn takes_subjects(&self, record: &pb::EventRecord) -> Result<bool, ReadFault> {
        if self.subjects.is_empty() {
            return Ok(true);
        }
        let event = Event::from_proto(record.event.clone().unwrap_or_default())
            .map_err(|error| ReadFault::Damaged { place: "stored event".into(), reason: error.to_string() })?;
        Ok(event.subjects().iter().any(|record| self.subjects.iter().any(|wanted| record.key.starts_with(wanted))))
    }
}

/// The service.
pub(crate) struct Events(pub(crate) Core);

#[tonic::async_trait]
impl EventService for Events {
    type StreamEventsStream = Pin<Box<dyn futures::Stream<Item = Result<pb::StreamEventsResponse, Status>> + Send>>;

    async fn stream_events(
        &self,
        request: Request<pb::StreamEventsRequest>,
    ) -> Result<Response<Self::StreamEventsStream>, Status> {
        let pb::StreamEventsRequest { after_cursor, filter } = request.into_inner();
        let (next, after) = start(&after_cursor)?;
        let feed = Feed {
            filter: Arc::new(Filter::new(filter)?),
            commits: self.0.deps.commits.clone(),
            next,
            after,
            ready: VecDeque::new(),
            sent: Instant::now(),
            quiet: false,
            _place: self.0.subscribe()?,
            core: self.0.clone(),
        };
        if next <= self.0.deps.views.newest().height() {
            let held = self.0.scan(move |core| Ok(read(core, next)?.is_some())).await?;
            if !held {
                return Err(self.0.scan(move |core| Ok(too_old(core, next))).await?);
            }
        }
        Ok(Response::new(futures::stream::try_unfold(feed, Feed::next).boxed()))
    }

    async fn list_events(
        &self,
        request: Request<pb::ListEventsRequest>,
    ) -> Result<Response<pb::ListEventsResponse>, Status> {
        let pb::ListEventsRequest { after_cursor, filter, page } = request.into_inner();
        self.0.scan(move |core| list(core, &after_cursor, filter, page)).await.map(Response::new)
    }
}

fn list(
    core: &Core,
    after_cursor: &str,
    filter: Option<pb::EventFilter>,
    page: Option<pb::PageRequest>,
) -> Result<pb::ListEventsResponse, Status> {
    let named = prost::Message::encode_to_vec(&filter.clone().unwrap_or_default());
    let page = core.page(&[b"events", after_cursor.as_bytes(), &named], page, None)?;
    let filter = Filter::new(filter)?;
    let (mut height, mut after) = match page.after() {
        None => start(after_cursor)?,
        Some(position) => {
            let (height, receipt) = position.split_first_chunk::<8>().ok_or_else(bad_position)?;
            let receipt: [u8; 4] = receipt.try_into().map_err(|_| bad_position())?;
            (Height(u64::from_be_bytes(*height)), Some(u32::from_be_bytes(receipt)))
        }
    };
    let mut events = Vec::new();
    let mut looked = 0;
    let mut next = None;
    while height <= page.height() {
        let block = read(core, height)?.ok_or_else(|| too_old(core, height))?;
        looked += 1;
        for record in block.records(after.take(), &filter).map_err(status::of_fault)? {
            if events.len() == page.size() {
                next = events.last().map(|last: &pb::EventRecord| (Height(last.height), last.receipt));
                break;
            }
            events.push(record);
        }
        if next.is_none() && looked == BLOCKS_A_PAGE && height < page.height() {
            next = Some((height, u32::MAX));
        }
        if next.is_some() {
            break;
        }
        height = Height(height.0 + 1);
    }
    let token =
        next.map(|(height, receipt)| page.token(&[&height.0.to_be_bytes()[..], &receipt.to_be_bytes()].concat()));
    Ok(pb::ListEventsResponse { events, page: page_info(token), at: Some(core.read_at_height(page.height())?) })
}

fn bad_position() -> Status {
    status::of_view(octroi_views::ViewError::PageToken("names no position of this list"))
}

/// Where to begin after a cursor: a height, and the receipt of it that was seen last.
fn start(after_cursor: &str) -> Result<(Height, Option<u32>), Status> {
    if after_cursor.is_empty() {
        return Ok((Height(1), None));
    }
    let Cursor { height, receipt } = after_cursor
        .parse()
        .map_err(|error: octroi_primitives::PrimitiveError| status::argument("after_cursor", error))?;
    Ok(if height == Height(0) { (Height(1), None) } else { (height, Some(receipt)) })
}

/// Names the oldest cursor that this node can go on from.
fn too_old(core: &Core, asked: Height) -> Status {
    let newest = core.deps.views.newest().height().0;
    // What is held is one run of heights up to the newest.
    let (mut missing, mut held) = (asked.0, newest);
    while missing + 1 < held {
        let middle = missing + (held - missing) / 2;
        match core.deps.blocks.receipts_bytes(Height(middle)) {
            Ok(Some(_)) => held = middle,
            Ok(None) => missing = middle,
            Err(fault) => return status::of_fault(fault),
        }
    }
    let oldest = Cursor { height: Height(held), receipt: 0 };
    status::Answer::new(
        Reason::CursorTooOld,
        format!("height {asked} is older than this node's history, which begins with height {held}"),
    )
    .value("asked", asked)
    .value("oldest", oldest)
    .status()
}

/// A stream between two messages.
struct Feed {
    core: Core,
    filter: Arc<Filter>,
    commits: watch::Receiver<Height>,
    next: Height,
    /// The receipt of `next` that the caller has seen.
    after: Option<u32>,
    ready: VecDeque<pb::EventRecord>,
    sent: Instant,
    /// Whether the caller knows that it has everything so far.
    quiet: bool,
    _place: OwnedSemaphorePermit,
}

impl Feed {
    async fn next(mut self) -> Result<Option<(pb::StreamEventsResponse, Self)>, Status> {
        use pb::stream_events_response::Item;
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.quiet = false;
                return Ok(Some(self.item(Item::Event(event))));
            }
            let newest = *self.commits.borrow_and_update();
            let beat = self.sent + self.core.limits.heartbeat;
            if self.next <= newest {
                let (height, after, filter) = (self.next, self.after.take(), self.filter.clone());
                let core = self.core.clone();
                let records = core
                    .scan(move |core| {
                        let block = read(core, height)?.ok_or_else(|| too_old(core, height))?;
                        block.records(after, &filter).map_err(status::of_fault)
                    })
                    .await?;
                self.ready = records.into();
                self.next = Height(height.0 + 1);
                if self.ready.is_empty() && beat <= Instant::now() {
                    return Ok(Some(self.item(Item::HeartbeatHeight(height.0))));
                }
                continue;
            }
            let behind = self.next.0.saturating_sub(1);
            if !self.quiet {
                self.quiet = true;
                return Ok(Some(self.item(Item::HeartbeatHeight(behind))));
            }
            tokio::select! {
                changed = self.commits.changed() => if changed.is_err() { return Err(status::shutting_down()) },
                () = tokio::time::sleep_until(beat.into()) => return Ok(Some(self.item(Item::HeartbeatHeight(behind)))),
                () = self.core.closed() => return Err(status::shutting_down()),
            }
        }
    }

    fn item(mut self, item: pb::stream_events_response::Item) -> (pb::StreamEventsResponse, Self) {
        self.sent = Instant::now();
        (pb::StreamEventsResponse { item: Some(item) }, self)
    }
}
