//! Plain counters; the host reads and exports them.

/// Counted since the start of the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Blocks committed by agreement.
    pub committed: u64,
    /// Blocks committed by catching up.
    pub caught_up: u64,
    /// Transactions in committed blocks.
    pub transactions: u64,
    /// Receipts that are refusals.
    pub refused: u64,
    /// Blocks we proposed.
    pub proposed: u64,
    /// Blocks found valid.
    pub valid: u64,
    /// Blocks found invalid.
    pub invalid: u64,
    /// Blocks not fed because their time was off.
    pub untimely: u64,
    /// Proposals of a block in a round in which it may not be proposed.
    pub misplaced: u64,
    /// Rounds above 0 that began.
    pub late_rounds: u64,
    /// Bodies asked for.
    pub bodies_requested: u64,
    /// Transactions taken into the mempool.
    pub admitted: u64,
    /// Transactions refused by the mempool.
    pub not_admitted: u64,
    /// Transactions that left the mempool without being committed.
    pub dropped: u64,
    /// Barriers asked for.
    pub barriers: u64,
    /// Equivocations seen.
    pub evidence: u64,
    /// Peers penalised.
    pub penalties: u64,
    /// Signatures that the sign state refused; anything but 0 wants an operator.
    pub sign_refused: u64,
    /// Transactions in the mempool now.
    pub pending: u64,
    /// Their signed bytes now.
    pub pending_bytes: u64,
}
