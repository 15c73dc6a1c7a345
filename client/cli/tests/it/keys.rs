//! Key files by the command line.

use super::{json, octroi, stdout};

fn new(folder: &std::path::Path, organisation: &str, office: &str) {
    stdout(folder, &["key", "new", "--organisation", organisation, "--office", office, "--dev"]);
}

#[test]
fn a_new_key_is_listed_without_a_passphrase() {
    let folder = tempfile::tempdir().unwrap();
    new(folder.path(), "region", "ordonnateur");
    new(folder.path(), "bank", "comptable");
    let (envelope, code) = json(folder.path(), &["key", "list"]);
    assert_eq!(code, 0);
    let keys = envelope["data"]["keys"].as_array().unwrap();
    let offices: Vec<_> =
        keys.iter().map(|key| (key["organisation_code"].as_str().unwrap(), key["office"].as_str().unwrap())).collect();
    assert_eq!(offices, [("bank", "comptable"), ("region", "ordonnateur")]);
    assert_eq!(keys[0]["key"].as_str().unwrap().len(), 64);
}

#[test]
fn an_imported_secret_is_never_an_argument_and_gives_its_public_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seed");
    // The first test key of RFC 8032.
    std::fs::write(&file, "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60\n").unwrap();
    let (envelope, code) = json(
        folder.path(),
        &["key", "import", file.to_str().unwrap(), "--organisation", "region", "--office", "clerk", "--dev"],
    );
    assert_eq!(code, 0, "{envelope}");
    assert_eq!(envelope["data"]["key"], "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    std::fs::write(&file, "9d61").unwrap();
    assert_eq!(
        json(
            folder.path(),
            &["key", "import", file.to_str().unwrap(), "--organisation", "region", "--office", "clerk"]
        )
        .1,
        2
    );
}

#[test]
fn a_wrong_passphrase_is_exit_code_9_and_no_passphrase_too() {
    let folder = tempfile::tempdir().unwrap();
    new(folder.path(), "region", "ordonnateur");
    let transaction = super::offline::build(folder.path());
    let wrong = folder.path().join("passphrase");
    std::fs::write(&wrong, "another\n").unwrap();
    let (envelope, code) = json(
        folder.path(),
        &["tx", "sign", transaction.to_str().unwrap(), "--as", "region", "--passphrase-file", wrong.to_str().unwrap()],
    );
    assert_eq!((code, envelope["error"]["reason"].as_str()), (9, Some("KEY_LOCKED")), "{envelope}");
    std::fs::write(&wrong, "test passphrase\n").unwrap();
    let output = octroi(
        folder.path(),
        &["tx", "sign", transaction.to_str().unwrap(), "--as", "region", "--passphrase-file", wrong.to_str().unwrap()],
    );
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn who_signs_must_be_one_office_that_has_a_key() {
    let folder = tempfile::tempdir().unwrap();
    new(folder.path(), "region", "ordonnateur");
    new(folder.path(), "region", "clerk");
    let transaction = super::offline::build(folder.path());
    let file = transaction.to_str().unwrap();
    for (author, code, said) in [
        ("nobody", 3, "region"),
        ("region", 2, "--as region.clerk, --as region.ordonnateur"),
        ("region.mayor", 3, "clerk, ordonnateur"),
    ] {
        let (envelope, exit) = json(folder.path(), &["tx", "sign", file, "--as", author]);
        assert_eq!(exit, code, "{envelope}");
        assert!(envelope["error"]["hint"].as_str().unwrap().contains(said), "{envelope}");
    }
    let (signed, code) = json(folder.path(), &["tx", "sign", file, "--as", "region.clerk+ordonnateur"]);
    assert_eq!((code, signed["signatures"].as_array().unwrap().len()), (0, 2));
}
