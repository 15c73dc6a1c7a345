//! Random acts on levies besides declaring and assessing: groups, attested use, disputes, corrections.

use crate::generate::{Generator, ORGANISATIONS};
use octroi_ledger::{
    Kind, Payload,
    fixture::{commitment, id, money},
    levy::{
        account::{DeclaredService, LevyAccount, LevyAssessment},
        answer_dispute::AnswerDispute,
        attest_usage::{AttestUsage, AttestedUnits},
        declare_group::DeclareGroup,
        declare_levy::DeclareLevy,
        dispute::{DisputeStatus, LevyDispute},
        dispute_levy::DisputeLevy,
        reassess_levy::ReassessLevy,
    },
};
use octroi_primitives::*;

fn ads() -> ServiceCode {
    ServiceCode::new("ads").expect("a code")
}

/// Who assesses under a schedule.
fn authority(schedule: ScheduleCode) -> &'static str {
    if schedule == money::schedule_code("royalty") { "data" } else { "tax" }
}

impl Generator<'_> {
    /// Who asks for what; `None` for kinds of other families.
    pub fn levy(&mut self, kind: Kind) -> Option<(&'static str, Payload)> {
        Some(match kind {
            Kind::DeclareGroup => self.group_figures(),
            Kind::AttestUsage => {
                let period = self.random.one(&["2026Q1", "2026Q2", "2026Q3", "2027Q1", "2029Q4"]);
                let payer = self.random.one(&["reuser", "reuser", "asso1", "asso3", "platform", "lab"]);
                let units = AttestedUnits { service: ads(), units: self.random.below(90_000_000) };
                let act = AttestUsage {
                    payer: id(payer),
                    schedule: money::schedule_code("royalty"),
                    period: period.parse().expect("a period"),
                    units: if self.random.in_hundred(95) { vec![units] } else { vec![] },
                    evidence: commitment("logs"),
                };
                ("data", Payload::AttestUsage(act))
            }
            Kind::DisputeLevy => {
                let (assessment, record) = self.assessment_that_stands();
                let payer = record.as_ref().map(|record| record.payer);
                let account = record
                    .and_then(|record| self.state.get::<LevyAccount>(&(record.payer, record.schedule, record.period)));
                let most = account.map_or(1, |account| account.assessed + account.interest + account.surcharge);
                let act = DisputeLevy {
                    assessment,
                    amount: self.part_of(most),
                    reason: ReasonCode::new("scope").expect("a code"),
                    grounds: commitment("grounds"),
                };
                (self.code_of(payer), Payload::DisputeLevy(act))
            }
            Kind::AnswerDispute => self.answer(),
            Kind::ReassessLevy => {
                let (assessment, record) = self.assessment_that_stands();
                let (payer, schedule, period) = record.map_or_else(
                    || (id("reuser"), money::schedule_code("royalty"), "2026Q4".parse().expect("a period")),
                    |record| (record.payer, record.schedule, record.period),
                );
                let figures = self.figures(schedule, period);
                let reason = ReasonCode::new("audit").expect("a code");
                let act = ReassessLevy { payer, assessment, figures, reason };
                (authority(schedule), Payload::ReassessLevy(act))
            }
            _ => return None,
        })
    }

    fn assessment_that_stands(&mut self) -> (AssessmentId, Option<LevyAssessment>) {
        let assessment = self.any::<LevyAssessment>(AssessmentId::ZERO, |record| record.replaced_by.is_none());
        (assessment, self.state.get::<LevyAssessment>(&assessment).cloned())
    }

    /// Figures that fit a schedule of the fixture, more or less than any before.
    pub fn figures(&mut self, schedule: ScheduleCode, period: Period) -> DeclareLevy {
        let services = if schedule == money::schedule_code("royalty") {
            money::calls(self.random.below(90_000_000))
        } else {
            let share = Rational::new(self.random.below(110), 100);
            vec![DeclaredService {
                code: ads(),
                receipts: Amount::eur(self.random.below(200_000_000_000)),
                deductions: vec![],
                share: Some(share),
                units: None,
            }]
        };
        DeclareLevy {
            schedule,
            period,
            services,
            world_receipts: Amount::eur(self.random.below(300_000_000_000)),
            local_receipts: Amount::eur(self.random.below(10_000_000_000)),
            method: commitment("method"),
            evidence: commitment("evidence"),
            class: None,
        }
    }

    fn group_figures(&mut self) -> (&'static str, Payload) {
        let groups: [&[&str]; 4] = [&["asso1", "asso1_branch"], &["bank", "bank_branch"], &["platform"], &["lab"]];
        let members = self.random.one(&groups);
        let filer = self.random.one(members);
        let mut listed: Vec<OrganisationId> = members.iter().map(|member| id(member)).collect();
        if self.random.in_hundred(8) {
            listed.push(id(self.random.one(&ORGANISATIONS)));
        }
        let period = self.random.one(&["2026", "2026", "2026", "2031"]);
        let act = DeclareGroup {
            schedule: money::schedule_code(if self.random.in_hundred(95) { "dst" } else { "royalty" }),
            period: period.parse().expect("a period"),
            members: listed,
            world_receipts: Amount::eur(self.random.below(300_000_000_000)),
            local_receipts: Amount::eur(self.random.below(10_000_000_000)),
            evidence: commitment("consolidated"),
        };
        (filer, Payload::DeclareGroup(act))
    }

    /// The assessment stands, or other figures hold, which are mostly lower.
    fn answer(&mut self) -> (&'static str, Payload) {
        let dispute = self.any::<LevyDispute>(Hash::ZERO, |dispute| dispute.status == DisputeStatus::Open);
        let record = self.state.get::<LevyDispute>(&dispute).cloned();
        let schedule = record.as_ref().map_or(money::schedule_code("royalty"), |record| record.schedule);
        let figures = record.filter(|_| self.random.in_hundred(65)).map(|record| {
            let mut figures = self.figures(record.schedule, record.period);
            if self.random.in_hundred(70) {
                for service in &mut figures.services {
                    service.units = service.units.map(|units| units / 40);
                    service.receipts.minor /= 100;
                }
            }
            figures
        });
        let act = AnswerDispute {
            dispute,
            figures,
            reason: ReasonCode::new("examined").expect("a code"),
            answer: commitment("answer"),
        };
        (authority(schedule), Payload::AnswerDispute(act))
    }
}
