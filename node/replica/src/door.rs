//! The check in front of a replica: decoding and signatures, once a transaction, whatever the number of its copies.

use octroi_ledger::{
    SignedTransaction, VerifiedTransaction,
    transaction::{DecodeError, SignatureInvalid},
    verify,
};
use octroi_primitives::{Hash, NetworkId, hash};
use std::collections::{BTreeMap, VecDeque};

/// A transaction whose signatures were checked, shared by door, mempool and blocks.
pub type Verified = VerifiedTransaction;

/// Name of the exact signed bytes, signatures included: another set of signatures is another name.
pub fn key_of(signed: &[u8]) -> Hash {
    hash("signed-transaction", &[signed])
}

/// Why bytes do not get in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotVerified {
    /// No canonical transaction.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A signature does not verify.
    #[error(transparent)]
    Signature(#[from] SignatureInvalid),
}

/// A signed transaction on its way through the door, under the name of its exact bytes.
#[derive(Clone, Debug)]
pub struct Arrival {
    key: Hash,
    signed: Result<SignedTransaction, DecodeError>,
}

impl Arrival {
    /// From its bytes.
    pub fn decode(bytes: &[u8]) -> Self {
        Self { key: key_of(bytes), signed: SignedTransaction::decode(bytes) }
    }

    /// What it says, when it says anything.
    pub fn signed(&self) -> Option<&SignedTransaction> {
        self.signed.as_ref().ok()
    }
}

impl From<SignedTransaction> for Arrival {
    fn from(signed: SignedTransaction) -> Self {
        Self { key: key_of(&signed.encode()), signed: Ok(signed) }
    }
}

/// Remembers which signed bytes were checked, up to a bound of bytes, the oldest forgotten first.
#[derive(Debug)]
pub struct Door {
    network: NetworkId,
    capacity: usize,
    bytes: usize,
    known: BTreeMap<Hash, Verified>,
    order: VecDeque<Hash>,
    signatures_checked: u64,
}

impl Door {
    /// Remembers transactions of so many signed bytes.
    pub fn new(network: NetworkId, capacity_bytes: usize) -> Self {
        Door {
            network,
            capacity: capacity_bytes,
            bytes: 0,
            known: BTreeMap::new(),
            order: VecDeque::new(),
            signatures_checked: 0,
        }
    }

    /// The network whose signatures it checks.
    pub fn network(&self) -> NetworkId {
        self.network
    }

    /// Signatures checked so far, those that failed included.
    pub fn signatures_checked(&self) -> u64 {
        self.signatures_checked
    }

    /// Remembers a checked transaction.
    fn keep(&mut self, key: Hash, verified: Verified) {
        let size = verified.size();
        if self.known.insert(key, verified).is_none() {
            self.bytes += size;
            self.order.push_back(key);
        }
        while self.bytes > self.capacity {
            let Some(oldest) = self.order.pop_front() else { break };
            if let Some(gone) = self.known.remove(&oldest) {
                self.bytes -= gone.size();
            }
        }
    }

    /// Decodes and checks what is not known yet, in one batch.
    pub fn open(&mut self, signed: &[Vec<u8>]) -> Vec<Result<Verified, NotVerified>> {
        let keys = signed.iter().map(|bytes| key_of(bytes)).collect();
        self.answer(keys, |i| SignedTransaction::decode(&signed[i]))
    }

    /// Checks what is not known yet, in one batch: for who has decoded them already.
    pub fn admit(&mut self, arrivals: Vec<Arrival>) -> Vec<Result<Verified, NotVerified>> {
        let (keys, mut signed): (Vec<Hash>, Vec<_>) =
            arrivals.into_iter().map(|Arrival { key, signed }| (key, Some(signed))).unzip();
        self.answer(keys, |i| signed[i].take().expect("asked for once"))
    }

    fn answer(
        &mut self,
        keys: Vec<Hash>,
        mut decoded: impl FnMut(usize) -> Result<SignedTransaction, DecodeError>,
    ) -> Vec<Result<Verified, NotVerified>> {
        let mut answers: Vec<Option<Result<Verified, NotVerified>>> = Vec::with_capacity(keys.len());
        // A client's copy and a gossiped one may come in one call: each name is checked once.
        let mut named: BTreeMap<Hash, usize> = BTreeMap::new();
        let (mut fresh, mut signed) = (Vec::new(), Vec::new());
        for (i, key) in keys.iter().enumerate() {
            let known = self.known.get(key).cloned().map(Ok);
            answers.push(match known {
                None if *named.entry(*key).or_insert(i) == i => match decoded(i) {
                    Ok(transaction) => {
                        self.signatures_checked += transaction.signatures().len() as u64;
                        fresh.push(i);
                        signed.push(transaction);
                        None
                    }
                    Err(error) => Some(Err(error.into())),
                },
                known => known,
            });
        }
        for (i, result) in fresh.into_iter().zip(verify(&self.network, signed)) {
            if let Ok(verified) = &result {
                self.keep(keys[i], verified.clone());
            }
            answers[i] = Some(result.map_err(NotVerified::from));
        }
        let first = |i: usize| answers[named[&keys[i]]].clone().expect("each name is answered where it stands first");
        (0..keys.len()).map(|i| answers[i].clone().unwrap_or_else(|| first(i))).collect()
    }
}
