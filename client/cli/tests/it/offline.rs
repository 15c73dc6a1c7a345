//! Build, sign, combine without a network: what the ledger's own types make of the files.

use super::{json, octroi, stdout};
use octroi_ledger::{SignedTransaction, verify};
use octroi_primitives::NetworkId;
use std::path::{Path, PathBuf};

const NETWORK: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const ORGANISATION: &str = "2222222222222222222222222222222222222222222222222222222222222222";

/// A promise, built for a network that need not exist.
pub fn build(folder: &Path) -> PathBuf {
    let payload = folder.join("promise.toml");
    std::fs::write(
        &payload,
        "[promise_contribution]\nfund = \"commun\"\namount = \"12 500,00 EUR\"\ndue = \"2027-03-31\"\n",
    )
    .unwrap();
    let out = folder.join("promise.json");
    stdout(
        folder,
        &[
            "tx",
            "build",
            payload.to_str().unwrap(),
            "--network",
            NETWORK,
            "--organisation",
            ORGANISATION,
            "--valid-until",
            "2027-01-02T08:00:00Z",
            "--out",
            out.to_str().unwrap(),
        ],
    );
    out
}

fn key(folder: &Path, office: &str) {
    stdout(folder, &["key", "new", "--organisation", "region", "--office", office, "--dev"]);
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn two_offices_sign_apart_and_the_joined_file_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    key(folder.path(), "ordonnateur");
    key(folder.path(), "clerk");
    build(folder.path());
    for office in ["ordonnateur", "clerk"] {
        stdout(
            folder.path(),
            &[
                "tx",
                "sign",
                &at("promise.json"),
                "--as",
                &format!("region.{office}"),
                "--out",
                &at(&format!("{office}.json")),
            ],
        );
    }
    stdout(folder.path(), &["tx", "combine", &at("ordonnateur.json"), &at("clerk.json"), "--out", &at("both.json")]);
    let file: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(at("both.json")).unwrap()).unwrap();
    let signatures = file["signatures"].as_array().unwrap().iter().map(|entry| octroi_proto::v1::KeySignature {
        key: unhex(entry["key"].as_str().unwrap()),
        signature: unhex(entry["signature"].as_str().unwrap()),
    });
    let signed = SignedTransaction::from_parts(unhex(file["body"].as_str().unwrap()), signatures.collect()).unwrap();
    assert_eq!(signed.signatures().len(), 2);
    assert_eq!(file["transaction"], signed.id().to_string());
    let network: NetworkId = NETWORK.parse().unwrap();
    assert!(verify(&network, vec![signed]).into_iter().all(|verdict| verdict.is_ok()));
}

#[test]
fn a_file_whose_clear_text_was_changed_is_not_signed() {
    let folder = tempfile::tempdir().unwrap();
    key(folder.path(), "ordonnateur");
    let file = build(folder.path());
    let text = std::fs::read_to_string(&file).unwrap();
    let changed = text.replace("\"1250000\"", "\"1\"");
    assert_ne!(text, changed);
    std::fs::write(&file, changed).unwrap();
    let (envelope, code) = json(folder.path(), &["tx", "sign", file.to_str().unwrap(), "--as", "region"]);
    assert_eq!(code, 2);
    assert!(envelope["error"]["message"].as_str().unwrap().contains("differs from the body"), "{envelope}");
}

#[test]
fn an_unsigned_file_is_not_submitted_and_a_wrong_field_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = build(folder.path());
    let (envelope, code) = json(folder.path(), &["tx", "submit", file.to_str().unwrap()]);
    assert_eq!((code, envelope["error"]["hint"].as_str()), (2, Some("sign it with 'octroi tx sign'")), "{envelope}");
    let payload = folder.path().join("wrong.toml");
    std::fs::write(&payload, "[promise_contribution]\nfund = \"commun\"\namuont = \"1 EUR\"\n").unwrap();
    let (envelope, code) = json(
        folder.path(),
        &[
            "tx",
            "build",
            payload.to_str().unwrap(),
            "--network",
            NETWORK,
            "--organisation",
            ORGANISATION,
            "--valid-until",
            "1",
        ],
    );
    assert_eq!(
        (code, envelope["error"]["metadata"]["field"].as_str()),
        (2, Some("promise_contribution.amuont")),
        "{envelope}"
    );
}

#[test]
fn every_template_of_the_program_builds() {
    let folder = tempfile::tempdir().unwrap();
    for kind in octroi_ledger::Kind::ACTIONS {
        let path = folder.path().join(format!("{kind}.toml"));
        std::fs::write(&path, stdout(folder.path(), &["tx", "template", kind.name()])).unwrap();
        let output = octroi(
            folder.path(),
            &[
                "tx",
                "build",
                path.to_str().unwrap(),
                "--network",
                NETWORK,
                "--organisation",
                ORGANISATION,
                "--valid-until",
                "1",
            ],
        );
        // The values of a template are of the right form; rules may still refuse what they say.
        assert!(matches!(output.status.code(), Some(0 | 2)), "{kind}");
        assert!(!String::from_utf8_lossy(&output.stderr).contains("no such field"), "{kind}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("nothing.csv");
    for (path, exit, hint) in [(missing.as_path(), 4, "check the path"), (folder.path(), 2, "name a file")] {
        let path = path.to_str().unwrap();
        let (envelope, code) = json(folder.path(), &["import", "scdl", path, "--dry-run"]);
        assert_eq!((code, envelope["error"]["metadata"]["path"].as_str()), (exit, Some(path)), "{envelope}");
        assert!(envelope["error"]["hint"].as_str().is_some_and(|said| said.starts_with(hint)), "{envelope}");
    }
}
