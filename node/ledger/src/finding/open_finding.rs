//! `open_finding`: an auditor of a fund says what it has found, and who is to answer.
//!
//! - Allowed: an active organisation with the role auditor for the fund; the addressee is of another group.
//! - Effect: the finding is open.
//! - Source: rulebook §2 (auditor, recommendations), §4 (0e01).

use super::finding::{Finding, FindingStatus};
use crate::{
    action::{Action, Effect, Place},
    history::RecordRef,
    refusal::{refusals, signer_refusals},
    registry::{
        fund::Fund,
        organisation::Organisation,
        role::{Role, Scope},
    },
    signer::{Context, same_group},
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

message! {
    /// The payload.
    pub struct OpenFinding = OpenFinding {
        /// In which fund.
        pub fund: FundCode,
        /// Who is to answer.
        pub addressee: OrganisationId,
        /// What, as a code; `recommendation` for a recommendation.
        pub code: ReasonCode,
        /// Minor units concerned; 0: none.
        pub amount: u64,
        /// What, in a text that stays outside.
        pub text: Commitment,
        /// Day by which an answer is asked.
        pub answer_by: Option<LegalDate>,
    }

    /// The event.
    pub struct FindingOpened = FindingOpened {
        /// The new finding.
        pub id: FindingId,
        /// As it stands in the state.
        pub finding: Finding [required],
    }
}

refusals! {
    AmountBounds(u64): Amount 1 "{0} minor units are above 10^15", "the amount is above the bound";
    signer;
    UnknownFund(FundCode): Unknown 1 "fund {0} does not exist", "the fund does not exist";
    UnknownAddressee(OrganisationId): Unknown 2 "organisation {0} does not exist", "the addressee does not exist";
    SegregationGroup(OrganisationId): Segregation 1 "organisation {0} is of the auditor's group", "the addressee is of the auditor's own group";
    DatePast(LegalDate): Date 1 "an answer is asked by {0}, before today", "the day of the answer is past";
}
signer_refusals!(Refused);

impl Action for OpenFinding {
    type Event = FindingOpened;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        if self.amount > Amount::MAX_MINOR { Err(Refused::AmountBounds(self.amount)) } else { Ok(()) }
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<FindingOpened, Refused> {
        let Self { fund, addressee, code, amount, text, answer_by } = *self;
        cx.active(state)?;
        if !state.has::<Fund>(&fund) {
            return Err(Refused::UnknownFund(fund));
        }
        cx.authorise(state, Role::Auditor, Scope::Fund(fund))?;
        if !state.has::<Organisation>(&addressee) {
            return Err(Refused::UnknownAddressee(addressee));
        }
        if same_group(state, &addressee, &cx.organisation) {
            return Err(Refused::SegregationGroup(addressee));
        }
        if let Some(day) = answer_by.filter(|day| *day < cx.place.date()) {
            return Err(Refused::DatePast(day));
        }
        let finding = Finding {
            fund,
            auditor: cx.organisation,
            addressee,
            code,
            amount,
            text,
            answer_by,
            answer: None,
            status: FindingStatus::Open,
        };
        Ok(FindingOpened { id: FindingId::new(object_id("finding", &cx.place.transaction)), finding })
    }
}

impl Effect for FindingOpened {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        state.put::<Finding>(self.id, self.finding.clone());
    }

    fn subjects(&self) -> Vec<RecordRef> {
        let Finding { fund, auditor, addressee, .. } = &self.finding;
        vec![
            RecordRef::of::<Finding>(&self.id),
            RecordRef::of::<Fund>(fund),
            RecordRef::of::<Organisation>(auditor),
            RecordRef::of::<Organisation>(addressee),
        ]
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        action::{Event, Kind, Payload},
        fixture::{self, IntoPayload, Network, id},
    };

    impl IntoPayload for OpenFinding {
        fn into_payload(self) -> Payload {
            Payload::OpenFinding(self)
        }
    }

    pub(in crate::finding) fn finding() -> OpenFinding {
        OpenFinding {
            fund: fixture::fund(),
            addressee: id("region"),
            code: ReasonCode::new("recommendation").unwrap(),
            amount: 100,
            text: fixture::commitment("finding"),
            answer_by: Some(LegalDate::new(2027, 6, 30).unwrap()),
        }
    }

    /// A finding that waits for the region's answer.
    pub(in crate::finding) fn opened() -> (Network, FindingId) {
        let mut network = fixture::network();
        match network.run("audit", finding()) {
            Ok(Event::OpenFinding(event)) => (network, event.id),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let network = fixture::network();
        let mut suspended = network.clone();
        suspended.suspend("audit");
        let reached = [
            network.refusal("audit", OpenFinding { amount: Amount::MAX_MINOR + 1, ..finding() }),
            suspended.refusal("audit", finding()),
            network.refusal("bank", finding()),
            network.refusal("audit", OpenFinding { fund: FundCode::new("none").unwrap(), ..finding() }),
            network.refusal("audit", OpenFinding { addressee: OrganisationId::ZERO, ..finding() }),
            network.refusal("audit", OpenFinding { addressee: id("audit"), ..finding() }),
            network.refusal("audit", OpenFinding { answer_by: LegalDate::new(2026, 1, 1).ok(), ..finding() }),
        ];
        fixture::assert_all_reached(Kind::OpenFinding, &reached);
    }

    #[test]
    fn a_recommendation_is_a_finding_that_waits_for_its_answer() {
        fixture::assert_round_trips(&finding().into_payload());
        let (network, id) = opened();
        let record = network.state.get::<Finding>(&id).unwrap();
        assert_eq!((record.status, record.is_open()), (FindingStatus::Open, true));
    }
}
