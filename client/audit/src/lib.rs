//! The auditor: an archive goes in, everything it says is recomputed from genesis, a [`Verdict`] comes out.
//!
//! Bytes pass three stations, so that a caller with several cores can give each its own:
//!
//! 1. [`Intake`] cuts chunks of an archive (a file, or a node's export) into [`Lot`]s of whole records;
//! 2. [`Lot::prepare`] decodes and checks signatures; it needs no state, lots are independent and may be prepared anywhere;
//! 3. [`Replay`] takes prepared lots in order: genesis, headers, certificates, parents, execution, receipts, roots, validator sets.
//!
//! Promises: nothing is believed that was not recomputed, and what was not is in [`Verdict::not_checked`]; a wrong byte becomes a [`Finding`] that
//! names its height, or the file header, and carries the bytes; no input makes it panic. Must not know: storage, network, how a node orders or
//! keeps blocks, files, clocks, threads. It stands on the format, the rules and the certificates alone.
#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

mod finding;
mod intake;
mod lot;
mod replay;
mod totals;
mod verdict;

pub use finding::{Check, Evidence, Finding, Spot};
pub use intake::Intake;
pub use lot::{Lot, PreparedLot};
pub use replay::{Expectations, Replay};
pub use totals::{ControlTotals, FundTotals, KindTotals, PastGrantTotals};
pub use verdict::{Speed, Verdict};

/// Replays an archive on the calling core: the three stations one after the other.
///
/// # Errors
/// The first error of `chunks`, such as a failed read; what the archive says is never an error but a finding.
pub fn replay<E>(
    expectations: Expectations,
    chunks: impl IntoIterator<Item = Result<Vec<u8>, E>>,
) -> Result<Verdict, E> {
    let mut intake = Intake::new();
    let mut replay = Replay::new(expectations);
    for chunk in chunks {
        intake.push(&chunk?);
        while let Some(lot) = intake.next() {
            replay.take(lot.prepare());
        }
    }
    replay.take(intake.finish().prepare());
    Ok(replay.finish())
}

#[cfg(test)]
mod tests;
