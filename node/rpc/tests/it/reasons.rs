//! Each reason can be reached by a caller, with its code and its details.

use crate::chain::*;
use octroi_proto::v1::{
    self as pb, event_service_client::EventServiceClient, ledger_service_client::LedgerServiceClient,
    transaction_service_client::TransactionServiceClient,
};
use octroi_rpc::{DOMAIN, Limits, NotAdmitted, Rate, Reason};
use std::{collections::BTreeSet, time::Duration};
use tonic::{Status, transport::Channel};
use tonic_types::StatusExt as _;

/// What was seen so far.
#[derive(Default)]
struct Reached(BTreeSet<Reason>);

impl Reached {
    /// Checks that the error says this reason, in all the ways it should.
    #[track_caller]
    fn see(&mut self, reason: Reason, status: Status) {
        let info = status.get_details_error_info().unwrap_or_else(|| panic!("{reason}: no details in {status:?}"));
        assert_eq!((info.reason.as_str(), info.domain.as_str()), (reason.name(), DOMAIN), "{status:?}");
        assert_eq!(status.code(), reason.code(), "{status:?}");
        assert!(!status.message().is_empty());
        self.0.insert(reason);
    }
}

async fn submit(channel: &Channel, transaction: pb::SignedTransaction) -> Status {
    let asked = pb::SubmitTransactionRequest { transaction: Some(transaction), ..Default::default() };
    let answer = TransactionServiceClient::new(channel.clone()).submit_transaction(asked).await;
    answer.expect_err("it is not admitted")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reason_is_reached() {
    let mut reached = Reached::default();
    let (node, _served, channel) = served().await;
    let channel = &channel;

    let good = node.promise(1);
    let with_body = |body: Vec<u8>| pb::SignedTransaction { body, ..good.clone() };
    reached.see(Reason::TransactionTooLarge, submit(channel, with_body(vec![0; 66_000])).await);
    reached.see(Reason::TransactionMalformed, submit(channel, with_body(vec![0xff; 8])).await);
    // An unknown field of number 100.
    let padded = [good.body.as_slice(), &[0xa0, 0x06, 0x01]].concat();
    reached.see(Reason::NotCanonical, submit(channel, with_body(padded)).await);
    let unsigned = pb::SignedTransaction { signatures: vec![], ..good.clone() };
    reached.see(Reason::SignatureCount, submit(channel, unsigned).await);
    let doubled = vec![good.signatures[0].clone(); 2];
    reached.see(Reason::KeyOrder, submit(channel, pb::SignedTransaction { signatures: doubled, ..good.clone() }).await);
    let mut forged = good.clone();
    forged.signatures[0].signature[0] ^= 1;
    reached.see(Reason::SignatureInvalid, submit(channel, forged).await);
    let signed_by =
        |transaction: &octroi_ledger::Transaction, label: &str| transaction.sign(&[&key(label)]).to_message();
    let mut foreign = node.transaction("region", promise(1));
    foreign.network = octroi_primitives::NetworkId::ZERO;
    reached.see(Reason::WrongNetwork, submit(channel, signed_by(&foreign, "region")).await);
    let mut late = node.transaction("region", promise(1));
    late.valid_until = octroi_primitives::BlockTime(START);
    reached.see(Reason::Expired, submit(channel, signed_by(&late, "region")).await);
    late.valid_until = octroi_primitives::BlockTime(START + 86_400_000);
    reached.see(Reason::TooEarly, submit(channel, signed_by(&late, "region")).await);
    let borrowed = node.transaction("region", promise(1));
    reached.see(Reason::UnknownSigner, submit(channel, signed_by(&borrowed, "bank")).await);
    let half = node.transaction("duo", promise(1));
    reached.see(Reason::Threshold, submit(channel, signed_by(&half, "duo")).await);

    // What only a mempool can say.
    for reason in [
        Reason::TooMuchWork,
        Reason::Quota,
        Reason::SeenFull,
        Reason::MempoolFull,
        Reason::OrganisationFull,
        Reason::NotReady,
    ] {
        *node.door.lock().unwrap() = Door::Shut(NotAdmitted::named(reason.name(), "as the mempool says"));
        let status = submit(channel, good.clone()).await;
        let retries = status.get_details_retry_info().is_some();
        assert_eq!(retries, reason != Reason::TooMuchWork, "{reason}");
        reached.see(reason, status);
    }
    *node.door.lock().unwrap() = Door::Open;

    let mut transactions = TransactionServiceClient::new(channel.clone());
    let mut ledger = LedgerServiceClient::new(channel.clone());
    let mut events = EventServiceClient::new(channel.clone());
    let status = transactions.get_transaction(pb::GetTransactionRequest { id: vec![1] }).await.unwrap_err();
    assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "id");
    reached.see(Reason::Argument, status);
    let status = transactions.get_transaction(pb::GetTransactionRequest { id: vec![1; 32] }).await.unwrap_err();
    assert_eq!(status.get_details_resource_info().unwrap().resource_type, "transaction");
    reached.see(Reason::NotFound, status);
    let many = pb::SubmitTransactionsRequest { transactions: vec![good.clone(); 1001], ..Default::default() };
    reached.see(Reason::TooMany, transactions.submit_transactions(many).await.unwrap_err());
    let page = Some(pb::PageRequest { page_size: 1, page_token: "zz".into() });
    let asked = pb::ListBlocksRequest { page };
    reached.see(Reason::PageToken, ledger.list_blocks(asked).await.unwrap_err());
    let asked = pb::GetStateProofRequest::default();
    reached.see(Reason::ProofNotServed, ledger.get_state_proof(asked).await.unwrap_err());
    let options = Some(pb::ReadOptions { at_height: 99, with_proof: false });
    let account = format!("bank:{}", account());
    let asked = pb::GetAccountRequest { account, options };
    let status = ledger.get_account(asked).await.unwrap_err();
    let values = status.get_details_error_info().unwrap().metadata;
    assert_eq!((values["oldest"].as_str(), values["newest"].as_str()), ("0", "0"));
    reached.see(Reason::HeightNotAvailable, status);

    // A node that does not hold the first blocks.
    node.run(vec![good.clone()]).await;
    for _ in 0..12 {
        node.run(vec![node.promise(1)]).await;
    }
    node.prune(10);
    let status = submit(channel, good).await;
    reached.see(Reason::Duplicate, status);
    let status = events.stream_events(pb::StreamEventsRequest::default()).await.unwrap_err();
    assert_eq!(status.get_details_error_info().unwrap().metadata["oldest"], "10.0");
    reached.see(Reason::CursorTooOld, status);
    node.break_store(true);
    reached.see(Reason::StoreFault, ledger.get_block(pb::GetBlockRequest { height: 12 }).await.unwrap_err());
    node.break_store(false);

    // Servers with little room.
    let limits = Limits {
        request_rate: Rate { each_second: 1, burst: 1 },
        request: Duration::from_millis(50),
        wait: Duration::from_millis(50),
        ..Default::default()
    };
    let narrow = Served::new(&node, limits).await;
    let channel = narrow.channel().await;
    *node.door.lock().unwrap() = Door::Silent;
    reached.see(Reason::RequestTimeout, submit(&channel, node.promise(2)).await);
    reached.see(Reason::RateLimited, submit(&channel, node.promise(2)).await);
    *node.door.lock().unwrap() = Door::Open;
    let limits = Limits { subscriptions: 0, idle: Duration::from_millis(50), ..Default::default() };
    let mut narrow = Served::new(&node, limits).await;
    let channel = narrow.channel().await;
    let mut events = EventServiceClient::new(channel.clone());
    let asked = pb::StreamEventsRequest { after_cursor: "12.0".into(), filter: None };
    reached.see(Reason::Overloaded, events.stream_events(asked).await.unwrap_err());
    let mut transactions = TransactionServiceClient::new(channel.clone());
    let silent = transactions.stream_transactions(tokio_stream::pending()).await.unwrap_err();
    reached.see(Reason::StreamIdle, silent);
    let served = Served::new(&node, Limits::default()).await;
    let mut events = EventServiceClient::new(served.channel().await);
    let asked = pb::StreamEventsRequest { after_cursor: "12.0".into(), filter: None };
    let mut stream = events.stream_events(asked).await.unwrap().into_inner();
    let mut served = served;
    served.stop();
    narrow.stop();
    let status = loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a stream ends with a reason"),
            Err(status) => break status,
        }
    };
    reached.see(Reason::ShuttingDown, status);

    // A transaction that waits already is answered as one that waits.
    let all: BTreeSet<Reason> = Reason::ALL.iter().copied().filter(|reason| *reason != Reason::Pending).collect();
    let missing: Vec<_> = all.difference(&reached.0).collect();
    assert!(missing.is_empty(), "not reached: {missing:?}");
}
