//! Store and disk of a simulated node: what survives a crash, and the moment at which one strikes.
//!
//! The model of the store is atomic and durable per batch; of the disk, whatever was appended since the last sync may be lost from its end, and a
//! slot of the sign state that is being written may be torn. Every operation may be the last one, before or after it took effect.

use crate::random::Random;
use octroi_chain::{Canonical, CommitCertificate};
use octroi_consensus::{SLOT_BYTES, SignState, SlotWrite};
use octroi_ledger::{
    State,
    state::{Head, RecordRow, SeenAdded},
};
use octroi_primitives::{BlockId, Height, NetworkId, PublicKey, TransactionId};
use octroi_replica::{Commit, Disk, Loaded, Logged, Store};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

/// The power went away in the middle of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("power lost")]
pub struct PowerLost;

/// When the power goes away: shared by store and disk of a node.
#[derive(Clone, Debug)]
pub struct Fuse(Rc<RefCell<FuseState>>);

#[derive(Debug)]
struct FuseState {
    random: Random,
    /// Operations until it blows; `None`: it does not.
    left: Option<u64>,
    /// Kinds of operations at which it blew, for the report.
    blown: BTreeMap<&'static str, u64>,
}

enum Blow {
    No,
    Before,
    After,
}

impl Fuse {
    /// One that does not blow until it is armed.
    pub fn new(random: Random) -> Self {
        Fuse(Rc::new(RefCell::new(FuseState { random, left: None, blown: BTreeMap::new() })))
    }

    /// Blows at the operation after so many.
    pub fn arm(&self, operations: u64) {
        self.0.borrow_mut().left = Some(operations);
    }

    /// Does not blow.
    pub fn disarm(&self) {
        self.0.borrow_mut().left = None;
    }

    /// At which operations it blew, and how often.
    pub fn blown(&self) -> BTreeMap<&'static str, u64> {
        self.0.borrow().blown.clone()
    }

    fn at(&self, operation: &'static str) -> Blow {
        let mut fuse = self.0.borrow_mut();
        match fuse.left {
            None => Blow::No,
            Some(0) => {
                fuse.left = None;
                *fuse.blown.entry(operation).or_default() += 1;
                if fuse.random.chance(500) { Blow::Before } else { Blow::After }
            }
            Some(left) => {
                fuse.left = Some(left - 1);
                Blow::No
            }
        }
    }

    fn through<T>(&self, operation: &'static str, effect: impl FnOnce() -> T) -> Result<T, PowerLost> {
        match self.at(operation) {
            Blow::No => Ok(effect()),
            Blow::Before => Err(PowerLost),
            Blow::After => {
                effect();
                Err(PowerLost)
            }
        }
    }
}

/// A bug planted into the surroundings, which the checkers are to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canary {
    /// None.
    None,
    /// A crash takes what was synced: log and sign state fall back to an earlier moment of the same height.
    LosesSynced,
    /// A crash takes the last committed block.
    LosesCommit,
}

/// A committed chain in memory.
#[derive(Debug)]
pub struct ModelStore {
    fuse: Fuse,
    blocks: Vec<(Vec<u8>, Vec<u8>)>,
    last: Option<Kept>,
    /// The one before, for [`Canary::LosesCommit`].
    previous: Option<Kept>,
}

#[derive(Clone, Debug)]
struct Kept {
    head: Head,
    rows: BTreeMap<(u16, Vec<u8>), Vec<u8>>,
    seen: BTreeSet<(u64, TransactionId)>,
    certificate: Option<CommitCertificate>,
}

impl ModelStore {
    /// An empty one.
    pub fn new(fuse: Fuse) -> Self {
        ModelStore { fuse, blocks: Vec::new(), last: None, previous: None }
    }

    /// Height of the last block.
    pub fn height(&self) -> u64 {
        self.blocks.len() as u64
    }

    /// What a crash does to it.
    pub fn crash(&mut self, canary: Canary) {
        if canary == Canary::LosesCommit
            && let Some(previous) = self.previous.take()
        {
            self.last = Some(previous);
            self.blocks.pop();
        }
    }
}

impl Store for ModelStore {
    type Error = PowerLost;

    fn load(&self) -> Result<Option<Loaded>, PowerLost> {
        Ok(self.last.as_ref().map(|Kept { head, rows, seen, certificate }| Loaded {
            head: head.clone(),
            rows: rows
                .iter()
                .map(|((table, key), value)| RecordRow { table: *table, key: key.clone(), value: Some(value.clone()) })
                .collect(),
            seen: seen.iter().map(|(minute, id)| SeenAdded { minute: *minute, id: *id }).collect(),
            certificate: certificate.clone(),
        }))
    }

    fn begin(&mut self, genesis: &State) -> Result<(), PowerLost> {
        let value = |row: RecordRow| Some(((row.table, row.key), row.value?));
        let rows = genesis.rows().into_iter().filter_map(value).collect();
        let kept = Kept { head: genesis.head().clone(), rows, seen: BTreeSet::new(), certificate: None };
        let last = &mut self.last;
        self.fuse.through("begin", || *last = Some(kept))
    }

    fn commit(&mut self, commit: &Commit) -> Result<(), PowerLost> {
        let ModelStore { fuse, blocks, last, previous } = self;
        fuse.through("commit", || {
            let before = last.clone().expect("begin came first");
            let mut kept = before.clone();
            *previous = Some(before);
            for RecordRow { table, key, value } in commit.executed.rows() {
                match value {
                    Some(value) => kept.rows.insert((*table, key.clone()), value.clone()),
                    None => kept.rows.remove(&(*table, key.clone())),
                };
            }
            let dropped = commit.executed.seen_dropped_before();
            kept.seen.retain(|(minute, _)| *minute >= dropped);
            kept.seen.extend(commit.executed.seen().iter().map(|added| (added.minute, added.id)));
            kept.head = commit.state.head().clone();
            kept.certificate = Some(commit.certificate.clone());
            blocks.push((commit.body.to_vec(), commit.certificate.encode()));
            *last = Some(kept);
        })
    }

    fn block(&self, height: Height) -> Result<Option<Vec<u8>>, PowerLost> {
        Ok(self.at(height).map(|(block, _)| block.clone()))
    }

    fn certificate(&self, height: Height) -> Result<Option<Vec<u8>>, PowerLost> {
        Ok(self.at(height).map(|(_, certificate)| certificate.clone()))
    }
}

impl ModelStore {
    fn at(&self, height: Height) -> Option<&(Vec<u8>, Vec<u8>)> {
        self.blocks.get(usize::try_from(height.get().checked_sub(1)?).ok()?)
    }
}

/// Log and sign state in memory.
#[derive(Debug)]
pub struct ModelDisk {
    fuse: Fuse,
    random: Random,
    log: Vec<Logged>,
    durable: usize,
    sign_state: Option<Vec<u8>>,
    /// Sign state and length of the log after each sync of this height, for [`Canary::LosesSynced`].
    moments: Vec<(usize, Option<Vec<u8>>)>,
}

impl ModelDisk {
    /// One with a fresh sign state for this key, or without any for an observer.
    pub fn new(fuse: Fuse, random: Random, network: NetworkId, key: Option<PublicKey>) -> Self {
        let sign_state = key.map(|key| SignState::new(network, key).file());
        ModelDisk { fuse, random, log: Vec::new(), durable: 0, sign_state, moments: Vec::new() }
    }

    /// What a crash does to it.
    pub fn crash(&mut self, canary: Canary) {
        let unsynced = (self.log.len() - self.durable) as u64;
        let kept = self.durable + self.random.below(unsynced + 1) as usize;
        self.log.truncate(kept);
        if canary == Canary::LosesSynced && !self.moments.is_empty() {
            let back = self.random.below(self.moments.len() as u64) as usize;
            let (length, sign_state) = self.moments.swap_remove(back);
            self.log.truncate(length);
            self.sign_state = sign_state;
        }
        self.durable = self.log.len();
        self.moments.clear();
    }
}

impl Disk for ModelDisk {
    type Error = PowerLost;

    fn append_entry(&mut self, height: Height, entry: &[u8]) -> Result<(), PowerLost> {
        let ModelDisk { fuse, log, .. } = self;
        fuse.through("append entry", || log.push(Logged::Entry { height, entry: entry.to_vec() }))
    }

    fn append_body(&mut self, height: Height, block: BlockId, bytes: &[u8]) -> Result<(), PowerLost> {
        let ModelDisk { fuse, log, .. } = self;
        fuse.through("append body", || log.push(Logged::Body { height, block, bytes: bytes.to_vec() }))
    }

    fn sync_log(&mut self) -> Result<(), PowerLost> {
        let ModelDisk { fuse, log, durable, moments, sign_state, .. } = self;
        fuse.through("sync log", || {
            moments.push((*durable, sign_state.clone()));
            *durable = log.len();
        })
    }

    fn write_sign_state(&mut self, slot: &SlotWrite) -> Result<(), PowerLost> {
        let SlotWrite { offset, bytes } = slot;
        let file = self.sign_state.as_mut().expect("an observer signs nothing");
        let place = &mut file[*offset..*offset + SLOT_BYTES];
        match self.fuse.at("write sign state") {
            Blow::No => place.copy_from_slice(bytes),
            Blow::Before => {
                let torn = self.random.below(SLOT_BYTES as u64) as usize;
                place[..torn].copy_from_slice(&bytes[..torn]);
                return Err(PowerLost);
            }
            Blow::After => {
                place.copy_from_slice(bytes);
                return Err(PowerLost);
            }
        }
        Ok(())
    }

    fn forget(&mut self, committed: Height) -> Result<(), PowerLost> {
        let ModelDisk { fuse, log, durable, moments, random, .. } = self;
        // Now and then it happens later: nothing may depend on it.
        if random.chance(200) {
            return Ok(());
        }
        fuse.through("forget", || {
            log.retain(|record| {
                let (Logged::Entry { height, .. } | Logged::Body { height, .. }) = record;
                *height > committed
            });
            *durable = log.len();
            moments.clear();
        })
    }

    fn read_log(&self) -> Result<Vec<Logged>, PowerLost> {
        Ok(self.log.clone())
    }

    fn read_sign_state(&self) -> Result<Option<Vec<u8>>, PowerLost> {
        Ok(self.sign_state.clone())
    }
}
