//! A forger that has every key: takes an archive apart, and puts it together again around a lie so that all that can agree does agree.

use crate::lot::Item;
use octroi_chain::{
    Block, Canonical as _, CommitCertificate, Header, Vote, VoteKind,
    archive::{BlockRecord, Closing, FileHeader, MAGIC, Totals, VERSION, crc32c},
};
use octroi_ledger::{Receipt, Receipts, SignedTransaction, wire::Canonical as _};
use octroi_merkle::log::{LogFrontier, blake3_root};
use octroi_primitives::{BlockId, Height, NetworkId, PublicKey, Round};
use octroi_vectors::network::{Chain, secret_of};

/// An archive in parts that can be changed.
#[derive(Clone, PartialEq)]
pub(super) struct Forge {
    pub(super) network: NetworkId,
    pub(super) from: u64,
    pub(super) genesis: Vec<u8>,
    /// From height 1.
    pub(super) blocks: Vec<Piece>,
    pub(super) certificate: CommitCertificate,
}

/// A block in parts.
#[derive(Clone, PartialEq)]
pub(super) struct Piece {
    pub(super) header: Header,
    pub(super) transactions: Vec<Vec<u8>>,
    pub(super) last_commit: Option<CommitCertificate>,
    pub(super) receipts: Vec<u8>,
    /// Consensus keys of the set of this height.
    pub(super) validators: Vec<PublicKey>,
}

/// Who signs what the forger made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signers {
    /// Old signatures stand under new ids.
    Stale,
    /// This many validators help.
    Some(usize),
}

impl Forge {
    pub(super) fn of(chain: &Chain) -> Self {
        let blocks = chain.links.iter().map(|link| {
            let block = link.executed.block();
            Piece {
                header: block.header().clone(),
                transactions: block.transactions().to_vec(),
                last_commit: block.last_commit().cloned(),
                receipts: link.record().receipts,
                validators: link.before.validators().members().iter().map(|member| member.consensus_key).collect(),
            }
        });
        Self {
            network: chain.state.network(),
            from: 1,
            genesis: chain.genesis.to_bytes(),
            blocks: blocks.collect(),
            certificate: chain.links.last().expect("a block").certificate.clone(),
        }
    }

    pub(super) fn tip(&self) -> u64 {
        self.blocks.len() as u64
    }

    pub(super) fn piece(&mut self, height: u64) -> &mut Piece {
        &mut self.blocks[height as usize - 1]
    }

    /// The certificate of a height, wherever it stands.
    pub(super) fn certificate_of(&mut self, height: u64) -> &mut CommitCertificate {
        if height == self.tip() {
            &mut self.certificate
        } else {
            self.piece(height + 1).last_commit.as_mut().expect("above height 1")
        }
    }

    /// The next blocks above a changed one name it and what is certified of it again, log roots included. Two are enough: a lie is found in its
    /// own block or in the one that carries its certificate.
    pub(super) fn relink(&mut self, height: u64, signers: Signers) {
        self.relink_up_to(height, (height + 2).min(self.tip()), signers);
    }

    /// The same up to a height.
    pub(super) fn relink_up_to(&mut self, height: u64, last: u64, signers: Signers) {
        let mut log = LogFrontier::default();
        log.push(self.network.as_bytes());
        for below in 1..height {
            log.push(self.piece(below).header.id().as_bytes());
        }
        for below in height..=last {
            if below > height {
                self.piece(below).header.log_root = log.root();
            }
            let (id, round, network) = {
                let header = &self.piece(below).header;
                (header.id(), header.round, header.network)
            };
            log.push(id.as_bytes());
            let keys = self.piece(below).validators.clone();
            let certificate = self.certificate_of(below);
            certificate.block_id = id;
            if let Signers::Some(count) = signers {
                let round = certificate.round.max(round);
                *certificate = certified(&keys[..count.min(keys.len())], Height(below), round, id, network);
            }
            if below < self.tip() {
                let above = self.piece(below + 1);
                above.header.parent = id;
                above.name_last_commit();
            }
        }
    }

    /// Only the header and what is above: the certificate inside block `height` was changed.
    pub(super) fn recommit(&mut self, height: u64) {
        self.piece(height).name_last_commit();
        self.relink(height, Signers::Some(4));
    }

    pub(super) fn totals(&self) -> Totals {
        Totals {
            blocks: self.tip(),
            block_bytes: self.blocks.iter().map(|piece| piece.bytes().len() as u64).sum(),
            receipt_bytes: self.blocks.iter().map(|piece| piece.receipts.len() as u64).sum(),
        }
    }

    /// As the reader would hand them out, made when they are asked for.
    pub(super) fn items(&self) -> impl Iterator<Item = Item> {
        self.items_from(0)
    }

    /// The items from a height on; 0 is the file header.
    pub(super) fn items_from(&self, height: u64) -> impl Iterator<Item = Item> {
        (height..=self.tip() + 1).map(|number| match number {
            0 => {
                let (network, from, genesis) = (self.network, Height(self.from), self.genesis.clone());
                Item::FileHeader(FileHeader { network, from, genesis })
            }
            number if number <= self.tip() => {
                let piece = &self.blocks[number as usize - 1];
                let height = Height(self.from + number - 1);
                Item::Block(BlockRecord { height, block: piece.bytes(), receipts: piece.receipts.clone() })
            }
            _ => Item::Closing(Closing { certificate: Some(self.certificate.clone()), totals: self.totals() }),
        })
    }

    /// The archive, framed anew.
    pub(super) fn archive(&self) -> Vec<u8> {
        self.frames().concat()
    }

    /// Its records.
    pub(super) fn frames(&self) -> Vec<Vec<u8>> {
        let mut header = MAGIC.to_vec();
        header.extend(VERSION.to_be_bytes());
        header.extend(self.network.as_bytes());
        header.extend(&self.genesis);
        let mut frames = vec![frame(1, self.from, &header)];
        for (index, piece) in self.blocks.iter().enumerate() {
            let block = piece.bytes();
            let mut payload = (block.len() as u32).to_be_bytes().to_vec();
            payload.extend(block);
            payload.extend(&piece.receipts);
            frames.push(frame(2, self.from + index as u64, &payload));
        }
        frames.push(frame(3, self.from + self.tip() - 1, &closing(&self.totals(), &self.certificate)));
        frames
    }
}

/// A closing record's payload.
pub(super) fn closing(totals: &Totals, certificate: &CommitCertificate) -> Vec<u8> {
    let Totals { blocks, block_bytes, receipt_bytes } = totals;
    let mut payload: Vec<u8> = [blocks, block_bytes, receipt_bytes].iter().flat_map(|sum| sum.to_be_bytes()).collect();
    payload.extend(certificate.encode());
    payload
}

impl Piece {
    pub(super) fn bytes(&self) -> Vec<u8> {
        // Written as a message: a forger is not held to what a `Block` promises.
        use prost::Message as _;
        octroi_proto::v1::Block {
            header: Some(self.header.to_wire()),
            transactions: self.transactions.clone(),
            last_commit: self.last_commit.as_ref().map(octroi_chain::Canonical::to_wire),
        }
        .encode_to_vec()
    }

    pub(super) fn name_last_commit(&mut self) {
        self.header.last_commit_hash = Block::last_commit_hash(self.last_commit.as_ref());
    }

    pub(super) fn signed(&self, index: usize) -> SignedTransaction {
        SignedTransaction::decode(&self.transactions[index]).expect("a transaction")
    }

    /// The root over the transactions; the old one stays when one of them is none.
    pub(super) fn name_transactions(&mut self) {
        let signed: Option<Vec<SignedTransaction>> =
            self.transactions.iter().map(|bytes| SignedTransaction::decode(bytes).ok()).collect();
        let Some(signed) = signed else { return };
        let leaves: Vec<_> = signed.iter().map(SignedTransaction::leaf).collect();
        self.header.transactions_root = blake3_root(&leaves);
    }

    pub(super) fn receipts(&self) -> Vec<Receipt> {
        Receipts::from_bytes(&self.receipts).expect("receipts").0
    }

    pub(super) fn set_receipts(&mut self, receipts: Vec<Receipt>) {
        self.receipts = Receipts(receipts).to_bytes();
    }

    pub(super) fn name_receipts(&mut self) {
        let leaves: Vec<_> = self.receipts().iter().map(Receipt::leaf).collect();
        self.header.receipts_root = blake3_root(&leaves);
    }
}

/// A certificate by these validators.
pub(super) fn certified(
    keys: &[PublicKey],
    height: Height,
    round: Round,
    id: BlockId,
    network: NetworkId,
) -> CommitCertificate {
    let votes = keys.iter().map(|key| {
        let secret = secret_of(key);
        Vote { kind: VoteKind::Precommit, height, round, block: Some(id), validator: *key }.sign(&network, &secret)
    });
    CommitCertificate::of_precommits(height, round, id, votes)
}

/// A record with its length and checksum.
pub(super) fn frame(kind: u8, height: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes().to_vec();
    bytes.push(kind);
    bytes.extend(height.to_be_bytes());
    let checksum = crc32c(&[&bytes, payload]);
    bytes.extend(checksum.to_be_bytes());
    bytes.extend(payload);
    bytes
}
