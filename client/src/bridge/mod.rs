//! Between what people write (TOML, JSON) and the messages of the wire, by the names of their fields: one bridge for every kind and every answer.
//!
//! Forms of people, both ways unless said: bytes are hexadecimal; a sum is `12 500,00 EUR` or `{ minor, currency }`; a date `2027-03-31`, a partial one
//! `2027` or `2027-03` too; a fraction `1/3`; a choice its short name; a time RFC 3339, `now`, `+3d` (read only), milliseconds; parts per million `25 %`
//! (read only). Absent is left out or null. Numbers of 64 bits that are money are decimal strings.
//!
//! Promises: a field that the message does not have is an error with the nearest name, and the path of the field stands in every error. What a message
//! holds comes back equal after it was written as JSON and read again. Must not know: rules; whether a payload makes sense is the ledger's to say.

mod read;
mod template;
mod words;
mod write;

pub use template::template;
pub use words::{amount_in_words, minor_in_words, parse_amount, parse_time, time_in_words};

use octroi_ledger::Payload;
use octroi_proto::v1 as pb;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::Value as Json;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

/// What a text stands for in a field of bytes that is not hexadecimal, such as `org:region`.
pub type Resolve<'a> = dyn Fn(&str) -> Option<Result<Vec<u8>, String>> + 'a;

/// What is outside the text that is read.
pub struct Surroundings<'a> {
    /// Ledger time in milliseconds, which `now` and `+3d` count from; `None`: they are refused.
    pub now: Option<u64>,
    /// Names for bytes.
    pub resolve: &'a Resolve<'a>,
}

impl Surroundings<'static> {
    /// Nothing is outside.
    pub fn none() -> Self {
        Self { now: None, resolve: &|_| None }
    }
}

/// Why a text is no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct BridgeError {
    /// Dotted path of the field.
    pub path: String,
    /// What is wrong with its value.
    pub reason: String,
}

impl BridgeError {
    fn new(path: &str, reason: impl std::fmt::Display) -> Self {
        Self { path: if path.is_empty() { "the text".to_owned() } else { path.to_owned() }, reason: reason.to_string() }
    }
}

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(octroi_proto::DESCRIPTORS).expect("the build wrote this descriptor set"));

/// Comments of fields and messages, by full name.
static DOCS: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let mut docs = BTreeMap::new();
    for file in POOL.files().filter(|file| file.package_name() == "octroi.v1") {
        let info = file.file_descriptor_proto().source_code_info.clone().unwrap_or_default();
        let comments: BTreeMap<Vec<i32>, String> = info
            .location
            .into_iter()
            .filter_map(|location| Some((location.path, location.leading_comments?)))
            .collect();
        let doc = |path: &[i32]| comments.get(path).map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
        for message in file.messages() {
            docs.extend(doc(message.path()).map(|doc| (message.full_name().to_owned(), doc)));
            docs.extend(message.fields().filter_map(|field| Some((field.full_name().to_owned(), doc(field.path())?))));
        }
    }
    docs
});

/// The message with this name of package `octroi.v1`.
pub fn message(name: &str) -> Option<MessageDescriptor> {
    POOL.get_message_by_name(&format!("octroi.v1.{name}"))
}

/// What the interface says of a field; empty where it says nothing.
pub fn field_doc(field: &FieldDescriptor) -> &'static str {
    DOCS.get(field.full_name()).map_or("", String::as_str)
}

/// What the interface says of a message.
pub fn message_doc(message: &MessageDescriptor) -> &'static str {
    DOCS.get(message.full_name()).map_or("", String::as_str)
}

/// Names of the kinds that transactions can carry on the wire, in the order of their tags.
pub fn kinds() -> Vec<String> {
    payload_fields().map(|field| field.name().to_owned()).collect()
}

/// The message of a kind's payload.
pub fn payload_message(kind: &str) -> Option<MessageDescriptor> {
    payload_fields().find(|field| field.name() == kind).and_then(|field| field.kind().as_message().cloned())
}

fn transaction() -> MessageDescriptor {
    message("Transaction").expect("the interface has transactions")
}

fn payload_fields() -> impl Iterator<Item = FieldDescriptor> {
    let mut fields: Vec<_> = transaction().fields().filter(|field| field.containing_oneof().is_some()).collect();
    fields.sort_by_key(FieldDescriptor::number);
    fields.into_iter()
}

/// Whether a number of 64 bits is money: signed ones always, the others when their comment says so.
fn is_money(field: &FieldDescriptor) -> bool {
    match field.kind() {
        Kind::Int64 | Kind::Sint64 => true,
        Kind::Uint64 => field_doc(field).contains("inor units"),
        _ => false,
    }
}

/// Names of fields that hold money wherever they stand; one that holds text elsewhere is none.
static MONEY: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let fields = || POOL.all_messages().flat_map(|message| message.fields().collect::<Vec<_>>());
    let others: BTreeSet<String> =
        fields().filter(|field| field.kind() == Kind::String).map(|field| field.name().to_owned()).collect();
    let money = fields().filter(|field| is_money(field) && !field.name().ends_with("_ppm"));
    money.map(|field| field.name().to_owned()).filter(|name| !others.contains(name)).collect()
});

/// Whether a field of this name holds minor units of the currency that it stands beside.
pub fn is_money_name(name: &str) -> bool {
    MONEY.contains(name)
}

/// Whether a number is a time: milliseconds of block time.
fn is_time(field: &FieldDescriptor) -> bool {
    let name = field.name();
    field.kind() == Kind::Uint64
        && (name.ends_with("_at") || matches!(name, "valid_until" | "sign_before" | "time" | "ledger_time"))
        && name != "at"
}

/// Reads a message.
///
/// # Errors
/// The path and what is wrong there.
pub fn read_message(
    message: &MessageDescriptor,
    json: &Json,
    around: &Surroundings<'_>,
) -> Result<DynamicMessage, BridgeError> {
    read::message(message, json, "", around)
}

/// Writes a message with all its fields.
pub fn write_message(message: &DynamicMessage) -> Json {
    write::message(message)
}

/// Reads `{ kind: { fields } }`: one table whose name is the kind.
///
/// # Errors
/// Not one table, an unknown kind, or a field that its type cannot hold.
pub fn read_payload(json: &Json, around: &Surroundings<'_>) -> Result<Payload, BridgeError> {
    let one = || BridgeError::new("", "write one table whose name is the kind, such as [promise_contribution]");
    let table = json.as_object().ok_or_else(one)?;
    let (kind, fields) = match (table.len(), table.iter().next()) {
        (1, Some(entry)) => entry,
        _ => return Err(one()),
    };
    let known = kinds();
    if !known.iter().any(|name| name == kind) {
        return Err(BridgeError::new(kind, format!("no such kind{}", nearest(kind, known.iter().map(String::as_str)))));
    }
    read_kind(kind, fields, around)
}

/// Reads the fields of a kind.
///
/// # Errors
/// As [`read_payload`].
pub fn read_kind(kind: &str, fields: &Json, around: &Surroundings<'_>) -> Result<Payload, BridgeError> {
    let message = payload_message(kind).ok_or_else(|| BridgeError::new(kind, "no such kind"))?;
    let payload = read::message(&message, fields, kind, around)?;
    let mut whole = DynamicMessage::new(transaction());
    whole.set_field_by_name(kind, prost_reflect::Value::Message(payload));
    let proto =
        pb::Transaction::decode(whole.encode_to_vec().as_slice()).map_err(|error| BridgeError::new(kind, error))?;
    let payload = proto.payload.ok_or_else(|| BridgeError::new(kind, "is empty"))?;
    Payload::from_wire(payload).map_err(|error| BridgeError::new("", error))
}

/// Writes a payload as `{ kind: { fields } }`.
pub fn write_payload(payload: &Payload) -> Json {
    let proto = pb::Transaction { payload: Some(payload.to_wire()), ..Default::default() };
    let mut json = write_bytes("Transaction", &proto.encode_to_vec()).unwrap_or_default();
    let kept = payload.kind().name();
    if let Some(table) = json.as_object_mut() {
        table.retain(|name, _| name == kept);
    }
    json
}

/// Writes the bytes of a message of package `octroi.v1`; `None` when there is no such message or the bytes are another's.
pub fn write_bytes(name: &str, bytes: &[u8]) -> Option<Json> {
    Some(write::message(&DynamicMessage::decode(message(name)?, bytes).ok()?))
}

/// The messages of a unary method's request and answer.
pub fn method(service: &str, method: &str) -> Option<(MessageDescriptor, MessageDescriptor)> {
    let service = POOL.get_service_by_name(&format!("octroi.v1.{service}"))?;
    let method = service.methods().find(|entry| entry.name() == method)?;
    Some((method.input(), method.output()))
}

/// `; did you mean "x"?`, or nothing.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    known
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or_else(String::new, |(_, candidate)| format!("; did you mean {candidate:?}?"))
}

fn write_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
