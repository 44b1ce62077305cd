//! The functions of Go's templates and docker's own.

use std::cmp::Ordering;

use serde_json::Value as Json;

use super::{run, text};

/// `and` and `or` are the runner's own.
const NAMES: &[&str] = &[
    "and", "eq", "ge", "gt", "index", "join", "json", "le", "len", "lower", "lt", "ne", "not",
    "or", "pad", "print", "printf", "println", "slice", "split", "title", "truncate", "upper",
];

pub fn exists(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Calls one with all of its arguments, a piped one last.
pub fn call(name: &str, arguments: &[Json]) -> Result<Json, String> {
    let string = |change: fn(&str) -> String| match arguments {
        [Json::String(text)] => Ok(Json::from(change(text))),
        _ => Err(format!("{name} takes one string")),
    };
    match name {
        "json" => one(name, arguments).map(|value| text::json(value).to_string().into()),
        "lower" => string(str::to_lowercase),
        "upper" => string(str::to_uppercase),
        "title" => string(title),
        "not" => one(name, arguments).map(|value| (!run::is_true(value)).into()),
        "len" => one(name, arguments).and_then(len),
        "print" => Ok(print(arguments).into()),
        "println" => Ok((spaced(arguments) + "\n").into()),
        "printf" => match arguments {
            [Json::String(format), rest @ ..] => text::printf(format, rest).map(Json::from),
            _ => Err("printf takes a format".into()),
        },
        "index" => index(arguments),
        "slice" => slice(arguments),
        "join" => join(arguments),
        "split" => split(arguments),
        "pad" => pad(arguments),
        "truncate" => truncate(arguments),
        "eq" => equals_any(arguments),
        _ => compare(name, arguments),
    }
}

fn one<'a>(name: &str, arguments: &'a [Json]) -> Result<&'a Json, String> {
    match arguments {
        [only] => Ok(only),
        _ => Err(format!("{name} takes one argument, not {}", arguments.len())),
    }
}

fn len(value: &Json) -> Result<Json, String> {
    match value {
        Json::Null => Ok(0.into()),
        Json::String(text) => Ok(text.len().into()),
        Json::Array(items) => Ok(items.len().into()),
        Json::Object(map) => Ok(text::fields(map).count().into()),
        other => Err(format!("len of {}", text::shown(Some(other)))),
    }
}

fn spaced(arguments: &[Json]) -> String {
    let shown: Vec<String> = arguments.iter().map(|value| text::shown(Some(value))).collect();
    shown.join(" ")
}

/// Blanks stand between those of which neither is a string (Go's `fmt.Sprint`).
fn print(arguments: &[Json]) -> String {
    let mut out = String::new();
    for (number, value) in arguments.iter().enumerate() {
        if number > 0 && !value.is_string() && !arguments[number - 1].is_string() {
            out.push(' ');
        }
        out.push_str(&text::shown(Some(value)));
    }
    out
}

/// `index VALUE KEY…`: a key that a map lacks is empty.
fn index(arguments: &[Json]) -> Result<Json, String> {
    let [value, keys @ ..] = arguments else { return Err("index takes a value".into()) };
    keys.iter().try_fold(value.clone(), |value, key| match (&value, key) {
        (Json::Array(items), Json::Number(number)) => {
            let at = number.as_u64().and_then(|at| usize::try_from(at).ok());
            let item = at.and_then(|at| items.get(at)).cloned();
            item.ok_or_else(|| format!("index {number} is out of range, there are {}", items.len()))
        }
        (Json::Object(map), Json::String(key)) => {
            Ok(map.get(key).cloned().unwrap_or_else(|| "".into()))
        }
        (Json::Null, Json::String(_)) => Ok("".into()),
        _ => Err(format!("{} has no index {key}", text::shown(Some(&value)))),
    })
}

/// `slice VALUE FROM TO`.
fn slice(arguments: &[Json]) -> Result<Json, String> {
    let [value, bounds @ ..] = arguments else { return Err("slice takes a value".into()) };
    let bounds: Option<Vec<usize>> = bounds.iter().map(count).collect();
    let bounds =
        bounds.filter(|bounds| bounds.len() <= 2).ok_or("slice takes up to two numbers")?;
    let from = bounds.first().copied().unwrap_or(0);
    let sliced = match value {
        Json::String(text) => {
            text.get(from..bounds.get(1).copied().unwrap_or(text.len())).map(Json::from)
        }
        Json::Array(items) => items
            .get(from..bounds.get(1).copied().unwrap_or(items.len()))
            .map(|items| items.to_vec().into()),
        _ => return Err("slice takes a string or a list".into()),
    };
    sliced.ok_or_else(|| format!("slice of {} is out of range", text::shown(Some(value))))
}

fn join(arguments: &[Json]) -> Result<Json, String> {
    match arguments {
        [Json::Array(items), Json::String(separator)] => {
            let items: Vec<String> = items.iter().map(|item| text::shown(Some(item))).collect();
            Ok(items.join(separator).into())
        }
        [Json::Null, Json::String(_)] => Ok("".into()),
        _ => Err("join takes a list and a separator".into()),
    }
}

fn split(arguments: &[Json]) -> Result<Json, String> {
    match arguments {
        [Json::String(text), Json::String(separator)] => {
            Ok(text.split(separator.as_str()).collect())
        }
        _ => Err("split takes a string and a separator".into()),
    }
}

/// `pad TEXT BEFORE AFTER`: that many spaces around a text that is not empty.
fn pad(arguments: &[Json]) -> Result<Json, String> {
    let error = || "pad takes a string and two numbers".to_owned();
    let [Json::String(padded), before, after] = arguments else { return Err(error()) };
    if padded.is_empty() {
        return Ok("".into());
    }
    let spaces = |value: &Json| match count(value).ok_or_else(error)? {
        wide if wide > text::WIDEST => Err(format!("pad by {wide} is too much")),
        number => Ok(" ".repeat(number)),
    };
    Ok(format!("{}{padded}{}", spaces(before)?, spaces(after)?).into())
}

fn truncate(arguments: &[Json]) -> Result<Json, String> {
    match arguments {
        [Json::String(text), length] => {
            let length = count(length).ok_or("truncate takes a length")?;
            Ok(text.chars().take(length).collect::<String>().into())
        }
        _ => Err("truncate takes a string and a length".into()),
    }
}

fn count(value: &Json) -> Option<usize> {
    value.as_u64().and_then(|n| usize::try_from(n).ok())
}

/// Each word's first letter in upper case, as Go's deprecated `strings.Title`.
fn title(text: &str) -> String {
    let mut start = true;
    let word = |c: char| {
        let upper = start;
        start = !c.is_alphanumeric() && c != '\'' && c != '_';
        if upper { c.to_uppercase().collect::<Vec<_>>() } else { vec![c] }
    };
    text.chars().flat_map(word).collect()
}

/// Whether the first equals one of the others.
fn equals_any(arguments: &[Json]) -> Result<Json, String> {
    let [first, others @ ..] = arguments else { return Err("eq takes two arguments".into()) };
    if others.is_empty() {
        return Err("eq takes two arguments".into());
    }
    for other in others {
        if order("eq", first, other)? == Ordering::Equal {
            return Ok(true.into());
        }
    }
    Ok(false.into())
}

fn compare(name: &str, arguments: &[Json]) -> Result<Json, String> {
    let [left, right] = arguments else { return Err(format!("{name} takes two arguments")) };
    let order = order(name, left, right)?;
    Ok(match name {
        "ne" => order != Ordering::Equal,
        "lt" => order == Ordering::Less,
        "le" => order != Ordering::Greater,
        "gt" => order == Ordering::Greater,
        _ => order != Ordering::Less,
    }
    .into())
}

fn order(name: &str, left: &Json, right: &Json) -> Result<Ordering, String> {
    let is_equality = matches!(name, "eq" | "ne");
    let found = match (left, right) {
        (Json::String(left), Json::String(right)) => Some(left.cmp(right)),
        (Json::Number(left), Json::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => left.as_f64().partial_cmp(&right.as_f64()),
        },
        (Json::Bool(left), Json::Bool(right)) if is_equality => Some(left.cmp(right)),
        (left, right) if is_equality && (left.is_null() || right.is_null()) => {
            Some(if left == right { Ordering::Equal } else { Ordering::Less })
        }
        _ => None,
    };
    let shown = |value| text::shown(Some(value));
    found.ok_or_else(|| format!("{name} can't compare {} with {}", shown(left), shown(right)))
}
