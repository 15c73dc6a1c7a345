//! `cargo x bench`: what this machine does now, each figure beside its bound and as a fraction of it, in one run.
//!
//! CPU time and ratios of one run count; wall clock on a shared machine does not. Parts can be named (`cargo x bench -- mixed execution`); without
//! names all of them run. Two-core machines share their cores with the load, so idle share and steal of the machine stand beside every rate.

mod calibration;
mod execution;
mod figures;
mod load;
mod machine;
mod mixed;
mod network;
mod workload;

use anyhow::Result;
use clap::{Parser, ValueEnum};

/// As in `octroid`, so that execution in process costs what it costs there.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Measure.
#[derive(Debug, Parser)]
#[command(name = "cargo x bench")]
struct Arguments {
    /// What to measure; nothing: everything.
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// Records loaded before `mixed-v1` begins on processes.
    #[arg(long, default_value_t = 100_000)]
    records: usize,
    /// Records loaded before execution in process.
    #[arg(long, default_value_t = 1_000_000)]
    execution_records: usize,
    /// A million records on processes too.
    #[arg(long)]
    large: bool,
    /// Seconds of saturation that are measured.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Seconds of saturation before that.
    #[arg(long, default_value_t = 8)]
    warm: u64,
    /// Lanes of the load over all nodes.
    #[arg(long, default_value_t = 16)]
    lanes: usize,
    /// Transactions of a lane under way.
    #[arg(long, default_value_t = 500)]
    window: usize,
}

/// A part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Signatures, syncs, the tree.
    Calibration,
    /// Saturation by mixed-v1 on four validators, and signatures checked.
    Mixed,
    /// Latency at 500 tx/s, on the network of `mixed`.
    Latency,
    /// One validator dead, on the network of `mixed`.
    Dead,
    /// Memory, disk, replay and restart of the network of `mixed`.
    Rest,
    /// Execution in process.
    Execution,
    /// Import of published rows.
    Import,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let wanted = |part: Part| arguments.parts.is_empty() || arguments.parts.contains(&part);
    println!("octroi bench: {} cores", std::thread::available_parallelism().map_or(1, usize::from));
    // Every run begins with what the machine gives: without it no other figure can be judged.
    calibration::signatures();
    calibration::syncs()?;
    if wanted(Part::Calibration) {
        calibration::tree();
    }
    if [Part::Mixed, Part::Latency, Part::Dead, Part::Rest].into_iter().any(wanted) {
        mixed::run(mixed::Plan {
            records: if arguments.large { 1_000_000 } else { arguments.records },
            seconds: arguments.seconds,
            lanes: arguments.lanes.clamp(1, 40),
            window: arguments.window.clamp(20, 1_000) / 20 * 20,
            latency: wanted(Part::Latency),
            dead: wanted(Part::Dead),
            rest: wanted(Part::Rest),
            warm: arguments.warm,
        })?;
    }
    if wanted(Part::Execution) {
        execution::run(arguments.execution_records)?;
    }
    if wanted(Part::Import) {
        network::past_grants(18_148)?;
    }
    Ok(())
}
