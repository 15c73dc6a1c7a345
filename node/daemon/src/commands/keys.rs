//! `octroid keys`: the keys of a node, for a validator that joins a network which runs already (rulebook §2). No secret is printed.

use super::Settings;
use crate::{exit::Stop, files};
use clap::Subcommand;
use octroi_ledger::registry::announce_ready::ready_message;
use octroi_primitives::{BlockId, ChangeId, Height, PossessionPurpose, SecretKey, prove_possession};
use std::path::{Path, PathBuf};

/// The keys of a node.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a secret key; 'octroid init' takes it as consensus or network key.
    New {
        /// Where to write it; a file that is there stays as it is.
        out: PathBuf,
    },
    /// Print the public keys and the proof that a change admitting this validator carries.
    Show {
        #[command(flatten)]
        settings: Settings,
    },
    /// Print the payload by which an admitted validator shows that it follows the chain: hand it to 'octroi announce-ready --payload'.
    Ready {
        #[command(flatten)]
        settings: Settings,
        /// The change that admits this validator.
        #[arg(long)]
        change: ChangeId,
        /// Height of one of the last 1,000 blocks.
        #[arg(long)]
        height: u64,
        /// Its id, as this node has it.
        #[arg(long)]
        block: BlockId,
    },
}

impl KeysCommand {
    /// Does it.
    pub fn run(self) -> Result<(), Stop> {
        match self {
            Self::New { out } => new(&out),
            Self::Show { settings } => show(&settings),
            Self::Ready { settings, change, height, block } => ready(&settings, &change, Height(height), &block),
        }
    }
}

fn new(out: &Path) -> Result<(), Stop> {
    let secret = files::new_secret()?;
    files::create_secret(out, &files::secret_text(&secret))?;
    files::say(secret.public())?;
    Ok(())
}

fn consensus_key(path: Option<&Path>) -> Result<SecretKey, Stop> {
    let path = path.ok_or_else(|| {
        Stop::config("this node is an observer and has no consensus key")
            .hint("make one with 'octroid keys new', and the node's folder with 'octroid init --consensus-key'")
    })?;
    files::read_secret(path)
}

fn show(settings: &Settings) -> Result<(), Stop> {
    let config = settings.load()?.config;
    let genesis = files::read_genesis(&config.node.genesis)?;
    let network = files::read_secret(&config.node.network_key)?;
    let consensus = consensus_key(config.node.consensus_key.as_deref())?;
    let possession = prove_possession(&consensus, PossessionPurpose::Consensus, genesis.name.as_str());
    files::say(format_args!("consensus_key = \"{}\"", consensus.public()))?;
    files::say(format_args!("network_key = \"{}\"", network.public()))?;
    files::say(format_args!("possession = \"{possession}\""))?;
    Ok(())
}

fn ready(settings: &Settings, change: &ChangeId, height: Height, block: &BlockId) -> Result<(), Stop> {
    let config = settings.load()?.config;
    let network = files::read_genesis(&config.node.genesis)?.network();
    let consensus = consensus_key(config.node.consensus_key.as_deref())?;
    // What is signed has a domain of its own: it is no vote, so the guard against signing twice has no part in it.
    let signature = consensus.sign(&ready_message(&network, change, block));
    files::say(format_args!("[announce_ready]"))?;
    files::say(format_args!("change = \"{change}\""))?;
    files::say(format_args!("block = \"{block}\""))?;
    files::say(format_args!("block_height = {height}"))?;
    files::say(format_args!("signature = \"{signature}\""))?;
    Ok(())
}
