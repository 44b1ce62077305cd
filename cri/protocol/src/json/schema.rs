//! JSON Schema (draft 2020-12) of what describes a message in a file.

use std::collections::BTreeMap;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

/// A document whose `$defs` has the message and all it contains.
pub fn of(descriptor: &MessageDescriptor) -> Value {
    let mut definitions = BTreeMap::new();
    define(descriptor, &mut definitions);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$ref": reference(descriptor),
        "$defs": definitions.into_iter().collect::<Map<_, _>>(),
    })
}

fn reference(descriptor: &MessageDescriptor) -> String {
    format!("#/$defs/{}", descriptor.name())
}

fn define(descriptor: &MessageDescriptor, definitions: &mut BTreeMap<String, Value>) {
    if definitions.contains_key(descriptor.name()) {
        return;
    }
    // Before its fields, or a message that contains itself would never end.
    definitions.insert(descriptor.name().to_owned(), Value::Null);
    let mut properties = Map::new();
    for field in descriptor.fields() {
        properties.insert(field.name().to_owned(), property(&field, definitions));
    }
    let definition =
        json!({"properties": properties, "additionalProperties": false, "type": "object"});
    definitions.insert(descriptor.name().to_owned(), definition);
}

fn property(field: &FieldDescriptor, definitions: &mut BTreeMap<String, Value>) -> Value {
    if field.is_map()
        && let Kind::Message(entry) = field.kind()
    {
        let value = single(&entry.map_entry_value_field().kind(), definitions);
        return json!({"additionalProperties": value, "type": "object"});
    }
    let value = single(&field.kind(), definitions);
    if field.is_list() { json!({"items": value, "type": "array"}) } else { value }
}

fn single(kind: &Kind, definitions: &mut BTreeMap<String, Value>) -> Value {
    match kind {
        Kind::Message(descriptor) => {
            define(descriptor, definitions);
            json!({"$ref": reference(descriptor)})
        }
        Kind::Bool => json!({"type": "boolean"}),
        Kind::String | Kind::Bytes => json!({"type": "string"}),
        Kind::Float | Kind::Double => json!({"type": "number"}),
        _ => json!({"type": "integer"}),
    }
}
