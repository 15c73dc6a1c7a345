//! Records: an indicator and its values; and the change `define_indicator` (rulebook §11).
//!
//! A value is a scaled integer: the figure times 10^scale. It is declared by who is to know it, and verified by another group.

use crate::{
    action::Place,
    governance::{
        change::Mode,
        enact_change::{self, ChangeEnacted},
        motion::{Effects, Fault, Motion, ShapeFault},
        propose_change,
    },
    registry::{fund::Fund, organisation::Organisation, project::Project, territory::Territory},
    state::{Key, Overlay, Record},
    wire::{Wire, WireError, message, pb, words},
};
use octroi_primitives::*;

/// Digits behind the point, at most.
const SCALE: u32 = 9;

words! {
    /// Which way is good.
    pub enum Direction {
        /// More is better.
        Up = "up",
        /// Less is better.
        Down = "down",
        /// Neither.
        Neutral = "neutral",
    }

    /// What a value is about.
    pub enum IndicatorLevel {
        /// The whole network.
        Network = "network",
        /// A fund.
        Fund = "fund",
        /// An organisation.
        Organisation = "organisation",
        /// A project.
        Project = "project",
        /// A territory.
        Territory = "territory",
    }

    /// How sure a value is.
    pub enum Assurance {
        /// Said by who reports it.
        Declared = "declared",
        /// Checked by a third party.
        Verified = "verified",
    }
}

/// What a value is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measured {
    /// The whole network.
    Network,
    /// A fund.
    Fund(FundCode),
    /// An organisation.
    Organisation(OrganisationId),
    /// A project.
    Project(ProjectId),
    /// A territory.
    Territory(TerritoryCode),
}

impl Measured {
    /// Its level.
    pub const fn level(&self) -> IndicatorLevel {
        match self {
            Self::Network => IndicatorLevel::Network,
            Self::Fund(_) => IndicatorLevel::Fund,
            Self::Organisation(_) => IndicatorLevel::Organisation,
            Self::Project(_) => IndicatorLevel::Project,
            Self::Territory(_) => IndicatorLevel::Territory,
        }
    }

    /// Whether it exists.
    pub fn is_known(&self, state: &Overlay<'_>) -> bool {
        match self {
            Self::Network => true,
            Self::Fund(code) => state.has::<Fund>(code),
            Self::Organisation(id) => state.has::<Organisation>(id),
            Self::Project(id) => state.has::<Project>(id),
            Self::Territory(code) => state.has::<Territory>(code),
        }
    }
}

impl core::fmt::Display for Measured {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Network => f.write_str("the network"),
            Self::Fund(code) => write!(f, "fund {code}"),
            Self::Organisation(id) => write!(f, "organisation {id}"),
            Self::Project(id) => write!(f, "project {id}"),
            Self::Territory(code) => write!(f, "territory {code}"),
        }
    }
}

impl Key for Measured {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Network => out.push(0),
            Self::Fund(code) => {
                out.push(1);
                code.write(out);
            }
            Self::Organisation(id) => {
                out.push(2);
                id.write(out);
            }
            Self::Project(id) => {
                out.push(3);
                id.write(out);
            }
            Self::Territory(code) => {
                out.push(4);
                code.write(out);
            }
        }
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        match first {
            0 => Some(Self::Network),
            1 => Key::read(bytes).map(Self::Fund),
            2 => Key::read(bytes).map(Self::Organisation),
            3 => Key::read(bytes).map(Self::Project),
            4 => Key::read(bytes).map(Self::Territory),
            _ => None,
        }
    }
}

impl Wire for Measured {
    type Proto = pb::Measured;

    fn to_proto(&self) -> pb::Measured {
        use pb::measured::Of;
        pb::Measured {
            of: Some(match self {
                Self::Network => Of::Network(true),
                Self::Fund(code) => Of::Fund(code.to_proto()),
                Self::Organisation(id) => Of::Organisation(id.to_proto()),
                Self::Project(id) => Of::Project(id.to_proto()),
                Self::Territory(code) => Of::Territory(code.to_proto()),
            }),
        }
    }

    fn from_proto(proto: pb::Measured) -> Result<Self, WireError> {
        use pb::measured::Of;
        match proto.of.ok_or_else(WireError::missing)? {
            Of::Network(true) => Ok(Self::Network),
            Of::Network(false) => Err(WireError::invalid("false says nothing").within("network")),
            Of::Fund(code) => Wire::from_proto(code).map(Self::Fund),
            Of::Organisation(id) => Wire::from_proto(id).map(Self::Organisation),
            Of::Project(id) => Wire::from_proto(id).map(Self::Project),
            Of::Territory(code) => Wire::from_proto(code).map(Self::Territory),
        }
    }
}

message! {
    /// The change: what is measured, and how.
    pub struct DefineIndicator = DefineIndicator {
        /// Code, for ever.
        pub code: Code,
        /// What it is.
        pub definition: Indicator [required],
    }

    /// Record: an indicator.
    pub struct Indicator = Indicator {
        /// Name for people.
        pub name: Name,
        /// Unit, such as `kWh`.
        pub unit: Text<32>,
        /// Which way is good.
        pub direction: Direction,
        /// A value is the figure times 10^scale.
        pub scale: u32,
        /// Hash of the method.
        pub method: Commitment,
        /// Length of the periods that values are of.
        pub period: PeriodLength,
        /// What values are about.
        pub level: IndicatorLevel,
    }

    /// Record: a value.
    pub struct IndicatorValue = IndicatorValue {
        /// The figure times 10^scale.
        pub value: i64,
        /// Commitment to the evidence.
        pub evidence: Commitment,
        /// Who reports it.
        pub reporter: OrganisationId,
        /// How sure it is.
        pub assurance: Assurance,
        /// Who has verified it.
        pub verifier: Option<OrganisationId>,
    }
}

impl Record for Indicator {
    type Key = Code;
}

impl Record for IndicatorValue {
    /// (indicator, what it is about, period).
    type Key = (Code, Measured, Period);
}

impl Motion for DefineIndicator {
    type Asked = Self;

    fn mode(_: &Self, _: &Overlay<'_>) -> Mode {
        Mode::Consent
    }

    fn validate(asked: &Self) -> Result<(), propose_change::Refused> {
        let Indicator { name, unit, scale, .. } = &asked.definition;
        if *scale > SCALE {
            return Err(ShapeFault::Limit(format!("scale {scale}; {SCALE} is the greatest")).into());
        }
        if name.trim().is_empty() || unit.trim().is_empty() {
            return Err(ShapeFault::Limit("the name or the unit is empty".into()).into());
        }
        for text in [name.as_str(), unit.as_str()] {
            if personal_data::scan(text).is_some() {
                return Err(ShapeFault::PersonalData(format!("{text:?} looks like personal data")).into());
            }
        }
        Ok(())
    }

    fn own(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        Ok(fresh(&asked.code, state)?)
    }

    fn enact(asked: &Self, _: &ChangeId, _: &Place, state: &Overlay<'_>) -> Result<Effects, enact_change::Refused> {
        fresh(&asked.code, state)?;
        Ok(Effects::default())
    }

    fn apply(asked: &Self, _: &ChangeEnacted, _: &Place, state: &mut Overlay<'_>) {
        state.put::<Indicator>(asked.code, asked.definition.clone());
    }
}

/// A definition is never changed: values of two methods would stand in one row.
fn fresh(code: &Code, state: &Overlay<'_>) -> Result<(), Fault> {
    if state.has::<Indicator>(code) {
        Err(Fault::Duplicate(format!("indicator {code} is defined already")))
    } else {
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        fixture,
        governance::{
            change::{ChangeStatus, Choice, Content},
            enact_change::tests::decide,
            propose_change::tests::proposal,
        },
    };

    pub(in crate::indicator) fn code() -> Code {
        Code::new("users_served").unwrap()
    }

    pub(in crate::indicator) fn definition(level: IndicatorLevel) -> Indicator {
        Indicator {
            name: fixture::name("Users served"),
            unit: Text::new("users").unwrap(),
            direction: Direction::Up,
            scale: 0,
            method: fixture::commitment("method"),
            period: PeriodLength::Quarter,
            level,
        }
    }

    #[test]
    fn an_indicator_is_defined_by_consent_and_never_again() {
        let mut network = fixture::network();
        let asked = |change: fn(&mut Indicator)| {
            let mut definition = definition(IndicatorLevel::Project);
            change(&mut definition);
            Content::DefineIndicator(DefineIndicator { code: code(), definition })
        };
        let refused = |network: &fixture::Network, content| network.refusal("bank", proposal(network, content));
        assert_eq!(refused(&network, asked(|it| it.scale = 10)), "LimitShape");
        assert_eq!(refused(&network, asked(|it| it.name = fixture::name(" "))), "LimitShape");
        assert_eq!(refused(&network, asked(|it| it.name = fixture::name("call 06 12 34 56 78"))), "PersonalDataText");
        let ballots = ["bank", "lab", "university", "foundation"].map(|seat| (seat, Choice::Yes));
        let (_, event) = decide(&mut network, "bank", asked(|_| ()), &ballots);
        assert_eq!(event.outcome, ChangeStatus::Enacted);
        assert_eq!(network.state.get::<Indicator>(&code()), Some(&definition(IndicatorLevel::Project)));
        assert_eq!(refused(&network, asked(|_| ())), "DuplicateNamed");
    }
}
