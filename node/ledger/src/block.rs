//! Which blocks are valid, and which transactions may enter one (architecture, block validity).
//!
//! Mempool, proposer, validator, catch-up and audit call the same [`Admission::check`] and [`CheckedBlock::check`]. All of it is judged against the
//! parent's state, so changes of keys and thresholds take effect from the next block.

use crate::{
    action::Family,
    governance::upgrade::rules_at,
    parameters::Parameter,
    quota::QuotaUse,
    registry::organisation::Organisation,
    state::State,
    transaction::{DecodeError, SignatureInvalid, SignedTransaction, Transaction, VerifiedTransaction, verify},
};
use octroi_chain::{Block, Header};
use octroi_merkle::log::blake3_root;
use octroi_primitives::*;
use std::collections::{BTreeMap, BTreeSet};

/// Version of the rules that this crate knows.
pub const RULES_VERSION: u32 = 1;

/// Why a transaction cannot enter a block now. Never a receipt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Inadmissible {
    /// Signed for another genesis.
    #[error("transaction is for network {0}")]
    WrongNetwork(NetworkId),
    /// Its time has passed.
    #[error("valid until {valid_until}, block time is {time}")]
    Expired {
        /// End of its validity.
        valid_until: BlockTime,
        /// Judged at.
        time: BlockTime,
    },
    /// Its validity ends too far ahead.
    #[error("valid until {valid_until}, more than {minutes} minutes after {time}")]
    TooEarly {
        /// End of its validity.
        valid_until: BlockTime,
        /// Judged at.
        time: BlockTime,
        /// The window.
        minutes: u64,
    },
    /// Its id is in a block already.
    #[error("transaction {0} is in a block already")]
    Duplicate(TransactionId),
    /// Nobody has that id.
    #[error("organisation {0} is not registered")]
    UnknownOrganisation(OrganisationId),
    /// A key of nobody's office, or not live at this height.
    #[error("key {0} is no live office key of the organisation")]
    UnknownKey(PublicKey),
    /// Too few signatures for the family of the kind.
    #[error("{signed} signatures, {needed} are needed for family {family:02x}")]
    Threshold {
        /// How many signed.
        signed: usize,
        /// The threshold.
        needed: u8,
        /// Family of the kind.
        family: u8,
    },
    /// The organisation has used up its ledger day.
    #[error("organisation {0} has used its quota of this ledger day")]
    Quota(OrganisationId),
    /// Too many ids are remembered.
    #[error("{0} ids are remembered, no more fit")]
    SeenFull(usize),
}

impl Inadmissible {
    /// The reason for programs.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::WrongNetwork(_) => "WRONG_NETWORK",
            Self::Expired { .. } => "EXPIRED",
            Self::TooEarly { .. } => "TOO_EARLY",
            Self::Duplicate(_) => "DUPLICATE",
            Self::UnknownOrganisation(_) | Self::UnknownKey(_) => "UNKNOWN_SIGNER",
            Self::Threshold { .. } => "THRESHOLD",
            Self::Quota(_) => "QUOTA",
            Self::SeenFull(_) => "SEEN_FULL",
        }
    }
}

/// Judges transactions for a block of one time that stands on one state; its parameters are read once for all of them.
#[derive(Clone, Copy)]
pub struct Admission<'a> {
    state: &'a State,
    time: BlockTime,
    day: u64,
    window_minutes: u64,
    quota_transactions: u64,
    quota_bytes: u64,
    seen_max: u64,
    block_work: u64,
}

impl<'a> Admission<'a> {
    /// For a block of `time` that stands on `state`.
    pub fn new(state: &'a State, time: BlockTime) -> Self {
        let overlay = state.overlay();
        Self {
            state,
            time,
            day: ledger_day(time),
            window_minutes: overlay.parameter(Parameter::ValidityWindowMinutes),
            quota_transactions: overlay.parameter(Parameter::QuotaTransactions),
            quota_bytes: overlay.parameter(Parameter::QuotaBytes),
            seen_max: overlay.parameter(Parameter::MaxSeenIds),
            block_work: overlay.parameter(Parameter::BlockWork),
        }
    }

    /// Work units of a block at most: a transaction that costs more is never in one.
    pub fn block_work(&self) -> u64 {
        self.block_work
    }

    /// Judges a transaction; uses of the quota in the same block are the caller's to add.
    ///
    /// # Errors
    /// The first reason, in the order of the enum.
    pub fn check(&self, transaction: &VerifiedTransaction) -> Result<(), Inadmissible> {
        self.check_asked(transaction.transaction(), transaction.id(), &transaction.keys(), transaction.size())
    }

    /// The same for a transaction that is not signed yet; `keys` are those that are to sign it, `size` its bytes with their signatures.
    ///
    /// # Errors
    /// The first reason, in the order of the enum.
    pub fn check_asked(
        &self,
        asked: &Transaction,
        id: TransactionId,
        keys: &[PublicKey],
        size: usize,
    ) -> Result<(), Inadmissible> {
        let Self {
            state,
            time,
            day,
            window_minutes: minutes,
            quota_transactions,
            quota_bytes,
            seen_max,
            block_work: _,
        } = *self;
        let known = check_known(asked, id, keys, state, time);
        let valid_until = asked.valid_until;
        let comes_first = matches!(known, Err(Inadmissible::WrongNetwork(_) | Inadmissible::Expired { .. }));
        if !comes_first && valid_until > time.saturating_add(minutes * 60_000) {
            return Err(Inadmissible::TooEarly { valid_until, time, minutes });
        }
        known?;
        let used = state.get::<QuotaUse>(&asked.organisation).map_or(QuotaUse::fresh(day), |used| used.on(day));
        if used.transactions >= quota_transactions
            || used.bytes + size as u64 > quota_bytes
            || used.refused >= quota_transactions / 10
        {
            return Err(Inadmissible::Quota(asked.organisation));
        }
        let seen = state.seen_count();
        if seen as u64 >= seen_max {
            return Err(Inadmissible::SeenFull(seen));
        }
        Ok(())
    }
}

/// What costs least and refuses most: network, end of validity, id, and keys that may sign. Asked before signatures are checked, so that nobody
/// makes a node check what no office of the ledger can have signed. Any block time up to now will do for `time`.
///
/// # Errors
/// The first reason, in the order of the enum, save a validity that ends too late.
pub fn check_known(
    asked: &Transaction,
    id: TransactionId,
    keys: &[PublicKey],
    state: &State,
    time: BlockTime,
) -> Result<(), Inadmissible> {
    if asked.network != state.network() {
        return Err(Inadmissible::WrongNetwork(asked.network));
    }
    let valid_until = asked.valid_until;
    if time >= valid_until {
        return Err(Inadmissible::Expired { valid_until, time });
    }
    if state.has_seen(valid_until, &id) {
        return Err(Inadmissible::Duplicate(id));
    }
    let organisation =
        state.get::<Organisation>(&asked.organisation).ok_or(Inadmissible::UnknownOrganisation(asked.organisation))?;
    let height = Height(state.head().height.0 + 1);
    if let Some(key) = keys.iter().find(|key| !organisation.key_is_live(key, height)) {
        return Err(Inadmissible::UnknownKey(*key));
    }
    let Family(family) = asked.payload.kind().family();
    let needed = organisation.threshold(Family(family), height);
    if keys.len() < usize::from(needed) {
        return Err(Inadmissible::Threshold { signed: keys.len(), needed, family });
    }
    Ok(())
}

/// Days since 1970 of the legal date of a block time.
pub fn ledger_day(time: BlockTime) -> u64 {
    LegalDate::at(time).days().unsigned_abs()
}

/// Why a block is invalid: a validator prevotes nil, and there is never a receipt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockInvalid {
    /// A field of the header that is a function of the parent differs.
    #[error("header field {field} is {found}, {expected} was expected")]
    Header {
        /// Which.
        field: &'static str,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// Time does not move forward.
    #[error("time {time} is not after the parent's {parent}")]
    Time {
        /// Of the block.
        time: BlockTime,
        /// Of the parent.
        parent: BlockTime,
    },
    /// Neither transactions nor due work, before the heartbeat.
    #[error("an empty block {after} ms after its parent; the heartbeat is {heartbeat} ms")]
    Empty {
        /// Since the parent.
        after: u64,
        /// The parameter.
        heartbeat: u64,
    },
    /// Over a limit.
    #[error("{what}: {found} is over the limit of {limit}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How many.
        found: u64,
        /// At most.
        limit: u64,
    },
    /// A transaction that is none.
    #[error("transaction {index}: {error}")]
    Decode {
        /// Position in the block.
        index: usize,
        /// Why.
        error: DecodeError,
    },
    /// A signature does not verify.
    #[error("transaction {index}: {error}")]
    Signature {
        /// Position in the block.
        index: usize,
        /// Which.
        error: SignatureInvalid,
    },
    /// A transaction that may not enter this block.
    #[error("transaction {index}: {error}")]
    Inadmissible {
        /// Position in the block.
        index: usize,
        /// Why.
        error: Inadmissible,
    },
    /// The parent's certificate is missing, names another block or does not verify.
    #[error("certificate of the parent: {0}")]
    LastCommit(String),
}

/// A block whose transactions are verified and whose header fits its parent; not executed yet.
#[derive(Debug, Clone)]
pub struct CheckedBlock {
    block: Block,
    transactions: Vec<VerifiedTransaction>,
}

impl CheckedBlock {
    /// The whole check, save what only execution can tell (receipts root, state root, next set).
    ///
    /// `known` gives transactions of the block that this node verified before, by their position; only the others are checked again.
    ///
    /// # Errors
    /// The first reason.
    pub fn check(
        block: Block,
        state: &State,
        mut known: impl FnMut(usize) -> Option<VerifiedTransaction>,
    ) -> Result<Self, BlockInvalid> {
        check_header(block.header(), &block, state)?;
        let overlay = state.overlay();
        let limit = overlay.parameter(Parameter::BlockTransactions);
        over("transactions", block.transactions().len() as u64, limit)?;
        let bytes: usize = block.transactions().iter().map(Vec::len).sum();
        over("bytes", bytes as u64, overlay.parameter(Parameter::BlockBytes))?;

        let mut transactions: Vec<Option<VerifiedTransaction>> = Vec::with_capacity(block.transactions().len());
        let mut unknown = Vec::new();
        for (index, bytes) in block.transactions().iter().enumerate() {
            match known(index) {
                Some(transaction) => transactions.push(Some(transaction)),
                None => {
                    let signed =
                        SignedTransaction::decode(bytes).map_err(|error| BlockInvalid::Decode { index, error })?;
                    unknown.push((index, signed));
                    transactions.push(None);
                }
            }
        }
        let (indexes, signed): (Vec<usize>, Vec<SignedTransaction>) = unknown.into_iter().unzip();
        for (index, answer) in indexes.into_iter().zip(verify(&state.network(), signed)) {
            transactions[index] = Some(answer.map_err(|error| BlockInvalid::Signature { index, error })?);
        }
        let transactions: Vec<VerifiedTransaction> = transactions.into_iter().flatten().collect();
        check_transactions(&transactions, state, block.header().time)?;
        let leaves: Vec<Hash> = transactions.iter().map(|transaction| transaction.leaf()).collect();
        same("transactions_root", blake3_root(&leaves), block.header().transactions_root)?;
        Ok(Self { block, transactions })
    }

    /// The block.
    pub fn block(&self) -> &Block {
        &self.block
    }

    /// Its transactions in order.
    pub fn transactions(&self) -> &[VerifiedTransaction] {
        &self.transactions
    }

    pub(crate) fn into_parts(self) -> (Block, Vec<VerifiedTransaction>) {
        (self.block, self.transactions)
    }
}

/// Each transaction may enter, none twice, the block's budget and the quotas hold.
///
/// # Errors
/// The first reason.
pub fn check_transactions(
    transactions: &[VerifiedTransaction],
    state: &State,
    time: BlockTime,
) -> Result<(), BlockInvalid> {
    let overlay = state.overlay();
    let admission = Admission::new(state, time);
    let mut ids = BTreeSet::new();
    let mut used: BTreeMap<OrganisationId, (u64, u64)> = BTreeMap::new();
    let mut work = 0u64;
    for (index, transaction) in transactions.iter().enumerate() {
        let fail = |error| BlockInvalid::Inadmissible { index, error };
        admission.check(transaction).map_err(fail)?;
        if !ids.insert(transaction.id()) {
            return Err(fail(Inadmissible::Duplicate(transaction.id())));
        }
        let organisation = transaction.transaction().organisation;
        let (count, bytes) = used.entry(organisation).or_default();
        *count += 1;
        *bytes += transaction.size() as u64;
        work = work.saturating_add(transaction.transaction().payload.cost());
    }
    over("work units", work, overlay.parameter(Parameter::BlockWork))?;
    let day = ledger_day(time);
    let (transactions_max, bytes_max) =
        (overlay.parameter(Parameter::QuotaTransactions), overlay.parameter(Parameter::QuotaBytes));
    for (organisation, (count, bytes)) in used {
        let before = state.get::<QuotaUse>(&organisation).map_or(QuotaUse::fresh(day), |used| used.on(day));
        if before.transactions + count > transactions_max || before.bytes + bytes > bytes_max {
            return Err(BlockInvalid::Limit {
                what: "quota of an organisation",
                found: before.transactions + count,
                limit: transactions_max,
            });
        }
    }
    let seen = state.seen_count() as u64 + transactions.len() as u64;
    over("remembered ids", seen, overlay.parameter(Parameter::MaxSeenIds))
}

/// This crate knows the rules that a block of this height follows.
pub(crate) fn check_rules(state: &State, height: Height) -> Result<(), BlockInvalid> {
    same("version of the rules", rules_at(state, height), RULES_VERSION)
}

fn check_header(header: &Header, block: &Block, state: &State) -> Result<(), BlockInvalid> {
    let head = state.head();
    check_rules(state, header.height)?;
    same("version", RULES_VERSION, header.version)?;
    same("network", state.network(), header.network)?;
    same("height", Height(head.height.0 + 1), header.height)?;
    same("parent", head.id, header.parent)?;
    if header.time <= head.time {
        return Err(BlockInvalid::Time { time: header.time, parent: head.time });
    }
    let set = state.validators();
    same("proposer", set.select(header.height, header.round).consensus_key, header.proposer)?;
    same("validators_hash", set.hash(), header.validators_hash)?;
    same("log_root", head.log.root(), header.log_root)?;
    same("last_commit_hash", Block::last_commit_hash(block.last_commit()), header.last_commit_hash)?;
    match (block.last_commit(), head.height) {
        (None, Height(0)) => {}
        (Some(_), Height(0)) => return Err(BlockInvalid::LastCommit("height 1 carries none".into())),
        (None, _) => return Err(BlockInvalid::LastCommit("it is missing".into())),
        (Some(certificate), _) => {
            same("certified height", head.height, certificate.height)?;
            same("certified block", head.id, certificate.block_id)?;
            let parent_set =
                head.validators.as_ref().ok_or_else(|| BlockInvalid::LastCommit("no set is known".into()))?;
            certificate
                .verify(parent_set, &state.network())
                .map_err(|error| BlockInvalid::LastCommit(error.to_string()))?;
        }
    }
    if block.transactions().is_empty() {
        let after = header.time.since(head.time).unwrap_or(0);
        let heartbeat = state.overlay().parameter(Parameter::HeartbeatMs);
        let due = crate::due::next_due(state).is_some_and(|due| due <= header.time)
            || crate::execute::seats_due(state, header.height);
        if after < heartbeat && !due {
            return Err(BlockInvalid::Empty { after, heartbeat });
        }
    }
    Ok(())
}

pub(crate) fn same<T: PartialEq + core::fmt::Display>(
    field: &'static str,
    expected: T,
    found: T,
) -> Result<(), BlockInvalid> {
    if expected == found {
        return Ok(());
    }
    Err(BlockInvalid::Header { field, expected: expected.to_string(), found: found.to_string() })
}

fn over(what: &'static str, found: u64, limit: u64) -> Result<(), BlockInvalid> {
    if found > limit { Err(BlockInvalid::Limit { what, found, limit }) } else { Ok(()) }
}
