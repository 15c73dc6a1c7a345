//! Identifiers that registers give to organisations, and their check digits (rulebook §2, formats).
//!
//! Nothing is normalised here: spaces, apostrophes and lower case are the importer's to remove, visibly. What the
//! register says about the number (that it exists, whose it is) is not known here.

use core::fmt;
use core::str::FromStr;

use crate::error::PrimitiveError;
use crate::hash::shortened;
use crate::text::Text;

/// Which register gave the identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// French companies and associations with a number: 9 digits, Luhn.
    Siren,
    /// Their establishments: SIREN and 5 digits, Luhn; branches of La Poste have a rule of their own.
    Siret,
    /// French associations: `W` and 9 digits.
    Rna,
    /// Legal entities worldwide (ISO 17442): 20 characters, ISO 7064 mod 97-10.
    Lei,
    /// Value added tax: a country and its number; the key of French numbers is checked.
    Vat,
    /// org-id.guide: country or `XI`, list and number, `FR-RCS-732829320`.
    OrgId,
}

impl Scheme {
    /// All schemes.
    pub const ALL: [Self; 6] = [Self::Siren, Self::Siret, Self::Rna, Self::Lei, Self::Vat, Self::OrgId];

    /// Its name in the rulebook.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Siren => "SIREN",
            Self::Siret => "SIRET",
            Self::Rna => "RNA",
            Self::Lei => "LEI",
            Self::Vat => "VAT",
            Self::OrgId => "ORG_ID",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Scheme {
    type Err = PrimitiveError;

    fn from_str(text: &str) -> Result<Self, PrimitiveError> {
        Self::ALL
            .into_iter()
            .find(|scheme| scheme.as_str() == text)
            .ok_or_else(|| PrimitiveError::Scheme { value: shortened(text) })
    }
}

/// A register and the value it gave, at most 64 characters. Made unchecked: [`Identifier::check`] judges it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier {
    /// The register.
    pub scheme: Scheme,
    /// The value, as it is to be kept.
    pub value: Text<64>,
}

/// What is wrong with an identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentifierError {
    /// The value has not the form of its scheme.
    #[error("'{value}' has not the form of a {scheme}")]
    Malformed {
        /// The scheme.
        scheme: Scheme,
        /// The value.
        value: Text<64>,
    },
    /// The form is right and the check digits are wrong.
    #[error("check digit of {scheme} '{value}' is wrong")]
    CheckDigit {
        /// The scheme.
        scheme: Scheme,
        /// The value.
        value: Text<64>,
    },
}

/// What the rule of a scheme found.
enum Found {
    Good,
    Malformed,
    CheckDigit,
}

impl From<bool> for Found {
    /// The verdict on check digits, the form being right.
    fn from(check_digits_right: bool) -> Self {
        if check_digits_right { Self::Good } else { Self::CheckDigit }
    }
}

impl Identifier {
    /// An identifier, unchecked.
    ///
    /// # Errors
    ///
    /// Those of [`Text`]: more than 64 characters, or a control character.
    pub fn new(scheme: Scheme, value: &str) -> Result<Self, PrimitiveError> {
        Ok(Self { scheme, value: Text::new(value)? })
    }

    /// Form, then check digits.
    ///
    /// # Errors
    ///
    /// [`IdentifierError::Malformed`] before [`IdentifierError::CheckDigit`].
    pub fn check(&self) -> Result<(), IdentifierError> {
        let Self { scheme, value } = self;
        let bytes = value.as_bytes();
        let found = match scheme {
            Scheme::Siren => siren(bytes),
            Scheme::Siret => siret(bytes),
            Scheme::Rna => rna(bytes),
            Scheme::Lei => lei(bytes),
            Scheme::Vat => vat(bytes),
            Scheme::OrgId => org_id(value),
        };
        match found {
            Found::Good => Ok(()),
            Found::Malformed => Err(IdentifierError::Malformed { scheme: *scheme, value: value.clone() }),
            Found::CheckDigit => Err(IdentifierError::CheckDigit { scheme: *scheme, value: value.clone() }),
        }
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.scheme, self.value)
    }
}

fn siren(bytes: &[u8]) -> Found {
    if bytes.len() != 9 || !all_digits(bytes) {
        return Found::Malformed;
    }
    luhn(bytes).into()
}

fn siret(bytes: &[u8]) -> Found {
    if bytes.len() != 14 || !all_digits(bytes) {
        return Found::Malformed;
    }
    // La Poste ran out of numbers with a right Luhn digit: its branches, but not its seat, use the sum of the digits.
    if bytes.starts_with(b"356000000") && bytes != b"35600000000048" {
        return digit_sum(bytes).is_multiple_of(5).into();
    }
    luhn(bytes).into()
}

fn rna(bytes: &[u8]) -> Found {
    match bytes {
        [b'W', digits @ ..] if digits.len() == 9 && all_digits(digits) => Found::Good,
        _ => Found::Malformed,
    }
}

fn lei(bytes: &[u8]) -> Found {
    let form = bytes.len() == 20 && bytes.iter().all(|&b| is_capital_or_digit(b)) && all_digits(&bytes[18..]);
    if !form {
        return Found::Malformed;
    }
    (mod_97(bytes.iter().copied()) == 1).into()
}

fn vat(bytes: &[u8]) -> Found {
    match bytes {
        [b'F', b'R', number @ ..] => french_vat(number),
        // Numbers of other countries: their form only, as each has its own rule of check digits.
        [a, b, number @ ..]
            if a.is_ascii_uppercase()
                && b.is_ascii_uppercase()
                && (2..=13).contains(&number.len())
                && number.iter().all(|&c| is_capital_or_digit(c) || c == b'+' || c == b'*') =>
        {
            Found::Good
        }
        _ => Found::Malformed,
    }
}

/// A key of two characters (digits or capitals but I and O) and a SIREN; Monaco's numbers have 000 for the SIREN's
/// first digits and no Luhn digit.
fn french_vat(number: &[u8]) -> Found {
    let Some((&[first, second], siren)) = number.split_first_chunk::<2>() else {
        return Found::Malformed;
    };
    let (Some(first_rank), Some(second_rank)) = (vat_rank(first), vat_rank(second)) else {
        return Found::Malformed;
    };
    if siren.len() != 9 || !all_digits(siren) {
        return Found::Malformed;
    }
    let value = siren.iter().fold(0u64, |value, &digit| value * 10 + u64::from(digit - b'0'));
    let key_right = if first.is_ascii_digit() && second.is_ascii_digit() {
        (12 + 3 * (value % 97)) % 97 == first_rank * 10 + second_rank
    } else {
        // A key with a letter, given once those of digits run out. The subtraction cannot go below zero: with a first
        // digit the second rank is a letter's, 10 at least; a first letter's rank is 10 at least.
        let key = if first.is_ascii_digit() {
            first_rank * 24 + second_rank - 10
        } else {
            first_rank * 34 + second_rank - 100
        };
        (value + 1 + key / 11) % 11 == key % 11
    };
    (key_right && (siren.starts_with(b"000") || luhn(siren))).into()
}

/// The rank of a character of a French key among the digits and the capitals without I and O.
fn vat_rank(character: u8) -> Option<u64> {
    b"0123456789ABCDEFGHJKLMNPQRSTUVWXYZ".iter().position(|&c| c == character).map(|rank| rank as u64)
}

/// Two capitals, a list of 2 to 10 capitals or digits, and a number of 1 to 40 of `[A-Za-z0-9._-]`.
fn org_id(value: &str) -> Found {
    let mut parts = value.splitn(3, '-');
    let (Some(country), Some(list), Some(number)) = (parts.next(), parts.next(), parts.next()) else {
        return Found::Malformed;
    };
    let form = country.len() == 2
        && country.bytes().all(|b| b.is_ascii_uppercase())
        && (2..=10).contains(&list.len())
        && list.bytes().all(is_capital_or_digit)
        && (1..=40).contains(&number.len())
        && number.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if form { Found::Good } else { Found::Malformed }
}

fn all_digits(bytes: &[u8]) -> bool {
    bytes.iter().all(u8::is_ascii_digit)
}

fn is_capital_or_digit(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

fn digit_sum(digits: &[u8]) -> u32 {
    digits.iter().map(|digit| u32::from(digit - b'0')).sum()
}

/// Luhn over decimal digits: every second from the right doubled, the digits summed, the sum divisible by ten.
fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let value = u32::from(digit - b'0') << (place % 2);
            value / 10 + value % 10
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The remainder by 97 of a number written in digits and capitals, a capital standing for two digits, A = 10
/// (ISO 7064). Other characters must not be given.
pub(crate) fn mod_97(characters: impl Iterator<Item = u8>) -> u32 {
    characters.fold(0, |rest, character| match character {
        b'0'..=b'9' => (rest * 10 + u32::from(character - b'0')) % 97,
        _ => (rest * 100 + u32::from(character - b'A') + 10) % 97,
    })
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    #[derive(Debug, PartialEq)]
    enum Verdict {
        Good,
        Malformed,
        CheckDigit,
    }
    use Verdict::{CheckDigit, Good, Malformed};

    fn verdict(scheme: Scheme, value: &str) -> Verdict {
        match Identifier::new(scheme, value).unwrap().check() {
            Ok(()) => Good,
            Err(IdentifierError::Malformed { .. }) => Malformed,
            Err(IdentifierError::CheckDigit { .. }) => CheckDigit,
        }
    }

    /// Numbers printed in public documentation of the registers, and the same with a fault.
    #[test]
    fn every_scheme_tells_a_wrong_form_from_a_wrong_check_digit() {
        for (scheme, value, expected) in [
            (Scheme::Siren, "732829320", Good),
            (Scheme::Siren, "732829321", CheckDigit),
            (Scheme::Siren, "73282932", Malformed),
            (Scheme::Siren, "7328293200", Malformed),
            (Scheme::Siren, "732 829 320", Malformed),
            (Scheme::Siren, "73282932O", Malformed),
            (Scheme::Siret, "73282932000074", Good),
            (Scheme::Siret, "73282932000075", CheckDigit),
            (Scheme::Siret, "7328293200007", Malformed),
            (Scheme::Siret, "732829320", Malformed),
            // La Poste: its seat by Luhn, its branches by the sum of digits and not by Luhn.
            (Scheme::Siret, "35600000000048", Good),
            (Scheme::Siret, "35600000049837", Good),
            (Scheme::Siret, "35600000049838", CheckDigit),
            (Scheme::Siret, "35600000000055", CheckDigit),
            (Scheme::Siren, "356000000", Good),
            (Scheme::Rna, "W442000001", Good),
            (Scheme::Rna, "w442000001", Malformed),
            (Scheme::Rna, "W44200000", Malformed),
            (Scheme::Rna, "W44200000A", Malformed),
            (Scheme::Lei, "5493001KJTIIGC8Y1R12", Good),
            (Scheme::Lei, "529900T8BM49AURSDO55", Good),
            (Scheme::Lei, "5493001KJTIIGC8Y1R13", CheckDigit),
            (Scheme::Lei, "5493001KJTIIGC8Y1R1A", Malformed),
            (Scheme::Lei, "5493001kjtiigc8y1r12", Malformed),
            (Scheme::Lei, "5493001KJTIIGC8Y1R1", Malformed),
            (Scheme::Vat, "FR40303265045", Good),
            (Scheme::Vat, "FR41303265045", CheckDigit),
            (Scheme::Vat, "FRK7399859412", Good),
            (Scheme::Vat, "FR4Z123456782", Good),
            (Scheme::Vat, "FRK8399859412", CheckDigit),
            (Scheme::Vat, "FRO7399859412", Malformed),
            (Scheme::Vat, "FR4030326504", Malformed),
            (Scheme::Vat, "FR", Malformed),
            // Monaco: no Luhn digit.
            (Scheme::Vat, "FR53000004605", Good),
            (Scheme::Vat, "IE6388047V", Good),
            (Scheme::Vat, "DE136695976", Good),
            (Scheme::Vat, "D1136695976", Malformed),
            (Scheme::Vat, "DE 136695976", Malformed),
            (Scheme::OrgId, "FR-RCS-732829320", Good),
            (Scheme::OrgId, "XI-LEI-5493001KJTIIGC8Y1R12", Good),
            (Scheme::OrgId, "GB-CHC-1234-5", Good),
            (Scheme::OrgId, "FR-RCS-", Malformed),
            (Scheme::OrgId, "FR-732829320", Malformed),
            (Scheme::OrgId, "fr-RCS-732829320", Malformed),
            (Scheme::OrgId, "FR-RCS-7328 29320", Malformed),
            (Scheme::OrgId, "", Malformed),
        ] {
            assert_eq!(verdict(scheme, value), expected, "{scheme} {value}");
        }
    }

    #[test]
    fn no_text_makes_a_check_panic() {
        let texts =
            ["", "é", "FR", "FRA", "FRé1234567890", "W", "-", "--", "\u{a0}", "00000000000000", "9999999999999999"];
        let verdicts: Vec<_> = texts.iter().flat_map(|text| Scheme::ALL.map(|scheme| verdict(scheme, text))).collect();
        assert!(verdicts.contains(&Malformed));
    }

    /// Every one-digit fault of a number in Luhn's scheme is found.
    #[test]
    fn luhn_finds_every_single_wrong_digit() {
        let right = b"73282932000074";
        for place in 0..right.len() {
            for digit in b'0'..=b'9' {
                let mut number = *right;
                number[place] = digit;
                assert_eq!(luhn(&number), digit == right[place]);
            }
        }
    }

    #[test]
    fn schemes_read_their_names() {
        for scheme in Scheme::ALL {
            assert_eq!(scheme.as_str().parse(), Ok(scheme));
        }
        assert!("siren".parse::<Scheme>().is_err());
    }
}
