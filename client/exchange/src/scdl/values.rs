//! What a cell says: money, shares, dates, periods, identifiers, the closed lists of the format.
//!
//! Promises: integers only, never a float; a text that has two readings has none; whatever is changed on the way to
//! a value is named by a [`Rule`], so that nothing is normalised in silence.
//! Must not know: rows, columns, or what else the file says.

use super::columns::fold;

/// How a value was brought from what the cell holds to what the record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Spaces, no-break spaces or apostrophes around or inside an identifier were left out.
    Spaces,
    /// Line breaks, tabs or control characters became one space.
    LineBreaks,
    /// A tail `.0`, which a spreadsheet gave an identifier by taking it for a number, was left out.
    FloatTail,
    /// A decimal comma was read as a point.
    DecimalComma,
    /// Separators between thousands were left out.
    Thousands,
    /// The sign or code of the euro was left out.
    CurrencySign,
    /// A share written with `%` was divided by a hundred.
    PercentSign,
    /// A share has more digits than parts per million can hold; the money was computed from all its digits.
    ShareRounded,
    /// A date with slashes was read as one with hyphens.
    DateSlashes,
    /// A date that begins with its day was turned round.
    DayFirst,
    /// The two days of a period were separated by `_`.
    PeriodUnderscore,
    /// Capitals, accents or order differ from the format's list.
    Spelling,
    /// Nine digits stand in a column for fourteen: a SIREN.
    Siren,
    /// The number of an association stands in the column for a SIRET.
    AssociationNumber,
    /// A loan, a guarantee or aid in kind of zero is none.
    ZeroIsNone,
}

impl Rule {
    /// The word of the report.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Spaces => "spaces",
            Self::LineBreaks => "line_breaks",
            Self::FloatTail => "float_tail",
            Self::DecimalComma => "decimal_comma",
            Self::Thousands => "thousands",
            Self::CurrencySign => "currency_sign",
            Self::PercentSign => "percent_sign",
            Self::ShareRounded => "share_rounded",
            Self::DateSlashes => "date_slashes",
            Self::DayFirst => "day_first",
            Self::PeriodUnderscore => "period_underscore",
            Self::Spelling => "spelling",
            Self::Siren => "siren",
            Self::AssociationNumber => "association_number",
            Self::ZeroIsNone => "zero_is_none",
        }
    }
}

/// Why a text is no amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotMoney {
    /// No number in a known manner of writing.
    Unreadable,
    /// Below zero.
    Negative,
    /// `1.500` is one and a half to some and fifteen hundred to others.
    Ambiguous,
    /// Parts of a cent.
    Precision,
    /// Over the largest amount.
    TooLarge,
}

/// The largest amount, in cents (rulebook §1).
pub(super) const CENTS_MAX: u64 = 1_000_000_000_000_000;

/// Reads an amount of euros as cents.
pub(super) fn cents(text: &str, rules: &mut Vec<Rule>) -> Result<u64, NotMoney> {
    let mut number = text.trim();
    for sign in ["€", "EUR", "eur"] {
        if let Some(bare) = number.strip_suffix(sign) {
            number = bare.trim_end();
            rules.push(Rule::CurrencySign);
            break;
        }
    }
    if number.starts_with(['-', '\u{2212}']) {
        return Err(NotMoney::Negative);
    }
    let (whole, decimals, mark) = split_decimals(number)?;
    let groups: Vec<&str> = whole.split(|c: char| is_group_mark(c)).collect();
    let digits = ungrouped(whole, &groups, mark)?;
    let grouped = groups.len() > 1;
    let readable_as_thousands = decimals.len() == 3 && (1..=3).contains(&digits.len()) && !digits.starts_with('0');
    if readable_as_thousands && !grouped {
        return Err(NotMoney::Ambiguous);
    }
    if grouped {
        rules.push(Rule::Thousands);
    }
    if mark == Some(',') {
        rules.push(Rule::DecimalComma);
    }
    let (kept, beyond) = decimals.split_at_checked(2).unwrap_or((decimals, ""));
    if beyond.bytes().any(|digit| digit != b'0') {
        return Err(NotMoney::Precision);
    }
    let mut cents: u64 = 0;
    for digit in digits.bytes().chain(kept.bytes()).chain(std::iter::repeat_n(b'0', 2 - kept.len())) {
        cents = cents
            .checked_mul(10)
            .and_then(|sum| sum.checked_add(u64::from(digit - b'0')))
            .filter(|sum| *sum <= CENTS_MAX)
            .ok_or(NotMoney::TooLarge)?;
    }
    Ok(cents)
}

/// The part before the decimal mark, the digits behind it, and the mark. A lone `.` or `,` is the decimal mark; with
/// both, the last one is, if it stands once; one of them several times separates thousands.
fn split_decimals(number: &str) -> Result<(&str, &str, Option<char>), NotMoney> {
    let points = number.matches('.').count();
    let commas = number.matches(',').count();
    let mark = match (points, commas) {
        (0, 0) | (2.., 0) | (0, 2..) => return Ok((number, "", None)),
        (1, 0) => '.',
        (0, 1) => ',',
        (1, _) if number.rfind('.') > number.rfind(',') => '.',
        (_, 1) if number.rfind(',') > number.rfind('.') => ',',
        (_, _) => return Err(NotMoney::Unreadable),
    };
    let (whole, decimals) = number.split_once(mark).ok_or(NotMoney::Unreadable)?;
    let all_digits = !decimals.is_empty() && decimals.bytes().all(|byte| byte.is_ascii_digit());
    if all_digits { Ok((whole, decimals, Some(mark))) } else { Err(NotMoney::Unreadable) }
}

/// The digits of the whole part: all together, or in threes with one manner of separator.
fn ungrouped(whole: &str, groups: &[&str], mark: Option<char>) -> Result<String, NotMoney> {
    let readable = groups.iter().all(|group| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit()));
    if !readable {
        return Err(NotMoney::Unreadable);
    }
    if let [first, rest @ ..] = groups
        && !rest.is_empty()
    {
        let mut marks = whole.chars().filter(|c| is_group_mark(*c)).map(|c| if c.is_whitespace() { ' ' } else { c });
        let one = marks.next();
        let in_threes = first.len() <= 3 && !first.starts_with('0') && rest.iter().all(|group| group.len() == 3);
        if one == mark || !in_threes || marks.any(|other| Some(other) != one) {
            return Err(NotMoney::Unreadable);
        }
    }
    Ok(groups.concat())
}

fn is_group_mark(letter: char) -> bool {
    letter.is_whitespace() && !matches!(letter, '\n' | '\r' | '\t') || matches!(letter, '.' | ',' | '\'' | '’')
}

/// A share as a decimal fraction with all its digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fraction {
    numerator: u64,
    denominator: u64,
}

impl Fraction {
    /// The whole.
    pub(super) const ONE: Self = Self { numerator: 1, denominator: 1 };

    /// The share of an amount, half a cent upwards.
    pub(super) fn of(self, cents: u64) -> u64 {
        let exact = u128::from(cents) * u128::from(self.numerator);
        let half_up = (2 * exact + u128::from(self.denominator)) / (2 * u128::from(self.denominator));
        u64::try_from(half_up).expect("a share is at most its whole, which fits")
    }

    /// Parts per million, rounded half up, and whether nothing was lost by that.
    pub(super) fn ppm(self) -> (u32, Exact) {
        const MILLION: u64 = 1_000_000;
        let rounded = u32::try_from(self.of(MILLION)).expect("a share of a million is at most a million");
        let lossless = u128::from(MILLION) * u128::from(self.numerator) % u128::from(self.denominator) == 0;
        (rounded, if lossless { Exact::Yes } else { Exact::Rounded })
    }
}

/// Whether a conversion kept every digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exact {
    /// It did.
    Yes,
    /// It did not.
    Rounded,
}

/// Reads a share over 0 and up to 1, or up to `100 %` if the sign is there; `100` alone is refused.
pub(super) fn share(text: &str, rules: &mut Vec<Rule>) -> Option<Fraction> {
    const DIGITS_MAX: usize = 12;
    let mut number = text.trim();
    let mut denominator: u64 = 1;
    if let Some(bare) = number.strip_suffix('%') {
        number = bare.trim_end();
        denominator = 100;
        rules.push(Rule::PercentSign);
    }
    let (whole, decimals) = match number.split_once(['.', ',']) {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (number, ""),
    };
    if number.contains(',') {
        rules.push(Rule::DecimalComma);
    }
    let decimals = decimals.trim_end_matches('0');
    if whole.is_empty() || whole.len() > 3 || decimals.len() > DIGITS_MAX {
        return None;
    }
    let mut numerator: u64 = 0;
    for byte in whole.bytes().chain(decimals.bytes()) {
        numerator = numerator * 10 + u64::from(byte.is_ascii_digit().then(|| byte - b'0')?);
    }
    denominator *= 10_u64.pow(u32::try_from(decimals.len()).ok()?);
    (numerator > 0 && numerator <= denominator).then_some(Fraction { numerator, denominator })
}

/// A date of which the day, or the month too, may be unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartialDate {
    /// The year, 1900 to 2199.
    pub year: u16,
    /// The month, 1 to 12.
    pub month: Option<u8>,
    /// The day, there only with a month, and one that the month has.
    pub day: Option<u8>,
}

/// The years a grant can be of; what lies outside is a slip of the pen.
const YEARS: std::ops::RangeInclusive<u16> = 1900..=2199;

impl PartialDate {
    fn new(year: u16, month: Option<u8>, day: Option<u8>) -> Option<Self> {
        let month_fits = month.is_none_or(|month| (1..=12).contains(&month));
        let day_fits = match (month, day) {
            (_, None) => true,
            (Some(month), Some(day)) => (1..=days_in(year, month)).contains(&day),
            (None, Some(_)) => false,
        };
        (YEARS.contains(&year) && month_fits && day_fits).then_some(Self { year, month, day })
    }

    /// The last day this date can mean, for comparing.
    fn latest(self) -> (u16, u8, u8) {
        let month = self.month.unwrap_or(12);
        (self.year, month, self.day.unwrap_or_else(|| days_in(self.year, month)))
    }

    /// The first day this date can mean, for comparing.
    fn earliest(self) -> (u16, u8, u8) {
        (self.year, self.month.unwrap_or(1), self.day.unwrap_or(1))
    }
}

const fn days_in(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Reads `2017`, `2017-09`, `2017-09-08`, the same with slashes, and `27/09/2017`; with the day first only where the
/// two numbers cannot be swapped, since `08/09/2017` is two days of two countries.
pub(super) fn date(text: &str, rules: &mut Vec<Rule>) -> Option<PartialDate> {
    let text = text.trim();
    let mark = if text.contains('/') { '/' } else { '-' };
    let mut parts = text.split(mark);
    let (first, second, third) = (parts.next()?, parts.next(), parts.next());
    if parts.next().is_some() {
        return None;
    }
    if mark == '/' {
        rules.push(Rule::DateSlashes);
    }
    match (first.len(), second, third) {
        (4, None, None) => PartialDate::new(number(first)?, None, None),
        (4, Some(month), None) => PartialDate::new(number(first)?, Some(two_digits(month)?), None),
        (4, Some(month), Some(day)) => {
            PartialDate::new(number(first)?, Some(two_digits(month)?), Some(two_digits(day)?))
        }
        (2, Some(month), Some(year)) if year.len() == 4 => {
            let (day, month) = (two_digits(first)?, two_digits(month)?);
            rules.push(Rule::DayFirst);
            let swappable = day <= 12 && day != month;
            if swappable { None } else { PartialDate::new(number(year)?, Some(month), Some(day)) }
        }
        _ => None,
    }
}

fn number(digits: &str) -> Option<u16> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

fn two_digits(text: &str) -> Option<u8> {
    if text.len() == 2 { number(text).and_then(|value| u8::try_from(value).ok()) } else { None }
}

/// When a grant is paid: on or in one date, or from one to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The day, month or year, or the first of several.
    pub from: PartialDate,
    /// The last, where the file names two; not before `from`.
    pub to: Option<PartialDate>,
}

/// Reads one date, or two joined by `/` or `_`.
pub(super) fn period(text: &str, rules: &mut Vec<Rule>) -> Option<Period> {
    let mut tried = Vec::new();
    if let Some(from) = date(text, &mut tried) {
        rules.append(&mut tried);
        return Some(Period { from, to: None });
    }
    let (from, to) = if let Some(parts) = text.split_once('_') {
        rules.push(Rule::PeriodUnderscore);
        parts
    } else {
        text.split_once('/')?
    };
    let (from, to) = (date(from, rules)?, date(to, rules)?);
    rules.dedup();
    (from.earliest() <= to.latest()).then_some(Period { from, to: Some(to) })
}

/// In which register an identifier stands; its form is right, its check digit is another matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Register {
    /// Nine digits: a legal unit.
    Siren,
    /// Fourteen digits: an establishment.
    Siret,
    /// `W` and nine digits: an association.
    Rna,
}

/// Reads an identifier in its canonical form: digits alone, or `W` and digits.
pub(super) fn identifier(text: &str, rules: &mut Vec<Rule>) -> Option<(Register, String)> {
    let mut bare: String = text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '\'' | '’')).collect();
    if bare != text {
        rules.push(Rule::Spaces);
    }
    if let Some(whole) = bare.strip_suffix(".0").or_else(|| bare.strip_suffix(",0")) {
        bare.truncate(whole.len());
        rules.push(Rule::FloatTail);
    }
    if bare.starts_with('w') {
        bare.make_ascii_uppercase();
        rules.push(Rule::Spelling);
    }
    let digits = bare.strip_prefix('W').unwrap_or(&bare);
    // Zeros alone have a right check digit and are everybody's placeholder: they would merge strangers.
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) || digits.bytes().all(|byte| byte == b'0') {
        return None;
    }
    let register = match (bare.starts_with('W'), digits.len()) {
        (true, 9) => Register::Rna,
        (false, 9) => Register::Siren,
        (false, 14) => Register::Siret,
        _ => return None,
    };
    Some((register, bare))
}

/// In what a grant consists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// `aide en numéraire`.
    Money,
    /// `aide en nature`.
    Kind,
    /// Both, in either order.
    Both,
}

impl Nature {
    /// The ledger's word: `cash`, `in_kind` or `both`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Money => "cash",
            Self::Kind => "in_kind",
            Self::Both => "both",
        }
    }
}

/// Reads one of the format's four values, whatever its capitals, accents and separators.
pub(super) fn nature(text: &str, rules: &mut Vec<Rule>) -> Option<Nature> {
    let (nature, spelled): (Nature, &[&str]) = match fold(text).as_str() {
        "aideennumeraire" => (Nature::Money, &["aide en numéraire"]),
        "aideennature" => (Nature::Kind, &["aide en nature"]),
        "aideennumeraireaideennature" | "aideennatureaideennumeraire" => {
            (Nature::Both, &["aide en numéraire;aide en nature", "aide en nature;aide en numéraire"])
        }
        _ => return None,
    };
    if !spelled.contains(&text) {
        rules.push(Rule::Spelling);
    }
    Some(nature)
}

/// Whether an aid was notified to the European Commission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateAid {
    /// `oui`.
    Notified,
    /// `non`.
    NotNotified,
}

/// Reads `oui` or `non`.
pub(super) fn state_aid(text: &str, rules: &mut Vec<Rule>) -> Option<StateAid> {
    let found = match fold(text).as_str() {
        "oui" => StateAid::Notified,
        "non" => StateAid::NotNotified,
        _ => return None,
    };
    if !matches!(text, "oui" | "non") {
        rules.push(Rule::Spelling);
    }
    Some(found)
}

/// Free text on one line: white space around it goes, each run of line breaks and control characters is one space.
pub(super) fn one_line(text: &str, rules: &mut Vec<Rule>) -> String {
    let text = text.trim();
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    rules.push(Rule::LineBreaks);
    text.split(char::is_control).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Cuts a text to at most `characters_max` characters, the last of them `…`; tells whether it was too long.
pub(super) fn cut(text: &mut String, characters_max: usize) -> Exact {
    let Some(last) = characters_max.checked_sub(1) else {
        return Exact::Yes;
    };
    if text.chars().nth(characters_max).is_none() {
        return Exact::Yes;
    }
    if let Some((at, _)) = text.char_indices().nth(last) {
        text.truncate(at);
        text.push('…');
    }
    Exact::Rounded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Result<u64, NotMoney> {
        cents(text, &mut Vec::new())
    }

    #[test]
    fn amounts_are_read_in_every_unambiguous_manner() {
        for (text, expected) in [
            ("250.0", 25_000),
            ("25970.06", 2_597_006),
            ("26 956,00", 2_695_600),
            ("100\u{a0}000,00", 10_000_000),
            ("1\u{202f}500\u{202f}000", 150_000_000),
            ("320000,5", 32_000_050),
            ("0", 0),
            ("0.500", 50),
            ("2500.000", 250_000),
            ("2 500.000", 250_000),
            ("1.500.000", 150_000_000),
            ("1.500,25", 150_025),
            ("1,500.25", 150_025),
            ("1'500", 150_000),
            ("12 €", 1_200),
            ("12,50 EUR", 1_250),
            ("10000000000000", 1_000_000_000_000_000),
        ] {
            assert_eq!(money(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn amounts_with_two_readings_or_none_are_refused() {
        for (text, why) in [
            ("NC", NotMoney::Unreadable),
            ("", NotMoney::Unreadable),
            ("€", NotMoney::Unreadable),
            ("1 5 00", NotMoney::Unreadable),
            ("10 00,00", NotMoney::Unreadable),
            ("0 500", NotMoney::Unreadable),
            ("1 500.000,00", NotMoney::Unreadable),
            ("1,500,00", NotMoney::Unreadable),
            ("1.5.0,0,0", NotMoney::Unreadable),
            ("1,5,0.0.0", NotMoney::Unreadable),
            ("12.", NotMoney::Unreadable),
            (".5", NotMoney::Unreadable),
            ("1e5", NotMoney::Unreadable),
            ("1.5E5", NotMoney::Unreadable),
            ("+5", NotMoney::Unreadable),
            ("-5", NotMoney::Negative),
            ("1.500", NotMoney::Ambiguous),
            ("250,000", NotMoney::Ambiguous),
            ("1.505", NotMoney::Ambiguous),
            ("1500.005", NotMoney::Precision),
            ("0.001", NotMoney::Precision),
            ("10000000000000.01", NotMoney::TooLarge),
            ("99999999999999999999999999", NotMoney::TooLarge),
            ("٣", NotMoney::Unreadable),
        ] {
            assert_eq!(money(text), Err(why), "{text}");
        }
    }

    #[test]
    fn a_share_is_a_fraction_and_its_money_rounds_half_up() {
        let read = |text| share(text, &mut Vec::new());
        for text in ["1", "1.0", "1,00", "100 %", "100%"] {
            assert_eq!(read(text).map(|f| (f.of(12_345), f.ppm())), Some((12_345, (1_000_000, Exact::Yes))), "{text}");
        }
        let third = read("0.33333333").expect("eight digits");
        assert_eq!((third.of(300_000_000), third.ppm()), (99_999_999, (333_333, Exact::Rounded)));
        assert_eq!(read("0.5").map(|half| half.of(101)), Some(51));
        assert_eq!(read("0.05").map(|twentieth| twentieth.of(9_978_657)), Some(498_933));
        for text in ["100", "1.01", "0", "0.0", "-0.5", "", "%", "a", "1;;", "0.5.5", "1.", ".5", "101 %"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn dates_with_two_readings_or_none_are_refused() {
        let read = |text| date(text, &mut Vec::new()).map(|d| (d.year, d.month, d.day));
        for (text, expected) in [
            ("2014", (2014, None, None)),
            ("2014-02", (2014, Some(2), None)),
            ("2017-09-08", (2017, Some(9), Some(8))),
            ("2017/09/08", (2017, Some(9), Some(8))),
            ("27/09/2017", (2017, Some(9), Some(27))),
            ("05/05/2017", (2017, Some(5), Some(5))),
            ("2016-02-29", (2016, Some(2), Some(29))),
        ] {
            assert_eq!(read(text), Some(expected), "{text}");
        }
        for text in [
            "",
            "17",
            "08/09/2017",
            "09/27/2017",
            "2017-02-29",
            "2017-13-01",
            "2017-00-01",
            "2017-1-1",
            "1066",
            "2017-09/08",
            "2017-09-08-01",
            "+017",
            "2017-09-08T00:00:00",
            "20170908",
            "0000-00-00",
            "éé17",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn periods_have_one_date_or_two_in_order() {
        let year = |year| PartialDate { year, month: None, day: None };
        let read = |text| period(text, &mut Vec::new());
        assert_eq!(read("2014"), Some(Period { from: year(2014), to: None }));
        assert_eq!(read("2017/2018"), Some(Period { from: year(2017), to: Some(year(2018)) }));
        let slashes = read("2017/09/08_2021/09/07").expect("two dates");
        assert_eq!(read("2017-09-08/2021-09-07"), Some(slashes));
        assert_eq!(read("2017-09-08 _2021-09-07"), Some(slashes));
        assert_eq!(slashes.to.and_then(|to| to.day), Some(7));
        for text in [
            "",
            "2018_2017",
            "2018-01-02/2018-01-01",
            "2017/2018/2019",
            "22680 € : 2018-05-30",
            "2017/09/08/2021/09/07",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn identifiers_are_brought_to_their_canonical_form_visibly() {
        for (text, register, value, expected) in [
            ("21310458100011", Register::Siret, "21310458100011", vec![]),
            ("452474562", Register::Siren, "452474562", vec![]),
            ("W443000001", Register::Rna, "W443000001", vec![]),
            ("'213 104 581\u{a0}00011", Register::Siret, "21310458100011", vec![Rule::Spaces]),
            ("21310458100011.0", Register::Siret, "21310458100011", vec![Rule::FloatTail]),
            ("w443000001", Register::Rna, "W443000001", vec![Rule::Spelling]),
        ] {
            let mut rules = Vec::new();
            assert_eq!(identifier(text, &mut rules), Some((register, value.to_owned())), "{text}");
            assert_eq!(rules, expected, "{text}");
        }
        for text in [
            "",
            "NC",
            "2131045810001",
            "2.1310458100011E13",
            "W44300000",
            "WW44300000",
            "21310458100011.5",
            "00000000000000",
            "W000000000",
            "４５２４７４５６２",
        ] {
            assert_eq!(identifier(text, &mut Vec::new()), None, "{text}");
        }
    }

    #[test]
    fn the_closed_lists_forgive_spelling_and_nothing_else() {
        let mut rules = Vec::new();
        assert_eq!(nature("aide en nature;aide en numéraire", &mut rules), Some(Nature::Both));
        assert_eq!(state_aid("non", &mut rules), Some(StateAid::NotNotified));
        assert_eq!(rules, []);
        assert_eq!(nature("Aide en numeraire", &mut rules), Some(Nature::Money));
        assert_eq!(rules, [Rule::Spelling]);
        assert_eq!(
            (nature("00", &mut rules), nature("prêt", &mut rules), state_aid("0", &mut rules)),
            (None, None, None)
        );
    }

    #[test]
    fn long_text_is_cut_at_a_character_and_line_breaks_are_spaces() {
        let mut rules = Vec::new();
        assert_eq!(one_line(" a\r\n -b\tc \u{85}", &mut rules), "a -b c");
        assert_eq!(rules, [Rule::LineBreaks]);
        let mut exact = "é".repeat(256);
        assert_eq!((cut(&mut exact, 256), exact.chars().count()), (Exact::Yes, 256));
        let mut long = "é".repeat(257);
        assert_eq!((cut(&mut long, 256), long.chars().count(), long.ends_with("é…")), (Exact::Rounded, 256, true));
    }
}
