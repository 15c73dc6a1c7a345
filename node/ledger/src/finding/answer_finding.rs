//! `answer_finding`: who is to answer a finding says whether it holds, and until when something will be done.
//!
//! - Allowed: the addressee, active or suspended, by an office that may use any of its roles.
//! - Effect: the finding is answered; a later answer replaces the earlier one until it is closed.
//! - Source: rulebook §2 (a suspended organisation may answer), §4 (0e02).

use super::finding::{Finding, FindingAnswer, FindingStatus};
use crate::{
    action::{Action, Effect, Place},
    history::RecordRef,
    refusal::{refusals, signer_refusals},
    registry::{fund::Fund, organisation::Organisation, role::Role},
    signer::Context,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

message! {
    /// The payload.
    pub struct AnswerFinding = AnswerFinding {
        /// Which finding.
        pub finding: FindingId,
        /// The answer.
        pub answer: FindingAnswer [required],
    }

    /// The event.
    pub struct FindingAnswered = FindingAnswered {
        /// Which finding.
        pub finding: FindingId,
        /// In which fund.
        pub fund: FundCode,
        /// Who answers.
        pub addressee: OrganisationId,
        /// The answer.
        pub answer: FindingAnswer [required],
    }
}

refusals! {
    signer;
    RoleNotAddressee(OrganisationId): Role 2 "organisation {0} is not the addressee", "the finding is another's to answer";
    UnknownFinding(FindingId): Unknown 1 "finding {0} does not exist", "the finding does not exist";
    StateClosed(FindingId, FindingStatus): State 1 "finding {0} is {1}", "the finding is closed";
    DatePast(LegalDate): Date 1 "something is to be done by {0}, before today", "the day is past";
}
signer_refusals!(Refused);

impl Action for AnswerFinding {
    type Event = FindingAnswered;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        Ok(())
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<FindingAnswered, Refused> {
        let Self { finding, answer } = self.clone();
        cx.by_office_even_suspended(state, Role::ALL)?;
        let record = state.get::<Finding>(&finding).ok_or(Refused::UnknownFinding(finding))?;
        if record.addressee != cx.organisation {
            return Err(Refused::RoleNotAddressee(cx.organisation));
        }
        if !record.is_open() {
            return Err(Refused::StateClosed(finding, record.status));
        }
        if let Some(day) = answer.done_by.filter(|day| *day < cx.place.date()) {
            return Err(Refused::DatePast(day));
        }
        Ok(FindingAnswered { finding, fund: record.fund, addressee: record.addressee, answer })
    }
}

impl Effect for FindingAnswered {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        state.update::<Finding>(&self.finding, |record| {
            record.status = FindingStatus::Answered;
            record.answer = Some(self.answer.clone());
        });
    }

    fn subjects(&self) -> Vec<RecordRef> {
        vec![
            RecordRef::of::<Finding>(&self.finding),
            RecordRef::of::<Fund>(&self.fund),
            RecordRef::of::<Organisation>(&self.addressee),
        ]
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        action::{Kind, Payload},
        finding::{finding::Stance, open_finding::tests::opened},
        fixture::{self, IntoPayload, id},
        registry::organisation::Status,
    };

    impl IntoPayload for AnswerFinding {
        fn into_payload(self) -> Payload {
            Payload::AnswerFinding(self)
        }
    }

    pub(in crate::finding) fn answer(finding: FindingId) -> AnswerFinding {
        let text = fixture::commitment("answer");
        AnswerFinding { finding, answer: FindingAnswer { stance: Stance::Accept, text, done_by: None } }
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let (network, finding) = opened();
        let edited = |edit: &dyn Fn(&mut Overlay<'_>)| {
            let mut other = network.clone();
            other.edit(edit);
            other
        };
        let merged =
            edited(&|state| state.update::<Organisation>(&id("region"), |record| record.status = Status::Merged));
        let idle =
            edited(&|state| state.update::<Organisation>(&id("region"), |record| record.offices[0].roles.clear()));
        let closed =
            edited(&|state| state.update::<Finding>(&finding, |record| record.status = FindingStatus::Resolved));
        let mut late = answer(finding);
        late.answer.done_by = LegalDate::new(2026, 1, 1).ok();
        let reached = [
            merged.refusal("region", answer(finding)),
            idle.refusal("region", answer(finding)),
            network.refusal("bank", answer(finding)),
            network.refusal("region", answer(FindingId::ZERO)),
            closed.refusal("region", answer(finding)),
            network.refusal("region", late),
        ];
        fixture::assert_all_reached(Kind::AnswerFinding, &reached);
    }

    #[test]
    fn a_suspended_organisation_may_answer() {
        let (mut network, finding) = opened();
        network.suspend("region");
        fixture::assert_round_trips(&answer(finding).into_payload());
        network.run("region", answer(finding)).unwrap();
        assert_eq!(network.state.get::<Finding>(&finding).unwrap().status, FindingStatus::Answered);
    }
}
