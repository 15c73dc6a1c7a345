//! `mark_overdue`*: the last day of the calendar has passed. The executor makes it on the day after.
//!
//! - Effect: a period that is assessed and not paid is flagged. A period that was expected and not declared gets an account that is expected and
//!   overdue, and is assessed by default a month later, unless it is declared before.
//! - Source: rulebook §4, 0408, and §5, states.

use super::{
    account::{LevyAccount, LevyFlag, LevyKey, LevyStatus},
    late::version_of,
    schedule::LevySchedule,
    watch::{self, LevyWatch},
};
use crate::{
    action::{Duty, Effect, Place},
    history::RecordRef,
    refusal::refusals,
    registry::organisation::Organisation,
    state::Overlay,
    wire::{message, words},
};
use octroi_primitives::*;

/// The duty; its object is that of the period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarkOverdue;

words! {
    /// What has not come.
    pub enum OverdueWhat {
        /// The money.
        Payment = "payment",
        /// The declaration.
        Declaration = "declaration",
    }
}

message! {
    /// The event.
    pub struct LevyMarkedOverdue = LevyMarkedOverdue {
        /// Who owes.
        pub payer: OrganisationId,
        /// Under which schedule.
        pub schedule: ScheduleCode,
        /// For which period.
        pub period: Period,
        /// What has not come.
        pub what: OverdueWhat,
        /// Minor units of principal that are open.
        pub open: u64,
        /// When it is assessed by default, unless it is declared before.
        pub default_at: Option<BlockTime>,
    }
}

refusals! {
    UnknownPeriod(Hash): Unknown 1 "no period waits under {0}", "the period is not known";
    ScheduleVersion(ScheduleCode, Period): Schedule 1 "schedule {0} has no version for {1}", "no version of the schedule is valid on the period's last day any more";
    StateSettled(Period): State 1 "nothing of {0} is late", "all that is due has come, or the authority has not assessed yet";
}

impl Duty for MarkOverdue {
    type Event = LevyMarkedOverdue;
    type Refused = Refused;

    fn decide(object: &Hash, place: &Place, state: &Overlay<'_>) -> Result<LevyMarkedOverdue, Refused> {
        let (payer, schedule, period) = state.get::<LevyWatch>(object).ok_or(Refused::UnknownPeriod(*object))?.key();
        let marked = |what, open, default_at| LevyMarkedOverdue { payer, schedule, period, what, open, default_at };
        let account = state.get::<LevyAccount>(&(payer, schedule, period));
        match account.map(|account| account.status) {
            None | Some(LevyStatus::Expected) => {
                let record = state.get::<LevySchedule>(&schedule);
                if record.and_then(|record| record.version_for(period)).is_none() {
                    return Err(Refused::ScheduleVersion(schedule, period));
                }
                Ok(marked(OverdueWhat::Declaration, 0, Some(watch::default_on(place.date()).start_time())))
            }
            Some(LevyStatus::Assessed | LevyStatus::PartPaid) => {
                let account = account.expect("it has a status");
                let open = account.open();
                let known = version_of(state, &schedule, account).is_some();
                if known && open > 0 && !account.has_ended() {
                    Ok(marked(OverdueWhat::Payment, open, None))
                } else {
                    Err(Refused::StateSettled(period))
                }
            }
            Some(LevyStatus::Declared | LevyStatus::Paid | LevyStatus::Nil) => Err(Refused::StateSettled(period)),
        }
    }
}

impl Effect for LevyMarkedOverdue {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let key: LevyKey = (self.payer, self.schedule, self.period);
        if !state.has::<LevyAccount>(&key) {
            state.put::<LevyAccount>(key, LevyAccount::new(None, LevyStatus::Expected));
        }
        state.update::<LevyAccount>(&key, |account| account.set(LevyFlag::Overdue));
        if let Some(at) = self.default_at {
            watch::expect_default(state, &key, LegalDate::at(at));
        }
    }

    fn subjects(&self) -> Vec<RecordRef> {
        vec![
            RecordRef::of::<LevyAccount>(&(self.payer, self.schedule, self.period)),
            RecordRef::of::<LevySchedule>(&self.schedule),
            RecordRef::of::<Organisation>(&self.payer),
        ]
    }
}
