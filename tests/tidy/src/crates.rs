//! Rules about crates: layers, what they may depend on, how they are set up, how they open.

use crate::{
    all, each, holds, planted,
    source::{Source, has_word, root},
};
use serde_json::{Value, json};
use std::process::Command;

/// Lowest first. A crate may name crates on lower layers, none on its own. A new crate, or a move, is a decision: make it here, in review.
const LAYERS: &[&[&str]] = &[
    &["octroi-primitives", "octroi-proto"],
    &["octroi-merkle"],
    &["octroi-chain"],
    &["octroi-verify", "octroi-ledger", "octroi-consensus"],
    &["octroi-replica", "octroi-views", "octroi-audit", "octroi-genesis", "octroi-exchange"],
    &["octroi-storage", "octroi-network", "octroi-rpc", "octroi-client"],
    &["octroi-daemon", "octroi-cli"],
];

/// Layers below this one decide; they touch no clock, thread, disk or socket.
const PURE_BELOW: usize = 5;

/// Folders of the pure crates.
const PURE: &[&str] = &[
    "node/primitives",
    "node/merkle",
    "node/chain",
    "node/ledger",
    "node/consensus",
    "node/replica",
    "node/views",
    "client/verify",
    "client/audit",
    "client/exchange",
    "genesis",
];

/// Folders of the crates without the standard library.
const NO_STD: &[&str] = &["node/primitives", "node/merkle", "node/chain", "client/verify"];

/// What a pure crate may not link.
const IMPURE: &[&str] =
    &["anyhow", "axum", "getrandom", "libp2p", "rand", "rayon", "rocksdb", "tokio", "tonic", "tonic-prost", "tracing"];

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|names| names.contains(&name))
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("metadata is json")
}

/// The packages that stand on layers: not tests, not scripts.
fn arrows(metadata: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().expect("packages") {
        let (from, manifest) = (text(&package["name"]), text(&package["manifest_path"]));
        if ["/tests/", "/scripts/"].iter().any(|free| manifest.contains(free)) {
            continue;
        }
        let Some(height) = layer(&from) else {
            wrong.push(format!("{from} stands on no layer"));
            continue;
        };
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            // Dev and build dependencies may point anywhere.
            if !dependency["kind"].is_null() {
                continue;
            }
            let to = text(&dependency["name"]);
            match layer(&to) {
                Some(below) if below >= height => wrong.push(format!("{from} -> {to} does not point down")),
                None if to.starts_with("octroi-") => wrong.push(format!("{from} -> {to}: it stands on no layer")),
                _ => {}
            }
            let optional = dependency["optional"].as_bool().expect("optional");
            if height < PURE_BELOW && !optional && IMPURE.contains(&to.as_str()) {
                wrong.push(format!("{from} is pure and may not use {to}"));
            }
            if to == "anyhow" && !["octroi-daemon", "octroi-cli"].contains(&from.as_str()) {
                wrong.push(format!("{from} may not use anyhow: one error enum a crate"));
            }
            if to.starts_with("arc-malachitebft") && from != "octroi-consensus" {
                wrong.push(format!("{from} names Malachite: octroi-consensus alone does"));
            }
        }
    }
    wrong
}

#[test]
fn arrows_point_down() {
    let package = |name: &str, to: &[&str]| {
        let dependencies: Vec<Value> =
            to.iter().map(|to| json!({ "name": to, "kind": null, "optional": false })).collect();
        json!({ "packages": [{ "name": name, "manifest_path": "/r/node/x/Cargo.toml", "dependencies": dependencies }] })
    };
    for (from, to, count) in [
        ("octroi-ledger", "octroi-consensus", 1),
        ("octroi-chain", "octroi-ledger", 1),
        ("octroi-rpc", "octroi-storage", 1),
        ("octroi-audit", "octroi-replica", 1),
        ("octroi-views", "tokio", 1),
        ("octroi-client", "anyhow", 1),
        ("octroi-replica", "arc-malachitebft-core-types", 1),
        ("octroi-ledger", "octroi-utils", 1),
        ("octroi-ledger", "octroi-chain", 0),
        ("octroi-daemon", "anyhow", 0),
    ] {
        assert_eq!(arrows(&package(from, &[to])).len(), count, "{from} -> {to}");
    }
    holds("arrows point down", arrows(&metadata()), arrows(&package("octroi-new", &[])));
}

/// Packages in the tree of a crate that it must not contain.
fn unwanted(tree: &str, allowed: &[&str]) -> Vec<String> {
    let heavy = ["arc-malachitebft", "tokio", "rocksdb", "librocksdb", "libp2p", "tonic"];
    let names = tree.lines().filter_map(|line| line.split_whitespace().next());
    names
        .filter(|name| {
            heavy.iter().any(|heavy| name.starts_with(heavy))
                || (name.starts_with("octroi-") && !allowed.contains(name))
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn auditor_and_verifier_are_poor() {
    let tree = |package: &str| {
        let output = Command::new(env!("CARGO"))
            .args(["tree", "--offline", "--prefix", "none", "--edges", "normal", "--package", package])
            .current_dir(root())
            .output()
            .expect("cargo tree runs");
        assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(text.contains("blake3"), "{package} hashes");
        text
    };
    let base = ["octroi-primitives", "octroi-proto", "octroi-merkle", "octroi-chain", "octroi-verify"];
    let auditor = [&base[..], &["octroi-ledger", "octroi-audit"]].concat();
    let planted = unwanted("octroi-audit v0.1.0\ntokio v1.0.0\noctroi-storage v0.1.0\n", &auditor);
    assert_eq!(planted, ["tokio", "octroi-storage"]);
    let mut found = unwanted(&tree("octroi-audit"), &auditor);
    found.extend(unwanted(&tree("octroi-verify"), &base));
    holds("auditor and verifier are poor", found, planted);
}

fn lints(source: &Source) -> Vec<String> {
    if !source.path.ends_with("/Cargo.toml") {
        return vec![];
    }
    let text: String = source.text.split_whitespace().collect();
    // Generated code obeys no lint, but it is no less safe.
    let needed = if source.path == "proto/Cargo.toml" { "unsafe_code=\"forbid\"" } else { "[lints]workspace=true" };
    if text.contains(needed) { vec![] } else { vec![format!("{}: no {needed}", source.path)] }
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let manifest = all().iter().find(|source| source.path == "Cargo.toml").expect("a manifest");
    assert!(has_word(&manifest.text, "unsafe_code = \"forbid\""), "unsafe code is forbidden in the workspace");
    let planted = each(&planted("node/x/Cargo.toml", "[package]\nname = \"x\"\n"), lints);
    holds("every crate takes the lints of the workspace", each(all(), lints), planted);
}

/// A crate says what it is for, what it promises and what it must not know; a module at least what it is for.
fn opening(source: &Source) -> Vec<String> {
    if !source.is_shipped() {
        return vec![];
    }
    let head: Vec<&str> = source.text.lines().take_while(|line| line.starts_with("//!")).collect();
    let path = &source.path;
    let mut wrong = Vec::new();
    if head.first().is_none_or(|line| line.trim_start_matches("//!").trim().len() < 12) {
        wrong.push(format!("{path}: does not open with what it is for"));
    }
    let text = head.join(" ").to_lowercase();
    if path.ends_with("src/lib.rs") && !(text.contains("promise") && text.contains("must not know")) {
        wrong.push(format!("{path}: does not say what it promises and what it must not know"));
    }
    wrong
}

#[test]
fn crates_and_modules_open_with_what_they_are_for() {
    let planted = each(&planted("node/x/src/lib.rs", "//! octroi-x\n\nmod a;\n"), opening);
    holds("crates and modules open with what they are for", each(all(), opening), planted);
}

fn is_pure(source: &Source) -> bool {
    source.is_shipped() && PURE.contains(&source.crate_folder())
}

/// The inside decides, the outside acts.
fn purity(source: &Source) -> Vec<String> {
    let banned = [
        "HashMap",
        "HashSet",
        "RandomState",
        "SystemTime",
        "Instant",
        "std::thread",
        "thread::spawn",
        "std::env",
        "env::var",
        "std::fs",
        "std::net",
        "std::process",
        "f32",
        "f64",
        "tokio",
        "async fn",
        "thread_rng",
    ];
    if is_pure(source) { source.lines_with(&banned) } else { vec![] }
}

#[test]
fn pure_crates_have_no_clock_thread_disk_chance_or_float() {
    for line in ["use std::collections::HashMap;", "let t = Instant::now();", "let x: f64 = 1;", "std::env::var(a)"] {
        assert_eq!(each(&planted("node/ledger/src/x.rs", line), purity).len(), 1, "{line}");
    }
    assert_eq!(each(&planted("node/ledger/src/x.rs", "struct MyHashMapper; // HashMap"), purity).len(), 0);
    let planted = each(&planted("node/chain/src/x.rs", "use std::time::SystemTime;"), purity);
    holds("pure crates have no clock, thread, disk, chance or float", each(all(), purity), planted);
}

/// The compiler's own ban, for what a search of texts does not see.
fn fence(source: &Source) -> Vec<String> {
    let fence = "#![deny(clippy::disallowed_types, clippy::disallowed_methods)]";
    let is_head = PURE.iter().any(|folder| source.path == format!("{folder}/src/lib.rs"));
    if is_head && !source.text.contains(fence) { vec![format!("{}: no {fence}", source.path)] } else { vec![] }
}

#[test]
fn pure_crates_stand_behind_the_fence_of_clippy() {
    let settings = all().iter().find(|source| source.path == "clippy.toml").expect("clippy.toml");
    for banned in ["HashMap", "HashSet", "SystemTime::now", "Instant::now", "thread::spawn", "env::var"] {
        assert!(settings.text.contains(&format!("{banned}\", reason = \"")), "{banned} is banned with its reason");
    }
    let planted = each(&planted("node/ledger/src/lib.rs", "//! Rules.\n"), fence);
    holds("pure crates stand behind the fence of clippy", each(all(), fence), planted);
}

fn no_std(source: &Source) -> Vec<String> {
    let Some(folder) = NO_STD.iter().find(|folder| **folder == source.crate_folder()) else { return vec![] };
    let mut wrong = source.lines_with(&["std::"]);
    if source.path == format!("{folder}/src/lib.rs") && !source.code.iter().any(|line| line.contains("#![no_std]")) {
        wrong.push(format!("{}: no #![no_std]", source.path));
    }
    wrong
}

#[test]
fn the_verifier_and_what_it_stands_on_need_no_standard_library() {
    let planted = each(&planted("node/merkle/src/lib.rs", "//! Trees.\nuse std::vec::Vec;\n"), no_std);
    assert_eq!(planted.len(), 2);
    holds("no standard library", each(all(), no_std), planted);
    let installed =
        Command::new("rustc").args(["--print", "target-libdir", "--target", "wasm32-unknown-unknown"]).output();
    let installed =
        installed.is_ok_and(|output| std::path::Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir());
    if !installed {
        println!(
            "skipped: the standard library of wasm32-unknown-unknown is not installed; only the texts were searched"
        );
        return;
    }
    let built = Command::new(env!("CARGO"))
        .args(["check", "--offline", "--quiet", "--target", "wasm32-unknown-unknown", "--package", "octroi-verify"])
        .current_dir(root())
        .status();
    assert!(built.is_ok_and(|status| status.success()), "octroi-verify builds for wasm32");
}

/// Messages of the wire are named where values become messages, and nowhere else: in a file `wire.rs`; in the implementation of a trait that
/// converts; in a function whose name says that it does; in imports.
fn wire_words(source: &Source) -> Vec<String> {
    if !is_pure(source) || source.path.ends_with("/wire.rs") {
        return vec![];
    }
    let converts = |head: &str| {
        let traits = ["Wire for", "Canonical for", "From<pb::"].iter().any(|name| head.contains(name));
        let function = head.split_once("fn ").map(|(_, rest)| rest.split(['(', '<']).next().unwrap_or(""));
        let named = |name: &str| {
            ["wire", "proto", "message", "parts", "bytes", "decode", "encode"].iter().any(|word| name.contains(word))
        };
        traits || function.is_some_and(named)
    };
    let (mut open, mut head, mut wrong) = (Vec::<bool>::new(), String::new(), Vec::new());
    for (number, line) in source.code.iter().enumerate() {
        let trimmed = line.trim();
        head.push_str(line);
        let imports = trimmed.starts_with("use ") || trimmed.starts_with("pub use ");
        if line.contains("pb::") && !imports && !open.contains(&true) && !converts(&head) {
            wrong.push(format!("{}:{}: a message of the wire outside of a conversion", source.path, number + 1));
        }
        for c in line.chars() {
            match c {
                '{' => {
                    open.push(converts(&head));
                    head.clear();
                }
                '}' => {
                    open.pop();
                    head.clear();
                }
                ';' => head.clear(),
                _ => {}
            }
        }
    }
    wrong
}

#[test]
fn messages_of_the_wire_are_named_in_conversions_only() {
    let good = "use octroi_proto::v1 as pb;\nimpl Wire for A {\n fn to_proto(&self) -> pb::A { pb::A {} }\n}\n\
                fn to_message(a: A) -> pb::A { pb::A {} }\n";
    assert!(each(&planted("node/ledger/src/a.rs", good), wire_words).is_empty());
    let bad = "fn decide(a: &A) -> u8 {\n let p = pb::A {};\n 1 }\n";
    let planted = each(&planted("node/ledger/src/a.rs", bad), wire_words);
    assert_eq!(planted.len(), 1);
    holds("messages of the wire are named in conversions only", each(all(), wire_words), planted);
}

/// A blocking read that is awaited where it is asked for is no task of its own.
fn spawns(source: &Source) -> Vec<String> {
    let free = source.path.starts_with("node/daemon/") || !source.path.starts_with("node/");
    if free || !source.is_shipped() {
        return vec![];
    }
    source.lines_with(&["tokio::spawn", "task::spawn", "spawn_local", "JoinSet", "thread::spawn"])
}

#[test]
fn the_daemon_alone_starts_tasks_of_the_node() {
    let planted = each(&planted("node/rpc/src/x.rs", "tokio::spawn(async {});"), spawns);
    holds("the daemon alone starts tasks of the node", each(all(), spawns), planted);
}

fn malachite(source: &Source) -> Vec<String> {
    let free = source.path.starts_with("node/consensus/") || source.path == "Cargo.toml" || !source.path.contains('/');
    let named = source.is_rust() && source.code.iter().any(|line| line.contains("malachitebft"))
        || source.path.ends_with("Cargo.toml") && source.text.contains("malachitebft");
    if named && !free { vec![format!("{}: names Malachite", source.path)] } else { vec![] }
}

#[test]
fn consensus_alone_names_malachite() {
    let planted = each(&planted("node/replica/src/x.rs", "use arc_malachitebft_core_types::Height;"), malachite);
    holds("consensus alone names Malachite", each(all(), malachite), planted);
}

/// A user can never reach a panic: shipped code says why a value is there, or returns an error.
fn unwraps(source: &Source) -> Vec<String> {
    let shipped = source.is_shipped() && !source.path.starts_with("scripts/");
    if shipped { source.lines_with(&[".unwrap()", "todo!(", "unimplemented!("]) } else { vec![] }
}

#[test]
fn shipped_code_does_not_unwrap() {
    let planted = each(&planted("node/rpc/src/x.rs", "let a = b.unwrap();"), unwraps);
    holds("shipped code does not unwrap", each(all(), unwraps), planted);
}
