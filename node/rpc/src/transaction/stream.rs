//! A client stream of transactions: bounded in flight, counted, never held up by one that does not come back.

use super::{
    Answer, Handed, Patience, Waiting,
    found::{message_of, refused, sort_out_ended},
    hand_in, wait_of,
};
use crate::{
    Reason,
    core::Core,
    incoming::Caller,
    raw, status,
    tracker::{Fate, Open, Wait, Wants},
};
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesOrdered};
use octroi_primitives::Cursor;
use octroi_proto::v1 as pb;
use std::time::Instant;
use tonic::{Status, Streaming};

/// Transactions of a message.
const MESSAGE: usize = 256;
/// Messages handed in and not answered by the mempool.
const IN_FLIGHT: usize = 4;
/// Problems that are listed.
const PROBLEMS: usize = 1000;

type InFlight = FuturesOrdered<BoxFuture<'static, Result<Vec<Handed>, Status>>>;

/// What the answer will say.
#[derive(Default)]
struct Tally(pb::StreamTransactionsResponse);

impl Tally {
    fn settled(
        &mut self,
        copies: u32,
        at: Cursor,
        applied: bool,
        problem: impl FnOnce() -> Result<pb::TransactionStatus, Status>,
    ) -> Result<(), Status> {
        let tally = &mut self.0;
        tally.last_height = tally.last_height.max(at.height.0);
        if applied {
            tally.applied += u64::from(copies);
            return Ok(());
        }
        tally.refused += u64::from(copies);
        if tally.problems.len() < PROBLEMS {
            tally.problems.push(problem()?);
        }
        Ok(())
    }

    fn status(&mut self, copies: u32, status: pb::TransactionStatus) -> Result<(), Status> {
        let at = Cursor { height: octroi_primitives::Height(status.height), receipt: status.receipt };
        match status.state() {
            pb::TransactionState::Applied => self.settled(copies, at, true, || Ok(status)),
            pb::TransactionState::Refused => self.settled(copies, at, false, || Ok(status)),
            pb::TransactionState::Pending => {
                self.0.pending += u64::from(copies);
                Ok(())
            }
            pb::TransactionState::NotAdmitted | pb::TransactionState::Expired | pb::TransactionState::Unspecified => {
                self.0.not_admitted += u64::from(copies);
                if self.0.problems.len() < PROBLEMS {
                    self.0.problems.push(status);
                }
                Ok(())
            }
        }
    }

    fn fate(&mut self, core: &Core, open: Open, fate: &Fate) -> Result<(), Status> {
        match fate.outcome {
            raw::Outcome::Applied { .. } => self.settled(open.copies, fate.at, true, || Ok(Default::default())),
            raw::Outcome::Refused { kind, code } => self.settled(open.copies, fate.at, false, || {
                let mut status = refused(kind, code, &message_of(core, fate)?);
                status.id = fate.id.as_bytes().to_vec();
                (status.height, status.receipt) = (fate.at.height.0, fate.at.receipt);
                Ok(status)
            }),
        }
    }
}

/// Serves one stream.
pub(super) async fn run(
    core: &Core,
    caller: Option<Caller>,
    patience: &Patience,
    mut inbound: Streaming<pb::StreamTransactionsRequest>,
) -> Result<pb::StreamTransactionsResponse, Status> {
    let mut tally = Tally::default();
    let mut in_flight = InFlight::new();
    let mut wait = Wait::new(&core.tracker, Wants::Outcomes);
    let mut waiting: Option<(Waiting, u32)> = None;
    let mut commits = core.deps.commits.clone();
    let mut heard = Instant::now();
    let mut until: Option<Instant> = None;
    let mut ended = false;
    loop {
        if ended && in_flight.is_empty() {
            if wait.open() == 0 {
                break;
            }
            let (_, max_wait_ms) = waiting.unwrap_or((Waiting::NotAtAll, 0));
            until.get_or_insert_with(|| patience.until(max_wait_ms));
        }
        let room = in_flight.len() < IN_FLIGHT && wait.open() < core.limits.awaited_each;
        if !room {
            // The client is not to blame for a pause of ours.
            heard = Instant::now();
        }
        tokio::select! {
            biased;
            Some(handed) = in_flight.next(), if !in_flight.is_empty() => {
                answered(&mut tally, &mut wait, handed?, waiting)?;
            }
            fates = wait.fates() => for (open, fate) in fates {
                tally.fate(core, open, &fate)?;
            },
            message = inbound.message(), if !ended && room => match message? {
                None => ended = true,
                Some(message) => {
                    heard = Instant::now();
                    let pb::StreamTransactionsRequest { transactions, wait_for, max_wait_ms } = message;
                    let (kind, _) = match waiting {
                        Some(first) => first,
                        None => *waiting.insert((wait_of("wait_for", wait_for)?, max_wait_ms)),
                    };
                    if transactions.len() > MESSAGE {
                        return Err(status::too_many("transactions", transactions.len(), MESSAGE));
                    }
                    slow_down(core, caller, transactions.len()).await;
                    tally.0.received += transactions.len() as u64;
                    let awaited = (kind == Waiting::ForCommit).then_some(&mut wait);
                    let mut handed = hand_in::hand_in(core, transactions, awaited)?.boxed();
                    // Polled once here, so that messages keep their order on the way to the mempool.
                    match futures::poll!(&mut handed) {
                        std::task::Poll::Ready(handed) => in_flight.push_back(std::future::ready(handed).boxed()),
                        std::task::Poll::Pending => in_flight.push_back(handed),
                    }
                }
            },
            changed = commits.changed() => {
                if changed.is_err() {
                    return Err(status::shutting_down());
                }
                // Those that can no longer be committed must not hold up the stream; looking for them costs, so only when it is full or over.
                if ended || !room {
                    for (_, copies, status) in sort_out_ended(core, &mut wait)? {
                        tally.status(copies, status)?;
                    }
                }
            }
            () = sleep_until(until) => break,
            () = sleep_until(Some(heard + core.limits.idle)), if !ended && room => return Err(idle(core)),
            () = core.closed() => return Err(status::shutting_down()),
        }
    }
    tally.0.pending += wait.open() as u64;
    Ok(tally.0)
}

fn answered(
    tally: &mut Tally,
    wait: &mut Wait,
    handed: Vec<Handed>,
    waiting: Option<(Waiting, u32)>,
) -> Result<(), Status> {
    for Handed { id, answer } in handed {
        match answer {
            Answer::Pending(_) if matches!(waiting, Some((Waiting::ForCommit, _))) => {}
            Answer::Pending(_) => tally.0.pending += 1,
            Answer::Found(found) => {
                // A copy of it may have been told by its block in the meantime, and counted.
                let copies = id.and_then(|id| wait.close(&id)).map_or(1, |open| open.copies);
                tally.status(copies, found.status())?;
            }
            Answer::Not(error) => {
                let copies = id.and_then(|id| wait.close(&id)).map_or(1, |open| open.copies);
                tally.status(copies, hand_in::not_admitted(id, &error))?;
            }
        }
    }
    Ok(())
}

async fn slow_down(core: &Core, caller: Option<Caller>, transactions: usize) {
    let Some(caller) = caller else { return };
    let units = u32::try_from(transactions).unwrap_or(u32::MAX);
    while let Err(wait) = core.transactions.take(caller, units, Instant::now()) {
        tokio::time::sleep(wait).await;
    }
}

async fn sleep_until(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until.into()).await,
        None => std::future::pending().await,
    }
}

fn idle(core: &Core) -> Status {
    let waited = core.limits.idle.as_secs();
    status::Answer::new(Reason::StreamIdle, format!("nothing was sent for {waited} s"))
        .value("seconds", waited)
        .status()
}
