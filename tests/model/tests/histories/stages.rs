//! Where histories begin: states that real blocks have led to, so that short histories reach the late steps of long procedures.

mod finances;
mod granting;

use crate::{
    generate::SEATS,
    is_generated,
    rules::{INDICATOR, limit},
};
use octroi_ledger::{
    Event, Kind, Payload,
    application::{
        application::Application,
        fixture::{OPEN_DAYS, application, open_call, project, review, screen},
    },
    bank::{match_entry::MatchEntry, matching::Target},
    call::call::{Call, CallStatus},
    contribution::{promise::Promise, promise_contribution::PromiseContribution},
    due,
    finding::open_finding::OpenFinding,
    fixture::{DAY, NAME, Network, account, commitment, consensus_key, fund, id, money, name, network_key},
    governance::{
        cast_ballot::CastBallot,
        change::{AdmitValidator, Award, AwardGrants, Change, Choice, Content, RoleChange, SetParameter},
        propose_change::ProposeChange,
        suspension::{SuspendOrganisation, Urgency},
    },
    grant::{
        fixture::{evidence, judgement, payee_account, signature},
        grant::Grant,
    },
    indicator::{
        indicator::{Direction, Indicator, IndicatorLevel, Measured},
        report_indicator::ReportIndicator,
    },
    registry::{
        college::CollegeSeat,
        role::{Role, Scope},
        validator_seat::PendingSeat,
    },
};
use octroi_primitives::*;

/// Heights from the proposal of a validator to its seat: more than the stages take.
const SEATED_IN: u64 = 100;

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
    let changing = changing(start.clone());
    let quarter_over = quarter_over(start.clone());
    let waiting = waiting(quarter_over.clone());
    let unfiled = unfiled(waiting.clone());
    let old = old(unfiled.clone());
    let going_back = finances::going_back(start.clone());
    let disputed = finances::disputed(start.clone());
    let open = open(start.clone());
    let closing = closing(open.clone());
    let closed = closed(closing.clone());
    let voting = voting(closed.clone());
    let offered = offered(voting.clone());
    let lapsing = lapsing(offered.clone());
    let admission = admission(offered.clone());
    let active = active(offered.clone());
    let paid = granting::paid(active.clone());
    let contested = contested(active.clone());
    let stage = |name, network: Network| {
        network.assert_sound();
        Stage { name, network }
    };
    vec![
        stage("start", start),
        stage("rules changing", changing),
        stage("quarter over", quarter_over),
        stage("quarter not closed", waiting),
        stage("levy not declared", unfiled),
        stage("levy years ago", old),
        stage("money to go back", going_back),
        stage("levy disputed", disputed),
        stage("call open", open),
        stage("call closing", closing),
        stage("call closed", closed),
        stage("changes voted", voting),
        stage("grants offered", offered),
        stage("offers lapsing", lapsing),
        stage("validator admitted", admission),
        stage("grants active", active),
        stage("grants partly paid", paid.clone()),
        stage("grants coming to an end", paid),
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
    network.edit(|state| {
        let definition = Indicator {
            name: name("Users served"),
            unit: Text::new("users").expect("short"),
            direction: Direction::Up,
            scale: 0,
            method: commitment("method"),
            period: PeriodLength::Quarter,
            level: IndicatorLevel::Organisation,
        };
        state.put::<Indicator>(Code::new(INDICATOR).expect("a code"), definition);
        for (college, seat) in [("funders", "bank"), ("commoners", "federation"), ("users", "foundation")] {
            let seat = (CollegeCode::new(college).expect("a code"), id(seat));
            state.update::<CollegeSeat>(&seat, |seat| seat.delegate = true);
        }
    });
    // Duties that have lost their object are refused.
    let soon = BlockTime(network.now().0 + 1_000);
    network.edit(|state| {
        for kind in Kind::ALL.iter().filter(|kind| kind.is_system() && is_generated(**kind)) {
            due::schedule(state, soon, *kind, Hash::ZERO);
        }
    });
    network
}

fn propose(network: &mut Network, proposer: &str, change: Content) -> ChangeId {
    let opens_at = BlockTime(network.now().0 + 1);
    let act = ProposeChange { change, document: commitment("reasons"), opens_at };
    match network.run(proposer, Payload::ProposeChange(act)).expect("it is proposed") {
        Event::ProposeChange(proposed) => proposed.change,
        other => panic!("{other:?}"),
    }
}

/// Three changes by consent take objections, findings wait, values are declared, and an emergency suspension lapses in an hour.
fn changing(mut network: Network) -> Network {
    let suspension = SuspendOrganisation {
        organisation: id("asso2"),
        urgency: Urgency::Emergency,
        reason: ReasonCode::new("fraud").expect("a code"),
    };
    let emergency = propose(&mut network, "bank", Content::SuspendOrganisation(suspension));
    network.heartbeats(1);
    for seat in SEATS {
        let act = CastBallot { change: emergency, choice: Choice::Yes, reason: None };
        network.run(seat, Payload::CastBallot(act)).expect("nobody is conflicted");
    }
    network.advance(DAY);
    network.advance(9 * DAY);
    for proposer in ["region", "federation", "university"] {
        propose(&mut network, proposer, limit(1_000_000));
    }
    network.advance(5 * DAY - 3_600_000);
    for addressee in ["region", "asso1", "foundation"] {
        let finding = OpenFinding {
            fund: fund(),
            addressee: id(addressee),
            code: ReasonCode::new("recommendation").expect("a code"),
            amount: 0,
            text: commitment(addressee),
            answer_by: None,
        };
        network.run("audit", Payload::OpenFinding(finding)).expect("it is opened");
        let report = ReportIndicator {
            indicator: Code::new(INDICATOR).expect("a code"),
            about: Measured::Organisation(id(addressee)),
            period: "2026Q4".parse().expect("a period"),
            value: 5,
            evidence: commitment("evidence"),
        };
        network.run(addressee, Payload::ReportIndicator(report)).expect("it is reported");
    }
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

/// In an hour nobody has closed the quarter for thirty days, promises expire, and a levy is overdue.
fn waiting(mut network: Network) -> Network {
    let end_of_april = money::date(2027, 4, 30);
    for minor in [1_000_000, 2_000_000] {
        let act = PromiseContribution {
            fund: fund(),
            amount: Amount::eur(minor),
            due: end_of_april,
            earmark: None,
            conditions: None,
            parent: None,
        };
        network.run("region", Payload::PromiseContribution(act)).expect("it is promised");
    }
    network.advance_to(BlockTime(end_of_april.plus_days(1).expect("in the calendar").start_time().0 - 3_600_000));
    network
}

/// In an hour a levy that nobody declared is assessed by default.
fn unfiled(mut network: Network) -> Network {
    network.advance(3_600_000);
    network.advance_to(BlockTime(money::date(2027, 6, 1).start_time().0 - 3_600_000));
    network
}

/// In an hour what was never paid or declared of the levies of 2026 is prescribed.
fn old(mut network: Network) -> Network {
    network.advance(3_600_000);
    network.advance_to(BlockTime(money::date(2030, 1, 1).start_time().0 - 3_600_000));
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

/// All applications are reviewed; what the colleges vote on closes in an hour: the award of the call, a parameter, a role, a validator.
fn voting(mut network: Network) -> Network {
    let applications: Vec<ApplicationId> = network.state.all::<Application>().map(|(id, _)| *id).collect();
    for application in &applications {
        screen(&mut network, *application);
        for reviewer in ["federation", "university"] {
            network.run(reviewer, Payload::ReviewApplication(review(*application, 700, 500))).expect("it is reviewed");
        }
    }
    let amount = |position| if position == 0 { 0 } else { 1_000_000 };
    let listed = applications.iter().enumerate();
    let awards = listed.map(|(position, application)| Award { application: *application, amount: amount(position) });
    let reviewer = RoleChange { organisation: id("lab"), role: Role::Reviewer, scope: Scope::Fund(fund()) };
    let at_height = Height(network.state.head().height.0 + SEATED_IN);
    let candidate = consensus_key("lab");
    let lab = AdmitValidator {
        organisation: id("lab"),
        consensus_key: candidate.public(),
        network_key: network_key("lab"),
        possession: prove_possession(&candidate, PossessionPurpose::Consensus, NAME),
        college: CollegeCode::new("commoners").expect("a code"),
        at_height,
    };
    let name = Code::new("payout_lag_days").expect("a code");
    for (proposer, change) in [
        (
            "foundation",
            Content::AwardGrants(AwardGrants {
                call: call_of(&network),
                awards: awards.collect(),
                derogations: vec![],
            }),
        ),
        ("bank", Content::GrantRole(reviewer)),
        ("bank", Content::SetParameter(SetParameter { name, value: 6 })),
        ("bank", Content::AdmitValidator(lab)),
    ] {
        let opens_at = BlockTime(network.now().0 + 1);
        let act = ProposeChange { change, document: commitment("reasons"), opens_at };
        network.run(proposer, Payload::ProposeChange(act)).expect("it is proposed");
    }
    network.heartbeats(1);
    let changes: Vec<ChangeId> = network.state.all::<Change>().map(|(id, _)| *id).collect();
    for change in changes {
        for seat in SEATS {
            let act = CastBallot { change, choice: Choice::Yes, reason: None };
            // Conflicted seats are refused.
            let _ = network.run(seat, Payload::CastBallot(act));
        }
    }
    network.advance(7 * DAY - 3_600_000);
    network
}

/// Every change is enacted: three grants are offered, and a validator is admitted in a few heights.
fn offered(mut network: Network) -> Network {
    network.advance(2 * 3_600_000);
    assert_eq!(network.state.count::<Grant>(), 3, "the award is enacted");
    network
}

/// In an hour three offers lapse.
fn lapsing(mut network: Network) -> Network {
    let last = network.state.all::<Grant>().map(|(_, grant)| grant.sign_before).max().expect("three are offered");
    network.advance_to(BlockTime(last.0 - 3_600_000));
    network
}

/// The admission's height is near.
fn admission(mut network: Network) -> Network {
    let ((height, _), _) = network.state.all::<PendingSeat>().next().expect("an admission is pending");
    let missing = height.0 - network.state.head().height.0;
    network.heartbeats(missing - 6);
    network
}

/// All conventions signed.
fn active(mut network: Network) -> Network {
    for grant in grants(&network) {
        let lead = network.state.get::<Grant>(&grant).expect("it is listed").lead();
        let lead = APPLICANTS.into_iter().find(|code| id(code) == lead).expect("an applicant");
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
        let lead = APPLICANTS.into_iter().find(|code| id(code) == lead).expect("an applicant");
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
