//! From values to messages, as files for Kubernetes' tools are read: by the interface's own names.

use std::collections::HashMap;

use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value as Field,
};
use serde_json::Value;

/// A value that can't be what its field holds.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{path} is {found}, and should be {wanted}")]
pub struct FieldError {
    /// Names from the top on (`linux.resources.cpu_period`, `mounts[1]`).
    pub path: String,
    /// As in "an array".
    pub found: String,
    /// As in "a number".
    pub wanted: &'static str,
}

/// Reads an object; names of fields that are not there are added to `unknown`.
pub fn message(
    descriptor: &MessageDescriptor,
    value: &Value,
    unknown: &mut Vec<String>,
) -> Result<DynamicMessage, FieldError> {
    Reader { unknown, path: Vec::new() }.message(descriptor, value)
}

struct Reader<'a> {
    unknown: &'a mut Vec<String>,
    path: Vec<String>,
}

impl Reader<'_> {
    fn message(
        &mut self,
        descriptor: &MessageDescriptor,
        value: &Value,
    ) -> Result<DynamicMessage, FieldError> {
        let object = value.as_object().ok_or_else(|| self.error(value, "an object"))?;
        let mut message = DynamicMessage::new(descriptor.clone());
        for (name, value) in object {
            let Some(field) = named(descriptor, name) else {
                let path = self.below(name);
                self.unknown.push(path);
                continue;
            };
            // As if it were not there, as everywhere in Kubernetes.
            if value.is_null() {
                continue;
            }
            self.path.push(name.clone());
            let value = self.whole(&field, value)?;
            self.path.pop();
            message.set_field(&field, value);
        }
        Ok(message)
    }

    fn whole(&mut self, field: &FieldDescriptor, value: &Value) -> Result<Field, FieldError> {
        if field.is_map() {
            return self.map(field, value);
        }
        if !field.is_list() {
            return self.single(field, &field.kind(), value);
        }
        let items = value.as_array().ok_or_else(|| self.error(value, "an array"))?;
        let mut list = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let last = self.path.last().cloned().unwrap_or_default();
            self.replace_last(format!("{last}[{index}]"));
            list.push(self.single(field, &field.kind(), item)?);
            self.replace_last(last);
        }
        Ok(Field::List(list))
    }

    fn map(&mut self, field: &FieldDescriptor, value: &Value) -> Result<Field, FieldError> {
        let object = value.as_object().ok_or_else(|| self.error(value, "an object"))?;
        let Kind::Message(entry) = field.kind() else {
            return Err(self.error(value, "an object"));
        };
        let kind = entry.map_entry_value_field().kind();
        let mut map = HashMap::with_capacity(object.len());
        for (key, value) in object {
            self.path.push(key.clone());
            map.insert(MapKey::String(key.clone()), self.single(field, &kind, value)?);
            self.path.pop();
        }
        Ok(Field::Map(map))
    }

    fn single(
        &mut self,
        field: &FieldDescriptor,
        kind: &Kind,
        value: &Value,
    ) -> Result<Field, FieldError> {
        let read = match kind {
            Kind::Message(descriptor) => {
                return self.message(descriptor, value).map(Field::Message);
            }
            Kind::Bool => value.as_bool().map(Field::Bool),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => number(value).map(Field::I32),
            Kind::Uint32 | Kind::Fixed32 => number(value).map(Field::U32),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => number(value).map(Field::I64),
            Kind::Uint64 | Kind::Fixed64 => number(value).map(Field::U64),
            Kind::Float | Kind::Double => value.as_f64().map(Field::F64),
            Kind::String => text(value).map(Field::String),
            // An environment variable's value: text as it is, in Kubernetes' own files too.
            Kind::Bytes => text(value).map(|text| Field::Bytes(text.into_bytes().into())),
            Kind::Enum(names) => match value.as_str() {
                Some(name) => names.get_value_by_name(name).map(|known| known.number()),
                None => number(value),
            }
            .map(Field::EnumNumber),
        };
        read.ok_or_else(|| self.error(value, wanted(field, kind)))
    }

    fn replace_last(&mut self, name: String) {
        if let Some(last) = self.path.last_mut() {
            *last = name;
        }
    }

    fn below(&self, name: &str) -> String {
        let mut path = self.path.join(".");
        if !path.is_empty() {
            path.push('.');
        }
        path + name
    }

    fn error(&self, value: &Value, wanted: &'static str) -> FieldError {
        let path = match self.path.is_empty() {
            true => "the file".to_owned(),
            false => self.path.join("."),
        };
        let found = match value {
            Value::Null => "nothing".to_owned(),
            Value::Array(_) => "an array".to_owned(),
            Value::Object(_) => "an object".to_owned(),
            other => other.to_string(),
        };
        FieldError { path, found, wanted }
    }
}

/// `log_directory`, `LOG_DIRECTORY`, or `logDirectory`.
fn named(descriptor: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    descriptor
        .get_field_by_name(name)
        .or_else(|| descriptor.get_field_by_json_name(name))
        .or_else(|| descriptor.fields().find(|field| field.name().eq_ignore_ascii_case(name)))
}

fn wanted(field: &FieldDescriptor, kind: &Kind) -> &'static str {
    match kind {
        Kind::Bool => "true or false",
        Kind::String | Kind::Bytes => "a string",
        Kind::Enum(_) if field.name() == "stop_signal" => "the name of a signal, as SIGTERM",
        Kind::Enum(_) => "one of the names or numbers of its enum",
        Kind::Uint32 | Kind::Fixed32 | Kind::Uint64 | Kind::Fixed64 => {
            "a whole number that is not negative and fits"
        }
        Kind::Float | Kind::Double => "a number",
        _ => "a whole number that fits",
    }
}

fn number<N: TryFrom<i128>>(value: &Value) -> Option<N> {
    let whole = match value {
        Value::Number(number) => number
            .as_i64()
            .map(i128::from)
            .or_else(|| number.as_u64().map(i128::from))
            .or_else(|| number.as_f64().and_then(integral)),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    whole.and_then(|whole| N::try_from(whole).ok())
}

/// `1e3` is a whole number in JSON.
fn integral(number: f64) -> Option<i128> {
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and below 2^53")]
    let whole = || number as i128;
    (number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0).then(whole)
}

/// YAML writes `3` and `true` where a string may be meant.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}
