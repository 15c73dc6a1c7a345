//! The part of the file that is about money: bank accounts, levy schedules, policies.

use crate::{
    GenesisError,
    file::{all, maybe, of},
};
use octroi_ledger::{
    genesis::{GenesisBankAccount, GenesisPolicy, GenesisSchedule},
    levy::schedule::{
        CalendarDay, DeductionRule, Instalment, LateRules, LevyCalendar, LevySchedule, LiabilityTest, ModulationClass,
        RateBracket, RateBrackets, ScheduleVersion, Tariff, UnitBracket, UnitBrackets,
    },
    redistribution::policy::{Policy, PolicyCaps, PolicyShare, PolicySource},
};
use octroi_primitives::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BankAccountEntry {
    /// Commitment, 64 hexadecimal digits.
    pub account: String,
    pub fund: String,
    /// Codes of organisations.
    pub attestors: Vec<String>,
    pub needed: u32,
    /// Minor units.
    #[serde(default)]
    pub opening: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScheduleEntry {
    pub code: String,
    pub fund: String,
    pub kind: String,
    pub visibility: String,
    pub versions: Vec<VersionEntry>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VersionEntry {
    pub version: u32,
    pub valid_from: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<String>,
    pub legal_reference: String,
    /// Hash of the document, 64 hexadecimal digits.
    pub document: String,
    pub services: Vec<String>,
    /// `group` or `entity`.
    pub scope: String,
    pub apportionment: String,
    #[serde(default)]
    pub prescription_years: u32,
    /// Metric to bound; all must be exceeded.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub more_than: BTreeMap<String, u64>,
    /// Code to cap in ppm.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub deductions: BTreeMap<String, u32>,
    /// Class to factor in ppm.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub modulation: BTreeMap<String, u32>,
    pub tariff: TariffEntry,
    pub calendar: CalendarEntry,
    #[serde(default)]
    pub late: LateEntry,
}

/// Exactly one of the four.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub(crate) enum TariffEntry {
    /// Parts per million.
    Flat(u32),
    /// Brackets [from, ppm].
    Marginal(Vec<[u64; 2]>),
    /// Brackets [from, ppm].
    Slab(Vec<[u64; 2]>),
    Unit(UnitEntry),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UnitEntry {
    pub den: u64,
    /// Brackets [from, num].
    pub brackets: Vec<[u64; 2]>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CalendarEntry {
    pub period: String,
    /// [months after the period, day].
    pub declare_by: [u32; 2],
    /// [months, day, share in ppm of the previous period].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instalments: Vec<[u32; 3]>,
    #[serde(default)]
    pub tolerance_ppm: u32,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LateEntry {
    #[serde(default)]
    pub interest_ppm_per_month: u32,
    #[serde(default)]
    pub late_payment_ppm: u32,
    #[serde(default)]
    pub non_filing_ppm: Vec<u32>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyEntry {
    pub code: String,
    pub fund: String,
    pub valid_from: String,
    pub reserve_ppm: u32,
    #[serde(default)]
    pub fee_ppm: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_beneficiary_ppm: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_group_ppm: Option<u32>,
    #[serde(default)]
    pub min_beneficiaries: u32,
    /// Envelope to share in ppm.
    pub shares: BTreeMap<String, u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceEntry>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceEntry {
    /// Kind of levy, or `any`.
    pub levies: String,
    #[serde(default)]
    pub reserve_ppm: u32,
    #[serde(default)]
    pub fee_ppm: u32,
    pub shares: BTreeMap<String, u32>,
}

impl BankAccountEntry {
    pub(crate) fn read(&self) -> Result<GenesisBankAccount, GenesisError> {
        let at = format!("bank_accounts.{}", self.account);
        Ok(GenesisBankAccount {
            account: of(&at, &self.account)?,
            fund: of(&at, &self.fund)?,
            attestors: all(&self.attestors, |code| of(&at, code))?,
            needed: self.needed,
            opening: self.opening,
        })
    }
}

fn ppm(at: &str, value: u32) -> Result<Ppm, GenesisError> {
    Ppm::new(value).map_err(|error| GenesisError::at(at, error))
}

impl ScheduleEntry {
    pub(crate) fn read(&self) -> Result<GenesisSchedule, GenesisError> {
        let at = |field: &str| format!("schedules.{}.{field}", self.code);
        let schedule = LevySchedule {
            fund: of(&at("fund"), &self.fund)?,
            kind: of(&at("kind"), &self.kind)?,
            visibility: of(&at("visibility"), &self.visibility)?,
            versions: all(&self.versions, |version| version.read(&at(&format!("versions.{}", version.version))))?,
        };
        Ok(GenesisSchedule { code: of(&at("code"), &self.code)?, schedule })
    }
}

impl VersionEntry {
    fn read(&self, at: &str) -> Result<ScheduleVersion, GenesisError> {
        let mut tests = Vec::new();
        for (metric, more_than) in &self.more_than {
            tests.push(LiabilityTest { metric: of(at, metric)?, more_than: *more_than });
        }
        let mut deductions = Vec::new();
        for (code, cap) in &self.deductions {
            deductions.push(DeductionRule { code: of(at, code)?, cap_ppm: ppm(at, *cap)? });
        }
        let mut modulation = Vec::new();
        for (class, factor) in &self.modulation {
            let factor = Factor::new(*factor).map_err(|error| GenesisError::at(at, error))?;
            modulation.push(ModulationClass { class: of(at, class)?, factor });
        }
        Ok(ScheduleVersion {
            version: self.version,
            valid_from: of(at, &self.valid_from)?,
            valid_to: maybe(at, &self.valid_to)?,
            legal_reference: of(at, &self.legal_reference)?,
            document: of(at, &self.document)?,
            services: all(&self.services, |service| of(at, service))?,
            scope: of(at, &self.scope)?,
            tests,
            apportionment: of(at, &self.apportionment)?,
            deductions,
            tariff: self.tariff.read(at)?,
            modulation,
            calendar: self.calendar.read(at)?,
            late: self.late.read(at)?,
            prescription_years: self.prescription_years,
        })
    }
}

impl TariffEntry {
    fn read(&self, at: &str) -> Result<Tariff, GenesisError> {
        let rates = |brackets: &Vec<[u64; 2]>| {
            let brackets = all(brackets, |[from, rate]| {
                let rate = u32::try_from(*rate)
                    .map_err(|_| GenesisError::at(at, format!("rate {rate} is over 1,000,000 ppm")))?;
                Ok(RateBracket { from: *from, ppm: ppm(at, rate)? })
            })?;
            Ok::<_, GenesisError>(RateBrackets { brackets })
        };
        Ok(match self {
            Self::Flat(rate) => Tariff::Flat(ppm(at, *rate)?),
            Self::Marginal(brackets) => Tariff::Marginal(rates(brackets)?),
            Self::Slab(brackets) => Tariff::Slab(rates(brackets)?),
            Self::Unit(UnitEntry { den, brackets }) => Tariff::Unit(UnitBrackets {
                den: *den,
                brackets: brackets.iter().map(|[from, num]| UnitBracket { from: *from, num: *num }).collect(),
            }),
        })
    }
}

impl CalendarEntry {
    fn read(&self, at: &str) -> Result<LevyCalendar, GenesisError> {
        let [months, day] = self.declare_by;
        let instalments = all(&self.instalments, |[months, day, share]| {
            Ok(Instalment { by: CalendarDay { months: *months, day: *day }, share_ppm_of_previous: ppm(at, *share)? })
        })?;
        Ok(LevyCalendar {
            period: of(at, &self.period)?,
            declare_by: CalendarDay { months, day },
            instalments,
            tolerance_ppm: ppm(at, self.tolerance_ppm)?,
        })
    }
}

impl LateEntry {
    fn read(&self, at: &str) -> Result<LateRules, GenesisError> {
        Ok(LateRules {
            interest_ppm_per_month: ppm(at, self.interest_ppm_per_month)?,
            late_payment_ppm: ppm(at, self.late_payment_ppm)?,
            non_filing_ppm: all(&self.non_filing_ppm, |rate| ppm(at, *rate))?,
        })
    }
}

fn shares(at: &str, entries: &BTreeMap<String, u32>) -> Result<Vec<PolicyShare>, GenesisError> {
    let mut shares = Vec::new();
    for (envelope, share) in entries {
        shares.push(PolicyShare { envelope: of(at, envelope)?, ppm: ppm(at, *share)? });
    }
    Ok(shares)
}

impl PolicyEntry {
    pub(crate) fn read(&self) -> Result<GenesisPolicy, GenesisError> {
        let at = format!("policies.{}", self.code);
        let cap = |value: &Option<u32>| value.map(|value| ppm(&at, value)).transpose();
        let policy = Policy {
            fund: of(&at, &self.fund)?,
            valid_from: of(&at, &self.valid_from)?,
            reserve_ppm: ppm(&at, self.reserve_ppm)?,
            fee_ppm: ppm(&at, self.fee_ppm)?,
            shares: shares(&at, &self.shares)?,
            sources: all(&self.sources, |source| {
                Ok(PolicySource {
                    levies: of(&at, &source.levies)?,
                    reserve_ppm: ppm(&at, source.reserve_ppm)?,
                    fee_ppm: ppm(&at, source.fee_ppm)?,
                    shares: shares(&at, &source.shares)?,
                })
            })?,
            caps: PolicyCaps {
                per_beneficiary_ppm: cap(&self.per_beneficiary_ppm)?,
                per_group_ppm: cap(&self.per_group_ppm)?,
                min_beneficiaries: self.min_beneficiaries,
            },
        };
        Ok(GenesisPolicy { code: of(&at, &self.code)?, policy })
    }
}
