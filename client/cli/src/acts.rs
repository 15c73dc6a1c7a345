//! One short command for each act. Its flags are the fields of the kind's payload, with the comments of the interface as help; `--payload FILE` fills in
//! what flags do not say.

use crate::{
    failure::{Failure, Result, read_text},
    session::Session,
    submitting,
};
use clap::{Arg, ArgAction, ArgMatches, Command};
use octroi_client::{
    bridge,
    keystore::{self, Cost, KeyFile, KeyMeta},
};
use octroi_primitives::{OrganisationId, PossessionPurpose, prove_possession};
use prost_reflect::{FieldDescriptor, Kind};
use serde_json::{Map, Value as Json, json};

/// A short command.
#[derive(Debug, Clone, Copy)]
pub struct Act {
    /// Its name.
    pub name: &'static str,
    /// The kind it makes.
    pub kind: &'static str,
    /// In one line.
    pub about: &'static str,
}

/// Every act, in the order of a grant's life.
pub const ACTS: &[Act] = &[
    Act {
        name: "register-org",
        kind: "register_organisation",
        about: "Register an organisation with its offices and keys",
    },
    Act { name: "rotate-keys", kind: "rotate_keys", about: "Change the keys and thresholds of an organisation" },
    Act { name: "register-project", kind: "register_project", about: "Register a commons project" },
    Act { name: "announce-ready", kind: "announce_ready", about: "Show that an admitted validator is there" },
    Act { name: "attest", kind: "attest_statement", about: "Attest a bank statement" },
    Act { name: "match", kind: "match_entry", about: "Say what a bank entry pays" },
    Act { name: "promise", kind: "promise_contribution", about: "Promise a contribution, or look at one" },
    Act { name: "declare", kind: "declare_levy", about: "Declare what a levy is computed from" },
    Act { name: "assess", kind: "assess_levy", about: "Assess a declared levy" },
    Act { name: "close-period", kind: "close_period", about: "Close a period of a fund and split its money" },
    Act { name: "open-call", kind: "open_call", about: "Open a call for applications" },
    Act { name: "apply", kind: "submit_application", about: "Apply to a call" },
    Act { name: "screen", kind: "screen_application", about: "Say whether an application is admissible" },
    Act { name: "review", kind: "review_application", about: "Review an application" },
    Act {
        name: "propose",
        kind: "propose_change",
        about: "Propose a change to the colleges, such as the awards of a call",
    },
    Act { name: "ballot", kind: "cast_ballot", about: "Cast a ballot on a change" },
    Act { name: "sign-convention", kind: "sign_convention", about: "Sign the convention of a grant" },
    Act { name: "evidence", kind: "submit_evidence", about: "Submit evidence for a tranche" },
    Act { name: "judge", kind: "judge_evidence", about: "Judge the evidence of a tranche" },
    Act { name: "order", kind: "order_payment", about: "Order the payment of a tranche" },
    Act { name: "release", kind: "release_payment", about: "Release an ordered payment" },
    Act { name: "past-grant", kind: "declare_past_grant", about: "Record one grant made before or beside this ledger" },
    Act { name: "advance-clock", kind: "advance_clock", about: "Step the clock of a development network" },
];

/// Fields that name an organisation: a code stands for `org:CODE` there.
const ORGANISATIONS: &[&str] =
    &["parent", "organisation", "payer", "co_holders", "holder", "funder", "beneficiary", "applicant"];

/// The act of a name.
pub fn find(name: &str) -> Option<&'static Act> {
    ACTS.iter().find(|act| act.name == name)
}

/// The command of an act.
pub fn command(act: &Act) -> Command {
    let mut command = Command::new(act.name)
        .about(act.about)
        .long_about(format!(
            "{about}.\n\nKind {kind}; 'octroi tx template {kind}' shows a file to fill in, 'octroi explain {kind}' every refusal.",
            about = act.about,
            kind = act.kind
        ))
        .arg_required_else_help(true)
        .arg(
            Arg::new("payload")
                .long("payload")
                .value_name("FILE")
                .help("Filled-in template (TOML or JSON); flags win over it"),
        );
    for field in fields(act.kind) {
        command = command.arg(flag(&field));
    }
    if act.kind == "register_organisation" {
        command = command
            .arg(Arg::new("keys-of").long("keys-of").value_name("CODE").help("Offer the keys of the folder that are of this organisation code, proven, and enter the new id into their files"))
            .arg(Arg::new("office-roles").long("office-roles").value_name("OFFICE=ROLE,ROLE").action(ArgAction::Append).requires("keys-of").help("Roles that an office of --keys-of may use"));
    }
    command
}

fn fields(kind: &str) -> Vec<FieldDescriptor> {
    let mut fields: Vec<_> =
        bridge::payload_message(kind).map(|message| message.fields().collect()).unwrap_or_default();
    fields.sort_by_key(FieldDescriptor::number);
    fields
}

/// The flag of a field: `budget_year` is `--budget-year`.
pub fn flag(field: &FieldDescriptor) -> Arg {
    let name = field.name().replace('_', "-");
    let (value, form) = match field.kind() {
        Kind::Bytes => ("HEX", ""),
        Kind::Bool => ("BOOL", ""),
        Kind::Enum(_) => ("CHOICE", ""),
        Kind::String => ("TEXT", ""),
        Kind::Message(message) => match message.name() {
            "Amount" | "Money" => ("SUM", " Such as '12 500,00 EUR'."),
            "Date" => ("DATE", " Such as 2027-03-31."),
            "PartialDate" => ("DATE", " Such as 2027-03-31, 2027-03 or 2027."),
            "Rational" => ("FRACTION", " Such as 1/3."),
            _ => ("TABLE", " As an inline TOML table: '{ field = value, ... }'."),
        },
        _ if field.name().ends_with("_at") => ("TIME", " A time, now, +3d, or milliseconds."),
        _ => ("NUMBER", ""),
    };
    let doc = bridge::field_doc(field);
    let doc = if doc.is_empty() { format!("{}.", field.name().replace('_', " ")) } else { doc.to_owned() };
    let choices = match field.kind() {
        Kind::Enum(choices) => {
            let names = choices
                .values()
                .filter(|choice| choice.number() != 0)
                .filter_map(|choice| choice.name().rsplit('_').next().map(str::to_lowercase));
            format!(" {}.", names.collect::<Vec<_>>().join(", "))
        }
        _ => String::new(),
    };
    let again = if field.is_list() { " May be repeated." } else { "" };
    let mut arg = Arg::new(format!("field.{}", field.name()))
        .long(name)
        .value_name(value)
        .help(format!("{doc}{form}{choices}{again}"))
        .allow_hyphen_values(true);
    if field.is_list() {
        arg = arg.action(ArgAction::Append);
    }
    if matches!(field.kind(), Kind::Bool) {
        arg = arg.num_args(0..=1).default_missing_value("true").require_equals(true);
    }
    arg
}

/// What flags say, as JSON of the message.
pub fn read_flags(fields: &[FieldDescriptor], matches: &ArgMatches) -> Result<Map<String, Json>> {
    let mut table = Map::new();
    for field in fields {
        let Some(values) = matches.try_get_many::<String>(&format!("field.{}", field.name())).ok().flatten() else {
            continue;
        };
        let values = values.map(|text| value(field, text)).collect::<Result<Vec<_>>>()?;
        let value =
            if field.is_list() { Json::Array(values) } else { values.into_iter().next_back().unwrap_or_default() };
        table.insert(field.name().to_owned(), value);
    }
    Ok(table)
}

fn value(field: &FieldDescriptor, text: &str) -> Result<Json> {
    Ok(match field.kind() {
        Kind::Bool => match text {
            "true" | "yes" => json!(true),
            "false" | "no" => json!(false),
            _ => {
                return Err(Failure::usage(format!(
                    "--{}: {text:?} is neither true nor false",
                    field.name().replace('_', "-")
                )));
            }
        },
        Kind::Bytes => json!(organisation(field.name(), text)),
        Kind::Message(message)
            if !matches!(message.name(), "Amount" | "Money" | "Date" | "PartialDate" | "Rational") =>
        {
            inline(text).map_err(|error| {
                Failure::usage(format!("--{}: {error}", field.name().replace('_', "-")))
                    .hint("write an inline TOML table: '{ field = value, ... }'")
            })?
        }
        _ => json!(text),
    })
}

/// A code where an organisation is named stands for its id.
pub fn organisation(field: &str, text: &str) -> String {
    let id = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if ORGANISATIONS.contains(&field) && !id && !text.contains(':') { format!("org:{text}") } else { text.to_owned() }
}

fn inline(text: &str) -> std::result::Result<Json, String> {
    let table: toml::Table =
        toml::from_str(&format!("value = {text}\n")).map_err(|error| error.message().to_owned())?;
    serde_json::to_value(&table["value"]).map_err(|error| error.to_string())
}

/// Reads a filled-in file, TOML or JSON, as JSON.
pub fn read_payload_file(path: &std::path::Path) -> Result<Json> {
    let text = if path.as_os_str() == "-" { std::io::read_to_string(std::io::stdin())? } else { read_text(path)? };
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(&text).map_err(|error| Failure::usage(format!("{}: {error}", path.display())));
    }
    let table: toml::Table =
        toml::from_str(&text).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    serde_json::to_value(table).map_err(Failure::usage)
}

/// Carries out an act.
pub async fn run(session: &mut Session, act: &Act, matches: &ArgMatches) -> Result<()> {
    let mut table = match matches.get_one::<String>("payload") {
        None => Map::new(),
        Some(path) => match read_payload_file(path.as_ref())? {
            Json::Object(mut whole) if whole.len() == 1 && whole.contains_key(act.kind) => match whole.remove(act.kind)
            {
                Some(Json::Object(table)) => table,
                _ => return Err(Failure::usage(format!("{path}: [{}] is no table", act.kind))),
            },
            Json::Object(table) => table,
            _ => return Err(Failure::usage(format!("{path}: holds no table"))),
        },
    };
    table.extend(read_flags(&fields(act.kind), matches)?);
    let newcomers = match matches.try_get_one::<String>("keys-of").ok().flatten() {
        Some(code) => offer_keys(session, code, matches, &mut table).await?,
        None => Vec::new(),
    };
    let json = Json::Object(table);
    let client = session.client()?;
    let info = client.info().await?.clone();
    let now = client.ledger_time().await?.0;
    let payload = session.names(Some(&info)).with(Some(now), |around| bridge::read_kind(act.kind, &json, around))?;
    let outcome = submitting::act(session, payload).await?;
    if let (false, Some(id)) = (
        newcomers.is_empty(),
        outcome.applied.then(|| OrganisationId::new(octroi_primitives::object_id("organisation", &outcome.id))),
    ) {
        adopt(session, &newcomers, id)?;
    }
    outcome.finish(session)
}

/// Offers of the folder's keys for a registration, with proofs of possession.
async fn offer_keys(
    session: &mut Session,
    code: &str,
    matches: &ArgMatches,
    table: &mut Map<String, Json>,
) -> Result<Vec<KeyFile>> {
    let files = session.keyring().find(code, None)?;
    if files.is_empty() {
        return Err(Failure::config(format!(
            "no key of organisation {code:?} in {}",
            session.keyring().folder().display()
        ))
        .hint(format!("make one with 'octroi key new --organisation {code} --office OFFICE'")));
    }
    let network_name = session.client()?.info().await?.network_name.clone();
    let secrets = session.unlock(&files)?;
    let mut offices: Vec<(String, Vec<Json>)> = Vec::new();
    for (file, secret) in files.iter().zip(&secrets) {
        let office = file.public.meta.office.to_string();
        let proof = prove_possession(secret, PossessionPurpose::Office, &network_name);
        let key = json!({ "key": secret.public().to_string(), "possession": proof.to_string() });
        match offices.iter_mut().find(|(known, _)| *known == office) {
            Some((_, keys)) => keys.push(key),
            None => offices.push((office, vec![key])),
        }
    }
    let mut roles: Vec<(&str, Vec<&str>)> = Vec::new();
    for text in matches.get_many::<String>("office-roles").into_iter().flatten() {
        let (office, list) = text.split_once('=').ok_or_else(|| {
            Failure::usage(format!("--office-roles {text:?} has no '='")).hint("write --office-roles OFFICE=ROLE,ROLE")
        })?;
        if !offices.iter().any(|(known, _)| known == office) {
            return Err(Failure::usage(format!("--office-roles: no key of office {office:?} of {code:?}")));
        }
        roles.push((office, list.split(',').collect()));
    }
    let offers = offices.iter().map(|(office, keys)| {
        let roles = roles.iter().find(|(known, _)| known == office).map_or_else(Vec::new, |(_, roles)| roles.clone());
        json!({ "code": office, "roles": roles, "keys": keys })
    });
    table.insert("offices".to_owned(), Json::Array(offers.collect()));
    Ok(files)
}

/// Enters the id of a new organisation into its key files.
fn adopt(session: &mut Session, files: &[KeyFile], id: OrganisationId) -> Result<()> {
    let secrets = session.unlock(files)?;
    let passphrase = session.passphrase()?;
    for (file, secret) in files.iter().zip(&secrets) {
        let meta = KeyMeta { organisation: Some(id), ..file.public.meta.clone() };
        let cost = if session.client_is_dev() { Cost::Dev } else { Cost::Interactive };
        session.keyring().replace(file, &keystore::seal(secret, &meta, &passphrase, cost)?)?;
    }
    Ok(())
}
