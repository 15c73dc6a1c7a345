//! The archive: a chain's blocks and receipts in one file that an auditor can replay, read and written as a stream.
//!
//! An archive is a sequence of records. A record is
//!
//! ```text
//! length u32 ‖ kind u8 ‖ height u64 ‖ crc32c u32 ‖ payload (length bytes)
//! ```
//!
//! integers big-endian; the checksum covers length, kind, height and payload. There are three kinds, in this order:
//!
//! 1. one file header (height: the first height that follows): magic, format version, network, genesis bytes;
//! 2. one block a height, without gaps: block bytes, receipts bytes;
//! 3. one closing record (height: the last height): the certificate of the last block, and totals.
//!
//! Nothing follows the closing record. There is one encoding of any archive, and the reader refuses every other one with
//! the place, the offset and the reason. Checksums find accidents only; lies are found by whoever checks certificates
//! and roots. Records are not compressed, so that equal chains are equal files.
//!
//! Promises bounded memory: a record is at most [`MAX_RECORD`] bytes and the reader holds one at a time. Must not know
//! what a receipt means.

mod checksum;
mod read;
mod write;

pub use checksum::crc32c;
pub use read::Reader;
pub use write::Writer;

use crate::{ChainError, CommitCertificate};
use alloc::vec::Vec;
use core::fmt;
use octroi_primitives::{Height, NetworkId};

/// First bytes of the first payload.
pub const MAGIC: [u8; 8] = *b"OCTROIAR";

/// The format version this crate reads and writes.
pub const VERSION: u32 = 1;

/// Most bytes of a record's payload.
pub const MAX_RECORD: usize = 16 * 1024 * 1024;

/// Bytes before a payload.
const FRAME: usize = 17;

/// What stands in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    FileHeader = 1,
    Block = 2,
    Closing = 3,
}

/// The first record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileHeader {
    /// Hash of the genesis; the reader of the archive compares it with the genesis bytes.
    pub network: NetworkId,
    /// Height of the first block that follows, at least 1.
    pub from: Height,
    /// Canonical genesis.
    pub genesis: Vec<u8>,
}

/// The record of one height.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockRecord {
    /// Its height in the sequence; that the block says the same is the auditor's to check.
    pub height: Height,
    /// Canonical [`crate::Block`].
    pub block: Vec<u8>,
    /// Canonical receipts of the block.
    pub receipts: Vec<u8>,
}

/// Sums over all block records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Number of block records.
    pub blocks: u64,
    /// Sum of the lengths of the blocks, in bytes.
    pub block_bytes: u64,
    /// Sum of the lengths of the receipts, in bytes.
    pub receipt_bytes: u64,
}

/// The last record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// Certifies the last block; absent when the archive holds no block.
    pub certificate: Option<CommitCertificate>,
    /// Checked by the reader.
    pub totals: Totals,
}

/// What the reader hands out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// First.
    FileHeader(FileHeader),
    /// One a height.
    Block(BlockRecord),
    /// Last.
    Closing(Closing),
}

/// Where in the sequence a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The first record.
    FileHeader,
    /// The record in which the block of this height, or the closing record after the height below, was expected.
    Height(Height),
    /// Behind the closing record.
    End,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::FileHeader => f.write_str("file header"),
            Place::Height(height) => write!(f, "height {}", height.get()),
            Place::End => f.write_str("end of archive"),
        }
    }
}

/// Why bytes are no archive, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("archive, {place}, offset {offset}: {fault}")]
pub struct ArchiveError {
    /// The record at fault.
    pub place: Place,
    /// Offset of that record from the start of the archive, in bytes.
    pub offset: u64,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What can be wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The length field is above [`MAX_RECORD`].
    #[error("record of {0} bytes, at most {MAX_RECORD} are allowed")]
    TooLong(u64),
    /// The checksum differs: the bytes were changed.
    #[error("checksum {found:08x}, the bytes give {computed:08x}")]
    Checksum {
        /// In the record.
        found: u32,
        /// Of the bytes.
        computed: u32,
    },
    /// No such record kind, or not in this place.
    #[error("record kind {0} is not allowed here")]
    Kind(u8),
    /// Heights do not follow each other.
    #[error("height {found} instead of {expected}: a record is missing, repeated or moved")]
    Height {
        /// The next height.
        expected: u64,
        /// The height in the record.
        found: u64,
    },
    /// The first bytes are not ours.
    #[error("not an archive of octroi")]
    Magic,
    /// A format version this program does not know.
    #[error("format version {0} is unknown")]
    Version(u32),
    /// The payload does not have the shape of its kind.
    #[error("payload is malformed: {0}")]
    Payload(&'static str),
    /// The closing certificate does not decode.
    #[error("closing certificate: {0}")]
    Certificate(ChainError),
    /// The closing record sums up something else.
    #[error("totals {found:?}, the records give {counted:?}")]
    Totals {
        /// In the closing record.
        found: Totals,
        /// Of the records read.
        counted: Totals,
    },
    /// The archive ends inside a record or before the closing record.
    #[error("archive is cut off")]
    CutOff,
    /// Bytes follow the closing record.
    #[error("bytes follow the closing record")]
    Trailing,
}
