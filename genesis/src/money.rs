//! The part of the file that money moves by: bank accounts, levy schedules, policies (rulebook §2, §5, §6).

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
    redistribution::policy::{Policy, PolicyCaps, PolicyCarryOver, PolicyShare, PolicySource},
};
use octroi_primitives::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BankAccountEntry {
    /// Salted commitment to the account's number, 64 hexadecimal digits; never the number.
    pub account: String,
    pub fund: String,
    /// Codes of organisations above; each gets the role over this account.
    pub attestors: Vec<String>,
    pub needed: u32,
    /// Minor units; the first statement opens with them.
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

/// The rules of a schedule for the periods whose last day lies in a range. Unknown keys are refused (rulebook §5).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VersionEntry {
    pub version: u32,
    pub valid_from: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<String>,
    pub legal_reference: String,
    /// Hash of the document.
    pub document: String,
    pub services: Vec<String>,
    pub scope: String,
    pub apportionment: String,
    pub prescription_years: u32,
    pub tariff: TariffEntry,
    pub calendar: CalendarEntry,
    #[serde(default)]
    pub late: LateEntry,
    #[serde(default)]
    pub tests: Vec<TestEntry>,
    /// Code to the part of the receipts that may be deducted at most.
    #[serde(default)]
    pub deductions: BTreeMap<String, u32>,
    /// Class to factor, in parts per million.
    #[serde(default)]
    pub modulation: BTreeMap<String, u32>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TestEntry {
    pub metric: String,
    pub more_than: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum TariffEntry {
    FlatPpm(u32),
    Marginal(Vec<RateEntry>),
    Slab(Vec<RateEntry>),
    Unit { den: u64, brackets: Vec<PriceEntry> },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RateEntry {
    pub from: u64,
    pub ppm: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PriceEntry {
    pub from: u64,
    pub num: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CalendarEntry {
    pub period: String,
    pub declare_by: DayEntry,
    #[serde(default)]
    pub tolerance_ppm: u32,
    #[serde(default)]
    pub instalments: Vec<InstalmentEntry>,
}

/// A day, counted from the first month of the period.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DayEntry {
    pub months: u32,
    pub day: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InstalmentEntry {
    pub by: DayEntry,
    pub share_ppm_of_previous: u32,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LateEntry {
    pub interest_ppm_per_month: u32,
    pub late_payment_ppm: u32,
    pub non_filing_ppm: Vec<u32>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyEntry {
    pub code: String,
    pub fund: String,
    pub valid_from: String,
    #[serde(default)]
    pub reserve_ppm: u32,
    #[serde(default)]
    pub fee_ppm: u32,
    /// Envelope to its share of what is left after reserve and fee.
    pub shares: BTreeMap<String, u32>,
    #[serde(default)]
    pub caps: CapsEntry,
    #[serde(default)]
    pub sources: Vec<SourceEntry>,
    /// Absent: unspent money stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carry_over: Option<CarryOverEntry>,
    /// Whether an auditor of the fund may block a consent on it by an objection.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub auditors_block: bool,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CapsEntry {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_beneficiary_ppm: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_group_ppm: Option<u32>,
    pub min_beneficiaries: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_territory_ppm: Option<u32>,
}

/// What becomes of unspent money.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CarryOverEntry {
    /// Periods after that of its arrival in which it can still be spent.
    pub max_periods: u32,
    /// `reserve` or `reshare`.
    pub then: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceEntry {
    /// A kind of levy, or `any`.
    pub levies: String,
    #[serde(default)]
    pub reserve_ppm: u32,
    #[serde(default)]
    pub fee_ppm: u32,
    pub shares: BTreeMap<String, u32>,
}

fn ppm(at: &str, parts: u32) -> Result<Ppm, GenesisError> {
    Ppm::new(parts).map_err(|error| GenesisError::at(at, error))
}

impl BankAccountEntry {
    pub(crate) fn read(&self) -> Result<GenesisBankAccount, GenesisError> {
        let at = |field: &str| format!("bank_accounts.{}.{field}", self.account);
        Ok(GenesisBankAccount {
            account: of(&at("account"), &self.account)?,
            fund: of(&at("fund"), &self.fund)?,
            attestors: all(&self.attestors, |attestor| of(&at("attestors"), attestor))?,
            needed: self.needed,
            opening: self.opening,
        })
    }
}

impl ScheduleEntry {
    pub(crate) fn read(&self) -> Result<GenesisSchedule, GenesisError> {
        let at = |field: &str| format!("schedules.{}.{field}", self.code);
        let schedule = LevySchedule {
            fund: of(&at("fund"), &self.fund)?,
            kind: of(&at("kind"), &self.kind)?,
            visibility: of(&at("visibility"), &self.visibility)?,
            versions: all(&self.versions, |version| version.read(&at("versions")))?,
        };
        Ok(GenesisSchedule { code: of(&at("code"), &self.code)?, schedule })
    }
}

impl VersionEntry {
    fn read(&self, at: &str) -> Result<ScheduleVersion, GenesisError> {
        let at = |field: &str| format!("{at}.{}.{field}", self.version);
        let mut deductions = Vec::new();
        for (code, cap) in &self.deductions {
            let code = of(&at("deductions"), code)?;
            deductions.push(DeductionRule { code, cap_ppm: ppm(&at("deductions"), *cap)? });
        }
        let mut modulation = Vec::new();
        for (class, factor) in &self.modulation {
            let factor = Factor::new(*factor).map_err(|error| GenesisError::at(at("modulation"), error))?;
            modulation.push(ModulationClass { class: of(&at("modulation"), class)?, factor });
        }
        let tests = all(&self.tests, |TestEntry { metric, more_than }| {
            Ok(LiabilityTest { metric: of(&at("tests"), metric)?, more_than: *more_than })
        })?;
        Ok(ScheduleVersion {
            version: self.version,
            valid_from: of(&at("valid_from"), &self.valid_from)?,
            valid_to: maybe(&at("valid_to"), &self.valid_to)?,
            legal_reference: of(&at("legal_reference"), &self.legal_reference)?,
            document: of(&at("document"), &self.document)?,
            services: all(&self.services, |service| of(&at("services"), service))?,
            scope: of(&at("scope"), &self.scope)?,
            tests,
            apportionment: of(&at("apportionment"), &self.apportionment)?,
            deductions,
            tariff: self.tariff.read(&at("tariff"))?,
            modulation,
            calendar: self.calendar.read(&at("calendar"))?,
            late: self.late.read(&at("late"))?,
            prescription_years: self.prescription_years,
        })
    }
}

impl TariffEntry {
    fn read(&self, at: &str) -> Result<Tariff, GenesisError> {
        let rates = |brackets: &[RateEntry]| -> Result<RateBrackets, GenesisError> {
            let brackets =
                all(brackets, |RateEntry { from, ppm: parts }| Ok(RateBracket { from: *from, ppm: ppm(at, *parts)? }))?;
            Ok(RateBrackets { brackets })
        };
        Ok(match self {
            Self::FlatPpm(parts) => Tariff::Flat(ppm(at, *parts)?),
            Self::Marginal(brackets) => Tariff::Marginal(rates(brackets)?),
            Self::Slab(brackets) => Tariff::Slab(rates(brackets)?),
            Self::Unit { den, brackets } => {
                let brackets = brackets.iter().map(|PriceEntry { from, num }| UnitBracket { from: *from, num: *num });
                Tariff::Unit(UnitBrackets { den: *den, brackets: brackets.collect() })
            }
        })
    }
}

impl CalendarEntry {
    fn read(&self, at: &str) -> Result<LevyCalendar, GenesisError> {
        let day = |DayEntry { months, day }: DayEntry| CalendarDay { months, day };
        Ok(LevyCalendar {
            period: of(at, &self.period)?,
            declare_by: day(self.declare_by),
            instalments: all(&self.instalments, |InstalmentEntry { by, share_ppm_of_previous }| {
                Ok(Instalment { by: day(*by), share_ppm_of_previous: ppm(at, *share_ppm_of_previous)? })
            })?,
            tolerance_ppm: ppm(at, self.tolerance_ppm)?,
        })
    }
}

impl LateEntry {
    fn read(&self, at: &str) -> Result<LateRules, GenesisError> {
        Ok(LateRules {
            interest_ppm_per_month: ppm(at, self.interest_ppm_per_month)?,
            late_payment_ppm: ppm(at, self.late_payment_ppm)?,
            non_filing_ppm: all(&self.non_filing_ppm, |parts| ppm(at, *parts))?,
        })
    }
}

fn shares(at: &str, entries: &BTreeMap<String, u32>) -> Result<Vec<PolicyShare>, GenesisError> {
    entries
        .iter()
        .map(|(envelope, parts)| Ok(PolicyShare { envelope: of(at, envelope)?, ppm: ppm(at, *parts)? }))
        .collect()
}

impl PolicyEntry {
    pub(crate) fn read(&self) -> Result<GenesisPolicy, GenesisError> {
        let at = |field: &str| format!("policies.{}.{field}", self.code);
        let sources = all(&self.sources, |SourceEntry { levies, reserve_ppm, fee_ppm, shares: entries }| {
            let at = at(&format!("sources.{levies}"));
            Ok(PolicySource {
                levies: of(&at, levies)?,
                reserve_ppm: ppm(&at, *reserve_ppm)?,
                fee_ppm: ppm(&at, *fee_ppm)?,
                shares: shares(&at, entries)?,
            })
        })?;
        let cap = |parts: Option<u32>| parts.map(|parts| ppm(&at("caps"), parts)).transpose();
        let policy = Policy {
            fund: of(&at("fund"), &self.fund)?,
            valid_from: of(&at("valid_from"), &self.valid_from)?,
            reserve_ppm: ppm(&at("reserve_ppm"), self.reserve_ppm)?,
            fee_ppm: ppm(&at("fee_ppm"), self.fee_ppm)?,
            shares: shares(&at("shares"), &self.shares)?,
            sources,
            caps: PolicyCaps {
                per_beneficiary_ppm: cap(self.caps.per_beneficiary_ppm)?,
                per_group_ppm: cap(self.caps.per_group_ppm)?,
                min_beneficiaries: self.caps.min_beneficiaries,
                per_territory_ppm: cap(self.caps.per_territory_ppm)?,
            },
            // Need tables are voted: a policy that splits by need is adopted after genesis.
            territorial: Vec::new(),
            carry_over: match &self.carry_over {
                Some(CarryOverEntry { max_periods, then }) => {
                    Some(PolicyCarryOver { max_periods: *max_periods, then: of(&at("carry_over.then"), then)? })
                }
                None => None,
            },
            auditors_block: self.auditors_block,
        };
        Ok(GenesisPolicy { code: of(&at("code"), &self.code)?, policy })
    }
}
