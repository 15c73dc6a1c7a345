//! Counters of the network: what moved, what was dropped, who was refused and why.
//!
//! Promises: counters only grow; reading them takes no lock. Names and labels are stable, since dashboards and alerts use them.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::score::Offence;

/// A counter that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, amount: usize) {
        self.0.fetch_add(amount as u64, Ordering::Relaxed);
    }

    pub(crate) fn one(&self) {
        self.add(1);
    }

    /// The value now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What went through one channel.
#[derive(Debug, Default)]
pub struct ChannelCounters {
    /// Payload bytes received, framing included.
    pub bytes_in: Counter,
    /// Payload bytes sent, framing included.
    pub bytes_out: Counter,
    /// Frames, bodies or messages received.
    pub items_in: Counter,
    /// Frames, bodies or messages sent.
    pub items_out: Counter,
    /// Items dropped because a queue was full.
    pub dropped: Counter,
}

impl ChannelCounters {
    pub(crate) fn received(&self, bytes: usize) {
        self.items_in.one();
        self.bytes_in.add(bytes);
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.items_out.one();
        self.bytes_out.add(bytes);
    }
}

/// Why a connection did not come to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// The peer's key is not on the allow-list, or it is banned.
    NotAllowed,
    /// Too many connections or handshakes.
    Limit,
    /// The handshake failed or took too long.
    Handshake,
    /// The peer speaks no protocol of our network.
    OtherNetwork,
}

impl Refusal {
    /// All reasons, in the order of the counters.
    pub const ALL: [Refusal; 4] = [Refusal::NotAllowed, Refusal::Limit, Refusal::Handshake, Refusal::OtherNetwork];

    /// Label in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Refusal::NotAllowed => "not_allowed",
            Refusal::Limit => "limit",
            Refusal::Handshake => "handshake",
            Refusal::OtherNetwork => "other_network",
        }
    }
}

/// Counters of the whole node.
#[derive(Debug, Default)]
pub struct NetworkMetrics {
    /// Votes, proposals, certificates, small requests.
    pub ordered: ChannelCounters,
    /// Bodies and catch-up.
    pub bodies: ChannelCounters,
    /// Transactions and tips.
    pub gossip: ChannelCounters,
    /// Connections that came up.
    pub connected: Counter,
    /// Connections that went down.
    pub disconnected: Counter,
    /// Attempts to dial that failed.
    pub dial_failures: Counter,
    /// Peers dropped for their score.
    pub bans: Counter,
    /// Streams reset because the peer broke a bound.
    pub resets: Counter,
    refusals: [Counter; Refusal::ALL.len()],
    offences: [Counter; Offence::ALL.len()],
}

impl NetworkMetrics {
    pub(crate) fn refuse(&self, reason: Refusal) {
        self.refusals[reason as usize].one();
    }

    pub(crate) fn offend(&self, offence: Offence) {
        self.offences[offence as usize].one();
    }

    /// Connections refused for this reason.
    pub fn refused(&self, reason: Refusal) -> u64 {
        self.refusals[reason as usize].get()
    }

    /// Offences of this sort seen.
    pub fn offences(&self, offence: Offence) -> u64 {
        self.offences[offence as usize].get()
    }

    /// Hands every counter to `each` as (name, label, label value, value); the label is empty where there is none.
    pub fn for_each(&self, mut each: impl FnMut(&'static str, &'static str, &'static str, u64)) {
        for (channel, counters) in [("ordered", &self.ordered), ("bodies", &self.bodies), ("gossip", &self.gossip)] {
            let ChannelCounters { bytes_in, bytes_out, items_in, items_out, dropped } = counters;
            each("network_bytes_in", "channel", channel, bytes_in.get());
            each("network_bytes_out", "channel", channel, bytes_out.get());
            each("network_items_in", "channel", channel, items_in.get());
            each("network_items_out", "channel", channel, items_out.get());
            each("network_dropped", "channel", channel, dropped.get());
        }
        for reason in Refusal::ALL {
            each("network_refused", "reason", reason.label(), self.refused(reason));
        }
        for offence in Offence::ALL {
            each("network_offences", "reason", offence.label(), self.offences(offence));
        }
        each("network_connected", "", "", self.connected.get());
        each("network_disconnected", "", "", self.disconnected.get());
        each("network_dial_failures", "", "", self.dial_failures.get());
        each("network_bans", "", "", self.bans.get());
        each("network_resets", "", "", self.resets.get());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_has_its_own_counter_and_label() {
        let metrics = NetworkMetrics::default();
        for (index, reason) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            metrics.refuse(reason);
            assert_eq!(metrics.refused(reason), 1);
        }
        for (index, offence) in Offence::ALL.into_iter().enumerate() {
            assert_eq!(offence as usize, index);
            metrics.offend(offence);
            assert_eq!(metrics.offences(offence), 1);
        }
        let mut seen = BTreeSet::new();
        metrics.for_each(|name, label, value, _| assert!(seen.insert((name, label, value)), "{name} {value} twice"));
        assert_eq!(seen.len(), 3 * 5 + Refusal::ALL.len() + Offence::ALL.len() + 5);
    }
}
