//! `octroi import scdl --dry-run` on real files: needs the folder named by OCTROI_SHARED.

use super::{json, stdout};
use std::path::PathBuf;

/// The folder of real data, or nothing, said aloud; under CI its absence is a failure.
fn shared() -> Option<PathBuf> {
    match std::env::var_os("OCTROI_SHARED").map(PathBuf::from).filter(|path| path.is_dir()) {
        Some(path) => Some(path),
        None if std::env::var_os("CI").is_some_and(|value| value == "true") => panic!("OCTROI_SHARED names no folder"),
        None => {
            eprintln!("skipped: OCTROI_SHARED names no folder of real data");
            None
        }
    }
}

#[test]
fn control_totals_of_real_files_are_those_of_their_publishers() {
    let Some(shared) = shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (name, rows, accepted, blank, total) in [
        ("subsidies/loire-atlantique-2008-2018.csv", 18_148, 18_147, 0, "47222154088"),
        ("subsidies/roques-2017.csv", 69, 68, 0, "35155885"),
        ("hostile/lot-2017.csv", 13, 13, 21, "87820500"),
        ("hostile/somme-2018.csv", 41, 41, 0, "320195264"),
    ] {
        let file = shared.join("data").join(name);
        let (envelope, code) = json(folder.path(), &["import", "scdl", file.to_str().unwrap(), "--dry-run"]);
        assert_eq!(code, 0, "{envelope}");
        let data = &envelope["data"];
        assert_eq!(
            (&data["rows"], &data["accepted"], &data["blank"]),
            (&rows.into(), &accepted.into(), &blank.into()),
            "{name}"
        );
        assert_eq!(data["accepted_total_minor"], total, "{name}");
        assert_eq!(data["refusals"].as_array().unwrap().len(), rows - accepted, "{name}");
    }
}

#[test]
fn what_a_file_leaves_out_is_listed_and_the_row_without_a_beneficiary_named() {
    let Some(shared) = shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str| {
        let file = shared.join("data").join(name);
        json(folder.path(), &["import", "scdl", file.to_str().unwrap(), "--dry-run"]).0["data"].clone()
    };
    let somme = read("hostile/somme-2018.csv");
    assert_eq!(somme["gaps"].as_object().map(|gaps| gaps.len()), Some(2), "{somme}");
    assert_eq!(somme["encoding"], "windows-1252", "{somme}");
    let roques = read("subsidies/roques-2017.csv");
    let refusal = &roques["refusals"][0];
    assert_eq!((&refusal["line"], &refusal["reason"]), (&35.into(), &"beneficiary_missing".into()), "{refusal}");
}

#[test]
fn nothing_of_a_file_whose_amounts_are_split_is_accepted_row_by_row() {
    let Some(shared) = shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = shared.join("data/hostile/vendee-2018.csv");
    let (envelope, code) = json(folder.path(), &["import", "scdl", file.to_str().unwrap(), "--dry-run"]);
    let data = &envelope["data"];
    assert_eq!((code, &data["rows"], &data["encoding"]), (0, &114.into(), &"mixed_encoding".into()), "{data}");
    // The verdicts that were reviewed by hand, as the reader's own test holds them.
    let package = std::path::PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("run by cargo"));
    let golden = std::fs::read_to_string(package.join("../exchange/tests/golden/vendee-2018.verdicts")).unwrap();
    let expected: Vec<(u64, &str)> = golden
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let mut words = line.split(' ');
            let row = words.next().unwrap().parse().unwrap();
            assert_eq!(words.next(), Some("refused"), "an accepted row has no reason here: {line}");
            (row, words.next().unwrap())
        })
        .collect();
    let refusals = data["refusals"].as_array().unwrap();
    let found: Vec<(u64, &str)> = refusals
        .iter()
        .map(|refusal| (refusal["line"].as_u64().unwrap(), refusal["reason"].as_str().unwrap()))
        .collect();
    assert_eq!((&data["accepted"], found), (&0.into(), expected));
    assert_eq!(data["accepted_total_minor"], "0");
}

#[test]
fn a_grand_total_is_refused_by_line_column_value_and_reason() {
    let Some(shared) = shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = shared.join("data/subsidies/loire-atlantique-2008-2018.csv");
    let (envelope, _) = json(folder.path(), &["import", "scdl", file.to_str().unwrap(), "--dry-run"]);
    insta::assert_json_snapshot!("import_refusals", envelope["data"]["refusals"]);
    insta::assert_snapshot!(
        "import_table",
        stdout(folder.path(), &["import", "scdl", file.to_str().unwrap(), "--dry-run"])
    );
}

#[test]
fn what_is_no_file_of_the_format_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.csv");
    std::fs::write(&file, "a,b\n1,2\n").unwrap();
    let (envelope, code) = json(folder.path(), &["import", "scdl", file.to_str().unwrap(), "--dry-run"]);
    assert_eq!((code, envelope["error"]["reason"].as_str()), (2, Some("FILE_FORMAT")), "{envelope}");
    let (envelope, code) = json(folder.path(), &["import", "scdl", "/nowhere.csv", "--dry-run"]);
    assert_eq!((code, envelope["error"]["reason"].as_str()), (4, Some("FILE")), "{envelope}");
}
