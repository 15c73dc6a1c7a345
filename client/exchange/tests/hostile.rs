//! Whatever the bytes are: no panic, every row accounted for, nothing accepted that has two readings.

use octroi_exchange::ExchangeError;
use octroi_exchange::scdl::{self, Column, Gap, Import, RECORD_BYTES_MAX, Reason, Rule};
use proptest::prelude::*;

const HEADER: &str = "nomAttribuant;idAttribuant;dateConvention;referenceDecision;nomBeneficiaire;idBeneficiaire;\
    rnaBeneficiaire;objet;montant;nature;conditionsVersement;datesPeriodeVersement;idRAE;notificationUE;\
    pourcentageSubvention;dispositifAide";

/// A row of the header's sixteen columns, whole but for what the test changes. The organisations are invented.
fn row(changes: &[(Column, &str)]) -> String {
    let mut cells = [
        "Ville inventée",
        "21310458100011",
        "2017-04-13",
        "D 1",
        "Club inventé",
        "452474562",
        "",
        "Fonctionnement",
        "1200.50",
        "aide en numéraire",
        "unique",
        "2017-05-01",
        "",
        "non",
        "1",
        "",
    ];
    for (column, value) in changes {
        cells[Column::ALL.iter().position(|c| c == column).expect("one of the sixteen")] = value;
    }
    cells.join(";")
}

fn file(rows: &[String]) -> String {
    [HEADER.to_owned()].iter().chain(rows).map(|line| format!("{line}\r\n")).collect()
}

fn read(text: &str) -> Import {
    let import = scdl::read(text.as_bytes()).expect("a header of the format");
    assert_eq!(import.accepted.len() + import.refused.len(), import.rows as usize);
    import
}

/// The one refusal of a file of one row, as column and reason.
fn refused(changes: &[(Column, &str)]) -> Option<(Option<Column>, Reason)> {
    let import = read(&file(&[row(changes)]));
    assert_eq!(import.rows, 1);
    import.refused.first().map(|refusal| (refusal.column, refusal.reason))
}

#[test]
fn a_whole_row_is_accepted_without_gaps_and_without_changes() {
    let import = read(&file(&[row(&[])]));
    let row = &import.accepted[0];
    assert_eq!((row.line, row.row, row.share_number), (2, 1, scdl::SHARE_NUMBER));
    assert_eq!(
        row.award.map(|award| (award.total.minor, award.share.get(), award.amount.minor)),
        Some((120_050, 1_000_000, 120_050))
    );
    assert_eq!((row.gaps.as_slice(), row.normalised.len()), (&[][..], 1));
    assert_eq!(row.normalised[0].rule, Rule::Siren);
}

#[test]
fn every_reason_is_given_for_its_fault() {
    let long = "x".repeat(RECORD_BYTES_MAX + 1);
    for (changes, column, reason) in [
        (vec![(Column::Purpose, long.as_str())], None, Reason::LineTooLong),
        (vec![(Column::Purpose, "\"a\" b")], None, Reason::QuoteMalformed),
        (vec![(Column::Purpose, "\"a")], None, Reason::QuoteMalformed),
        (vec![(Column::Purpose, "a;b")], None, Reason::CellsAmbiguous),
        (vec![(Column::FunderId, " ")], Some(Column::FunderId), Reason::FunderMissing),
        (vec![(Column::ConventionDate, "")], Some(Column::ConventionDate), Reason::DateMissing),
        (vec![(Column::ConventionDate, "08/09/2017")], Some(Column::ConventionDate), Reason::Date),
        (vec![(Column::Amount, "NC")], Some(Column::Amount), Reason::Amount),
        (vec![(Column::Amount, "-1")], Some(Column::Amount), Reason::AmountNegative),
        (vec![(Column::Amount, "1.500")], Some(Column::Amount), Reason::AmountAmbiguous),
        (vec![(Column::Amount, "1500.001")], Some(Column::Amount), Reason::AmountPrecision),
        (vec![(Column::Amount, "10000000000001")], Some(Column::Amount), Reason::AmountLimit),
        (vec![(Column::Share, "100")], Some(Column::Share), Reason::Share),
        (vec![(Column::FunderId, "2131045810001")], Some(Column::FunderId), Reason::Identifier),
        (vec![(Column::BeneficiaryId, "NC")], Some(Column::BeneficiaryId), Reason::Identifier),
        (vec![(Column::BeneficiaryRna, "123456789012")], Some(Column::BeneficiaryRna), Reason::Identifier),
        (
            vec![(Column::BeneficiaryId, ""), (Column::BeneficiaryName, "")],
            Some(Column::BeneficiaryName),
            Reason::BeneficiaryMissing,
        ),
        (vec![(Column::Amount, "")], Some(Column::Amount), Reason::AidMissing),
        (vec![(Column::Nature, "prêt")], Some(Column::Nature), Reason::Nature),
        (vec![(Column::Period, "2018_2017")], Some(Column::Period), Reason::Period),
        (vec![(Column::StateAid, "?")], Some(Column::StateAid), Reason::StateAid),
        (vec![(Column::Purpose, "voir nul@example.org")], Some(Column::Purpose), Reason::PersonalData),
        (vec![(Column::FunderName, "Ville, 01 23 45 67 89")], Some(Column::FunderName), Reason::PersonalData),
    ] {
        assert_eq!(refused(&changes), Some((column, reason)), "{changes:.80?}");
    }
    let total = read(&file(&[row(&[]), row(&[(Column::BeneficiaryId, ""), (Column::BeneficiaryName, "")])]));
    assert_eq!(total.refused[0].reason, Reason::TotalRow);
}

#[test]
fn what_may_be_personal_data_is_named_and_not_repeated() {
    let import = read(&file(&[row(&[(Column::Purpose, "voir nul@example.org")])]));
    assert_eq!(import.refused[0].value, "email");
}

#[test]
fn totals_of_years_and_of_the_file_are_refused_and_change_no_sum() {
    let total = |year, amount| {
        row(&[
            (Column::BeneficiaryId, ""),
            (Column::BeneficiaryName, ""),
            (Column::ConventionDate, year),
            (Column::Amount, amount),
        ])
    };
    let grant = |year, amount| row(&[(Column::ConventionDate, year), (Column::Amount, amount)]);
    let import = read(&file(&[
        grant("2016", "10"),
        grant("2016", "20"),
        total("2016", "30"),
        grant("2017", "5"),
        total("2017", "5"),
        total("2017", "35"),
        total("2017", "36"),
        total("2017", "0"),
    ]));
    let reasons: Vec<Reason> = import.refused.iter().map(|refusal| refusal.reason).collect();
    let total_rows = [Reason::TotalRow; 3].into_iter();
    let expected: Vec<Reason> = total_rows.chain([Reason::BeneficiaryMissing; 2]).collect();
    assert_eq!((reasons, import.totals.accepted_minor), (expected, 3_500));
}

#[test]
fn a_total_over_a_row_refused_for_another_reason_is_still_a_total() {
    let nameless = [(Column::BeneficiaryId, ""), (Column::BeneficiaryName, ""), (Column::Amount, "30")];
    let import = read(&file(&[
        row(&[(Column::Amount, "10")]),
        row(&[(Column::Amount, "20"), (Column::Nature, "prêt")]),
        row(&nameless),
    ]));
    assert_eq!(import.refused[1].reason, Reason::TotalRow);
    assert_eq!((import.totals.accepted_minor, import.totals.refused_minor), (1_000, 5_000));
}

#[test]
fn equal_rows_stay_two_grants() {
    let import = read(&file(&[row(&[]), row(&[])]));
    assert_eq!(import.accepted.len(), 2);
    assert_eq!(import.accepted[0].hash, import.accepted[1].hash);
    assert_ne!(import.accepted[0].row, import.accepted[1].row);
}

#[test]
fn a_share_is_computed_from_all_its_digits() {
    let import = read(&file(&[row(&[(Column::Amount, "3000000"), (Column::Share, "0.33333333")])]));
    let award = import.accepted[0].award.expect("an amount");
    assert_eq!((award.total.minor, award.share.get(), award.amount.minor), (300_000_000, 333_333, 99_999_999));
    assert!(import.normalised.contains_key(&(Column::Share, Rule::ShareRounded)));
}

#[test]
fn an_identifier_with_a_wrong_check_digit_is_kept_as_unverified() {
    let import =
        read(&file(&[row(&[(Column::BeneficiaryId, "452474563")]), row(&[(Column::BeneficiaryId, "35600000049837")])]));
    let verified: Vec<bool> = import.accepted.iter().map(|row| row.beneficiary.identifiers[0].verified).collect();
    assert_eq!(verified, [false, true], "the second is a branch of La Poste");
}

#[test]
fn what_is_absent_is_a_gap_and_what_is_optional_is_none() {
    let bare = "idAttribuant;dateConvention;nomBeneficiaire;montant\n21310458100011;2017;Club inventé;5\n";
    let import = read(bare);
    let codes: Vec<String> = import.accepted[0].gaps.iter().map(|gap| gap.code()).collect();
    assert_eq!(
        codes,
        [
            "funder_name",
            "decision",
            "beneficiary_identifier",
            "purpose",
            "nature",
            "conditions",
            "payment_period",
            "state_aid",
            "share",
            "convention_date_day"
        ]
    );
    assert!(codes.iter().all(|code| code.len() <= 32 && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
}

#[test]
fn other_aid_stands_for_an_amount_and_zero_of_it_does_not() {
    let header = "idAttribuant;dateConvention;nomBeneficiaire;montant;Montant du prêt;Détail des avantages en nature";
    let import = read(&format!(
        "{header}\n21310458100011;2017;Club;;10000,5;\n21310458100011;2017;Club;;;Locaux\n21310458100011;2017;Club;;0;\n"
    ));
    assert_eq!((import.accepted.len(), import.totals.without_amount, import.totals.accepted_minor), (2, 2, 0));
    assert_eq!(import.accepted[0].loan.map(|loan| loan.minor), Some(1_000_050));
    assert_eq!((import.refused[0].line, import.refused[0].reason), (4, Reason::AidMissing));
    assert_eq!(import.gaps.get(&Gap::Absent(Column::Amount)), Some(&2));
}

#[test]
fn an_amount_split_by_its_comma_is_never_read_even_if_the_cells_are_as_many_as_the_titles() {
    let header = "idAttribuant,dateConvention,nomBeneficiaire,montant,objet,dispositifAide";
    for line in [
        "21310458100011,2017,Club,100 000,50,Fonctionnement,",
        "21310458100011,2017,Club,100 000,50,Fonctionnement",
        "21310458100011,2017,Club,100,500.25,Fonctionnement",
    ] {
        let import = read(&format!("{header}\n{line}\n"));
        assert_eq!(import.refused.first().map(|refusal| refusal.reason), Some(Reason::CellsAmbiguous), "{line}");
    }
    let quoted = read(&format!("{header}\n21310458100011,2017,Club,\"100 000,50\",Fonctionnement,\n"));
    assert_eq!(quoted.totals.accepted_minor, 10_000_050);
}

#[test]
fn delimiters_at_the_end_of_every_line_are_no_cells_where_the_last_column_proves_it() {
    let last_is_share = HEADER.strip_suffix(";dispositifAide").expect("the last title");
    let lines = |rows: &[&str]| format!("{last_is_share}\n{}\n", rows.join("\n"));
    let whole = row(&[]);
    let bare = whole.strip_suffix(';').expect("the last cell is empty");
    let ended = format!("{bare};;");
    assert_eq!(read(&lines(&[&ended, &ended])).accepted.len(), 2);
    let under_ended_titles = format!("{last_is_share};;\n{ended}\n{bare}\n");
    assert_eq!(read(&under_ended_titles).accepted.len(), 1, "the other row is cut short");
    for rows in [
        // Not all rows end alike.
        vec![ended.as_str(), bare],
        // A value behind the last title.
        vec![&format!("{bare};x")],
        // No share: it may have moved.
        vec![&format!("{};", bare.strip_suffix('1').expect("the share"))],
    ] {
        assert!(read(&lines(&rows)).refused.iter().any(|refusal| refusal.reason == Reason::CellsAmbiguous), "{rows:?}");
    }
    // The last column is free text: an empty cell behind it may be its own, moved by a delimiter inside the row.
    assert_eq!(read(&file(&[format!("{whole};")])).refused[0].reason, Reason::CellsAmbiguous);
}

#[test]
fn files_that_are_not_of_the_format_are_errors() {
    for (bytes, expected) in [
        (&b""[..], "the file has no header"),
        (b"\xef\xbb\xbf\r\n \n", "the file has no header"),
        (b"a;b\n1;2\n", "line 1 titles 0 columns of SCDL, at least 3 are needed to call it a header"),
        (b"montant;objet;nature;montant\n", "two columns are titled as montant"),
        (b"\"montant;objet;nature\n", "line 1 titles 0 columns of SCDL, at least 3 are needed to call it a header"),
    ] {
        let error = scdl::read(bytes).expect_err("no file of the format");
        assert_eq!(error.to_string(), expected);
    }
    let huge = vec![b'\n'; scdl::FILE_BYTES_MAX + 1];
    assert!(matches!(scdl::read(&huge), Err(ExchangeError::TooLarge { .. })));
    let mut many = b"montant;objet;nature\n".to_vec();
    many.extend(std::iter::repeat_n(*b"x\n", scdl::ROWS_MAX as usize + 1).flatten());
    assert_eq!(scdl::read(&many), Err(ExchangeError::TooManyRows { max: scdl::ROWS_MAX }));
}

/// Pieces of which hostile files are made, beside random bytes.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..8),
        prop::sample::select(vec![
            &b"\""[..],
            b"\"\"",
            b";",
            b",",
            b"\n",
            b"\r\n",
            b"\r",
            b"\xe9",
            b"\xc3\xa9",
            b"\xc2\xa0",
            b"\xef\xbb\xbf",
            b"100 000,00",
            b"1.500",
            b"2017-02-30",
            b"21310458100011",
            b"0.5",
            b"aide en nature",
            b"\x81\x00",
        ])
        .prop_map(<[u8]>::to_vec),
        Just(row(&[]).into_bytes()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_bytes_panic_and_every_row_is_accounted_for(pieces in prop::collection::vec(piece(), 0..60), headed in any::<bool>()) {
        let mut bytes = if headed { format!("{HEADER}\n").into_bytes() } else { Vec::new() };
        bytes.extend(pieces.concat());
        let outcome = scdl::read(&bytes);
        prop_assert_eq!(&scdl::read(&bytes), &outcome, "the same bytes give the same import");
        let Ok(import) = outcome else { return Ok(()) };
        prop_assert_eq!(import.accepted.len() + import.refused.len(), import.rows as usize);
        let mut numbers: Vec<u32> = import.accepted.iter().map(|row| row.row).collect();
        numbers.extend(import.refused.iter().map(|refusal| refusal.row));
        numbers.sort_unstable();
        prop_assert_eq!(numbers, (1..=import.rows).collect::<Vec<_>>(), "each row has its own number");
        let sum: i128 = import.accepted.iter().filter_map(|row| row.award).map(|award| award.amount.balance()).sum();
        prop_assert_eq!(import.totals.accepted_minor, sum);
        prop_assert_eq!(import.totals.by_year.values().map(|year| year.minor).sum::<i128>(), sum);
        for row in &import.accepted {
            prop_assert!(!row.funder.identifiers.is_empty());
            prop_assert!(row.beneficiary.name.is_some() || !row.beneficiary.identifiers.is_empty());
        }
    }

    /// One delimiter put into or taken from a row moves cells; no row of moved cells may be accepted.
    #[test]
    fn a_row_with_one_delimiter_more_or_less_is_refused(place in 0_usize..80, taken in any::<bool>()) {
        let whole = row(&[]);
        let places: Vec<usize> = if taken {
            whole.match_indices(';').map(|(at, _)| at).collect()
        } else {
            whole.char_indices().map(|(at, _)| at).collect()
        };
        let at = places[place % places.len()];
        let mut spoiled = whole.clone();
        if taken { spoiled.remove(at); } else { spoiled.insert(at, ';'); }
        let import = read(&file(&[row(&[]), spoiled]));
        prop_assert_eq!(import.accepted.len(), 1);
        prop_assert_eq!(import.refused[0].reason, Reason::CellsAmbiguous);
    }

    /// Stray quotes swallow no row in silence: all rows outside the lines between them stand, and what is accepted is a
    /// row of the undamaged file.
    #[test]
    fn stray_quotes_damage_no_row_outside_the_lines_between_them(first in 0_usize..2_000, second in 0_usize..2_000) {
        let rows: Vec<String> = (1..=9).map(|n| row(&[(Column::Amount, &format!("{n}.25"))])).collect();
        let whole = file(&rows);
        let mut spoiled = whole.clone().into_bytes();
        let mut lines = Vec::new();
        for at in [first, second] {
            let body = HEADER.len() + 2;
            let mut place = body + at % (spoiled.len() - body);
            while !spoiled[place].is_ascii() { place -= 1; }
            spoiled.insert(place, b'"');
            lines.push(1 + u32::try_from(spoiled[..place].iter().filter(|byte| **byte == b'\n').count()).expect("few"));
        }
        let import = scdl::read(&spoiled).expect("the header is whole");
        prop_assert_eq!(import.accepted.len() + import.refused.len(), import.rows as usize);
        let (from, to) = (lines[0].min(lines[1]), lines[0].max(lines[1]));
        for original in &read(&whole).accepted {
            let found = import.accepted.iter().find(|row| row.line == original.line);
            if let Some(found) = found {
                prop_assert_eq!(found.award, original.award);
            } else {
                prop_assert!((from..=to).contains(&original.line), "line {} is lost", original.line);
                let told = import.refused.iter().any(|refusal| (from..=original.line).contains(&refusal.line));
                prop_assert!(told, "line {} is lost in silence", original.line);
            }
        }
    }
}
