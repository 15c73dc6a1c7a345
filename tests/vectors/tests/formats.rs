//! docs/formats.md says what the code does: every constant it names is compared, its list of tables is generated.

use octroi_chain::{MAX_VALIDATORS, archive};
use octroi_ledger::{
    block::RULES_VERSION,
    state::{Table, hex},
    transaction::{MAX_SIGNATURES, MAX_TRANSACTION_BYTES},
};
use octroi_merkle::{
    log::{LIST_LEAF_KEY, LIST_NODE_KEY},
    tree::{STATE_LEAF_KEY, STATE_NODE_KEY},
};
use octroi_primitives::hash;
use std::{collections::BTreeSet, fs, path::PathBuf};

/// Writes the generated parts instead of comparing them.
const WRITE: &str = "OCTROI_WRITE_VECTORS";

fn path() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("run by cargo")).join("../../docs/formats.md")
}

fn page() -> String {
    fs::read_to_string(path()).expect("docs/formats.md")
}

#[test]
fn the_keys_of_keyed_mode_are_those_of_the_page() {
    let page = page();
    for (name, what, key) in [
        ("LIST_LEAF_KEY", "list_leaf", LIST_LEAF_KEY),
        ("LIST_NODE_KEY", "list_node", LIST_NODE_KEY),
        ("STATE_LEAF_KEY", "state_leaf", STATE_LEAF_KEY),
        ("STATE_NODE_KEY", "state_node", STATE_NODE_KEY),
    ] {
        assert_eq!(hash(what, &[]).to_bytes(), key);
        let line = format!("| {name} | H(\"{what}\") | `{}` |", hex(&key));
        assert!(page.contains(&line), "docs/formats.md does not say: {line}");
    }
}

#[test]
fn the_limits_and_marks_of_the_page_are_those_of_the_code() {
    let page = page();
    let thousands = |number: usize| format!("{},{:03}", number / 1_000, number % 1_000);
    for words in [
        format!("1 to {MAX_SIGNATURES} of them, at most {} bytes in all", thousands(MAX_TRANSACTION_BYTES)),
        format!("consensus key, 1 to {MAX_VALIDATORS}. Set hash"),
        format!("at most {} MiB", archive::MAX_RECORD / 1024 / 1024),
        format!("`\"{}\"` ‖ version u32 = {}", core::str::from_utf8(&archive::MAGIC).expect("ASCII"), archive::VERSION),
        format!("| version | {RULES_VERSION} |"),
    ] {
        assert!(page.contains(&words), "docs/formats.md does not say: {words}");
    }
}

#[test]
fn the_list_of_tables_is_that_of_the_code() {
    let (begin, end) = ("<!-- tables:begin -->\n", "<!-- tables:end -->");
    let page = page();
    let (before, rest) = page.split_once(begin).expect("the begin of the list");
    let (list, after) = rest.split_once(end).expect("the end of the list");
    let rows = Table::ALL.iter().map(|table| format!("| {} | {} |\n", table.number(), table.name()));
    let generated = format!("\n| number | table |\n|---|---|\n{}\n", rows.collect::<String>());
    if std::env::var_os(WRITE).is_some() {
        fs::write(path(), format!("{before}{begin}{generated}{end}{after}")).expect("the page is written");
        return;
    }
    assert_eq!(list, generated, "run the tests once with {WRITE}=1");
}

/// The names of hashes in the sources, as far as they are written out where a hash is made.
#[test]
fn every_name_of_a_hash_stands_on_the_page() {
    let page = page();
    let mut names = BTreeSet::new();
    for folder in ["node/primitives", "node/merkle", "node/chain", "node/ledger"] {
        let folder = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("run by cargo"))
            .join("../..")
            .join(folder)
            .join("src");
        collect(&folder, &mut names);
    }
    assert!(names.len() >= 15, "{names:?}");
    // Coefficients of batches of signatures: they decide nothing and are seen by nobody.
    names.retain(|name| !["batch", "batch-coefficients"].contains(&name.as_str()));
    let missing: Vec<&String> = names.iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/formats.md does not name {missing:?}");
}

fn collect(folder: &PathBuf, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        let is_test = path.file_name().is_some_and(|name| name == "fixture.rs" || name == "tests");
        if is_test {
            continue;
        }
        if path.is_dir() {
            collect(&path, names);
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source");
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in lines {
            for call in [
                " hash(\"",
                "(hash(\"",
                "=hash(\"",
                "Domain::new(\"",
                "Hasher::new(\"",
                "object_id(\"",
                "object_id_at(\"",
                "signed_message(\"",
            ] {
                for (at, _) in line.match_indices(call) {
                    let name: String = line[at + call.len()..].chars().take_while(|c| *c != '"').collect();
                    let is_name = name.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c == '-');
                    if is_name && !name.starts_with("test-") && !name.starts_with("fixture-") {
                        names.insert(name);
                    }
                }
            }
        }
    }
}
