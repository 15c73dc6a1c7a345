//! Consensus as a whole: a deterministic network of real validators, replay, the guard.

mod agreement;
mod network;
mod replay;
mod signing;
