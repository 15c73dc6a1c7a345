//! Why a row is not imported.
//!
//! Promises: a refused row has exactly one refusal, the first fault found in a fixed order: its cells, what can be added
//! up, who gave and who received, the other values, the texts. The value shown is what stands in the file, cut to
//! [`VALUE_CHARACTERS_MAX`] characters, except that what may be personal data is named and not repeated.

use super::columns::Column;

/// How much of a refused value a report shows.
pub const VALUE_CHARACTERS_MAX: usize = 80;

/// Why a row is not imported. The words are part of the report's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The record is longer than one may be.
    LineTooLong,
    /// A quote is not closed, or text follows a closing one.
    QuoteMalformed,
    /// The cells cannot be told apart with certainty: another number of them than the header has, or lines that a
    /// stray quote may have glued together.
    CellsAmbiguous,
    /// No identifier of the funder.
    FunderMissing,
    /// No date.
    DateMissing,
    /// A date that is none, or that two countries read differently.
    Date,
    /// An amount that is no number.
    Amount,
    /// An amount below zero.
    AmountNegative,
    /// An amount that reads as thousands or as decimals.
    AmountAmbiguous,
    /// An amount with parts of a cent.
    AmountPrecision,
    /// An amount over 10^15 cents.
    AmountLimit,
    /// A share that is not over 0 and up to 1.
    Share,
    /// An identifier of no known form.
    Identifier,
    /// The sum of the other rows of its year or of the file, without a beneficiary: a total and no grant.
    TotalRow,
    /// Neither name nor identifier of a beneficiary.
    BeneficiaryMissing,
    /// Neither an amount nor any other aid.
    AidMissing,
    /// A nature that the format does not list.
    Nature,
    /// A day or period of payment that is none.
    Period,
    /// Neither `oui` nor `non`.
    StateAid,
    /// A name or text in which an e-mail address, a telephone number, a social security number or an IBAN stands.
    PersonalData,
}

impl Reason {
    /// Every reason, roughly in the order in which a row is checked.
    pub const ALL: [Self; 20] = [
        Self::LineTooLong,
        Self::QuoteMalformed,
        Self::CellsAmbiguous,
        Self::FunderMissing,
        Self::DateMissing,
        Self::Date,
        Self::Amount,
        Self::AmountNegative,
        Self::AmountAmbiguous,
        Self::AmountPrecision,
        Self::AmountLimit,
        Self::Share,
        Self::Identifier,
        Self::TotalRow,
        Self::BeneficiaryMissing,
        Self::AidMissing,
        Self::Nature,
        Self::Period,
        Self::StateAid,
        Self::PersonalData,
    ];

    /// The word of the report.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::LineTooLong => "line_too_long",
            Self::QuoteMalformed => "quote_malformed",
            Self::CellsAmbiguous => "cells_ambiguous",
            Self::FunderMissing => "funder_missing",
            Self::DateMissing => "date_missing",
            Self::Date => "date",
            Self::Amount => "amount",
            Self::AmountNegative => "amount_negative",
            Self::AmountAmbiguous => "amount_ambiguous",
            Self::AmountPrecision => "amount_precision",
            Self::AmountLimit => "amount_limit",
            Self::Share => "share",
            Self::Identifier => "identifier",
            Self::TotalRow => "total_row",
            Self::BeneficiaryMissing => "beneficiary_missing",
            Self::AidMissing => "aid_missing",
            Self::Nature => "nature",
            Self::Period => "period",
            Self::StateAid => "state_aid",
            Self::PersonalData => "personal_data",
        }
    }

    /// One sentence for whoever has to mend the file.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::LineTooLong => "the row has more than 65,536 bytes",
            Self::QuoteMalformed => {
                "a quote is not closed, or text follows a closing quote: double the quotes inside a cell"
            }
            Self::CellsAmbiguous => {
                "the cells cannot be told apart: quote cells that hold the delimiter, and decimal commas"
            }
            Self::FunderMissing => "the funder has no identifier",
            Self::DateMissing => "the convention has no date; a year is enough",
            Self::Date => "no date, or one that is two days in two countries: write YYYY-MM-DD",
            Self::Amount => "no amount: write digits with a decimal point, or leave the cell empty",
            Self::AmountNegative => "the amount is below zero",
            Self::AmountAmbiguous => "the amount reads as thousands or as decimals: write two decimals",
            Self::AmountPrecision => "the amount has parts of a cent",
            Self::AmountLimit => "the amount is over ten thousand billion euros",
            Self::Share => "the share is not over 0 and up to 1: write 0.25 or 25 %",
            Self::Identifier => "no SIREN of 9 digits, no SIRET of 14, no W and 9 digits of an association",
            Self::TotalRow => "the row is the sum of the others and names no beneficiary: a total is no grant",
            Self::BeneficiaryMissing => "the beneficiary has neither name nor identifier",
            Self::AidMissing => "neither an amount nor a loan, a guarantee or aid in kind is given",
            Self::Nature => "the nature is neither 'aide en numéraire' nor 'aide en nature' nor both",
            Self::Period => "the payment has no readable day, nor a period from one day to a later one",
            Self::StateAid => "the notification is neither 'oui' nor 'non'",
            Self::PersonalData => {
                "a name or text holds an e-mail address, a telephone, social security or account number"
            }
        }
    }
}

/// A row that is not imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The line of the file on which the row begins, from 1.
    pub line: u32,
    /// The row's number among the rows, from 1; blank lines are no rows.
    pub row: u32,
    /// The column at fault, or nothing where the row as a whole is.
    pub column: Option<Column>,
    /// What stands there.
    pub value: String,
    /// Why it cannot be imported.
    pub reason: Reason,
}

/// A refusal before it is known where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) column: Option<Column>,
    pub(super) value: String,
    pub(super) reason: Reason,
}

impl Fault {
    /// A fault of one cell.
    pub(super) fn of_cell(column: Column, value: &str, reason: Reason) -> Self {
        Self { column: Some(column), value: shown(value), reason }
    }

    /// A fault of the whole row.
    pub(super) fn of_row(value: &str, reason: Reason) -> Self {
        Self { column: None, value: shown(value), reason }
    }

    /// Places it.
    pub(super) fn at(self, line: u32, row: u32) -> Refusal {
        let Self { column, value, reason } = self;
        Refusal { line, row, column, value, reason }
    }
}

fn shown(value: &str) -> String {
    let mut shown: String = value.trim().chars().take(VALUE_CHARACTERS_MAX + 1).collect();
    super::values::cut(&mut shown, VALUE_CHARACTERS_MAX);
    shown
}
