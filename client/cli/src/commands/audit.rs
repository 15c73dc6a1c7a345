//! `octroi audit replay`: reads a chain, believes nothing of it, says what was checked and what was not.

use crate::{
    failure::{Exit, Failure, Result},
    output::{Format, draws_progress, text},
    session::Session,
};
use indicatif::{ProgressBar, ProgressStyle};
use octroi_audit::{Expectations, Finding, Intake, Lot, PreparedLot, Replay, Verdict};
use octroi_client::bridge::{minor_in_words, time_in_words};
use octroi_primitives::Height;
use serde_json::{Map, Value as Json, json};
use std::{
    collections::BTreeMap,
    io::{Read as _, Write},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Bytes read from a file at once.
const CHUNK: usize = 1024 * 1024;
/// Chunks and prepared lots that wait for the next station.
const WAITING: usize = 8;

/// What was asked on the command line.
pub struct Asked {
    /// Archive; `None`: a node.
    pub file: Option<PathBuf>,
    /// Hash of the genesis that is expected.
    pub network: Option<String>,
    /// Height that must be reached.
    pub reaches: Option<u64>,
    /// `HEIGHT=ID`.
    pub block: Vec<String>,
    /// Blocks between checks of all invariants.
    pub invariants_every: u64,
}

/// Replays and reports; a finding is exit code 8.
pub async fn run(session: &mut Session, asked: Asked) -> Result<()> {
    let Asked { file, network, mut reaches, block, invariants_every } = asked;
    let network =
        network.map(|text| text.parse().map_err(|error| Failure::usage(format!("--network: {error}")))).transpose()?;
    if file.is_none() && reaches.is_none() {
        reaches = Some(crate::commands::status::height(session).await?);
    }
    let blocks = block.iter().map(|text| {
        let wrong = || Failure::usage(format!("--block {text:?} is not HEIGHT=ID"));
        let (height, id) = text.split_once('=').ok_or_else(wrong)?;
        Ok((Height(height.parse().map_err(|_| wrong())?), id.parse().map_err(|_| wrong())?))
    });
    let expectations = Expectations {
        network,
        reaches: reaches.map(Height),
        blocks: blocks.collect::<Result<BTreeMap<_, _>>>()?,
        invariants_every,
    };

    let bar = if draws_progress() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    bar.set_style(
        ProgressStyle::with_template("{spinner} replaying, {bytes} read, {bytes_per_sec}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    let begun = Instant::now();
    let pipeline = Pipeline::start(expectations);
    match &file {
        Some(path) => feed_file(path, &pipeline, &bar)?,
        None => {
            let mut writer = Chunks { pipeline: &pipeline };
            session
                .client()?
                .export(0, reaches.unwrap_or_default(), &mut writer, |_, bytes| bar.set_position(bytes))
                .await?;
        }
    }
    let verdict = pipeline.finish()?;
    bar.finish_and_clear();
    report(session, &verdict, begun.elapsed())
}

/// The three stations of the auditor, each with a core of its own where there is one.
struct Pipeline {
    chunks: SyncSender<Vec<u8>>,
    preparing: JoinHandle<()>,
    replaying: JoinHandle<Verdict>,
}

impl Pipeline {
    fn start(expectations: Expectations) -> Self {
        let (chunks, chunks_in) = sync_channel::<Vec<u8>>(WAITING);
        let (prepared, prepared_in) = sync_channel::<PreparedLot>(WAITING);
        let preparing = std::thread::spawn(move || prepare_all(&chunks_in, &prepared));
        let replaying = std::thread::spawn(move || {
            let mut replay = Replay::new(expectations);
            for lot in prepared_in {
                replay.take(lot);
            }
            replay.finish()
        });
        Self { chunks, preparing, replaying }
    }

    fn push(&self, chunk: Vec<u8>) -> std::io::Result<()> {
        self.chunks.send(chunk).map_err(|_| std::io::Error::other("the replay has stopped"))
    }

    fn finish(self) -> Result<Verdict> {
        let Self { chunks, preparing, replaying } = self;
        drop(chunks);
        let stopped = |_| Failure::new(Exit::Unexpected, "UNEXPECTED", "the replay stopped without a verdict");
        preparing.join().map_err(stopped)?;
        replaying.join().map_err(stopped)
    }
}

/// Prepares lots side by side and hands them on in their order. One core is left to the execution.
fn prepare_all(chunks: &Receiver<Vec<u8>>, prepared: &SyncSender<PreparedLot>) {
    let side_by_side =
        std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).clamp(1, 8));
    let mut intake = Intake::new();
    let mut lots: Vec<Lot> = Vec::new();
    for chunk in chunks {
        intake.push(&chunk);
        while let Some(lot) = intake.next() {
            lots.push(lot);
            if lots.len() >= side_by_side && !hand_on(&mut lots, prepared) {
                return;
            }
        }
    }
    lots.push(intake.finish());
    hand_on(&mut lots, prepared);
}

fn hand_on(lots: &mut Vec<Lot>, prepared: &SyncSender<PreparedLot>) -> bool {
    if let [_] = lots[..] {
        return lots.drain(..).all(|lot| prepared.send(lot.prepare()).is_ok());
    }
    let ready: Vec<PreparedLot> = std::thread::scope(|scope| {
        let workers: Vec<_> = lots.drain(..).map(|lot| scope.spawn(move || lot.prepare())).collect();
        workers.into_iter().map(|worker| worker.join().expect("preparing never panics on any input")).collect()
    });
    ready.into_iter().all(|lot| prepared.send(lot).is_ok())
}

fn feed_file(path: &Path, pipeline: &Pipeline, bar: &ProgressBar) -> Result<()> {
    let at = |error: std::io::Error| {
        let exit = if error.kind() == std::io::ErrorKind::NotFound { Exit::NotFound } else { Exit::Unexpected };
        Failure::new(exit, "FILE", format!("{}: {error}", path.display())).value("path", path.display().to_string())
    };
    let mut file = std::fs::File::open(path).map_err(at)?;
    loop {
        let mut chunk = vec![0; CHUNK];
        let count = file.read(&mut chunk).map_err(at)?;
        if count == 0 {
            return Ok(());
        }
        chunk.truncate(count);
        bar.inc(count as u64);
        pipeline.push(chunk)?;
    }
}

/// What a node sends goes the same way as a file. Waiting here is the back-pressure on the node; connections are driven by other threads.
struct Chunks<'a> {
    pipeline: &'a Pipeline,
}

impl Write for Chunks<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.pipeline.push(bytes.to_vec())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn report(session: &Session, verdict: &Verdict, elapsed: Duration) -> Result<()> {
    let data = as_json(verdict, elapsed);
    let sound = verdict.is_sound();
    if session.printer.format == Format::Table {
        text(&as_words(verdict, elapsed))?;
    } else if sound {
        session.printer.object(&data)?;
    }
    if sound {
        return Ok(());
    }
    let first = verdict
        .findings
        .first()
        .map_or_else(|| format!("{} heights could not be replayed", verdict.heights_not_replayed), ToString::to_string);
    Err(Failure::new(Exit::Verification, "AUDIT_FINDING", first)
        .hint("the finding names the place; --output json holds the bytes that show it")
        .value("report", data))
}

fn as_json(verdict: &Verdict, elapsed: Duration) -> Json {
    let Verdict {
        network,
        name,
        height,
        block,
        time,
        state_root,
        transactions,
        receipts,
        signatures,
        votes,
        heights_not_replayed,
        totals,
        checks,
        not_checked,
        findings,
        findings_left_out,
    } = verdict;
    let checks: Map<String, Json> = checks
        .iter()
        .map(|(check, count)| (check.name().to_owned(), json!({ "count": count, "claim": check.claim() })))
        .collect();
    let funds: Map<String, Json> = totals.funds.iter().map(|(code, fund)| {
        (code.to_string(), json!({
            "currency": fund.currency.as_str(), "money_in_minor": fund.money_in.to_string(), "money_out_minor": fund.money_out.to_string(),
            "grants": fund.grants, "awarded_minor": fund.awarded.to_string(), "paid_minor": fund.paid.to_string(),
        }))
    }).collect();
    let past: Map<String, Json> = totals
        .past_grants
        .iter()
        .map(|(file, past)| {
            let sums: Map<String, Json> = past
                .sums
                .iter()
                .map(|(currency, (rows, minor))| {
                    (currency.to_string(), json!({ "rows": rows, "minor": minor.to_string() }))
                })
                .collect();
            (file.to_string(), json!({ "rows": past.rows, "sums": sums, "withdrawn": past.withdrawn }))
        })
        .collect();
    let kinds: Map<String, Json> = totals
        .kinds
        .iter()
        .map(|(kind, count)| (kind.name().to_owned(), json!({ "applied": count.applied, "refused": count.refused })))
        .collect();
    let speed = verdict.speed(elapsed);
    json!({
        "sound": verdict.is_sound(), "network": network.to_string(), "name": name, "height": height.0, "block": block.to_string(), "time": time.0,
        "state_root": state_root.to_string(), "transactions": transactions, "receipts": receipts, "signatures": signatures, "votes": votes,
        "heights_not_replayed": heights_not_replayed, "checks": checks, "not_checked": not_checked,
        "totals": { "funds": funds, "past_grants": past, "kinds": kinds },
        "findings": findings.iter().map(finding).collect::<Vec<_>>(), "findings_left_out": findings_left_out,
        "speed": { "millis": speed.millis, "transactions_per_second": speed.transactions_per_second, "heights_per_second": speed.heights_per_second },
    })
}

fn finding(finding: &Finding) -> Json {
    let Finding { spot, check, detail, evidence } = finding;
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let evidence: Vec<_> =
        evidence.iter().map(|entry| json!({ "what": entry.what, "bytes": hex(&entry.bytes) })).collect();
    json!({ "spot": spot.to_string(), "check": check.name(), "detail": detail, "evidence": evidence })
}

fn as_words(verdict: &Verdict, elapsed: Duration) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    let _ = writeln!(out, "network {} ({})", verdict.name, verdict.network);
    let _ = writeln!(
        out,
        "replayed to height {} of {}\n  block      {}\n  state root {}",
        verdict.height.0,
        time_in_words(verdict.time),
        verdict.block,
        verdict.state_root
    );
    let _ = writeln!(out, "\nchecked:");
    for (check, count) in &verdict.checks {
        let _ = writeln!(out, "  {count:>9} x {:<12} {}", check.name(), check.claim());
    }
    let _ = writeln!(out, "\nnot checked:");
    for sentence in &verdict.not_checked {
        let _ = writeln!(out, "  - {sentence}");
    }
    let _ = writeln!(out, "\ncontrol totals:");
    let words = |minor: u128, currency| {
        i128::try_from(minor).map_or_else(|_| minor.to_string(), |minor| minor_in_words(minor, currency))
    };
    for (code, fund) in &verdict.totals.funds {
        let _ = writeln!(
            out,
            "  fund {code}: in {}, out {}, {} grants, awarded {}, paid {}",
            words(fund.money_in, fund.currency),
            words(fund.money_out, fund.currency),
            fund.grants,
            words(fund.awarded, fund.currency),
            words(fund.paid, fund.currency)
        );
    }
    for (file, past) in &verdict.totals.past_grants {
        let sums: Vec<_> = past.sums.iter().map(|(currency, (_, minor))| minor_in_words(*minor, *currency)).collect();
        let _ = writeln!(
            out,
            "  past grants of file {}…: {} rows, {}{}",
            &file.to_string()[..16],
            past.rows,
            sums.join(", "),
            if past.withdrawn { ", withdrawn" } else { "" }
        );
    }
    for (kind, count) in &verdict.totals.kinds {
        let _ = writeln!(out, "  {:<24} {} applied, {} refused", kind.name(), count.applied, count.refused);
    }
    let speed = verdict.speed(elapsed);
    let _ = writeln!(
        out,
        "\nspeed: {} transactions in {} ms, {}/s",
        verdict.transactions, speed.millis, speed.transactions_per_second
    );
    for finding in &verdict.findings {
        let _ = writeln!(out, "FINDING {finding}");
    }
    if verdict.findings_left_out > 0 {
        let _ = writeln!(out, "and {} findings more", verdict.findings_left_out);
    }
    let _ = writeln!(out, "verdict: {}", if verdict.is_sound() { "sound" } else { "NOT SOUND" });
    out
}
