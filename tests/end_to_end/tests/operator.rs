//! What an operator meets: each fault has its message, its hint and its exit code.

use octroi_end_to_end::{Network, program};
use std::process::{Command, Output};

fn run(network: &Network, node: usize, more: &[&str]) -> Output {
    Command::new(program("octroid"))
        .arg("run")
        .arg("--config")
        .arg(network.home(node).join("octroid.toml"))
        .args(more)
        .output()
        .expect("octroid starts")
}

fn assert_ends(output: &Output, code: i32, says: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
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
    std::thread::sleep(std::time::Duration::from_millis(1_500));
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
