//! Records: a pledge and its money, and the order in which money came in (rulebook §8; I8).

use super::campaign::Campaign;
use crate::{
    accounts::Account,
    action::Place,
    bank::{
        matching::{Destination, MatchedPart},
        owed::{Owed, OwedRefund, RefundCause},
    },
    history::RecordRef,
    registry::organisation::Organisation,
    state::{Overlay, Record},
    wire::{message, words},
};
use octroi_primitives::*;

words! {
    /// Where a pledge stands.
    pub enum PledgeStatus {
        /// Its money is held.
        Open = "open",
        /// Taken back by the pledger.
        Withdrawn = "withdrawn",
        /// Its money is the project's.
        Granted = "granted",
        /// Its money is owed back.
        Refunded = "refunded",
    }
}

message! {
    /// Record: a pledge, or a collector's batch of them.
    pub struct PledgeRecord = PledgeRecord {
        /// To which campaign.
        pub campaign: CampaignId,
        /// The fund that holds the money.
        pub fund: FundCode,
        /// Who pledged.
        pub pledger: OrganisationId,
        /// Donors of a collector's batch; 0: the pledger itself.
        pub donors: u32,
        /// How much.
        pub amount: Amount [required],
        /// Minor units that came in, in time and within the hard cap.
        pub funded: u64,
        /// Minor units that came in and are owed back.
        pub returned: u64,
        /// The bank account that its money came in on last.
        pub account: Option<BankAccountId>,
        /// Its place in the order in which money arrived; `None` before any.
        pub position: Option<u64>,
        /// Where it stands.
        pub status: PledgeStatus,
    }

    /// Record: a pledge with money.
    pub struct FundedPledge = FundedPledge {
        /// Which.
        pub pledge: PledgeId,
    }

    /// Money that came in for a pledge.
    pub struct MatchedPledge = MatchedPledge {
        /// Which.
        pub pledge: PledgeId,
        /// Its campaign.
        pub campaign: CampaignId,
        /// Whose it is.
        pub pledger: OrganisationId,
    }
}

impl Record for PledgeRecord {
    type Key = PledgeId;
}

impl Record for FundedPledge {
    /// Campaign, place in the order of arrival.
    type Key = (CampaignId, u64);
}

impl PledgeRecord {
    /// A pledge that nobody has paid yet.
    pub fn made(campaign: CampaignId, fund: FundCode, pledger: OrganisationId, donors: u32, amount: Amount) -> Self {
        Self {
            campaign,
            fund,
            pledger,
            donors,
            amount,
            funded: 0,
            returned: 0,
            account: None,
            position: None,
            status: PledgeStatus::Open,
        }
    }

    /// Minor units of it that have not come in.
    pub fn open(&self) -> u64 {
        self.amount.minor.saturating_sub(self.funded).saturating_sub(self.returned)
    }

    /// The account that holds its money.
    pub fn escrow(&self, id: &PledgeId) -> Account {
        Account::Escrow { campaign: *self.campaign.hash(), pledge: *id.hash() }
    }

    /// What is held for it: its money while it stands (I8).
    pub fn held(&self) -> u64 {
        match self.status {
            PledgeStatus::Open => self.funded,
            PledgeStatus::Withdrawn | PledgeStatus::Granted | PledgeStatus::Refunded => 0,
        }
    }

    /// All its money, owed back; `None` when none came in.
    pub fn refund(&self, id: &PledgeId, cause: RefundCause) -> Option<OwedRefund> {
        let account = self.account.filter(|_| self.funded > 0)?;
        let (fund, to, amount, object) = (self.fund, self.pledger, self.funded, *id.hash());
        Some(OwedRefund::of_pledge(Owed { fund, to, account, amount, cause, object }))
    }
}

impl MatchedPledge {
    /// The account that holds the money.
    pub fn escrow(&self) -> Account {
        Account::Escrow { campaign: *self.campaign.hash(), pledge: *self.pledge.hash() }
    }
}

/// The parts that `amount` of an entry falls into: what is taken for the pledge, and what comes late or above the hard cap and is owed back.
pub fn take(
    id: &PledgeId,
    entry: EntryKey,
    account: BankAccountId,
    amount: u64,
    place: &Place,
    state: &Overlay<'_>,
) -> Vec<MatchedPart> {
    let Some(pledge) = state.get::<PledgeRecord>(id) else { return Vec::new() };
    let Some(campaign) = state.get::<Campaign>(&pledge.campaign) else { return Vec::new() };
    let in_time = pledge.status == PledgeStatus::Open && campaign.is_open(place.time);
    let taken = if in_time { amount.min(campaign.room()) } else { 0 };
    let mut parts = Vec::new();
    if taken > 0 {
        let (campaign, pledger) = (pledge.campaign, pledge.pledger);
        let to = Destination::Pledge(MatchedPledge { pledge: *id, campaign, pledger });
        parts.push(MatchedPart { entry, amount: taken, to });
    }
    if amount > taken {
        let cause = if in_time { RefundCause::OverCap } else { RefundCause::Late };
        let (fund, to, amount, object) = (pledge.fund, pledge.pledger, amount - taken, *id.hash());
        let owed = OwedRefund::of_entry(&entry, Owed { fund, to, account, amount, cause, object });
        parts.push(MatchedPart { entry, amount, to: Destination::Refund(owed) });
    }
    parts
}

/// Writes that money came in for a pledge.
pub fn fund(matched: &MatchedPledge, account: BankAccountId, amount: u64, state: &mut Overlay<'_>) {
    let MatchedPledge { pledge, campaign, pledger: _ } = matched;
    let mut record = state.get::<PledgeRecord>(pledge).expect("take: the pledge exists").clone();
    let mut target = state.get::<Campaign>(campaign).expect("take: the campaign exists").clone();
    record.funded += amount;
    record.account = Some(account);
    target.funded += amount;
    if record.position.is_none() {
        record.position = Some(target.positions);
        state.put::<FundedPledge>((*campaign, target.positions), FundedPledge { pledge: *pledge });
        target.positions += 1;
    }
    state.put::<PledgeRecord>(*pledge, record);
    state.put::<Campaign>(*campaign, target);
}

/// The records whose story money for a pledge belongs to.
pub fn subjects(matched: &MatchedPledge) -> Vec<RecordRef> {
    let MatchedPledge { pledge, campaign, pledger } = matched;
    vec![
        RecordRef::of::<PledgeRecord>(pledge),
        RecordRef::of::<Campaign>(campaign),
        RecordRef::of::<Organisation>(pledger),
    ]
}
