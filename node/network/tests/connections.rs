//! Who is let in, who is kept out, and how connections come back.

mod harness;

use std::time::{Duration, Instant};

use harness::{Node, PATIENCE, VOTE, config, pair, pair_with};
use octroi_network::{
    Budget, DownReason, NetworkError, NetworkEvent, NetworkKey, Offence, PeerEntry, Refusal, Role, SendRefused, start,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_key_is_refused_at_the_handshake() {
    let (mut inside, member) = pair().await;
    let mut stranger = Node::new(3).await;
    stranger.allow(&[&inside]);
    let start = Instant::now();
    while inside.handle.metrics().refused(Refusal::NotAllowed) < 2 {
        assert!(start.elapsed() < PATIENCE, "the stranger was never refused");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let heard = inside.collect(Duration::from_millis(200)).await;
    assert!(heard.is_empty(), "{heard:?}");
    let told = stranger.collect(Duration::from_millis(200)).await;
    assert!(!told.iter().any(|event| matches!(event, NetworkEvent::Frame { .. })), "{told:?}");
    assert_eq!(inside.handle.peers().len(), 1);
    assert_eq!(inside.handle.peers()[0].peer, member.key());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_taken_off_the_list_is_disconnected_and_may_come_back() {
    let (mut first, mut second) = pair().await;
    first.allow(&[]);
    let reason = first.expect("PeerDown", down).await;
    assert_eq!(reason, DownReason::NotAllowed);
    second.expect("PeerDown", down).await;
    assert_eq!(first.handle.send(second.key(), VOTE, "x".into()), Err(SendRefused::NotConnected));
    assert!(first.handle.peers().is_empty());
    first.allow(&[&second]);
    first.expect_up(second.key()).await;
    second.expect_up(first.key()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_peer_is_connected_again_within_five_seconds_of_its_return() {
    let (mut first, second) = pair().await;
    let (key, address) = (second.key(), second.address());
    second.kill().await;
    first.expect("PeerDown", down).await;
    // Long enough for the attempts to back off to their bound.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let mut settings = config();
    settings.listen = address;
    let second = Node::with(2, settings).await;
    assert_eq!(second.key(), key);
    // The returned node accepts and does not dial: the attempts of the one that stayed must suffice.
    let mut entry = first.entry();
    entry.1.addresses.clear();
    second.handle.set_allowed([entry].into());
    let back = Instant::now();
    first.expect_up(key).await;
    assert!(back.elapsed() < Duration::from_secs(5), "{:?}", back.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_stands_still_is_given_up_and_taken_back() {
    let mut settings = config();
    settings.ping_interval = Duration::from_millis(200);
    settings.silence_limit = Duration::from_secs(1);
    let (mut first, second) = pair_with(settings, config()).await;
    // An idle but living peer is not silent.
    assert!(first.collect(Duration::from_secs(2)).await.is_empty());
    second.freeze();
    let still = Instant::now();
    let reason = first.expect("PeerDown", down).await;
    assert_eq!(reason, DownReason::Silent);
    assert!(still.elapsed() < Duration::from_secs(4), "{:?}", still.elapsed());
    let address = second.address();
    second.kill().await;
    let mut settings = config();
    settings.listen = address;
    let second = Node::with(2, settings).await;
    second.allow(&[&first]);
    first.expect_up(second.key()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_all_dial_at_once_settle_on_one_connection_each() {
    let mut nodes = Vec::new();
    for seed in 1..=6 {
        nodes.push(Node::new(seed).await);
    }
    for node in &nodes {
        let others: Vec<&Node> = nodes.iter().filter(|other| other.key() != node.key()).collect();
        node.allow(&others);
    }
    let start = Instant::now();
    while nodes.iter().any(|node| node.handle.peers().len() != 5) {
        assert!(start.elapsed() < PATIENCE, "no full mesh");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Longer than the time in which duplicates compete.
    tokio::time::sleep(Duration::from_secs(4)).await;
    for node in &mut nodes {
        let mut up = std::collections::BTreeMap::new();
        for event in node.collect(Duration::from_millis(50)).await {
            match event {
                NetworkEvent::PeerUp { peer, .. } => {
                    assert!(!up.insert(peer, true).unwrap_or(false), "up twice")
                }
                NetworkEvent::PeerDown { peer, .. } => {
                    assert_eq!(up.insert(peer, false), Some(true), "down twice")
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(up.values().filter(|up| **up).count(), 5, "{up:?}");
    }
    for node in &nodes {
        assert_eq!(node.handle.broadcast(VOTE, "all".into()), Ok(5));
    }
    for node in &mut nodes {
        for _ in 0..5 {
            node.expect("Frame", |event| matches!(event, NetworkEvent::Frame { .. }).then_some(())).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_another_network_is_known_as_such_and_never_comes_up() {
    let mut settings = config();
    settings.network = [0xCD; 32];
    let (mut first, second) = (Node::new(1).await, Node::with(2, settings).await);
    first.allow(&[&second]);
    second.allow(&[&first]);
    let start = Instant::now();
    while first.handle.metrics().refused(Refusal::OtherNetwork) == 0 {
        assert!(start.elapsed() < PATIENCE, "never noticed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(first.collect(Duration::from_millis(300)).await.is_empty());
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_names_the_address() {
    let first = Node::new(1).await;
    let mut settings = config();
    settings.listen = first.address();
    match start(settings, NetworkKey::from_seed([2; 32])).await {
        Err(NetworkError::ListenFailed { address, reason }) => {
            assert_eq!(address, first.address());
            assert!(reason.contains("in use"), "{reason}");
        }
        other => panic!("{:?}", other.map(|_| "started")),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_with_a_bad_score_is_banned_and_pardoned() {
    let mut settings = config();
    settings.ban = Duration::from_secs(1);
    let (mut first, mut second) = pair_with(settings, config()).await;
    for _ in 0..3 {
        first.handle.penalise(second.key(), Offence::InvalidSignature);
    }
    let banned = Instant::now();
    assert_eq!(first.expect("PeerDown", down).await, DownReason::Banned);
    second.expect("PeerDown", down).await;
    first.expect_up(second.key()).await;
    assert!(banned.elapsed() >= Duration::from_millis(900), "{:?}", banned.elapsed());
    assert_eq!(first.handle.metrics().offences(Offence::InvalidSignature), 3);
    assert_eq!(first.handle.metrics().bans.get(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_observer_is_connected_but_not_broadcast_to() {
    let (mut validator, mut observer) = (Node::new(1).await, Node::new(2).await);
    let (key, entry) = observer.entry();
    validator.handle.set_allowed([(key, PeerEntry { role: Role::Observer, ..entry })].into());
    observer.allow(&[&validator]);
    validator.expect_up(key).await;
    observer.expect_up(validator.key()).await;
    assert_eq!(validator.handle.broadcast(VOTE, "vote".into()), Ok(0));
    validator.handle.send(key, VOTE, "only this".into()).unwrap();
    let bytes = observer
        .expect("Frame", |event| match event {
            NetworkEvent::Frame { bytes, .. } => Some(bytes),
            _ => None,
        })
        .await;
    assert_eq!(bytes, "only this");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_resolved_and_a_wrong_address_does_not_hinder_the_right_one() {
    let (mut first, second) = (Node::new(1).await, Node::new(2).await);
    let port = second.address().port();
    let addresses = vec!["no-such-host.invalid:1".into(), "127.0.0.1:1".into(), format!("localhost:{port}")];
    first.handle.set_allowed([(second.key(), PeerEntry { addresses, role: Role::Validator })].into());
    let (key, mut entry) = first.entry();
    entry.addresses.clear();
    second.handle.set_allowed([(key, entry)].into());
    first.expect_up(second.key()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_lets_queued_frames_leave_and_ends_the_events() {
    let (first, mut second) = pair().await;
    for index in 0..100u8 {
        first.handle.send(second.key(), VOTE, vec![index].into()).unwrap();
    }
    let handle = first.handle.clone();
    let (rest, peer) = (first.stop().await, second.key());
    assert!(
        rest.iter().any(|event| matches!(
            event,
            NetworkEvent::PeerDown { peer: down, reason: DownReason::Stopped } if *down == peer
        )),
        "{rest:?}"
    );
    assert_eq!(handle.send(peer, VOTE, "late".into()), Err(SendRefused::NotConnected));
    for index in 0..100u8 {
        let bytes = second
            .expect("Frame", |event| match event {
                NetworkEvent::Frame { bytes, .. } => Some(bytes),
                _ => None,
            })
            .await;
        assert_eq!(bytes[..], [index]);
    }
    second.expect("PeerDown", down).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_over_its_budget_is_reset_and_scored() {
    let mut settings = config();
    settings.ordered_budget = Budget { items: 10, bytes: 1_000_000 };
    let (mut first, second) = pair_with(settings, config()).await;
    let burst = 10 * Budget::BURST_SECONDS;
    for index in 0..burst + 20 {
        second.handle.send(first.key(), VOTE, index.to_be_bytes().to_vec().into()).unwrap();
    }
    let mut frames = 0;
    while frames < burst {
        first.expect("Frame", |event| matches!(event, NetworkEvent::Frame { .. }).then_some(())).await;
        frames += 1;
    }
    let start = Instant::now();
    while first.handle.metrics().offences(Offence::OverBudget) == 0 {
        assert!(start.elapsed() < PATIENCE, "never scored");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(first.handle.metrics().resets.get() >= 1);
}

fn down(event: NetworkEvent) -> Option<DownReason> {
    match event {
        NetworkEvent::PeerDown { reason, .. } => Some(reason),
        _ => None,
    }
}
