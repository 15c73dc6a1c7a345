//! The log of the height under way: one file of the two that take turns.
//!
//! ```text
//! page 0   magic [8] ‖ version u32 ‖ network [32] ‖ salt [16] ‖ crc32c u32          written once
//! frame    magic u32 ‖ height u64 ‖ sequence u32 ‖ length u32 ‖ crc32c u32 ‖ payload, padded with zeros to whole pages of 4096 bytes
//! payload  records: kind u8 ‖ length u32 ‖ bytes; a body begins with its block id
//! ```
//!
//! big-endian. A frame holds what one sync makes durable, and is written only after the one before it is durable: so a bad frame with nothing
//! good behind it is a write that power loss tore, and its records were never promised; a bad frame *before* a good one is damage. The checksum
//! covers head, payload and the file's random salt, so that no record can hold bytes that pass for a frame.
//!
//! A height writes over the file from page 1; frames of committed heights that still stand behind are of no more use. Nothing is renamed, made or
//! cut meanwhile, so a sync costs one data sync and no metadata.

use crate::{StorageError, file};
use octroi_primitives::{BlockId, Height, NetworkId};
use octroi_replica::Logged;
use std::{
    fs::File,
    path::{Path, PathBuf},
};

const MAGIC: [u8; 8] = *b"OCTROILG";
const VERSION: u32 = 1;
const PAGE: usize = 4096;
const FRAME_MAGIC: u32 = 0x4f4c_4f47;
const FRAME_HEAD: usize = 24;
/// Length a file is made with, written out once so that syncs in it touch no metadata.
const INITIAL: usize = 1 << 20;
/// A file that grew above this is cut back before its next height.
const KEEP: u64 = 16 << 20;
/// Greatest payload of a frame: a height's bodies and messages between two syncs stay far below.
const MAX_PAYLOAD: usize = 256 << 20;

const ENTRY: u8 = 1;
const BODY: u8 = 2;

/// One file.
#[derive(Debug)]
pub(crate) struct LogFile {
    file: File,
    path: PathBuf,
    salt: [u8; 16],
    /// The height whose frames stand in it; 0 while there are none.
    height: Height,
    /// Frames of that height.
    frames: u32,
    /// Where the next frame goes.
    end: u64,
    /// Records that no frame holds yet.
    pending: Vec<u8>,
}

impl LogFile {
    pub(crate) fn create(path: &Path, network: &NetworkId) -> Result<(), StorageError> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt)
            .map_err(|error| StorageError::io("creating", path, &std::io::Error::other(error.to_string())))?;
        let mut bytes = Vec::with_capacity(INITIAL);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        bytes.extend_from_slice(network.as_bytes());
        bytes.extend_from_slice(&salt);
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_be_bytes());
        bytes.resize(INITIAL, 0);
        file::create(path, &bytes).map(drop)
    }

    /// Opens a file and finds what stands in it above the committed height.
    pub(crate) fn open(path: &Path, network: &NetworkId, committed: Height) -> Result<Self, StorageError> {
        let file = file::open(path)?;
        let damaged = |reason: &str| StorageError::Damaged { place: path.display().to_string(), reason: reason.into() };
        let length = file.metadata().map_err(|error| StorageError::io("reading", path, &error))?.len();
        if length < (2 * PAGE) as u64 {
            return Err(damaged("log file is cut short"));
        }
        let head = file::read_at(&file, path, 0, PAGE)?;
        let (content, crc) = head[..64].split_at(60);
        if crc32c::crc32c(content).to_be_bytes() != *crc || head[64..].iter().any(|byte| *byte != 0) {
            return Err(damaged("the head does not have its checksum"));
        }
        if content[..8] != MAGIC {
            return Err(damaged("not a log file"));
        }
        let found = u32::from_be_bytes(content[8..12].try_into().expect("4 bytes"));
        if found != VERSION {
            return Err(StorageError::Version { place: path.display().to_string(), expected: VERSION, found });
        }
        let found = NetworkId::from_bytes(content[12..44].try_into().expect("32 bytes"));
        if found != *network {
            return Err(StorageError::OtherNetwork { place: path.display().to_string(), expected: *network, found });
        }
        let salt = content[44..60].try_into().expect("16 bytes");
        let mut log =
            Self { file, path: path.into(), salt, height: Height(0), frames: 0, end: PAGE as u64, pending: Vec::new() };
        log.scan(committed)?;
        Ok(log)
    }

    pub(crate) fn height(&self) -> Height {
        self.height
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Begins a height: what stands in the file is of no more use.
    pub(crate) fn restart(&mut self, height: Height) -> Result<(), StorageError> {
        let length = self.file.metadata().map_err(|error| StorageError::io("reading", &self.path, &error))?.len();
        if length > KEEP {
            self.file.set_len(INITIAL as u64).map_err(|error| StorageError::io("cutting back", &self.path, &error))?;
        }
        self.height = height;
        self.frames = 0;
        self.end = PAGE as u64;
        self.pending.clear();
        Ok(())
    }

    pub(crate) fn append(&mut self, record: &Logged) {
        let mut push = |kind: u8, parts: &[&[u8]]| {
            let length: usize = parts.iter().map(|part| part.len()).sum();
            self.pending.push(kind);
            self.pending.extend_from_slice(&u32::try_from(length).expect("a record is below 4 GiB").to_be_bytes());
            parts.iter().for_each(|part| self.pending.extend_from_slice(part));
        };
        match record {
            Logged::Entry { height: _, entry } => push(ENTRY, &[entry]),
            Logged::Body { height: _, block, bytes } => push(BODY, &[block.as_bytes(), bytes]),
        }
    }

    /// Drops records that are not durable yet.
    pub(crate) fn drop_pending(&mut self) {
        self.pending.clear();
    }

    /// Makes everything appended durable, in one frame.
    pub(crate) fn sync(&mut self) -> Result<(), StorageError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let frame = self.frame(&self.pending);
        file::write_at(&self.file, &self.path, self.end, &frame)?;
        file::sync(&self.file, &self.path)?;
        self.pending.clear();
        self.frames += 1;
        self.end += frame.len() as u64;
        Ok(())
    }

    fn frame(&self, payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::with_capacity((FRAME_HEAD + payload.len()).next_multiple_of(PAGE));
        frame.extend_from_slice(&FRAME_MAGIC.to_be_bytes());
        frame.extend_from_slice(&self.height.0.to_be_bytes());
        frame.extend_from_slice(&self.frames.to_be_bytes());
        frame.extend_from_slice(&u32::try_from(payload.len()).expect("a frame is below 4 GiB").to_be_bytes());
        let crc = self.checksum(&frame, payload);
        frame.extend_from_slice(&crc.to_be_bytes());
        frame.extend_from_slice(payload);
        frame.resize(frame.len().next_multiple_of(PAGE), 0);
        frame
    }

    fn checksum(&self, head: &[u8], payload: &[u8]) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(&self.salt), head), payload)
    }

    /// Finds height, frames and end. A good frame of a height under way that does not follow from the first one proves that one before it, which
    /// was durable, is gone.
    fn scan(&mut self, committed: Height) -> Result<(), StorageError> {
        let bytes = self.content()?;
        let mut at = 0;
        if let Some((height, 0, _)) = self.frame_at(&bytes, 0) {
            self.height = height;
        }
        while self.height > committed
            && let Some((height, sequence, payload)) = self.frame_at(&bytes, at)
            && (height, sequence) == (self.height, self.frames)
        {
            self.frames += 1;
            at += (FRAME_HEAD + payload.len()).next_multiple_of(PAGE);
        }
        self.end = (PAGE + at) as u64;
        for behind in (at..bytes.len()).step_by(PAGE) {
            if let Some((height, sequence, _)) = self.frame_at(&bytes, behind)
                && height > committed
            {
                let (here, there) = (self.end, PAGE + behind);
                let reason = format!(
                    "frame {sequence} of height {height} stands at offset {there}, but no good frame {} before it at offset {here}",
                    self.frames
                );
                return Err(StorageError::Damaged { place: self.path.display().to_string(), reason });
            }
        }
        Ok(())
    }

    /// A good frame at an offset behind page 0.
    fn frame_at<'a>(&self, bytes: &'a [u8], at: usize) -> Option<(Height, u32, &'a [u8])> {
        let head = bytes.get(at..at + FRAME_HEAD)?;
        if head[..4] != FRAME_MAGIC.to_be_bytes() {
            return None;
        }
        let length = u32::from_be_bytes(head[16..20].try_into().expect("4 bytes")) as usize;
        if length > MAX_PAYLOAD {
            return None;
        }
        let payload = bytes.get(at + FRAME_HEAD..at + FRAME_HEAD + length)?;
        if self.checksum(&head[..20], payload).to_be_bytes() != head[20..24] {
            return None;
        }
        let height = Height(u64::from_be_bytes(head[4..12].try_into().expect("8 bytes")));
        Some((height, u32::from_be_bytes(head[12..16].try_into().expect("4 bytes")), payload))
    }

    fn content(&self) -> Result<Vec<u8>, StorageError> {
        let length = self.file.metadata().map_err(|error| StorageError::io("reading", &self.path, &error))?.len();
        let length = usize::try_from(length).unwrap_or(usize::MAX).saturating_sub(PAGE);
        file::read_at(&self.file, &self.path, PAGE as u64, length)
    }

    /// Every durable record, in order.
    pub(crate) fn records(&self) -> Result<Vec<Logged>, StorageError> {
        let bytes = self.content()?;
        let damaged = |at: usize, reason: &str| StorageError::Damaged {
            place: self.path.display().to_string(),
            reason: format!("frame at offset {}: {reason}", PAGE + at),
        };
        let mut records = Vec::new();
        let mut at = 0;
        for sequence in 0..self.frames {
            let payload = match self.frame_at(&bytes, at) {
                Some((height, found, payload)) if height == self.height && found == sequence => payload,
                _ => return Err(damaged(at, "it was good when the file was opened")),
            };
            let mut rest = payload;
            while !rest.is_empty() {
                let (record, behind) =
                    record(self.height, rest).ok_or_else(|| damaged(at, "a record does not have its shape"))?;
                records.push(record);
                rest = behind;
            }
            at += (FRAME_HEAD + payload.len()).next_multiple_of(PAGE);
        }
        Ok(records)
    }
}

fn record(height: Height, bytes: &[u8]) -> Option<(Logged, &[u8])> {
    let (kind, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (content, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    let record = match *kind {
        ENTRY => Logged::Entry { height, entry: content.to_vec() },
        BODY => {
            let (block, bytes) = content.split_first_chunk::<32>()?;
            Logged::Body { height, block: BlockId::from_bytes(*block), bytes: bytes.to_vec() }
        }
        _ => return None,
    };
    Some((record, rest))
}
