//! Who is allowed, who is connected how, whom to dial when, and who is banned until when.
//!
//! Promises: bookkeeping only, on times handed in; the driver carries it out. Both ends of a pair of duplicate connections
//! keep the same one. An allowed peer is dialled again for ever, ever more slowly up to a bound.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use libp2p::swarm::ConnectionId;
use tokio::sync::{mpsc, oneshot};

use crate::config::{MAX_PEERS, NetworkConfig, PeerEntry};
use crate::key::PeerKey;
use crate::link::{Direction, Link, Origin};
use crate::score::{Bucket, Offence, Score};
use crate::streams::Channel;

/// When both sides dial at once, the second connection follows the first within this time. A connection that comes later than
/// this was made by a peer that does not know of the first one any more, and so the new one is right.
const RACE: Duration = Duration::from_secs(3);
/// The node with the greater key waits this long before it dials first: most races never start.
const COURTESY: Duration = Duration::from_millis(300);

/// A socket to a peer.
#[derive(Clone, Debug)]
pub(crate) struct Socket {
    pub(crate) origin: Origin,
    pub(crate) since: Instant,
}

/// The socket in use, and the way to its session.
pub(crate) struct Current {
    pub(crate) link: Arc<Link>,
    pub(crate) inbound: mpsc::Sender<(Channel, libp2p::swarm::Stream)>,
    /// Resolves when the session has said goodbye.
    pub(crate) ended: Option<oneshot::Receiver<()>>,
}

/// An allowed peer.
pub(crate) struct Known {
    pub(crate) entry: PeerEntry,
    pub(crate) sockets: BTreeMap<ConnectionId, Socket>,
    pub(crate) current: Option<Current>,
    pub(crate) gossip_budget: Bucket,
    score: Score,
    banned_until: Option<Instant>,
    dial_at: Instant,
    backoff: Duration,
    dialling: bool,
}

/// What a new allow-list changes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) allow: Vec<PeerKey>,
    pub(crate) disallow: Vec<PeerKey>,
}

/// Everything known about peers.
pub(crate) struct Roster {
    local: PeerKey,
    peers: BTreeMap<PeerKey, Known>,
    /// Bans of peers that left the list, so that leaving and coming back is no way out.
    bans: BTreeMap<PeerKey, Instant>,
    config: NetworkConfig,
}

impl Roster {
    pub(crate) fn new(local: PeerKey, config: NetworkConfig) -> Self {
        Self { local, peers: BTreeMap::new(), bans: BTreeMap::new(), config }
    }

    pub(crate) fn get_mut(&mut self, peer: &PeerKey) -> Option<&mut Known> {
        self.peers.get_mut(peer)
    }

    pub(crate) fn get(&self, peer: &PeerKey) -> Option<&Known> {
        self.peers.get(peer)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&PeerKey, &Known)> {
        self.peers.iter()
    }

    /// Takes a new allow-list. Peers that stay keep their connection, score and ban; a changed role reaches the link.
    pub(crate) fn replace(&mut self, mut entries: BTreeMap<PeerKey, PeerEntry>, now: Instant) -> Changes {
        entries.remove(&self.local);
        if entries.len() > MAX_PEERS {
            tracing::warn!(count = entries.len(), limit = MAX_PEERS, "allow-list is too long and is cut");
            while entries.len() > MAX_PEERS {
                entries.pop_last();
            }
        }
        let mut changes = Changes::default();
        self.peers.retain(|peer, known| {
            let stays = entries.contains_key(peer);
            if !stays {
                changes.disallow.push(*peer);
                if let Some(until) = known.banned_until {
                    self.bans.insert(*peer, until);
                }
            }
            stays
        });
        for (peer, entry) in entries {
            match self.peers.get_mut(&peer) {
                Some(known) => {
                    if let Some(current) = &known.current {
                        current.link.set_role(entry.role);
                    }
                    if known.entry.addresses != entry.addresses {
                        known.dial_at = now;
                        known.backoff = self.config.dial_backoff_min;
                    }
                    known.entry = entry;
                }
                None => {
                    let banned_until = self.bans.remove(&peer).filter(|until| *until > now);
                    if banned_until.is_none() {
                        changes.allow.push(peer);
                    }
                    let wait = if self.local < peer { Duration::ZERO } else { COURTESY };
                    let known = Known {
                        entry,
                        sockets: BTreeMap::new(),
                        current: None,
                        gossip_budget: Bucket::new(self.config.gossip_budget, now),
                        score: Score::new(now),
                        banned_until,
                        dial_at: now + wait,
                        backoff: self.config.dial_backoff_min,
                        dialling: false,
                    };
                    self.peers.insert(peer, known);
                }
            }
        }
        changes
    }

    /// Peers to dial now; each counts as being dialled until [`Self::dial_ended`].
    pub(crate) fn due(&mut self, now: Instant) -> Vec<(PeerKey, Vec<String>)> {
        let mut due = Vec::new();
        for (peer, known) in &mut self.peers {
            let wanted = known.sockets.is_empty() && !known.dialling && known.banned_until.is_none();
            if wanted && known.dial_at <= now && !known.entry.addresses.is_empty() {
                known.dialling = true;
                // The wait doubles at every attempt and starts again when the peer comes up, not when a socket opens: a peer
                // that accepts and closes at once is not dialled in a loop.
                known.dial_at = now + known.backoff;
                known.backoff = (known.backoff * 2).min(self.config.dial_backoff_max);
                due.push((*peer, known.entry.addresses.clone()));
            }
        }
        due
    }

    /// An attempt to dial succeeded or failed.
    pub(crate) fn dial_ended(&mut self, peer: &PeerKey) {
        if let Some(known) = self.peers.get_mut(peer) {
            known.dialling = false;
        }
    }

    /// A session with the peer worked and is over: dial soon.
    pub(crate) fn worked(&mut self, peer: &PeerKey, now: Instant) {
        if let Some(known) = self.peers.get_mut(peer) {
            known.backoff = self.config.dial_backoff_min;
            known.dial_at = now + known.backoff;
        }
    }

    /// Scores an offence; true when the peer is banned for it now.
    pub(crate) fn offend(&mut self, peer: &PeerKey, offence: Offence, now: Instant) -> bool {
        let Some(known) = self.peers.get_mut(peer) else {
            return false;
        };
        if known.banned_until.is_some() || !known.score.add(offence, now) {
            return false;
        }
        known.banned_until = Some(now + self.config.ban);
        true
    }

    /// Peers whose ban is over.
    pub(crate) fn pardon(&mut self, now: Instant) -> Vec<PeerKey> {
        self.bans.retain(|_, until| *until > now);
        let mut pardoned = Vec::new();
        for (peer, known) in &mut self.peers {
            if known.banned_until.is_some_and(|until| until <= now) {
                known.banned_until = None;
                known.dial_at = now;
                pardoned.push(*peer);
            }
        }
        pardoned
    }

    /// Whether a new socket takes over from the one in use. Both ends answer alike.
    pub(crate) fn newer_wins(&self, peer: &PeerKey, older: &Socket, newer: &Socket) -> bool {
        let by_smaller_key = |socket: &Socket| {
            let by_us = socket.origin.direction == Direction::Outbound;
            by_us == (self.local < *peer)
        };
        let late = newer.since.saturating_duration_since(older.since) > RACE;
        late || by_smaller_key(newer) || !by_smaller_key(older)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Role;

    fn roster(local: u8) -> Roster {
        let listen = "127.0.0.1:0".parse().unwrap();
        Roster::new(PeerKey([local; 32]), NetworkConfig::new([0; 32], listen, BTreeMap::new()))
    }

    fn list(keys: &[u8]) -> BTreeMap<PeerKey, PeerEntry> {
        let entry = PeerEntry { addresses: vec!["127.0.0.1:1".into()], role: Role::Validator };
        keys.iter().map(|key| (PeerKey([*key; 32]), entry.clone())).collect()
    }

    fn socket(id: usize, direction: Direction, since: Instant) -> Socket {
        let connection = ConnectionId::new_unchecked(id);
        Socket { origin: Origin { connection, address: String::new(), direction }, since }
    }

    #[test]
    fn a_new_list_names_only_what_changes_and_never_ourselves() {
        let (mut roster, now) = (roster(1), Instant::now());
        let first = roster.replace(list(&[1, 2, 3]), now);
        assert_eq!(first.allow, [PeerKey([2; 32]), PeerKey([3; 32])]);
        let second = roster.replace(list(&[3, 4]), now);
        assert_eq!(second, Changes { allow: vec![PeerKey([4; 32])], disallow: vec![PeerKey([2; 32])] });
    }

    #[test]
    fn dialling_backs_off_to_a_bound_and_never_ends() {
        let (mut roster, start) = (roster(1), Instant::now());
        let config = roster.config.clone();
        roster.replace(list(&[2]), start);
        let peer = PeerKey([2; 32]);
        let (mut now, mut waits) = (start, Vec::new());
        for _ in 0..20 {
            assert_eq!(roster.due(now).len(), 1);
            assert!(roster.due(now + Duration::from_secs(60)).is_empty(), "one attempt at a time");
            roster.dial_ended(&peer);
            let began = now;
            while roster.peers[&peer].dial_at > now {
                now += Duration::from_millis(10);
            }
            waits.push(now - began);
        }
        assert_eq!(waits[0], config.dial_backoff_min);
        assert_eq!(waits[19], config.dial_backoff_max);
        assert!(waits.is_sorted());
        roster.worked(&peer, now);
        assert!(roster.due(now + config.dial_backoff_min).len() == 1);
    }

    #[test]
    fn of_two_keys_the_smaller_dials_first() {
        let now = Instant::now();
        let (mut small, mut great) = (roster(1), roster(2));
        small.replace(list(&[2]), now);
        great.replace(list(&[1]), now);
        assert_eq!(small.due(now).len(), 1);
        assert_eq!(great.due(now).len(), 0);
        assert_eq!(great.due(now + COURTESY).len(), 1);
    }

    #[test]
    fn both_ends_keep_the_same_of_two_connections_whatever_the_order() {
        let (now, soon) = (Instant::now(), Instant::now() + Duration::from_millis(50));
        let (small, great) = (roster(1), roster(2));
        let (small_key, great_key) = (PeerKey([1; 32]), PeerKey([2; 32]));
        for small_dialled_first in [true, false] {
            for seen_alike in [true, false] {
                let order = |first: bool| if first { (now, soon) } else { (soon, now) };
                let (by_small, by_great) = order(small_dialled_first);
                let keeps_small = |judge: &Roster, peer: &PeerKey, small: Socket, great: Socket| {
                    let (older, newer, newer_is_small) =
                        if small.since < great.since { (small, great, false) } else { (great, small, true) };
                    judge.newer_wins(peer, &older, &newer) == newer_is_small
                };
                let at_small = keeps_small(
                    &small,
                    &great_key,
                    socket(1, Direction::Outbound, by_small),
                    socket(2, Direction::Inbound, by_great),
                );
                let (by_small, by_great) = if seen_alike { (by_small, by_great) } else { (by_great, by_small) };
                let at_great = keeps_small(
                    &great,
                    &small_key,
                    socket(1, Direction::Inbound, by_small),
                    socket(2, Direction::Outbound, by_great),
                );
                assert!(at_small && at_great, "first {small_dialled_first} alike {seen_alike}");
            }
        }
    }

    #[test]
    fn a_peer_that_dials_anew_replaces_its_old_connection() {
        let (now, later) = (Instant::now(), Instant::now() + RACE + Duration::from_secs(1));
        let small = roster(1);
        let older = socket(1, Direction::Outbound, now);
        assert!(small.newer_wins(&PeerKey([2; 32]), &older, &socket(2, Direction::Inbound, later)));
        let quick = now + Duration::from_millis(1);
        let older = socket(1, Direction::Inbound, now);
        assert!(small.newer_wins(&PeerKey([2; 32]), &older, &socket(2, Direction::Inbound, quick)));
    }

    #[test]
    fn a_ban_ends_and_outlives_a_leave_from_the_list() {
        let (mut roster, now) = (roster(1), Instant::now());
        let (peer, ban) = (PeerKey([2; 32]), roster.config.ban);
        roster.replace(list(&[2]), now);
        assert!(!roster.offend(&peer, Offence::InvalidBytes, now));
        assert!(!roster.offend(&peer, Offence::InvalidBytes, now));
        assert!(roster.offend(&peer, Offence::InvalidBytes, now));
        assert!(roster.due(now + Duration::from_secs(1)).is_empty());
        roster.replace(list(&[]), now);
        assert_eq!(roster.replace(list(&[2]), now), Changes::default());
        assert_eq!(roster.pardon(now + ban - Duration::from_millis(1)), []);
        assert_eq!(roster.pardon(now + ban), [peer]);
        assert_eq!(roster.due(now + ban).len(), 1);
    }
}
