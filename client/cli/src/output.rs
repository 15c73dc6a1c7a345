//! What goes to standard output: tables for people, a versioned envelope for programs, lines, or CSV. Prose goes to standard error.

use crate::failure::{Failure, Result};
use clap::ValueEnum;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use octroi_client::bridge::{is_money_name, minor_in_words, time_in_words};
use octroi_primitives::{BlockTime, Currency};
use serde_json::{Value as Json, json};
use std::io::{IsTerminal as _, Write as _};

/// The form of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// One versioned envelope.
    Json,
    /// One JSON value a line.
    Jsonl,
    /// Comma-separated values with a header; nested fields are joined by points.
    Csv,
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Heading.
    pub title: &'static str,
    /// JSON pointer into the row, such as `/grant/status`.
    pub pointer: &'static str,
    /// How its values are shown.
    pub show: Show,
}

/// How a value is shown in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// As it is.
    Plain,
    /// An id, shortened.
    Id,
    /// Milliseconds of block time.
    Time,
    /// Minor units, in the currency that the pointer gives.
    Minor(&'static str),
    /// How many items.
    Count,
}

/// Writes data in the form that was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    /// The form.
    pub format: Format,
}

impl Printer {
    /// One object.
    pub fn object(&self, data: &Json) -> Result<()> {
        match self.format {
            Format::Json => line(&json!({ "version": 1, "data": data })),
            Format::Jsonl => line(data),
            Format::Csv => csv_rows(std::slice::from_ref(data)),
            Format::Table => {
                let mut table = plain_table();
                for (name, value) in leaves(data) {
                    table.add_row([Cell::new(name), Cell::new(value)]);
                }
                text(&format!("{table}\n"))
            }
        }
    }

    /// A list, with what belongs to the whole of it.
    pub fn list(&self, whole: &Json, rows: &[Json], columns: &[Column]) -> Result<()> {
        match self.format {
            Format::Json => line(&json!({ "version": 1, "data": whole })),
            Format::Jsonl => rows.iter().try_for_each(line),
            Format::Csv => csv_rows(rows),
            Format::Table => {
                if rows.is_empty() {
                    return text("nothing\n");
                }
                let mut table = plain_table();
                table.set_header(columns.iter().map(|column| column.title));
                for row in rows {
                    table.add_row(columns.iter().map(|column| {
                        let cell = Cell::new(shown(row, column));
                        if matches!(column.show, Show::Minor(_) | Show::Count) {
                            cell.set_alignment(CellAlignment::Right)
                        } else {
                            cell
                        }
                    }));
                }
                text(&format!("{table}\n"))
            }
        }
    }

    /// A failure; gives nothing on standard error when programs read standard output.
    pub fn failure(&self, failure: &Failure) {
        match self.format {
            Format::Json | Format::Jsonl => {
                let _ = line(&failure.envelope());
            }
            Format::Table | Format::Csv => {
                eprintln!("octroi: {}", failure.message);
                if let Some(hint) = &failure.hint {
                    eprintln!("octroi: {hint}");
                }
            }
        }
    }

    /// Prose for people, on standard error; programs get none.
    pub fn say(&self, words: impl std::fmt::Display) {
        if self.format == Format::Table {
            eprintln!("{words}");
        }
    }
}

/// Whether progress bars may be drawn.
pub fn draws_progress() -> bool {
    std::io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// Writes text; a closed pipe is no failure, as of `octroi ... | head`.
pub fn text(text: &str) -> Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => Ok(other?),
    }
}

/// One JSON value on a line of its own.
pub fn line(value: &Json) -> Result<()> {
    text(&format!("{value}\n"))
}

fn csv_rows(rows: &[Json]) -> Result<()> {
    let flat: Vec<Vec<(String, String)>> = rows.iter().map(raw_leaves).collect();
    let mut header: Vec<String> = Vec::new();
    for (name, _) in flat.iter().flatten() {
        if !header.contains(name) {
            header.push(name.clone());
        }
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error: csv::Error| Failure::from(std::io::Error::other(error));
    if !header.is_empty() {
        writer.write_record(&header).map_err(failed)?;
    }
    for row in &flat {
        let value = |name: &String| row.iter().find(|(held, _)| held == name).map_or("", |(_, value)| value.as_str());
        writer.write_record(header.iter().map(value)).map_err(failed)?;
    }
    let bytes = writer.into_inner().map_err(|error| Failure::from(std::io::Error::other(error.to_string())))?;
    text(&String::from_utf8_lossy(&bytes))
}

/// Every value that holds no others, by the names on the way, raw; lists as JSON.
fn raw_leaves(value: &Json) -> Vec<(String, String)> {
    fn walk(path: &str, value: &Json, out: &mut Vec<(String, String)>) {
        match value {
            Json::Object(table) => {
                for (name, value) in table {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    walk(&path, value, out);
                }
            }
            Json::String(text) => out.push((path.to_owned(), text.clone())),
            Json::Null => out.push((path.to_owned(), String::new())),
            other => out.push((path.to_owned(), other.to_string())),
        }
    }
    let mut out = Vec::new();
    walk("", value, &mut out);
    out
}

/// Items of a plain list that people are shown at most; programs get all.
const ITEMS: usize = 20;

/// The same for people: sums and times in words, items of lists numbered, nothing that is absent.
fn leaves(value: &Json) -> Vec<(String, String)> {
    fn walk(path: &str, value: &Json, currency: Option<Currency>, out: &mut Vec<(String, String)>) {
        if let Some(sum) = sum(value) {
            return out.push((path.to_owned(), sum));
        }
        match value {
            Json::Object(table) => {
                let currency = currency_of(table).or(currency);
                for (name, value) in table {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    match (currency, minor_of(name, value)) {
                        (Some(currency), Some(minor)) => out.push((path, minor_in_words(minor, currency))),
                        _ => walk(&path, value, currency, out),
                    }
                }
            }
            Json::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
                let mut shown: Vec<_> = items.iter().take(ITEMS).map(plain).collect();
                if items.len() > ITEMS {
                    shown.push(format!("… {} in all; --output json shows them", items.len()));
                }
                if !items.is_empty() {
                    out.push((path.to_owned(), shown.join(", ")));
                }
            }
            Json::Array(items) => items
                .iter()
                .enumerate()
                .for_each(|(index, item)| walk(&format!("{path}[{}]", index + 1), item, currency, out)),
            Json::Null => {}
            Json::Number(number) if is_time(path) => out.push((
                path.to_owned(),
                number.as_u64().map_or_else(String::new, |time| time_in_words(BlockTime(time))),
            )),
            other => out.push((path.to_owned(), plain(other))),
        }
    }
    let mut out = Vec::new();
    walk("", value, None, &mut out);
    out
}

/// The currency of what stands in an object: its own, or that of a sum in it.
fn currency_of(table: &serde_json::Map<String, Json>) -> Option<Currency> {
    let own = table.get("currency").and_then(Json::as_str);
    let of_sum = || table.values().filter(|value| sum(value).is_some()).find_map(|value| value["currency"].as_str());
    Currency::new(own.or_else(of_sum)?).ok()
}

/// Minor units that stand alone, with the currency somewhere beside them.
fn minor_of(name: &str, value: &Json) -> Option<i128> {
    if is_money_name(name) { value.as_str()?.parse().ok() } else { None }
}

fn is_time(path: &str) -> bool {
    let name = path.rsplit('.').next().unwrap_or(path);
    name.ends_with("_at") || matches!(name, "time" | "ledger_time" | "valid_until" | "sign_before")
}

/// `{ minor, currency }` in words.
fn sum(value: &Json) -> Option<String> {
    let table = value.as_object().filter(|table| table.len() == 2)?;
    let minor: i128 = table.get("minor")?.as_str()?.parse().ok()?;
    let currency = Currency::new(table.get("currency")?.as_str()?).ok()?;
    Some(minor_in_words(minor, currency))
}

fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        other => other.to_string(),
    }
}

fn shown(row: &Json, column: &Column) -> String {
    let Some(value) = row.pointer(column.pointer) else { return String::new() };
    if let Some(sum) = sum(value) {
        return sum;
    }
    match column.show {
        Show::Plain => plain(value),
        Show::Id => {
            let id = plain(value);
            if id.len() > 16 { format!("{}…", &id[..16]) } else { id }
        }
        Show::Time => {
            value.as_u64().filter(|time| *time > 0).map_or_else(String::new, |time| time_in_words(BlockTime(time)))
        }
        Show::Minor(pointer) => {
            let minor = value.as_str().and_then(|text| text.parse::<i128>().ok());
            let currency = row.pointer(pointer).and_then(Json::as_str).and_then(|code| Currency::new(code).ok());
            match (minor, currency) {
                (Some(minor), Some(currency)) => minor_in_words(minor, currency),
                _ => plain(value),
            }
        }
        Show::Count => value.as_array().map_or(0, Vec::len).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_sums_and_times_and_nothing_absent() {
        let value = json!({
            "amount": { "minor": "1250000", "currency": "EUR" }, "opens_at": 86_400_000u64, "none": null,
            "tags": ["a", "b"], "parts": [{ "n": 1 }, { "n": 2 }], "received": "10000000",
        });
        let lines: Vec<_> = leaves(&value).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            lines,
            [
                "amount=12 500,00 EUR",
                "opens_at=1970-01-02 00:00:00 UTC",
                "tags=a, b",
                "parts[1].n=1",
                "parts[2].n=2",
                "received=100 000,00 EUR",
            ]
        );
    }

    #[test]
    fn programs_read_raw_values() {
        let value = json!({ "amount": { "minor": "5", "currency": "EUR" }, "none": null, "list": [1] });
        assert_eq!(
            raw_leaves(&value),
            [("amount.minor", "5"), ("amount.currency", "EUR"), ("none", ""), ("list", "[1]")]
                .map(|(a, b)| (a.to_owned(), b.to_owned()))
        );
    }
}
