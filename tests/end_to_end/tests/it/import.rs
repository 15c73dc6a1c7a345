//! The real file through the command line into four validators, with one killed meanwhile; then the audit of what came of it.

use octroi_end_to_end::{Network, ended, number, run, shared};
use serde_json::Value;
use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

/// Control totals of the file by year, in cents (../shared/data/README.md).
const YEARS: [(u16, u64); 11] = [
    (2008, 5_137_470_309),
    (2009, 4_894_001_729),
    (2010, 4_649_851_217),
    (2011, 4_805_467_674),
    (2012, 4_265_411_206),
    (2013, 4_698_593_106),
    (2014, 4_327_061_031),
    (2015, 3_831_275_229),
    (2016, 3_670_627_274),
    (2017, 3_469_269_575),
    (2018, 3_473_125_738),
];
const TOTAL: u64 = 47_222_154_088;
/// Of the 18,147 grants, 32 are loans, guarantees or aid in kind without an amount.
const WITH_AMOUNT: u64 = 18_147 - 32;

fn import(network: &Network, file: &Path) -> std::process::Command {
    let mut command = network.command();
    command.args(["--as", "public-bank.publishing", "--output", "json", "import", "scdl"]).arg(file);
    command
}

/// What the ledger answers for the grants of a file at a height: how many, and their sum in cents.
fn asked(network: &Network, node: usize, file: &str, year: Option<u16>, height: u64) -> (u64, u64) {
    let (height, year) = (height.to_string(), year.map(|year| year.to_string()));
    let mut arguments = vec!["grant", "list", "--source-file", file, "--limit", "1", "--at-height", &height];
    if let Some(year) = &year {
        arguments.extend(["--year", year]);
    }
    let listed = network.data_of(node, &arguments).expect("the node answers");
    let totals = listed["past_totals"].as_array().cloned().unwrap_or_default();
    let sum = |name: &str| totals.iter().map(|total| number(&total[name]).expect("a number")).sum();
    (sum("count"), sum("awarded"))
}

#[test]
fn the_real_file_is_on_the_ledger_once_though_a_validator_was_killed_meanwhile() {
    let Some(shared) = shared() else { return };
    let file = shared.join("data/subsidies/loire-atlantique-2008-2018.csv");
    let mut network = Network::up(0);
    let began = Instant::now();
    let (stdout, stderr) = (network.file("import.json", ""), network.file("import.log", ""));
    let open = |path: &Path| std::fs::File::options().write(true).open(path).expect("open");
    let mut importing = import(&network, &file)
        .stdout(open(&stdout))
        .stderr(open(&stderr))
        .stdin(Stdio::null())
        .spawn()
        .expect("octroi starts");

    // The kill lands inside: some rows are committed, and most are not.
    let until = Instant::now() + Duration::from_secs(30);
    let committed = loop {
        assert!(
            Instant::now() < until,
            "no row is committed: {}",
            std::fs::read_to_string(&stderr).unwrap_or_default()
        );
        match network.status(0).map_or(0, |status| status.transactions) {
            0 => std::thread::sleep(Duration::from_millis(5)),
            committed => break committed,
        }
    };
    network.kill(2);
    assert!(committed < 18_147, "the import was over before a validator could be killed");
    assert!(importing.try_wait().expect("it can be waited for").is_none(), "the import ended before the kill");
    std::thread::sleep(Duration::from_secs(5));
    network.start(2);
    let status = ended(&mut importing, Duration::from_secs(120));
    let took = began.elapsed();
    let words = std::fs::read_to_string(&stderr).expect("readable");
    let envelope = std::fs::read_to_string(&stdout).expect("readable");
    assert_eq!(status.and_then(|status| status.code()), Some(0), "{envelope}\n{words}");
    println!("killed at {committed} rows; the import ended after {took:?}");

    let envelope: Value = serde_json::from_str(&envelope).expect("json");
    let data = &envelope["data"];
    assert_eq!(
        (number(&data["rows"]), number(&data["accepted"]), number(&data["refused"])),
        (Some(18_148), Some(18_147), Some(1))
    );
    assert_eq!(number(&data["accepted_total_minor"]), Some(TOTAL));
    let refusal = &data["refusals"][0];
    assert_eq!((number(&refusal["line"]), refusal["reason"].as_str()), (Some(2_236), Some("total_row")), "{refusal}");
    assert_eq!(data["totals_equal"], true, "{data}");
    let published = number(&data["published"]).expect("a count") + number(&data["already_there"]).expect("a count");
    assert_eq!(published, 18_147, "{data}");

    // The ledger's own answers, at the height of the last row, from the node that was killed too.
    let source = data["file"].as_str().expect("the hash of the file").to_owned();
    let height = number(&data["last_height"]).expect("a height");
    network.wait_ready();
    network.common_root(0..4, height);
    for node in [0, 2] {
        assert_eq!(asked(&network, node, &source, None, height), (WITH_AMOUNT, TOTAL), "node {node}");
    }
    for (year, cents) in YEARS {
        assert_eq!(asked(&network, 2, &source, Some(year), height).1, cents, "year {year}");
    }

    // Run again, it doubles nothing.
    let transactions = network.status(0).expect("node 0 answers").transactions;
    let again = run(&mut import(&network, &file), Duration::from_secs(60)).data();
    assert_eq!((number(&again["published"]), number(&again["already_there"])), (Some(0), Some(18_147)), "{again}");
    assert_eq!(network.status(0).expect("node 0 answers").transactions, transactions);

    // Replayed from an archive and from a node, the chain is sound, and has the totals.
    let archive = network.path().join("chain.octroi").display().to_string();
    network.octroi(&["export", "archive", &archive]).success();
    for chain in [&[archive.as_str()][..], &[]] {
        let report = network.data(&[&["audit", "replay", "--reaches", &height.to_string()], chain].concat());
        assert_eq!(report["sound"], true, "{report}");
        let past = &report["totals"]["past_grants"][&source];
        assert_eq!(
            (number(&past["rows"]), number(&past["sums"]["EUR"]["minor"])),
            (Some(18_147), Some(TOTAL)),
            "{past}"
        );
        println!("replayed: {}", report["speed"]);
    }
}
