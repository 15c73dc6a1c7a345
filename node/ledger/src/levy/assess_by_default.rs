//! `assess_by_default`*: a period that was expected was not declared. The executor makes it a month after the period was marked overdue.
//!
//! - Effect: an estimate is assessed as a declaration would be, and flagged: the use that a data holder attested, or else the figures of the last
//!   period that was assessed before. The surcharge for not filing is posted with it. The payer may dispute it, the authority reassess it.
//! - Source: rulebook §4, 0409, and §5, states.

use super::{
    account::{DeclaredService, Filing, LevyAccount, LevyDeclaration, LevyKey, LevyStatus, up_to},
    assess_levy::{AssessFault, Assessor, LevyAssessed},
    attest_usage::LevyUsage,
    schedule::LevySchedule,
    watch::LevyWatch,
};
use crate::{
    accounts::{PostingError, Postings},
    action::{BASE_COST, Duty, Effect, Place},
    history::RecordRef,
    refusal::refusals,
    registry::fund::Fund,
    state::Overlay,
    wire::{message, words},
};
use octroi_primitives::*;

/// The duty; its object is that of the period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AssessByDefault;

words! {
    /// What an estimate rests on.
    pub enum EstimateBasis {
        /// Use that a data holder attested.
        Usage = "usage",
        /// The last declaration that was assessed before.
        Previous = "previous",
    }
}

message! {
    /// The event.
    pub struct LevyAssessedByDefault = LevyAssessedByDefault {
        /// The assessment, which no authority made.
        pub assessed: LevyAssessed [required],
        /// The estimate as a declaration.
        pub declaration: LevyDeclaration [required],
        /// What it rests on.
        pub basis: EstimateBasis,
    }
}

refusals! {
    UnknownPeriod(Hash): Unknown 1 "no period waits under {0}", "the period is not known";
    ScheduleVersion(ScheduleCode, Period): Schedule 1 "schedule {0} has no version for {1}", "no version of the schedule is valid on the period's last day any more";
    StateDeclared(Period): State 1 "period {0} is declared, assessed or prescribed", "the period was declared meanwhile, or ended";
    EvidenceNone(Period): Evidence 1 "nothing is known to estimate {0} from", "neither use nor an earlier declaration is on record, or it does not fit the version";
    Insufficient(PostingError): Insufficient 1 "{0}", "an account does not hold what the assessment moves";
    OverflowTax(String): Overflow 1 "{0}", "a line of the computation, or the tax, leaves its range";
    Overflow(PostingError): Overflow 2 "{0}", "a sum leaves its range";
}

impl From<AssessFault> for Refused {
    fn from(fault: AssessFault) -> Self {
        match fault {
            AssessFault::Tax(words) => Self::OverflowTax(words),
            AssessFault::Posting(error @ PostingError::Insufficient { .. }) => Self::Insufficient(error),
            AssessFault::Posting(error @ PostingError::Overflow(_)) => Self::Overflow(error),
        }
    }
}

/// The figures of the last period before that was assessed by what a payer declared or an authority set.
fn previous(key: LevyKey, state: &Overlay<'_>) -> Option<LevyDeclaration> {
    let (payer, schedule, period) = key;
    let accounts = up_to(state, payer, schedule, period);
    let last = accounts.iter().rev().find(|((_, _, at), account)| *at < period && account.assessment.is_some());
    state.get::<LevyDeclaration>(last?.1.declaration.as_ref()?).cloned()
}

/// The estimate, and what it rests on.
fn estimate(
    key: LevyKey,
    currency: Currency,
    today: LegalDate,
    state: &Overlay<'_>,
) -> Option<(LevyDeclaration, EstimateBasis)> {
    let (payer, schedule, period) = key;
    let before = previous(key, state);
    let zero = Amount::zero(currency);
    let (services, basis) = match (state.get::<LevyUsage>(&key), &before) {
        (Some(usage), _) => {
            let of_use = usage.units.iter().map(|used| DeclaredService {
                code: used.service,
                receipts: zero,
                deductions: Vec::new(),
                share: None,
                units: Some(used.units),
            });
            (of_use.collect(), EstimateBasis::Usage)
        }
        (None, Some(before)) => (before.services.clone(), EstimateBasis::Previous),
        (None, None) => return None,
    };
    let figure = |of: fn(&LevyDeclaration) -> Amount| before.as_ref().map_or(zero, of);
    // No document stands behind an estimate.
    let none = Commitment::ZERO;
    let declaration = LevyDeclaration {
        payer,
        schedule,
        period,
        services,
        world_receipts: figure(|before| before.world_receipts),
        local_receipts: figure(|before| before.local_receipts),
        method: none,
        evidence: state.get::<LevyUsage>(&key).map_or(none, |usage| usage.evidence),
        class: None,
        filed_on: today,
        filing: Filing::NotFiled,
    };
    Some((declaration, basis))
}

impl Duty for AssessByDefault {
    type Event = LevyAssessedByDefault;
    type Refused = Refused;

    fn decide(object: &Hash, place: &Place, state: &Overlay<'_>) -> Result<LevyAssessedByDefault, Refused> {
        let key = state.get::<LevyWatch>(object).ok_or(Refused::UnknownPeriod(*object))?.key();
        let (_, schedule, period) = key;
        let record = state.get::<LevySchedule>(&schedule).ok_or(Refused::UnknownPeriod(*object))?;
        let version = record.version_for(period).ok_or(Refused::ScheduleVersion(schedule, period))?;
        let expected = state
            .get::<LevyAccount>(&key)
            .is_some_and(|account| account.status == LevyStatus::Expected && !account.has_ended());
        if !expected {
            return Err(Refused::StateDeclared(period));
        }
        let fund = state.get::<Fund>(&record.fund).ok_or(Refused::UnknownPeriod(*object))?;
        let estimated = estimate(key, fund.currency, place.date(), state).ok_or(Refused::EvidenceNone(period))?;
        let (declaration, basis) = estimated;
        // A later version may have dropped a service that was declared before.
        if declaration.services.iter().any(|service| !version.services.contains(&service.code)) {
            return Err(Refused::EvidenceNone(period));
        }
        let id = DeclarationId::new(object_id("declaration", &place.transaction));
        let by = Assessor { authority: None, place: *place, state };
        let assessed = by.assess(&declaration, id, version)?;
        Ok(LevyAssessedByDefault { assessed, declaration, basis })
    }

    fn cost(_: &Hash, _: &Overlay<'_>) -> u64 {
        2 * BASE_COST
    }
}

impl Effect for LevyAssessedByDefault {
    fn apply(&self, place: &Place, state: &mut Overlay<'_>) {
        let LevyDeclaration { payer, schedule, period, .. } = self.declaration;
        let id = self.assessed.assessment.declaration;
        state.update::<LevyAccount>(&(payer, schedule, period), |account| account.declaration = Some(id));
        state.put::<LevyDeclaration>(id, self.declaration.clone());
        self.assessed.apply(place, state);
    }

    /// As for an assessment by an authority.
    fn subjects(&self) -> Vec<RecordRef> {
        self.assessed.subjects()
    }

    fn postings(&self) -> Option<&Postings> {
        self.assessed.postings()
    }
}
