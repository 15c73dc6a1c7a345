//! `revise_application`: the lead sends its application again while the call is open.
//!
//! - Allowed: the lead, while it is active, by an office that may use the role beneficiary.
//! - Effect: everything but call, project and number is replaced; groups of partners that are left out are no longer conflicted.
//! - Source: rulebook §4, §7; shapes and limits are those of `submit_application`.

use super::{
    application::{Application, ApplicationStatus, CoFunding, Partner, PlannedTranche, enter_parties, leave_parties},
    submit_application::{self as submission, SubmitApplication},
};
use crate::{
    action::{Action, BASE_COST, Effect, Place},
    call::call::Call,
    history::{RecordRef, distinct},
    refusal::{refusals, signer_refusals},
    registry::{
        organisation::Organisation,
        project::Project,
        role::{Role, Scope},
    },
    signer::Context,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

message! {
    /// The payload.
    pub struct ReviseApplication = ReviseApplication {
        /// Which.
        pub application: ApplicationId,
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
    pub struct ApplicationRevised = ApplicationRevised {
        /// Which.
        pub id: ApplicationId,
        /// As it stands in the state.
        pub application: Application [required],
        /// Partners that did not take part in it before.
        pub joined: Vec<OrganisationId>,
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
    UnknownApplication(ApplicationId): Unknown 1 "application {0} does not exist", "the application does not exist";
    UnknownOrganisation(OrganisationId): Unknown 2 "organisation {0} does not exist", "a partner or a co-funder is not registered";
    TerritoryUnknown(TerritoryCode): Territory 1 "territory {0} does not exist", "the territory does not exist";
    StateApplication(ApplicationId, ApplicationStatus): State 1 "application {0} is {1}", "the application is withdrawn, screened or decided";
    StateProject(ProjectId): State 2 "project {0} is not held by the signer", "the signer neither holds nor co-holds the project any more";
    StatePartner(OrganisationId): State 3 "partner {0} is not active", "a partner is suspended, merged or closed";
    WindowShut(BlockTime, BlockTime, BlockTime): Window 1 "the call takes applications from {0} until {1}, it is {2}", "the call is no longer open";
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

impl From<submission::Refused> for Refused {
    fn from(refused: submission::Refused) -> Self {
        use submission::Refused as From;
        match refused {
            From::AmountBounds(amount) => Self::AmountBounds(amount),
            From::CurrencyMixed(one, other) => Self::CurrencyMixed(one, other),
            From::LimitLists(length) => Self::LimitLists(length),
            From::LimitTranches(count) => Self::LimitTranches(count),
            From::SharesSum(sum) => Self::SharesSum(sum),
            From::SharesPartner(partner) => Self::SharesPartner(partner),
            From::PersonalDataText(text) => Self::PersonalDataText(text),
            From::Suspended(id) => Self::Suspended(id),
            From::RoleMissing(words) => Self::RoleMissing(words),
            From::UnknownOrganisation(id) => Self::UnknownOrganisation(id),
            From::TerritoryUnknown(code) => Self::TerritoryUnknown(code),
            From::StateProject(project) => Self::StateProject(project),
            From::StatePartner(partner) => Self::StatePartner(partner),
            From::WindowShut(opens, closes, now) => Self::WindowShut(opens, closes, now),
            From::SharesLead(lead) => Self::SharesLead(lead),
            From::CurrencyOther(one, other) => Self::CurrencyOther(one, other),
            From::AmountOutside(amount, least, most) => Self::AmountOutside(amount, least, most),
            From::AmountRate(amount, cost, rate) => Self::AmountRate(amount, cost, rate),
            From::AmountTranches(sum, requested) => Self::AmountTranches(sum, requested),
            From::AmountAdvance(sum, limit) => Self::AmountAdvance(sum, limit),
            From::AmountRetention(sum, limit) => Self::AmountRetention(sum, limit),
            From::AmountCoFunding(sum, cost) => Self::AmountCoFunding(sum, cost),
            From::LimitMonths(months, most) => Self::LimitMonths(months, most),
            From::TerritoryOutside(code) => Self::TerritoryOutside(code),
            From::EvidenceLicence(licence) => Self::EvidenceLicence(licence),
            // Judged where an application arrives; a revision names neither call nor project and is no new application.
            From::UnknownCall(_) | From::UnknownProject(_) | From::StateLive(..) | From::LimitLive(_) => {
                unreachable!("a revision is not judged by these")
            }
        }
    }
}

impl ReviseApplication {
    /// What it would be as a new application.
    fn submission(&self, call: CallId, project: ProjectId) -> SubmitApplication {
        let Self {
            application: _,
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
        SubmitApplication {
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
        }
    }
}

impl Action for ReviseApplication {
    type Event = ApplicationRevised;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        Ok(self.submission(CallId::ZERO, ProjectId::ZERO).validate()?)
    }

    fn cost(&self) -> u64 {
        BASE_COST + (self.co_funding.len() + self.tranches.len() + self.partners.len()) as u64
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<ApplicationRevised, Refused> {
        let id = self.application;
        cx.authorise(state, Role::Beneficiary, Scope::Network)?;
        let application = state.get::<Application>(&id).ok_or(Refused::UnknownApplication(id))?;
        let Application { call: of, project: for_project, lead, number, status, .. } = *application;
        if lead != cx.organisation {
            return Err(Refused::RoleMissing(format!(
                "organisation {} does not lead application {id}",
                cx.organisation
            )));
        }
        let call = state.get::<Call>(&of).ok_or(Refused::UnknownApplication(id))?;
        let project = state.get::<Project>(&for_project).ok_or(Refused::UnknownApplication(id))?;
        let revised = self.submission(of, for_project);
        revised.check_named(state)?;
        if status != ApplicationStatus::Submitted {
            return Err(Refused::StateApplication(id, status));
        }
        revised.check_holder(cx, project)?;
        revised.check_partners(state)?;
        SubmitApplication::check_window(cx, call)?;
        revised.check_fit(cx, call, project, state)?;
        let revised = revised.application(lead, number);
        let joined = revised.parties().filter(|party| !application.parties().any(|before| before == *party)).collect();
        Ok(ApplicationRevised { id, application: revised, joined })
    }
}

impl Effect for ApplicationRevised {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let Self { id, application, joined: _ } = self;
        let before = state.get::<Application>(id).expect("decide: the application exists").clone();
        leave_parties(state, &before);
        enter_parties(state, application);
        state.put::<Application>(*id, application.clone());
    }

    fn subjects(&self) -> Vec<RecordRef> {
        let Self { id, application, joined: _ } = self;
        let mut subjects = vec![
            RecordRef::of::<Application>(id),
            RecordRef::of::<Call>(&application.call),
            RecordRef::of::<Project>(&application.project),
        ];
        subjects.extend(application.parties().map(|party| RecordRef::of::<Organisation>(&party)));
        distinct(subjects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Kind, Payload},
        application::{
            application::{CoFunder, TrancheKind, takes_part},
            fixture::*,
        },
        fixture::{DAY, assert_round_trips, commitment, id, name, network},
        registry::organisation::Status,
    };

    fn revision(application: ApplicationId) -> ReviseApplication {
        let SubmitApplication { title, requested, eligible_cost, months, co_funding, tranches, .. } =
            super::super::fixture::application(CallId::ZERO, ProjectId::ZERO);
        ReviseApplication {
            application,
            title,
            requested,
            eligible_cost,
            months,
            co_funding,
            tranches,
            partners: vec![],
            territory: None,
            dossier: commitment("second dossier"),
            lead_share_ppm: Ppm::ONE,
        }
    }

    fn in_currency(act: &mut ReviseApplication, currency: &str) {
        let currency = currency.parse().unwrap();
        act.requested.currency = currency;
        act.eligible_cost.currency = currency;
        act.tranches.iter_mut().for_each(|tranche| tranche.amount.currency = currency);
        act.co_funding.iter_mut().for_each(|line| line.amount.currency = currency);
    }

    fn edit_call(t: &mut Trial<ReviseApplication>, change: impl FnOnce(&mut Call)) {
        let call = *t.network.state.all::<Call>().next().unwrap().0;
        t.network.edit(|state| state.update::<Call>(&call, change));
    }

    fn edit_project(t: &mut Trial<ReviseApplication>, change: impl FnOnce(&mut Project)) {
        let project = *t.network.state.all::<Project>().next().unwrap().0;
        t.network.edit(|state| state.update::<Project>(&project, change));
    }

    #[test]
    fn a_revision_is_refused_in_order_of_precedence() {
        let mut network = network();
        let call = open_call(&mut network);
        let first = submit(&mut network, call);
        let mut act = revision(first);
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
        let later = network.in_days(1);
        network.edit(|state| {
            state.update::<Application>(&first, |record| record.status = ApplicationStatus::Admissible);
            state.update::<Call>(&call, |call| call.opens_at = later);
            let project = state.get::<Application>(&first).unwrap().project;
            state.update::<Project>(&project, |project| {
                project.holder = id("asso3");
                project.licence = Text::new("Proprietary").unwrap();
            });
        });
        let mut trial = Trial::faulty(network, "asso1", act);
        trial.status("asso2", Status::Suspended);
        let steps: &[Step<ReviseApplication>] = &[
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
            ("SharesPartner", |t| t.act.partners[1].organisation = id("asso1")),
            ("PersonalDataText", |t| t.act.title = name("Carte ouverte (invented)")),
            ("Suspended", |t| t.reinstate()),
            ("RoleMissing", |t| {
                t.sign();
                t.act.application = ApplicationId::ZERO;
            }),
            ("UnknownApplication", |t| t.act.application = *t.network.state.all::<Application>().next().unwrap().0),
            ("UnknownOrganisation", |t| {
                t.act.partners[0].organisation = id("asso2");
                t.act.co_funding[0].funder = CoFunder::Organisation(id("region"));
            }),
            ("TerritoryUnknown", |t| t.act.territory = Some(TerritoryCode::new("fr").unwrap())),
            ("StateApplication", |t| {
                let application = t.act.application;
                t.network.edit(|state| {
                    state.update::<Application>(&application, |record| record.status = ApplicationStatus::Submitted);
                });
            }),
            ("StateProject", |t| edit_project(t, |project| project.holder = id("asso1"))),
            ("StatePartner", |t| t.status("asso2", Status::Active)),
            ("WindowShut", |t| {
                let now = t.network.now();
                edit_call(t, |call| call.opens_at = now);
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
                edit_project(t, |project| project.licence = Text::new("CC-BY-SA-4.0").unwrap());
            }),
        ];
        assert_precedence(Kind::ReviseApplication, trial, Payload::ReviseApplication, steps);
    }

    #[test]
    fn a_revision_replaces_all_but_call_project_and_number_until_the_call_closes() {
        let mut network = network();
        let call = open_call(&mut network);
        let first = submit(&mut network, call);
        let before = record(&network, first);
        let act = Payload::ReviseApplication(revision(first));
        assert_round_trips(&act);
        assert_eq!(network.refusal("asso2", act.clone()), "RoleMissing");
        network.run("asso1", act.clone()).unwrap();
        let after = record(&network, first);
        assert_eq!((after.number, after.project, after.partners.len()), (before.number, before.project, 0));
        assert_eq!(after.dossier, commitment("second dossier"));
        // The partner that was left out is free, the lead is not.
        let state = network.state.overlay();
        assert!(takes_part(&state, &call, &id("asso1")) && !takes_part(&state, &call, &id("asso2")));
        network.advance(OPEN_DAYS * DAY);
        assert_eq!(network.refusal("asso1", act), "WindowShut");
    }
}
