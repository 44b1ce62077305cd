//! Annotations `org.systemd.property.NAME`: properties that an engine passes on for a container's scope, their
//! values as GVariant prints them (runc's docs/systemd.md, "Auxiliary properties").

use crate::wire::Value;
use crate::{Error, Property, Result};

const PREFIX: &str = "org.systemd.property.";

/// The properties that are among these annotations.
///
/// # Errors
/// A value that is none.
pub fn properties<'a>(
    annotations: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Result<Vec<Property>> {
    let mut all = Vec::new();
    for (key, text) in annotations {
        let Some(name) = key.strip_prefix(PREFIX) else { continue };
        let refuse = || Error::Annotation(key.clone(), text.clone());
        let is_name = name.len() > 2 && name.chars().all(|c| c.is_ascii_alphabetic());
        let value = parse(text.trim()).filter(|_| is_name).ok_or_else(refuse)?;
        // Seconds are for people.
        all.push(match (name.strip_suffix("USec"), name.strip_suffix("Sec")) {
            (None, Some(stem)) => {
                let microseconds = in_microseconds(&value).ok_or_else(refuse)?;
                (format!("{stem}USec"), microseconds)
            }
            _ => (name.to_owned(), value),
        });
    }
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(all)
}

fn in_microseconds(value: &Value) -> Option<Value> {
    let seconds = match *value {
        Value::U64(seconds) => seconds,
        Value::U32(seconds) => seconds.into(),
        Value::I32(seconds) => seconds.try_into().ok()?,
        Value::I64(seconds) => seconds.try_into().ok()?,
        _ => return None,
    };
    seconds.checked_mul(1_000_000).map(Value::U64)
}

/// Booleans, numbers, texts, and lists of texts.
fn parse(text: &str) -> Option<Value> {
    match text {
        "true" => return Some(Value::Bool(true)),
        "false" => return Some(Value::Bool(false)),
        _ => {}
    }
    if let Some((kind, number)) = text.split_once(' ') {
        let number = number.trim();
        return match kind {
            "int32" => number.parse().ok().map(Value::I32),
            "uint32" => number.parse().ok().map(Value::U32),
            "int64" => number.parse().ok().map(Value::I64),
            "uint64" => number.parse().ok().map(Value::U64),
            _ => quoted(text).map(Value::Text).or_else(|| list(text)),
        };
    }
    if let Ok(number) = text.parse() {
        return Some(Value::I32(number));
    }
    quoted(text).map(Value::Text).or_else(|| list(text))
}

fn quoted(text: &str) -> Option<String> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let inner = text[1..].strip_suffix(quote)?;
    // What is escaped belongs to nothing that a unit's property has.
    (!inner.contains(['\\', quote])).then(|| inner.to_owned())
}

fn list(text: &str) -> Option<Value> {
    let inner = text.strip_prefix('[')?.strip_suffix(']')?.trim();
    if inner.is_empty() {
        return None;
    }
    inner.split(',').map(|one| quoted(one.trim())).collect::<Option<Vec<_>>>().map(Value::Texts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn of(name: &str, value: &str) -> Result<Vec<Property>> {
        properties(&BTreeMap::from([(name.to_owned(), value.to_owned())]))
    }

    /// The first two and their meaning are runc's documentation's.
    #[test]
    fn values_are_read_as_gvariant_prints_them() {
        let one = |name: &str, value| vec![(name.to_owned(), value)];
        for (name, text, expected) in [
            (
                "TimeoutStopUSec",
                "uint64 123456789",
                one("TimeoutStopUSec", Value::U64(123_456_789)),
            ),
            (
                "CollectMode",
                "'inactive-or-failed'",
                one("CollectMode", Value::Text("inactive-or-failed".into())),
            ),
            ("TimeoutStopSec", "uint64 5", one("TimeoutStopUSec", Value::U64(5_000_000))),
            ("DefaultDependencies", "true", one("DefaultDependencies", Value::Bool(true))),
            (
                "After",
                "['crio.service', 'a.target']",
                one("After", Value::Texts(vec!["crio.service".into(), "a.target".into()])),
            ),
            ("KillSignal", "9", one("KillSignal", Value::I32(9))),
            ("Description", "'two words'", one("Description", Value::Text("two words".into()))),
        ] {
            assert_eq!(of(&format!("org.systemd.property.{name}"), text).unwrap(), expected);
        }
        assert!(of("io.kubernetes.pod", "x").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for text in ["", "word", "'open", "uint64 -1", "[1]", "[]", "<'variant'>", "'it\\'s'"] {
            assert!(of("org.systemd.property.Description", text).is_err(), "{text}");
        }
        assert!(of("org.systemd.property.TimeoutStopSec", "'soon'").is_err());
        assert!(of("org.systemd.property.x/y", "true").is_err());
    }
}
