//! What stands on the ledger before the mix begins: projects, calls, open changes, screened applications, past grants.
//!
//! It comes in stages; each needs that the one before is committed, and the third that three hours have passed.

use super::{
    Pen, Signatures, commitment,
    consortium::{APPLICANTS, MANAGER, ORGANISATIONS},
    mix::{application, past_grant, promise},
};
use octroi_ledger::{
    Payload, SignedTransaction,
    application::screen_application::ScreenApplication,
    call::{call::Criterion, open_call::OpenCall},
    dev::advance_clock::AdvanceClock,
    governance::{
        change::{Content, SetParameter},
        propose_change::ProposeChange,
    },
    registry::register_project::RegisterProject,
};
use octroi_primitives::*;

/// Applications that a call takes (rulebook §17, 0601).
const CALL_TAKES: usize = 1_000;
/// Changes that are under vote.
const CHANGES: usize = 32;
const HOUR: u64 = 3_600_000;
/// What must pass between the second stage and the third: calls close and votes open.
const WAIT_MS: u64 = 3 * HOUR;

/// How much stands there before.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Records loaded before: past grants, applications and their screenings.
    pub records: usize,
    /// Applications that the mix may make.
    pub applications: usize,
    /// Reviews that the mix may make.
    pub reviews: usize,
}

impl Size {
    /// Enough for so many transactions of the mix.
    pub fn for_mix(records: usize, transactions: usize) -> Self {
        Self { records, applications: transactions * 15 / 100 + 2_000, reviews: transactions / 10 + 1_000 }
    }

    /// Applications with reviews: about five reviews each, at most a tenth of the records, and enough for every reviewer once.
    fn reviewed(&self) -> usize {
        (self.reviews / 5).max(self.reviews.div_ceil(super::consortium::REVIEWERS)).max(100)
    }
}

/// Ids of what stands there.
pub struct Ground {
    size: Size,
    now: BlockTime,
    /// Legal date of every document of the workload.
    pub today: LegalDate,
    /// Open calls.
    pub calls: Vec<CallId>,
    closing: Vec<CallId>,
    /// Projects with the organisation that holds them.
    pub projects: Vec<(ProjectId, usize)>,
    /// Changes under vote.
    pub changes: Vec<ChangeId>,
    /// Screened applications.
    pub applications: Vec<ApplicationId>,
}

/// Transactions that may be sent in any order.
pub type Stage = Vec<SignedTransaction>;

fn name(text: &str) -> Name {
    Name::new(text).expect("a short name")
}

impl Ground {
    /// Nothing stands yet; `now` is ledger time.
    pub fn new(size: Size, now: BlockTime) -> Self {
        Self {
            size,
            now,
            today: LegalDate::at(now),
            calls: Vec::new(),
            closing: Vec::new(),
            projects: Vec::new(),
            changes: Vec::new(),
            applications: Vec::new(),
        }
    }

    /// First stage: projects, calls and changes. Calls take applications ten seconds later.
    pub fn first(&mut self, pen: &mut Pen) -> Stage {
        let now = self.now;
        let mut stage = Stage::new();
        let reviewed = self.size.reviewed();
        for number in 0..CALL_TAKES {
            let holder = number % APPLICANTS;
            let signed = pen.sign(holder, Signatures::One, project(number));
            self.projects.push((ProjectId::new(object_id("project", &signed.id())), holder));
            stage.push(signed);
        }
        let opens_at = now.saturating_add(10_000);
        for number in 0..self.size.applications.div_ceil(CALL_TAKES) + reviewed.div_ceil(CALL_TAKES) {
            let closing = number < reviewed.div_ceil(CALL_TAKES);
            let open_for = if closing { 2 * HOUR } else { 300 * 24 * HOUR };
            let signed = pen.sign(MANAGER, Signatures::One, call(number, opens_at, open_for));
            let id = CallId::new(object_id("call", &signed.id()));
            if closing {
                self.closing.push(id)
            } else {
                self.calls.push(id)
            }
            stage.push(signed);
        }
        for number in 0..CHANGES {
            let change = Content::SetParameter(SetParameter {
                name: Code::new("payout_lag_days").expect("a code"),
                value: number as u64 % 50 + 1,
            });
            let proposal = ProposeChange {
                change,
                document: commitment("change", number as u64),
                opens_at: now.saturating_add(HOUR),
            };
            let signed = pen.sign(number % APPLICANTS, Signatures::One, Payload::ProposeChange(proposal));
            self.changes.push(ChangeId::new(object_id("change", &signed.id())));
            stage.push(signed);
        }
        stage
    }

    /// Second stage, ten seconds after the first: the applications that are reviewed later.
    pub fn second(&mut self, pen: &mut Pen) -> Stage {
        let mut stage = Stage::new();
        for number in 0..self.size.reviewed() {
            let (project, holder) = self.projects[number % self.projects.len()];
            let call = self.closing[number / self.projects.len()];
            let payload = application(call, project, number as u64, self.today);
            let signed = pen.sign(holder, Signatures::One, payload);
            self.applications.push(ApplicationId::new(object_id("application", &signed.id())));
            stage.push(signed);
        }
        stage
    }

    /// Lets the time pass that the third stage needs, where a clock can be stepped; organisations that run a validator may.
    pub fn passing() -> Payload {
        Payload::AdvanceClock(AdvanceClock { milliseconds: WAIT_MS })
    }

    /// An act that changes nothing of what the stages need, for a block that only lets time pass.
    pub fn filler(&self) -> Payload {
        promise("commun", 0, self.today)
    }

    /// Ledger time from which the third stage may come.
    pub fn third_from(&self) -> BlockTime {
        self.now.saturating_add(WAIT_MS)
    }

    /// Third stage, when calls have closed and votes are open: the screening.
    pub fn third(&self, pen: &mut Pen) -> Stage {
        let screen = |application| Payload::ScreenApplication(ScreenApplication { application, failed: vec![] });
        self.applications.iter().map(|id| pen.sign(MANAGER, Signatures::One, screen(*id))).collect()
    }

    /// Fourth stage: past grants up to the number of records asked for; they need nothing of the others.
    pub fn fourth<'a>(&'a self, pen: &'a mut Pen) -> impl Iterator<Item = SignedTransaction> + 'a {
        let others = 2 * self.size.reviewed() + self.projects.len() + self.calls.len() + self.closing.len();
        // At least one row for every organisation: some acts of the mix are refused because the file is another's.
        (0..self.size.records.saturating_sub(others).max(ORGANISATIONS) as u64).map(move |number| {
            let organisation = number as usize % ORGANISATIONS;
            pen.sign(organisation, Signatures::One, past_grant("before", organisation, number, number / 64 + 1))
        })
    }
}

fn project(number: usize) -> Payload {
    Payload::RegisterProject(RegisterProject {
        title: name(&format!("Commun numérique {number} (inventé)")),
        categories: vec![],
        territory: Some(TerritoryCode::new("fr").expect("a code")),
        licence: Text::new("CC-BY-SA-4.0").expect("short"),
        rights: vec![],
        resource: Some(commitment("resource", number as u64)),
        community: None,
        rules: None,
        co_holders: vec![],
        replicates: None,
    })
}

fn call(number: usize, opens_at: BlockTime, open_for: u64) -> Payload {
    Payload::OpenCall(OpenCall {
        fund: FundCode::new("commun").expect("a code"),
        envelope: EnvelopeCode::new("commons").expect("a code"),
        title: name(&format!("Appel {number} (inventé)")),
        budget: Amount::eur(100_000_000_000),
        categories: vec![],
        territory: None,
        opens_at,
        closes_at: opens_at.saturating_add(open_for),
        eligibility: vec![],
        criteria: [("impact", 600_000), ("openness", 400_000)]
            .map(|(code, ppm)| Criterion {
                code: CriterionCode::new(code).expect("a code"),
                weight_ppm: Ppm::new(ppm).expect("at most a million"),
            })
            .to_vec(),
        amount_min: Amount::eur(100_000),
        amount_max: Amount::eur(8_000_000),
        rate_max_ppm: Ppm::new(700_000).expect("at most a million"),
        months_max: 18,
        advance_max_ppm: Ppm::new(300_000).expect("at most a million"),
        retention_min_ppm: Ppm::new(200_000).expect("at most a million"),
        reviews: 2,
        licences: vec![Text::new("CC-BY-SA-4.0").expect("short")],
        document: commitment("call", number as u64),
    })
}
