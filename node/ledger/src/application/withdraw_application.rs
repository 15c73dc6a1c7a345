//! `withdraw_application`: the lead takes its application back before it is decided.
//!
//! - Allowed: the lead, by an office that may use the role beneficiary; also while it is suspended.
//! - Effect: the application is withdrawn; its project may apply again while the call is open. It conflicts nobody any longer.
//! - Source: rulebook §4, §7.

use super::application::{Application, ApplicationStatus, CallProject, leave_parties};
use crate::{
    action::{Action, Effect, Place},
    call::call::{Call, CallStatus},
    history::RecordRef,
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
    pub struct WithdrawApplication = WithdrawApplication {
        /// Which.
        pub application: ApplicationId,
        /// Why.
        pub reason: ReasonCode,
    }

    /// The event.
    pub struct ApplicationWithdrawn = ApplicationWithdrawn {
        /// Which.
        pub application: ApplicationId,
        /// Its call.
        pub call: CallId,
        /// Its project.
        pub project: ProjectId,
        /// Who applied.
        pub lead: OrganisationId,
        /// Why.
        pub reason: ReasonCode,
    }
}

refusals! {
    signer;
    UnknownApplication(ApplicationId): Unknown 1 "application {0} does not exist", "the application does not exist";
    StateApplication(ApplicationId, ApplicationStatus): State 1 "application {0} is {1}", "the application was found ineligible, is decided or withdrawn";
    StateCall(CallId, CallStatus): State 2 "call {0} is {1}", "the call is under vote, decided or cancelled";
}
signer_refusals!(Refused);

impl Action for WithdrawApplication {
    type Event = ApplicationWithdrawn;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        Ok(())
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<ApplicationWithdrawn, Refused> {
        let Self { application: id, reason } = *self;

        cx.authorise_even_suspended(state, Role::Beneficiary, Scope::Network)?;
        let application = state.get::<Application>(&id).ok_or(Refused::UnknownApplication(id))?;
        let Application { call: of, project, lead, status, .. } = *application;
        if lead != cx.organisation {
            return Err(Refused::RoleMissing(format!(
                "organisation {} does not lead application {id}",
                cx.organisation
            )));
        }
        if status != ApplicationStatus::Submitted && !application.is_admissible() {
            return Err(Refused::StateApplication(id, status));
        }
        let call = state.get::<Call>(&of).ok_or(Refused::UnknownApplication(id))?;
        match call.status {
            CallStatus::Open | CallStatus::Closed => {}
            CallStatus::Deciding | CallStatus::Decided | CallStatus::Cancelled => {
                return Err(Refused::StateCall(of, call.status));
            }
        }
        Ok(ApplicationWithdrawn { application: id, call: of, project, lead, reason })
    }
}

impl Effect for ApplicationWithdrawn {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let left = state.get::<Application>(&self.application).cloned();
        leave_parties(state, &left.expect("decide: the application exists"));
        state.remove::<CallProject>(&(self.call, self.project));
        state.update::<Application>(&self.application, |record| record.status = ApplicationStatus::Withdrawn);
    }

    fn subjects(&self) -> Vec<RecordRef> {
        vec![
            RecordRef::of::<Application>(&self.application),
            RecordRef::of::<Call>(&self.call),
            RecordRef::of::<Project>(&self.project),
            RecordRef::of::<Organisation>(&self.lead),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Kind, Payload},
        application::{application::takes_part, fixture::*},
        fixture::{assert_round_trips, id, network},
        registry::organisation::Status,
    };

    fn withdrawal(application: ApplicationId) -> WithdrawApplication {
        WithdrawApplication { application, reason: ReasonCode::new("other_funding").unwrap() }
    }

    #[test]
    fn a_withdrawal_is_refused_in_order_of_precedence() {
        let (mut network, call, application) = submitted();
        network.edit(|state| {
            state.update::<Application>(&application, |record| record.status = ApplicationStatus::Ineligible);
            state.update::<Call>(&call, |record| record.status = CallStatus::Deciding);
        });
        let steps: &[Step<WithdrawApplication>] = &[
            ("Suspended", |t| t.status("asso1", Status::Suspended)),
            ("RoleMissing", |t| {
                t.sign();
                t.act.application = ApplicationId::ZERO;
            }),
            ("UnknownApplication", |t| t.act.application = *t.network.state.all::<Application>().next().unwrap().0),
            ("StateApplication", |t| {
                let application = t.act.application;
                t.network.edit(|state| {
                    state.update::<Application>(&application, |record| record.status = ApplicationStatus::UnderReview);
                });
            }),
            ("StateCall", |t| {
                let (call, _) = t.network.state.all::<Call>().next().unwrap();
                let call = *call;
                t.network.edit(|state| state.update::<Call>(&call, |record| record.status = CallStatus::Closed));
            }),
        ];
        let mut trial = Trial::faulty(network, "asso1", withdrawal(application));
        trial.status("asso1", Status::Closed);
        assert_precedence(Kind::WithdrawApplication, trial, Payload::WithdrawApplication, steps);
    }

    #[test]
    fn a_project_whose_application_is_withdrawn_may_apply_again_and_its_groups_are_conflicted_no_longer() {
        let mut network = network();
        let call = open_call(&mut network);
        let first = submit(&mut network, call);
        let again = Payload::SubmitApplication(application(call, record(&network, first).project));
        assert_eq!(network.refusal("asso1", again.clone()), "StateLive");
        assert_round_trips(&Payload::WithdrawApplication(withdrawal(first)));
        assert_eq!(network.refusal("asso2", Payload::WithdrawApplication(withdrawal(first))), "RoleMissing");
        assert!(takes_part(&network.state.overlay(), &call, &id("asso2")));
        network.run("asso1", Payload::WithdrawApplication(withdrawal(first))).unwrap();
        assert_eq!(record(&network, first).status, ApplicationStatus::Withdrawn);
        assert!(!takes_part(&network.state.overlay(), &call, &id("asso2")));
        network.run("asso1", again).unwrap();
        assert_eq!(network.refusal("asso1", Payload::WithdrawApplication(withdrawal(first))), "StateApplication");
    }
}
