//! `octroid config`: what the settings are, and where each comes from.

use super::Settings;
use crate::{config::Loaded, exit::Stop, files};
use clap::Subcommand;
use toml::Value;

/// Look at the settings.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print the settings in force.
    Show {
        #[command(flatten)]
        settings: Settings,
        /// Say where each comes from.
        #[arg(long)]
        origin: bool,
    },
    /// Check the settings and the files they name, without starting.
    Validate {
        #[command(flatten)]
        settings: Settings,
    },
}

impl ConfigCommand {
    /// Does it.
    pub fn run(self) -> Result<(), Stop> {
        match self {
            Self::Show { settings, origin } => {
                let loaded = settings.load()?;
                if origin { show_origins(&loaded) } else { show(&loaded) }
            }
            Self::Validate { settings } => {
                let Loaded { config, .. } = settings.load()?;
                let genesis = files::read_genesis(&config.node.genesis)?;
                let state = genesis
                    .state()
                    .map_err(|error| Stop::config(format!("{}: {error}", config.node.genesis.display())))?;
                files::read_secret(&config.node.network_key)?;
                let role = match &config.node.consensus_key {
                    None => "observer".to_owned(),
                    Some(path) => {
                        let key = files::read_secret(path)?.public();
                        match state.validators().get(&key) {
                            Some(validator) => format!("validator of organisation {}", validator.organisation),
                            None => format!("validator with key {key}, which is not in the first set"),
                        }
                    }
                };
                files::say(format_args!(
                    "settings are valid: network {} ({}), {role}",
                    genesis.name,
                    genesis.network()
                ))?;
                Ok(())
            }
        }
    }
}

fn table(loaded: &Loaded) -> Result<toml::Table, Stop> {
    match Value::try_from(&loaded.config) {
        Ok(Value::Table(table)) => Ok(table),
        Ok(_) | Err(_) => Err(Stop::config("the settings have no TOML form")),
    }
}

fn show(loaded: &Loaded) -> Result<(), Stop> {
    files::say(table(loaded)?.to_string().trim_end())?;
    Ok(())
}

fn show_origins(loaded: &Loaded) -> Result<(), Stop> {
    let table = table(loaded)?;
    for (key, origin) in &loaded.origins {
        let value = match key.split_once('.') {
            Some((section, name)) => table.get(section).and_then(|section| section.get(name)),
            None => table.get(key),
        };
        let value = value.map_or("(not set)".to_owned(), ToString::to_string);
        files::say(format_args!("{key} = {value}    # {origin}"))?;
    }
    Ok(())
}
