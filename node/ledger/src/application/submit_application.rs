//! `submit_application`: an organisation asks a call for money, for a project that it holds.
//!
//! - Allowed: an active organisation, by an office that may use the role beneficiary.
//! - Effect: the application is submitted and numbered by arrival; its lead and partners take part in the call and can no longer review or vote there.
//! - Subjects: besides the application, its call, its project and the lead, every partner.
//! - Source: rulebook §7 and §17, 0701.

use super::application::{
    Application, ApplicationStatus, CallApplication, CallProject, CoFunder, CoFunding, Partner, PlannedTranche,
    TrancheKind, enter_parties,
};
use crate::{
    action::{Action, BASE_COST, Effect, Place},
    call::call::Call,
    grant::offer::{reaches, within},
    history::RecordRef,
    refusal::{refusals, signer_refusals},
    registry::{
        organisation::{Organisation, Status},
        project::Project,
        role::{Role, Scope},
        territory::Territory,
    },
    signer::Context,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;
use std::collections::BTreeSet;

/// Entries of a list, at most.
const LIST: usize = 64;
/// Tranches of a plan, at most.
const TRANCHES: usize = 12;
/// Live applications in a call, at most (rulebook §17, 0601).
const LIVE: u32 = 1_000;
/// Steps from a territory to the EU, at most.
const DEPTH: usize = 8;

message! {
    /// The payload.
    pub struct SubmitApplication = SubmitApplication {
        /// To which call.
        pub call: CallId,
        /// For which project.
        pub project: ProjectId,
        /// Title.
        pub title: Name,
        /// How much is asked.
        pub requested: Amount [required],
        /// What the project costs, as far as the call pays for it.
        pub eligible_cost: Amount [required],
        /// Duration in months.
        pub months: u32,
        /// Money from elsewhere.
        pub co_funding: Vec<CoFunding>,
        /// When it should be paid; at most 12.
        pub tranches: Vec<PlannedTranche>,
        /// Partners without the signer.
        pub partners: Vec<Partner>,
        /// Where.
        pub territory: Option<TerritoryCode>,
        /// Commitment to the dossier.
        pub dossier: Commitment,
        /// The signer's own share.
        pub lead_share_ppm: Ppm,
    }

    /// The event.
    pub struct ApplicationSubmitted = ApplicationSubmitted {
        /// The new application.
        pub id: ApplicationId,
        /// As it stands in the state.
        pub application: Application [required],
    }
}

refusals! {
    AmountBounds(Amount): Amount 1 "{0} is outside 1 ..= 10^15 minor units", "an amount is 0 or above the bound";
    CurrencyMixed(Currency, Currency): Currency 1 "{0} and {1} in one application", "the amounts are not in one currency";
    LimitLists(usize): Limit 1 "a list of {0} entries; 64 are allowed", "a list is too long";
    LimitTranches(usize): Limit 2 "{0} tranches, not 1 to 12 numbered from 1", "there are no tranches, more than 12, or they are not numbered from 1 without gaps";
    SharesSum(u64): Shares 1 "shares sum to {0} ppm, not to 1,000,000", "the shares of lead and partners do not sum to the whole";
    SharesPartner(OrganisationId): Shares 2 "partner {0} stands there twice or has no share", "a partner is named twice or has no share";
    PersonalDataText(Name): PersonalData 1 "{0:?} looks like personal data", "the title or a co-funder's name looks like personal data";
    signer;
    UnknownCall(CallId): Unknown 1 "call {0} does not exist", "the call does not exist";
    UnknownProject(ProjectId): Unknown 2 "project {0} does not exist", "the project does not exist";
    UnknownOrganisation(OrganisationId): Unknown 3 "organisation {0} does not exist", "a partner or a co-funder is not registered";
    TerritoryUnknown(TerritoryCode): Territory 1 "territory {0} does not exist", "the territory does not exist";
    StateProject(ProjectId): State 1 "project {0} is not held by the signer", "the signer neither holds nor co-holds the project";
    StateLive(ProjectId, ApplicationId): State 2 "project {0} has application {1} in this call", "the project has a live application in this call";
    StatePartner(OrganisationId): State 3 "partner {0} is not active", "a partner is suspended, merged or closed";
    WindowShut(BlockTime, BlockTime, BlockTime): Window 1 "the call takes applications from {0} until {1}, it is {2}", "the call is not open yet, or no more";
    LimitLive(u32): Limit 3 "the call has {0} applications already", "the call has 1,000 live applications";
    SharesLead(OrganisationId): Shares 3 "{0} leads and cannot be a partner too", "the lead stands among the partners";
    CurrencyOther(Currency, Currency): Currency 2 "{0} is not the call's currency {1}", "the amounts are in another currency than the call";
    AmountOutside(Amount, Amount, Amount): Amount 2 "{0} is outside the call's {1} to {2}", "the request is outside the call's least and greatest award";
    AmountRate(Amount, Amount, Ppm): Amount 3 "{0} is more than {2} of {1}", "the request is above the aid rate of the eligible cost";
    AmountTranches(u128, u64): Amount 4 "tranches sum to {0} minor units, {1} are requested", "the tranches do not sum to the request";
    AmountAdvance(u64, Ppm): Amount 5 "advances of {0} minor units, at most {1} of the request are allowed", "the advances are above the call's limit";
    AmountRetention(u64, Ppm): Amount 6 "a balance of {0} minor units, at least {1} of the request are needed", "the balance is below the call's retention";
    AmountCoFunding(u128, u64): Amount 7 "request and co-funding sum to {0} minor units, the eligible cost is {1}", "request and co-funding are more than the eligible cost";
    LimitMonths(u32, u32): Limit 4 "{0} months, 1 to {1} are allowed", "it lasts no month, or more than the call allows";
    TerritoryOutside(TerritoryCode): Territory 2 "the application is not in territory {0}", "the application lies outside the call's territory";
    EvidenceLicence(Text<64>): Evidence 1 "the call does not accept the licence {0:?}", "the project's licence is not accepted";
}
signer_refusals!(Refused);

impl Action for SubmitApplication {
    type Event = ApplicationSubmitted;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        let tranches = self.tranches.iter().map(|tranche| tranche.amount);
        let co_funding = self.co_funding.iter().map(|line| line.amount);
        for amount in [self.requested, self.eligible_cost].into_iter().chain(tranches).chain(co_funding) {
            if !amount.is_valid_positive() {
                return Err(Refused::AmountBounds(amount));
            }
            if amount.currency != self.requested.currency {
                return Err(Refused::CurrencyMixed(self.requested.currency, amount.currency));
            }
        }
        for length in [self.co_funding.len(), self.partners.len()] {
            if length > LIST {
                return Err(Refused::LimitLists(length));
            }
        }
        let numbered = self.tranches.iter().zip(1..).all(|(tranche, number)| tranche.number == number);
        if !(1..=TRANCHES).contains(&self.tranches.len()) || !numbered {
            return Err(Refused::LimitTranches(self.tranches.len()));
        }
        let partners: u64 = self.partners.iter().map(|partner| u64::from(partner.share_ppm.get())).sum();
        let shares = partners + u64::from(self.lead_share_ppm.get());
        if shares != 1_000_000 {
            return Err(Refused::SharesSum(shares));
        }
        let mut named = BTreeSet::new();
        for Partner { organisation, share_ppm } in &self.partners {
            if !named.insert(*organisation) || *share_ppm == Ppm::ZERO {
                return Err(Refused::SharesPartner(*organisation));
            }
        }
        let names = self.co_funding.iter().filter_map(|line| match &line.funder {
            CoFunder::Named(name) => Some(name),
            CoFunder::Organisation(_) => None,
        });
        match core::iter::once(&self.title).chain(names).find(|text| personal_data::scan(text).is_some()) {
            Some(text) => Err(Refused::PersonalDataText(text.clone())),
            None => Ok(()),
        }
    }

    fn cost(&self) -> u64 {
        BASE_COST + (self.co_funding.len() + self.tranches.len() + self.partners.len()) as u64
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<ApplicationSubmitted, Refused> {
        cx.authorise(state, Role::Beneficiary, Scope::Network)?;
        let call = state.get::<Call>(&self.call).ok_or(Refused::UnknownCall(self.call))?;
        let project = state.get::<Project>(&self.project).ok_or(Refused::UnknownProject(self.project))?;
        self.check_named(state)?;
        self.check_holder(cx, project)?;
        if let Some(CallProject { application }) = state.get::<CallProject>(&(self.call, self.project)) {
            return Err(Refused::StateLive(self.project, *application));
        }
        self.check_partners(state)?;
        Self::check_window(cx, call)?;
        if call.applications >= LIVE {
            return Err(Refused::LimitLive(call.applications));
        }
        self.check_fit(cx, call, project, state)?;
        Ok(ApplicationSubmitted {
            id: ApplicationId::new(object_id("application", &cx.place.transaction)),
            application: self.application(cx.organisation, call.applications + 1),
        })
    }
}

impl SubmitApplication {
    pub(super) fn check_window(cx: &Context<'_>, call: &Call) -> Result<(), Refused> {
        if call.takes_applications(cx.place.time) {
            Ok(())
        } else {
            Err(Refused::WindowShut(call.opens_at, call.closes_at, cx.place.time))
        }
    }

    /// What the call asks of an application, and how its parts fit together.
    pub(super) fn check_fit(
        &self,
        cx: &Context<'_>,
        call: &Call,
        project: &Project,
        state: &Overlay<'_>,
    ) -> Result<(), Refused> {
        if self.partners.iter().any(|partner| partner.organisation == cx.organisation) {
            return Err(Refused::SharesLead(cx.organisation));
        }
        self.check_amounts(call)?;
        if self.months == 0 || self.months > call.months_max {
            return Err(Refused::LimitMonths(self.months, call.months_max));
        }
        if let Some(scope) = call.territory
            && !lies_in(state, self.territory.or(project.territory), scope)
        {
            return Err(Refused::TerritoryOutside(scope));
        }
        if !call.licences.is_empty() && !call.licences.contains(&project.licence) {
            return Err(Refused::EvidenceLicence(project.licence.clone()));
        }
        Ok(())
    }

    pub(super) fn check_named(&self, state: &Overlay<'_>) -> Result<(), Refused> {
        let partners = self.partners.iter().map(|partner| partner.organisation);
        let funders = self.co_funding.iter().filter_map(|line| match &line.funder {
            CoFunder::Named(_) => None,
            CoFunder::Organisation(id) => Some(*id),
        });
        for organisation in partners.chain(funders) {
            if !state.has::<Organisation>(&organisation) {
                return Err(Refused::UnknownOrganisation(organisation));
            }
        }
        match self.territory {
            Some(territory) if !state.has::<Territory>(&territory) => Err(Refused::TerritoryUnknown(territory)),
            _ => Ok(()),
        }
    }

    pub(super) fn check_holder(&self, cx: &Context<'_>, project: &Project) -> Result<(), Refused> {
        if project.is_held_by(&cx.organisation) { Ok(()) } else { Err(Refused::StateProject(self.project)) }
    }

    pub(super) fn check_partners(&self, state: &Overlay<'_>) -> Result<(), Refused> {
        let active = |id: &OrganisationId| {
            state.get::<Organisation>(id).is_some_and(|organisation| organisation.status == Status::Active)
        };
        match self.partners.iter().find(|partner| !active(&partner.organisation)) {
            Some(partner) => Err(Refused::StatePartner(partner.organisation)),
            None => Ok(()),
        }
    }

    fn check_amounts(&self, call: &Call) -> Result<(), Refused> {
        let Self { requested, eligible_cost, .. } = self;
        if requested.currency != call.budget.currency {
            return Err(Refused::CurrencyOther(requested.currency, call.budget.currency));
        }
        if !(call.amount_min.minor..=call.amount_max.minor).contains(&requested.minor) {
            return Err(Refused::AmountOutside(*requested, call.amount_min, call.amount_max));
        }
        if !within(requested.minor, eligible_cost.minor, call.rate_max_ppm) {
            return Err(Refused::AmountRate(*requested, *eligible_cost, call.rate_max_ppm));
        }
        let planned: u128 = self.tranches.iter().map(|tranche| u128::from(tranche.amount.minor)).sum();
        if planned != u128::from(requested.minor) {
            return Err(Refused::AmountTranches(planned, requested.minor));
        }
        let advances = self.planned(TrancheKind::Advance);
        if !within(advances, requested.minor, call.advance_max_ppm) {
            return Err(Refused::AmountAdvance(advances, call.advance_max_ppm));
        }
        let balance = self.planned(TrancheKind::Balance);
        if !reaches(balance, requested.minor, call.retention_min_ppm) {
            return Err(Refused::AmountRetention(balance, call.retention_min_ppm));
        }
        let co_funding: u128 = self.co_funding.iter().map(|line| u128::from(line.amount.minor)).sum();
        let funded = u128::from(requested.minor) + co_funding;
        if funded > u128::from(eligible_cost.minor) {
            return Err(Refused::AmountCoFunding(funded, eligible_cost.minor));
        }
        Ok(())
    }

    /// Minor units of the tranches of a kind; their sum is known to be the request.
    fn planned(&self, kind: TrancheKind) -> u64 {
        self.tranches.iter().filter(|tranche| tranche.kind == kind).map(|tranche| tranche.amount.minor).sum()
    }

    pub(super) fn application(&self, lead: OrganisationId, number: u32) -> Application {
        let Self {
            call,
            project,
            title,
            requested,
            eligible_cost,
            months,
            co_funding,
            tranches,
            partners,
            territory,
            dossier,
            lead_share_ppm,
        } = self.clone();
        Application {
            call,
            number,
            lead,
            project,
            title,
            requested,
            eligible_cost,
            months,
            co_funding,
            tranches,
            lead_share_ppm,
            partners,
            territory,
            dossier,
            status: ApplicationStatus::Submitted,
            screened_by: None,
            failed: vec![],
            reviews: vec![],
            score: None,
        }
    }
}

/// Whether a territory is another one or lies inside it; nowhere lies in nothing.
fn lies_in(state: &Overlay<'_>, territory: Option<TerritoryCode>, scope: TerritoryCode) -> bool {
    let mut at = territory;
    for _ in 0..DEPTH {
        match at {
            Some(code) if code == scope => return true,
            Some(code) => at = state.get::<Territory>(&code).and_then(|record| record.parent),
            None => return false,
        }
    }
    false
}

impl Effect for ApplicationSubmitted {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let Self { id, application } = self;
        let call = application.call;
        enter_parties(state, application);
        state.put::<CallApplication>((call, application.number), CallApplication { application: *id });
        state.put::<CallProject>((call, application.project), CallProject { application: *id });
        state.update::<Call>(&call, |record| record.applications = application.number);
        state.put::<Application>(*id, application.clone());
    }

    fn subjects(&self) -> Vec<RecordRef> {
        let Self { id, application } = self;
        let mut subjects = vec![
            RecordRef::of::<Application>(id),
            RecordRef::of::<Call>(&application.call),
            RecordRef::of::<Project>(&application.project),
        ];
        subjects.extend(application.parties().map(|party| RecordRef::of::<Organisation>(&party)));
        subjects
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Kind, Payload},
        application::{application::CallParty, fixture::*},
        fixture::{assert_round_trips, id, key, name, network},
        signer,
    };

    /// An application with every fault at once.
    fn faulty() -> Trial<SubmitApplication> {
        let mut network = network();
        let call = open_call(&mut network);
        let own = project(&mut network, "asso1");
        network.run("asso1", Payload::SubmitApplication(application(call, own))).unwrap();
        let mut act = application(CallId::ZERO, ProjectId::ZERO);
        act.title = name("mail someone@example.org");
        act.requested = Amount::eur(0);
        act.eligible_cost = Amount::new(100_000_000, "CHF".parse().unwrap());
        act.partners = vec![Partner { organisation: OrganisationId::ZERO, share_ppm: Ppm::ONE }; 65];
        act.co_funding = vec![CoFunding {
            funder: CoFunder::Organisation(OrganisationId::ZERO),
            amount: Amount::eur(1),
            secured: true,
        }];
        act.tranches.clear();
        act.months = 19;
        act.territory = Some(TerritoryCode::new("99").unwrap());
        Trial::faulty(network, "asso3", act)
    }

    fn in_currency(act: &mut SubmitApplication, currency: &str) {
        let currency = currency.parse().unwrap();
        act.requested.currency = currency;
        act.eligible_cost.currency = currency;
        act.tranches.iter_mut().for_each(|tranche| tranche.amount.currency = currency);
        act.co_funding.iter_mut().for_each(|line| line.amount.currency = currency);
    }

    fn own_call(t: &Trial<SubmitApplication>) -> CallId {
        *t.network.state.all::<Call>().next().unwrap().0
    }

    #[test]
    fn an_application_is_refused_in_order_of_precedence() {
        let steps: &[Step<SubmitApplication>] = &[
            ("AmountBounds", |t| t.act.requested = Amount::eur(50_000)),
            ("CurrencyMixed", |t| in_currency(&mut t.act, "CHF")),
            ("LimitLists", |t| t.act.partners.truncate(2)),
            ("LimitTranches", |t| {
                t.act.tranches = vec![tranche(1, TrancheKind::Advance, 100), tranche(2, TrancheKind::Balance, 100)];
                in_currency(&mut t.act, "CHF");
            }),
            ("SharesSum", |t| {
                let half = Ppm::new(500_000).unwrap();
                t.act.lead_share_ppm = Ppm::ZERO;
                t.act.partners.iter_mut().for_each(|partner| partner.share_ppm = half);
            }),
            ("SharesPartner", |t| t.act.partners[1].organisation = id("asso3")),
            ("PersonalDataText", |t| t.act.title = name("Carte ouverte (invented)")),
            ("Suspended", |t| t.reinstate()),
            ("RoleMissing", |t| t.sign()),
            ("UnknownCall", |t| t.act.call = own_call(t)),
            ("UnknownProject", |t| t.act.project = ProjectId::new(hash("fixture-project", &[b"asso1"]))),
            ("UnknownOrganisation", |t| {
                t.act.partners[0].organisation = id("asso2");
                t.act.co_funding[0].funder = CoFunder::Organisation(id("region"));
            }),
            ("TerritoryUnknown", |t| t.act.territory = Some(TerritoryCode::new("fr").unwrap())),
            ("StateProject", |t| {
                let project = t.act.project;
                t.network
                    .edit(|state| state.update::<Project>(&project, |project| project.co_holders = vec![id("asso3")]));
            }),
            ("StateLive", |t| {
                t.act.project = project(&mut t.network, "asso3");
                let project = t.act.project;
                t.network.edit(|state| {
                    state.update::<Project>(&project, |project| project.licence = Text::new("Proprietary").unwrap());
                });
                t.status("asso2", Status::Suspended);
            }),
            ("StatePartner", |t| {
                t.status("asso2", Status::Active);
                let call = t.act.call;
                let later = t.network.in_days(1);
                t.network.edit(|state| state.update::<Call>(&call, |call| call.opens_at = later));
            }),
            ("WindowShut", |t| {
                let call = t.act.call;
                let now = t.network.now();
                t.network.edit(|state| {
                    state.update::<Call>(&call, |call| {
                        call.opens_at = now;
                        call.applications = 1_000;
                    });
                });
            }),
            ("LimitLive", |t| {
                let call = t.act.call;
                t.network.edit(|state| state.update::<Call>(&call, |call| call.applications = 999));
            }),
            ("SharesLead", |t| {
                t.act.partners.truncate(1);
                t.act.lead_share_ppm = Ppm::new(500_000).unwrap();
            }),
            ("CurrencyOther", |t| in_currency(&mut t.act, "EUR")),
            ("AmountOutside", |t| {
                t.act.requested = Amount::eur(1_000_000);
                t.act.eligible_cost = Amount::eur(1_428_571);
            }),
            ("AmountRate", |t| t.act.eligible_cost = Amount::eur(1_428_572)),
            ("AmountTranches", |t| {
                t.act.tranches =
                    vec![tranche(1, TrancheKind::Advance, 300_001), tranche(2, TrancheKind::Interim, 699_999)];
            }),
            ("AmountAdvance", |t| {
                t.act.tranches = vec![
                    tranche(1, TrancheKind::Advance, 300_000),
                    tranche(2, TrancheKind::Interim, 500_001),
                    tranche(3, TrancheKind::Balance, 199_999),
                ];
            }),
            ("AmountRetention", |t| {
                t.act.tranches[1] = tranche(2, TrancheKind::Interim, 500_000);
                t.act.tranches[2] = tranche(3, TrancheKind::Balance, 200_000);
                t.act.co_funding[0].amount = Amount::eur(428_573);
            }),
            ("AmountCoFunding", |t| t.act.co_funding[0].amount = Amount::eur(428_572)),
            ("LimitMonths", |t| t.act.months = 18),
            ("TerritoryOutside", |t| t.act.territory = None),
            ("EvidenceLicence", |t| {
                let project = t.act.project;
                t.network.edit(|state| {
                    state.update::<Project>(&project, |project| project.licence = Text::new("CC-BY-SA-4.0").unwrap());
                });
            }),
        ];
        assert_precedence(Kind::SubmitApplication, faulty(), Payload::SubmitApplication, steps);
    }

    #[test]
    fn applications_are_numbered_by_arrival_and_their_groups_take_part_in_the_call() {
        let mut network = network();
        let call = open_call(&mut network);
        let first = submit(&mut network, call);
        let second = {
            let project = project(&mut network, "asso1_branch");
            let mut act = application(call, project);
            act.partners.clear();
            act.lead_share_ppm = Ppm::ONE;
            match network.run("asso1_branch", Payload::SubmitApplication(act)) {
                Ok(crate::action::Event::SubmitApplication(submitted)) => submitted,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(second.application.number, 2);
        assert_eq!(network.state.get::<Call>(&call).unwrap().applications, 2);
        let listed: Vec<_> =
            network.state.all::<CallApplication>().map(|(key, listed)| (*key, listed.application)).collect();
        assert_eq!(listed, [((call, 1), first), ((call, 2), second.id)]);
        // The branch counts for its group.
        let parties: Vec<_> =
            network.state.all::<CallParty>().map(|((_, group), party)| (*group, party.applications)).collect();
        let mut expected = [(id("asso1"), 2), (id("asso2"), 1)];
        expected.sort();
        assert_eq!(parties, expected);
        assert_eq!(signer::group(&network.state, &id("asso1_branch")), id("asso1"));
        assert_eq!(network.state.entry::<Application>(&first).unwrap().history.count, 1);
    }

    #[test]
    fn a_co_holder_may_apply_and_the_window_is_half_open() {
        let mut network = network();
        let call = open_call(&mut network);
        let own = project(&mut network, "asso1");
        network.edit(|state| state.update::<Project>(&own, |project| project.co_holders = vec![id("asso3")]));
        let act = Payload::SubmitApplication(application(call, own));
        let close = network.state.get::<Call>(&call).unwrap().closes_at;
        let mut late = network.clone();
        network.advance_to(BlockTime(close.0 - 2));
        late.advance_to(BlockTime(close.0 - 1));
        let decide =
            |network: &crate::fixture::Network| network.decide_as(id("asso3"), &[key("asso3").public()], act.clone());
        assert!(decide(&network).is_ok());
        assert_eq!(crate::fixture::variant(decide(&late)), "WindowShut");
    }

    #[test]
    fn an_application_survives_the_wire() {
        let mut act = application(CallId::ZERO, ProjectId::ZERO);
        act.co_funding = vec![
            CoFunding { funder: CoFunder::Named(name("Mairie")), amount: Amount::eur(5), secured: false },
            CoFunding { funder: CoFunder::Organisation(id("region")), amount: Amount::eur(6), secured: true },
        ];
        assert_round_trips(&Payload::SubmitApplication(act));
    }
}
