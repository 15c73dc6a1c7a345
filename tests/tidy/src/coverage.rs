//! The page on what of the rulebook is held: every file and every test that it names exists.

use crate::{all, holds, planted, source::Source};

/// The page.
const PAGE: &str = "docs/rulebook-coverage.md";

/// Where a path begins that names no folder of the top.
const LEDGER: &str = "node/ledger/src/";

/// What the page names and the files do not hold. In backquotes, a path ends in `.rs`, and a test stands behind `::`; one without a path is of the
/// file named before it on its line.
fn unheld(page: &str, files: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (number, line) in page.lines().enumerate() {
        let mut named: Option<&Source> = None;
        for span in line.split('`').skip(1).step_by(2) {
            let (path, test) = span.split_once("::").map_or((span, None), |(path, test)| (path, Some(test)));
            if path.ends_with(".rs") {
                named = files.iter().find(|file| file.path == path || file.path == format!("{LEDGER}{path}"));
                if named.is_none() {
                    wrong.push(format!("{PAGE}:{}: no file {path}", number + 1));
                    continue;
                }
            } else if !path.is_empty() {
                continue;
            }
            if let Some(test) = test.filter(|test| !named.is_some_and(|file| has_test(file, test))) {
                wrong.push(format!("{PAGE}:{}: no test {span} ({test})", number + 1));
            }
        }
    }
    wrong
}

/// Whether a function of this name stands right below an attribute that makes it a test.
fn has_test(file: &Source, name: &str) -> bool {
    let lines: Vec<&str> = file.text.lines().map(str::trim).collect();
    let is_named = |line: &str| line.split_once("fn ").is_some_and(|(_, rest)| rest.starts_with(&format!("{name}(")));
    let is_test = |line: &str| line == "#[test]" || line.starts_with("#[tokio::test");
    lines.windows(2).any(|pair| is_test(pair[0]) && is_named(pair[1]))
}

#[test]
fn the_page_on_the_rulebook_names_files_and_tests_that_exist() {
    let page = all().iter().find(|source| source.path == PAGE).expect("the page is there");
    let named = page.text.matches("::").count();
    assert!(named > 200, "{named} tests are no page");

    let files = planted("node/ledger/src/a.rs", "#[test]\nfn it_holds_well() {}\nfn it_is_no_test() {}\n");
    assert!(unheld("`a.rs`: `::it_holds_well`, `node/ledger/src/a.rs::it_holds_well`, `open`", &files).is_empty());
    for wrong in ["`b.rs`", "`a.rs::it_holds`", "`a.rs` `::it_is_no_test`", "`::it_holds_well`"] {
        assert_eq!(unheld(wrong, &files).len(), 1, "{wrong}");
    }
    holds("what the page names exists", unheld(&page.text, all()), unheld("`b.rs`", &files));
}
