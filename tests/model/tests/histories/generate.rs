//! Random payloads that often succeed: built from what the state holds, signed by who may, then sometimes spoiled.

use crate::{random::Random, stages::APPLICANTS};
use octroi_ledger::{
    Kind, Payload, State,
    application::{
        application::{Application, ApplicationStatus, TrancheKind},
        fixture::{application, call_opened_at, review, tranche},
        screen_application::ScreenApplication,
        submit_application::SubmitApplication,
    },
    bank::{
        account::BankAccount,
        attest_statement::{AttestStatement, StatementEntry},
        refund::{Refund, RefundStatus},
    },
    call::call::{Call, CallStatus, Eligibility},
    contribution::{promise::Promise, promise_contribution::PromiseContribution},
    dev::advance_clock::AdvanceClock,
    fixture::{DAY, account, commitment, consensus_key, envelope, fund, id, key, money, name, offer},
    governance::{
        cast_ballot::CastBallot,
        change::{
            Award, AwardGrants, Change, ChangeStatus, Choice, Content, RetireValidator, RoleChange, SetParameter,
        },
        propose_change::ProposeChange,
    },
    grant::{
        declare_past_grant::{DeclarePastGrant, PublishedParty},
        fixture::payee_account,
        grant::{Grant, GrantStatus, PartStatus, Tranche},
        judge_evidence::JudgeEvidence,
        order_payment::OrderPayment,
        past_grant::PartialDate,
        payout::{Payout, PayoutStatus},
        release_payment::ReleasePayment,
        sign_convention::SignConvention,
        submit_evidence::SubmitEvidence,
    },
    levy::{account::LevyAccount, assess_levy::AssessLevy},
    redistribution::close_period::ClosePeriod,
    registry::{
        announce_ready::{AnnounceReady, ready_message},
        fund::Fund,
        organisation::OrganisationKind,
        project::Project,
        register_organisation::{OfferedOffice, RegisterOrganisation},
        register_project::RegisterProject,
        role::{Role, Scope},
        rotate_keys::RotateKeys,
        validator_seat::PendingSeat,
    },
    state::Record,
};
use octroi_primitives::*;

/// Every organisation of the fixture.
pub const ORGANISATIONS: [&str; 17] = [
    "bank",
    "bank_branch",
    "foundation",
    "region",
    "federation",
    "lab",
    "university",
    "consumers",
    "tax",
    "data",
    "platform",
    "reuser",
    "asso1",
    "asso1_branch",
    "asso2",
    "asso3",
    "audit",
];

/// Who sits in a college.
pub const SEATS: [&str; 7] = ["bank", "region", "federation", "lab", "foundation", "university", "consumers"];

/// Of a hundred acts so many are signed by just anybody, and so many names point nowhere.
const BY_ANYBODY: u64 = 6;
const NOWHERE: u64 = 4;

/// What a history remembers besides the state.
#[derive(Default)]
pub struct Memory {
    statement: Option<AttestStatement>,
    made: u64,
}

/// A random act of a kind, in a state, for a block of this time.
pub struct Generator<'a> {
    pub state: &'a State,
    pub time: BlockTime,
    pub random: &'a mut Random,
    pub memory: &'a mut Memory,
}

impl Generator<'_> {
    /// Who asks for what; `None` for kinds that only the executor makes.
    pub fn act(&mut self, kind: Kind) -> Option<(&'static str, Payload)> {
        let act = self.year(kind).or_else(|| self.rule(kind)).or_else(|| self.bank(kind)).or_else(|| self.levy(kind));
        let (signer, payload) = act.or_else(|| self.calling(kind)).or_else(|| self.granting(kind))?;
        let anybody = self.random.in_hundred(BY_ANYBODY);
        Some((if anybody { self.random.one(&ORGANISATIONS) } else { signer }, payload))
    }

    /// What a plain year needs; `None` for kinds of other families.
    fn year(&mut self, kind: Kind) -> Option<(&'static str, Payload)> {
        Some(match kind {
            Kind::RegisterOrganisation => ("bank", Payload::RegisterOrganisation(self.registration())),
            Kind::RotateKeys => (self.random.one(&ORGANISATIONS), Payload::RotateKeys(self.rotation())),
            Kind::RegisterProject => (self.random.one(&ORGANISATIONS), Payload::RegisterProject(self.project())),
            Kind::AttestStatement => self.attestation(),
            Kind::MatchEntry => ("bank", Payload::MatchEntry(self.matched())),
            Kind::PromiseContribution => {
                (self.random.one(&ORGANISATIONS), Payload::PromiseContribution(self.promise()))
            }
            Kind::DeclareLevy => self.declaration(),
            Kind::AssessLevy => self.assessment(),
            Kind::ClosePeriod => (self.random.one(&ORGANISATIONS), Payload::ClosePeriod(self.close())),
            Kind::OpenCall => ("foundation", Payload::OpenCall(self.call())),
            Kind::SubmitApplication => self.submission(),
            Kind::ScreenApplication => ("foundation", Payload::ScreenApplication(self.screening())),
            Kind::ReviewApplication => {
                let reviewer = self.random.one(&["federation", "university", "consumers"]);
                let (impact, openness) = (self.random.below(1_010) as u32, self.random.below(1_000) as u32);
                let application = self.application_in(&[ApplicationStatus::Admissible, ApplicationStatus::UnderReview]);
                (reviewer, Payload::ReviewApplication(review(application, impact, openness)))
            }
            Kind::SignConvention => self.signature(),
            Kind::SubmitEvidence => self.evidence(),
            Kind::JudgeEvidence => {
                let judge = self.random.one(&["federation", "university", "consumers"]);
                (judge, Payload::JudgeEvidence(self.judgement()))
            }
            Kind::OrderPayment => ("region", Payload::OrderPayment(self.order())),
            Kind::ReleasePayment => ("bank", Payload::ReleasePayment(self.release())),
            Kind::DeclarePastGrant => (self.random.one(&ORGANISATIONS), Payload::DeclarePastGrant(self.past_grant())),
            Kind::AdvanceClock => {
                let milliseconds = if self.random.in_hundred(10) { 0 } else { 1 + self.random.below(DAY) };
                (self.random.one(&["bank", "region"]), Payload::AdvanceClock(AdvanceClock { milliseconds }))
            }
            Kind::AnnounceReady => self.announcement(),
            Kind::ProposeChange => {
                let proposer = self.random.one(&["foundation", "bank", "region", "federation", "university"]);
                (proposer, Payload::ProposeChange(self.proposal()))
            }
            Kind::CastBallot => (self.random.one(&SEATS), Payload::CastBallot(self.ballot())),
            _ => return None,
        })
    }

    /// The code of an organisation of the fixture; somebody else's if it is none of them.
    pub fn code_of(&self, organisation: Option<OrganisationId>) -> &'static str {
        ORGANISATIONS.into_iter().find(|code| Some(id(code)) == organisation).unwrap_or("asso1")
    }

    pub fn any<R: Record>(&mut self, nothing: R::Key, wanted: impl Fn(&R) -> bool) -> R::Key {
        if self.random.in_hundred(NOWHERE) {
            return nothing;
        }
        let all: Vec<(R::Key, bool)> =
            self.state.all::<R>().map(|(key, record)| (key.clone(), wanted(record))).collect();
        let fitting: Vec<R::Key> = all.iter().filter(|(_, fits)| *fits).map(|(key, _)| key.clone()).collect();
        let fits = !fitting.is_empty() && self.random.in_hundred(92);
        let from = if fits { fitting } else { all.into_iter().map(|(key, _)| key).collect() };
        self.random.pick(&from).unwrap_or(nothing)
    }

    pub fn amount(&mut self, most: u64) -> Amount {
        Amount::eur(if self.random.in_hundred(4) { 0 } else { 1 + self.random.below(most) })
    }

    pub fn fresh(&mut self, what: &str) -> Hash {
        self.memory.made += 1;
        hash("fixture-random", &[what.as_bytes(), &self.memory.made.to_be_bytes(), &self.random.next().to_be_bytes()])
    }

    pub fn today(&self) -> LegalDate {
        LegalDate::at(self.time)
    }

    fn registration(&mut self) -> RegisterOrganisation {
        let secret = match self.random.in_hundred(15) {
            true => key(self.random.one(&ORGANISATIONS)),
            false => SecretKey::from_seed(self.fresh("key").to_bytes()),
        };
        let parent = self.random.in_hundred(40).then(|| id(self.random.one(&ORGANISATIONS)));
        RegisterOrganisation {
            kind: OrganisationKind::Association,
            name: name("Association (invented)"),
            identifiers: vec![],
            territory: None,
            legal_category: None,
            parent,
            offices: vec![OfferedOffice {
                code: OfficeCode::new("main").expect("a code"),
                roles: vec![Role::Beneficiary],
                keys: vec![offer(&secret)],
            }],
            thresholds: vec![],
        }
    }

    /// Keys come, and none that a history signs with goes.
    fn rotation(&mut self) -> RotateKeys {
        let used = self.random.in_hundred(8);
        let secret = if used { key("bank") } else { SecretKey::from_seed(self.fresh("key").to_bytes()) };
        let stranger = key("nobody").public();
        let late = self.random.below(20);
        RotateKeys {
            office: OfficeCode::new("main").expect("a code"),
            add: vec![offer(&secret)],
            remove: if self.random.in_hundred(8) { vec![stranger] } else { vec![] },
            thresholds: vec![],
            from_height: Height(self.state.head().height.0 + 1 + late),
        }
    }

    fn project(&mut self) -> RegisterProject {
        let co_holder = id(self.random.one(&ORGANISATIONS));
        let model = self.any::<Project>(ProjectId::ZERO, |_| true);
        let licence = if self.random.in_hundred(95) { "CC-BY-SA-4.0" } else { "no licence" };
        RegisterProject {
            title: name("Commun (invented)"),
            categories: vec![],
            territory: self.random.in_hundred(50).then(|| TerritoryCode::new("44").expect("a code")),
            licence: Text::new(licence).expect("short"),
            rights: vec![],
            resource: None,
            community: None,
            rules: None,
            co_holders: if self.random.in_hundred(30) { vec![co_holder] } else { vec![] },
            replicates: self.random.in_hundred(30).then_some(model),
        }
    }

    /// The candidate of a pending admission shows itself.
    fn announcement(&mut self) -> (&'static str, Payload) {
        let nothing = (Height(0), ChangeId::ZERO);
        let (_, change) = self.any::<PendingSeat>(nothing, |seat| seat.ready_at.is_none());
        let head = self.state.head();
        let message = ready_message(&self.state.network(), &change, &head.id);
        let secret = if self.random.in_hundred(92) { consensus_key("lab") } else { consensus_key("bank") };
        let signature = secret.sign(&message);
        let act = AnnounceReady { change, block: head.id, block_height: head.height, signature };
        ("lab", Payload::AnnounceReady(act))
    }

    fn proposal(&mut self) -> ProposeChange {
        let role_change = || RoleChange { organisation: id("audit"), role: Role::Reviewer, scope: Scope::Fund(fund()) };
        let change = match self.random.below(8) {
            0 => Content::GrantRole(RoleChange { organisation: id(self.random.one(&ORGANISATIONS)), ..role_change() }),
            1 => Content::RevokeRole(role_change()),
            2 => {
                let call = self.any::<Call>(CallId::ZERO, |call| call.status == CallStatus::Closed);
                Content::AwardGrants(self.awards(call))
            }
            3 => Content::RetireValidator(RetireValidator {
                organisation: id("federation"),
                consensus_key: consensus_key("federation").public(),
                at_height: Height(self.state.head().height.0 + self.random.below(60)),
            }),
            4 | 5 => self.rule_change(),
            _ => Content::SetParameter(SetParameter {
                name: Code::new(self.random.one(&["convention_days", "payout_lag_days", "no_such"])).expect("a code"),
                value: self.random.below(70),
            }),
        };
        let opens_at = BlockTime(self.time.0 + self.random.below(5_000) - u64::from(self.random.in_hundred(3)));
        ProposeChange { change, document: commitment("reasons"), opens_at }
    }

    /// Every admissible application of a call, each with an amount that is often fit.
    fn awards(&mut self, call: CallId) -> AwardGrants {
        let listed: Vec<(ApplicationId, u64)> = self
            .state
            .all::<Application>()
            .filter(|(_, asked)| asked.call == call && asked.is_admissible())
            .map(|(id, asked)| (*id, asked.requested.minor))
            .collect();
        let awards = listed.into_iter().map(|(application, requested)| {
            let amount = match self.random.below(5) {
                0 => 0,
                1 => self.random.below(requested + 2),
                _ => requested,
            };
            Award { application, amount }
        });
        AwardGrants { call, awards: awards.collect(), derogations: vec![] }
    }

    fn ballot(&mut self) -> CastBallot {
        let change = self.any::<Change>(ChangeId::ZERO, |change| change.status == ChangeStatus::Open);
        let choice = self.random.one(&[Choice::Yes, Choice::Yes, Choice::Yes, Choice::No, Choice::Abstain]);
        CastBallot { change, choice, reason: None }
    }

    /// Half of the time the other attestor repeats what the first has said.
    fn attestation(&mut self) -> (&'static str, Payload) {
        let attestor = self.random.one(&["bank", "foundation"]);
        let next = self.state.get::<BankAccount>(&account()).map_or(1, |record| record.sequence + 1);
        let statement = match self.memory.statement.take() {
            Some(statement) if statement.sequence == next && self.random.in_hundred(80) => statement,
            _ => self.statement(),
        };
        self.memory.statement = Some(statement.clone());
        (attestor, Payload::AttestStatement(statement))
    }

    fn statement(&mut self) -> AttestStatement {
        let record = self.state.get::<BankAccount>(&account()).expect("the fixture has an account").clone();
        let entries: Vec<StatementEntry> = (0..self.random.below(4)).map(|_| self.entry()).collect();
        let moved: i64 = entries.iter().map(|entry| entry.amount).sum();
        let spoiled = i64::from(self.random.in_hundred(4));
        AttestStatement {
            account: account(),
            statement_id: Text::new("statement").expect("short"),
            sequence: record.sequence + 1 + u64::from(self.random.in_hundred(4)),
            from: record.to.unwrap_or(self.today()),
            to: self.today(),
            opening: record.balance,
            closing: record.balance + moved + spoiled,
            entries,
            file_hash: FileHash::ZERO,
        }
    }

    fn entry(&mut self) -> StatementEntry {
        let text = format!("{}", self.fresh("entry"));
        let payouts = self.state.all::<Payout>().filter(|(_, payout)| payout.status == PayoutStatus::InTransit);
        let refunds = self.state.all::<Refund>().filter(|(_, refund)| refund.status == RefundStatus::InTransit);
        let leaving: Vec<(Reference, u64)> = payouts
            .map(|(id, payout)| (Payout::reference(id), payout.amount.minor))
            .chain(refunds.map(|(id, refund)| (Refund::reference(id), refund.amount.minor)))
            .collect();
        if let Some((reference, minor)) = self.random.pick(&leaving)
            && self.random.in_hundred(60)
        {
            let minor = if self.random.in_hundred(90) { minor } else { minor + 1 };
            return money::entry(&text, -(minor as i64), Some(reference));
        }
        if self.random.in_hundred(10) {
            return money::entry(&text, -(self.random.below(1_000) as i64), None);
        }
        let promise = self.any::<Promise>(PromiseId::ZERO, |promise| promise.open() > 0);
        let reference = Reference::of(ReferenceKind::Promise, promise.hash());
        let amount = self.amount(2_000_000).minor as i64;
        money::entry(&text, amount, self.random.in_hundred(50).then_some(reference))
    }

    fn promise(&mut self) -> PromiseContribution {
        let past = self.random.in_hundred(5);
        PromiseContribution {
            fund: fund(),
            amount: self.amount(5_000_000),
            due: self.today().plus_days(if past { -1 } else { 30 }).expect("in the calendar"),
            earmark: self.random.in_hundred(50).then(|| envelope(self.random.one(&["commons", "startups", "none"]))),
            conditions: None,
            parent: None,
        }
    }

    fn declaration(&mut self) -> (&'static str, Payload) {
        let royalty = self.random.in_hundred(60);
        let period = if royalty { self.random.one(&["2026Q2", "2026Q3", "2026Q4", "2027Q1"]) } else { "2026" };
        let (payer, schedule) = if royalty { ("reuser", "royalty") } else { ("platform", "dst") };
        let figures = self.figures(money::schedule_code(schedule), period.parse().expect("a period"));
        (payer, Payload::DeclareLevy(figures))
    }

    fn assessment(&mut self) -> (&'static str, Payload) {
        let royalty = money::schedule_code("royalty");
        let nothing = (id("reuser"), royalty, "2026Q4".parse().expect("a period"));
        let key = self.any::<LevyAccount>(nothing, |levy| levy.assessment.is_none());
        let current = self.state.get::<LevyAccount>(&key).and_then(|levy| levy.declaration);
        let stale = self.random.in_hundred(5);
        let declaration = current.filter(|_| !stale).unwrap_or(DeclarationId::ZERO);
        let (payer, schedule, period) = key;
        let authority = if schedule == royalty { "data" } else { "tax" };
        (authority, Payload::AssessLevy(AssessLevy { payer, schedule, period, declaration }))
    }

    fn close(&mut self) -> ClosePeriod {
        let next = self.state.get::<Fund>(&fund()).expect("the fixture has a fund").next_period;
        let period = if self.random.in_hundred(85) { next } else { next.next().expect("in the calendar") };
        ClosePeriod { fund: fund(), period }
    }

    fn call(&mut self) -> octroi_ledger::call::open_call::OpenCall {
        let mut call = call_opened_at(BlockTime(self.time.0 + self.random.below(DAY)));
        call.closes_at = BlockTime(call.opens_at.0 + self.random.below(40 * DAY));
        call.budget = self.amount(30_000_000);
        call.amount_max = Amount::eur(call.amount_max.minor.min(call.budget.minor));
        call
    }

    fn submission(&mut self) -> (&'static str, Payload) {
        let applicant = self.random.one(&APPLICANTS);
        let call = self.any::<Call>(CallId::ZERO, |call| call.status == CallStatus::Open);
        let holder = if self.random.in_hundred(95) { applicant } else { "asso1" };
        let mut act = application(call, ProjectId::new(hash("fixture-project", &[holder.as_bytes()])));
        if self.random.in_hundred(50) {
            self.ask_for_more_or_less(&mut act);
        }
        (applicant, Payload::SubmitApplication(act))
    }

    /// Another amount, in three tranches that are often within the limits of the call.
    pub fn ask_for_more_or_less(&mut self, act: &mut SubmitApplication) {
        let requested = 100 * (900 + self.random.below(20_000));
        let advance = self.random.below(requested * 31 / 100);
        let balance = requested * (19 + self.random.below(30)) / 100;
        act.requested = Amount::eur(requested);
        act.tranches = vec![
            tranche(1, TrancheKind::Advance, advance),
            tranche(2, TrancheKind::Interim, requested - advance - balance),
            tranche(3, TrancheKind::Balance, balance),
        ];
        act.eligible_cost = Amount::eur(requested * (140 + self.random.below(100)) / 100);
    }

    pub fn application_in(&mut self, states: &[ApplicationStatus]) -> ApplicationId {
        self.any::<Application>(ApplicationId::ZERO, |application| states.contains(&application.status))
    }

    fn screening(&mut self) -> ScreenApplication {
        let application = self.application_in(&[ApplicationStatus::Submitted]);
        let code = self.random.one(&[Eligibility::Commons, Eligibility::Sme]);
        ScreenApplication { application, failed: if self.random.in_hundred(20) { vec![code] } else { vec![] } }
    }

    pub fn grant(&mut self, wanted: impl Fn(&Grant) -> bool) -> (GrantId, Option<Grant>) {
        let grant = self.any::<Grant>(GrantId::ZERO, wanted);
        (grant, self.state.get::<Grant>(&grant).cloned())
    }

    fn signature(&mut self) -> (&'static str, Payload) {
        let (grant, record) = self.grant(|grant| grant.status == GrantStatus::Offered);
        let lead = record.as_ref().map(Grant::lead);
        let lead = APPLICANTS.into_iter().find(|code| Some(id(code)) == lead).unwrap_or("asso1");
        let signed = record.and_then(|record| record.convention);
        let date = signed.map_or(self.today(), |convention| convention.date);
        let party = self.random.one(&[lead, "asso2", "region"]);
        let account = if self.random.in_hundred(95) { payee_account() } else { commitment("another") };
        let payee_account = (party != "asso2").then_some(account);
        (
            party,
            Payload::SignConvention(SignConvention {
                grant,
                convention: commitment("convention"),
                date,
                payee_account,
            }),
        )
    }

    /// A tranche with something to do, if there is one.
    pub fn tranche_of(&mut self, record: Option<&Grant>, wanted: impl Fn(&Tranche) -> bool) -> u32 {
        let all: &[Tranche] = record.map_or(&[], |record| &record.tranches);
        let fitting: Vec<u32> = all.iter().filter(|tranche| wanted(tranche)).map(|tranche| tranche.number).collect();
        let otherwise = 1 + self.random.below(4) as u32;
        if self.random.in_hundred(92) { self.random.pick(&fitting).unwrap_or(otherwise) } else { otherwise }
    }

    fn evidence(&mut self) -> (&'static str, Payload) {
        let waits = |tranche: &Tranche| {
            tranche.kind != TrancheKind::Advance
                && tranche.part_in(&[PartStatus::Planned, PartStatus::Rejected]).is_some()
        };
        let (grant, record) = self.grant(|grant| grant.tranches.iter().any(waits));
        let first = record.as_ref().and_then(|record| record.tranches.iter().find(|tranche| waits(tranche)));
        let tranche = match first {
            Some(tranche) if self.random.in_hundred(80) => tranche.number,
            _ => self.tranche_of(record.as_ref(), waits),
        };
        let lead = record.as_ref().map(Grant::lead);
        let lead = APPLICANTS.into_iter().find(|code| Some(id(code)) == lead).unwrap_or("asso1");
        let documents = if self.random.in_hundred(93) { vec![commitment("report")] } else { vec![] };
        let act = SubmitEvidence { grant, tranche, documents, expenses: vec![], in_kind: vec![] };
        (lead, Payload::SubmitEvidence(act))
    }

    fn judgement(&mut self) -> JudgeEvidence {
        let waits = |tranche: &Tranche| tranche.part_in(&[PartStatus::EvidenceSubmitted]).is_some();
        let (grant, record) = self.grant(|grant| grant.tranches.iter().any(waits));
        let tranche = self.tranche_of(record.as_ref(), waits);
        let accepted_ppm = match self.random.below(4) {
            0 => 0,
            1 => self.random.below(1_000_000) as u32,
            _ => 1_000_000,
        };
        let reason = self.random.in_hundred(85).then(|| ReasonCode::new("partly").expect("a code"));
        let accepted_ppm = Ppm::new(accepted_ppm).expect("at most a million");
        JudgeEvidence { grant, tranche, accepted_ppm, reason, comment: commitment("judgement") }
    }

    fn order(&mut self) -> OrderPayment {
        let can_pay = |tranche: &Tranche| tranche.payable_part().is_some();
        let (grant, record) = self.grant(|grant| grant.tranches.iter().any(can_pay));
        let tranche = self.tranche_of(record.as_ref(), can_pay);
        let part = record.as_ref().and_then(|record| record.tranche(tranche)?.payable_part());
        let minor = part.map_or(1, |(_, part)| part.amount);
        let minor = if self.random.in_hundred(93) { minor } else { minor + 1 };
        OrderPayment { grant, tranche, amount: Amount::eur(minor), budget_year: 2027 }
    }

    fn release(&mut self) -> ReleasePayment {
        let ordered = |tranche: &Tranche| tranche.part_in(&[PartStatus::Ordered]).is_some();
        let (grant, record) = self.grant(|grant| grant.tranches.iter().any(ordered));
        let tranche = self.tranche_of(record.as_ref(), ordered);
        let attempts = record.as_ref().and_then(|record| record.tranche(tranche)).map_or(0, |tranche| tranche.attempts);
        let payee = if self.random.in_hundred(95) { payee_account() } else { commitment("another") };
        ReleasePayment {
            grant,
            tranche,
            attempt: attempts + 1 + u32::from(self.random.in_hundred(4)),
            from_account: account(),
            payee_account: payee,
            execution_date: self.today(),
        }
    }

    fn past_grant(&mut self) -> DeclarePastGrant {
        let party = |text: &str| PublishedParty { name: Some(Note::new(text).expect("short")), identifiers: vec![] };
        let nobody = PublishedParty { name: None, identifiers: vec![] };
        let beneficiary = if self.random.in_hundred(90) { party("Association (invented)") } else { nobody };
        DeclarePastGrant {
            file: FileHash::ZERO,
            row: 1 + self.random.below(40) as u32,
            share_number: 1,
            replaces: None,
            funder: party("Mairie (invented)"),
            beneficiary,
            date: PartialDate::new(2019, None, None).expect("a year"),
            decision: None,
            purpose: None,
            amount: Some(Amount::eur(self.random.below(1_000_000))),
            total: None,
            share_ppm: None,
            nature: None,
            conditions: None,
            period: None,
            loan: None,
            guarantee: None,
            in_kind: None,
            in_kind_estimate: None,
            gaps: vec![],
            row_hash: Hash::ZERO,
            parent: None,
        }
    }
}
