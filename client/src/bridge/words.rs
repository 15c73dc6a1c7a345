//! Sums, dates and times as people write them.

use octroi_primitives::{Amount, BlockTime, Currency, LegalDate};

/// Reads a sum such as `12 500,00 EUR`, `12500.5 EUR`, `EUR 7`: spaces group, the last comma or point before at most the currency's decimals divides.
/// A sign is allowed. Gives minor units.
///
/// # Errors
/// What cannot be read, in words.
pub fn parse_amount(text: &str) -> Result<(i128, Currency), String> {
    let wrong = || format!("{text:?} is no sum such as \"12 500,00 EUR\"");
    let clean: String =
        text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '\u{a0}' | '\u{202f}' | '_' | '\'')).collect();
    let letters: String = clean.chars().filter(char::is_ascii_alphabetic).collect();
    let (currency, number) = match clean.strip_suffix('€') {
        Some(rest) => (Currency::EUR, rest.to_owned()),
        None => {
            let number = clean.strip_prefix(&letters).or_else(|| clean.strip_suffix(&letters)).ok_or_else(wrong)?;
            (Currency::new(&letters).map_err(|_| format!("{text:?} names no currency such as EUR"))?, number.to_owned())
        }
    };
    if !currency.is_iso4217() {
        return Err(format!("{currency} is no currency of ISO 4217"));
    }
    let (sign, digits) = match number.strip_prefix(['-', '−']) {
        Some(rest) => (-1, rest),
        None => (1, number.strip_prefix('+').unwrap_or(&number)),
    };
    let decimals = currency.exponent() as usize;
    let (major, minor) = match digits.rsplit_once([',', '.']) {
        None => (digits, ""),
        Some((major, _)) if major.contains([',', '.']) => {
            return Err(format!("{text:?} has more than one comma or point; group digits with spaces"));
        }
        Some((_, minor)) if minor.len() > decimals => {
            return Err(format!(
                "{text:?} has {} decimals, {currency} has {decimals}; group digits with spaces",
                minor.len()
            ));
        }
        Some(parts) => parts,
    };
    if major.is_empty() || ![major, minor].concat().bytes().all(|byte| byte.is_ascii_digit()) || major.len() > 30 {
        return Err(wrong());
    }
    let padded = format!("{major}{minor}{}", "0".repeat(decimals - minor.len()));
    padded.parse::<i128>().map(|minor| (sign * minor, currency)).map_err(|_| wrong())
}

/// A sum for people: `12 500,00 EUR`, digits in groups of three.
pub fn minor_in_words(minor: i128, currency: Currency) -> String {
    let decimals = currency.exponent() as usize;
    let digits = format!("{:0width$}", minor.unsigned_abs(), width = decimals + 1);
    let (major, rest) = digits.split_at(digits.len() - decimals);
    let mut out = String::from(if minor < 0 { "-" } else { "" });
    for (index, digit) in major.chars().enumerate() {
        if index > 0 && (major.len() - index) % 3 == 0 {
            out.push(' ');
        }
        out.push(digit);
    }
    if decimals > 0 {
        out.push(',');
        out.push_str(rest);
    }
    format!("{out} {currency}")
}

/// As [`minor_in_words`].
pub fn amount_in_words(amount: &Amount) -> String {
    minor_in_words(amount.minor.into(), amount.currency)
}

/// Reads `2027-01-02T08:00:00Z`, `2027-01-02` (its first moment, Paris legal time), `now`, `+90s`, `+10m`, `+2h`, `+3d`, or milliseconds.
///
/// # Errors
/// What cannot be read, in words.
pub fn parse_time(text: &str, now: Option<u64>) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no time such as 2027-01-02T08:00:00Z, 2027-01-02, now or +3d");
    if let Ok(millis) = text.parse() {
        return Ok(millis);
    }
    if text == "now" || text.starts_with('+') {
        let now = now.ok_or_else(|| format!("{text:?} needs the ledger's time; write the time itself when offline"))?;
        return Ok(now + if text == "now" { 0 } else { parse_span(&text[1..]).ok_or_else(wrong)? });
    }
    let Some((date, clock)) = text.split_once('T') else {
        return Ok(text.parse::<LegalDate>().map_err(|_| wrong())?.start_time().0);
    };
    let date: LegalDate = date.parse().map_err(|_| wrong())?;
    let clock = clock.strip_suffix('Z').ok_or_else(wrong)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let parts: Vec<u64> = clock.split(':').map(|part| part.parse().map_err(|_| wrong())).collect::<Result<_, _>>()?;
    let [hours @ 0..=23, minutes @ 0..=59, seconds @ 0..=59] = parts[..] else { return Err(wrong()) };
    if fraction.is_empty() || fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let millis: u64 = format!("{fraction:0<3}").parse().map_err(|_| wrong())?;
    let days = u64::try_from(date.days()).map_err(|_| wrong())?;
    Ok((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1_000 + millis)
}

/// `90s`, `10m`, `2h`, `3d` in milliseconds.
pub(super) fn parse_span(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// A time for people: `2027-01-02 08:00:00 UTC`.
pub fn time_in_words(time: BlockTime) -> String {
    let seconds = time.0 / 1_000;
    let date = i64::try_from(seconds / 86_400).ok().and_then(LegalDate::from_days);
    let date = date.map_or_else(|| "?".to_owned(), |date| date.to_string());
    format!("{date} {:02}:{:02}:{:02} UTC", seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60)
}

/// Reads `2027`, `2027-03` or `2027-03-31`.
pub(super) fn parse_partial_date(text: &str) -> Result<(u32, Option<u32>, Option<u32>), String> {
    let wrong = || format!("{text:?} is no date such as 2027, 2027-03 or 2027-03-31");
    let parts: Vec<u32> = text.split('-').map(|part| part.parse().map_err(|_| wrong())).collect::<Result<_, _>>()?;
    match parts[..] {
        [year] => Ok((year, None, None)),
        [year, month] => Ok((year, Some(month), None)),
        [year, month, day] => Ok((year, Some(month), Some(day))),
        _ => Err(wrong()),
    }
}
