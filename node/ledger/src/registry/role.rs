//! Roles and what they are held over (rulebook §2).

use crate::{
    state::{Key, Record},
    wire::{Wire, WireError, message, pb, words},
};
use octroi_primitives::*;

words! {
    /// What an organisation may do.
    pub enum Role {
        /// Propose and vote blocks; may announce itself ready.
        Validator = "validator",
        /// Register, suspend, merge organisations.
        Registrar = "registrar",
        /// Promise contributions, earmark, pledge.
        Funder = "funder",
        /// Attest bank statements.
        BankAttestor = "bank_attestor",
        /// Assess levies.
        LevyAuthority = "levy_authority",
        /// Declare levies.
        LevyPayer = "levy_payer",
        /// Attest use of public data.
        DataHolder = "data_holder",
        /// Open calls, screen applications, prepare conventions.
        ProgrammeManager = "programme_manager",
        /// Review applications, judge evidence.
        Reviewer = "reviewer",
        /// Order payments.
        Ordonnateur = "ordonnateur",
        /// Release payments, match bank entries.
        Comptable = "comptable",
        /// Apply, report, return money.
        Beneficiary = "beneficiary",
        /// Publish a funder's past grants.
        Publisher = "publisher",
        /// Vote in a college.
        CollegeMember = "college_member",
        /// Open findings, file opinions.
        Auditor = "auditor",
    }
}

impl Role {
    /// Held by every registered organisation.
    pub const fn is_implied(self) -> bool {
        matches!(self, Self::Funder | Self::LevyPayer | Self::Beneficiary)
    }

    /// Whether a scope of this sort makes sense for the role; others are refused where roles are given.
    pub const fn fits(self, scope: &Scope) -> bool {
        match self {
            Self::Registrar | Self::Validator | Self::CollegeMember => matches!(scope, Scope::Network),
            Self::BankAttestor => matches!(scope, Scope::Account(_)),
            Self::LevyAuthority | Self::DataHolder => matches!(scope, Scope::Schedule(_)),
            Self::ProgrammeManager | Self::Ordonnateur | Self::Comptable | Self::Auditor => {
                matches!(scope, Scope::Fund(_))
            }
            Self::Reviewer => matches!(scope, Scope::Fund(_) | Scope::Call(_)),
            Self::Publisher => matches!(scope, Scope::Funder(_)),
            Self::Funder | Self::LevyPayer | Self::Beneficiary => false,
        }
    }
}

impl Key for Role {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        Self::ALL.get(usize::from(*first)).copied()
    }
}

/// What a role is held over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Everything.
    Network,
    /// A fund.
    Fund(FundCode),
    /// A bank account.
    Account(BankAccountId),
    /// A levy schedule.
    Schedule(ScheduleCode),
    /// A call.
    Call(CallId),
    /// A funder whose past grants are published.
    Funder(OrganisationId),
}

impl core::fmt::Display for Scope {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Network => f.write_str("the network"),
            Self::Fund(code) => write!(f, "fund {code}"),
            Self::Account(id) => write!(f, "bank account {id}"),
            Self::Schedule(code) => write!(f, "levy schedule {code}"),
            Self::Call(id) => write!(f, "call {id}"),
            Self::Funder(id) => write!(f, "funder {id}"),
        }
    }
}

impl Key for Scope {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Network => out.push(0),
            Self::Fund(code) => {
                out.push(1);
                code.write(out);
            }
            Self::Account(id) => {
                out.push(2);
                id.write(out);
            }
            Self::Schedule(code) => {
                out.push(3);
                code.write(out);
            }
            Self::Call(id) => {
                out.push(4);
                id.write(out);
            }
            Self::Funder(id) => {
                out.push(5);
                id.write(out);
            }
        }
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        Some(match first {
            0 => Self::Network,
            1 => Self::Fund(Key::read(bytes)?),
            2 => Self::Account(Key::read(bytes)?),
            3 => Self::Schedule(Key::read(bytes)?),
            4 => Self::Call(Key::read(bytes)?),
            5 => Self::Funder(Key::read(bytes)?),
            _ => return None,
        })
    }
}

impl Wire for Scope {
    type Proto = pb::Scope;

    fn to_proto(&self) -> pb::Scope {
        use pb::scope::Over;
        pb::Scope {
            over: Some(match self {
                Self::Network => Over::Network(true),
                Self::Fund(code) => Over::Fund(code.to_proto()),
                Self::Account(id) => Over::Account(id.to_proto()),
                Self::Schedule(code) => Over::Schedule(code.to_proto()),
                Self::Call(id) => Over::Call(id.to_proto()),
                Self::Funder(id) => Over::Funder(id.to_proto()),
            }),
        }
    }

    fn from_proto(proto: pb::Scope) -> Result<Self, WireError> {
        use pb::scope::Over;
        Ok(match proto.over.ok_or_else(WireError::missing)? {
            Over::Network(true) => Self::Network,
            Over::Network(false) => return Err(WireError::invalid("false says nothing").within("network")),
            Over::Fund(code) => Self::Fund(Wire::from_proto(code)?),
            Over::Account(id) => Self::Account(Wire::from_proto(id)?),
            Over::Schedule(code) => Self::Schedule(Wire::from_proto(code)?),
            Over::Call(id) => Self::Call(Wire::from_proto(id)?),
            Over::Funder(id) => Self::Funder(Wire::from_proto(id)?),
        })
    }
}

message! {
    /// Record: a role that was granted.
    pub struct RoleGrant = RoleGrant {
        /// The change that gave it; `None`: genesis.
        pub change: Option<ChangeId>,
    }
}

impl Record for RoleGrant {
    type Key = (OrganisationId, Role, Scope);
}
