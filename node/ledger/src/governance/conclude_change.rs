//! `conclude_change`*: the time has come that an enacted change has set. The executor makes it at the start of the first block at or after that time.
//!
//! - Effect: an emergency suspension that nobody has confirmed lapses; keys that were recovered are live from the next height on, in the place of the
//!   office's keys. What cannot be done any more leaves the change not enacted, with its refusal.
//! - Source: rulebook §2 (recovery with a delay), §10 (emergency suspension). Tag 0c0b is appended to the family's list.

use super::{
    change::{Change, ChangeStatus, Content},
    recovery,
    suspension::{in_emergency, lift},
};
use crate::{
    action::{Duty, Effect, Place},
    history::RecordRef,
    refusal::{Reject, refusals},
    registry::organisation::Organisation,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

/// The duty; its object is the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConcludeChange;

impl ConcludeChange {
    /// The object of this duty.
    pub fn object(change: &ChangeId) -> Hash {
        *change.hash()
    }
}

message! {
    /// The event.
    pub struct ChangeConcluded = ChangeConcluded {
        /// The change.
        pub change: ChangeId,
        /// What became of it: enacted, lapsed or not_enacted.
        pub outcome: ChangeStatus,
        /// Whom it is about.
        pub organisation: OrganisationId,
        /// Why it could not be done: a code of this kind.
        pub refusal: Option<u32>,
    }
}

refusals! {
    UnknownChange(ChangeId): Unknown 1 "change {0} does not exist, or sets no time", "the change does not exist, or is of a sort that sets no time";
    StateChange(ChangeId, ChangeStatus): State 1 "change {0} is {1}", "the change waits for no time any more";
    StateOrganisation(OrganisationId): State 2 "organisation {0} has ended, or has no such office", "the organisation has ended meanwhile";
    ThresholdUnreachable(usize, u8): Threshold 1 "there would be {0} keys, a family needs {1}", "a family could no longer sign with the keys that were recovered";
}

impl Duty for ConcludeChange {
    type Event = ChangeConcluded;
    type Refused = Refused;

    fn decide(object: &Hash, place: &Place, state: &Overlay<'_>) -> Result<ChangeConcluded, Refused> {
        let change = ChangeId::new(*object);
        let record = state.get::<Change>(&change).ok_or(Refused::UnknownChange(change))?;
        match &record.content {
            Content::SuspendOrganisation(_) => match in_emergency(&change, state) {
                Some((organisation, _)) => {
                    Ok(ChangeConcluded { change, outcome: ChangeStatus::Lapsed, organisation, refusal: None })
                }
                None => Err(Refused::StateChange(change, record.status)),
            },
            Content::RecoverKeys(asked) if record.status == ChangeStatus::Pending => {
                let refusal = recovery::check(asked, place.height, state).err().map(|refused| refused.doc().code);
                let outcome = if refusal.is_none() { ChangeStatus::Enacted } else { ChangeStatus::NotEnacted };
                Ok(ChangeConcluded { change, outcome, organisation: asked.organisation, refusal })
            }
            Content::RecoverKeys(_) => Err(Refused::StateChange(change, record.status)),
            _ => Err(Refused::UnknownChange(change)),
        }
    }
}

impl Effect for ChangeConcluded {
    fn apply(&self, place: &Place, state: &mut Overlay<'_>) {
        let Self { change, outcome, organisation, refusal } = self;
        let content = state.get::<Change>(change).expect("decide: the change exists").content.clone();
        match &content {
            Content::RecoverKeys(asked) if *outcome == ChangeStatus::Enacted => {
                recovery::take_effect(asked, place.height, state);
            }
            Content::RecoverKeys(asked) => recovery::release(asked, state),
            _ => lift(organisation, state),
        }
        state.update::<Change>(change, |record| {
            record.status = *outcome;
            record.refusal = *refusal;
        });
    }

    fn subjects(&self) -> Vec<RecordRef> {
        vec![RecordRef::of::<Change>(&self.change), RecordRef::of::<Organisation>(&self.organisation)]
    }
}
