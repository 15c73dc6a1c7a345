//! The change `settle_challenge`: what becomes of a challenged matching round (rulebook §9).
//!
//! Without contributions to remove the results are confirmed and paid. With some, they are left out of the formula, everything is counted once more,
//! and those results stand. A removed contribution is still paid to its project, like one of the beneficiary's own group.

use super::{
    challenge_matching::replan,
    round::{Round, RoundProject, RoundStatus},
    round_contribution::RoundContribution,
};
use crate::{
    action::Place,
    governance::{
        change::Mode,
        enact_change::{self, ChangeEnacted},
        motion::{Effects, Fault, Motion, ShapeFault},
        propose_change,
    },
    history::RecordRef,
    registry::project::Project,
    signer::same_group,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;
use std::collections::BTreeSet;

/// Contributions that a change removes, at most.
const REMOVED: usize = 1_000;

message! {
    /// What is asked.
    pub struct SettleChallenge = SettleChallenge {
        /// Which round.
        pub round: RoundId,
        /// Contributions that no longer count; none: the results are confirmed.
        pub removed: Vec<ContributionId>,
    }
}

impl SettleChallenge {
    fn check(&self, state: &Overlay<'_>) -> Result<(), Fault> {
        let Self { round, removed } = self;
        let record =
            state.get::<Round>(round).ok_or_else(|| Fault::Unknown(format!("round {round} does not exist")))?;
        let of_round = |id: &&ContributionId| state.get::<RoundContribution>(id).is_some_and(|it| it.round == *round);
        if let Some(unknown) = removed.iter().find(|id| !of_round(id)) {
            return Err(Fault::Unknown(format!("contribution {unknown} is none of round {round}")));
        }
        if record.status == RoundStatus::Challenged {
            Ok(())
        } else {
            Err(Fault::State(format!("round {round} is {}, not challenged", record.status)))
        }
    }
}

impl Motion for SettleChallenge {
    type Asked = Self;

    fn mode(_: &Self, _: &Overlay<'_>) -> Mode {
        Mode::Majority
    }

    fn elements(asked: &Self) -> usize {
        asked.removed.len()
    }

    fn written(asked: &Self) -> usize {
        2 + asked.removed.len()
    }

    fn validate(asked: &Self) -> Result<(), propose_change::Refused> {
        let distinct: BTreeSet<&ContributionId> = asked.removed.iter().collect();
        if distinct.len() == asked.removed.len() && distinct.len() <= REMOVED {
            Ok(())
        } else {
            Err(ShapeFault::Limit(format!("{} contributions: up to {REMOVED}, each once", asked.removed.len())).into())
        }
    }

    fn known(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        Ok(asked.check(state)?)
    }

    /// The groups that hold a project of the round.
    fn conflicts(asked: &Self, organisation: &OrganisationId, state: &Overlay<'_>) -> bool {
        let (first, last) = (ProjectId::ZERO, ProjectId::from_bytes([0xff; 32]));
        let projects = state.range::<RoundProject>((asked.round, first)..=(asked.round, last));
        projects.iter().any(|((_, project), _)| {
            state.get::<Project>(project).is_some_and(|project| same_group(state, organisation, &project.holder))
        })
    }

    fn target(asked: &Self) -> Option<RecordRef> {
        Some(RecordRef::of::<Round>(&asked.round))
    }

    fn fund(asked: &Self, state: &Overlay<'_>) -> Option<FundCode> {
        state.get::<Round>(&asked.round).map(|round| round.fund)
    }

    fn enact(asked: &Self, _: &ChangeId, _: &Place, state: &Overlay<'_>) -> Result<Effects, enact_change::Refused> {
        asked.check(state)?;
        Ok(Effects::default())
    }

    fn apply(asked: &Self, _: &ChangeEnacted, place: &Place, state: &mut Overlay<'_>) {
        let Self { round, removed } = asked;
        for contribution in removed {
            state.update::<RoundContribution>(contribution, |record| record.removed = true);
        }
        let status = if removed.is_empty() { RoundStatus::Challenged } else { RoundStatus::Counting };
        state.update::<Round>(round, |record| {
            record.decided = true;
            record.cursor = None;
        });
        replan(round, status, place.time, state);
    }

    fn subjects(asked: &Self, _: &ChangeEnacted) -> Vec<RecordRef> {
        asked.removed.iter().map(RecordRef::of::<RoundContribution>).collect()
    }
}
