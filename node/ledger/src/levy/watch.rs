//! What is due of a levy and when: the plan of its duties (rulebook §1, due work; §5).
//!
//! A duty carries a hash alone; [`LevyWatch`] says which period it is about. On the day after the calendar's last day a period is marked overdue; a
//! month later what was never declared is assessed by default; when the years of prescription are over, what is open ends.

use super::{
    account::{LevyAccount, LevyFlag, LevyKey},
    late::{LateTerms, version_of},
    schedule::{LevySchedule, ScheduleVersion},
};
use crate::{
    action::{Kind, Place},
    due,
    state::{Overlay, Record},
    wire::message,
};
use octroi_primitives::*;

message! {
    /// Record: which period a duty is about.
    pub struct LevyWatch = LevyWatch {
        /// Who owes.
        pub payer: OrganisationId,
        /// Under which schedule.
        pub schedule: ScheduleCode,
        /// For which period.
        pub period: Period,
    }
}

impl Record for LevyWatch {
    type Key = Hash;
}

impl LevyWatch {
    /// The period.
    pub fn key(&self) -> LevyKey {
        (self.payer, self.schedule, self.period)
    }
}

/// The object of the duties of a period.
pub fn object((payer, schedule, period): &LevyKey) -> Hash {
    hash("levy-period", &[payer.as_bytes(), schedule.as_str().as_bytes(), period.to_string().as_bytes()])
}

/// The day on which a period is marked overdue, unless all that is due has come: the day after the last one to declare and pay.
pub fn overdue_on(version: &ScheduleVersion, period: Period) -> LegalDate {
    version.calendar.declare_by.of(period).plus_days(1).unwrap_or(LegalDate::MAX)
}

/// The day on which a period that was never declared is assessed by default: a month after it was marked overdue.
pub fn default_on(marked: LegalDate) -> LegalDate {
    marked.plus_months(1).unwrap_or(LegalDate::MAX)
}

/// The first day on which a period can no longer be assessed or claimed; `None` where the version knows no prescription.
pub fn prescribed_on(version: &ScheduleVersion, period: Period) -> Option<LegalDate> {
    let years = Some(version.prescription_years).filter(|years| *years > 0)?;
    period.last_day().plus_months(years.checked_mul(12)?)?.plus_days(1)
}

fn plan(state: &mut Overlay<'_>, key: &LevyKey, kind: Kind, day: LegalDate) {
    let (payer, schedule, period) = *key;
    let object = object(key);
    state.put::<LevyWatch>(object, LevyWatch { payer, schedule, period });
    due::schedule(state, day.start_time(), kind, object);
}

/// Plans what a period that is declared or expected waits for. Days that have passed are not planned again: lateness shows when it is assessed.
pub fn expect(state: &mut Overlay<'_>, key: &LevyKey, version: &ScheduleVersion, today: LegalDate) {
    let (_, _, period) = *key;
    let overdue = overdue_on(version, period);
    // Use that is attested late makes a period expected whose day has passed.
    if overdue > today || !state.has::<LevyAccount>(key) {
        plan(state, key, Kind::MarkOverdue, overdue.max(today));
    }
    if let Some(day) = prescribed_on(version, period)
        && day > today
    {
        plan(state, key, Kind::PrescribeLevy, day);
    }
}

/// After an assessment with something to pay, the period after it is expected too.
pub fn expect_next(state: &mut Overlay<'_>, (payer, schedule, period): LevyKey, place: &Place) {
    let taxed = state.get::<LevyAccount>(&(payer, schedule, period)).is_some_and(|account| account.assessed > 0);
    let Some(next) = period.next().filter(|_| taxed) else { return };
    let key = (payer, schedule, next);
    let version = state.get::<LevySchedule>(&schedule).and_then(|record| record.version_for(next)).cloned();
    if let Some(version) = version
        && !state.has::<LevyAccount>(&key)
    {
        expect(state, &key, &version, place.date());
    }
}

/// Plans the default assessment of a period that was not declared in time.
pub fn expect_default(state: &mut Overlay<'_>, key: &LevyKey, at: LegalDate) {
    plan(state, key, Kind::AssessByDefault, at);
}

/// Plans prescription at once: its day passed while a dispute waited.
pub fn prescribe_now(state: &mut Overlay<'_>, key: &LevyKey, today: LegalDate) {
    plan(state, key, Kind::PrescribeLevy, today);
}

/// Sets the flag of a period that is assessed after its day with something open.
pub fn mark_if_late(state: &mut Overlay<'_>, key: LevyKey, today: LegalDate) {
    let Some(account) = state.get::<LevyAccount>(&key).cloned() else { return };
    let Some(version) = version_of(state, &key.1, &account) else { return };
    if LateTerms::of(version, key.2, account.failures).is_late(&account, today) {
        state.update::<LevyAccount>(&key, |account| account.set(LevyFlag::Overdue));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        accounts::Account,
        action::{Event, Payload, Place, decide_duty},
        fixture::{
            self, Network, commitment, fund, id,
            money::{self, date, ppm, schedule_code},
        },
        levy::{
            account::LevyStatus,
            assess_by_default::EstimateBasis,
            attest_usage::{AttestUsage, AttestedUnits, LevyUsage},
            mark_overdue::OverdueWhat,
            reassess_levy::{ReassessLevy, tests::figures},
        },
        receipt::Receipt,
    };

    fn key(period: &str) -> LevyKey {
        (id("reuser"), schedule_code("royalty"), period.parse().unwrap())
    }

    fn day_of(network: &mut Network, day: LegalDate) -> Vec<Event> {
        let receipts = network.advance_to(day.start_time());
        let events = receipts.iter().filter_map(Receipt::event);
        // The fund's periods fall due too, whatever happens to its levies.
        events.filter(|event| event.kind().family() == Kind::MarkOverdue.family()).cloned().collect()
    }

    fn refusal(network: &Network, kind: Kind, object: &Hash) -> &'static str {
        let place = Place { height: Height(1), time: network.now(), receipt: 0, transaction: TransactionId::ZERO };
        fixture::variant(decide_duty(kind, object, &place, &network.state.overlay()).expect("a duty"))
    }

    fn usage(period: &str, units: u64) -> Payload {
        Payload::AttestUsage(AttestUsage {
            payer: id("reuser"),
            schedule: schedule_code("royalty"),
            period: period.parse().unwrap(),
            units: vec![AttestedUnits { service: ServiceCode::new("ads").unwrap(), units }],
            evidence: commitment("logs"),
        })
    }

    /// A first failure to file costs 10 %, later ones 40 %.
    fn strict() -> Network {
        let mut network = money::network();
        network.edit(|state| {
            state.update::<LevySchedule>(&schedule_code("royalty"), |levy| {
                levy.versions[0].late.non_filing_ppm = vec![ppm(100_000), ppm(400_000)];
            });
        });
        network
    }

    #[test]
    fn a_levy_that_is_not_paid_is_overdue_on_the_day_after_and_not_before() {
        let mut network = money::network();
        network.advance_to(date(2027, 4, 2).start_time());
        network.assess_calls("2027Q1", 2_000_000);
        network.advance_to(BlockTime(date(2027, 5, 1).start_time().0 - 1));
        assert!(!network.royalty("2027Q1").has(LevyFlag::Overdue));
        let events = day_of(&mut network, date(2027, 5, 1));
        let [Event::MarkOverdue(event)] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!((event.what, event.open), (OverdueWhat::Payment, 10_000));
        assert!(network.royalty("2027Q1").has(LevyFlag::Overdue));
        let levy = network.royalty("2027Q1").assessment.unwrap();
        network.receive("paid", 10_000, Some(Reference::of(ReferenceKind::Levy, levy.hash())));
        assert!(!network.royalty("2027Q1").has(LevyFlag::Overdue), "paid in time, as the value date says");
        network.assert_sound();
    }

    #[test]
    fn a_missing_declaration_is_estimated_from_the_last_one_with_the_surcharge_for_not_filing() {
        let mut network = strict();
        network.advance_to(date(2027, 4, 2).start_time());
        network.assess_calls("2027Q1", 2_000_000);
        network.advance_to(date(2027, 5, 1).start_time());
        let events = day_of(&mut network, date(2027, 8, 1));
        let [Event::MarkOverdue(event)] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!(event.what, OverdueWhat::Declaration);
        assert_eq!(network.royalty("2027Q2").status, LevyStatus::Expected);
        let events = day_of(&mut network, date(2027, 9, 1));
        let [Event::AssessByDefault(event)] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!((event.basis, event.assessed.failures), (EstimateBasis::Previous, 1));
        let levy = network.royalty("2027Q2");
        assert_eq!((levy.assessed, levy.surcharge), (10_000, 1_000));
        assert!(levy.has(LevyFlag::Estimated) && levy.has(LevyFlag::Overdue));
        network.assert_sound();
        // The second failure costs more.
        network.advance_to(date(2027, 11, 1).start_time());
        network.advance_to(date(2027, 12, 1).start_time());
        assert_eq!(network.royalty("2027Q3").surcharge, 4_000);
        network.assert_sound();
    }

    #[test]
    fn attested_use_makes_a_period_expected_and_is_what_the_estimate_rests_on() {
        let mut network = money::network();
        network.advance_to(date(2027, 6, 1).start_time());
        network.run("data", usage("2027Q1", 5_000_000)).unwrap();
        let receipts = network.advance(60_000);
        assert!(matches!(receipts[0].event(), Some(Event::MarkOverdue(_))), "its day has passed");
        let events = day_of(&mut network, date(2027, 7, 1));
        let [Event::AssessByDefault(event)] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!((event.basis, event.assessed.assessment.tax), (EstimateBasis::Usage, Amount::eur(40_000)));
        network.assert_sound();
        assert!(network.royalty("2027Q1").has(LevyFlag::Estimated));
        let corrected = ReassessLevy {
            payer: id("reuser"),
            assessment: event.assessed.id,
            figures: figures("2027Q1", 3_000_000),
            reason: ReasonCode::new("audit").unwrap(),
        };
        network.run("data", Payload::ReassessLevy(corrected)).unwrap();
        assert!(!network.royalty("2027Q1").has(LevyFlag::Estimated), "it rests on figures now");
        network.assert_sound();
    }

    #[test]
    fn a_declaration_in_the_month_of_grace_is_late_and_nothing_is_estimated() {
        let mut network = strict();
        network.advance_to(date(2027, 4, 2).start_time());
        network.assess_calls("2027Q1", 2_000_000);
        network.advance_to(date(2027, 8, 2).start_time());
        network.advance(60_000);
        let event = network.assess_calls("2027Q2", 3_000_000);
        assert_eq!((event.failures, event.filing_surcharge), (1, 2_000));
        network.advance_to(date(2027, 9, 3).start_time());
        assert_eq!(network.royalty("2027Q2").assessed, 20_000);
        network.assert_sound();
    }

    #[test]
    fn what_is_open_is_prescribed_on_the_first_day_after_the_years_and_a_dispute_holds_it_up() {
        let mut network = money::network();
        network.edit(|state| {
            state.update::<LevySchedule>(&schedule_code("royalty"), |levy| levy.versions[0].prescription_years = 1);
        });
        network.advance_to(date(2027, 4, 2).start_time());
        let levy = network.assess_calls("2027Q1", 2_000_000);
        assert_eq!(prescribed_on(&money_version(&network), key("2027Q1").2), Some(date(2028, 4, 1)));
        let disputed = crate::levy::dispute_levy::tests::dispute(levy.id, 1);
        let Ok(Event::DisputeLevy(dispute)) = network.run("reuser", disputed) else { panic!() };
        network.advance_to(date(2028, 4, 1).start_time());
        for _ in 0..4 {
            network.advance(60_000);
        }
        assert!(!network.royalty("2027Q1").has(LevyFlag::Prescribed));
        assert_eq!(refusal(&network, Kind::PrescribeLevy, &object(&key("2027Q1"))), "StateDisputed");
        let answer = crate::levy::answer_dispute::AnswerDispute {
            dispute: dispute.id,
            figures: None,
            reason: ReasonCode::new("checked").unwrap(),
            answer: commitment("answer"),
        };
        network.run("data", Payload::AnswerDispute(answer)).unwrap();
        network.advance(60_000);
        let account = network.royalty("2027Q1");
        assert!(account.has(LevyFlag::Prescribed) && !account.is_open());
        let receivable = Account::LevyReceivable {
            payer: id("reuser"),
            schedule: schedule_code("royalty"),
            period: key("2027Q1").2,
        };
        assert_eq!(network.balance(&receivable), 0);
        network.assert_sound();
    }

    fn money_version(network: &Network) -> ScheduleVersion {
        network.state.get::<LevySchedule>(&schedule_code("royalty")).unwrap().versions[0].clone()
    }

    fn put_account(network: &mut Network, period: &str, status: LevyStatus, assessed: u64) {
        network.edit(|state| {
            let mut account = LevyAccount::new(None, status);
            account.assessed = assessed;
            account.assessment = (assessed > 0).then_some(AssessmentId::ZERO);
            state.put::<LevyAccount>(key(period), account);
        });
    }

    fn watch(network: &mut Network, period: &str) -> Hash {
        let (payer, schedule, period) = key(period);
        let object = object(&(payer, schedule, period));
        network.edit(|state| state.put::<LevyWatch>(object, LevyWatch { payer, schedule, period }));
        object
    }

    #[test]
    fn mark_overdue_refuses_in_order_of_precedence() {
        let mut network = money::network();
        let unversioned = watch(&mut network, "2027");
        let settled = watch(&mut network, "2027Q1");
        put_account(&mut network, "2027Q1", LevyStatus::Declared, 0);
        let objects = [Hash::ZERO, unversioned, settled];
        let reached: Vec<&str> = objects.iter().map(|it| refusal(&network, Kind::MarkOverdue, it)).collect();
        fixture::assert_all_reached(Kind::MarkOverdue, &reached);
    }

    #[test]
    fn assess_by_default_refuses_in_order_of_precedence() {
        let mut network = money::network();
        let unversioned = watch(&mut network, "2027");
        let declared = watch(&mut network, "2027Q1");
        let unknown = watch(&mut network, "2027Q2");
        put_account(&mut network, "2027Q2", LevyStatus::Expected, 0);
        let objects = [Hash::ZERO, unversioned, declared, unknown];
        let mut reached: Vec<&str> = objects.iter().map(|it| refusal(&network, Kind::AssessByDefault, it)).collect();
        let put_usage = |network: &mut Network, units| {
            network.edit(|state| {
                let units = vec![AttestedUnits { service: ServiceCode::new("ads").unwrap(), units }];
                state.put::<LevyUsage>(
                    key("2027Q2"),
                    LevyUsage { holder: id("data"), units, evidence: commitment("x") },
                );
            });
        };
        put_usage(&mut network, 2_000_000);
        let put = |network: &mut Network, account: Account, balance| {
            network.edit(|state| {
                let record = crate::accounts::AccountBalance { fund: fund(), balance };
                state.put::<crate::accounts::AccountBalance>(account, record);
            });
        };
        // Prepaid money that no receivable can take: the counterpart of what is owed was taken away.
        let (payer, schedule, _) = key("2027Q2");
        network.edit(|state| crate::levy::prepaid::add(state, payer, schedule, date(2027, 1, 1), 50));
        put(&mut network, Account::Uncollected { fund: fund() }, 20_000);
        put(&mut network, Account::PrepaidLevy { payer, schedule }, 0);
        reached.push(refusal(&network, Kind::AssessByDefault, &unknown));
        put_usage(&mut network, u64::MAX);
        reached.push(refusal(&network, Kind::AssessByDefault, &unknown));
        put_usage(&mut network, 2_000_000);
        put(&mut network, Account::PrepaidLevy { payer, schedule }, -50);
        put(&mut network, Account::Uncollected { fund: fund() }, Balance::MIN);
        reached.push(refusal(&network, Kind::AssessByDefault, &unknown));
        fixture::assert_all_reached(Kind::AssessByDefault, &reached);
    }

    #[test]
    fn prescribe_levy_refuses_in_order_of_precedence() {
        let mut network = money::network();
        let paid = watch(&mut network, "2027Q1");
        let disputed = watch(&mut network, "2027Q2");
        let open = watch(&mut network, "2027Q3");
        put_account(&mut network, "2027Q1", LevyStatus::Paid, 5);
        put_account(&mut network, "2027Q2", LevyStatus::Assessed, 5);
        put_account(&mut network, "2027Q3", LevyStatus::Assessed, 5);
        network.edit(|state| {
            state.update::<LevyAccount>(&key("2027Q1"), |account| account.paid = 5);
            state.update::<LevyAccount>(&key("2027Q2"), |account| account.dispute = Some(Hash::ZERO));
        });
        let mut reached: Vec<&str> =
            [Hash::ZERO, paid, disputed, open].iter().map(|it| refusal(&network, Kind::PrescribeLevy, it)).collect();
        let (payer, schedule, period) = key("2027Q3");
        network.edit(|state| {
            let record = |balance| crate::accounts::AccountBalance { fund: fund(), balance };
            let receivable = Account::LevyReceivable { payer, schedule, period };
            state.put::<crate::accounts::AccountBalance>(receivable, record(Balance::MIN + 4));
            state.put::<crate::accounts::AccountBalance>(Account::Uncollected { fund: fund() }, record(-5));
        });
        reached.push(refusal(&network, Kind::PrescribeLevy, &open));
        fixture::assert_all_reached(Kind::PrescribeLevy, &reached);
    }
}
