//! Catching up: blocks of others, taken only for their certificates.
//!
//! What a peer says of its height is a hint, remembered for that peer alone; it leads to a question, and a peer that does not answer, or answers
//! with what no certificate covers, is not asked again for a while. A height that is under way by agreement is given up when a certificate for it
//! comes.

use crate::{
    ReplicaError,
    input::{CertifiedBody, Peer, Timer},
    output::{Action, Offence},
    replica::Replica,
    wire::BlocksRequest,
};
use octroi_chain::Certified;
use octroi_primitives::Height;
use std::{collections::BTreeMap, time::Duration};

/// Questions under way at a time, to different peers.
const MAX_REQUESTS: usize = 2;
/// Fetched blocks that wait at most before more are asked for.
const MAX_FETCHED: usize = 256;
/// Bytes of fetched blocks that wait at most before more are asked for.
const MAX_FETCHED_BYTES: usize = 16 * 1024 * 1024;
/// Blocks applied before other inputs have their turn.
const APPLIED_AT_ONCE: usize = 8;
/// Agreement is not begun while blocks were fetched within this time and more are asked for, milliseconds.
const PROGRESS_MS: u64 = 2_000;

#[derive(Debug, Default)]
pub(crate) struct CatchUp {
    claims: BTreeMap<Peer, Height>,
    /// Whose word does not count, until when by the wall clock.
    distrusted: BTreeMap<Peer, u64>,
    requests: BTreeMap<u64, (Peer, BlocksRequest)>,
    fetched: BTreeMap<Height, (Peer, CertifiedBody)>,
    fetched_bytes: usize,
    number: u64,
    applied_wall: u64,
    waiting: Waiting,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Waiting {
    #[default]
    No,
    /// The timer runs that looks whether we are still behind.
    Yes,
}

impl CatchUp {
    pub fn committed(&mut self, height: Height) {
        while let Some(entry) = self.fetched.first_entry() {
            if *entry.key() > height {
                break;
            }
            let (_, (_, gone)) = entry.remove_entry();
            self.fetched_bytes -= gone.body.bytes.len();
        }
        self.claims.retain(|_, claimed| *claimed > height);
    }

    /// Whether agreement on the next height would be a waste, since its block is on its way.
    pub fn is_under_way(&self, next: Height, wall: u64) -> bool {
        let progress = wall.abs_diff(self.applied_wall) < PROGRESS_MS;
        self.fetched.contains_key(&next) || (progress && !self.requests.is_empty())
    }

    fn forget_peer(&mut self, peer: &Peer) {
        self.claims.remove(peer);
        self.requests.retain(|_, (asked, _)| asked != peer);
        let of_peer: Vec<Height> =
            self.fetched.iter().filter(|(_, (from, _))| from == peer).map(|(height, _)| *height).collect();
        for height in of_peer {
            if let Some((_, gone)) = self.fetched.remove(&height) {
                self.fetched_bytes -= gone.body.bytes.len();
            }
        }
    }
}

impl Replica {
    /// A peer seems to have committed this height.
    pub(crate) fn hint(&mut self, peer: Peer, height: Height) {
        let head = self.state.head().height;
        if height <= head || !self.peers.contains(&peer) {
            return;
        }
        if let Some(until) = self.catch_up.distrusted.get(&peer) {
            if self.now.wall < *until {
                return;
            }
            self.catch_up.distrusted.remove(&peer);
        }
        let claim = self.catch_up.claims.entry(peer).or_insert(height);
        *claim = height.max(*claim);
        // One height behind is the normal case of a few milliseconds for who takes part.
        if height.get() > head.get() + 1 || !self.takes_part() {
            self.fetch();
        } else if self.catch_up.waiting == Waiting::No {
            self.catch_up.waiting = Waiting::Yes;
            self.set_timer(Timer::Behind, self.config.behind_wait);
        }
    }

    /// The moment of grace is over.
    pub(crate) fn still_behind(&mut self) {
        self.catch_up.waiting = Waiting::No;
        self.fetch();
    }

    /// Asks for what comes next, of peers that say they have it.
    pub(crate) fn fetch(&mut self) {
        while self.catch_up.requests.len() < MAX_REQUESTS
            && self.catch_up.fetched.len() < MAX_FETCHED
            && self.catch_up.fetched_bytes < MAX_FETCHED_BYTES
        {
            let Some((peer, request)) = self.next_request() else { return };
            self.catch_up.number += 1;
            let number = self.catch_up.number;
            self.catch_up.requests.insert(number, (peer, request));
            self.act(Action::RequestBlocks { peer, number, request });
            self.set_timer(Timer::CatchUp(number), self.config.catch_up_wait);
        }
    }

    fn next_request(&self) -> Option<(Peer, BlocksRequest)> {
        let CatchUp { claims, requests, fetched, number, .. } = &self.catch_up;
        let asked_for = |height: u64| {
            requests.values().any(|(_, r)| (r.from.get()..r.from.get() + u64::from(r.count)).contains(&height))
        };
        let highest = claims.values().max()?.get();
        let from = (self.state.head().height.get() + 1..=highest)
            .find(|height| !fetched.contains_key(&Height(*height)) && !asked_for(*height))?;
        let free: Vec<(&Peer, &Height)> = claims
            .iter()
            .filter(|(peer, claim)| claim.get() >= from && !requests.values().any(|(asked, _)| asked == *peer))
            .collect();
        let (peer, claim) = free.get(*number as usize % free.len().max(1))?;
        let mut count = (claim.get() - from + 1).min(u64::from(self.config.catch_up_blocks));
        // Up to what is at hand or under way already.
        if let Some((height, _)) = fetched.range(Height(from)..).next() {
            count = count.min(height.get() - from);
        }
        if let Some(other) = requests.values().map(|(_, r)| r.from.get()).filter(|other| *other > from).min() {
            count = count.min(other - from);
        }
        let count = u32::try_from(count).unwrap_or(self.config.catch_up_blocks);
        Some((**peer, BlocksRequest { from: Height(from), count }))
    }

    /// An answer came.
    pub(crate) fn blocks_came(&mut self, peer: Peer, number: u64, blocks: Vec<CertifiedBody>) {
        let Some((asked, request)) = self.catch_up.requests.remove(&number) else { return };
        self.act(Action::CancelTimer(Timer::CatchUp(number)));
        if asked != peer {
            self.catch_up.requests.insert(number, (asked, request));
            return;
        }
        if blocks.is_empty() {
            // The tip that it handed on may have been another's: its word is forgotten, no more.
            self.distrust(peer, self.config.tick);
            self.fetch();
            return;
        }
        let fits = blocks.len() <= request.count as usize
            && blocks.iter().zip(request.from.get()..).all(|(b, height)| b.body.height().get() == height);
        if !fits {
            self.penalise(peer, Offence::Blocks("other heights than asked for".into()));
            self.distrust(peer, self.config.distrust);
            self.fetch();
            return;
        }
        let head = self.state.head().height;
        for block in blocks {
            let height = block.body.height();
            if height > head && !self.catch_up.fetched.contains_key(&height) {
                self.catch_up.fetched_bytes += block.body.bytes.len();
                self.catch_up.fetched.insert(height, (peer, block));
            }
        }
        self.fetch();
        self.set_timer(Timer::Apply, Duration::ZERO);
    }

    /// An answer did not come in time.
    pub(crate) fn blocks_late(&mut self, number: u64) {
        let Some((peer, _)) = self.catch_up.requests.remove(&number) else { return };
        if let Some(height) = self.catch_up.claims.get(&peer).copied() {
            self.penalise(peer, Offence::NoBlocks(height));
        }
        // Slow or cut off is not lying: others are asked first, and it soon again.
        self.distrust(peer, self.config.tick);
        self.fetch();
    }

    /// Applies fetched blocks: certificate, then hash, then execution.
    pub(crate) fn apply_fetched(&mut self) -> Result<(), ReplicaError> {
        for _ in 0..APPLIED_AT_ONCE {
            let next = self.next_height();
            let Some((peer, CertifiedBody { body, certificate })) = self.catch_up.fetched.remove(&next) else {
                self.fetch();
                return Ok(());
            };
            self.catch_up.fetched_bytes -= body.bytes.len();
            let bytes = body.bytes.clone();
            let header = body.block().header().clone();
            // The certificate covers the header, and a body exists only with the transactions its header names.
            let proven = Certified::new(header, certificate, self.state.validators(), &self.state.network());
            let certificate = match proven {
                Ok(proven) => proven.into_parts().1,
                Err(error) => {
                    self.penalise(peer, Offence::Blocks(error.to_string()));
                    self.distrust(peer, self.config.distrust);
                    self.fetch();
                    return Ok(());
                }
            };
            let (height, block) = (next, certificate.block_id);
            let executed = match self.candidates.take(&block) {
                Some((Some(executed), _)) => executed,
                Some((None, _)) | None => self.check_and_execute(body).map_err(|error| ReplicaError::Diverged {
                    height,
                    block,
                    reason: error.to_string(),
                })?,
            };
            self.metrics.caught_up += 1;
            self.catch_up.applied_wall = self.now.wall;
            self.commit(executed, bytes, certificate, Vec::new());
            self.give_up_height();
        }
        self.set_timer(Timer::Apply, Duration::ZERO);
        Ok(())
    }

    /// A peer's word does not count for a while.
    fn distrust(&mut self, peer: Peer, how_long: Duration) {
        let millis = u64::try_from(how_long.as_millis()).unwrap_or(u64::MAX);
        self.catch_up.forget_peer(&peer);
        self.catch_up.distrusted.insert(peer, self.now.wall.saturating_add(millis));
    }

    /// A peer is gone, and with it what it was asked for.
    pub(crate) fn catch_up_without(&mut self, peer: Peer) {
        self.catch_up.claims.remove(&peer);
        self.catch_up.requests.retain(|_, (asked, _)| *asked != peer);
        self.catch_up.distrusted.remove(&peer);
        self.fetch();
    }
}
