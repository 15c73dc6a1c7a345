//! Outcomes: one receipt for each transaction and each piece of due work, in the order of execution.

use crate::{
    action::{Event, Kind},
    refusal::Refusal,
    wire::{Canonical, Wire, WireError, pb},
};
use octroi_primitives::{Hash, TransactionId, hash};
use prost::encoding::{WireType, encode_key, encode_varint};

/// Applied, with what changed; or refused, with why.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It happened.
    Applied(Event),
    /// Nothing changed.
    Refused(Refusal),
}

/// The outcome of one transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    /// Which.
    pub transaction: TransactionId,
    /// What became of it.
    pub outcome: Outcome,
}

impl Receipt {
    /// Leaf of the receipts root: H("receipt", canonical bytes).
    pub fn leaf(&self) -> Hash {
        Self::leaf_of(&self.to_bytes())
    }

    /// The same from stored bytes.
    pub fn leaf_of(bytes: &[u8]) -> Hash {
        hash("receipt", &[bytes])
    }

    /// The canonical bytes of the receipt of an applied transaction, around those of its event: an event is encoded once a block.
    pub(crate) fn bytes_around(transaction: &TransactionId, kind: Kind, event: &[u8]) -> Vec<u8> {
        let mut applied = Vec::with_capacity(event.len() + 8);
        put_bytes(&mut applied, u32::from(kind.tag()), event);
        let mut bytes = Vec::with_capacity(applied.len() + 40);
        put_bytes(&mut bytes, 1, transaction.as_bytes());
        put_bytes(&mut bytes, 2, &applied);
        bytes
    }

    /// Adds the canonical bytes of a receipt to those of the [`Receipts`] before it.
    pub(crate) fn append(receipts: &mut Vec<u8>, receipt: &[u8]) {
        put_bytes(receipts, 1, receipt);
    }

    /// The event, if it was applied.
    pub fn event(&self) -> Option<&Event> {
        match &self.outcome {
            Outcome::Applied(event) => Some(event),
            Outcome::Refused(_) => None,
        }
    }

    /// Which kind.
    pub fn kind(&self) -> Kind {
        match &self.outcome {
            Outcome::Applied(event) => event.kind(),
            Outcome::Refused(refusal) => refusal.kind,
        }
    }
}

/// A field of bytes, or of a message that is encoded already.
fn put_bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

impl Wire for Receipt {
    type Proto = pb::Receipt;

    fn to_proto(&self) -> pb::Receipt {
        let outcome = match &self.outcome {
            Outcome::Applied(event) => pb::receipt::Outcome::Applied(event.to_proto()),
            Outcome::Refused(Refusal { kind, code, message: _ }) => {
                pb::receipt::Outcome::Refused(pb::Refusal { kind: kind.tag().into(), code: *code })
            }
        };
        pb::Receipt { transaction: self.transaction.to_proto(), outcome: Some(outcome) }
    }

    fn from_proto(proto: pb::Receipt) -> Result<Self, WireError> {
        let pb::Receipt { transaction, outcome } = proto;
        let transaction = Wire::from_proto(transaction).map_err(|error: WireError| error.within("transaction"))?;
        let outcome = match outcome.ok_or_else(|| WireError::missing().within("outcome"))? {
            pb::receipt::Outcome::Applied(event) => {
                Outcome::Applied(Wire::from_proto(event).map_err(|error: WireError| error.within("applied"))?)
            }
            pb::receipt::Outcome::Refused(pb::Refusal { kind, code }) => {
                let kind = u16::try_from(kind)
                    .ok()
                    .and_then(Kind::of_tag)
                    .ok_or_else(|| WireError::invalid(format!("{kind} is no kind")).within("refused.kind"))?;
                Outcome::Refused(Refusal { kind, code, message: String::new() })
            }
        };
        Ok(Self { transaction, outcome })
    }
}

/// All receipts of a block, as storage and archives keep them: those of due work first, then one for each transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipts(pub Vec<Receipt>);

impl Receipts {
    /// Canonical bytes of the [`Receipts`] that hold these.
    pub fn bytes_of(receipts: &[Receipt]) -> Vec<u8> {
        prost::Message::encode_to_vec(&pb::Receipts { receipts: receipts.iter().map(Wire::to_proto).collect() })
    }
}

impl Wire for Receipts {
    type Proto = pb::Receipts;

    fn to_proto(&self) -> pb::Receipts {
        pb::Receipts { receipts: self.0.to_proto() }
    }

    fn from_proto(proto: pb::Receipts) -> Result<Self, WireError> {
        let pb::Receipts { receipts } = proto;
        Wire::from_proto(receipts).map(Self).map_err(|error: WireError| error.within("receipts"))
    }
}
