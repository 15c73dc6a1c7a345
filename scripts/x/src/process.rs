//! Programs of this repository: where they are, how they are built and started.

use anyhow::{Context, Result, bail};
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// The root of the repository. Asked when it runs: a target folder outlives the clone that filled it.
pub fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&package).join("../..").canonicalize().unwrap_or_else(|_| PathBuf::from("."))
}

/// Cargo, in the repository.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments);
    command
}

/// Runs a command to its end; its output is shown.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    if !status.success() {
        bail!("{} failed: {status}", shown(command));
    }
    Ok(())
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// `octroid` and `octroi`, built.
pub struct Programs {
    /// The node.
    pub octroid: PathBuf,
    /// The command line.
    pub octroi: PathBuf,
}

/// Builds the two programs; cargo's own progress is shown.
pub fn build() -> Result<Programs> {
    run(&mut cargo(&["build", "--release", "--bin", "octroid", "--bin", "octroi"]))?;
    built()
}

/// The two programs as they lie beside this one.
pub fn built() -> Result<Programs> {
    let folder = std::env::current_exe()?.parent().context("this program lies in no folder")?.to_owned();
    let programs = Programs { octroid: folder.join("octroid"), octroi: folder.join("octroi") };
    for program in [&programs.octroid, &programs.octroi] {
        if !program.is_file() {
            bail!("{} was not built", program.display());
        }
    }
    Ok(programs)
}

/// A child that is stopped when it is dropped: first asked, then killed.
pub struct Node {
    name: String,
    child: Child,
}

impl Node {
    /// Starts `octroid run` on a node's folder; its log goes into the folder.
    pub fn start(octroid: &Path, home: &Path) -> Result<Self> {
        let log = std::fs::File::options().create(true).append(true).open(home.join("log"))?;
        let child = Command::new(octroid)
            .arg("run")
            .arg("--config")
            .arg(home.join("octroid.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", octroid.display()))?;
        Ok(Self { name: home.display().to_string(), child })
    }

    /// Whether it still runs; an error names its log.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("node {} ended: {status}; see {}/log", self.name, self.name),
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            // One that ended already is no fault.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
