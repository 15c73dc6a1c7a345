//! The file: what a person writes, field by field, and how it becomes a [`Genesis`].

use crate::{
    GenesisError,
    money::{BankAccountEntry, PolicyEntry, ScheduleEntry},
};
use octroi_ledger::{
    Genesis,
    genesis::{
        GenesisCollege, GenesisEnvelope, GenesisFund, GenesisOrganisation, GenesisParameter, GenesisRole,
        GenesisTerritory, GenesisValidator,
    },
    network::NetworkKind,
    registry::{
        fund::Fund,
        organisation::{HeldIdentifier, Threshold},
        register_organisation::{OfferedKey, OfferedOffice, RegisterOrganisation},
        role::{Role, Scope},
        territory::Territory,
    },
};
use octroi_primitives::*;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, str::FromStr};

/// The whole file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub version: u32,
    pub name: String,
    /// `dev` or `live`.
    pub kind: String,
    /// Such as `2027-01-02T08:00:00Z`.
    pub time: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<Seal>,
    #[serde(default)]
    pub parameters: BTreeMap<String, u64>,
    #[serde(default)]
    pub territories: Vec<TerritoryEntry>,
    #[serde(default)]
    pub organisations: Vec<OrganisationEntry>,
    #[serde(default)]
    pub colleges: Vec<CollegeEntry>,
    #[serde(default)]
    pub funds: Vec<FundEntry>,
    #[serde(default)]
    pub roles: Vec<RoleEntry>,
    #[serde(default)]
    pub validators: Vec<ValidatorEntry>,
    #[serde(default)]
    pub bank_accounts: Vec<BankAccountEntry>,
    #[serde(default)]
    pub schedules: Vec<ScheduleEntry>,
    #[serde(default)]
    pub policies: Vec<PolicyEntry>,
}

/// What sealing writes: the file says its own hash, so that a later edit is noticed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seal {
    pub network: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TerritoryEntry {
    pub code: String,
    pub name: String,
    pub level: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    #[serde(default)]
    pub population: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrganisationEntry {
    pub code: String,
    pub name: String,
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub territory: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_category: Option<String>,
    /// Code of an organisation above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Scheme to value, such as SIREN = "123456782".
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub identifiers: BTreeMap<String, String>,
    /// Family, as two hexadecimal digits, to signatures.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub thresholds: BTreeMap<String, u32>,
    #[serde(default)]
    pub offices: Vec<OfficeEntry>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfficeEntry {
    pub code: String,
    pub roles: Vec<String>,
    /// Filled from join requests.
    #[serde(default)]
    pub keys: Vec<KeyEntry>,
}

/// A public key and the proof that its holder has the secret, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyEntry {
    /// Ed25519 public key, 64 digits.
    pub key: String,
    /// Proof of possession, 128 digits.
    pub possession: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CollegeEntry {
    pub code: String,
    pub name: String,
    pub seats: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FundEntry {
    pub code: String,
    pub name: String,
    pub currency: String,
    pub period_length: String,
    pub first_period: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    #[serde(default)]
    pub envelopes: BTreeMap<String, String>,
}

/// Scope: at most one of the optional fields; none is the network.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoleEntry {
    pub organisation: String,
    pub role: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fund: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// Code of the funder's organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub funder: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ValidatorEntry {
    pub organisation: String,
    pub college: String,
    /// Filled from join requests.
    #[serde(default)]
    pub consensus_key: String,
    #[serde(default)]
    pub network_key: String,
    #[serde(default)]
    pub possession: String,
}

impl File {
    pub(crate) fn read(text: &str) -> Result<Self, GenesisError> {
        toml::from_str(text).map_err(|error| GenesisError::Toml(error.to_string().trim_end().to_owned()))
    }

    pub(crate) fn write(&self) -> String {
        toml::to_string(self).expect("every field has a TOML form")
    }

    pub(crate) fn genesis(&self) -> Result<Genesis, GenesisError> {
        let name = of::<Name>("name", &self.name)?;
        let dev = match self.kind.as_str() {
            "dev" => NetworkKind::Dev,
            "live" => NetworkKind::Live,
            other => return Err(GenesisError::at("kind", format!("{other:?} is neither dev nor live"))),
        };
        let id = |code: &str| OrganisationId::new(genesis_id("organisation", &self.name, code));
        Ok(Genesis {
            version: self.version,
            name,
            dev,
            time: time("time", &self.time)?,
            parameters: self
                .parameters
                .iter()
                .map(|(name, value)| {
                    Ok(GenesisParameter { name: of(&format!("parameters.{name}"), name)?, value: *value })
                })
                .collect::<Result<_, GenesisError>>()?,
            territories: all(&self.territories, TerritoryEntry::read)?,
            organisations: all(&self.organisations, |entry| entry.read(&id))?,
            colleges: all(&self.colleges, CollegeEntry::read)?,
            funds: all(&self.funds, |entry| entry.read(&id))?,
            roles: all(&self.roles, |entry| entry.read(&id))?,
            validators: all(&self.validators, ValidatorEntry::read)?,
            bank_accounts: all(&self.bank_accounts, BankAccountEntry::read)?,
            schedules: all(&self.schedules, ScheduleEntry::read)?,
            policies: all(&self.policies, PolicyEntry::read)?,
        })
    }
}

/// Reads a genesis file; a sealed one must say its own hash.
///
/// # Errors
/// The place and what is wrong with it. Rules of the rulebook are checked by [`Genesis::state`].
pub fn parse(text: &str) -> Result<Genesis, GenesisError> {
    let file = File::read(text)?;
    let genesis = file.genesis()?;
    if let Some(seal) = &file.seal {
        let network = genesis.network().to_string();
        if seal.network != network {
            return Err(GenesisError::at(
                "seal.network",
                format!(
                    "the file was sealed as {} and now hashes to {network}; it was changed after sealing",
                    seal.network
                ),
            ));
        }
    }
    Ok(genesis)
}

/// The same file with the seal that says its hash, after every rule was checked.
///
/// # Errors
/// The first rule that the genesis breaks.
pub fn render(text: &str) -> Result<String, GenesisError> {
    let mut file = File::read(text)?;
    let genesis = file.genesis()?;
    genesis.state()?;
    file.seal = Some(Seal { network: genesis.network().to_string() });
    Ok(file.write())
}

pub(crate) fn all<E, T>(
    entries: &[E],
    read: impl FnMut(&E) -> Result<T, GenesisError>,
) -> Result<Vec<T>, GenesisError> {
    entries.iter().map(read).collect()
}

/// A value that its type can hold.
pub(crate) fn of<T: FromStr<Err: core::fmt::Display>>(at: &str, text: &str) -> Result<T, GenesisError> {
    text.parse().map_err(|error| GenesisError::at(at, error))
}

pub(crate) fn maybe<T: FromStr<Err: core::fmt::Display>>(
    at: &str,
    text: &Option<String>,
) -> Result<Option<T>, GenesisError> {
    text.as_deref().map(|text| of(at, text)).transpose()
}

/// `2027-01-02T08:00:00Z`, to the second.
pub(crate) fn time(at: &str, text: &str) -> Result<BlockTime, GenesisError> {
    let wrong = || GenesisError::at(at, format!("{text:?} is no time such as 2027-01-02T08:00:00Z"));
    let (date, clock) = text.strip_suffix('Z').and_then(|text| text.split_once('T')).ok_or_else(wrong)?;
    let date: LegalDate = date.parse().map_err(|_| wrong())?;
    let parts: Vec<u64> = clock.split(':').map(|part| part.parse().map_err(|_| wrong())).collect::<Result<_, _>>()?;
    let [hours @ 0..=23, minutes @ 0..=59, seconds @ 0..=59] = parts[..] else { return Err(wrong()) };
    let days = u64::try_from(date.days()).map_err(|_| wrong())?;
    Ok(BlockTime(((days * 24 + hours) * 60 + minutes) * 60_000 + seconds * 1_000))
}

impl TerritoryEntry {
    fn read(&self) -> Result<GenesisTerritory, GenesisError> {
        let at = |field: &str| format!("territories.{}.{field}", self.code);
        let territory = Territory {
            name: of(&at("name"), &self.name)?,
            level: of(&at("level"), &self.level)?,
            parent: maybe(&at("parent"), &self.parent)?,
            population: self.population,
            from: None,
            to: None,
        };
        Ok(GenesisTerritory { code: of(&at("code"), &self.code)?, territory })
    }
}

impl OrganisationEntry {
    fn read(&self, id: &impl Fn(&str) -> OrganisationId) -> Result<GenesisOrganisation, GenesisError> {
        let at = |field: &str| format!("organisations.{}.{field}", self.code);
        let mut identifiers = Vec::new();
        for (scheme, value) in &self.identifiers {
            let identifier = Identifier::new(of(&at("identifiers"), scheme)?, value)
                .map_err(|error| GenesisError::at(at("identifiers"), error))?;
            identifiers.push(HeldIdentifier { identifier, from: None });
        }
        let mut thresholds = Vec::new();
        for (family, signatures) in &self.thresholds {
            let family = u8::from_str_radix(family, 16)
                .map_err(|_| GenesisError::at(at("thresholds"), format!("{family:?} is no family such as \"08\"")))?;
            thresholds.push(Threshold { family: octroi_ledger::Family(family), signatures: *signatures });
        }
        let registration = RegisterOrganisation {
            kind: of(&at("kind"), &self.kind)?,
            name: of(&at("name"), &self.name)?,
            identifiers,
            territory: maybe(&at("territory"), &self.territory)?,
            legal_category: maybe(&at("legal_category"), &self.legal_category)?,
            parent: self.parent.as_deref().map(id),
            offices: all(&self.offices, |office| office.read(&at("offices")))?,
            thresholds,
        };
        Ok(GenesisOrganisation { code: of(&at("code"), &self.code)?, registration })
    }
}

impl OfficeEntry {
    fn read(&self, at: &str) -> Result<OfferedOffice, GenesisError> {
        let at = |field: &str| format!("{at}.{}.{field}", self.code);
        let keys = all(&self.keys, |KeyEntry { key, possession }| {
            Ok(OfferedKey { key: key_of(&at("keys"), key)?, possession: of(&at("keys"), possession)? })
        })?;
        let roles = all(&self.roles, |role| of::<Role>(&at("roles"), role))?;
        Ok(OfferedOffice { code: of(&at("code"), &self.code)?, roles, keys })
    }
}

/// A public key that may still be missing: the message says what to do.
fn key_of(at: &str, text: &str) -> Result<PublicKey, GenesisError> {
    if text.is_empty() {
        return Err(GenesisError::at(at, "is not there yet; collect the organisation's join request"));
    }
    of(at, text)
}

impl CollegeEntry {
    fn read(&self) -> Result<GenesisCollege, GenesisError> {
        let at = |field: &str| format!("colleges.{}.{field}", self.code);
        Ok(GenesisCollege {
            code: of(&at("code"), &self.code)?,
            name: of(&at("name"), &self.name)?,
            seats: all(&self.seats, |seat| of(&at("seats"), seat))?,
        })
    }
}

impl FundEntry {
    fn read(&self, id: &impl Fn(&str) -> OrganisationId) -> Result<GenesisFund, GenesisError> {
        let at = |field: &str| format!("funds.{}.{field}", self.code);
        let fund = Fund {
            name: of(&at("name"), &self.name)?,
            currency: of(&at("currency"), &self.currency)?,
            period_length: of(&at("period_length"), &self.period_length)?,
            next_period: of(&at("first_period"), &self.first_period)?,
            host: self.host.as_deref().map(id),
        };
        let mut envelopes = Vec::new();
        for (code, name) in &self.envelopes {
            envelopes.push(GenesisEnvelope { code: of(&at("envelopes"), code)?, name: of(&at("envelopes"), name)? });
        }
        Ok(GenesisFund { code: of(&at("code"), &self.code)?, fund, envelopes })
    }
}

impl RoleEntry {
    fn read(&self, id: &impl Fn(&str) -> OrganisationId) -> Result<GenesisRole, GenesisError> {
        let at = format!("roles of {}", self.organisation);
        let Self { organisation, role, fund, account, schedule, funder } = self;
        let scope = match (fund, account, schedule, funder) {
            (None, None, None, None) => Scope::Network,
            (Some(fund), None, None, None) => Scope::Fund(of(&at, fund)?),
            (None, Some(account), None, None) => Scope::Account(of(&at, account)?),
            (None, None, Some(schedule), None) => Scope::Schedule(of(&at, schedule)?),
            (None, None, None, Some(funder)) => Scope::Funder(id(funder)),
            _ => return Err(GenesisError::at(at, "a role has one scope: fund, account, schedule or funder")),
        };
        Ok(GenesisRole { organisation: of(&at, organisation)?, role: of(&at, role)?, scope })
    }
}

impl ValidatorEntry {
    fn read(&self) -> Result<GenesisValidator, GenesisError> {
        let at = |field: &str| format!("validators.{}.{field}", self.organisation);
        let possession = if self.possession.is_empty() { "00".repeat(64) } else { self.possession.clone() };
        Ok(GenesisValidator {
            organisation: of(&at("organisation"), &self.organisation)?,
            consensus_key: key_of(&at("consensus_key"), &self.consensus_key)?,
            network_key: key_of(&at("network_key"), &self.network_key)?,
            possession: of(&at("possession"), &possession)?,
            college: of(&at("college"), &self.college)?,
        })
    }
}
