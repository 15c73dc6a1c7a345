//! Bounds and intervals of one node. What all nodes must agree on is in the state, never here.

use std::time::Duration;

/// Settings of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Signed bytes that the mempool holds at most.
    pub mempool_bytes: usize,
    /// Transactions that the mempool holds at most.
    pub mempool_transactions: usize,
    /// Transactions of one organisation that the mempool holds at most.
    pub organisation_transactions: usize,
    /// Transactions of a gossiped batch at most.
    pub batch_transactions: usize,
    /// Signed bytes of a gossiped batch at most, unless it is one transaction.
    pub batch_bytes: usize,
    /// How long a batch waits for more.
    pub batch_wait: Duration,
    /// How often the tip is announced and losses are looked for.
    pub tick: Duration,
    /// How long a body may be on its way before it is asked for, and asked for again of another.
    pub body_wait: Duration,
    /// How long a peer may be one height ahead before it is asked for the block.
    pub behind_wait: Duration,
    /// How long a peer may take to hand over blocks.
    pub catch_up_wait: Duration,
    /// Blocks asked for at a time.
    pub catch_up_blocks: u32,
    /// How long the word of a peer that failed us does not count.
    pub distrust: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            mempool_bytes: 64 * 1024 * 1024,
            mempool_transactions: 200_000,
            organisation_transactions: 50_000,
            batch_transactions: 256,
            batch_bytes: 64 * 1024,
            batch_wait: Duration::from_millis(10),
            tick: Duration::from_millis(1_000),
            body_wait: Duration::from_millis(100),
            behind_wait: Duration::from_millis(200),
            catch_up_wait: Duration::from_secs(5),
            catch_up_blocks: 64,
            distrust: Duration::from_secs(30),
        }
    }
}
