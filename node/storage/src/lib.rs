//! What a node keeps on disk: the committed chain in RocksDB, the log of the height under way, the sign state.
//!
//! ```text
//! DATA/lock         held while a process uses the folder
//! DATA/store/       RocksDB: blocks, receipts, certificates, records, ids, view rows, evidence; one synced batch a block
//! DATA/log.0 log.1  log of the height under way, in turns
//! DATA/sign-state   the last thing signed
//! ```
//!
//! Promises: a block is there with everything it did, or not at all; what a call says is durable is durable when it returns; everything read is
//! checked, and doubt is an error that names the file or the part of the store; nothing is repaired in silence; an error of a write or a sync is
//! final for the process. Must not know: consensus, the meaning of a record, who asks.
#![forbid(unsafe_code)]

mod error;
mod export;
mod file;
mod folder;
mod head;
mod log;
mod node_disk;
mod rocks;
mod sign_state;
mod store;
mod value;

pub use error::{FaultClass, StorageError};
pub use export::Export;
pub use folder::{Folder, FreeSpace};
pub use node_disk::NodeDisk;
pub use sign_state::{SignStateFile, SlotHealth};
pub use store::{Settings, Store, StoreReader};
