//! `octroid`: one node. It wires the pure crates to disk, network and clients, and is so thin that a bug in it shows at once.
//!
//! Promises: every fault has its message, its hint and its exit code; nothing is repaired in silence. Only this crate starts threads and tasks, reads
//! the clock, the environment and the settings.

mod commands;
mod config;
mod exit;
mod files;
mod node;

use clap::Parser;
use commands::Command;
use std::process::ExitCode;

/// A quarter of a loaded node's time was the system's allocator: a block allocates and frees some hundred thousand small pieces on several threads.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A validator or observer of an octroi network.
#[derive(Debug, Parser)]
#[command(name = "octroid", version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    match Arguments::parse().command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => stop.report(),
    }
}
