//! Calls, projects and applications for tests of kinds, and how the order of a kind's refusals is tested.

use super::{
    application::{Application, Partner, PlannedTranche, Score, TrancheKind},
    review_application::ReviewApplication,
    screen_application::ScreenApplication,
    submit_application::SubmitApplication,
};
use crate::{
    action::{Event, Kind, Payload},
    call::{
        call::{Criterion, Eligibility},
        open_call::OpenCall,
    },
    fixture::{DAY, Network, assert_all_reached, commitment, envelope, fund, id, key, name, variant},
    registry::{
        organisation::{Organisation, Status},
        project::Project,
    },
};
use octroi_primitives::*;

/// Days that the call of the fixture is open.
pub const OPEN_DAYS: u64 = 30;

/// An act with everything wrong that can be, cured step by step: each refusal must come while all later faults are still there.
pub struct Trial<A> {
    /// The network it is tried on.
    pub network: Network,
    /// Who signs.
    pub signer: &'static str,
    /// With which keys.
    pub keys: Vec<PublicKey>,
    /// What is asked.
    pub act: A,
}

impl<A> Trial<A> {
    /// Signs without any key, by a suspended organisation; [`Trial::reinstate`] and [`Trial::sign`] cure that.
    pub fn faulty(mut network: Network, signer: &'static str, act: A) -> Self {
        network.suspend(signer);
        Self { network, signer, keys: vec![], act }
    }

    /// The signer is active again.
    pub fn reinstate(&mut self) {
        self.status(self.signer, Status::Active);
    }

    /// Sets the status of an organisation.
    pub fn status(&mut self, organisation: &str, status: Status) {
        self.network.edit(|state| state.update::<Organisation>(&id(organisation), |record| record.status = status));
    }

    /// Signs with the signer's own key.
    pub fn sign(&mut self) {
        self.keys = vec![key(self.signer).public()];
    }

    /// Lets another organisation sign.
    pub fn sign_as(&mut self, signer: &'static str) {
        self.signer = signer;
        self.sign();
    }
}

/// What is refused now, and what cures it.
pub type Step<A> = (&'static str, fn(&mut Trial<A>));

/// Every refusal of the kind is reached in the order of its list, and without faults it is applied.
pub fn assert_precedence<A: Clone>(
    kind: Kind,
    mut trial: Trial<A>,
    wrap: fn(A) -> Payload,
    steps: &[Step<A>],
) -> Event {
    let mut reached = Vec::new();
    for (expected, cure) in steps {
        let payload = wrap(trial.act.clone());
        let found = variant(trial.network.decide_as(id(trial.signer), &trial.keys, payload));
        assert_eq!(found, *expected, "after {reached:?}");
        reached.push(found);
        cure(&mut trial);
    }
    assert_all_reached(kind, &reached);
    trial.network.decide_as(id(trial.signer), &trial.keys, wrap(trial.act)).expect("nothing is wrong any more")
}

/// A call that `foundation` opens in the next block, for 30 days.
pub fn call_opened_at(opens_at: BlockTime) -> OpenCall {
    OpenCall {
        fund: fund(),
        envelope: envelope("commons"),
        title: name("Communs (invented)"),
        budget: Amount::eur(20_000_000),
        categories: vec![],
        territory: Some(TerritoryCode::new("52").unwrap()),
        opens_at,
        closes_at: BlockTime(opens_at.0 + OPEN_DAYS * DAY),
        eligibility: vec![Eligibility::Commons, Eligibility::NonProfit],
        criteria: [("impact", 600_000), ("openness", 400_000)]
            .map(|(code, ppm)| Criterion {
                code: CriterionCode::new(code).unwrap(),
                weight_ppm: Ppm::new(ppm).unwrap(),
            })
            .to_vec(),
        amount_min: Amount::eur(100_000),
        amount_max: Amount::eur(8_000_000),
        rate_max_ppm: Ppm::new(700_000).unwrap(),
        months_max: 18,
        advance_max_ppm: Ppm::new(300_000).unwrap(),
        retention_min_ppm: Ppm::new(200_000).unwrap(),
        reviews: 2,
        licences: vec![Text::new("CC-BY-SA-4.0").unwrap()],
        document: commitment("call"),
    }
}

/// Opens the call.
pub fn open_call(network: &mut Network) -> CallId {
    let opens_at = BlockTime(network.now().0 + 1);
    match network.run("foundation", Payload::OpenCall(call_opened_at(opens_at))) {
        Ok(Event::OpenCall(opened)) => opened.id,
        other => panic!("{other:?}"),
    }
}

/// A project in territory 44 with a licence that the call accepts.
pub fn project(network: &mut Network, holder: &str) -> ProjectId {
    let project = ProjectId::new(hash("fixture-project", &[holder.as_bytes()]));
    let record = Project {
        holder: id(holder),
        title: name("Carte (invented)"),
        categories: vec![],
        rights: vec![],
        resource: None,
        community: None,
        rules: None,
        replicates: None,
        clause: None,
        territory: Some(TerritoryCode::new("44").unwrap()),
        licence: Text::new("CC-BY-SA-4.0").unwrap(),
        co_holders: vec![],
    };
    network.edit(|state| state.put::<Project>(project, record));
    project
}

/// A tranche due in 2027 that needs one document unless it is an advance.
pub fn tranche(number: u32, kind: TrancheKind, minor: u64) -> PlannedTranche {
    PlannedTranche {
        number,
        kind,
        amount: Amount::eur(minor),
        due: LegalDate::new(2027, 12, 1).unwrap(),
        budget_year: 2027,
        criteria: commitment("criteria"),
        evidence_needed: u32::from(kind != TrancheKind::Advance),
    }
}

/// An application for 10,000.00 EUR in three tranches, with `asso2` as a partner of 30 %.
pub fn application(call: CallId, project: ProjectId) -> SubmitApplication {
    SubmitApplication {
        call,
        project,
        title: name("Carte ouverte (invented)"),
        requested: Amount::eur(1_000_000),
        eligible_cost: Amount::eur(2_000_000),
        months: 12,
        co_funding: vec![],
        tranches: vec![
            tranche(1, TrancheKind::Advance, 300_000),
            tranche(2, TrancheKind::Interim, 400_000),
            tranche(3, TrancheKind::Balance, 300_000),
        ],
        partners: vec![Partner { organisation: id("asso2"), share_ppm: Ppm::new(300_000).unwrap() }],
        territory: None,
        dossier: commitment("dossier"),
        lead_share_ppm: Ppm::new(700_000).unwrap(),
    }
}

/// `asso1` applies with a project of its own.
pub fn submit(network: &mut Network, call: CallId) -> ApplicationId {
    let project = project(network, "asso1");
    match network.run("asso1", Payload::SubmitApplication(application(call, project))) {
        Ok(Event::SubmitApplication(submitted)) => submitted.id,
        other => panic!("{other:?}"),
    }
}

/// A network with a closed call and the submitted application of `asso1`.
pub fn submitted() -> (Network, CallId, ApplicationId) {
    let mut network = crate::fixture::network();
    let call = open_call(&mut network);
    let application = submit(&mut network, call);
    network.advance(OPEN_DAYS * DAY);
    (network, call, application)
}

/// `foundation` finds the application admissible.
pub fn screen(network: &mut Network, application: ApplicationId) {
    let screening = ScreenApplication { application, failed: vec![] };
    network.run("foundation", Payload::ScreenApplication(screening)).unwrap();
}

/// A review with these scores for impact and openness.
pub fn review(application: ApplicationId, impact: u32, openness: u32) -> ReviewApplication {
    let score = |code: &str, score| Score { criterion: CriterionCode::new(code).unwrap(), score };
    ReviewApplication {
        application,
        scores: vec![score("openness", openness), score("impact", impact)],
        no_conflict: true,
        comment: commitment("review"),
    }
}

/// A network with an application that has two reviews.
pub fn reviewed() -> (Network, CallId, ApplicationId) {
    let (mut network, call, application) = submitted();
    screen(&mut network, application);
    for reviewer in ["federation", "university"] {
        network.run(reviewer, Payload::ReviewApplication(review(application, 800, 600))).unwrap();
    }
    (network, call, application)
}

/// The record of an application.
pub fn record(network: &Network, application: ApplicationId) -> Application {
    network.state.get::<Application>(&application).unwrap().clone()
}
