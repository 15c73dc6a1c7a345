//! The client in another language, as a stranger would run it: it learns the interface from the node.

use octroi_end_to_end::{Ended, Network, number, python, run, shared};
use std::{path::Path, process::Command, time::Duration};

fn grants(python: &Path, endpoint: &str, arguments: &[&str]) -> Ended {
    let program = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").expect("run by cargo"))
        .join("../../client/examples/python/grants.py");
    let mut command = Command::new(python);
    command.arg(program).arg(endpoint).args(arguments).env("PYTHONDONTWRITEBYTECODE", "1");
    run(&mut command, Duration::from_secs(60))
}

#[test]
fn a_python_program_lists_real_grants_through_reflection() {
    let (Some(python), Some(shared)) = (python(), shared()) else { return };
    let network = Network::up(0);
    let file = shared.join("data/subsidies/roques-2017.csv");
    let published = network.act("public-bank.publishing", &["import", "scdl", file.to_str().expect("UTF-8")]);
    assert_eq!(number(&published["published"]), Some(68), "{published}");
    network.wait_height(1, number(&published["last_height"]).expect("a height"));

    // Pages smaller than the list: what is on several pages is neither skipped nor repeated.
    let listed = grants(&python, &network.grpc(1), &["--page-size", "10", "--json"]);
    let words = listed.stderr.clone();
    let rows: Vec<serde_json::Value> =
        listed.success().lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let sum: u64 = rows.iter().map(|row| number(&row["awarded_minor"]).expect("cents")).sum();
    assert_eq!((rows.len(), sum), (68, 35_155_885), "{words}");
    let mut ids: Vec<&str> = rows.iter().filter_map(|row| row["id"].as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 68);
    assert!(words.contains("351 558,85 EUR"), "the node's total is not said: {words}");
    let people = grants(&python, &network.grpc(0), &["--year", "2017"]);
    assert!(people.stderr.contains("48 grants, awarded 275 288,85 EUR"), "{}", people.stderr);
    assert_eq!(people.success().lines().count(), 48);

    let nobody = grants(&python, "127.0.0.1:9", &[]);
    assert_eq!(nobody.code, Some(7), "{}", nobody.stderr);
}
