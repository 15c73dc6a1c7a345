//! Record: a levy schedule: its rules by version, as published (rulebook §5).
//!
//! Promises of a schedule that passed [`LevySchedule::check`]: versions follow each other without gap or overlap; brackets ascend from 0; no
//! denominator is 0; lists hold nothing twice. Must not know: payers.

use crate::{
    registry::fund::Fund,
    state::{Overlay, Record},
    wire::{Wire, WireError, message, pb, words},
};
use octroi_primitives::*;
use std::collections::BTreeSet;

/// Entries of a list, at most.
const LIST: usize = 64;
/// Sources that are no schedules (rulebook §3).
const RESERVED: [&str; 4] = ["contribution", "interest", "opening", "other"];

words! {
    /// What sort of levy; a policy may split each otherwise.
    pub enum LevyKind {
        /// On receipts.
        Revenue = "revenue",
        /// On flows.
        Volumetric = "volumetric",
        /// On the use of public data.
        DataRoyalty = "data_royalty",
        /// On large commercial users of a commons.
        Reciprocity = "reciprocity",
        /// The same for all.
        Flat = "flat",
    }

    /// What the ledger shows of its payers.
    pub enum Visibility {
        /// Declarations and assessments.
        Public = "public",
        /// Commitments and totals.
        Aggregate = "aggregate",
    }

    /// Whose figures decide on liability.
    pub enum LiabilityScope {
        /// Those of the group, which its filer declares.
        Group = "group",
        /// Those of the payer alone.
        Entity = "entity",
    }

    /// What a test of liability looks at.
    pub enum Metric {
        /// Receipts in the world.
        WorldReceipts = "world_receipts",
        /// Receipts on the territory, before deductions.
        LocalReceipts = "local_receipts",
        /// Units.
        Units = "units",
    }

    /// By what receipts are apportioned to the territory.
    pub enum Apportionment {
        /// They are not.
        None = "none",
        /// Users there over all.
        UserShare = "user_share",
        /// Transactions there over all.
        TransactionShare = "transaction_share",
        /// Advertising shown there over all.
        AdvertisingShare = "advertising_share",
    }
}

message! {
    /// A condition of liability: strictly more than this.
    pub struct LiabilityTest = LiabilityTest {
        /// Of what.
        pub metric: Metric,
        /// Minor units, or units.
        pub more_than: u64,
    }

    /// A deduction that a payer may make from the receipts of a service.
    pub struct DeductionRule = DeductionRule {
        /// Code.
        pub code: Code,
        /// Of the receipts, at most.
        pub cap_ppm: Ppm,
    }

    /// A rate from an amount on.
    pub struct RateBracket = RateBracket {
        /// Minor units.
        pub from: u64,
        /// Rate.
        pub ppm: Ppm,
    }

    /// Rates by amount.
    pub struct RateBrackets = RateBrackets {
        /// Ascending; the first from 0.
        pub brackets: Vec<RateBracket>,
    }

    /// A price from a number of units on.
    pub struct UnitBracket = UnitBracket {
        /// Units.
        pub from: u64,
        /// Minor units for [`UnitBrackets::den`] units.
        pub num: u64,
    }

    /// Prices by number of units.
    pub struct UnitBrackets = UnitBrackets {
        /// Units that a price is for.
        pub den: u64,
        /// Ascending; the first from 0.
        pub brackets: Vec<UnitBracket>,
    }

    /// A class that pays more or less.
    pub struct ModulationClass = ModulationClass {
        /// Code.
        pub class: Code,
        /// Applied to the tariff's result.
        pub factor: Factor,
    }

    /// A day relative to a period.
    pub struct CalendarDay = CalendarDay {
        /// Months after the month of the period's first day, at most 60.
        pub months: u32,
        /// Day of that month, or its last day if it has none.
        pub day: u32,
    }

    /// Money due before the assessment.
    pub struct Instalment = Instalment {
        /// By when.
        pub by: CalendarDay [required],
        /// Of the previous period's tax.
        pub share_ppm_of_previous: Ppm,
    }

    /// When what is due.
    pub struct LevyCalendar = LevyCalendar {
        /// Length of its periods.
        pub period: PeriodLength,
        /// Last day to declare in time.
        pub declare_by: CalendarDay [required],
        /// Money due before.
        pub instalments: Vec<Instalment>,
        /// Shortfall of instalments that is tolerated.
        pub tolerance_ppm: Ppm,
    }

    /// What being late costs.
    pub struct LateRules = LateRules {
        /// Interest per started month.
        pub interest_ppm_per_month: Ppm,
        /// Surcharge on late payment.
        pub late_payment_ppm: Ppm,
        /// Surcharge for the first failure to file, the second, and so on.
        pub non_filing_ppm: Vec<Ppm>,
    }

    /// The rules for the periods whose last day lies in a range.
    pub struct ScheduleVersion = ScheduleVersion {
        /// From 1.
        pub version: u32,
        /// First day.
        pub valid_from: LegalDate [required],
        /// Last day; `None`: open.
        pub valid_to: Option<LegalDate>,
        /// Where the law or contract says so.
        pub legal_reference: Note,
        /// Hash of that document.
        pub document: Commitment,
        /// What is levied.
        pub services: Vec<ServiceCode>,
        /// Whose figures decide.
        pub scope: LiabilityScope,
        /// All must hold.
        pub tests: Vec<LiabilityTest>,
        /// By what receipts are apportioned.
        pub apportionment: Apportionment,
        /// What may be deducted.
        pub deductions: Vec<DeductionRule>,
        /// How much.
        pub tariff: Tariff [required],
        /// Classes that pay more or less.
        pub modulation: Vec<ModulationClass>,
        /// When what is due.
        pub calendar: LevyCalendar [required],
        /// What being late costs.
        pub late: LateRules [required],
        /// Years after which it can no longer be assessed.
        pub prescription_years: u32,
    }

    /// Record: a levy schedule.
    pub struct LevySchedule = LevySchedule {
        /// The fund it feeds.
        pub fund: FundCode,
        /// What sort.
        pub kind: LevyKind,
        /// What is shown.
        pub visibility: Visibility,
        /// Ascending.
        pub versions: Vec<ScheduleVersion>,
    }
}

impl Record for LevySchedule {
    type Key = ScheduleCode;
}

/// How much is levied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tariff {
    /// One rate on the whole base.
    Flat(Ppm),
    /// Each part of the base at the rate of its bracket.
    Marginal(RateBrackets),
    /// The whole base at the rate of the highest bracket that it reaches.
    Slab(RateBrackets),
    /// Units, each part at the price of its bracket.
    Unit(UnitBrackets),
}

impl Wire for Tariff {
    type Proto = pb::Tariff;

    fn to_proto(&self) -> pb::Tariff {
        use pb::tariff::Tariff as Proto;
        let tariff = match self {
            Self::Flat(ppm) => Proto::FlatPpm(ppm.to_proto()),
            Self::Marginal(brackets) => Proto::Marginal(brackets.to_proto()),
            Self::Slab(brackets) => Proto::Slab(brackets.to_proto()),
            Self::Unit(brackets) => Proto::Unit(brackets.to_proto()),
        };
        pb::Tariff { tariff: Some(tariff) }
    }

    fn from_proto(proto: pb::Tariff) -> Result<Self, WireError> {
        use pb::tariff::Tariff as Proto;
        match proto.tariff.ok_or_else(WireError::missing)? {
            Proto::FlatPpm(ppm) => Wire::from_proto(ppm).map(Self::Flat),
            Proto::Marginal(brackets) => Wire::from_proto(brackets).map(Self::Marginal),
            Proto::Slab(brackets) => Wire::from_proto(brackets).map(Self::Slab),
            Proto::Unit(brackets) => Wire::from_proto(brackets).map(Self::Unit),
        }
    }
}

/// Why a schedule cannot be published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleFault {
    /// No such fund.
    #[error("fund {0} does not exist")]
    UnknownFund(FundCode),
    /// Its code means something else.
    #[error("{0} is the name of a source that is no levy")]
    Reserved(ScheduleCode),
    /// Payers' declarations cannot be kept off the ledger yet.
    #[error("visibility {0} is not kept by this version")]
    Visibility(Visibility),
    /// No version.
    #[error("has no version")]
    Empty,
    /// A version breaks a rule.
    #[error("version {version}: {reason}")]
    Version {
        /// Which.
        version: u32,
        /// What is wrong.
        reason: String,
    },
}

impl CalendarDay {
    fn check(&self) -> Result<(), String> {
        if self.months <= 60 && (1..=31).contains(&self.day) {
            return Ok(());
        }
        Err(format!(
            "month {}, day {} of a calendar; at most month 60 and day 1 to 31 are possible",
            self.months, self.day
        ))
    }

    /// The date for a period; the last possible date where the calendar ends.
    pub fn of(&self, period: Period) -> LegalDate {
        let month = period.first_day().plus_months(self.months).unwrap_or(LegalDate::MAX);
        let last = Period::containing(month, PeriodLength::Month).last_day();
        let day = u8::try_from(self.day).unwrap_or(u8::MAX).min(last.day());
        LegalDate::new(month.year(), month.month(), day).unwrap_or(last)
    }
}

impl Tariff {
    fn check(&self) -> Result<(), String> {
        let froms: Vec<u64> = match self {
            Self::Flat(_) => return Ok(()),
            Self::Marginal(RateBrackets { brackets }) | Self::Slab(RateBrackets { brackets }) => {
                brackets.iter().map(|bracket| bracket.from).collect()
            }
            Self::Unit(UnitBrackets { den, brackets }) => {
                if *den == 0 {
                    return Err("a price for 0 units".into());
                }
                brackets.iter().map(|bracket| bracket.from).collect()
            }
        };
        if froms.first() != Some(&0) || froms.len() > LIST || !froms.windows(2).all(|pair| pair[0] < pair[1]) {
            return Err("brackets must ascend from 0, at most 64".into());
        }
        Ok(())
    }
}

/// No entry twice, and not too many.
fn distinct<T: Ord + Clone>(what: &str, items: impl ExactSizeIterator<Item = T>) -> Result<(), String> {
    let length = items.len();
    let set: BTreeSet<T> = items.collect();
    if length > LIST {
        return Err(format!("{length} {what}; {LIST} are allowed"));
    }
    if set.len() != length { Err(format!("{what} stand there twice")) } else { Ok(()) }
}

impl ScheduleVersion {
    fn check(&self) -> Result<(), String> {
        if self.services.is_empty() {
            return Err("no service".into());
        }
        distinct("services", self.services.iter().copied())?;
        distinct("deductions", self.deductions.iter().map(|rule| rule.code))?;
        distinct("classes", self.modulation.iter().map(|class| class.class))?;
        distinct("tests", self.tests.iter().map(|test| (test.metric, test.more_than)))?;
        distinct("instalments", self.calendar.instalments.iter().map(|due| (due.by.months, due.by.day)))?;
        self.tariff.check()?;
        self.calendar.declare_by.check()?;
        for instalment in &self.calendar.instalments {
            instalment.by.check()?;
        }
        if self.late.non_filing_ppm.len() > LIST {
            return Err(format!("{} surcharges; {LIST} are allowed", self.late.non_filing_ppm.len()));
        }
        if personal_data::scan(&self.legal_reference).is_some() {
            return Err("the legal reference looks like personal data".into());
        }
        match self.valid_to {
            Some(to) if to < self.valid_from => Err(format!("ends on {to}, before it begins on {}", self.valid_from)),
            _ => Ok(()),
        }
    }
}

impl LevySchedule {
    /// Whether it can be published in this state.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check(&self, code: &ScheduleCode, state: &Overlay<'_>) -> Result<(), ScheduleFault> {
        let Self { fund, kind: _, visibility, versions } = self;
        if !state.has::<Fund>(fund) {
            return Err(ScheduleFault::UnknownFund(*fund));
        }
        if RESERVED.contains(&code.as_str()) {
            return Err(ScheduleFault::Reserved(*code));
        }
        match visibility {
            Visibility::Public => {}
            Visibility::Aggregate => return Err(ScheduleFault::Visibility(*visibility)),
        }
        if versions.is_empty() {
            return Err(ScheduleFault::Empty);
        }
        let mut expected = (1, None);
        for version in versions {
            let fault = |reason| ScheduleFault::Version { version: version.version, reason };
            version.check().map_err(fault)?;
            let (number, starts) = expected;
            if version.version != number {
                return Err(fault(format!("stands where {number} should")));
            }
            if starts.is_some_and(|starts| starts != Some(version.valid_from)) {
                return Err(fault("does not begin on the day after the version before it".into()));
            }
            expected = (number + 1, Some(version.valid_to.and_then(|to| to.plus_days(1))));
        }
        Ok(())
    }

    /// The version valid on the event date of a period, its last day; `None` if there is none or its periods have another length.
    pub fn version_for(&self, period: Period) -> Option<&ScheduleVersion> {
        let day = period.last_day();
        self.versions
            .iter()
            .find(|version| version.valid_from <= day && version.valid_to.is_none_or(|to| day <= to))
            .filter(|version| version.calendar.period == period.length())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{
        fund,
        money::{self, date, ppm, schedule_code, version},
    };

    fn schedule(versions: Vec<ScheduleVersion>) -> LevySchedule {
        LevySchedule { fund: fund(), kind: LevyKind::Revenue, visibility: Visibility::Public, versions }
    }

    fn flat() -> ScheduleVersion {
        version(Tariff::Flat(ppm(30_000)))
    }

    fn fault(schedule: LevySchedule) -> ScheduleFault {
        let network = money::network();
        schedule.check(&schedule_code("new"), &network.state.overlay()).unwrap_err()
    }

    fn reason(change: impl FnOnce(&mut ScheduleVersion)) -> String {
        let mut version = flat();
        change(&mut version);
        fault(schedule(vec![version])).to_string()
    }

    #[test]
    fn a_schedule_that_breaks_a_rule_is_not_published() {
        let mut wrong = schedule(vec![flat()]);
        wrong.fund = FundCode::new("other").unwrap();
        assert!(matches!(fault(wrong), ScheduleFault::UnknownFund(_)));
        let mut wrong = schedule(vec![flat()]);
        wrong.visibility = Visibility::Aggregate;
        assert_eq!(fault(wrong), ScheduleFault::Visibility(Visibility::Aggregate));
        assert_eq!(fault(schedule(vec![])), ScheduleFault::Empty);
        let network = money::network();
        let named = schedule(vec![flat()]).check(&schedule_code("contribution"), &network.state.overlay());
        assert!(matches!(named, Err(ScheduleFault::Reserved(_))));

        assert_eq!(reason(|version| version.services.clear()), "version 1: no service");
        assert!(reason(|version| version.services.push(version.services[0])).contains("twice"));
        let bracket = |from| RateBracket { from, ppm: ppm(1) };
        for froms in [vec![], vec![1], vec![0, 5, 5], vec![0, 5, 4]] {
            let brackets = froms.iter().copied().map(bracket).collect();
            let reason = reason(|version| version.tariff = Tariff::Slab(RateBrackets { brackets }));
            assert!(reason.contains("ascend"), "{froms:?}: {reason}");
        }
        let unit = UnitBrackets { den: 0, brackets: vec![UnitBracket { from: 0, num: 1 }] };
        assert!(reason(|version| version.tariff = Tariff::Unit(unit)).contains("0 units"));
        assert!(reason(|version| version.calendar.declare_by.day = 32).contains("day 32"));
        assert!(reason(|version| version.valid_to = Some(date(2025, 1, 1))).contains("before it begins"));
        assert!(reason(|version| version.version = 2).contains("where 1 should"));
    }

    #[test]
    fn versions_follow_without_gap_or_overlap_and_the_last_day_of_a_period_chooses() {
        let first = ScheduleVersion { valid_to: Some(date(2026, 6, 30)), ..flat() };
        let starting = |day| ScheduleVersion { version: 2, valid_from: day, ..flat() };
        for day in [date(2026, 6, 30), date(2026, 7, 2)] {
            assert!(fault(schedule(vec![first.clone(), starting(day)])).to_string().contains("day after"));
        }
        let open = ScheduleVersion { valid_to: None, ..first.clone() };
        assert!(fault(schedule(vec![open, starting(date(2026, 7, 1))])).to_string().contains("day after"));

        let both = schedule(vec![first.clone(), starting(date(2026, 7, 1))]);
        let chosen = |period: &str| both.version_for(period.parse().unwrap()).map(|version| version.version);
        assert_eq!([chosen("2026Q1"), chosen("2026Q2"), chosen("2026Q3")], [Some(1), Some(1), Some(2)]);
        assert_eq!([chosen("2025Q4"), chosen("2026"), chosen("2026-04")], [None, None, None]);
        // A schedule that ceases in mid-period levies nothing for it.
        assert_eq!(schedule(vec![first]).version_for("2026Q3".parse().unwrap()), None);
    }

    #[test]
    fn a_day_of_the_calendar_counts_from_the_period_and_stays_in_its_month() {
        let day = |months, day| CalendarDay { months, day };
        assert_eq!(day(15, 25).of("2026".parse().unwrap()), date(2027, 4, 25));
        assert_eq!(day(9, 25).of("2026".parse().unwrap()), date(2026, 10, 25));
        assert_eq!(day(1, 31).of("2027Q1".parse().unwrap()), date(2027, 2, 28));
    }
}
