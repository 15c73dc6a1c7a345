//! `cargo x bench`: what this machine does now, each figure beside its bound, in one run.
//!
//! CPU time and ratios of one run count; wall clock on a shared machine does not. Measured so far: signatures, syncs, the state tree, and the
//! publication of past grants through four validators with its replay. The workload `mixed-v1`, latency at a fixed rate and a dead validator are
//! not measured yet, and nothing is printed for them.

mod calibration;
mod network;

use anyhow::Result;

fn main() -> Result<()> {
    println!("octroi bench: {} cores", std::thread::available_parallelism().map_or(1, usize::from));
    calibration::signatures();
    calibration::syncs()?;
    calibration::tree();
    network::past_grants(20_000)
}

/// One line: a figure, its unit, and the bound beside it.
fn line(name: &str, value: f64, unit: &str, bound: &str) {
    println!("{name:<52} {value:>12.1} {unit:<8} {bound}");
}
