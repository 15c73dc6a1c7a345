//! Four validator processes with real syncs, published past grants, and the auditor's replay of what they made.

use crate::{
    figures::{Bound, line, title},
    machine,
};
use anyhow::{Context, Result, ensure};
use octroi_end_to_end::{Network, number};
use std::{fmt::Write, time::Instant};

/// Publishes so many past grants through four validators.
pub fn past_grants(rows: u32) -> Result<()> {
    title(&format!("import of {rows} published rows through `octroi import scdl`"));
    let mut network = Network::up(0);
    let file = network.path().join("bench.csv");
    std::fs::write(&file, invented(rows))?;
    let before = cpu_of(&network)?;
    let load_before = machine::children_cpu()?;
    let start = Instant::now();
    let output = network.octroi(&[
        "--as",
        "public-bank.publishing",
        "--output",
        "json",
        "import",
        "scdl",
        &file.display().to_string(),
    ]);
    let wall = start.elapsed().as_secs_f64();
    ensure!(output.code == Some(0), "the import failed: {}", output.stderr);
    let height = network.height(0).context("node 0 does not answer")?;
    for node in 0..4 {
        network.wait_height(node, height);
    }
    let cpu = cpu_of(&network)? - before;
    let load = machine::children_cpu()? - load_before;
    line("past grants through four validators", f64::from(rows) / wall, "tx/s", Bound::Least(18_148.0 / 30.0));
    line("  CPU of the four validators", cpu * 1e6 / f64::from(rows), "us/tx", Bound::None);
    line("  CPU of the load", load * 1e6 / f64::from(rows), "us/tx", Bound::None);
    for node in 0..4 {
        let memory = machine::memory_of(network.pid(node).context("it runs")?)?;
        line(&format!("  resident memory of node {node}"), memory, "MB", Bound::Most(300.0));
    }
    line(
        "  on disk of node 0, before compaction",
        machine::bytes_of(&network.home(0).join("data"))? / f64::from(rows),
        "bytes/tx",
        Bound::None,
    );

    let archive = network.path().join("bench.octroi");
    let exported = network.octroi(&["export", "archive", &archive.display().to_string()]);
    ensure!(exported.code == Some(0), "the export failed: {}", exported.stderr);
    let start = Instant::now();
    let verdict = network.data(&["audit", "replay", &archive.display().to_string()]);
    let transactions = number(&verdict["transactions"]).context("a verdict without transactions")?;
    ensure!(verdict["sound"] == true, "the auditor reports findings: {verdict}");
    line(
        "replay by the auditor, process start included",
        transactions as f64 / start.elapsed().as_secs_f64(),
        "tx/s",
        Bound::Least(15_000.0),
    );

    network.kill(0);
    let start = Instant::now();
    network.start(0);
    network.wait_ready();
    line("restart to ready, 2 s of listening included", start.elapsed().as_secs_f64(), "s", Bound::None);
    Ok(())
}

fn invented(rows: u32) -> String {
    let mut text = String::from(
        "nomAttribuant,idAttribuant,dateConvention,referenceDecision,nomBeneficiaire,idBeneficiaire,rnaBeneficiaire,objet,montant,nature,\
         conditionsVersement,datesPeriodeVersement,idRAE,notificationUE,pourcentageSubvention,dispositifAide\n",
    );
    for row in 0..rows {
        let _ = writeln!(
            text,
            "Département inventé,22440002800011,2018-05-{:02},,Association inventée {row},,W{:09},action {row},{}.{:02},aide en numéraire,unique,2018-06-01,,non,1,",
            row % 28 + 1,
            441_000_000 + row,
            100 + row / 100,
            row % 100
        );
    }
    text
}

fn cpu_of(network: &Network) -> Result<f64> {
    (0..4).map(|node| machine::cpu_of(network.pid(node).context("it runs")?)).sum()
}
