//! `octroid run`.

use super::Settings;
use crate::{exit::Stop, node};
use clap::Args;

/// Run the node.
#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    settings: Settings,
}

impl Run {
    /// Does it.
    pub fn run(self) -> Result<(), Stop> {
        node::run(self.settings.load()?.config)
    }
}
