//! Random acts on calls and applications that change, and on those that are taken back.

use crate::generate::Generator;
use octroi_ledger::{
    Kind, Payload,
    application::{
        application::{Application, ApplicationStatus},
        fixture::application,
        revise_application::ReviseApplication,
        withdraw_application::WithdrawApplication,
    },
    call::{
        amend_call::AmendCall,
        call::{Call, CallStatus},
        cancel_call::CancelCall,
    },
    fixture::{DAY, commitment},
};
use octroi_primitives::*;

fn reason() -> ReasonCode {
    ReasonCode::new("circumstances").expect("a code")
}

impl Generator<'_> {
    /// Who asks for what; `None` for kinds of other families.
    pub fn calling(&mut self, kind: Kind) -> Option<(&'static str, Payload)> {
        Some(match kind {
            Kind::AmendCall => {
                let now = self.time;
                let call =
                    self.any::<Call>(CallId::ZERO, |call| call.status == CallStatus::Open && call.closes_at > now);
                ("foundation", Payload::AmendCall(self.amendment(call)))
            }
            Kind::CancelCall => {
                // Mostly one that nobody has applied in: the others go on.
                let live = |call: &Call| !matches!(call.status, CallStatus::Decided | CallStatus::Cancelled);
                let unused = self.random.in_hundred(85);
                let call = self.any::<Call>(CallId::ZERO, |call| live(call) && !(unused && call.applications > 0));
                let act = CancelCall { call, reason: reason(), document: commitment("cancelled") };
                ("foundation", Payload::CancelCall(act))
            }
            Kind::ReviseApplication => self.revision(),
            Kind::WithdrawApplication => {
                let live =
                    [ApplicationStatus::Submitted, ApplicationStatus::Admissible, ApplicationStatus::UnderReview];
                let application = self.application_in(&live);
                let act = WithdrawApplication { application, reason: reason() };
                (self.lead_of(&application), Payload::WithdrawApplication(act))
            }
            _ => return None,
        })
    }

    fn lead_of(&self, application: &ApplicationId) -> &'static str {
        self.code_of(self.state.get::<Application>(application).map(|record| record.lead))
    }

    fn amendment(&mut self, call: CallId) -> AmendCall {
        let record = self.state.get::<Call>(&call);
        let closes_at = record.map_or(self.time, |record| record.closes_at);
        let budget = record.map_or(1, |record| record.budget.minor);
        let later = self.random.below(12 * DAY).saturating_sub(DAY);
        let budget = (budget + self.random.below(1_000_000)).saturating_sub(100_000);
        AmendCall {
            call,
            opens_at: None,
            closes_at: self.random.in_hundred(60).then_some(BlockTime(closes_at.0 + later)),
            budget: self.random.in_hundred(50).then_some(Amount::eur(budget)),
            document: commitment("amended"),
            reason: reason(),
        }
    }

    fn revision(&mut self) -> (&'static str, Payload) {
        let id = self.application_in(&[ApplicationStatus::Submitted]);
        let record = self.state.get::<Application>(&id);
        let (call, project) = record.map_or((CallId::ZERO, ProjectId::ZERO), |record| (record.call, record.project));
        let mut asked = application(call, project);
        self.ask_for_more_or_less(&mut asked);
        let act = ReviseApplication {
            application: id,
            title: asked.title,
            requested: asked.requested,
            eligible_cost: asked.eligible_cost,
            months: asked.months,
            co_funding: asked.co_funding,
            tranches: asked.tranches,
            partners: asked.partners,
            territory: asked.territory,
            dossier: commitment("revised"),
            lead_share_ppm: asked.lead_share_ppm,
        };
        (self.lead_of(&id), Payload::ReviseApplication(act))
    }
}
