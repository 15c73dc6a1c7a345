//! Networks of real processes for the tests beside this file: made by `octroid testnet new`, driven by `octroi`, on loopback.
//!
//! Every wait has an end, every process is stopped by its id, and a failed test says where the logs are.

use serde_json::Value;
use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

/// A program of this repository, built beside the tests.
///
/// # Panics
/// When it was not built: `cargo build --release --bins` comes first.
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let folder = test.parent().expect("a program lies in a folder");
    // Tests lie in a folder of their own below that of the programs.
    let folder = if folder.ends_with("deps") { folder.parent().expect("tests lie in deps") } else { folder };
    let program = folder.join(name);
    assert!(program.is_file(), "{} is not built; run: cargo build --release --bins", program.display());
    program
}

/// The folder of real data, or `None` with a line that says so. Under CI its absence is a failure.
///
/// # Panics
/// Under CI without `OCTROI_SHARED`.
pub fn shared() -> Option<PathBuf> {
    match std::env::var_os("OCTROI_SHARED") {
        Some(folder) => Some(folder.into()),
        None if std::env::var("CI").is_ok_and(|ci| ci == "true") => panic!("OCTROI_SHARED must be set under CI"),
        None => {
            println!("skipped: OCTROI_SHARED is not set, so there is no real data to read");
            None
        }
    }
}

/// A network in a folder of its own.
pub struct Network {
    folder: Option<tempfile::TempDir>,
    nodes: Vec<Option<Child>>,
}

/// Blocks of ports that tests of one process have taken.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// Finds ten free ports in a row, five for nodes and five for clients.
fn ports() -> u16 {
    let own = (std::process::id() % 400) as u16 * 60;
    for _ in 0..200 {
        let first = 20_000 + (own + NEXT.fetch_add(10, Ordering::Relaxed)) % 24_000;
        if (first..first + 10).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            return first;
        }
    }
    panic!("no ten free ports in a row");
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
        let first = ports();
        let mut make = Command::new(program("octroid"));
        if let Some(draft) = draft {
            let file = folder.path().join("draft.toml");
            std::fs::write(&file, draft).expect("a draft can be written");
            make.arg("testnet").arg("new").arg("--draft").arg(file).arg("--dir");
        } else {
            make.args(["testnet", "new", "--dir"]);
        }
        let made = make
            .arg(folder.path().join("network"))
            .args(["--p2p-port", &first.to_string(), "--grpc-port", &(first + 5).to_string()])
            .args(["--observers", &observers.to_string()])
            .output()
            .expect("octroid starts");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self { folder: Some(folder), nodes: (0..4 + observers).map(|_| None).collect() }
    }

    /// Makes and starts one, and waits until every node is ready.
    pub fn up(observers: u16) -> Self {
        let mut network = Self::new(observers);
        for node in 0..network.nodes.len() {
            network.start(node);
        }
        network.wait_ready();
        network
    }

    /// Folder of the network.
    pub fn path(&self) -> PathBuf {
        self.folder.as_ref().expect("not dropped").path().join("network")
    }

    /// Folder of a node; observers come after validators.
    pub fn home(&self, node: usize) -> PathBuf {
        self.path().join(if node < 4 { format!("node-{node}") } else { format!("observer-{}", node - 4) })
    }

    /// Address of a node for clients.
    pub fn endpoint(&self, node: usize) -> String {
        let endpoints = std::fs::read_to_string(self.path().join("endpoints")).expect("endpoints");
        endpoints.lines().nth(node).expect("a line a node").to_owned()
    }

    /// Starts a node.
    pub fn start(&mut self, node: usize) {
        let log = std::fs::File::options().create(true).append(true).open(self.home(node).join("log")).expect("log");
        let child = Command::new(program("octroid"))
            .arg("run")
            .arg("--config")
            .arg(self.home(node).join("octroid.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("octroid starts");
        self.nodes[node] = Some(child);
    }

    /// Process id of a node that runs.
    pub fn pid(&self, node: usize) -> Option<u32> {
        self.nodes[node].as_ref().map(Child::id)
    }

    /// Ends a node as a power cut would: SIGKILL.
    pub fn kill(&mut self, node: usize) {
        let mut child = self.nodes[node].take().expect("it runs");
        child.kill().expect("killed");
        child.wait().expect("ended");
    }

    /// Asks a node to stop and waits for it; its exit code.
    pub fn stop(&mut self, node: usize) -> Option<i32> {
        let mut child = self.nodes[node].take().expect("it runs");
        let pid = rustix::process::Pid::from_raw(child.id() as i32).expect("a process has an id");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("signalled");
        child.wait().expect("ended").code()
    }

    /// Runs `octroi` against the whole network.
    pub fn octroi(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().expect("octroi starts")
    }

    /// `octroi`, ready for more arguments.
    pub fn command(&self) -> Command {
        let mut command = Command::new(program("octroi"));
        command.env("OCTROI_CONFIG", self.path().join("contexts.toml")).env("NO_COLOR", "1").stdin(Stdio::null());
        command
    }

    /// Runs `octroi` with `--output json` and gives the data of its envelope.
    ///
    /// # Panics
    /// When it fails.
    pub fn data(&self, arguments: &[&str]) -> Value {
        let output = self.octroi(&[arguments, &["--output", "json"]].concat());
        self.envelope(&output)
    }

    /// As [`Network::data`], asking one node.
    pub fn data_of(&self, node: usize, arguments: &[&str]) -> Option<Value> {
        let endpoint = self.endpoint(node);
        let output = self.octroi(&[arguments, &["--output", "json", "--endpoint", &endpoint]].concat());
        output.status.success().then(|| self.envelope(&output))
    }

    fn envelope(&self, output: &Output) -> Value {
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{}\n{stdout}\n{stderr}", output.status);
        let envelope: Value = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"));
        envelope["data"].clone()
    }

    /// Waits until the nodes that run say that they are ready.
    ///
    /// # Panics
    /// After a minute.
    pub fn wait_ready(&mut self) {
        let until = Instant::now() + Duration::from_secs(60);
        for node in 0..self.nodes.len() {
            if self.nodes[node].is_none() {
                continue;
            }
            while !self
                .data_of(node, &["status"])
                .is_some_and(|status| find(&status, "ready") == Some(&Value::Bool(true)))
            {
                let ended = self.nodes[node].as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(Some(_))));
                if ended || Instant::now() > until {
                    let log = std::fs::read_to_string(self.home(node).join("log")).unwrap_or_default();
                    panic!("node {node} is not ready (ended: {ended}); its log:\n{log}");
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    }

    /// Height of a node.
    pub fn height(&self, node: usize) -> Option<u64> {
        let status = self.data_of(node, &["status"])?;
        find(&status, "at").and_then(|at| number(&at["height"]))
    }

    /// Waits until a node has a height.
    ///
    /// # Panics
    /// After a minute.
    pub fn wait_height(&self, node: usize, height: u64) {
        let until = Instant::now() + Duration::from_secs(60);
        while self.height(node).is_none_or(|at| at < height) {
            assert!(Instant::now() < until, "node {node} does not reach height {height}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// State root that a node has for a height, in hexadecimal.
    pub fn state_root(&self, node: usize, height: u64) -> Option<String> {
        let block = self.data_of(node, &["block", "show", &height.to_string()])?;
        find(&block, "state_root").and_then(|root| root.as_str().map(str::to_owned))
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
        for child in self.nodes.iter_mut().flatten() {
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
