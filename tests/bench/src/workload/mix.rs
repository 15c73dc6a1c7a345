//! The mix: 35 % past grants, 20 % promises, 15 % applications, 10 % reviews, 10 % ballots, 5 % bank statements of 20 entries, 5 % refused on purpose;
//! a tenth of each kind with two signatures.
//!
//! A lane is one sender's endless part of it. Lanes share no object that only one of them may touch, and what depends on an earlier act (the next
//! statement of an account) depends on one that the same lane sent at least a round of its accounts before.

use super::{
    Ground, Pen, Signatures, commitment,
    consortium::{ACCOUNTS, APPLICANTS, ORGANISATIONS, REVIEWERS, account, attestor},
};
use anyhow::{Result, ensure};
use octroi_ledger::{
    Payload, SignedTransaction,
    application::{
        application::{PlannedTranche, Score, TrancheKind},
        review_application::ReviewApplication,
        submit_application::SubmitApplication,
    },
    bank::attest_statement::{AttestStatement, StatementEntry},
    contribution::promise_contribution::PromiseContribution,
    governance::{cast_ballot::CastBallot, change::Choice},
    grant::{
        declare_past_grant::{DeclarePastGrant, Nature, PublishedIdentifier, PublishedParty, PublishedPeriod},
        past_grant::PartialDate,
    },
};
use octroi_primitives::*;
use std::sync::Arc;

/// What is sent, in twentieths, in the order of [`Sort`].
pub const SHARES: [(&str, usize); 7] = [
    ("declare_past_grant", 7),
    ("promise_contribution", 4),
    ("submit_application", 3),
    ("review_application", 2),
    ("cast_ballot", 2),
    ("attest_statement", 1),
    ("refused on purpose", 1),
];

/// Entries of a statement.
const ENTRIES: u64 = 20;

#[derive(Debug, Clone, Copy)]
enum Sort {
    PastGrant,
    Promise,
    Application,
    Review,
    Ballot,
    Statement,
    Refused,
}

/// One round of twenty, spread out.
const ROUND: [Sort; 20] = {
    use Sort::*;
    [
        PastGrant,
        Promise,
        Application,
        PastGrant,
        Review,
        Promise,
        PastGrant,
        Ballot,
        Application,
        PastGrant,
        Statement,
        Promise,
        PastGrant,
        Review,
        Application,
        PastGrant,
        Refused,
        Promise,
        Ballot,
        PastGrant,
    ]
};

/// One sender's part.
pub struct Lane {
    pen: Pen,
    ground: Arc<Ground>,
    number: u64,
    lanes: u64,
    sent: u64,
    counts: [u64; 7],
}

impl Lane {
    /// Lane `number` of `lanes`; each needs a pen of its own.
    pub fn new(pen: Pen, ground: Arc<Ground>, number: usize, lanes: usize) -> Self {
        Self { pen, ground, number: number as u64, lanes: lanes as u64, sent: 0, counts: [0; 7] }
    }

    /// Signs from now on what is valid until then.
    pub fn valid_until(&mut self, time: BlockTime) {
        self.pen.valid_until = time;
    }

    /// The next transaction.
    ///
    /// # Errors
    /// The ground is used up.
    pub fn next(&mut self) -> Result<SignedTransaction> {
        let sort = ROUND[self.sent as usize % ROUND.len()];
        self.sent += 1;
        let mine = self.counts[sort as usize];
        self.counts[sort as usize] += 1;
        let n = mine * self.lanes + self.number;
        let signatures = if mine % 10 == 9 { Signatures::Two } else { Signatures::One };
        let (organisation, payload) = match sort {
            Sort::PastGrant => {
                let organisation = n as usize % ORGANISATIONS;
                (organisation, past_grant("mix", organisation, n, n / ORGANISATIONS as u64 + 1))
            }
            Sort::Promise => (n as usize % ORGANISATIONS, promise("commun", n, self.ground.today)),
            Sort::Application => self.application(n as usize)?,
            Sort::Review => self.review(n as usize)?,
            Sort::Ballot => self.ballot(n as usize),
            Sort::Statement => self.statement(mine),
            Sort::Refused => self.refused(n),
        };
        Ok(self.pen.sign(organisation, signatures, payload))
    }

    fn application(&self, n: usize) -> Result<(usize, Payload)> {
        let Ground { calls, projects, today, .. } = self.ground.as_ref();
        ensure!(n < calls.len() * projects.len(), "the setup opened {} calls, too few for the mix", calls.len());
        let (project, holder) = projects[n / calls.len()];
        Ok((holder, application(calls[n % calls.len()], project, n as u64, *today)))
    }

    fn review(&self, n: usize) -> Result<(usize, Payload)> {
        let applications = &self.ground.applications;
        ensure!(n < applications.len() * REVIEWERS, "the setup screened {} applications, too few", applications.len());
        let reviewer = APPLICANTS + (n / applications.len() + n % applications.len()) % REVIEWERS;
        let score = |code: &str, score: usize| Score {
            criterion: CriterionCode::new(code).expect("a code"),
            score: (score % 1_001) as u32,
        };
        let review = ReviewApplication {
            application: applications[n % applications.len()],
            scores: vec![score("impact", n * 7), score("openness", n * 11)],
            no_conflict: true,
            comment: commitment("review", n as u64),
        };
        Ok((reviewer, Payload::ReviewApplication(review)))
    }

    fn ballot(&self, n: usize) -> (usize, Payload) {
        let changes = &self.ground.changes;
        let seat = (n / changes.len()) % APPLICANTS;
        let choice = [Choice::Yes, Choice::Yes, Choice::No, Choice::Abstain][n % 4];
        (seat, Payload::CastBallot(CastBallot { change: changes[n % changes.len()], choice, reason: None }))
    }

    /// The next statement of one of this lane's accounts, each in turn.
    fn statement(&self, mine: u64) -> (usize, Payload) {
        let accounts = ACCOUNTS as u64 / self.lanes;
        let number = (mine % accounts * self.lanes + self.number) as usize;
        let (account, sequence) = (account(number), mine / accounts + 1);
        let amount = |entry: u64| 10_000 + entry as i64;
        let each: i64 = (0..ENTRIES).map(amount).sum();
        let opening = each * (sequence as i64 - 1);
        let entries = (0..ENTRIES).map(|entry| StatementEntry {
            key: EntryKey::new(hash(
                "bench-entry",
                &[account.as_bytes(), &sequence.to_be_bytes(), &entry.to_be_bytes()],
            )),
            amount: amount(entry),
            booking_date: self.ground.today,
            value_date: self.ground.today,
            reference_commitment: commitment("entry", entry),
            reference: None,
        });
        let statement = AttestStatement {
            account,
            statement_id: Text::new(&format!("R-{sequence}")).expect("short"),
            sequence,
            from: self.ground.today,
            to: self.ground.today,
            opening,
            closing: opening + each,
            entries: entries.collect(),
            file_hash: FileHash::new(hash("bench-file", &[account.as_bytes(), &sequence.to_be_bytes()])),
        };
        (attestor(number), Payload::AttestStatement(statement))
    }

    /// Five ways to be refused, in turn.
    fn refused(&self, n: u64) -> (usize, Payload) {
        let organisation = n as usize % APPLICANTS;
        match n % 5 {
            0 => (organisation, promise("nowhere", n, self.ground.today)),
            1 => (organisation, application(CallId::ZERO, self.ground.projects[0].0, n, self.ground.today)),
            // Reviewers have no seat.
            2 => {
                let ballot = CastBallot { change: self.ground.changes[0], choice: Choice::Yes, reason: None };
                (APPLICANTS + n as usize % REVIEWERS, Payload::CastBallot(ballot))
            }
            // The file was begun by another organisation.
            3 => ((organisation + 1) % ORGANISATIONS, past_grant("before", organisation, n, 1)),
            _ => {
                let empty =
                    PromiseContribution { amount: Amount::eur(0), ..contribution("commun", n, self.ground.today) };
                (organisation, Payload::PromiseContribution(empty))
            }
        }
    }
}

fn contribution(fund: &str, n: u64, today: LegalDate) -> PromiseContribution {
    PromiseContribution {
        fund: FundCode::new(fund).expect("a code"),
        amount: Amount::eur(10_000 + n),
        due: today.plus_days(90).expect("in range"),
        earmark: n.is_multiple_of(2).then(|| EnvelopeCode::new("commons").expect("a code")),
        conditions: None,
        parent: None,
    }
}

pub(super) fn promise(fund: &str, n: u64, today: LegalDate) -> Payload {
    Payload::PromiseContribution(contribution(fund, n, today))
}

/// A row as French municipalities publish them; the file is that of the organisation.
pub(super) fn past_grant(file: &str, organisation: usize, n: u64, row: u64) -> Payload {
    let text = |text: String| Some(Note::new(&text).expect("short"));
    let date = PartialDate::new(2015 + (n % 8) as u16, Some((n % 12) as u8 + 1), Some((n % 28) as u8 + 1));
    let date = date.expect("a date");
    let identifier = Identifier::new(Scheme::Rna, &format!("W{:09}", 441_000_000 + n)).expect("short");
    Payload::DeclarePastGrant(DeclarePastGrant {
        file: FileHash::new(hash("bench-past-grants", &[file.as_bytes(), &organisation.to_be_bytes()])),
        row: row as u32,
        share_number: 1,
        replaces: None,
        funder: PublishedParty {
            name: text(format!("Organisation {organisation:02} (inventée)")),
            identifiers: vec![],
        },
        beneficiary: PublishedParty {
            name: text(format!("Association inventée {n}")),
            identifiers: vec![PublishedIdentifier { identifier, verified: false }],
        },
        date,
        decision: None,
        purpose: text(format!("Fonctionnement et actions de l'année, dossier {n}")),
        amount: Some(Amount::eur(50_000 + n % 1_000_000)),
        total: None,
        share_ppm: None,
        nature: Some(Nature::Cash),
        conditions: text("unique".into()),
        period: Some(PublishedPeriod { from: date, to: None }),
        loan: None,
        guarantee: None,
        in_kind: None,
        in_kind_estimate: None,
        gaps: vec![],
        row_hash: hash("bench-row", &[file.as_bytes(), &n.to_be_bytes()]),
        parent: None,
    })
}

/// An application with an advance and a balance.
pub(super) fn application(call: CallId, project: ProjectId, n: u64, today: LegalDate) -> Payload {
    let tranche = |number, kind, minor| PlannedTranche {
        number,
        kind,
        amount: Amount::eur(minor),
        due: today.plus_days(300).expect("in range"),
        budget_year: u32::from(today.year()),
        criteria: commitment("criteria", n),
        evidence_needed: u32::from(kind != TrancheKind::Advance),
    };
    Payload::SubmitApplication(SubmitApplication {
        call,
        project,
        title: Name::new(&format!("Cartographie partagée {n}")).expect("short"),
        requested: Amount::eur(1_000_000),
        eligible_cost: Amount::eur(2_000_000),
        months: 12,
        co_funding: vec![],
        tranches: vec![tranche(1, TrancheKind::Advance, 300_000), tranche(2, TrancheKind::Balance, 700_000)],
        partners: vec![],
        territory: Some(TerritoryCode::new("fr").expect("a code")),
        dossier: commitment("dossier", n),
        lead_share_ppm: Ppm::new(1_000_000).expect("the whole"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_has_the_shares_that_the_workload_promises() {
        let mut counts = [0; 7];
        for sort in ROUND {
            counts[sort as usize] += 1;
        }
        assert_eq!(counts, SHARES.map(|(_, twentieths)| twentieths));
    }
}
