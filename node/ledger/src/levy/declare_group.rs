//! `declare_group`: the filer of a group says what the group received in a period, for all its members that declare for themselves.
//!
//! - Allowed: any organisation, suspended or not, by an office that may use the role levy payer. The first of a group that files for a period is its
//!   filer; it may replace its figures while no member is assessed.
//! - Effect: the group's figures are on record, and declarations of its members are checked against them.
//! - Source: rulebook §4, 0401, and §5, computation.

use super::{
    account::LevyAccount,
    schedule::{LevySchedule, LiabilityScope, ScheduleVersion},
};
use crate::{
    action::{Action, BASE_COST, Effect, Place},
    history::RecordRef,
    refusal::{SignerRefusal, refusals},
    registry::{
        fund::Fund,
        organisation::Organisation,
        role::{Role, Scope},
    },
    signer::{Context, group, same_group},
    state::{Overlay, Record},
    wire::message,
};
use octroi_primitives::*;
use std::collections::BTreeSet;

/// Members, at most.
const MEMBERS: usize = 64;

message! {
    /// The payload.
    pub struct DeclareGroup = DeclareGroup {
        /// Under which schedule.
        pub schedule: ScheduleCode,
        /// For which period.
        pub period: Period,
        /// Organisations of the group that declare for themselves.
        pub members: Vec<OrganisationId>,
        /// Receipts of the group in the world.
        pub world_receipts: Amount [required],
        /// Receipts of the group on the territory.
        pub local_receipts: Amount [required],
        /// Hash of the evidence.
        pub evidence: Commitment,
    }

    /// Record: the figures of a group for a period.
    pub struct LevyGroup = LevyGroup {
        /// Who files for the group.
        pub filer: OrganisationId,
        /// Organisations of the group that declare for themselves.
        pub members: Vec<OrganisationId>,
        /// Receipts of the group in the world.
        pub world_receipts: Amount [required],
        /// Receipts of the group on the territory.
        pub local_receipts: Amount [required],
        /// Hash of the evidence.
        pub evidence: Commitment,
    }

    /// The event.
    pub struct GroupDeclared = GroupDeclared {
        /// Topmost organisation of the group.
        pub group: OrganisationId,
        /// Under which schedule.
        pub schedule: ScheduleCode,
        /// For which period.
        pub period: Period,
        /// As they stand in the state.
        pub figures: LevyGroup [required],
    }
}

impl Record for LevyGroup {
    /// Topmost organisation, schedule, period.
    type Key = (OrganisationId, ScheduleCode, Period);
}

/// Key of the group's figures that a payer's declaration is checked against; `None` where the version looks at the payer alone.
pub fn group_key(
    state: &Overlay<'_>,
    payer: &OrganisationId,
    schedule: ScheduleCode,
    period: Period,
    version: &ScheduleVersion,
) -> Option<(OrganisationId, ScheduleCode, Period)> {
    match version.scope {
        LiabilityScope::Group => Some((group(state, payer), schedule, period)),
        LiabilityScope::Entity => None,
    }
}

refusals! {
    AmountBounds(Amount): Amount 1 "{0} is above 10^15 minor units", "an amount is above the bound";
    CurrencyMixed(Currency, Currency): Currency 1 "{1} beside {0}", "the amounts are in several currencies";
    LimitMembers(usize): Limit 1 "{0} members: 1 to 64, each once", "no member, too many, or one twice";
    RoleMissing(String): Role 1 "{0}", "the signer is no organisation, or too few of the signing keys are in offices that may use the role";
    UnknownSchedule(ScheduleCode): Unknown 1 "levy schedule {0} does not exist", "the schedule does not exist";
    UnknownMember(OrganisationId): Unknown 2 "organisation {0} does not exist", "a member does not exist";
    ScheduleVersion(ScheduleCode, Period): Schedule 1 "schedule {0} has no version for {1}", "no version of the schedule is valid on the period's last day, or its periods have another length";
    ScheduleScope(ScheduleCode): Schedule 2 "schedule {0} looks at each payer alone", "the version does not look at groups";
    ReferenceMember(OrganisationId): Reference 1 "organisation {0} is not of the filer's group", "a member is not of the filer's group";
    StateFiler(OrganisationId): State 1 "organisation {0} files for the group", "another organisation of the group files for the period";
    StateAssessed(OrganisationId): State 2 "organisation {0} is assessed for the period", "a member is assessed already";
    WindowOpen(Period, BlockTime): Window 1 "period {0} ends at {1}", "the period has not ended";
    CurrencyOther(Currency, Currency): Currency 2 "{0} is not the fund's currency {1}", "the amounts are in another currency than the fund";
}

impl From<SignerRefusal> for Refused {
    fn from(refusal: SignerRefusal) -> Self {
        match refusal {
            SignerRefusal::Suspended(id) => Self::RoleMissing(format!("organisation {id} does not exist")),
            SignerRefusal::Role(words) => Self::RoleMissing(words),
        }
    }
}

impl Action for DeclareGroup {
    type Event = GroupDeclared;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        let (world, local) = (self.world_receipts, self.local_receipts);
        if let Some(wrong) = [world, local].into_iter().find(|amount| !amount.is_valid_or_zero()) {
            return Err(Refused::AmountBounds(wrong));
        }
        if world.currency != local.currency {
            return Err(Refused::CurrencyMixed(world.currency, local.currency));
        }
        let members: BTreeSet<OrganisationId> = self.members.iter().copied().collect();
        if !(1..=MEMBERS).contains(&members.len()) || members.len() != self.members.len() {
            return Err(Refused::LimitMembers(self.members.len()));
        }
        Ok(())
    }

    fn cost(&self) -> u64 {
        BASE_COST + self.members.len() as u64
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<GroupDeclared, Refused> {
        let Self { schedule, period, members, world_receipts, local_receipts, evidence } = self.clone();

        cx.authorise_even_suspended(state, Role::LevyPayer, Scope::Network)?;
        let record = state.get::<LevySchedule>(&schedule).ok_or(Refused::UnknownSchedule(schedule))?;
        if let Some(unknown) = members.iter().find(|member| !state.has::<Organisation>(member)) {
            return Err(Refused::UnknownMember(*unknown));
        }
        let version = record.version_for(period).ok_or(Refused::ScheduleVersion(schedule, period))?;
        let key = group_key(state, &cx.organisation, schedule, period, version);
        let key = key.ok_or(Refused::ScheduleScope(schedule))?;
        if let Some(foreign) = members.iter().find(|member| !same_group(state, member, &cx.organisation)) {
            return Err(Refused::ReferenceMember(*foreign));
        }
        if let Some(before) = state.get::<LevyGroup>(&key)
            && before.filer != cx.organisation
        {
            return Err(Refused::StateFiler(before.filer));
        }
        let assessed = |member: &&OrganisationId| {
            let account = state.get::<LevyAccount>(&(**member, schedule, period));
            account.is_some_and(|account| account.assessment.is_some())
        };
        if let Some(member) = members.iter().find(assessed) {
            return Err(Refused::StateAssessed(*member));
        }
        if cx.place.time < period.end_time() {
            return Err(Refused::WindowOpen(period, period.end_time()));
        }
        let currency = state.get::<Fund>(&record.fund).map(|fund| fund.currency);
        if let Some(currency) = currency
            && currency != world_receipts.currency
        {
            return Err(Refused::CurrencyOther(world_receipts.currency, currency));
        }
        let filer = cx.organisation;
        let figures = LevyGroup { filer, members, world_receipts, local_receipts, evidence };
        Ok(GroupDeclared { group: key.0, schedule, period, figures })
    }
}

impl Effect for GroupDeclared {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        state.put::<LevyGroup>((self.group, self.schedule, self.period), self.figures.clone());
    }

    /// The figures, schedule, and every member: up to 67.
    fn subjects(&self) -> Vec<RecordRef> {
        let mut subjects = BTreeSet::from([
            RecordRef::of::<LevyGroup>(&(self.group, self.schedule, self.period)),
            RecordRef::of::<LevySchedule>(&self.schedule),
            RecordRef::of::<Organisation>(&self.figures.filer),
        ]);
        subjects.extend(self.figures.members.iter().map(RecordRef::of::<Organisation>));
        subjects.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Event, Kind, Payload},
        fixture::{
            self, IntoPayload, Network, commitment, id,
            money::{self, schedule_code},
        },
        levy::{
            account::{DeclaredService, LevyStatus},
            declare_levy::DeclareLevy,
        },
    };

    impl IntoPayload for DeclareGroup {
        fn into_payload(self) -> Payload {
            Payload::DeclareGroup(self)
        }
    }

    fn group_of(members: &[&str], world: u64, local: u64) -> DeclareGroup {
        DeclareGroup {
            schedule: schedule_code("dst"),
            period: "2026".parse().unwrap(),
            members: members.iter().map(|code| id(code)).collect(),
            world_receipts: Amount::eur(world),
            local_receipts: Amount::eur(local),
            evidence: commitment("group"),
        }
    }

    fn with(change: impl FnOnce(&mut DeclareGroup)) -> DeclareGroup {
        let mut asked = group_of(&["bank", "bank_branch"], 80_000_000_000, 3_000_000_000);
        change(&mut asked);
        asked
    }

    /// A member's own declaration: half of the group's receipts, all of them here.
    fn member(world: u64, local: u64) -> DeclareLevy {
        DeclareLevy {
            schedule: schedule_code("dst"),
            period: "2026".parse().unwrap(),
            services: vec![DeclaredService {
                code: ServiceCode::new("ads").unwrap(),
                receipts: Amount::eur(1_500_000_000),
                deductions: vec![],
                share: Some(Rational::new(1, 1)),
                units: None,
            }],
            world_receipts: Amount::eur(world),
            local_receipts: Amount::eur(local),
            method: commitment("method"),
            evidence: commitment("evidence"),
            class: None,
        }
    }

    fn tax(network: &mut Network, payer: &str, declared: DeclareLevy) -> u64 {
        let Ok(Event::DeclareLevy(event)) = network.run(payer, Payload::DeclareLevy(declared)) else { panic!() };
        let payload = crate::levy::assess_levy::AssessLevy {
            payer: id(payer),
            schedule: schedule_code("dst"),
            period: "2026".parse().unwrap(),
            declaration: event.id,
        };
        let Ok(Event::AssessLevy(event)) = network.run("tax", Payload::AssessLevy(payload)) else { panic!() };
        event.assessment.tax.minor
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let mut network = money::network();
        network.run("bank", with(|_| {})).unwrap();
        network.edit(|state| {
            state.update::<Organisation>(&id("lab"), |lab| lab.offices[0].roles = vec![Role::Reviewer]);
            let mut assessed = LevyAccount::new(None, LevyStatus::Nil);
            assessed.assessment = Some(AssessmentId::ZERO);
            state.put::<LevyAccount>((id("asso1"), schedule_code("dst"), "2026".parse().unwrap()), assessed);
        });
        let dollar = Currency::new("USD").unwrap();
        let members = |codes: &[&str]| codes.iter().map(|code| id(code)).collect::<Vec<_>>();
        let table: Vec<(&str, DeclareGroup)> = vec![
            ("lab", with(|it| (it.world_receipts.minor, it.local_receipts.currency) = (Amount::MAX_MINOR + 1, dollar))),
            ("lab", with(|it| (it.local_receipts.currency, it.members) = (dollar, vec![]))),
            ("lab", with(|it| it.members = vec![])),
            ("lab", with(|it| it.schedule = schedule_code("none"))),
            ("asso2", with(|it| (it.schedule, it.members) = (schedule_code("none"), vec![OrganisationId::ZERO]))),
            ("asso2", with(|it| (it.period, it.members) = ("2025".parse().unwrap(), vec![OrganisationId::ZERO]))),
            ("asso2", with(|it| it.period = "2025".parse().unwrap())),
            ("asso2", with(|it| (it.schedule, it.period) = (schedule_code("royalty"), "2026Q4".parse().unwrap()))),
            ("bank_branch", with(|it| it.members = members(&["asso1"]))),
            ("bank_branch", with(|_| {})),
            (
                "asso1",
                with(|it| {
                    (it.members, it.world_receipts.currency, it.local_receipts.currency) =
                        (members(&["asso1"]), dollar, dollar)
                }),
            ),
            ("asso2", with(|it| (it.members, it.period) = (members(&["asso2"]), "2027".parse().unwrap()))),
            (
                "asso2",
                with(|it| {
                    (it.members, it.world_receipts.currency, it.local_receipts.currency) =
                        (members(&["asso2"]), dollar, dollar)
                }),
            ),
        ];
        let reached: Vec<&str> = table.into_iter().map(|(signer, it)| network.refusal(signer, it)).collect();
        fixture::assert_all_reached(Kind::DeclareGroup, &reached);
    }

    #[test]
    fn two_entities_each_below_and_together_above_the_threshold_are_both_liable() {
        let mut network = money::network();
        fixture::assert_round_trips(&with(|_| {}).into_payload());
        network.run("bank", with(|_| {})).unwrap();
        let together = member(80_000_000_000, 3_000_000_000);
        assert_eq!(tax(&mut network, "bank", together.clone()), 45_000_000);
        assert_eq!(tax(&mut network, "bank_branch", together), 45_000_000);
        // Alone, one of them would be below both thresholds; its own figures count, as no group is on record.
        assert_eq!(tax(&mut network, "platform", member(40_000_000_000, 1_500_000_000)), 0);
        network.assert_sound();
    }

    #[test]
    fn exactly_at_a_threshold_nobody_is_liable() {
        let mut network = money::network();
        assert_eq!(tax(&mut network, "platform", member(75_000_000_000, 3_000_000_000)), 0);
        assert_eq!(tax(&mut network, "reuser", member(75_000_000_001, 2_500_000_000)), 0);
        assert_eq!(tax(&mut network, "asso2", member(75_000_000_001, 2_500_000_001)), 45_000_000);
    }

    #[test]
    fn figures_of_a_member_that_differ_from_the_groups_are_refused() {
        let mut network = money::network();
        network.run("bank", with(|_| {})).unwrap();
        let own = Payload::DeclareLevy(member(40_000_000_000, 1_500_000_000));
        assert_eq!(network.refusal("bank_branch", own), "AmountGroup");
    }
}
