//! References that payers write on a transfer: one letter and 26 characters of Crockford base 32 (rulebook §1).
//!
//! The 26 characters are the first 16 bytes of the object's id as one big-endian number, five bits each, most
//! significant first: the first character is 0 to 7. Reading forgives case and the confusions `O` for `0`, `I` and `L`
//! for `1`, as a person may have copied it by hand.
//!
//! **Must not know** whether the object exists.

use core::fmt;
use core::str::FromStr;

use crate::error::PrimitiveError;
use crate::hash::{Hash, shortened};

/// Crockford's alphabet: no I, L, O, U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of a reference, its letter included.
const LENGTH: usize = 27;

/// What a reference names, by its letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReferenceKind {
    /// `P`: a promised contribution.
    Promise,
    /// `L`: an assessed levy.
    Levy,
    /// `G`: a pledge to a campaign.
    Pledge,
    /// `M`: a contribution to a matching round.
    Matching,
    /// `C`: money claimed back.
    Clawback,
    /// `B`: money brought back.
    Return,
    /// `T`: a payout and its attempt.
    Payout,
    /// `R`: a refund.
    Refund,
}

impl ReferenceKind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Promise,
        Self::Levy,
        Self::Pledge,
        Self::Matching,
        Self::Clawback,
        Self::Return,
        Self::Payout,
        Self::Refund,
    ];

    /// Its letter.
    pub const fn letter(self) -> char {
        match self {
            Self::Promise => 'P',
            Self::Levy => 'L',
            Self::Pledge => 'G',
            Self::Matching => 'M',
            Self::Clawback => 'C',
            Self::Return => 'B',
            Self::Payout => 'T',
            Self::Refund => 'R',
        }
    }

    /// The kind of a letter of either case.
    pub fn from_letter(letter: char) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.letter() == letter.to_ascii_uppercase())
    }
}

/// What a payer writes. Ordered by kind, then bytes; written in capitals without spaces.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// What it names.
    pub kind: ReferenceKind,
    /// The first 16 bytes of the object's id.
    pub bytes: [u8; 16],
}

impl Reference {
    /// The reference of an object.
    pub fn of(kind: ReferenceKind, object: &Hash) -> Self {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&object.0[..16]);
        Self { kind, bytes }
    }

    /// Whether it is the reference of that object.
    pub fn names(&self, object: &Hash) -> bool {
        object.0.starts_with(&self.bytes)
    }

    /// The first reference in a free text. It stands alone: the characters before and after it are no ASCII letters or
    /// digits.
    pub fn find_in(text: &str) -> Option<Self> {
        text.split(|c: char| !c.is_ascii_alphanumeric()).find_map(Self::read)
    }

    fn read(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != LENGTH {
            return None;
        }
        let kind = ReferenceKind::from_letter(bytes[0].into())?;
        let mut number: u128 = 0;
        for &character in &bytes[1..] {
            // 26 characters hold 130 bits: the first two must be zero.
            if number >> (128 - 5) != 0 {
                return None;
            }
            number = number << 5 | u128::from(digit(character)?);
        }
        Some(Self { kind, bytes: number.to_be_bytes() })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = u128::from_be_bytes(self.bytes);
        let mut text = [0; LENGTH];
        text[0] = self.kind.letter() as u8;
        for (place, character) in text[1..].iter_mut().rev().enumerate() {
            *character = ALPHABET[(number >> (5 * place)) as usize % 32];
        }
        f.pad(core::str::from_utf8(&text).expect("the alphabet is ASCII"))
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Reference {
    type Err = PrimitiveError;

    fn from_str(text: &str) -> Result<Self, PrimitiveError> {
        Self::read(text).ok_or_else(|| PrimitiveError::Reference { value: shortened(text) })
    }
}

/// The value of a character, forgiving what Crockford forgives.
fn digit(character: u8) -> Option<u8> {
    let character = match character.to_ascii_uppercase() {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        other => other,
    };
    ALPHABET.iter().position(|&c| c == character).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_reference_is_its_letter_and_sixteen_bytes_in_base_32() {
        let written = |byte| Reference { kind: ReferenceKind::Promise, bytes: [byte; 16] }.to_string();
        assert_eq!(written(0), "P00000000000000000000000000");
        assert_eq!(written(0xff), "P7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
        let mut id = [0xee; 32];
        id[..16].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1]);
        let reference = Reference::of(ReferenceKind::Levy, &Hash(id));
        assert_eq!(reference.to_string(), "L00000000000000000000000101");
        assert!(reference.names(&Hash(id)) && !reference.names(&Hash::ZERO));
    }

    #[test]
    fn reading_forgives_case_and_confusions() {
        let expected: Reference = "P01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
        assert_eq!("p01arz3ndektsv4rrffq69g5fav".parse(), Ok(expected));
        assert_eq!("PO1ARZ3NDEKTSV4RRFFQ69G5FAV".parse(), Ok(expected));
        assert_eq!("poiarz3ndektsv4rrffq69g5fav".parse(), Ok(expected));
        assert_eq!("PolARZ3NDEKTSV4RRFFQ69G5FAV".parse(), Ok(expected));
        // The letter is not forgiven: L is a levy and no 1.
        assert_eq!("L01ARZ3NDEKTSV4RRFFQ69G5FAV".parse::<Reference>().map(|r| r.kind), Ok(ReferenceKind::Levy));
    }

    #[test]
    fn anything_else_is_no_reference() {
        for wrong in [
            "",
            "P01ARZ3NDEKTSV4RRFFQ69G5FA",
            "P01ARZ3NDEKTSV4RRFFQ69G5FAVV",
            "X01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "P81ARZ3NDEKTSV4RRFFQ69G5FAV",
            "PU1ARZ3NDEKTSV4RRFFQ69G5FAV",
            "P-1ARZ3NDEKTSV4RRFFQ69G5FAV",
            "PÉ1ARZ3NDEKTSV4RRFFQ69G5FA",
        ] {
            assert!(wrong.parse::<Reference>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_first_reference_in_a_text_is_found_if_it_stands_alone() {
        let first = "G01ARZ3NDEKTSV4RRFFQ69G5FAV";
        let second = "C01ARZ3NDEKTSV4RRFFQ69G5FAV";
        for (text, expected) in [
            (std::format!("VIR SEPA ref:{first}/facture {second}"), Some(first)),
            (std::format!("don é{}é", first.to_lowercase()), Some(first)),
            (std::format!("A{first} {second}"), Some(second)),
            (std::format!("{first}9"), None),
            ("ABCDEFGHIJKLMNOPQRSTUVWXYZA 123".to_string(), None),
            (std::string::String::new(), None),
        ] {
            assert_eq!(Reference::find_in(&text), expected.map(|e| e.parse().unwrap()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_reference_reads_what_it_writes(kind in 0usize..8, bytes: [u8; 16]) {
            let reference = Reference { kind: ReferenceKind::ALL[kind], bytes };
            prop_assert_eq!(reference.to_string().parse(), Ok(reference));
            prop_assert_eq!(Reference::find_in(&reference.to_string()), Some(reference));
        }
    }
}
