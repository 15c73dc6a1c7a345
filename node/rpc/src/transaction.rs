//! `TransactionService`: handing in, waiting, simulating, looking up.
//!
//! The same bytes give the same answer for ever: a committed transaction is looked up and answered with its original receipt, one that waits
//! is waited for. Waiting ends with OK.

mod found;
mod hand_in;
mod stream;
mod watch;

use crate::{
    core::{Core, id, read_at},
    incoming::Caller,
    status,
    tracker::{Wait, Wants},
};
use found::Found;
use hand_in::{Answer, Handed};
use octroi_ledger::{Admission, Kind, SignedTransaction, Transaction, advise, wire::Canonical as _};
use octroi_primitives::{Cursor, TransactionId};
use octroi_proto::v1::{self as pb, transaction_service_server::TransactionService};
use std::time::{Duration, Instant};
use tonic::{Request, Response, Status};

/// Transactions of a batch.
const BATCH: usize = 1000;
/// Waiting when nothing is said.
const DEFAULT_WAIT: Duration = Duration::from_secs(10);
/// Kept of a caller's deadline for the answer to travel.
const MARGIN: Duration = Duration::from_millis(200);

/// The service.
pub(crate) struct Transactions(pub(crate) Core);

#[tonic::async_trait]
impl TransactionService for Transactions {
    type WatchTransactionStream = watch::Stream;

    async fn submit_transaction(
        &self,
        request: Request<pb::SubmitTransactionRequest>,
    ) -> Result<Response<pb::SubmitTransactionResponse>, Status> {
        let patience = Patience::of(&self.0, &request);
        self.spend(&request, 1)?;
        let pb::SubmitTransactionRequest { transaction, wait_for, max_wait_ms, preflight } = request.into_inner();
        let transaction = transaction.ok_or_else(|| status::argument("transaction", "is missing"))?;
        let waiting = wait_of("wait_for", wait_for)?;
        if preflight && let Some(refused) = self.preflight(&transaction).await? {
            return Ok(Response::new(pb::SubmitTransactionResponse { status: Some(refused) }));
        }
        let mut statuses = self.submit(vec![transaction], waiting, patience.until(max_wait_ms)).await?;
        let (_, status) = statuses.pop().ok_or_else(|| status::overloaded("transactions"))?;
        Ok(Response::new(pb::SubmitTransactionResponse { status: Some(status?) }))
    }

    async fn submit_transactions(
        &self,
        request: Request<pb::SubmitTransactionsRequest>,
    ) -> Result<Response<pb::SubmitTransactionsResponse>, Status> {
        let patience = Patience::of(&self.0, &request);
        let count = request.get_ref().transactions.len();
        if count > BATCH {
            return Err(status::too_many("transactions", count, BATCH));
        }
        self.spend(&request, count)?;
        let pb::SubmitTransactionsRequest { transactions, wait_for, max_wait_ms } = request.into_inner();
        let waiting = wait_of("wait_for", wait_for)?;
        let statuses = self.submit(transactions, waiting, patience.until(max_wait_ms)).await?;
        let statuses = statuses.into_iter().map(|(id, status)| match status {
            Ok(status) => status,
            Err(error) => hand_in::not_admitted(id, &error),
        });
        Ok(Response::new(pb::SubmitTransactionsResponse { statuses: statuses.collect() }))
    }

    async fn stream_transactions(
        &self,
        request: Request<tonic::Streaming<pb::StreamTransactionsRequest>>,
    ) -> Result<Response<pb::StreamTransactionsResponse>, Status> {
        let caller = request.extensions().get::<Caller>().copied();
        let patience = Patience::of(&self.0, &request);
        stream::run(&self.0, caller, &patience, request.into_inner()).await.map(Response::new)
    }

    async fn simulate_transaction(
        &self,
        request: Request<pb::SimulateTransactionRequest>,
    ) -> Result<Response<pb::SimulateTransactionResponse>, Status> {
        let transaction =
            request.into_inner().transaction.ok_or_else(|| status::argument("transaction", "is missing"))?;
        let answer = self.0.scan(move |core| simulate(core, transaction)).await?;
        Ok(Response::new(answer))
    }

    async fn get_transaction(
        &self,
        request: Request<pb::GetTransactionRequest>,
    ) -> Result<Response<pb::GetTransactionResponse>, Status> {
        let id: TransactionId = id("id", &request.get_ref().id)?;
        self.0.scan(move |core| get(core, id)).await.map(Response::new)
    }

    async fn watch_transaction(
        &self,
        request: Request<pb::WatchTransactionRequest>,
    ) -> Result<Response<watch::Stream>, Status> {
        let id: TransactionId = id("id", &request.get_ref().id)?;
        watch::start(&self.0, id).await.map(Response::new)
    }
}

impl Transactions {
    fn spend<T>(&self, request: &Request<T>, transactions: usize) -> Result<(), Status> {
        let Some(caller) = request.extensions().get::<Caller>() else { return Ok(()) };
        let units = u32::try_from(transactions).unwrap_or(u32::MAX);
        self.0.transactions.take(*caller, units, Instant::now()).map_err(status::rate_limited)
    }

    /// Hands in a list and waits as asked; one answer for each, in order.
    async fn submit(
        &self,
        transactions: Vec<pb::SignedTransaction>,
        waiting: Waiting,
        until: Instant,
    ) -> Result<Vec<(Option<TransactionId>, Result<pb::TransactionStatus, crate::NotAdmitted>)>, Status> {
        let mut wait = match waiting {
            Waiting::ForCommit => Some(Wait::new(&self.0.tracker, Wants::Receipts)),
            Waiting::NotAtAll => None,
        };
        let handed = hand_in::hand_in(&self.0, transactions, wait.as_mut())?.await?;
        if let Some(wait) = &mut wait {
            for Handed { id, answer } in &handed {
                if let (Some(id), Answer::Found(_) | Answer::Not(_)) = (id, answer) {
                    wait.close(id);
                }
            }
        }
        let fates = match &mut wait {
            Some(wait) => found::await_all(&self.0, wait, until).await?,
            None => Default::default(),
        };
        let settle = |Handed { id, answer }| {
            let status = match answer {
                Answer::Found(found) => Ok(found.status()),
                Answer::Not(error) => Err(error),
                Answer::Pending(id) => Ok(fates.get(&id).cloned().unwrap_or_else(|| hand_in::pending(id))),
            };
            (id, status)
        };
        Ok(handed.into_iter().map(settle).collect())
    }

    /// The refusal that a transaction would get now, if it would.
    async fn preflight(&self, transaction: &pb::SignedTransaction) -> Result<Option<pb::TransactionStatus>, Status> {
        let signed = hand_in::open(&self.0.deps.views.newest(), transaction.clone())?;
        self.0
            .scan(move |core| {
                let view = core.deps.views.newest();
                let keys: Vec<_> = signed.signatures().iter().map(|signature| signature.key).collect();
                let time = core.ledger_time(&view);
                let refusal = advise(&view.state, signed.transaction(), signed.id(), &keys, time).err();
                Ok(refusal.map(|refusal| found::refused_status(signed.id(), &refusal)))
            })
            .await
    }
}

fn simulate(core: &Core, transaction: pb::SignedTransaction) -> Result<pb::SimulateTransactionResponse, Status> {
    let view = core.deps.views.newest();
    let pb::SignedTransaction { body, signatures } = transaction;
    let size = body.len() + signatures.len() * 100;
    if body.len() > octroi_ledger::transaction::MAX_TRANSACTION_BYTES {
        let error = octroi_ledger::transaction::DecodeError::TooLarge(body.len());
        return Err(status::of_not_admitted(&crate::NotAdmitted::from(&error)));
    }
    let asked = Transaction::from_bytes(&body)
        .map_err(|error| crate::NotAdmitted::from(&octroi_ledger::transaction::DecodeError::Wire(error)))?;
    let mut keys = Vec::with_capacity(signatures.len());
    for (index, signature) in signatures.into_iter().enumerate() {
        keys.push(octroi_ledger::wire::Wire::from_proto(signature.key).map_err(
            |error: octroi_ledger::wire::WireError| {
                status::argument(&format!("transaction.signatures[{index}].key"), error)
            },
        )?);
    }
    keys.sort_unstable();
    keys.dedup();
    let id = Transaction::id(&body);
    let time = core.ledger_time(&view);
    let status = match Admission::new(&view.state, time).check_asked(&asked, id, &keys, size) {
        Err(error) => hand_in::not_admitted(Some(id), &crate::NotAdmitted::from(&error)),
        Ok(()) => match advise(&view.state, &asked, id, &keys, time) {
            Ok(event) => pb::TransactionStatus {
                id: id.as_bytes().to_vec(),
                state: pb::TransactionState::Applied.into(),
                outcome: Some(pb::Receipt {
                    transaction: id.as_bytes().to_vec(),
                    outcome: Some(pb::receipt::Outcome::Applied(octroi_ledger::wire::Wire::to_proto(&event))),
                }),
                ..Default::default()
            },
            Err(refusal) => found::refused_status(id, &refusal),
        },
    };
    Ok(pb::SimulateTransactionResponse { status: Some(status), at: Some(read_at(&view)) })
}

fn get(core: &Core, id: TransactionId) -> Result<pb::GetTransactionResponse, Status> {
    let Some(found) = Found::look_up(core, &[id])?.remove(&id) else {
        if core.deps.submit.waits(&id) {
            let status = Some(hand_in::pending(id));
            return Ok(pb::GetTransactionResponse { status, transaction: None, time: 0 });
        }
        return Err(status::not_found("transaction", id));
    };
    let Cursor { height, receipt } = found.at;
    let read = |error| status::of_fault(error);
    let gone = || status::not_found("block", height);
    let block = core.deps.blocks.block_bytes(height).map_err(read)?.ok_or_else(gone)?;
    let receipts = core.deps.blocks.receipts_bytes(height).map_err(read)?.ok_or_else(gone)?;
    let transactions: Vec<&[u8]> = crate::raw::transactions(&block).collect::<Result<_, _>>().map_err(read)?;
    let system = crate::raw::count_receipts(&receipts).map_err(read)?.saturating_sub(transactions.len());
    // Due work has a receipt and no transaction.
    let position = (receipt as usize).checked_sub(system);
    let signed = position.and_then(|position| transactions.get(position));
    let transaction =
        signed.map(|bytes| <pb::SignedTransaction as prost::Message>::decode(*bytes)).transpose().map_err(|error| {
            read(octroi_views::ReadFault::Damaged { place: format!("block {height}"), reason: error.to_string() })
        })?;
    let time = crate::raw::header(&block).map_err(read)?.time;
    Ok(pb::GetTransactionResponse { status: Some(found.status()), transaction, time })
}

/// Whether to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    NotAtAll,
    ForCommit,
}

fn wait_of(field: &str, wait_for: i32) -> Result<Waiting, Status> {
    match pb::WaitFor::try_from(wait_for) {
        Ok(pb::WaitFor::Unspecified | pb::WaitFor::Accepted) => Ok(Waiting::NotAtAll),
        Ok(pb::WaitFor::Committed) => Ok(Waiting::ForCommit),
        Err(_) => Err(status::argument(field, format!("{wait_for} is no wait"))),
    }
}

/// How long a caller can be kept.
struct Patience {
    deadline: Option<Instant>,
    most: Duration,
}

impl Patience {
    fn of<T>(core: &Core, request: &Request<T>) -> Self {
        let header = request.metadata().get("grpc-timeout").and_then(|value| value.to_str().ok());
        let deadline = header.and_then(timeout_of).map(|timeout| Instant::now() + timeout.saturating_sub(MARGIN));
        Self { deadline, most: core.limits.wait }
    }

    /// From now on.
    fn until(&self, asked_ms: u32) -> Instant {
        let asked = match asked_ms {
            0 => DEFAULT_WAIT,
            asked => Duration::from_millis(asked.into()),
        };
        let until = Instant::now() + asked.min(self.most);
        self.deadline.map_or(until, |deadline| deadline.min(until))
    }
}

/// The value of a `grpc-timeout` header: at most 8 digits and a unit.
fn timeout_of(header: &str) -> Option<Duration> {
    let (digits, unit) = header.split_at_checked(header.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(value * 3600),
        "M" => Duration::from_secs(value * 60),
        "S" => Duration::from_secs(value),
        "m" => Duration::from_millis(value),
        "u" => Duration::from_micros(value),
        "n" => Duration::from_nanos(value),
        _ => return None,
    })
}

/// A kind by its tag on the wire; later versions know more.
fn kind_of(tag: u32) -> Option<Kind> {
    u16::try_from(tag).ok().and_then(Kind::of_tag)
}

/// Ties the id of a decoded transaction to its end.
fn id_and_end(signed: &SignedTransaction) -> (TransactionId, octroi_primitives::BlockTime) {
    (signed.id(), signed.transaction().valid_until)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        assert_eq!(timeout_of("250m"), Some(Duration::from_millis(250)));
        assert_eq!(timeout_of("2S"), Some(Duration::from_secs(2)));
        for wrong in ["", "S", "12", "123456789m", "-1S", "1x", "é"] {
            assert_eq!(timeout_of(wrong), None, "{wrong}");
        }
    }
}
