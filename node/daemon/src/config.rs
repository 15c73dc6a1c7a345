//! Settings of one node: file, then environment, then flags; what all nodes must agree on is in genesis or in the state, never here.
//!
//! Unknown keys are errors with a suggestion; relative paths are relative to the file.

use crate::exit::Stop;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};
use toml::{Table, Value};

/// Everything a node can be told.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Files.
    #[serde(default)]
    pub node: Node,
    /// The network of validators.
    #[serde(default)]
    pub p2p: P2p,
    /// The interface for clients.
    #[serde(default)]
    pub grpc: Grpc,
    /// What the node says of itself.
    #[serde(default)]
    pub log: Log,
    /// Where the others are: validators, and observers that may connect.
    #[serde(default)]
    pub peers: Vec<Peer>,
}

/// Files of a node.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Node {
    /// Folder of the store, the log and the sign state.
    pub data: PathBuf,
    /// The sealed genesis.
    pub genesis: PathBuf,
    /// Secret consensus key; absent for an observer.
    pub consensus_key: Option<PathBuf>,
    /// Secret network key.
    pub network_key: PathBuf,
    /// Milliseconds a validator listens for its own key before it signs.
    pub listen_ms: u64,
}

impl Default for Node {
    fn default() -> Self {
        Self {
            data: "data".into(),
            genesis: "genesis.toml".into(),
            consensus_key: None,
            network_key: "keys/network.key".into(),
            listen_ms: 2_000,
        }
    }
}

/// The network of validators.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct P2p {
    /// Address to listen on.
    pub listen: SocketAddr,
}

impl Default for P2p {
    fn default() -> Self {
        Self { listen: ([127, 0, 0, 1], 27200).into() }
    }
}

/// The interface for clients.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grpc {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Certificate chain, PEM; with `tls_key` turns TLS on.
    pub tls_certificate: Option<PathBuf>,
    /// Secret key of the certificate, PEM.
    pub tls_key: Option<PathBuf>,
    /// Certificates that sign clients, PEM; turns mutual TLS on.
    pub tls_client_ca: Option<PathBuf>,
    /// Requests a second of one caller; streams count each message.
    pub rate: u32,
    /// Connections at once.
    pub connections: usize,
}

impl Default for Grpc {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 27300).into(),
            tls_certificate: None,
            tls_key: None,
            tls_client_ca: None,
            rate: 2_000,
            connections: 256,
        }
    }
}

/// What the node says of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Filter, such as `info` or `octroi_network=debug,info`.
    pub filter: String,
    /// `text`, `json`, or `auto`: text on a terminal.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        // Each vote is a line to the consensus core, each repeated announcement a warning to gossip: nothing that an operator acts on.
        let filter = "info,arc_malachitebft_core_consensus=warn,libp2p_swarm=warn,libp2p_gossipsub=error";
        Self { filter: filter.into(), format: LogFormat::Auto }
    }
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Another node.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Its public network key, 64 hexadecimal digits.
    pub network_key: String,
    /// Where it listens; absent: it connects to us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
}

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// The file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// `--set`.
    Flag,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag => f.write_str("flag --set"),
        }
    }
}

/// Settings with where each comes from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings, paths made absolute.
    pub config: Config,
    /// By dotted key.
    pub origins: BTreeMap<String, Origin>,
}

/// Prefix of environment variables: `OCTROI_GRPC__LISTEN` sets `grpc.listen`.
pub const ENVIRONMENT_PREFIX: &str = "OCTROI_";
const SECTIONS: [&str; 4] = ["node", "p2p", "grpc", "log"];

/// Reads the settings.
///
/// # Errors
/// A file that cannot be read, an unknown key (with a suggestion), a value of the wrong sort.
pub fn load(
    file: &Path,
    environment: impl IntoIterator<Item = (String, String)>,
    flags: &[String],
) -> Result<Loaded, Stop> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Stop::config(format!("config file {}: {error}", file.display()))
            .hint("make one with 'octroid init --genesis GENESIS' or name it with --config")
    })?;
    let mut table: Table = text
        .parse()
        .map_err(|error: toml::de::Error| Stop::config(format!("config file {}: {error}", file.display())))?;
    let mut origins = BTreeMap::new();
    for key in keys(&table) {
        origins.insert(key, Origin::File(file.to_owned()));
    }
    for (name, value) in environment {
        let Some(path) = name.strip_prefix(ENVIRONMENT_PREFIX) else { continue };
        let Some((section, key)) = path.split_once("__") else { continue };
        let (section, key) = (section.to_lowercase(), key.to_lowercase());
        set(&mut table, &section, &key, &value);
        origins.insert(format!("{section}.{key}"), Origin::Environment(name));
    }
    for flag in flags {
        let (path, value) = flag.split_once('=').ok_or_else(|| {
            Stop::config(format!("--set {flag:?} has no '='")).hint("write --set grpc.listen=127.0.0.1:27300")
        })?;
        let (section, key) = path.split_once('.').ok_or_else(|| {
            Stop::config(format!("--set {path:?} names no section")).hint("write --set grpc.listen=...")
        })?;
        set(&mut table, section, key, value);
        origins.insert(path.to_owned(), Origin::Flag);
    }
    check_known(&table, &origins)?;
    let mut config: Config = Value::Table(table).try_into().map_err(|error: toml::de::Error| {
        Stop::config(format!("config file {}: {}", file.display(), error.message()))
    })?;
    let base = file.parent().unwrap_or(Path::new("."));
    let base = std::path::absolute(base).unwrap_or_else(|_| base.to_owned());
    make_absolute(&mut config, &base);
    for key in known_keys() {
        origins.entry(key).or_insert(Origin::Default);
    }
    Ok(Loaded { config, origins })
}

/// Numbers and booleans are read as such, all else as text.
fn set(table: &mut Table, section: &str, key: &str, value: &str) {
    let parsed = value.parse::<i64>().map(Value::Integer).or_else(|_| value.parse::<bool>().map(Value::Boolean));
    let value = parsed.unwrap_or_else(|_| Value::String(value.to_owned()));
    let entry = table.entry(section.to_owned()).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(section) = entry {
        section.insert(key.to_owned(), value);
    }
}

fn keys(table: &Table) -> Vec<String> {
    let mut found = Vec::new();
    for (section, value) in table {
        match value {
            Value::Table(inner) => found.extend(inner.keys().map(|key| format!("{section}.{key}"))),
            _ => found.push(section.clone()),
        }
    }
    found
}

/// Every key that a file may set.
pub fn known_keys() -> Vec<String> {
    let optional = ["node.consensus_key", "grpc.tls_certificate", "grpc.tls_key", "grpc.tls_client_ca"];
    let defaults = Config {
        node: Node::default(),
        p2p: P2p::default(),
        grpc: Grpc::default(),
        log: Log::default(),
        peers: Vec::new(),
    };
    let mut known = match Value::try_from(defaults) {
        Ok(Value::Table(table)) => keys(&table),
        _ => Vec::new(),
    };
    known.extend(optional.map(str::to_owned));
    known.sort();
    known.dedup();
    known
}

fn check_known(table: &Table, origins: &BTreeMap<String, Origin>) -> Result<(), Stop> {
    let known = known_keys();
    for key in keys(table) {
        if known.contains(&key) || (table.get(&key).is_some_and(Value::is_table) && SECTIONS.contains(&key.as_str())) {
            continue;
        }
        let origin = origins.get(&key).cloned().unwrap_or(Origin::Default);
        let stop = Stop::config(format!("unknown setting {key:?} ({origin})"));
        let nearest =
            known.iter().max_by(|a, b| strsim::jaro_winkler(a, &key).total_cmp(&strsim::jaro_winkler(b, &key)));
        return Err(match nearest.filter(|near| strsim::jaro_winkler(near, &key) > 0.8) {
            Some(near) => stop.hint(format!("did you mean {near:?}?")),
            None => stop.hint(format!("known settings: {}", known.join(", "))),
        });
    }
    Ok(())
}

fn make_absolute(config: &mut Config, base: &Path) {
    let Config { node, grpc, .. } = config;
    let paths = [&mut node.data, &mut node.genesis, &mut node.network_key];
    let optional = [&mut node.consensus_key, &mut grpc.tls_certificate, &mut grpc.tls_key, &mut grpc.tls_client_ca];
    for path in paths.into_iter().chain(optional.into_iter().flatten()) {
        *path = base.join(&path);
    }
}

/// The file of these settings.
pub fn render(config: &Config) -> String {
    toml::to_string(config).expect("every setting has a TOML form")
}

/// A peer from the command line: NETWORK_KEY@ADDRESS.
///
/// # Errors
/// Neither a key nor an address.
pub fn peer(text: &str) -> Result<Peer, Stop> {
    let wrong =
        || Stop::config(format!("peer {text:?}")).hint("write NETWORK_KEY@ADDRESS, such as 9f...@192.0.2.7:27200");
    let (network_key, address) = text.split_once('@').ok_or_else(wrong)?;
    network_key.parse::<octroi_primitives::PublicKey>().map_err(|_| wrong())?;
    Ok(Peer { network_key: network_key.to_owned(), address: Some(address.parse().map_err(|_| wrong())?) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    fn written(text: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("octroid.toml"), text).unwrap();
        folder
    }

    #[test]
    fn flags_win_over_environment_and_environment_over_the_file() {
        let folder = written("[grpc]\nlisten = \"127.0.0.1:1\"\nrate = 5\n[p2p]\nlisten = \"127.0.0.1:2\"\n");
        let file = folder.path().join("octroid.toml");
        let environment =
            [("OCTROI_GRPC__LISTEN".into(), "127.0.0.1:3".into()), ("OCTROI_GRPC__RATE".into(), "7".into())];
        let loaded = load(&file, environment, &["grpc.rate=9".into()]).unwrap();
        assert_eq!(loaded.config.grpc.listen.port(), 3);
        assert_eq!(loaded.config.grpc.rate, 9);
        assert_eq!(loaded.config.p2p.listen.port(), 2);
        assert_eq!(loaded.origins["grpc.rate"], Origin::Flag);
        assert_eq!(loaded.origins["log.filter"], Origin::Default);
        assert_eq!(loaded.config.node.data, folder.path().join("data"));
    }

    #[test]
    fn an_unknown_key_is_an_error_with_a_suggestion() {
        let folder = written("[grpc]\nlissten = \"127.0.0.1:1\"\n");
        let stop = load(&folder.path().join("octroid.toml"), [], &[]).unwrap_err();
        assert_eq!(stop.exit, Exit::Config);
        assert_eq!(stop.hint.as_deref(), Some("did you mean \"grpc.listen\"?"));
    }
}
