//! Reading: chunks of any size go in, whole checked records come out.

use super::{
    ArchiveError, BlockRecord, Closing, FRAME, Fault, FileHeader, Kind, MAGIC, MAX_RECORD, Place, Record, Totals,
    VERSION, checksum::crc32c,
};
use crate::{Canonical, CommitCertificate};
use alloc::vec::Vec;
use octroi_primitives::{Height, NetworkId};

/// A pull parser: [`Reader::push`] what was read, call [`Reader::next`] until it gives `None`, then push more; at the end
/// of the file call [`Reader::finish`]. It holds at most one record and the last chunk. After an error it gives the same
/// error again.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: Vec<u8>,
    /// Bytes of `buffer` already consumed.
    start: usize,
    /// Offset of the next record from the start of the archive.
    offset: u64,
    state: State,
    totals: Totals,
    failed: Option<ArchiveError>,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    FileHeader,
    Blocks {
        next: u64,
    },
    Closed,
}

impl Reader {
    /// A reader at the start of an archive.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next bytes of the archive.
    pub fn push(&mut self, chunk: &[u8]) {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(chunk);
    }

    /// The next record, or `None` when more bytes are needed.
    ///
    /// # Errors
    /// [`ArchiveError`] for the first record that is not exactly as it must be.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Record>, ArchiveError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.read().map_err(|fault| self.fail(fault))
    }

    /// Ends the archive: nothing may be missing.
    ///
    /// # Errors
    /// [`Fault::CutOff`] without a closing record, [`Fault::Trailing`] with bytes behind it.
    pub fn finish(mut self) -> Result<Totals, ArchiveError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        match self.state {
            State::Closed if self.buffer.len() == self.start => Ok(self.totals),
            State::Closed => Err(self.fail(Fault::Trailing)),
            State::FileHeader | State::Blocks { .. } => Err(self.fail(Fault::CutOff)),
        }
    }

    fn fail(&mut self, fault: Fault) -> ArchiveError {
        let place = match self.state {
            State::FileHeader => Place::FileHeader,
            State::Blocks { next } => Place::Height(Height(next)),
            State::Closed => Place::End,
        };
        let error = ArchiveError { place, offset: self.offset, fault };
        self.failed = Some(error.clone());
        self.buffer = Vec::new();
        self.start = 0;
        error
    }

    fn read(&mut self) -> Result<Option<Record>, Fault> {
        let bytes = &self.buffer[self.start..];
        if let State::Closed = self.state {
            return if bytes.is_empty() { Ok(None) } else { Err(Fault::Trailing) };
        }
        let Some((frame, rest)) = bytes.split_at_checked(FRAME) else { return Ok(None) };
        let length = u64::from(u32_at(frame, 0));
        if length > MAX_RECORD as u64 {
            return Err(Fault::TooLong(length));
        }
        let Some((payload, _)) = rest.split_at_checked(length as usize) else { return Ok(None) };
        let (found, computed) = (u32_at(frame, 13), crc32c(&[&frame[..13], payload]));
        if found != computed {
            return Err(Fault::Checksum { found, computed });
        }
        let (kind, height) = (frame[4], u64_at(frame, 5));
        let record = match self.state {
            State::FileHeader if kind == Kind::FileHeader as u8 => Record::FileHeader(file_header(height, payload)?),
            State::Blocks { next } if kind == Kind::Block as u8 => {
                expect_height(next, height)?;
                Record::Block(block(height, payload)?)
            }
            State::Blocks { next } if kind == Kind::Closing as u8 => {
                expect_height(next - 1, height)?;
                Record::Closing(closing(payload, &self.totals)?)
            }
            _ => return Err(Fault::Kind(kind)),
        };
        match &record {
            Record::FileHeader(_) => self.state = State::Blocks { next: height },
            Record::Block(b) => {
                let next = height.checked_add(1).ok_or(Fault::Payload("no height follows"))?;
                self.totals.blocks += 1;
                self.totals.block_bytes += b.block.len() as u64;
                self.totals.receipt_bytes += b.receipts.len() as u64;
                self.state = State::Blocks { next };
            }
            Record::Closing(_) => self.state = State::Closed,
        }
        let size = FRAME + length as usize;
        self.start += size;
        self.offset += size as u64;
        Ok(Some(record))
    }
}

fn expect_height(expected: u64, found: u64) -> Result<(), Fault> {
    if expected == found { Ok(()) } else { Err(Fault::Height { expected, found }) }
}

fn file_header(height: u64, payload: &[u8]) -> Result<FileHeader, Fault> {
    if height == 0 {
        return Err(Fault::Height { expected: 1, found: 0 });
    }
    if payload.get(..8) != Some(&MAGIC[..]) {
        return Err(Fault::Magic);
    }
    let version = payload.get(8..12).map(|b| u32_at(b, 0)).ok_or(Fault::Payload("no format version"))?;
    if version != VERSION {
        return Err(Fault::Version(version));
    }
    let network = payload.get(12..44).ok_or(Fault::Payload("no network"))?;
    let mut id = [0; 32];
    id.copy_from_slice(network);
    Ok(FileHeader { network: NetworkId::from_bytes(id), from: Height(height), genesis: payload[44..].to_vec() })
}

fn block(height: u64, payload: &[u8]) -> Result<BlockRecord, Fault> {
    let (length, rest) = payload.split_at_checked(4).ok_or(Fault::Payload("no length of the block"))?;
    let (block, receipts) =
        rest.split_at_checked(u32_at(length, 0) as usize).ok_or(Fault::Payload("block is longer than the record"))?;
    Ok(BlockRecord { height: Height(height), block: block.to_vec(), receipts: receipts.to_vec() })
}

fn closing(payload: &[u8], counted: &Totals) -> Result<Closing, Fault> {
    let (sums, certificate) = payload.split_at_checked(24).ok_or(Fault::Payload("no totals"))?;
    let found = Totals { blocks: u64_at(sums, 0), block_bytes: u64_at(sums, 8), receipt_bytes: u64_at(sums, 16) };
    if found != *counted {
        return Err(Fault::Totals { found, counted: *counted });
    }
    let certificate = match (certificate.is_empty(), counted.blocks) {
        (true, 0) => None,
        (true, _) => return Err(Fault::Payload("no certificate of the last block")),
        (false, 0) => return Err(Fault::Payload("a certificate without a block")),
        (false, _) => Some(CommitCertificate::decode(certificate).map_err(Fault::Certificate)?),
    };
    Ok(Closing { certificate, totals: found })
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().fold(0, |n, b| n << 8 | u32::from(*b))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 8].iter().fold(0, |n, b| n << 8 | u64::from(*b))
}
