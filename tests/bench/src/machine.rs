//! What the kernel says: CPU of processes and of the machine, memory, bytes on disk.

use anyhow::{Context, Result};
use std::path::Path;

/// CPU of the whole machine since it started, in ticks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Machine {
    all: f64,
    idle: f64,
    steal: f64,
}

/// Shares of the machine between two moments, 0 to 1.
#[derive(Debug, Clone, Copy)]
pub struct Shares {
    /// Nothing ran, or it waited for a disk.
    pub idle: f64,
    /// Another machine had our processor.
    pub steal: f64,
}

impl Machine {
    /// Now.
    pub fn now() -> Result<Self> {
        let text = std::fs::read_to_string("/proc/stat")?;
        let line = text.lines().next().context("an empty /proc/stat")?;
        let ticks: Vec<f64> = line.split_whitespace().skip(1).take(8).map(str::parse).collect::<Result<_, _>>()?;
        let at = |index: usize| ticks.get(index).copied().unwrap_or(0.0);
        Ok(Self { all: ticks.iter().sum(), idle: at(3) + at(4), steal: at(7) })
    }

    /// Shares since an earlier moment.
    pub fn since(&self, earlier: &Self) -> Shares {
        let all = (self.all - earlier.all).max(1.0);
        Shares { idle: (self.idle - earlier.idle) / all, steal: (self.steal - earlier.steal) / all }
    }
}

/// CPU seconds of a process, user and system.
pub fn cpu_of(pid: u32) -> Result<f64> {
    seconds(&std::fs::read_to_string(format!("/proc/{pid}/stat"))?, 11)
}

/// CPU seconds of this process.
pub fn own_cpu() -> Result<f64> {
    seconds(&std::fs::read_to_string("/proc/self/stat")?, 11)
}

/// CPU seconds of our children that ended.
pub fn children_cpu() -> Result<f64> {
    seconds(&std::fs::read_to_string("/proc/self/stat")?, 13)
}

/// Two fields of a stat line behind the program's name, in ticks of 10 ms.
fn seconds(stat: &str, first: usize) -> Result<f64> {
    let rest = stat.rsplit(')').next().context("a stat line without a name")?;
    let ticks: Vec<f64> = rest.split_whitespace().skip(first).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() / 100.0)
}

/// Resident memory of a process, MB of 10^6 bytes.
pub fn memory_of(pid: u32) -> Result<f64> {
    memory(&std::fs::read_to_string(format!("/proc/{pid}/status"))?)
}

/// Resident memory of this process, MB of 10^6 bytes.
pub fn own_memory() -> Result<f64> {
    memory(&std::fs::read_to_string("/proc/self/status")?)
}

fn memory(status: &str) -> Result<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<f64>()? * 1_024.0 / 1e6)
}

/// Bytes of all files below a folder.
pub fn bytes_of(folder: &Path) -> Result<f64> {
    let mut sum = 0.0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        sum += if metadata.is_dir() { bytes_of(&entry.path())? } else { metadata.len() as f64 };
    }
    Ok(sum)
}
