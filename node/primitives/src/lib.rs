//! The words of octroi: hashes, keys, the one signature rule, identifiers, codes, bounded text, money, ratios,
//! splits, times, legal dates and references.
//!
//! **Promises.** Every value is checked once, when it is made; afterwards its type is the proof. Everything is
//! integer arithmetic and the same on every machine: no clock, no randomness, no locale, no floating point, no
//! iteration over a hash map decides anything. Nothing panics on input from outside.
//!
//! **Must not know** protobuf, storage, networks, the ledger's rules or anything above layer 0.

#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod amount;
pub mod code;
pub mod date;
pub mod error;
pub mod hash;
pub mod id;
pub mod identifier;
pub mod key;
pub mod personal_data;
pub mod ratio;
pub mod reference;
pub mod split;
pub mod text;
pub mod time;

pub use amount::{Amount, Balance, Currency};
pub use code::{
    CategoryCode, Code, CollegeCode, CriterionCode, EnvelopeCode, FundCode, OfficeCode, PolicyCode, ReasonCode,
    ScheduleCode, ServiceCode, TerritoryCode,
};
pub use date::{LegalDate, Period, PeriodLength};
pub use error::PrimitiveError;
pub use hash::{Domain, Hash, Hasher, hash, keyed, keyed_node, signed_message};
pub use id::{
    ApplicationId, AssessmentId, BankAccountId, BlockId, CallId, CampaignId, ChangeId, ClawbackId, Commitment,
    ContributionId, DeclarationId, EntryKey, FileHash, FindingId, GrantId, NetworkId, OrganisationId, PastGrantId,
    PayoutId, PledgeId, ProjectId, PromiseId, RefundId, ReturnId, RoundId, Salt, StatementId, TransactionId,
    VoucherBatchId, genesis_id, object_id, object_id_at,
};
pub use identifier::{Identifier, IdentifierError, Scheme};
pub use key::{
    BatchVerifier, PossessionPurpose, PreparedKey, PublicKey, SecretKey, Signature, possession_message,
    prove_possession, verify, verify_each, verify_possession,
};
pub use personal_data::PersonalData;
pub use ratio::{Factor, Ppm, Rational};
pub use reference::{Reference, ReferenceKind};
pub use split::{Weight, largest_remainder, wide_ratio};
pub use text::{Name, Note, Text};
pub use time::{BlockTime, Cursor, Height, Round};
