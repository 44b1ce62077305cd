//! How Go prints values: `%v`, JSON, and `printf`.

use serde_json::{Map, Value as Json};

/// Go's own bound of widths and precisions (`fmt`'s `tooLarge`), and of padding here.
pub const WIDEST: usize = 1_000_000;

/// Structures and maps look alike in JSON. The names tell: fields begin with a capital in every view.
pub fn is_struct(fields: &Map<String, Json>) -> bool {
    let capital = |name: &str| name.starts_with(|c: char| c.is_ascii_uppercase());
    !fields.is_empty() && self::fields(fields).all(|(name, _)| capital(name))
}

/// Without those that serve methods.
pub fn fields(fields: &Map<String, Json>) -> impl Iterator<Item = (&str, &Json)> {
    fields
        .iter()
        .map(|(name, value)| (name.as_str(), value))
        .filter(|(name, _)| !name.starts_with('_'))
}

/// In the order of the keys, as Go looks at maps.
pub fn sorted(map: &Map<String, Json>) -> impl Iterator<Item = (&str, &Json)> {
    let mut all: Vec<_> = fields(map).collect();
    all.sort_unstable_by_key(|(name, _)| *name);
    all.into_iter()
}

/// A value as an action prints it. What is null is an empty list far more often than an empty pointer.
pub fn shown(value: Option<&Json>) -> String {
    match value {
        None => "<no value>".to_owned(),
        Some(Json::Null) => "[]".to_owned(),
        Some(Json::Bool(value)) => value.to_string(),
        Some(Json::Number(number)) => number.to_string(),
        Some(Json::String(text)) => text.clone(),
        Some(Json::Array(items)) => {
            format!("[{}]", joined(items.iter().map(|item| shown(Some(item)))))
        }
        Some(Json::Object(map)) if is_struct(map) => {
            format!("{{{}}}", joined(fields(map).map(|(_, value)| shown(Some(value)))))
        }
        Some(Json::Object(map)) => {
            format!(
                "map[{}]",
                joined(sorted(map).map(|(name, value)| format!("{name}:{}", shown(Some(value)))))
            )
        }
    }
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(" ")
}

/// Structures in the order of their fields, maps in that of their keys, as Go's encoder writes them.
pub fn json(value: &Json) -> Json {
    match value {
        Json::Array(items) => items.iter().map(json).collect(),
        Json::Object(map) if is_struct(map) => {
            Json::Object(fields(map).map(|(name, value)| (name.to_owned(), json(value))).collect())
        }
        Json::Object(map) => {
            Json::Object(sorted(map).map(|(name, value)| (name.to_owned(), json(value))).collect())
        }
        other => other.clone(),
    }
}

/// `printf`: the verbs that values of ours have.
pub fn printf(format: &str, arguments: &[Json]) -> Result<String, String> {
    let mut out = String::new();
    let mut arguments = arguments.iter();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut spec = String::new();
        let verb = loop {
            match chars.next() {
                Some(c @ ('0'..='9' | '-' | '+' | '.' | ' ' | '#')) => spec.push(c),
                Some(verb) => break verb,
                None => return Err("printf: no verb after %".into()),
            }
        };
        if verb == '%' {
            out.push('%');
            continue;
        }
        let argument =
            arguments.next().ok_or_else(|| format!("printf: no argument for %{verb}"))?;
        out.push_str(&padded(&spec, &verb_of(verb, &spec, argument)?)?);
    }
    match arguments.next() {
        None => Ok(out),
        Some(_) => Err("printf: more arguments than verbs".into()),
    }
}

fn verb_of(verb: char, spec: &str, argument: &Json) -> Result<String, String> {
    let precision = spec.split_once('.').and_then(|(_, digits)| digits.parse::<usize>().ok());
    let wrong = || format!("printf: %{verb} can't print {}", shown(Some(argument)));
    match (verb, argument) {
        ('v', value) => Ok(shown(Some(value))),
        ('s', value) => Ok(match precision {
            Some(length) => shown(Some(value)).chars().take(length).collect(),
            None => shown(Some(value)),
        }),
        ('q', Json::String(text)) => Ok(format!("{text:?}")),
        ('t', Json::Bool(value)) => Ok(value.to_string()),
        ('d', Json::Number(number)) if !number.is_f64() => Ok(number.to_string()),
        ('x', Json::Number(number)) => number.as_i64().map(|n| format!("{n:x}")).ok_or_else(wrong),
        ('f', Json::Number(number)) => {
            let precision = precision.unwrap_or(6);
            // What Rust's formatter takes; no number of ours has as many digits.
            if precision > usize::from(u16::MAX) {
                return Err(format!("printf: {precision} digits are too many"));
            }
            number.as_f64().map(|n| format!("{n:.precision$}")).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}

/// Width, to the left with `-`, with zeros if asked.
fn padded(spec: &str, text: &str) -> Result<String, String> {
    let flags = spec.trim_start_matches(['-', '+', ' ', '#', '0']);
    let width: usize = flags.split('.').next().and_then(|digits| digits.parse().ok()).unwrap_or(0);
    if width > WIDEST {
        return Err(format!("printf: a width of {width} is too large"));
    }
    let missing = width.saturating_sub(text.chars().count());
    let is_left = spec.contains('-');
    let is_zero = !is_left && spec.trim_start_matches(['+', ' ', '#']).starts_with('0');
    Ok(match (is_left, is_zero) {
        (true, _) => format!("{text}{}", " ".repeat(missing)),
        (false, true) => format!("{}{text}", "0".repeat(missing)),
        (false, false) => format!("{}{text}", " ".repeat(missing)),
    })
}
