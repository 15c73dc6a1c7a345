//! RocksDB as octroi uses it: column families, bounded memory, checks on.

use crate::StorageError;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode, LogLevel, Options,
    WriteBatch, WriteOptions,
};
use std::path::{Path, PathBuf};

/// Column families. Names are part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Format version, network, head.
    Meta,
    /// Height → canonical block, sealed.
    Blocks,
    /// Height → canonical receipts, sealed.
    Receipts,
    /// Height → this node's certificate, sealed.
    Certificates,
    /// Table u16 ‖ key → stored record.
    Records,
    /// Minute ‖ height → ids.
    Seen,
    /// View u8 ‖ key → value.
    Views,
    /// Height ‖ hash → evidence, sealed.
    Evidence,
}

impl Family {
    pub(crate) const ALL: [Self; 8] = [
        Self::Meta,
        Self::Blocks,
        Self::Receipts,
        Self::Certificates,
        Self::Records,
        Self::Seen,
        Self::Views,
        Self::Evidence,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            // RocksDB makes this one itself; it must be opened.
            Self::Meta => "default",
            Self::Blocks => "blocks",
            Self::Receipts => "receipts",
            Self::Certificates => "certificates",
            Self::Records => "records",
            Self::Seen => "seen",
            Self::Views => "views",
            Self::Evidence => "evidence",
        }
    }

    /// Values that are compressed already, or too few to matter.
    const fn is_sealed(self) -> bool {
        match self {
            Self::Meta | Self::Blocks | Self::Receipts | Self::Certificates | Self::Evidence => true,
            Self::Records | Self::Seen | Self::Views => false,
        }
    }

    /// Whether single keys are looked up that may not be there, or scattered ones that are.
    const fn is_random(self) -> bool {
        match self {
            Self::Records | Self::Views => true,
            Self::Meta | Self::Blocks | Self::Receipts | Self::Certificates | Self::Seen | Self::Evidence => false,
        }
    }
}

/// Bounds of what RocksDB holds in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Cache of blocks read, indexes and filters included, in bytes.
    pub cache_bytes: usize,
    /// All write buffers together, in bytes.
    pub write_buffer_bytes: usize,
    /// Most table files kept open.
    pub open_files: i32,
}

impl Default for Settings {
    /// 24 MiB, 48 MiB, 256 files.
    fn default() -> Self {
        Self { cache_bytes: 24 << 20, write_buffer_bytes: 48 << 20, open_files: 256 }
    }
}

/// Write-ahead log kept before RocksDB flushes what pins it: what a restart reads again, in bytes.
const WAL_BYTES: u64 = 64 << 20;

pub(crate) struct Rocks {
    db: DB,
    path: PathBuf,
}

impl Rocks {
    pub(crate) fn create(path: &Path, settings: &Settings) -> Result<Self, StorageError> {
        if path.exists() {
            return Err(StorageError::Exists { path: path.display().to_string() });
        }
        let mut options = options(settings);
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_error_if_exists(true);
        Self::with(path, settings, &options)
    }

    pub(crate) fn open(path: &Path, settings: &Settings) -> Result<Self, StorageError> {
        if !path.is_dir() {
            return Err(StorageError::Missing { path: path.display().to_string() });
        }
        Self::with(path, settings, &options(settings))
    }

    fn with(path: &Path, settings: &Settings, options: &Options) -> Result<Self, StorageError> {
        let cache = Cache::new_lru_cache(settings.cache_bytes);
        let families =
            Family::ALL.map(|family| ColumnFamilyDescriptor::new(family.name(), family_options(family, &cache)));
        let place = path.display().to_string();
        let db = DB::open_cf_descriptors(options, path, families).map_err(|error| {
            match StorageError::rocks("opening", place.clone(), &error) {
                // What is on disk and cannot be opened for any reason but room or rights is damaged.
                StorageError::Failed { place, doing: _, reason } if error.kind() != rocksdb::ErrorKind::IOError => {
                    StorageError::Damaged { place, reason }
                }
                other => other,
            }
        })?;
        Ok(Self { db, path: path.into() })
    }

    pub(crate) fn place(&self, family: Family) -> String {
        format!("{} ({})", self.path.display(), family.name())
    }

    pub(crate) fn handle(&self, family: Family) -> &rocksdb::ColumnFamily {
        self.db.cf_handle(family.name()).expect("every family was opened")
    }

    pub(crate) fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let found = self.db.get_pinned_cf(self.handle(family), key);
        let found = found.map_err(|error| StorageError::rocks("reading", self.place(family), &error))?;
        Ok(found.map(|value| value.to_vec()))
    }

    /// Calls `take` with keys and values of [`from`, `to`) in order until it answers `false`; an empty `to` is the end.
    pub(crate) fn scan(
        &self,
        family: Family,
        from: &[u8],
        to: &[u8],
        backwards: bool,
        mut take: impl FnMut(&[u8], &[u8]) -> Result<bool, StorageError>,
    ) -> Result<(), StorageError> {
        let mut options = rocksdb::ReadOptions::default();
        options.set_iterate_lower_bound(from);
        if !to.is_empty() {
            options.set_iterate_upper_bound(to);
        }
        let mut iterator = self.db.raw_iterator_cf_opt(self.handle(family), options);
        if backwards {
            iterator.seek_to_last()
        } else {
            iterator.seek_to_first()
        }
        while let (Some(key), Some(value)) = (iterator.key(), iterator.value()) {
            if !take(key, value)? {
                return Ok(());
            }
            if backwards { iterator.prev() } else { iterator.next() }
        }
        // An iterator that met damage looks like one that has reached its end.
        iterator.status().map_err(|error| StorageError::rocks("reading", self.place(family), &error))
    }

    /// Writes all of a batch or nothing, durable when it returns.
    pub(crate) fn write(&self, batch: WriteBatch) -> Result<(), StorageError> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        let place = || self.path.display().to_string();
        self.db.write_opt(batch, &options).map_err(|error| StorageError::rocks("writing", place(), &error))
    }

    /// Compacts everything: for measuring, and before a backup.
    pub(crate) fn compact(&self) -> Result<(), StorageError> {
        for family in Family::ALL {
            let flushed = self.db.flush_cf(self.handle(family));
            flushed.map_err(|error| StorageError::rocks("flushing", self.place(family), &error))?;
            self.db.compact_range_cf(self.handle(family), None::<&[u8]>, None::<&[u8]>);
        }
        Ok(())
    }

    /// Bytes of the table files of a family.
    pub(crate) fn table_bytes(&self, family: Family) -> Result<u64, StorageError> {
        let bytes = self.db.property_int_value_cf(self.handle(family), "rocksdb.total-sst-files-size");
        let bytes = bytes.map_err(|error| StorageError::rocks("measuring", self.place(family), &error))?;
        Ok(bytes.unwrap_or(0))
    }
}

fn options(settings: &Settings) -> Options {
    let mut options = Options::default();
    // The default mode was seen to open far below the last synced write after one flipped bit, silently.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_paranoid_checks(true);
    options.set_db_write_buffer_size(settings.write_buffer_bytes);
    options.set_max_total_wal_size(WAL_BYTES);
    options.set_max_open_files(settings.open_files);
    options.set_max_background_jobs(2);
    options.set_bytes_per_sync(1 << 20);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.set_keep_log_file_num(4);
    options.set_max_log_file_size(1 << 20);
    options.set_log_level(LogLevel::Warn);
    options
}

fn family_options(family: Family, cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    table.set_block_size(16 << 10);
    table.set_format_version(5);
    if family.is_random() {
        table.set_bloom_filter(10.0, false);
    }
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_compression_type(if family.is_sealed() { DBCompressionType::None } else { DBCompressionType::Lz4 });
    options.set_write_buffer_size(16 << 20);
    options.set_max_write_buffer_number(2);
    options
}
