//! A matching round for tests of kinds: `asso1` and `asso2` take part, `foundation` opens, `lab` collects.

use super::{
    challenge_matching::ChallengeMatching,
    contribute_to_project::ContributeToProject,
    open_matching::OpenMatching,
    round::{Round, RoundProject},
    round_contribution::RoundContribution,
    settle_matching::MatchingSettled,
};
use crate::{
    accounts::Account,
    action::{Event, Payload},
    application::{
        application::TrancheKind,
        fixture::{project, tranche},
    },
    fixture::{
        DAY, IntoPayload, Network, commitment, envelope, fund, id,
        money::{self, entry},
        name,
    },
    grant::fixture::credit,
    receipt::Receipt,
};
use octroi_primitives::*;

/// Days that the round is open.
pub(crate) const OPEN_DAYS: u64 = 30;

impl IntoPayload for OpenMatching {
    fn into_payload(self) -> Payload {
        Payload::OpenMatching(self)
    }
}

impl IntoPayload for ContributeToProject {
    fn into_payload(self) -> Payload {
        Payload::ContributeToProject(self)
    }
}

impl IntoPayload for ChallengeMatching {
    fn into_payload(self) -> Payload {
        Payload::ChallengeMatching(self)
    }
}

/// The envelope that pays.
pub(crate) fn pot() -> Account {
    Account::Envelope { fund: fund(), envelope: envelope("commons") }
}

/// A pool of 10,000 and no limits that bite; opens in the next block.
pub(crate) fn asked(network: &mut Network) -> OpenMatching {
    let mut projects = ["asso1", "asso2"].map(|holder| project(network, holder)).to_vec();
    projects.sort();
    let opens_at = BlockTime(network.now().0 + 1);
    OpenMatching {
        fund: fund(),
        envelope: envelope("commons"),
        title: name("Tour (invented)"),
        pool: Amount::eur(10_000),
        cap: Amount::eur(1_000_000),
        max_share_ppm: Ppm::ONE,
        multiple_ppm: Factor::new(10_000_000).unwrap(),
        opens_at,
        closes_at: BlockTime(opens_at.0 + OPEN_DAYS * DAY),
        projects,
        tranches: vec![tranche(1, TrancheKind::Advance, 1)],
        collectors: vec![id("lab")],
        document: commitment("round"),
    }
}

/// A network with an open round, 20,000 in its envelope before.
pub(crate) fn opened() -> (Network, RoundId) {
    opened_with(|_| ())
}

/// The same, of a payload that is changed.
pub(crate) fn opened_with(change: fn(&mut OpenMatching)) -> (Network, RoundId) {
    let mut network = money::network();
    credit(&mut network, pot(), 20_000);
    let mut asked = asked(&mut network);
    change(&mut asked);
    let Ok(Event::OpenMatching(event)) = network.run("foundation", asked) else { panic!("opened") };
    (network, event.id)
}

/// The project of an organisation.
pub(crate) fn project_of(holder: &str) -> ProjectId {
    ProjectId::new(hash("fixture-project", &[holder.as_bytes()]))
}

/// The payload of a contribution.
pub(crate) fn gift(round: RoundId, holder: &str, minor: u64, donor: Option<&str>) -> ContributeToProject {
    ContributeToProject { round, project: project_of(holder), amount: Amount::eur(minor), donor: donor.map(commitment) }
}

/// A contribution whose money comes in at once.
pub(crate) fn give(
    network: &mut Network,
    round: RoundId,
    giver: &str,
    holder: &str,
    minor: u64,
    donor: Option<&str>,
) -> ContributionId {
    let Ok(Event::ContributeToProject(event)) = network.run(giver, gift(round, holder, minor, donor)) else {
        panic!("contributed")
    };
    pay(network, event.id, minor);
    event.id
}

/// Money comes in with the contribution's reference.
pub(crate) fn pay(network: &mut Network, contribution: ContributionId, minor: u64) {
    let reference = Reference::of(ReferenceKind::Matching, contribution.hash());
    let text = format!("{contribution} {}", network.now());
    network.attest(network.statement(vec![entry(&text, minor as i64, Some(reference))]));
    network.assert_sound();
}

/// The round's record.
pub(crate) fn round(network: &Network, round: RoundId) -> Round {
    network.state.get::<Round>(&round).unwrap().clone()
}

/// A project's record in the round.
pub(crate) fn in_round(network: &Network, round: RoundId, holder: &str) -> RoundProject {
    network.state.get::<RoundProject>(&(round, project_of(holder))).unwrap().clone()
}

/// A contribution's record.
pub(crate) fn record(network: &Network, contribution: ContributionId) -> RoundContribution {
    network.state.get::<RoundContribution>(&contribution).unwrap().clone()
}

/// The steps of the settlement among receipts.
pub(crate) fn steps(receipts: &[Receipt]) -> Vec<MatchingSettled> {
    let events = receipts.iter().filter_map(Receipt::event);
    let steps = events.filter_map(|event| match event {
        Event::SettleMatching(event) => Some(event.clone()),
        _ => None,
    });
    steps.collect()
}

/// A challenge by nobody in particular.
pub(crate) fn challenge(round: RoundId, contributions: Vec<ContributionId>) -> ChallengeMatching {
    ChallengeMatching {
        round,
        contributions,
        reason: ReasonCode::new("collusion").unwrap(),
        statement: commitment("challenge"),
        own: None,
    }
}
