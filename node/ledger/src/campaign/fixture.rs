//! A campaign for tests of kinds: `asso1` needs 1,000 minor units, `foundation` opens, `lab` collects.

use super::{
    campaign::Campaign,
    open_campaign::OpenCampaign,
    pledge::Pledge,
    pledge_batch::{Donor, PledgeBatch},
    pledge_record::PledgeRecord,
};
use crate::{
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
};
use octroi_primitives::*;

/// Days that the campaign is open.
pub(crate) const OPEN_DAYS: u64 = 30;

impl IntoPayload for OpenCampaign {
    fn into_payload(self) -> Payload {
        Payload::OpenCampaign(self)
    }
}

impl IntoPayload for Pledge {
    fn into_payload(self) -> Payload {
        Payload::Pledge(self)
    }
}

impl IntoPayload for PledgeBatch {
    fn into_payload(self) -> Payload {
        Payload::PledgeBatch(self)
    }
}

/// Goal 1,000, hard cap 1,500, least pledge 10; opens in the next block.
pub(crate) fn asked(network: &mut Network) -> OpenCampaign {
    let project = project(network, "asso1");
    let opens_at = BlockTime(network.now().0 + 1);
    OpenCampaign {
        fund: fund(),
        envelope: envelope("commons"),
        project,
        title: name("Atlas (invented)"),
        goal: Amount::eur(1_000),
        hard_cap: Amount::eur(1_500),
        min_pledge: Amount::eur(10),
        opens_at,
        closes_at: BlockTime(opens_at.0 + OPEN_DAYS * DAY),
        tranches: vec![tranche(1, TrancheKind::Advance, 300), tranche(2, TrancheKind::Balance, 700)],
        collectors: vec![id("lab")],
        document: commitment("campaign"),
    }
}

/// A network with an open campaign.
pub(crate) fn opened() -> (Network, CampaignId) {
    let mut network = money::network();
    let asked = asked(&mut network);
    let Ok(Event::OpenCampaign(event)) = network.run("foundation", asked) else { panic!("opened") };
    (network, event.id)
}

/// A pledge.
pub(crate) fn pledge(network: &mut Network, campaign: CampaignId, pledger: &str, minor: u64) -> PledgeId {
    match network.run(pledger, Pledge { campaign, amount: Amount::eur(minor) }) {
        Ok(Event::Pledge(event)) => event.id,
        other => panic!("{other:?}"),
    }
}

/// The payload of a batch.
pub(crate) fn batch(campaign: CampaignId, amounts: &[u64]) -> PledgeBatch {
    let donor =
        |(index, amount): (usize, &u64)| Donor { commitment: commitment(&format!("donor {index}")), amount: *amount };
    PledgeBatch { campaign, donors: amounts.iter().enumerate().map(donor).collect() }
}

/// Money comes in with the pledge's reference.
pub(crate) fn pay(network: &mut Network, text: &str, pledge: PledgeId, minor: u64) {
    let reference = Reference::of(ReferenceKind::Pledge, pledge.hash());
    network.attest(network.statement(vec![entry(text, minor as i64, Some(reference))]));
    network.assert_sound();
}

/// A pledge's record.
pub(crate) fn record(network: &Network, pledge: PledgeId) -> PledgeRecord {
    network.state.get::<PledgeRecord>(&pledge).unwrap().clone()
}

/// The campaign's record.
pub(crate) fn campaign(network: &Network, campaign: CampaignId) -> Campaign {
    network.state.get::<Campaign>(&campaign).unwrap().clone()
}
