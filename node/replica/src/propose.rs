//! Our turn: building a block when there is something to put into it and the pace allows it.

use crate::{
    ReplicaError,
    input::Timer,
    output::{Action, Output},
    replica::Replica,
};
use octroi_chain::Canonical;
use octroi_consensus::Effect;
use octroi_ledger::{BlockInvalid, Proposed, parameters::Parameter, propose, transaction::MAX_TRANSACTION_BYTES};
use octroi_primitives::{BlockTime, Round};
use std::{sync::Arc, time::Duration};

impl Replica {
    /// Consensus waits for our block of this round. Proposes at once, at the pace, or when something arrives; else the round times out.
    pub(crate) fn propose_if_ready(&mut self) -> Result<Vec<Effect>, ReplicaError> {
        let Some(round) = self.our_turn else { return Ok(Vec::new()) };
        if self.mempool.is_empty() && !self.is_work_due() {
            return Ok(Vec::new());
        }
        let wait = self.pace();
        if wait > Duration::ZERO || self.committed_in_this_step {
            self.set_timer(Timer::Pace, wait);
            return Ok(Vec::new());
        }
        self.propose(round)
    }

    /// How long to wait until the least interval since the parent's commit is over; nothing when a block is full.
    fn pace(&self) -> Duration {
        if self.mempool.fills_a_block(&self.state) {
            return Duration::ZERO;
        }
        let interval = self.state.overlay().parameter(Parameter::MinBlockIntervalMs);
        // A wall clock that stepped back must not make us wait longer than the interval.
        let since = self.now.wall.saturating_sub(self.committed_wall);
        Duration::from_millis(interval.saturating_sub(since))
    }

    fn propose(&mut self, round: Round) -> Result<Vec<Effect>, ReplicaError> {
        let Some(key) = self.key else { return Ok(Vec::new()) };
        let time = self.next_time();
        let executed = loop {
            let (transactions, dropped) = self.mempool.select(&self.state, time, self.body_bytes(round));
            self.drop_all(dropped);
            if transactions.is_empty() && !self.is_work_due() {
                return Ok(Vec::new());
            }
            let ids: Vec<_> = transactions.iter().map(|transaction| transaction.id()).collect();
            let last_commit = self.certificate.clone();
            match propose(&self.state, Proposed { round, time, proposer: key, transactions, last_commit }) {
                Ok(executed) => break executed,
                Err(BlockInvalid::Inadmissible { index, error }) if index < ids.len() => {
                    self.drop_all(vec![(ids[index], error)]);
                }
                // Selection keeps within every limit, so this is our own fault; the round times out.
                Err(_) => return Ok(Vec::new()),
            }
        };
        self.our_turn = None;
        self.act(Action::CancelTimer(Timer::Pace));
        self.metrics.proposed += 1;
        let (height, block) = (self.next_height(), executed.id());
        let bytes: Arc<[u8]> = executed.block().encode().into();
        self.candidates.insert(executed, bytes.clone());
        self.out.push(Output::PutBody { height, block, bytes: bytes.clone() });
        // The body needs no signature: it travels while the proposal becomes durable.
        self.act(Action::PushBody { height, block, bytes });
        match &mut self.consensus {
            Some(consensus) => Ok(consensus.propose(height, round, block)?),
            None => Ok(Vec::new()),
        }
    }

    /// Most bytes of transactions in our block of this round: half as many after each turn of all validators. Every block of an undecided height is
    /// kept and logged, so that a height which nobody can decide, with half of the validators away, must not fill memory and disk.
    fn body_bytes(&self, round: Round) -> u64 {
        let turns = round.get() / self.state.validators().members().len().max(1) as u32;
        let all = self.state.overlay().parameter(Parameter::BlockBytes);
        all.checked_shr(turns).unwrap_or(0).max(MAX_TRANSACTION_BYTES as u64)
    }

    /// Our clock as the ledger counts: wall clock plus the offset in the state (rulebook §1, dev clock).
    pub(crate) fn clock(&self) -> BlockTime {
        BlockTime(self.now.wall.saturating_add(self.clock_offset))
    }

    /// The time that a block of ours would have.
    pub(crate) fn next_time(&self) -> BlockTime {
        self.clock().max(self.state.head().time.saturating_add(1))
    }

    /// Whether a block without transactions would be valid now.
    pub(crate) fn is_work_due(&self) -> bool {
        self.due <= self.next_time()
    }
}
