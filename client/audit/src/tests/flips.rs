//! One changed byte at every offset: as an accident, and with the checksum of its record made to fit.
//!
//! A normal run takes every 16th offset of the payloads, `OCTROI_TAMPER=all` takes all. Frames are taken whole in both.

use super::{Bench, at, forge};
use crate::{Intake, Spot, lot::Item};
use octroi_chain::{
    Canonical as _, CommitCertificate,
    archive::{BlockRecord, Closing},
};
use octroi_primitives::Height;

/// Bytes of a record before its payload.
const FRAME: usize = 17;

// A test may ask its environment how long it may take; the crate itself may not.
#[allow(clippy::disallowed_methods)]
fn step() -> usize {
    if std::env::var("OCTROI_TAMPER").as_deref() == Ok("all") { 1 } else { 16 }
}

/// Whether an offset of a record is tried.
fn is_tried(offset: usize, start: usize) -> bool {
    offset < FRAME || (start + offset).is_multiple_of(step())
}

#[test]
fn a_flipped_byte_is_found_by_framing_alone_and_named_by_its_place() {
    let bench = Bench::new();
    let frames = bench.forge.frames();
    let (mut start, mut tried) = (0, 0);
    for (index, frame) in frames.iter().enumerate() {
        let place = if index == 0 { Spot::FileHeader } else { at(index as u64) };
        for offset in (0..frame.len()).filter(|offset| is_tried(*offset, start)) {
            let mut changed = frame.clone();
            changed[offset] ^= 1 << (offset % 8);
            assert_eq!(broken(&frames, index, &changed), Some(place), "record {index}, offset {offset}");
            tried += 1;
        }
        start += frame.len();
    }
    println!("{tried} flips of {start} bytes");
    assert!(tried * step() >= start);
}

/// Where framing says that the archive is broken; nothing is replayed.
fn broken(frames: &[Vec<u8>], index: usize, changed: &[u8]) -> Option<Spot> {
    let error = |item| match item {
        Item::Broken(error) => Some(error),
        Item::FileHeader(_) | Item::Block(_) | Item::Closing(_) => None,
    };
    read(frames, index, changed).into_iter().find_map(error).map(|error| Spot::of(error.place, Height(0)))
}

/// The records of an archive one of whose frames was changed.
fn read(frames: &[Vec<u8>], index: usize, changed: &[u8]) -> Vec<Item> {
    let mut intake = Intake::new();
    let mut items = Vec::new();
    for (other, frame) in frames.iter().enumerate() {
        intake.push(if other == index { changed } else { frame });
        while let Some(lot) = intake.next() {
            items.extend(lot.into_items());
        }
    }
    items.extend(intake.finish().into_items());
    items
}

#[test]
fn a_flipped_byte_under_a_fitting_checksum_is_found_by_its_meaning() {
    let bench = Bench::new();
    let frames = bench.forge.frames();
    let (mut start, mut tried) = (0, 0);
    for (index, frame) in frames.iter().enumerate() {
        for offset in (0..frame.len()).filter(|offset| is_tried(*offset, start) && !(13..FRAME).contains(offset)) {
            let mut changed = frame.clone();
            changed[offset] ^= 1 << (offset % 8);
            let changed = forge::frame(changed[4], u64_at(&changed, 5), &changed[FRAME..]);
            let found = match (index, offset) {
                // Length, kind and height: what follows may be cut otherwise.
                (_, 0..FRAME) => whole(&bench, &frames, index, &mend(frame, offset)),
                (0, _) => whole(&bench, &frames, 0, &changed),
                (_, _) if index + 1 == frames.len() => match closing(&changed[FRAME..], &bench) {
                    Some(item) => first(&bench, index, vec![item]),
                    None => whole(&bench, &frames, index, &changed),
                },
                (_, _) => match block(index as u64, &changed[FRAME..]) {
                    Some(item) => {
                        let items = std::iter::once(item).chain(bench.forge.items_from(index as u64 + 1));
                        first(&bench, index, items)
                    }
                    None => whole(&bench, &frames, index, &changed),
                },
            };
            let tip = bench.forge.tip();
            let expected: &[Spot] = match index {
                0 => &[Spot::FileHeader, at(1)],
                _ => &[at(index as u64), at((index as u64).min(tip)), at((index as u64 + 1).min(tip))],
            };
            assert!(
                found.is_some_and(|found| expected.contains(&found)),
                "record {index}, offset {offset}: found at {found:?}"
            );
            tried += 1;
        }
        start += frame.len();
    }
    println!("{tried} flips of {start} bytes");
    assert!(tried * step() + 4 * frames.len() >= start);
}

/// The frame with one bit of length, kind or height changed and the checksum made to fit.
fn mend(frame: &[u8], offset: usize) -> Vec<u8> {
    let mut changed = frame.to_vec();
    changed[offset] ^= 1 << (offset % 8);
    let checksum = octroi_chain::archive::crc32c(&[&changed[..13], &changed[FRAME..]]);
    changed[13..FRAME].copy_from_slice(&checksum.to_be_bytes());
    changed
}

/// The first finding when the archive is framed with the changed record in it.
fn whole(bench: &Bench, frames: &[Vec<u8>], index: usize, changed: &[u8]) -> Option<Spot> {
    first(bench, index, read(frames, index, changed).into_iter().skip(index))
}

fn first(bench: &Bench, taken: usize, items: impl IntoIterator<Item = Item>) -> Option<Spot> {
    bench.findings(taken, items).first().map(|finding| finding.spot)
}

fn block(height: u64, payload: &[u8]) -> Option<Item> {
    let length = u32::from_be_bytes(payload[..4].try_into().ok()?) as usize;
    let (block, receipts) = payload[4..].split_at_checked(length)?;
    Some(Item::Block(BlockRecord { height: Height(height), block: block.to_vec(), receipts: receipts.to_vec() }))
}

fn closing(payload: &[u8], bench: &Bench) -> Option<Item> {
    let totals = bench.forge.totals();
    let certificate = CommitCertificate::decode(&payload[24..]).ok()?;
    let unchanged = forge::closing(&totals, &certificate)[..24] == payload[..24];
    unchanged.then_some(Item::Closing(Closing { certificate: Some(certificate), totals }))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
