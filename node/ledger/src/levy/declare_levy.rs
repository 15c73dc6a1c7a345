//! `declare_levy`: a payer says what it received in a period, service by service, for its group where the schedule says so.
//!
//! - Allowed: any organisation, suspended or not, by an office that may use the role levy payer.
//! - Effect: the period is declared; a declaration that is not assessed yet is replaced. Filing late is a flag, not a refusal. Group figures are
//!   checked against those that the group's filer put on record; without them the declaration's own count, and the event says so.
//! - Source: rulebook §5 and §17, 0402.

use super::{
    account::{DeclaredDeduction, DeclaredService, Filing, LevyAccount, LevyDeclaration, LevyStatus},
    declare_group::{LevyGroup, group_key},
    schedule::{Apportionment, LevySchedule, ScheduleVersion, Tariff},
    watch,
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
    signer::Context,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;
use std::collections::BTreeSet;

/// Services, and deductions of one, at most.
const LIST: usize = 64;

message! {
    /// The payload.
    pub struct DeclareLevy = DeclareLevy {
        /// Under which schedule.
        pub schedule: ScheduleCode,
        /// For which period.
        pub period: Period,
        /// By service.
        pub services: Vec<DeclaredService>,
        /// Receipts of the group in the world.
        pub world_receipts: Amount [required],
        /// Receipts of the group on the territory.
        pub local_receipts: Amount [required],
        /// Hash of the description of the method.
        pub method: Commitment,
        /// Hash of the evidence.
        pub evidence: Commitment,
        /// Class of the schedule's modulation that the payer claims.
        pub class: Option<Code>,
    }

    /// The event.
    pub struct LevyDeclared = LevyDeclared {
        /// The new declaration.
        pub id: DeclarationId,
        /// As it stands in the state.
        pub declaration: LevyDeclaration [required],
        /// The one that it replaces.
        pub replaces: Option<DeclarationId>,
        /// The group whose figures on record it was checked against; `None`: its own count.
        pub group: Option<OrganisationId>,
    }
}

refusals! {
    AmountBounds(Amount): Amount 1 "{0} is above 10^15 minor units", "an amount is above the bound";
    AmountShare(ServiceCode, Rational): Amount 2 "service {0}: {1} is no share of a whole", "a share has the denominator 0 or is above 1";
    CurrencyMixed(Currency, Currency): Currency 1 "{0} and {1} in one declaration", "the amounts are not in one currency";
    LimitServices(): Limit 1 "no service, more than 64, one of them twice, or a deduction twice", "services or deductions are missing, too many or repeated";
    RoleMissing(String): Role 1 "{0}", "the signer is no levy payer, or too few of the signing keys are in offices that may use the role";
    UnknownSchedule(ScheduleCode): Unknown 1 "levy schedule {0} does not exist", "the schedule does not exist";
    ScheduleVersion(ScheduleCode, Period): Schedule 1 "schedule {0} has no version for {1}", "no version of the schedule is valid on the period's last day, or its periods have another length";
    ScheduleService(ServiceCode): Schedule 2 "service {0} is not in the schedule", "a service is not in the version";
    ScheduleDeduction(Code): Schedule 3 "deduction {0} is not in the schedule", "a deduction is not in the version";
    ScheduleClass(Code): Schedule 4 "class {0} is not in the schedule", "the class is not in the version's modulation";
    StateAssessed(Period): State 1 "period {0} is assessed", "the period is assessed already";
    StatePrescribed(Period): State 2 "period {0} is prescribed", "the period can no longer be assessed";
    WindowOpen(Period, BlockTime): Window 1 "period {0} ends at {1}", "the period has not ended";
    AmountApportioned(ServiceCode): Amount 3 "service {0} needs a share where receipts are apportioned, and none where they are not", "a share is missing, or given where nothing is apportioned";
    AmountUnits(ServiceCode): Amount 4 "service {0} is counted in units and says none", "units are missing where they are levied";
    AmountDeduction(Code, Amount, u64): Amount 5 "deduction {0} of {1} is over its cap of {2} minor units", "a deduction is over its cap";
    CurrencyOther(Currency, Currency): Currency 2 "{0} is not the fund's currency {1}", "the amounts are in another currency than the fund";
    AmountGroup(OrganisationId): Amount 6 "the group figures differ from those that organisation {0} put on record", "the group figures differ from those on record";
}

impl From<SignerRefusal> for Refused {
    fn from(refusal: SignerRefusal) -> Self {
        match refusal {
            // A suspended organisation may declare: only one that does not exist is not let through, and blocks hold none of those.
            SignerRefusal::Suspended(id) => Self::RoleMissing(format!("organisation {id} does not exist")),
            SignerRefusal::Role(words) => Self::RoleMissing(words),
        }
    }
}

impl Action for DeclareLevy {
    type Event = LevyDeclared;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        let deductions = self.services.iter().flat_map(|service| &service.deductions);
        let amounts: Vec<Amount> = [self.world_receipts, self.local_receipts]
            .into_iter()
            .chain(self.services.iter().map(|service| service.receipts))
            .chain(deductions.map(|deduction| deduction.amount))
            .collect();
        if let Some(wrong) = amounts.iter().find(|amount| !amount.is_valid_or_zero()) {
            return Err(Refused::AmountBounds(*wrong));
        }
        for DeclaredService { code, share, .. } in &self.services {
            if let Some(share) = share
                && !share.is_share()
            {
                return Err(Refused::AmountShare(*code, *share));
            }
        }
        let currency = self.world_receipts.currency;
        if let Some(other) = amounts.iter().find(|amount| amount.currency != currency) {
            return Err(Refused::CurrencyMixed(currency, other.currency));
        }
        let codes: BTreeSet<ServiceCode> = self.services.iter().map(|service| service.code).collect();
        let fits = (1..=LIST).contains(&codes.len()) && codes.len() == self.services.len();
        if !fits || !self.services.iter().all(has_distinct_deductions) {
            return Err(Refused::LimitServices());
        }
        Ok(())
    }

    fn cost(&self) -> u64 {
        BASE_COST + self.services.iter().map(|service| 1 + service.deductions.len() as u64).sum::<u64>()
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<LevyDeclared, Refused> {
        let Self { schedule, period, .. } = *self;

        cx.authorise_even_suspended(state, Role::LevyPayer, Scope::Network)?;
        let record = state.get::<LevySchedule>(&schedule).ok_or(Refused::UnknownSchedule(schedule))?;
        let version = record.version_for(period).ok_or(Refused::ScheduleVersion(schedule, period))?;
        self.names_only(version)?;
        let before = state.get::<LevyAccount>(&(cx.organisation, schedule, period));
        if before.is_some_and(|account| account.assessment.is_some()) {
            return Err(Refused::StateAssessed(period));
        }
        if before.is_some_and(LevyAccount::has_ended) {
            return Err(Refused::StatePrescribed(period));
        }
        if cx.place.time < period.end_time() {
            return Err(Refused::WindowOpen(period, period.end_time()));
        }
        self.check_figures(version, record.fund, state)?;
        let group = self.check_group(&cx.organisation, version, state)?;
        let filed_on = cx.place.date();
        let in_time = filed_on <= version.calendar.declare_by.of(period);
        let filing = if in_time { Filing::InTime } else { Filing::Late };
        let declaration = self.as_declaration(cx.organisation, filed_on, filing);
        let id = DeclarationId::new(object_id("declaration", &cx.place.transaction));
        Ok(LevyDeclared { id, declaration, replaces: before.and_then(|account| account.declaration), group })
    }
}

fn has_distinct_deductions(service: &DeclaredService) -> bool {
    let codes: BTreeSet<Code> = service.deductions.iter().map(|deduction| deduction.code).collect();
    codes.len() == service.deductions.len() && codes.len() <= LIST
}

impl DeclareLevy {
    /// The figures are such as the version asks for, in the currency of the fund.
    pub(super) fn check_figures(
        &self,
        version: &ScheduleVersion,
        fund: FundCode,
        state: &Overlay<'_>,
    ) -> Result<(), Refused> {
        for service in &self.services {
            check_figures(service, version)?;
        }
        let currency = state.get::<Fund>(&fund).map(|fund| fund.currency);
        match currency {
            Some(currency) if currency != self.world_receipts.currency => {
                Err(Refused::CurrencyOther(self.world_receipts.currency, currency))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Compares with the figures of the payer's group, if they are on record; answers with the group then.
    fn check_group(
        &self,
        payer: &OrganisationId,
        version: &ScheduleVersion,
        state: &Overlay<'_>,
    ) -> Result<Option<OrganisationId>, Refused> {
        let Some(key) = group_key(state, payer, self.schedule, self.period, version) else { return Ok(None) };
        let Some(LevyGroup { filer, world_receipts, local_receipts, .. }) = state.get::<LevyGroup>(&key) else {
            return Ok(None);
        };
        if *world_receipts == self.world_receipts && *local_receipts == self.local_receipts {
            Ok(Some(key.0))
        } else {
            Err(Refused::AmountGroup(*filer))
        }
    }

    /// These figures as a declaration of a payer.
    pub(super) fn as_declaration(&self, payer: OrganisationId, filed_on: LegalDate, filing: Filing) -> LevyDeclaration {
        let Self { schedule, period, services, world_receipts, local_receipts, method, evidence, class } = self.clone();
        LevyDeclaration {
            payer,
            schedule,
            period,
            services,
            world_receipts,
            local_receipts,
            method,
            evidence,
            class,
            filed_on,
            filing,
        }
    }

    /// Every name in it is one of the version's.
    pub(super) fn names_only(&self, version: &ScheduleVersion) -> Result<(), Refused> {
        for DeclaredService { code, .. } in &self.services {
            if !version.services.contains(code) {
                return Err(Refused::ScheduleService(*code));
            }
        }
        for DeclaredDeduction { code, .. } in self.services.iter().flat_map(|service| &service.deductions) {
            if !version.deductions.iter().any(|rule| rule.code == *code) {
                return Err(Refused::ScheduleDeduction(*code));
            }
        }
        match self.class {
            Some(class) if !version.modulation.iter().any(|rule| rule.class == class) => {
                Err(Refused::ScheduleClass(class))
            }
            _ => Ok(()),
        }
    }
}

/// The figures of a service are such as its version asks for.
fn check_figures(service: &DeclaredService, version: &ScheduleVersion) -> Result<(), Refused> {
    let DeclaredService { code, receipts, deductions, share, units } = service;
    let apportioned = match version.apportionment {
        Apportionment::None => false,
        Apportionment::UserShare | Apportionment::TransactionShare | Apportionment::AdvertisingShare => true,
    };
    if share.is_some() != apportioned {
        return Err(Refused::AmountApportioned(*code));
    }
    let counted = match version.tariff {
        Tariff::Unit(_) => true,
        Tariff::Flat(_) | Tariff::Marginal(_) | Tariff::Slab(_) => false,
    };
    if counted && units.is_none() {
        return Err(Refused::AmountUnits(*code));
    }
    for DeclaredDeduction { code, amount } in deductions {
        let cap = version.deductions.iter().find(|rule| rule.code == *code).map_or(Ppm::ZERO, |rule| rule.cap_ppm);
        let cap = crate::redistribution::cap::limit(cap, receipts.minor);
        if amount.minor > cap {
            return Err(Refused::AmountDeduction(*code, *amount, cap));
        }
    }
    Ok(())
}

impl Effect for LevyDeclared {
    fn apply(&self, place: &Place, state: &mut Overlay<'_>) {
        let Self { id, declaration, replaces: _, group: _ } = self;
        let LevyDeclaration { payer, schedule, period, .. } = declaration;
        let key = (*payer, *schedule, *period);
        state.put::<LevyAccount>(key, LevyAccount::new(Some(*id), LevyStatus::Declared));
        state.put::<LevyDeclaration>(*id, declaration.clone());
        let version = state.get::<LevySchedule>(schedule).and_then(|record| record.version_for(*period)).cloned();
        if let Some(version) = version {
            watch::expect(state, &key, &version, place.date());
        }
    }

    fn subjects(&self) -> Vec<RecordRef> {
        let LevyDeclaration { payer, schedule, period, .. } = &self.declaration;
        vec![
            RecordRef::of::<LevyDeclaration>(&self.id),
            RecordRef::of::<LevyAccount>(&(*payer, *schedule, *period)),
            RecordRef::of::<LevySchedule>(schedule),
            RecordRef::of::<Organisation>(payer),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Event, Kind, Payload},
        fixture::{
            self, IntoPayload, Network, commitment, id,
            money::{self, date, schedule_code},
        },
        levy::{account::LevyFlag, assess_levy::AssessLevy},
    };

    impl IntoPayload for DeclareLevy {
        fn into_payload(self) -> Payload {
            Payload::DeclareLevy(self)
        }
    }

    fn share(num: u64, den: u64) -> Option<Rational> {
        Some(Rational::new(num, den))
    }

    /// The declaration of the rulebook's vector: 1.2 G€ of receipts, 83,417 ppm here, of a group above both thresholds.
    pub(crate) fn dst() -> DeclareLevy {
        DeclareLevy {
            schedule: schedule_code("dst"),
            period: "2026".parse().unwrap(),
            services: vec![DeclaredService {
                code: ServiceCode::new("ads").unwrap(),
                receipts: Amount::eur(120_000_000_000),
                deductions: vec![],
                share: share(83_417, 1_000_000),
                units: None,
            }],
            world_receipts: Amount::eur(120_000_000_000),
            local_receipts: Amount::eur(10_010_040_000),
            method: commitment("method"),
            evidence: commitment("evidence"),
            class: None,
        }
    }

    fn with(change: impl FnOnce(&mut DeclareLevy)) -> DeclareLevy {
        let mut declaration = dst();
        change(&mut declaration);
        declaration
    }

    fn deduction(code: &str, minor: u64) -> DeclaredDeduction {
        DeclaredDeduction { code: Code::new(code).unwrap(), amount: Amount::eur(minor) }
    }

    fn declare(network: &mut Network, payload: DeclareLevy) -> LevyDeclared {
        let Ok(Event::DeclareLevy(event)) = network.run("platform", payload) else { panic!("declared") };
        event
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let mut network = money::network();
        let assessed = declare(&mut network, dst());
        let payload = AssessLevy {
            payer: id("platform"),
            schedule: schedule_code("dst"),
            period: "2026".parse().unwrap(),
            declaration: assessed.id,
        };
        network.run("tax", Payload::AssessLevy(payload)).unwrap();
        network.edit(|state| {
            state.update::<Organisation>(&id("lab"), |lab| lab.offices[0].roles = vec![Role::Reviewer]);
        });
        network.edit(|state| {
            let period = "2026".parse().unwrap();
            let mut ended = LevyAccount::new(None, LevyStatus::Expected);
            ended.set(LevyFlag::Prescribed);
            state.put::<LevyAccount>((id("asso2"), schedule_code("dst"), period), ended);
            let DeclareLevy { world_receipts, local_receipts, evidence, .. } = dst();
            let figures = LevyGroup {
                filer: id("reuser"),
                members: vec![id("reuser")],
                world_receipts,
                local_receipts,
                evidence,
            };
            state.put::<LevyGroup>((id("reuser"), schedule_code("dst"), period), figures);
        });
        let dollar = Currency::new("USD").unwrap();
        let in_dollars = |declaration: &mut DeclareLevy| {
            declaration.world_receipts.currency = dollar;
            declaration.local_receipts.currency = dollar;
            declaration.services[0].receipts.currency = dollar;
        };
        let calls = |declaration: &mut DeclareLevy| {
            declaration.schedule = schedule_code("royalty");
            declaration.period = "2026Q4".parse().unwrap();
            declaration.services[0].share = None;
        };
        let table: Vec<(&str, DeclareLevy)> = vec![
            ("lab", with(|d| (d.world_receipts.minor, d.services[0].share) = (Amount::MAX_MINOR + 1, share(2, 1)))),
            ("lab", with(|d| (d.services[0].share, d.local_receipts.currency) = (share(2, 1), dollar))),
            ("lab", with(|d| (d.local_receipts.currency, d.services) = (dollar, vec![]))),
            ("lab", with(|d| d.services = vec![])),
            ("lab", with(|d| d.schedule = schedule_code("none"))),
            ("platform", with(|d| (d.schedule, d.period) = (schedule_code("none"), "2025".parse().unwrap()))),
            ("platform", with(|d| d.period = "2025".parse().unwrap())),
            ("platform", with(|d| d.services[0].code = ServiceCode::new("maps").unwrap())),
            ("platform", with(|d| d.services[0].deductions = vec![deduction("rent", 1)])),
            ("platform", with(|d| d.class = Some(Code::new("dirty").unwrap()))),
            ("platform", with(|d| d.services[0].share = None)),
            ("asso2", with(|d| d.services[0].share = None)),
            ("platform", with(|d| (d.period, d.services[0].share) = ("2027".parse().unwrap(), None))),
            ("reuser", with(|d| d.services[0].share = None)),
            ("reuser", with(calls)),
            ("reuser", with(|d| d.services[0].deductions = vec![deduction("vat", 24_000_000_001)])),
            ("reuser", with(in_dollars)),
            ("reuser", with(|d| d.world_receipts.minor -= 1)),
        ];
        let reached: Vec<&str> = table.into_iter().map(|(signer, it)| network.refusal(signer, it)).collect();
        fixture::assert_all_reached(Kind::DeclareLevy, &reached);
    }

    #[test]
    fn a_denominator_of_zero_and_a_share_above_one_are_no_shares() {
        let network = money::network();
        for wrong in [share(0, 0), share(1, 0), share(2, 1)] {
            assert_eq!(network.refusal("platform", with(|d| d.services[0].share = wrong)), "AmountShare", "{wrong:?}");
        }
        for right in [share(0, 1), share(1, 1)] {
            assert!(network.decide("platform", with(|d| d.services[0].share = right).into_payload()).is_ok());
        }
        let exactly = with(|d| d.services[0].deductions = vec![deduction("vat", 24_000_000_000)]);
        assert!(network.decide("platform", exactly.into_payload()).is_ok(), "a deduction may reach its cap");
    }

    #[test]
    fn a_second_declaration_replaces_the_first_and_both_stay_on_record() {
        let mut network = money::network();
        fixture::assert_round_trips(&dst().into_payload());
        let first = declare(&mut network, dst());
        assert_eq!(first.replaces, None);
        let second = declare(&mut network, with(|d| d.class = Some(Code::new("eco").unwrap())));
        assert_eq!(second.replaces, Some(first.id));
        let key = (id("platform"), schedule_code("dst"), "2026".parse().unwrap());
        assert_eq!(network.state.get::<LevyAccount>(&key).unwrap().declaration, Some(second.id));
        assert_eq!(network.state.count::<LevyDeclaration>(), 2);
        network.assert_sound();
    }

    #[test]
    fn filing_after_the_day_of_the_calendar_is_a_flag_and_a_suspended_payer_may_still_declare() {
        let mut network = money::network();
        network.suspend("platform");
        network.advance_to(date(2027, 4, 25).start_time());
        assert_eq!(declare(&mut network, dst()).declaration.filing, Filing::InTime);
        network.advance_to(date(2027, 4, 26).start_time());
        assert_eq!(declare(&mut network, dst()).declaration.filing, Filing::Late);
    }
}
