//! Typed identifiers: 32 bytes each, of a type of their own, so that a promise is never taken for a grant.
//!
//! The ids of objects made by a transaction follow from the transaction's id ([`object_id`], [`object_id_at`]); those of
//! genesis objects from the network's name and a code ([`genesis_id`]) (rulebook §1, §2, §17).
//!
//! **Must not know** what the objects are.

use core::fmt;
use core::str::FromStr;

use crate::error::PrimitiveError;
use crate::hash::{Hash, array, hash, read_hex, write_hex};

/// Makes one 32-byte identifier type.
macro_rules! id {
    ($(#[doc = $doc:literal])+ $name:ident, $what:literal) => {
        $(#[doc = $doc])+
        ///
        /// Ordered by bytes; written as 64 lower-case hexadecimal digits.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(Hash);

        impl $name {
            /// Thirty-two zero bytes.
            pub const ZERO: Self = Self(Hash::ZERO);

            /// The identifier that is this hash.
            pub const fn new(hash: Hash) -> Self {
                Self(hash)
            }

            /// The identifier with these bytes.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(Hash(bytes))
            }

            /// Its bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                self.0.as_bytes()
            }

            /// Its bytes, by value.
            pub const fn to_bytes(self) -> [u8; 32] {
                self.0.0
            }

            /// The hash it is made of.
            pub const fn hash(&self) -> &Hash {
                &self.0
            }
        }

        impl From<Hash> for $name {
            fn from(hash: Hash) -> Self {
                Self(hash)
            }
        }

        impl From<$name> for Hash {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                self.0.as_ref()
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = PrimitiveError;

            fn try_from(bytes: &[u8]) -> Result<Self, PrimitiveError> {
                array($what, bytes).map(Self::from_bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = PrimitiveError;

            fn from_str(text: &str) -> Result<Self, PrimitiveError> {
                text.parse().map(Self)
            }
        }
    };
}

id! {
    /// A network: the hash of its genesis.
    NetworkId, "network id"
}
id! {
    /// A transaction: the hash of its body, never of its signatures.
    TransactionId, "transaction id"
}
id! {
    /// A block: the hash of its header.
    BlockId, "block id"
}
id! {
    /// An organisation.
    OrganisationId, "organisation id"
}
id! {
    /// A commons project.
    ProjectId, "project id"
}
id! {
    /// A promised contribution.
    PromiseId, "promise id"
}
id! {
    /// A bank statement.
    StatementId, "statement id"
}
id! {
    /// A bank entry: account commitment and the bank's own reference, or the hash of the canonical entry.
    EntryKey, "entry key"
}
id! {
    /// A bank account: the salted commitment to its IBAN, never the IBAN (rulebook §12).
    BankAccountId, "bank account id"
}
id! {
    /// A campaign.
    CampaignId, "campaign id"
}
id! {
    /// A pledge to a campaign, or a collector's batch of them.
    PledgeId, "pledge id"
}
id! {
    /// A matching round.
    RoundId, "round id"
}
id! {
    /// A contribution to a project in a matching round.
    ContributionId, "contribution id"
}
id! {
    /// Money that is owed back.
    RefundId, "refund id"
}
id! {
    /// A batch of vouchers.
    VoucherBatchId, "voucher batch id"
}
id! {
    /// A levy declaration.
    DeclarationId, "declaration id"
}
id! {
    /// A levy assessment.
    AssessmentId, "assessment id"
}
id! {
    /// An auditor's finding.
    FindingId, "finding id"
}
id! {
    /// A call for applications.
    CallId, "call id"
}
id! {
    /// An application to a call.
    ApplicationId, "application id"
}
id! {
    /// A grant.
    GrantId, "grant id"
}
id! {
    /// A change proposed to the colleges.
    ChangeId, "change id"
}
id! {
    /// A payment of a tranche, one attempt.
    PayoutId, "payout id"
}
id! {
    /// A demand that money of a grant comes back.
    ClawbackId, "clawback id"
}
id! {
    /// Money of a grant that its beneficiary sends back of its own accord.
    ReturnId, "return id"
}
id! {
    /// A grant of the past, declared by its funder or a publisher.
    PastGrantId, "past grant id"
}
id! {
    /// A salted commitment to a document, or a document's hash (rulebook §12).
    Commitment, "commitment"
}
id! {
    /// The hash of a file as it was received.
    FileHash, "file hash"
}

/// Sixteen bytes that make a body, and so its id, unlike any other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Salt(pub [u8; 16]);

impl Salt {
    /// The salt with these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl AsRef<[u8]> for Salt {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<&[u8]> for Salt {
    type Error = PrimitiveError;

    fn try_from(bytes: &[u8]) -> Result<Self, PrimitiveError> {
        array("salt", bytes).map(Self)
    }
}

impl fmt::Display for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Salt({self})")
    }
}

impl FromStr for Salt {
    type Err = PrimitiveError;

    fn from_str(text: &str) -> Result<Self, PrimitiveError> {
        read_hex(text).map(Self)
    }
}

/// The id of the only `object` a transaction makes: H(object, transaction id), where H is [`hash`], so that the
/// context is `octroi/<object>/v1` and the id is preceded by its length (rulebook §17).
pub fn object_id(object: &str, transaction: &TransactionId) -> Hash {
    hash(object, &[transaction.as_bytes()])
}

/// The id of the `index`-th of several objects of one transaction: H(object, transaction id, index as u32 big-endian)
/// (rulebook §17).
pub fn object_id_at(object: &str, transaction: &TransactionId, index: u32) -> Hash {
    hash(object, &[transaction.as_bytes(), &index.to_be_bytes()])
}

/// The id of an object of genesis: H(object, network name, code) (rulebook §2). The name and not the network's id, which
/// is the hash of the genesis that names the object.
pub fn genesis_id(object: &str, network_name: &str, code: &str) -> Hash {
    hash(object, &[network_name.as_bytes(), code.as_bytes()])
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn an_object_id_is_the_hash_of_the_transaction_id_and_the_index_if_there_are_several() {
        let transaction = TransactionId::from_bytes([5; 32]);
        assert_eq!(object_id("promise", &transaction), hash("promise", &[&[5; 32]]));
        assert_eq!(object_id_at("grant", &transaction, 258), hash("grant", &[&[5; 32], &[0, 0, 1, 2]]));
        assert_ne!(object_id("grant", &transaction), object_id_at("grant", &transaction, 0));
        assert_ne!(object_id("grant", &transaction), object_id("promise", &transaction));
    }

    #[test]
    fn a_genesis_id_depends_on_network_name_and_code() {
        assert_eq!(genesis_id("organisation", "demo", "region"), hash("organisation", &[b"demo", b"region"]));
        assert_ne!(genesis_id("organisation", "demo", "region"), genesis_id("organisation", "demor", "egion"));
    }

    #[test]
    fn an_id_reads_what_it_writes_and_refuses_other_lengths() {
        let id = GrantId::new(hash("x", &[]));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(GrantId::try_from(id.as_bytes().as_slice()), Ok(id));
        assert_eq!(
            GrantId::try_from([0; 33].as_slice()),
            Err(PrimitiveError::Length { what: "grant id", expected: 32, actual: 33 })
        );
        let salt = Salt([0xab; 16]);
        assert_eq!(salt.to_string(), "ab".repeat(16));
        assert_eq!(salt.to_string().parse(), Ok(salt));
        assert!(Salt::try_from([0; 15].as_slice()).is_err());
    }
}
