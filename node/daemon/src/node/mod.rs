//! A running node: opens what it left behind, connects, serves, and stops in order.

mod clients;
mod host;
mod reports;
pub mod storage;
mod timers;
mod verifier;

use crate::{
    config::{Config, Grpc, LogFormat},
    exit::{Exit, Stop},
    files,
};
use clients::{Clients, Door};
pub use host::wall_millis;
use host::{Host, Pending};
use octroi_ledger::wire::Canonical;
use octroi_network::{NetworkConfig, NetworkError, NetworkKey};
use octroi_primitives::{Height, SecretKey};
use octroi_replica::{
    RecoverError, Recovered, Replica, recover,
    wire::{CONSENSUS_FRAME, MAX_CONSENSUS_BYTES},
};
use octroi_rpc::{ClientCertificates, Clock, Deps, NodeInfo, Rate, ServeConfig, ServeError, Server, Tls};
use octroi_storage::{FaultClass, StorageError};
use octroi_views::{Blocks, View};
use reports::{Published, Reports};
use std::{collections::BTreeMap, io::IsTerminal, path::Path, sync::Arc, time::Duration};
use tokio::sync::{mpsc, watch};
use tracing::{error, info};
use verifier::{DOOR_BYTES, Verifier};

/// Results that wait for the host; the thread of signatures waits when it is full.
const WORK_QUEUE: usize = 1_024;

/// Runs a node until it is told to stop, or must.
pub fn run(config: Config) -> Result<(), Stop> {
    log(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Stop::new(Exit::Unexpected, format!("cannot start the runtime: {error}")))?;
    let result = runtime.block_on(serve(config));
    runtime.shutdown_timeout(Duration::from_secs(2));
    if let Err(stop) = &result {
        error!(code = "stopped", exit = stop.exit as u8, "{}", stop.message);
    }
    result
}

fn log(config: &Config) -> Result<(), Stop> {
    let filter = tracing_subscriber::EnvFilter::try_new(&config.log.filter)
        .map_err(|error| Stop::config(format!("log.filter {:?}: {error}", config.log.filter)))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let json = match config.log.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !std::io::stderr().is_terminal(),
    };
    let started = if json {
        builder.json().try_init()
    } else {
        builder.with_ansi(std::env::var_os("NO_COLOR").is_none()).try_init()
    };
    started.map_err(|error| Stop::new(Exit::Unexpected, format!("cannot start the log: {error}")))
}

async fn serve(config: Config) -> Result<(), Stop> {
    let genesis = files::read_genesis(&config.node.genesis)?;
    let network = genesis.network();
    let genesis_state =
        genesis.state().map_err(|error| Stop::config(format!("{}: {error}", config.node.genesis.display())))?;
    let consensus = config.node.consensus_key.as_deref().map(files::read_secret).transpose()?;
    let network_key = files::read_secret(&config.node.network_key)?;
    let (folder, mut store, disk) = storage::open(&config.node.data, &network)?;
    let info = NodeInfo {
        version: env!("CARGO_PKG_VERSION").into(),
        consensus_key: consensus.as_ref().map(SecretKey::public),
        network_key: network_key.public(),
        genesis: genesis.to_bytes(),
    };
    let recovered = recover(&mut store, &disk, &genesis_state, consensus).map_err(not_recovered)?;
    if let Some(key) = info.consensus_key
        && let Some(validator) = recovered.state().validators().get(&key)
        && validator.network_key != info.network_key
    {
        return Err(Stop::config(format!(
            "network key {} is not the one the ledger has for this validator, {}",
            info.network_key, validator.network_key
        ))
        .hint("name the network key that was made with this consensus key"));
    }
    let start = start_of(&recovered);
    let published = Arc::new(Published::new(start));

    let frames = BTreeMap::from([(CONSENSUS_FRAME, MAX_CONSENSUS_BYTES as u32)]);
    let settings = NetworkConfig::new(*network.as_bytes(), config.p2p.listen, frames);
    let identity = NetworkKey::from_seed(network_key.to_seed());
    let (handle, events, driver) =
        octroi_network::start(settings, identity).await.map_err(|error| not_connected(&config, &error))?;
    let server = Server::bind(serve_config(&config.grpc)?).await.map_err(|error| not_served(&error))?;

    let transactions = count_transactions(&store.reader(), recovered.state().head().height)?;
    let reports = Arc::new(Reports::new(info.clone(), handle.clone(), transactions));
    let clients = Arc::new(Clients::default());
    let (results, work) = mpsc::channel(WORK_QUEUE);
    let verifier = Verifier::start(octroi_replica::Door::new(network, DOOR_BYTES), published.clone(), results)
        .map_err(|error| Stop::new(Exit::Unexpected, format!("cannot start a thread: {error}")))?;
    let reader = Arc::new(store.reader());
    let deps = Deps {
        views: published.clone(),
        rows: reader.clone(),
        blocks: reader,
        submit: Arc::new(Door { clients: clients.clone(), verifier: verifier.clone(), published: published.clone() }),
        node: reports.clone(),
        clock: Arc::new(WallClock),
        commits: published.commits(),
        ready: reports.ready(),
    };
    let (stop, stopping) = watch::channel(false);
    info!(
        code = "started", network = %network, name = %genesis.name, height = %recovered.state().head().height,
        p2p = %handle.listen_address(), grpc = %server.address(), role = if info.consensus_key.is_some() { "validator" } else { "observer" },
        "node started"
    );
    let host = Host {
        replica: Replica::new(octroi_replica::Config::default(), recovered),
        store,
        disk,
        folder,
        network: handle.clone(),
        events,
        work,
        verifier,
        clients,
        published,
        reports,
        stop: stopping.clone(),
        peers: config.peers.clone(),
        timers: timers::Timers::default(),
        listen: Duration::from_millis(if info.consensus_key.is_some() { config.node.listen_ms } else { 0 }),
        pending: Pending::default(),
    };
    supervise(host, driver, server, deps, stop, stopping).await
}

/// Runs the three parts; the first that ends ends the others.
async fn supervise(
    host: Host,
    driver: octroi_network::Driver,
    server: Server,
    deps: Deps,
    stop: watch::Sender<bool>,
    stopping: watch::Receiver<bool>,
) -> Result<(), Stop> {
    let network = host.network.clone();
    let (ended, mut host_ended) = mpsc::channel(1);
    // The host blocks on the disk: it has a thread and a runtime of its own.
    let thread = std::thread::Builder::new().name("host".into()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let result = match runtime {
            Ok(runtime) => runtime.block_on(host.run()),
            Err(error) => Err(Stop::new(Exit::Unexpected, format!("cannot start the runtime: {error}"))),
        };
        let _ = ended.blocking_send(());
        result
    });
    let thread = thread.map_err(|error| Stop::new(Exit::Unexpected, format!("cannot start a thread: {error}")))?;
    let mut driving = tokio::spawn(driver.run());
    let mut drained = stopping.clone();
    let serving = tokio::spawn(server.serve(deps, async move {
        let _ = drained.wait_for(|stop| *stop).await;
    }));
    let mut serving = serving;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .map_err(|error| Stop::new(Exit::Unexpected, format!("cannot listen for SIGTERM: {error}")))?;
    let early = tokio::select! {
        _ = terminate.recv() => None,
        _ = tokio::signal::ctrl_c() => None,
        _ = host_ended.recv() => None,
        result = &mut driving => Some(match result {
            Ok(Err(error)) => Stop::new(Exit::Unexpected, format!("network: {error}")),
            Ok(Ok(())) | Err(_) => Stop::new(Exit::Unexpected, "the network stopped"),
        }),
        result = &mut serving => Some(match result {
            Ok(Err(error)) => not_served(&error),
            Ok(Ok(())) | Err(_) => Stop::new(Exit::Unexpected, "the services stopped"),
        }),
    };
    info!(code = "draining", "taking no more requests");
    stop.send_replace(true);
    let _ = tokio::time::timeout(Duration::from_secs(6), async {
        if !serving.is_finished() {
            let _ = serving.await;
        }
    })
    .await;
    network.shutdown();
    let host_result = tokio::task::spawn_blocking(move || thread.join()).await;
    let host_result = match host_result {
        Ok(Ok(result)) => result,
        Ok(Err(_)) | Err(_) => Err(Stop::new(Exit::Unexpected, "the node's own thread panicked; this is a bug")),
    };
    match early {
        Some(stop) => Err(stop),
        None => host_result,
    }
}

/// User transactions of the chain that this node holds.
fn count_transactions(blocks: &impl Blocks, tip: Height) -> Result<u64, Stop> {
    let mut count = 0;
    for height in 1..=tip.0 {
        let block = blocks.block(Height(height)).map_err(|error| Stop::new(Exit::Damaged, error))?;
        count += block.map_or(0, |block| block.transactions().len() as u64);
    }
    Ok(count)
}

fn start_of(recovered: &Recovered) -> View {
    View { state: recovered.state().clone(), certificate: recovered.certificate().cloned() }
}

/// The system's clock.
struct WallClock;

impl Clock for WallClock {
    fn wall_millis(&self) -> u64 {
        wall_millis()
    }
}

fn serve_config(grpc: &Grpc) -> Result<ServeConfig, Stop> {
    let mut config = ServeConfig::new(grpc.listen);
    config.limits.request_rate = Rate { each_second: grpc.rate, burst: grpc.rate.saturating_mul(2) };
    config.limits.connections = grpc.connections;
    let pem = |path: &Path| std::fs::read(path).map_err(|error| files::fault(path, &error));
    config.tls = match (&grpc.tls_certificate, &grpc.tls_key) {
        (None, None) if grpc.tls_client_ca.is_some() => {
            return Err(Stop::config("grpc.tls_client_ca is set without grpc.tls_certificate and grpc.tls_key"));
        }
        (None, None) => None,
        (Some(certificate), Some(key)) => Some(Tls {
            certificates: pem(certificate)?,
            key: pem(key)?,
            clients: match &grpc.tls_client_ca {
                Some(ca) => ClientCertificates::Required(pem(ca)?),
                None => ClientCertificates::NotAsked,
            },
        }),
        (Some(_), None) => return Err(Stop::config("grpc.tls_certificate is set without grpc.tls_key")),
        (None, Some(_)) => return Err(Stop::config("grpc.tls_key is set without grpc.tls_certificate")),
    };
    Ok(config)
}

fn not_served(error: &ServeError) -> Stop {
    let stop = Stop::config(error);
    match error {
        ServeError::AddressInUse(_) => stop.hint("another program listens there: set grpc.listen to a free address"),
        ServeError::Bind { .. } | ServeError::Tls(_) => stop,
        ServeError::Transport(_) => Stop::new(Exit::Unexpected, error),
    }
}

fn not_connected(config: &Config, error: &NetworkError) -> Stop {
    match error {
        NetworkError::ListenFailed { .. } => {
            Stop::config(error).hint(format!("is another node running? p2p.listen is {}", config.p2p.listen))
        }
        _ => Stop::new(Exit::Unexpected, error),
    }
}

fn not_recovered(error: RecoverError) -> Stop {
    let class = |error: &(dyn std::error::Error + Send + Sync + 'static)| {
        error.downcast_ref::<StorageError>().map(StorageError::class)
    };
    match &error {
        RecoverError::Store(inner) | RecoverError::Disk(inner) => match class(inner.as_ref()) {
            Some(FaultClass::Configuration) => Stop::config(&error),
            Some(FaultClass::SignState) => Stop::new(Exit::SignState, &error),
            Some(FaultClass::Disk) => Stop::new(Exit::Disk, &error),
            Some(FaultClass::Damage) => Stop::new(Exit::Damaged, &error),
            Some(FaultClass::Bug) | None => Stop::new(Exit::Unexpected, &error),
        },
        RecoverError::OtherNetwork { .. } => {
            Stop::config(&error).hint("the genesis file is not the one this data folder was made with")
        }
        RecoverError::NoSignState => Stop::new(Exit::SignState, &error)
            .hint("take it in with 'octroid sign-state import'; never make it anew for a key that has signed"),
        RecoverError::SignState(_) => Stop::new(Exit::SignState, &error),
        RecoverError::State(_) | RecoverError::Log(_) | RecoverError::Body { .. } | RecoverError::NoBody { .. } => {
            Stop::new(Exit::Damaged, &error).hint(storage::DAMAGED)
        }
    }
}
