//! A network of validators and observers in a folder of its own.

use crate::process::{Ended, ended, program, run, terminate};
use octroi_client::{Client, keystore::Keyring};
use octroi_primitives::SecretKey;
use serde_json::Value;
use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

/// Validators of a network when it begins.
const VALIDATORS: usize = 4;
/// Ports that a network takes: as many for nodes among themselves as for clients.
const PORTS: u16 = 10;
/// How long a command may take: measurements import and replay long chains.
const COMMAND: Duration = Duration::from_secs(600);
/// How long nodes may take to be ready, to reach a height, to stop.
const WAIT: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);

/// A network.
pub struct Network {
    folder: Option<tempfile::TempDir>,
    nodes: Vec<Node>,
    port: u16,
}

/// A node, running or not.
struct Node {
    /// Name of its folder.
    name: String,
    /// Over its file.
    settings: Vec<String>,
    child: Option<Child>,
}

impl Node {
    fn new(name: String) -> Self {
        Self { name, settings: Vec::new(), child: None }
    }
}

/// What a node says of itself, as far as tests ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Latest height.
    pub height: u64,
    /// State root there.
    pub state_root: String,
    /// Whether it may be relied on.
    pub ready: bool,
    /// Transactions of the chain.
    pub transactions: u64,
    /// Ledger time now.
    pub time: u64,
}

/// Blocks of ports that tests of one process have taken.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// Finds ten free ports in a row, below those that the system gives to outgoing connections.
///
/// # Panics
/// When there are none.
pub fn free_ports() -> u16 {
    let own = (std::process::id() % 200) as u16 * 60;
    for _ in 0..200 {
        let first = 20_000 + (own + NEXT.fetch_add(PORTS, Ordering::Relaxed)) % 12_000;
        if (first..first + PORTS).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            return first;
        }
    }
    panic!("no {PORTS} free ports in a row");
}

impl Network {
    /// Makes a network of four validators and so many observers; nothing runs yet.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn new(observers: u16) -> Self {
        Self::made(observers, None)
    }

    /// Makes a network of the validators that a draft of a genesis names, which must be four.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn drafted(draft: &str) -> Self {
        Self::made(0, Some(draft))
    }

    fn made(observers: u16, draft: Option<&str>) -> Self {
        let folder = tempfile::Builder::new().prefix("octroi-test-").tempdir().expect("a folder");
        let port = free_ports();
        let mut command = Command::new(program("octroid"));
        command.args(["testnet", "new", "--dir"]).arg(folder.path().join("network"));
        command.args(["--p2p-port", &port.to_string(), "--grpc-port", &(port + PORTS / 2).to_string()]);
        command.args(["--observers", &observers.to_string()]);
        if let Some(text) = draft {
            let file = folder.path().join("draft.toml");
            std::fs::write(&file, text).expect("written");
            command.arg("--draft").arg(file);
        }
        run(&mut command, COMMAND).success();
        let names = (0..VALIDATORS).map(|index| format!("node-{index}"));
        let names = names.chain((0..observers).map(|index| format!("observer-{index}")));
        let nodes = names.map(Node::new).collect();
        Self { folder: Some(folder), nodes, port }
    }

    /// Makes and starts one, and waits until every node is ready.
    pub fn up(observers: u16) -> Self {
        let mut network = Self::new(observers);
        network.start_all();
        network
    }

    /// Starts every node that does not run, and waits until all are ready.
    pub fn start_all(&mut self) {
        for node in 0..self.nodes.len() {
            if self.nodes[node].child.is_none() {
                self.start(node);
            }
        }
        self.wait_ready();
    }

    /// A setting that these nodes are started with from now on, such as `node.listen_ms=300`.
    pub fn set(&mut self, nodes: std::ops::Range<usize>, setting: &str) {
        for node in &mut self.nodes[nodes] {
            node.settings.push(setting.to_owned());
        }
    }

    /// Folder of the network.
    pub fn path(&self) -> PathBuf {
        self.folder.as_ref().expect("not dropped").path().join("network")
    }

    /// Folder of a node; observers come after validators.
    pub fn home(&self, node: usize) -> PathBuf {
        self.path().join(&self.nodes[node].name)
    }

    /// What a node has written to its log.
    pub fn log(&self, node: usize) -> String {
        std::fs::read_to_string(self.home(node).join("log")).unwrap_or_default()
    }

    /// Address of a node for other nodes.
    pub fn p2p(&self, node: usize) -> String {
        format!("127.0.0.1:{}", usize::from(self.port) + node)
    }

    /// Address of a node for clients, without a scheme.
    pub fn grpc(&self, node: usize) -> String {
        format!("127.0.0.1:{}", usize::from(self.port + PORTS / 2) + node)
    }

    /// Address of a node for clients.
    pub fn endpoint(&self, node: usize) -> String {
        format!("http://{}", self.grpc(node))
    }

    /// Gives a place to a node whose folder a test makes itself, at [`Network::home`]; its number.
    ///
    /// # Panics
    /// When all ports are taken.
    pub fn add(&mut self, name: &str) -> usize {
        assert!(self.nodes.len() < usize::from(PORTS / 2), "a network has ports for {} nodes", PORTS / 2);
        self.nodes.push(Node::new(name.to_owned()));
        self.nodes.len() - 1
    }

    /// Starts a node.
    pub fn start(&mut self, node: usize) {
        let mut command = Command::new(program("octroid"));
        self.start_by(node, &mut command);
    }

    /// Starts a node by a command that ends in `octroid`.
    pub fn start_by(&mut self, node: usize, command: &mut Command) {
        let log = std::fs::File::options().create(true).append(true).open(self.home(node).join("log")).expect("log");
        command.arg("run").arg("--config").arg(self.home(node).join("octroid.toml"));
        for setting in &self.nodes[node].settings {
            command.args(["--set", setting]);
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("it starts");
        assert!(self.nodes[node].child.replace(child).is_none(), "node {node} runs already");
    }

    /// Process id of a node that runs.
    pub fn pid(&self, node: usize) -> Option<u32> {
        self.nodes[node].child.as_ref().map(Child::id)
    }

    /// Ends a node as a power cut would: SIGKILL.
    pub fn kill(&mut self, node: usize) {
        let mut child = self.nodes[node].child.take().expect("it runs");
        child.kill().expect("killed");
        child.wait().expect("ended");
    }

    /// Asks a node to stop and waits for it; its exit code.
    pub fn stop(&mut self, node: usize) -> Option<i32> {
        terminate(self.pid(node).expect("it runs"));
        self.wait_end(node, WAIT)
    }

    /// Whether a node has ended by itself, and then its exit code.
    pub fn has_ended(&mut self, node: usize) -> Option<Option<i32>> {
        let child = self.nodes[node].child.as_mut().expect("it runs");
        let status = child.try_wait().expect("a child can be waited for")?;
        self.nodes[node].child = None;
        Some(status.code())
    }

    /// Waits until a node ends by itself; its exit code.
    ///
    /// # Panics
    /// When it still runs after `limit`.
    pub fn wait_end(&mut self, node: usize, limit: Duration) -> Option<i32> {
        let status = ended(self.nodes[node].child.as_mut().expect("it runs"), limit);
        let status =
            status.unwrap_or_else(|| panic!("node {node} has not ended within {limit:?}:\n{}", self.log(node)));
        self.nodes[node].child = None;
        status.code()
    }

    /// Runs `octroi` against the whole network.
    #[track_caller]
    pub fn octroi(&self, arguments: &[&str]) -> Ended {
        run(self.command().args(arguments), COMMAND)
    }

    /// `octroi`, ready for more arguments.
    pub fn command(&self) -> Command {
        let mut command = Command::new(program("octroi"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OCTROI_")) {
            command.env_remove(name);
        }
        command.env("OCTROI_CONFIG", self.path().join("contexts.toml")).env("NO_COLOR", "1").stdin(Stdio::null());
        command
    }

    /// Runs `octroi` with `--output json` and gives the data of its envelope.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn data(&self, arguments: &[&str]) -> Value {
        self.octroi(&[arguments, &["--output", "json"]].concat()).data()
    }

    /// As [`Network::data`], asking one node; `None` when it does not answer, or is not ready.
    pub fn data_of(&self, node: usize, arguments: &[&str]) -> Option<Value> {
        let ended = self.octroi(&[arguments, &["--output", "json", "--endpoint", &self.endpoint(node)]].concat());
        (ended.code == Some(0)).then(|| ended.data())
    }

    /// Does an act as an office of an organisation and gives what happened.
    ///
    /// # Panics
    /// When it was refused.
    #[track_caller]
    pub fn act(&self, office: &str, arguments: &[&str]) -> Value {
        self.data(&[&["--as", office], arguments].concat())
    }

    /// What a node says of itself; `None` when it does not answer, or is not ready.
    pub fn status(&self, node: usize) -> Option<Status> {
        let status = self.data_of(node, &["status"])?;
        Some(Status {
            height: number(&status["at"]["height"])?,
            state_root: status["at"]["state_root"].as_str()?.to_owned(),
            ready: status["ready"].as_bool()?,
            transactions: number(&status["transactions"])?,
            time: number(&status["ledger_time"])?,
        })
    }

    /// Waits until the nodes that run say that they are ready.
    ///
    /// # Panics
    /// After a minute, and when one ends meanwhile.
    pub fn wait_ready(&mut self) {
        for node in 0..self.nodes.len() {
            if self.nodes[node].child.is_some() {
                self.wait_ready_one(node, WAIT);
            }
        }
    }

    /// Waits until a node says that it is ready; how long that took.
    ///
    /// # Panics
    /// When it takes longer than `limit`, or ends meanwhile.
    pub fn wait_ready_one(&mut self, node: usize, limit: Duration) -> Duration {
        let begun = Instant::now();
        while self.status(node).is_none_or(|status| !status.ready) {
            let child = self.nodes[node].child.as_mut().expect("it runs");
            let ended = child.try_wait().expect("a child can be waited for");
            if ended.is_some() || begun.elapsed() > limit {
                // A disk with less than 5 % free is a reason too, and none of the code under test.
                let says = self.octroi(&["status", "--endpoint", &self.endpoint(node)]);
                panic!(
                    "node {node} is not ready within {limit:?} (ended: {ended:?})\n{}{}\nits log:\n{}",
                    says.stdout,
                    says.stderr,
                    self.log(node)
                );
            }
            std::thread::sleep(LOOK);
        }
        begun.elapsed()
    }

    /// Height of a node.
    pub fn height(&self, node: usize) -> Option<u64> {
        self.status(node).map(|status| status.height)
    }

    /// Waits until a node has a height.
    ///
    /// # Panics
    /// After a minute.
    pub fn wait_height(&self, node: usize, height: u64) {
        let until = Instant::now() + WAIT;
        while self.height(node).is_none_or(|at| at < height) {
            assert!(Instant::now() < until, "node {node} does not reach height {height}; its log:\n{}", self.log(node));
            std::thread::sleep(LOOK);
        }
    }

    /// The state root that all these nodes have for a height, in hexadecimal.
    ///
    /// # Panics
    /// When one does not reach the height, or has another root.
    pub fn common_root(&self, nodes: std::ops::Range<usize>, height: u64) -> String {
        let roots: Vec<String> = nodes
            .map(|node| {
                self.wait_height(node, height);
                let block = self.data_of(node, &["block", "show", &height.to_string()]).expect("it answers");
                find(&block, "state_root").and_then(Value::as_str).expect("a block has a state root").to_owned()
            })
            .collect();
        assert!(roots.iter().all(|root| *root == roots[0]), "state roots at height {height}: {roots:?}");
        roots.into_iter().next().expect("at least one node")
    }

    /// The client library, in front of these nodes.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn client(&self, nodes: std::ops::Range<usize>) -> Client {
        let endpoints: Vec<String> = nodes.map(|node| self.endpoint(node)).collect();
        Client::connect(&endpoints, None).expect("endpoints are well formed")
    }

    /// The key of an office.
    ///
    /// # Panics
    /// When there is none.
    pub fn key(&self, organisation: &str, office: &str) -> SecretKey {
        let keys = self.path().join("keys");
        let passphrase = std::fs::read_to_string(keys.join("passphrase")).expect("a passphrase");
        let found = Keyring::new(keys).find(organisation, Some(office)).expect("keys can be read");
        found.first().expect("there is a key").unlock(passphrase.trim()).expect("it opens")
    }

    /// Writes a file into the network's folder.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    }
}

/// A number that JSON may hold as a string.
pub fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// The first value of this name, however deep.
pub fn find<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Object(fields) => fields.get(name).or_else(|| fields.values().find_map(|inner| find(inner, name))),
        Value::Array(items) => items.iter().find_map(|inner| find(inner, name)),
        _ => None,
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for child in self.nodes.iter_mut().filter_map(|node| node.child.as_mut()) {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking()
            && let Some(folder) = self.folder.take()
        {
            eprintln!("the network's folder is kept: {}", folder.keep().display());
        }
    }
}
