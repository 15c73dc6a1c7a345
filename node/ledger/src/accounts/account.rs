//! The accounts of the rulebook (§3) and their canonical names.

use crate::{
    state::Key,
    wire::{Wire, WireError},
};
use core::fmt;
use octroi_primitives::*;
use std::str::FromStr;

/// On which side an account stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Debit balance.
    Asset,
    /// Credit balance.
    Liability,
    /// Credit balance: the fund's own.
    Fund,
}

macro_rules! accounts {
    ($($(#[$meta:meta])* $variant:ident { $($field:ident: $type:ty),+ } = $class:ident [$($pattern:tt)+];)+) => {
        /// An account. Its name is canonical: one account, one spelling.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Account { $($(#[$meta])* $variant { $(#[allow(missing_docs)] $field: $type),+ },)+ }

        impl Account {
            /// Its class.
            pub const fn class(&self) -> Class { match self { $(Self::$variant { .. } => Class::$class,)+ } }
        }

        impl fmt::Display for Account {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self { $(Self::$variant { $($field),+ } => accounts!(@write f [$($pattern)+]),)+ }
            }
        }

        impl FromStr for Account {
            type Err = WireError;
            fn from_str(name: &str) -> Result<Self, WireError> {
                let parts: Vec<&str> = name.split(':').collect();
                $(if let Some(account) = accounts!(@read parts $variant { $($field: $type),+ } [$($pattern)+]) { return Ok(account); })+
                Err(WireError::invalid(format!("{name:?} is no account")))
            }
        }
    };
    (@write $f:ident [$($part:tt)+]) => {{
        let mut first = true;
        $(
            if !first { $f.write_str(":")?; }
            first = false;
            accounts!(@part $f $part);
        )+
        let _ = first;
        Ok(())
    }};
    (@part $f:ident $word:literal) => { $f.write_str($word)? };
    (@part $f:ident $field:ident) => { write!($f, "{}", $field)? };
    (@read $parts:ident $variant:ident { $($field:ident: $type:ty),+ } [$($part:tt)+]) => {
        (|| -> Option<Account> {
            let mut rest = $parts.iter().copied();
            $(let $field: $type;)+
            $(accounts!(@match rest $part);)+
            if rest.next().is_some() { return None; }
            Some(Account::$variant { $($field),+ })
        })()
    };
    (@match $rest:ident $word:literal) => { if $rest.next()? != $word { return None; } };
    (@match $rest:ident $field:ident) => { $field = $rest.next()?.parse().ok()?; };
}

accounts! {
    /// Attested cash.
    Bank { account: BankAccountId } = Asset ["bank" account];
    /// Attested debits that no payout explains.
    Unexplained { account: BankAccountId } = Asset ["unexplained" account];
    /// Levy principal due.
    LevyReceivable { payer: OrganisationId, schedule: ScheduleCode, period: Period } = Asset ["levy_receivable" payer schedule period];
    /// Interest and surcharges due.
    PenaltyReceivable { payer: OrganisationId, schedule: ScheduleCode, period: Period } = Asset ["penalty_receivable" payer schedule period];
    /// To be returned of a grant.
    ClawbackReceivable { grant: GrantId } = Asset ["clawback_receivable" grant];
    /// Received, not identified yet.
    Suspense { account: BankAccountId } = Liability ["suspense" account];
    /// To be refunded.
    PayableRefund { refund: Hash } = Liability ["payable" "refund" refund];
    /// To be transferred to another fund.
    PayableTransfer { transfer: Hash } = Liability ["payable" "transfer" transfer];
    /// Costs to be paid.
    PayableCost { cost: Hash } = Liability ["payable" "cost" cost];
    /// Ordered tranche, not paid.
    Payable { grant: GrantId, tranche: u32 } = Liability ["payable" grant tranche];
    /// Instructed to the bank, debit not attested yet.
    InTransit { payout: PayoutId } = Liability ["in_transit" payout];
    /// Held for others.
    Escrow { campaign: Hash, pledge: Hash } = Liability ["escrow" campaign pledge];
    /// Paid before an assessment, or too much.
    PrepaidLevy { payer: OrganisationId, schedule: ScheduleCode } = Liability ["prepaid_levy" payer schedule];
    /// Issued, not redeemed.
    Voucher { batch: Hash } = Liability ["voucher" batch];
    /// Free money by source.
    Unallocated { fund: FundCode, source: Code } = Fund ["fund" fund "unallocated" source];
    /// Counterpart of every unpaid receivable.
    Uncollected { fund: FundCode } = Fund ["fund" fund "uncollected"];
    /// Share of a territory in an envelope.
    TerritorialEnvelope { fund: FundCode, envelope: EnvelopeCode, territory: TerritoryCode } = Fund ["fund" fund "envelope" envelope territory];
    /// Share of the policy, or a donor's earmark.
    Envelope { fund: FundCode, envelope: EnvelopeCode } = Fund ["fund" fund "envelope" envelope];
    /// Reserved for an awarded grant.
    Encumbered { fund: FundCode, grant: GrantId } = Fund ["fund" fund "encumbered" grant];
    /// Matching pool.
    Matching { fund: FundCode, round: Hash } = Fund ["fund" fund "matching" round];
    /// Disputed money.
    Provision { fund: FundCode } = Fund ["fund" fund "provision"];
    /// Prudential reserve.
    Reserve { fund: FundCode } = Fund ["fund" fund "reserve"];
    /// Bank charges and the fund's host.
    Costs { fund: FundCode } = Fund ["fund" fund "costs"];
    /// Contra account of money given back that was split already.
    Deficit { fund: FundCode } = Fund ["fund" fund "deficit"];
}

impl Account {
    /// Whether the account may go from one balance to another (I2): no liability or fund account overdrawn, no receivable below 0; `bank` and
    /// `deficit` may stand on either side. A move towards the right side is always borne.
    ///
    /// # Errors
    /// What it holds and what was wanted, both on its own side.
    pub fn bears(&self, before: Balance, after: Balance) -> Result<(), (i128, i128)> {
        let side = match self {
            Self::Bank { .. } | Self::Deficit { .. } => return Ok(()),
            _ => match self.class() {
                Class::Asset => 1,
                Class::Liability | Class::Fund => -1,
            },
        };
        if after * side >= 0 || after * side >= before * side {
            Ok(())
        } else {
            Err((before * side, (before - after) * side))
        }
    }
}

/// On the wire an account is its name.
impl Wire for Account {
    type Proto = String;

    fn to_proto(&self) -> String {
        self.to_string()
    }

    fn from_proto(proto: String) -> Result<Self, WireError> {
        proto.parse()
    }
}

impl Key for Account {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.to_string().as_bytes());
        out.push(0);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == 0)?;
        let name = core::str::from_utf8(&bytes[..end]).ok()?;
        let account = name.parse().ok()?;
        *bytes = &bytes[end + 1..];
        Some(account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_account_has_one_name_and_is_read_back() {
        let fund = FundCode::new("commun").unwrap();
        let hash = Hash::from_bytes([7; 32]);
        let payer = OrganisationId::new(hash);
        let schedule = ScheduleCode::new("dst").unwrap();
        let period: Period = "2027Q1".parse().unwrap();
        for account in [
            Account::Bank { account: BankAccountId::new(hash) },
            Account::LevyReceivable { payer, schedule, period },
            Account::PrepaidLevy { payer, schedule },
            Account::Payable { grant: GrantId::new(hash), tranche: 3 },
            Account::PayableRefund { refund: hash },
            Account::Unallocated { fund, source: Code::new("contribution").unwrap() },
            Account::Envelope { fund, envelope: EnvelopeCode::new("commons").unwrap() },
            Account::TerritorialEnvelope {
                fund,
                envelope: EnvelopeCode::new("commons").unwrap(),
                territory: TerritoryCode::new("44").unwrap(),
            },
            Account::Encumbered { fund, grant: GrantId::new(hash) },
            Account::Reserve { fund },
        ] {
            let name = account.to_string();
            assert_eq!(name.parse::<Account>(), Ok(account.clone()), "{name}");
            assert_eq!(Account::from_key_bytes(&account.to_key_bytes()), Some(account));
        }
        for wrong in ["bank", "bank:xx", "fund:commun", "fund:commun:reserve:x", "payable:07:1", ""] {
            assert!(wrong.parse::<Account>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_account_is_overdrawn_but_bank_and_deficit() {
        let fund = FundCode::new("commun").unwrap();
        let suspense = Account::Suspense { account: BankAccountId::new(Hash::ZERO) };
        assert_eq!(suspense.bears(-10, 0), Ok(()));
        assert_eq!(suspense.bears(-10, 1), Err((10, 11)));
        let receivable = Account::ClawbackReceivable { grant: GrantId::new(Hash::ZERO) };
        assert_eq!(receivable.bears(10, -1), Err((10, 11)));
        assert_eq!(Account::Bank { account: BankAccountId::new(Hash::ZERO) }.bears(0, -5), Ok(()));
        assert_eq!(Account::Deficit { fund }.bears(0, 5), Ok(()));
    }
}
