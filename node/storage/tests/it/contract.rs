//! The same operations, crashes and restarts on real files and on the model that the simulator runs nodes with: what is left is the same.
//!
//! So whatever the simulator proves of a node on the model holds for a node on these files.

use crate::chain::Chain;
use octroi_consensus::{Guard, SignState, Step};
use octroi_ledger::state::{RecordRow, SeenAdded};
use octroi_primitives::*;
use octroi_replica::{Disk, Loaded, Logged, Store as StoreTrait};
use octroi_simulator::{
    Canary, Random,
    surroundings::{Fuse, ModelDisk, ModelStore},
};
use octroi_storage::{Folder, NodeDisk, Settings, SignStateFile, Store};
use tempfile::TempDir;

const HISTORIES: u64 = 12;
const OPERATIONS: u64 = 60;

fn key() -> SecretKey {
    SecretKey::from_seed([9; 32])
}

struct Real {
    data: TempDir,
    open: Option<(Store, NodeDisk)>,
}

impl Real {
    fn new(chain: &Chain) -> Self {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::create(data.path()).unwrap();
        let network = chain.network();
        let mut store = Store::create(&folder, &network, &Settings::default()).unwrap();
        store.begin(&chain.state).unwrap();
        NodeDisk::create(&folder, &network).unwrap();
        SignStateFile::create(&folder, &SignState::new(network, key().public())).unwrap();
        let disk = NodeDisk::open(&folder, &network, store.height()).unwrap();
        Self { data, open: Some((store, disk)) }
    }

    fn restart(&mut self, network: &NetworkId) {
        self.open = None;
        let folder = Folder::open(self.data.path()).unwrap();
        let store = Store::open(&folder, network, &Settings::default()).unwrap();
        let disk = NodeDisk::open(&folder, network, store.height()).unwrap();
        self.open = Some((store, disk));
    }
}

/// One order for what comes out of either.
fn sorted(loaded: Loaded) -> (octroi_ledger::Head, Vec<RecordRow>, Vec<SeenAdded>, Option<u64>) {
    let Loaded { head, mut rows, mut seen, certificate } = loaded;
    rows.sort_by(|a, b| (a.table, &a.key).cmp(&(b.table, &b.key)));
    seen.sort_by_key(|added| (added.minute, added.id));
    (head, rows, seen, certificate.map(|certificate| certificate.height.get()))
}

/// Records of heights above the committed one; older ones mean nothing.
fn live(log: Vec<Logged>, committed: Height) -> Vec<Logged> {
    let height = |record: &Logged| match record {
        Logged::Entry { height, .. } | Logged::Body { height, .. } => *height,
    };
    log.into_iter().filter(|record| height(record) > committed).collect()
}

#[test]
fn real_files_keep_what_the_simulators_model_keeps() {
    for seed in 0..HISTORIES {
        println!("seed {seed}");
        history(seed);
    }
}

fn history(seed: u64) {
    let mut random = Random::new(seed);
    let mut chain = Chain::new();
    let network = chain.network();
    let mut real = Real::new(&chain);
    let fuse = Fuse::new(Random::new(seed));
    let mut model_store = ModelStore::new(fuse.clone());
    let mut model_disk = ModelDisk::new(fuse, Random::new(seed + 1), network, Some(key().public()));
    model_store.begin(&chain.state).unwrap();
    let mut guard = Guard::new(key(), SignState::new(network, key().public())).unwrap();
    let (mut appended, mut synced) = (0_usize, 0_usize);
    let mut round = 0;

    for _ in 0..OPERATIONS {
        let (store, disk) = real.open.as_mut().expect("it is open");
        let next = Height(chain.height().0 + 1);
        match random.below(10) {
            0..=2 => {
                let entry = random.number().to_be_bytes();
                disk.append_entry(next, &entry).unwrap();
                model_disk.append_entry(next, &entry).unwrap();
                appended += 1;
            }
            3 => {
                let block = BlockId::from_bytes([random.below(256) as u8; 32]);
                let body = vec![random.below(256) as u8; random.below(9_000) as usize];
                disk.append_body(next, block, &body).unwrap();
                model_disk.append_body(next, block, &body).unwrap();
                appended += 1;
            }
            4 | 5 => {
                disk.sync_log().unwrap();
                model_disk.sync_log().unwrap();
                synced = appended;
            }
            6 => {
                round += 1;
                guard.sign(next, Round(round), Step::Prevote, random.number().to_be_bytes().to_vec());
                if let Some(slot) = guard.take_write() {
                    disk.write_sign_state(&slot).unwrap();
                    model_disk.write_sign_state(&slot).unwrap();
                }
            }
            7 | 8 => {
                let commit = chain.block(random.below(5));
                store.commit(&commit).unwrap();
                model_store.commit(&commit).unwrap();
                disk.forget(next).unwrap();
                model_disk.forget(next).unwrap();
                (appended, synced) = (0, 0);
            }
            _ => {
                real.restart(&network);
                model_store.crash(Canary::None);
                model_disk.crash(Canary::None);
                let (store, disk) = real.open.as_mut().expect("it is open");
                compare(store, disk, &model_store, &model_disk, &chain, synced);
                // The model may keep more than was synced; from here on both have what the real one has.
                let kept = live(disk.read_log().unwrap(), chain.height());
                model_disk = continued(&kept, &model_disk, seed, network);
                (appended, synced) = (kept.len(), kept.len());
            }
        }
    }
}

fn compare(
    store: &Store,
    disk: &NodeDisk,
    model_store: &ModelStore,
    model_disk: &ModelDisk,
    chain: &Chain,
    synced: usize,
) {
    let (real, model) = (store.load().unwrap().unwrap(), model_store.load().unwrap().unwrap());
    assert!(sorted(real) == sorted(model), "records, ids or head differ at height {}", chain.height());
    for height in 0..=chain.height().0 + 1 {
        let height = Height(height);
        assert_eq!(StoreTrait::block(store, height).unwrap(), model_store.block(height).unwrap());
        assert_eq!(StoreTrait::certificate(store, height).unwrap(), model_store.certificate(height).unwrap());
    }
    let real = live(disk.read_log().unwrap(), chain.height());
    let model = live(model_disk.read_log().unwrap(), chain.height());
    assert!(real.len() >= synced && model.len() >= synced, "{synced} synced, {} and {} left", real.len(), model.len());
    let common = real.len().min(model.len());
    assert_eq!(real[..common], model[..common]);
    assert_eq!(disk.read_sign_state().unwrap(), model_disk.read_sign_state().unwrap());
}

/// A model with this log, synced, and the sign state of another.
fn continued(log: &[Logged], other: &ModelDisk, seed: u64, network: NetworkId) -> ModelDisk {
    let fuse = Fuse::new(Random::new(seed));
    let mut disk = ModelDisk::new(fuse, Random::new(seed + log.len() as u64), network, Some(key().public()));
    for record in log {
        match record {
            Logged::Entry { height, entry } => disk.append_entry(*height, entry).unwrap(),
            Logged::Body { height, block, bytes } => disk.append_body(*height, *block, bytes).unwrap(),
        }
    }
    disk.sync_log().unwrap();
    let file = other.read_sign_state().unwrap().expect("it has one");
    for offset in octroi_consensus::SLOT_OFFSETS {
        let bytes = file[offset..offset + octroi_consensus::SLOT_BYTES].to_vec();
        disk.write_sign_state(&octroi_consensus::SlotWrite { offset, bytes }).unwrap();
    }
    disk
}
