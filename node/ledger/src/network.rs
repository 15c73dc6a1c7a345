//! The network itself: its name, whether its clock may be stepped, and how far it was (rulebook §1, dev clock).

use crate::{
    state::{Only, Record},
    wire::{Wire, message},
};
use octroi_primitives::{Height, Name};

message! {
    /// The one record of table `network`.
    pub struct NetworkRecord = NetworkRecord {
        /// Name from genesis.
        pub name: Name,
        /// Development network or live.
        pub dev: NetworkKind,
        /// Milliseconds added to wall clocks.
        pub clock_offset: u64,
        /// Height of the last block that stepped the clock; 0: none.
        pub stepped_at: Height,
    }
}

impl Record for NetworkRecord {
    type Key = Only;
}

/// What a network is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkKind {
    /// Real money.
    Live,
    /// Development: the clock may be stepped, keys may be weakly kept.
    Dev,
}

impl Wire for NetworkKind {
    type Proto = bool;
    fn to_proto(&self) -> bool {
        *self == Self::Dev
    }
    fn from_proto(proto: bool) -> Result<Self, crate::wire::WireError> {
        Ok(if proto { Self::Dev } else { Self::Live })
    }
}
