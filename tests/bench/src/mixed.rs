//! `mixed-v1` on four validator processes with real syncs: latency at a fixed rate, saturation, a dead validator, signatures checked, memory, disk,
//! replay, restart; all in one run, so that ratios mean something.

use crate::{
    calibration,
    figures::{Bound, line, note, percentile, title},
    load::{self, Nodes, Prepared, Tally, Window},
    machine::{self, Machine},
    workload::{Consortium, Ground, Lane, Pen, SHARES, Size},
};
use anyhow::{Context, Result, ensure};
use octroi_end_to_end::{Network, number};
use octroi_ledger::{Outcome, Receipt, wire::Wire as _};
use octroi_primitives::{BlockTime, NetworkId};
use octroi_proto::v1 as pb;
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// What to measure, and how much of it.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Records loaded before.
    pub records: usize,
    /// Seconds of saturation that are measured.
    pub seconds: u64,
    /// Lanes of the load, over all nodes.
    pub lanes: usize,
    /// Transactions of a window.
    pub window: usize,
    /// Whether latency at 500 tx/s is measured.
    pub latency: bool,
    /// Whether a validator is killed under load.
    pub dead: bool,
    /// Whether memory, disk, replay and restart are measured in the end.
    pub rest: bool,
    /// Seconds of saturation before anything is measured.
    pub warm: u64,
}

/// Most transactions a second that the setup makes room for and signs before.
const ROOM: usize = 6_000;
/// Windows that are signed before a phase, for so many transactions a second; what is missing is signed while the load runs.
const SIGNED_BEFORE: usize = 4_000;
/// Validity of what is signed: within the window of an hour.
const VALID_MS: u64 = 55 * 60_000;
const VALIDATORS: usize = 4;

/// Runs it.
///
/// # Errors
/// A network that does not do what it must: the bench prints no figure of a broken run.
pub fn run(plan: Plan) -> Result<()> {
    title("mixed-v1 on four validators");
    let consortium = Arc::new(Consortium::new());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis();
    let draft = consortium.draft(BlockTime(u64::try_from(now)?))?;
    let mut network = Network::drafted(&draft);
    for node in 0..VALIDATORS {
        network.start(node);
    }
    network.wait_ready();
    let genesis = octroi_genesis::parse(&std::fs::read_to_string(network.path().join("genesis.toml"))?)?;
    let endpoints: Vec<String> = (0..VALIDATORS).map(|node| network.endpoint(node)).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let nodes = runtime.block_on(async { Nodes::new(&endpoints) })?;
    let mut run = Run { plan, network, nodes, consortium, id: genesis.network(), tally: RefCell::default() };
    let mut lanes = runtime.block_on(run.set_up())?;
    if plan.latency {
        runtime.block_on(run.latency(&mut lanes))?;
    }
    let four = runtime.block_on(run.saturate(&mut lanes))?;
    runtime.block_on(run.signatures(&mut lanes))?;
    if plan.dead {
        runtime.block_on(run.one_dead(&mut lanes, four))?;
    }
    if plan.rest {
        drop(lanes);
        run.rest(&runtime)?;
    }
    Ok(())
}

/// A moment of a run.
struct Sample {
    at: Instant,
    heights: Vec<u64>,
    mempool: Vec<u64>,
    cpu: f64,
    load: f64,
    machine: Machine,
}

/// What was measured between two samples.
struct Measured {
    rate: f64,
    applied: u64,
    outcomes: BTreeMap<String, u64>,
}

struct Run {
    plan: Plan,
    network: Network,
    nodes: Nodes,
    consortium: Arc<Consortium>,
    id: NetworkId,
    tally: RefCell<Tally>,
}

impl Run {
    async fn ledger_time(&self) -> Result<BlockTime> {
        Ok(BlockTime(self.nodes.status(0).await?.ledger_time))
    }

    fn size(&self) -> Size {
        let Plan { seconds, warm, dead, .. } = self.plan;
        let busy = seconds + warm + if dead { seconds + 20 } else { 0 } + 10;
        Size::for_mix(self.plan.records, busy as usize * ROOM)
    }

    /// Brings everything that stands before onto the ledger and gives the lanes.
    async fn set_up(&mut self) -> Result<Vec<Prepared>> {
        let start = Instant::now();
        let size = self.size();
        let now = self.ledger_time().await?;
        let pen =
            |number, time: BlockTime| Pen::new(self.consortium.clone(), self.id, time.saturating_add(VALID_MS), number);
        let tally = RefCell::default();
        let mut ground = Ground::new(size, now);
        let mut early = pen(0, now);
        let first = ground.first(&mut early);
        load::send_all(&self.nodes, first.into_iter(), 250, &tally).await?;
        while self.ledger_time().await?.0 <= now.0 + 11_000 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let second = ground.second(&mut early);
        load::send_all(&self.nodes, second.into_iter(), 500, &tally).await?;
        let step = early.sign(0, crate::workload::Signatures::One, Ground::passing());
        load::send_all(&self.nodes, [step].into_iter(), 1, &tally).await?;
        let now = self.ledger_time().await?;
        ensure!(now >= ground.third_from(), "the clock was not stepped");
        let mut late = pen(1, now);
        let third = ground.third(&mut late);
        load::send_all(&self.nodes, third.into_iter(), 500, &tally).await?;
        load::send_all(&self.nodes, ground.fourth(&mut late), 500, &tally).await?;
        let tally = tally.into_inner();
        ensure!(tally.refused == 0, "the setup was refused: {:?}", tally.reasons);
        note(&format!(
            "loaded before: {} transactions in {:.1} s, {:.0} tx/s",
            tally.applied,
            start.elapsed().as_secs_f64(),
            tally.applied as f64 / start.elapsed().as_secs_f64()
        ));
        let ground = Arc::new(ground);
        let Plan { lanes, window, .. } = self.plan;
        Ok((0..lanes)
            .map(|number| {
                let lane = Lane::new(pen(number as u64 + 2, now), ground.clone(), number, lanes);
                Prepared::new(lane, window)
            })
            .collect())
    }

    /// Signs what a phase of so many seconds will send.
    async fn sign_before(&self, lanes: &mut [Prepared], seconds: u64) -> Result<()> {
        let until = self.ledger_time().await?.saturating_add(VALID_MS);
        let windows = (seconds as usize * SIGNED_BEFORE).div_ceil(self.plan.window * lanes.len());
        for prepared in lanes {
            prepared.lane.valid_until(until);
            prepared.fill(windows)?;
        }
        Ok(())
    }

    async fn sample(&self) -> Result<Sample> {
        let (mut heights, mut mempool, mut cpu) = (Vec::new(), Vec::new(), 0.0);
        for node in self.nodes.living() {
            let status = self.nodes.status(node).await?;
            heights.push(status.at.context("a status without a height")?.height);
            mempool.push(status.mempool_transactions);
            cpu += machine::cpu_of(self.network.pid(node).context("it runs")?)?;
        }
        Ok(Sample { at: Instant::now(), heights, mempool, cpu, load: machine::own_cpu()?, machine: Machine::now()? })
    }

    async fn latency(&mut self, lanes: &mut [Prepared]) -> Result<()> {
        title("submit to durable commit at 500 tx/s, single calls over all four nodes");
        let before = self.sample().await?;
        let beside = calibration::SyncsBeside::start();
        let mut waits = load::at_rate(&self.nodes, lanes, 500.0, 20.0, &self.tally).await?;
        let mut syncs = beside.finish()?;
        let after = self.sample().await?;
        let shares = after.machine.since(&before.machine);
        line("  p50", percentile(&mut waits, 0.5) * 1e3, "ms", Bound::Most(100.0));
        line("  p99", percentile(&mut waits, 0.99) * 1e3, "ms", Bound::Most(600.0));
        line("  slowest", percentile(&mut waits, 1.0) * 1e3, "ms", Bound::None);
        line("  fdatasync beside it, p50", percentile(&mut syncs, 0.5) * 1e3, "ms", Bound::None);
        line("  fdatasync beside it, p99", percentile(&mut syncs, 0.99) * 1e3, "ms", Bound::None);
        line("  CPU of the four validators", (after.cpu - before.cpu) * 1e6 / waits.len() as f64, "us/tx", Bound::None);
        line("  idle", shares.idle * 100.0, "%", Bound::None);
        line("  steal", shares.steal * 100.0, "%", Bound::None);
        Ok(())
    }

    /// Full load; gives the rate.
    async fn saturate(&mut self, lanes: &mut [Prepared]) -> Result<f64> {
        let Plan { seconds, warm, window, .. } = self.plan;
        title(&format!("saturation: {} lanes with windows of {window}, {seconds} s after {warm} s", lanes.len()));
        self.sign_before(lanes, seconds + warm).await?;
        let stop = Cell::new(false);
        let directed = async {
            let result = self.direct(seconds, warm).await;
            stop.set(true);
            result
        };
        let driven = futures::future::try_join_all(
            lanes
                .iter_mut()
                .enumerate()
                .map(|(number, lane)| load::drive(&self.nodes, number, lane, &stop, &self.tally)),
        );
        let (directed, driven) = tokio::join!(directed, driven);
        driven?;
        let samples = directed?;
        let late: u64 = lanes.iter().map(|lane| lane.late).sum();
        if late > 0 {
            note(&format!("{late} windows were signed while the load ran"));
        }
        Ok(self.report(&samples).await?.rate)
    }

    /// Watches a loaded network: a sample when the warm-up is over, and four times a second from then on.
    async fn direct(&self, seconds: u64, warm: u64) -> Result<Vec<Sample>> {
        tokio::time::sleep(Duration::from_secs(warm)).await;
        let mut samples = vec![self.sample().await?];
        let until = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(250)).await;
            samples.push(self.sample().await?);
        }
        Ok(samples)
    }

    /// Prints what a row of samples says.
    async fn report(&self, samples: &[Sample]) -> Result<Measured> {
        let (first, last) = (samples.first().context("no sample")?, samples.last().context("no sample")?);
        let living = self.nodes.living().len();
        let common = |sample: &Sample| sample.heights.iter().copied().min().unwrap_or(0);
        let wall = last.at.duration_since(first.at).as_secs_f64();
        let (from, to) = (common(first), common(last));
        ensure!(to > from, "no block in {wall:.0} s");
        let measured = self.outcomes(from, to, wall).await?;
        let Measured { rate, applied, outcomes } = &measured;
        let shares = last.machine.since(&first.machine);
        let (ours, load) = (last.cpu - first.cpu, last.load - first.load);
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        let judged = shares.idle + (ours + load) / (wall * cores) >= 0.95;
        let bound = if judged && living == VALIDATORS { Bound::Least(3_000.0) } else { Bound::None };
        line("  applied, seen committed on all live nodes", *rate, "tx/s", bound);
        let bound = if living == VALIDATORS { Bound::Most(400.0) } else { Bound::None };
        line(&format!("  CPU of the {living} validators"), ours * 1e6 / *applied as f64, "us/tx", bound);
        line("  CPU of the load", load * 1e6 / *applied as f64, "us/tx", Bound::None);
        line("  validators, of the machine", ours / (wall * cores) * 100.0, "%", Bound::None);
        line("  load, of the machine", load / (wall * cores) * 100.0, "%", Bound::None);
        line("  idle", shares.idle * 100.0, "%", Bound::None);
        line("  steal", shares.steal * 100.0, "%", Bound::None);
        if !judged {
            note("others ran on this machine (idle + ours < 95 %): the rate is not judged");
        }
        let blocks = to - from;
        line("  blocks", blocks as f64 / wall, "1/s", Bound::None);
        let pools: Vec<u64> = samples.iter().flat_map(|sample| sample.mempool.iter().copied()).collect();
        let mean = |half: &[Sample]| {
            let pools: Vec<u64> = half.iter().flat_map(|sample| sample.mempool.iter().copied()).collect();
            pools.iter().sum::<u64>() as f64 / pools.len().max(1) as f64
        };
        let (early, late) = samples.split_at(samples.len() / 2);
        note(&format!(
            "mempool: {} to {} transactions, mean of the first half {:.0}, of the second {:.0}",
            pools.iter().min().copied().unwrap_or(0),
            pools.iter().max().copied().unwrap_or(0),
            mean(early),
            mean(late)
        ));
        let mut waits: Vec<f64> = self
            .tally
            .borrow()
            .waits
            .iter()
            .filter(|(at, _)| (first.at..last.at).contains(at))
            .map(|(_, wait)| *wait)
            .collect();
        line("  window to durable commit, p50", percentile(&mut waits, 0.5) * 1e3, "ms", Bound::None);
        line("  window to durable commit, p99", percentile(&mut waits, 0.99) * 1e3, "ms", Bound::None);
        let all: u64 = outcomes.values().sum();
        let share = |name: &str| outcomes.get(name).copied().unwrap_or(0) as f64 * 100.0 / all as f64;
        let achieved: Vec<String> =
            SHARES.iter().map(|(name, twentieths)| format!("{name} {:.1} ({})", share(name), twentieths * 5)).collect();
        note(&format!("achieved shares in %, asked for in brackets: {}", achieved.join(", ")));
        let off = SHARES.iter().any(|(name, twentieths)| (share(name) - *twentieths as f64 * 5.0).abs() > 1.0);
        if off {
            note("SHARES ARE OFF by more than a point: the figures are not of mixed-v1");
        }
        Ok(measured)
    }

    /// Reads the blocks of (from, to] back from a living node and counts what became of their transactions.
    async fn outcomes(&self, from: u64, to: u64, wall: f64) -> Result<Measured> {
        let node = *self.nodes.living().first().context("a node lives")?;
        let mut client = octroi_client::ledger(self.nodes.channel(node));
        let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
        let mut applied = 0;
        for height in from + 1..=to {
            let block = client.get_block(pb::GetBlockRequest { height }).await?.into_inner();
            for receipt in block.receipts.into_iter().skip(block.system_receipts as usize) {
                let receipt = Receipt::from_proto(receipt).context("a receipt of the node")?;
                let name = match &receipt.outcome {
                    Outcome::Applied(event) => {
                        applied += 1;
                        event.kind().name()
                    }
                    Outcome::Refused(_) => "refused on purpose",
                };
                *outcomes.entry(name.into()).or_default() += 1;
            }
        }
        Ok(Measured { rate: applied as f64 / wall, applied, outcomes })
    }

    /// Signatures checked by each node for each signature sent, since genesis and with everything handed to all four nodes.
    async fn signatures(&mut self, lanes: &mut [Prepared]) -> Result<()> {
        title("signatures checked for each signature sent");
        let count = lanes.len().min(8);
        let windows: Vec<Window> = lanes[..count].iter_mut().map(Prepared::take).collect::<Result<_>>()?;
        let before = self.checked().await?;
        let tally = RefCell::default();
        for (number, window) in windows.iter().enumerate() {
            load::send(&self.nodes, number, window, &tally).await?;
        }
        let middle = self.checked().await?;
        let sent = |tally: &RefCell<Tally>| tally.borrow().signatures as f64;
        let gossiped = sent(&tally);
        let windows: Vec<Window> = lanes[..count].iter_mut().map(Prepared::take).collect::<Result<_>>()?;
        let tally = RefCell::default();
        load::to_all(&self.nodes, &windows, &tally).await?;
        let after = self.checked().await?;
        for node in 0..VALIDATORS {
            let ratio = (middle[node] - before[node]) as f64 / gossiped;
            line(&format!("  node {node}, under gossip"), ratio, "", Bound::Most(1.05));
            let ratio = (after[node] - middle[node]) as f64 / sent(&tally);
            line(&format!("  node {node}, submitted to all four"), ratio, "", Bound::Most(1.05));
        }
        Ok(())
    }

    /// Signatures that each node checked so far, once all nodes are at rest at one height.
    async fn checked(&self) -> Result<Vec<u64>> {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let sample = self.sample().await?;
            let rest = sample.mempool.iter().all(|waiting| *waiting == 0);
            if rest && sample.heights.iter().all(|height| *height == sample.heights[0]) {
                break;
            }
            ensure!(Instant::now() < until, "the mempools are not emptied: {:?}", sample.mempool);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let mut counts = Vec::new();
        for node in self.nodes.living() {
            counts.push(self.nodes.counter(node, "signatures_checked").await?);
        }
        Ok(counts)
    }

    async fn one_dead(&mut self, lanes: &mut [Prepared], four: f64) -> Result<()> {
        let Plan { seconds, .. } = self.plan;
        title(&format!("one validator dead: node 3 is killed under load; the first 10 s apart, then {seconds} s"));
        self.sign_before(lanes, seconds + 15).await?;
        let Self { network, nodes, .. } = self;
        // The load runs on while the process is killed, so the network is borrowed apart.
        let network = RefCell::new(network);
        let nodes: &Nodes = nodes;
        let stop = Cell::new(false);
        let tally = &self.tally;
        let directed = async {
            let result = async {
                tokio::time::sleep(Duration::from_secs(5)).await;
                network.borrow_mut().kill(3);
                nodes.set_alive(3, false);
                let killed = common_height(nodes).await?;
                tokio::time::sleep(Duration::from_secs(10)).await;
                let settled = common_height(nodes).await?;
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                Ok::<_, anyhow::Error>([killed, settled, common_height(nodes).await?])
            }
            .await;
            stop.set(true);
            result
        };
        let driven = futures::future::try_join_all(
            lanes.iter_mut().enumerate().map(|(number, lane)| load::drive(nodes, number, lane, &stop, tally)),
        );
        let (directed, driven) = tokio::join!(directed, driven);
        driven?;
        let [killed, settled, end] = directed?;
        let span = |from: (Instant, u64), to: (Instant, u64)| to.0.duration_since(from.0).as_secs_f64();
        let first = self.outcomes(killed.1, settled.1, span(killed, settled)).await?;
        let then = self.outcomes(settled.1, end.1, span(settled, end)).await?;
        line("  applied in the first 10 s", first.rate, "tx/s", Bound::None);
        line("  applied after that", then.rate, "tx/s", Bound::None);
        line("  of the rate with four in this run", then.rate / four, "", Bound::Least(0.6));
        self.network.start(3);
        self.nodes.set_alive(3, true);
        let start = Instant::now();
        let target = end.1;
        while self.nodes.status(3).await.ok().and_then(|status| status.at).is_none_or(|at| at.height < target) {
            ensure!(start.elapsed() < Duration::from_secs(60), "node 3 does not catch up");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        line("  started again and caught up", start.elapsed().as_secs_f64(), "s", Bound::None);
        Ok(())
    }

    fn rest(&mut self, runtime: &tokio::runtime::Runtime) -> Result<()> {
        title("memory, disk, replay, restart");
        runtime.block_on(self.checked())?;
        let status = runtime.block_on(self.nodes.status(0))?;
        let transactions = status.transactions as f64;
        let height = status.at.context("a status without a height")?.height;
        let bound = if self.plan.records >= 1_000_000 { Bound::Most(1_200.0) } else { Bound::None };
        for node in 0..VALIDATORS {
            let memory = machine::memory_of(self.network.pid(node).context("it runs")?)?;
            line(&format!("  resident memory of node {node}"), memory, "MB", bound);
        }
        note(&format!("{transactions:.0} transactions, {} records loaded before, height {height}", self.plan.records));
        let before = machine::bytes_of(&self.network.home(0).join("data"))?;
        line("  on disk, before compaction", before / transactions, "bytes/tx", Bound::None);

        let archive = self.network.path().join("bench.octroi");
        let exported = self.network.octroi(&["export", "archive", &archive.display().to_string()]);
        ensure!(exported.code == Some(0), "the export failed: {}", exported.stderr);
        let start = Instant::now();
        let cpu = machine::children_cpu()?;
        let verdict = self.network.data(&["audit", "replay", &archive.display().to_string()]);
        let wall = start.elapsed().as_secs_f64();
        ensure!(verdict["sound"] == true, "the auditor reports findings: {verdict}");
        let replayed = number(&verdict["transactions"]).context("a verdict without transactions")? as f64;
        line("  replay by the auditor, process start included", replayed / wall, "tx/s", Bound::Least(15_000.0));
        line("  replay, CPU", (machine::children_cpu()? - cpu) * 1e6 / replayed, "us/tx", Bound::None);
        std::fs::remove_file(&archive)?;

        let start = Instant::now();
        self.network.kill(0);
        self.network.start(0);
        while runtime.block_on(self.nodes.status(0)).is_err() {
            ensure!(start.elapsed() < Duration::from_secs(120), "node 0 does not come back");
            std::thread::sleep(Duration::from_millis(20));
        }
        let bound = if self.plan.records <= 100_000 { Bound::Most(5.0) } else { Bound::None };
        line("  restart to answering after a kill", start.elapsed().as_secs_f64(), "s", bound);

        self.network.stop(0);
        let home = self.network.home(0).join("data");
        compact(&home, &self.id)?;
        line("  on disk, after compaction", machine::bytes_of(&home)? / transactions, "bytes/tx", Bound::Most(1_500.0));
        Ok(())
    }
}

/// Now, and the height that all living nodes have.
async fn common_height(nodes: &Nodes) -> Result<(Instant, u64)> {
    let mut common = u64::MAX;
    for node in nodes.living() {
        common = common.min(nodes.status(node).await?.at.context("a status without a height")?.height);
    }
    Ok((Instant::now(), common))
}

/// Compacts the store of a stopped node and prints where its bytes are.
fn compact(data: &std::path::Path, network: &NetworkId) -> Result<()> {
    let folder = octroi_storage::Folder::open(data)?;
    let store = octroi_storage::Store::open(&folder, network, &octroi_storage::Settings::default())?;
    let store = store.reader();
    store.compact()?;
    let parts: Vec<String> =
        store.table_bytes()?.iter().map(|(name, bytes)| format!("{name} {:.1} MB", *bytes as f64 / 1e6)).collect();
    note(&format!("tables after compaction: {}", parts.join(", ")));
    Ok(())
}
