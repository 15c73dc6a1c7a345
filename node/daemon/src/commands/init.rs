//! `octroid init`: the folder of one node.

use crate::{
    config::{Config, Grpc, Log, Node, P2p},
    exit::Stop,
    files,
    node::storage,
};
use clap::Args;
use std::{net::SocketAddr, path::PathBuf};

/// Make the folder of a node.
#[derive(Debug, Args)]
pub struct Init {
    /// Folder to make; nothing in it is overwritten.
    #[arg(long, default_value = ".")]
    pub home: PathBuf,
    /// The sealed genesis; it is copied into the folder.
    #[arg(long)]
    pub genesis: PathBuf,
    /// Secret consensus key made by 'octroid genesis join-request' or 'octroid keys new'; without one the node is an observer.
    #[arg(long)]
    pub consensus_key: Option<PathBuf>,
    /// Secret network key; made new when not given.
    #[arg(long)]
    pub network_key: Option<PathBuf>,
    /// Address for other nodes.
    #[arg(long, default_value = "127.0.0.1:27200")]
    pub p2p: SocketAddr,
    /// Address for clients.
    #[arg(long, default_value = "127.0.0.1:27300")]
    pub grpc: SocketAddr,
    /// Another node, as NETWORK_KEY@ADDRESS.
    #[arg(long = "peer")]
    pub peers: Vec<String>,
}

impl Init {
    /// Does it.
    pub fn run(self) -> Result<(), Stop> {
        let genesis = files::read_genesis(&self.genesis)?;
        genesis.state().map_err(|error| Stop::config(format!("{}: {error}", self.genesis.display())))?;
        let network_key = match &self.network_key {
            Some(path) => files::read_secret(path)?,
            None => files::new_secret()?,
        };
        files::create_secret(&self.home.join("keys/network.key"), &files::secret_text(&network_key))?;
        let consensus = self.consensus_key.as_deref().map(files::read_secret).transpose()?;
        if let Some(key) = &consensus {
            files::create_secret(&self.home.join("keys/consensus.key"), &files::secret_text(key))?;
        }
        files::create(&self.home.join("genesis.toml"), &files::read(&self.genesis)?)?;
        let peers = self.peers.iter().map(|peer| crate::config::peer(peer)).collect::<Result<Vec<_>, Stop>>()?;
        let config = Config {
            node: Node { consensus_key: consensus.as_ref().map(|_| "keys/consensus.key".into()), ..Node::default() },
            p2p: P2p { listen: self.p2p },
            grpc: Grpc { listen: self.grpc, ..Grpc::default() },
            log: Log::default(),
            peers,
        };
        files::create(&self.home.join("octroid.toml"), &crate::config::render(&config))?;
        storage::create(&self.home.join("data"), &genesis, consensus.as_ref().map(|key| key.public()))?;
        eprintln!(
            "node folder {} is ready: start it with 'octroid run --config {}'",
            self.home.display(),
            self.home.join("octroid.toml").display()
        );
        files::say(format_args!("network key {}", network_key.public()))?;
        Ok(())
    }
}
