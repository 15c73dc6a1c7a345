//! One row of the file: what it says, once it has been read without doubt.
//!
//! Promises: a [`Row`] is complete by the import rules (a funder's identifier, a beneficiary's name or identifier, a
//! date, an amount or another aid); what else is absent or cut is in its gaps, what was normalised in its notes.
//! Must not know: the other rows. Whether a row without a beneficiary is a total is decided a level above.

use octroi_primitives::{Amount, Hash, Identifier, IdentifierError, Note, Ppm, Scheme, personal_data};

use super::columns::{Column, Header};
use super::records::Cells;
use super::refusal::{Fault, Reason};
use super::values::{self, Exact, Fraction, Nature, NotMoney, PartialDate, Period, Register, Rule, StateAid};

/// The share number of every row of this format: one row names one beneficiary, and shares are counted from 1.
pub const SHARE_NUMBER: u32 = 1;

/// A row that can be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The line of the file on which the row begins, from 1.
    pub line: u32,
    /// The row's number among the rows, from 1; blank lines are no rows. With the file's hash and the share number it
    /// is the key under which the ledger holds the grant once.
    pub row: u32,
    /// Always [`SHARE_NUMBER`].
    pub share_number: u32,
    /// H("scdl-row", the row's bytes as they are in the file, without the line end).
    pub hash: Hash,
    /// Who gave.
    pub funder: Party,
    /// Who received.
    pub beneficiary: Party,
    /// The date of the convention.
    pub date: PartialDate,
    /// The reference of the decision.
    pub decision: Option<Note>,
    /// What the grant is for.
    pub purpose: Option<Note>,
    /// The money; absent where only a loan, a guarantee or aid in kind was given.
    pub award: Option<Award>,
    /// In money, in kind, or both.
    pub nature: Option<Nature>,
    /// The terms of payment.
    pub conditions: Option<Note>,
    /// When it is paid.
    pub period: Option<Period>,
    /// The number in the register of aid to businesses.
    pub business_aid: Option<Note>,
    /// Whether the aid was notified to the European Commission.
    pub state_aid: Option<StateAid>,
    /// The scheme under which the grant was made.
    pub scheme: Option<Note>,
    /// A loan; outside all totals.
    pub loan: Option<Amount>,
    /// A guarantee; outside all totals.
    pub guarantee: Option<Amount>,
    /// What was given in kind.
    pub in_kind: Option<Note>,
    /// What the aid in kind is worth; outside all totals.
    pub in_kind_estimate: Option<Amount>,
    /// What the row leaves open, in the order of the columns.
    pub gaps: Vec<Gap>,
    /// What was changed to read the row.
    pub normalised: Vec<Normalised>,
}

/// A funder or a beneficiary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// Its name; absent only beside an identifier.
    pub name: Option<Note>,
    /// Its identifiers.
    pub identifiers: Vec<PublishedIdentifier>,
}

/// An identifier of the right form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedIdentifier {
    /// The identifier.
    pub identifier: Identifier,
    /// Whether its check digit holds. One that fails is kept and merges nothing.
    pub verified: bool,
}

/// The money of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Award {
    /// The whole amount, before the split (`montant`).
    pub total: Amount,
    /// The beneficiary's share of it; the whole where the file names none.
    pub share: Ppm,
    /// The beneficiary's money: the total times the share with all its digits, half a cent upwards. Totals add this.
    pub amount: Amount,
}

/// Something a row leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gap {
    /// The cell is empty, or the file has no such column.
    Absent(Column),
    /// The date has no day, or neither month nor day.
    DayAbsent(Column),
    /// The text was longer than the record holds.
    Cut(Column),
}

impl Gap {
    /// The word for the gap: `purpose`, `convention_date_day`, `conditions_cut`.
    #[must_use]
    pub fn code(self) -> String {
        match self {
            Self::Absent(column) => column.code().to_owned(),
            Self::DayAbsent(column) => format!("{}_day", column.code()),
            Self::Cut(column) => format!("{}_cut", column.code()),
        }
    }
}

/// A value that does not stand in the file as it stands in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Normalised {
    /// Where.
    pub column: Column,
    /// What was done.
    pub rule: Rule,
}

/// What a row adds to totals. It is read before all else, so that a total row is recognised even in a year in which
/// another row is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) year: u16,
    pub(super) minor: u64,
}

/// Where a row stands and which bytes it is of.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) line: u32,
    pub(super) row: u32,
    pub(super) hash: Hash,
}

/// What became of a row's cells.
pub(super) struct Reading {
    /// There if date, amount and share could be read.
    pub(super) figures: Option<Figures>,
    /// The row, or the first fault.
    pub(super) outcome: Result<Row, Fault>,
}

/// Reads the cells of one row.
pub(super) fn read(header: &Header, cells: &Cells, place: Place) -> Reading {
    let mut reader = Reader { header, cells, gaps: Vec::new(), normalised: Vec::new() };
    let mut figures = None;
    let outcome = reader.row(place, &mut figures);
    Reading { figures, outcome }
}

struct Reader<'a> {
    header: &'a Header,
    cells: &'a Cells,
    gaps: Vec<Gap>,
    normalised: Vec<Normalised>,
}

impl<'a> Reader<'a> {
    /// What can be added up first, then who gave and who received, then the other values, the texts last. The first
    /// fault ends the reading.
    fn row(&mut self, place: Place, figures: &mut Option<Figures>) -> Result<Row, Fault> {
        let funder_text = self.required(Column::FunderId, Reason::FunderMissing)?;
        let date_text = self.required(Column::ConventionDate, Reason::DateMissing)?;
        let date = self.value(Column::ConventionDate, date_text, Reason::Date, values::date)?;
        if date.day.is_none() {
            self.gaps.push(Gap::DayAbsent(Column::ConventionDate));
        }
        let award = self.award()?;
        *figures = award.map(|award| Figures { year: date.year, minor: award.amount.minor });

        let funder_id = self.identifier(Column::FunderId, funder_text)?;
        let beneficiary_ids = self.beneficiary_identifiers()?;
        if beneficiary_ids.is_empty() && !self.has_words(Column::BeneficiaryName) {
            return Err(Fault::of_cell(Column::BeneficiaryName, "", Reason::BeneficiaryMissing));
        }
        let (loan, guarantee) = (self.other_money(Column::Loan)?, self.other_money(Column::Guarantee)?);
        let in_kind_estimate = self.other_money(Column::InKindEstimate)?;
        let in_kind = in_kind_estimate.is_some() || self.has_words(Column::InKind);
        let other_aid = loan.is_some() || guarantee.is_some() || in_kind;
        if award.is_none() && !other_aid {
            return Err(Fault::of_cell(Column::Amount, "", Reason::AidMissing));
        }
        let nature = self.optional(Column::Nature, Reason::Nature, values::nature)?;
        let period = self.optional(Column::Period, Reason::Period, values::period)?;
        let state_aid = self.optional(Column::StateAid, Reason::StateAid, values::state_aid)?;
        let row = Row {
            line: place.line,
            row: place.row,
            share_number: SHARE_NUMBER,
            hash: place.hash,
            funder: Party { name: self.text(Column::FunderName)?, identifiers: vec![funder_id] },
            beneficiary: Party { name: self.text(Column::BeneficiaryName)?, identifiers: beneficiary_ids },
            date,
            decision: self.text(Column::Decision)?,
            purpose: self.text(Column::Purpose)?,
            award,
            nature,
            conditions: self.text(Column::Conditions)?,
            period,
            business_aid: self.text(Column::BusinessAid)?,
            state_aid,
            scheme: self.text(Column::Scheme)?,
            loan,
            guarantee,
            in_kind: self.text(Column::InKind)?,
            in_kind_estimate,
            gaps: Vec::new(),
            normalised: Vec::new(),
        };
        self.gaps.sort_unstable();
        self.normalised.sort_by_key(|note| (note.column, note.rule));
        self.normalised.dedup();
        Ok(Row { gaps: std::mem::take(&mut self.gaps), normalised: std::mem::take(&mut self.normalised), ..row })
    }

    /// The cell without white space around it; empty and missing are the same.
    fn cell(&self, column: Column) -> &'a str {
        self.header.position(column).and_then(|index| self.cells.get(index)).unwrap_or("").trim()
    }

    /// The cell, or nothing and a gap.
    fn present(&mut self, column: Column) -> Option<&'a str> {
        let text = self.cell(column);
        if text.is_empty() {
            if column.is_missed() {
                self.gaps.push(Gap::Absent(column));
            }
            return None;
        }
        Some(text)
    }

    fn required(&mut self, column: Column, missing: Reason) -> Result<&'a str, Fault> {
        self.present(column).ok_or_else(|| Fault::of_cell(column, "", missing))
    }

    /// Whether a text says anything: control characters alone do not.
    fn has_words(&self, column: Column) -> bool {
        self.cell(column).chars().any(|letter| !letter.is_control() && !letter.is_whitespace())
    }

    /// Reads a cell that is there, and notes what its reader changed.
    fn value<T>(
        &mut self,
        column: Column,
        text: &str,
        reason: Reason,
        read: impl FnOnce(&str, &mut Vec<Rule>) -> Option<T>,
    ) -> Result<T, Fault> {
        let mut rules = Vec::new();
        let value = read(text, &mut rules).ok_or_else(|| Fault::of_cell(column, text, reason))?;
        self.normalised.extend(rules.into_iter().map(|rule| Normalised { column, rule }));
        Ok(value)
    }

    fn optional<T>(
        &mut self,
        column: Column,
        reason: Reason,
        read: impl FnOnce(&str, &mut Vec<Rule>) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        match self.present(column) {
            Some(text) => self.value(column, text, reason, read).map(Some),
            None => Ok(None),
        }
    }

    /// The money of the row. A share is read even where there is no amount: unreadable is a refusal, never a gap.
    fn award(&mut self) -> Result<Option<Award>, Fault> {
        let total = self.money(Column::Amount)?;
        let share = self.optional(Column::Share, Reason::Share, values::share)?.unwrap_or(Fraction::ONE);
        let (ppm, exact) = share.ppm();
        if exact == Exact::Rounded {
            self.normalised.push(Normalised { column: Column::Share, rule: Rule::ShareRounded });
        }
        let share_text = self.cell(Column::Share);
        let ppm = Ppm::new(ppm).map_err(|_| Fault::of_cell(Column::Share, share_text, Reason::Share))?;
        Ok(total.map(|total| Award { total, share: ppm, amount: Amount::eur(share.of(total.minor)) }))
    }

    /// An amount of money, zero included.
    fn money(&mut self, column: Column) -> Result<Option<Amount>, Fault> {
        let Some(text) = self.present(column) else {
            return Ok(None);
        };
        let mut rules = Vec::new();
        let cents = values::cents(text, &mut rules).map_err(|why| {
            let reason = match why {
                NotMoney::Unreadable => Reason::Amount,
                NotMoney::Negative => Reason::AmountNegative,
                NotMoney::Ambiguous => Reason::AmountAmbiguous,
                NotMoney::Precision => Reason::AmountPrecision,
                NotMoney::TooLarge => Reason::AmountLimit,
            };
            Fault::of_cell(column, text, reason)
        })?;
        self.normalised.extend(rules.into_iter().map(|rule| Normalised { column, rule }));
        Ok(Some(Amount::eur(cents)))
    }

    /// A loan, a guarantee or the worth of aid in kind. Zero says that there is none.
    fn other_money(&mut self, column: Column) -> Result<Option<Amount>, Fault> {
        let amount = self.money(column)?;
        if amount.is_some_and(|amount| amount.is_zero()) {
            self.normalised.push(Normalised { column, rule: Rule::ZeroIsNone });
            return Ok(None);
        }
        Ok(amount)
    }

    fn identifier(&mut self, column: Column, text: &str) -> Result<PublishedIdentifier, Fault> {
        let (register, value) = self.value(column, text, Reason::Identifier, values::identifier)?;
        let scheme = match register {
            Register::Siren => Scheme::Siren,
            Register::Siret => Scheme::Siret,
            Register::Rna => Scheme::Rna,
        };
        let rule = match (column, register) {
            (Column::BeneficiaryRna, Register::Rna) | (_, Register::Siret) => None,
            (_, Register::Siren) => Some(Rule::Siren),
            (_, Register::Rna) => Some(Rule::AssociationNumber),
        };
        self.normalised.extend(rule.map(|rule| Normalised { column, rule }));
        let identifier =
            Identifier::new(scheme, &value).map_err(|_| Fault::of_cell(column, text, Reason::Identifier))?;
        match identifier.check() {
            Ok(()) => Ok(PublishedIdentifier { identifier, verified: true }),
            Err(IdentifierError::CheckDigit { .. }) => Ok(PublishedIdentifier { identifier, verified: false }),
            Err(IdentifierError::Malformed { .. }) => Err(Fault::of_cell(column, text, Reason::Identifier)),
        }
    }

    /// What the columns for a SIRET and for an association's number hold; neither is a gap of its own column only.
    fn beneficiary_identifiers(&mut self) -> Result<Vec<PublishedIdentifier>, Fault> {
        let mut found: Vec<PublishedIdentifier> = Vec::new();
        for column in [Column::BeneficiaryId, Column::BeneficiaryRna] {
            let text = self.cell(column);
            if text.is_empty() {
                continue;
            }
            let identifier = self.identifier(column, text)?;
            if !found.contains(&identifier) {
                found.push(identifier);
            }
        }
        if found.is_empty() {
            self.gaps.push(Gap::Absent(Column::BeneficiaryId));
        }
        Ok(found)
    }

    /// A name or text: on one line, free of personal data before and after it is cut.
    fn text(&mut self, column: Column) -> Result<Option<Note>, Fault> {
        let Some(text) = self.present(column) else {
            return Ok(None);
        };
        if !self.has_words(column) {
            self.gaps.extend(column.is_missed().then_some(Gap::Absent(column)));
            return Ok(None);
        }
        let mut rules = Vec::new();
        let mut line = values::one_line(text, &mut rules);
        self.normalised.extend(rules.into_iter().map(|rule| Normalised { column, rule }));
        refuse_personal_data(column, &line)?;
        if values::cut(&mut line, Note::MAX) == Exact::Rounded {
            self.gaps.push(Gap::Cut(column));
            refuse_personal_data(column, &line)?;
        }
        let note = Note::new(&line).expect("on one line there is no control character, and it was cut to the bound");
        Ok(Some(note))
    }
}

/// What was found is named and not shown: a report may be passed on.
fn refuse_personal_data(column: Column, text: &str) -> Result<(), Fault> {
    match personal_data::scan(text) {
        None => Ok(()),
        Some(found) => Err(Fault::of_cell(column, found.as_str(), Reason::PersonalData)),
    }
}
