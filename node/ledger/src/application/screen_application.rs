//! `screen_application`: a programme manager says whether an application is admissible. It is not changed later.
//!
//! - Allowed: an active organisation with the role programme manager over the call's fund, of no group that applies or partners.
//! - Effect: the application is admissible, or ineligible with the eligibility codes that failed; an ineligible one conflicts nobody any longer.
//! - Source: rulebook §7 and §17, 0704.

use super::application::{Application, ApplicationStatus, CallProject, leave_parties};
use crate::{
    action::{Action, BASE_COST, Effect, Place},
    call::call::{Call, CallStatus, Eligibility},
    history::RecordRef,
    refusal::{refusals, signer_refusals},
    registry::{
        organisation::Organisation,
        project::Project,
        role::{Role, Scope},
    },
    signer::{Context, same_group},
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

message! {
    /// The payload.
    pub struct ScreenApplication = ScreenApplication {
        /// Which.
        pub application: ApplicationId,
        /// Eligibility codes that failed; none: eligible.
        pub failed: Vec<Eligibility>,
    }

    /// The event.
    pub struct ApplicationScreened = ApplicationScreened {
        /// Which.
        pub application: ApplicationId,
        /// Its call.
        pub call: CallId,
        /// Who applied.
        pub lead: OrganisationId,
        /// Who screened.
        pub manager: OrganisationId,
        /// Eligibility codes that failed; none: admissible.
        pub failed: Vec<Eligibility>,
        /// Its project.
        pub project: ProjectId,
    }
}

refusals! {
    LimitFailed(Eligibility): Limit 1 "{0} stands there twice", "a failed code is repeated";
    signer;
    UnknownApplication(ApplicationId): Unknown 1 "application {0} does not exist", "the application does not exist";
    SegregationApplicant(OrganisationId): Segregation 1 "the signer is of the group of {0}, which applies", "the signer's group applies or partners";
    StateCallOpen(CallId): State 1 "call {0} is still open", "the call is still open";
    StateCallOver(CallId, CallStatus): State 2 "call {0} is {1}", "the call is under vote, decided or cancelled";
    StateScreened(ApplicationId, ApplicationStatus): State 3 "application {0} is {1}", "the application was screened already";
    ReferenceCode(Eligibility): Reference 1 "the call does not ask for {0}", "a failed code is none that the call asks for";
}
signer_refusals!(Refused);

impl Action for ScreenApplication {
    type Event = ApplicationScreened;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        let mut failed = self.failed.clone();
        failed.sort();
        match failed.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(Refused::LimitFailed(pair[0])),
            None => Ok(()),
        }
    }

    fn cost(&self) -> u64 {
        BASE_COST + self.failed.len() as u64
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<ApplicationScreened, Refused> {
        let Self { application: id, failed } = self.clone();

        cx.active(state)?;
        let application = state.get::<Application>(&id).ok_or(Refused::UnknownApplication(id))?;
        let call = state.get::<Call>(&application.call).ok_or(Refused::UnknownApplication(id))?;
        cx.authorise(state, Role::ProgrammeManager, Scope::Fund(call.fund))?;
        if let Some(party) = application.parties().find(|party| same_group(state, party, &cx.organisation)) {
            return Err(Refused::SegregationApplicant(party));
        }
        match call.status {
            // Block time decides, not whether the closing transaction has run.
            CallStatus::Open if cx.place.time < call.closes_at => {
                return Err(Refused::StateCallOpen(application.call));
            }
            CallStatus::Open | CallStatus::Closed => {}
            CallStatus::Deciding | CallStatus::Decided | CallStatus::Cancelled => {
                return Err(Refused::StateCallOver(application.call, call.status));
            }
        }
        if application.status != ApplicationStatus::Submitted {
            return Err(Refused::StateScreened(id, application.status));
        }
        if let Some(code) = failed.iter().find(|code| !call.eligibility.contains(code)) {
            return Err(Refused::ReferenceCode(*code));
        }
        let Application { call, lead, project, .. } = *application;
        Ok(ApplicationScreened { application: id, call, lead, manager: cx.organisation, failed, project })
    }
}

impl Effect for ApplicationScreened {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let Self { application, call, lead: _, manager, failed, project } = self;
        let status = if failed.is_empty() { ApplicationStatus::Admissible } else { ApplicationStatus::Ineligible };
        if status == ApplicationStatus::Ineligible {
            state.remove::<CallProject>(&(*call, *project));
            let left = state.get::<Application>(application).cloned();
            leave_parties(state, &left.expect("decide: the application exists"));
        }
        state.update::<Application>(application, |record| {
            record.status = status;
            record.screened_by = Some(*manager);
            record.failed.clone_from(failed);
        });
    }

    fn subjects(&self) -> Vec<RecordRef> {
        vec![
            RecordRef::of::<Application>(&self.application),
            RecordRef::of::<Call>(&self.call),
            RecordRef::of::<Project>(&self.project),
            RecordRef::of::<Organisation>(&self.lead),
            RecordRef::of::<Organisation>(&self.manager),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Event, Kind, Payload},
        application::{
            application::{CallParty, Partner},
            fixture::*,
        },
        fixture::{DAY, Network, assert_round_trips, id, network},
        registry::role::RoleGrant,
    };

    fn call_of(t: &Trial<ScreenApplication>) -> CallId {
        record(&t.network, t.act.application).call
    }

    #[test]
    fn a_screening_is_refused_in_order_of_precedence() {
        let mut network = network();
        let call = open_call(&mut network);
        let application = submit(&mut network, call);
        network.edit(|state| {
            state.update::<Application>(&application, |record| record.status = ApplicationStatus::Admissible);
            let manages = |organisation| (organisation, Role::ProgrammeManager, Scope::Fund(crate::fixture::fund()));
            state.put::<RoleGrant>(manages(id("asso1_branch")), RoleGrant { change: None });
        });
        // The role is held over the application's fund: it cannot be judged before the application is found.
        let steps: &[Step<ScreenApplication>] = &[
            ("LimitFailed", |t| t.act.failed.truncate(1)),
            ("Suspended", |t| t.reinstate()),
            ("RoleMissing", |t| {
                t.sign_as("asso1_branch");
                t.act.application = ApplicationId::ZERO;
            }),
            ("UnknownApplication", |t| t.act.application = *t.network.state.all::<Application>().next().unwrap().0),
            ("SegregationApplicant", |t| t.sign_as("foundation")),
            ("StateCallOpen", |t| {
                t.network.advance(OPEN_DAYS * DAY);
                let call = call_of(t);
                t.network.edit(|state| state.update::<Call>(&call, |call| call.status = CallStatus::Deciding));
            }),
            ("StateCallOver", |t| {
                let call = call_of(t);
                t.network.edit(|state| state.update::<Call>(&call, |call| call.status = CallStatus::Closed));
            }),
            ("StateScreened", |t| {
                let id = t.act.application;
                t.network.edit(|state| {
                    state.update::<Application>(&id, |record| record.status = ApplicationStatus::Submitted);
                });
            }),
            ("ReferenceCode", |t| t.act.failed = vec![Eligibility::NonProfit]),
        ];
        let act = ScreenApplication { application, failed: vec![Eligibility::Sme; 2] };
        let trial = Trial::faulty(network, "lab", act);
        assert_precedence(Kind::ScreenApplication, trial, Payload::ScreenApplication, steps);
    }

    #[test]
    fn a_screening_finds_admissible_or_names_what_failed() {
        let (mut network, call, application) = submitted();
        let failed = ScreenApplication { application, failed: vec![Eligibility::Commons] };
        assert_round_trips(&Payload::ScreenApplication(failed.clone()));
        let mut other = network.clone();
        other.run("foundation", Payload::ScreenApplication(failed)).unwrap();
        let screened = record(&other, application);
        assert_eq!(screened.status, ApplicationStatus::Ineligible);
        assert_eq!(screened.failed, [Eligibility::Commons]);
        assert_eq!(other.state.get::<CallProject>(&(call, screened.project)), None);

        screen(&mut network, application);
        let screened = record(&network, application);
        assert_eq!((screened.status, screened.screened_by), (ApplicationStatus::Admissible, Some(id("foundation"))));
        assert!(network.state.get::<CallProject>(&(call, screened.project)).is_some());
    }

    #[test]
    fn an_ineligible_application_conflicts_nobody_any_longer() {
        let mut network = network();
        let call = open_call(&mut network);
        let counted = |network: &Network, organisation: &str| {
            network.state.get::<CallParty>(&(call, id(organisation))).map(|party| party.applications)
        };
        let mut named = Vec::new();
        for (lead, partner) in [("asso1", "university"), ("asso2", "university")] {
            let own = project(&mut network, lead);
            let mut asked = application(call, own);
            let half = Ppm::new(500_000).unwrap();
            asked.lead_share_ppm = half;
            asked.partners = vec![Partner { organisation: id(partner), share_ppm: half }];
            match network.run(lead, Payload::SubmitApplication(asked)) {
                Ok(Event::SubmitApplication(event)) => named.push(event.id),
                other => panic!("{other:?}"),
            }
        }
        network.advance(OPEN_DAYS * DAY);
        assert_eq!((counted(&network, "asso1"), counted(&network, "university")), (Some(1), Some(2)));
        for (application, left) in named.into_iter().zip([Some(1), None]) {
            let failed = ScreenApplication { application, failed: vec![Eligibility::Commons] };
            network.run("foundation", Payload::ScreenApplication(failed)).unwrap();
            assert_eq!(counted(&network, "university"), left);
        }
        assert_eq!(network.state.count::<CallParty>(), 0);
    }
}
