//! `octroi import scdl`: publishes the rows of a file as past grants. What the ledger has is asked first and only the rest is sent, so that an import that
//! was interrupted is run again and doubles nothing; the control totals at the end are the ledger's answer, not the parser's.

use crate::{
    arguments::Scdl,
    failure::{Exit, Failure, Result, read_file},
    output::{Format, draws_progress, text},
    reads,
    session::Session,
};
use indicatif::{ProgressBar, ProgressStyle};
use octroi_client::{Progress, VALIDITY, bridge::minor_in_words, build};
use octroi_exchange::scdl::{self, Import};
use octroi_ledger::Payload;
use octroi_primitives::{Currency, FileHash, TransactionId};
use serde_json::{Map, Value as Json, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

const NOTICE: &str = "What is published here stays for ever and can be read by everybody. Names of natural persons do not belong on this ledger and \
cannot be recognised by it: the publisher answers for the names in this file.";

/// What the ledger answers when a row was declared before, by this import or by another one beside it.
const ALREADY_THERE: &str = "DECLARE_PAST_GRANT_DUPLICATE_ROW";

/// How long a node may lag behind the last block of the import before its totals are given up.
const LAG: Duration = Duration::from_secs(30);

/// Reads, publishes, compares.
pub async fn run(session: &mut Session, arguments: Scdl) -> Result<()> {
    let Scdl { file, replaces } = arguments;
    let begun = Instant::now();
    let replaces: Option<FileHash> = replaces
        .map(|text| text.parse().map_err(|error| Failure::usage(format!("--replaces: {error}"))))
        .transpose()?;
    let bytes = read_file(&file)?;
    let import = scdl::read(&bytes).map_err(|error| {
        Failure::new(Exit::Usage, "FILE_FORMAT", format!("{}: {error}", file.display()))
            .hint("the file must be SCDL, with a header that names its columns")
    })?;
    drop(bytes);
    let mut data = parsed(&import);
    data.insert("source".to_owned(), json!(file.file_name().map(|name| name.to_string_lossy().into_owned())));
    if session.global.dry_run {
        data.insert("dry_run".to_owned(), json!(true));
        return finish(session, data, None);
    }
    if import.accepted.is_empty() {
        let failure = Failure::new(
            Exit::Usage,
            "NOTHING_ACCEPTED",
            format!("{}: none of {} rows was accepted, nothing was published", file.display(), import.rows),
        );
        return finish(
            session,
            data,
            Some(failure.hint("each line above says why; 'octroi explain REASON' says more")),
        );
    }
    eprintln!("octroi: {NOTICE}");

    let before = source_file(session, &import.file).await?;
    replaced_as_asked(&before, replaces)?;
    let present = present(&before);
    let author = session.author().await?;
    let client = session.client()?;
    let network = client.info().await?.network;
    let valid_until = client.ledger_time().await?.saturating_add(VALIDITY.as_millis() as u64);
    let keys: Vec<_> = author.keys.iter().collect();
    let missing: Vec<_> =
        import.accepted.iter().filter(|row| !present.contains(&(row.row, row.share_number))).collect();
    let mut rows_by_id: BTreeMap<TransactionId, (u32, u32)> = BTreeMap::new();
    let mut unbuilt = None;
    let bar = if draws_progress() { ProgressBar::new(missing.len() as u64) } else { ProgressBar::hidden() };
    bar.set_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} rows committed, {per_sec}, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let list = missing.iter().map_while(|row| {
        let payload = Payload::DeclarePastGrant(scdl::to_payload(row, import.file, replaces));
        match build(network, author.organisation, valid_until, payload) {
            Ok(transaction) => {
                let signed = transaction.sign(&keys);
                rows_by_id.insert(signed.id(), (row.line, row.row));
                Some(signed.to_message())
            }
            Err(error) => {
                unbuilt = Some(error);
                None
            }
        }
    });
    let report = client
        .submit_all(list, |Progress { applied, failed, .. }| bar.set_position(applied + failed))
        .await
        .map_err(|error| {
        Failure::from(error).hint("run the same command again: it asks what is there and sends only the rest")
    })?;
    if let Some(error) = unbuilt {
        return Err(error.into());
    }
    bar.finish_and_clear();

    let (doubled, refused): (Vec<_>, Vec<_>) = report.failed.iter().partition(|status| status.reason == ALREADY_THERE);
    let refused: Vec<Json> = refused.iter().map(|status| {
        let row = TransactionId::try_from(status.id.as_slice()).ok().and_then(|id| rows_by_id.get(&id));
        json!({ "line": row.map(|row| row.0), "row": row.map(|row| row.1), "reason": status.reason, "message": status.message })
    }).collect();
    data.insert("published".to_owned(), json!(report.progress.applied));
    data.insert("already_there".to_owned(), json!(present.len() + doubled.len()));
    data.insert("refused_by_ledger".to_owned(), json!(refused));
    data.insert("connections_broken".to_owned(), json!(report.progress.broken));
    let ledger = settled(session, &import.file, report.last_height).await?;
    let (ledger, difference) = compare(&import, &ledger);
    data.insert("ledger".to_owned(), ledger);
    data.insert("last_height".to_owned(), json!(report.last_height));
    data.insert("totals_equal".to_owned(), json!(difference.is_none()));
    data.insert("millis".to_owned(), json!(begun.elapsed().as_millis() as u64));
    let failure = match (refused.first(), difference) {
        (Some(first), _) => Some(
            Failure::new(
                Exit::Refused,
                first["reason"].as_str().unwrap_or("REFUSED"),
                format!(
                    "the ledger refused {} rows; the first, line {}: {}",
                    refused.len(),
                    first["line"],
                    first["message"].as_str().unwrap_or_default()
                ),
            )
            .hint(format!("octroi explain {}", first["reason"].as_str().unwrap_or_default())),
        ),
        (None, Some(difference)) => Some(Failure::new(
            Exit::Verification,
            "TOTALS_DIFFER",
            format!("the ledger's totals differ from the file's: {difference}"),
        )),
        (None, None) => None,
    };
    finish(session, data, failure)
}

/// What the parser says.
fn parsed(import: &Import) -> Map<String, Json> {
    let Import { file, encoding, delimiter, header: _, rows, blank, accepted, refused, totals, gaps, normalised } =
        import;
    let refusals: Vec<_> = refused.iter().map(|refusal| json!({
        "line": refusal.line, "column": refusal.column.map(|column| column.code()), "value": refusal.value, "reason": refusal.reason.code(),
    })).collect();
    let gaps: Map<String, Json> = gaps.iter().map(|(gap, count)| (gap.code(), json!(count))).collect();
    let normalised: Map<String, Json> = normalised
        .iter()
        .map(|((column, rule), count)| (format!("{}.{}", column.code(), rule.code()), json!(count)))
        .collect();
    let years: Vec<_> = totals
        .by_year
        .iter()
        .map(|(year, total)| json!({ "year": year, "rows": total.rows, "minor": total.minor.to_string() }))
        .collect();
    let data = json!({
        "file": file.to_string(), "encoding": encoding.code(), "delimiter": delimiter.code(), "rows": rows, "accepted": accepted.len(), "refused": refused.len(), "blank": blank,
        "accepted_total_minor": totals.accepted_minor.to_string(), "refused_total_minor": totals.refused_minor.to_string(), "without_amount": totals.without_amount,
        "currency": "EUR", "refusals": refusals, "gaps": gaps, "normalised": normalised, "years": years,
    });
    match data {
        Json::Object(data) => data,
        _ => Map::new(),
    }
}

/// What the ledger has of a file; a file that it has never seen is empty.
async fn source_file(session: &mut Session, file: &FileHash) -> Result<Json> {
    match reads::ask(session, "FundingService", "GetSourceFile", &json!({ "file": file.to_string() })).await {
        Err(failure) if failure.exit == Exit::NotFound => {
            let height = super::status::height(session).await?;
            Ok(json!({ "rows": 0, "totals": [], "years": [], "present": [], "at": { "height": height } }))
        }
        other => other,
    }
}

/// What a file replaces is said by its first row and stays so: an import that says otherwise later would do nothing in silence.
fn replaced_as_asked(before: &Json, replaces: Option<FileHash>) -> Result<()> {
    let begun = before["rows"].as_u64().unwrap_or_default() > 0;
    let (Some(asked), true) = (replaces.map(|file| file.to_string()), begun) else { return Ok(()) };
    match before["replaces"].as_str() {
        Some(held) if held == asked => Ok(()),
        held => Err(Failure::usage(format!(
            "--replaces {asked}: rows of this file are on the ledger already and replace {}",
            held.filter(|held| !held.is_empty()).unwrap_or("no other file")
        ))
        .hint("what a file replaces is said when its first row is declared, and cannot be changed")),
    }
}

/// As [`source_file`], at or above the height of the last row.
async fn settled(session: &mut Session, file: &FileHash, height: u64) -> Result<Json> {
    let begun = Instant::now();
    loop {
        let answer = source_file(session, file).await?;
        if answer["at"]["height"].as_u64().unwrap_or_default() >= height {
            return Ok(answer);
        }
        if begun.elapsed() > LAG {
            return Err(Failure::new(
                Exit::NotReady,
                "NODE_LAGS",
                format!("all rows are committed, but the node has not reached height {height}"),
            )
            .hint("run the same command again for the totals; nothing is sent twice"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Rows and shares that are there.
fn present(answer: &Json) -> BTreeSet<(u32, u32)> {
    let number = |value: &Json| value.as_u64().and_then(|number| u32::try_from(number).ok()).unwrap_or_default();
    let ranges = answer["present"].as_array().into_iter().flatten();
    ranges
        .flat_map(|range| {
            (number(&range["first"])..=number(&range["last"])).map(|row| (row, number(&range["share_number"])))
        })
        .collect()
}

/// The ledger's totals beside the file's, and the first difference.
fn compare(import: &Import, answer: &Json) -> (Json, Option<String>) {
    let minor = |value: &Json| value.as_str().and_then(|text| text.parse::<i128>().ok()).unwrap_or_default();
    let rows = answer["rows"].as_u64().unwrap_or_default();
    let total: i128 = answer["totals"].as_array().into_iter().flatten().map(|total| minor(&total["awarded"])).sum();
    let mut years: BTreeMap<u64, (u64, i128)> = BTreeMap::new();
    for year in answer["years"].as_array().into_iter().flatten() {
        let entry = years.entry(year["year"].as_u64().unwrap_or_default()).or_default();
        entry.0 += year["rows"].as_u64().unwrap_or_default();
        entry.1 += minor(&year["minor"]);
    }
    // The ledger's yearly totals are over rows that name an amount; the others count in the rows of the file alone.
    let mut expected: BTreeMap<u64, (u64, i128)> = BTreeMap::new();
    for row in &import.accepted {
        if let Some(award) = &row.award {
            let entry = expected.entry(u64::from(row.date.year)).or_default();
            entry.0 += 1;
            entry.1 += i128::from(award.amount.minor);
        }
    }
    let difference = if rows != import.accepted.len() as u64 {
        Some(format!("{rows} rows, {} were accepted", import.accepted.len()))
    } else if total != import.totals.accepted_minor {
        Some(format!("{} minor units, {} were accepted", total, import.totals.accepted_minor))
    } else {
        expected
            .iter()
            .map(|(year, sums)| (year, sums, years.get(year)))
            .find(|(_, sums, held)| *held != Some(*sums))
            .map(|(year, sums, held)| {
                let (rows, minor) = held.copied().unwrap_or_default();
                format!("year {year}: {rows} rows and {minor} minor units, {} and {} were accepted", sums.0, sums.1)
            })
    };
    let years: Vec<_> = years
        .iter()
        .map(|(year, (rows, minor))| json!({ "year": year, "rows": rows, "minor": minor.to_string() }))
        .collect();
    (
        json!({ "rows": rows, "total_minor": total.to_string(), "years": years, "height": answer["at"]["height"], "state_root": answer["at"]["state_root"] }),
        difference,
    )
}

fn finish(session: &Session, data: Map<String, Json>, failure: Option<Failure>) -> Result<()> {
    let data = Json::Object(data);
    match (session.printer.format, failure) {
        (Format::Table, failure) => {
            text(&words(&data))?;
            failure.map_or(Ok(()), Err)
        }
        (_, Some(failure)) => Err(failure.value("import", data)),
        (_, None) => session.printer.object(&data),
    }
}

fn words(data: &Json) -> String {
    use std::fmt::Write as _;
    let sum = |value: &Json| {
        value
            .as_str()
            .and_then(|text| text.parse().ok())
            .map_or_else(String::new, |minor| minor_in_words(minor, Currency::EUR))
    };
    let mut out = String::new();
    let _ = writeln!(
        out,
        "file {} ({}, {})",
        data["file"].as_str().unwrap_or_default(),
        data["encoding"].as_str().unwrap_or_default(),
        data["delimiter"].as_str().unwrap_or_default()
    );
    let _ = writeln!(
        out,
        "{} rows: {} accepted, {} refused; {} blank lines",
        data["rows"], data["accepted"], data["refused"], data["blank"]
    );
    let _ =
        writeln!(out, "accepted {}, refused {}", sum(&data["accepted_total_minor"]), sum(&data["refused_total_minor"]));
    for year in data["years"].as_array().into_iter().flatten() {
        let _ = writeln!(out, "  {}  {:>7} rows  {:>22}", year["year"], year["rows"], sum(&year["minor"]));
    }
    for refusal in data["refusals"].as_array().into_iter().flatten() {
        let column = refusal["column"].as_str().unwrap_or("row");
        let _ = writeln!(
            out,
            "refused line {}, {column}: {} ({})",
            refusal["line"],
            refusal["value"].as_str().unwrap_or_default(),
            refusal["reason"].as_str().unwrap_or_default()
        );
    }
    let list = |value: &Json| {
        value
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, count)| format!("{name} {count}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    for (title, value) in [("gaps", &data["gaps"]), ("normalised", &data["normalised"])] {
        if value.as_object().is_some_and(|table| !table.is_empty()) {
            let _ = writeln!(out, "{title}: {}", list(value));
        }
    }
    if data["dry_run"] == json!(true) {
        let _ = writeln!(out, "dry run: nothing was published");
        return out;
    }
    if data["ledger"].is_null() {
        let _ = writeln!(out, "nothing was published");
        return out;
    }
    let _ = writeln!(out, "published {}, already there {}", data["published"], data["already_there"]);
    let ledger = &data["ledger"];
    let _ = writeln!(
        out,
        "the ledger at height {} holds {} rows of this file, {}",
        ledger["height"],
        ledger["rows"],
        sum(&ledger["total_minor"])
    );
    let _ = writeln!(out, "control totals {}", if data["totals_equal"] == json!(true) { "agree" } else { "DIFFER" });
    out
}
