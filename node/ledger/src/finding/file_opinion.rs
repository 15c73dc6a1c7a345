//! `file_opinion`: an auditor of a fund says what it thinks of a period's accounts.
//!
//! - Allowed: an active organisation with the role auditor for the fund, once a period.
//! - Effect: the opinion stands beside the accounts. A fund's period can be judged when it is closed.
//! - Source: rulebook §2 (auditor), §4 (0e04).

use super::finding::{Finding, Opinion, OpinionWord};
use crate::{
    action::{Action, BASE_COST, Effect, Place},
    history::RecordRef,
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
use std::collections::BTreeSet;

/// Findings of an opinion, at most.
const LIST: usize = 64;

message! {
    /// The payload.
    pub struct FileOpinion = FileOpinion {
        /// On which fund.
        pub fund: FundCode,
        /// On which period.
        pub period: Period,
        /// What it says.
        pub opinion: OpinionWord,
        /// Why, in a text that stays outside.
        pub text: Commitment,
        /// Findings that it rests on.
        pub findings: Vec<FindingId>,
    }

    /// The event.
    pub struct OpinionFiled = OpinionFiled {
        /// On which fund.
        pub fund: FundCode,
        /// On which period.
        pub period: Period,
        /// Who says so.
        pub auditor: OrganisationId,
        /// As it stands in the state.
        pub opinion: Opinion [required],
    }
}

refusals! {
    LimitFindings(usize): Limit 1 "{0} findings: at most 64, each once", "too many findings, or one of them twice";
    signer;
    UnknownFund(FundCode): Unknown 1 "fund {0} does not exist", "the fund does not exist";
    UnknownFinding(FindingId): Unknown 2 "finding {0} is none of the fund's", "a finding does not exist, or is of another fund";
    StateOpen(Period): State 1 "period {0} is not closed, or none of the fund's", "the period is not closed, or is none of the fund's length";
    DuplicateOpinion(Period): Duplicate 1 "the signer has filed an opinion on {0}", "the signer has filed its opinion on the period";
}
signer_refusals!(Refused);

impl Action for FileOpinion {
    type Event = OpinionFiled;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        let distinct: BTreeSet<&FindingId> = self.findings.iter().collect();
        let length = self.findings.len();
        if length > LIST || distinct.len() != length { Err(Refused::LimitFindings(length)) } else { Ok(()) }
    }

    fn cost(&self) -> u64 {
        BASE_COST + self.findings.len() as u64
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<OpinionFiled, Refused> {
        let Self { fund, period, opinion, text, findings } = self.clone();
        cx.active(state)?;
        let record = state.get::<Fund>(&fund).ok_or(Refused::UnknownFund(fund))?;
        cx.authorise(state, Role::Auditor, Scope::Fund(fund))?;
        let is_foreign = |id: &&FindingId| state.get::<Finding>(id).is_none_or(|finding| finding.fund != fund);
        if let Some(finding) = findings.iter().find(is_foreign) {
            return Err(Refused::UnknownFinding(*finding));
        }
        if period.length() != record.period_length || period >= record.next_period {
            return Err(Refused::StateOpen(period));
        }
        let auditor = cx.organisation;
        if state.has::<Opinion>(&(fund, period, auditor)) {
            return Err(Refused::DuplicateOpinion(period));
        }
        Ok(OpinionFiled { fund, period, auditor, opinion: Opinion { opinion, text, findings } })
    }
}

impl Effect for OpinionFiled {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        state.put::<Opinion>((self.fund, self.period, self.auditor), self.opinion.clone());
    }

    fn subjects(&self) -> Vec<RecordRef> {
        vec![RecordRef::of::<Fund>(&self.fund), RecordRef::of::<Organisation>(&self.auditor)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Kind, Payload},
        finding::open_finding::tests::opened,
        fixture::{self, IntoPayload},
    };

    impl IntoPayload for FileOpinion {
        fn into_payload(self) -> Payload {
            Payload::FileOpinion(self)
        }
    }

    #[test]
    fn refuses_in_order_of_precedence_and_a_period_is_judged_once_when_it_is_closed() {
        let (mut network, finding) = opened();
        network.edit(|state| {
            state.update::<Fund>(&fixture::fund(), |fund| fund.next_period = "2027Q2".parse().unwrap());
        });
        let opinion = |period: &str| FileOpinion {
            fund: fixture::fund(),
            period: period.parse().unwrap(),
            opinion: OpinionWord::Qualified,
            text: fixture::commitment("opinion"),
            findings: vec![finding],
        };
        fixture::assert_round_trips(&opinion("2027Q1").into_payload());
        let mut suspended = network.clone();
        suspended.suspend("audit");
        let twice = FileOpinion { findings: vec![finding, finding], ..opinion("2027Q1") };
        let elsewhere = FileOpinion { fund: FundCode::new("none").unwrap(), ..opinion("2027Q1") };
        let unknown = FileOpinion { findings: vec![FindingId::ZERO], ..opinion("2027Q1") };
        let early = [
            network.refusal("audit", twice),
            suspended.refusal("audit", opinion("2027Q1")),
            network.refusal("bank", opinion("2027Q1")),
            network.refusal("audit", elsewhere),
            network.refusal("audit", unknown),
            network.refusal("audit", opinion("2027Q2")),
        ];
        assert_eq!(network.refusal("audit", opinion("2026")), "StateOpen");
        network.run("audit", opinion("2027Q1")).unwrap();
        let reached = [early.as_slice(), &[network.refusal("audit", opinion("2027Q1"))]].concat();
        fixture::assert_all_reached(Kind::FileOpinion, &reached);
    }
}
