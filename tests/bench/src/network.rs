//! Four validator processes with real syncs, published past grants, and the auditor's replay of what they made.

use crate::line;
use anyhow::{Context, Result, ensure};
use octroi_end_to_end::{Network, number};
use std::{fmt::Write, path::Path, time::Instant};

/// Publishes so many past grants through four validators.
pub fn past_grants(rows: u32) -> Result<()> {
    let mut network = Network::up(0);
    let file = network.path().join("bench.csv");
    std::fs::write(&file, invented(rows))?;
    let before = cpu_of(&network)?;
    let load_before = children_cpu()?;
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
    ensure!(output.status.success(), "the import failed: {}", String::from_utf8_lossy(&output.stderr));
    let height = network.height(0).context("node 0 does not answer")?;
    for node in 0..4 {
        network.wait_height(node, height);
    }
    let cpu = cpu_of(&network)? - before;
    let load = children_cpu()? - load_before;
    line(
        "past grants through four validators",
        f64::from(rows) / wall,
        "tx/s",
        "bar for an import of 18,148: 605 tx/s",
    );
    line("  CPU of the four validators", cpu * 1e6 / f64::from(rows), "us/tx", "bar for mixed-v1: 400 us/tx");
    line("  CPU of the load", load * 1e6 / f64::from(rows), "us/tx", "");
    for node in 0..4 {
        let memory = memory_of(network.pid(node).context("it runs")?)?;
        line(&format!("  resident memory of node {node}"), memory, "MB", "bar: 300 MB after the import");
    }
    line(
        "  on disk of node 0, before compaction",
        bytes_of(&network.home(0).join("data"))? / f64::from(rows),
        "bytes/tx",
        "bar after compaction: 1,500",
    );

    let archive = network.path().join("bench.octroi");
    let exported = network.octroi(&["export", "archive", &archive.display().to_string()]);
    ensure!(exported.status.success(), "the export failed: {}", String::from_utf8_lossy(&exported.stderr));
    let start = Instant::now();
    let verdict = network.data(&["audit", "replay", &archive.display().to_string()]);
    let transactions = number(&verdict["transactions"]).context("a verdict without transactions")?;
    ensure!(verdict["sound"] == true, "the auditor reports findings: {verdict}");
    line(
        "replay by the auditor, process start included",
        transactions as f64 / start.elapsed().as_secs_f64(),
        "tx/s",
        "bar: 15,000 tx/s on two cores",
    );

    network.kill(0);
    let start = Instant::now();
    network.start(0);
    network.wait_ready();
    line("restart to ready, 2 s of listening included", start.elapsed().as_secs_f64(), "s", "bar: 5 s at 10^5 records");
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

/// CPU seconds of the four validators, user and system.
fn cpu_of(network: &Network) -> Result<f64> {
    let mut sum = 0.0;
    for node in 0..4 {
        let pid = network.pid(node).context("it runs")?;
        sum += stat_seconds(&std::fs::read_to_string(format!("/proc/{pid}/stat"))?, 11)?;
    }
    Ok(sum)
}

/// CPU seconds of children that ended: the load.
fn children_cpu() -> Result<f64> {
    stat_seconds(&std::fs::read_to_string("/proc/self/stat")?, 13)
}

/// Two fields of a stat line behind the program's name, in ticks of 10 ms.
fn stat_seconds(stat: &str, first: usize) -> Result<f64> {
    let rest = stat.rsplit(')').next().context("a stat line without a name")?;
    let ticks: Vec<f64> = rest.split_whitespace().skip(first).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() / 100.0)
}

fn memory_of(pid: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<f64>()? / 1024.0)
}

fn bytes_of(folder: &Path) -> Result<f64> {
    let mut sum = 0.0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        sum += if metadata.is_dir() { bytes_of(&entry.path())? } else { metadata.len() as f64 };
    }
    Ok(sum)
}
