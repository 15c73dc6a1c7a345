//! Events: nothing is lost, filtered is filtered, and a cursor that is too old is named.

use crate::chain::*;
use octroi_proto::v1::{self as pb, event_service_client::EventServiceClient, stream_events_response::Item};
use std::time::Duration;
use tokio_stream::StreamExt as _;

fn after(cursor: &str, kinds: &[&str]) -> pb::StreamEventsRequest {
    let kinds = kinds.iter().map(|kind| String::from(*kind)).collect();
    pb::StreamEventsRequest { after_cursor: cursor.into(), filter: Some(pb::EventFilter { kinds, subjects: vec![] }) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_cut_and_resumed_at_its_cursor_loses_and_repeats_nothing_while_blocks_arrive() {
    let (node, _served, channel) = served().await;
    let writer = {
        let node = node.clone();
        tokio::spawn(async move {
            for round in 0..30_u64 {
                let promises = (0..5).map(|minor| node.promise(round * 5 + minor + 1)).collect();
                node.run(promises).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    };
    let mut client = EventServiceClient::new(channel);
    let mut cursor = String::new();
    let mut amounts = Vec::new();
    while amounts.len() < 150 {
        let mut events = client.stream_events(after(&cursor, &[])).await.unwrap().into_inner();
        // A connection that breaks after seven events.
        let mut left = 7;
        while left > 0 && amounts.len() < 150 {
            match events.next().await.unwrap().unwrap().item.unwrap() {
                Item::HeartbeatHeight(_) => {}
                Item::Event(event) => {
                    assert_eq!(event.organisation, id("region").as_bytes());
                    let Some(pb::event::Event::PromiseContribution(_)) = event.event.unwrap().event else {
                        panic!("only promises were made")
                    };
                    cursor = event.cursor;
                    amounts.push(event.transaction);
                    left -= 1;
                }
            }
        }
    }
    writer.await.unwrap();
    let all: Vec<Vec<u8>> = (1..=30)
        .flat_map(|height| {
            let receipts = octroi_views::Blocks::receipts(node.store.as_ref(), octroi_primitives::Height(height));
            receipts.unwrap().unwrap()
        })
        .map(|receipt| receipt.transaction.as_bytes().to_vec())
        .collect();
    assert_eq!(amounts, all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiet_stream_beats_and_a_filter_lets_through_what_it_names() {
    let node = Node::new();
    let limits = octroi_rpc::Limits { heartbeat: Duration::from_millis(100), ..Default::default() };
    let served = Served::new(&node, limits).await;
    node.run(vec![node.promise(1), node.step_clock()]).await;
    let mut client = EventServiceClient::new(served.channel().await);
    let mut events = client.stream_events(after("", &["advance_clock"])).await.unwrap().into_inner();
    let Some(Item::Event(event)) = events.next().await.unwrap().unwrap().item else { panic!("an event first") };
    assert_eq!((event.kind.as_str(), event.cursor.as_str()), ("advance_clock", "1.1"));
    for _ in 0..3 {
        let beat = tokio::time::timeout(Duration::from_secs(5), events.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(beat.item, Some(Item::HeartbeatHeight(1)));
    }
    let filter = pb::EventFilter { kinds: vec![], subjects: vec![id("region").to_string()] };
    let asked = pb::ListEventsRequest { filter: Some(filter), ..Default::default() };
    let listed = client.list_events(asked).await.unwrap().into_inner();
    assert_eq!(listed.events.len(), 1);
    assert_eq!(listed.events[0].kind, "promise_contribution");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_events_are_complete_and_stay_as_they_were_while_blocks_arrive() {
    let (node, _served, channel) = served().await;
    for round in 0..5 {
        node.run((0..10).map(|minor| node.promise(round * 10 + minor + 1)).collect()).await;
    }
    let mut client = EventServiceClient::new(channel);
    let mut page_token = String::new();
    let mut cursors = Vec::new();
    loop {
        let page = Some(pb::PageRequest { page_size: 7, page_token });
        let asked = pb::ListEventsRequest { after_cursor: "1.3".into(), page, ..Default::default() };
        let answer = client.list_events(asked).await.unwrap().into_inner();
        assert_eq!(answer.at.unwrap().height, 5);
        cursors.extend(answer.events.into_iter().map(|event| (event.height, event.receipt)));
        node.run(vec![node.promise(1)]).await;
        page_token = answer.page.unwrap().next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let all: Vec<(u64, u32)> = (1..=5).flat_map(|height| (0..10).map(move |receipt| (height, receipt))).collect();
    assert_eq!(cursors, all[4..]);
}
