//! Networks of real processes for the tests beside this file: made by `octroid testnet new`, driven by `octroi` or by the client library, on loopback.
//!
//! **Promises.** Every wait has an end, every process that was started is ended by its id, and a failed test says where the logs are.
//! **Must not know** the node's insides: what is checked is what a person or a program outside could see.

mod network;
mod process;

pub use network::{Network, Status, find, free_ports, number};
pub use process::{Ended, ended, program, run, terminate};

use std::path::PathBuf;

/// The folder of real data, or `None` with a line that says so. Under CI its absence is a failure.
///
/// # Panics
/// Under CI without `OCTROI_SHARED`.
pub fn shared() -> Option<PathBuf> {
    present("OCTROI_SHARED", "there is no real data to read")
}

/// A Python with the packages of the client example, or `None` with a line that says so. Under CI its absence is a failure.
///
/// # Panics
/// Under CI without `OCTROI_PYTHON`.
pub fn python() -> Option<PathBuf> {
    present("OCTROI_PYTHON", "there is no Python to run the example with; 'cargo x test' makes one")
}

fn present(variable: &str, without: &str) -> Option<PathBuf> {
    match std::env::var_os(variable).map(PathBuf::from) {
        Some(path) if path.exists() => Some(path),
        found if under_ci() => panic!("{variable} must name what exists under CI; it is {found:?}"),
        found => {
            println!("skipped: {variable} is {found:?}, so {without}");
            None
        }
    }
}

/// Whether a skipped test is a failure.
pub fn under_ci() -> bool {
    std::env::var("CI").is_ok_and(|ci| ci == "true")
}
