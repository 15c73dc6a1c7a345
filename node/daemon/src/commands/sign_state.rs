//! `octroid sign-state`: carries the guard against signing twice to another machine. Of two, the higher wins; it never goes back.

use super::Settings;
use crate::{
    exit::{Exit, Stop},
    files,
    node::storage,
};
use clap::Subcommand;
use std::path::PathBuf;

/// Carry the sign state.
#[derive(Debug, Subcommand)]
pub enum SignStateCommand {
    /// Write a copy. Stop the node first, and never start it here again.
    Export {
        #[command(flatten)]
        settings: Settings,
        /// Where to.
        out: PathBuf,
    },
    /// Take in a copy; the higher of the two stays.
    Import {
        #[command(flatten)]
        settings: Settings,
        /// Where from.
        file: PathBuf,
    },
}

impl SignStateCommand {
    /// Does it.
    pub fn run(self) -> Result<(), Stop> {
        let (settings, import) = match &self {
            Self::Export { settings, .. } => (settings, false),
            Self::Import { settings, .. } => (settings, true),
        };
        let config = settings.load()?.config;
        let genesis = files::read_genesis(&config.node.genesis)?;
        let key_file = config
            .node
            .consensus_key
            .as_ref()
            .ok_or_else(|| Stop::config("this node is an observer and signs nothing"))?;
        let key = files::read_secret(key_file)?.public();
        let (Self::Export { out: file, .. } | Self::Import { file, .. }) = &self;
        if import {
            let bytes = std::fs::read(file).map_err(|error| files::fault(file, &error))?;
            let state = octroi_consensus::SignState::read(&bytes, &genesis.network(), &key)
                .map_err(|error| Stop::new(Exit::SignState, format!("{}: {error}", file.display())))?;
            storage::import_sign_state(&config.node.data, &genesis.network(), &key, state)?;
            eprintln!("taken in from {}", file.display());
        } else {
            let state = storage::read_sign_state(&config.node.data, &genesis.network(), &key)?;
            std::fs::write(file, state.file()).map_err(|error| files::fault(file, &error))?;
            eprintln!("written to {}; never start this node here again", file.display());
        }
        Ok(())
    }
}
