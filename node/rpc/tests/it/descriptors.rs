//! The interface as it was published: a field that is renumbered, retyped or removed breaks those who use it.
//!
//! `interface.txt` holds one line for each field, enum value and method. New lines may come; with OCTROI_ACCEPT=1 they are written down.

use prost::Message as _;
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorSet, field_descriptor_proto::Label};
use std::{collections::BTreeSet, path::Path};

fn message(prefix: &str, message: &DescriptorProto, out: &mut BTreeSet<String>) {
    let name = format!("{prefix}.{}", message.name());
    for field in &message.field {
        let repeated = if field.label() == Label::Repeated { "repeated " } else { "" };
        let sort = match field.type_name() {
            "" => field.r#type().as_str_name().trim_start_matches("TYPE_").to_lowercase(),
            named => named.trim_start_matches('.').to_owned(),
        };
        out.insert(format!("{name} {} = {repeated}{sort} {}", field.number(), field.name()));
    }
    for inner in &message.nested_type {
        self::message(&name, inner, out);
    }
    for inner in &message.enum_type {
        values(&name, inner, out);
    }
}

fn values(prefix: &str, values: &EnumDescriptorProto, out: &mut BTreeSet<String>) {
    for value in &values.value {
        out.insert(format!("{prefix}.{} {} = {}", values.name(), value.number(), value.name()));
    }
}

fn interface() -> BTreeSet<String> {
    let set = FileDescriptorSet::decode(octroi_proto::DESCRIPTORS).expect("the build wrote descriptors");
    let mut out = BTreeSet::new();
    for file in &set.file {
        for inner in &file.message_type {
            message(file.package(), inner, &mut out);
        }
        for inner in &file.enum_type {
            values(file.package(), inner, &mut out);
        }
        for service in &file.service {
            for method in &service.method {
                let sent = if method.client_streaming() { "stream " } else { "" };
                let answered = if method.server_streaming() { "stream " } else { "" };
                out.insert(format!(
                    "{}.{}.{} ({sent}{}) -> ({answered}{})",
                    file.package(),
                    service.name(),
                    method.name(),
                    method.input_type(),
                    method.output_type()
                ));
            }
        }
    }
    out
}

#[test]
fn nothing_that_was_published_is_changed_or_gone() {
    let path = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").expect("run by cargo")).join("tests/it/interface.txt");
    let now = interface();
    let published: BTreeSet<String> =
        std::fs::read_to_string(&path).unwrap_or_default().lines().map(str::to_owned).collect();
    if std::env::var_os("OCTROI_ACCEPT").is_some() {
        let lines: String = now.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(&path, lines).expect("the snapshot can be written");
        return;
    }
    let gone: Vec<_> = published.difference(&now).collect();
    assert!(gone.is_empty(), "changed or gone: {gone:#?}");
    assert!(!published.is_empty(), "{} is empty", path.display());
}

/// Encoders write a oneof where its least number stands: were another number between, fields would not be in ascending order (docs/formats.md §3).
#[test]
fn no_other_number_lies_between_those_of_a_oneof() {
    fn check(prefix: &str, message: &DescriptorProto) {
        let name = format!("{prefix}.{}", message.name());
        for (index, oneof) in message.oneof_decl.iter().enumerate() {
            let is_of = |field: &&prost_types::FieldDescriptorProto| field.oneof_index == Some(index as i32);
            let numbers = || message.field.iter().filter(is_of).map(|field| field.number());
            let (Some(least), Some(most)) = (numbers().min(), numbers().max()) else { continue };
            let others = message.field.iter().filter(|field| !is_of(field)).map(|field| field.number());
            let between: Vec<i32> = others.filter(|number| (least..most).contains(number)).collect();
            assert!(between.is_empty(), "{name}.{}: {between:?}", oneof.name());
        }
        message.nested_type.iter().for_each(|inner| check(&name, inner));
    }
    let set = FileDescriptorSet::decode(octroi_proto::DESCRIPTORS).expect("the build wrote descriptors");
    for file in &set.file {
        file.message_type.iter().for_each(|message| check(file.package(), message));
    }
}
