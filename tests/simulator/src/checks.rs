//! What must hold whatever happens (testing, promises P1 to P9). A violation names the promise and what was seen.

use octroi_chain::{Block, Canonical, Certified, CommitCertificate, Evidence, ValidatorSet, VoteKind};
use octroi_consensus::Message;
use octroi_ledger::{CheckedBlock, Genesis, State, execute, parameters::Parameter};
use octroi_primitives::{BlockId, Height, PublicKey, Round, TransactionId};
use octroi_replica::Commit;
use std::collections::{BTreeMap, BTreeSet};

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// P1: two blocks at one height.
    #[error("agreement: at height {height} one node committed {one}, another {other}")]
    Agreement {
        /// Where.
        height: Height,
        /// What was committed first.
        one: BlockId,
        /// What another node committed.
        other: BlockId,
    },
    /// P3: a certificate that proves nothing.
    #[error("certificate of height {0}: {1}")]
    Certificate(Height, String),
    /// P4: a state that is not the one its header names.
    #[error("state root of node {node} at height {height} is not the one of the header")]
    StateRoot {
        /// Whose.
        node: usize,
        /// Where.
        height: Height,
    },
    /// P6: something acknowledged is not in the chain.
    #[error("transaction {0}, acknowledged at height {1}, is not in that block")]
    Lost(TransactionId, Height),
    /// P6: a store came back lower than it had been.
    #[error("node {node} committed height {committed} and came back with height {found}")]
    StoreWentBack {
        /// Whose.
        node: usize,
        /// It had committed this.
        committed: u64,
        /// It came back with this.
        found: u64,
    },
    /// P6: a transaction was committed twice.
    #[error("transaction {0} is in two blocks")]
    Twice(TransactionId),
    /// P7: two different messages of one validator for one step.
    #[error("validator {0} signed two different messages for {1}")]
    SignedTwice(PublicKey, String),
    /// P8: replaying the chain from genesis gives something else.
    #[error("replay of height {0}: {1}")]
    Replay(Height, String),
    /// P9: the chain did not go on though nothing failed any more.
    #[error("no progress: {0}")]
    Stuck(String),
    /// A node stopped, or did not start, though nothing but power failed.
    #[error("node {0} stopped: {1}")]
    Stopped(usize, String),
    /// An honest validator is accused.
    #[error("validator {0} is accused of equivocation, though all are honest")]
    Accused(PublicKey),
    /// An empty block before the heartbeat.
    #[error("the block of height {0} is empty and came {1} ms after its parent")]
    EmptyBlock(Height, u64),
    /// An honest peer was penalised.
    #[error("node {0} penalised an honest peer: {1}")]
    Penalised(usize, String),
}

type Step = (PublicKey, Height, Round, u8);

/// Everything seen so far.
#[derive(Debug)]
pub struct Checks {
    /// The chain replayed here, block by block, from genesis.
    state: State,
    heartbeat: u64,
    chain: BTreeMap<Height, Seen>,
    signed: BTreeMap<Step, (Option<BlockId>, Option<Round>)>,
    acknowledged: BTreeMap<TransactionId, Height>,
    included: BTreeMap<TransactionId, Height>,
}

#[derive(Debug)]
struct Seen {
    block: BlockId,
    /// The set that certifies it.
    set: ValidatorSet,
}

impl Checks {
    /// Of a network with this genesis.
    pub fn new(genesis: &Genesis) -> Self {
        let state = genesis.state().expect("the genesis obeys the rules");
        Checks {
            heartbeat: state.overlay().parameter(Parameter::HeartbeatMs),
            state,
            chain: BTreeMap::new(),
            signed: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            included: BTreeMap::new(),
        }
    }

    /// A message left a node.
    ///
    /// # Errors
    /// [`Violation::SignedTwice`].
    pub fn sent(&mut self, message: &Message) -> Result<(), Violation> {
        let (step, content) = match message {
            Message::Vote(signed) => {
                let vote = &signed.vote;
                let kind = match vote.kind {
                    VoteKind::Prevote => 1,
                    VoteKind::Precommit => 2,
                };
                ((vote.validator, vote.height, vote.round, kind), (vote.block, None))
            }
            Message::Proposal(signed) => {
                let proposal = &signed.proposal;
                ((proposal.proposer, proposal.height, proposal.round, 0), (Some(proposal.block), proposal.lock))
            }
            Message::Polka(_) | Message::Round(_) => return Ok(()),
        };
        let before = self.signed.entry(step).or_insert(content);
        if *before == content { Ok(()) } else { Err(Violation::SignedTwice(step.0, format!("{step:?}"))) }
    }

    /// A node committed a block durably.
    ///
    /// # Errors
    /// The promise that is broken.
    pub fn committed(&mut self, node: usize, commit: &Commit) -> Result<(), Violation> {
        let header = commit.executed.block().header();
        let (height, block) = (header.height, header.id());
        if commit.state.root() != header.state_root || commit.state.head().id != block {
            return Err(Violation::StateRoot { node, height });
        }
        if let Some(accused) = commit.evidence.iter().map(Evidence::validator).next() {
            return Err(Violation::Accused(accused));
        }
        if height == Height(self.height() + 1) {
            self.extend(&commit.body, commit.certificate.clone())?;
        }
        let Some(Seen { block: seen, set }) = self.chain.get(&height) else {
            return Err(Violation::Replay(height, format!("nobody committed the block below {block}")));
        };
        if *seen != block {
            return Err(Violation::Agreement { height, one: *seen, other: block });
        }
        Certified::new(header.clone(), commit.certificate.clone(), set, &header.network)
            .map_err(|error| Violation::Certificate(height, error.to_string()))?;
        Ok(())
    }

    /// The next block of the chain, from its bytes alone: proven, checked and executed as an auditor would.
    ///
    /// # Errors
    /// The promise that is broken.
    pub fn extend(&mut self, body: &[u8], certificate: CommitCertificate) -> Result<(), Violation> {
        let height = Height(self.height() + 1);
        let fail = |reason: String| Violation::Replay(height, reason);
        let set = self.state.validators().clone();
        let block = Block::decode(body).map_err(|error| fail(error.to_string()))?;
        let (block, _) = Certified::new(block, certificate, &set, &self.state.network())
            .map_err(|error| Violation::Certificate(height, error.to_string()))?
            .into_parts();
        let id = block.id();
        let after = block.header().time.since(self.state.head().time).unwrap_or(0);
        let checked = CheckedBlock::check(block, &self.state, |_| None).map_err(|error| fail(error.to_string()))?;
        let executed = execute(&self.state, checked).map_err(|error| fail(error.to_string()))?;
        for transaction in executed.transactions() {
            if self.included.insert(transaction.id(), height).is_some() {
                return Err(Violation::Twice(transaction.id()));
            }
        }
        if executed.receipts().is_empty() && after < self.heartbeat {
            return Err(Violation::EmptyBlock(height, after));
        }
        self.state.commit(&executed);
        self.chain.insert(height, Seen { block: id, set });
        Ok(())
    }

    /// A node came back with this as its last block.
    ///
    /// # Errors
    /// [`Violation::Agreement`].
    pub fn stands_on(&self, height: Height, block: BlockId) -> Result<(), Violation> {
        match self.chain.get(&height) {
            Some(seen) if seen.block != block => Err(Violation::Agreement { height, one: seen.block, other: block }),
            Some(_) | None => Ok(()),
        }
    }

    /// A client was told that its transaction is in the chain.
    pub fn acknowledged(&mut self, id: TransactionId, height: Height) {
        self.acknowledged.insert(id, height);
    }

    /// Where a transaction is.
    pub fn place_of(&self, id: &TransactionId) -> Option<Height> {
        self.included.get(id).copied()
    }

    /// Height of the chain.
    pub fn height(&self) -> u64 {
        self.chain.len() as u64
    }

    /// Blocks without transactions.
    pub fn empty_blocks(&self) -> u64 {
        let with: BTreeSet<Height> = self.included.values().copied().collect();
        self.chain.keys().filter(|height| !with.contains(height)).count() as u64
    }

    /// The id of the last block.
    pub fn tip(&self) -> Option<BlockId> {
        self.chain.values().next_back().map(|seen| seen.block)
    }

    /// At the end: what was acknowledged is there.
    ///
    /// # Errors
    /// [`Violation::Lost`].
    pub fn finish(&self) -> Result<(), Violation> {
        for (id, height) in &self.acknowledged {
            if self.included.get(id) != Some(height) {
                return Err(Violation::Lost(*id, *height));
            }
        }
        Ok(())
    }
}
