//! The workload `mixed-v1`: who takes part, what stands on the ledger before, and the mix itself.
//!
//! Everything is made from numbers, so two runs send the same acts; only times and the network's hash differ. It is sent by processes over gRPC
//! and executed in process by the same code.

mod consortium;
mod ground;
mod mix;

pub use consortium::Consortium;
pub use ground::{Ground, Size};
pub use mix::{Lane, SHARES};

use octroi_ledger::{Payload, SignedTransaction, Transaction};
use octroi_primitives::{BlockTime, Commitment, NetworkId, Salt, SecretKey, hash};
use std::sync::Arc;

/// Signs for every member.
#[derive(Clone)]
pub struct Pen {
    /// Everybody's keys.
    pub consortium: Arc<Consortium>,
    /// Where it counts.
    pub network: NetworkId,
    /// Until when.
    pub valid_until: BlockTime,
    /// Makes equal acts of different pens different.
    pub number: u64,
    salt: u64,
}

/// How many offices sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signatures {
    /// One key.
    One,
    /// Two keys.
    Two,
}

impl Pen {
    /// A pen with a number of its own.
    pub fn new(consortium: Arc<Consortium>, network: NetworkId, valid_until: BlockTime, number: u64) -> Self {
        Self { consortium, network, valid_until, number, salt: 0 }
    }

    /// Signs what an organisation asks, with its keys in turn.
    pub fn sign(&mut self, organisation: usize, signatures: Signatures, payload: Payload) -> SignedTransaction {
        self.salt += 1;
        let mut salt = [0; 16];
        salt[..8].copy_from_slice(&self.number.to_be_bytes());
        salt[8..].copy_from_slice(&self.salt.to_be_bytes());
        let member = &self.consortium.members[organisation];
        let transaction = Transaction {
            network: self.network,
            organisation: member.id,
            valid_until: self.valid_until,
            salt: Salt(salt),
            payload,
        };
        let first = self.salt as usize % member.keys.len();
        let keys: Vec<&SecretKey> = match signatures {
            Signatures::One => vec![&member.keys[first]],
            Signatures::Two => vec![&member.keys[first], &member.keys[(first + 1) % member.keys.len()]],
        };
        transaction.sign(&keys)
    }
}

fn commitment(what: &str, number: u64) -> Commitment {
    Commitment::new(hash("bench-commitment", &[what.as_bytes(), &number.to_be_bytes()]))
}
