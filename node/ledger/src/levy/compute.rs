//! The computation of a levy, line by line (rulebook §5, computation).
//!
//! Promises: integers only; every division is a floor, in favour of the payer; the steps hold every input and intermediate value, so that a
//! client can print them one by one and anyone can check each by itself; equal inputs give equal steps. Overflow is an answer, never a wrap.

use super::{
    account::{DeclaredService, LevyDeclaration},
    schedule::{
        LiabilityScope, LiabilityTest, Metric, ModulationClass, RateBracket, RateBrackets, ScheduleVersion, Tariff,
        UnitBracket, UnitBrackets,
    },
};
use crate::wire::{Wire, WireError, message, words};
use octroi_primitives::*;

const WHOLE: u128 = 1_000_000;

words! {
    /// What a line computes. `a`, `b`, `c` are its inputs in order.
    pub enum StepRule {
        /// A figure that the group's filer declares: a.
        GroupFigure = "group_figure",
        /// Receipts of a service, before deductions: a.
        Receipts = "receipts",
        /// Receipts of a service on the territory, before deductions: floor(a · b / c).
        LocalReceipts = "local_receipts",
        /// Units of a service: a.
        Units = "units",
        /// A sum over services: a + b + …
        Sum = "sum",
        /// A test of liability: 1 if a > b, else 0.
        Test = "test",
        /// Receipts of a service after deductions: max(0, a − b).
        Net = "net",
        /// Base of a service: floor(a · b / c).
        Base = "base",
        /// Part of the base in a bracket that begins at a, and its price: b units at rate c give b · c.
        Bracket = "bracket",
        /// The one division at the end: floor(a / b).
        Divide = "divide",
        /// A class pays more or less: floor(a · b / 1,000,000).
        Modulation = "modulation",
        /// What is due: a.
        Tax = "tax",
        /// An instalment that is expected before the assessment: floor(a · b / 1,000,000) of the previous tax.
        Instalment = "instalment",
        /// What instalments in time leave of the tax: max(0, a − b).
        Shortfall = "shortfall",
        /// Whether the shortfall is more than tolerated: 1 if a · 1,000,000 > b · c, else 0.
        Tolerance = "tolerance",
        /// A part of the principal and its started months late: a · b.
        LatePart = "late_part",
        /// Late interest: floor(a · b / 1,000,000).
        Interest = "interest",
        /// Surcharge on what was not paid in time: floor(a · b / 1,000,000).
        LatePayment = "late_payment",
        /// Surcharge on the tax for not filing in time: floor(a · b / 1,000,000).
        NonFiling = "non_filing",
    }
}

/// A whole number of up to 128 bits; 16 bytes on the wire, big-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(pub u128);

impl core::fmt::Display for Quantity {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(&self.0, f)
    }
}

impl Wire for Quantity {
    type Proto = Vec<u8>;

    fn to_proto(&self) -> Vec<u8> {
        self.0.to_be_bytes().to_vec()
    }

    fn from_proto(proto: Vec<u8>) -> Result<Self, WireError> {
        let bytes: [u8; 16] = proto.try_into().map_err(|_| WireError::invalid("must be 16 bytes"))?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }
}

message! {
    /// One line of a computation.
    pub struct LevyStep = LevyStep {
        /// What it computes.
        pub rule: StepRule,
        /// Service, metric, class, or number of a bracket.
        pub subject: Option<Code>,
        /// In the order of the rule.
        pub inputs: Vec<Quantity>,
        /// What comes out.
        pub result: Quantity,
    }
}

impl core::fmt::Display for LevyStep {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { rule, subject, inputs, result } = self;
        write!(f, "{rule}")?;
        if let Some(subject) = subject {
            write!(f, " {subject}")?;
        }
        let inputs: Vec<String> = inputs.iter().map(ToString::to_string).collect();
        write!(f, "({}) = {result}", inputs.join(", "))
    }
}

/// A levy, computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Computation {
    /// Every line.
    pub steps: Vec<LevyStep>,
    /// Minor units due; 0 where the payer is not liable. May be above what one transaction can carry.
    pub tax: u128,
}

/// A sum or product passes 128 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the line {0} passes 128 bits")]
pub struct TooLarge(pub StepRule);

/// Lines in the making.
pub(super) struct Sheet(pub(super) Vec<LevyStep>);

impl Sheet {
    pub(super) fn line(
        &mut self,
        rule: StepRule,
        subject: Option<Code>,
        inputs: &[u128],
        result: Option<u128>,
    ) -> Result<u128, TooLarge> {
        Ok(self.note(rule, subject, inputs, result.ok_or(TooLarge(rule))?))
    }

    /// A line whose result is known to fit.
    pub(super) fn note(&mut self, rule: StepRule, subject: Option<Code>, inputs: &[u128], result: u128) -> u128 {
        let inputs = inputs.iter().copied().map(Quantity).collect();
        self.0.push(LevyStep { rule, subject, inputs, result: Quantity(result) });
        result
    }

    pub(super) fn sum(&mut self, of: &str, parts: &[u128]) -> Result<u128, TooLarge> {
        let sum = parts.iter().try_fold(0u128, |sum, part| sum.checked_add(*part));
        self.line(StepRule::Sum, code(of), parts, sum)
    }
}

/// A word of this folder, or a number, as a code.
pub(super) fn code(word: &str) -> Option<Code> {
    Code::new(word).ok()
}

fn share_of(service: &DeclaredService) -> Rational {
    service.share.unwrap_or(Rational::new(1, 1))
}

/// Computes what a declaration owes under a version. Its shapes were checked when it was declared: shares are shares, services and classes known.
///
/// # Errors
/// A line that passes 128 bits.
pub fn compute(version: &ScheduleVersion, declared: &LevyDeclaration) -> Result<Computation, TooLarge> {
    let mut sheet = Sheet(Vec::new());
    let liable = is_liable(version, declared, &mut sheet)?;
    let tax = if liable { tax(version, declared, &mut sheet)? } else { 0 };
    sheet.line(StepRule::Tax, None, &[tax], Some(tax))?;
    Ok(Computation { steps: sheet.0, tax })
}

fn is_liable(version: &ScheduleVersion, declared: &LevyDeclaration, sheet: &mut Sheet) -> Result<bool, TooLarge> {
    let mut liable = true;
    for LiabilityTest { metric, more_than } in &version.tests {
        let value = measure(*metric, version.scope, declared, sheet)?;
        let holds = value > u128::from(*more_than);
        sheet.line(StepRule::Test, code(metric.as_str()), &[value, (*more_than).into()], Some(holds.into()))?;
        liable &= holds;
    }
    Ok(liable)
}

fn measure(
    metric: Metric,
    scope: LiabilityScope,
    declared: &LevyDeclaration,
    sheet: &mut Sheet,
) -> Result<u128, TooLarge> {
    let group = |sheet: &mut Sheet, amount: Amount| {
        let figure = u128::from(amount.minor);
        sheet.line(StepRule::GroupFigure, code(metric.as_str()), &[figure], Some(figure))
    };
    match (metric, scope) {
        (Metric::WorldReceipts, LiabilityScope::Group) => group(sheet, declared.world_receipts),
        (Metric::LocalReceipts, LiabilityScope::Group) => group(sheet, declared.local_receipts),
        (Metric::WorldReceipts, LiabilityScope::Entity) => each(declared, metric, sheet, |service, sheet| {
            let receipts = u128::from(service.receipts.minor);
            sheet.line(StepRule::Receipts, Some(service.code.code()), &[receipts], Some(receipts))
        }),
        (Metric::LocalReceipts, LiabilityScope::Entity) => each(declared, metric, sheet, |service, sheet| {
            let (receipts, share) = (u128::from(service.receipts.minor), share_of(service));
            let local = share.floor_of(receipts);
            let inputs = [receipts, share.num.into(), share.den.into()];
            sheet.line(StepRule::LocalReceipts, Some(service.code.code()), &inputs, local)
        }),
        (Metric::Units, LiabilityScope::Group | LiabilityScope::Entity) => each(declared, metric, sheet, units),
    }
}

/// The sum of one line for each service.
fn each(
    declared: &LevyDeclaration,
    metric: Metric,
    sheet: &mut Sheet,
    line: impl Fn(&DeclaredService, &mut Sheet) -> Result<u128, TooLarge>,
) -> Result<u128, TooLarge> {
    let parts = declared.services.iter().map(|service| line(service, sheet)).collect::<Result<Vec<_>, _>>()?;
    sheet.sum(metric.as_str(), &parts)
}

fn units(service: &DeclaredService, sheet: &mut Sheet) -> Result<u128, TooLarge> {
    let units = u128::from(service.units.unwrap_or(0));
    sheet.line(StepRule::Units, Some(service.code.code()), &[units], Some(units))
}

fn tax(version: &ScheduleVersion, declared: &LevyDeclaration, sheet: &mut Sheet) -> Result<u128, TooLarge> {
    let due = match &version.tariff {
        Tariff::Flat(ppm) => {
            let base = money_base(declared, sheet)?;
            let whole = [RateBracket { from: 0, ppm: *ppm }];
            marginal(base, whole.iter().map(rate), WHOLE, sheet)?
        }
        Tariff::Marginal(RateBrackets { brackets }) => {
            let base = money_base(declared, sheet)?;
            marginal(base, brackets.iter().map(rate), WHOLE, sheet)?
        }
        Tariff::Slab(RateBrackets { brackets }) => {
            let base = money_base(declared, sheet)?;
            slab(base, brackets, sheet)?
        }
        Tariff::Unit(UnitBrackets { den, brackets }) => {
            let base = each(declared, Metric::Units, sheet, units)?;
            marginal(base, brackets.iter().map(price), (*den).into(), sheet)?
        }
    };
    let class = declared.class.and_then(|class| version.modulation.iter().find(|rule| rule.class == class));
    match class {
        None => Ok(due),
        Some(ModulationClass { class, factor }) => {
            let ppm = u128::from(factor.get());
            let modulated = due.checked_mul(ppm).map(|product| product / WHOLE);
            sheet.line(StepRule::Modulation, Some(*class), &[due, ppm], modulated)
        }
    }
}

const fn rate(bracket: &RateBracket) -> (u64, u64) {
    (bracket.from, bracket.ppm.get() as u64)
}

const fn price(bracket: &UnitBracket) -> (u64, u64) {
    (bracket.from, bracket.num)
}

/// Σ floor(max(0, receipts − deductions) · share).
fn money_base(declared: &LevyDeclaration, sheet: &mut Sheet) -> Result<u128, TooLarge> {
    let mut parts = Vec::with_capacity(declared.services.len());
    for service in &declared.services {
        let subject = Some(service.code.code());
        let receipts = u128::from(service.receipts.minor);
        let deducted: u128 = service.deductions.iter().map(|deduction| u128::from(deduction.amount.minor)).sum();
        let net = receipts.saturating_sub(deducted);
        let net = sheet.line(StepRule::Net, subject, &[receipts, deducted], Some(net))?;
        let share = share_of(service);
        let inputs = [net, share.num.into(), share.den.into()];
        parts.push(sheet.line(StepRule::Base, subject, &inputs, share.floor_of(net))?);
    }
    sheet.sum("base", &parts)
}

/// Each part at its own rate; one division at the end.
fn marginal(
    base: u128,
    brackets: impl Iterator<Item = (u64, u64)> + Clone,
    den: u128,
    sheet: &mut Sheet,
) -> Result<u128, TooLarge> {
    let mut next = brackets.clone().map(|(from, _)| u128::from(from)).skip(1);
    let mut products = Vec::new();
    for (index, (from, rate)) in brackets.enumerate() {
        let (from, rate) = (u128::from(from), u128::from(rate));
        let end = next.next().map_or(base, |next| base.min(next));
        let part = end.saturating_sub(from);
        let product = part.checked_mul(rate);
        products.push(sheet.line(StepRule::Bracket, code(&index.to_string()), &[from, part, rate], product)?);
    }
    let sum = sheet.sum("brackets", &products)?;
    sheet.line(StepRule::Divide, None, &[sum, den], sum.checked_div(den))
}

/// All at the rate of the highest bracket that the base reaches.
fn slab(base: u128, brackets: &[RateBracket], sheet: &mut Sheet) -> Result<u128, TooLarge> {
    let reached = brackets.iter().enumerate().rev().find(|(_, bracket)| u128::from(bracket.from) <= base);
    // The first bracket begins at 0: one is always reached.
    let (index, bracket) = reached.ok_or(TooLarge(StepRule::Bracket))?;
    let (from, ppm) = rate(bracket);
    let product = base.checked_mul(ppm.into());
    let inputs = [from.into(), base, ppm.into()];
    let product = sheet.line(StepRule::Bracket, code(&index.to_string()), &inputs, product)?;
    sheet.line(StepRule::Divide, None, &[product, WHOLE], Some(product / WHOLE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixture::{
            commitment, id,
            money::{date, ppm, schedule_code, version},
        },
        levy::{
            account::{DeclaredDeduction, Filing},
            schedule::Apportionment,
        },
    };
    use proptest::prelude::*;

    fn service(code: &str, receipts: u64, share: Option<Rational>, units: Option<u64>) -> DeclaredService {
        let code = ServiceCode::new(code).unwrap();
        DeclaredService { code, receipts: Amount::eur(receipts), deductions: vec![], share, units }
    }

    fn declared(services: Vec<DeclaredService>) -> LevyDeclaration {
        LevyDeclaration {
            payer: id("platform"),
            schedule: schedule_code("dst"),
            period: "2026".parse().unwrap(),
            services,
            world_receipts: Amount::eur(0),
            local_receipts: Amount::eur(0),
            method: commitment("method"),
            evidence: commitment("evidence"),
            class: None,
            filed_on: date(2027, 4, 1),
            filing: Filing::InTime,
        }
    }

    fn of_receipts(receipts: u64) -> LevyDeclaration {
        declared(vec![service("ads", receipts, None, None)])
    }

    fn brackets(list: &[(u64, u32)]) -> RateBrackets {
        RateBrackets {
            brackets: list.iter().map(|(from, rate)| RateBracket { from: *from, ppm: ppm(*rate) }).collect(),
        }
    }

    fn prices(den: u64, list: &[(u64, u64)]) -> Tariff {
        let brackets = list.iter().map(|(from, num)| UnitBracket { from: *from, num: *num }).collect();
        Tariff::Unit(UnitBrackets { den, brackets })
    }

    fn tax_of(tariff: Tariff, declared: &LevyDeclaration) -> u128 {
        compute(&version(tariff), declared).unwrap().tax
    }

    /// Every line that names a division, product, sum or test follows from its own inputs.
    fn assert_follows(steps: &[LevyStep]) {
        for step in steps {
            let inputs: Vec<u128> = step.inputs.iter().map(|input| input.0).collect();
            let expected = match (step.rule, inputs.as_slice()) {
                (StepRule::GroupFigure | StepRule::Receipts | StepRule::Units | StepRule::Tax, [a]) => *a,
                (StepRule::LocalReceipts | StepRule::Base, [a, b, c]) => a * b / c,
                (StepRule::Sum, parts) => parts.iter().sum(),
                (StepRule::Test, [a, b]) => u128::from(a > b),
                (StepRule::Net, [a, b]) => a.saturating_sub(*b),
                (StepRule::Bracket, [_, b, c]) => b * c,
                (StepRule::Divide, [a, b]) => a / b,
                (StepRule::Modulation, [a, b]) => a * b / 1_000_000,
                (rule, inputs) => panic!("{rule} has inputs {inputs:?}"),
            };
            assert_eq!(step.result.0, expected, "{step}");
        }
    }

    #[test]
    fn the_vector_of_a_share_and_a_flat_rate() {
        let share = Some(Rational::new(83_417, 1_000_000));
        let declaration = declared(vec![service("ads", 120_000_000_000, share, None)]);
        let rules = ScheduleVersion { apportionment: Apportionment::UserShare, ..version(Tariff::Flat(ppm(30_000))) };
        let computed = compute(&rules, &declaration).unwrap();
        assert_eq!(computed.tax, 300_301_200);
        let base = computed.steps.iter().find(|step| step.rule == StepRule::Base).unwrap();
        assert_eq!(base.result.0, 10_010_040_000);
        assert_eq!(base.to_string(), "base ads(120000000000, 83417, 1000000) = 10010040000");
        assert_follows(&computed.steps);
    }

    #[test]
    fn the_vector_of_marginal_rates() {
        let rates = brackets(&[(0, 0), (2_500_000_000, 10_000), (10_000_000_000, 30_000)]);
        assert_eq!(tax_of(Tariff::Marginal(rates), &of_receipts(15_000_000_000)), 225_000_000);
    }

    #[test]
    fn a_slab_takes_the_rate_that_the_base_reaches_exactly() {
        let rates = || Tariff::Slab(brackets(&[(0, 0), (1_000, 10_000), (2_000, 20_000)]));
        for (base, tax) in [(0, 0), (999, 0), (1_000, 10), (1_999, 19), (2_000, 40)] {
            assert_eq!(tax_of(rates(), &of_receipts(base)), tax, "{base}");
        }
    }

    #[test]
    fn units_are_free_up_to_a_bracket_and_then_cost_their_price_with_one_division() {
        let tariff = || prices(1_000, &[(0, 0), (1_000_000, 10)]);
        let units = |first, second| {
            declared(vec![service("ads", 0, None, Some(first)), service("market", 0, None, Some(second))])
        };
        for (first, second, tax) in [(1_000_000, 0, 0), (1_000_099, 0, 0), (1_000_100, 0, 1), (600_000, 600_000, 2_000)]
        {
            assert_eq!(tax_of(tariff(), &units(first, second)), tax, "{first} + {second}");
        }
    }

    fn tested(scope: LiabilityScope, metric: Metric, more_than: u64) -> ScheduleVersion {
        ScheduleVersion {
            scope,
            tests: vec![LiabilityTest { metric, more_than }],
            ..version(Tariff::Flat(ppm(1_000_000)))
        }
    }

    #[test]
    fn exactly_at_a_threshold_is_not_above_it() {
        for metric in [Metric::WorldReceipts, Metric::LocalReceipts] {
            let rules = tested(LiabilityScope::Entity, metric, 1_000);
            assert_eq!(compute(&rules, &of_receipts(1_000)).unwrap().tax, 0, "{metric}");
            assert_eq!(compute(&rules, &of_receipts(1_001)).unwrap().tax, 1_001, "{metric}");
        }
        let rules = tested(LiabilityScope::Entity, Metric::Units, 5);
        let units = |units| declared(vec![service("ads", 100, None, Some(units))]);
        assert_eq!(compute(&rules, &units(5)).unwrap().tax, 0);
        assert_eq!(compute(&rules, &units(6)).unwrap().tax, 100);
    }

    #[test]
    fn a_group_above_the_threshold_makes_an_entity_below_it_liable_and_the_steps_say_so() {
        let mut declaration = of_receipts(600);
        declaration.world_receipts = Amount::eur(1_200);
        let group = compute(&tested(LiabilityScope::Group, Metric::WorldReceipts, 1_000), &declaration).unwrap();
        assert_eq!(group.tax, 600);
        assert_eq!(group.steps[0].to_string(), "group_figure world_receipts(1200) = 1200");
        let entity = compute(&tested(LiabilityScope::Entity, Metric::WorldReceipts, 1_000), &declaration).unwrap();
        assert_eq!(entity.tax, 0);
        assert_eq!(entity.steps.last().unwrap().to_string(), "tax(0) = 0");
    }

    #[test]
    fn all_tests_must_hold() {
        let mut rules = tested(LiabilityScope::Entity, Metric::WorldReceipts, 10);
        rules.tests.push(LiabilityTest { metric: Metric::Units, more_than: 10 });
        assert_eq!(compute(&rules, &of_receipts(100)).unwrap().tax, 0);
    }

    #[test]
    fn local_receipts_are_taken_before_deductions_and_deductions_never_go_below_zero() {
        let mut declaration = declared(vec![service("ads", 1_000, Some(Rational::new(1, 3)), None)]);
        let deduction = |minor| DeclaredDeduction { code: Code::new("vat").unwrap(), amount: Amount::eur(minor) };
        declaration.services[0].deductions = vec![deduction(700), deduction(301)];
        let computed = compute(&tested(LiabilityScope::Entity, Metric::LocalReceipts, 332), &declaration).unwrap();
        assert_eq!(computed.tax, 0);
        let lines: Vec<String> = computed.steps.iter().map(ToString::to_string).collect();
        assert_eq!(lines[0], "local_receipts ads(1000, 1, 3) = 333");
        assert!(lines.contains(&"net ads(1000, 1001) = 0".to_string()), "{lines:?}");
    }

    #[test]
    fn a_class_is_modulated_after_the_division_and_floored_again() {
        let mut declaration = of_receipts(333);
        let class = Code::new("eco").unwrap();
        declaration.class = Some(class);
        let mut rules = version(Tariff::Flat(ppm(10_000)));
        rules.modulation = vec![ModulationClass { class, factor: Factor::new(500_000).unwrap() }];
        let computed = compute(&rules, &declaration).unwrap();
        assert_eq!(computed.tax, 1, "floor(floor(3.33) · 0.5)");
        assert_follows(&computed.steps);
    }

    #[test]
    fn greatest_figures_are_exact_and_what_passes_128_bits_is_an_answer() {
        assert_eq!(tax_of(Tariff::Flat(ppm(1_000_000)), &of_receipts(Amount::MAX_MINOR)), 1_000_000_000_000_000);
        let units = declared(vec![service("ads", 0, None, Some(u64::MAX)), service("market", 0, None, Some(u64::MAX))]);
        let dear = version(prices(1, &[(0, u64::MAX)]));
        assert_eq!(compute(&dear, &units), Err(TooLarge(StepRule::Bracket)));
    }

    /// Ascending from 0, with a rate each.
    fn ladder<R: Strategy>(rate: R) -> impl Strategy<Value = Vec<(u64, R::Value)>>
    where
        R::Value: Clone,
    {
        prop::collection::vec((1u64..1_000_000_000, rate), 1..6).prop_map(|steps| {
            let mut from = 0;
            let mut first = true;
            let step = |(width, rate): (u64, R::Value)| {
                from += if std::mem::take(&mut first) { 0 } else { width };
                (from, rate)
            };
            steps.into_iter().map(step).collect()
        })
    }

    /// Another way to the same sum: each bracket adds the change of the rate on all that lies above it.
    fn by_changes(base: u128, ladder: &[(u64, u64)], den: u128) -> u128 {
        let mut before = 0i128;
        let mut sum = 0i128;
        for (from, rate) in ladder {
            let above = base.saturating_sub(u128::from(*from)) as i128;
            sum += (i128::from(*rate) - before) * above;
            before = i128::from(*rate);
        }
        sum as u128 / den
    }

    proptest! {
        #[test]
        fn marginal_rates_agree_with_the_sum_of_changes(
            list in ladder(0u32..=1_000_000),
            receipts in prop::collection::vec(0..=Amount::MAX_MINOR, 1..3),
            share in (0u64..=1_000_000, 1_000_000u64..),
        ) {
            let share = Rational::new(share.0, share.1);
            let names = ["ads", "market"];
            let services = receipts.iter().zip(names).map(|(receipts, name)| service(name, *receipts, Some(share), None));
            let declaration = declared(services.collect());
            let computed = compute(&version(Tariff::Marginal(brackets(&list))), &declaration).unwrap();
            let base: u128 = receipts
                .iter()
                .map(|receipts| u128::from(*receipts) * u128::from(share.num) / u128::from(share.den))
                .sum();
            let wide: Vec<(u64, u64)> = list.iter().map(|(from, rate)| (*from, u64::from(*rate))).collect();
            prop_assert_eq!(computed.tax, by_changes(base, &wide, 1_000_000));
            prop_assert!(computed.tax <= base);
            assert_follows(&computed.steps);
        }

        #[test]
        fn units_agree_with_the_sum_of_changes(list in ladder(0u64..1_000_000), units in 0u64..1_000_000_000_000, den in 1u64..1_000_000) {
            let declaration = declared(vec![service("ads", 0, None, Some(units))]);
            prop_assert_eq!(tax_of(prices(den, &list), &declaration), by_changes(units.into(), &list, den.into()));
        }

        #[test]
        fn a_slab_is_one_rate_on_the_whole(list in ladder(0u32..=1_000_000), base in 0..=Amount::MAX_MINOR) {
            let rate = list.iter().filter(|(from, _)| *from <= base).map(|(_, rate)| *rate).next_back().unwrap();
            let naive = u128::from(base) * u128::from(rate) / 1_000_000;
            prop_assert_eq!(tax_of(Tariff::Slab(brackets(&list)), &of_receipts(base)), naive);
        }

        #[test]
        fn a_declaration_that_says_more_never_owes_less(list in ladder(0u32..=1_000_000), base in 0..Amount::MAX_MINOR) {
            let tariff = || Tariff::Marginal(brackets(&list));
            prop_assert!(tax_of(tariff(), &of_receipts(base)) <= tax_of(tariff(), &of_receipts(base + 1)));
        }
    }
}
