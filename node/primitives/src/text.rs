//! Text with a bound: at most `MAX` characters and no control character (rulebook §17).
//!
//! A character is a Unicode scalar value; nothing is normalised, so that what was signed is what is kept. Control
//! characters are the general category Cc, which Unicode will never change. Personal data are looked for apart, in
//! [`crate::personal_data`], as that is a refusal of its own.

use alloc::boxed::Box;
use core::fmt;
use core::ops::Deref;
use core::str::FromStr;

use crate::error::PrimitiveError;

/// At most `MAX` characters, none of them a control character. May be empty: who needs some text asks
/// [`str::is_empty`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<const MAX: usize>(Box<str>);

/// A name or title: at most 120 characters (rulebook §17).
pub type Name = Text<120>;

/// Free text of an official: at most 256 characters (rulebook §12, §17).
pub type Note = Text<256>;

impl<const MAX: usize> Text<MAX> {
    /// Greatest number of characters.
    pub const MAX: usize = MAX;

    /// The text, checked.
    ///
    /// # Errors
    ///
    /// [`PrimitiveError::TextTooLong`] or [`PrimitiveError::TextControl`].
    pub fn new(text: &str) -> Result<Self, PrimitiveError> {
        let mut characters = 0;
        for (position, character) in text.chars().enumerate() {
            if character.is_control() {
                return Err(PrimitiveError::TextControl { code_point: character.into(), position });
            }
            characters = position + 1;
        }
        if characters > MAX {
            return Err(PrimitiveError::TextTooLong { max: MAX, actual: characters });
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> Default for Text<MAX> {
    fn default() -> Self {
        Self(Box::default())
    }
}

impl<const MAX: usize> Deref for Text<MAX> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> AsRef<str> for Text<MAX> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<const MAX: usize> FromStr for Text<MAX> {
    type Err = PrimitiveError;

    fn from_str(text: &str) -> Result<Self, PrimitiveError> {
        Self::new(text)
    }
}

impl<const MAX: usize> TryFrom<&str> for Text<MAX> {
    type Error = PrimitiveError;

    fn try_from(text: &str) -> Result<Self, PrimitiveError> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_counts_characters_not_bytes() {
        assert_eq!(Text::<3>::new("éé…").map(|text| text.len()), Ok(7));
        assert_eq!(Text::<3>::new("abcd"), Err(PrimitiveError::TextTooLong { max: 3, actual: 4 }));
        assert!(Text::<3>::new("").is_ok_and(|text| text.is_empty()));
        assert!(Name::new(&"n".repeat(120)).is_ok() && Name::new(&"n".repeat(121)).is_err());
        assert!(Note::new(&"n".repeat(256)).is_ok() && Note::new(&"n".repeat(257)).is_err());
    }

    #[test]
    fn control_characters_are_refused_and_named() {
        for (text, code_point) in [("a\n", 0x0a), ("a\0", 0), ("a\u{7f}", 0x7f), ("a\u{85}", 0x85), ("a\t", 9)] {
            assert_eq!(Note::new(text), Err(PrimitiveError::TextControl { code_point, position: 1 }));
        }
        // Format characters and separators are no control characters.
        assert!(Note::new("a\u{200d}b\u{a0}c\u{2028}").is_ok());
    }
}
