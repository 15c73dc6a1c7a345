//! Four validators and an observer: a stopped node, a killed node, an import that goes on meanwhile.

use octroi_end_to_end::{Network, find, number};
use std::{fmt::Write, time::Duration};

/// A file of past grants of invented associations: `rows` rows, and the sum of their amounts in cents.
fn invented(rows: u32) -> (String, u64) {
    let mut text = String::from(
        "nomAttribuant,idAttribuant,dateConvention,referenceDecision,nomBeneficiaire,idBeneficiaire,rnaBeneficiaire,objet,montant,nature,\
         conditionsVersement,datesPeriodeVersement,idRAE,notificationUE,pourcentageSubvention,dispositifAide\n",
    );
    let mut sum = 0;
    for row in 0..rows {
        let cents = 10_000 + u64::from(row);
        sum += cents;
        let _ = writeln!(
            text,
            "Département inventé,22440002800011,2018-05-{:02},,Association inventée {row},,W{:09},action {row},{}.{:02},aide en numéraire,unique,2018-06-01,,non,1,",
            row % 28 + 1,
            441_000_000 + row,
            cents / 100,
            cents % 100
        );
    }
    (text, sum)
}

#[test]
fn an_import_survives_a_killed_validator_and_every_node_agrees() {
    let mut network = Network::up(1);
    let (text, sum) = invented(3_000);
    let file = network.path().join("invented.csv");
    std::fs::write(&file, text).expect("written");
    let importing = network
        .command()
        .args(["--as", "public-bank.publishing", "--output", "json", "import", "scdl"])
        .arg(&file)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("octroi starts");
    std::thread::sleep(Duration::from_millis(700));
    network.kill(2);
    std::thread::sleep(Duration::from_secs(5));
    network.start(2);
    let output = importing.wait_with_output().expect("octroi ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let envelope: serde_json::Value = serde_json::from_slice(&output.stdout).expect("json");
    assert_eq!(envelope["data"]["accepted_total_minor"], sum.to_string(), "{envelope}");
    assert_eq!(number(&envelope["data"]["accepted"]), Some(3_000));

    // Run again, it doubles nothing.
    let again = network.octroi(&[
        "--as",
        "public-bank.publishing",
        "--output",
        "json",
        "import",
        "scdl",
        &file.display().to_string(),
    ]);
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    let height = network.height(0).expect("node 0 answers");
    let roots: Vec<Option<String>> = (0..5)
        .map(|node| {
            network.wait_height(node, height);
            network.state_root(node, height)
        })
        .collect();
    assert!(roots[0].is_some() && roots.iter().all(|root| *root == roots[0]), "{roots:?}");
    for node in 0..5 {
        let listed = network.data_of(node, &["grant", "list", "--page-size", "1"]).expect("it answers");
        assert!(find(&listed, "totals").is_some(), "{listed}");
    }
}

#[test]
fn three_of_four_go_on_and_the_fourth_catches_up() {
    let mut network = Network::up(0);
    assert_eq!(network.stop(3), Some(0));
    let before = network.height(0).expect("node 0 answers");
    for _ in 0..5 {
        let output = network.octroi(&["--as", "region.node", "advance-clock", "--milliseconds", "1000"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let after = network.height(0).expect("node 0 answers");
    assert!(after > before, "{after} > {before}");
    network.start(3);
    network.wait_height(3, after);
    assert_eq!(network.state_root(3, after), network.state_root(0, after));
}

#[test]
fn an_idle_network_makes_no_blocks() {
    let network = Network::up(0);
    let before = network.height(0).expect("node 0 answers");
    std::thread::sleep(Duration::from_secs(5));
    let after = network.height(0).expect("node 0 answers");
    assert!(after <= before + 1, "idle for 5 s, from height {before} to {after}; the heartbeat is a minute");
}
