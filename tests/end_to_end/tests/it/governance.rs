//! The validator set changes by a vote, on processes: one is admitted, one retired, each at the height that the change names.

use octroi_end_to_end::{Network, find, number, program, run};
use octroi_primitives::BlockTime;
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant, SystemTime},
};

/// Seats of the development network, with the office that votes.
const SEATS: [&str; 7] = [
    "public-bank.seat",
    "region.giving",
    "federation.seat",
    "fablabs.seat",
    "foundation.giving",
    "university.seat",
    "consumers.seat",
];
/// A commitment to a document that does not exist.
const DOCUMENT: &str = "00000000000000000000000000000000000000000000000000000000000000aa";

/// The development network with one more organisation that may run a validator one day.
fn draft() -> String {
    let office = "\n[[organisations.offices]]\ncode = \"seat\"\nroles = [\"college_member\"]\n";
    let fablabs = octroi_genesis::DEVNET.find("code = \"fablabs\"").expect("the draft names fablabs");
    let place = octroi_genesis::DEVNET[fablabs..].find(office).expect("with an office") + fablabs + office.len();
    let mut draft = octroi_genesis::DEVNET.to_owned();
    draft.insert_str(place, "\n[[organisations.offices]]\ncode = \"node\"\nroles = [\"validator\"]\n");
    draft.push_str("\n[[roles]]\norganisation = \"fablabs\"\nrole = \"validator\"\n");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock after 1970").as_millis();
    octroi_genesis::dated(&draft, BlockTime(now as u64)).expect("a draft")
}

/// Proposes a change, lets every seat but that of whom it concerns vote for it, and waits until it is enacted; its id.
fn decide(network: &Network, change: &str, concerned: &str) -> String {
    let proposed = network
        .act("foundation.giving", &["propose", "--change", change, "--document", DOCUMENT, "--opens-at", "+20s"]);
    let id = proposed["event"]["change"].as_str().expect("a change has an id").to_owned();
    step(network, 30);
    // The step holds from the next block on; whatever is due makes it.
    wait_for(network, &id, "open");
    for seat in SEATS.iter().filter(|seat| !seat.starts_with(concerned)) {
        network.act(seat, &["ballot", "--change", &id, "--choice", "yes"]);
    }
    step(network, 8 * 86_400);
    wait_for(network, &id, "pending");
    id
}

/// Steps the clock of the network.
fn step(network: &Network, seconds: u64) -> u64 {
    let stepped = network.act("region.node", &["advance-clock", "--milliseconds", &(seconds * 1_000).to_string()]);
    number(&stepped["height"]).expect("a height")
}

fn wait_for(network: &Network, change: &str, status: &str) {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let shown = network.data(&["change", "show", change]);
        let found = shown["change"]["status"].as_str().unwrap_or_default().to_owned();
        if found == status {
            return;
        }
        assert!(Instant::now() < until, "change {change} is {found:?}, not {status:?}: {shown}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A field of the header of a height, as node 0 has it.
fn field(network: &Network, height: u64, name: &str) -> String {
    let block = network.data_of(0, &["block", "show", &height.to_string()]).expect("node 0 answers");
    let header = find(&block, "header").expect("a block has a header");
    header[name].as_str().expect("text").to_owned()
}

/// Makes blocks until a height is there.
fn reach(network: &Network, height: u64) {
    while network.height(0).is_none_or(|at| at < height) {
        step(network, 1);
    }
}

fn validators(network: &Network) -> Option<u64> {
    number(&network.data_of(0, &["status"]).expect("node 0 answers")["validators"])
}

fn octroid(arguments: &[&str]) -> String {
    run(Command::new(program("octroid")).args(arguments), Duration::from_secs(60)).success()
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

#[test]
fn a_fifth_validator_is_admitted_proposes_and_another_is_retired_at_the_named_heights() {
    let mut network = Network::drafted(&draft());
    network.start_all();

    // The operator of the fifth makes keys and a folder from the genesis and the addresses of the others.
    let fifth = network.add("fifth");
    let (home, folder): (PathBuf, PathBuf) = (network.home(fifth), network.path());
    for key in ["consensus.key", "network.key"] {
        octroid(&["keys", "new", &path(&folder, key)]);
    }
    let mut init: Vec<String> = ["init", "--home"].map(str::to_owned).to_vec();
    init.extend([home.display().to_string(), "--genesis".into(), path(&folder, "genesis.toml")]);
    init.extend(["--consensus-key".into(), path(&folder, "consensus.key")]);
    init.extend(["--network-key".into(), path(&folder, "network.key")]);
    init.extend(["--p2p".into(), network.p2p(fifth), "--grpc".into(), network.grpc(fifth)]);
    for node in 0..4 {
        let info = network.data_of(node, &["status"]).expect("it answers");
        let key = info["node"]["network_key"].as_str().expect("a node has a network key");
        init.extend(["--peer".into(), format!("{key}@{}", network.p2p(node))]);
    }
    octroid(&init.iter().map(String::as_str).collect::<Vec<_>>());
    let config = path(&home, "octroid.toml");
    let shown = octroid(&["keys", "show", "--config", &config]);
    let quoted = |name: &str| {
        let line = shown.lines().find(|line| line.starts_with(name)).expect("the key is shown");
        line.split('"').nth(1).expect("a quoted value").to_owned()
    };
    let (consensus, net, possession) = (quoted("consensus_key"), quoted("network_key"), quoted("possession"));

    // Admission: decided now, effective at its height, and only after the candidate has shown itself.
    let seated = network.height(0).expect("node 0 answers") + 40;
    let admission = format!(
        "{{ admit_validator = {{ organisation = \"org:fablabs\", consensus_key = \"{consensus}\", network_key = \"{net}\", \
         possession = \"{possession}\", college = \"commoners\", at_height = {seated} }} }}"
    );
    let change = decide(&network, &admission, "fablabs");
    assert_eq!(validators(&network), Some(4), "decided is not yet effective");
    network.start(fifth);
    let tip = network.height(0).expect("node 0 answers");
    network.wait_height(fifth, tip);
    let block = network.data_of(fifth, &["block", "show", &tip.to_string()]).expect("the fifth answers");
    let block = find(&block, "id").and_then(Value::as_str).expect("a block has an id").to_owned();
    let ready = octroid(&[
        "keys",
        "ready",
        "--config",
        &config,
        "--change",
        &change,
        "--height",
        &tip.to_string(),
        "--block",
        &block,
    ]);
    let ready = network.file("ready.toml", &ready);
    network.act("fablabs.node", &["announce-ready", "--payload", &ready.display().to_string()]);
    reach(&network, seated + 12);
    network.wait_height(fifth, seated + 12);
    assert_eq!(
        field(&network, seated - 1, "validators_hash"),
        field(&network, seated - 1, "next_validators_hash"),
        "nothing changes before"
    );
    assert_ne!(
        field(&network, seated, "validators_hash"),
        field(&network, seated, "next_validators_hash"),
        "the next set is another one"
    );
    assert_eq!(field(&network, seated + 1, "validators_hash"), field(&network, seated, "next_validators_hash"));
    assert_eq!(validators(&network), Some(5));
    let proposed: Vec<u64> =
        (seated + 1..=seated + 12).filter(|height| field(&network, *height, "proposer") == consensus).collect();
    assert!(proposed.len() >= 2, "of twelve heights, the fifth of five proposed {proposed:?}");

    // With five, one may be down; and it is the new one that makes the difference when it is.
    network.stop(3);
    let after = step(&network, 1);
    network.start(3);
    network.wait_height(3, after);

    // Retirement of another.
    let two = network.data_of(2, &["status"]).expect("it answers");
    let leaver = two["node"]["consensus_key"].as_str().expect("a validator has a key").to_owned();
    let left = network.height(0).expect("node 0 answers") + 30;
    let retired = organisation_of(&network, &leaver);
    let retirement = format!(
        "{{ retire_validator = {{ organisation = \"org:{}\", consensus_key = \"{leaver}\", at_height = {left} }} }}",
        retired
    );
    decide(&network, &retirement, &retired);
    reach(&network, left + 8);
    assert_ne!(field(&network, left, "validators_hash"), field(&network, left, "next_validators_hash"));
    assert_eq!(validators(&network), Some(4));
    assert!(
        (left + 1..=left + 8).all(|height| field(&network, height, "proposer") != leaver),
        "a retired validator proposes"
    );
    network.common_root(0..5, left + 8);
    let report = network.data(&["audit", "replay"]);
    assert_eq!(report["sound"], true, "{report}");
}

/// Code of the organisation that runs the validator with this key, by the sealed genesis.
fn organisation_of(network: &Network, key: &str) -> String {
    let genesis = std::fs::read_to_string(network.path().join("genesis.toml")).expect("readable");
    let validator = genesis.split("[[validators]]").find(|part| part.contains(key)).expect("a validator has this key");
    let line = validator.lines().find(|line| line.starts_with("organisation")).expect("it names its organisation");
    line.split('"').nth(1).expect("a quoted code").to_owned()
}
