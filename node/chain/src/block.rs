//! A block as it is proposed, stored, sent and audited: header, transactions verbatim, certificate of the parent.

use crate::{Canonical, ChainError, CommitCertificate, HasHeader, Header, NO_COMMIT, wire::required};
use alloc::vec::Vec;
use octroi_primitives::{BlockId, Hash, Height};
use octroi_proto::v1 as pb;

/// A block. Holding one proves that it is well formed and carries the certificate its header names, nothing more:
/// roots, transactions and limits are the ledger's to check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    header: Header,
    transactions: Vec<Vec<u8>>,
    last_commit: Option<CommitCertificate>,
}

impl Block {
    /// A block of a header and its body.
    ///
    /// # Errors
    /// [`ChainError::Missing`] or [`ChainError::Field`] when a certificate is absent above height 1 or present at it,
    /// [`ChainError::Height`] or [`ChainError::Block`] when it is not the parent's, [`ChainError::WrongLastCommit`] when
    /// it is not the one the header names. Its signatures are checked against the parent's set by the ledger's rules.
    pub fn new(
        header: Header,
        transactions: Vec<Vec<u8>>,
        last_commit: Option<CommitCertificate>,
    ) -> Result<Self, ChainError> {
        let first = header.height.get() == 1;
        match &last_commit {
            None if !first => return Err(ChainError::Missing { field: "block.last_commit" }),
            Some(_) if first => {
                return Err(ChainError::Field {
                    field: "block.last_commit",
                    reason: "the first block has no parent certificate",
                });
            }
            Some(c) if c.height.get().checked_add(1) != Some(header.height.get()) => {
                return Err(ChainError::Height { expected: Height(header.height.get() - 1), found: c.height });
            }
            Some(c) if c.block_id != header.parent => {
                return Err(ChainError::Block { expected: header.parent, found: c.block_id });
            }
            _ => {}
        }
        let found = Self::last_commit_hash(last_commit.as_ref());
        if found != header.last_commit_hash {
            return Err(ChainError::WrongLastCommit { expected: header.last_commit_hash, found });
        }
        Ok(Block { header, transactions, last_commit })
    }

    /// What a header names for this certificate of its parent: its hash, or [`NO_COMMIT`].
    pub fn last_commit_hash(last_commit: Option<&CommitCertificate>) -> Hash {
        last_commit.map_or(NO_COMMIT, CommitCertificate::hash)
    }

    /// The id of its header.
    pub fn id(&self) -> BlockId {
        self.header.id()
    }

    /// Its header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The canonical bytes of each signed transaction, in order.
    pub fn transactions(&self) -> &[Vec<u8>] {
        &self.transactions
    }

    /// The certificate of the parent that its proposer chose; `None` at height 1 only.
    pub fn last_commit(&self) -> Option<&CommitCertificate> {
        self.last_commit.as_ref()
    }
}

impl HasHeader for Block {
    fn header(&self) -> &Header {
        &self.header
    }
}

impl Canonical for Block {
    type Wire = pb::Block;
    const WHAT: &'static str = "block";

    fn to_wire(&self) -> pb::Block {
        let Block { header, transactions, last_commit } = self;
        pb::Block {
            header: Some(header.to_wire()),
            transactions: transactions.clone(),
            last_commit: last_commit.as_ref().map(Canonical::to_wire),
        }
    }

    fn from_wire(wire: pb::Block) -> Result<Self, ChainError> {
        let pb::Block { header, transactions, last_commit } = wire;
        let header = Header::from_wire(required("block.header", header)?)?;
        Block::new(header, transactions, last_commit.map(CommitCertificate::from_wire).transpose()?)
    }
}
