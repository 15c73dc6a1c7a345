//! Why a whole file is not read. What is wrong with one row is a refusal of that row instead.

use crate::scdl::Column;

/// A file that is refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// More bytes than are read into memory.
    #[error("the file has {bytes} bytes, at most {max} are read")]
    TooLarge {
        /// Bytes of the file.
        bytes: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// More rows than a report can hold.
    #[error("the file has more than {max} rows")]
    TooManyRows {
        /// Rows allowed.
        max: u32,
    },
    /// Nothing but blank lines.
    #[error("the file has no header")]
    NoHeader,
    /// A first line whose titles are not those of the format.
    #[error("line {line} titles {known} columns of SCDL, at least {min} are needed to call it a header")]
    NotScdl {
        /// The line on which the header should be, from 1.
        line: u32,
        /// Titles that were recognised.
        known: usize,
        /// Titles needed.
        min: usize,
    },
    /// Two titles for one column: which of them holds the value cannot be known.
    #[error("two columns are titled as {column}")]
    ColumnTwice {
        /// The column.
        column: Column,
    },
}
