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
struct Sheet(Vec<LevyStep>);

impl Sheet {
    fn line(
        &mut self,
        rule: StepRule,
        subject: Option<Code>,
        inputs: &[u128],
        result: Option<u128>,
    ) -> Result<u128, TooLarge> {
        let result = result.ok_or(TooLarge(rule))?;
        let inputs = inputs.iter().copied().map(Quantity).collect();
        self.0.push(LevyStep { rule, subject, inputs, result: Quantity(result) });
        Ok(result)
    }

    fn sum(&mut self, of: &str, parts: &[u128]) -> Result<u128, TooLarge> {
        let sum = parts.iter().try_fold(0u128, |sum, part| sum.checked_add(*part));
        self.line(StepRule::Sum, code(of), parts, sum)
    }
}

/// A word of this file, or a number, as a code.
fn code(word: &str) -> Option<Code> {
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
