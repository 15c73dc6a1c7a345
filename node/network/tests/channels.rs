//! What the three channels carry, in what order, and what happens when somebody breaks a bound or does not keep up.

mod harness;

use std::time::{Duration, Instant};

use bytes::Bytes;
use harness::{LARGE, Node, PATIENCE, VOTE, config, pair, pair_with};
use octroi_network::config::{MAX_BODY_BYTES, MAX_REQUEST_BYTES, REQUEST_QUEUE, REQUESTS_IN_FLIGHT};
use octroi_network::{
    BodyError, DownReason, NetworkEvent, Offence, PeerEntry, PeerKey, Role, SendRefused, Topic, Verdict,
};

/// Bytes that differ everywhere, so that a lost or doubled chunk shows.
fn pattern(length: usize) -> Bytes {
    (0..length).map(|index| (index / 256) as u8 ^ (index as u8).wrapping_mul(31)).collect::<Vec<_>>().into()
}

fn frame(event: NetworkEvent) -> Option<(PeerKey, u8, Bytes)> {
    match event {
        NetworkEvent::Frame { peer, kind, bytes } => Some((peer, kind, bytes)),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ordered_frames_arrive_in_order_both_ways() {
    let (mut first, mut second) = pair().await;
    const COUNT: u32 = 3_000;
    for index in 0..COUNT {
        first.handle.send(second.key(), VOTE, index.to_be_bytes().to_vec().into()).unwrap();
        let large = [&index.to_be_bytes()[..], &vec![7; index as usize % 2_000]].concat();
        second.handle.send(first.key(), LARGE, large.into()).unwrap();
    }
    for index in 0..COUNT {
        let (peer, kind, bytes) = second.expect("Frame", frame).await;
        assert_eq!((peer, kind, &bytes[..]), (first.key(), VOTE, &index.to_be_bytes()[..]));
        let (peer, kind, bytes) = first.expect("Frame", frame).await;
        assert_eq!((peer, kind, bytes.len()), (second.key(), LARGE, 4 + index as usize % 2_000));
        assert_eq!(bytes[..4], index.to_be_bytes());
    }
    let info = &first.handle.peers()[0];
    assert_eq!(info.traffic[0].items_out, u64::from(COUNT));
    assert_eq!(info.traffic[0].items_in, u64::from(COUNT));
    assert_eq!(first.handle.metrics().ordered.dropped.get(), 0);
}

#[tokio::test]
async fn what_the_table_does_not_allow_is_refused_before_it_is_queued() {
    let (first, second) = pair().await;
    let too_long = Bytes::from(vec![0; 257]);
    assert_eq!(
        first.handle.send(second.key(), VOTE, too_long.clone()),
        Err(SendRefused::TooLarge { size: 257, limit: 256 })
    );
    assert_eq!(first.handle.broadcast(VOTE, too_long), Err(SendRefused::TooLarge { size: 257, limit: 256 }));
    assert_eq!(first.handle.send(second.key(), 99, Bytes::new()), Err(SendRefused::UnknownKind(99)));
    let stranger = PeerKey([9; 32]);
    assert_eq!(first.handle.send(stranger, VOTE, Bytes::new()), Err(SendRefused::NotConnected));
    assert_eq!(first.handle.request(stranger, Bytes::new()), Err(SendRefused::NotConnected));
    assert_eq!(first.handle.push(stranger, Bytes::new()), Err(SendRefused::NotConnected));
    let size = MAX_REQUEST_BYTES + 1;
    let refused = Err(SendRefused::TooLarge { size, limit: MAX_REQUEST_BYTES });
    assert_eq!(first.handle.request(second.key(), vec![0; size].into()), refused);
    let size = MAX_BODY_BYTES + 1;
    let refused = Err(SendRefused::TooLarge { size, limit: MAX_BODY_BYTES });
    assert_eq!(first.handle.push(second.key(), vec![0; size].into()), refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_arrive_whole_asked_for_or_pushed() {
    let (mut first, mut second) = pair().await;
    for length in [0, 1, 64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, 1024 * 1024, MAX_BODY_BYTES] {
        let body = pattern(length);
        let id = first.handle.request(second.key(), format!("body of {length}").into()).unwrap();
        let (question, token) = second
            .expect("BodyRequest", |event| match event {
                NetworkEvent::BodyRequest { bytes, token, .. } => Some((bytes, token)),
                _ => None,
            })
            .await;
        assert_eq!(question, format!("body of {length}"));
        second.handle.respond(token, body.clone()).unwrap();
        let (answered, result) = first.expect("BodyResponse", response).await;
        assert_eq!(answered, id);
        assert!(result.unwrap() == body, "asked for, {length} bytes");

        second.handle.push(first.key(), body.clone()).unwrap();
        let pushed = first
            .expect("BodyPushed", |event| match event {
                NetworkEvent::BodyPushed { bytes, .. } => Some(bytes),
                _ => None,
            })
            .await;
        assert!(pushed == body, "pushed, {length} bytes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_is_answered_once_declined_late_or_orphaned() {
    let mut settings = config();
    settings.body_timeout = Duration::from_millis(300);
    let (mut first, mut second) = pair_with(settings.clone(), settings).await;
    let declined = first.handle.request(second.key(), "decline".into()).unwrap();
    let token = second.expect("BodyRequest", token_of).await;
    second.handle.decline(token);
    assert_eq!(first.expect("BodyResponse", response).await, (declined, Err(BodyError::Declined)));

    let forgotten = first.handle.request(second.key(), "forget".into()).unwrap();
    let late = second.expect("BodyRequest", token_of).await;
    assert_eq!(first.expect("BodyResponse", response).await, (forgotten, Err(BodyError::Declined)));
    second.handle.respond(late, "too late".into()).unwrap();

    // All that are taken are answered when the peer is gone; one more than fits is refused at once.
    second.freeze();
    let mut waiting = std::collections::BTreeSet::new();
    let refused = loop {
        match first.handle.request(second.key(), "orphan".into()) {
            Ok(id) => assert!(waiting.insert(id)),
            Err(refused) => break refused,
        }
        assert!(waiting.len() <= REQUEST_QUEUE + REQUESTS_IN_FLIGHT);
        if waiting.len() > REQUEST_QUEUE - 4 {
            tokio::task::yield_now().await;
        }
    };
    assert_eq!(refused, SendRefused::QueueFull);
    second.kill().await;
    while !waiting.is_empty() {
        let (id, result) = first.expect("BodyResponse", response).await;
        assert!(waiting.remove(&id), "{id:?} answered twice");
        assert!(result.is_err());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn votes_pass_between_the_chunks_of_a_body() {
    let (mut first, mut second) = pair().await;
    let body = pattern(MAX_BODY_BYTES);
    // Two pushes and two answers at once: still one chunk in flight.
    for _ in 0..2 {
        second.handle.push(first.key(), body.clone()).unwrap();
        first.handle.request(second.key(), "catch up".into()).unwrap();
    }
    for _ in 0..2 {
        let token = second.expect("BodyRequest", token_of).await;
        second.handle.respond(token, body.clone()).unwrap();
    }
    let (start, mut worst, mut votes, mut bodies) = (Instant::now(), Duration::ZERO, 0u32, 0);
    while bodies < 4 {
        assert!(start.elapsed() < PATIENCE, "bodies are stuck");
        let sent = Instant::now();
        second.handle.send(first.key(), VOTE, votes.to_be_bytes().to_vec().into()).unwrap();
        loop {
            match first.expect("a vote or a body", Some).await {
                NetworkEvent::Frame { bytes, .. } => {
                    assert_eq!(bytes[..], votes.to_be_bytes());
                    break;
                }
                NetworkEvent::BodyPushed { bytes, .. } | NetworkEvent::BodyResponse { result: Ok(bytes), .. } => {
                    assert!(bytes == body);
                    bodies += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        worst = worst.max(sent.elapsed());
        votes += 1;
    }
    let total = start.elapsed();
    println!("{votes} votes beside 4 bodies of 8 MiB in {total:?}, the slowest took {worst:?}");
    // 32 MiB are 512 chunks. A vote that waited for a whole body would take a quarter of the time; one that waits for a chunk
    // takes a five-hundredth, and the rest is the noise of a busy machine.
    assert!(votes >= 30, "only {votes} votes came through");
    assert!(worst < total / 8 + Duration::from_millis(50), "a vote took {worst:?} of {total:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oversized_frame_resets_the_stream_is_scored_and_in_the_end_bans() {
    let mut lax = config();
    lax.frame_kinds.insert(VOTE, 1_000);
    lax.frame_kinds.insert(77, 10);
    let (mut strict, sloppy) = pair_with(config(), lax).await;
    let key = strict.key();
    sloppy.handle.send(key, VOTE, "good".into()).unwrap();
    sloppy.handle.send(key, VOTE, vec![0; 257].into()).unwrap();
    assert_eq!(strict.expect("Frame", frame).await.2, "good");
    until(|| strict.handle.metrics().offences(Offence::TooLarge) == 1).await;
    assert_eq!(strict.handle.metrics().resets.get(), 1);
    // The stream is opened anew and honest frames pass again.
    let mut again = 0u32;
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < PATIENCE, "the stream never came back");
        sloppy.handle.send(key, VOTE, again.to_be_bytes().to_vec().into()).unwrap();
        again += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
        if strict.events.try_recv().and_then(frame).is_some() {
            break;
        }
    }
    sloppy.handle.send(key, 77, "unknown".into()).unwrap();
    until(|| strict.handle.metrics().offences(Offence::UnknownKind) == 1).await;
    let start = Instant::now();
    while strict.handle.metrics().bans.get() == 0 {
        assert!(start.elapsed() < PATIENCE, "never banned");
        let _ = sloppy.handle.send(key, VOTE, vec![0; 257].into());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let reason = strict
        .expect("PeerDown", |event| match event {
            NetworkEvent::PeerDown { reason, .. } => Some(reason),
            _ => None,
        })
        .await;
    assert_eq!(reason, DownReason::Banned);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_drops_the_oldest_frames_and_keeps_the_newest() {
    let (first, mut second) = pair().await;
    // More than the peer's room, the windows and buffers between, and our queue can hold together; nobody takes events there.
    const COUNT: u32 = 1_500;
    for index in 0..COUNT {
        let payload = [&index.to_be_bytes()[..], &vec![0; 60_000]].concat();
        first.handle.send(second.key(), LARGE, payload.into()).unwrap();
        if index % 8 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let dropped = first.handle.metrics().ordered.dropped.get();
    assert!(dropped > 0, "nothing was dropped");
    let (mut last, mut seen) = (None, 0);
    while last != Some(COUNT - 1) {
        let (_, _, bytes) = second.expect("Frame", frame).await;
        let index = u32::from_be_bytes(bytes[..4].try_into().unwrap());
        assert!(last.is_none_or(|last| last < index), "{index} after {last:?}");
        last = Some(index);
        seen += 1;
    }
    assert_eq!(seen + dropped, u64::from(COUNT));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_reaches_all_others_once() {
    let mut nodes = Vec::new();
    for seed in 1..=4 {
        nodes.push(Node::new(seed).await);
    }
    for node in &nodes {
        let others: Vec<&Node> = nodes.iter().filter(|other| other.key() != node.key()).collect();
        node.allow(&others);
    }
    until(|| nodes.iter().all(|node| node.handle.peers().len() == 3)).await;
    // Subscriptions follow the connection.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let batches: Vec<Bytes> = (0..20u8).map(|index| [&[index], &pattern(40_000)[..]].concat().into()).collect();
    for batch in &batches {
        nodes[0].handle.gossip(Topic::Transactions, batch.clone()).unwrap();
    }
    nodes[0].handle.gossip(Topic::Tip, "height 7".into()).unwrap();
    for node in &mut nodes[1..] {
        let mut seen = Vec::new();
        for event in node.collect(Duration::from_secs(2)).await {
            if let NetworkEvent::Gossip { topic, id, bytes, .. } = event {
                node.handle.report(id, Verdict::Accept);
                match topic {
                    Topic::Transactions => seen.push(bytes),
                    Topic::Tip => assert_eq!(bytes, "height 7"),
                }
            }
        }
        seen.sort();
        assert!(seen == batches, "{} batches", seen.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_handed_on_only_when_accepted() {
    let (mut author, mut relay, mut far) = (Node::new(1).await, Node::new(2).await, Node::new(3).await);
    author.allow(&[&relay]);
    far.allow(&[&relay]);
    relay.allow(&[&author, &far]);
    author.expect_up(relay.key()).await;
    far.expect_up(relay.key()).await;
    until(|| relay.handle.peers().len() == 2).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let verdicts = [("bad", Verdict::Reject), ("mute", Verdict::Ignore), ("good", Verdict::Accept)];
    for (text, verdict) in verdicts {
        author.handle.gossip(Topic::Transactions, text.into()).unwrap();
        let (id, bytes) = relay
            .expect("Gossip", |event| match event {
                NetworkEvent::Gossip { id, bytes, .. } => Some((id, bytes)),
                _ => None,
            })
            .await;
        assert_eq!(bytes, text);
        relay.handle.report(id, verdict);
    }
    let mut reached = Vec::new();
    for event in far.collect(Duration::from_secs(3)).await {
        if let NetworkEvent::Gossip { peer, bytes, .. } = event {
            assert_eq!(peer, relay.key());
            reached.push(bytes);
        }
    }
    assert_eq!(reached, ["good"]);
    assert_eq!(relay.handle.metrics().offences(Offence::InvalidContent), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_changed_while_connected_holds_for_the_next_broadcast() {
    let (first, second) = pair().await;
    assert_eq!(first.handle.broadcast(VOTE, "a".into()), Ok(1));
    let (key, entry) = second.entry();
    first.handle.set_allowed([(key, PeerEntry { role: Role::Observer, ..entry })].into());
    until(|| first.handle.peers()[0].role == Role::Observer).await;
    assert_eq!(first.handle.broadcast(VOTE, "b".into()), Ok(0));
}

async fn until(mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "it never came to hold");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn response(event: NetworkEvent) -> Option<(octroi_network::RequestId, Result<Bytes, BodyError>)> {
    match event {
        NetworkEvent::BodyResponse { id, result, .. } => Some((id, result)),
        _ => None,
    }
}

fn token_of(event: NetworkEvent) -> Option<octroi_network::RequestToken> {
    match event {
        NetworkEvent::BodyRequest { token, .. } => Some(token),
        _ => None,
    }
}
