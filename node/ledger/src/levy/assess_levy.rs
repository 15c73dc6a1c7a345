//! `assess_levy`: a levy authority assesses a declaration. It carries no amount: the amount follows from the declaration and the schedule.
//!
//! - Allowed: an active organisation with the role levy authority over the schedule, of another group than the payer.
//! - Effect: the event holds every line of the computation; nothing due is `nil`; else the levy stands as receivable and uncollected, has a reference
//!   (L and 26 characters), and prepaid money is applied to the oldest unpaid period first.
//! - Source: rulebook §3, §5 and §17, 0404.

use super::{
    account::{
        LevyAccount, LevyAssessment, LevyDeclaration, LevyStatus, SettledPeriod, last_period, post_payment, settle,
    },
    compute::{LevyStep, compute},
    schedule::LevySchedule,
};
use crate::{
    accounts::{Account, Movement, PostingError, Postings, balance},
    action::{Action, Effect, Place},
    history::RecordRef,
    refusal::{refusals, signer_refusals},
    registry::{
        fund::Fund,
        organisation::Organisation,
        role::{Role, Scope},
    },
    signer::{Context, same_group},
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;
use std::collections::BTreeSet;

message! {
    /// The payload.
    pub struct AssessLevy = AssessLevy {
        /// Who owes.
        pub payer: OrganisationId,
        /// Under which schedule.
        pub schedule: ScheduleCode,
        /// For which period.
        pub period: Period,
        /// The declaration that it rests on.
        pub declaration: DeclarationId,
    }

    /// The event.
    pub struct LevyAssessed = LevyAssessed {
        /// The new assessment.
        pub id: AssessmentId,
        /// As it stands in the state.
        pub assessment: LevyAssessment [required],
        /// The fund that it feeds.
        pub fund: FundCode,
        /// Who assessed.
        pub authority: OrganisationId,
        /// Every line of the computation.
        pub steps: Vec<LevyStep>,
        /// Prepaid money applied, oldest period first.
        pub prepaid: Vec<SettledPeriod>,
        /// The levy, then what prepaid money settles.
        pub postings: Postings,
    }
}

refusals! {
    signer;
    UnknownSchedule(ScheduleCode): Unknown 1 "levy schedule {0} does not exist", "the schedule does not exist";
    ScheduleVersion(ScheduleCode, Period): Schedule 1 "schedule {0} has no version for {1}", "no version of the schedule is valid on the period's last day, or its periods have another length";
    SegregationPayer(OrganisationId): Segregation 1 "payer {0} is of the authority's group", "payer and authority are of one group";
    StateDeclaration(DeclarationId): State 1 "{0} is not the current declaration of the payer for the period", "the declaration is not the payer's current one for the period";
    StateAssessed(Period): State 2 "period {0} is assessed", "the period is assessed already";
    Insufficient(PostingError): Insufficient 1 "{0}", "an account does not hold what the assessment moves";
    OverflowTax(String): Overflow 1 "{0}", "a line of the computation, or the tax, leaves its range";
    Overflow(PostingError): Overflow 2 "{0}", "a sum leaves its range";
}
signer_refusals!(Refused);

impl From<PostingError> for Refused {
    fn from(error: PostingError) -> Self {
        match error {
            PostingError::Insufficient { .. } => Self::Insufficient(error),
            PostingError::Overflow(_) => Self::Overflow(error),
        }
    }
}

impl Action for AssessLevy {
    type Event = LevyAssessed;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        Ok(())
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<LevyAssessed, Refused> {
        let Self { payer, schedule, period, declaration } = self.clone();

        cx.authorise(state, Role::LevyAuthority, Scope::Schedule(schedule))?;
        let record = state.get::<LevySchedule>(&schedule).ok_or(Refused::UnknownSchedule(schedule))?;
        let version = record.version_for(period).ok_or(Refused::ScheduleVersion(schedule, period))?;
        if same_group(state, &payer, &cx.organisation) {
            return Err(Refused::SegregationPayer(payer));
        }
        let account = state
            .get::<LevyAccount>(&(payer, schedule, period))
            .filter(|account| account.declaration == declaration)
            .ok_or(Refused::StateDeclaration(declaration))?;
        if account.assessment.is_some() {
            return Err(Refused::StateAssessed(period));
        }
        let declared = state.get::<LevyDeclaration>(&declaration).ok_or(Refused::StateDeclaration(declaration))?;
        let computed = compute(version, declared).map_err(|large| Refused::OverflowTax(large.to_string()))?;
        let tax = u64::try_from(computed.tax).ok().filter(|tax| *tax <= Amount::MAX_MINOR);
        let tax =
            tax.ok_or_else(|| Refused::OverflowTax(format!("{} minor units; 10^15 are possible", computed.tax)))?;

        let id = AssessmentId::new(object_id("assessment", &cx.place.transaction));
        let tax = Amount::new(tax, declared.world_receipts.currency);
        let mut event = LevyAssessed {
            id,
            assessment: LevyAssessment { payer, schedule, period, declaration, version: version.version, tax },
            fund: record.fund,
            authority: cx.organisation,
            steps: computed.steps,
            prepaid: Vec::new(),
            postings: Postings::default(),
        };
        event.settle_prepaid(state)?;
        Ok(event)
    }
}

impl LevyAssessed {
    /// Adds what prepaid money settles, and the postings, decided on a scratch state that knows the assessment.
    fn settle_prepaid(&mut self, state: &Overlay<'_>) -> Result<(), PostingError> {
        let LevyAssessment { payer, schedule, period, tax, .. } = self.assessment;
        let fund = self.fund;
        let mut scratch = state.scratch();
        self.write(&mut scratch);
        let prepaid = Account::PrepaidLevy { payer, schedule };
        let held = u64::try_from(-balance(state, &prepaid)).unwrap_or(0);
        self.prepaid = settle(&scratch, payer, schedule, last_period(), held);

        let mut movement = Movement::in_fund(fund);
        let receivable = Account::LevyReceivable { payer, schedule, period };
        movement.transfer(receivable, Account::Uncollected { fund }, tax.minor);
        for SettledPeriod { period, amount } in &self.prepaid {
            post_payment(&mut movement, prepaid.clone(), (payer, schedule, *period), fund, *amount);
        }
        self.postings = movement.check(state)?;
        Ok(())
    }

    /// Writes the assessment and the account; not what prepaid money settles.
    fn write(&self, state: &mut Overlay<'_>) {
        let LevyAssessment { payer, schedule, period, tax, .. } = &self.assessment;
        state.update::<LevyAccount>(&(*payer, *schedule, *period), |account| {
            account.assessment = Some(self.id);
            account.assessed = tax.minor;
            account.status = if tax.is_zero() { LevyStatus::Nil } else { LevyStatus::Assessed };
        });
        state.put::<LevyAssessment>(self.id, self.assessment.clone());
    }
}

impl Effect for LevyAssessed {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        self.write(state);
        let LevyAssessment { payer, schedule, .. } = &self.assessment;
        for SettledPeriod { period, amount } in &self.prepaid {
            state.update::<LevyAccount>(&(*payer, *schedule, *period), |account| account.pay(*amount));
        }
    }

    /// The assessment, its declaration, schedule, fund, payer, authority, and each period that prepaid money settles: usually one.
    fn subjects(&self) -> Vec<RecordRef> {
        let LevyAssessment { payer, schedule, period, declaration, .. } = &self.assessment;
        let mut subjects = BTreeSet::from([
            RecordRef::of::<LevyAssessment>(&self.id),
            RecordRef::of::<LevyDeclaration>(declaration),
            RecordRef::of::<LevyAccount>(&(*payer, *schedule, *period)),
            RecordRef::of::<LevySchedule>(schedule),
            RecordRef::of::<Fund>(&self.fund),
            RecordRef::of::<Organisation>(payer),
            RecordRef::of::<Organisation>(&self.authority),
        ]);
        let settled = self.prepaid.iter().map(|settled| (*payer, *schedule, settled.period));
        subjects.extend(settled.map(|key| RecordRef::of::<LevyAccount>(&key)));
        subjects.into_iter().collect()
    }

    fn postings(&self) -> Option<&Postings> {
        Some(&self.postings)
    }
}
