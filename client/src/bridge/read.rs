//! From JSON to messages.

use super::{BridgeError, Surroundings, is_money, is_time, nearest, words};
use octroi_primitives::LegalDate;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use serde_json::Value as Json;

pub(super) fn message(
    descriptor: &MessageDescriptor,
    json: &Json,
    path: &str,
    around: &Surroundings<'_>,
) -> Result<DynamicMessage, BridgeError> {
    if let Some(text) = json.as_str().or(short_number(descriptor, json).as_deref()) {
        return shorthand(descriptor, text, path);
    }
    let table = json
        .as_object()
        .ok_or_else(|| BridgeError::new(path, format!("{} is no {}", shown(json), shape(descriptor))))?;
    let mut message = DynamicMessage::new(descriptor.clone());
    let mut chosen: Option<(String, String)> = None;
    for (name, json) in table {
        let at = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let field = descriptor.get_field_by_name(name).ok_or_else(|| {
            let fields: Vec<_> = descriptor.fields().map(|field| field.name().to_owned()).collect();
            let near = nearest(name, fields.iter().map(String::as_str));
            let near = if near.is_empty() { format!("; fields: {}", fields.join(", ")) } else { near };
            BridgeError::new(&at, format!("no such field{near}"))
        })?;
        if json.is_null() {
            continue;
        }
        if let Some(oneof) = field.containing_oneof().filter(|oneof| !oneof.is_synthetic()) {
            if let Some((_, other)) = chosen.as_ref().filter(|(group, _)| group == oneof.name()) {
                return Err(BridgeError::new(&at, format!("only one of {other} and {name} can be given")));
            }
            chosen = Some((oneof.name().to_owned(), name.clone()));
        }
        message.set_field(&field, field_value(&field, json, &at, around)?);
    }
    Ok(message)
}

fn field_value(
    field: &FieldDescriptor,
    json: &Json,
    path: &str,
    around: &Surroundings<'_>,
) -> Result<Value, BridgeError> {
    if !field.is_list() {
        return single(field, json, path, around);
    }
    let items = json.as_array().ok_or_else(|| BridgeError::new(path, format!("{} is no list", shown(json))))?;
    let values = items.iter().enumerate().map(|(index, item)| single(field, item, &format!("{path}[{index}]"), around));
    Ok(Value::List(values.collect::<Result<_, _>>()?))
}

fn single(field: &FieldDescriptor, json: &Json, path: &str, around: &Surroundings<'_>) -> Result<Value, BridgeError> {
    let wrong = |what: &str| BridgeError::new(path, format!("{} is no {what}", shown(json)));
    Ok(match field.kind() {
        Kind::Bool => Value::Bool(json.as_bool().ok_or_else(|| wrong("true or false"))?),
        Kind::String => Value::String(json.as_str().ok_or_else(|| wrong("text; put it in quotes"))?.to_owned()),
        Kind::Bytes => Value::Bytes(
            bytes(json.as_str().ok_or_else(|| wrong("hexadecimal text; put it in quotes"))?, path, around)?.into(),
        ),
        Kind::Uint32 => {
            Value::U32(integer(field, json, path, around)?.try_into().map_err(|_| wrong("number of 32 bits"))?)
        }
        Kind::Uint64 => Value::U64(
            integer(field, json, path, around)?.try_into().map_err(|_| wrong("number of 64 bits, 0 or more"))?,
        ),
        Kind::Int64 | Kind::Sint64 => {
            Value::I64(integer(field, json, path, around)?.try_into().map_err(|_| wrong("number of 64 bits"))?)
        }
        Kind::Int32 | Kind::Sint32 => {
            Value::I32(integer(field, json, path, around)?.try_into().map_err(|_| wrong("number of 32 bits"))?)
        }
        Kind::Enum(choices) => {
            let name = json.as_str().ok_or_else(|| wrong("name of a choice"))?;
            let prefix = super::write::enum_prefix(&choices);
            let named = |choice: &prost_reflect::EnumValueDescriptor| {
                choice.name() == name
                    || choice.name().strip_prefix(&prefix).is_some_and(|short| short.eq_ignore_ascii_case(name))
            };
            let choice = choices.values().find(|choice| named(choice) && choice.number() != 0).ok_or_else(|| {
                let names: Vec<_> = choices
                    .values()
                    .filter(|choice| choice.number() != 0)
                    .map(|choice| super::write::short_choice(&prefix, choice.name()))
                    .collect();
                BridgeError::new(path, format!("{name:?} is none of {}", names.join(", ")))
            })?;
            Value::EnumNumber(choice.number())
        }
        Kind::Message(descriptor) => Value::Message(message(&descriptor, json, path, around)?),
        Kind::Double | Kind::Float | Kind::Fixed32 | Kind::Fixed64 | Kind::Sfixed32 | Kind::Sfixed64 => {
            return Err(BridgeError::new(path, "numbers of this type are not used by octroi"));
        }
    })
}

fn integer(field: &FieldDescriptor, json: &Json, path: &str, around: &Surroundings<'_>) -> Result<i128, BridgeError> {
    if let Some(number) = json.as_u64().map(i128::from).or(json.as_i64().map(i128::from)) {
        return Ok(number);
    }
    let wrong = || BridgeError::new(path, format!("{} is no whole number", shown(json)));
    let text = json.as_str().ok_or_else(wrong)?.trim();
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    if is_time(field) {
        return words::parse_time(text, around.now).map(i128::from).map_err(|error| BridgeError::new(path, error));
    }
    if field.name() == "milliseconds" {
        return words::parse_span(text)
            .map(i128::from)
            .ok_or_else(|| BridgeError::new(path, format!("{text:?} is no time such as 90s, 10m, 2h or 30d")));
    }
    if field.name().ends_with("_ppm") {
        return per_cent(text)
            .ok_or_else(|| BridgeError::new(path, format!("{text:?} is no share such as 250000 or \"25 %\"")));
    }
    if is_money(field) {
        return words::parse_amount(text).map(|(minor, _)| minor).map_err(|error| BridgeError::new(path, error));
    }
    Err(wrong())
}

/// `25 %` or `0,5 %` in parts per million, exactly.
fn per_cent(text: &str) -> Option<i128> {
    let number = text.strip_suffix('%')?.trim_end();
    let (whole, part) = number.split_once([',', '.']).unwrap_or((number, ""));
    if part.len() > 4 || whole.is_empty() || ![whole, part].concat().bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{whole}{part:0<4}").parse().ok()
}

fn bytes(text: &str, path: &str, around: &Surroundings<'_>) -> Result<Vec<u8>, BridgeError> {
    let hex = text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hex {
        let digit = |byte: u8| (byte as char).to_digit(16).unwrap_or_default() as u8;
        return Ok(text.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect());
    }
    match (around.resolve)(text) {
        Some(Ok(bytes)) => Ok(bytes),
        Some(Err(error)) => Err(BridgeError::new(path, error)),
        None => Err(BridgeError::new(path, format!("{text:?} is not hexadecimal"))),
    }
}

/// Messages that people write as a text.
fn shorthand(descriptor: &MessageDescriptor, text: &str, path: &str) -> Result<DynamicMessage, BridgeError> {
    let wrong = |error: &dyn std::fmt::Display| BridgeError::new(path, error);
    let mut message = DynamicMessage::new(descriptor.clone());
    match descriptor.name() {
        "Amount" => {
            let (minor, currency) = words::parse_amount(text).map_err(|error| wrong(&error))?;
            let minor = u64::try_from(minor).map_err(|_| wrong(&format!("{text:?} is below zero or too much")))?;
            set(&mut message, "minor", Value::U64(minor));
            set(&mut message, "currency", Value::String(currency.to_string()));
        }
        "Money" => {
            let (minor, currency) = words::parse_amount(text).map_err(|error| wrong(&error))?;
            let minor = i64::try_from(minor).map_err(|_| wrong(&format!("{text:?} is too much")))?;
            set(&mut message, "minor", Value::I64(minor));
            set(&mut message, "currency", Value::String(currency.to_string()));
        }
        "Date" => {
            let date: LegalDate =
                text.parse().map_err(|_| wrong(&format!("{text:?} is no date such as 2027-03-31")))?;
            set(&mut message, "year", Value::U32(date.year().into()));
            set(&mut message, "month", Value::U32(date.month().into()));
            set(&mut message, "day", Value::U32(date.day().into()));
        }
        "PartialDate" => {
            let (year, month, day) = words::parse_partial_date(text).map_err(|error| wrong(&error))?;
            set(&mut message, "year", Value::U32(year));
            month.into_iter().for_each(|month| set(&mut message, "month", Value::U32(month)));
            day.into_iter().for_each(|day| set(&mut message, "day", Value::U32(day)));
        }
        "Rational" => {
            let number = |part: &str| {
                part.trim().parse::<u64>().map_err(|_| wrong(&format!("{text:?} is no fraction such as 1/3")))
            };
            let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
            set(&mut message, "numerator", Value::U64(number(numerator)?));
            set(&mut message, "denominator", Value::U64(number(denominator)?));
        }
        _ => return Err(wrong(&format!("{text:?} is no {}", shape(descriptor)))),
    }
    Ok(message)
}

/// TOML and JSON give a bare year as a number.
fn short_number(descriptor: &MessageDescriptor, json: &Json) -> Option<String> {
    (matches!(descriptor.name(), "PartialDate" | "Rational"))
        .then(|| json.as_u64())
        .flatten()
        .map(|number| number.to_string())
}

fn set(message: &mut DynamicMessage, field: &str, value: Value) {
    message.set_field_by_name(field, value);
}

fn shape(descriptor: &MessageDescriptor) -> &'static str {
    match descriptor.name() {
        "Amount" | "Money" => "sum such as \"12 500,00 EUR\"",
        "Date" => "date such as \"2027-03-31\"",
        "PartialDate" => "date such as \"2027-03\"",
        "Rational" => "fraction such as \"1/3\"",
        _ => "table of fields",
    }
}

fn shown(json: &Json) -> String {
    let text = json.to_string();
    if text.chars().count() > 60 { format!("{}…", text.chars().take(60).collect::<String>()) } else { text }
}
