//! A network that runs: one of four stopped, an observer, an idle chain.

use octroi_end_to_end::Network;
use std::time::Duration;

/// Makes a few blocks.
fn advance(network: &Network, blocks: u32) {
    for _ in 0..blocks {
        network.act("region.node", &["advance-clock", "--milliseconds", "1000"]);
    }
}

#[test]
fn three_of_four_go_on_the_fourth_catches_up_and_an_observer_follows_and_answers() {
    let mut network = Network::up(1);
    assert_eq!(network.stop(3), Some(0), "a node that is asked to stop ends well");
    let before = network.height(0).expect("node 0 answers");
    advance(&network, 5);
    let after = network.height(0).expect("node 0 answers");
    assert!(after >= before + 5, "{after} after {before}");
    network.start(3);
    network.wait_height(3, after);
    network.wait_height(4, after);
    network.common_root(0..5, after);
    // The observer answers for the ledger as the others do, and takes transactions.
    let promised = network.act(
        "foundation.giving",
        &[
            "promise",
            "--fund",
            "commun",
            "--amount",
            "12 500,00 EUR",
            "--due",
            "2099-03-31",
            "--endpoint",
            &network.endpoint(4),
        ],
    );
    let id = promised["event"]["promise"].as_str().expect("a promise has an id");
    let height = octroi_end_to_end::number(&promised["height"]).expect("a height");
    network.wait_height(4, height);
    let shown = network.data_of(4, &["promise", "show", id]).expect("the observer answers");
    assert_eq!(shown["promise"]["amount"]["minor"], "1250000", "{shown}");
    let set = network.data_of(4, &["status"]).expect("the observer answers");
    assert_eq!(octroi_end_to_end::number(&set["validators"]), Some(4), "an observer has no vote");
    assert_eq!(network.stop(4), Some(0));
}

#[test]
fn an_idle_network_makes_no_blocks() {
    let network = Network::up(0);
    let before = network.height(0).expect("node 0 answers");
    std::thread::sleep(Duration::from_secs(5));
    let after = network.height(0).expect("node 0 answers");
    assert!(after <= before + 1, "idle for 5 s, from height {before} to {after}; the heartbeat is a minute");
}
