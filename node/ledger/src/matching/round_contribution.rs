//! Records: a contribution to a project in a matching round, and the index of those with money (rulebook §9; I8).

use super::round::{Round, RoundProject};
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
    /// Where a contribution stands.
    pub enum ContributionStatus {
        /// Its money is held.
        Open = "open",
        /// Its money is the project's.
        Granted = "granted",
    }
}

message! {
    /// Record: a contribution to a project in a round.
    pub struct RoundContribution = RoundContribution {
        /// In which round.
        pub round: RoundId,
        /// To which project.
        pub project: ProjectId,
        /// The fund that holds the money.
        pub fund: FundCode,
        /// Who gives, or collects.
        pub organisation: OrganisationId,
        /// A collector's donor: a salted commitment.
        pub donor: Option<Commitment>,
        /// How much.
        pub amount: Amount [required],
        /// Minor units that came in in time.
        pub funded: u64,
        /// Minor units that came in and are owed back.
        pub returned: u64,
        /// A change has removed it from the formula.
        pub removed: bool,
        /// Where it stands.
        pub status: ContributionStatus,
    }

    /// Record: nothing but its key; it is there for a contribution with money.
    pub struct FundedContribution = FundedContribution {}

    /// Money that came in for a contribution.
    pub struct MatchedContribution = MatchedContribution {
        /// Which.
        pub contribution: ContributionId,
        /// Its round.
        pub round: RoundId,
        /// Its project.
        pub project: ProjectId,
        /// Who gives, or collects.
        pub donor: OrganisationId,
    }
}

impl Record for RoundContribution {
    type Key = ContributionId;
}

impl Record for FundedContribution {
    type Key = (RoundId, ProjectId, ContributionId);
}

impl RoundContribution {
    /// Minor units of it that have not come in.
    pub fn open(&self) -> u64 {
        self.amount.minor.saturating_sub(self.funded).saturating_sub(self.returned)
    }

    /// The account that holds its money.
    pub fn escrow(&self, id: &ContributionId) -> Account {
        Account::Escrow { campaign: *self.round.hash(), pledge: *id.hash() }
    }

    /// What is held for it: its money until it is paid (I8).
    pub fn held(&self) -> u64 {
        match self.status {
            ContributionStatus::Open => self.funded,
            ContributionStatus::Granted => 0,
        }
    }
}

impl MatchedContribution {
    /// The account that holds the money.
    pub fn escrow(&self) -> Account {
        Account::Escrow { campaign: *self.round.hash(), pledge: *self.contribution.hash() }
    }
}

/// The parts that `amount` of an entry falls into: it counts in the window, or comes late and is owed back.
pub fn take(
    id: &ContributionId,
    entry: EntryKey,
    account: BankAccountId,
    amount: u64,
    place: &Place,
    state: &Overlay<'_>,
) -> Vec<MatchedPart> {
    let Some(record) = state.get::<RoundContribution>(id) else { return Vec::new() };
    let RoundContribution { round, project, fund, organisation, .. } = *record;
    let in_time = state.get::<Round>(&round).is_some_and(|round| round.is_open(place.time));
    let to = if in_time {
        Destination::Contribution(MatchedContribution { contribution: *id, round, project, donor: organisation })
    } else {
        let (to, cause, object) = (organisation, RefundCause::Late, *id.hash());
        Destination::Refund(OwedRefund::of_entry(&entry, Owed { fund, to, account, amount, cause, object }))
    };
    vec![MatchedPart { entry, amount, to }]
}

/// Writes that money came in for a contribution.
pub fn fund(matched: &MatchedContribution, amount: u64, state: &mut Overlay<'_>) {
    let MatchedContribution { contribution, round, project, donor: _ } = matched;
    let first = state.get::<RoundContribution>(contribution).is_some_and(|record| record.funded == 0);
    state.update::<RoundContribution>(contribution, |record| record.funded += amount);
    state.update::<RoundProject>(&(*round, *project), |record| {
        record.funded += amount;
        record.contributions += u64::from(first);
    });
    if first {
        state.put::<FundedContribution>((*round, *project, *contribution), FundedContribution {});
    }
}

/// Contributions of a project with money, after one, at most so many, by id.
pub fn funded_after(
    state: &Overlay<'_>,
    round: &RoundId,
    project: &ProjectId,
    after: Option<ContributionId>,
    most: usize,
) -> Vec<(ContributionId, RoundContribution)> {
    use core::ops::Bound;
    let last = Bound::Included((*round, *project, ContributionId::from_bytes([0xff; 32])));
    let mut from = match after {
        Some(after) => Bound::Excluded((*round, *project, after)),
        None => Bound::Included((*round, *project, ContributionId::ZERO)),
    };
    let mut found = Vec::new();
    while found.len() < most {
        let Some((key, _)) = state.first::<FundedContribution>((from, last)) else { break };
        if let Some(record) = state.get::<RoundContribution>(&key.2) {
            found.push((key.2, record.clone()));
        }
        from = Bound::Excluded(key);
    }
    found
}

/// The records whose story money for a contribution belongs to.
pub fn subjects(matched: &MatchedContribution) -> Vec<RecordRef> {
    let MatchedContribution { contribution, round: _, project: _, donor } = matched;
    vec![RecordRef::of::<RoundContribution>(contribution), RecordRef::of::<Organisation>(donor)]
}
