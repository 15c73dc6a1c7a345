//! `close_finding`: an auditor of the fund says what came of a finding.
//!
//! - Allowed: an active organisation with the role auditor for the finding's fund, who need not have opened it.
//! - Effect: resolved, partly resolved, unresolved or dropped; for a recommendation that is its follow-up.
//! - Source: rulebook §2, §4 (0e03).

use super::finding::{Finding, FindingStatus};
use crate::{
    action::{Action, Effect, Place},
    history::{RecordRef, distinct},
    refusal::{refusals, signer_refusals},
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

message! {
    /// The payload.
    pub struct CloseFinding = CloseFinding {
        /// Which finding.
        pub finding: FindingId,
        /// What came of it: resolved, partly, unresolved or dropped.
        pub outcome: FindingStatus,
        /// Why, in a text that stays outside.
        pub text: Commitment,
    }

    /// The event.
    pub struct FindingClosed = FindingClosed {
        /// Which finding.
        pub finding: FindingId,
        /// In which fund.
        pub fund: FundCode,
        /// Who says so.
        pub auditor: OrganisationId,
        /// Who was to answer.
        pub addressee: OrganisationId,
        /// What came of it.
        pub outcome: FindingStatus,
        /// Why, in a text that stays outside.
        pub text: Commitment,
    }
}

refusals! {
    LimitOutcome(FindingStatus): Limit 1 "{0} closes nothing", "the outcome is none that closes a finding";
    signer;
    UnknownFinding(FindingId): Unknown 1 "finding {0} does not exist", "the finding does not exist";
    StateClosed(FindingId, FindingStatus): State 1 "finding {0} is {1}", "the finding is closed already";
}
signer_refusals!(Refused);

impl Action for CloseFinding {
    type Event = FindingClosed;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        match self.outcome {
            FindingStatus::Open | FindingStatus::Answered => Err(Refused::LimitOutcome(self.outcome)),
            FindingStatus::Resolved | FindingStatus::Partly | FindingStatus::Unresolved | FindingStatus::Dropped => {
                Ok(())
            }
        }
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<FindingClosed, Refused> {
        let Self { finding, outcome, text } = *self;
        cx.active(state)?;
        let record = state.get::<Finding>(&finding).ok_or(Refused::UnknownFinding(finding))?;
        cx.authorise(state, Role::Auditor, Scope::Fund(record.fund))?;
        if !record.is_open() {
            return Err(Refused::StateClosed(finding, record.status));
        }
        let (fund, addressee) = (record.fund, record.addressee);
        Ok(FindingClosed { finding, fund, auditor: cx.organisation, addressee, outcome, text })
    }
}

impl Effect for FindingClosed {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        state.update::<Finding>(&self.finding, |record| record.status = self.outcome);
    }

    fn subjects(&self) -> Vec<RecordRef> {
        let organisations = [self.auditor, self.addressee];
        let organisations = organisations.iter().map(RecordRef::of::<Organisation>);
        let records = [RecordRef::of::<Finding>(&self.finding), RecordRef::of::<Fund>(&self.fund)];
        distinct(organisations.chain(records).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Kind, Payload},
        finding::{answer_finding::tests::answer, open_finding::tests::opened},
        fixture::{self, IntoPayload},
    };

    impl IntoPayload for CloseFinding {
        fn into_payload(self) -> Payload {
            Payload::CloseFinding(self)
        }
    }

    fn close(finding: FindingId, outcome: FindingStatus) -> CloseFinding {
        CloseFinding { finding, outcome, text: fixture::commitment("close") }
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let (mut network, finding) = opened();
        let mut suspended = network.clone();
        suspended.suspend("audit");
        let good = || close(finding, FindingStatus::Partly);
        let early = [
            network.refusal("audit", close(finding, FindingStatus::Answered)),
            suspended.refusal("audit", good()),
            network.refusal("region", good()),
            network.refusal("audit", close(FindingId::ZERO, FindingStatus::Dropped)),
        ];
        network.run("audit", good()).unwrap();
        let reached = [early.as_slice(), &[network.refusal("audit", good())]].concat();
        fixture::assert_all_reached(Kind::CloseFinding, &reached);
    }

    #[test]
    fn a_finding_is_closed_once_and_can_be_answered_no_more() {
        let (mut network, finding) = opened();
        fixture::assert_round_trips(&close(finding, FindingStatus::Resolved).into_payload());
        network.run("region", answer(finding)).unwrap();
        network.run("audit", close(finding, FindingStatus::Resolved)).unwrap();
        assert_eq!(network.state.get::<Finding>(&finding).unwrap().status, FindingStatus::Resolved);
        assert_eq!(network.refusal("region", answer(finding)), "StateClosed");
    }
}
