//! Handing in, waiting, and the same answer for the same bytes.

use crate::chain::*;
use octroi_proto::v1::{self as pb, TransactionState, transaction_service_client::TransactionServiceClient};
use std::{sync::atomic::Ordering, time::Duration};
use tokio_stream::StreamExt as _;

fn submit(transaction: pb::SignedTransaction, wait_for: pb::WaitFor, max_wait_ms: u32) -> pb::SubmitTransactionRequest {
    pb::SubmitTransactionRequest {
        transaction: Some(transaction),
        wait_for: wait_for.into(),
        max_wait_ms,
        preflight: false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_that_is_over_is_pending_and_the_same_bytes_later_get_the_original_receipt() {
    let (node, _served, channel) = served().await;
    let mut client = TransactionServiceClient::new(channel);
    let transaction = node.promise(500);
    let asked = submit(transaction.clone(), pb::WaitFor::Committed, 50);
    let first = client.submit_transaction(asked.clone()).await.unwrap().into_inner().status.unwrap();
    assert_eq!((first.state(), first.height), (TransactionState::Pending, 0));
    let height = node.commit(1);
    let second = client.submit_transaction(asked.clone()).await.unwrap().into_inner().status.unwrap();
    assert_eq!((second.state(), second.height, &second.id), (TransactionState::Applied, height, &first.id));
    assert!(second.outcome.is_some());
    // Long after the id is forgotten by the rules.
    node.commit(3_600_000);
    assert!(!node.state().has_seen(octroi_primitives::BlockTime(START + 600_000), &transaction_id(&first.id)));
    let third = client.submit_transaction(asked).await.unwrap().into_inner().status.unwrap();
    assert_eq!(third, second);
    let got = client.get_transaction(pb::GetTransactionRequest { id: first.id }).await.unwrap().into_inner();
    assert_eq!(got.status, Some(second));
    assert_eq!(got.transaction, Some(transaction));
    assert_eq!(got.time, START + 1);
}

fn transaction_id(bytes: &[u8]) -> octroi_primitives::TransactionId {
    octroi_primitives::TransactionId::try_from(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_is_told_at_the_commit_with_the_refusal_in_words() {
    let (node, served, channel) = served().await;
    let client = TransactionServiceClient::new(channel);
    let waits = |transaction: pb::SignedTransaction| {
        let mut client = client.clone();
        tokio::spawn(async move {
            let asked = submit(transaction, pb::WaitFor::Committed, 20_000);
            client.submit_transaction(asked).await.unwrap().into_inner().status.unwrap()
        })
    };
    let good = node.promise(500);
    let (one, same) = (waits(good.clone()), waits(good));
    let bad = waits(node.promise(0));
    while served.metrics.awaited() < 2 || octroi_rpc::NodeReports::status(node.as_ref()).mempool_transactions < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    node.commit(1);
    let (one, same, bad) = (one.await.unwrap(), same.await.unwrap(), bad.await.unwrap());
    assert_eq!(one.state(), TransactionState::Applied);
    assert_eq!(one, same);
    assert_eq!(bad.state(), TransactionState::Refused);
    assert_eq!((bad.reason.as_str(), bad.shared_name.as_str()), ("PROMISE_CONTRIBUTION_AMOUNT_BOUNDS", "amount"));
    assert!(!bad.message.is_empty());
    assert_eq!(served.metrics.awaited(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_whose_time_passes_while_it_is_awaited_is_expired() {
    let (node, _served, channel) = served().await;
    let mut client = TransactionServiceClient::new(channel);
    // It waits at another node, as far as this one can tell, and never comes.
    *node.door.lock().unwrap() =
        Door::Shut(octroi_rpc::NotAdmitted::new(octroi_rpc::Reason::Pending, "it waits elsewhere"));
    let asked = submit(node.promise(5), pb::WaitFor::Committed, 20_000);
    let wait =
        tokio::spawn(async move { client.submit_transaction(asked).await.unwrap().into_inner().status.unwrap() });
    tokio::time::sleep(Duration::from_millis(200)).await;
    node.commit(700_000);
    let status = wait.await.unwrap();
    assert_eq!((status.state(), status.reason.as_str()), (TransactionState::Expired, "EXPIRED"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_answers_each_in_order() {
    let (node, _served, channel) = served().await;
    let mut client = TransactionServiceClient::new(channel);
    let known = node.promise(1);
    node.run(vec![known.clone()]).await;
    let fresh = node.promise(2);
    let broken = pb::SignedTransaction { body: vec![1, 2, 3], ..fresh.clone() };
    let transactions = vec![fresh.clone(), broken, known, fresh];
    let asked = pb::SubmitTransactionsRequest { transactions, wait_for: pb::WaitFor::Accepted.into(), max_wait_ms: 0 };
    let statuses = client.submit_transactions(asked).await.unwrap().into_inner().statuses;
    let states: Vec<_> = statuses.iter().map(|status| status.state()).collect();
    use TransactionState::{Applied, NotAdmitted, Pending};
    assert_eq!(states, [Pending, NotAdmitted, Applied, Pending]);
    assert_eq!(statuses[1].reason, "TRANSACTION_MALFORMED");
    assert_eq!(statuses[0].id, statuses[3].id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_counts_what_became_of_everything_copies_and_refusals_included() {
    let (node, _served, channel) = served().await;
    let mut client = TransactionServiceClient::new(channel);
    let known = node.promise(1);
    node.run(vec![known.clone()]).await;
    let twice = node.promise(3);
    let mut sent: Vec<pb::SignedTransaction> = (0..600).map(|minor| node.promise(minor)).collect();
    sent.extend([twice.clone(), twice, known, pb::SignedTransaction::default()]);
    let messages: Vec<pb::StreamTransactionsRequest> = sent
        .chunks(256)
        .map(|chunk| pb::StreamTransactionsRequest {
            transactions: chunk.to_vec(),
            wait_for: pb::WaitFor::Committed.into(),
            max_wait_ms: 20_000,
        })
        .collect();
    let committer = {
        let node = node.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(30)).await;
                node.commit(60_000);
                if node.height() > 8 {
                    return;
                }
            }
        })
    };
    let answer = client.stream_transactions(tokio_stream::iter(messages)).await.unwrap().into_inner();
    committer.await.unwrap();
    assert_eq!(answer.received, 604);
    // 599 of the promises, the one sent twice and the known one; the promise of 0 is refused; one is no transaction.
    assert_eq!((answer.applied, answer.refused, answer.not_admitted, answer.pending), (602, 1, 1, 0));
    assert_eq!(answer.problems.len(), 2);
    assert!(answer.last_height > 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn preflight_and_simulation_say_what_would_happen_and_submit_nothing() {
    let (node, _served, channel) = served().await;
    let mut client = TransactionServiceClient::new(channel);
    let asked = pb::SubmitTransactionRequest { preflight: true, ..submit(node.promise(0), pb::WaitFor::Accepted, 0) };
    let status = client.submit_transaction(asked).await.unwrap().into_inner().status.unwrap();
    assert_eq!((status.state(), status.height), (TransactionState::Refused, 0));
    assert_eq!(status.reason, "PROMISE_CONTRIBUTION_AMOUNT_BOUNDS");
    // Without signatures: the keys are enough.
    let mut unsigned = node.promise(7);
    for signature in &mut unsigned.signatures {
        signature.signature.clear();
    }
    let asked = pb::SimulateTransactionRequest { transaction: Some(unsigned.clone()) };
    let answer = client.simulate_transaction(asked).await.unwrap().into_inner();
    assert_eq!(answer.status.unwrap().state(), TransactionState::Applied);
    unsigned.signatures[0].key = key("bank").public().as_bytes().to_vec();
    let asked = pb::SimulateTransactionRequest { transaction: Some(unsigned) };
    let status = client.simulate_transaction(asked).await.unwrap().into_inner().status.unwrap();
    assert_eq!((status.state(), status.reason.as_str()), (TransactionState::NotAdmitted, "UNKNOWN_SIGNER"));
    assert_eq!(octroi_rpc::NodeReports::status(node.as_ref()).mempool_transactions, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_sees_it_wait_and_then_what_became_of_it() {
    let (node, _served, channel) = served().await;
    let mut client = TransactionServiceClient::new(channel);
    let asked = submit(node.promise(9), pb::WaitFor::Accepted, 0);
    let id = client.submit_transaction(asked).await.unwrap().into_inner().status.unwrap().id;
    let got = client.get_transaction(pb::GetTransactionRequest { id: id.clone() }).await.unwrap().into_inner();
    assert_eq!(got.status.unwrap().state(), TransactionState::Pending);
    let mut watched = client.watch_transaction(pb::WatchTransactionRequest { id }).await.unwrap().into_inner();
    assert_eq!(watched.next().await.unwrap().unwrap().state(), TransactionState::Pending);
    node.wall.store(START + 5, Ordering::Relaxed);
    let height = node.commit(1);
    let last = watched.next().await.unwrap().unwrap();
    assert_eq!((last.state(), last.height), (TransactionState::Applied, height));
    assert!(watched.next().await.is_none());
}
