//! Reads: they name their height, agree with the chain, and page without skipping or repeating.

use crate::chain::*;
use octroi_chain::archive::{Reader, Record};
use octroi_proto::v1::{
    self as pb, archive_service_client::ArchiveServiceClient, funding_service_client::FundingServiceClient,
    ledger_service_client::LedgerServiceClient, node_service_client::NodeServiceClient,
};
use tonic::Code;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_headers_and_pages_of_them_are_those_of_the_chain() {
    let (node, _served, channel) = served().await;
    for minor in 1..=9 {
        node.run(vec![node.promise(minor), node.promise(minor + 100)]).await;
    }
    let mut client = LedgerServiceClient::new(channel);
    let block = client.get_block(pb::GetBlockRequest { height: 3 }).await.unwrap().into_inner();
    assert_eq!((block.receipts.len(), block.system_receipts), (2, 0));
    let header = client.get_header(pb::GetHeaderRequest { height: 3 }).await.unwrap().into_inner();
    assert_eq!((&header.id, &header.header), (&block.id, &block.block.as_ref().unwrap().header));
    assert_eq!(header.certificate.unwrap().block_id, header.id);
    let missing = client.get_header(pb::GetHeaderRequest { height: 10 }).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
    let mut heights = Vec::new();
    let mut page_token = String::new();
    loop {
        let page = Some(pb::PageRequest { page_size: 4, page_token });
        let answer = client.list_blocks(pb::ListBlocksRequest { page }).await.unwrap().into_inner();
        assert_eq!(answer.at.unwrap().height, 9);
        heights.extend(answer.blocks.iter().map(|block| block.header.as_ref().unwrap().height));
        node.run(vec![node.promise(1)]).await;
        page_token = answer.page.unwrap().next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(heights, (1..=9).rev().collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_is_the_same_in_one_piece_and_resumed_and_reads_back() {
    let (node, _served, channel) = served().await;
    for minor in 1..=70 {
        node.run(vec![node.promise(minor)]).await;
    }
    let mut client = ArchiveServiceClient::new(channel);
    let mut export = async |from_height| {
        let asked = pb::ExportChainRequest { from_height, to_height: 70 };
        let mut stream = client.export_chain(asked).await.unwrap().into_inner();
        let (mut bytes, mut upto) = (Vec::new(), Vec::new());
        while let Some(chunk) = stream.message().await.unwrap() {
            bytes.extend(chunk.chunk);
            upto.push((bytes.len(), chunk.complete_to));
        }
        (bytes, upto)
    };
    let (whole, upto) = export(0).await;
    let (length, complete_to) = *upto.iter().find(|(_, complete)| *complete >= 30).unwrap();
    let (rest, _) = export(complete_to + 1).await;
    assert!([&whole[..length], &rest].concat() == whole);
    let mut reader = Reader::new();
    reader.push(&whole);
    let mut heights = Vec::new();
    let mut closed = false;
    while let Some(record) = reader.next().unwrap() {
        match record {
            Record::FileHeader(header) => assert_eq!(header.network, node.state().network()),
            Record::Block(block) => heights.push(block.height.0),
            Record::Closing(closing) => {
                closed = true;
                assert_eq!(closing.totals.blocks, 70);
            }
        }
    }
    assert!(closed);
    assert_eq!(heights, (1..=70).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_says_what_it_is_and_how() {
    let (node, _served, channel) = served().await;
    node.run(vec![node.step_clock()]).await;
    let mut client = NodeServiceClient::new(channel);
    let info = client.get_node_info(pb::GetNodeInfoRequest {}).await.unwrap().into_inner();
    assert_eq!((info.network_name.as_str(), info.dev), (NAME, true));
    assert_eq!(info.network, node.state().network().as_bytes());
    let status = client.get_status(pb::GetStatusRequest {}).await.unwrap().into_inner();
    assert!(status.ready);
    assert_eq!((status.clock_offset, status.ledger_time), (1000, START + 1000));
    assert_eq!((status.at.unwrap().height, status.validators), (1, 1));
    let peers = client.list_peers(pb::ListPeersRequest {}).await.unwrap().into_inner().peers;
    assert_eq!((peers[0].role.as_str(), peers[0].height), ("observer", 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn organisations_funds_and_promises_are_found_at_the_height_asked_for() {
    let (node, _served, channel) = served().await;
    node.run(vec![node.promise(500)]).await;
    let mut client = FundingServiceClient::new(channel);
    let bank = id("bank").as_bytes().to_vec();
    let asked = pb::GetOrganisationRequest { id: bank.clone(), options: None };
    let found = client.get_organisation(asked).await.unwrap().into_inner();
    let organisation = found.organisation.unwrap();
    assert_eq!(organisation.organisation.unwrap().name, "bank (invented)");
    assert!(organisation.roles.iter().any(|role| role.role == "registrar"));
    assert_eq!(organisation.colleges, ["funders"]);
    let page = Some(pb::PageRequest { page_size: 2, page_token: String::new() });
    let asked = pb::FindOrganisationRequest { name_contains: "INVENTED".into(), page, ..Default::default() };
    let first = client.find_organisation(asked.clone()).await.unwrap().into_inner();
    let page_token = first.page.unwrap().next_page_token;
    let other = pb::FindOrganisationRequest {
        name_contains: "bank".into(),
        page: Some(pb::PageRequest { page_size: 2, page_token: page_token.clone() }),
        ..Default::default()
    };
    assert_eq!(client.find_organisation(other).await.unwrap_err().code(), Code::InvalidArgument);
    let asked = pb::FindOrganisationRequest { page: Some(pb::PageRequest { page_size: 2, page_token }), ..asked };
    let second = client.find_organisation(asked).await.unwrap().into_inner();
    assert_eq!((first.organisations.len(), second.organisations.len()), (2, 1));
    let fund = client.get_fund(pb::GetFundRequest { fund: "commun".into(), options: None }).await.unwrap();
    let fund = fund.into_inner().fund.unwrap();
    assert!(fund.balances);
    assert_eq!((fund.currency.as_str(), fund.envelopes.len()), ("EUR", 1));
    let (promise, _) = node
        .state()
        .all::<octroi_ledger::contribution::promise::Promise>()
        .next()
        .map(|(k, v)| (*k, v.clone()))
        .unwrap();
    let mut asked = pb::GetPromiseRequest { id: promise.as_bytes().to_vec(), options: None };
    let found = client.get_promise(asked.clone()).await.unwrap().into_inner();
    assert!(found.reference.starts_with('P'));
    assert_eq!(found.promise.unwrap().amount.unwrap().minor, 500);
    // The state before the first block is asked for by no height; the one after it is.
    asked.options = Some(pb::ReadOptions { at_height: 1, with_proof: false });
    assert_eq!(client.get_promise(asked).await.unwrap().into_inner().at.unwrap().height, 1);
    let account = octroi_primitives::BankAccountId::as_bytes(&account()).to_vec();
    let asked = pb::GetReconciliationRequest { account, ..Default::default() };
    let state = client.get_reconciliation(asked).await.unwrap().into_inner();
    assert_eq!((state.last_sequence, state.closing.unwrap().minor, state.open_entries.len()), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn past_grants_are_found_by_file_and_number_with_totals_that_the_ledger_keeps() {
    let (node, _served, channel) = served().await;
    node.run((1..=10).map(|row| node.past_grant(row, u64::from(row) * 100)).collect()).await;
    node.run((21..=25).map(|row| node.past_grant(row, 1)).collect()).await;
    let mut client = FundingServiceClient::new(channel);
    let asked = pb::GetSourceFileRequest { file: source_file(), options: None };
    let file = client.get_source_file(asked).await.unwrap().into_inner();
    assert_eq!(file.rows, 15);
    assert_eq!((file.totals[0].count, file.totals[0].awarded), (15, 5505));
    assert_eq!((file.years[0].year, file.years[0].minor), (2024, 5505));
    let ranges: Vec<_> = file.present.iter().map(|range| (range.first, range.last)).collect();
    assert_eq!(ranges, [(1, 10), (21, 25)]);
    let identifier = pb::Identifier { scheme: "SIREN".into(), value: BENEFICIARY.into(), from: None };
    let mut page_token = String::new();
    let mut rows = Vec::new();
    loop {
        let page = Some(pb::PageRequest { page_size: 4, page_token });
        let of = Some(pb::get_grant_history_request::Of::Identifier(identifier.clone()));
        let asked = pb::GetGrantHistoryRequest { of, page, options: None };
        let answer = client.get_grant_history(asked).await.unwrap().into_inner();
        assert_eq!((answer.past_totals[0].count, answer.past_totals[0].awarded), (15, 5505));
        for grant in answer.past_grants {
            assert!(!grant.cursor.is_empty());
            rows.push(grant.declaration.unwrap().row);
        }
        node.run(vec![node.past_grant(100 + rows.len() as u32, 7)]).await;
        page_token = answer.page.unwrap().next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(rows, (1..=10).chain(21..=25).collect::<Vec<_>>());
    let filter = pb::GrantFilter { source_file: source_file(), amount_min: 900, ..Default::default() };
    let asked = pb::ListGrantsRequest { filter: Some(filter), ..Default::default() };
    let answer = client.list_grants(asked).await.unwrap().into_inner();
    assert_eq!((answer.past_grants.len(), answer.past_totals[0].awarded), (2, 1900));
    assert!(answer.totals.is_empty());
    let of = Some(pb::get_grant_history_request::Of::Organisation(id("region").as_bytes().to_vec()));
    let page = Some(pb::PageRequest { page_size: 3, page_token: String::new() });
    node.run(vec![node.promise(1), node.promise(2), node.promise(3), node.promise(4)]).await;
    let asked = pb::GetGrantHistoryRequest { of, page, options: None };
    let first = client.get_grant_history(asked.clone()).await.unwrap().into_inner();
    assert_eq!(first.events.len(), 3);
    let page_token = first.page.unwrap().next_page_token;
    let asked = pb::GetGrantHistoryRequest { page: Some(pb::PageRequest { page_size: 3, page_token }), ..asked };
    let second = client.get_grant_history(asked).await.unwrap().into_inner();
    assert_eq!((second.events.len(), second.page.unwrap().next_page_token.as_str()), (1, ""));
    assert!(second.events[0].cursor > first.events[2].cursor);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_are_listed_in_the_order_of_their_proposal_and_read_with_their_seats() {
    let (node, _served, channel) = served().await;
    let mut client = FundingServiceClient::new(channel);
    for days in [3, 4, 5] {
        node.run(vec![node.propose_ballot_days(days)]).await;
    }
    let page = Some(pb::PageRequest { page_size: 2, page_token: String::new() });
    let asked = pb::ListChangesRequest { page, ..Default::default() };
    let first = client.list_changes(asked.clone()).await.unwrap().into_inner();
    let page_token = first.page.unwrap().next_page_token;
    let asked = pb::ListChangesRequest { page: Some(pb::PageRequest { page_size: 2, page_token }), ..asked };
    let second = client.list_changes(asked).await.unwrap().into_inner();
    let value = |view: &pb::ChangeView| match view.change.clone().unwrap().content.unwrap().change.unwrap() {
        pb::change::Change::SetParameter(set) => set.value,
        other => panic!("{other:?}"),
    };
    let values: Vec<u64> = first.changes.iter().chain(&second.changes).map(value).collect();
    assert_eq!(values, [3, 4, 5]);
    assert_eq!(second.page.unwrap().next_page_token, "");
    // Voting opens; the one seat of the one college is frozen.
    node.commit(60_000);
    let id = first.changes[0].id.clone();
    let change = client.get_change(pb::GetChangeRequest { id, options: None }).await.unwrap().into_inner();
    let change = change.change.unwrap();
    assert_eq!((change.proposer_name.as_str(), change.seats.len()), ("bank (invented)", 1));
    assert_eq!(change.seats[0].seat.as_ref().unwrap().college, "funders");
    let status = change.change.unwrap().status;
    let asked = pb::ListChangesRequest { status, ..Default::default() };
    assert_eq!(client.list_changes(asked).await.unwrap().into_inner().changes.len(), 3);
    let asked = pb::ListChangesRequest { status: "lost".into(), ..Default::default() };
    assert!(client.list_changes(asked).await.unwrap().into_inner().changes.is_empty());
}
