//! The scan of free text for personal data: one algorithm, for every name and text at admission (rulebook §12).
//!
//! It sees ASCII, U+00A0 and U+202F; every other character ends a run. It knows patterns only: the names of natural
//! persons cannot be recognised. Typed identifiers are not scanned.
//!
//! **Must not know** where the text stands or what follows from a find.

use alloc::vec::Vec;

use crate::identifier::mod_97;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PersonalData {
    /// An e-mail address.
    Email,
    /// A French telephone number.
    Phone,
    /// A French social security number with a right key.
    SocialSecurity,
    /// A bank account number with right check digits.
    Iban,
}

impl PersonalData {
    /// Its name in a refusal.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::SocialSecurity => "social_security",
            Self::Iban => "iban",
        }
    }
}

/// The first kind of personal data found in the text, looking for e-mail, then digit runs, then IBAN.
pub fn scan(text: &str) -> Option<PersonalData> {
    let seen: Vec<u8> = text.chars().map(seen).collect();
    if has_email(&seen) {
        return Some(PersonalData::Email);
    }
    digit_runs(&seen).or_else(|| has_iban(&seen).then_some(PersonalData::Iban))
}

/// A no-break space of either width, as the scan sees it.
const NO_BREAK_SPACE: u8 = 0x80;
/// Any character outside of what the scan sees: part of no run.
const UNSEEN: u8 = 0xff;

fn seen(character: char) -> u8 {
    match character {
        '\u{a0}' | '\u{202f}' => NO_BREAK_SPACE,
        '\0'..='\x7f' => character as u8,
        _ => UNSEEN,
    }
}

/// `[A-Za-z0-9._%+-]+`, `@`, one label or more each with its dot, and two letters or more.
fn has_email(seen: &[u8]) -> bool {
    let is_local = |byte: &u8| byte.is_ascii_alphanumeric() || b"._%+-".contains(byte);
    seen.iter()
        .enumerate()
        .any(|(at, &byte)| byte == b'@' && at > 0 && is_local(&seen[at - 1]) && begins_with_domain(&seen[at + 1..]))
}

fn begins_with_domain(mut rest: &[u8]) -> bool {
    loop {
        let label = run_length(rest, |byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if label == 0 || rest.get(label) != Some(&b'.') {
            return false;
        }
        rest = &rest[label + 1..];
        if run_length(rest, |byte| byte.is_ascii_alphabetic()) >= 2 {
            return true;
        }
    }
}

fn run_length(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|&&byte| belongs(byte)).count()
}

/// Looks at every run of digits with at most one separator between two, as long as it goes. A run that touches a letter
/// is part of a word and no number.
fn digit_runs(seen: &[u8]) -> Option<PersonalData> {
    let is_separator = |byte: u8| matches!(byte, b' ' | NO_BREAK_SPACE | b'.' | b'-' | b'/');
    let digit_at = |place: usize| seen.get(place).is_some_and(u8::is_ascii_digit);
    let letter_at = |place: usize| seen.get(place).is_some_and(u8::is_ascii_alphabetic);

    let mut place = 0;
    while place < seen.len() {
        if !digit_at(place) {
            place += 1;
            continue;
        }
        let first = place;
        let mut digits = Vec::new();
        // `place` is the next character after the run so far, which ends with a digit.
        loop {
            digits.push(seen[place]);
            place += 1;
            if place < seen.len() && is_separator(seen[place]) && digit_at(place + 1) {
                place += 1;
            } else if !digit_at(place) {
                break;
            }
        }
        let before = first.checked_sub(1);
        if letter_at(place) || before.is_some_and(letter_at) {
            continue;
        }
        let plus = before.is_some_and(|before| seen[before] == b'+');
        if is_phone(&digits, plus) {
            return Some(PersonalData::Phone);
        }
        if is_social_security(&digits) {
            return Some(PersonalData::SocialSecurity);
        }
    }
    None
}

/// `0[1-9]` and 8 digits; or `+33` or `0033`, an optional 0, and 9 digits.
fn is_phone(digits: &[u8], plus: bool) -> bool {
    let abroad = match digits.strip_prefix(b"0033") {
        None if plus => digits.strip_prefix(b"33"),
        rest => rest,
    };
    match abroad {
        Some(rest) => rest.len() == 9 || rest.len() == 10 && rest[0] == b'0',
        None => digits.len() == 10 && digits[0] == b'0' && digits[1] != b'0',
    }
}

/// 15 digits, the first 1 or 2, the last two 97 − (the first 13 mod 97).
fn is_social_security(digits: &[u8]) -> bool {
    if digits.len() != 15 || !matches!(digits[0], b'1' | b'2') {
        return false;
    }
    let (number, key) = digits.split_at(13);
    let key = u32::from(key[0] - b'0') * 10 + u32::from(key[1] - b'0');
    key == 97 - mod_97(number.iter().copied())
}

/// Two capitals, two digits, 11 to 30 capitals or digits, single spaces ignored, mod 97 = 1; it begins and ends where
/// no letter or digit touches it. Every end is tried, as words in capitals may follow.
fn has_iban(seen: &[u8]) -> bool {
    let starts = (0..seen.len()).filter(|&start| start == 0 || !seen[start - 1].is_ascii_alphanumeric());
    starts.into_iter().any(|start| begins_with_iban(&seen[start..]))
}

fn begins_with_iban(rest: &[u8]) -> bool {
    let is_space = |byte: u8| matches!(byte, b' ' | NO_BREAK_SPACE);
    let mut characters: Vec<u8> = Vec::with_capacity(IBAN_MAX);
    let mut place = 0;
    while let Some(&character) = rest.get(place) {
        let fits = match characters.len() {
            0 | 1 => character.is_ascii_uppercase(),
            2 | 3 => character.is_ascii_digit(),
            _ => character.is_ascii_uppercase() || character.is_ascii_digit(),
        };
        if !fits || characters.len() == IBAN_MAX {
            return false;
        }
        characters.push(character);
        place += 1;
        let touched = rest.get(place).is_some_and(u8::is_ascii_alphanumeric);
        if characters.len() >= IBAN_MIN && !touched {
            // The country and the check digits go to the end, then the whole is a number (ISO 13616).
            let (front, back) = characters.split_at(4);
            if mod_97(back.iter().chain(front).copied()) == 1 {
                return true;
            }
        }
        if rest.get(place).copied().is_some_and(is_space) {
            place += 1;
        }
    }
    false
}

/// Least and most characters of an IBAN without its spaces.
const IBAN_MIN: usize = 15;
const IBAN_MAX: usize = 34;

#[cfg(test)]
mod tests {
    use std::format;

    use proptest::prelude::*;

    use super::*;
    use PersonalData::{Email, Iban, Phone, SocialSecurity};

    fn assert_finds(table: &[(&str, Option<PersonalData>)]) {
        for (text, expected) in table {
            assert_eq!(scan(text), *expected, "{text:?}");
        }
    }

    #[test]
    fn an_email_has_a_local_part_and_a_domain_that_ends_in_letters() {
        assert_finds(&[
            ("écrire à a.b+c%d_e-f@mail.example-x.org.", Some(Email)),
            ("x@y.fr", Some(Email)),
            ("éx@y.fr", Some(Email)),
            ("x@y.f", None),
            ("x@localhost", None),
            ("x@.fr", None),
            ("x@y..fr", None),
            ("@y.fr", None),
            ("é@y.fr", None),
            ("x @y.fr", None),
            ("x@é.fr", None),
            ("x@1.2", None),
            ("3 @ 2 euros. Fin", None),
        ]);
    }

    #[test]
    fn a_phone_number_is_a_whole_run_of_digits() {
        assert_finds(&[
            ("0612345678", Some(Phone)),
            ("tél. 06 12 34 56 78.", Some(Phone)),
            ("06.12.34.56.78", Some(Phone)),
            ("06-12/34 56.78", Some(Phone)),
            ("06\u{a0}12\u{202f}34 56 78", Some(Phone)),
            ("é0612345678é", Some(Phone)),
            ("+33612345678", Some(Phone)),
            ("+33 6 12 34 56 78", Some(Phone)),
            ("+33 06 12 34 56 78", Some(Phone)),
            ("0033612345678", Some(Phone)),
            ("+0033612345678", Some(Phone)),
            ("+0612345678", Some(Phone)),
            ("0033 06 12 34 56 78", Some(Phone)),
            // One digit less or more, two separators, a zero after the zero, a letter that touches.
            ("06 12 34 56 7", None),
            ("06 12 34 56 789", None),
            ("06  12 34 56 78", None),
            ("06, 12 34 56 78", None),
            ("0012345678", None),
            ("1612345678", None),
            ("a0612345678", None),
            ("0612345678a", None),
            ("N 0612345678b", None),
            ("33612345678", None),
            ("+34612345678", None),
            ("+33 16 12 34 56 78", None),
            ("+ 33612345678", None),
            ("44000 06 12 34 56 78", None),
            // A no-break space of another width is not seen and ends the run.
            ("06\u{2009}12345678", None),
        ]);
    }

    #[test]
    fn a_social_security_number_needs_its_key() {
        assert_finds(&[
            ("295109912611193", Some(SocialSecurity)),
            ("2 95 10 99 126 111 93", Some(SocialSecurity)),
            ("295109912611194", None),
            ("395109912611193", None),
            ("29510991261119", None),
            ("2951099126111930", None),
            ("x295109912611193", None),
        ]);
    }

    #[test]
    fn an_iban_needs_its_check_digits() {
        assert_finds(&[
            ("FR1420041010050500013M02606", Some(Iban)),
            ("compte FR14 2004 1010 0505 0001 3M02 606.", Some(Iban)),
            ("FR14 2004 1010 0505 0001 3M02 606 BIC PSSTFRPPNTE", Some(Iban)),
            ("FR14\u{a0}2004\u{a0}1010\u{a0}0505\u{a0}0001\u{a0}3M02\u{a0}606", Some(Iban)),
            ("GB82 WEST 1234 5698 7654 32", Some(Iban)),
            // The shortest there is has 15 characters, Norway's.
            ("NO9386011117947", Some(Iban)),
            ("FR1520041010050500013M02606", None),
            ("fr1420041010050500013m02606", None),
            ("FR14  20041010050500013M02606", None),
            ("XFR1420041010050500013M02606", None),
            ("FR1420041010050500013M02606x", None),
            ("FR14", None),
        ]);
    }

    #[test]
    fn ordinary_texts_of_grants_are_let_through() {
        assert_finds(&[
            ("", None),
            ("SUBVENTION 2017 DU 01/01/2017 AU 31/12/2017", None),
            ("Délibération n° 2017-07-14/123 du 14.07.2017, 12 345,67 €", None),
            ("SIRET 732 829 320 00074", None),
            ("EN 2017 AIDE A L'ACQUISITION DE LIVRES", None),
            ("tome 1 2 3 4 5 6 7 8 9 10 11 12", None),
        ]);
    }

    proptest! {
        #[test]
        fn any_text_is_scanned_and_what_stands_around_a_find_does_not_hide_it(before in ".{0,40}", after in ".{0,40}") {
            // A pair of line-like marks that the scan does not see ends every run beside the number.
            for find in ["0612345678", "FR1420041010050500013M02606"] {
                let text = format!("{before}«{find}»{after}");
                prop_assert!(scan(&text).is_some());
            }
            let _ = scan(&before);
        }
    }
}
