//! `cargo x NAME`: what people do with this repository by one command.

mod checks;
mod demo;
mod process;

use anyhow::Result;
use clap::Parser;
use std::process::ExitCode;

/// The commands.
#[derive(Debug, Parser)]
#[command(name = "cargo x", about = "What people do with this repository by one command", max_term_width = 100)]
enum Command {
    /// Play a funding year on four validators and audit it.
    Demo(demo::Demo),
    /// Everything that must pass.
    Test(checks::Test),
    /// The quick part of it, before a change goes in: format, lints, layers.
    Check,
    /// Measure speed and size beside their bounds.
    Bench {
        /// Handed on.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let result: Result<ExitCode> = match Command::parse() {
        Command::Demo(demo) => demo.run(),
        Command::Test(test) => test.run(),
        Command::Check => checks::check(),
        Command::Bench { arguments } => checks::bench(&arguments),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
