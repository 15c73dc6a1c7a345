//! Writing: one call a record, in order; the caller puts the bytes where it likes.

use super::{BlockRecord, Closing, FRAME, FileHeader, Kind, MAGIC, MAX_RECORD, Totals, VERSION, checksum::crc32c};
use crate::{Canonical, CommitCertificate};
use alloc::vec::Vec;
use octroi_primitives::Height;

/// Writes the records of one archive.
#[derive(Debug)]
pub struct Writer {
    next: u64,
    totals: Totals,
}

impl Writer {
    /// Starts an archive: the writer and the bytes of the file header.
    pub fn new(header: &FileHeader) -> (Self, Vec<u8>) {
        let FileHeader { network, from, genesis } = header;
        assert!(from.get() >= 1, "heights start at 1");
        let mut payload = Vec::with_capacity(44 + genesis.len());
        payload.extend(MAGIC);
        payload.extend(VERSION.to_be_bytes());
        payload.extend(network.as_bytes());
        payload.extend(genesis);
        (Writer { next: from.get(), totals: Totals::default() }, frame(Kind::FileHeader, from.get(), &payload))
    }

    /// Goes on with an archive of which the records below `next` are written already: `totals` are theirs.
    pub fn resume(next: Height, totals: Totals) -> Self {
        assert!(next.get() >= 1, "heights start at 1");
        Writer { next: next.get(), totals }
    }

    /// The height the next block record must have.
    pub fn next(&self) -> Height {
        Height(self.next)
    }

    /// The bytes of the record of the next height. Block and receipts together stay below [`MAX_RECORD`]: the limits of
    /// a block see to that.
    pub fn block(&mut self, record: &BlockRecord) -> Vec<u8> {
        let BlockRecord { height, block, receipts } = record;
        assert_eq!(height.get(), self.next, "blocks are written in order of height");
        self.totals.blocks += 1;
        self.totals.block_bytes += block.len() as u64;
        self.totals.receipt_bytes += receipts.len() as u64;
        self.next += 1;
        let mut payload = Vec::with_capacity(4 + block.len() + receipts.len());
        payload.extend((block.len() as u32).to_be_bytes());
        payload.extend(block);
        payload.extend(receipts);
        frame(Kind::Block, height.get(), &payload)
    }

    /// The bytes of the closing record: the certificate of the last block written, none if none was.
    pub fn close(self, certificate: Option<&CommitCertificate>) -> Vec<u8> {
        assert_eq!(
            certificate.is_some(),
            self.totals.blocks > 0,
            "an archive closes with the certificate of its last block"
        );
        let closing = Closing { certificate: certificate.cloned(), totals: self.totals };
        frame(Kind::Closing, self.next - 1, &payload_of(&closing))
    }
}

pub(super) fn payload_of(closing: &Closing) -> Vec<u8> {
    let Closing { certificate, totals: Totals { blocks, block_bytes, receipt_bytes } } = closing;
    let mut payload = Vec::new();
    for sum in [blocks, block_bytes, receipt_bytes] {
        payload.extend(sum.to_be_bytes());
    }
    if let Some(certificate) = certificate {
        payload.extend(certificate.encode());
    }
    payload
}

fn frame(kind: Kind, height: u64, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() <= MAX_RECORD, "a record of {} bytes", payload.len());
    let mut bytes = Vec::with_capacity(FRAME + payload.len());
    bytes.extend((payload.len() as u32).to_be_bytes());
    bytes.push(kind as u8);
    bytes.extend(height.to_be_bytes());
    let crc = crc32c(&[&bytes, payload]);
    bytes.extend(crc.to_be_bytes());
    bytes.extend(payload);
    bytes
}
