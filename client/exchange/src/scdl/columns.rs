//! The columns of an SCDL file and how real files title them.
//!
//! Promises: a title is recognised whatever its case, accents, spaces and punctuation, both as the field name of the
//! format and as the French sentence that the format gives it; no title stands for two columns.
//! Must not know: what a value looks like.

use std::fmt;

/// One column of the format, and the four for loans, guarantees and aid in kind that older files add to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// The funder's name.
    FunderName,
    /// The funder's SIRET.
    FunderId,
    /// The date of the convention.
    ConventionDate,
    /// The reference of the decision.
    Decision,
    /// The beneficiary's name.
    BeneficiaryName,
    /// The beneficiary's SIRET or SIREN.
    BeneficiaryId,
    /// The beneficiary's number in the register of associations.
    BeneficiaryRna,
    /// What the grant is for.
    Purpose,
    /// The whole amount, before it is split between beneficiaries.
    Amount,
    /// In money, in kind, or both.
    Nature,
    /// The terms of payment.
    Conditions,
    /// The day or period of payment.
    Period,
    /// The number in the register of aid to businesses.
    BusinessAid,
    /// Whether the aid was notified to the European Commission.
    StateAid,
    /// The beneficiary's share of the amount, from 0 to 1.
    Share,
    /// The scheme under which the grant was made.
    Scheme,
    /// The amount of a loan.
    Loan,
    /// The amount of a guarantee.
    Guarantee,
    /// What was given in kind.
    InKind,
    /// What the aid in kind is worth.
    InKindEstimate,
}

impl Column {
    /// Every column, the format's sixteen first and in its order.
    pub const ALL: [Self; 20] = [
        Self::FunderName,
        Self::FunderId,
        Self::ConventionDate,
        Self::Decision,
        Self::BeneficiaryName,
        Self::BeneficiaryId,
        Self::BeneficiaryRna,
        Self::Purpose,
        Self::Amount,
        Self::Nature,
        Self::Conditions,
        Self::Period,
        Self::BusinessAid,
        Self::StateAid,
        Self::Share,
        Self::Scheme,
        Self::Loan,
        Self::Guarantee,
        Self::InKind,
        Self::InKindEstimate,
    ];

    /// The name the format gives the field; for the last four, which it does not name, ours in the same manner.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FunderName => "nomAttribuant",
            Self::FunderId => "idAttribuant",
            Self::ConventionDate => "dateConvention",
            Self::Decision => "referenceDecision",
            Self::BeneficiaryName => "nomBeneficiaire",
            Self::BeneficiaryId => "idBeneficiaire",
            Self::BeneficiaryRna => "rnaBeneficiaire",
            Self::Purpose => "objet",
            Self::Amount => "montant",
            Self::Nature => "nature",
            Self::Conditions => "conditionsVersement",
            Self::Period => "datesPeriodeVersement",
            Self::BusinessAid => "idRAE",
            Self::StateAid => "notificationUE",
            Self::Share => "pourcentageSubvention",
            Self::Scheme => "dispositifAide",
            Self::Loan => "montantPret",
            Self::Guarantee => "montantGarantie",
            Self::InKind => "detailAvantagesNature",
            Self::InKindEstimate => "estimationAvantagesNature",
        }
    }

    /// The word for the column in lists of gaps: lower-case ASCII and `_`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::FunderName => "funder_name",
            Self::FunderId => "funder_identifier",
            Self::ConventionDate => "convention_date",
            Self::Decision => "decision",
            Self::BeneficiaryName => "beneficiary_name",
            Self::BeneficiaryId => "beneficiary_identifier",
            Self::BeneficiaryRna => "beneficiary_association",
            Self::Purpose => "purpose",
            Self::Amount => "amount",
            Self::Nature => "nature",
            Self::Conditions => "conditions",
            Self::Period => "payment_period",
            Self::BusinessAid => "business_aid",
            Self::StateAid => "state_aid",
            Self::Share => "share",
            Self::Scheme => "scheme",
            Self::Loan => "loan",
            Self::Guarantee => "guarantee",
            Self::InKind => "in_kind",
            Self::InKindEstimate => "in_kind_estimate",
        }
    }

    /// The sentences by which files title the column instead of its name, folded as [`fold`] does.
    const fn titles(self) -> &'static [&'static str] {
        match self {
            Self::FunderName => &["nomdelattribuant"],
            Self::FunderId => &["identificationdelattribuant"],
            Self::ConventionDate => &["datedelaconventiondesubvention", "datedelaconvention"],
            Self::Decision => &["referencedeladecision"],
            Self::BeneficiaryName => &["nomdubeneficiaire"],
            Self::BeneficiaryId => &["identificationdubeneficiaire", "identificationsiretdubeneficiaire"],
            Self::BeneficiaryRna => &["identificationrnadubeneficiaire"],
            Self::Purpose => &["objetdelasubvention"],
            Self::Amount => &["montanttotaldelasubvention"],
            Self::Nature => &["naturedelasubvention"],
            Self::Conditions => &["conditionsdeversementdelasubvention"],
            Self::Period => &["dateouperiodedeversement", "datesouperiodedeversement"],
            Self::BusinessAid => &["identifiantraedelaideautitredelaquellelasubventionestattribuee"],
            Self::StateAid => &["aidedetatnotifieealacommissioneuropeenne"],
            Self::Share => &["pourcentagedumontanttotaldelasubventionattribueeaubeneficiaire"],
            Self::Scheme => &["identifiantreferencantledispositifdaidealoriginedelasubvention"],
            Self::Loan => &["montantdupret"],
            Self::Guarantee => &["montantdelagarantie"],
            Self::InKind => &["detaildesavantagesennature"],
            Self::InKindEstimate => &["estimationdesavantagesennature"],
        }
    }

    /// The column a title stands for, or nothing if the format does not know it.
    #[must_use]
    pub fn from_title(title: &str) -> Option<Self> {
        let folded = fold(title);
        Self::ALL.into_iter().find(|column| {
            let name_matches = fold(column.name()) == folded;
            name_matches || column.titles().contains(&folded.as_str())
        })
    }

    /// Whether the column holds text that is kept as it is.
    pub(super) const fn holds_words(self) -> bool {
        match self {
            Self::FunderName
            | Self::Decision
            | Self::BeneficiaryName
            | Self::Purpose
            | Self::Conditions
            | Self::BusinessAid
            | Self::Scheme
            | Self::InKind => true,
            Self::FunderId
            | Self::ConventionDate
            | Self::BeneficiaryId
            | Self::BeneficiaryRna
            | Self::Amount
            | Self::Nature
            | Self::Period
            | Self::StateAid
            | Self::Share
            | Self::Loan
            | Self::Guarantee
            | Self::InKindEstimate => false,
        }
    }

    /// Whether an empty cell is listed as a gap of the row. Those left out are optional by the format and say
    /// nothing by their absence, as a loan does; the reference of the decision is optional too, but who decided is
    /// what a reader asks first.
    pub(super) const fn is_missed(self) -> bool {
        match self {
            Self::FunderName
            | Self::FunderId
            | Self::ConventionDate
            | Self::Decision
            | Self::BeneficiaryName
            | Self::BeneficiaryId
            | Self::Purpose
            | Self::Amount
            | Self::Nature
            | Self::Conditions
            | Self::Period
            | Self::StateAid
            | Self::Share => true,
            Self::BeneficiaryRna
            | Self::BusinessAid
            | Self::Scheme
            | Self::Loan
            | Self::Guarantee
            | Self::InKind
            | Self::InKindEstimate => false,
        }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Small letters and digits of ASCII, nothing else: `Aide d'État` and `aide d’etat` fold to the same.
pub(super) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for letter in text.chars().flat_map(char::to_lowercase) {
        let plain = match letter {
            'a'..='z' | '0'..='9' => letter,
            'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => 'a',
            'ç' => 'c',
            'è' | 'é' | 'ê' | 'ë' => 'e',
            'ì' | 'í' | 'î' | 'ï' => 'i',
            'ñ' => 'n',
            'ò' | 'ó' | 'ô' | 'õ' | 'ö' => 'o',
            'ù' | 'ú' | 'û' | 'ü' => 'u',
            'ý' | 'ÿ' => 'y',
            _ => continue,
        };
        folded.push(plain);
    }
    folded
}

/// Where each column stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// How many cells the header has.
    pub width: usize,
    /// How many of them there are up to the last that has a title; the cells of rows behind it must be empty.
    pub titled: usize,
    /// Columns of the format that the file lacks.
    pub missing: Vec<Column>,
    /// Titles that the format does not know; their cells are not read.
    pub unknown: Vec<String>,
    positions: [Option<usize>; Column::ALL.len()],
}

impl Header {
    /// Reads the titles.
    ///
    /// # Errors
    ///
    /// The column that two titles claim.
    pub(super) fn from_titles<'a>(titles: impl Iterator<Item = &'a str>) -> Result<Self, Column> {
        let mut positions = [None; Column::ALL.len()];
        let mut unknown = Vec::new();
        let (mut width, mut titled) = (0, 0);
        for (index, title) in titles.enumerate() {
            width = index + 1;
            let title = title.trim();
            if title.is_empty() {
                continue;
            }
            titled = width;
            let Some(column) = Column::from_title(title) else {
                unknown.push(title.chars().take(80).collect());
                continue;
            };
            let Some(place) = positions.get_mut(column as usize) else {
                continue;
            };
            if place.replace(index).is_some() {
                return Err(column);
            }
        }
        let mut header = Self { width, titled, missing: Vec::new(), unknown, positions };
        header.missing = Column::ALL.into_iter().filter(|c| c.is_missed() && header.position(*c).is_none()).collect();
        Ok(header)
    }

    /// The index of the column's cells from 0, or nothing if the file lacks it.
    #[must_use]
    pub fn position(&self, column: Column) -> Option<usize> {
        self.positions.get(column as usize).copied().flatten()
    }

    /// The column whose cells stand at `index`, or nothing if the format does not know it.
    pub(super) fn column_at(&self, index: usize) -> Option<Column> {
        Column::ALL.into_iter().find(|column| self.position(*column) == Some(index))
    }

    /// How many columns of the format the file has.
    pub(super) fn known(&self) -> usize {
        self.positions.iter().flatten().count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_stands_at_its_own_place_in_the_list() {
        for (index, column) in Column::ALL.into_iter().enumerate() {
            assert_eq!(column as usize, index, "{column}");
        }
    }

    #[test]
    fn no_title_stands_for_two_columns() {
        let mut seen = std::collections::BTreeSet::new();
        for column in Column::ALL {
            for title in column.titles().iter().map(|t| (*t).to_owned()).chain([fold(column.name())]) {
                assert_eq!(fold(&title), title, "{column}: titles are written folded");
                assert!(seen.insert(title.clone()), "{title} stands for two columns");
            }
        }
    }

    #[test]
    fn titles_are_known_in_any_case_and_as_sentences() {
        for (title, column) in [
            ("NOMATTRIBUANT", Column::FunderName),
            ("datesperiodeVersement", Column::Period),
            ("Aide d'Etat notifiée à la Commission Européenne", Column::StateAid),
            (" Montant du prêt ", Column::Loan),
            ("Identification SIRET du bénéficiaire", Column::BeneficiaryId),
        ] {
            assert_eq!(Column::from_title(title), Some(column), "{title}");
        }
        assert_eq!(Column::from_title("type"), None);
    }

    #[test]
    fn unknown_titles_are_listed_and_missing_columns_too() {
        let header =
            Header::from_titles(["montant", "type", "nomBeneficiaire", ""].into_iter()).expect("no title twice");
        assert_eq!((header.width, header.titled, header.known()), (4, 3, 2));
        assert_eq!(header.unknown, ["type"]);
        assert!(header.missing.contains(&Column::Purpose) && !header.missing.contains(&Column::Amount));
        assert_eq!(header.position(Column::BeneficiaryName), Some(2));
    }

    #[test]
    fn two_titles_for_one_column_are_refused() {
        let twice = Header::from_titles(["montant", "Montant total de la subvention"].into_iter());
        assert_eq!(twice, Err(Column::Amount));
    }
}
