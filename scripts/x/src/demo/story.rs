//! The year itself (rulebook §15): who does what, in order, and what is shown of it.

use super::{
    say,
    session::{Done, Session},
    show,
};
use anyhow::{Context, Result, bail};
use octroi_ledger::wire::Wire;
use octroi_primitives::{
    Hash, LegalDate, OrganisationId, Period, PossessionPurpose, Reference, ReferenceKind, SecretKey, hash, object_id,
    prove_possession,
};
use octroi_proto::v1::{self as pb, event::Event, transaction::Payload};

const FUND: &str = "commun";
const DAY_MS: u64 = 86_400_000;
/// An act needs some time between the moment it is signed and its block.
const SOON_MS: u64 = 30_000;

/// What the summary needs.
pub struct Outcome {
    project: Vec<u8>,
}

/// An applicant with its project.
struct Applicant {
    code: &'static str,
    title: &'static str,
    category: &'static str,
    requested: u64,
    score: u32,
}

const APPLICANTS: [Applicant; 3] = [
    Applicant {
        code: "map-makers",
        title: "Carte ouverte des services de proximité",
        category: "maps",
        requested: 8_000_000,
        score: 860,
    },
    Applicant {
        code: "seed-library",
        title: "Grainothèque partagée",
        category: "seeds_and_food",
        requested: 6_500_000,
        score: 780,
    },
    Applicant {
        code: "repair-club",
        title: "Atlas de la réparation",
        category: "open_hardware",
        requested: 7_500_000,
        score: 420,
    },
];

/// Plays the year.
pub async fn play(session: &mut Session) -> Result<Outcome> {
    let year = first_year(session).await?;
    say(&format!("the year is {year}; the clock of this network is stepped through it"));
    session.advance_to(legal(year, 1, 5)).await?;
    let projects = register(session).await?;
    let promises = promise(session, year).await?;
    let levies = levy(session, year).await?;
    session.advance_to(legal(year, 4, 2)).await?;
    let account = receive(session, year, &promises, &levies).await?;
    close_quarter(session, year).await?;
    let call = open_call(session).await?;
    let applications = apply(session, &call, &projects, year).await?;
    review(session, &applications).await?;
    let grants = decide(session, &call, &applications).await?;
    sign(session, &grants).await?;
    pay(session, &grants[0], &account, year).await?;
    let project = projects[0].as_bytes().to_vec();
    show::year(session, &project, FUND, &format!("{}", year - 1)).await?;
    Ok(Outcome { project })
}

/// Grants of which something was paid, asked over gRPC.
pub async fn grants_paid(session: &mut Session, outcome: &Outcome) -> Result<u64> {
    let request = pb::GetGrantHistoryRequest {
        of: Some(pb::get_grant_history_request::Of::Project(outcome.project.clone())),
        page: None,
        options: None,
    };
    let history = session.funding().await?.get_grant_history(request).await?.into_inner();
    Ok(history.grants.iter().filter(|grant| grant.paid > 0).count() as u64)
}

/// The first year whose first quarter the fund can close: that of the genesis.
async fn first_year(session: &mut Session) -> Result<u16> {
    let request = pb::GetFundRequest { fund: FUND.into(), options: None };
    let fund = session.funding().await?.get_fund(request).await?.into_inner().fund.and_then(|view| view.fund);
    let period: Period = fund.context("the network has no demo fund")?.next_period.parse()?;
    Ok(period.first_day().year())
}

/// Nine in the morning of a day, legal time, near enough.
fn legal(year: u16, month: u8, day: u8) -> u64 {
    LegalDate::new(year, month, day).map_or(0, |date| date.start_time().millis() + 9 * 3_600_000)
}

fn date(year: u16, month: u8, day: u8) -> Option<pb::Date> {
    Some(pb::Date { year: year.into(), month: month.into(), day: day.into() })
}

fn today(now: u64) -> Option<pb::Date> {
    Some(LegalDate::at(octroi_primitives::BlockTime(now)).to_proto())
}

fn euros(cents: u64) -> Option<pb::Amount> {
    Some(pb::Amount { minor: cents, currency: "EUR".into() })
}

/// A commitment to a document that exists only in this demo.
fn commitment(what: &str) -> Vec<u8> {
    hash("demo-document", &[what.as_bytes()]).as_bytes().to_vec()
}

fn fresh_key() -> Result<SecretKey> {
    let mut seed = [0u8; 32];
    getrandom::fill(&mut seed).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    Ok(SecretKey::from_seed(seed))
}

/// Registers an organisation with one office; its key stays in the session.
async fn register_one(
    session: &mut Session,
    code: &str,
    name: &str,
    kind: &str,
    roles: &[&str],
    number: u32,
) -> Result<()> {
    let key = fresh_key()?;
    let possession = prove_possession(&key, PossessionPurpose::Office, session.network_name());
    let office = pb::OfferedOffice {
        code: "desk".into(),
        roles: roles.iter().map(ToString::to_string).collect(),
        keys: vec![pb::OfferedKey {
            key: key.public().as_bytes().to_vec(),
            possession: possession.as_bytes().to_vec(),
        }],
    };
    let identifier = pb::Identifier { scheme: "ORG_ID".into(), value: format!("XD-OCTROI-{number:04}"), from: None };
    let payload = pb::RegisterOrganisation {
        kind: kind.into(),
        name: format!("{name} (inventé)"),
        identifiers: vec![identifier],
        territory: Some("d44".into()),
        legal_category: None,
        parent: None,
        offices: vec![office],
        thresholds: Vec::new(),
    };
    let done = session.act("public-bank", "registry", Payload::RegisterOrganisation(payload)).await?;
    let id = OrganisationId::new(object_id("organisation", &done.transaction));
    session.enter(code, id, vec![("desk", key)]);
    Ok(())
}

async fn register(session: &mut Session) -> Result<Vec<Hash>> {
    say("registering organisations and projects");
    register_one(session, "platform", "Plateforme de vente en ligne", "company", &["levy_payer"], 101).await?;
    register_one(session, "data-reuser", "Réutilisateur de données publiques", "company", &["levy_payer"], 102).await?;
    let mut projects = Vec::new();
    for (index, applicant) in APPLICANTS.iter().enumerate() {
        let name = ["Cartographes associés", "Bibliothèque de semences", "Club de réparation"][index];
        register_one(session, applicant.code, name, "association", &["beneficiary"], 201 + index as u32).await?;
        let rights = [("access", "anyone"), ("contribute", "anyone"), ("manage", "members"), ("alienate", "none")];
        let payload = pb::RegisterProject {
            title: applicant.title.into(),
            categories: vec![applicant.category.into()],
            territory: Some("d44".into()),
            licence: "CC-BY-SA-4.0".into(),
            rights: rights.map(|(right, holders)| pb::Right { right: right.into(), holders: holders.into() }).to_vec(),
            resource: Some(commitment("resource")),
            community: Some(commitment("community")),
            rules: Some(commitment("rules")),
            co_holders: Vec::new(),
            replicates: None,
        };
        let done = session.act(applicant.code, "desk", Payload::RegisterProject(payload)).await?;
        projects.push(object_id("project", &done.transaction));
    }
    Ok(projects)
}

/// Money that is to come: who pays how much, under which reference.
struct Expected {
    reference: Reference,
    parts: Vec<i64>,
}

async fn promise(session: &mut Session, year: u16) -> Result<Vec<Expected>> {
    say("two contributions are promised");
    let mut promises = Vec::new();
    for (who, cents) in [("foundation", 12_000_000_u64), ("region", 8_000_000)] {
        let payload = pb::PromiseContribution {
            fund: FUND.into(),
            amount: euros(cents),
            due: date(year, 3, 31),
            earmark: None,
            conditions: None,
            parent: None,
        };
        let done = session.act(who, "giving", Payload::PromiseContribution(payload)).await?;
        let reference = Reference::of(ReferenceKind::Promise, &object_id("promise", &done.transaction));
        promises.push(Expected { reference, parts: vec![cents as i64] });
    }
    Ok(promises)
}

async fn levy(session: &mut Session, year: u16) -> Result<Vec<Expected>> {
    say("a levy and a data royalty are declared and assessed");
    let share = Some(pb::Rational { numerator: 83_417, denominator: 1_000_000 });
    let service = |code: &str, receipts, share, units| pb::DeclaredService {
        code: code.into(),
        receipts: euros(receipts),
        deductions: Vec::new(),
        share,
        units,
    };
    let platform = pb::DeclareLevy {
        schedule: "platform-levy".into(),
        period: format!("{}", year - 1),
        services: vec![service("intermediation", 120_000_000_000, share, None)],
        world_receipts: euros(120_000_000_000),
        local_receipts: euros(10_010_040_000),
        method: commitment("method"),
        evidence: commitment("evidence"),
        class: None,
    };
    let reuser = pb::DeclareLevy {
        schedule: "data-royalty".into(),
        period: format!("{}Q4", year - 1),
        services: vec![service("calls", 0, None, Some(37_500_000))],
        world_receipts: euros(0),
        local_receipts: euros(0),
        method: commitment("method"),
        evidence: commitment("evidence"),
        class: None,
    };
    let mut expected = Vec::new();
    for (payer, authority, office, declaration, shares) in
        [("platform", "tax-office", "levies", platform, 2_i64), ("data-reuser", "data-agency", "data", reuser, 1)]
    {
        let (schedule, period) = (declaration.schedule.clone(), declaration.period.clone());
        let declared = session.act(payer, "desk", Payload::DeclareLevy(declaration)).await?;
        let assess = pb::AssessLevy {
            payer: session.id(payer).as_bytes().to_vec(),
            schedule,
            period,
            declaration: object_id("declaration", &declared.transaction).as_bytes().to_vec(),
        };
        let assessed = session.act(authority, office, Payload::AssessLevy(assess)).await?;
        let tax = tax_of(&assessed)?;
        let reference = Reference::of(ReferenceKind::Levy, &object_id("assessment", &assessed.transaction));
        let first = tax / shares;
        let parts = if shares == 2 { vec![first, tax - first] } else { vec![tax] };
        expected.push(Expected { reference, parts });
    }
    Ok(expected)
}

fn tax_of(assessed: &Done) -> Result<i64> {
    match &assessed.event {
        Event::AssessLevy(event) => {
            let tax = event
                .assessment
                .as_ref()
                .and_then(|assessment| assessment.tax.as_ref())
                .context("an assessment without a tax")?;
            Ok(i64::try_from(tax.minor)?)
        }
        _ => bail!("the event of an assessment is none"),
    }
}

/// One statement of the quarter, attested by both attestors: every entry names its reference and is matched by it.
async fn receive(session: &mut Session, year: u16, promises: &[Expected], levies: &[Expected]) -> Result<Vec<u8>> {
    say("the bank statement of the quarter is attested by two attestors; every entry is matched by its reference");
    let account = demo_account(session).await?;
    let mut entries = Vec::new();
    for expected in promises.iter().chain(levies) {
        for part in &expected.parts {
            let number = entries.len() as u8;
            entries.push(pb::StatementEntry {
                key: commitment(&format!("entry {number}")),
                amount: *part,
                booking_date: date(year, 3, 10 + number),
                value_date: date(year, 3, 10 + number),
                reference_commitment: commitment(&format!("reference {number}")),
                reference: Some(expected.reference.to_string()),
            });
        }
    }
    let closing = entries.iter().map(|entry| entry.amount).sum();
    let statement = pb::AttestStatement {
        account: account.clone(),
        statement_id: format!("{year}-1"),
        sequence: 1,
        from: date(year, 1, 1),
        to: date(year, 3, 31),
        opening: 0,
        closing,
        entries,
        file_hash: commitment("statement 1"),
    };
    for attestor in ["public-bank", "foundation"] {
        session.act(attestor, "attestation", Payload::AttestStatement(statement.clone())).await?;
    }
    Ok(account)
}

/// The one bank account of the demo's fund: the commitment in the name of its account.
async fn demo_account(session: &mut Session) -> Result<Vec<u8>> {
    let info = session.genesis().await?;
    let account = info.bank_accounts.into_iter().find(|account| account.fund == FUND);
    Ok(account.context("the fund has no bank account")?.account)
}

async fn close_quarter(session: &mut Session, year: u16) -> Result<()> {
    say("the first quarter is closed and split");
    let payload = pb::ClosePeriod { fund: FUND.into(), period: format!("{year}Q1") };
    let closed = session.act("foundation", "programme", Payload::ClosePeriod(payload)).await?;
    show::split(&closed.event);
    Ok(())
}

async fn open_call(session: &mut Session) -> Result<Hash> {
    say("a call for commons is opened");
    let now = session.now().await?;
    let criterion = |code: &str, weight_ppm| pb::Criterion { code: code.into(), weight_ppm };
    let payload = pb::OpenCall {
        fund: FUND.into(),
        envelope: "commons".into(),
        title: "Communs numériques de proximité".into(),
        budget: euros(16_000_000),
        categories: Vec::new(),
        territory: None,
        opens_at: now + SOON_MS,
        closes_at: now + SOON_MS + 30 * DAY_MS,
        eligibility: vec!["COMMONS".into(), "NON_PROFIT".into()],
        criteria: vec![criterion("use", 500_000), criterion("governance", 300_000), criterion("openness", 200_000)],
        amount_min: euros(1_000_000),
        amount_max: euros(8_000_000),
        rate_max_ppm: 700_000,
        months_max: 18,
        advance_max_ppm: 300_000,
        retention_min_ppm: 100_000,
        reviews: 2,
        licences: vec!["CC-BY-SA-4.0".into(), "EUPL-1.2".into()],
        document: commitment("call"),
    };
    let opened = session.act("foundation", "programme", Payload::OpenCall(payload)).await?;
    session.advance_to(now + SOON_MS + DAY_MS).await?;
    Ok(object_id("call", &opened.transaction))
}

async fn apply(session: &mut Session, call: &Hash, projects: &[Hash], year: u16) -> Result<Vec<Hash>> {
    say("three associations apply");
    let mut applications = Vec::new();
    for (applicant, project) in APPLICANTS.iter().zip(projects) {
        let requested = applicant.requested;
        let cost = requested * 10 / 7 + 100_000;
        let tranche = |number, kind: pb::TrancheKind, amount, month, evidence_needed| pb::PlannedTranche {
            number,
            kind: kind.into(),
            amount: euros(amount),
            due: date(year + u16::from(number == 3), month, 1),
            budget_year: u32::from(year) + u32::from(number == 3),
            criteria: commitment("milestone"),
            evidence_needed,
        };
        let (advance, balance) = (requested * 3 / 10, requested / 10);
        let payload = pb::SubmitApplication {
            call: call.as_bytes().to_vec(),
            project: project.as_bytes().to_vec(),
            title: applicant.title.into(),
            requested: euros(requested),
            eligible_cost: euros(cost),
            months: 18,
            co_funding: vec![pb::CoFunding {
                funder: Some(pb::co_funding::Funder::Name("Fonds propres".into())),
                amount: euros(cost - requested),
                secured: true,
            }],
            tranches: vec![
                tranche(1, pb::TrancheKind::Advance, advance, 9, 0),
                tranche(2, pb::TrancheKind::Interim, requested - advance - balance, 11, 1),
                tranche(3, pb::TrancheKind::Balance, balance, 6, 1),
            ],
            partners: Vec::new(),
            territory: Some("d44".into()),
            dossier: commitment(applicant.title),
            lead_share_ppm: 1_000_000,
        };
        let done = session.act(applicant.code, "desk", Payload::SubmitApplication(payload)).await?;
        applications.push(object_id("application", &done.transaction));
    }
    let (height, _) = session.tip().await?;
    let now = session.now().await?;
    session.advance_to(now + 30 * DAY_MS).await?;
    let wanted = call.as_bytes().to_vec();
    session
        .wait_for("close_call", height, |event| matches!(event, Event::CloseCall(closed) if closed.call == wanted))
        .await?;
    Ok(applications)
}

async fn review(session: &mut Session, applications: &[Hash]) -> Result<()> {
    say("applications are screened, then reviewed by two organisations each");
    for (applicant, application) in APPLICANTS.iter().zip(applications) {
        let payload = pb::ScreenApplication { application: application.as_bytes().to_vec(), failed: Vec::new() };
        session.act("foundation", "programme", Payload::ScreenApplication(payload)).await?;
        for (reviewer, off) in [("federation", 0), ("university", 20)] {
            let score = |criterion: &str| pb::Score { criterion: criterion.into(), score: applicant.score - off };
            let payload = pb::ReviewApplication {
                application: application.as_bytes().to_vec(),
                scores: vec![score("use"), score("governance"), score("openness")],
                no_conflict: true,
                comment: commitment("comment"),
            };
            session.act(reviewer, "review", Payload::ReviewApplication(payload)).await?;
        }
    }
    Ok(())
}

/// A grant as it was offered.
pub struct Offered {
    pub id: Vec<u8>,
    pub lead: &'static str,
    pub amount: u64,
}

async fn decide(session: &mut Session, call: &Hash, applications: &[Hash]) -> Result<Vec<Offered>> {
    say("three colleges vote on the awards");
    let awards = APPLICANTS
        .iter()
        .zip(applications)
        .map(|(applicant, application)| pb::Award {
            application: application.as_bytes().to_vec(),
            amount: if applicant.score > 500 { applicant.requested } else { 0 },
        })
        .collect();
    let change = pb::Change {
        change: Some(pb::change::Change::AwardGrants(pb::AwardGrants {
            call: call.as_bytes().to_vec(),
            awards,
            derogations: Vec::new(),
        })),
    };
    let now = session.now().await?;
    let opens_at = now + SOON_MS;
    let payload = pb::ProposeChange { change: Some(change), document: commitment("report of the jury"), opens_at };
    let proposed = session.act("foundation", "programme", Payload::ProposeChange(payload)).await?;
    let change = object_id("change", &proposed.transaction);
    session.advance_to(opens_at + 60_000).await?;
    let seats = [
        ("public-bank", "seat"),
        ("region", "giving"),
        ("federation", "seat"),
        ("fablabs", "seat"),
        ("foundation", "giving"),
        ("university", "seat"),
        ("consumers", "seat"),
    ];
    for (organisation, office) in seats {
        let choice = if organisation == "consumers" { pb::BallotChoice::Abstain } else { pb::BallotChoice::Yes };
        let payload = pb::CastBallot { change: change.as_bytes().to_vec(), choice: choice.into(), reason: None };
        session.act(organisation, office, Payload::CastBallot(payload)).await?;
    }
    let (height, _) = session.tip().await?;
    session.advance_to(opens_at + 8 * DAY_MS).await?;
    let enacted = session.wait_for("enact_change", height, |event| matches!(event, Event::EnactChange(_))).await?;
    let Some(pb::Event { event: Some(Event::EnactChange(_)) }) = enacted.event else { bail!("no change was enacted") };
    let mut offered = Vec::new();
    for applicant in APPLICANTS.iter().filter(|applicant| applicant.score > 500) {
        offered.push(offer_of(session, applicant).await?);
    }
    Ok(offered)
}

/// The grant that an applicant was offered, asked over gRPC.
async fn offer_of(session: &mut Session, applicant: &Applicant) -> Result<Offered> {
    let filter = pb::GrantFilter { beneficiary: session.id(applicant.code).as_bytes().to_vec(), ..Default::default() };
    let request = pb::ListGrantsRequest { filter: Some(filter), page: None, options: None };
    let grants = session.funding().await?.list_grants(request).await?.into_inner().grants;
    let grant = grants.into_iter().next().with_context(|| format!("{} was offered no grant", applicant.code))?;
    let amount = grant.grant.and_then(|grant| grant.awarded).map_or(0, |amount| amount.minor);
    Ok(Offered { id: grant.id, lead: applicant.code, amount })
}

async fn sign(session: &mut Session, grants: &[Offered]) -> Result<()> {
    say("conventions are signed");
    for grant in grants {
        let now = session.now().await?;
        let payload = pb::SignConvention {
            grant: grant.id.clone(),
            convention: commitment(&format!("convention {}", grant.lead)),
            date: today(now),
            payee_account: Some(commitment(&format!("account of {}", grant.lead))),
        };
        session.act(grant.lead, "desk", Payload::SignConvention(payload.clone())).await?;
        session.act("region", "ordonnateur", Payload::SignConvention(payload)).await?;
    }
    Ok(())
}

/// Evidence, judgement, order, release, and the bank's debit.
async fn pay(session: &mut Session, grant: &Offered, account: &[u8], year: u16) -> Result<()> {
    say("evidence is submitted and judged, a tranche is ordered, released and debited");
    session.advance_to(legal(year, 10, 4)).await?;
    let tranche = 2;
    let amount = grant.amount - grant.amount * 3 / 10 - grant.amount / 10;
    let evidence = pb::SubmitEvidence {
        grant: grant.id.clone(),
        tranche,
        documents: vec![commitment("report"), commitment("invoices")],
        expenses: vec![pb::Expense {
            line: "Développement".into(),
            amount: euros(amount),
            territory: Some("d44".into()),
        }],
        in_kind: vec![pb::InKind { unit: "journées de bénévolat".into(), quantity: 42 }],
    };
    session.act(grant.lead, "desk", Payload::SubmitEvidence(evidence)).await?;
    for judge in ["federation", "consumers"] {
        let payload = pb::JudgeEvidence {
            grant: grant.id.clone(),
            tranche,
            accepted_ppm: 1_000_000,
            reason: None,
            comment: commitment("judgement"),
        };
        session.act(judge, "review", Payload::JudgeEvidence(payload)).await?;
    }
    let order = pb::OrderPayment { grant: grant.id.clone(), tranche, amount: euros(amount), budget_year: year.into() };
    session.act("region", "ordonnateur", Payload::OrderPayment(order)).await?;
    let now = session.now().await?;
    let release = pb::ReleasePayment {
        grant: grant.id.clone(),
        tranche,
        attempt: 1,
        from_account: account.to_vec(),
        payee_account: commitment(&format!("account of {}", grant.lead)),
        execution_date: today(now),
    };
    let released = session.act("public-bank", "accounting", Payload::ReleasePayment(release)).await?;
    let reference = Reference::of(ReferenceKind::Payout, &object_id("payout", &released.transaction));
    session.advance_to(now + 2 * DAY_MS).await?;
    let opening = show::bank_balance(session, FUND).await?;
    let debit = -i64::try_from(amount)?;
    let statement = pb::AttestStatement {
        account: account.to_vec(),
        statement_id: format!("{year}-2"),
        sequence: 2,
        from: date(year, 4, 1),
        to: date(year, 10, 5),
        opening,
        closing: opening + debit,
        entries: vec![pb::StatementEntry {
            key: commitment("debit"),
            amount: debit,
            booking_date: date(year, 10, 5),
            value_date: date(year, 10, 5),
            reference_commitment: commitment("debit reference"),
            reference: Some(reference.to_string()),
        }],
        file_hash: commitment("statement 2"),
    };
    for attestor in ["public-bank", "foundation"] {
        session.act(attestor, "attestation", Payload::AttestStatement(statement.clone())).await?;
    }
    Ok(())
}
