//! The committed chain as an archive, record by record, while the node runs.

use crate::{StorageError, StoreReader};
use octroi_chain::archive::{BlockRecord, FileHeader, Writer};
use octroi_primitives::Height;
use octroi_views::Blocks as _;

/// Bytes of an archive of heights `from` to `to`, both included. Blocks above the height at which it began do not matter to it.
pub struct Export {
    reader: StoreReader,
    step: Step,
    from: Height,
    to: Height,
}

enum Step {
    Header(FileHeader),
    Blocks(Writer),
    Done,
}

impl Export {
    /// Begins an export. `to` of `None` is the last height now. A stream that broke off goes on with an archive of the heights that are missing.
    ///
    /// # Errors
    /// [`StorageError::Order`] for heights that are not committed, or `from` of 0.
    pub fn new(reader: &StoreReader, genesis: Vec<u8>, from: Height, to: Option<Height>) -> Result<Self, StorageError> {
        let last = reader.head()?.map_or(Height(0), |head| head.height);
        let to = to.unwrap_or(last);
        let place = || "archive export".to_owned();
        if to > last {
            return Err(StorageError::Order { place: place(), expected: last, found: to });
        }
        if from.0 == 0 || from.0 > to.0 + 1 {
            return Err(StorageError::Order { place: place(), expected: Height(to.0.max(1)), found: from });
        }
        let header = FileHeader { network: reader.network(), from, genesis };
        Ok(Self { reader: reader.clone(), step: Step::Header(header), from, to })
    }

    /// The bytes of the next record; `None` when the archive is complete.
    ///
    /// # Errors
    /// A fault or damage; the archive is then cut off, which its readers notice.
    pub fn next_record(&mut self) -> Result<Option<Vec<u8>>, StorageError> {
        match core::mem::replace(&mut self.step, Step::Done) {
            Step::Header(header) => {
                let (writer, bytes) = Writer::new(&header);
                self.step = Step::Blocks(writer);
                Ok(Some(bytes))
            }
            Step::Blocks(mut writer) if writer.next() <= self.to => {
                let height = writer.next();
                let block = self.reader.block_bytes(height)?.ok_or_else(|| gone("block", height))?;
                let receipts = self.reader.receipts_bytes(height)?.ok_or_else(|| gone("receipts", height))?;
                let bytes = writer.block(&BlockRecord { height, block, receipts });
                self.step = Step::Blocks(writer);
                Ok(Some(bytes))
            }
            Step::Blocks(writer) if self.from > self.to => Ok(Some(writer.close(None))),
            Step::Blocks(writer) => {
                let certificate = self.reader.certificate(self.to)?.ok_or_else(|| gone("certificate", self.to))?;
                Ok(Some(writer.close(Some(&certificate))))
            }
            Step::Done => Ok(None),
        }
    }
}

fn gone(what: &str, height: Height) -> StorageError {
    StorageError::Damaged { place: "store".into(), reason: format!("no {what} of height {height}") }
}
