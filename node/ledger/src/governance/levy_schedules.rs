//! The change `publish_levy_schedule`: a new schedule, or new versions of one (rulebook §4, §5).
//!
//! Promises: versions stand as they were published; only the last day of the one that was last may change, where a new one follows or the levy
//! ceases. What is published governs no chargeable event that has passed, unless the change is flagged retroactive, which takes a supermajority.

use super::{
    change::Mode,
    enact_change::{self, ChangeEnacted},
    motion::{Effects, Fault, Motion},
    propose_change,
};
use crate::{
    action::Place,
    history::RecordRef,
    levy::schedule::{LevySchedule, ScheduleFault, ScheduleVersion},
    state::Overlay,
    wire::{message, words},
};
use octroi_primitives::*;

words! {
    /// Whether what is published may govern the past.
    pub enum Timing {
        /// Chargeable events to come alone.
        Ahead = "ahead",
        /// Past ones too.
        Retroactive = "retroactive",
    }
}

message! {
    /// Publishes a levy schedule.
    pub struct PublishLevySchedule = PublishLevySchedule {
        /// Its code; of a schedule that exists all versions are given again.
        pub code: ScheduleCode,
        /// As it is to stand.
        pub schedule: LevySchedule [required],
        /// Whether it may govern the past.
        pub timing: Timing,
    }
}

impl From<ScheduleFault> for Fault {
    fn from(fault: ScheduleFault) -> Self {
        let words = fault.to_string();
        match fault {
            ScheduleFault::UnknownFund(_) => Self::Unknown(words),
            ScheduleFault::Reserved(_) => Self::Duplicate(words),
            ScheduleFault::Visibility(_) | ScheduleFault::Empty | ScheduleFault::Version { .. } => {
                Self::Schedule(words)
            }
        }
    }
}

/// The first chargeable event date that a day belongs to: the last day of its period.
fn event_on(version: &ScheduleVersion, day: LegalDate) -> LegalDate {
    Period::containing(day, version.calendar.period).last_day()
}

/// The chargeable events that change hands begin at this date; `None` if none does.
fn first_governed(old: Option<&LevySchedule>, new: &LevySchedule) -> Option<LegalDate> {
    let kept = old.map_or(0, |old| old.versions.len());
    let closed = old.and_then(|old| old.versions.last()).zip(new.versions.get(kept.saturating_sub(1)));
    let ceased = closed.filter(|(before, after)| before.valid_to != after.valid_to).and_then(|(before, after)| {
        // Both ends: the earlier one is where the change begins.
        let ends = [before.valid_to, after.valid_to].into_iter().flatten().min()?;
        ends.plus_days(1).map(|day| event_on(after, day))
    });
    let added = new.versions.get(kept).map(|version| event_on(version, version.valid_from));
    [ceased, added].into_iter().flatten().min()
}

fn check(asked: &PublishLevySchedule, today: LegalDate, state: &Overlay<'_>) -> Result<(), Fault> {
    let PublishLevySchedule { code, schedule, timing } = asked;
    schedule.check(code, state)?;
    let old = state.get::<LevySchedule>(code);
    if let Some(old) = old {
        same(old, schedule)?;
    }
    let Some(first) = first_governed(old, schedule) else { return Ok(()) };
    match timing {
        Timing::Retroactive => Ok(()),
        Timing::Ahead if first > today => Ok(()),
        Timing::Ahead => {
            Err(Fault::Window(format!("it governs the chargeable event of {first}, which is not after today, {today}")))
        }
    }
}

/// What was published stands: fund, kind, visibility and versions, the last day of the last one apart.
fn same(old: &LevySchedule, new: &LevySchedule) -> Result<(), Fault> {
    let LevySchedule { fund, kind, visibility, versions } = old;
    if (fund, kind, visibility) != (&new.fund, &new.kind, &new.visibility) {
        return Err(Fault::State("a schedule keeps its fund, kind and visibility".into()));
    }
    let last = versions.len().saturating_sub(1);
    for (index, before) in versions.iter().enumerate() {
        let mut before = before.clone();
        let after = new.versions.get(index);
        if index == last {
            before.valid_to = after.and_then(|after| after.valid_to);
        }
        if after != Some(&before) {
            return Err(Fault::State(format!("version {} stands as it was published", before.version)));
        }
    }
    Ok(())
}

impl Motion for PublishLevySchedule {
    type Asked = Self;

    fn mode(asked: &Self, _: &Overlay<'_>) -> Mode {
        match asked.timing {
            Timing::Ahead => Mode::Consent,
            Timing::Retroactive => Mode::Supermajority,
        }
    }

    fn elements(asked: &Self) -> usize {
        asked.schedule.versions.len()
    }

    fn known(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        asked.schedule.check(&asked.code, state).map_err(Fault::from)?;
        match state.get::<LevySchedule>(&asked.code) {
            Some(old) => Ok(same(old, &asked.schedule)?),
            None => Ok(()),
        }
    }

    fn fund(asked: &Self, _: &Overlay<'_>) -> Option<FundCode> {
        Some(asked.schedule.fund)
    }

    fn enact(asked: &Self, _: &ChangeId, place: &Place, state: &Overlay<'_>) -> Result<Effects, enact_change::Refused> {
        check(asked, place.date(), state)?;
        Ok(Effects::default())
    }

    fn apply(asked: &Self, _: &ChangeEnacted, _: &Place, state: &mut Overlay<'_>) {
        state.put::<LevySchedule>(asked.code, asked.schedule.clone());
    }

    fn subjects(asked: &Self, event: &ChangeEnacted) -> Vec<RecordRef> {
        if event.is_enacted() { vec![RecordRef::of::<LevySchedule>(&asked.code)] } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixture::money::{self, date, ppm, schedule_code},
        governance::{change::Content, enact_change::tests::enacted},
        levy::schedule::Tariff,
    };

    fn asked(change: impl FnOnce(&mut LevySchedule), timing: Timing) -> PublishLevySchedule {
        let network = money::network();
        let mut schedule = network.state.get::<LevySchedule>(&schedule_code("royalty")).unwrap().clone();
        change(&mut schedule);
        PublishLevySchedule { code: schedule_code("royalty"), schedule, timing }
    }

    fn fault(asked: &PublishLevySchedule, today: LegalDate) -> Option<Fault> {
        let network = money::network();
        check(asked, today, &network.state.overlay()).err()
    }

    /// The royalty's version closes on a day, and a second one at another price follows.
    fn follows(day: LegalDate) -> impl FnOnce(&mut LevySchedule) {
        move |schedule| {
            let mut next = schedule.versions[0].clone();
            schedule.versions[0].valid_to = Some(day);
            next.version = 2;
            next.valid_from = day.plus_days(1).unwrap();
            next.tariff = Tariff::Flat(ppm(5));
            schedule.versions.push(next);
        }
    }

    #[test]
    fn a_version_in_mid_year_is_published_before_its_first_chargeable_event() {
        let ahead = asked(follows(date(2027, 5, 15)), Timing::Ahead);
        assert_eq!(fault(&ahead, date(2027, 6, 29)), None);
        assert!(matches!(fault(&ahead, date(2027, 6, 30)), Some(Fault::Window(_))), "on the day itself it is too late");
        let retroactive = PublishLevySchedule { timing: Timing::Retroactive, ..ahead };
        assert_eq!(fault(&retroactive, date(2028, 1, 1)), None);
        let network = money::network();
        assert_eq!(PublishLevySchedule::mode(&retroactive, &network.state.overlay()), Mode::Supermajority);
    }

    #[test]
    fn a_levy_ceases_from_a_chargeable_event_to_come() {
        let ceasing = asked(|schedule| schedule.versions[0].valid_to = Some(date(2027, 5, 15)), Timing::Ahead);
        assert_eq!(fault(&ceasing, date(2027, 6, 29)), None);
        assert!(matches!(fault(&ceasing, date(2027, 6, 30)), Some(Fault::Window(_))));
    }

    #[test]
    fn what_was_published_stands() {
        let changed = asked(|schedule| schedule.versions[0].prescription_years = 9, Timing::Retroactive);
        assert!(matches!(fault(&changed, date(2027, 1, 4)), Some(Fault::State(_))));
        let moved = asked(|schedule| schedule.kind = crate::levy::schedule::LevyKind::Flat, Timing::Retroactive);
        assert!(matches!(fault(&moved, date(2027, 1, 4)), Some(Fault::State(_))));
    }

    #[test]
    fn a_version_that_is_voted_governs_the_periods_from_its_first_event_on() {
        let mut network = money::network();
        let asked = asked(follows(date(2027, 5, 15)), Timing::Ahead);
        enacted(&mut network, "federation", Content::PublishLevySchedule(asked));
        let record = network.state.get::<LevySchedule>(&schedule_code("royalty")).unwrap();
        let chosen = |period: &str| record.version_for(period.parse().unwrap()).map(|version| version.version);
        assert_eq!([chosen("2027Q1"), chosen("2027Q2")], [Some(1), Some(2)]);
        network.assert_sound();
    }
}
