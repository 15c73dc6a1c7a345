//! The demo: four validators on loopback, a funding year through gRPC, an audit of the chain, one summary line.

mod session;
mod show;
mod story;

use crate::process::{self, Node, Programs};
use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use session::Session;
use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

/// Play a funding year.
#[derive(Debug, Args)]
pub struct Demo {
    /// Leave the network up when done, and print its addresses and what to try next.
    #[arg(long)]
    keep: bool,
    /// Also publish this SCDL file as past grants.
    #[arg(long, value_name = "FILE.csv")]
    data: Option<PathBuf>,
    /// First port for nodes among themselves; the four after it are used too.
    #[arg(long, default_value_t = 27600)]
    p2p_port: u16,
    /// First port for clients; the four after it are used too.
    #[arg(long, default_value_t = 27700)]
    grpc_port: u16,
    /// Change one byte of the archive before the audit: the demo must then fail. For tests of the demo itself.
    #[arg(long, hide = true)]
    tamper: bool,
    /// Take the programs that lie beside this one, and build nothing.
    #[arg(long, hide = true)]
    built: bool,
}

impl Demo {
    /// Does it.
    pub fn run(self) -> Result<ExitCode> {
        if let Some(data) = &self.data
            && !data.is_file()
        {
            bail!("{} is no file; --data takes an SCDL file of subsidies", data.display());
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        match runtime.block_on(self.play()) {
            Ok(summary) => {
                println!("demo: ok {summary}");
                Ok(ExitCode::SUCCESS)
            }
            Err(error) => {
                println!("demo: FAILED {error:#}");
                Ok(ExitCode::FAILURE)
            }
        }
    }

    async fn play(&self) -> Result<String> {
        let start = Instant::now();
        let programs = if self.built {
            process::built()?
        } else {
            say("building (the first time takes a quarter of an hour: RocksDB is compiled once)");
            process::build()?
        };
        self.ports_are_free()?;
        let folder = tempfile::Builder::new().prefix("octroi-demo-").tempdir()?;
        let network = folder.path().join("network");

        say("making and sealing a genesis for four validators");
        process::run(
            Command::new(&programs.octroid)
                .args(["testnet", "new", "--dir"])
                .arg(&network)
                .args(["--p2p-port", &self.p2p_port.to_string(), "--grpc-port", &self.grpc_port.to_string()])
                .stdout(std::process::Stdio::null()),
        )?;
        say("starting four validators on loopback");
        let mut nodes = Vec::new();
        for index in 0..4 {
            nodes.push(Node::start(&programs.octroid, &network.join(format!("node-{index}")))?);
        }
        let mut session = connected(&network, &mut nodes).await?;
        let outcome = story::play(&mut session).await?;
        if let Some(data) = &self.data {
            self.publish(&programs, &network, data)?;
        }
        let audit = self.audit(&programs, &network, folder.path())?;
        // Read after the replay, so that the line speaks of the chain that was audited and of nothing else.
        let (height, transactions) = session.tip().await?;
        let paid = story::grants_paid(&mut session, &outcome).await?;
        let summary = format!("height={height} transactions={transactions} grants_paid={paid} audit={audit}");
        if self.keep {
            self.keep_up(nodes, &network, &programs, folder)?;
        }
        say(&format!("done in {:.0} s", start.elapsed().as_secs_f64()));
        Ok(summary)
    }

    fn publish(&self, programs: &Programs, network: &Path, data: &Path) -> Result<()> {
        say(&format!("publishing {} as past grants", data.display()));
        process::run(octroi(programs, network).args(["--as", "public-bank.publishing", "import", "scdl"]).arg(data))
    }

    /// Another network on these ports would answer in place of ours, and refuse everything.
    fn ports_are_free(&self) -> Result<()> {
        for first in [self.p2p_port, self.grpc_port] {
            for port in first..first.saturating_add(4) {
                std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port)).map_err(|error| {
                    anyhow!(
                        "port {port}: {error}; end the other demo, or choose others with --p2p-port and --grpc-port"
                    )
                })?;
            }
        }
        Ok(())
    }

    /// Exports the chain and replays it with the auditor's program; gives its verdict in one word.
    fn audit(&self, programs: &Programs, network: &Path, folder: &Path) -> Result<String> {
        say("replaying the chain as an auditor would");
        let archive = folder.join("chain.octroi");
        process::run(
            octroi(programs, network).args(["export", "archive"]).arg(&archive).stdout(std::process::Stdio::null()),
        )?;
        if self.tamper {
            let mut bytes = std::fs::read(&archive)?;
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(&archive, bytes)?;
        }
        let status = octroi(programs, network)
            .args(["audit", "replay"])
            .arg(&archive)
            .status()
            .context("cannot start octroi")?;
        match status.code() {
            Some(0) => Ok("clean".to_owned()),
            Some(8) => bail!("the auditor reports findings"),
            _ => bail!("the audit itself failed: {status}"),
        }
    }

    fn keep_up(&self, nodes: Vec<Node>, network: &Path, programs: &Programs, folder: tempfile::TempDir) -> Result<()> {
        let endpoint = format!("http://127.0.0.1:{}", self.grpc_port);
        let octroi = programs.octroi.display();
        let context = network.join("contexts.toml");
        println!();
        println!("The network is up. Its clients' addresses are {endpoint} and the next three ports.");
        println!("Try:");
        println!("  export OCTROI_CONFIG={}", context.display());
        println!("  {octroi} status");
        println!("  {octroi} grant list");
        println!("  {octroi} fund show commun");
        println!("  {octroi} watch");
        let ids: Vec<String> = nodes.iter().map(|node| node.id().to_string()).collect();
        println!("Stop it with: kill {}", ids.join(" "));
        // The nodes and their folder outlive this program on purpose: the person asked for it, and was told how to end it.
        nodes.into_iter().for_each(std::mem::forget);
        let _ = folder.keep();
        Ok(())
    }
}

fn octroi(programs: &Programs, network: &Path) -> Command {
    let mut command = Command::new(&programs.octroi);
    command.env("OCTROI_CONFIG", network.join("contexts.toml"));
    command
}

/// Waits until the network answers and has a quorum; a node that ends meanwhile is an error.
async fn connected(network: &Path, nodes: &mut [Node]) -> Result<Session> {
    let until = Instant::now() + Duration::from_secs(60);
    let mut reason = String::from("no node says why");
    loop {
        for node in nodes.iter_mut() {
            node.check()?;
        }
        match Session::open(network).await {
            Ok(mut session) => match session.unready().await {
                Ok(None) => return Ok(session),
                Ok(Some(words)) => reason = words,
                Err(_) => {}
            },
            Err(error) if Instant::now() > until => return Err(error.context("the network does not answer")),
            Err(_) => {}
        }
        if Instant::now() > until {
            bail!("the network is not ready after a minute: {reason}; see {}/node-0/log", network.display());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Progress goes to standard error.
fn say(what: &str) {
    eprintln!("demo: {what}");
}
