//! `attest_usage`: a data holder says how much of its data a payer used in a period.
//!
//! - Allowed: an active organisation with the role data holder over the schedule, of another group than the payer; while the payer is not assessed. A
//!   second attestation replaces the first.
//! - Effect: the use is on record; the assessment's event shows it beside what was declared, and without a declaration it is what the estimate rests
//!   on. The period is expected of the payer.
//! - Source: rulebook §2, roles; §4, 0403; §5.

use super::{
    account::LevyAccount,
    schedule::{LevySchedule, Tariff},
    watch,
};
use crate::{
    action::{Action, BASE_COST, Effect, Place},
    history::RecordRef,
    refusal::{refusals, signer_refusals},
    registry::{
        organisation::Organisation,
        role::{Role, Scope},
    },
    signer::{Context, same_group},
    state::{Overlay, Record},
    wire::message,
};
use octroi_primitives::*;
use std::collections::BTreeSet;

/// Services, at most.
const LIST: usize = 64;

message! {
    /// Units of a service.
    pub struct AttestedUnits = AttestedUnits {
        /// Code of the schedule's version.
        pub service: ServiceCode,
        /// How many.
        pub units: u64,
    }

    /// The payload.
    pub struct AttestUsage = AttestUsage {
        /// Who used it.
        pub payer: OrganisationId,
        /// Under which schedule.
        pub schedule: ScheduleCode,
        /// In which period.
        pub period: Period,
        /// By service.
        pub units: Vec<AttestedUnits>,
        /// Hash of the evidence.
        pub evidence: Commitment,
    }

    /// Record: use of public data in a period.
    pub struct LevyUsage = LevyUsage {
        /// Who attested it.
        pub holder: OrganisationId,
        /// By service.
        pub units: Vec<AttestedUnits>,
        /// Hash of the evidence.
        pub evidence: Commitment,
    }

    /// The event.
    pub struct UsageAttested = UsageAttested {
        /// Who used it.
        pub payer: OrganisationId,
        /// Under which schedule.
        pub schedule: ScheduleCode,
        /// In which period.
        pub period: Period,
        /// As it stands in the state.
        pub usage: LevyUsage [required],
    }
}

impl Record for LevyUsage {
    /// Payer, schedule, period.
    type Key = (OrganisationId, ScheduleCode, Period);
}

refusals! {
    LimitServices(usize): Limit 1 "{0} services: 1 to 64, each once", "no service, too many, or one twice";
    signer;
    UnknownSchedule(ScheduleCode): Unknown 1 "levy schedule {0} does not exist", "the schedule does not exist";
    UnknownPayer(OrganisationId): Unknown 2 "organisation {0} does not exist", "the payer does not exist";
    ScheduleVersion(ScheduleCode, Period): Schedule 1 "schedule {0} has no version for {1}", "no version of the schedule is valid on the period's last day, or its periods have another length";
    ScheduleUnits(ScheduleCode): Schedule 2 "schedule {0} counts no units", "the version does not levy units";
    ScheduleService(ServiceCode): Schedule 3 "service {0} is not in the schedule", "a service is not in the version";
    SegregationPayer(OrganisationId): Segregation 1 "payer {0} is of the data holder's group", "payer and data holder are of one group";
    StateAssessed(Period): State 1 "period {0} is assessed", "the period is assessed already";
    WindowOpen(Period, BlockTime): Window 1 "period {0} ends at {1}", "the period has not ended";
}
signer_refusals!(Refused);

impl Action for AttestUsage {
    type Event = UsageAttested;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        let services: BTreeSet<ServiceCode> = self.units.iter().map(|units| units.service).collect();
        if (1..=LIST).contains(&services.len()) && services.len() == self.units.len() {
            Ok(())
        } else {
            Err(Refused::LimitServices(self.units.len()))
        }
    }

    fn cost(&self) -> u64 {
        BASE_COST + self.units.len() as u64
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<UsageAttested, Refused> {
        let Self { payer, schedule, period, units, evidence } = self.clone();

        cx.authorise(state, Role::DataHolder, Scope::Schedule(schedule))?;
        let record = state.get::<LevySchedule>(&schedule).ok_or(Refused::UnknownSchedule(schedule))?;
        if !state.has::<Organisation>(&payer) {
            return Err(Refused::UnknownPayer(payer));
        }
        let version = record.version_for(period).ok_or(Refused::ScheduleVersion(schedule, period))?;
        match version.tariff {
            Tariff::Unit(_) => {}
            Tariff::Flat(_) | Tariff::Marginal(_) | Tariff::Slab(_) => return Err(Refused::ScheduleUnits(schedule)),
        }
        if let Some(other) = units.iter().find(|units| !version.services.contains(&units.service)) {
            return Err(Refused::ScheduleService(other.service));
        }
        if same_group(state, &payer, &cx.organisation) {
            return Err(Refused::SegregationPayer(payer));
        }
        let account = state.get::<LevyAccount>(&(payer, schedule, period));
        if account.is_some_and(|account| account.assessment.is_some()) {
            return Err(Refused::StateAssessed(period));
        }
        if cx.place.time < period.end_time() {
            return Err(Refused::WindowOpen(period, period.end_time()));
        }
        let usage = LevyUsage { holder: cx.organisation, units, evidence };
        Ok(UsageAttested { payer, schedule, period, usage })
    }
}

impl Effect for UsageAttested {
    fn apply(&self, place: &Place, state: &mut Overlay<'_>) {
        let key = (self.payer, self.schedule, self.period);
        state.put::<LevyUsage>(key, self.usage.clone());
        let version = state.get::<LevySchedule>(&self.schedule).and_then(|record| record.version_for(self.period));
        if let Some(version) = version.cloned()
            && !state.has::<LevyAccount>(&key)
        {
            watch::expect(state, &key, &version, place.date());
        }
    }

    fn subjects(&self) -> Vec<RecordRef> {
        vec![
            RecordRef::of::<LevyUsage>(&(self.payer, self.schedule, self.period)),
            RecordRef::of::<LevySchedule>(&self.schedule),
            RecordRef::of::<Organisation>(&self.payer),
            RecordRef::of::<Organisation>(&self.usage.holder),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Event, Kind, Payload},
        fixture::{
            self, IntoPayload, commitment, id,
            money::{self, date, schedule_code},
        },
        registry::role::RoleGrant,
    };

    impl IntoPayload for AttestUsage {
        fn into_payload(self) -> Payload {
            Payload::AttestUsage(self)
        }
    }

    fn usage(period: &str, units: u64) -> AttestUsage {
        AttestUsage {
            payer: id("reuser"),
            schedule: schedule_code("royalty"),
            period: period.parse().unwrap(),
            units: vec![AttestedUnits { service: ServiceCode::new("ads").unwrap(), units }],
            evidence: commitment("logs"),
        }
    }

    fn with(change: impl FnOnce(&mut AttestUsage)) -> AttestUsage {
        let mut asked = usage("2027Q1", 5);
        change(&mut asked);
        asked
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let mut network = money::network();
        network.advance_to(date(2027, 7, 2).start_time());
        network.assess_calls("2027Q1", 1);
        network.edit(|state| {
            for (who, schedule) in [("lab", "royalty"), ("data", "none"), ("data", "dst"), ("reuser", "royalty")] {
                let key = (id(who), Role::DataHolder, Scope::Schedule(schedule_code(schedule)));
                state.put::<RoleGrant>(key, RoleGrant { change: None });
            }
        });
        network.suspend("lab");
        let nobody = OrganisationId::ZERO;
        let other = || vec![AttestedUnits { service: ServiceCode::new("maps").unwrap(), units: 1 }];
        let table: Vec<(&str, AttestUsage)> = vec![
            ("lab", with(|it| it.units = vec![])),
            ("lab", with(|_| {})),
            ("region", with(|_| {})),
            ("data", with(|it| (it.schedule, it.payer) = (schedule_code("none"), nobody))),
            ("data", with(|it| (it.payer, it.period) = (nobody, "2027".parse().unwrap()))),
            ("data", with(|it| it.period = "2027".parse().unwrap())),
            (
                "data",
                with(|it| {
                    (it.schedule, it.period, it.units) = (schedule_code("dst"), "2026".parse().unwrap(), other())
                }),
            ),
            ("data", with(|it| it.units = other())),
            ("reuser", with(|_| {})),
            ("data", with(|_| {})),
            ("data", with(|it| it.period = "2027Q3".parse().unwrap())),
        ];
        let reached: Vec<&str> = table.into_iter().map(|(signer, it)| network.refusal(signer, it)).collect();
        fixture::assert_all_reached(Kind::AttestUsage, &reached);
    }

    #[test]
    fn what_was_attested_stands_beside_what_was_declared() {
        let mut network = money::network();
        network.advance_to(date(2027, 4, 2).start_time());
        fixture::assert_round_trips(&usage("2027Q1", 3_000_000).into_payload());
        network.run("data", usage("2027Q1", 9)).unwrap();
        let Ok(Event::AttestUsage(_)) = network.run("data", usage("2027Q1", 3_000_000)) else { panic!("replaced") };
        let event = network.assess_calls("2027Q1", 2_000_000);
        assert_eq!(event.attested, usage("2027Q1", 3_000_000).units);
        assert_eq!(event.assessment.tax.minor, 10_000, "the declaration is what is assessed");
    }
}
