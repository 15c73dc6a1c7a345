//! Reads the files in which others publish grants, so that they can be recorded here.
//!
//! **Promises.** Bytes in, rows and a report out. What a file says unambiguously is read, what was changed to read it
//! is named, and everything else is refused row by row with line, column, value and reason: nothing is imported
//! wrongly in silence. No input panics; memory is bounded by the limits of each format.
//!
//! **Must not know** files, networks, clocks, keys, or who signs what it makes of a row: it opens nothing and sends
//! nothing.

#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

mod error;
pub mod scdl;

pub use error::ExchangeError;
