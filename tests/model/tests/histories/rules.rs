//! Random acts on who is who, what is measured, how the rules change and what an auditor finds.

use crate::generate::{Generator, ORGANISATIONS, SEATS};
use octroi_ledger::{
    Kind, Payload,
    finding::{
        answer_finding::AnswerFinding,
        close_finding::CloseFinding,
        file_opinion::FileOpinion,
        finding::{Finding, FindingAnswer, FindingStatus, OpinionWord, Stance},
        open_finding::OpenFinding,
    },
    fixture::{commitment, fund, id, name},
    governance::{
        amend_change::AmendChange,
        change::{Change, ChangeStatus, Content},
        delegation::SetDelegatedLimit,
        nominate::Nominate,
        objection::Objection,
        raise_objection::RaiseObjection,
        resolve_objection::{Resolution, ResolveObjection},
        seat::{SeatStep, SetCollegeSeat},
        suspension::{ReinstateOrganisation, SuspendOrganisation, Urgency},
        withdraw_change::WithdrawChange,
    },
    indicator::{
        indicator::{IndicatorValue, Measured},
        report_indicator::ReportIndicator,
        verify_indicator::VerifyIndicator,
    },
    privacy::record_erasure::RecordErasure,
    registry::{
        endorse::{Eligibility, Endorse, Endorsed, EndorsementStep},
        merge_organisations::MergeOrganisations,
        organisation::Organisation,
        project::Project,
        role::Role,
        update_organisation::{ParentChange, UpdateOrganisation},
        update_project::UpdateProject,
    },
};
use octroi_primitives::*;

/// The indicator that every stage has, of organisations by quarter.
pub const INDICATOR: &str = "users_served";

/// Organisations without a seat, a validator or an office of the fund, so that the others go on when they are absorbed.
const ABSORBED: [&str; 5] = ["bank_branch", "asso1_branch", "asso2", "data", "platform"];

/// A limit on what a programme manager awards alone: a change by consent.
pub fn limit(per_change: u64) -> Content {
    Content::SetDelegatedLimit(SetDelegatedLimit {
        fund: fund(),
        change: Code::new("award_grants").expect("a code"),
        role: Role::ProgrammeManager,
        per_change,
        per_30_days: 2_000_000,
    })
}

fn is_by_consent(change: &Change) -> bool {
    change.objections_from.is_some() && change.status == ChangeStatus::Open
}

impl Generator<'_> {
    /// Who asks for what; `None` for kinds of other families.
    pub fn rule(&mut self, kind: Kind) -> Option<(&'static str, Payload)> {
        Some(match kind {
            Kind::UpdateOrganisation => ("bank", Payload::UpdateOrganisation(self.update())),
            Kind::MergeOrganisations => ("bank", Payload::MergeOrganisations(self.merger())),
            Kind::UpdateProject => self.telling(),
            Kind::Endorse => (self.random.one(&ORGANISATIONS), Payload::Endorse(self.endorsement())),
            Kind::RaiseObjection => {
                let change = self.any::<Change>(ChangeId::ZERO, is_by_consent);
                let rule = Text::new(if self.random.in_hundred(97) { "rulebook 10" } else { " " }).expect("short");
                let (reason, text) = (ReasonCode::new("harm").expect("a code"), commitment("objection"));
                let act = RaiseObjection { change, reason, text, rule };
                (self.random.one(&SEATS), Payload::RaiseObjection(act))
            }
            Kind::ResolveObjection => self.resolution(),
            Kind::AmendChange => {
                let change = self.any::<Change>(ChangeId::ZERO, is_by_consent);
                let act =
                    AmendChange { change, content: limit(self.random.below(2_100_000)), document: commitment("anew") };
                (self.proposer(&change), Payload::AmendChange(act))
            }
            Kind::WithdrawChange => {
                let waits = |change: &Change| matches!(change.status, ChangeStatus::Proposed | ChangeStatus::Open);
                let change = self.any::<Change>(ChangeId::ZERO, waits);
                (self.proposer(&change), Payload::WithdrawChange(WithdrawChange { change }))
            }
            Kind::Nominate => {
                let (college, seat) =
                    self.random.one(&[("funders", "region"), ("commoners", "lab"), ("users", "bank")]);
                let act = Nominate {
                    college: CollegeCode::new(college).expect("a code"),
                    nominee: id(self.random.one(&ORGANISATIONS)),
                    reason: ReasonCode::new("experience").expect("a code"),
                    text: commitment("nomination"),
                };
                (seat, Payload::Nominate(act))
            }
            Kind::ReportIndicator => self.report(),
            Kind::VerifyIndicator => self.verification(),
            Kind::OpenFinding => {
                let answer_by = self.random.in_hundred(50).then(|| self.day_around());
                let act = OpenFinding {
                    fund: fund(),
                    addressee: id(self.random.one(&ORGANISATIONS)),
                    code: ReasonCode::new("recommendation").expect("a code"),
                    amount: self.random.below(1_000_000),
                    text: commitment("finding"),
                    answer_by,
                };
                ("audit", Payload::OpenFinding(act))
            }
            Kind::AnswerFinding => {
                let finding = self.any::<Finding>(FindingId::ZERO, Finding::is_open);
                let addressee = self.state.get::<Finding>(&finding).map(|record| record.addressee);
                let done_by = self.random.in_hundred(30).then(|| self.day_around());
                let answer = FindingAnswer { stance: Stance::Accept, text: commitment("answer"), done_by };
                let signer = self.code_of(addressee);
                (signer, Payload::AnswerFinding(AnswerFinding { finding, answer }))
            }
            Kind::CloseFinding => {
                let finding = self.any::<Finding>(FindingId::ZERO, Finding::is_open);
                let outcome =
                    self.random.one(&[FindingStatus::Resolved, FindingStatus::Partly, FindingStatus::Answered]);
                let act = CloseFinding { finding, outcome, text: commitment("follow-up") };
                ("audit", Payload::CloseFinding(act))
            }
            Kind::FileOpinion => {
                let quarter = self.random.one(&["2025Q3", "2025Q4", "2026Q1", "2026Q2", "2026Q3", "2026Q4", "2027Q4"]);
                let act = FileOpinion {
                    fund: fund(),
                    period: quarter.parse().expect("a period"),
                    opinion: self.random.one(OpinionWord::ALL),
                    text: commitment("opinion"),
                    findings: vec![],
                };
                ("audit", Payload::FileOpinion(act))
            }
            Kind::RecordErasure => {
                let noted = self.random.in_hundred(35);
                let commitment = if noted { commitment("noted") } else { Commitment::new(self.fresh("erased")) };
                let act = RecordErasure {
                    commitments: if self.random.in_hundred(90) { vec![commitment] } else { vec![] },
                    reason: ReasonCode::new("retention_over").expect("a code"),
                    on: self.day_around(),
                };
                (self.random.one(&ORGANISATIONS), Payload::RecordErasure(act))
            }
            _ => return None,
        })
    }

    /// A change of the rules that governance may be asked for.
    pub fn rule_change(&mut self) -> Content {
        match self.random.below(4) {
            0 => limit(self.random.below(2_100_000)),
            1 => Content::SuspendOrganisation(SuspendOrganisation {
                organisation: id(self.random.one(&["asso2", "asso3"])),
                urgency: self.random.one(Urgency::ALL),
                reason: ReasonCode::new("fraud").expect("a code"),
            }),
            2 => Content::ReinstateOrganisation(ReinstateOrganisation {
                organisation: id(self.random.one(&["asso2", "asso3"])),
            }),
            _ => Content::SetCollegeSeat(SetCollegeSeat {
                college: CollegeCode::new("users").expect("a code"),
                organisation: id(self.random.one(&["asso1", "consumers", "reuser"])),
                step: self.random.one(SeatStep::ALL),
                replaces: None,
                until: None,
            }),
        }
    }

    /// Mostly today or before.
    fn day_around(&mut self) -> LegalDate {
        let days = self.random.below(10) as i64 - 8;
        self.today().plus_days(days).expect("in the calendar")
    }

    fn proposer(&self, change: &ChangeId) -> &'static str {
        self.code_of(self.state.get::<Change>(change).map(|record| record.proposer))
    }

    fn update(&mut self) -> UpdateOrganisation {
        let mut act = UpdateOrganisation {
            organisation: id(self.random.one(&ORGANISATIONS)),
            kind: None,
            name: None,
            territory: None,
            legal_category: None,
            parent: None,
            add: vec![],
            end: vec![],
            closed_on: None,
        };
        match self.random.below(10) {
            0 => {}
            1 => {
                let parent = self.random.in_hundred(50).then(|| id(self.random.one(&ORGANISATIONS)));
                act.parent = Some(ParentChange { parent });
            }
            2 => {
                // Newcomers alone: the others go on signing.
                let newcomer = |record: &Organisation| *record.name == *name("Association (invented)");
                act.organisation = self.any::<Organisation>(OrganisationId::ZERO, newcomer);
                let found = self.state.get::<Organisation>(&act.organisation);
                act.closed_on = found.filter(|record| newcomer(record)).map(|_| self.today());
            }
            _ => act.name = Some(name("Renamed (invented)")),
        }
        act
    }

    fn merger(&mut self) -> MergeOrganisations {
        let absorbed = id(self.random.one(&ABSORBED));
        let into = if self.random.in_hundred(5) { absorbed } else { id(self.random.one(&ORGANISATIONS)) };
        MergeOrganisations { absorbed, into, on: self.day_around() }
    }

    fn telling(&mut self) -> (&'static str, Payload) {
        let project = self.any::<Project>(ProjectId::ZERO, |_| true);
        let holder = self.state.get::<Project>(&project).map(|record| record.holder);
        let licence = if self.random.in_hundred(93) { "CC-BY-SA-4.0" } else { "no licence" };
        let act = UpdateProject {
            project,
            title: name("Commun, told anew (invented)"),
            categories: vec![],
            territory: None,
            licence: Text::new(licence).expect("short"),
            rights: vec![],
            resource: None,
            community: None,
            rules: None,
            co_holders: if self.random.in_hundred(30) { vec![id(self.random.one(&ORGANISATIONS))] } else { vec![] },
            clause: Some(commitment("clause")),
        };
        (self.code_of(holder), Payload::UpdateProject(act))
    }

    fn endorsement(&mut self) -> Endorse {
        let of = match self.random.in_hundred(50) {
            true => Endorsed::Organisation(id(self.random.one(&ORGANISATIONS))),
            false => Endorsed::Project(self.any::<Project>(ProjectId::ZERO, |_| true)),
        };
        let step = if self.random.in_hundred(85) { EndorsementStep::Attest } else { EndorsementStep::Revoke };
        let until = self.random.in_hundred(30).then(|| self.day_around());
        Endorse { of, code: Eligibility::Commons, step, evidence: commitment("charter"), until }
    }

    fn resolution(&mut self) -> (&'static str, Payload) {
        let (change, objection) = self.any::<Objection>((ChangeId::ZERO, 1), Objection::is_open);
        let raised = self.state.get::<Objection>(&(change, objection));
        let (signer, resolution) = match self.random.below(4) {
            0 => (self.code_of(raised.map(|raised| raised.organisation)), Resolution::Withdraw),
            1 => (self.random.one(&["bank", "federation", "foundation"]), Resolution::Reject),
            _ => (self.random.one(&["bank", "federation", "foundation"]), Resolution::Admit),
        };
        (signer, Payload::ResolveObjection(ResolveObjection { change, objection, resolution }))
    }

    fn report(&mut self) -> (&'static str, Payload) {
        let signer = self.random.one(&ORGANISATIONS);
        let about = if self.random.in_hundred(92) { signer } else { self.random.one(&ORGANISATIONS) };
        let period = self.random.one(&["2026Q2", "2026Q3", "2026Q4", "2028Q1"]);
        let act = ReportIndicator {
            indicator: Code::new(INDICATOR).expect("a code"),
            about: Measured::Organisation(id(about)),
            period: period.parse().expect("a period"),
            value: self.random.below(1_000) as i64 - 100,
            evidence: commitment("evidence"),
        };
        (signer, Payload::ReportIndicator(act))
    }

    fn verification(&mut self) -> (&'static str, Payload) {
        let nothing = (Code::new("none").expect("a code"), Measured::Network, "2026Q4".parse().expect("a period"));
        let key = self.any::<IndicatorValue>(nothing, |value| value.verifier.is_none());
        let declared = self.state.get::<IndicatorValue>(&key).map_or(0, |value| value.value);
        let (indicator, about, period) = key;
        let value = if self.random.in_hundred(90) { declared } else { declared + 1 };
        let act = VerifyIndicator { indicator, about, period, value, evidence: commitment("checked") };
        (self.random.one(&["university", "federation", "audit"]), Payload::VerifyIndicator(act))
    }
}
