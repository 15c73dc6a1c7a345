//! First station: chunks of an archive in, lots of whole records out.

use crate::lot::{Item, Lot};
use octroi_chain::archive::{ArchiveError, Reader, Record};
use octroi_primitives::NetworkId;

/// A lot is handed out when its blocks have this many bytes: enough transactions that a batch of signatures pays, little enough to hold a few.
const LOT_BYTES: usize = 1 << 20;

/// A lot holds at most this many blocks, so that a chain of small blocks keeps the later stations busy.
const LOT_BLOCKS: usize = 512;

/// Cuts an archive into lots. Feed it with [`Intake::push`], take from [`Intake::next`] until it gives `None`, end with [`Intake::finish`].
#[derive(Debug, Default)]
pub struct Intake {
    reader: Reader,
    network: NetworkId,
    items: Vec<Item>,
    bytes: usize,
    broken: bool,
}

impl Intake {
    /// At the start of an archive.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next bytes. After a record that cannot be read, bytes are dropped: where the next one begins is not known.
    pub fn push(&mut self, chunk: &[u8]) {
        if !self.broken {
            self.reader.push(chunk);
        }
    }

    /// The next full lot; `None` when more bytes are needed.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<Lot> {
        while !self.broken {
            match self.reader.next() {
                Ok(Some(record)) => {
                    self.add(record);
                    if self.bytes >= LOT_BYTES || self.items.len() >= LOT_BLOCKS {
                        return Some(self.lot());
                    }
                }
                Ok(None) => return None,
                Err(error) => self.fail(error),
            }
        }
        (!self.items.is_empty()).then(|| self.lot())
    }

    /// The last lot; it says whether the archive ended where it must. Call [`Intake::next`] until `None` before.
    pub fn finish(mut self) -> Lot {
        let reader = core::mem::take(&mut self.reader);
        if !self.broken
            && let Err(error) = reader.finish()
        {
            self.fail(error);
        }
        self.lot()
    }

    fn add(&mut self, record: Record) {
        match record {
            Record::FileHeader(header) => {
                self.network = header.network;
                self.items.push(Item::FileHeader(header));
            }
            Record::Block(block) => {
                self.bytes += block.block.len() + block.receipts.len();
                self.items.push(Item::Block(block));
            }
            Record::Closing(closing) => self.items.push(Item::Closing(closing)),
        }
    }

    fn fail(&mut self, error: ArchiveError) {
        self.broken = true;
        self.items.push(Item::Broken(error));
    }

    fn lot(&mut self) -> Lot {
        self.bytes = 0;
        Lot::new(self.network, core::mem::take(&mut self.items))
    }
}
