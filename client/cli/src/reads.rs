//! Questions to a node: each is a method of the interface, what its arguments fill in, and the columns of its table.

use crate::{
    acts,
    failure::{Exit, Failure, Result},
    output::{
        Column,
        Show::{self, Count, Id, Minor, Plain, Time},
    },
    pages::{append, rows_of},
    session::Session,
};
use clap::{Arg, ArgAction, ArgMatches, Command};
use octroi_client::bridge;
use prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use serde_json::{Map, Value as Json, json};

/// A question.
#[derive(Debug)]
pub struct Read {
    group: &'static str,
    name: &'static str,
    about: &'static str,
    service: &'static str,
    method: &'static str,
    /// Positional arguments: name, the field of the request as a path with points, whether it must be given.
    positional: &'static [(&'static str, &'static str, bool)],
    /// Message of the request whose fields are flags: empty for the request itself, else the name of a field.
    flags: Flags,
    shows: Shows,
}

#[derive(Debug)]
enum Flags {
    None,
    /// These fields of the request.
    Some(&'static [&'static str]),
    /// All fields of the message in this field.
    Of(&'static str),
}

#[derive(Debug)]
enum Shows {
    /// One object, at a pointer into the answer.
    Object(&'static str),
    /// A list, page by page, at a field of the answer.
    List(&'static str, &'static [Column]),
}

const fn column(title: &'static str, pointer: &'static str, show: Show) -> Column {
    Column { title, pointer, show }
}

const GROUPS: &[(&str, &str)] = &[
    ("org", "Organisations"),
    ("project", "Commons projects"),
    ("grant", "Grants: their history, lists, tranches"),
    ("levy", "Levies: what is due, and how it was computed"),
    ("fund", "Funds and their envelopes"),
    ("call", "Calls for applications and what was applied for"),
    ("change", "Changes proposed to the colleges, and their ballots"),
    ("bank", "Bank accounts: statements and open entries"),
    ("account", "Accounts of the double entry"),
    ("block", "Blocks"),
    ("event", "Events"),
    ("peer", "Peers of the node"),
];

const GRANT_COLUMNS: &[Column] = &[
    column("grant", "/id", Plain),
    column("project", "/project_title", Plain),
    column("beneficiary", "/lead_name", Plain),
    column("awarded", "/grant/awarded", Minor("/currency")),
    column("ordered", "/ordered", Minor("/currency")),
    column("paid", "/paid", Minor("/currency")),
    column("status", "/grant/status", Plain),
    column("decided", "/decided_at", Time),
];

/// Every question.
pub const READS: &[Read] = &[
    Read {
        group: "org",
        name: "show",
        about: "An organisation: identifiers, offices, keys, roles",
        service: "FundingService",
        method: "GetOrganisation",
        positional: &[("org", "id", true)],
        flags: Flags::None,
        shows: Shows::Object("/organisation"),
    },
    Read {
        group: "org",
        name: "find",
        about: "Organisations by an identifier or part of a name",
        service: "FundingService",
        method: "FindOrganisation",
        positional: &[],
        flags: Flags::Some(&["scheme", "value", "name_contains"]),
        shows: Shows::List(
            "organisations",
            &[
                column("organisation", "/id", Plain),
                column("name", "/organisation/name", Plain),
                column("kind", "/organisation/kind", Plain),
                column("status", "/organisation/status", Plain),
            ],
        ),
    },
    Read {
        group: "project",
        name: "show",
        about: "A project",
        service: "FundingService",
        method: "GetProject",
        positional: &[("project", "id", true)],
        flags: Flags::None,
        shows: Shows::Object("/project"),
    },
    Read {
        group: "project",
        name: "list",
        about: "Projects",
        service: "FundingService",
        method: "ListProjects",
        positional: &[],
        flags: Flags::Some(&["holder", "category", "territory"]),
        shows: Shows::List(
            "projects",
            &[
                column("project", "/id", Plain),
                column("title", "/project/title", Plain),
                column("licence", "/project/licence", Plain),
            ],
        ),
    },
    Read {
        group: "grant",
        name: "history",
        about: "What a project or organisation was granted, decided by whom, paid when",
        service: "FundingService",
        method: "GetGrantHistory",
        positional: &[],
        flags: Flags::Some(&["project", "organisation", "identifier"]),
        shows: Shows::List("grants", GRANT_COLUMNS),
    },
    Read {
        group: "grant",
        name: "list",
        about: "Grants of this ledger and past grants declared on it",
        service: "FundingService",
        method: "ListGrants",
        positional: &[],
        flags: Flags::Of("filter"),
        shows: Shows::List("grants", GRANT_COLUMNS),
    },
    Read {
        group: "grant",
        name: "show",
        about: "A grant with its tranches, payouts and story",
        service: "FundingService",
        method: "GetGrant",
        positional: &[("grant", "id", true)],
        flags: Flags::None,
        shows: Shows::Object(""),
    },
    Read {
        group: "grant",
        name: "tranches",
        about: "Tranches by due date",
        service: "FundingService",
        method: "ListTranches",
        positional: &[],
        flags: Flags::Some(&["fund", "grant"]),
        shows: Shows::List(
            "tranches",
            &[
                column("grant", "/grant", Id),
                column("tranche", "/tranche/number", Plain),
                column("kind", "/tranche/kind", Plain),
                column("due", "/tranche/due", Plain),
                column("minor", "/tranche/amount", Plain),
                column("parts", "/tranche/parts", Count),
            ],
        ),
    },
    Read {
        group: "levy",
        name: "status",
        about: "What a payer owes and has paid",
        service: "FundingService",
        method: "GetLevyStatus",
        positional: &[("payer", "payer", true), ("schedule", "schedule", true), ("period", "period", false)],
        flags: Flags::None,
        shows: Shows::Object(""),
    },
    Read {
        group: "levy",
        name: "explain",
        about: "The computation of an assessment, line by line",
        service: "FundingService",
        method: "ExplainAssessment",
        positional: &[("payer", "payer", true), ("schedule", "schedule", true), ("period", "period", true)],
        flags: Flags::None,
        shows: Shows::Object("/assessment"),
    },
    Read {
        group: "levy",
        name: "list",
        about: "The register of a schedule",
        service: "FundingService",
        method: "ListLevies",
        positional: &[("schedule", "schedule", true), ("period", "period", false)],
        flags: Flags::None,
        shows: Shows::List(
            "levies",
            &[
                column("payer", "/payer_name", Plain),
                column("period", "/period", Plain),
                column("status", "/levy/status", Plain),
                column("reference", "/reference", Plain),
            ],
        ),
    },
    Read {
        group: "fund",
        name: "show",
        about: "A fund's accounts by class, and whether they balance",
        service: "FundingService",
        method: "GetFund",
        positional: &[("fund", "fund", true)],
        flags: Flags::None,
        shows: Shows::Object("/fund"),
    },
    Read {
        group: "fund",
        name: "list",
        about: "Funds",
        service: "FundingService",
        method: "ListFunds",
        positional: &[],
        flags: Flags::None,
        shows: Shows::List(
            "funds",
            &[
                column("fund", "/code", Plain),
                column("name", "/fund/name", Plain),
                column("bank", "/bank", Minor("/currency")),
                column("unallocated", "/unallocated", Minor("/currency")),
                column("envelopes", "/envelope_total", Minor("/currency")),
                column("encumbered", "/encumbered", Minor("/currency")),
                column("balances", "/balances", Plain),
            ],
        ),
    },
    Read {
        group: "call",
        name: "show",
        about: "A call",
        service: "FundingService",
        method: "GetCall",
        positional: &[("call", "id", true)],
        flags: Flags::None,
        shows: Shows::Object("/call"),
    },
    Read {
        group: "call",
        name: "list",
        about: "Calls",
        service: "FundingService",
        method: "ListCalls",
        positional: &[],
        flags: Flags::Some(&["fund"]),
        shows: Shows::List(
            "calls",
            &[
                column("call", "/id", Plain),
                column("title", "/call/title", Plain),
                column("budget", "/call/budget", Plain),
                column("closes", "/call/closes_at", Time),
                column("applications", "/call/applications", Plain),
                column("state", "/state", Plain),
            ],
        ),
    },
    Read {
        group: "call",
        name: "applications",
        about: "Applications of a call or of an applicant",
        service: "FundingService",
        method: "ListApplications",
        positional: &[],
        flags: Flags::Some(&["call", "applicant"]),
        shows: Shows::List(
            "applications",
            &[
                column("application", "/id", Plain),
                column("number", "/application/number", Plain),
                column("title", "/application/title", Plain),
                column("requested", "/application/requested", Plain),
                column("score", "/application/score", Plain),
                column("status", "/application/status", Plain),
            ],
        ),
    },
    Read {
        group: "promise",
        name: "show",
        about: "A promise, what was received of it, and the reference its payer writes",
        service: "FundingService",
        method: "GetPromise",
        positional: &[("promise", "id", true)],
        flags: Flags::None,
        shows: Shows::Object(""),
    },
    Read {
        group: "change",
        name: "show",
        about: "A change with its ballots",
        service: "FundingService",
        method: "GetChange",
        positional: &[("change", "id", true)],
        flags: Flags::None,
        shows: Shows::Object("/change"),
    },
    Read {
        group: "change",
        name: "list",
        about: "Changes",
        service: "FundingService",
        method: "ListChanges",
        positional: &[],
        flags: Flags::None,
        shows: Shows::List(
            "changes",
            &[
                column("change", "/id", Plain),
                column("proposer", "/proposer_name", Plain),
                column("status", "/change/status", Plain),
                column("opens", "/change/opens_at", Time),
                column("closes", "/change/closes_at", Time),
                column("seats", "/seats", Count),
            ],
        ),
    },
    Read {
        group: "bank",
        name: "show",
        about: "A bank account: last statement, open entries",
        service: "FundingService",
        method: "GetReconciliation",
        positional: &[("account", "account", true)],
        flags: Flags::None,
        shows: Shows::Object(""),
    },
    Read {
        group: "account",
        name: "show",
        about: "The balance of an account by its canonical name",
        service: "LedgerService",
        method: "GetAccount",
        positional: &[("account", "account", true)],
        flags: Flags::None,
        shows: Shows::Object("/account"),
    },
    Read {
        group: "account",
        name: "list",
        about: "The accounts of a fund",
        service: "LedgerService",
        method: "ListAccounts",
        positional: &[("fund", "fund", true)],
        flags: Flags::Some(&["prefix"]),
        shows: Shows::List(
            "accounts",
            &[
                column("account", "/account", Plain),
                column("class", "/class", Plain),
                column("balance", "/balance", Minor("/balance/currency")),
            ],
        ),
    },
    Read {
        group: "account",
        name: "postings",
        about: "The postings of an account, newest first",
        service: "LedgerService",
        method: "ListPostings",
        positional: &[("account", "account", true)],
        flags: Flags::None,
        shows: Shows::List(
            "postings",
            &[
                column("height", "/height", Plain),
                column("time", "/time", Time),
                column("kind", "/kind", Plain),
                column("minor", "/posting/amount", Plain),
                column("transaction", "/transaction", Id),
            ],
        ),
    },
    Read {
        group: "block",
        name: "show",
        about: "A block with its receipts; without a height the latest",
        service: "LedgerService",
        method: "GetBlock",
        positional: &[("height", "height", false)],
        flags: Flags::None,
        shows: Shows::Object(""),
    },
    Read {
        group: "block",
        name: "list",
        about: "Blocks, newest first",
        service: "LedgerService",
        method: "ListBlocks",
        positional: &[],
        flags: Flags::None,
        shows: Shows::List(
            "blocks",
            &[
                column("height", "/header/height", Plain),
                column("time", "/header/time", Time),
                column("transactions", "/transactions", Plain),
                column("state root", "/header/state_root", Id),
                column("block", "/id", Id),
            ],
        ),
    },
    Read {
        group: "event",
        name: "list",
        about: "Events, oldest first",
        service: "EventService",
        method: "ListEvents",
        positional: &[("after", "after_cursor", false)],
        flags: Flags::Of("filter"),
        shows: Shows::List("events", crate::commands::watch::COLUMNS),
    },
    Read {
        group: "peer",
        name: "list",
        about: "Whom the node is connected to",
        service: "NodeService",
        method: "ListPeers",
        positional: &[],
        flags: Flags::None,
        shows: Shows::List(
            "peers",
            &[
                column("network key", "/network_key", Plain),
                column("role", "/role", Plain),
                column("address", "/address", Plain),
                column("connected", "/connected", Plain),
                column("height", "/height", Plain),
            ],
        ),
    },
];

/// Adds the questions to the tree of commands.
pub fn add_to(mut root: Command) -> Command {
    for (group, about) in GROUPS {
        root =
            root.subcommand(Command::new(*group).about(*about).arg_required_else_help(true).subcommand_required(true));
    }
    // A question that the interface does not have yet is no command.
    for read in READS.iter().filter(|read| request(read).is_some()) {
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
        session.printer.say(format!("more rows: --all, or --page-token {token}"));
    }
    Ok(())
}

const PAST_GRANT_COLUMNS: &[Column] = &[
    column("past grant", "/id", Id),
    column("funder", "/declaration/funder/name", Plain),
    column("beneficiary", "/declaration/beneficiary/name", Plain),
    column("date", "/declaration/date", Plain),
    column("amount", "/declaration/amount", Minor("/declaration/amount/currency")),
    column("purpose", "/declaration/purpose", Plain),
];

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
