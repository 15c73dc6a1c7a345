//! Moves bounded byte frames between authenticated peers over libp2p.
//!
//! For: the daemon, which hands it bytes to carry and takes [`NetworkEvent`]s from it. It promises that nobody speaks to us
//! who is not on the allow-list, that nothing is buffered past a written bound, that a vote never waits for more than one
//! chunk of a body, and that an allowed peer is connected to again for as long as it is allowed. It must not know what the
//! bytes mean: no ledger, consensus, replica or storage type is named here.
//!
//! [`start`] opens the listening socket and returns a [`NetworkHandle`] to call, [`NetworkEvents`] to await, and a [`Driver`]
//! whose [`run`](Driver::run) is one future that the daemon spawns. All connections live inside that future: nothing here
//! spawns a task, so a vote costs no hand-over between threads.
//!
//! # On the wire (version 1; a change of anything below needs a new number in the protocol name)
//!
//! TCP, Noise XX, Yamux; the node's ed25519 network key is its libp2p identity. `NET` is the first eight bytes of the genesis
//! hash in hex, so that nodes of different networks share no protocol. Integers are big-endian.
//!
//! - `/octroi/NET/ordered/1`: one stream each way, opened by the sender and kept. Frames: `length u32 ‖ kind u8 ‖ payload`,
//!   length counting kind and payload. The table of kinds bounds each payload, at most 64 KiB.
//! - `/octroi/NET/body/1`: one stream for each transfer, opened by who asks or pushes.
//!   - ask: `0x01 ‖ length u32 ‖ request`, answered by `0x00 ‖ length u32 ‖ chunks` or `0x01` (declined);
//!   - push: `0x02 ‖ length u32 ‖ chunks`.
//!
//!   A chunk is the next 64 KiB of the body, or its rest; the receiver answers each with the byte `0x06`, and the sender has one
//!   unanswered chunk per peer over all transfers. A length past the bound resets the stream.
//! - `/octroi/NET/gossip/1`: gossipsub 1.1, signed by the author, topics `octroi/NET/transactions` and `octroi/NET/tip`;
//!   a message's id is the first 16 bytes of the hash of its data.
//! - `/ipfs/ping/1.0.0`.

mod body;
pub mod config;
mod driver;
mod error;
mod event;
mod frame;
mod gossip;
mod handle;
mod key;
mod link;
mod metrics;
mod ordered;
mod roster;
mod score;
mod session;
mod streams;

pub use config::{Budget, NetworkConfig, PeerEntry, Role};
pub use driver::{Driver, start};
pub use error::{BodyError, NetworkError, SendRefused};
pub use event::{DownReason, GossipId, NetworkEvent, NetworkEvents, RequestId, RequestToken, Topic, Verdict};
pub use handle::{ChannelTraffic, NetworkHandle, PeerInfo};
pub use key::{NetworkKey, PeerKey};
pub use link::Direction;
pub use metrics::{ChannelCounters, Counter, NetworkMetrics, Refusal};
pub use score::Offence;
