//! From messages to values, as protojson's `EmitDefaultValues` has it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage as _, Value as Field,
};
use serde_json::{Map, Number, Value};

/// An object with every field, in the order of the interface.
pub fn message(message: &DynamicMessage) -> Value {
    let descriptor = message.descriptor();
    let mut object = Map::new();
    for field in descriptor.fields() {
        if field.supports_presence() && !message.has_field(&field) {
            continue;
        }
        let value = whole(&field, &message.get_field(&field));
        object.insert(field.json_name().to_owned(), value);
    }
    Value::Object(object)
}

fn whole(field: &FieldDescriptor, value: &Field) -> Value {
    match value {
        Field::List(items) => items.iter().map(|item| single(&field.kind(), item)).collect(),
        Field::Map(entries) => {
            let Kind::Message(entry) = field.kind() else { return Value::Null };
            let kind = entry.map_entry_value_field().kind();
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let entries = entries.into_iter().map(|(key, item)| (name(key), single(&kind, item)));
            Value::Object(entries.collect())
        }
        single_value => single(&field.kind(), single_value),
    }
}

fn single(kind: &Kind, value: &Field) -> Value {
    match value {
        Field::Bool(value) => (*value).into(),
        Field::I32(value) => (*value).into(),
        Field::U32(value) => (*value).into(),
        Field::I64(value) => value.to_string().into(),
        Field::U64(value) => value.to_string().into(),
        Field::F32(value) => float(f64::from(*value)),
        Field::F64(value) => float(*value),
        Field::String(value) => value.as_str().into(),
        Field::Bytes(value) => STANDARD.encode(value).into(),
        Field::EnumNumber(number) => match kind {
            Kind::Enum(names) => match names.get_value(*number) {
                Some(value) => value.name().into(),
                None => (*number).into(),
            },
            _ => (*number).into(),
        },
        Field::Message(value) => message(value),
        // Neither holds the other: the interface has no such types.
        Field::List(_) | Field::Map(_) => Value::Null,
    }
}

/// What JSON has no number for is a string in protojson.
fn float(value: f64) -> Value {
    match Number::from_f64(value) {
        // 3, not 3.0.
        Some(_) if value.fract() == 0.0 && value.abs() < 1e15 => {
            #[expect(clippy::cast_possible_truncation, reason = "it is whole and small")]
            let whole = value as i64;
            whole.into()
        }
        Some(number) => Value::Number(number),
        None if value.is_nan() => "NaN".into(),
        None if value > 0.0 => "Infinity".into(),
        None => "-Infinity".into(),
    }
}

fn name(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => key.clone(),
    }
}
