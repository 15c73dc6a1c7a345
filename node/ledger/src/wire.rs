//! The one bridge between domain types and the protobuf messages of `octroi-proto`.
//!
//! Promises: `from_proto(to_proto(x)) == x`; bytes that decode and encode again to other bytes are refused, so every value has one encoding
//! (docs/formats.md). Must not know: rules of the rulebook beyond what a type itself can hold.

use octroi_primitives::*;
pub use octroi_proto::v1 as pb;

/// A message that does not say what its type needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Not protobuf, or cut short.
    #[error("not a protobuf message of type {0}")]
    Malformed(&'static str),
    /// Decodes, but is not the one encoding of what it says (unknown field, field order, defaults written out, long integers).
    #[error("not the canonical encoding of {0}")]
    NotCanonical(&'static str),
    /// A field holds what its type cannot.
    #[error("{path}: {reason}")]
    Field {
        /// Dotted path of the field.
        path: String,
        /// What is wrong with the value.
        reason: String,
    },
}

impl WireError {
    /// A field without its value.
    pub fn missing() -> Self {
        Self::Field { path: String::new(), reason: "is missing".into() }
    }

    /// A value that the type cannot hold.
    pub fn invalid(reason: impl core::fmt::Display) -> Self {
        Self::Field { path: String::new(), reason: reason.to_string() }
    }

    /// The same error, one field further out.
    #[must_use]
    pub fn within(self, field: &str) -> Self {
        match self {
            Self::Field { path, reason } if path.is_empty() => Self::Field { path: field.into(), reason },
            Self::Field { path, reason } => Self::Field { path: format!("{field}.{path}"), reason },
            Self::Malformed(what) => {
                Self::Field { path: field.into(), reason: format!("not a protobuf message of type {what}") }
            }
            Self::NotCanonical(what) => {
                Self::Field { path: field.into(), reason: format!("not the canonical encoding of {what}") }
            }
        }
    }
}

/// A domain type and its form on the wire.
pub trait Wire: Sized {
    /// The protobuf side: a message, or the scalar of a field.
    type Proto;

    /// Total: every value of the domain type can be said.
    fn to_proto(&self) -> Self::Proto;

    /// # Errors
    /// When the message holds something that the type cannot.
    fn from_proto(proto: Self::Proto) -> Result<Self, WireError>;
}

/// Types with canonical bytes: those whose protobuf side is a whole message.
pub trait Canonical: Wire<Proto: prost::Message + Default> {
    /// The one encoding.
    fn to_bytes(&self) -> Vec<u8> {
        prost::Message::encode_to_vec(&self.to_proto())
    }

    /// Strict: only the bytes that [`Canonical::to_bytes`] would give are read.
    ///
    /// # Errors
    /// Malformed, not canonical, or a field that the type cannot hold.
    fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        let what = core::any::type_name::<Self>().rsplit("::").next().unwrap_or("message");
        let proto = <Self::Proto as prost::Message>::decode(bytes).map_err(|_| WireError::Malformed(what))?;
        let value = Self::from_proto(proto)?;
        if prost::Message::encode_to_vec(&value.to_proto()) != bytes {
            return Err(WireError::NotCanonical(what));
        }
        Ok(value)
    }
}

impl<T: Wire<Proto: prost::Message + Default>> Canonical for T {}

impl<T: Wire> Wire for Option<T> {
    type Proto = Option<T::Proto>;

    fn to_proto(&self) -> Self::Proto {
        self.as_ref().map(Wire::to_proto)
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, WireError> {
        proto.map(T::from_proto).transpose()
    }
}

impl<T: Wire> Wire for Vec<T> {
    type Proto = Vec<T::Proto>;

    fn to_proto(&self) -> Self::Proto {
        self.iter().map(Wire::to_proto).collect()
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, WireError> {
        proto
            .into_iter()
            .enumerate()
            .map(|(index, item)| T::from_proto(item).map_err(|error| error.within(&index.to_string())))
            .collect()
    }
}

macro_rules! itself {
    ($($scalar:ty),+) => {$(
        impl Wire for $scalar {
            type Proto = $scalar;
            fn to_proto(&self) -> $scalar { *self }
            fn from_proto(proto: $scalar) -> Result<Self, WireError> { Ok(proto) }
        }
    )+};
}
itself!(bool, u32, u64, i64);

/// Types whose wire form is a byte string of fixed length.
macro_rules! byte_strings {
    ($($name:ty),+ $(,)?) => {$(
        impl Wire for $name {
            type Proto = Vec<u8>;
            fn to_proto(&self) -> Vec<u8> { self.as_bytes().to_vec() }
            fn from_proto(proto: Vec<u8>) -> Result<Self, WireError> {
                Self::try_from(proto.as_slice()).map_err(WireError::invalid)
            }
        }
    )+};
}
byte_strings!(
    Hash,
    NetworkId,
    TransactionId,
    BlockId,
    OrganisationId,
    ProjectId,
    PromiseId,
    StatementId,
    EntryKey,
    BankAccountId,
    DeclarationId,
    AssessmentId,
    CallId,
    ApplicationId,
    GrantId,
    CampaignId,
    PledgeId,
    RoundId,
    ContributionId,
    RefundId,
    VoucherBatchId,
    ChangeId,
    PayoutId,
    ClawbackId,
    ReturnId,
    PastGrantId,
    FindingId,
    Commitment,
    FileHash,
    Salt,
    Signature,
);

/// Read without the checks of the curve: they are made once, where a key is admitted; a key that was never admitted signs nothing.
impl Wire for PublicKey {
    type Proto = Vec<u8>;

    fn to_proto(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    fn from_proto(proto: Vec<u8>) -> Result<Self, WireError> {
        let bytes = <[u8; 32]>::try_from(proto.as_slice());
        bytes
            .map(Self::from_bytes_unchecked)
            .map_err(|_| WireError::invalid(format!("a key of {} bytes; 32 are needed", proto.len())))
    }
}

/// Types whose wire form is text with one spelling.
macro_rules! texts {
    ($($name:ty),+ $(,)?) => {$(
        impl Wire for $name {
            type Proto = String;
            fn to_proto(&self) -> String { self.to_string() }
            fn from_proto(proto: String) -> Result<Self, WireError> {
                proto.parse().map_err(WireError::invalid)
            }
        }
    )+};
}
texts!(
    Code,
    FundCode,
    EnvelopeCode,
    ScheduleCode,
    PolicyCode,
    CollegeCode,
    TerritoryCode,
    OfficeCode,
    CategoryCode,
    ReasonCode,
    ServiceCode,
    CriterionCode,
    Period,
    PeriodLength,
    Scheme,
    Currency,
    Reference,
);

impl<const MAX: usize> Wire for Text<MAX> {
    type Proto = String;

    fn to_proto(&self) -> String {
        self.as_str().to_owned()
    }

    fn from_proto(proto: String) -> Result<Self, WireError> {
        Self::new(&proto).map_err(WireError::invalid)
    }
}

macro_rules! numbers {
    ($($name:ty: $scalar:ty, $get:expr, $make:expr;)+) => {$(
        impl Wire for $name {
            type Proto = $scalar;
            fn to_proto(&self) -> $scalar { ($get)(self) }
            fn from_proto(proto: $scalar) -> Result<Self, WireError> { ($make)(proto).map_err(WireError::invalid) }
        }
    )+};
}
numbers! {
    Height: u64, |h: &Height| h.0, |v| Ok::<_, PrimitiveError>(Height(v));
    Round: u32, |r: &Round| r.0, |v| Ok::<_, PrimitiveError>(Round(v));
    BlockTime: u64, |t: &BlockTime| t.0, |v| Ok::<_, PrimitiveError>(BlockTime(v));
    Ppm: u32, |p: &Ppm| p.get(), Ppm::new;
    Factor: u32, |f: &Factor| f.get(), Factor::new;
}

impl Wire for Amount {
    type Proto = pb::Amount;

    fn to_proto(&self) -> pb::Amount {
        pb::Amount { minor: self.minor, currency: self.currency.as_str().to_owned() }
    }

    fn from_proto(proto: pb::Amount) -> Result<Self, WireError> {
        let pb::Amount { minor, currency } = proto;
        let currency = Currency::new(&currency).map_err(|error| WireError::invalid(error).within("currency"))?;
        Ok(Self::new(minor, currency))
    }
}

impl Wire for LegalDate {
    type Proto = pb::Date;

    fn to_proto(&self) -> pb::Date {
        pb::Date { year: self.year().into(), month: self.month().into(), day: self.day().into() }
    }

    fn from_proto(proto: pb::Date) -> Result<Self, WireError> {
        let pb::Date { year, month, day } = proto;
        let narrow = || Some((u16::try_from(year).ok()?, u8::try_from(month).ok()?, u8::try_from(day).ok()?));
        let (year, month, day) =
            narrow().ok_or_else(|| WireError::invalid(format!("{year}-{month}-{day} is no date")))?;
        Self::new(year, month, day).map_err(WireError::invalid)
    }
}

impl Wire for Rational {
    type Proto = pb::Rational;

    fn to_proto(&self) -> pb::Rational {
        pb::Rational { numerator: self.num, denominator: self.den }
    }

    fn from_proto(proto: pb::Rational) -> Result<Self, WireError> {
        let pb::Rational { numerator, denominator } = proto;
        Ok(Self::new(numerator, denominator))
    }
}

/// Declares a struct and its wire form, field by field. `[required]` marks a field that is itself a message and must be there.
macro_rules! message {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident = $proto:ident {
            $( $(#[$field_meta:meta])* pub $field:ident : $type:ty $([$required:ident])? , )*
        }
    )+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name { $( $(#[$field_meta])* pub $field: $type, )* }

        impl $crate::wire::Wire for $name {
            type Proto = $crate::wire::pb::$proto;

            fn to_proto(&self) -> Self::Proto {
                let Self { $($field),* } = self;
                $crate::wire::pb::$proto { $( $field: $crate::wire::message!(@to $field $($required)?), )* }
            }

            fn from_proto(proto: Self::Proto) -> Result<Self, $crate::wire::WireError> {
                let $crate::wire::pb::$proto { $($field),* } = proto;
                Ok(Self { $( $field: $crate::wire::message!(@from $field $($required)?).map_err(|error: $crate::wire::WireError| error.within(stringify!($field)))?, )* })
            }
        }
    )+};
    (@to $field:ident) => { $crate::wire::Wire::to_proto($field) };
    (@to $field:ident required) => { Some($crate::wire::Wire::to_proto($field)) };
    (@from $field:ident) => { $crate::wire::Wire::from_proto($field) };
    (@from $field:ident required) => {
        $field.ok_or_else($crate::wire::WireError::missing).and_then($crate::wire::Wire::from_proto)
    };
}
pub(crate) use message;

/// Declares a closed list of words: an enum whose wire form is the word.
macro_rules! words {
    ($(
        $(#[$meta:meta])*
        pub enum $name:ident { $( $(#[$variant_meta:meta])* $variant:ident = $word:literal, )+ }
    )+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $( $(#[$variant_meta])* $variant, )+ }

        impl $name {
            /// Every word, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word on the wire and on screens.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl core::str::FromStr for $name {
            type Err = $crate::wire::WireError;
            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    other => Err($crate::wire::WireError::invalid(format!(
                        "{other:?} is none of {}", [$($word),+].join(", ")
                    ))),
                }
            }
        }

        impl $crate::wire::Wire for $name {
            type Proto = String;
            fn to_proto(&self) -> String { self.as_str().to_owned() }
            fn from_proto(proto: String) -> Result<Self, $crate::wire::WireError> { proto.parse() }
        }
    )+};
}
pub(crate) use words;
