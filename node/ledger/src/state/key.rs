//! Keys of tables: how they are written as bytes, so that the order of bytes is the order of keys.

use octroi_primitives::*;

/// A key of a table.
pub trait Key: Ord + Clone + core::fmt::Debug {
    /// Appends the key's bytes: prefix-free within a table and ordered like the key.
    fn write(&self, out: &mut Vec<u8>);

    /// Reads what [`Key::write`] wrote from the front of `bytes`; `None` for anything else.
    fn read(bytes: &mut &[u8]) -> Option<Self>;

    /// The bytes alone.
    fn to_key_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(40);
        self.write(&mut out);
        out
    }

    /// The key whose bytes these are, all of them.
    fn from_key_bytes(mut bytes: &[u8]) -> Option<Self> {
        let key = Self::read(&mut bytes)?;
        bytes.is_empty().then_some(key)
    }
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, tail) = bytes.split_at_checked(length)?;
    *bytes = tail;
    Some(head)
}

macro_rules! fixed {
    ($($name:ty: $length:literal;)+) => {$(
        impl Key for $name {
            fn write(&self, out: &mut Vec<u8>) { out.extend_from_slice(self.as_bytes()); }
            fn read(bytes: &mut &[u8]) -> Option<Self> { Self::try_from(take(bytes, $length)?).ok() }
        }
    )+};
}
fixed! {
    Hash: 32; OrganisationId: 32; ProjectId: 32; PromiseId: 32; EntryKey: 32; BankAccountId: 32; DeclarationId: 32; CallId: 32; ApplicationId: 32;
    CampaignId: 32; PledgeId: 32; RoundId: 32; ContributionId: 32; RefundId: 32; VoucherBatchId: 32; ClawbackId: 32; ReturnId: 32;
    GrantId: 32; ChangeId: 32; PastGrantId: 32; FileHash: 32; TransactionId: 32; PayoutId: 32; StatementId: 32; AssessmentId: 32;
    Commitment: 32; FindingId: 32;
}

impl Key for PublicKey {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self::from_bytes_unchecked(take(bytes, 32)?.try_into().ok()?))
    }
}

/// A currency: its three letters.
impl Key for Currency {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Self::new(core::str::from_utf8(take(bytes, 3)?).ok()?).ok()
    }
}

/// Text keys end with a zero byte, which no code holds.
macro_rules! terminated {
    ($($name:ty),+) => {$(
        impl Key for $name {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.as_str().as_bytes());
                out.push(0);
            }
            fn read(bytes: &mut &[u8]) -> Option<Self> {
                let end = bytes.iter().position(|byte| *byte == 0)?;
                let text = core::str::from_utf8(take(bytes, end)?).ok()?;
                take(bytes, 1)?;
                text.parse().ok()
            }
        }
    )+};
}
terminated!(
    Code,
    FundCode,
    EnvelopeCode,
    ScheduleCode,
    PolicyCode,
    CollegeCode,
    TerritoryCode,
    OfficeCode,
    CriterionCode
);

macro_rules! integers {
    ($($name:ty: $int:ty, $get:expr, $make:expr;)+) => {$(
        impl Key for $name {
            fn write(&self, out: &mut Vec<u8>) { out.extend_from_slice(&<$int>::to_be_bytes(($get)(self))); }
            fn read(bytes: &mut &[u8]) -> Option<Self> {
                let raw = take(bytes, core::mem::size_of::<$int>())?;
                Some(($make)(<$int>::from_be_bytes(raw.try_into().ok()?)))
            }
        }
    )+};
}
integers! {
    u16: u16, |v: &u16| *v, |v| v;
    u32: u32, |v: &u32| *v, |v| v;
    u64: u64, |v: &u64| *v, |v| v;
    Height: u64, |h: &Height| h.0, Height;
    BlockTime: u64, |t: &BlockTime| t.0, BlockTime;
}

/// The only key of a table with one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Only;

impl Key for Only {
    fn write(&self, _: &mut Vec<u8>) {}
    fn read(_: &mut &[u8]) -> Option<Self> {
        Some(Self)
    }
}

/// A period: its canonical text, ended by a zero byte. The order of one length is the order of time.
impl Key for Period {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.to_string().as_bytes());
        out.push(0);
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == 0)?;
        let text = core::str::from_utf8(take(bytes, end)?).ok()?;
        take(bytes, 1)?;
        text.parse().ok()
    }
}

/// An official number: scheme and value, each ended by a zero byte.
impl Key for Identifier {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.scheme.as_str().as_bytes());
        out.push(0);
        out.extend_from_slice(self.value.as_bytes());
        out.push(0);
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let mut part = || {
            let end = bytes.iter().position(|byte| *byte == 0)?;
            let text = core::str::from_utf8(take(bytes, end)?).ok()?;
            take(bytes, 1)?;
            Some(text)
        };
        let (scheme, value) = (part()?, part()?);
        Self::new(scheme.parse().ok()?, value).ok()
    }
}

macro_rules! tuples {
    ($($($name:ident $index:tt),+;)+) => {$(
        impl<$($name: Key),+> Key for ($($name,)+) {
            fn write(&self, out: &mut Vec<u8>) { $(self.$index.write(out);)+ }
            fn read(bytes: &mut &[u8]) -> Option<Self> { Some(($($name::read(bytes)?,)+)) }
        }
    )+};
}
tuples! { A 0, B 1; A 0, B 1, C 2; A 0, B 1, C 2, D 3; }
