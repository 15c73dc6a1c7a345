//! The check in front of a replica: decoding and signatures, once a transaction, whatever the number of its copies.
//!
//! A host with threads asks [`Door::claim`] under a lock, checks what is [`Claim::Fresh`] outside it with [`check`], and hands the result to
//! [`Door::keep`]; [`Door::open`] does all of it in one call.

use octroi_ledger::{
    SignedTransaction, VerifiedTransaction,
    transaction::{DecodeError, SignatureInvalid},
    verify,
};
use octroi_primitives::{Hash, NetworkId, hash};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

/// A transaction whose signatures were checked, shared by door, mempool and blocks.
pub type Verified = Arc<VerifiedTransaction>;

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

/// What the door knows of some bytes.
#[derive(Clone, Debug)]
pub enum Claim {
    /// Checked before.
    Known(Verified),
    /// Another thread checks it at this moment.
    InFlight,
    /// New: the caller checks it and calls [`Door::keep`] or [`Door::reject`].
    Fresh,
}

/// Remembers which signed bytes were checked, up to a bound of bytes, the oldest forgotten first.
#[derive(Debug)]
pub struct Door {
    network: NetworkId,
    capacity: usize,
    bytes: usize,
    known: BTreeMap<Hash, Verified>,
    order: VecDeque<Hash>,
    in_flight: BTreeSet<Hash>,
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
            in_flight: BTreeSet::new(),
            signatures_checked: 0,
        }
    }

    /// The network whose signatures it checks.
    pub fn network(&self) -> NetworkId {
        self.network
    }

    /// Signatures checked so far, by [`Door::open`] and as told by [`Door::keep`] and [`Door::reject`].
    pub fn signatures_checked(&self) -> u64 {
        self.signatures_checked
    }

    /// Asks what is known of a key, and reserves it when nothing is.
    pub fn claim(&mut self, key: &Hash) -> Claim {
        if let Some(verified) = self.known.get(key) {
            return Claim::Known(verified.clone());
        }
        if self.in_flight.insert(*key) { Claim::Fresh } else { Claim::InFlight }
    }

    /// Remembers a checked transaction.
    pub fn keep(&mut self, key: Hash, verified: Verified) {
        self.in_flight.remove(&key);
        self.signatures_checked += verified.signatures().len() as u64;
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

    /// Gives a reservation back: the bytes are bad, after so many signatures were checked.
    pub fn reject(&mut self, key: &Hash, signatures: u64) {
        self.in_flight.remove(key);
        self.signatures_checked += signatures;
    }

    /// Decodes and checks what is not known yet, in one batch. What another thread has in flight is checked again.
    pub fn open(&mut self, signed: &[Vec<u8>]) -> Vec<Result<Verified, NotVerified>> {
        let keys: Vec<Hash> = signed.iter().map(|bytes| key_of(bytes)).collect();
        let mut answers: Vec<Option<Result<Verified, NotVerified>>> =
            keys.iter().map(|key| self.known.get(key).cloned().map(Ok)).collect();
        // A client's copy and a gossiped one may come in one call: each name is checked once.
        let mut named: BTreeMap<Hash, usize> = BTreeMap::new();
        let unknown: Vec<usize> =
            (0..signed.len()).filter(|i| answers[*i].is_none() && *named.entry(keys[*i]).or_insert(*i) == *i).collect();
        let results = check(&self.network, unknown.iter().map(|i| signed[*i].as_slice()));
        for (i, result) in unknown.into_iter().zip(results) {
            match &result {
                Ok(verified) => self.keep(keys[i], verified.clone()),
                Err(NotVerified::Signature(_)) => self.signatures_checked += 1,
                Err(NotVerified::Decode(_)) => {}
            }
            answers[i] = Some(result);
        }
        for i in 0..signed.len() {
            if answers[i].is_none() {
                answers[i] = named.get(&keys[i]).and_then(|first| answers[*first].clone());
            }
        }
        answers.into_iter().flatten().collect()
    }
}

/// Decodes and checks transactions in one batch, without memory.
pub fn check<'a>(
    network: &NetworkId,
    signed: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<Result<Verified, NotVerified>> {
    let decoded: Vec<Result<SignedTransaction, DecodeError>> =
        signed.into_iter().map(SignedTransaction::decode).collect();
    let mut good = Vec::new();
    let mut answers: Vec<Option<NotVerified>> = Vec::with_capacity(decoded.len());
    for result in decoded {
        match result {
            Ok(signed) => {
                good.push(signed);
                answers.push(None);
            }
            Err(error) => answers.push(Some(error.into())),
        }
    }
    let mut verified = verify(network, good).into_iter();
    answers
        .into_iter()
        .map(|bad| match bad {
            Some(error) => Err(error),
            None => verified.next().expect("one answer for each that decodes").map(Arc::new).map_err(NotVerified::from),
        })
        .collect()
}
