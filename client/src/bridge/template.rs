//! Templates: a TOML file for each kind with every field, what it means, and a value of the right form.

use super::{field_doc, message_doc, payload_message, write};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use std::fmt::Write as _;

/// The template of a kind; `None` when there is no such kind. It reads as a payload; what is optional is commented out.
pub fn template(kind: &str) -> Option<String> {
    let message = payload_message(kind)?;
    let mut out = String::new();
    let _ = writeln!(out, "# {kind}: {}", message_doc(&message));
    let _ = writeln!(out, "# Fill in, then: octroi tx build FILE. Lines that begin with '#' are optional.\n");
    table(&mut out, &message, kind, Header::Table, "");
    Some(out)
}

#[derive(Clone, Copy)]
enum Header {
    Table,
    Item,
}

/// Scalars first, then tables: TOML wants it so.
fn table(out: &mut String, message: &MessageDescriptor, path: &str, header: Header, mark: &str) {
    let _ = match header {
        Header::Table => writeln!(out, "{mark}[{path}]"),
        Header::Item => writeln!(out, "{mark}[[{path}]]"),
    };
    let mut fields: Vec<_> = message.fields().collect();
    fields.sort_by_key(FieldDescriptor::number);
    let (tables, plain): (Vec<_>, Vec<_>) = fields.into_iter().partition(is_table);
    for field in &plain {
        comment(out, field, "");
        let _ = writeln!(out, "{mark}{}{} = {}", optional(field), field.name(), example(field));
    }
    for field in &tables {
        let Kind::Message(inner) = field.kind() else { continue };
        out.push('\n');
        comment(out, field, message_doc(&inner));
        let header = if field.is_list() { Header::Item } else { Header::Table };
        // A list that may be empty is commented out as well.
        let mark = if mark.is_empty() && optional(field).is_empty() && !field.is_list() { "" } else { "# " };
        table(out, &inner, &format!("{path}.{}", field.name()), header, mark);
    }
}

fn comment(out: &mut String, field: &FieldDescriptor, other: &str) {
    let doc = field_doc(field);
    let doc = if doc.is_empty() { other } else { doc };
    let choices = match field.kind() {
        Kind::Enum(choices) => {
            let prefix = write::enum_prefix(&choices);
            let names = choices.values().filter(|choice| choice.number() != 0);
            format!(
                " One of {}.",
                names.map(|choice| write::short_choice(&prefix, choice.name())).collect::<Vec<_>>().join(", ")
            )
        }
        _ => String::new(),
    };
    let text = format!("{doc}{choices}");
    if !text.trim().is_empty() {
        let _ = writeln!(out, "# {}", text.trim());
    }
}

/// Fields that stand in a table of their own.
fn is_table(field: &FieldDescriptor) -> bool {
    matches!(field.kind(), Kind::Message(message) if !matches!(message.name(), "Amount" | "Date" | "PartialDate" | "Rational" | "Money"))
}

/// All alternatives but the first are optional too.
fn optional(field: &FieldDescriptor) -> &'static str {
    let first = field
        .containing_oneof()
        .filter(|oneof| !oneof.is_synthetic())
        .is_none_or(|oneof| oneof.fields().map(|field| field.number()).min() == Some(field.number()));
    let synthetic = field.containing_oneof().is_some_and(|oneof| oneof.is_synthetic());
    if synthetic || !first { "# " } else { "" }
}

fn example(field: &FieldDescriptor) -> String {
    let one = match field.kind() {
        Kind::Bool => "true".to_owned(),
        Kind::String => text(field),
        Kind::Bytes => {
            let length = if field_doc(field).contains("64 bytes") || matches!(field.name(), "possession" | "signature")
            {
                64
            } else {
                32
            };
            format!("{:?}", "00".repeat(length))
        }
        Kind::Enum(choices) => {
            let prefix = write::enum_prefix(&choices);
            let first = choices
                .values()
                .find(|choice| choice.number() != 0)
                .expect("every choice of the interface has a named value");
            format!("{:?}", write::short_choice(&prefix, first.name()))
        }
        Kind::Message(message) => match message.name() {
            "Amount" | "Money" => "\"12 500,00 EUR\"".to_owned(),
            "Rational" => "\"1/1\"".to_owned(),
            _ => "\"2027-03-31\"".to_owned(),
        },
        _ if super::is_time(field) => "\"2027-01-02T08:00:00Z\"".to_owned(),
        _ => "1".to_owned(),
    };
    if field.is_list() { format!("[{one}]") } else { one }
}

/// Texts that their types can hold.
fn text(field: &FieldDescriptor) -> String {
    let whole = (field.parent_message().name().to_owned(), field.name().to_owned());
    let example = match (whole.0.as_str(), whole.1.as_str()) {
        (_, "scheme") => "SIREN",
        ("RegisterOrganisation", "kind") => "association",
        ("Identifier", "value") => "732829320",
        (_, "legal_category") => "9220",
        (_, "categories") => "open_software",
        (_, "licence" | "licences") => "AGPL-3.0-or-later",
        (_, "right") => "access",
        (_, "holders") => "anyone",
        (_, "role" | "roles") => "funder",
        (_, "eligibility" | "failed") | ("Endorse", "code") => "COMMONS",
        ("Endorse", "step") => "attest",
        ("SuspendGrant", "asked") => "suspend",
        ("OpenClawback", "reason") => "overpaid",
        (_, "resolution") => "admit",
        (_, "stance") => "accept",
        ("CloseFinding", "outcome") => "resolved",
        (_, "opinion") => "unqualified",
        (_, "period") => "2027Q1",
        (_, "territory") => "44",
        (_, "currency") => "EUR",
        (_, "nature") => "cash",
        (_, "reference") => "P00000000000000000000000000",
        _ => "example",
    };
    format!("{example:?}")
}
