//! `advance_clock`: steps the clock of a development network, so that a year plays in minutes.
//!
//! - Allowed: an organisation that runs a validator, on a development network, once a block.
//! - Effect: the offset grows from the next block on; everything else is judged as in production.
//! - Source: rulebook §1 (dev clock) and §17, 7f01.

use crate::{
    action::{Action, Effect, Place},
    history::RecordRef,
    network::{NetworkKind, NetworkRecord},
    refusal::{refusals, signer_refusals},
    registry::validator_seat::ValidatorSeat,
    signer::Context,
    state::{Only, Overlay},
    wire::message,
};
use octroi_primitives::*;

/// 400 days.
pub const MAX_STEP_MS: u64 = 400 * 86_400_000;

message! {
    /// The payload.
    pub struct AdvanceClock = AdvanceClock {
        /// How far, 1 ..= 400 days.
        pub milliseconds: u64,
    }

    /// The event.
    pub struct ClockAdvanced = ClockAdvanced {
        /// Who stepped it.
        pub organisation: OrganisationId,
        /// How far.
        pub milliseconds: u64,
        /// The offset from the next block on.
        pub offset: u64,
    }
}

refusals! {
    LimitStep(u64): Limit 1 "{0} ms is outside 1 ms ..= 400 days", "the step is 0 or longer than 400 days";
    signer;
    RoleNotValidator(OrganisationId): Role 2 "organisation {0} runs no validator", "the signer runs no validator";
    StateLive(): State 1 "this is a live network", "the network is live";
    StateTwice(): State 2 "the clock was stepped in this block already", "the clock was stepped in the same block";
    Overflow(): Overflow 1 "the offset leaves its range", "the offset leaves its range";
}
signer_refusals!(Refused);

impl Action for AdvanceClock {
    type Event = ClockAdvanced;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        if (1..=MAX_STEP_MS).contains(&self.milliseconds) { Ok(()) } else { Err(Refused::LimitStep(self.milliseconds)) }
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<ClockAdvanced, Refused> {
        cx.active(state)?;
        // At most 32 validators: a scan is cheap, and this kind is for development.
        if !state.parent().all::<ValidatorSeat>().any(|(_, seat)| seat.organisation == cx.organisation) {
            return Err(Refused::RoleNotValidator(cx.organisation));
        }
        let network = state.get::<NetworkRecord>(&Only).ok_or(Refused::StateLive())?;
        if network.dev != NetworkKind::Dev {
            return Err(Refused::StateLive());
        }
        if network.stepped_at == cx.place.height {
            return Err(Refused::StateTwice());
        }
        // Far below the last legal date, so that no time in the state can pass it.
        let offset =
            network.clock_offset.checked_add(self.milliseconds).filter(|offset| *offset < 1_000 * 366 * 86_400_000);
        Ok(ClockAdvanced {
            organisation: cx.organisation,
            milliseconds: self.milliseconds,
            offset: offset.ok_or(Refused::Overflow())?,
        })
    }
}

impl Effect for ClockAdvanced {
    fn apply(&self, place: &Place, state: &mut Overlay<'_>) {
        state.update::<NetworkRecord>(&Only, |network| {
            network.clock_offset = self.offset;
            network.stepped_at = place.height;
        });
    }

    fn subjects(&self) -> Vec<RecordRef> {
        vec![RecordRef::of::<NetworkRecord>(&Only)]
    }
}
