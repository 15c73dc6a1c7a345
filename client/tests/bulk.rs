//! Bulk submission to nodes that lose connections, fill up and answer late: every transaction is counted once, whatever happens on the way.
//!
//! The nodes here are test doubles behind real gRPC on loopback: they keep a set of ids, as the ledger does, and misbehave on demand.

use octroi_client::{Client, ClientError, Progress};
use octroi_proto::v1::{
    self as pb, TransactionState,
    transaction_service_server::{TransactionService, TransactionServiceServer},
};
use std::{
    collections::BTreeSet,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio_stream::{Stream, StreamExt as _, wrappers::TcpListenerStream};
use tonic::{Code, Request, Response, Status, Streaming, transport::Server};
use tonic_types::{ErrorDetails, StatusExt as _};

/// What all nodes of the double agree on.
#[derive(Default)]
struct Ledger {
    ids: BTreeSet<Vec<u8>>,
    submissions: u64,
}

/// How a node misbehaves.
#[derive(Clone, Copy, PartialEq)]
enum Habit {
    Honest,
    /// Commits a part of each of the first streams, then breaks the connection without an answer.
    BreaksMidway {
        times: u32,
    },
    /// Says that nothing fits, some times.
    Full {
        times: u32,
    },
    /// Leaves half of each stream waiting without saying which.
    Slow,
    /// Refuses everything as a bad request.
    Hostile,
}

struct Node {
    ledger: Arc<Mutex<Ledger>>,
    habit: Mutex<Habit>,
}

/// Transactions whose body begins with this byte are refused by the ledger.
const REFUSED: u8 = 0xff;

fn status(body: &[u8], state: TransactionState, reason: &str) -> pb::TransactionStatus {
    pb::TransactionStatus {
        id: body.to_vec(),
        state: state as i32,
        height: 7,
        reason: reason.to_owned(),
        ..Default::default()
    }
}

impl Node {
    /// Puts one into the ledger, once.
    fn commit(&self, transaction: &pb::SignedTransaction) -> pb::TransactionStatus {
        let mut ledger = self.ledger.lock().unwrap();
        ledger.submissions += 1;
        ledger.ids.insert(transaction.body.clone());
        let refused = transaction.body[0] == REFUSED;
        if refused {
            status(&transaction.body, TransactionState::Refused, "TEST_REFUSED")
        } else {
            status(&transaction.body, TransactionState::Applied, "")
        }
    }
}

fn full() -> Status {
    let mut details = ErrorDetails::new();
    details.set_error_info("MEMPOOL_FULL", "octroi", [("waiting".to_owned(), "1".to_owned())]);
    details.set_retry_info(Some(Duration::from_millis(10)));
    Status::with_error_details(Code::ResourceExhausted, "full", details)
}

#[tonic::async_trait]
impl TransactionService for Node {
    async fn submit_transaction(
        &self,
        _: Request<pb::SubmitTransactionRequest>,
    ) -> Result<Response<pb::SubmitTransactionResponse>, Status> {
        Err(Status::unimplemented("not asked here"))
    }

    async fn submit_transactions(
        &self,
        request: Request<pb::SubmitTransactionsRequest>,
    ) -> Result<Response<pb::SubmitTransactionsResponse>, Status> {
        let statuses = request.into_inner().transactions.iter().map(|transaction| self.commit(transaction)).collect();
        Ok(Response::new(pb::SubmitTransactionsResponse { statuses }))
    }

    async fn stream_transactions(
        &self,
        request: Request<Streaming<pb::StreamTransactionsRequest>>,
    ) -> Result<Response<pb::StreamTransactionsResponse>, Status> {
        let mut stream = request.into_inner();
        let mut all = Vec::new();
        while let Some(message) = stream.next().await {
            all.extend(message?.transactions);
        }
        let habit = {
            let mut habit = self.habit.lock().unwrap();
            let now = *habit;
            *habit = match now {
                Habit::BreaksMidway { times: 0 } | Habit::Full { times: 0 } => Habit::Honest,
                Habit::BreaksMidway { times } => Habit::BreaksMidway { times: times - 1 },
                Habit::Full { times } => Habit::Full { times: times - 1 },
                other => other,
            };
            now
        };
        let mut answer =
            pb::StreamTransactionsResponse { received: all.len() as u64, last_height: 7, ..Default::default() };
        let taken = match habit {
            Habit::Full { .. } => return Err(full()),
            Habit::Hostile => {
                let mut details = ErrorDetails::new();
                details.set_error_info("ARGUMENT", "octroi", [("field".to_owned(), "transactions".to_owned())]);
                return Err(Status::with_error_details(Code::InvalidArgument, "no", details));
            }
            Habit::BreaksMidway { .. } | Habit::Slow => all.len() / 2,
            Habit::Honest => all.len(),
        };
        for transaction in &all[..taken] {
            let status = self.commit(transaction);
            if status.state == TransactionState::Refused as i32 {
                answer.refused += 1;
                answer.problems.push(status);
            } else {
                answer.applied += 1;
            }
        }
        if matches!(habit, Habit::BreaksMidway { .. }) {
            return Err(Status::unavailable("connection reset by peer"));
        }
        answer.pending = (all.len() - taken) as u64;
        Ok(Response::new(answer))
    }

    async fn simulate_transaction(
        &self,
        _: Request<pb::SimulateTransactionRequest>,
    ) -> Result<Response<pb::SimulateTransactionResponse>, Status> {
        Err(Status::unimplemented("not asked here"))
    }

    async fn get_transaction(
        &self,
        _: Request<pb::GetTransactionRequest>,
    ) -> Result<Response<pb::GetTransactionResponse>, Status> {
        Err(Status::unimplemented("not asked here"))
    }

    type WatchTransactionStream = Pin<Box<dyn Stream<Item = Result<pb::TransactionStatus, Status>> + Send>>;

    async fn watch_transaction(
        &self,
        _: Request<pb::WatchTransactionRequest>,
    ) -> Result<Response<Self::WatchTransactionStream>, Status> {
        Err(Status::unimplemented("not asked here"))
    }
}

/// Starts nodes over one ledger and gives their addresses.
async fn nodes(habits: &[Habit]) -> (Vec<String>, Arc<Mutex<Ledger>>) {
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let mut endpoints = Vec::new();
    for habit in habits {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        endpoints.push(listener.local_addr().unwrap().to_string());
        let node = Node { ledger: ledger.clone(), habit: Mutex::new(*habit) };
        tokio::spawn(
            Server::builder()
                .add_service(TransactionServiceServer::new(node))
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
    }
    (endpoints, ledger)
}

fn list(count: u32) -> impl Iterator<Item = pb::SignedTransaction> {
    (0..count).map(|number| pb::SignedTransaction {
        body: [&[0][..], &number.to_be_bytes()].concat(),
        signatures: Vec::new(),
    })
}

async fn all_once(habits: &[Habit], dead: usize, count: u32) {
    let (mut endpoints, ledger) = nodes(habits).await;
    // Port 1 of loopback: nothing listens there.
    endpoints.extend(std::iter::repeat_n("127.0.0.1:1".to_owned(), dead));
    let client = Client::connect(&endpoints, None).unwrap();
    let mut last = Progress::default();
    let report = client
        .submit_all(list(count), |progress| {
            assert!(progress.applied >= last.applied, "progress goes forward");
            last = progress;
        })
        .await
        .unwrap();
    assert_eq!(
        (report.progress.sent, report.progress.applied, report.progress.failed),
        (count.into(), count.into(), 0)
    );
    assert_eq!(report.progress, last);
    assert_eq!(ledger.lock().unwrap().ids.len(), count as usize, "nothing is lost");
    assert_eq!(report.last_height, 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_arrives_through_honest_nodes_without_being_sent_twice() {
    let (endpoints, ledger) = nodes(&[Habit::Honest; 4]).await;
    let client = Client::connect(&endpoints, None).unwrap();
    let report = client.submit_all(list(12_345), |_| {}).await.unwrap();
    assert_eq!(report.progress.applied, 12_345);
    let Ledger { ids, submissions } = &*ledger.lock().unwrap();
    assert_eq!((ids.len(), *submissions), (12_345, 12_345));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_broken_connection_may_have_taken_is_sent_again_and_counted_once() {
    all_once(&[Habit::BreaksMidway { times: 3 }, Habit::Honest], 0, 8_000).await;
    all_once(&[Habit::BreaksMidway { times: 2 }], 0, 2_500).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_nodes_hold_nothing_up_and_lose_nothing() {
    all_once(&[Habit::Honest, Habit::Honest], 2, 6_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_node_is_asked_again_and_a_slow_one_transaction_by_transaction() {
    all_once(&[Habit::Full { times: 4 }], 0, 1_500).await;
    all_once(&[Habit::Slow, Habit::Honest], 0, 5_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_refusal_is_named_once() {
    let (endpoints, _) = nodes(&[Habit::Slow, Habit::BreaksMidway { times: 1 }]).await;
    let client = Client::connect(&endpoints, None).unwrap();
    let bad = |number: u32| pb::SignedTransaction {
        body: [&[REFUSED][..], &number.to_be_bytes()].concat(),
        signatures: Vec::new(),
    };
    let report = client.submit_all(list(3_000).chain((0..5).map(bad)), |_| {}).await.unwrap();
    assert_eq!((report.progress.applied, report.progress.failed), (3_000, 5));
    let named: BTreeSet<_> = report.failed.iter().map(|status| status.id.clone()).collect();
    assert_eq!((named.len(), report.failed.len()), (5, 5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_request_ends_the_submission_with_the_reason() {
    let (endpoints, _) = nodes(&[Habit::Hostile]).await;
    let client = Client::connect(&endpoints, None).unwrap();
    match client.submit_all(list(10), |_| {}).await {
        Err(ClientError::Answer(answer)) => assert_eq!(answer.reason, "ARGUMENT"),
        other => panic!("{other:?}"),
    }
}
