//! Rules about files, names and words.

use crate::{
    all, each, holds, planted,
    source::{Source, has_word},
};

/// What may stand at the top; the layout is closed.
const TOP: &[&str] = &[
    ".cargo",
    ".ci",
    ".gitattributes",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "client",
    "clippy.toml",
    "deny.toml",
    "docs",
    "genesis",
    "node",
    "proto",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "scripts",
    "tests",
];

/// Most lines of a shipped file before its tests: about 600, as a file that is one function longer need not fall apart.
const FILE_LINES: usize = 640;

/// Most lines of a file of tests.
const TEST_LINES: usize = 1_000;

/// Drawers into which anything goes.
const DRAWERS: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc", "shared", "stuff"];

fn top(source: &Source) -> Vec<String> {
    let first = source.path.split('/').next().unwrap_or_default();
    if TOP.contains(&first) { vec![] } else { vec![format!("{}: {first} is no name of the top level", source.path)] }
}

#[test]
fn the_top_level_is_closed() {
    let planted = each(&planted("tools/x.sh", "#!/bin/sh\n"), top);
    holds("the top level is closed", each(all(), top), planted);
}

fn size(source: &Source) -> Vec<String> {
    if !source.is_rust() {
        return vec![];
    }
    let (lines, most) =
        if source.is_shipped() { (source.code.len(), FILE_LINES) } else { (source.text.lines().count(), TEST_LINES) };
    if lines > most { vec![format!("{}: {lines} lines, at most {most}", source.path)] } else { vec![] }
}

#[test]
fn files_are_small() {
    let long = "let a = 1;\n".repeat(641);
    let tested =
        format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", "let a = 1;\n".repeat(639), "let b = 1;\n".repeat(400));
    assert!(each(&planted("node/x/src/a.rs", &tested), size).is_empty());
    holds("files are small", each(all(), size), each(&planted("node/x/src/a.rs", &long), size));
}

fn drawers(source: &Source) -> Vec<String> {
    if !source.is_rust() {
        return vec![];
    }
    let stems = source.path.split('/').map(|part| part.trim_end_matches(".rs"));
    let named = stems.filter(|stem| DRAWERS.contains(stem)).map(|stem| format!("{}: {stem} says nothing", source.path));
    let modules = source.code.iter().enumerate().filter_map(|(number, line)| {
        let name = line.trim().trim_start_matches("pub").trim_start_matches("(crate)").trim().strip_prefix("mod ")?;
        let name = name.trim_end_matches([';', '{', ' ']);
        DRAWERS.contains(&name).then(|| format!("{}:{}: {name} says nothing", source.path, number + 1))
    });
    named.chain(modules).collect()
}

#[test]
fn no_module_is_a_drawer() {
    assert_eq!(each(&planted("node/x/src/utils.rs", "//! Things.\n"), drawers).len(), 1);
    let planted = each(&planted("node/x/src/lib.rs", "pub mod helpers {\n}\n"), drawers);
    holds("no module is a drawer", each(all(), drawers), planted);
}

/// Words that never stand in this repository, each with its reason. Written in two halves, so that this list does not find itself.
const WORDS: &[(&str, &str, &str)] = &[
    ("TO", "DO", "an issue says it, or it is done"),
    ("FIX", "ME", "an issue says it, or it is done"),
    ("/wo", "rk/", "a path of one machine"),
    ("/ro", "ot/", "a path of one machine"),
    (".libr", "ary", "a path of one machine"),
    ("chat", "gpt", "no tool signs our work"),
    ("co-authored", "-by", "no tool signs our work"),
    ("language ", "model", "no tool signs our work"),
    ("ai-gen", "erated", "no tool signs our work"),
    ("lorem ", "ipsum", "invented text says what it stands for"),
    ("merkle ", "hash", "say state root, log root, inclusion proof"),
    ("block ", "miner", "say proposer"),
    ("white", "list", "say allow-list"),
    ("black", "list", "say what is refused"),
];

fn words(source: &Source) -> Vec<String> {
    if source.path.ends_with("Cargo.lock") || source.path.contains("/data/") {
        return vec![];
    }
    let mut wrong = Vec::new();
    for (number, line) in source.text.lines().enumerate() {
        let lower = line.to_lowercase();
        for (first, second, reason) in WORDS {
            let word = format!("{first}{second}");
            // Words in capitals are marks; they are looked for as they are.
            let marked = word.chars().all(|c| !c.is_lowercase()) && word.chars().any(char::is_uppercase);
            let found = if marked { has_word(line, &word) } else { has_word(&lower, &word) };
            if found {
                wrong.push(format!("{}:{}: {word} ({reason})", source.path, number + 1));
            }
        }
    }
    wrong
}

#[test]
fn words_that_say_too_little_or_too_much_do_not_stand_here() {
    for (first, second, _) in WORDS {
        let text = format!("// see {first}{second}\n");
        assert_eq!(each(&planted("docs/x.md", &text), words).len(), 1, "{text}");
    }
    let planted = each(&planted("node/x/src/a.rs", concat!("// TO", "DO: later\n")), words);
    holds("forbidden words", each(all(), words), planted);
}

/// Names of tests are claims: at least three words.
fn claims(source: &Source) -> Vec<String> {
    let mut wrong = Vec::new();
    let lines: Vec<&str> = source.text.lines().map(str::trim).collect();
    if !source.is_rust() {
        return wrong;
    }
    for (number, pair) in lines.windows(2).enumerate() {
        if pair[0] != "#[test]" && !pair[0].starts_with("#[tokio::test") {
            continue;
        }
        let name = pair[1].split("fn ").nth(1).and_then(|rest| rest.split('(').next()).unwrap_or_default();
        if !name.is_empty() && (name.split('_').count() < 3 || name.starts_with("test_")) {
            wrong.push(format!("{}:{}: {name} is no claim", source.path, number + 2));
        }
    }
    wrong
}

#[test]
fn names_of_tests_are_claims() {
    let planted = each(&planted("node/x/src/a.rs", "#[test]\nfn roundtrip() {}\n"), claims);
    holds("names of tests are claims", each(all(), claims), planted);
}
