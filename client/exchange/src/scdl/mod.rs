//! SCDL: the French "essential data of grant agreements", as real files hold them.
//!
//! [`read`] takes the bytes of one file and gives the rows that can be recorded, the rows that cannot with the reason
//! of each, and the totals by which the import is controlled (formats, SCDL; rulebook §7, `declare_past_grant`).
//!
//! **Promises.** accepted + refused = rows, and blank lines are no rows. The order is that of the file. Rows of equal
//! content stay apart. Amounts are integers of cents. The same bytes give the same import.
//!
//! **Must not know** which rows the ledger already holds, or who may publish them.

mod columns;
mod payload;
mod records;
mod refusal;
mod row;
mod values;

use std::collections::BTreeMap;

use octroi_primitives::{Balance, Domain, FileHash, hash};

use crate::ExchangeError;
pub use columns::{Column, Header};
pub use payload::to_payload;
pub use records::{Delimiter, Encoding, RECORD_BYTES_MAX, RECORD_LINES_MAX};
pub use refusal::{Reason, Refusal, VALUE_CHARACTERS_MAX};
pub use row::{Award, Gap, Normalised, Party, PublishedIdentifier, Row, SHARE_NUMBER};
pub use values::{Nature, PartialDate, Period, Rule, StateAid};

use records::{Cells, Malformed, Record, Records};
use refusal::Fault;
use row::{Figures, Place};

/// The largest file read, in bytes.
pub const FILE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The most rows of one file; with their texts they take a few hundred megabytes of memory.
pub const ROWS_MAX: u32 = 250_000;

/// Columns of the format that a line must title to be called a header.
const HEADER_COLUMNS_MIN: usize = 3;

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// H("scdl-file", bytes): with row and share number the key of each past grant.
    pub file: FileHash,
    /// How the lines are encoded.
    pub encoding: Encoding,
    /// What separates the cells.
    pub delimiter: Delimiter,
    /// The columns found, missing and unknown.
    pub header: Header,
    /// Rows, accepted and refused.
    pub rows: u32,
    /// Lines without any value; they are no rows.
    pub blank: u32,
    /// The rows that can be recorded, in the file's order.
    pub accepted: Vec<Row>,
    /// The rows that cannot, in the file's order.
    pub refused: Vec<Refusal>,
    /// What the accepted rows add up to.
    pub totals: Totals,
    /// How many accepted rows have each gap.
    pub gaps: BTreeMap<Gap, u32>,
    /// How many accepted rows were normalised by each rule in each column.
    pub normalised: BTreeMap<(Column, Rule), u32>,
}

/// Control totals over the accepted rows. Loans, guarantees and aid in kind are in none of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Cents of the accepted rows.
    pub accepted_minor: Balance,
    /// Accepted rows without an amount.
    pub without_amount: u32,
    /// Cents of refused rows whose date, amount and share can be read.
    pub refused_minor: Balance,
    /// Accepted rows and their cents by the year of the convention.
    pub by_year: BTreeMap<u16, YearTotal>,
}

/// The accepted rows of one year.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct YearTotal {
    /// How many, with an amount or without.
    pub rows: u32,
    /// Their cents.
    pub minor: Balance,
}

/// Reads a file.
///
/// # Errors
///
/// [`ExchangeError`] if it is too large, has no header, or one that is not of this format. What is wrong with a row
/// is no error but a [`Refusal`].
pub fn read(bytes: &[u8]) -> Result<Import, ExchangeError> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(ExchangeError::TooLarge { bytes: bytes.len(), max: FILE_BYTES_MAX });
    }
    let Head { delimiter, header, mut records } = head(bytes)?;
    let layout = Layout { delimiter, header: &header, width: row_width(delimiter, &header, records.clone()) };
    let row_hash = Domain::new("scdl-row");

    let (mut rows, mut blank) = (0, 0);
    let mut accepted = Vec::new();
    let mut refused = Vec::new();
    let mut nameless = Vec::new();
    let mut sums = Sums::default();
    while let Some(record) = records.next_record() {
        if record.cells.as_ref().is_ok_and(Cells::is_blank) {
            blank += 1;
            continue;
        }
        rows += 1;
        if rows > ROWS_MAX {
            return Err(ExchangeError::TooManyRows { max: ROWS_MAX });
        }
        let place = Place { line: record.line, row: rows, hash: row_hash.hash(&[record.bytes]) };
        let (figures, outcome) = row_of(&layout, record, place);
        match outcome {
            Ok(row) => {
                sums.add(figures, Kind::Accepted);
                accepted.push(row);
            }
            Err(fault) => {
                let without_beneficiary = fault.reason == Reason::BeneficiaryMissing;
                sums.add(figures, if without_beneficiary { Kind::Nameless } else { Kind::Refused });
                if let Some(figures) = figures.filter(|_| without_beneficiary) {
                    nameless.push((refused.len(), figures));
                }
                refused.push(fault.at(place.line, place.row));
            }
        }
    }
    for (index, figures) in nameless {
        let Some(refusal) = refused.get_mut(index).filter(|_| sums.is_total(figures)) else {
            continue;
        };
        *refusal =
            Fault::of_cell(Column::Amount, &euros(figures.minor), Reason::TotalRow).at(refusal.line, refusal.row);
    }
    let (gaps, normalised) = counts(&accepted);
    Ok(Import {
        file: FileHash::new(hash("scdl-file", &[bytes])),
        encoding: Encoding::judge(bytes),
        delimiter,
        header,
        rows,
        blank,
        totals: totals(&accepted, &sums),
        gaps,
        normalised,
        accepted,
        refused,
    })
}

/// The header and what follows it.
struct Head<'a> {
    delimiter: Delimiter,
    header: Header,
    records: Records<'a>,
}

/// Finds the first line that is not blank and reads it as a header with the delimiter by which most titles are known.
fn head(bytes: &[u8]) -> Result<Head<'_>, ExchangeError> {
    let mut best: Option<Head<'_>> = None;
    let mut nothing_found = ExchangeError::NoHeader;
    for delimiter in Delimiter::ALL {
        let mut records = Records::new(bytes, delimiter);
        let titles = loop {
            let Some(Record { line, cells, .. }) = records.next_record() else {
                break None;
            };
            match cells {
                Ok(cells) if cells.is_blank() => {}
                Ok(cells) => break Some((line, Header::from_titles(cells.iter()))),
                Err(_) => {
                    nothing_found = ExchangeError::NotScdl { line, known: 0, min: HEADER_COLUMNS_MIN };
                    break None;
                }
            }
        };
        let Some((line, header)) = titles else {
            continue;
        };
        let header = header.map_err(|column| ExchangeError::ColumnTwice { column })?;
        let known = header.known();
        if known < HEADER_COLUMNS_MIN {
            nothing_found = ExchangeError::NotScdl { line, known, min: HEADER_COLUMNS_MIN };
        } else if best.as_ref().is_none_or(|best| known > best.header.known()) {
            records.set_width(header.titled);
            best = Some(Head { delimiter, header, records });
        }
    }
    best.ok_or(nothing_found)
}

/// How many cells a row has: as many as the header, unless all rows of the file agree on another number that covers the
/// titles, as some programs end each line, or each but the header, with delimiters. Never with commas: there an
/// amount's decimals may be the cell too many. Each row must then pass [`surplus_is_certain`].
fn row_width(delimiter: Delimiter, header: &Header, mut records: Records<'_>) -> usize {
    if delimiter == Delimiter::Comma {
        return header.width;
    }
    let mut agreed = None;
    while let Some(record) = records.next_record() {
        let Ok(cells) = record.cells else { continue };
        if cells.is_blank() {
            continue;
        }
        let width = cells.len();
        if width < header.titled || agreed.is_some_and(|agreed| agreed != width) {
            return header.width;
        }
        agreed = Some(width);
    }
    agreed.unwrap_or(header.width)
}

/// How the rows of a file are laid out.
struct Layout<'a> {
    delimiter: Delimiter,
    header: &'a Header,
    width: usize,
}

/// Reads one record as a row.
fn row_of(layout: &Layout<'_>, record: Record<'_>, place: Place) -> (Option<Figures>, Result<Row, Fault>) {
    let Layout { delimiter, header, width } = *layout;
    let cells = match record.cells {
        Ok(cells) => cells,
        Err(malformed) => {
            let reason = match malformed {
                Malformed::TooLong => Reason::LineTooLong,
                Malformed::QuoteOpen | Malformed::QuoteInside => Reason::QuoteMalformed,
                Malformed::Glued => Reason::CellsAmbiguous,
            };
            let beginning = record.bytes.get(..4 * VALUE_CHARACTERS_MAX).unwrap_or(record.bytes);
            return (None, Err(Fault::of_row(&records::decode(beginning), reason)));
        }
    };
    if cells.len() != width || !surplus_is_certain(header, &cells) {
        let value = format!("{} cells under a header of {}", cells.len(), header.width);
        return (None, Err(Fault::of_row(&value, Reason::CellsAmbiguous)));
    }
    if delimiter == Delimiter::Comma
        && let Some((column, value)) = split_amount(header, &cells)
    {
        return (None, Err(Fault::of_cell(column, &value, Reason::CellsAmbiguous)));
    }
    let row::Reading { figures, outcome } = row::read(header, &cells, place);
    (figures, outcome)
}

/// Whether the cells behind the last title are no more than the line's end. They must be empty, and the last titled
/// column must hold a value of a checked kind: a delimiter too many inside the row would have moved its neighbour there.
fn surplus_is_certain(header: &Header, cells: &Cells) -> bool {
    if cells.len() == header.titled {
        return true;
    }
    let is_empty = |index| cells.get(index).is_none_or(|cell| cell.trim().is_empty());
    header.titled.checked_sub(1).is_some_and(|last| {
        let checked = header.column_at(last).is_some_and(|column| !column.holds_words());
        checked && !is_empty(last) && (header.titled..cells.len()).all(is_empty)
    })
}

/// An unquoted amount with a comma takes two cells of a file with commas. Where another cell is missing, the number of
/// cells is right all the same; what gives it away is a number on its own where the next column holds words.
fn split_amount(header: &Header, cells: &Cells) -> Option<(Column, String)> {
    [Column::Amount, Column::Loan, Column::Guarantee, Column::InKindEstimate].into_iter().find_map(|column| {
        let index = header.position(column)?;
        let (amount, next) = (cells.get(index)?.trim(), cells.get(index + 1)?.trim());
        let holds_words = header.column_at(index + 1).is_none_or(Column::holds_words);
        let whole = amount.ends_with(|c: char| c.is_ascii_digit()) && !amount.contains(['.', ',']);
        let short = next.split('.').next().is_some_and(|digits| (1..=3).contains(&digits.len()));
        let number = short && next.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        (holds_words && whole && number).then(|| (column, format!("{amount},{next}")))
    })
}

/// What a row with figures turned out to be.
#[derive(Clone, Copy)]
enum Kind {
    Accepted,
    Refused,
    Nameless,
}

/// Sums by which a total row is recognised, of each year and of the file.
#[derive(Default)]
struct Sums {
    file: Sum,
    years: BTreeMap<u16, Sum>,
}

/// Cents by what became of their rows.
#[derive(Clone, Copy, Default)]
struct Sum {
    accepted: Balance,
    refused: Balance,
    nameless: Balance,
}

impl Sum {
    fn add(&mut self, minor: u64, kind: Kind) {
        // At most 250,000 rows of at most 10^15 cents: far from the limit.
        match kind {
            Kind::Accepted => self.accepted += Balance::from(minor),
            Kind::Refused => self.refused += Balance::from(minor),
            Kind::Nameless => self.nameless += Balance::from(minor),
        }
    }

    /// Whether the amount is the sum of the other rows: all others, or those of them that name a beneficiary (a file
    /// may have a total for each year and one over all), or those that were accepted.
    fn is_total(&self, minor: u64) -> bool {
        let minor = Balance::from(minor);
        let named = self.accepted + self.refused;
        [self.accepted, named, named + self.nameless - minor].contains(&minor)
    }
}

impl Sums {
    fn add(&mut self, figures: Option<Figures>, kind: Kind) {
        let Some(Figures { year, minor }) = figures else {
            return;
        };
        self.file.add(minor, kind);
        self.years.entry(year).or_default().add(minor, kind);
    }

    /// Zero is no total: it is the sum of no rows as well.
    fn is_total(&self, Figures { year, minor }: Figures) -> bool {
        let of_year = self.years.get(&year).is_some_and(|sum| sum.is_total(minor));
        minor > 0 && (of_year || self.file.is_total(minor))
    }
}

fn totals(accepted: &[Row], sums: &Sums) -> Totals {
    let mut totals = Totals { refused_minor: sums.file.refused + sums.file.nameless, ..Totals::default() };
    for row in accepted {
        let year = totals.by_year.entry(row.date.year).or_default();
        year.rows += 1;
        match row.award {
            Some(award) => {
                totals.accepted_minor += award.amount.balance();
                year.minor += award.amount.balance();
            }
            None => totals.without_amount += 1,
        }
    }
    totals
}

fn counts(accepted: &[Row]) -> (BTreeMap<Gap, u32>, BTreeMap<(Column, Rule), u32>) {
    let (mut gaps, mut normalised) = (BTreeMap::new(), BTreeMap::new());
    for row in accepted {
        for gap in &row.gaps {
            *gaps.entry(*gap).or_insert(0) += 1;
        }
        for note in &row.normalised {
            *normalised.entry((note.column, note.rule)).or_insert(0) += 1;
        }
    }
    (gaps, normalised)
}

/// Cents as euros with a decimal point, for showing.
fn euros(minor: u64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}
