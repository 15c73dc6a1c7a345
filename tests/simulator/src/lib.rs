//! A whole network in one thread: the shipped [`octroi_replica::Replica`] with other surroundings, driven by one seed.
//!
//! [`run`] plays a [`Scenario`]: validators and perhaps an observer on virtual time, packets that are lost, doubled, late or cut off, nodes that
//! lose power in the middle of any write and start again from what was durable, clients that submit signed transactions. [`checks`] hold whatever
//! happens: agreement, nobody signs twice, certificates and roots, nothing acknowledged is lost, no empty blocks but heartbeats; and after the
//! faults end the chain goes on and every node arrives.
//!
//! The same seed gives the same trace. A [`Canary`] plants a bug into the disk of the nodes; the checks are to find it.

#![forbid(unsafe_code)]

pub mod checks;
mod faults;
mod random;
mod scenario;
mod simulation;
pub mod surroundings;
pub mod world;

pub use checks::Violation;
pub use random::Random;
pub use scenario::{Faults, Scenario};
pub use simulation::{Report, run};
pub use surroundings::Canary;
