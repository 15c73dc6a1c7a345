//! Why a value could not be made: one enum for the crate, each variant naming the value it refused.
//!
//! Typed identifiers of organisations have [`crate::IdentifierError`] besides, since the ledger must tell a malformed
//! value from one whose check digit fails.

use alloc::string::String;

/// A value outside the bounds of its type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrimitiveError {
    /// Bytes of the wrong number.
    #[error("{what} needs {expected} bytes, not {actual}")]
    Length {
        /// What was to be made.
        what: &'static str,
        /// Bytes it has.
        expected: usize,
        /// Bytes that were given.
        actual: usize,
    },
    /// Text that is not lower or upper case hexadecimal of the right length.
    #[error("'{value}' is not {expected} hexadecimal digits")]
    Hex {
        /// Digits that were expected.
        expected: usize,
        /// The text.
        value: String,
    },
    /// Not 1 to 32 of `[a-z0-9_-]`.
    #[error("'{value}' is not a code of 1 to 32 of a-z 0-9 _ -")]
    Code {
        /// The text.
        value: String,
    },
    /// More characters than the text may have.
    #[error("text of {actual} characters, at most {max} are allowed")]
    TextTooLong {
        /// Characters allowed.
        max: usize,
        /// Characters given.
        actual: usize,
    },
    /// A control character.
    #[error("control character U+{code_point:04X} at character {position}")]
    TextControl {
        /// The character's code point.
        code_point: u32,
        /// Its position, in characters from 0.
        position: usize,
    },
    /// Not three upper-case ASCII letters.
    #[error("'{value}' is not a currency code of three capital letters")]
    Currency {
        /// The text.
        value: String,
    },
    /// A ratio above its greatest value.
    #[error("{value} parts per million, at most {max} are allowed")]
    Ratio {
        /// Greatest value, in parts per million.
        max: u32,
        /// The value.
        value: u32,
    },
    /// Not a day of the calendar between the years 1 and 9999.
    #[error("'{value}' is no date")]
    Date {
        /// The text, or the numbers.
        value: String,
    },
    /// Not `2027`, `2027Q3` or `2027-07`.
    #[error("'{value}' is no period")]
    Period {
        /// The text, or the numbers.
        value: String,
    },
    /// Not `height.receipt`.
    #[error("'{value}' is no cursor of the form height.receipt")]
    Cursor {
        /// The text.
        value: String,
    },
    /// Not a letter of the list and 26 characters of Crockford base 32.
    #[error("'{value}' is no reference")]
    Reference {
        /// The text.
        value: String,
    },
    /// Not the name of an identifier scheme.
    #[error("'{value}' is no identifier scheme")]
    Scheme {
        /// The text.
        value: String,
    },
    /// A public key that may not enter genesis or state.
    #[error("key {key} refused: {fault}")]
    Key {
        /// The key, hexadecimal.
        key: String,
        /// What is wrong with it.
        fault: KeyFault,
    },
}

/// What is wrong with a public key (consensus page, Signatures).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// The bytes decode to no point of the curve.
    #[error("not a point of the curve")]
    NotAPoint,
    /// The bytes are another encoding of a point than the one the point encodes to.
    #[error("not the canonical encoding")]
    NonCanonical,
    /// The point's order is 1, 2, 4 or 8: everybody can sign for it.
    #[error("point of small order")]
    SmallOrder,
    /// The point has a part of small order beside the large one.
    #[error("point with a torsion part")]
    Torsion,
}
