//! The commands, one file each.

mod config;
mod genesis;
mod init;
mod keys;
mod run;
mod sign_state;
mod testnet;

use crate::exit::Stop;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the folder of a node: keys, settings, an empty store and a new sign state.
    Init(init::Init),
    /// Run the node until SIGTERM or SIGINT.
    Run(run::Run),
    /// A whole network on this machine, for development.
    #[command(subcommand)]
    Testnet(testnet::Testnet),
    /// Agree on a genesis: drafts, join requests, sealing.
    #[command(subcommand)]
    Genesis(genesis::GenesisCommand),
    /// Look at the settings of a node.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// The keys of a node, for a validator that joins a network which runs already.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// The guard against signing twice: carry it from one machine to another.
    #[command(subcommand)]
    SignState(sign_state::SignStateCommand),
}

impl Command {
    /// Does it.
    pub fn run(self) -> Result<(), Stop> {
        match self {
            Self::Init(command) => command.run(),
            Self::Run(command) => command.run(),
            Self::Testnet(command) => command.run(),
            Self::Genesis(command) => command.run(),
            Self::Config(command) => command.run(),
            Self::Keys(command) => command.run(),
            Self::SignState(command) => command.run(),
        }
    }
}

/// Which settings.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// Settings file.
    #[arg(long, short, default_value = "octroid.toml")]
    pub config: PathBuf,
    /// Set one setting, over file and environment: --set grpc.listen=127.0.0.1:27300.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl Settings {
    /// Reads them.
    pub fn load(&self) -> Result<crate::config::Loaded, Stop> {
        crate::config::load(&self.config, std::env::vars(), &self.set)
    }
}
