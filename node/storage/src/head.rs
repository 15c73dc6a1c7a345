//! The head of the chain as the store keeps it: all of [`Head`] that is not in the records.

use octroi_chain::{Canonical as _, Header, ValidatorSet};
use octroi_ledger::Head;
use octroi_merkle::log::LogFrontier;
use octroi_primitives::{BlockId, BlockTime, Height, PublicKey};

/// height u64 ‖ id [32] ‖ time u64 ‖ frontier, header, set, each u32 length and bytes ‖ missed turns, each key [32] and height u64. Before the first
/// block header and set are empty.
pub(crate) fn encode(head: &Head) -> Vec<u8> {
    let Head { height, id, time, log, header, validators } = head;
    let mut bytes = Vec::with_capacity(1024);
    bytes.extend_from_slice(&height.0.to_be_bytes());
    bytes.extend_from_slice(id.as_bytes());
    bytes.extend_from_slice(&time.0.to_be_bytes());
    let header = header.as_ref().map(|header| header.encode()).unwrap_or_default();
    let set = validators.as_ref().map(|set| set.encode()).unwrap_or_default();
    for part in [log.to_bytes(), header, set] {
        bytes.extend_from_slice(&(part.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&part);
    }
    for member in validators.iter().flat_map(|set| set.members()) {
        if let Some(missed) = validators.as_ref().and_then(|set| set.missed_at(&member.consensus_key)) {
            bytes.extend_from_slice(member.consensus_key.as_bytes());
            bytes.extend_from_slice(&missed.0.to_be_bytes());
        }
    }
    bytes
}

/// What [`encode`] wrote; `Err` says what is wrong.
pub(crate) fn decode(bytes: &[u8]) -> Result<Head, String> {
    let mut rest = bytes;
    let height = Height(u64::from_be_bytes(take(&mut rest)?));
    let id = BlockId::from_bytes(take(&mut rest)?);
    let time = BlockTime(u64::from_be_bytes(take(&mut rest)?));
    let log = LogFrontier::from_bytes(part(&mut rest)?).map_err(|error| error.to_string())?;
    let header = match part(&mut rest)? {
        [] => None,
        bytes => Some(Header::decode(bytes).map_err(|error| error.to_string())?),
    };
    let set = match part(&mut rest)? {
        [] => None,
        bytes => Some(ValidatorSet::decode(bytes).map_err(|error| error.to_string())?),
    };
    let mut missed = Vec::new();
    while !rest.is_empty() {
        let key = PublicKey::from_bytes_unchecked(take(&mut rest)?);
        missed.push((key, Height(u64::from_be_bytes(take(&mut rest)?))));
    }
    let validators = set.map(|set| set.with_missed(missed));
    let head = Head { height, id, time, log, header, validators };
    match &head.header {
        Some(header) if header.height != height || header.id() != id || header.time != time => {
            Err(format!("the header is not the one of height {height}"))
        }
        None if height != Height(0) => Err(format!("there is no header of height {height}")),
        _ => Ok(head),
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], String> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or("the head is cut short")?;
    *rest = tail;
    Ok(*head)
}

fn part<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], String> {
    let length = u32::from_be_bytes(take(rest)?) as usize;
    let (head, tail) = rest.split_at_checked(length).ok_or("the head is cut short")?;
    *rest = tail;
    Ok(head)
}
