//! The import of real open data, against control totals that were computed by other means.
//!
//! The files are other people's and stay outside the project: `OCTROI_SHARED` names the folder with `data/`. Without
//! it these tests say that they were skipped; under `CI=true` that is a failure.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use octroi_exchange::scdl::{self, Column, Gap, Import, Reason, Refusal, Rule};
use octroi_ledger::action::Action as _;

/// The bytes of a file under `data/`, or nothing if the test is to be skipped.
fn real(path: &str) -> Option<Vec<u8>> {
    let Some(shared) = std::env::var_os("OCTROI_SHARED") else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "OCTROI_SHARED is not set, and CI=true");
        println!("skipped: OCTROI_SHARED is not set");
        return None;
    };
    let path = PathBuf::from(shared).join("data").join(path);
    Some(std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

fn import(bytes: &[u8]) -> Import {
    let import = scdl::read(bytes).expect("a file of the format");
    assert_eq!(import.accepted.len() + import.refused.len(), import.rows as usize, "every row is accepted or refused");
    for row in &import.accepted {
        let checked = scdl::to_payload(row, import.file, None).validate();
        assert_eq!(checked, Ok(()), "line {}", row.line);
    }
    import
}

fn refusals(import: &Import) -> Vec<(u32, Option<Column>, Reason)> {
    import.refused.iter().map(|Refusal { line, column, reason, .. }| (*line, *column, *reason)).collect()
}

#[test]
fn loire_atlantique_has_the_known_totals_of_every_year_and_one_total_row() {
    let Some(bytes) = real("subsidies/loire-atlantique-2008-2018.csv") else {
        return;
    };
    let import = import(&bytes);
    assert_eq!((import.rows, import.accepted.len(), import.blank), (18_148, 18_147, 0));
    assert_eq!(refusals(&import), [(2236, Some(Column::Amount), Reason::TotalRow)]);
    assert_eq!(import.refused[0].value, "34692695.75");
    assert_eq!(import.totals.accepted_minor, 47_222_154_088);
    assert_eq!(import.totals.accepted_minor + import.totals.refused_minor, 50_691_423_663);
    let years: BTreeMap<u16, i128> = import.totals.by_year.iter().map(|(year, total)| (*year, total.minor)).collect();
    let expected = BTreeMap::from([
        (2008, 5_137_470_309),
        (2009, 4_894_001_729),
        (2010, 4_649_851_217),
        (2011, 4_805_467_674),
        (2012, 4_265_411_206),
        (2013, 4_698_593_106),
        (2014, 4_327_061_031),
        (2015, 3_831_275_229),
        (2016, 3_670_627_274),
        (2017, 3_469_269_575),
        (2018, 3_473_125_738),
    ]);
    assert_eq!(years, expected);

    assert_eq!(import.totals.without_amount, 32);
    let zero = import.accepted.iter().filter(|row| row.award.is_some_and(|award| award.amount.is_zero()));
    assert_eq!(zero.count(), 19);
    let named_only: Vec<_> = import.accepted.iter().filter(|row| row.beneficiary.identifiers.is_empty()).collect();
    let their_sum: u64 = named_only.iter().filter_map(|row| row.award).map(|award| award.amount.minor).sum();
    assert_eq!((named_only.len(), their_sum), (90, 86_742_123));
    assert_eq!(import.accepted.iter().filter(|row| row.beneficiary.name.is_none()).count(), 16);
    let unverified: std::collections::BTreeSet<_> = import
        .accepted
        .iter()
        .flat_map(|row| &row.beneficiary.identifiers)
        .filter(|published| !published.verified)
        .map(|published| published.identifier.value.as_str())
        .collect();
    assert_eq!(unverified.len(), 5, "{unverified:?}");
    assert_eq!(import.gaps.get(&Gap::DayAbsent(Column::ConventionDate)), Some(&18_147));
    assert_eq!(import.gaps.get(&Gap::Absent(Column::Purpose)), Some(&18_147));
    assert_eq!((import.encoding.byte_order_mark, import.encoding.code()), (false, "utf-8"));
    assert!(import.header.unknown.is_empty(), "all eighteen titles are known: {:?}", import.header.unknown);
}

#[test]
fn roques_has_one_row_without_a_beneficiary() {
    let Some(bytes) = real("subsidies/roques-2017.csv") else {
        return;
    };
    let import = import(&bytes);
    assert_eq!((import.rows, import.accepted.len(), import.totals.accepted_minor), (69, 68, 35_155_885));
    assert_eq!(refusals(&import), [(35, Some(Column::BeneficiaryName), Reason::BeneficiaryMissing)]);
    // The refused row has no period either.
    assert_eq!(import.gaps.get(&Gap::Absent(Column::Period)), Some(&28));
    assert_eq!(import.gaps.get(&Gap::Absent(Column::Conditions)), Some(&4));
    assert_eq!(import.normalised.get(&(Column::Period, Rule::PeriodUnderscore)), Some(&40));
    assert_eq!(import.normalised.get(&(Column::Nature, Rule::Spelling)), Some(&68));
}

#[test]
fn the_normalised_roques_file_is_read_whole_and_without_changes() {
    let Some(bytes) = real("subsidies/roques-2017.scdl-2.1.1.csv") else {
        return;
    };
    let import = import(&bytes);
    assert_eq!((import.rows, import.accepted.len(), import.totals.accepted_minor), (37, 37, 13_143_350));
    assert!(import.normalised.is_empty() && import.gaps.is_empty(), "{:?} {:?}", import.normalised, import.gaps);
}

#[test]
fn lot_has_blank_lines_and_an_encoding_of_its_own() {
    let Some(bytes) = real("hostile/lot-2017.csv") else {
        return;
    };
    let import = import(&bytes);
    assert_eq!((import.rows, import.accepted.len(), import.blank), (13, 13, 21));
    assert_eq!(import.totals.accepted_minor, 87_820_500);
    assert_eq!(import.encoding.code(), "windows-1252");
    let broken = import.accepted.iter().find(|row| row.line == 11).expect("a row over five lines");
    assert!(
        broken.purpose.as_ref().is_some_and(|purpose| purpose.contains("promotion: -appui")),
        "{:?}",
        broken.purpose
    );
    assert_eq!(import.accepted.iter().find(|row| row.row == 11).map(|row| row.line), Some(16));
}

#[test]
fn somme_is_read_behind_its_misleading_mark_with_its_gaps_listed() {
    let Some(bytes) = real("hostile/somme-2018.csv") else {
        return;
    };
    let import = import(&bytes);
    assert_eq!((import.rows, import.accepted.len(), import.totals.accepted_minor), (41, 41, 320_195_264));
    assert_eq!((import.encoding.byte_order_mark, import.encoding.code()), (true, "windows-1252"));
    assert_eq!(import.header.unknown, ["type"]);
    assert_eq!(import.header.missing, [Column::StateAid]);
    let expected = BTreeMap::from([(Gap::Cut(Column::Conditions), 41), (Gap::Absent(Column::StateAid), 41)]);
    assert_eq!(import.gaps, expected);
    let seat = import.accepted.iter().find(|row| row.line == 3).expect("the seat of La Poste");
    assert!(seat.beneficiary.identifiers.iter().all(|published| published.verified));
}

#[test]
fn no_row_of_vendee_is_accepted_unless_its_cells_and_amount_are_certain() {
    let Some(bytes) = real("hostile/vendee-2018.csv") else {
        return;
    };
    let import = import(&bytes);
    assert_eq!(import.rows, 114);
    assert_eq!(import.encoding.code(), "mixed_encoding");
    let mut verdicts = BTreeMap::new();
    for row in &import.accepted {
        let minor = row.award.map_or(0, |award| award.amount.minor);
        verdicts.insert(row.line, format!("accepted {minor}"));
    }
    for Refusal { line, value, reason, .. } in &import.refused {
        // What a quote spoiled is text of the file, which is not copied here.
        let shown = if *reason == Reason::CellsAmbiguous { value.as_str() } else { "" };
        verdicts.insert(*line, format!("refused {} {shown}", reason.code()).trim_end().to_owned());
    }
    let mut found = String::new();
    for (line, verdict) in verdicts {
        writeln!(found, "{line} {verdict}").expect("writing to a string");
    }
    let golden = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("run by cargo"))
        .join("tests/golden/vendee-2018.verdicts");
    let expected = std::fs::read_to_string(&golden).expect("the golden file");
    let expected: String =
        expected.lines().filter(|line| !line.starts_with('#')).flat_map(|line| [line, "\n"]).collect();
    assert!(found == expected, "the verdicts differ from {}; found:\n{found}", golden.display());
}

#[test]
fn eighteen_thousand_rows_are_read_in_half_a_second() {
    let Some(bytes) = real("subsidies/loire-atlantique-2008-2018.csv") else {
        return;
    };
    // The best of several: other programs run on the same machine.
    let best = (0..5)
        .map(|_| {
            let begun = Instant::now();
            assert_eq!(import(&bytes).rows, 18_148);
            begun.elapsed()
        })
        .min()
        .expect("five runs");
    println!("18,148 rows in {best:?}");
    assert!(best.as_millis() < 500, "18,148 rows took {best:?}");
}
