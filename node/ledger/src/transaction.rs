//! A transaction on its way in: bytes, then [`SignedTransaction`], then [`VerifiedTransaction`]. Each step has one constructor, and the type remembers it.

use crate::{
    action::Payload,
    wire::{Canonical, Wire, WireError, pb},
};
use octroi_primitives::*;
use prost::{Message, length_delimiter_len};
use std::sync::Arc;

/// Greatest size of a signed transaction, bytes.
pub const MAX_TRANSACTION_BYTES: usize = 64 * 1024;
/// Greatest number of signatures.
pub const MAX_SIGNATURES: usize = 16;

/// What is signed: who asks for what, on which network, until when.
#[derive(Debug, Clone, PartialEq)]
pub struct Transaction {
    /// Hash of the genesis.
    pub network: NetworkId,
    /// The acting organisation.
    pub organisation: OrganisationId,
    /// Block time from which it can no longer enter a block.
    pub valid_until: BlockTime,
    /// Makes equal acts different.
    pub salt: Salt,
    /// What is asked.
    pub payload: Payload,
}

impl Wire for Transaction {
    type Proto = pb::Transaction;

    fn to_proto(&self) -> pb::Transaction {
        let Self { network, organisation, valid_until, salt, payload } = self;
        pb::Transaction {
            network: network.to_proto(),
            organisation: organisation.to_proto(),
            valid_until: valid_until.to_proto(),
            salt: salt.to_proto(),
            payload: Some(payload.to_wire()),
        }
    }

    fn from_proto(proto: pb::Transaction) -> Result<Self, WireError> {
        let pb::Transaction { network, organisation, valid_until, salt, payload } = proto;
        Ok(Self {
            network: Wire::from_proto(network).map_err(|error: WireError| error.within("network"))?,
            organisation: Wire::from_proto(organisation).map_err(|error: WireError| error.within("organisation"))?,
            valid_until: BlockTime(valid_until),
            salt: Wire::from_proto(salt).map_err(|error: WireError| error.within("salt"))?,
            payload: Payload::from_wire(payload.ok_or_else(|| WireError::missing().within("payload"))?)?,
        })
    }
}

impl Transaction {
    /// Its id: H("transaction", body). Signatures are not part of it.
    pub fn id(body: &[u8]) -> TransactionId {
        TransactionId::new(hash("transaction", &[body]))
    }

    /// The bytes that a key signs for this id.
    pub fn signing_bytes(network: &NetworkId, id: &TransactionId) -> Vec<u8> {
        signed_message("transaction", network, id.as_bytes())
    }

    /// Encodes and signs with these keys; equal keys sign once.
    pub fn sign(&self, keys: &[&SecretKey]) -> SignedTransaction {
        let body = self.to_bytes();
        let id = Self::id(&body);
        let message = Self::signing_bytes(&self.network, &id);
        let mut signatures: Vec<KeySignature> =
            keys.iter().map(|key| KeySignature { key: key.public(), signature: key.sign(&message) }).collect();
        signatures.sort_by_key(|signature| signature.key);
        signatures.dedup_by_key(|signature| signature.key);
        SignedTransaction { id, transaction: self.clone(), body, signatures }
    }
}

/// A key and what it signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySignature {
    /// Office key.
    pub key: PublicKey,
    /// Over [`Transaction::signing_bytes`].
    pub signature: Signature,
}

/// Why bytes are no transaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Larger than the limit.
    #[error("transaction of {0} bytes is over the limit of {MAX_TRANSACTION_BYTES}")]
    TooLarge(usize),
    /// Not the one encoding of a signed transaction.
    #[error("transaction: {0}")]
    Wire(#[from] WireError),
    /// Wrong number of signatures.
    #[error("{0} signatures; 1 to {MAX_SIGNATURES} are allowed")]
    Signatures(usize),
    /// Keys not strictly ascending.
    #[error("signing keys are not strictly ascending")]
    KeyOrder,
}

/// Decoded and canonical, not yet believed.
#[derive(Debug, Clone, PartialEq)]
pub struct SignedTransaction {
    id: TransactionId,
    transaction: Transaction,
    body: Vec<u8>,
    signatures: Vec<KeySignature>,
}

impl SignedTransaction {
    /// Strict decoding of the bytes of a `SignedTransaction` message.
    ///
    /// # Errors
    /// Anything but the one encoding, within the limits.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_TRANSACTION_BYTES {
            return Err(DecodeError::TooLarge(bytes.len()));
        }
        let proto = pb::SignedTransaction::decode(bytes).map_err(|_| WireError::Malformed("SignedTransaction"))?;
        if proto.encode_to_vec() != bytes {
            return Err(WireError::NotCanonical("SignedTransaction").into());
        }
        let pb::SignedTransaction { body, signatures } = proto;
        Self::from_parts(body, signatures)
    }

    /// From a message whose encoding is nobody's concern, such as a gRPC request.
    ///
    /// # Errors
    /// As [`SignedTransaction::decode`].
    pub fn from_parts(body: Vec<u8>, signatures: Vec<pb::KeySignature>) -> Result<Self, DecodeError> {
        if body.len() > MAX_TRANSACTION_BYTES {
            return Err(DecodeError::TooLarge(body.len()));
        }
        if signatures.is_empty() || signatures.len() > MAX_SIGNATURES {
            return Err(DecodeError::Signatures(signatures.len()));
        }
        let signatures = signatures
            .into_iter()
            .map(|pb::KeySignature { key, signature }| {
                Ok(KeySignature {
                    key: Wire::from_proto(key).map_err(|error: WireError| error.within("key"))?,
                    signature: Wire::from_proto(signature).map_err(|error: WireError| error.within("signature"))?,
                })
            })
            .collect::<Result<Vec<_>, WireError>>()?;
        if !signatures.is_sorted_by(|a, b| a.key < b.key) {
            return Err(DecodeError::KeyOrder);
        }
        let transaction = Transaction::from_bytes(&body)?;
        Ok(Self { id: Transaction::id(&body), transaction, body, signatures })
    }

    /// Id.
    pub fn id(&self) -> TransactionId {
        self.id
    }

    /// What is asked.
    pub fn transaction(&self) -> &Transaction {
        &self.transaction
    }

    /// Verbatim body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Who signed.
    pub fn signatures(&self) -> &[KeySignature] {
        &self.signatures
    }

    /// Leaf of the transactions root: H("transaction-leaf", id, keys and signatures), so that who signed is part of history.
    pub fn leaf(&self) -> Hash {
        let mut signed = Vec::with_capacity(self.signatures.len() * 96);
        for KeySignature { key, signature } in &self.signatures {
            signed.extend_from_slice(key.as_bytes());
            signed.extend_from_slice(signature.as_bytes());
        }
        hash("transaction-leaf", &[self.id.as_bytes(), &signed])
    }

    /// Bytes of [`SignedTransaction::encode`], without encoding: each field is behind a tag of one byte and its length.
    pub fn size(&self) -> usize {
        const SIGNATURE: usize = 2 + size_of::<PublicKey>() + 2 + size_of::<Signature>();
        let field = |bytes: usize| 1 + length_delimiter_len(bytes) + bytes;
        field(self.body.len()) + self.signatures.len() * field(SIGNATURE)
    }

    /// Canonical bytes of the signed message.
    pub fn encode(&self) -> Vec<u8> {
        self.to_message().encode_to_vec()
    }

    /// The message of the wire.
    pub fn to_message(&self) -> pb::SignedTransaction {
        pb::SignedTransaction {
            body: self.body.clone(),
            signatures: self
                .signatures
                .iter()
                .map(|KeySignature { key, signature }| pb::KeySignature {
                    key: key.to_proto(),
                    signature: signature.to_proto(),
                })
                .collect(),
        }
    }

    /// Joins the signatures of another copy of the same body, for offline signing by several offices.
    ///
    /// # Errors
    /// Another body, or too many signatures.
    pub fn combine(mut self, other: Self) -> Result<Self, DecodeError> {
        if self.body != other.body {
            return Err(WireError::invalid("the two files hold different transactions").within("body").into());
        }
        self.signatures.extend(other.signatures);
        self.signatures.sort_by_key(|signature| signature.key);
        self.signatures.dedup_by_key(|signature| signature.key);
        if self.signatures.len() > MAX_SIGNATURES {
            return Err(DecodeError::Signatures(self.signatures.len()));
        }
        Ok(self)
    }
}

/// Some signature does not verify under the written rule (ZIP-215).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("signature of transaction {0} does not verify")]
pub struct SignatureInvalid(pub TransactionId);

/// Every signature was checked: the only way in is [`verify`]. Clones share one copy, from the door through the mempool into blocks.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifiedTransaction(Arc<Checked>);

#[derive(Debug, PartialEq)]
struct Checked {
    signed: SignedTransaction,
    size: usize,
    leaf: Hash,
}

impl core::ops::Deref for VerifiedTransaction {
    type Target = SignedTransaction;
    fn deref(&self) -> &SignedTransaction {
        &self.0.signed
    }
}

impl VerifiedTransaction {
    /// Bytes of the signed message, as they count against limits and quotas.
    pub fn size(&self) -> usize {
        self.0.size
    }

    /// [`SignedTransaction::leaf`], computed once.
    pub fn leaf(&self) -> Hash {
        self.0.leaf
    }

    /// The signing keys, ascending.
    pub fn keys(&self) -> Vec<PublicKey> {
        self.signatures().iter().map(|signature| signature.key).collect()
    }
}

/// Checks the signatures of many transactions of one network in one batch; each gets its own answer, equal to a single check.
pub fn verify(
    network: &NetworkId,
    transactions: Vec<SignedTransaction>,
) -> Vec<Result<VerifiedTransaction, SignatureInvalid>> {
    let messages: Vec<Vec<u8>> =
        transactions.iter().map(|signed| Transaction::signing_bytes(network, &signed.id)).collect();
    let mut batch = BatchVerifier::new();
    for (signed, message) in transactions.iter().zip(&messages) {
        for KeySignature { key, signature } in &signed.signatures {
            batch.push(key, message, signature);
        }
    }
    let mut answers = batch.verify_each().into_iter();
    transactions
        .into_iter()
        .map(|signed| {
            let valid = signed.signatures.iter().fold(true, |valid, _| answers.next().unwrap_or(false) && valid);
            if !valid || signed.transaction.network != *network {
                return Err(SignatureInvalid(signed.id));
            }
            let (size, leaf) = (signed.size(), signed.leaf());
            Ok(VerifiedTransaction(Arc::new(Checked { signed, size, leaf })))
        })
        .collect()
}
