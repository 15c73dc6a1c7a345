//! Transactions that wait for a block: order of arrival within an organisation, organisations in turn.
//!
//! Bounded in bytes, in number and per organisation; what is full refuses, nothing is pushed out. `decide` is not run here: admission asks only
//! what would make a block invalid.

use crate::{Config, Verified};
use octroi_ledger::{Admission, Inadmissible, State, block::ledger_day, parameters::Parameter, quota::QuotaUse};
use octroi_primitives::{BlockTime, OrganisationId, TransactionId};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

/// Why a transaction does not wait here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No room for anybody.
    #[error("the mempool is full: {transactions} transactions of {bytes} bytes")]
    Full {
        /// Transactions in it.
        transactions: usize,
        /// Their bytes.
        bytes: usize,
    },
    /// No more room for this organisation.
    #[error("organisation {organisation} has {waiting} transactions waiting, which is the most")]
    OrganisationFull {
        /// Whose.
        organisation: OrganisationId,
        /// How many of them wait.
        waiting: usize,
    },
    /// It waits already.
    #[error("transaction {0} is waiting already")]
    Pending(TransactionId),
    /// It needs more work than a block may.
    #[error("transaction needs {cost} work units, a block has {limit}")]
    TooMuchWork {
        /// Work of the transaction.
        cost: u64,
        /// The block's budget.
        limit: u64,
    },
    /// It cannot enter the next block.
    #[error(transparent)]
    Inadmissible(#[from] Inadmissible),
}

impl Refused {
    /// The reason for programs.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Full { .. } => "MEMPOOL_FULL",
            Self::OrganisationFull { .. } => "ORGANISATION_FULL",
            Self::Pending(_) => "PENDING",
            Self::TooMuchWork { .. } => "TOO_MUCH_WORK",
            Self::Inadmissible(error) => error.reason(),
        }
    }
}

#[derive(Clone, Debug)]
struct Place {
    organisation: OrganisationId,
    number: u64,
}

/// The waiting room.
#[derive(Debug)]
pub(crate) struct Mempool {
    bytes_max: usize,
    transactions_max: usize,
    organisation_max: usize,
    /// By organisation and order of arrival; none of the inner maps is empty.
    queues: BTreeMap<OrganisationId, BTreeMap<u64, Verified>>,
    places: BTreeMap<TransactionId, Place>,
    ends: BTreeSet<(BlockTime, TransactionId)>,
    bytes: usize,
    work: u64,
    arrivals: u64,
    /// Whose turn it was first in the last selection.
    turn: Option<OrganisationId>,
}

/// What may go into a block, by the parent's state.
struct Budget {
    transactions: u64,
    bytes: u64,
    work: u64,
}

impl Budget {
    fn of(state: &State) -> Self {
        let overlay = state.overlay();
        let ids_left = overlay.parameter(Parameter::MaxSeenIds).saturating_sub(state.seen_count() as u64);
        Budget {
            transactions: overlay.parameter(Parameter::BlockTransactions).min(ids_left),
            bytes: overlay.parameter(Parameter::BlockBytes),
            work: overlay.parameter(Parameter::BlockWork),
        }
    }
}

/// What is left of an organisation's ledger day.
struct Allowance {
    transactions: u64,
    bytes: u64,
}

impl Allowance {
    fn of(state: &State, organisation: &OrganisationId, time: BlockTime) -> Self {
        let overlay = state.overlay();
        let day = ledger_day(time);
        let used = state.get::<QuotaUse>(organisation).map_or(QuotaUse::fresh(day), |used| used.on(day));
        Allowance {
            transactions: overlay.parameter(Parameter::QuotaTransactions).saturating_sub(used.transactions),
            bytes: overlay.parameter(Parameter::QuotaBytes).saturating_sub(used.bytes),
        }
    }

    fn take(&mut self, size: u64) -> bool {
        let (Some(transactions), Some(bytes)) = (self.transactions.checked_sub(1), self.bytes.checked_sub(size)) else {
            return false;
        };
        (self.transactions, self.bytes) = (transactions, bytes);
        true
    }
}

/// Transactions that left without being committed, with the reason.
pub(crate) type Dropped = Vec<(TransactionId, Inadmissible)>;

impl Mempool {
    pub fn new(config: &Config) -> Self {
        Mempool {
            bytes_max: config.mempool_bytes,
            transactions_max: config.mempool_transactions,
            organisation_max: config.organisation_transactions,
            queues: BTreeMap::new(),
            places: BTreeMap::new(),
            ends: BTreeSet::new(),
            bytes: 0,
            work: 0,
            arrivals: 0,
            turn: None,
        }
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub fn contains(&self, id: &TransactionId) -> bool {
        self.places.contains_key(id)
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether what waits fills a block, so that a proposer need not wait for more.
    pub fn fills_a_block(&self, state: &State) -> bool {
        let Budget { transactions, bytes, work } = Budget::of(state);
        self.len() as u64 >= transactions || self.bytes as u64 >= bytes || self.work >= work
    }

    /// Takes a transaction in, judged for the block that `admission` stands for.
    pub fn admit(&mut self, transaction: Verified, admission: &Admission<'_>) -> Result<(), Refused> {
        let id = transaction.id();
        if self.places.contains_key(&id) {
            return Err(Refused::Pending(id));
        }
        let asked = transaction.transaction();
        let (organisation, valid_until) = (asked.organisation, asked.valid_until);
        let cost = asked.payload.cost();
        if self.len() >= self.transactions_max || self.bytes + transaction.size() > self.bytes_max {
            return Err(Refused::Full { transactions: self.len(), bytes: self.bytes });
        }
        let waiting = self.queues.get(&organisation).map_or(0, BTreeMap::len);
        if waiting >= self.organisation_max {
            return Err(Refused::OrganisationFull { organisation, waiting });
        }
        admission.check(&transaction)?;
        let limit = admission.block_work();
        if cost > limit {
            return Err(Refused::TooMuchWork { cost, limit });
        }
        self.arrivals += 1;
        self.bytes += transaction.size();
        self.work = self.work.saturating_add(cost);
        self.ends.insert((valid_until, id));
        self.places.insert(id, Place { organisation, number: self.arrivals });
        self.queues.entry(organisation).or_default().insert(self.arrivals, transaction);
        Ok(())
    }

    /// Chooses transactions of at most `bytes` for a block of `time` on `state`, and drops those that can no longer enter one.
    pub fn select(&mut self, state: &State, time: BlockTime, bytes: u64) -> (Vec<Verified>, Dropped) {
        let admission = Admission::new(state, time);
        let mut budget = Budget::of(state);
        budget.bytes = budget.bytes.min(bytes);
        let mut dropped = Vec::new();
        let mut chosen = Vec::new();
        let turns: Vec<OrganisationId> = match self.turn {
            Some(last) => {
                let after = self.queues.range((Bound::Excluded(last), Bound::Unbounded));
                after.chain(self.queues.range(..=last)).map(|(organisation, _)| *organisation).collect()
            }
            None => self.queues.keys().copied().collect(),
        };
        self.turn = turns.first().copied();
        let mut lanes: Vec<_> = turns
            .iter()
            .filter_map(|organisation| {
                let queue = self.queues.get(organisation)?;
                Some((queue.values(), Allowance::of(state, organisation, time)))
            })
            .collect();
        while !lanes.is_empty() {
            lanes.retain_mut(|(queue, allowance)| {
                loop {
                    let Some(transaction) = queue.next() else { return false };
                    if let Err(reason) = admission.check(transaction) {
                        dropped.push((transaction.id(), reason));
                        continue;
                    }
                    let size = transaction.size() as u64;
                    if !allowance.take(size) {
                        let organisation = transaction.transaction().organisation;
                        dropped.push((transaction.id(), Inadmissible::Quota(organisation)));
                        continue;
                    }
                    let cost = transaction.transaction().payload.cost();
                    let (Some(transactions), Some(bytes), Some(work)) = (
                        budget.transactions.checked_sub(1),
                        budget.bytes.checked_sub(size),
                        budget.work.checked_sub(cost),
                    ) else {
                        // It waits for the next block, and those behind it too: their order stays.
                        return false;
                    };
                    budget = Budget { transactions, bytes, work };
                    chosen.push(transaction.clone());
                    return true;
                }
            });
        }
        for (id, _) in &dropped {
            self.remove(id);
        }
        (chosen, dropped)
    }

    /// Forgets what a block committed and what has expired for any block after `time`. What else may have changed is asked at selection.
    pub fn committed<'a>(
        &mut self,
        committed: impl IntoIterator<Item = &'a TransactionId>,
        time: BlockTime,
    ) -> Dropped {
        for id in committed {
            self.remove(id);
        }
        let mut dropped = Vec::new();
        while let Some(&(valid_until, id)) = self.ends.first() {
            if valid_until > time {
                break;
            }
            self.remove(&id);
            dropped.push((id, Inadmissible::Expired { valid_until, time }));
        }
        dropped
    }

    /// Takes one out; nothing when it is not there.
    pub fn remove(&mut self, id: &TransactionId) {
        let Some(Place { organisation, number }) = self.places.remove(id) else { return };
        let Some(queue) = self.queues.get_mut(&organisation) else { return };
        if let Some(gone) = queue.remove(&number) {
            let asked = gone.transaction();
            self.bytes -= gone.size();
            self.work = self.work.saturating_sub(asked.payload.cost());
            self.ends.remove(&(asked.valid_until, *id));
        }
        if queue.is_empty() {
            self.queues.remove(&organisation);
        }
    }

    /// The first of each organisation in turn, to be gossiped again, up to these bounds.
    pub fn first(&self, transactions: usize, bytes: usize) -> Vec<Verified> {
        let mut left = bytes;
        let mut found = Vec::new();
        let mut lanes: Vec<_> = self.queues.values().map(BTreeMap::values).collect();
        while !lanes.is_empty() {
            let mut full = false;
            lanes.retain_mut(|queue| {
                let Some(transaction) = queue.next() else { return false };
                let fits = found.is_empty() || (transaction.size() <= left && found.len() < transactions);
                if full || !fits {
                    full = true;
                    return true;
                }
                left = left.saturating_sub(transaction.size());
                found.push(transaction.clone());
                true
            });
            if full {
                break;
            }
        }
        found
    }
}
