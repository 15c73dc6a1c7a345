//! What an operator meets: each fault has its message, its hint and its exit code.

use octroi_end_to_end::{Ended, Network, program};
use std::{
    process::Command,
    time::{Duration, Instant},
};

/// Runs a node that must end by itself.
fn run(network: &Network, node: usize, more: &[&str]) -> Ended {
    let mut command = Command::new(program("octroid"));
    command.arg("run").arg("--config").arg(network.home(node).join("octroid.toml")).args(more);
    octroi_end_to_end::run(&mut command, Duration::from_secs(20))
}

#[track_caller]
fn assert_ends(ended: &Ended, code: i32, says: &[&str]) {
    let stderr = &ended.stderr;
    assert_eq!(ended.code, Some(code), "{stderr}");
    for words in says {
        assert!(stderr.contains(words), "{words:?} is not said:\n{stderr}");
    }
}

#[test]
fn a_missing_sign_state_ends_with_12_and_says_what_to_do() {
    let network = Network::new(0);
    std::fs::remove_file(network.home(0).join("data/sign-state")).expect("a sign state");
    assert_ends(&run(&network, 0, &[]), 12, &["sign", "import"]);
}

#[test]
fn another_genesis_ends_with_3_and_names_both_networks() {
    let (network, other) = (Network::new(0), Network::new(0));
    let genesis = other.path().join("genesis.toml");
    let flag = format!("node.genesis={}", genesis.display());
    assert_ends(&run(&network, 0, &["--set", &flag]), 3, &["network"]);
}

#[test]
fn a_port_in_use_ends_with_3_and_names_it() {
    let network = Network::new(0);
    let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = holder.local_addr().expect("an address").to_string();
    for setting in ["grpc.listen", "p2p.listen"] {
        assert_ends(&run(&network, 0, &["--set", &format!("{setting}={address}")]), 3, &[&address]);
    }
}

#[test]
fn an_unknown_setting_ends_with_3_and_a_suggestion() {
    let network = Network::new(0);
    assert_ends(
        &run(&network, 0, &["--set", "grpc.lisen=127.0.0.1:1"]),
        3,
        &["grpc.lisen", "did you mean \"grpc.listen\""],
    );
}

#[test]
fn a_damaged_store_ends_with_14_and_names_the_file() {
    let network = Network::new(0);
    let data = network.home(0).join("data");
    let manifest =
        walk(&data).into_iter().find(|path| path.to_string_lossy().contains("MANIFEST")).expect("a manifest");
    let mut bytes = std::fs::read(&manifest).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&manifest, bytes).expect("writable");
    assert_ends(&run(&network, 0, &[]), 14, &["MANIFEST"]);
}

#[test]
fn two_nodes_on_one_folder_are_refused() {
    let mut network = Network::new(0);
    network.start(0);
    // It holds the folder before it says that it has started.
    let until = Instant::now() + Duration::from_secs(20);
    while !network.log(0).contains("node started") {
        assert!(Instant::now() < until, "node 0 does not start: {}", network.log(0));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_ends(&run(&network, 0, &[]), 3, &["in use"]);
    assert_eq!(network.stop(0), Some(0));
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found
}
