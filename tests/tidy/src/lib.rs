//! What the architecture and the style of this repository promise, as far as a program can hold it.
//!
//! Each rule is a function from texts to complaints. The tests run it twice: over the repository, where it must find nothing, and over a planted
//! violation, where it must find that. Promises: reads only; needs no network. Must not know what any crate does.
//!
//! `primitives, merkle, chain, verify` are `no_std`. Where the standard library of `wasm32-unknown-unknown` is installed they are built for it, which
//! proves that; else the test says that it only looked for `#![no_std]` and for paths of `std`.
#![cfg(test)]

mod coverage;
mod crates;
mod proto;
mod source;
mod words;

use source::{Source, repository};

/// Fails with every complaint of a rule, and with the rule itself if it does not see what was planted.
fn holds(rule: &str, complaints: Vec<String>, planted: Vec<String>) {
    assert!(!planted.is_empty(), "rule '{rule}' did not see the violation that was planted: it holds nothing");
    assert!(complaints.is_empty(), "{rule}:\n  {}", complaints.join("\n  "));
}

/// Runs a rule over files one by one.
fn each(sources: &[Source], rule: impl Fn(&Source) -> Vec<String>) -> Vec<String> {
    sources.iter().flat_map(rule).collect()
}

/// A planted file.
fn planted(path: &str, text: &str) -> Vec<Source> {
    vec![Source::new(path, text)]
}

/// Every file of the repository.
fn all() -> &'static [Source] {
    static ALL: std::sync::OnceLock<Vec<Source>> = std::sync::OnceLock::new();
    ALL.get_or_init(repository)
}
