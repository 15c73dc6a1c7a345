//! The order of a call's applications by score, and who goes first in a tie (rulebook §7, award).
//!
//! A tie goes to the application whose territory had less per head from earlier grants, then to the earlier submission. It is what a programme
//! manager proposes from; the colleges decide. Past funding is what grants on this ledger came to, lapsed ones apart; heads are the
//! population of the application's territory itself. An application without a territory, or of one that nobody lives in, comes after those it ties with.

use super::application::{Application, of_call};
use crate::{
    grant::grant::{Grant, GrantStatus},
    registry::territory::Territory,
    state::Overlay,
};
use core::cmp::Ordering;
use octroi_primitives::*;
use std::collections::BTreeMap;

/// What a territory had, and over how many heads; compared exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PerHead {
    funding: u128,
    heads: u64,
}

impl PerHead {
    /// Less per head first; nowhere last.
    fn compare(&self, other: &Self) -> Ordering {
        match (self.heads, other.heads) {
            (0, 0) => Ordering::Equal,
            (0, _) => Ordering::Greater,
            (_, 0) => Ordering::Less,
            // Funding is below 2^64 grants of 10^15, heads below 2^64: the sums of real ledgers stay far below the bound of saturation.
            _ => {
                let (one, another) = (u128::from(other.heads), u128::from(self.heads));
                self.funding.saturating_mul(one).cmp(&other.funding.saturating_mul(another))
            }
        }
    }
}

/// The admissible applications of a call that have a score, best first.
pub fn ranked(state: &Overlay<'_>, call: &CallId) -> Vec<ApplicationId> {
    let funding = past_funding(state);
    let per_head = |application: &Application| {
        let territory = application.acts_in(state);
        let heads = territory.and_then(|code| state.get::<Territory>(&code)).map_or(0, |record| record.population);
        PerHead { funding: territory.and_then(|code| funding.get(&code).copied()).unwrap_or(0), heads }
    };
    let scored = of_call(state, call).into_iter().filter(|(_, application)| application.is_admissible());
    let mut ranked: Vec<_> = scored
        .filter_map(|(id, application)| {
            application.score.map(|score| (score, per_head(&application), application.number, id))
        })
        .collect();
    ranked.sort_by(|(score, per_head, number, _), (other_score, other_per_head, other_number, _)| {
        other_score.cmp(score).then_with(|| per_head.compare(other_per_head)).then(number.cmp(other_number))
    });
    ranked.into_iter().map(|(.., id)| id).collect()
}

/// Minor units that grants came to, by the territory of their applications. Reads all grants.
fn past_funding(state: &Overlay<'_>) -> BTreeMap<TerritoryCode, u128> {
    let mut funding = BTreeMap::new();
    for (_, grant) in state.range::<Grant>(..) {
        let application = state.get::<Application>(&grant.application);
        let territory = application.and_then(|application| application.acts_in(state));
        if let Some(territory) = territory
            && grant.status != GrantStatus::Lapsed
        {
            *funding.entry(territory).or_default() += u128::from(grant.total());
        }
    }
    funding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        application::{application::ApplicationStatus, fixture::*},
        fixture::Network,
        grant::fixture::offered,
    };

    /// A call with one application for each territory, all with the same score, in the order of arrival.
    fn tied(network: &mut Network, territories: &[Option<&str>]) -> (CallId, Vec<ApplicationId>) {
        let call = open_call(network);
        let first = submit(network, call);
        let template = record(network, first);
        let ids: Vec<ApplicationId> =
            (1..=territories.len() as u8).map(|number| ApplicationId::from_bytes([number; 32])).collect();
        network.edit(|state| {
            for ((id, territory), number) in ids.iter().zip(territories).zip(1..) {
                let territory = territory.map(|code| TerritoryCode::new(code).unwrap());
                let project = ProjectId::ZERO;
                let application = Application {
                    number,
                    territory,
                    project,
                    score: Some(700),
                    status: ApplicationStatus::UnderReview,
                    ..template.clone()
                };
                state.put::<Application>(*id, application);
                let listed = super::super::application::CallApplication { application: *id };
                state.put::<super::super::application::CallApplication>((call, number), listed);
            }
        });
        (call, ids)
    }

    #[test]
    fn a_tie_goes_to_the_territory_with_less_per_head_then_to_the_earlier_submission() {
        // Grants of 10,000.00 went to 44, 1,413,341 heads; nothing to 49.
        let (mut network, _) = offered();
        let (call, ids) = tied(&mut network, &[None, Some("44"), Some("49"), Some("49")]);
        let order = ranked(&network.state.overlay(), &call);
        assert_eq!(order, [ids[2], ids[3], ids[1], ids[0]]);
    }

    #[test]
    fn a_better_score_goes_first_whatever_the_territory_had() {
        let (mut network, _) = offered();
        let (call, ids) = tied(&mut network, &[Some("49"), Some("44")]);
        network.edit(|state| state.update::<Application>(&ids[1], |application| application.score = Some(701)));
        assert_eq!(ranked(&network.state.overlay(), &call), [ids[1], ids[0]]);
        network.edit(|state| {
            state.update::<Application>(&ids[1], |application| application.status = ApplicationStatus::Withdrawn)
        });
        assert_eq!(ranked(&network.state.overlay(), &call), [ids[0]]);
    }

    #[test]
    fn funding_per_head_is_compared_exactly() {
        let of = |funding, heads| PerHead { funding, heads };
        assert_eq!(of(10, 3).compare(&of(33, 10)), Ordering::Greater);
        assert_eq!(of(10, 3).compare(&of(20, 6)), Ordering::Equal);
        assert_eq!(of(0, 0).compare(&of(9, 1)), Ordering::Greater);
    }
}
