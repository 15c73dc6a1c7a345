//! The last thing signed, outside the database: the guard against signing twice over a validator's whole life.
//!
//! Pure logic of a file of [`SIGN_STATE_BYTES`] bytes with two slots at [`SLOT_OFFSETS`], written in place in turns, so
//! that a torn write leaves the other. A slot is
//!
//! ```text
//! magic [8] ‖ version u32 ‖ sequence u64 ‖ network [32] ‖ key [32] ‖ height u64 ‖ round u32 ‖ step u8 ‖ signature [64] ‖
//! length u16 ‖ signed bytes ‖ zeros ‖ crc32c u32
//! ```
//!
//! big-endian, [`SLOT_BYTES`] long; step 0 means that nothing was signed yet. Order of writes: log entry synced, sign
//! state synced, then the bytes leave.
//!
//! Promises: signs only above the last (height, round, step); gives the stored signature again for the same bytes;
//! refuses everything else. Must not know files.

use octroi_chain::archive::crc32c;
use octroi_primitives::{Height, NetworkId, PublicKey, Round, SecretKey, Signature};

/// Length of a slot in bytes.
pub const SLOT_BYTES: usize = 512;
/// Where the two slots stand: in different pages, so that one torn write cannot hit both.
pub const SLOT_OFFSETS: [usize; 2] = [0, 4096];
/// Length of the file in bytes.
pub const SIGN_STATE_BYTES: usize = 8192;

const MAGIC: [u8; 8] = *b"OCTRSIGN";
const VERSION: u32 = 1;
const FIXED: usize = 163;
const MAX_SIGNED: usize = SLOT_BYTES - FIXED - 4;

/// What is signed within a round, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Step {
    /// A proposal.
    Proposal = 1,
    /// A prevote.
    Prevote = 2,
    /// A precommit.
    Precommit = 3,
}

/// The last thing signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Its height.
    pub height: Height,
    /// Its round.
    pub round: Round,
    /// Its step.
    pub step: Step,
    /// The bytes signed.
    pub bytes: Vec<u8>,
    /// The signature given.
    pub signature: Signature,
}

impl Signed {
    fn position(&self) -> (Height, Round, Step) {
        (self.height, self.round, self.step)
    }
}

/// Why a sign-state file is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignStateError {
    /// The file has another length.
    #[error("sign state of {0} bytes, it must have {SIGN_STATE_BYTES}")]
    Length(usize),
    /// Neither slot is whole.
    #[error("sign state: both slots are damaged")]
    Damaged,
    /// The slots belong to another key.
    #[error("sign state belongs to key {0}")]
    OtherKey(PublicKey),
    /// The slots belong to another network.
    #[error("sign state belongs to network {0}")]
    OtherNetwork(NetworkId),
    /// The store is too far below what was signed: an old store, or somebody else's sign state.
    #[error("store is at height {store}, but height {signed} was signed: more than one height apart")]
    StoreBehind {
        /// Height of the store.
        store: Height,
        /// Height last signed.
        signed: Height,
    },
}

/// What a validator signed last, of one key on one network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignState {
    network: NetworkId,
    key: PublicKey,
    sequence: u64,
    last: Option<Signed>,
}

/// A slot to be written in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotWrite {
    /// Offset in the file.
    pub offset: usize,
    /// [`SLOT_BYTES`] bytes.
    pub bytes: Vec<u8>,
}

/// What may be done about a request to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Sign,
    Reuse(Signature),
    Refuse,
}

impl SignState {
    /// A key that has signed nothing yet. Only `init` and `recover` may say so.
    pub fn new(network: NetworkId, key: PublicKey) -> Self {
        SignState { network, key, sequence: 0, last: None }
    }

    /// The last thing signed.
    pub fn last(&self) -> Option<&Signed> {
        self.last.as_ref()
    }

    /// The whole file, both slots alike: for creating it.
    pub fn file(&self) -> Vec<u8> {
        // A slot's place follows from its sequence: even ones stand first, so the next write hits the older of the two.
        let even = self.sequence.next_multiple_of(2);
        let mut file = vec![0; SIGN_STATE_BYTES];
        for (offset, sequence) in SLOT_OFFSETS.into_iter().zip([even, even + 1]) {
            file[offset..offset + SLOT_BYTES].copy_from_slice(&self.slot(sequence));
        }
        file
    }

    /// Reads a file. One damaged slot is what a torn write leaves and is passed over: its bytes had not left yet, or
    /// stand in the log.
    ///
    /// # Errors
    /// [`SignStateError::Length`], [`SignStateError::Damaged`], [`SignStateError::OtherKey`],
    /// [`SignStateError::OtherNetwork`].
    pub fn read(file: &[u8], network: &NetworkId, key: &PublicKey) -> Result<Self, SignStateError> {
        if file.len() != SIGN_STATE_BYTES {
            return Err(SignStateError::Length(file.len()));
        }
        let slots = SLOT_OFFSETS.into_iter().filter_map(|offset| Self::of_slot(&file[offset..offset + SLOT_BYTES]));
        let state = slots.max_by_key(|s| s.sequence).ok_or(SignStateError::Damaged)?;
        if state.key != *key {
            return Err(SignStateError::OtherKey(state.key));
        }
        if state.network != *network {
            return Err(SignStateError::OtherNetwork(state.network));
        }
        Ok(state)
    }

    /// Of two states of one key the one that forbids more: for import.
    #[must_use]
    pub fn maximum(self, other: Self) -> Self {
        let sequence = self.sequence.max(other.sequence);
        let position = |s: &SignState| s.last.as_ref().map(Signed::position);
        let more = if position(&other) > position(&self) { other } else { self };
        SignState { sequence, ..more }
    }

    /// Checks that the store is not more than one height below what was signed.
    ///
    /// # Errors
    /// [`SignStateError::StoreBehind`], naming both.
    pub fn fits_store(&self, store: Height) -> Result<(), SignStateError> {
        match &self.last {
            Some(last) if store.get().saturating_add(1) < last.height.get() => {
                Err(SignStateError::StoreBehind { store, signed: last.height })
            }
            _ => Ok(()),
        }
    }

    fn judge(&self, position: (Height, Round, Step), bytes: &[u8]) -> Verdict {
        match &self.last {
            None => Verdict::Sign,
            Some(last) if position > last.position() => Verdict::Sign,
            Some(last) if position == last.position() && bytes == last.bytes => Verdict::Reuse(last.signature),
            Some(_) => Verdict::Refuse,
        }
    }

    fn slot(&self, sequence: u64) -> Vec<u8> {
        let nothing = Signed {
            height: Height(0),
            round: Round(0),
            step: Step::Proposal,
            bytes: Vec::new(),
            signature: Signature([0; 64]),
        };
        let Signed { height, round, step, bytes, signature } = self.last.as_ref().unwrap_or(&nothing);
        let step = if self.last.is_some() { *step as u8 } else { 0 };
        let mut slot = Vec::with_capacity(SLOT_BYTES);
        slot.extend(MAGIC);
        slot.extend(VERSION.to_be_bytes());
        slot.extend(sequence.to_be_bytes());
        slot.extend(self.network.as_bytes());
        slot.extend(self.key.as_bytes());
        slot.extend(height.get().to_be_bytes());
        slot.extend(round.get().to_be_bytes());
        slot.push(step);
        slot.extend(signature.as_bytes());
        slot.extend((bytes.len() as u16).to_be_bytes());
        assert!(bytes.len() <= MAX_SIGNED, "votes and proposals have fewer than 200 signed bytes");
        slot.extend(bytes);
        slot.resize(SLOT_BYTES - 4, 0);
        let crc = crc32c(&[&slot]);
        slot.extend(crc.to_be_bytes());
        slot
    }

    fn of_slot(slot: &[u8]) -> Option<Self> {
        let (content, crc) = slot.split_at_checked(SLOT_BYTES - 4)?;
        if crc != crc32c(&[content]).to_be_bytes() {
            return None;
        }
        let mut rest = content;
        let magic: [u8; 8] = take(&mut rest)?;
        let version = u32::from_be_bytes(take(&mut rest)?);
        let sequence = u64::from_be_bytes(take(&mut rest)?);
        let network = NetworkId::from_bytes(take(&mut rest)?);
        let key = PublicKey::from_bytes_unchecked(take(&mut rest)?);
        let height = Height(u64::from_be_bytes(take(&mut rest)?));
        let round = Round(u32::from_be_bytes(take(&mut rest)?));
        let [step] = take(&mut rest)?;
        let signature = Signature(take(&mut rest)?);
        let length = usize::from(u16::from_be_bytes(take(&mut rest)?));
        let bytes = rest.get(..length)?.to_vec();
        let step = match step {
            0 => None,
            1 => Some(Step::Proposal),
            2 => Some(Step::Prevote),
            3 => Some(Step::Precommit),
            _ => return None,
        };
        let last = step.map(|step| Signed { height, round, step, bytes, signature });
        let state = SignState { network, key, sequence, last };
        (magic == MAGIC && version == VERSION && state.slot(sequence) == slot).then_some(state)
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

/// What a request to sign came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signing {
    /// Signed now; the sign state is to be written.
    New(Signature),
    /// The signature given before for these very bytes.
    Again(Signature),
    /// Something else was signed for this step or a later one: stay silent.
    Refused,
}

/// A consensus key that cannot be used but through its sign state.
#[derive(Debug)]
pub struct Guard {
    key: SecretKey,
    state: SignState,
    written: u64,
}

impl Guard {
    /// The key with what it signed before.
    ///
    /// # Errors
    /// [`SignStateError::OtherKey`] when the state is another key's.
    pub fn new(key: SecretKey, state: SignState) -> Result<Self, SignStateError> {
        if state.key != key.public() {
            return Err(SignStateError::OtherKey(state.key));
        }
        let written = state.sequence;
        Ok(Guard { key, state, written })
    }

    /// The public key.
    pub fn public(&self) -> PublicKey {
        self.state.key
    }

    /// The network it signs for.
    pub fn network(&self) -> NetworkId {
        self.state.network
    }

    /// What was signed last.
    pub fn state(&self) -> &SignState {
        &self.state
    }

    /// Asks for a signature.
    pub fn sign(&mut self, height: Height, round: Round, step: Step, bytes: Vec<u8>) -> Signing {
        match self.state.judge((height, round, step), &bytes) {
            Verdict::Sign => {
                let signature = self.key.sign(&bytes);
                self.advance(Signed { height, round, step, bytes, signature });
                Signing::New(signature)
            }
            Verdict::Reuse(signature) => Signing::Again(signature),
            Verdict::Refuse => Signing::Refused,
        }
    }

    /// Takes note of an own message that the log records: the log is synced before the sign state, so a crash between
    /// the two leaves the log ahead.
    pub fn observe(&mut self, signed: Signed) {
        if self.state.last.as_ref().is_none_or(|last| signed.position() > last.position()) {
            self.advance(signed);
        }
    }

    /// The slot to write, if anything changed since this was asked last: several signatures of one input need one
    /// write, since only the last forbids most.
    pub fn take_write(&mut self) -> Option<SlotWrite> {
        if self.written == self.state.sequence {
            return None;
        }
        self.written += 1;
        self.state.sequence = self.written;
        let offset = SLOT_OFFSETS[(self.written % 2) as usize];
        Some(SlotWrite { offset, bytes: self.state.slot(self.written) })
    }

    fn advance(&mut self, signed: Signed) {
        self.state.last = Some(signed);
        self.state.sequence = self.written + 1;
    }
}
