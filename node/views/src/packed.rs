//! Rows that hold all entries of one owner and block: one row instead of one an entry, since imports write thousands for few owners.
//!
//! Key: owner ‖ height u64. Value: entries one after the other, each receipt u32 ‖ length u8 ‖ bytes. Owners are prefix-free.

use crate::{Order, Page, PageOf, ReadFault, Row, Rows, ViewId, row::Reader};
use octroi_primitives::{Cursor, Height};
use std::collections::BTreeMap;

/// Rows read at once.
const CHUNK: usize = 64;

/// The entries of one block in the making.
#[derive(Default)]
pub(crate) struct Packed(BTreeMap<Vec<u8>, Vec<u8>>);

impl Packed {
    pub(crate) fn add(&mut self, owner: Vec<u8>, receipt: u32, entry: &[u8]) {
        let length = u8::try_from(entry.len()).expect("an entry is an id or a few integers, below 256 bytes");
        let value = self.0.entry(owner).or_default();
        value.extend_from_slice(&receipt.to_be_bytes());
        value.push(length);
        value.extend_from_slice(entry);
    }

    pub(crate) fn rows(self, view: ViewId, height: Height, out: &mut Vec<Row>) {
        out.extend(self.0.into_iter().map(|(owner, value)| Row { view, key: key(&owner, height.0), value }));
    }
}

/// A page of an owner's entries as of the page's height.
pub(crate) fn read(
    rows: &dyn Rows,
    view: ViewId,
    owner: &[u8],
    page: &Page,
    order: Order,
) -> Result<PageOf<(Cursor, Vec<u8>)>, crate::ViewError> {
    let after = page.after().map(position).transpose()?;
    let mut items = Vec::new();
    let mut last = None;
    for entry in Entries::new(rows, view, owner, page.height(), order, after) {
        let (at, index, entry) = entry?;
        if items.len() == page.size() {
            let next = last.map(|(height, index)| page.token(&position_bytes(height, index)));
            return Ok(PageOf { items, next });
        }
        last = Some((at.height.0, index));
        items.push((at, entry));
    }
    Ok(PageOf { items, next: None })
}

/// The owner's last entry as of a height.
pub(crate) fn latest(
    rows: &dyn Rows,
    view: ViewId,
    owner: &[u8],
    at: Height,
) -> Result<Option<(Cursor, Vec<u8>)>, ReadFault> {
    let mut entries = Entries::new(rows, view, owner, at, Order::Descending, None);
    Ok(entries.next().transpose()?.map(|(at, _, entry)| (at, entry)))
}

/// Height and index of an entry: where a page ended.
type Position = (u64, u32);

fn position(bytes: &[u8]) -> Result<Position, crate::ViewError> {
    let wrong = crate::ViewError::PageToken("names no position of this list");
    let Some((height, index)) = bytes.split_first_chunk::<8>() else { return Err(wrong) };
    let index: [u8; 4] = index.try_into().map_err(|_| wrong)?;
    Ok((u64::from_be_bytes(*height), u32::from_be_bytes(index)))
}

fn position_bytes(height: u64, index: u32) -> Vec<u8> {
    [height.to_be_bytes().as_slice(), &index.to_be_bytes()].concat()
}

fn key(owner: &[u8], height: u64) -> Vec<u8> {
    [owner, &height.to_be_bytes()].concat()
}

/// Entries of an owner in order, read in chunks of rows.
struct Entries<'a> {
    rows: &'a dyn Rows,
    view: ViewId,
    owner: &'a [u8],
    order: Order,
    /// Heights still to be read: first, and last inclusive.
    open: Option<(u64, u64)>,
    after: Option<Position>,
    /// In reverse, so that the next one is popped.
    ready: Vec<(Cursor, u32, Vec<u8>)>,
}

impl<'a> Entries<'a> {
    fn new(
        rows: &'a dyn Rows,
        view: ViewId,
        owner: &'a [u8],
        at: Height,
        order: Order,
        after: Option<Position>,
    ) -> Self {
        let (mut first, mut last) = (0, at.0);
        if let Some((height, _)) = after {
            match order {
                Order::Ascending => first = height,
                Order::Descending => last = last.min(height),
            }
        }
        Self { rows, view, owner, order, open: (first <= last).then_some((first, last)), after, ready: Vec::new() }
    }

    fn fill(&mut self) -> Result<(), ReadFault> {
        while self.ready.is_empty() {
            let Some((first, last)) = self.open else { return Ok(()) };
            let from = key(self.owner, first);
            // The bound is exclusive; a zero byte more is the least key above the last one.
            let mut to = key(self.owner, last);
            to.push(0);
            let found = self.rows.range(self.view, &from, &to, CHUNK, self.order)?;
            let mut reached = None;
            for row in &found {
                let height = height_of(self.view, self.owner, &row.key)?;
                reached = Some(height);
                let mut entries = entries_of(self.view, height, &row.value)?;
                if self.order == Order::Descending {
                    entries.reverse();
                }
                entries.retain(|(_, index, _)| self.is_open((height, *index)));
                self.ready.extend(entries);
            }
            self.ready.reverse();
            self.open = match (found.len() == CHUNK, reached, self.order) {
                (true, Some(height), Order::Ascending) => height.checked_add(1).map(|next| (next, last)),
                (true, Some(height), Order::Descending) => height.checked_sub(1).map(|next| (first, next)),
                _ => None,
            }
            .filter(|(first, last)| first <= last);
        }
        Ok(())
    }

    /// Whether an entry comes after the one where the page before ended.
    fn is_open(&self, position: Position) -> bool {
        match (self.after, self.order) {
            (None, _) => true,
            (Some(after), Order::Ascending) => position > after,
            (Some(after), Order::Descending) => position < after,
        }
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<(Cursor, u32, Vec<u8>), ReadFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(fault) = self.fill() {
            self.open = None;
            return Some(Err(fault));
        }
        self.ready.pop().map(Ok)
    }
}

fn height_of(view: ViewId, owner: &[u8], key: &[u8]) -> Result<u64, ReadFault> {
    let height = key.strip_prefix(owner).and_then(|rest| <[u8; 8]>::try_from(rest).ok());
    height.map(u64::from_be_bytes).ok_or_else(|| ReadFault::row(view, "a key belongs to another owner"))
}

fn entries_of(view: ViewId, height: u64, value: &[u8]) -> Result<Vec<(Cursor, u32, Vec<u8>)>, ReadFault> {
    let mut reader = Reader::new(view, value);
    let mut entries = Vec::new();
    while !reader.is_empty() {
        let receipt = u32::from_be_bytes(reader.array()?);
        let [length] = reader.array()?;
        let entry = reader.bytes(length.into())?.to_vec();
        entries.push((Cursor { height: Height(height), receipt }, entries.len() as u32, entry));
    }
    Ok(entries)
}
