//! Execution in process, without network, disk or agreement: `mixed-v1` on a state of a million records, and the tree apart.

use crate::{
    figures::{Bound, line, note, title},
    machine,
    workload::{Consortium, Ground, Lane, Pen, Size},
};
use anyhow::{Context, Result, ensure};
use octroi_chain::{CommitCertificate, Vote, VoteKind};
use octroi_ledger::{
    CheckedBlock, ExecutedBlock, Outcome, SignedTransaction, State, execute, execute::Proposed, propose,
    state::RecordRow, verify,
};
use octroi_merkle::tree::Tree;
use octroi_primitives::{BlockTime, Hash, Height, Round};
use std::{sync::Arc, time::Instant};

/// Transactions of a measured block, as many as a full block of the mix has.
const BLOCK: usize = 2_000;
/// Blocks that are measured, and before them as many that are not.
const BLOCKS: usize = 10;
const VALID_MS: u64 = 55 * 60_000;

/// A chain of one head with all its validators' keys.
struct Chain {
    state: State,
    commit: Option<CommitCertificate>,
}

/// Seconds that one block took, and what it did.
#[derive(Default)]
struct Cost {
    check: f64,
    execute: f64,
    tree: f64,
    keys: usize,
    transactions: usize,
    refused: usize,
}

impl Chain {
    fn now(&self) -> BlockTime {
        self.state.head().time
    }

    /// A block of these, proposed and committed; 100 ms after the last.
    fn block(&mut self, signed: Vec<SignedTransaction>, after_ms: u64) -> Result<ExecutedBlock> {
        let transactions: Vec<_> =
            verify(&self.state.network(), signed).into_iter().collect::<Result<_, _>>().context("our signatures")?;
        let height = Height(self.state.head().height.0 + 1);
        let proposed = Proposed {
            round: Round(0),
            time: self.now().saturating_add(after_ms),
            proposer: self.state.validators().select(height, Round(0)).consensus_key,
            transactions,
            last_commit: self.commit.clone(),
        };
        propose(&self.state, proposed).context("a block of the bench")
    }

    fn commit(&mut self, executed: &ExecutedBlock) {
        let height = executed.block().header().height;
        let set = self.state.validators().clone();
        let mut votes: Vec<_> = (0..set.len())
            .map(Consortium::consensus_key)
            .map(|key| {
                let vote = Vote {
                    kind: VoteKind::Precommit,
                    height,
                    round: Round(0),
                    block: Some(executed.id()),
                    validator: key.public(),
                };
                vote.sign(&self.state.network(), &key)
            })
            .collect();
        votes.sort_by_key(|signed| signed.vote.validator);
        self.commit = Some(CommitCertificate::of_precommits(height, Round(0), executed.id(), votes));
        self.state.commit(executed);
    }

    /// Commits a list in blocks; all of it must be applied.
    fn load(&mut self, list: impl Iterator<Item = SignedTransaction>) -> Result<()> {
        let mut list = list.peekable();
        while list.peek().is_some() {
            let executed = self.block(list.by_ref().take(BLOCK).collect(), 100)?;
            let refused = executed.receipts().iter().find_map(|receipt| match &receipt.outcome {
                Outcome::Refused(refusal) => Some(refusal.clone()),
                Outcome::Applied(_) => None,
            });
            ensure!(refused.is_none(), "the setup was refused: {refused:?}");
            self.commit(&executed);
        }
        Ok(())
    }

    /// A block as a validator that knows its transactions takes it, timed.
    fn measured(&mut self, signed: Vec<SignedTransaction>) -> Result<Cost> {
        let proposed = self.block(signed, 100)?;
        let known = proposed.transactions().to_vec();
        let mut known = known.into_iter();
        let block = proposed.block().clone();
        drop(proposed);
        let start = Instant::now();
        let checked = CheckedBlock::check(block, &self.state, |_| known.next()).context("our own block")?;
        let check = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let executed = execute(&self.state, checked).context("our own block")?;
        let both = start.elapsed().as_secs_f64();
        let tree = tree_again(self.state.tree(), executed.rows());
        let refused = executed.receipts().iter().filter(|receipt| receipt.event().is_none()).count();
        let (keys, transactions) = (executed.updated_keys(), executed.transactions().len());
        self.commit(&executed);
        Ok(Cost { check, execute: both - tree, tree, keys, transactions, refused })
    }
}

/// Seconds that the tree alone takes for these rows.
fn tree_again(tree: &Tree, rows: &[RecordRow]) -> f64 {
    let mut updates: Vec<(Hash, Option<Hash>)> = rows.iter().map(RecordRow::leaf).collect();
    updates.sort_unstable_by_key(|(key, _)| *key);
    let start = Instant::now();
    let updated = tree.update(&updates);
    let seconds = start.elapsed().as_secs_f64();
    assert!(!updated.is_empty(), "a tree with rows is not empty");
    seconds
}

/// Loads so many records and measures blocks of the mix on them.
///
/// # Errors
/// A block of ours that is not valid: a bug.
pub fn run(records: usize) -> Result<()> {
    title(&format!("execution in process on {records} records"));
    let consortium = Arc::new(Consortium::new());
    let now = BlockTime(1_800_000_000_000);
    let genesis = octroi_genesis::parse(&consortium.draft_with_validators(now)?)?;
    let mut chain = Chain { state: genesis.state()?, commit: None };
    let pen = |number, time: BlockTime| {
        Pen::new(consortium.clone(), genesis.network(), time.saturating_add(VALID_MS), number)
    };
    let start = Instant::now();
    let mut ground = Ground::new(Size::for_mix(records, BLOCK * BLOCKS * 4), now);
    let mut early = pen(0, now);
    let first = ground.first(&mut early);
    chain.load(first.into_iter())?;
    let wait = chain.block(vec![early.sign(0, crate::workload::Signatures::One, ground.filler())], 11_000)?;
    chain.commit(&wait);
    let second = ground.second(&mut early);
    chain.load(second.into_iter())?;
    // The clock of blocks is ours, so nothing needs to be stepped.
    let gap = ground.third_from().0.saturating_sub(chain.now().0) + 1;
    let mut late = pen(1, chain.now().saturating_add(gap));
    let passed = chain.block(vec![late.sign(0, crate::workload::Signatures::One, ground.filler())], gap)?;
    chain.commit(&passed);
    let third = ground.third(&mut late);
    chain.load(third.into_iter())?;
    chain.load(ground.fourth(&mut late))?;
    let ground = Arc::new(ground);
    note(&format!(
        "loaded in {:.0} s: {} rows of state, {:.0} MB resident",
        start.elapsed().as_secs_f64(),
        chain.state.rows().len(),
        machine::own_memory()?
    ));
    let mut lane = Lane::new(pen(2, chain.now()), ground, 0, 1);
    let mut sum = Cost::default();
    for number in 0..2 * BLOCKS {
        let signed: Vec<SignedTransaction> = (0..BLOCK).map(|_| lane.next()).collect::<Result<_>>()?;
        let cost = chain.measured(signed)?;
        if number < BLOCKS {
            continue;
        }
        sum.check += cost.check;
        sum.execute += cost.execute;
        sum.tree += cost.tree;
        sum.keys += cost.keys;
        sum.transactions += cost.transactions;
        sum.refused += cost.refused;
    }
    let each = |seconds: f64| seconds * 1e6 / sum.transactions as f64;
    line("  execution without the tree", each(sum.execute), "us/tx", Bound::Most(20.0));
    line("  the tree, per updated key, in blocks of the mix", sum.tree * 1e6 / sum.keys as f64, "us", Bound::Most(4.0));
    line("  keys per transaction", sum.keys as f64 / sum.transactions as f64, "", Bound::None);
    line("  the tree, per transaction", each(sum.tree), "us/tx", Bound::None);
    line("  checks before execution, signatures known", each(sum.check), "us/tx", Bound::None);
    line("  refused", sum.refused as f64 * 100.0 / sum.transactions as f64, "%", Bound::None);
    Ok(())
}
