//! Questions to a node: each is a method of the interface, what its arguments fill in, and the columns of its table.

mod questions;

pub use questions::{READS, Read};

use crate::{
    acts,
    failure::{Exit, Failure, Result},
    output::Column,
    pages::{append, rows_of},
    session::Session,
};
use clap::{Arg, ArgAction, ArgMatches, Command};
use octroi_client::bridge;
use prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use questions::{Flags, GROUPS, PAST_GRANT_COLUMNS, Shows};
use serde_json::{Map, Value as Json, json};

/// Adds the questions to the tree of commands.
pub fn add_to(mut root: Command) -> Command {
    for (group, about) in GROUPS {
        root =
            root.subcommand(Command::new(*group).about(*about).arg_required_else_help(true).subcommand_required(true));
    }
    for read in READS {
        let command = command(read);
        root = root.mut_subcommand(read.group, |group| group.args_conflicts_with_subcommands(true).subcommand(command));
    }
    root
}

fn command(read: &Read) -> Command {
    let mut command = Command::new(read.name).about(read.about);
    for (name, _, required) in read.positional {
        command = command.arg(Arg::new(*name).value_name(name.to_uppercase()).required(*required));
    }
    for field in flag_fields(read) {
        command = command.arg(acts::flag(&field));
    }
    command = command.arg(
        Arg::new("at-height")
            .long("at-height")
            .value_name("HEIGHT")
            .value_parser(clap::value_parser!(u64))
            .help("Read as of this height; without it the latest"),
    );
    if matches!(read.shows, Shows::List(..)) {
        command = command
            .arg(
                Arg::new("limit")
                    .long("limit")
                    .visible_alias("page-size")
                    .value_name("ROWS")
                    .value_parser(clap::value_parser!(u64))
                    .default_value("50")
                    .help("Rows at most"),
            )
            .arg(Arg::new("all").long("all").action(ArgAction::SetTrue).conflicts_with("limit").help("All rows"))
            .arg(Arg::new("page-token").long("page-token").value_name("TOKEN").help("Go on where a list ended"));
    }
    command
}

fn request(read: &Read) -> Option<(MessageDescriptor, MessageDescriptor)> {
    bridge::method(read.service, read.method)
}

fn flag_fields(read: &Read) -> Vec<prost_reflect::FieldDescriptor> {
    let Some((request, _)) = request(read) else { return Vec::new() };
    match read.flags {
        Flags::None => Vec::new(),
        Flags::Some(names) => names.iter().filter_map(|name| request.get_field_by_name(name)).collect(),
        Flags::Of(name) => {
            let message = request.get_field_by_name(name).and_then(|field| field.kind().as_message().cloned());
            message.map(|message| message.fields().collect()).unwrap_or_default()
        }
    }
}

/// The question that was asked.
pub fn find<'a>(group: &str, matches: &'a ArgMatches) -> Option<(&'static Read, &'a ArgMatches)> {
    let (name, inner) = matches.subcommand()?;
    Some((READS.iter().find(|read| read.group == group && read.name == name)?, inner))
}

/// Asks and shows.
pub async fn run(session: &mut Session, read: &Read, matches: &ArgMatches) -> Result<()> {
    let (input, _) = request(read).ok_or_else(|| {
        Failure::new(Exit::Unexpected, "UNEXPECTED", format!("{} is not part of this interface", read.method))
    })?;
    let mut fields = Map::new();
    for (name, field, _) in read.positional {
        if let Some(text) = matches.get_one::<String>(name) {
            let field_name = if *name == "org" { "organisation" } else { field };
            fields.insert((*field).to_owned(), json!(acts::organisation(field_name, text)));
        }
    }
    let flags = acts::read_flags(&flag_fields(read), matches)?;
    match read.flags {
        Flags::Of(name) if !flags.is_empty() => {
            fields.insert(name.to_owned(), Json::Object(flags));
        }
        _ => fields.extend(flags),
    }
    if let (Some(height), true) = (matches.get_one::<u64>("at-height"), input.get_field_by_name("options").is_some()) {
        fields.insert("options".to_owned(), json!({ "at_height": height }));
    }
    match &read.shows {
        Shows::Object(pointer) => {
            let answer = ask(session, read.service, read.method, &Json::Object(fields)).await?;
            session.printer.object(answer.pointer(pointer).unwrap_or(&answer))
        }
        Shows::List(field, columns) => list(session, read, fields, matches, field, columns).await,
    }
}

async fn list(
    session: &mut Session,
    read: &Read,
    mut fields: Map<String, Json>,
    matches: &ArgMatches,
    field: &str,
    columns: &[Column],
) -> Result<()> {
    let limit = if matches.get_flag("all") { u64::MAX } else { matches.get_one("limit").copied().unwrap_or(50) };
    let paged = request(read).is_some_and(|(input, _)| input.get_field_by_name("page").is_some());
    let mut token = matches.get_one::<String>("page-token").cloned().unwrap_or_default();
    let mut whole: Option<Json> = None;
    loop {
        let held = whole.as_ref().map_or(0, |whole| rows_of(whole, field));
        if paged {
            fields.insert("page".to_owned(), json!({ "page_size": (limit - held).min(1_000), "page_token": token }));
        }
        let mut answer = ask(session, read.service, read.method, &Json::Object(fields.clone())).await?;
        token = answer.pointer("/page/next_page_token").and_then(Json::as_str).unwrap_or_default().to_owned();
        match &mut whole {
            None => whole = Some(answer),
            Some(whole) => append(whole, &mut answer),
        }
        let held = whole.as_ref().map_or(0, |whole| rows_of(whole, field));
        if token.is_empty() || held >= limit || !paged {
            break;
        }
    }
    let whole = whole.unwrap_or_default();
    let rows = whole[field].as_array().cloned().unwrap_or_default();
    session.printer.list(&whole, &rows, columns)?;
    let past = whole["past_grants"].as_array().cloned().unwrap_or_default();
    if !past.is_empty() && session.printer.format != crate::output::Format::Json {
        session.printer.say("\npast grants, declared beside this ledger:");
        session.printer.list(&whole, &past, PAST_GRANT_COLUMNS)?;
    }
    if !token.is_empty() {
        // A file that ends early looks whole: who reads a list by program is told beside it. The envelope of JSON holds the token itself.
        if session.printer.format != crate::output::Format::Json {
            eprintln!("octroi: more rows: --all, or --page-token {token}");
        }
    }
    Ok(())
}

/// Asks a method by JSON and gives its answer as JSON.
pub async fn ask(session: &mut Session, service: &str, method: &str, request: &Json) -> Result<Json> {
    let (input, output) = bridge::method(service, method).ok_or_else(|| {
        Failure::new(Exit::Unexpected, "UNEXPECTED", format!("{service}/{method} is not part of this interface"))
    })?;
    let needs_names = request.to_string().contains("\"org:");
    let info = if needs_names { Some(session.client()?.info().await?.clone()) } else { None };
    let message = session.names(info.as_ref()).with(None, |around| bridge::read_message(&input, request, around))?;
    let bytes = session.client()?.ask(service, method, message.encode_to_vec()).await?;
    let answer = DynamicMessage::decode(output, bytes.as_slice()).map_err(|error| {
        Failure::new(Exit::Unexpected, "UNEXPECTED", format!("the node's answer cannot be read: {error}"))
    })?;
    Ok(bridge::write_message(&answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_is_a_method_with_the_fields_that_it_fills_in() {
        for read in READS {
            let (input, output) =
                request(read).unwrap_or_else(|| panic!("{}/{} is in the interface", read.service, read.method));
            for (_, field, _) in read.positional {
                assert!(input.get_field_by_name(field).is_some(), "{}: {field}", read.method);
            }
            if let Flags::Some(names) = read.flags {
                assert_eq!(flag_fields(read).len(), names.len(), "{}", read.method);
            }
            if let Shows::List(field, columns) = &read.shows {
                let rows = output
                    .get_field_by_name(field)
                    .and_then(|field| field.kind().as_message().cloned())
                    .unwrap_or_else(|| panic!("{}: {field}", read.method));
                for column in *columns {
                    assert!(exists(&rows, column.pointer), "{}: {}", read.method, column.pointer);
                }
                let past = output.get_field_by_name("past_grants").and_then(|field| field.kind().as_message().cloned());
                if let Some(past) = past {
                    PAST_GRANT_COLUMNS
                        .iter()
                        .for_each(|column| assert!(exists(&past, column.pointer), "{}", column.pointer));
                }
            }
        }
    }

    fn exists(message: &MessageDescriptor, pointer: &str) -> bool {
        let (name, rest) = pointer[1..].split_once('/').map_or((&pointer[1..], ""), |(name, rest)| (name, rest));
        match message.get_field_by_name(name) {
            None => false,
            Some(_) if rest.is_empty() => true,
            Some(field) => field.kind().as_message().is_some_and(|inner| exists(inner, &format!("/{rest}"))),
        }
    }
}
