//! The story: one act of every kind, in the order in which a year would bring them, with some refusals on the way.
//!
//! A kind that the story does not reach has no frozen vector, and the test says so.

mod awards;
mod donors;
mod money;
mod rules;

use crate::network::*;
use octroi_ledger::{
    Event, Kind, Payload, Receipt,
    application::{
        application::{CoFunder, CoFunding, Partner, PlannedTranche, Score, TrancheKind},
        review_application::ReviewApplication,
        screen_application::ScreenApplication,
        submit_application::SubmitApplication,
    },
    bank::{
        attest_statement::{AttestStatement, StatementEntry},
        match_entry::MatchEntry,
        matching::{MatchTarget, Target},
    },
    call::{
        call::{Criterion, Eligibility},
        open_call::OpenCall,
    },
    contribution::promise_contribution::PromiseContribution,
    dev::advance_clock::AdvanceClock,
    grant::{
        declare_past_grant::{DeclarePastGrant, Nature, PublishedIdentifier, PublishedParty},
        past_grant::PartialDate,
    },
    levy::{account::DeclaredService, assess_levy::AssessLevy, declare_levy::DeclareLevy},
    receipt::Outcome,
    redistribution::close_period::ClosePeriod,
    registry::{
        organisation::OrganisationKind,
        project::{Right, RightHolders, RightKind},
        register_project::RegisterProject,
        rotate_keys::RotateKeys,
    },
};
use octroi_primitives::*;

/// An act of the story: who, and what.
type Act = (&'static str, Payload);

/// Ids that later acts need.
#[derive(Default)]
struct Known {
    promise: Option<PromiseId>,
    declaration: Option<DeclarationId>,
    levy_reference: Option<Reference>,
    call: Option<CallId>,
    projects: Vec<(&'static str, ProjectId)>,
    applications: Vec<ApplicationId>,
    admission: Option<(ChangeId, Height)>,
    grant: Option<(GrantId, Vec<u64>)>,
    auditor: Option<OrganisationId>,
    funded: Option<GrantId>,
}

struct Story {
    chain: Chain,
    known: Known,
    statements: u64,
    balance: i64,
}

/// The whole year.
pub fn chain() -> Chain {
    let mut story = Story { chain: Chain::new(genesis()), known: Known::default(), statements: 0, balance: 0 };
    story.contributions();
    story.levy();
    story.close_of_the_quarter();
    story.past_grants();
    story.projects();
    story.call();
    story.applications();
    story.reviews();
    story.votes();
    story.payments();
    story.register();
    story.rules();
    story.findings();
    story.second_call();
    story.rules_of_money();
    story.refunds();
    story.troubled_payment();
    story.disputes();
    story.campaign();
    story.clawback();
    story.round();
    story.vouchers();
    story.usage();
    story.years_later();
    story.chain
}

impl Story {
    /// One block with these acts, each of which is applied.
    fn acts(&mut self, acts: Vec<Act>) -> Vec<Event> {
        self.acts_in(Rounds::default(), acts)
    }

    fn acts_in(&mut self, rounds: Rounds, acts: Vec<Act>) -> Vec<Event> {
        self.receipts(rounds, acts)
            .into_iter()
            .map(|receipt| match receipt.outcome {
                Outcome::Applied(event) => event,
                Outcome::Refused(refusal) => panic!("{} is refused: {}", refusal.kind, refusal.message),
            })
            .collect()
    }

    /// One block with these acts: the receipts of the acts alone.
    fn receipts(&mut self, rounds: Rounds, acts: Vec<Act>) -> Vec<Receipt> {
        let count = acts.len();
        let sign = |(organisation, payload)| match (organisation, self.known.auditor) {
            (rules::AUDITOR, Some(auditor)) => self.chain.sign_as(auditor, &[&office_key(rules::AUDITOR)], payload),
            _ => self.chain.sign(organisation, payload),
        };
        let signed = acts.into_iter().map(sign).collect();
        let mut receipts = self.chain.block(1_000, rounds, signed);
        receipts.split_off(receipts.len() - count)
    }

    /// A block without transactions, after some time; gives the receipts of due work.
    fn wait(&mut self, milliseconds: u64) -> Vec<Receipt> {
        self.chain.block(milliseconds, Rounds::default(), vec![])
    }

    /// Both attestors send the account's next statement, up to a day.
    fn statement(&mut self, to: LegalDate, entries: Vec<(i64, Option<Reference>)>) -> Vec<Event> {
        self.statements += 1;
        let from = LegalDate::new(2027, 1, 1).expect("a date");
        let opening = self.balance;
        self.balance += entries.iter().map(|(amount, _)| amount).sum::<i64>();
        let sequence = self.statements;
        let entries = entries.into_iter().enumerate().map(|(index, (amount, reference))| {
            let text = format!("entry {sequence}.{index}");
            StatementEntry {
                key: EntryKey::new(hash("vectors-entry", &[text.as_bytes()])),
                amount,
                booking_date: to,
                value_date: to,
                reference_commitment: commitment(&text),
                reference,
            }
        });
        let statement = AttestStatement {
            account: account(),
            statement_id: Text::new(&format!("STATEMENT-{sequence}")).expect("a text"),
            sequence,
            from: if sequence == 1 { from } else { self.last_day().plus_days(1).expect("a date") },
            to,
            opening,
            closing: self.balance,
            entries: entries.collect(),
            file_hash: FileHash::new(hash("vectors-statement", &[&sequence.to_be_bytes()])),
        };
        self.acts(vec![("bank", Payload::AttestStatement(statement.clone()))]);
        self.acts(vec![("notary", Payload::AttestStatement(statement))])
    }

    fn last_day(&self) -> LegalDate {
        let attested = self.chain.links.iter().rev().flat_map(|link| link.executed.receipts());
        attested
            .filter_map(|receipt| match receipt.event() {
                Some(Event::AttestStatement(event)) => Some(event.statement.to),
                _ => None,
            })
            .next()
            .expect("a statement came before")
    }

    fn today(&self) -> LegalDate {
        LegalDate::at(self.chain.now())
    }

    fn contributions(&mut self) {
        let promise = |minor| {
            Payload::PromiseContribution(PromiseContribution {
                fund: fund(),
                amount: Amount::eur(minor),
                due: LegalDate::new(2027, 3, 31).expect("a date"),
                earmark: None,
                conditions: Some(commitment("conditions")),
                parent: None,
            })
        };
        let newcomer = registration("museum", OrganisationKind::Association);
        self.acts(vec![("registry", Payload::RegisterOrganisation(newcomer))]);
        let receipts = self.receipts(
            Rounds { signers: 3, ..Rounds::default() },
            vec![("region", promise(12_500_000)), ("treasury", promise(0)), ("university", promise(333_333))],
        );
        assert!(matches!(receipts[1].outcome, Outcome::Refused(_)), "nothing cannot be promised");
        let Some(Event::PromiseContribution(promised)) = receipts[0].event() else { panic!("it was promised") };
        self.known.promise = Some(promised.promise);
        let reference = Reference::of(ReferenceKind::Promise, promised.promise.hash());
        let Some(Event::PromiseContribution(other)) = receipts[2].event() else { panic!("it was promised") };
        let other = other.promise;

        self.statement(self.today(), vec![(12_500_000, Some(reference)), (333_333, None)]);
        let entry = EntryKey::new(hash("vectors-entry", &[b"entry 1.1"]));
        let targets = vec![MatchTarget { target: Target::Promise(other), amount: Amount::eur(333_333) }];
        self.acts_in(
            Rounds { proposed: 1, decided: 1, signers: 3 },
            vec![("treasury", Payload::MatchEntry(MatchEntry { account: account(), entry, targets }))],
        );
    }

    fn levy(&mut self) {
        let period: Period = "2026".parse().expect("a period");
        let declaration = DeclareLevy {
            schedule: schedule(),
            period,
            services: vec![DeclaredService {
                code: ServiceCode::new("ads").expect("a code"),
                receipts: Amount::eur(4_200_000_000),
                deductions: vec![],
                share: Some(Rational::new(123, 1_000)),
                units: None,
            }],
            world_receipts: Amount::eur(90_000_000_000),
            local_receipts: Amount::eur(3_000_000_000),
            method: commitment("method"),
            evidence: commitment("evidence"),
            class: None,
        };
        let events = self.acts_in(
            Rounds { proposed: 0, decided: 2, signers: 4 },
            vec![("platform", Payload::DeclareLevy(declaration))],
        );
        let Event::DeclareLevy(declared) = &events[0] else { panic!("it was declared") };
        self.known.declaration = Some(declared.id);
        let assess = AssessLevy { payer: id("platform"), schedule: schedule(), period, declaration: declared.id };
        let events = self.acts(vec![("tax", Payload::AssessLevy(assess))]);
        let Event::AssessLevy(assessed) = &events[0] else { panic!("it was assessed") };
        let reference = Reference::of(ReferenceKind::Levy, assessed.id.hash());
        self.known.levy_reference = Some(reference);
        let tax = assessed.assessment.tax.minor as i64;
        assert_eq!(tax, 15_498_000, "3 % of 123/1000 of 42 million");
        // Two payments name the levy.
        let half = tax / 2;
        self.wait(DAY);
        self.statement(self.today(), vec![(half, Some(reference)), (tax - half, Some(reference))]);
    }

    fn close_of_the_quarter(&mut self) {
        self.acts(vec![("lab", Payload::AdvanceClock(AdvanceClock { milliseconds: 90 * DAY }))]);
        self.wait(90 * DAY);
        self.statement(LegalDate::new(2027, 3, 31).expect("a date"), vec![]);
        let close = ClosePeriod { fund: fund(), period: "2027Q1".parse().expect("a period") };
        self.acts(vec![("maps", Payload::ClosePeriod(close))]);
    }

    fn call(&mut self) {
        let call = OpenCall {
            fund: fund(),
            envelope: envelope("commons"),
            title: Name::new("Commons of the year").expect("a name"),
            budget: Amount::eur(6_000_000),
            categories: vec![],
            territory: None,
            opens_at: self.chain.now().saturating_add(1_000),
            closes_at: self.chain.now().saturating_add(30 * DAY),
            eligibility: vec![Eligibility::Commons],
            criteria: vec![
                Criterion { code: CriterionCode::new("use").expect("a code"), weight_ppm: ppm(600_000) },
                Criterion { code: CriterionCode::new("openness").expect("a code"), weight_ppm: ppm(400_000) },
            ],
            amount_min: Amount::eur(1_000_000),
            amount_max: Amount::eur(4_000_000),
            rate_max_ppm: ppm(700_000),
            months_max: 18,
            advance_max_ppm: ppm(300_000),
            retention_min_ppm: ppm(200_000),
            reviews: 2,
            licences: vec![Text::new("ODbL-1.0").expect("a text")],
            document: commitment("call"),
        };
        let events = self.acts(vec![("agency", Payload::OpenCall(call))]);
        let Event::OpenCall(opened) = &events[0] else { panic!("it was opened") };
        self.known.call = Some(opened.id);
    }

    /// Three applicants; the last asks with a partner.
    fn applications(&mut self) {
        let call = self.known.call.expect("it was opened");
        let mut acts = Vec::new();
        for (index, (holder, project)) in self.known.projects.clone().into_iter().enumerate() {
            let requested: u64 = 2_000_000 + 500_000 * index as u64;
            let planned = |number, kind, amount, evidence_needed| PlannedTranche {
                number,
                kind,
                amount: Amount::eur(amount),
                due: LegalDate::new(2027, 9, 30).expect("a date"),
                budget_year: 2027,
                criteria: commitment("criteria"),
                evidence_needed,
            };
            let advance = requested / 10 * 3;
            let partners = if index == 2 {
                vec![Partner { organisation: id("consumers"), share_ppm: ppm(200_000) }]
            } else {
                vec![]
            };
            let lead_share_ppm = ppm(1_000_000 - partners.iter().map(|one| one.share_ppm.get()).sum::<u32>());
            let application = SubmitApplication {
                call,
                project,
                title: Name::new(&format!("Work on {holder}")).expect("a name"),
                requested: Amount::eur(requested),
                eligible_cost: Amount::eur(requested * 2),
                months: 12,
                co_funding: vec![CoFunding {
                    funder: CoFunder::Organisation(id("region")),
                    amount: Amount::eur(100_000),
                    secured: true,
                }],
                tranches: vec![
                    planned(1, TrancheKind::Advance, advance, 0),
                    planned(2, TrancheKind::Balance, requested - advance, 1),
                ],
                partners,
                territory: None,
                dossier: commitment(holder),
                lead_share_ppm,
            };
            acts.push((holder, Payload::SubmitApplication(application)));
        }
        for event in self.acts(acts) {
            let Event::SubmitApplication(submitted) = event else { panic!("it was submitted") };
            self.known.applications.push(submitted.id);
        }
        let closed = self.wait(30 * DAY);
        assert!(
            closed.iter().any(|receipt| receipt.kind() == Kind::CloseCall),
            "the call closes when its time has come"
        );
    }

    fn reviews(&mut self) {
        let applications = self.known.applications.clone();
        let screen = |application| Payload::ScreenApplication(ScreenApplication { application, failed: vec![] });
        self.acts(applications.iter().map(|application| ("agency", screen(*application))).collect());
        let review = |application, use_, openness| {
            let score = |code, score| Score { criterion: CriterionCode::new(code).expect("a code"), score };
            Payload::ReviewApplication(ReviewApplication {
                application,
                scores: vec![score("use", use_), score("openness", openness)],
                no_conflict: true,
                comment: commitment("review"),
            })
        };
        let mut acts = Vec::new();
        for (index, application) in applications.into_iter().enumerate() {
            let less = 100 * index as u32;
            acts.push(("lab", review(application, 900 - less, 800)));
            acts.push(("university", review(application, 700, 1_000 - less)));
        }
        self.acts(acts);
    }

    fn projects(&mut self) {
        let project = |title: &str, co_holders| {
            Payload::RegisterProject(RegisterProject {
                title: Name::new(title).expect("a name"),
                categories: vec![CategoryCode::new("open_data").expect("a code")],
                territory: Some(TerritoryCode::new("44").expect("a code")),
                licence: Text::new("ODbL-1.0").expect("a text"),
                rights: vec![
                    Right { right: RightKind::Access, holders: RightHolders::Anyone },
                    Right { right: RightKind::Manage, holders: RightHolders::Members },
                ],
                resource: Some(commitment("resource")),
                community: None,
                rules: Some(commitment("rules")),
                co_holders,
                replicates: None,
            })
        };
        let events = self.acts(vec![
            ("maps", project("Map of the estuary", vec![])),
            ("seeds", project("Seeds of the marsh", vec![])),
            ("library", project("Reading room", vec![id("consumers")])),
        ]);
        for (holder, event) in ["maps", "seeds", "library"].into_iter().zip(events) {
            let Event::RegisterProject(registered) = event else { panic!("it was registered") };
            self.known.projects.push((holder, registered.id));
        }
        let height = self.chain.state.head().height;
        let rotation = RotateKeys {
            office: OfficeCode::new("main").expect("a code"),
            add: vec![offer(&office_key("seeds, second"))],
            remove: vec![],
            thresholds: vec![],
            from_height: Height(height.0 + 3),
        };
        self.acts(vec![("seeds", Payload::RotateKeys(rotation))]);
    }

    fn past_grants(&mut self) {
        let row = |row, minor| {
            Payload::DeclarePastGrant(DeclarePastGrant {
                file: FileHash::new(hash("vectors-file", &[])),
                row,
                share_number: 1,
                replaces: None,
                funder: PublishedParty {
                    name: Some(Note::new("Department of the west (invented)").expect("a note")),
                    identifiers: vec![],
                },
                beneficiary: PublishedParty {
                    name: Some(Note::new("Choir of the harbour (invented)").expect("a note")),
                    identifiers: vec![PublishedIdentifier {
                        identifier: Identifier::new(Scheme::Rna, "W442000001").expect("an identifier"),
                        verified: true,
                    }],
                },
                date: PartialDate::new(2016, Some(5), None).expect("a date"),
                decision: None,
                purpose: Some(Note::new("concerts").expect("a note")),
                amount: Some(Amount::eur(minor)),
                total: None,
                share_ppm: None,
                nature: Some(Nature::Cash),
                conditions: None,
                period: None,
                loan: None,
                guarantee: None,
                in_kind: None,
                in_kind_estimate: None,
                gaps: vec![Code::new("decision").expect("a code")],
                row_hash: hash("vectors-row", &[]),
                parent: None,
            })
        };
        let receipts = self.receipts(
            Rounds { signers: 3, ..Rounds::default() },
            vec![("region", row(1, 150_000)), ("region", row(2, 0)), ("region", row(1, 150_000))],
        );
        let refused: Vec<bool> =
            receipts.iter().map(|receipt| matches!(receipt.outcome, Outcome::Refused(_))).collect();
        assert_eq!(refused, [false, false, true], "a row is declared once");
    }
}
