//! Stored blocks and receipts taken apart without decoding what nobody asked for: a block may hold thousands of transactions, a question
//! is about one. What is read here was written, and checked, by the ledger; other bytes are damage.

use octroi_primitives::{OrganisationId, TransactionId};
use octroi_proto::v1 as pb;
use octroi_views::ReadFault;
use prost::{
    Message as _,
    encoding::{WireType, decode_key, decode_varint},
};

/// A field of a message.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn damaged(what: &str, reason: impl core::fmt::Display) -> ReadFault {
    ReadFault::Damaged { place: format!("stored {what}"), reason: reason.to_string() }
}

/// The next field from the front of `rest`.
fn next<'a>(rest: &mut &'a [u8], what: &'static str) -> Result<(u32, Field<'a>), ReadFault> {
    let cut = |error| damaged(what, error);
    let (number, wire) = decode_key(rest).map_err(cut)?;
    match wire {
        WireType::Varint => Ok((number, Field::Number(decode_varint(rest).map_err(cut)?))),
        WireType::LengthDelimited => {
            let length = usize::try_from(decode_varint(rest).map_err(cut)?).map_err(|error| damaged(what, error))?;
            let (bytes, tail) = rest.split_at_checked(length).ok_or_else(|| damaged(what, "cut short"))?;
            *rest = tail;
            Ok((number, Field::Bytes(bytes)))
        }
        other => Err(damaged(what, format!("a field of wire type {other:?}"))),
    }
}

/// The values of a repeated field of bytes.
fn repeated<'a>(bytes: &'a [u8], number: u32, what: &'static str) -> impl Iterator<Item = Result<&'a [u8], ReadFault>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            match next(&mut rest, what) {
                Ok((found, Field::Bytes(value))) if found == number => return Some(Ok(value)),
                Ok(_) => {}
                Err(fault) => {
                    rest = &[];
                    return Some(Err(fault));
                }
            }
        }
        None
    })
}

/// What became of a transaction, in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Applied; the tag of the kind.
    Applied { kind: u32 },
    /// Refused.
    Refused { kind: u32, code: u32 },
}

/// A receipt, as far as it was taken apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Receipt<'a> {
    pub(crate) transaction: TransactionId,
    pub(crate) outcome: Outcome,
    /// The whole receipt.
    pub(crate) bytes: &'a [u8],
}

impl Receipt<'_> {
    pub(crate) fn decode(&self) -> Result<pb::Receipt, ReadFault> {
        pb::Receipt::decode(self.bytes).map_err(|error| damaged("receipt", error))
    }
}

/// The receipts of a block, in order.
pub(crate) fn receipts(stored: &[u8]) -> impl Iterator<Item = Result<Receipt<'_>, ReadFault>> {
    repeated(stored, 1, "receipts").map(|bytes| receipt(bytes?))
}

/// Where a part of some bytes lies in them.
pub(crate) fn place_in(whole: &[u8], part: &[u8]) -> std::ops::Range<usize> {
    let start = part.as_ptr() as usize - whole.as_ptr() as usize;
    start..start + part.len()
}

/// How many receipts there are.
pub(crate) fn count_receipts(stored: &[u8]) -> Result<usize, ReadFault> {
    repeated(stored, 1, "receipts").try_fold(0, |count, bytes| bytes.map(|_| count + 1))
}

fn receipt(bytes: &[u8]) -> Result<Receipt<'_>, ReadFault> {
    let mut rest = bytes;
    let (mut transaction, mut outcome) = (None, None);
    while !rest.is_empty() {
        match next(&mut rest, "receipt")? {
            (1, Field::Bytes(id)) => {
                transaction = Some(TransactionId::try_from(id).map_err(|error| damaged("receipt", error))?);
            }
            (2, Field::Bytes(mut event)) => {
                let (kind, _) = next(&mut event, "event")?;
                outcome = Some(Outcome::Applied { kind });
            }
            (3, Field::Bytes(mut refusal)) => {
                let (mut kind, mut code) = (0, 0);
                while !refusal.is_empty() {
                    match next(&mut refusal, "refusal")? {
                        (1, Field::Number(value)) => kind = u32::try_from(value).unwrap_or(u32::MAX),
                        (2, Field::Number(value)) => code = u32::try_from(value).unwrap_or(u32::MAX),
                        _ => return Err(damaged("refusal", "an unknown field")),
                    }
                }
                outcome = Some(Outcome::Refused { kind, code });
            }
            _ => return Err(damaged("receipt", "an unknown field")),
        }
    }
    match (transaction, outcome) {
        (Some(transaction), Some(outcome)) => Ok(Receipt { transaction, outcome, bytes }),
        _ => Err(damaged("receipt", "id or outcome is missing")),
    }
}

/// The signed transactions of a block, in order.
pub(crate) fn transactions(block: &[u8]) -> impl Iterator<Item = Result<&[u8], ReadFault>> {
    repeated(block, 2, "block")
}

/// The header of a block.
pub(crate) fn header(block: &[u8]) -> Result<pb::Header, ReadFault> {
    let bytes = repeated(block, 1, "block").next().ok_or_else(|| damaged("block", "it has no header"))??;
    pb::Header::decode(bytes).map_err(|error| damaged("header", error))
}

/// Who signed a transaction.
pub(crate) fn organisation(signed: &[u8]) -> Result<OrganisationId, ReadFault> {
    let missing = || damaged("transaction", "it names no organisation");
    let body = repeated(signed, 1, "transaction").next().ok_or_else(missing)??;
    let id = repeated(body, 2, "transaction").next().ok_or_else(missing)??;
    OrganisationId::try_from(id).map_err(|error| damaged("transaction", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_are_taken_apart_as_they_were_written() {
        let refused = pb::Receipt {
            transaction: vec![7; 32],
            outcome: Some(pb::receipt::Outcome::Refused(pb::Refusal { kind: 0x0301, code: 1001 })),
        };
        let event = pb::Event { event: Some(pb::event::Event::AdvanceClock(pb::ClockAdvanced::default())) };
        let applied =
            pb::Receipt { transaction: vec![8; 32], outcome: Some(pb::receipt::Outcome::Applied(event.clone())) };
        let stored = pb::Receipts { receipts: vec![refused.clone(), applied.clone()] }.encode_to_vec();
        let found: Vec<Receipt<'_>> = receipts(&stored).collect::<Result<_, _>>().unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(count_receipts(&stored), Ok(2));
        assert_eq!(found[0].outcome, Outcome::Refused { kind: 0x0301, code: 1001 });
        assert_eq!(found[0].transaction.as_bytes(), &[7; 32]);
        assert_eq!(found[0].decode(), Ok(refused));
        assert_eq!(found[1].outcome, Outcome::Applied { kind: 0x7f01 });
        assert_eq!(found[1].decode(), Ok(applied));
    }

    #[test]
    fn bytes_cut_short_are_damage() {
        let receipt = pb::Receipt {
            transaction: vec![7; 32],
            outcome: Some(pb::receipt::Outcome::Refused(pb::Refusal { kind: 1, code: 1 })),
        };
        let stored = pb::Receipts { receipts: vec![receipt] }.encode_to_vec();
        for length in 1..stored.len() {
            assert!(receipts(&stored[..length]).any(|receipt| receipt.is_err()), "{length}");
        }
    }
}
