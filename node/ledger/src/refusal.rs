//! Refusals: why a transaction that is in a block changed nothing.
//!
//! Each kind has its own enum, made by [`refusals!`]; the order of its variants is the order of the checks (rulebook §17, precedence) and so
//! which of several reasons is given. A code is permanent: 100 × position of the shared name + the number given to the variant (rulebook §4).

use crate::{action::Kind, wire::words};
use core::fmt;
use octroi_primitives::OrganisationId;

words! {
    /// Names that mean the same in every kind (rulebook §4), in the order that numbers them from 1.
    pub enum Shared {
        /// The object does not exist.
        Unknown = "unknown",
        /// The signer is suspended.
        Suspended = "suspended",
        /// The transaction's time has passed.
        Expired = "expired",
        /// It is there already.
        Duplicate = "duplicate",
        /// The signer does not hold the role, or too few of its keys may use it.
        Role = "role",
        /// Two offices that must differ are held by one group.
        Segregation = "segregation",
        /// A conflict of interest.
        Conflict = "conflict",
        /// The object is not in a state that allows it.
        State = "state",
        /// Too early or too late.
        Window = "window",
        /// The amount is out of bounds.
        Amount = "amount",
        /// Another currency.
        Currency = "currency",
        /// Too many, too long, too deep.
        Limit = "limit",
        /// The date does not fit.
        Date = "date",
        /// Shares do not sum to the whole.
        Shares = "shares",
        /// It refers to the wrong thing.
        Reference = "reference",
        /// Not enough money there.
        Insufficient = "insufficient",
        /// Over a cap of the policy.
        Cap = "cap",
        /// Too few votes.
        Quorum = "quorum",
        /// A college is empty.
        Parity = "parity",
        /// An admitted objection is open.
        ObjectionOpen = "objection_open",
        /// The identifier is malformed, fails its check digit or belongs to another.
        Identifier = "identifier",
        /// The territory does not fit.
        Territory = "territory",
        /// The levy schedule says nothing on it.
        Schedule = "schedule",
        /// The threshold cannot be met.
        Threshold = "threshold",
        /// The statement does not follow the one before.
        StatementGap = "statement_gap",
        /// The bank entry is consumed already.
        EntryUsed = "entry_used",
        /// Evidence is missing or does not hold.
        Evidence = "evidence",
        /// A sum leaves its range.
        Overflow = "overflow",
        /// No parameter has that name.
        UnknownParameter = "unknown_parameter",
        /// Text that looks like personal data.
        PersonalData = "personal_data",
    }
}

impl Shared {
    /// Position from 1 in the rulebook's list.
    pub const fn position(self) -> u32 {
        self as u32 + 1
    }
}

/// What the list of a kind's refusals says of one of them, for documentation, `explain` and tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusalDoc {
    /// Name of the variant, such as `FundUnknown`.
    pub variant: &'static str,
    /// The shared name.
    pub shared: Shared,
    /// Permanent code within the kind.
    pub code: u32,
    /// When it is given.
    pub doc: &'static str,
}

/// Implemented by every kind's enum of refusals.
pub trait Reject: fmt::Display + fmt::Debug {
    /// All variants in order of precedence.
    const ALL: &'static [RefusalDoc];

    /// Position in [`Reject::ALL`].
    fn position(&self) -> usize;

    /// The entry of this refusal.
    fn doc(&self) -> &'static RefusalDoc {
        &Self::ALL[self.position()]
    }
}

/// A refusal as it appears in a receipt. Only kind and code are hashed; the message is for people.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The kind that refused.
    pub kind: Kind,
    /// Permanent code within the kind.
    pub code: u32,
    /// In words, with the values; empty when it was read from a stored receipt.
    pub message: String,
}

impl PartialEq for Refusal {
    fn eq(&self, other: &Self) -> bool {
        (self.kind, self.code) == (other.kind, other.code)
    }
}
impl Eq for Refusal {}

impl Refusal {
    /// From a kind's own refusal.
    pub fn new<R: Reject>(kind: Kind, reject: &R) -> Self {
        Self { kind, code: reject.doc().code, message: reject.to_string() }
    }

    /// What the kind's list says of this code; `None` for a code of a later version.
    pub fn doc(&self) -> Option<&'static RefusalDoc> {
        self.kind.refusals().iter().find(|doc| doc.code == self.code)
    }

    /// The reason for programs: `KIND_NAME_DETAIL` in upper snake case.
    pub fn reason(&self) -> String {
        match self.doc() {
            Some(doc) => reason(self.kind, doc),
            None => format!("{}_CODE_{}", self.kind.name().to_uppercase(), self.code),
        }
    }
}

/// The reason of one entry: the kind's name and the variant's, in upper snake case.
pub fn reason(kind: Kind, doc: &RefusalDoc) -> String {
    let mut out = kind.name().to_uppercase();
    for letter in doc.variant.chars() {
        if letter.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_uppercase());
    }
    out
}

/// What can be wrong with a signer at execution (rulebook §17, precedence 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignerRefusal {
    /// The organisation is not active.
    Suspended(OrganisationId),
    /// It does not hold the role there, or too few signing keys are in offices that may use it.
    Role(String),
}

/// Declares a kind's refusals in order of precedence. `signer;` stands where the signer is judged and adds `Suspended` and `RoleMissing`.
///
/// `Variant(Type, ...): shared number "message with {0}", "when it is given";`
macro_rules! refusals {
    (@munch [$($done:tt)*] signer; $($rest:tt)*) => {
        $crate::refusal::refusals!(@munch [$($done)*
            { Suspended (octroi_primitives::OrganisationId) Suspended 1 "organisation {0} is not active" "the signer is suspended, merged or closed" }
            { RoleMissing (String) Role 1 "{0}" "the signer does not hold the role in this scope, or too few of the signing keys are in offices that may use it" }
        ] $($rest)*);
    };
    (@munch [$($done:tt)*] $variant:ident ($($type:ty),* $(,)?) : $shared:ident $number:literal $message:literal, $doc:literal; $($rest:tt)*) => {
        $crate::refusal::refusals!(@munch [$($done)* { $variant ($($type),*) $shared $number $message $doc }] $($rest)*);
    };
    (@munch [$({ $variant:ident ($($type:ty),*) $shared:ident $number:literal $message:literal $doc:literal })*]) => {
        /// Why it is refused, in order of precedence; codes are permanent.
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        pub enum Refused {
            $( #[doc = $doc] #[error($message)] $variant ($($type),*), )*
        }

        impl $crate::refusal::Reject for Refused {
            const ALL: &'static [$crate::refusal::RefusalDoc] = &[$(
                $crate::refusal::RefusalDoc {
                    variant: stringify!($variant),
                    shared: $crate::refusal::Shared::$shared,
                    code: $crate::refusal::Shared::$shared.position() * 100 + $number,
                    doc: $doc,
                },
            )*];

            fn position(&self) -> usize {
                #[derive(Clone, Copy)]
                enum Position { $($variant,)* }
                (match self { $(Self::$variant(..) => Position::$variant,)* }) as usize
            }
        }
    };
    ($($list:tt)+) => { $crate::refusal::refusals!(@munch [] $($list)+); };
}
pub(crate) use refusals;

/// Lets `?` turn a judged signer into the kind's own refusal.
macro_rules! signer_refusals {
    ($refused:ty) => {
        impl From<$crate::refusal::SignerRefusal> for $refused {
            fn from(refusal: $crate::refusal::SignerRefusal) -> Self {
                match refusal {
                    $crate::refusal::SignerRefusal::Suspended(id) => Self::Suspended(id),
                    $crate::refusal::SignerRefusal::Role(words) => Self::RoleMissing(words),
                }
            }
        }
    };
}
pub(crate) use signer_refusals;

/// Lets `?` turn money that cannot move into the kind's own refusal.
macro_rules! posting_refusals {
    ($refused:ty) => {
        impl From<$crate::accounts::PostingError> for $refused {
            fn from(error: $crate::accounts::PostingError) -> Self {
                match error {
                    $crate::accounts::PostingError::Insufficient { .. } => Self::Insufficient(error),
                    $crate::accounts::PostingError::Overflow(_) => Self::Overflow(error),
                }
            }
        }
    };
}
pub(crate) use posting_refusals;
