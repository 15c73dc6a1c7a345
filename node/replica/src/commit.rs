//! A decided block becomes the state, whether agreement or a certificate of others decided it.

use crate::{
    ReplicaError,
    input::{Body, Timer},
    mempool::Dropped,
    output::{Action, Commit, Output},
    replica::Replica,
    wire::Tip,
};
use octroi_chain::{CommitCertificate, Evidence};
use octroi_ledger::{
    ExecutedBlock, State, due::next_due, execute::seats_due, network::NetworkRecord, parameters::Parameter,
    receipt::Outcome, state::Only,
};
use octroi_primitives::{BlockTime, Height, TransactionId};
use std::{sync::Arc, time::Duration};

/// The tip is not announced more often than this at commits, milliseconds.
const ANNOUNCE_MS: u64 = 100;
/// The timer for due work runs at most this long; the clock may be stepped meanwhile.
const MAX_DUE_WAIT: Duration = Duration::from_secs(3_600);

impl Replica {
    /// Agreement was reached here.
    pub(crate) fn decided(
        &mut self,
        certificate: CommitCertificate,
        evidence: Vec<Evidence>,
    ) -> Result<(), ReplicaError> {
        let (height, block) = (certificate.height, certificate.block_id);
        let diverged = |reason: String| ReplicaError::Diverged { height, block, reason };
        let (executed, bytes) =
            self.candidates.take(&block).ok_or_else(|| diverged("it was not found valid".into()))?;
        let executed = match executed {
            Some(executed) => executed,
            None => {
                let body = Body::decode(&bytes).map_err(|error| diverged(error.to_string()))?;
                self.check_and_execute(body).map_err(|error| diverged(error.to_string()))?
            }
        };
        self.metrics.committed += 1;
        self.commit(executed, bytes, certificate, evidence);
        Ok(())
    }

    /// Takes an executed, certified block in.
    pub(crate) fn commit(
        &mut self,
        executed: ExecutedBlock,
        body: Arc<[u8]>,
        certificate: CommitCertificate,
        evidence: Vec<Evidence>,
    ) {
        self.state.commit(&executed);
        self.clock_offset = clock_offset(&self.state);
        self.due = due(&self.state);
        self.metrics.transactions += executed.transactions().len() as u64;
        let refused = |outcome: &Outcome| matches!(outcome, Outcome::Refused(_));
        self.metrics.refused += executed.receipts().iter().filter(|r| refused(&r.outcome)).count() as u64;
        self.metrics.evidence += evidence.len() as u64;

        let ids: Vec<TransactionId> = executed.transactions().iter().map(|t| t.id()).collect();
        self.certificate = Some(certificate.clone());
        let commit = Arc::new(Commit { executed, body, certificate, evidence, state: self.state.clone() });
        self.out.push(Output::Commit(commit.clone()));
        self.act(Action::Committed(commit));

        let height = self.state.head().height;
        let dropped = self.mempool.committed(&ids, self.state.head().time);
        self.drop_all(dropped);
        self.candidates.clear(height);
        self.heard.clear();
        self.catch_up.committed(height);
        self.our_turn = None;
        self.committed_wall = self.now.wall;
        self.committed_in_this_step = true;
        self.committed_since_tick = true;
        if self.now.wall.abs_diff(self.announced_wall) >= ANNOUNCE_MS {
            self.announce();
        }
        self.set_due_timer();
    }

    pub(crate) fn announce(&mut self) {
        self.announced_wall = self.now.wall;
        let head = self.state.head();
        if head.height.get() > 0 {
            let tip = Tip { height: head.height, block: head.id };
            self.act(Action::Announce(tip));
        }
    }

    pub(crate) fn set_due_timer(&mut self) {
        let wait = Duration::from_millis(self.due.since(self.clock()).unwrap_or(0));
        self.set_timer(Timer::Due, wait.clamp(Duration::from_millis(1), MAX_DUE_WAIT));
    }

    pub(crate) fn drop_all(&mut self, dropped: Dropped) {
        if dropped.is_empty() {
            return;
        }
        for (id, _) in &dropped {
            self.mempool.remove(id);
        }
        self.metrics.dropped += dropped.len() as u64;
        self.act(Action::Dropped(dropped));
    }
}

/// From when on a block without transactions is valid: the heartbeat, planned work, or a change of validators that takes effect.
pub(crate) fn due(state: &State) -> BlockTime {
    let head = state.head();
    if seats_due(state, Height(head.height.get() + 1)) {
        return head.time;
    }
    let heartbeat = head.time.saturating_add(state.overlay().parameter(Parameter::HeartbeatMs));
    next_due(state).map_or(heartbeat, |planned| planned.min(heartbeat))
}

/// Milliseconds that the state adds to wall clocks.
pub(crate) fn clock_offset(state: &State) -> u64 {
    state.get::<NetworkRecord>(&Only).map_or(0, |network| network.clock_offset)
}
