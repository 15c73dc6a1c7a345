//! Seats of the validator set, and changes of it that wait for their height (rulebook §2; consensus design).

use crate::{
    action::Kind,
    state::{Overlay, Record, State},
    wire::{message, words},
};
use octroi_primitives::*;
use std::collections::BTreeSet;

message! {
    /// Record: a validator; its key is its consensus key, which orders the set.
    pub struct ValidatorSeat = ValidatorSeat {
        /// Who runs it.
        pub organisation: OrganisationId,
        /// Its identity on the network.
        pub network_key: PublicKey,
        /// The college it is counted in.
        pub college: CollegeCode,
        /// When it was last due and another proposed.
        pub missed_at: Option<Height>,
    }

    /// Record: a change of the set that was enacted and takes effect at its height.
    pub struct PendingSeat = PendingSeat {
        /// In or out.
        pub action: SeatAction,
        /// Its consensus key.
        pub consensus_key: PublicKey,
        /// The seat.
        pub seat: ValidatorSeat [required],
        /// When the candidate showed itself.
        pub ready_at: Option<Height>,
    }
}

words! {
    /// What happens to a seat.
    pub enum SeatAction {
        /// It is taken.
        Seat = "seat",
        /// It is left.
        Retire = "retire",
    }
}

impl Record for ValidatorSeat {
    type Key = PublicKey;
}

impl Record for PendingSeat {
    /// (height at which it takes effect, the change).
    type Key = (Height, ChangeId);
}

/// Consensus and network keys of validators, seated or waiting for their height: no office may use them (rulebook §2).
pub(crate) fn keys(state: &Overlay<'_>) -> BTreeSet<PublicKey> {
    let seated = state.range::<ValidatorSeat>(..).into_iter().map(|(key, seat)| [key, seat.network_key]);
    let pending = state.range::<PendingSeat>(..).into_iter();
    let pending = pending.map(|(_, pending)| [pending.consensus_key, pending.seat.network_key]);
    seated.chain(pending).flatten().collect()
}

/// Network keys of validators that wait for their height: they are let in before, so that they can follow.
pub fn pending_network_keys(state: &State) -> Vec<PublicKey> {
    state.all::<PendingSeat>().map(|(_, pending)| pending.seat.network_key).collect()
}

/// The changes that take effect at a height.
pub(crate) fn pending(state: &State, height: Height) -> impl Iterator<Item = ChangeId> {
    state
        .range::<PendingSeat>((height, ChangeId::ZERO)..=(height, ChangeId::from_bytes([0xff; 32])))
        .map(|((_, change), _)| *change)
}

/// The duties of a height, after all timed work.
pub(crate) fn due_at(overlay: &Overlay<'_>, height: Height) -> Vec<(Kind, Hash)> {
    let waiting = overlay.range::<PendingSeat>((height, ChangeId::ZERO)..=(height, ChangeId::from_bytes([0xff; 32])));
    waiting.into_iter().map(|((_, change), _)| (Kind::SeatValidator, *change.hash())).collect()
}
