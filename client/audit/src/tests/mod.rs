//! The auditor against archives that say the truth, that were damaged, and that lie with every checksum, length, hash and certificate rebuilt.

mod edits;
mod flips;
mod forge;
mod sound;

use crate::{
    Expectations, Finding, Replay, Spot, Verdict,
    lot::{Item, Lot},
    replay,
};
use forge::Forge;
use octroi_primitives::Height;

/// The verdict on an archive, fed in chunks of some size.
fn verdict(expectations: Expectations, archive: &[u8], chunk: usize) -> Verdict {
    let chunks = archive.chunks(chunk).map(|chunk| Ok::<_, std::convert::Infallible>(chunk.to_vec()));
    let Ok(verdict) = replay(expectations, chunks);
    verdict
}

/// What is found in forged records, from a replay that has taken all records below the first one that was touched.
struct Bench {
    forge: Forge,
    /// By the number of records taken.
    after: Vec<Replay>,
}

impl Bench {
    /// The year, as it is.
    fn new() -> Self {
        let forge = Forge::of(&octroi_vectors::year::chain());
        let mut replay = Replay::new(Expectations::default());
        let mut after = vec![replay.clone()];
        for item in forge.items() {
            replay.take(Lot::new(forge.network, vec![item]).prepare());
            after.push(replay.clone());
        }
        assert!(replay.findings().is_empty(), "{:?}", replay.findings());
        Self { forge, after }
    }

    /// Findings in these items, which replace those from `taken` on.
    fn findings(&self, taken: usize, items: impl IntoIterator<Item = Item>) -> Vec<Finding> {
        let mut replay = self.after[taken].clone();
        for item in items {
            replay.take(Lot::new(self.forge.network, vec![item]).prepare());
            if !replay.findings().is_empty() {
                return replay.findings().to_vec();
            }
        }
        replay.finish().findings
    }
}

fn at(height: u64) -> Spot {
    Spot::Height(Height(height))
}
