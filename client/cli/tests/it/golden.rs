//! What commands print that need no network, word by word.

use super::{json, stdout};

#[test]
fn a_kind_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!("explain_kind", stdout(folder.path(), &["explain", "promise_contribution"]));
}

#[test]
fn reasons_of_ledger_node_and_import_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let all: Vec<_> = ["PROMISE_CONTRIBUTION_UNKNOWN_FUND", "threshold", "EXPIRED", "total_row"]
        .iter()
        .map(|name| json(folder.path(), &["explain", name]).0)
        .collect();
    insta::assert_json_snapshot!("explain_reasons", all);
    let (envelope, code) = json(folder.path(), &["explain", "PROMISE_CONTRIBUTION_UNKNWON_FUND"]);
    assert_eq!(
        (code, envelope["error"]["hint"].as_str()),
        (4, Some("did you mean PROMISE_CONTRIBUTION_UNKNOWN_FUND?"))
    );
}

#[test]
fn every_reason_of_every_kind_is_explained() {
    use octroi_ledger::{Kind, refusal::reason};
    let folder = tempfile::tempdir().unwrap();
    for kind in Kind::ALL {
        let (envelope, code) = json(folder.path(), &["explain", kind.name()]);
        assert_eq!(code, 0, "{kind}");
        let listed: Vec<_> = envelope["data"]["refusals"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["reason"].as_str().unwrap().to_owned())
            .collect();
        let known: Vec<_> = kind.refusals().iter().map(|doc| reason(*kind, doc)).collect();
        assert_eq!(listed, known, "{kind}");
    }
}

#[test]
fn a_template_says_what_each_field_means() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!("template_promise", stdout(folder.path(), &["tx", "template", "promise_contribution"]));
    insta::assert_snapshot!("template_propose", stdout(folder.path(), &["tx", "template", "propose-change"]));
}

#[test]
fn help_of_an_act_is_made_from_the_interface() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!("help_ballot", stdout(folder.path(), &["ballot", "--help"]));
}

#[test]
fn keys_are_listed_in_each_form() {
    let folder = tempfile::tempdir().unwrap();
    let seed = folder.path().join("seed");
    std::fs::write(&seed, "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
    stdout(
        folder.path(),
        &[
            "key",
            "import",
            seed.to_str().unwrap(),
            "--organisation",
            "region",
            "--office",
            "clerk",
            "--label",
            "invented",
            "--dev",
        ],
    );
    let path = folder.path().to_str().unwrap().to_owned();
    for format in ["table", "json", "jsonl", "csv"] {
        let text = stdout(folder.path(), &["key", "list", "--output", format]).replace(&path, "FOLDER");
        insta::assert_snapshot!(format!("key_list_{format}"), text);
    }
}
