//! What became of transactions: looked up, or waited for.

use super::{hand_in::pending, kind_of};
use crate::{
    core::Core,
    raw, status,
    tracker::{Fate, Wait},
};
use octroi_ledger::Refusal;
use octroi_primitives::{Cursor, TransactionId};
use octroi_proto::v1 as pb;
use octroi_views::{ReadFault, transactions};
use prost::Message as _;
use std::{
    collections::{BTreeMap, HashMap},
    time::Instant,
};
use tonic::Status;

/// A committed transaction.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) at: Cursor,
    /// Why it was refused, in words.
    message: String,
    receipt: pb::Receipt,
}

impl Found {
    /// Looks up which of these are committed. Reads the disk: each block at most once.
    pub(super) fn look_up(core: &Core, ids: &[TransactionId]) -> Result<HashMap<TransactionId, Found>, Status> {
        let newest = core.deps.views.newest().height();
        let mut places: BTreeMap<Cursor, (TransactionId, String)> = BTreeMap::new();
        for id in ids {
            let located = transactions::locate(core.deps.rows.as_ref(), newest, id).map_err(status::of_fault)?;
            if let Some(transactions::Located { cursor, message }) = located {
                places.insert(cursor, (*id, message));
            }
        }
        let mut found = HashMap::with_capacity(places.len());
        let mut block: Option<(Cursor, Vec<u8>)> = None;
        for (at, (id, message)) in places {
            if block.as_ref().is_none_or(|(of, _)| of.height != at.height) {
                let stored = core.deps.blocks.receipts_bytes(at.height).map_err(status::of_fault)?;
                // A node that has the row and not the block answers as one that never had it.
                let Some(stored) = stored else { continue };
                block = Some((at, stored));
            }
            let Some((_, stored)) = &block else { continue };
            let missing = || ReadFault::Damaged { place: format!("receipt {at}"), reason: "it is missing".into() };
            let receipt = raw::receipts(stored).nth(at.receipt as usize).ok_or_else(missing);
            let receipt = receipt.and_then(|receipt| receipt?.decode()).map_err(status::of_fault)?;
            found.insert(id, Found { at, message, receipt });
        }
        Ok(found)
    }

    pub(super) fn status(&self) -> pb::TransactionStatus {
        settled(self.at, self.receipt.clone(), &self.message)
    }
}

/// A committed transaction's status.
fn settled(at: Cursor, receipt: pb::Receipt, message: &str) -> pb::TransactionStatus {
    let mut status = match &receipt.outcome {
        Some(pb::receipt::Outcome::Refused(pb::Refusal { kind, code })) => refused(*kind, *code, message),
        Some(pb::receipt::Outcome::Applied(_)) | None => {
            pb::TransactionStatus { state: pb::TransactionState::Applied.into(), ..Default::default() }
        }
    };
    status.id = receipt.transaction.clone();
    status.height = at.height.0;
    status.receipt = at.receipt;
    status.outcome = Some(receipt);
    status
}

/// State and reason of a refusal.
pub(super) fn refused(kind: u32, code: u32, message: &str) -> pb::TransactionStatus {
    let mut status = pb::TransactionStatus {
        state: pb::TransactionState::Refused.into(),
        message: message.to_owned(),
        ..Default::default()
    };
    match kind_of(kind).map(|kind| Refusal { kind, code, message: String::new() }) {
        Some(refusal) => {
            status.reason = refusal.reason();
            status.shared_name = refusal.doc().map(|doc| doc.shared.to_string()).unwrap_or_default();
        }
        None => status.reason = format!("KIND_{kind}_CODE_{code}"),
    }
    status
}

/// A refusal that was not committed: advice.
pub(super) fn refused_status(id: TransactionId, refusal: &Refusal) -> pb::TransactionStatus {
    let outcome = pb::Refusal { kind: refusal.kind.tag().into(), code: refusal.code };
    let id = id.as_bytes().to_vec();
    pb::TransactionStatus {
        id: id.clone(),
        outcome: Some(pb::Receipt { transaction: id, outcome: Some(pb::receipt::Outcome::Refused(outcome)) }),
        ..refused(refusal.kind.tag().into(), refusal.code, &refusal.message)
    }
}

/// The status of a fate that came with its receipt.
pub(super) fn status_of_fate(core: &Core, fate: &Fate) -> Result<pb::TransactionStatus, Status> {
    let damaged = |error: prost::DecodeError| ReadFault::Damaged {
        place: format!("receipt {}", fate.at),
        reason: error.to_string(),
    };
    let receipt = fate.receipt.as_deref().map(pb::Receipt::decode).transpose().map_err(damaged);
    let receipt = receipt.map_err(status::of_fault)?.unwrap_or_default();
    Ok(settled(fate.at, receipt, &message_of(core, fate)?))
}

/// Why it was refused, in words; empty when it was applied.
pub(super) fn message_of(core: &Core, fate: &Fate) -> Result<String, Status> {
    match fate.outcome {
        raw::Outcome::Applied { .. } => Ok(String::new()),
        raw::Outcome::Refused { .. } => {
            let located = transactions::locate(core.deps.rows.as_ref(), fate.at.height, &fate.id);
            Ok(located.map_err(status::of_fault)?.map(|located| located.message).unwrap_or_default())
        }
    }
}

/// Those whose time has passed: found in a block after all, or expired.
pub(super) fn sort_out_ended(
    core: &Core,
    wait: &mut Wait,
) -> Result<Vec<(TransactionId, u32, pb::TransactionStatus)>, Status> {
    let view = core.deps.views.newest();
    let time = view.state.head().time;
    let ended = wait.ended(time);
    if ended.is_empty() {
        return Ok(Vec::new());
    }
    let found = Found::look_up(core, &ended)?;
    let mut sorted = Vec::with_capacity(ended.len());
    for id in ended {
        let Some(open) = wait.close(&id) else { continue };
        let status = match found.get(&id) {
            Some(found) => found.status(),
            None => pb::TransactionStatus {
                id: id.as_bytes().to_vec(),
                state: pb::TransactionState::Expired.into(),
                reason: crate::Reason::Expired.name().to_owned(),
                message: format!("valid until {}, block time is {time}", open.valid_until),
                ..Default::default()
            },
        };
        sorted.push((id, open.copies, status));
    }
    Ok(sorted)
}

/// Waits until everything is committed or expired, or the time is over; what is open then is pending.
pub(super) async fn await_all(
    core: &Core,
    wait: &mut Wait,
    until: Instant,
) -> Result<HashMap<TransactionId, pb::TransactionStatus>, Status> {
    let mut statuses = HashMap::new();
    let mut commits = core.deps.commits.clone();
    let over = tokio::time::sleep_until(until.into());
    tokio::pin!(over);
    while wait.open() > 0 {
        tokio::select! {
            fates = wait.fates() => for (_, fate) in fates {
                statuses.insert(fate.id, status_of_fate(core, &fate)?);
            },
            changed = commits.changed() => {
                if changed.is_err() {
                    break;
                }
                for (id, _, status) in sort_out_ended(core, wait)? {
                    statuses.insert(id, status);
                }
            }
            () = &mut over => break,
            () = core.closed() => break,
        }
    }
    for id in wait.ids() {
        statuses.insert(id, pending(id));
    }
    Ok(statuses)
}
