//! Talks to octroi nodes: keys, building and signing transactions, handing them in, reading what became of them.
//!
//! Promises: a secret key is decrypted only in memory and wiped; the same signed bytes are sent again after a broken connection, never a new
//! transaction, so nothing is done twice; an error carries the node's reason and its values as data. Must not know: how answers are printed,
//! how nodes store or order anything. It spawns no task: the caller's runtime drives every future.

pub mod bridge;
mod error;
pub mod keystore;
mod raw;
mod stream;
mod submit;
mod transport;

pub use error::{Answer, ClientError, passes};
pub use stream::Events;
pub use submit::{BulkReport, Progress, Until, VALIDITY, build, countersign, state};
pub use transport::{Client, NodeInfo, Tls, archive, events, ledger, node, transactions};
