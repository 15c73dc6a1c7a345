//! The services on loopback, over a chain that is proposed, executed and committed as a node does it; rows and blocks are kept in memory.

mod chain;
mod descriptors;
mod events;
mod limits;
mod queries;
mod reasons;
mod submit;
