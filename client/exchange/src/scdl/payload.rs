//! A row as the ledger records it: the payload of `declare_past_grant` (rulebook §7, §17).
//!
//! **Promises.** Total: every [`Row`] has its payload, and one that the ledger's own checks of shape accept. The amount is the row's, never computed
//! again. What the ledger has no field for (the number in the register of aid to businesses, whether aid was notified, the scheme) is witnessed by
//! the row's hash alone.
//!
//! **Must not know** who signs, and which rows the ledger already holds.

use octroi_ledger::grant::{
    declare_past_grant::{DeclarePastGrant, Nature, PublishedIdentifier, PublishedParty, PublishedPeriod},
    past_grant::PartialDate,
};
use octroi_primitives::{Code, FileHash};

use super::row::{self, Row};
use super::values;

/// What declares this row of `file`; `replaces` names the file that it corrects.
#[must_use]
pub fn to_payload(row: &Row, file: FileHash, replaces: Option<FileHash>) -> DeclarePastGrant {
    let Row {
        line: _,
        row,
        share_number,
        hash,
        funder,
        beneficiary,
        date: given,
        decision,
        purpose,
        award,
        nature: given_nature,
        conditions,
        period,
        business_aid: _,
        state_aid: _,
        scheme: _,
        loan,
        guarantee,
        in_kind,
        in_kind_estimate,
        gaps,
        normalised: _,
    } = row.clone();
    DeclarePastGrant {
        file,
        row,
        share_number,
        replaces,
        funder: party(funder),
        beneficiary: party(beneficiary),
        date: date(given),
        decision,
        purpose,
        amount: award.map(|award| award.amount),
        total: award.map(|award| award.total),
        share_ppm: award.map(|award| award.share),
        nature: given_nature.map(nature),
        conditions,
        period: period.map(|values::Period { from, to }| PublishedPeriod { from: date(from), to: to.map(date) }),
        loan,
        guarantee,
        in_kind,
        in_kind_estimate,
        gaps: gaps.into_iter().map(gap).collect(),
        row_hash: hash,
        parent: None,
    }
}

fn party(row::Party { name, identifiers }: row::Party) -> PublishedParty {
    let identifiers = identifiers
        .into_iter()
        .map(|row::PublishedIdentifier { identifier, verified }| PublishedIdentifier { identifier, verified })
        .collect();
    PublishedParty { name, identifiers }
}

fn date(values::PartialDate { year, month, day }: values::PartialDate) -> PartialDate {
    PartialDate::new(year, month, day).expect("the reader of rows takes dates of the calendar only")
}

fn nature(nature: values::Nature) -> Nature {
    match nature {
        values::Nature::Money => Nature::Cash,
        values::Nature::Kind => Nature::InKind,
        values::Nature::Both => Nature::Both,
    }
}

fn gap(gap: row::Gap) -> Code {
    Code::new(&gap.code()).expect("names of columns and their endings are codes")
}

#[cfg(test)]
mod tests {
    use octroi_ledger::{Payload, Transaction, action::Action, wire::Canonical};
    use octroi_primitives::{Amount, BlockTime, NetworkId, OrganisationId, Salt};

    use super::*;
    use crate::scdl;

    const HEADER: &str = "nomAttribuant,idAttribuant,dateConvention,referenceDecision,nomBeneficiaire,idBeneficiaire,rnaBeneficiaire,objet,\
        montant,nature,conditionsVersement,datesPeriodeVersement,idRAE,notificationUE,pourcentageSubvention,dispositifAide";

    fn payloads(rows: &str) -> Vec<DeclarePastGrant> {
        let import = scdl::read(format!("{HEADER}\n{rows}").as_bytes()).expect("a file of the format");
        assert!(import.refused.is_empty(), "{:?}", import.refused);
        import.accepted.iter().map(|row| to_payload(row, import.file, None)).collect()
    }

    #[test]
    fn a_row_becomes_a_payload_that_the_ledger_takes_and_reads_back() {
        let rows = "Loire-Atlantique,22440002800011,2017-03-06,D-1,Association (invented),73282932000074,,Hall,1000.01,\
            aide en numéraire,,2017-04-01,,non,0.5,\n\
            Loire-Atlantique,22440002800011,2017,,Association (invented),,W442003456,,20,aide en numéraire,,,,,1,\n";
        let payloads = payloads(rows);
        assert_eq!(payloads.len(), 2);
        for payload in &payloads {
            payload.validate().expect("the ledger's checks of shape accept it");
            let transaction = Transaction {
                network: NetworkId::ZERO,
                organisation: OrganisationId::ZERO,
                valid_until: BlockTime(1),
                salt: Salt([0; 16]),
                payload: Payload::DeclarePastGrant(payload.clone()),
            };
            assert_eq!(Transaction::from_bytes(&transaction.to_bytes()), Ok(transaction));
        }
        let [first, second] = &payloads[..] else { unreachable!("two rows") };
        // Half a cent upwards, from the row; the ledger does not compute it from total and share.
        assert_eq!(first.amount, Some(Amount::eur(50_001)));
        assert_eq!((first.row, second.row), (1, 2));
        assert_eq!(second.date.to_string(), "2017");
        assert!(second.gaps.iter().any(|gap| gap.as_str() == "convention_date_day"), "{:?}", second.gaps);
    }
}
