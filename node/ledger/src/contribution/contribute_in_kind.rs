//! `contribute_in_kind`: a funder says what it gave to a fund's commons besides money: hours, servers, premises.
//!
//! - Allowed: an active organisation, by an office that may use the role funder.
//! - Effect: a memo record with totals of its own, by funder, fund and unit; no money moves. It may name the reciprocity levy that it answers.
//! - Source: rulebook §3, table A (in kind); §4, 0302; §5, reciprocity.

use crate::{
    action::{Action, Effect, Place},
    history::RecordRef,
    levy::schedule::{LevyKind, LevySchedule},
    refusal::{refusals, signer_refusals},
    registry::{
        fund::Fund,
        organisation::Organisation,
        project::Project,
        role::{Role, Scope},
    },
    signer::Context,
    state::{Overlay, Record},
    wire::message,
};
use octroi_primitives::*;
use std::collections::BTreeSet;

message! {
    /// The payload.
    pub struct ContributeInKind = ContributeInKind {
        /// The fund.
        pub fund: FundCode,
        /// What is given, counted in this.
        pub unit: Code,
        /// How many, above 0.
        pub quantity: u64,
        /// Estimate of its value, in the fund's currency; 0 where none is made.
        pub estimate: Amount [required],
        /// Last day on which it is given.
        pub given_on: LegalDate [required],
        /// Commitment to the description.
        pub description: Commitment,
        /// The project that it is given to.
        pub project: Option<ProjectId>,
        /// The reciprocity levy that it answers.
        pub schedule: Option<ScheduleCode>,
        /// And its period.
        pub period: Option<Period>,
    }

    /// Record: a contribution in kind.
    pub struct InKindContribution = InKindContribution {
        /// Who gave.
        pub funder: OrganisationId,
        /// The fund.
        pub fund: FundCode,
        /// What is given, counted in this.
        pub unit: Code,
        /// How many.
        pub quantity: u64,
        /// Estimate of its value.
        pub estimate: Amount [required],
        /// Last day on which it is given.
        pub given_on: LegalDate [required],
        /// Commitment to the description.
        pub description: Commitment,
        /// The project that it is given to.
        pub project: Option<ProjectId>,
        /// The reciprocity levy that it answers.
        pub schedule: Option<ScheduleCode>,
        /// And its period.
        pub period: Option<Period>,
    }

    /// Record: contributions in kind of a funder to a fund in one unit.
    pub struct InKindTotal = InKindTotal {
        /// Contributions.
        pub count: u64,
        /// Units.
        pub quantity: u64,
        /// Sum of estimates, in minor units.
        pub estimate: u64,
    }

    /// The event.
    pub struct InKindContributed = InKindContributed {
        /// The new contribution.
        pub id: Hash,
        /// As it stands in the state.
        pub contribution: InKindContribution [required],
    }
}

impl Record for InKindContribution {
    type Key = Hash;
}

impl Record for InKindTotal {
    /// Fund, funder, unit.
    type Key = (FundCode, OrganisationId, Code);
}

refusals! {
    AmountEstimate(Amount): Amount 1 "{0} is above 10^15 minor units", "the estimate is above the bound";
    AmountQuantity(u64): Amount 2 "{0} units; 1 ..= 10^15 are possible", "the quantity is 0 or above the bound";
    LimitPeriod(): Limit 1 "a levy is named by its schedule and period together", "a schedule without a period, or a period without a schedule";
    signer;
    UnknownFund(FundCode): Unknown 1 "fund {0} does not exist", "the fund does not exist";
    UnknownProject(ProjectId): Unknown 2 "project {0} does not exist", "the project does not exist";
    UnknownSchedule(ScheduleCode): Unknown 3 "levy schedule {0} does not exist in the fund", "the fund has no such schedule";
    ScheduleKind(ScheduleCode): Schedule 1 "schedule {0} is no reciprocity levy", "only a reciprocity levy is answered in kind";
    SchedulePeriod(ScheduleCode, Period): Schedule 2 "schedule {0} has no version for {1}", "no version of the schedule is valid on the period's last day";
    CurrencyOther(Currency, Currency): Currency 1 "{0} is not the fund's currency {1}", "the estimate is in another currency than the fund";
    DateFuture(LegalDate, LegalDate): Date 1 "given on {0}, after today, {1}", "it is not given yet";
    OverflowTotal(Code): Overflow 1 "the total of {0} leaves its range", "a total leaves its range";
}
signer_refusals!(Refused);

impl Action for ContributeInKind {
    type Event = InKindContributed;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        if !self.estimate.is_valid_or_zero() {
            return Err(Refused::AmountEstimate(self.estimate));
        }
        if !(1..=Amount::MAX_MINOR).contains(&self.quantity) {
            return Err(Refused::AmountQuantity(self.quantity));
        }
        if self.schedule.is_some() != self.period.is_some() {
            return Err(Refused::LimitPeriod());
        }
        Ok(())
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<InKindContributed, Refused> {
        let Self { fund, unit, quantity, estimate, given_on, description, project, schedule, period } = *self;

        cx.authorise(state, Role::Funder, Scope::Network)?;
        let record = state.get::<Fund>(&fund).ok_or(Refused::UnknownFund(fund))?;
        if let Some(project) = project.filter(|project| !state.has::<Project>(project)) {
            return Err(Refused::UnknownProject(project));
        }
        if let Some((code, period)) = schedule.zip(period) {
            let levy = state.get::<LevySchedule>(&code).filter(|levy| levy.fund == fund);
            let levy = levy.ok_or(Refused::UnknownSchedule(code))?;
            match levy.kind {
                LevyKind::Reciprocity => {}
                LevyKind::Revenue | LevyKind::Volumetric | LevyKind::DataRoyalty | LevyKind::Flat => {
                    return Err(Refused::ScheduleKind(code));
                }
            }
            levy.version_for(period).ok_or(Refused::SchedulePeriod(code, period))?;
        }
        if estimate.currency != record.currency {
            return Err(Refused::CurrencyOther(estimate.currency, record.currency));
        }
        let today = cx.place.date();
        if given_on > today {
            return Err(Refused::DateFuture(given_on, today));
        }
        let funder = cx.organisation;
        let contribution = InKindContribution {
            funder,
            fund,
            unit,
            quantity,
            estimate,
            given_on,
            description,
            project,
            schedule,
            period,
        };
        contribution.added(state).ok_or(Refused::OverflowTotal(unit))?;
        Ok(InKindContributed { id: object_id("in-kind", &cx.place.transaction), contribution })
    }
}

impl InKindContribution {
    fn total(&self) -> (FundCode, OrganisationId, Code) {
        (self.fund, self.funder, self.unit)
    }

    /// The total with it.
    fn added(&self, state: &Overlay<'_>) -> Option<InKindTotal> {
        let before = state.get::<InKindTotal>(&self.total()).cloned();
        let InKindTotal { count, quantity, estimate } =
            before.unwrap_or(InKindTotal { count: 0, quantity: 0, estimate: 0 });
        Some(InKindTotal {
            count: count + 1,
            quantity: quantity.checked_add(self.quantity)?,
            estimate: estimate.checked_add(self.estimate.minor)?,
        })
    }
}

impl Effect for InKindContributed {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let total = self.contribution.added(state).expect("decide: the total stays in its range");
        state.put::<InKindTotal>(self.contribution.total(), total);
        state.put::<InKindContribution>(self.id, self.contribution.clone());
    }

    fn subjects(&self) -> Vec<RecordRef> {
        let InKindContribution { funder, fund, project, schedule, .. } = &self.contribution;
        let mut subjects = BTreeSet::from([
            RecordRef::of::<InKindContribution>(&self.id),
            RecordRef::of::<InKindTotal>(&self.contribution.total()),
            RecordRef::of::<Organisation>(funder),
            RecordRef::of::<Fund>(fund),
        ]);
        subjects.extend(project.map(|project| RecordRef::of::<Project>(&project)));
        subjects.extend(schedule.map(|schedule| RecordRef::of::<LevySchedule>(&schedule)));
        subjects.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Kind, Payload},
        fixture::{
            self, IntoPayload, Network, commitment, fund, id,
            money::{self, date, schedule_code},
        },
    };

    impl IntoPayload for ContributeInKind {
        fn into_payload(self) -> Payload {
            Payload::ContributeInKind(self)
        }
    }

    fn hours() -> ContributeInKind {
        ContributeInKind {
            fund: fund(),
            unit: Code::new("hours").unwrap(),
            quantity: 120,
            estimate: Amount::eur(480_000),
            given_on: date(2027, 1, 4),
            description: commitment("hours"),
            project: None,
            schedule: None,
            period: None,
        }
    }

    fn with(change: impl FnOnce(&mut ContributeInKind)) -> ContributeInKind {
        let mut given = hours();
        change(&mut given);
        given
    }

    fn network() -> Network {
        let mut network = money::network();
        network.edit(|state| {
            state.update::<LevySchedule>(&schedule_code("royalty"), |levy| levy.kind = LevyKind::Reciprocity);
        });
        network
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let mut network = network();
        network.suspend("lab");
        let key = (fund(), id("region"), Code::new("hours").unwrap());
        network.edit(|state| {
            state.put::<InKindTotal>(key, InKindTotal { count: 1, quantity: u64::MAX, estimate: 0 });
            state.update::<Organisation>(&id("asso1"), |asso| asso.offices[0].roles = vec![Role::Reviewer]);
        });
        let levy = |code: &str, period: &str| (Some(schedule_code(code)), Some(period.parse().unwrap()));
        let other = FundCode::new("other").unwrap();
        let dollar = Currency::new("USD").unwrap();
        let table: Vec<(&str, ContributeInKind)> = vec![
            ("lab", with(|it| (it.estimate.minor, it.quantity) = (Amount::MAX_MINOR + 1, 0))),
            ("lab", with(|it| (it.quantity, it.schedule) = (0, Some(schedule_code("dst"))))),
            ("lab", with(|it| it.schedule = Some(schedule_code("dst")))),
            ("lab", hours()),
            ("asso1", hours()),
            ("region", with(|it| (it.fund, it.project) = (other, Some(ProjectId::ZERO)))),
            (
                "region",
                with(|it| {
                    (it.project, it.schedule, it.period) =
                        (Some(ProjectId::ZERO), levy("none", "2026").0, levy("none", "2026").1)
                }),
            ),
            ("region", with(|it| (it.schedule, it.period) = levy("none", "2026"))),
            ("region", with(|it| (it.schedule, it.period) = levy("dst", "2025"))),
            (
                "region",
                with(|it| ((it.schedule, it.period), it.estimate.currency) = (levy("royalty", "2025Q1"), dollar)),
            ),
            ("region", with(|it| (it.estimate.currency, it.given_on) = (dollar, date(2027, 1, 5)))),
            ("region", with(|it| it.given_on = date(2027, 1, 5))),
            ("region", hours()),
        ];
        let reached: Vec<&str> = table.into_iter().map(|(signer, it)| network.refusal(signer, it)).collect();
        fixture::assert_all_reached(Kind::ContributeInKind, &reached);
    }

    #[test]
    fn what_is_given_in_kind_has_totals_of_its_own_and_moves_no_money() {
        let mut network = network();
        fixture::assert_round_trips(&hours().into_payload());
        network.run("region", hours()).unwrap();
        let answering = with(|it| {
            (it.schedule, it.period) = (Some(schedule_code("royalty")), Some("2026Q4".parse().unwrap()));
            it.estimate = Amount::eur(0);
        });
        network.run("region", answering).unwrap();
        let key = (fund(), id("region"), Code::new("hours").unwrap());
        let total = network.state.get::<InKindTotal>(&key).unwrap();
        assert_eq!(*total, InKindTotal { count: 2, quantity: 240, estimate: 480_000 });
        assert_eq!(network.state.count::<crate::accounts::AccountBalance>(), 0);
        network.assert_sound();
    }
}
