//! Wrong words end with exit code 2 and say what is right.

use super::{json, octroi};

#[test]
fn wrong_words_are_exit_code_2_with_a_suggestion() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, said) in [
        (&["promis"][..], "promise"),
        (&["promise", "--amout", "1 EUR"], "--amount"),
        (&["status", "--output", "xml"], "possible values"),
        (&["tx"], "Usage"),
        (&["fund", "shw"], "show"),
        (&["import", "scdl"], "<FILE>"),
        (&["tx", "template", "promise"], "promise_contribution"),
    ] {
        let output = octroi(folder.path(), arguments);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {words}");
        assert!(words.contains(said), "{arguments:?}: {words}");
        assert!(output.stdout.is_empty(), "{arguments:?}: prose on standard output");
    }
}

#[test]
fn wrong_words_are_an_envelope_when_programs_read() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["promis"][..], &["promise", "--amout", "1 EUR"], &["tx", "template", "promise"]] {
        let (envelope, code) = json(folder.path(), arguments);
        assert_eq!(
            (code, &envelope["version"], &envelope["error"]["reason"]),
            (2, &1.into(), &"USAGE".into()),
            "{envelope}"
        );
    }
}

#[test]
fn no_node_is_exit_code_3_and_a_dead_one_7() {
    let folder = tempfile::tempdir().unwrap();
    let (envelope, code) = json(folder.path(), &["status"]);
    assert_eq!((code, envelope["error"]["reason"].as_str()), (3, Some("CONFIG")), "{envelope}");
    let (envelope, code) = json(folder.path(), &["status", "--endpoint", "http://127.0.0.1:1"]);
    assert_eq!((code, envelope["error"]["reason"].as_str()), (7, Some("UNREACHABLE")), "{envelope}");
    let (envelope, code) = json(folder.path(), &["status", "--endpoint", "ftp://x"]);
    assert_eq!((code, envelope["error"]["reason"].as_str()), (3, Some("CONFIG")), "{envelope}");
    let (envelope, code) = json(folder.path(), &["status", "--context", "nowhere"]);
    assert_eq!((code, envelope["error"]["reason"].as_str()), (3, Some("CONFIG")), "{envelope}");
}

#[test]
fn a_context_names_nodes_and_its_typos_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("contexts.toml"),
        "default = \"here\"\n[contexts.here]\nendpoints = [\"http://127.0.0.1:1\"]\n",
    )
    .unwrap();
    assert_eq!(json(folder.path(), &["status"]).1, 7);
    std::fs::write(folder.path().join("contexts.toml"), "[contexts.here]\nendpoint = []\n").unwrap();
    let (envelope, code) = json(folder.path(), &["status"]);
    assert_eq!(code, 3);
    assert!(envelope["error"]["message"].as_str().unwrap().contains("endpoint"), "{envelope}");
}

#[test]
fn help_is_no_failure_and_lists_every_act() {
    let folder = tempfile::tempdir().unwrap();
    let output = octroi(folder.path(), &["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for act in [
        "register-org",
        "attest",
        "match",
        "promise",
        "declare",
        "assess",
        "close-period",
        "open-call",
        "apply",
        "screen",
        "review",
        "propose",
        "ballot",
        "sign-convention",
        "evidence",
        "judge",
        "order",
        "release",
        "advance-clock",
        "past-grant",
        "grant",
        "levy",
        "fund",
        "watch",
        "explain",
        "import",
        "audit",
        "export",
    ] {
        assert!(text.contains(&format!("  {act} ")), "{act}");
    }
}
