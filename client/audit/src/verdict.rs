//! The result of an audit: what was checked how often, what was not, what was found.

use crate::{
    ControlTotals,
    finding::{Check, Finding},
};
use core::time::Duration;
use octroi_primitives::{BlockId, BlockTime, Hash, Height, NetworkId};
use std::collections::BTreeMap;

/// What a replay says of an archive. Sound if and only if [`Verdict::is_sound`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Hash of the genesis in the archive; zero if there was none.
    pub network: NetworkId,
    /// Name of the network in its genesis.
    pub name: String,
    /// Last height whose block was replayed; 0 if none was.
    pub height: Height,
    /// Its id; that of the genesis if there was none.
    pub block: BlockId,
    /// Its time.
    pub time: BlockTime,
    /// Root over all records after it.
    pub state_root: Hash,
    /// Transactions replayed.
    pub transactions: u64,
    /// Receipts replayed, those of due work included.
    pub receipts: u64,
    /// Signatures of transactions that were verified.
    pub signatures: u64,
    /// Signatures in certificates that were verified.
    pub votes: u64,
    /// Blocks in the archive that were not replayed, since one before them was wrong.
    pub heights_not_replayed: u64,
    /// Sums to compare with other sources.
    pub totals: ControlTotals,
    /// How often each check was made; those never made are absent.
    pub checks: BTreeMap<Check, u64>,
    /// What this audit does not show, in sentences.
    pub not_checked: Vec<&'static str>,
    /// What is wrong, in the order in which it was found; at most [`Verdict::MAX_FINDINGS`].
    pub findings: Vec<Finding>,
    /// Findings beyond those.
    pub findings_left_out: u64,
}

/// What an audit of any archive leaves open.
pub(crate) const NEVER_CHECKED: [&str; 5] = [
    "whether what was attested from outside is true: bank statements, declarations, evidence, identities; the ledger shows who attested it",
    "whether the chain has gone on after the last height of this archive, or has another branch that more than a third of the validators signed too: compare the last block id with other holders",
    "who else signed the certificate of the last block: any quorum is one, and no later block says which it was",
    "whether documents behind commitments and hashes exist and say what is claimed of them",
    "whether block times were the time of day: they only rise",
];

/// Left open without an expected network.
pub(crate) const NETWORK_NOT_CHECKED: &str =
    "whether this genesis is the one that the consortium sealed: compare the network id with one obtained elsewhere";

/// Left open without an expected height.
pub(crate) const TIP_NOT_CHECKED: &str =
    "whether blocks were cut off the end: name a height or a block id that the archive must contain";

impl Verdict {
    /// Most findings that are kept.
    pub const MAX_FINDINGS: usize = 1_000;

    /// Nothing is wrong with what was checked.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty() && self.heights_not_replayed == 0
    }

    /// How fast it went, for a replay that took `elapsed` by the caller's clock.
    pub fn speed(&self, elapsed: Duration) -> Speed {
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
        let per_second = |count: u64| count.saturating_mul(1_000) / millis;
        Speed {
            millis,
            transactions_per_second: per_second(self.transactions),
            heights_per_second: per_second(self.height.0),
        }
    }
}

/// Rates of one replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speed {
    /// Duration, at least 1 ms.
    pub millis: u64,
    /// Transactions replayed a second.
    pub transactions_per_second: u64,
    /// Blocks replayed a second.
    pub heights_per_second: u64,
}
