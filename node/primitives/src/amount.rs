//! Money: integer minor units and an ISO 4217 currency (rulebook §1).
//!
//! An [`Amount`] may hold any number: whether it is one the ledger takes is asked by [`Amount::is_valid_positive`] or
//! [`Amount::is_valid_or_zero`], since that is a refusal of its own (`amount`, `currency`) and not a fault of decoding.
//! Sums are of type [`Balance`] and checked.

use core::fmt;
use core::str::FromStr;

use crate::error::PrimitiveError;
use crate::hash::shortened;

/// A sum of amounts of one currency, in minor units. Debit is +, credit is − (rulebook §3). Add with `checked_add`.
pub type Balance = i128;

/// Three upper-case ASCII letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The euro.
    pub const EUR: Self = Self(*b"EUR");

    /// The currency with this code; whether ISO 4217 knows it is another question.
    ///
    /// # Errors
    ///
    /// [`PrimitiveError::Currency`] if it is not three capital letters.
    pub fn new(code: &str) -> Result<Self, PrimitiveError> {
        match <[u8; 3]>::try_from(code.as_bytes()) {
            Ok(letters) if letters.iter().all(u8::is_ascii_uppercase) => Ok(Self(letters)),
            _ => Err(PrimitiveError::Currency { value: shortened(code) }),
        }
    }

    /// Its three letters.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).expect("only capital letters were let in")
    }

    /// Its three letters as bytes.
    pub const fn as_bytes(&self) -> &[u8; 3] {
        &self.0
    }

    /// Whether ISO 4217 lists it as money with minor units: metals, baskets, test and no-currency codes are not.
    pub fn is_iso4217(&self) -> bool {
        ISO_4217.binary_search(&&self.0).is_ok()
    }

    /// How many decimals a major unit has: 0, 2, 3 or 4 (ISO 4217).
    pub const fn exponent(&self) -> u32 {
        match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG" | b"RWF" | b"UGX"
            | b"UYI" | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            b"CLF" | b"UYW" => 4,
            _ => 2,
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Currency {
    type Err = PrimitiveError;

    fn from_str(code: &str) -> Result<Self, PrimitiveError> {
        Self::new(code)
    }
}

/// Minor units (cents of a euro) of a currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Amount {
    /// How many minor units.
    pub minor: u64,
    /// Of which currency.
    pub currency: Currency,
}

impl Amount {
    /// Most minor units of one transaction: 10^15 (rulebook §1).
    pub const MAX_MINOR: u64 = 1_000_000_000_000_000;

    /// That many minor units, unchecked.
    pub const fn new(minor: u64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// That many cents.
    pub const fn eur(cents: u64) -> Self {
        Self::new(cents, Currency::EUR)
    }

    /// Nothing of a currency.
    pub const fn zero(currency: Currency) -> Self {
        Self::new(0, currency)
    }

    /// Whether it is nothing.
    pub const fn is_zero(&self) -> bool {
        self.minor == 0
    }

    /// 1 ..= 10^15 minor units of a currency of ISO 4217: what a field of money holds unless it says otherwise.
    pub fn is_valid_positive(&self) -> bool {
        self.minor != 0 && self.is_valid_or_zero()
    }

    /// 0 ..= 10^15 minor units of a currency of ISO 4217: where a field says so.
    pub fn is_valid_or_zero(&self) -> bool {
        self.minor <= Self::MAX_MINOR && self.currency.is_iso4217()
    }

    /// The sum; `None` if the currencies differ or it does not fit 64 bits. May pass [`Self::MAX_MINOR`].
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.same_currency(other)?;
        Some(Self::new(self.minor.checked_add(other.minor)?, self.currency))
    }

    /// The difference; `None` if the currencies differ or it is negative.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.same_currency(other)?;
        Some(Self::new(self.minor.checked_sub(other.minor)?, self.currency))
    }

    /// Its minor units as a sum.
    pub fn balance(&self) -> Balance {
        self.minor.into()
    }

    fn same_currency(self, other: Self) -> Option<()> {
        (self.currency == other.currency).then_some(())
    }
}

impl fmt::Display for Amount {
    /// Writes major units with the currency's decimals, without grouping: `12345.67 EUR`, `500 JPY`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exponent = self.currency.exponent();
        let major = 10u64.pow(exponent);
        write!(f, "{}", self.minor / major)?;
        if exponent > 0 {
            write!(f, ".{:0width$}", self.minor % major, width = exponent as usize)?;
        }
        write!(f, " {}", self.currency)
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The codes of ISO 4217 that name money with minor units, in order. Rules that all nodes share: a code that ISO adds
/// or withdraws later changes this list only with a new protocol version.
#[rustfmt::skip]
const ISO_4217: &[&[u8; 3]] = &[
    b"AED", b"AFN", b"ALL", b"AMD", b"AOA", b"ARS", b"AUD", b"AWG", b"AZN", b"BAM", b"BBD", b"BDT", b"BGN", b"BHD",
    b"BIF", b"BMD", b"BND", b"BOB", b"BOV", b"BRL", b"BSD", b"BTN", b"BWP", b"BYN", b"BZD", b"CAD", b"CDF", b"CHE",
    b"CHF", b"CHW", b"CLF", b"CLP", b"CNY", b"COP", b"COU", b"CRC", b"CUP", b"CVE", b"CZK", b"DJF", b"DKK", b"DOP",
    b"DZD", b"EGP", b"ERN", b"ETB", b"EUR", b"FJD", b"FKP", b"GBP", b"GEL", b"GHS", b"GIP", b"GMD", b"GNF", b"GTQ",
    b"GYD", b"HKD", b"HNL", b"HTG", b"HUF", b"IDR", b"ILS", b"INR", b"IQD", b"IRR", b"ISK", b"JMD", b"JOD", b"JPY",
    b"KES", b"KGS", b"KHR", b"KMF", b"KPW", b"KRW", b"KWD", b"KYD", b"KZT", b"LAK", b"LBP", b"LKR", b"LRD", b"LSL",
    b"LYD", b"MAD", b"MDL", b"MGA", b"MKD", b"MMK", b"MNT", b"MOP", b"MRU", b"MUR", b"MVR", b"MWK", b"MXN", b"MXV",
    b"MYR", b"MZN", b"NAD", b"NGN", b"NIO", b"NOK", b"NPR", b"NZD", b"OMR", b"PAB", b"PEN", b"PGK", b"PHP", b"PKR",
    b"PLN", b"PYG", b"QAR", b"RON", b"RSD", b"RUB", b"RWF", b"SAR", b"SBD", b"SCR", b"SDG", b"SEK", b"SGD", b"SHP",
    b"SLE", b"SOS", b"SRD", b"SSP", b"STN", b"SVC", b"SYP", b"SZL", b"THB", b"TJS", b"TMT", b"TND", b"TOP", b"TRY",
    b"TTD", b"TWD", b"TZS", b"UAH", b"UGX", b"USD", b"USN", b"UYI", b"UYU", b"UYW", b"UZS", b"VED", b"VES", b"VND",
    b"VUV", b"WST", b"XAF", b"XCD", b"XCG", b"XOF", b"XPF", b"YER", b"ZAR", b"ZMW", b"ZWG",
];

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn amounts_are_written_with_the_decimals_of_their_currency() {
        let written = |minor, code| Amount::new(minor, Currency::new(code).unwrap()).to_string();
        assert_eq!(written(1_234_567, "EUR"), "12345.67 EUR");
        assert_eq!(written(5, "EUR"), "0.05 EUR");
        assert_eq!(written(0, "EUR"), "0.00 EUR");
        assert_eq!(written(500, "JPY"), "500 JPY");
        assert_eq!(written(12_345, "KWD"), "12.345 KWD");
        assert_eq!(written(12_345, "CLF"), "1.2345 CLF");
    }

    #[test]
    fn a_valid_amount_is_1_to_10_to_the_15_of_a_listed_currency() {
        assert!(Amount::eur(1).is_valid_positive());
        assert!(Amount::eur(1_000_000_000_000_000).is_valid_positive());
        assert!(!Amount::eur(1_000_000_000_000_001).is_valid_positive());
        assert!(!Amount::eur(0).is_valid_positive() && Amount::eur(0).is_valid_or_zero());
        let unknown = Currency::new("QQQ").unwrap();
        assert!(!Amount::new(1, unknown).is_valid_positive() && !Amount::zero(unknown).is_valid_or_zero());
    }

    #[test]
    fn sums_need_one_currency_and_never_wrap() {
        let franc = Currency::new("CHF").unwrap();
        assert_eq!(Amount::eur(1).checked_add(Amount::eur(2)), Some(Amount::eur(3)));
        assert_eq!(Amount::eur(1).checked_add(Amount::new(2, franc)), None);
        assert_eq!(Amount::eur(1).checked_add(Amount::eur(u64::MAX)), None);
        assert_eq!(Amount::eur(1).checked_sub(Amount::eur(2)), None);
        assert_eq!(Amount::eur(1).checked_sub(Amount::new(1, franc)), None);
        assert_eq!(Amount::eur(u64::MAX).balance(), i128::from(u64::MAX));
    }

    #[test]
    fn a_currency_is_three_capitals_and_iso_knows_some() {
        for wrong in ["", "EU", "EURO", "eur", "E1R", "é€"] {
            assert!(Currency::new(wrong).is_err(), "{wrong}");
        }
        for known in ["EUR", "AED", "ZWG", "XOF", "JPY"] {
            assert!(Currency::new(known).unwrap().is_iso4217(), "{known}");
        }
        for unknown in ["XXX", "XTS", "XAU", "AAA", "ZZZ", "FRF"] {
            assert!(!Currency::new(unknown).unwrap().is_iso4217(), "{unknown}");
        }
    }

    #[test]
    fn the_list_is_sorted_and_holds_every_currency_with_an_exponent_of_its_own() {
        assert!(ISO_4217.is_sorted_by(|a, b| a < b));
        let special = ISO_4217.iter().filter(|&&&code| Currency(code).exponent() != 2).count();
        assert_eq!(special, 17 + 7 + 2);
    }
}
