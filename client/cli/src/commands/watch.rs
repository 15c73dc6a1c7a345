//! `octroi watch`: events as they are committed, each once, over broken connections.

use crate::{
    arguments::Watch,
    failure::{Exit, Failure, Result},
    output::{Column, Format, Show, line, text},
    session::Session,
};
use octroi_client::bridge::{self, time_in_words};
use octroi_primitives::BlockTime;
use octroi_proto::v1::{self as pb, stream_events_response::Item};
use prost::Message as _;
use serde_json::Value as Json;

/// How events are listed.
pub const COLUMNS: &[Column] = &[
    Column { title: "cursor", pointer: "/cursor", show: Show::Plain },
    Column { title: "time", pointer: "/time", show: Show::Time },
    Column { title: "kind", pointer: "/kind", show: Show::Plain },
    Column { title: "organisation", pointer: "/organisation", show: Show::Id },
    Column { title: "transaction", pointer: "/transaction", show: Show::Id },
];

/// Follows until the count or height that was asked for, or for ever.
pub async fn run(session: &mut Session, arguments: Watch) -> Result<()> {
    let Watch { after, kind, subject, count, until_height } = arguments;
    if session.printer.format == Format::Csv {
        return Err(Failure::usage("events cannot be watched as CSV")
            .hint("use --output jsonl, or 'octroi event list --output csv'"));
    }
    let after = match after {
        Some(cursor) => cursor,
        // Greater than every receipt of the latest block: what comes after it.
        None => format!("{}.{}", crate::commands::status::height(session).await?, u32::MAX),
    };
    let printer = session.printer;
    let filter = pb::EventFilter { kinds: kind.iter().map(|kind| kind.replace('-', "_")).collect(), subjects: subject };
    let mut events = session.client()?.events(after, filter);
    let mut seen = 0;
    loop {
        let height = match events.next().await? {
            Item::Event(record) => {
                show(printer.format, &record)?;
                seen += 1;
                // Events of this height may follow.
                record.height.saturating_sub(1)
            }
            Item::HeartbeatHeight(height) => height,
        };
        if count.is_some_and(|count| seen >= count) || until_height.is_some_and(|until| height >= until) {
            return Ok(());
        }
    }
}

fn show(format: Format, record: &pb::EventRecord) -> Result<()> {
    let json = bridge::write_bytes("EventRecord", &record.encode_to_vec())
        .ok_or_else(|| Failure::new(Exit::Unexpected, "UNEXPECTED", "the event cannot be read"))?;
    if format != Format::Table {
        return line(&json);
    }
    let who =
        json["organisation"].as_str().filter(|id| !id.is_empty()).map_or("due work", |id| &id[..id.len().min(16)]);
    let event = json["event"].as_object().and_then(|event| event.values().next()).cloned().unwrap_or_default();
    text(&format!(
        "{:>10}  {}  {:<24} {who}  {}\n",
        record.cursor,
        time_in_words(BlockTime(record.time)),
        record.kind,
        brief(&event)
    ))
}

/// The first values of an event that say most on one line.
fn brief(event: &Json) -> String {
    let plain = |(name, value): (&String, &Json)| match value {
        Json::String(text) if text.len() == 64 => Some(format!("{name}={}…", &text[..12])),
        Json::String(text) if !text.is_empty() => Some(format!("{name}={text}")),
        Json::Number(number) => Some(format!("{name}={number}")),
        Json::Object(table) if table.contains_key("minor") => {
            Some(format!("{name}={} {}", table["minor"].as_str()?, table["currency"].as_str()?))
        }
        _ => None,
    };
    event.as_object().into_iter().flatten().filter_map(plain).take(5).collect::<Vec<_>>().join(" ")
}
