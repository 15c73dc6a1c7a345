//! What an office meets at its desk: keys that are replaced, rows that are refused, files that are in the way.

use octroi_end_to_end::{Network, number, run, shared};
use std::time::Duration;

#[test]
fn an_office_acts_before_and_after_its_key_is_replaced_without_saying_which_key() {
    let mut network = Network::up(0);
    network.wait_ready();
    let keys = || {
        let listed = network.data(&["key", "list"]);
        let keys = listed["keys"].as_array().expect("a list").clone();
        keys.iter().filter(|key| key["organisation_code"] == "region" && key["office"] == "node").count()
    };
    let rotated = network.act("region.node", &["key", "rotate", "--after", "3"]);
    assert_eq!(rotated["state"], "applied", "{rotated}");
    assert_eq!(keys(), 2, "the old file stays until its owner removes it");
    let from = number(&rotated["event"]["from_height"]).or_else(|| number(&rotated["height"])).expect("a height");
    loop {
        let stepped = network.act("region.node", &["advance-clock", "--milliseconds", "1000"]);
        if number(&stepped["height"]).expect("a height") > from + 4 {
            break;
        }
    }
}

#[test]
fn rows_that_the_ledger_refuses_are_named_at_once_and_nothing_is_overwritten() {
    let Some(shared) = shared() else { return };
    let mut network = Network::up(0);
    network.wait_ready();
    let file = shared.join("data/subsidies/roques-2017.csv").display().to_string();
    let mut importing = network.command();
    // An office without the role of a funder: each row is refused.
    importing.args(["--as", "region.node", "import", "scdl", &file]);
    let ended = run(&mut importing, Duration::from_secs(20));
    assert_eq!(ended.code, Some(5), "{}", ended.stderr);
    assert!(ended.stderr.contains("the ledger refused 68 rows"), "{}", ended.stderr);

    let archive = network.path().join("chain.oct").display().to_string();
    network.octroi(&["export", "archive", &archive]).success();
    let again = network.octroi(&["export", "archive", &archive]);
    assert_eq!(again.code, Some(2), "{}", again.stderr);
    assert!(again.stderr.contains("is there already"), "{}", again.stderr);
}
