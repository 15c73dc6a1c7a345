//! `octroi explain`: what a reason or a kind means, from the lists that the ledger itself uses.

use crate::{
    failure::{Exit, Failure, Result},
    hints,
    output::{Column, Format, Show, text},
    session::Session,
};
use octroi_client::bridge;
use octroi_exchange::scdl;
use octroi_ledger::{
    Kind,
    refusal::{RefusalDoc, reason},
};
use serde_json::{Value as Json, json};

/// Explains one name, or lists all kinds.
pub fn run(session: &Session, name: Option<&str>) -> Result<()> {
    let Some(name) = name else { return kinds(session) };
    let snake = name.to_lowercase().replace('-', "_");
    if let Some(kind) = Kind::ALL.iter().find(|kind| kind.name() == snake) {
        return explain_kind(session, *kind);
    }
    let upper = snake.to_uppercase();
    if let Some((kind, doc)) = refusals().find(|(kind, doc)| reason(*kind, doc) == upper) {
        return session.printer.object(&refusal(kind, doc));
    }
    if let Some((name, when, hint)) = hints::ADMISSION.iter().find(|(known, ..)| *known == upper) {
        return session.printer.object(&json!({ "reason": name, "given_when": when, "what_to_do": hint, "where": "before a block: nothing is recorded" }));
    }
    if let Some(row) = scdl::Reason::ALL.iter().find(|row| row.code() == snake) {
        return session.printer.object(&json!({ "reason": row.code(), "given_when": row.meaning(), "where": "import of a file: the row is not published" }));
    }
    if let Some((kind, doc)) = refusals().find(|(_, doc)| doc.shared.as_str() == snake) {
        let all: Vec<_> =
            refusals().filter(|(_, other)| other.shared == doc.shared).map(|(kind, doc)| reason(kind, doc)).collect();
        return session.printer.object(&json!({ "shared_name": doc.shared.as_str(), "what_to_do": hints::refusal(doc.shared), "reasons": all, "for_example": reason(kind, doc) }));
    }
    let known = known();
    let near = known.iter().max_by(|a, b| strsim::jaro_winkler(a, &upper).total_cmp(&strsim::jaro_winkler(b, &upper)));
    let failure = Failure::new(Exit::NotFound, "NOT_FOUND", format!("nothing is called {name:?}"));
    Err(match near.filter(|near| strsim::jaro_winkler(near, &upper) > 0.8) {
        Some(near) => failure.hint(format!("did you mean {near}?")),
        None => failure.hint("'octroi explain' lists the kinds; each kind lists its reasons"),
    })
}

fn refusals() -> impl Iterator<Item = (Kind, &'static RefusalDoc)> {
    Kind::ALL.iter().flat_map(|kind| kind.refusals().iter().map(|doc| (*kind, doc)))
}

fn known() -> Vec<String> {
    let kinds = Kind::ALL.iter().map(|kind| kind.name().to_uppercase());
    let rows = scdl::Reason::ALL.iter().map(|row| row.code().to_uppercase());
    refusals()
        .map(|(kind, doc)| reason(kind, doc))
        .chain(kinds)
        .chain(hints::ADMISSION.iter().map(|(name, ..)| (*name).to_owned()))
        .chain(rows)
        .collect()
}

fn refusal(kind: Kind, doc: &RefusalDoc) -> Json {
    json!({
        "reason": reason(kind, doc),
        "kind": kind.name(),
        "code": doc.code,
        "shared_name": doc.shared.as_str(),
        "given_when": doc.doc,
        "what_to_do": hints::refusal(doc.shared),
    })
}

fn kinds(session: &Session) -> Result<()> {
    let rows: Vec<Json> = Kind::ALL
        .iter()
        .map(|kind| json!({ "tag": format!("{:04x}", kind.tag()), "kind": kind.name(), "by": if kind.is_system() { "the ledger, when it is due" } else { "an organisation" }, "reasons": kind.refusals().len() }))
        .collect();
    let column = |title, pointer| Column { title, pointer, show: Show::Plain };
    session.printer.list(
        &json!({ "kinds": rows }),
        &rows,
        &[column("tag", "/tag"), column("kind", "/kind"), column("made by", "/by"), column("reasons", "/reasons")],
    )
}

fn explain_kind(session: &Session, kind: Kind) -> Result<()> {
    let fields: Vec<Json> = bridge::payload_message(kind.name()).map_or_else(Vec::new, |message| {
        let mut fields: Vec<_> = message.fields().collect();
        fields.sort_by_key(prost_reflect::FieldDescriptor::number);
        fields.iter().map(|field| json!({ "field": field.name(), "meaning": bridge::field_doc(field) })).collect()
    });
    let reasons: Vec<Json> = kind.refusals().iter().map(|doc| refusal(kind, doc)).collect();
    if session.printer.format != Format::Table {
        return session.printer.object(&json!({ "kind": kind.name(), "tag": format!("{:04x}", kind.tag()), "system": kind.is_system(), "fields": fields, "refusals": reasons }));
    }
    let mut out = format!(
        "{} (tag {:04x}, {})\n",
        kind.name(),
        kind.tag(),
        if kind.is_system() { "made by the ledger when it is due" } else { "asked by an organisation" }
    );
    let text_of = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    if !fields.is_empty() {
        out.push_str("\nfields:\n");
        fields.iter().for_each(|field| {
            out.push_str(&format!("  {:<18} {}\n", text_of(&field["field"]), text_of(&field["meaning"])))
        });
    }
    out.push_str("\nrefusals, in the order in which they are checked:\n");
    for doc in &reasons {
        out.push_str(&format!(
            "  {}\n      {}\n      -> {}\n",
            text_of(&doc["reason"]),
            text_of(&doc["given_when"]),
            text_of(&doc["what_to_do"])
        ));
    }
    text(&out)
}
