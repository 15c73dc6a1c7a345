//! `octroid testnet`: a whole network on this machine, for development. Keys are made here and protected by a passphrase that lies beside them.

use crate::{
    config::{Config, Grpc, Log, Node, P2p, Peer},
    exit::{Exit, Stop},
    files,
    node::storage,
};
use clap::{Args, Subcommand};
use octroi_client::keystore::{self, Cost, KeyMeta, Keyring};
use octroi_genesis::JoinRequest;
use octroi_primitives::{Code, SecretKey};
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command},
    time::Duration,
};

/// A network for development.
#[derive(Debug, Subcommand)]
pub enum Testnet {
    /// Make genesis, keys and node folders.
    New(New),
    /// Start all its nodes and stop them together.
    Up(Up),
}

/// Make a network.
#[derive(Debug, Args)]
pub struct New {
    /// Folder to make.
    #[arg(long, default_value = "testnet")]
    dir: PathBuf,
    /// First port: nodes listen for each other from here on.
    #[arg(long, default_value_t = 27200)]
    p2p_port: u16,
    /// First port for clients.
    #[arg(long, default_value_t = 27300)]
    grpc_port: u16,
    /// A draft of your own; it may already name public keys of others.
    #[arg(long)]
    draft: Option<PathBuf>,
    /// Nodes that follow without a vote.
    #[arg(long, default_value_t = 0)]
    observers: u16,
}

/// Start a network.
#[derive(Debug, Args)]
pub struct Up {
    /// Folder made by 'octroid testnet new'; made first when it does not exist.
    #[arg(long, default_value = "testnet")]
    dir: PathBuf,
}

/// The passphrase of every keystore of a development network: it protects nothing and says so.
const PASSPHRASE: &str = "octroi-devnet";

impl Testnet {
    /// Does it.
    pub fn run(self) -> Result<(), Stop> {
        match self {
            Self::New(new) => new.run(),
            Self::Up(up) => up.run(),
        }
    }
}

/// Keys of one validator.
struct ValidatorKeys {
    consensus: SecretKey,
    network: SecretKey,
}

impl New {
    fn run(self) -> Result<(), Stop> {
        if self.dir.exists() {
            return Err(Stop::config(format!("{} exists already", self.dir.display()))
                .hint("remove it, or name another with --dir"));
        }
        let draft = match &self.draft {
            Some(path) => files::read(path)?,
            None => {
                let now = octroi_primitives::BlockTime(crate::node::wall_millis());
                octroi_genesis::dated(octroi_genesis::DEVNET, now).map_err(Stop::config)?
            }
        };
        let (genesis_text, validators) = self.make_keys(&draft)?;
        let genesis_path = self.dir.join("genesis.toml");
        files::create(&genesis_path, &genesis_text)?;
        let genesis = files::read_genesis(&genesis_path)?;

        let mut nodes: Vec<(String, Option<&ValidatorKeys>, SecretKey)> = Vec::new();
        for (index, (_, keys)) in validators.iter().enumerate() {
            nodes.push((format!("node-{index}"), Some(keys), SecretKey::from_seed(keys.network.to_seed())));
        }
        for index in 0..self.observers {
            nodes.push((format!("observer-{index}"), None, files::new_secret()?));
        }
        let peers: Vec<Peer> = nodes
            .iter()
            .enumerate()
            .map(|(index, (_, _, network))| {
                Ok(Peer { network_key: network.public().to_string(), address: Some(address(self.p2p_port, index)?) })
            })
            .collect::<Result<_, Stop>>()?;
        let mut endpoints = Vec::new();
        for (index, (name, keys, network)) in nodes.iter().enumerate() {
            let home = self.dir.join(name);
            files::create_secret(&home.join("keys/network.key"), &files::secret_text(network))?;
            if let Some(keys) = keys {
                files::create_secret(&home.join("keys/consensus.key"), &files::secret_text(&keys.consensus))?;
            }
            let grpc = address(self.grpc_port, index)?;
            let config = Config {
                node: Node {
                    genesis: "../genesis.toml".into(),
                    consensus_key: keys.map(|_| "keys/consensus.key".into()),
                    ..Node::default()
                },
                p2p: P2p { listen: address(self.p2p_port, index)? },
                // Load tests and imports of a development network come from one address.
                grpc: Grpc { listen: grpc, rate: 100_000, ..Grpc::default() },
                log: Log::default(),
                peers: peers
                    .iter()
                    .enumerate()
                    .filter(|(other, _)| *other != index)
                    .map(|(_, peer)| peer.clone())
                    .collect(),
            };
            files::create(&home.join("octroid.toml"), &crate::config::render(&config))?;
            storage::create(&home.join("data"), &genesis, keys.map(|keys| keys.consensus.public()))?;
            endpoints.push(format!("http://{grpc}"));
        }
        files::create(&self.dir.join("endpoints"), &format!("{}\n", endpoints.join("\n")))?;
        let quoted: Vec<String> = endpoints.iter().map(|endpoint| format!("{endpoint:?}")).collect();
        let context = format!(
            "default = \"devnet\"\n\n[contexts.devnet]\nendpoints = [{}]\nkeys = \"keys\"\npassphrase_file = \"keys/passphrase\"\n",
            quoted.join(", ")
        );
        files::create(&self.dir.join("contexts.toml"), &context)?;
        files::create(&self.dir.join("keys/passphrase"), &format!("{PASSPHRASE}\n"))?;
        eprintln!("made {} with {} validators and {} observers", self.dir.display(), validators.len(), self.observers);
        println!("{}", genesis.network());
        Ok(())
    }

    /// Makes every key the draft lacks, writes the office keys into keystores, and gives the sealed genesis.
    fn make_keys(&self, draft: &str) -> Result<(String, BTreeMap<String, ValidatorKeys>), Stop> {
        let wrong = |error: octroi_genesis::GenesisError| Stop::config(error);
        let name = octroi_genesis::network_name(draft).map_err(wrong)?;
        let ring = Keyring::new(self.dir.join("keys"));
        std::fs::create_dir_all(self.dir.join("keys")).map_err(|error| files::fault(&self.dir, &error))?;
        let mut validators = BTreeMap::new();
        let mut requests = Vec::new();
        for organisation in octroi_genesis::organisations(draft).map_err(wrong)? {
            let wanted = octroi_genesis::wanted_keys(draft, &organisation).map_err(wrong)?;
            let mut request = JoinRequest::new(&name, &organisation);
            for office in &wanted.keyless {
                let secret = files::new_secret()?;
                request.office(office, &secret);
                keep(&ring, &name, &organisation, office, &secret)?;
            }
            if wanted.validator {
                let keys = ValidatorKeys { consensus: files::new_secret()?, network: files::new_secret()? };
                request.validator(&keys.consensus, &keys.network);
                validators.insert(organisation.clone(), keys);
            }
            requests.push(request);
        }
        let collected = octroi_genesis::collect(draft, &requests).map_err(wrong)?;
        Ok((octroi_genesis::seal(&collected).map_err(wrong)?, validators))
    }
}

fn keep(ring: &Keyring, network: &str, organisation: &str, office: &str, secret: &SecretKey) -> Result<(), Stop> {
    let fail = |error: &dyn std::fmt::Display| Stop::config(format!("keystore of {organisation}, {office}: {error}"));
    let code = Code::new(organisation).map_err(|error| fail(&error))?;
    let id =
        octroi_primitives::OrganisationId::new(octroi_primitives::genesis_id("organisation", network, organisation));
    let meta = KeyMeta {
        organisation: Some(id),
        organisation_code: code,
        office: office.parse().map_err(|error| fail(&error))?,
        label: format!("{network}: {organisation}, {office}"),
    };
    let text = keystore::seal(secret, &meta, PASSPHRASE, Cost::Dev).map_err(|error| fail(&error))?;
    ring.add(&text).map_err(|error| fail(&error))?;
    Ok(())
}

fn address(first: u16, index: usize) -> Result<SocketAddr, Stop> {
    let port = u16::try_from(index).ok().and_then(|index| first.checked_add(index));
    let port = port
        .ok_or_else(|| Stop::new(Exit::Usage, format!("port {first} + {index} is none; choose a lower first port")))?;
    Ok((Ipv4Addr::LOCALHOST, port).into())
}

impl Up {
    fn run(self) -> Result<(), Stop> {
        if !self.dir.exists() {
            let dir = self.dir.clone();
            New { dir, p2p_port: 27200, grpc_port: 27300, draft: None, observers: 0 }.run()?;
        }
        let program = std::env::current_exe()
            .map_err(|error| Stop::new(Exit::Unexpected, format!("cannot find myself: {error}")))?;
        let mut homes: Vec<PathBuf> = std::fs::read_dir(&self.dir)
            .map_err(|error| files::fault(&self.dir, &error))?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| path.join("octroid.toml").is_file())
            .collect();
        homes.sort();
        if homes.is_empty() {
            return Err(Stop::config(format!("{} holds no node folders", self.dir.display()))
                .hint("make them with 'octroid testnet new'"));
        }
        let mut nodes = Nodes(Vec::new());
        for home in &homes {
            nodes.0.push((home.clone(), start(&program, home)?));
        }
        eprintln!("{} nodes run; their logs are in {}/*/log; stop them with Ctrl-C", nodes.0.len(), self.dir.display());
        eprintln!("clients find them with: export OCTROI_CONFIG={}", self.dir.join("contexts.toml").display());
        nodes.wait()
    }
}

fn start(program: &Path, home: &Path) -> Result<Child, Stop> {
    let log = home.join("log");
    let file =
        std::fs::File::options().create(true).append(true).open(&log).map_err(|error| files::fault(&log, &error))?;
    Command::new(program)
        .args(["run", "--config"])
        .arg(home.join("octroid.toml"))
        .stderr(file)
        .stdin(std::process::Stdio::null())
        .spawn()
        .map_err(|error| Stop::new(Exit::Unexpected, format!("cannot start a node: {error}")))
}

/// The children; none outlives this process by our doing.
struct Nodes(Vec<(PathBuf, Child)>);

impl Nodes {
    /// Until a signal, or until a node ends by itself.
    fn wait(&mut self) -> Result<(), Stop> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Stop::new(Exit::Unexpected, format!("cannot start the runtime: {error}")))?;
        runtime.block_on(async {
            let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
                .map_err(|error| Stop::new(Exit::Unexpected, format!("cannot listen for SIGTERM: {error}")))?;
            let mut told = vec![false; self.0.len()];
            loop {
                tokio::select! {
                    _ = terminate.recv() => return Ok(()),
                    _ = tokio::signal::ctrl_c() => return Ok(()),
                    () = tokio::time::sleep(Duration::from_millis(200)) => {}
                }
                for ((home, child), told) in self.0.iter_mut().zip(&mut told) {
                    if !*told && let Ok(Some(status)) = child.try_wait() {
                        *told = true;
                        eprintln!("{} ended: {status}; see {}", home.display(), home.join("log").display());
                    }
                }
                if told.iter().all(|told| *told) {
                    return Err(Stop::new(Exit::Unexpected, "no node runs any more"));
                }
            }
        })
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for (_, child) in &self.0 {
            if let Some(pid) = rustix::process::Pid::from_raw(child.id() as i32) {
                // One that has ended already is no fault.
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
        }
        for (_, child) in &mut self.0 {
            let _ = child.wait();
        }
    }
}
