//! From messages to JSON.

use super::{is_money, write_hex};
use prost_reflect::{DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, ReflectMessage as _, Value};
use serde_json::{Map, Value as Json, json};

pub(super) fn message(message: &DynamicMessage) -> Json {
    if let Some(short) = shorthand(message) {
        return short;
    }
    let descriptor = message.descriptor();
    let mut table = Map::new();
    let mut fields: Vec<_> = descriptor.fields().collect();
    fields.sort_by_key(FieldDescriptor::number);
    for field in fields {
        let alternative = field.containing_oneof().is_some_and(|oneof| !oneof.is_synthetic());
        let present = message.has_field(&field);
        if alternative && !present {
            continue;
        }
        let json =
            if field.supports_presence() && !present { Json::Null } else { value(&field, &message.get_field(&field)) };
        table.insert(field.name().to_owned(), json);
    }
    Json::Object(table)
}

fn value(field: &FieldDescriptor, held: &Value) -> Json {
    match held {
        Value::Bool(held) => json!(held),
        Value::I32(held) => json!(held),
        Value::I64(held) if is_money(field) => json!(held.to_string()),
        Value::I64(held) => json!(held),
        Value::U32(held) => json!(held),
        Value::U64(held) if is_money(field) => json!(held.to_string()),
        Value::U64(held) => json!(held),
        Value::String(held) => json!(held),
        Value::Bytes(held) => match <[u8; 16]>::try_from(held.as_ref()) {
            Ok(number) if field.parent_message().name() == "LevyStep" => json!(i128::from_be_bytes(number).to_string()),
            _ => json!(write_hex(held)),
        },
        Value::EnumNumber(number) => match field.kind() {
            Kind::Enum(choices) => choices
                .get_value(*number)
                .map_or_else(|| json!(number), |choice| json!(short_choice(&enum_prefix(&choices), choice.name()))),
            _ => json!(number),
        },
        Value::Message(held) => message(held),
        Value::List(items) => Json::Array(items.iter().map(|item| value(field, item)).collect()),
        // The interface has neither floating point nor maps.
        Value::F32(_) | Value::F64(_) | Value::Map(_) => Json::Null,
    }
}

/// Messages that people write as a text. Sums stay tables, since programs add them.
fn shorthand(message: &DynamicMessage) -> Option<Json> {
    let number = |field: &str| message.get_field_by_name(field).and_then(|value| value.as_u32());
    let present = |field: &str| message.has_field_by_name(field).then(|| number(field)).flatten();
    match message.descriptor().name() {
        "Date" => Some(json!(format!("{:04}-{:02}-{:02}", number("year")?, number("month")?, number("day")?))),
        "PartialDate" => {
            let year = format!("{:04}", number("year")?);
            Some(match (present("month"), present("day")) {
                (None, None) => json!(year),
                (Some(month), None) => json!(format!("{year}-{month:02}")),
                (Some(month), Some(day)) => json!(format!("{year}-{month:02}-{day:02}")),
                // A day without a month is no date; it is shown field by field.
                (None, Some(_)) => return None,
            })
        }
        "Rational" => {
            let part = |field: &str| message.get_field_by_name(field).and_then(|value| value.as_u64());
            Some(json!(format!("{}/{}", part("numerator")?, part("denominator")?)))
        }
        _ => None,
    }
}

/// `BALLOT_CHOICE_` of `BallotChoice`.
pub(super) fn enum_prefix(choices: &EnumDescriptor) -> String {
    let mut prefix = String::new();
    for letter in choices.name().chars() {
        if letter.is_ascii_uppercase() && !prefix.is_empty() {
            prefix.push('_');
        }
        prefix.push(letter.to_ascii_uppercase());
    }
    prefix.push('_');
    prefix
}

pub(super) fn short_choice(prefix: &str, name: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase()
}
