//! The second half of the year: votes, conventions, payments, and a validator more.

use super::Story;
use crate::network::*;
use octroi_ledger::{
    Event, Kind, Payload,
    governance::{
        cast_ballot::CastBallot,
        change::{AdmitValidator, Award, AwardGrants, ChangeStatus, Choice, Content},
        propose_change::ProposeChange,
    },
    grant::{
        judge_evidence::JudgeEvidence,
        order_payment::OrderPayment,
        release_payment::ReleasePayment,
        sign_convention::SignConvention,
        submit_evidence::{Expense, SubmitEvidence},
    },
    registry::announce_ready::{AnnounceReady, ready_message},
};
use octroi_primitives::*;

/// Days that ballots are taken, by default.
const BALLOT_DAYS: u64 = 7;

impl Story {
    /// The colleges decide the call, and admit the treasury as a validator.
    pub(super) fn votes(&mut self) {
        let opens_at = self.chain.now().saturating_add(60_000);
        let amounts = [2_000_000, 0, 3_000_000];
        let awards = self.known.applications.iter().zip(amounts);
        let award = Content::AwardGrants(AwardGrants {
            call: self.known.call.expect("it was opened"),
            awards: awards.map(|(application, amount)| Award { application: *application, amount }).collect(),
            derogations: vec![],
        });
        // Proposed, opened, voted on, enacted: four heights from here, and ten of notice.
        let at_height = Height(self.chain.state.head().height.0 + 14);
        let admit = Content::AdmitValidator(AdmitValidator {
            organisation: id("treasury"),
            consensus_key: consensus_key("treasury").public(),
            network_key: network_key("treasury"),
            possession: prove_possession(&consensus_key("treasury"), PossessionPurpose::Consensus, NAME),
            college: CollegeCode::new("funders").expect("a code"),
            at_height,
        });
        let propose =
            |change, text| Payload::ProposeChange(ProposeChange { change, document: commitment(text), opens_at });
        let events = self.acts(vec![("agency", propose(award, "award")), ("region", propose(admit, "admission"))]);
        let changes: Vec<ChangeId> = events
            .iter()
            .map(|event| match event {
                Event::ProposeChange(proposed) => proposed.change,
                other => panic!("{} was not asked for", other.kind()),
            })
            .collect();
        self.known.admission = Some((changes[1], at_height));
        let opened = self.wait(60_000);
        assert!(opened.iter().any(|receipt| receipt.kind() == Kind::OpenChange), "voting opens when its time has come");

        let yes = |change| Payload::CastBallot(CastBallot { change, choice: Choice::Yes, reason: None });
        let mut acts = Vec::new();
        for change in changes {
            acts.extend(["region", "lab", "university"].map(|seat| (seat, yes(change))));
        }
        self.acts(acts);
        let enacted = self.wait(BALLOT_DAYS * DAY);
        let outcomes: Vec<_> = enacted
            .iter()
            .filter_map(|receipt| match receipt.event() {
                Some(Event::EnactChange(enacted)) => Some(enacted),
                _ => None,
            })
            .collect();
        assert!(outcomes.iter().any(|enacted| enacted.outcome == ChangeStatus::Pending), "the admission waits");
        let awarded = outcomes.iter().find(|enacted| !enacted.offers.is_empty()).expect("grants are offered");
        let offer = &awarded.offers[0];
        let amounts = offer.tranches.iter().map(|tranche| tranche.amount).collect();
        self.known.grant = Some((offer.grant, amounts));
    }

    /// A convention, an advance, evidence, a balance; meanwhile the new validator shows itself and is seated.
    pub(super) fn payments(&mut self) {
        let (grant, amounts) = self.known.grant.clone().expect("it was offered");
        let sign = |date| {
            Payload::SignConvention(SignConvention {
                grant,
                convention: commitment("convention"),
                date,
                payee_account: Some(commitment("account of maps")),
            })
        };
        let today = self.today();
        self.acts(vec![("maps", sign(today)), ("region", sign(today))]);
        self.announce();
        self.pay(grant, 1, amounts[0]);

        let evidence = SubmitEvidence {
            grant,
            tranche: 2,
            documents: vec![commitment("report")],
            expenses: vec![Expense {
                line: Name::new("survey").expect("a name"),
                amount: Amount::eur(1_250_000),
                territory: Some(TerritoryCode::new("44").expect("a code")),
            }],
            in_kind: vec![],
        };
        self.acts(vec![("maps", Payload::SubmitEvidence(evidence))]);
        let judge = || {
            Payload::JudgeEvidence(JudgeEvidence {
                grant,
                tranche: 2,
                accepted_ppm: ppm(1_000_000),
                reason: None,
                comment: commitment("judgement"),
            })
        };
        self.acts(vec![("lab", judge()), ("university", judge())]);
        let order = OrderPayment { grant, tranche: 2, amount: Amount::eur(amounts[1]), budget_year: 2027 };
        self.acts(vec![("region", Payload::OrderPayment(order))]);

        let (_, at_height) = self.known.admission.expect("it was voted");
        let mut seated = vec![];
        while self.chain.state.head().height < at_height {
            seated = self.wait(60_000);
        }
        assert!(seated.iter().any(|receipt| receipt.kind() == Kind::SeatValidator), "the validator is seated");
        assert_eq!(self.chain.state.validators().len(), 5);
        self.wait(60_000);
    }

    /// The candidate signs one of the last blocks.
    fn announce(&mut self) {
        let (change, _) = self.known.admission.expect("it was voted");
        let last = self.chain.links.last().expect("a block");
        let (block, block_height) = (last.executed.id(), last.executed.block().header().height);
        let message = ready_message(&self.chain.state.network(), &change, &block);
        let signature = consensus_key("treasury").sign(&message);
        let ready = AnnounceReady { change, block, block_height, signature };
        self.acts(vec![("treasury", Payload::AnnounceReady(ready))]);
    }

    /// Ordered, released, and seen on the statement.
    fn pay(&mut self, grant: GrantId, tranche: u32, amount: u64) {
        let order = OrderPayment { grant, tranche, amount: Amount::eur(amount), budget_year: 2027 };
        self.acts(vec![("region", Payload::OrderPayment(order))]);
        let release = ReleasePayment {
            grant,
            tranche,
            attempt: 1,
            from_account: account(),
            payee_account: commitment("account of maps"),
            execution_date: self.today(),
        };
        let events = self.acts(vec![("treasury", Payload::ReleasePayment(release))]);
        let Event::ReleasePayment(released) = &events[0] else { panic!("it was released") };
        let reference = Reference::of(ReferenceKind::Payout, released.id.hash());
        let events = self.statement(self.today(), vec![(-(amount as i64), Some(reference))]);
        let Event::AttestStatement(attested) = &events[0] else { panic!("it was attested") };
        assert_eq!(attested.booked.as_ref().map(|booked| booked.paid.len()), Some(1), "the debit pays the tranche");
    }
}
