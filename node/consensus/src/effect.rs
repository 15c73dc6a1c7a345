//! What consensus asks of its surroundings, and the words it shares with them.

use crate::{Message, SlotWrite};
use octroi_chain::{CommitCertificate, Evidence};
use octroi_primitives::{BlockId, Height, PublicKey, Round};
use std::time::Duration;

/// Whether a block is valid: a function of the block and its parent's state alone, judged once and never changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// It may be prevoted.
    Valid,
    /// It gets nil.
    Invalid,
}

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum TimeoutKind {
    /// No proposal came.
    Propose = 1,
    /// More than two thirds prevoted, but not for one thing.
    Prevote = 2,
    /// More than two thirds precommitted, but not for one thing.
    Precommit = 3,
    /// Nothing moved: own votes are sent again.
    Rebroadcast = 4,
}

/// A timer's name. At most one of each is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timeout {
    /// Height it belongs to.
    pub height: Height,
    /// Round it belongs to.
    pub round: Round,
    /// What for.
    pub kind: TimeoutKind,
}

/// To be performed in the order given. Log and sign-state writes stand first, then at most one barrier, then the rest.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Append these bytes to the log of this height. Need not be durable before the next barrier.
    LogAppend {
        /// Which log.
        height: Height,
        /// One encoded [`crate::LogEntry`].
        entry: Vec<u8>,
    },
    /// Write a slot of the sign-state file in place, after the log is synced and before the barrier is passed.
    WriteSignState(SlotWrite),
    /// Everything appended and written so far must be durable, log first, before any later effect is performed. A fault
    /// stops the node.
    Barrier,
    /// Send to all validators.
    Publish(Message),
    /// Start this timer, or start it again; on expiry call [`crate::Consensus::timeout`].
    StartTimer {
        /// Its name.
        timeout: Timeout,
        /// From now.
        after: Duration,
    },
    /// Stop this timer.
    CancelTimer(Timeout),
    /// Stop all timers.
    CancelTimers,
    /// A round began; for metrics.
    RoundStarted {
        /// Height of the round.
        height: Height,
        /// The round.
        round: Round,
        /// Whose turn it is.
        proposer: PublicKey,
    },
    /// It is our turn: answer with [`crate::Consensus::propose`], or let the round time out.
    GetValue {
        /// Height to propose for.
        height: Height,
        /// Round to propose for.
        round: Round,
        /// The others wait this long.
        within: Duration,
    },
    /// A checked proposal of this height names a block: get the body if it is not at hand, execute it, and answer with
    /// [`crate::Consensus::value`] for this round, or not at all if the block may not be proposed here and now.
    Named {
        /// Height of the proposal.
        height: Height,
        /// Round of the proposal.
        round: Round,
        /// The block it names.
        block: BlockId,
        /// Round of the proof of lock that the proposer says there is. Nobody has proved it yet.
        lock: Option<Round>,
        /// Who proposed it, and so has the body.
        proposer: PublicKey,
    },
    /// Send this body to all validators again: it is proposed again or we are locked on it.
    Restream {
        /// Height of the block.
        height: Height,
        /// The block.
        block: BlockId,
    },
    /// This block is decided. Commit it, then call [`crate::Consensus::start_height`] when the next height is to start.
    Decided {
        /// Proof for everybody.
        certificate: CommitCertificate,
        /// Equivocations seen at this height.
        evidence: Vec<Evidence>,
    },
}
