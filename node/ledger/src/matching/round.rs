//! Records: a matching round and its projects, from the opening to the last payment (rulebook §9).

use super::formula::{Limits, ProjectCount};
use crate::{
    accounts::Account,
    application::application::PlannedTranche,
    state::{Overlay, Record},
    wire::{message, words},
};
use octroi_primitives::*;

words! {
    /// Where a round stands. That it is a draft before `opens_at`, and over from `closes_at` on, is judged by time.
    pub enum RoundStatus {
        /// Takes contributions and money inside its window.
        Open = "open",
        /// Closed; contributions are counted.
        Counting = "counting",
        /// The results can be challenged.
        Provisional = "provisional",
        /// The results are frozen until a change decides, or until they stand.
        Challenged = "challenged",
        /// The results stand; projects get their grants.
        Paying = "paying",
        /// Everything is paid.
        Settled = "settled",
    }
}

message! {
    /// Where a settlement goes on.
    pub struct MatchingCursor = MatchingCursor {
        /// With which project.
        pub project: ProjectId,
        /// Minor units of its contributions that are paid.
        pub paid: u64,
        /// The last of them.
        pub after: Option<ContributionId>,
    }

    /// Record: a matching round.
    pub struct Round = Round {
        /// The fund that holds the money.
        pub fund: FundCode,
        /// The envelope that the pool comes from, and its rest goes to.
        pub envelope: EnvelopeCode,
        /// Title.
        pub title: Name,
        /// What there is to match with.
        pub pool: Amount [required],
        /// Counted of a donor group's money to one project, at most.
        pub cap: Amount [required],
        /// Of the pool, to one project, at most.
        pub max_share_ppm: Ppm,
        /// Of what counts, to one project, at most.
        pub multiple_ppm: Factor,
        /// Contributions and money from this time on.
        pub opens_at: BlockTime,
        /// And before this one.
        pub closes_at: BlockTime,
        /// What each grant is split like.
        pub tranches: Vec<PlannedTranche>,
        /// Who may bring contributions of others.
        pub collectors: Vec<OrganisationId>,
        /// Hash of the round's document.
        pub document: Commitment,
        /// Who opened it.
        pub manager: OrganisationId,
        /// Where it stands.
        pub status: RoundStatus,
        /// Where the settlement goes on; `None`: at the first project, or it is over.
        pub cursor: Option<MatchingCursor>,
        /// Whether a change has decided on a challenge: what is counted next stands.
        pub decided: bool,
        /// Minor units that the projects get together.
        pub matched: u64,
        /// When the next step is planned.
        pub next_at: BlockTime,
    }

    /// Record: a project in a round.
    pub struct RoundProject = RoundProject {
        /// Minor units that came in: a running sum.
        pub funded: u64,
        /// Contributions with money.
        pub contributions: u64,
        /// What was counted; `None` before the close.
        pub count: Option<ProjectCount>,
        /// Minor units from the pool.
        pub amount: u64,
    }
}

impl Record for Round {
    type Key = RoundId;
}

impl Record for RoundProject {
    type Key = (RoundId, ProjectId);
}

impl Round {
    /// Whether it takes contributions and money at this time.
    pub fn is_open(&self, time: BlockTime) -> bool {
        self.status == RoundStatus::Open && self.opens_at <= time && time < self.closes_at
    }

    /// The account that holds the pool.
    pub fn pool_account(&self, id: &RoundId) -> Account {
        Account::Matching { fund: self.fund, round: *id.hash() }
    }

    /// The limits on what a project gets.
    pub fn limits(&self) -> Limits {
        Limits { pool: self.pool.minor, max_share: self.max_share_ppm, multiple: self.multiple_ppm }
    }
}

/// The first project of a round at or after one, by id.
pub fn project_from(state: &Overlay<'_>, round: &RoundId, from: ProjectId) -> Option<(ProjectId, RoundProject)> {
    let last = ProjectId::from_bytes([0xff; 32]);
    let found = state.first::<RoundProject>((*round, from)..=(*round, last));
    found.map(|((_, project), record)| (project, record.clone()))
}

/// The first project after one, by id.
pub fn project_after(state: &Overlay<'_>, round: &RoundId, after: ProjectId) -> Option<(ProjectId, RoundProject)> {
    project_from(state, round, next_id(after)?)
}

fn next_id(id: ProjectId) -> Option<ProjectId> {
    let mut bytes = id.to_bytes();
    for byte in bytes.iter_mut().rev() {
        let (next, carried) = byte.overflowing_add(1);
        *byte = next;
        if !carried {
            return Some(ProjectId::from_bytes(bytes));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_after_one_is_its_number_plus_one() {
        let mut bytes = [0; 32];
        bytes[31] = 0xff;
        let next = next_id(ProjectId::from_bytes(bytes)).unwrap().to_bytes();
        assert_eq!((next[30], next[31]), (1, 0));
        assert_eq!(next_id(ProjectId::from_bytes([0xff; 32])), None);
    }
}
