//! Gossipsub as octroi uses it: two topics, signed by the author, judged by the daemon before anything is handed on.
//!
//! Validators are connected to each other directly, and an author sends to all its peers at once. A mesh that forwards would
//! make every message cross the network n − 2 times more, each copy with its own signature check. So the eager mesh is empty:
//! what a direct send missed (a broken link between two validators, an observer with few peers) is repaired by the lists of
//! recent ids that gossipsub exchanges at every heartbeat, and fetched by whoever lacks it.

use std::collections::HashSet;
use std::time::Duration;

use libp2p::gossipsub::{
    Behaviour, ConfigBuilder, IdentTopic, MaxCountSubscriptionFilter, Message, MessageAuthenticity, MessageId,
    TopicHash, ValidationMode, Version, WhitelistSubscriptionFilter,
};

use octroi_primitives::hash::Domain;

use crate::config::{MAX_GOSSIP_BYTES, MAX_TRANSMIT_BYTES, NetworkConfig};
use crate::error::NetworkError;
use crate::event::Topic;
use crate::key::NetworkKey;

/// How often peers tell each other the ids of recent messages; bounds the time to repair a missed one.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// Heartbeats for which a message can be fetched, and for which its id is told.
const KEPT_HEARTBEATS: usize = 6;
const TOLD_HEARTBEATS: usize = 3;
/// A message seen is not taken again for this long.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Ids in one list: with 18 bytes each they fit into the bound on control messages below.
const MAX_IDS: usize = 2_000;
const MAX_CONTROL_BYTES: usize = 64 * 1024;
/// Messages waiting for one peer; when full, gossipsub drops them and the repair takes over.
const QUEUE_PER_PEER: usize = 1_024;
/// A message that could not leave for this long is given up.
const QUEUE_TIME: Duration = Duration::from_secs(5);

/// Bytes of a message's id: no second message with the id of another's can be found, and lists of ids stay short.
pub(crate) const ID_BYTES: usize = 16;

/// Gossipsub with both topics and no others.
pub(crate) type Gossip =
    Behaviour<libp2p::gossipsub::IdentityTransform, MaxCountSubscriptionFilter<WhitelistSubscriptionFilter>>;

/// The topics of one network.
#[derive(Clone, Debug)]
pub(crate) struct Topics {
    names: [(Topic, IdentTopic); Topic::ALL.len()],
}

impl Topics {
    pub(crate) fn new(network_prefix: &str) -> Self {
        let names =
            Topic::ALL.map(|topic| (topic, IdentTopic::new(format!("octroi/{network_prefix}/{}", topic.label()))));
        Self { names }
    }

    pub(crate) fn hash(&self, topic: Topic) -> TopicHash {
        let (_, name) = &self.names[topic as usize];
        name.hash()
    }

    pub(crate) fn of(&self, hash: &TopicHash) -> Option<Topic> {
        self.names.iter().find(|(_, name)| name.hash() == *hash).map(|(topic, _)| *topic)
    }
}

/// First 16 bytes of the hash of the data: the same batch sent twice is one message.
fn message_id(domain: &Domain, data: &[u8]) -> MessageId {
    MessageId::new(&domain.hash(&[data]).as_bytes()[..ID_BYTES])
}

/// A tip is news each time it is told, or a node that comes back to a network at rest would not learn of it: author and number count too.
fn tip_id(domain: &Domain, message: &Message) -> MessageId {
    let author = message.source.map(|peer| peer.to_bytes()).unwrap_or_default();
    let number = message.sequence_number.unwrap_or_default().to_be_bytes();
    MessageId::new(&domain.hash(&[&message.data, &author, &number]).as_bytes()[..ID_BYTES])
}

/// Sets gossipsub up and follows both topics.
pub(crate) fn behaviour(config: &NetworkConfig, key: &NetworkKey, topics: &Topics) -> Result<Gossip, NetworkError> {
    let failed = |reason: String| NetworkError::SetupFailed { part: "gossip", reason };
    let (domain, tip_domain, tip) = (Domain::new("gossip"), Domain::new("gossip-tip"), topics.hash(Topic::Tip));
    let settings = ConfigBuilder::default()
        .protocol_id(format!("/octroi/{}/gossip/1", config.prefix()), Version::V1_1)
        .validation_mode(ValidationMode::Strict)
        .validate_messages()
        .message_id_fn(move |message: &Message| {
            if message.topic == tip { tip_id(&tip_domain, message) } else { message_id(&domain, &message.data) }
        })
        .flood_publish(true)
        .mesh_n(0)
        .mesh_n_low(0)
        .mesh_n_high(0)
        .mesh_outbound_min(0)
        .heartbeat_initial_delay(HEARTBEAT)
        .heartbeat_interval(HEARTBEAT)
        .history_length(KEPT_HEARTBEATS)
        .history_gossip(TOLD_HEARTBEATS)
        .duplicate_cache_time(REMEMBERED)
        .max_transmit_size(MAX_TRANSMIT_BYTES)
        .max_control_messages_sent(MAX_IDS)
        .max_control_message_size(MAX_CONTROL_BYTES)
        .max_publish_messages(64)
        .connection_handler_queue_len(QUEUE_PER_PEER)
        .publish_queue_duration(QUEUE_TIME)
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let filter = MaxCountSubscriptionFilter {
        filter: WhitelistSubscriptionFilter(Topic::ALL.iter().map(|topic| topics.hash(*topic)).collect::<HashSet<_>>()),
        max_subscribed_topics: Topic::ALL.len(),
        max_subscriptions_per_request: 2 * Topic::ALL.len(),
    };
    let mut gossip =
        Behaviour::new_with_subscription_filter(MessageAuthenticity::Signed(key.keypair().clone()), settings, filter)
            .map_err(|reason| failed(reason.into()))?;
    for (_, name) in &topics.names {
        gossip.subscribe(name).map_err(|error| failed(error.to_string()))?;
    }
    Ok(gossip)
}

// The author's key, signature, number and topic of a message must fit beside the longest data.
const _: () = assert!(MAX_GOSSIP_BYTES + 4 * 1024 < MAX_TRANSMIT_BYTES);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_those_of_the_network_alone() {
        let (ours, others) = (Topics::new("00aa"), Topics::new("00ab"));
        for topic in Topic::ALL {
            assert_eq!(ours.of(&ours.hash(topic)), Some(topic));
            assert_eq!(ours.of(&others.hash(topic)), None);
        }
    }

    #[test]
    fn a_tip_told_again_is_another_message() {
        let domain = Domain::new("gossip-tip");
        let told = |number| Message {
            source: Some(NetworkKey::from_seed([7; 32]).keypair().public().to_peer_id()),
            data: b"tip".to_vec(),
            sequence_number: Some(number),
            topic: Topics::new("00aa").hash(Topic::Tip),
        };
        let (first, again) = (told(1), told(2));
        assert_eq!(tip_id(&domain, &first), tip_id(&domain, &first.clone()));
        assert_ne!(tip_id(&domain, &first), tip_id(&domain, &again));
    }

    #[test]
    fn a_message_is_named_by_its_data_alone() {
        let domain = Domain::new("gossip");
        let id = message_id(&domain, b"batch");
        assert_eq!(id.0, octroi_primitives::hash::hash("gossip", &[b"batch"]).as_bytes()[..ID_BYTES]);
        assert_ne!(id, message_id(&domain, b"batcH"));
    }
}
