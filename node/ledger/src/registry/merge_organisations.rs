//! `merge_organisations`: one organisation is absorbed by another and becomes an alias of it.
//!
//! - Allowed: an active organisation with the role registrar.
//! - Effect: the absorbed one acts no more; its history and its numbers stay with its id, and queries follow the alias. It belongs to the group of the
//!   one that absorbed it. Who holds a seat of a college or runs a validator hands it on first.
//! - Source: rulebook §2, §4 (0103).

use super::{
    organisation::{Organisation, Status, WAY_MAX, steps_below, way_up},
    register_organisation::depth,
    role::{Role, Scope},
    update_organisation::{SCAN_COST, groups_are_apart, is_seated},
};
use crate::{
    action::{Action, BASE_COST, Effect, Place},
    governance::suspension::forget,
    history::{RecordRef, distinct},
    refusal::{refusals, signer_refusals},
    signer::{Context, group},
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

message! {
    /// The payload.
    pub struct MergeOrganisations = MergeOrganisations {
        /// Who is absorbed.
        pub absorbed: OrganisationId,
        /// By whom.
        pub into: OrganisationId,
        /// Day on which the merger took effect.
        pub on: LegalDate [required],
    }

    /// The event.
    pub struct OrganisationsMerged = OrganisationsMerged {
        /// Who is absorbed.
        pub absorbed: OrganisationId,
        /// By whom.
        pub into: OrganisationId,
        /// Day on which the merger took effect.
        pub on: LegalDate [required],
        /// Who says so.
        pub registrar: OrganisationId,
    }
}

refusals! {
    LimitSelf(OrganisationId): Limit 1 "organisation {0} cannot be merged into itself", "the two organisations are one";
    signer;
    UnknownOrganisation(OrganisationId): Unknown 1 "organisation {0} does not exist", "one of the organisations does not exist";
    SegregationGroup(OrganisationId): Segregation 1 "the group of {0} would run two validators, or sit twice in the colleges", "one group would run two validators, or hold two seats of colleges";
    StateEnded(OrganisationId, Status): State 1 "organisation {0} is {1}", "the absorbed one has ended already, or the other is not active";
    StateControlled(OrganisationId): State 2 "organisation {0} is controlled by the one it is to absorb", "the absorbed one controls the other: move it out of the group first";
    StateSeated(OrganisationId): State 3 "organisation {0} has a seat in a college, or runs a validator", "the absorbed one has a seat in a college or runs a validator";
    StateDepth(OrganisationId): State 4 "with organisation {0} above it the group would be more than 64 deep", "the chain of mergers would be too long";
    DateFuture(LegalDate): Date 1 "{0} is after today", "the day is after that of the block";
}
signer_refusals!(Refused);

impl Action for MergeOrganisations {
    type Event = OrganisationsMerged;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        if self.absorbed == self.into { Err(Refused::LimitSelf(self.into)) } else { Ok(()) }
    }

    /// Reads every organisation.
    fn cost(&self) -> u64 {
        BASE_COST + SCAN_COST
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<OrganisationsMerged, Refused> {
        let Self { absorbed, into, on } = *self;
        cx.authorise(state, Role::Registrar, Scope::Network)?;
        let status = |id: OrganisationId| {
            state.get::<Organisation>(&id).map(|record| record.status).ok_or(Refused::UnknownOrganisation(id))
        };
        let (left, stays) = (status(absorbed)?, status(into)?);
        let controlled = way_up(state, &into).any(|up| up == absorbed);
        if !controlled && group(state, &absorbed) != group(state, &into) {
            let mut trial = state.scratch();
            merge(&absorbed, &into, &mut trial);
            groups_are_apart(&trial).map_err(Refused::SegregationGroup)?;
        }
        if matches!(left, Status::Merged | Status::Closed) {
            return Err(Refused::StateEnded(absorbed, left));
        }
        if stays != Status::Active {
            return Err(Refused::StateEnded(into, stays));
        }
        if controlled {
            return Err(Refused::StateControlled(into));
        }
        if is_seated(state, &absorbed) {
            return Err(Refused::StateSeated(absorbed));
        }
        if depth(state, into) + steps_below(state, &absorbed) > WAY_MAX {
            return Err(Refused::StateDepth(into));
        }
        if on > cx.place.date() {
            return Err(Refused::DateFuture(on));
        }
        Ok(OrganisationsMerged { absorbed, into, on, registrar: cx.organisation })
    }
}

fn merge(absorbed: &OrganisationId, into: &OrganisationId, state: &mut Overlay<'_>) {
    state.update::<Organisation>(absorbed, |record| {
        record.status = Status::Merged;
        record.merged_into = Some(*into);
    });
}

impl Effect for OrganisationsMerged {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let Self { absorbed, into, on: _, registrar: _ } = self;
        // A suspension ends with who was suspended: nothing brings an alias back.
        forget(absorbed, state);
        merge(absorbed, into, state);
    }

    fn subjects(&self) -> Vec<RecordRef> {
        let organisations = [self.absorbed, self.into, self.registrar];
        distinct(organisations.iter().map(RecordRef::of::<Organisation>).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Kind, Payload},
        fixture::{self, IntoPayload, id},
        registry::organisation::successor,
        signer::same_group,
    };

    impl IntoPayload for MergeOrganisations {
        fn into_payload(self) -> Payload {
            Payload::MergeOrganisations(self)
        }
    }

    fn merger(absorbed: &str, into: &str) -> MergeOrganisations {
        MergeOrganisations { absorbed: id(absorbed), into: id(into), on: LegalDate::new(2027, 1, 1).unwrap() }
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let network = fixture::network();
        let mut suspended = network.clone();
        suspended.suspend("bank");
        let mut idle = network.clone();
        idle.suspend("asso2");
        let mut branches = network.clone();
        branches.edit(|state| {
            state.update::<Organisation>(&id("region"), |region| region.parent = Some(id("asso3")));
        });
        // `asso2` was absorbed by one that was absorbed, and so on, 62 times; two more are above and below.
        let mut deep = network.clone();
        deep.edit(|state| {
            let mut alias = state.get::<Organisation>(&id("asso2")).unwrap().clone();
            let step = |i: u8| OrganisationId::from_bytes([i; 32]);
            for i in 1..=62 {
                alias.parent = (i < 62).then(|| step(i + 1));
                state.put::<Organisation>(step(i), alias.clone());
            }
            state.update::<Organisation>(&id("asso2"), |record| record.parent = Some(step(1)));
        });
        let nobody = MergeOrganisations { into: OrganisationId::ZERO, ..merger("asso1", "asso2") };
        let tomorrow = MergeOrganisations { on: network.today().plus_days(1).unwrap(), ..merger("asso1", "asso2") };
        let reached = [
            network.refusal("bank", merger("asso1", "asso1")),
            suspended.refusal("bank", merger("asso1", "asso2")),
            network.refusal("region", merger("asso1", "asso2")),
            network.refusal("bank", nobody),
            branches.refusal("bank", merger("asso3", "bank")),
            idle.refusal("bank", merger("asso1", "asso2")),
            network.refusal("bank", merger("asso1", "asso1_branch")),
            network.refusal("bank", merger("lab", "asso1")),
            deep.refusal("bank", merger("asso1", "asso2")),
            network.refusal("bank", tomorrow),
        ];
        fixture::assert_all_reached(Kind::MergeOrganisations, &reached);
    }

    #[test]
    fn an_absorbed_organisation_is_an_alias_in_the_group_of_the_other_and_acts_no_more() {
        let mut network = fixture::network();
        fixture::assert_round_trips(&merger("asso1", "asso2").into_payload());
        network.run("bank", merger("asso1", "asso2")).unwrap();
        network.run("bank", merger("asso2", "asso3")).unwrap();
        let state = network.state.overlay();
        assert_eq!(successor(&state, &id("asso1")), id("asso3"));
        assert!(same_group(&state, &id("asso1_branch"), &id("asso3")), "whom it controlled follows");
        assert_eq!(network.refusal("bank", merger("asso1", "data")), "StateEnded");
        let entry = network.state.entry::<Organisation>(&id("asso1")).unwrap();
        assert_eq!((entry.record.status, entry.history.count), (Status::Merged, 1));
    }
}
