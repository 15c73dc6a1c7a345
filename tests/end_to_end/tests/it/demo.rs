//! The demo as a person sees it: `cargo x demo`, with the programs that were built beside this test.

use octroi_end_to_end::{Ended, free_ports, number, program, run, terminate};
use serde_json::Value;
use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// A demo takes some ten seconds; this is for slow machines.
const LIMIT: Duration = Duration::from_secs(180);

fn demo(arguments: &[&str]) -> Ended {
    let ports = free_ports();
    let mut command = Command::new(program("x"));
    command.args(["demo", "--built", "--p2p-port", &ports.to_string(), "--grpc-port", &(ports + 5).to_string()]);
    run(command.args(arguments).env("NO_COLOR", "1"), LIMIT)
}

fn last_line(text: &str) -> &str {
    text.trim_end().lines().last().unwrap_or_default()
}

/// A value of the summary line, such as `height=63`.
fn said<'a>(summary: &'a str, name: &str) -> &'a str {
    let mut words = summary.split(' ').filter_map(|word| word.split_once('='));
    words.find(|(found, _)| *found == name).unwrap_or_else(|| panic!("{name} is not in {summary:?}")).1
}

/// The text between two others.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("{before:?} is not in:\n{text}")).1;
    rest.split_once(after).map_or(rest, |(found, _)| found)
}

/// What the demo left running; stopped with the test.
struct Kept {
    nodes: Vec<u32>,
    folder: PathBuf,
}

impl Drop for Kept {
    fn drop(&mut self) {
        for node in &self.nodes {
            terminate(*node);
        }
        // They are nobody's children any more, so nobody waits for them.
        let until = Instant::now() + Duration::from_secs(10);
        let runs = |node: &u32| Path::new(&format!("/proc/{node}/exe")).exists();
        while self.nodes.iter().any(runs) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn the_demo_plays_a_year_publishes_a_file_and_ends_with_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("past.csv");
    let mut text = String::from(
        "nomAttribuant,idAttribuant,dateConvention,nomBeneficiaire,rnaBeneficiaire,objet,montant,nature\n",
    );
    for row in 0..25 {
        let _ = writeln!(
            text,
            "Département inventé,22440002800011,2018-05-01,Association inventée {row},W{:09},action {row},{}.50,aide en numéraire",
            441_000_000 + row,
            1_000 + row
        );
    }
    std::fs::write(&file, text).expect("written");
    let played = demo(&["--data", file.to_str().expect("UTF-8")]);
    let progress = played.stderr.clone();
    let shown = played.success();
    for words in
        ["Granted to", "Its story on the ledger", "Accounts of fund", "The accounts balance", "Computation of the levy"]
    {
        assert!(shown.contains(words), "{words:?} is not shown:\n{shown}");
    }
    assert!(shown.contains("25 rows: 25 accepted"), "{shown}");
    assert!(progress.contains("starting four validators"), "progress is not shown: {progress}");
    let summary = last_line(&shown);
    assert!(summary.starts_with("demo: ok "), "{summary}");
    assert_eq!((said(summary, "grants_paid"), said(summary, "audit")), ("1", "clean"));
    let number = |name: &str| said(summary, name).parse::<u64>().expect("a number");
    assert!(number("height") > 50 && number("transactions") > 75, "{summary}");
}

#[test]
fn a_kept_demo_tells_a_second_client_the_same_numbers() {
    let played = demo(&["--keep"]);
    let shown = played.success();
    let kill = between(&shown, "Stop it with: kill ", "\n");
    let nodes: Vec<u32> = kill.split(' ').map(|id| id.parse().expect("an id of a process")).collect();
    let contexts = PathBuf::from(between(&shown, "export OCTROI_CONFIG=", "\n"));
    let kept = Kept { nodes, folder: contexts.ancestors().nth(2).expect("its folder").to_owned() };
    assert_eq!(kept.nodes.len(), 4);

    let octroi = |arguments: &[&str]| -> Value {
        let mut command = Command::new(program("octroi"));
        command.env("OCTROI_CONFIG", &contexts).args(["--output", "json"]).args(arguments);
        run(&mut command, Duration::from_secs(30)).data()
    };
    let summary = last_line(&shown);
    let status = octroi(&["status"]);
    assert_eq!(
        number(&status["at"]["height"]).map(|height| height.to_string()).as_deref(),
        Some(said(summary, "height"))
    );
    assert_eq!(
        number(&status["transactions"]).map(|count| count.to_string()).as_deref(),
        Some(said(summary, "transactions"))
    );
    let grants = octroi(&["grant", "list"]);
    let paid = grants["grants"].as_array().expect("a list").iter().filter(|grant| number(&grant["paid"]) > Some(0));
    assert_eq!(paid.count().to_string(), said(summary, "grants_paid"), "{grants}");
    let report = octroi(&["audit", "replay"]);
    assert_eq!(report["sound"], true, "{report}");
}

#[test]
fn an_injected_finding_makes_the_demo_fail() {
    let played = demo(&["--tamper"]);
    assert_eq!(played.code, Some(1), "{}\n{}", played.stdout, played.stderr);
    assert!(last_line(&played.stdout).starts_with("demo: FAILED"), "{}", played.stdout);
    assert!(played.stdout.contains("FINDING"), "the finding is not shown:\n{}", played.stdout);
}
