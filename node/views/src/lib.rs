//! Views: committed events folded into index rows, and the queries over them.
//!
//! A row belongs to one view; views say how keys and values are written, storage keeps them as bytes. Every row carries the height it was
//! written at and none is ever changed, so that a query at a height gives the same answer for ever, whatever is committed meanwhile.
//! [`fold`] makes the rows of a block; storage writes them in the block's own batch, so that they are never behind.
//!
//! Promises: rows are a function of the blocks alone and can be rebuilt from them; none is under the state root; queries are bounded by a page.
//! Must not know: disks, sockets, how a query is asked. `Rows` and `Blocks` are what it asks of a storage.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

pub mod blocks;
mod error;
pub mod events;
mod fold;
mod listings;
pub mod lists;
mod packed;
pub mod page;
pub mod past_grants;
pub mod postings;
mod read;
mod ring;
mod row;
pub mod stories;

pub mod transactions;

pub use error::{ReadFault, ViewError};
pub use fold::fold;
pub use page::{MAX_PAGE, Page, PageOf};
pub use read::{Blocks, Order, Rows};
pub use ring::{View, Views, ViewsLimit};
pub use row::{Row, ViewId};
