//! Second station: decoding and signatures, which need no state.

use crate::finding::Check;
use octroi_chain::{
    Block, Canonical,
    archive::{ArchiveError, BlockRecord, Closing, FileHeader},
};
use octroi_ledger::{SignedTransaction, VerifiedTransaction, transaction::SignatureInvalid, verify};
use octroi_primitives::NetworkId;

/// One record as it was read, or why it could not be.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    FileHeader(FileHeader),
    Block(BlockRecord),
    Closing(Closing),
    Broken(ArchiveError),
}

/// Records of an archive that follow each other. Owns its bytes and can be sent to any thread.
#[derive(Clone, Debug)]
pub struct Lot {
    network: NetworkId,
    items: Vec<Item>,
}

/// A lot whose blocks are decoded and whose signatures are checked. To be taken in the order of the archive.
#[derive(Clone, Debug)]
pub struct PreparedLot {
    pub(crate) items: Vec<Prepared>,
}

#[derive(Clone, Debug)]
pub(crate) enum Prepared {
    FileHeader(FileHeader),
    Block(PreparedBlock),
    Closing(Closing),
    Broken(ArchiveError),
}

/// A block with what could be said of it alone.
#[derive(Clone, Debug)]
pub(crate) struct PreparedBlock {
    pub(crate) record: BlockRecord,
    pub(crate) signatures: u64,
    pub(crate) content: Result<Content, Fault>,
}

/// A canonical block, all of whose signatures verify.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) block: Block,
    pub(crate) transactions: Vec<VerifiedTransaction>,
}

/// The first thing wrong with the bytes of a block.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) check: Check,
    pub(crate) detail: String,
}

impl Lot {
    pub(crate) fn new(network: NetworkId, items: Vec<Item>) -> Self {
        Self { network, items }
    }

    /// Decodes every block and transaction strictly, and checks all signatures of the lot in one batch.
    pub fn prepare(self) -> PreparedLot {
        let Self { network, items } = self;
        let mut signed = Vec::new();
        let mut opened = Vec::with_capacity(items.len());
        for item in items {
            opened.push(match item {
                Item::FileHeader(header) => Opened::Other(Prepared::FileHeader(header)),
                Item::Closing(closing) => Opened::Other(Prepared::Closing(closing)),
                Item::Broken(error) => Opened::Other(Prepared::Broken(error)),
                Item::Block(record) => {
                    let decoded = decode(&record.block).map(|(block, transactions)| {
                        let count = transactions.len();
                        signed.extend(transactions);
                        (block, count)
                    });
                    Opened::Block(record, decoded)
                }
            });
        }
        let signatures: Vec<u64> = signed.iter().map(|one| one.signatures().len() as u64).collect();
        let mut verified = signatures.into_iter().zip(verify(&network, signed));
        let items = opened
            .into_iter()
            .map(|opened| match opened {
                Opened::Other(prepared) => prepared,
                Opened::Block(record, Err(fault)) => {
                    Prepared::Block(PreparedBlock { record, signatures: 0, content: Err(fault) })
                }
                Opened::Block(record, Ok((block, count))) => {
                    Prepared::Block(gather(record, block, verified.by_ref().take(count)))
                }
            })
            .collect();
        PreparedLot { items }
    }
}

enum Opened {
    Other(Prepared),
    Block(BlockRecord, Result<(Block, usize), Fault>),
}

fn decode(bytes: &[u8]) -> Result<(Block, Vec<SignedTransaction>), Fault> {
    let block = Block::decode(bytes).map_err(|error| Fault { check: Check::Block, detail: error.to_string() })?;
    let transactions = block
        .transactions()
        .iter()
        .enumerate()
        .map(|(index, bytes)| {
            SignedTransaction::decode(bytes)
                .map_err(|error| Fault { check: Check::Transaction, detail: format!("transaction {index}: {error}") })
        })
        .collect::<Result<_, _>>()?;
    Ok((block, transactions))
}

fn gather(
    record: BlockRecord,
    block: Block,
    answers: impl Iterator<Item = (u64, Result<VerifiedTransaction, SignatureInvalid>)>,
) -> PreparedBlock {
    let mut signatures = 0;
    let mut transactions = Vec::new();
    let mut fault = None;
    for (index, (count, answer)) in answers.enumerate() {
        signatures += count;
        match answer {
            Ok(transaction) => transactions.push(transaction),
            Err(error) => {
                let detail = format!("transaction {index}: {error}");
                fault.get_or_insert(Fault { check: Check::Signature, detail });
            }
        }
    }
    let content = fault.map_or(Ok(Content { block, transactions }), Err);
    PreparedBlock { record, signatures, content }
}

#[cfg(test)]
impl Lot {
    /// Its records as they were read, for tests that put them together otherwise.
    pub(crate) fn into_items(self) -> Vec<Item> {
        self.items
    }
}
