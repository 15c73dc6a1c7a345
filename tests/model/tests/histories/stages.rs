//! Where histories begin: states that real blocks have led to, so that short histories reach the late steps of long procedures.

use octroi_ledger::{
    accounts::{self, Movement},
    action::{Payload, Place},
    application::{
        application::Application,
        fixture::{OPEN_DAYS, application, open_call, project, review, screen},
    },
    bank::{match_entry::MatchEntry, matching::Target},
    call::call::{Call, CallStatus},
    contribution::promise::Promise,
    fixture::{DAY, Network, account, fund, money},
    grant::{
        self,
        fixture::{evidence, judgement, payee_account, signature},
        grant::Grant,
    },
};
use octroi_primitives::*;

/// Who holds a project in every stage.
pub const APPLICANTS: [&str; 6] = ["asso1", "asso1_branch", "asso3", "reuser", "platform", "lab"];

/// A state with its name.
pub struct Stage {
    pub name: &'static str,
    pub network: Network,
}

/// All stages.
pub fn all() -> Vec<Stage> {
    let start = start();
    let quarter_over = quarter_over(start.clone());
    let open = open(start.clone());
    let closing = closing(open.clone());
    let closed = closed(closing.clone());
    let offered = offered(closed.clone());
    let active = active(offered.clone());
    let contested = contested(active.clone());
    let stage = |name, network: Network| {
        network.assert_sound();
        Stage { name, network }
    };
    vec![
        stage("start", start),
        stage("quarter over", quarter_over),
        stage("call open", open),
        stage("call closing", closing),
        stage("call closed", closed),
        stage("grants offered", offered),
        stage("grants active", active),
        stage("evidence contested", contested),
    ]
}

/// Earmarked and free money, some in suspense, an assessed levy.
fn start() -> Network {
    let mut network = money::network();
    let earmarked = network.promise(40_000_000, Some("commons"));
    let free = network.promise(5_000_000, None);
    let reference = |promise: PromiseId| Some(Reference::of(ReferenceKind::Promise, promise.hash()));
    network.receive("earmarked", 30_000_000, reference(earmarked));
    network.receive("free", 3_000_000, reference(free));
    network.receive("unknown", 1_000_000, None);
    network.assess_calls("2026Q4", 50_000_000);
    network.declare_calls("2026Q3", 7_000_000);
    network
}

/// The first quarter is over and attested to its end; nothing is left in suspense for long.
fn quarter_over(mut network: Network) -> Network {
    let (free, _) = network.state.all::<Promise>().find(|(_, promise)| promise.earmark.is_none()).expect("promised");
    let targets = vec![money::target(Target::Promise(*free), 1_000_000)];
    let act = MatchEntry { account: account(), entry: money::entry_key("unknown"), targets };
    network.run("bank", Payload::MatchEntry(act)).expect("it is matched");
    network.advance(89 * DAY);
    network.attest(network.statement(vec![]));
    network
}

/// A call takes applications; another was cancelled.
fn open(mut network: Network) -> Network {
    for holder in APPLICANTS {
        project(&mut network, holder);
    }
    let cancelled = open_call(&mut network);
    network.edit(|state| state.update::<Call>(&cancelled, |call| call.status = CallStatus::Cancelled));
    open_call(&mut network);
    network
}

fn call_of(network: &Network) -> CallId {
    *network.state.all::<Call>().find(|(_, call)| call.status != CallStatus::Cancelled).expect("a call was opened").0
}

/// Four organisations have applied, and the call closes in an hour.
fn closing(mut network: Network) -> Network {
    let call = call_of(&network);
    for applicant in ["asso1", "asso3", "reuser", "platform"] {
        let project = ProjectId::new(hash("fixture-project", &[applicant.as_bytes()]));
        network.run(applicant, Payload::SubmitApplication(application(call, project))).expect("it applies");
    }
    network.advance(OPEN_DAYS * DAY - 3_600_000);
    network
}

fn closed(mut network: Network) -> Network {
    network.advance(2 * 3_600_000);
    network
}

/// All applications reviewed, three of them offered a grant.
fn offered(mut network: Network) -> Network {
    let applications: Vec<ApplicationId> = network.state.all::<Application>().map(|(id, _)| *id).collect();
    for application in &applications {
        screen(&mut network, *application);
        for reviewer in ["federation", "university"] {
            network.run(reviewer, Payload::ReviewApplication(review(*application, 700, 500))).expect("it is reviewed");
        }
    }
    let (time, height) = (network.now(), network.state.head().height);
    let call = call_of(&network);
    network.edit(|state| {
        grant::refuse(state, &applications[0]);
        for application in &applications[1..] {
            let place = Place { height, time, receipt: 0, transaction: TransactionId::new(*application.hash()) };
            let offer = grant::offer(state, &place, 0, *application, 1_000_000).expect("it can be awarded");
            let mut movement = Movement::in_fund(fund());
            offer.encumber(&mut movement);
            let postings = movement.check(state).expect("the envelope holds enough");
            accounts::post(state, &postings);
            offer.apply(&ChangeId::ZERO, state);
        }
        state.update::<Call>(&call, |call| call.status = CallStatus::Decided);
    });
    network
}

/// All conventions signed.
fn active(mut network: Network) -> Network {
    for grant in grants(&network) {
        let lead = network.state.get::<Grant>(&grant).expect("it is listed").lead();
        let lead = APPLICANTS.into_iter().find(|code| octroi_ledger::fixture::id(code) == lead).expect("an applicant");
        for (party, account) in [("asso2", None), ("region", Some(payee_account())), (lead, Some(payee_account()))] {
            let act = signature(&network, grant, account);
            network.run(party, Payload::SignConvention(act)).expect("it signs");
        }
    }
    network
}

/// Evidence of every grant was rejected three times and is sent a fourth time.
fn contested(mut network: Network) -> Network {
    for grant in grants(&network) {
        let lead = network.state.get::<Grant>(&grant).expect("it is listed").lead();
        let lead = APPLICANTS.into_iter().find(|code| octroi_ledger::fixture::id(code) == lead).expect("an applicant");
        for round in 0..4 {
            network.run(lead, Payload::SubmitEvidence(evidence(grant, 2))).expect("it reports");
            if round < 3 {
                for judge in ["federation", "university"] {
                    network.run(judge, Payload::JudgeEvidence(judgement(grant, 2, 0))).expect("it judges");
                }
            }
        }
    }
    network
}

fn grants(network: &Network) -> Vec<GrantId> {
    network.state.all::<Grant>().map(|(id, _)| *id).collect()
}
