//! Rules about messages: what is signed, hashed or kept has one encoding (docs/formats.md, canonical protobuf).

use crate::{holds, source::root};
use prost_types::{
    DescriptorProto, FileDescriptorProto, FileDescriptorSet,
    field_descriptor_proto::{Label, Type},
};
use std::fs;

/// Files whose messages only travel between a client and a node.
const SERVICES: &[&str] = &["_service.proto", "query.proto", "google/"];

fn descriptors() -> FileDescriptorSet {
    let folder = root().join("proto");
    let mut files: Vec<_> = fs::read_dir(folder.join("octroi/v1"))
        .expect("proto/octroi/v1")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "proto"))
        .collect();
    files.sort();
    protox::compile(files, [folder]).expect("the messages compile")
}

/// Constructs with more than one encoding, in messages that are not of services alone.
fn constructs(set: &FileDescriptorSet) -> Vec<String> {
    let canonical = |file: &&FileDescriptorProto| !SERVICES.iter().any(|service| file.name().contains(service));
    set.file.iter().filter(canonical).flat_map(|file| file.message_type.iter()).flat_map(message).collect()
}

fn message(message: &DescriptorProto) -> Vec<String> {
    let mut wrong = Vec::new();
    let is_map = |nested: &DescriptorProto| nested.options.as_ref().is_some_and(|options| options.map_entry());
    for nested in &message.nested_type {
        if is_map(nested) {
            wrong.push(format!("{}.{}: a map has no order", message.name(), nested.name()));
        }
        wrong.extend(self::message(nested));
    }
    for field in &message.field {
        let name = format!("{}.{}", message.name(), field.name());
        match field.r#type() {
            Type::Float | Type::Double => wrong.push(format!("{name}: floating point")),
            Type::Group => wrong.push(format!("{name}: a group")),
            Type::Fixed32 | Type::Fixed64 | Type::Sfixed32 | Type::Sfixed64 => {
                wrong.push(format!("{name}: fixed width; integers are varints"));
            }
            _ => {}
        }
        if field.r#type() == Type::Int32 && field.label() != Label::Repeated {
            wrong.push(format!("{name}: int32; say uint32, uint64 or int64"));
        }
    }
    // The fields of a oneof are written where the first of them stands: other numbers between them would break the order.
    for (index, oneof) in message.oneof_decl.iter().enumerate() {
        let inside = |field: &&prost_types::FieldDescriptorProto| {
            field.oneof_index == Some(index as i32) && !field.proto3_optional()
        };
        let numbers: Vec<i32> = message.field.iter().filter(inside).map(|field| field.number()).collect();
        let (Some(least), Some(most)) = (numbers.iter().min(), numbers.iter().max()) else { continue };
        let between = message.field.iter().find(|field| !inside(field) && (least..=most).contains(&&field.number()));
        if let Some(field) = between {
            wrong.push(format!("{}.{}: {} stands between its numbers", message.name(), oneof.name(), field.name()));
        }
    }
    wrong
}

#[test]
fn messages_that_are_signed_hashed_or_kept_have_one_encoding() {
    let compile = |text: &str| {
        let folder = std::env::temp_dir().join(format!("octroi-tidy-{}-{}", std::process::id(), text.len()));
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("x.proto"), format!("syntax = \"proto3\";\npackage x;\n{text}\n")).expect("a file");
        let set = protox::compile([folder.join("x.proto")], [&folder]).expect("it compiles");
        fs::remove_dir_all(&folder).expect("the folder is removed");
        constructs(&set)
    };
    for bad in [
        "message A { map<string, uint64> a = 1; }",
        "message A { double a = 1; }",
        "message A { repeated float abc = 1; }",
        "message A { fixed64 abcdef = 1; }",
        "message A { message B { float a = 1; } }",
        "message A { oneof b { uint32 c = 1; uint32 d = 3; } uint32 e = 2; }",
    ] {
        assert_eq!(compile(bad).len(), 1, "{bad}");
    }
    assert!(
        compile("message A { optional uint32 a = 1; oneof b { uint32 c = 2; bytes d = 3; } int64 e = 4; }").is_empty()
    );
    let set = descriptors();
    for needed in ["Transaction", "SignedTransaction", "Receipt", "Event", "Header", "Block", "Genesis", "StoredRecord"]
    {
        let known = set.file.iter().filter(|file| !SERVICES.iter().any(|service| file.name().contains(service)));
        assert!(
            known.flat_map(|file| &file.message_type).any(|message| message.name() == needed),
            "{needed} is looked at"
        );
    }
    holds("one encoding", constructs(&set), compile("message Planted { double a = 1; }"));
}
