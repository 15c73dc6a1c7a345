//! Why bytes, votes or certificates are not believed. Every variant names the value it complains about.

use alloc::string::String;
use octroi_primitives::{BlockId, Hash, Height, PublicKey, Round};

/// A refusal of this crate. None of them is a fault of the machine: the bytes or the signatures are wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// The bytes are no protobuf message of the expected shape.
    #[error("{what}: not a protobuf message: {reason}")]
    Malformed {
        /// The message expected.
        what: &'static str,
        /// What the decoder says.
        reason: String,
    },
    /// The bytes decode, but the same value encodes differently.
    #[error("{what}: encoding is not canonical")]
    NotCanonical {
        /// The message expected.
        what: &'static str,
    },
    /// A field of fixed length has another one.
    #[error("{field}: {found} bytes instead of {expected}")]
    Length {
        /// The field, with its message.
        field: &'static str,
        /// The length it must have.
        expected: usize,
        /// The length it has.
        found: usize,
    },
    /// A required field is absent.
    #[error("{field}: missing")]
    Missing {
        /// The field, with its message.
        field: &'static str,
    },
    /// A field holds a value that has no meaning.
    #[error("{field}: {reason}")]
    Field {
        /// The field, with its message.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A validator set is empty or too large.
    #[error("validator set of {0} members, allowed are 1 to 128")]
    SetSize(usize),
    /// A validator set lists a consensus key twice.
    #[error("validator {0} is listed twice")]
    SetDuplicate(PublicKey),
    /// Members are not in ascending order of consensus key.
    #[error("validator {0} is out of set order")]
    SetOrder(PublicKey),
    /// A message or certificate is of another height than the one at hand.
    #[error("height {found} instead of {expected}")]
    Height {
        /// The height asked for.
        expected: Height,
        /// The height found.
        found: Height,
    },
    /// A certificate is of an earlier round than the block's first proposal.
    #[error("certificate of round {certificate} for a block first proposed in round {header}")]
    RoundTooEarly {
        /// Round of the header.
        header: Round,
        /// Round of the certificate.
        certificate: Round,
    },
    /// A header or message is of another network.
    #[error("header is of another network")]
    Network,
    /// A certificate is for another block.
    #[error("certificate is for block {found}, not {expected}")]
    Block {
        /// The block at hand.
        expected: BlockId,
        /// The block certified.
        found: BlockId,
    },
    /// The set given is not the one the header names.
    #[error("header names validator set {expected}, the set given is {found}")]
    WrongSet {
        /// Hash in the header.
        expected: Hash,
        /// Hash of the set.
        found: Hash,
    },
    /// The carried certificate is not the one the header names.
    #[error("header names last commit {expected}, the body carries {found}")]
    WrongLastCommit {
        /// Hash in the header.
        expected: Hash,
        /// Hash of the certificate carried.
        found: Hash,
    },
    /// The proposer is not the one the rule selects.
    #[error("proposer {found} instead of {expected}")]
    WrongProposer {
        /// select(height, round).
        expected: PublicKey,
        /// The proposer named.
        found: PublicKey,
    },
    /// A signer is no member of the set.
    #[error("signer {0} is not in the validator set")]
    UnknownSigner(PublicKey),
    /// A signer appears twice.
    #[error("signer {0} appears twice")]
    DuplicateSigner(PublicKey),
    /// A signer comes before one that precedes it in the set.
    #[error("signer {0} is out of set order")]
    SignerOrder(PublicKey),
    /// A vote of the wrong kind stands in a certificate.
    #[error("vote of {0} is of the wrong kind for the certificate")]
    WrongKind(PublicKey),
    /// Too little power signed.
    #[error("signed by {signed} of {total} validators, at least {needed} are needed")]
    Power {
        /// Validators that signed.
        signed: usize,
        /// Validators in the set.
        total: usize,
        /// Validators needed.
        needed: usize,
    },
    /// A signature does not verify.
    #[error("signature of {0} does not verify")]
    Signature(PublicKey),
    /// Evidence shows two messages that do not contradict each other.
    #[error("evidence shows no conflict: {0}")]
    NoConflict(&'static str),
    /// A header does not extend the one below it.
    #[error("header at height {height}: {what} does not continue the header below")]
    NotAChild {
        /// Height of the header refused.
        height: Height,
        /// The field that does not fit.
        what: &'static str,
    },
}
