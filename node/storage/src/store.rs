//! The committed chain: one atomic, synced batch a block.

pub use crate::rocks::Settings;

use crate::{
    Folder, StorageError, head,
    rocks::{Family, Rocks},
    value,
};
use octroi_chain::{Canonical as _, CommitCertificate, Evidence};
use octroi_ledger::{
    Head, State,
    state::{RecordRow, SeenAdded},
};
use octroi_primitives::{Height, NetworkId, TransactionId};
use octroi_replica::{Commit, Loaded};
use octroi_views::{Blocks, Order, ReadFault, Row, Rows, ViewId, fold};
use rocksdb::WriteBatch;
use std::sync::Arc;

const NAME: &str = "store";
/// The form of keys and values that this program reads and writes.
const FORMAT: u32 = 1;

const FORMAT_KEY: &[u8] = b"format";
const NETWORK_KEY: &[u8] = b"network";
const HEAD_KEY: &[u8] = b"head";
/// In each family that has no row for every height: the height of its last batch. Above all other keys.
const TIP_KEY: &[u8] = &[0xff; 12];
/// The end of all other keys of these families.
const ROWS_END: &[u8] = &[0xff; 8];
const WITH_TIP: [Family; 3] = [Family::Seen, Family::Views, Family::Evidence];
const BY_HEIGHT: [Family; 3] = [Family::Blocks, Family::Receipts, Family::Certificates];

/// The one writer of a store.
pub struct Store {
    reader: StoreReader,
    /// `None` until [`octroi_replica::Store::begin`].
    height: Option<Height>,
    /// Ids of earlier minutes are forgotten already.
    seen_from: u64,
    failed: bool,
}

/// Reads what is committed, from any thread. Clones share one store.
#[derive(Clone)]
pub struct StoreReader {
    rocks: Arc<Rocks>,
    network: NetworkId,
    /// Keeps the folder locked for as long as anything reads it.
    _folder: Folder,
}

impl Store {
    /// Makes an empty store for a network.
    ///
    /// # Errors
    /// [`StorageError::Exists`], or what the system says.
    pub fn create(folder: &Folder, network: &NetworkId, settings: &Settings) -> Result<Self, StorageError> {
        let rocks = Rocks::create(&folder.file(NAME), settings)?;
        let mut batch = WriteBatch::default();
        let meta = rocks.handle(Family::Meta);
        batch.put_cf(meta, FORMAT_KEY, value::seal(FORMAT_KEY, &FORMAT.to_be_bytes()));
        batch.put_cf(meta, NETWORK_KEY, value::seal(NETWORK_KEY, network.as_bytes()));
        rocks.write(batch)?;
        crate::file::sync_folder(folder.path())?;
        Self::with(folder, network, rocks)
    }

    /// Opens the store of a network.
    ///
    /// # Errors
    /// [`StorageError::Missing`], [`StorageError::OtherNetwork`], [`StorageError::Version`], [`StorageError::Damaged`], or what the system says.
    pub fn open(folder: &Folder, network: &NetworkId, settings: &Settings) -> Result<Self, StorageError> {
        Self::with(folder, network, Rocks::open(&folder.file(NAME), settings)?)
    }

    /// Whether a folder holds a store, of whatever network.
    pub fn exists(folder: &Folder) -> bool {
        folder.file(NAME).exists()
    }

    fn with(folder: &Folder, network: &NetworkId, rocks: Rocks) -> Result<Self, StorageError> {
        let reader = StoreReader { rocks: Arc::new(rocks), network: *network, _folder: folder.clone() };
        let damaged = |reason: &str| StorageError::Damaged { place: reader.place(Family::Meta), reason: reason.into() };
        let format = reader.sealed(Family::Meta, FORMAT_KEY)?;
        let format = format.ok_or_else(|| damaged("no format version; the store was never made whole"))?;
        let found = u32::from_be_bytes(format.try_into().map_err(|_| damaged("the format version is no number"))?);
        if found != FORMAT {
            return Err(StorageError::Version { place: reader.place(Family::Meta), expected: FORMAT, found });
        }
        let found = reader.sealed(Family::Meta, NETWORK_KEY)?.ok_or_else(|| damaged("no network"))?;
        let found = NetworkId::try_from(found.as_slice()).map_err(|_| damaged("the network is no hash"))?;
        if found != *network {
            return Err(StorageError::OtherNetwork { place: reader.place(Family::Meta), expected: *network, found });
        }
        let height = reader.head()?.map(|head| head.height);
        if let Some(height) = height {
            reader.check_tips(height)?;
        }
        Ok(Self { reader, height, seen_from: 0, failed: false })
    }

    /// A handle for readers.
    pub fn reader(&self) -> StoreReader {
        self.reader.clone()
    }

    /// Height of the last block; 0 before the first, and before genesis was written.
    pub fn height(&self) -> Height {
        self.height.unwrap_or(Height(0))
    }

    fn write(&mut self, batch: WriteBatch) -> Result<(), StorageError> {
        if self.failed {
            return Err(StorageError::GivenUp { place: self.reader.place(Family::Meta) });
        }
        self.failed = true;
        self.reader.rocks.write(batch)?;
        self.failed = false;
        Ok(())
    }

    fn put_rows(&self, batch: &mut WriteBatch, rows: &[RecordRow]) {
        let records = self.reader.rocks.handle(Family::Records);
        let mut full = Vec::with_capacity(64);
        for RecordRow { table, key, value } in rows {
            full.clear();
            full.extend_from_slice(&table.to_be_bytes());
            full.extend_from_slice(key);
            match value {
                Some(value) => batch.put_cf(records, &full, value),
                None => batch.delete_cf(records, &full),
            }
        }
    }

    /// One row for all ids of a minute that a block adds.
    fn put_seen(&self, batch: &mut WriteBatch, height: Height, seen: &[SeenAdded]) {
        let mut sorted: Vec<&SeenAdded> = seen.iter().collect();
        sorted.sort_by_key(|added| added.minute);
        for minute in sorted.chunk_by(|a, b| a.minute == b.minute) {
            let key = [minute[0].minute.to_be_bytes(), height.0.to_be_bytes()].concat();
            let ids: Vec<u8> = minute.iter().flat_map(|added| *added.id.as_bytes()).collect();
            batch.put_cf(self.reader.rocks.handle(Family::Seen), key, ids);
        }
    }

    fn put_head(&self, batch: &mut WriteBatch, head: &Head) {
        let meta = self.reader.rocks.handle(Family::Meta);
        batch.put_cf(meta, HEAD_KEY, value::seal(HEAD_KEY, &head::encode(head)));
        for family in WITH_TIP {
            let tip = value::seal(TIP_KEY, &head.height.0.to_be_bytes());
            batch.put_cf(self.reader.rocks.handle(family), TIP_KEY, tip);
        }
    }
}

impl octroi_replica::Store for Store {
    type Error = StorageError;

    fn load(&self) -> Result<Option<Loaded>, StorageError> {
        let Some(head) = self.reader.head()? else { return Ok(None) };
        let mut rows = Vec::new();
        self.reader.rocks.scan(Family::Records, &[], &[], false, |key, value| {
            let (table, key) = key.split_first_chunk::<2>().ok_or_else(|| self.reader.odd(Family::Records, key))?;
            let (table, key) = (u16::from_be_bytes(*table), key.to_vec());
            rows.push(RecordRow { table, key, value: Some(value.to_vec()) });
            Ok(true)
        })?;
        let mut seen = Vec::new();
        self.reader.rocks.scan(Family::Seen, &[], ROWS_END, false, |key, value| {
            let minute = key.first_chunk::<8>().ok_or_else(|| self.reader.odd(Family::Seen, key))?;
            let minute = u64::from_be_bytes(*minute);
            let (ids, rest) = value.as_chunks::<32>();
            if !rest.is_empty() || key.len() != 16 {
                return Err(self.reader.odd(Family::Seen, key));
            }
            seen.extend(ids.iter().map(|id| SeenAdded { minute, id: TransactionId::from_bytes(*id) }));
            Ok(true)
        })?;
        let certificate = match head.height {
            Height(0) => None,
            height => {
                let missing = || StorageError::Damaged {
                    place: self.reader.place(Family::Certificates),
                    reason: format!("no certificate of height {height}"),
                };
                Some(self.reader.certificate(height)?.ok_or_else(missing)?)
            }
        };
        Ok(Some(Loaded { head, rows, seen, certificate }))
    }

    fn begin(&mut self, genesis: &State) -> Result<(), StorageError> {
        let place = || self.reader.place(Family::Meta);
        if genesis.network() != self.reader.network {
            let (expected, found) = (self.reader.network, genesis.network());
            return Err(StorageError::OtherNetwork { place: place(), expected, found });
        }
        if let Some(height) = self.height {
            return Err(StorageError::Order { place: place(), expected: Height(height.0 + 1), found: Height(0) });
        }
        let mut batch = WriteBatch::default();
        self.put_rows(&mut batch, &genesis.rows());
        self.put_head(&mut batch, genesis.head());
        self.write(batch)?;
        self.height = Some(Height(0));
        Ok(())
    }

    fn commit(&mut self, commit: &Commit) -> Result<(), StorageError> {
        let Commit { executed, body, certificate, evidence, state } = commit;
        let height = executed.block().header().height;
        let expected = self.height.map_or(Height(0), |last| Height(last.0 + 1));
        if height != expected || state.head().height != height || certificate.height != height {
            return Err(StorageError::Order { place: self.reader.place(Family::Meta), expected, found: height });
        }
        let key = height.0.to_be_bytes();
        let rocks = &self.reader.rocks;
        let mut batch = WriteBatch::default();
        batch.put_cf(rocks.handle(Family::Blocks), key, value::seal(&key, body));
        batch.put_cf(rocks.handle(Family::Receipts), key, value::seal(&key, executed.receipts_bytes()));
        batch.put_cf(rocks.handle(Family::Certificates), key, value::seal(&key, &certificate.encode()));
        for evidence in evidence {
            let key = [key.as_slice(), evidence.hash().as_bytes()].concat();
            batch.put_cf(rocks.handle(Family::Evidence), &key, value::seal(&key, &evidence.encode()));
        }
        self.put_rows(&mut batch, executed.rows());
        self.put_seen(&mut batch, height, executed.seen());
        let dropped = executed.seen_dropped_before();
        if dropped > self.seen_from {
            let (from, to) = (self.seen_from.to_be_bytes(), dropped.to_be_bytes());
            batch.delete_range_cf(rocks.handle(Family::Seen), from.as_slice(), to.as_slice());
        }
        for Row { view, key, value } in fold(height, &executed.id(), executed.receipts(), &self.reader)? {
            batch.put_cf(rocks.handle(Family::Views), view_key(view, &key), value);
        }
        self.put_head(&mut batch, state.head());
        self.write(batch)?;
        self.height = Some(height);
        self.seen_from = self.seen_from.max(dropped);
        Ok(())
    }

    fn block(&self, height: Height) -> Result<Option<Vec<u8>>, StorageError> {
        self.reader.at_height(Family::Blocks, height)
    }

    fn certificate(&self, height: Height) -> Result<Option<Vec<u8>>, StorageError> {
        self.reader.at_height(Family::Certificates, height)
    }
}

impl StoreReader {
    /// Hash of the genesis.
    pub fn network(&self) -> NetworkId {
        self.network
    }

    /// What was committed last; `None` before genesis was written.
    ///
    /// # Errors
    /// A fault or damage.
    pub fn head(&self) -> Result<Option<Head>, StorageError> {
        let Some(bytes) = self.sealed(Family::Meta, HEAD_KEY)? else { return Ok(None) };
        let damaged = |reason| StorageError::Damaged { place: self.place(Family::Meta), reason };
        head::decode(&bytes).map(Some).map_err(damaged)
    }

    /// Every family is as far as the head. RocksDB takes a damaged record at the end of its manifest for a torn write, and opens without the newest
    /// tables of a family: nothing in what is left shows it. That the records are complete is shown by the state root.
    fn check_tips(&self, head: Height) -> Result<(), StorageError> {
        let behind = |family, reason| StorageError::Damaged { place: self.place(family), reason };
        for family in WITH_TIP {
            let tip =
                self.sealed(family, TIP_KEY)?.and_then(|tip| Some(Height(u64::from_be_bytes(tip.try_into().ok()?))));
            match tip {
                Some(tip) if tip == head => {}
                Some(tip) => {
                    return Err(behind(family, format!("it ends at height {tip}, the head is at height {head}")));
                }
                None => return Err(behind(family, format!("it has no end, the head is at height {head}"))),
            }
        }
        for family in BY_HEIGHT {
            if head > Height(0) && self.at_height(family, head)?.is_none() {
                return Err(behind(family, format!("nothing stands at height {head} of the head")));
            }
        }
        Ok(())
    }

    /// At most `limit` pieces of evidence of heights from `from` on, oldest first.
    ///
    /// # Errors
    /// A fault or damage.
    pub fn evidence(&self, from: Height, limit: usize) -> Result<Vec<Evidence>, StorageError> {
        let mut found = Vec::new();
        self.rocks.scan(Family::Evidence, &from.0.to_be_bytes(), ROWS_END, false, |key, value| {
            if found.len() == limit {
                return Ok(false);
            }
            let damaged = |reason: String| StorageError::Damaged { place: self.place(Family::Evidence), reason };
            let bytes = value::open(key, value).map_err(damaged)?;
            found.push(Evidence::decode(&bytes).map_err(|error| damaged(error.to_string()))?);
            Ok(true)
        })?;
        Ok(found)
    }

    /// Brings everything into as few tables as there can be: for measuring, and before a backup.
    ///
    /// # Errors
    /// What the system says.
    pub fn compact(&self) -> Result<(), StorageError> {
        self.rocks.compact()
    }

    /// Bytes of tables on disk, by part of the store.
    ///
    /// # Errors
    /// What the system says.
    pub fn table_bytes(&self) -> Result<Vec<(&'static str, u64)>, StorageError> {
        Family::ALL.iter().map(|family| Ok((family.name(), self.rocks.table_bytes(*family)?))).collect()
    }

    fn place(&self, family: Family) -> String {
        self.rocks.place(family)
    }

    fn odd(&self, family: Family, key: &[u8]) -> StorageError {
        let key = octroi_ledger::state::hex(key);
        StorageError::Damaged {
            place: self.place(family),
            reason: format!("the row of key {key} does not have its shape"),
        }
    }

    fn sealed(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let Some(value) = self.rocks.get(family, key)? else { return Ok(None) };
        let damaged = |reason| StorageError::Damaged {
            place: self.place(family),
            reason: format!("key {}: {reason}", octroi_ledger::state::hex(key)),
        };
        value::open(key, &value).map(Some).map_err(damaged)
    }

    fn at_height(&self, family: Family, height: Height) -> Result<Option<Vec<u8>>, StorageError> {
        self.sealed(family, &height.0.to_be_bytes())
    }
}

fn view_key(view: ViewId, key: &[u8]) -> Vec<u8> {
    let mut full = Vec::with_capacity(key.len() + 1);
    full.push(view.number());
    full.extend_from_slice(key);
    full
}

impl Rows for StoreReader {
    fn get(&self, view: ViewId, key: &[u8]) -> Result<Option<Vec<u8>>, ReadFault> {
        Ok(self.rocks.get(Family::Views, &view_key(view, key))?)
    }

    fn range(&self, view: ViewId, from: &[u8], to: &[u8], limit: usize, order: Order) -> Result<Vec<Row>, ReadFault> {
        let (from, to) = (view_key(view, from), view_key(view, to));
        let mut rows = Vec::new();
        if limit == 0 || from >= to {
            return Ok(rows);
        }
        self.rocks.scan(Family::Views, &from, &to, order == Order::Descending, |key, value| {
            rows.push(Row { view, key: key[1..].to_vec(), value: value.to_vec() });
            Ok(rows.len() < limit)
        })?;
        Ok(rows)
    }
}

impl Blocks for StoreReader {
    fn block_bytes(&self, height: Height) -> Result<Option<Vec<u8>>, ReadFault> {
        Ok(self.at_height(Family::Blocks, height)?)
    }

    fn receipts_bytes(&self, height: Height) -> Result<Option<Vec<u8>>, ReadFault> {
        Ok(self.at_height(Family::Receipts, height)?)
    }

    fn certificate(&self, height: Height) -> Result<Option<CommitCertificate>, ReadFault> {
        let Some(bytes) = self.at_height(Family::Certificates, height)? else { return Ok(None) };
        let damaged = |error: octroi_chain::ChainError| ReadFault::Damaged {
            place: self.place(Family::Certificates),
            reason: error.to_string(),
        };
        CommitCertificate::decode(&bytes).map(Some).map_err(damaged)
    }
}
