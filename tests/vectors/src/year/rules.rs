//! After the payments: who is who, what is measured, and how the rules themselves change — by consent with an objection and another wording, by
//! majority, in an emergency that lapses — and what an auditor finds.

use super::Story;
use crate::network::*;
use octroi_ledger::{
    Event, Payload,
    finding::{
        answer_finding::AnswerFinding,
        close_finding::CloseFinding,
        file_opinion::FileOpinion,
        finding::{FindingAnswer, FindingStatus, OpinionWord, Stance},
        open_finding::OpenFinding,
    },
    governance::{
        amend_change::AmendChange,
        cast_ballot::CastBallot,
        change::{ChangeStatus, Choice, Content, RoleChange, SetParameter},
        nominate::Nominate,
        propose_change::ProposeChange,
        raise_objection::RaiseObjection,
        resolve_objection::{Resolution, ResolveObjection},
        suspension::{SuspendOrganisation, Urgency},
        withdraw_change::WithdrawChange,
    },
    indicator::{
        indicator::{DefineIndicator, Direction, Indicator, IndicatorLevel, Measured},
        report_indicator::ReportIndicator,
        verify_indicator::VerifyIndicator,
    },
    privacy::record_erasure::RecordErasure,
    registry::{
        endorse::{Eligibility, Endorse, Endorsed, EndorsementStep},
        merge_organisations::MergeOrganisations,
        organisation::{HeldIdentifier, OrganisationKind},
        role::{Role, Scope},
        update_organisation::{EndedIdentifier, UpdateOrganisation},
        update_project::UpdateProject,
    },
};
use octroi_primitives::*;

/// Who audits: not of the genesis, so that its id is not that of a name.
pub(super) const AUDITOR: &str = "audit";

/// One seat of each college, which is a quorum.
const VOTERS: [&str; 3] = ["region", "lab", "university"];

/// The indicator of the story: kilograms, with so many digits behind the point.
fn indicator(scale: u32) -> Content {
    Content::DefineIndicator(DefineIndicator {
        code: Code::new("seed_saved").expect("a code"),
        definition: Indicator {
            name: Name::new("Seed saved").expect("a name"),
            unit: Text::new("kg").expect("a text"),
            direction: Direction::Up,
            scale,
            method: commitment("method of the indicator"),
            period: PeriodLength::Quarter,
            level: IndicatorLevel::Project,
        },
    })
}

pub(super) fn reason(text: &str) -> ReasonCode {
    ReasonCode::new(text).expect("a code")
}

fn quarter() -> Period {
    "2027Q1".parse().expect("a period")
}

impl Story {
    /// An auditor comes, numbers and descriptions change, and a third party attests.
    pub(super) fn register(&mut self) {
        let auditor = Payload::RegisterOrganisation(registration(AUDITOR, OrganisationKind::Company));
        let events = self.acts(vec![("registry", auditor)]);
        let Event::RegisterOrganisation(registered) = &events[0] else { panic!("it was registered") };
        self.known.auditor = Some(registered.id);
        let identifier = Identifier::new(Scheme::Siren, "732829320").expect("an identifier");
        let held = HeldIdentifier { identifier, from: Some(LegalDate::new(2020, 1, 1).expect("a date")) };
        let update = |add, end, name| {
            Payload::UpdateOrganisation(UpdateOrganisation {
                organisation: id("maps"),
                kind: None,
                name,
                territory: None,
                legal_category: None,
                parent: None,
                add,
                end,
                closed_on: None,
            })
        };
        let renamed = Some(Name::new("maps and atlases (invented)").expect("a name"));
        self.acts(vec![("registry", update(vec![held.clone()], vec![], renamed))]);
        let ended = EndedIdentifier { identifier: held, to: self.today() };
        self.acts(vec![("registry", update(vec![], vec![ended], None))]);

        let (_, project) = self.known.projects[0];
        let told = UpdateProject {
            project,
            title: Name::new("Map of the estuary and its banks").expect("a name"),
            categories: vec![CategoryCode::new("open_data").expect("a code")],
            territory: Some(TerritoryCode::new("44").expect("a code")),
            licence: Text::new("ODbL-1.0").expect("a text"),
            rights: vec![],
            resource: Some(commitment("resource")),
            community: Some(commitment("community")),
            rules: None,
            co_holders: vec![id("library")],
            clause: Some(commitment("clause")),
        };
        let endorse = Endorse {
            of: Endorsed::Project(project),
            code: Eligibility::Commons,
            step: EndorsementStep::Attest,
            evidence: commitment("charter"),
            until: Some(LegalDate::new(2029, 12, 31).expect("a date")),
        };
        let erasure = RecordErasure {
            commitments: vec![commitment("maps"), commitment("report")],
            reason: reason("retention_over"),
            on: self.today(),
        };
        self.acts(vec![
            ("maps", Payload::UpdateProject(told)),
            ("university", Payload::Endorse(endorse)),
            ("maps", Payload::RecordErasure(erasure)),
        ]);
    }

    pub(super) fn propose(&mut self, proposals: Vec<(&'static str, Content)>) -> Vec<ChangeId> {
        let opens_at = self.chain.now().saturating_add(60_000);
        let document = commitment("why");
        let propose = |change| Payload::ProposeChange(ProposeChange { change, document, opens_at });
        let acts = proposals.into_iter().map(|(proposer, change)| (proposer, propose(change))).collect();
        let proposed = self.acts(acts).into_iter().map(|event| match event {
            Event::ProposeChange(proposed) => proposed.change,
            other => panic!("{} was not asked for", other.kind()),
        });
        let changes = proposed.collect();
        self.wait(60_000);
        changes
    }

    pub(super) fn vote(&mut self, changes: &[ChangeId]) {
        let yes = |change| Payload::CastBallot(CastBallot { change, choice: Choice::Yes, reason: None });
        let acts = changes.iter().flat_map(|change| VOTERS.map(|seat| (seat, yes(*change))));
        self.acts(acts.collect());
    }

    /// What became of a change in a block of due work.
    pub(super) fn outcome(receipts: &[octroi_ledger::Receipt], change: ChangeId) -> Option<ChangeStatus> {
        receipts.iter().find_map(|receipt| match receipt.event() {
            Some(Event::EnactChange(enacted)) if enacted.change == change => Some(enacted.outcome),
            Some(Event::ConcludeChange(concluded)) if concluded.change == change => Some(concluded.outcome),
            _ => None,
        })
    }

    /// An indicator by consent, an auditor by majority, a suspension in an emergency; a proposal that is taken back.
    pub(super) fn rules(&mut self) {
        let suspension = SuspendOrganisation {
            organisation: id("seeds"),
            urgency: Urgency::Emergency,
            reason: reason("keys_stolen"),
        };
        let (auditor, scope) = (self.known.auditor.expect("it was registered"), Scope::Fund(fund()));
        let changes = self.propose(vec![
            ("university", indicator(0)),
            ("region", Content::GrantRole(RoleChange { organisation: auditor, role: Role::Auditor, scope })),
            ("region", Content::SuspendOrganisation(suspension)),
            (
                "lab",
                Content::SetParameter(SetParameter { name: Code::new("payout_lag_days").expect("a code"), value: 9 }),
            ),
        ]);
        let [consent, role, emergency, parameter] = changes[..] else { panic!("four changes") };
        let nomination = Nominate {
            college: CollegeCode::new("commoners").expect("a code"),
            nominee: id("maps"),
            reason: reason("experience"),
            text: commitment("nomination"),
        };
        self.acts(vec![
            ("lab", Payload::WithdrawChange(WithdrawChange { change: parameter })),
            ("library", Payload::Nominate(nomination)),
        ]);
        self.vote(&[role, emergency]);
        let suspended = self.wait(DAY);
        assert_eq!(Self::outcome(&suspended, emergency), Some(ChangeStatus::Enacted));

        self.wait(2 * DAY);
        let objection = RaiseObjection {
            change: consent,
            reason: reason("harm"),
            text: commitment("objection"),
            rule: Text::new("rulebook 11").expect("a text"),
        };
        self.acts(vec![("lab", Payload::RaiseObjection(objection.clone()))]);
        let withdrawn = ResolveObjection { change: consent, objection: 1, resolution: Resolution::Withdraw };
        self.acts(vec![("lab", Payload::ResolveObjection(withdrawn))]);
        self.acts(vec![("library", Payload::RaiseObjection(objection))]);
        let amendment = AmendChange { change: consent, content: indicator(3), document: commitment("another wording") };
        self.acts(vec![("university", Payload::AmendChange(amendment))]);
        self.wait(60_000);
        self.vote(&[consent]);
        let granted = self.wait(5 * DAY);
        assert_eq!(Self::outcome(&granted, role), Some(ChangeStatus::Enacted));
        let defined = self.wait(5 * DAY);
        assert_eq!(
            Self::outcome(&defined, consent),
            Some(ChangeStatus::Enacted),
            "an objection that was met stands no more"
        );
        let lapsed = self.wait(3 * DAY);
        assert_eq!(Self::outcome(&lapsed, emergency), Some(ChangeStatus::Lapsed));
    }

    /// A value is reported and verified; the auditor finds, is answered, and says what it thinks; an organisation is absorbed.
    pub(super) fn findings(&mut self) {
        let (_, project) = self.known.projects[0];
        let (code, about, value) = (Code::new("seed_saved").expect("a code"), Measured::Project(project), 12_500);
        let evidence = commitment("evidence of the indicator");
        let report = ReportIndicator { indicator: code, about, period: quarter(), value, evidence };
        let verify = VerifyIndicator { indicator: code, about, period: quarter(), value, evidence };
        self.acts(vec![("maps", Payload::ReportIndicator(report))]);
        self.acts(vec![("university", Payload::VerifyIndicator(verify))]);

        let finding = OpenFinding {
            fund: fund(),
            addressee: id("treasury"),
            code: reason("recommendation"),
            amount: 2_000_000,
            text: commitment("finding"),
            answer_by: Some(LegalDate::new(2027, 12, 31).expect("a date")),
        };
        let events = self.acts(vec![(AUDITOR, Payload::OpenFinding(finding))]);
        let Event::OpenFinding(opened) = &events[0] else { panic!("it was opened") };
        let finding = opened.id;
        let answer = FindingAnswer { stance: Stance::Accept, text: commitment("answer"), done_by: None };
        self.acts(vec![("treasury", Payload::AnswerFinding(AnswerFinding { finding, answer }))]);
        let closed = CloseFinding { finding, outcome: FindingStatus::Resolved, text: commitment("follow-up") };
        let opinion = FileOpinion {
            fund: fund(),
            period: quarter(),
            opinion: OpinionWord::Qualified,
            text: commitment("opinion"),
            findings: vec![finding],
        };
        self.acts(vec![(AUDITOR, Payload::CloseFinding(closed)), (AUDITOR, Payload::FileOpinion(opinion))]);
        let merger = MergeOrganisations { absorbed: id("seeds"), into: id("library"), on: self.today() };
        self.acts(vec![("registry", Payload::MergeOrganisations(merger))]);
    }
}
