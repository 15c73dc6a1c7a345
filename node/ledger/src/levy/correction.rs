//! A new assessment in the place of an old one, up or down, and what it moves (rulebook §3, reassessed down after payment; §5).
//!
//! Promises: principal that was paid and no longer is due becomes prepaid money with its value dates; what was paid comes from unallocated money of
//! the source, then from the provision of the period's own dispute, then from the reserve, then it is a deficit; charges for being late are
//! recomputed, and what was posted too much is reversed. Used by `reassess_levy` and `answer_dispute`.

use super::{
    account::{
        Filing, LevyAccount, LevyAssessment, LevyDeclaration, LevyFlag, LevyKey, LevySettlement, PaidPart,
        SettledPeriod, fund_of,
    },
    assess_levy::{AssessFault, bounded},
    compute::{LevyStep, compute},
    declare_levy::DeclareLevy,
    dispute::{LevyDispute, release},
    late::{LateTerms, post_payment},
    prepaid,
    schedule::ScheduleVersion,
    watch,
};
use crate::{
    accounts::{Account, Movement, Postings, balance},
    action::Place,
    history::RecordRef,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

message! {
    /// Where money that is given back comes from, in minor units.
    pub struct GivenBack = GivenBack {
        /// Unallocated money of the schedule.
        pub unallocated: u64,
        /// What a dispute of the period holds.
        pub provision: u64,
        /// The reserve.
        pub reserve: u64,
        /// The contra account; the next close covers it first.
        pub deficit: u64,
    }

    /// What a new assessment does to a period.
    pub struct LevyCorrection = LevyCorrection {
        /// Minor units before.
        pub tax_before: u64,
        /// Minor units now.
        pub tax: u64,
        /// Principal that was paid and no longer is due.
        pub excess: Vec<PaidPart>,
        /// Interest and surcharges that were paid and no longer are owed.
        pub charges_back: u64,
        /// The charges for being late, recomputed; pays nothing.
        pub late: LevySettlement [required],
        /// Where what was paid comes from.
        pub given_back: GivenBack [required],
        /// Prepaid money applied, oldest period first.
        pub prepaid: Vec<SettledPeriod>,
    }
}

/// Which money is asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstFrom {
    /// Unallocated money: a reassessment.
    Unallocated,
    /// The provision: the answer to a dispute.
    Provision,
}

/// A new assessment, decided.
pub(super) struct Corrected {
    pub(super) id: AssessmentId,
    pub(super) assessment: LevyAssessment,
    pub(super) declaration: LevyDeclaration,
    pub(super) steps: Vec<LevyStep>,
    pub(super) correction: LevyCorrection,
    /// Not checked yet: the caller may have more to move.
    pub(super) movement: Movement,
}

/// Decides what new figures do to an assessed period. `account` is the account as it stands.
pub(super) fn correct(
    key: LevyKey,
    account: &LevyAccount,
    figures: &DeclareLevy,
    version: &ScheduleVersion,
    first: FirstFrom,
    place: &Place,
    state: &Overlay<'_>,
) -> Result<Corrected, AssessFault> {
    let (payer, schedule, period) = key;
    let fund = fund_of(state, &schedule).expect("decide: the schedule exists");
    let declaration_id = DeclarationId::new(object_id("declaration", &place.transaction));
    let id = AssessmentId::new(object_id("assessment", &place.transaction));
    let filing = filed(account, state);
    let declaration = figures.as_declaration(payer, place.date(), filing);
    let computed = compute(version, &declaration)?;
    let tax = bounded(computed.tax)?;

    let mut correction = revise(key, account, tax, version, place.date())?;
    let back = correction.excess.iter().map(|part| part.amount).sum::<u64>() + correction.charges_back;
    let held = account.dispute.and_then(|id| state.get::<LevyDispute>(&id)).map_or(0, |dispute| dispute.held);
    correction.given_back = given_back(back, held, first, fund, schedule, state);

    let assessment = LevyAssessment {
        payer,
        schedule,
        period,
        declaration: declaration_id,
        version: version.version,
        tax: Amount::new(tax, figures.world_receipts.currency),
        replaced_by: None,
    };
    let mut scratch = state.scratch();
    write(&mut scratch, key, id, &assessment, &declaration, &correction);
    correction.prepaid = prepaid::apply(&mut scratch, payer, schedule, place.date())?;
    let movement = movement(key, fund, &correction);
    Ok(Corrected { id, assessment, declaration, steps: computed.steps, correction, movement })
}

/// Whether the declaration that the old assessment rests on came in time: new figures do not change that.
fn filed(account: &LevyAccount, state: &Overlay<'_>) -> Filing {
    let declared = account.declaration.and_then(|id| state.get::<LevyDeclaration>(&id));
    declared.map_or(Filing::NotFiled, |declared| declared.filing)
}

/// The account's own part of it: excess, charges, none of the sources.
fn revise(
    key: LevyKey,
    account: &LevyAccount,
    tax: u64,
    version: &ScheduleVersion,
    at: LegalDate,
) -> Result<LevyCorrection, AssessFault> {
    let mut after = account.clone();
    after.assessed = tax;
    let excess = prepaid::split_latest(&mut after.parts, account.paid.saturating_sub(tax));
    after.paid = account.paid.min(tax);
    let charges = LateTerms::of(version, key.2, account.failures).charges(&after, at)?;
    let interest_back = account.interest_paid.saturating_sub(charges.interest);
    let surcharge_back = account.surcharge_paid.saturating_sub(charges.surcharge);
    let late = LevySettlement {
        value_date: at,
        at,
        due: charges.due,
        principal: 0,
        interest: 0,
        surcharge: 0,
        interest_before: account.interest,
        interest_owed: charges.interest,
        surcharge_before: account.surcharge,
        surcharge_owed: charges.surcharge,
        steps: charges.steps,
    };
    Ok(LevyCorrection {
        tax_before: account.assessed,
        tax,
        excess,
        charges_back: interest_back + surcharge_back,
        late,
        given_back: GivenBack { unallocated: 0, provision: 0, reserve: 0, deficit: 0 },
        prepaid: Vec::new(),
    })
}

/// Where so much paid money comes from.
fn given_back(
    amount: u64,
    held: u64,
    first: FirstFrom,
    fund: FundCode,
    schedule: ScheduleCode,
    state: &Overlay<'_>,
) -> GivenBack {
    let holds = |account: Account| u64::try_from(-balance(state, &account)).unwrap_or(0);
    let free = holds(Account::Unallocated { fund, source: schedule.code() });
    let mut left = amount;
    let mut take = |most: u64| {
        let part = most.min(left);
        left -= part;
        part
    };
    let (unallocated, provision) = match first {
        FirstFrom::Unallocated => {
            let unallocated = take(free);
            (unallocated, take(held))
        }
        FirstFrom::Provision => {
            let provision = take(held);
            (take(free), provision)
        }
    };
    let reserve = take(holds(Account::Reserve { fund }));
    let deficit = take(u64::MAX);
    GivenBack { unallocated, provision, reserve, deficit }
}

/// Postings (rulebook §3, table A).
fn movement(key: LevyKey, fund: FundCode, correction: &LevyCorrection) -> Movement {
    let (payer, schedule, period) = key;
    let LevyCorrection { tax_before, tax, excess, charges_back, late, given_back, prepaid } = correction;
    let mut movement = Movement::in_fund(fund);
    let uncollected = Account::Uncollected { fund };
    let receivable = Account::LevyReceivable { payer, schedule, period };
    let penalty = Account::PenaltyReceivable { payer, schedule, period };
    let waiting = Account::PrepaidLevy { payer, schedule };
    let excess: u64 = excess.iter().map(|part| part.amount).sum();
    if tax > tax_before {
        movement.transfer(receivable, uncollected.clone(), tax - tax_before);
    } else {
        movement.transfer(uncollected.clone(), receivable, tax_before - tax - excess);
    }
    let before = late.interest_before + late.surcharge_before;
    let owed = late.interest_owed + late.surcharge_owed + charges_back;
    // What was paid too much leaves the free money; only what was not paid is reversed against uncollected.
    if owed > before {
        movement.transfer(penalty, uncollected, owed - before);
    } else {
        movement.transfer(uncollected, penalty, before - owed);
    }
    let source = schedule.code();
    movement.transfer(Account::Unallocated { fund, source }, waiting.clone(), given_back.unallocated);
    movement.transfer(Account::Provision { fund }, waiting.clone(), given_back.provision);
    movement.transfer(Account::Reserve { fund }, waiting.clone(), given_back.reserve);
    movement.transfer(Account::Deficit { fund }, waiting.clone(), given_back.deficit);
    for SettledPeriod { period, amount: _, settlement } in prepaid {
        post_payment(&mut movement, waiting.clone(), (payer, schedule, *period), fund, settlement);
    }
    movement
}

/// Writes the new assessment, and what is given back; not what prepaid money settles.
fn write(
    state: &mut Overlay<'_>,
    key: LevyKey,
    id: AssessmentId,
    assessment: &LevyAssessment,
    declaration: &LevyDeclaration,
    correction: &LevyCorrection,
) {
    let (payer, schedule, _) = key;
    let LevyCorrection { tax_before: _, tax, excess, charges_back, late, given_back, prepaid: _ } = correction;
    let account = state.get::<LevyAccount>(&key).expect("decide: the account exists").clone();
    if let Some(old) = account.assessment {
        state.update::<LevyAssessment>(&old, |record| record.replaced_by = Some(id));
    }
    for PaidPart { value_date, amount } in excess {
        prepaid::add(state, payer, schedule, *value_date, *amount);
    }
    prepaid::add(state, payer, schedule, late.at, *charges_back);
    if let Some(dispute) = account.dispute {
        release(state, &dispute, given_back.provision);
    }
    let returned: u64 = excess.iter().map(|part| part.amount).sum();
    state.update::<LevyAccount>(&key, |account| {
        account.declaration = Some(assessment.declaration);
        account.assessment = Some(id);
        account.assessed = *tax;
        prepaid::split_latest(&mut account.parts, returned);
        account.paid -= returned;
        account.interest_paid = account.interest_paid.min(late.interest_owed);
        account.surcharge_paid = account.surcharge_paid.min(late.surcharge_owed);
        // It rests on figures now, whatever it rested on before.
        account.unset(LevyFlag::Estimated);
        account.take(late);
    });
    state.put::<LevyDeclaration>(assessment.declaration, declaration.clone());
    state.put::<LevyAssessment>(id, assessment.clone());
}

/// Writes all of it.
pub(super) fn apply(
    state: &mut Overlay<'_>,
    id: AssessmentId,
    assessment: &LevyAssessment,
    declaration: &LevyDeclaration,
    correction: &LevyCorrection,
    place: &Place,
) {
    let LevyAssessment { payer, schedule, period, .. } = *assessment;
    let key = (payer, schedule, period);
    write(state, key, id, assessment, declaration, correction);
    for settled in &correction.prepaid {
        prepaid::write_settled(state, payer, schedule, settled);
    }
    watch::mark_if_late(state, key, place.date());
}

/// The records whose story a new assessment belongs to, besides fund, schedule and organisations.
pub(super) fn subjects(id: &AssessmentId, assessment: &LevyAssessment, correction: &LevyCorrection) -> Vec<RecordRef> {
    let LevyAssessment { payer, schedule, period, declaration, .. } = assessment;
    let settled = correction.prepaid.iter().map(|settled| settled.period);
    let accounts = settled.chain([*period]).map(|period| RecordRef::of::<LevyAccount>(&(*payer, *schedule, period)));
    accounts.chain([RecordRef::of::<LevyAssessment>(id), RecordRef::of::<LevyDeclaration>(declaration)]).collect()
}

/// The same money as checked postings.
pub(super) fn check(movement: Movement, state: &Overlay<'_>) -> Result<Postings, AssessFault> {
    movement.check(state).map_err(AssessFault::Posting)
}
