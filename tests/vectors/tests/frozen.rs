//! What is frozen stays as it is, and a second program, written from the description alone, agrees with it.

use octroi_ledger::Kind;
use octroi_vectors::{vectors, year};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Writes the files instead of comparing them. Only for a format that was never released, or for kinds that are new.
const WRITE: &str = "OCTROI_WRITE_VECTORS";

fn folder() -> PathBuf {
    Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").expect("run by cargo"))
        .join(format!("data/v{}", vectors::VERSION))
}

fn computed() -> BTreeMap<String, String> {
    let pretty = |document: &Value| serde_json::to_string_pretty(document).expect("json") + "\n";
    vectors::of(&year::chain()).iter().map(|(name, document)| (format!("{name}.json"), pretty(document))).collect()
}

fn frozen() -> BTreeMap<String, String> {
    let Ok(entries) = fs::read_dir(folder()) else { return BTreeMap::new() };
    entries
        .map(|entry| entry.expect("an entry").path())
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("a frozen file is read"))
        })
        .collect()
}

#[test]
fn frozen_vectors_are_unchanged_and_complete() {
    let computed = computed();
    if std::env::var_os(WRITE).is_some() {
        fs::create_dir_all(folder()).expect("the folder is made");
        for (name, text) in &computed {
            fs::write(folder().join(name), text).expect("a file is written");
        }
    }
    let frozen = frozen();
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&frozen), names(&computed), "the frozen files are those of the story");
    for (name, text) in &computed {
        let (frozen, computed): (Value, Value) =
            (serde_json::from_str(&frozen[name]).expect("json"), serde_json::from_str(text).expect("json"));
        let path = first_difference("", &frozen, &computed);
        assert_eq!(path, None, "{name} differs from what is frozen: a change of format needs a new version of it");
    }
}

#[test]
fn every_kind_has_a_frozen_vector() {
    let files = frozen();
    let missing: Vec<&str> =
        Kind::ALL.iter().map(|kind| kind.name()).filter(|name| !files.contains_key(&format!("{name}.json"))).collect();
    assert!(missing.is_empty(), "kinds without a frozen vector: the story of year.rs does not reach {missing:?}");
}

#[test]
fn the_story_is_the_same_every_time() {
    assert_eq!(computed(), computed());
}

#[test]
fn a_changed_vector_is_noticed() {
    let document: Value = serde_json::json!({ "blocks": [{ "id": "00" }, { "id": "01" }] });
    let mut other = document.clone();
    assert_eq!(first_difference("", &document, &other), None);
    other["blocks"][1]["id"] = "02".into();
    assert_eq!(first_difference("", &document, &other).as_deref(), Some("/blocks/1/id"));
    other["blocks"].as_array_mut().expect("an array").pop();
    assert_eq!(first_difference("", &document, &other).as_deref(), Some("/blocks"));
}

/// Where two documents first differ.
fn first_difference(path: &str, frozen: &Value, computed: &Value) -> Option<String> {
    match (frozen, computed) {
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            a.iter().find_map(|(key, value)| first_difference(&format!("{path}/{key}"), value, &b[key]))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(index, (a, b))| first_difference(&format!("{path}/{index}"), a, b))
        }
        (a, b) if a == b => None,
        _ => Some(path.to_owned()),
    }
}

#[test]
fn a_program_written_from_the_description_recomputes_the_vectors() {
    let script = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").expect("run by cargo")).join("recompute.py");
    let python = std::env::var("OCTROI_PYTHON").unwrap_or_else(|_| "python3".into());
    let answers =
        |arguments: &[&str]| Command::new(&python).args(arguments).output().is_ok_and(|out| out.status.success());
    if !answers(&["-c", "import blake3"]) {
        let why = format!("{python} with the package of tests/vectors/requirements.txt is not there");
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{why}");
        println!("skipped: {why}");
        return;
    }
    let run = |folder: &Path| Command::new(&python).arg(&script).arg(folder).output().expect("the script runs");
    let output = run(&folder());
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    println!("{text}");

    // The script can fail: one digit of one root is changed.
    let broken = std::env::temp_dir().join(format!("octroi-vectors-{}", std::process::id()));
    fs::create_dir_all(&broken).expect("a folder");
    for (name, text) in frozen() {
        let text = if name == "chain.json" { spoilt(&text) } else { text };
        fs::write(broken.join(name), text).expect("a file");
    }
    let output = run(&broken);
    fs::remove_dir_all(&broken).expect("the folder is removed");
    assert_eq!(output.status.code(), Some(1), "a changed root is noticed");
}

fn spoilt(text: &str) -> String {
    let mut document: Value = serde_json::from_str(text).expect("json");
    let root = document["blocks"][3]["state_root"].as_str().expect("a root").to_owned();
    let first = if root.starts_with('0') { "1" } else { "0" };
    document["blocks"][3]["state_root"] = format!("{first}{}", &root[1..]).into();
    document.to_string()
}
