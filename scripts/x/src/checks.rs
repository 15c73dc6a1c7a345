//! What must pass, step by step, with the time each takes.

use crate::process::{cargo, root, run};
use anyhow::{Context, Result};
use clap::Args;
use std::{
    process::{Command, ExitCode},
    time::Instant,
};

/// Everything that must pass.
#[derive(Debug, Args)]
pub struct Test {}

impl Test {
    /// Does it.
    pub fn run(self) -> Result<ExitCode> {
        if std::env::var_os("OCTROI_SHARED").is_none() {
            eprintln!("OCTROI_SHARED is not set: tests on real data say that they were skipped");
        }
        let mut steps = Steps::default();
        steps.step("format", || run(&mut cargo(&["fmt", "--all", "--check"])))?;
        steps.step("lints", || run(&mut clippy()))?;
        let python = steps.step("python", python)?;
        // Programs and tests in one go: built apart, they would differ in features, and everything above the ledger would be compiled twice.
        steps.step("build", || run(&mut cargo(&["build", "--release", "--workspace", "--all-targets"])))?;
        let mut tests = cargo(&["test", "--release", "--workspace"]);
        tests.env("OCTROI_PYTHON", &python);
        steps.step("tests", || run(&mut tests))?;
        steps.report();
        Ok(ExitCode::SUCCESS)
    }
}

/// Format, lints, layers.
pub fn check() -> Result<ExitCode> {
    let mut steps = Steps::default();
    steps.step("format", || run(&mut cargo(&["fmt", "--all", "--check"])))?;
    steps.step("lints", || run(&mut clippy()))?;
    steps.step("layers", || run(&mut cargo(&["test", "--release", "--package", "octroi-tidy"])))?;
    steps.report();
    Ok(ExitCode::SUCCESS)
}

/// Hands over to the bench.
pub fn bench(arguments: &[String]) -> Result<ExitCode> {
    run(&mut cargo(&["build", "--release", "--bin", "octroid", "--bin", "octroi"]))?;
    let mut bench = cargo(&["run", "--quiet", "--release", "--package", "octroi-bench", "--"]);
    run(bench.args(arguments))?;
    Ok(ExitCode::SUCCESS)
}

fn clippy() -> Command {
    cargo(&["clippy", "--release", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"])
}

/// A Python with the packages that tests of the client example and of the vectors need, in the target folder.
fn python() -> Result<String> {
    let target =
        std::env::current_exe()?.parent().and_then(|release| release.parent()).context("no target folder")?.to_owned();
    let folder = target.join("python");
    let python = folder.join("bin/python");
    if !python.is_file() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    }
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    for list in ["client/examples/python/requirements.txt", "tests/vectors/requirements.txt"] {
        pip.arg("--requirement").arg(root().join(list));
    }
    run(&mut pip)?;
    Ok(python.display().to_string())
}

/// Steps with their times.
#[derive(Default)]
struct Steps(Vec<(&'static str, f64)>);

impl Steps {
    fn step<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        eprintln!("== {name}");
        let start = Instant::now();
        let result = work().with_context(|| format!("step {name:?}"))?;
        self.0.push((name, start.elapsed().as_secs_f64()));
        Ok(result)
    }

    fn report(&self) {
        let total: f64 = self.0.iter().map(|(_, seconds)| seconds).sum();
        for (name, seconds) in &self.0 {
            eprintln!("{name:>10} {seconds:8.1} s");
        }
        eprintln!("{:>10} {total:8.1} s", "all");
    }
}
