//! YAML as Kubernetes' tools write it (`sigs.k8s.io/yaml`): keys sorted, lists not indented, strings quoted where they
//! would be read as something else.

use std::fmt::Write as _;

use serde_json::Value;

/// A document, its last line feed included.
#[must_use]
pub fn document(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(object) if !object.is_empty() => mapping(&mut text, object, 0),
        Value::Array(items) if !items.is_empty() => sequence(&mut text, items, 0),
        single => writeln!(text, "{}", scalar(single, 0)).unwrap_or_default(),
    }
    text
}

/// The entries, each on lines of its own; the first line's indentation is written already.
fn mapping(text: &mut String, object: &serde_json::Map<String, Value>, indent: usize) {
    let mut entries: Vec<_> = object.iter().collect();
    entries.sort_by_key(|(key, _)| *key);
    for (index, (key, value)) in entries.into_iter().enumerate() {
        if index > 0 {
            text.push_str(&" ".repeat(indent));
        }
        text.push_str(&string(key, None));
        text.push(':');
        match value {
            Value::Object(object) if !object.is_empty() => {
                text.push('\n');
                text.push_str(&" ".repeat(indent + 2));
                mapping(text, object, indent + 2);
            }
            Value::Array(items) if !items.is_empty() => {
                text.push('\n');
                text.push_str(&" ".repeat(indent));
                sequence(text, items, indent);
            }
            single => writeln!(text, " {}", scalar(single, indent + 2)).unwrap_or_default(),
        }
    }
}

fn sequence(text: &mut String, items: &[Value], indent: usize) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            text.push_str(&" ".repeat(indent));
        }
        text.push_str("- ");
        match item {
            Value::Object(object) if !object.is_empty() => mapping(text, object, indent + 2),
            Value::Array(items) if !items.is_empty() => sequence(text, items, indent + 2),
            single => writeln!(text, "{}", scalar(single, indent + 2)).unwrap_or_default(),
        }
    }
}

fn scalar(value: &Value, indent: usize) -> String {
    match value {
        Value::String(text) => string(text, Some(indent)),
        Value::Array(_) => "[]".to_owned(),
        Value::Object(_) => "{}".to_owned(),
        other => other.to_string(),
    }
}

/// A string as its reader will see it; several lines as a block where `block` gives their indentation.
fn string(text: &str, block: Option<usize>) -> String {
    let ordinary = |c: char| !c.is_control() && c != '\u{feff}' && c != '\u{85}';
    if let Some(indent) = block.filter(|_| is_block(text)) {
        return lines(text, indent);
    }
    if text.is_empty() || is_other_type(text) || !text.chars().all(ordinary) {
        return double_quoted(text);
    }
    if is_plain(text) { text.to_owned() } else { format!("'{}'", text.replace('\'', "''")) }
}

/// Whether text is written line by line.
fn is_block(text: &str) -> bool {
    let ordinary = |c: char| c == '\n' || !c.is_control() && c != '\u{feff}' && c != '\u{85}';
    // Spaces before the first line or at a line's end would be lost or moved.
    let spaced = text.starts_with([' ', '\n']) || text.lines().any(|line| line.ends_with(' '));
    text.contains('\n') && !spaced && text.chars().all(ordinary)
}

fn lines(text: &str, indent: usize) -> String {
    let chomping = match text.strip_suffix('\n') {
        None => "-",
        Some(rest) if rest.ends_with('\n') => "+",
        Some(_) => "",
    };
    let mut block = format!("|{chomping}");
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        block.push('\n');
        if !line.is_empty() {
            block.push_str(&" ".repeat(indent));
            block.push_str(line);
        }
    }
    block
}

/// Whether a reader would take bare text for no string: a number, a truth value, a time, nothing.
fn is_other_type(text: &str) -> bool {
    const WORDS: [&str; 16] = [
        "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", ".nan", ".inf", "+.inf",
        "-.inf", "<<", "=",
    ];
    let lower = text.to_ascii_lowercase();
    if WORDS.contains(&lower.as_str()) {
        return true;
    }
    let unsigned = lower.strip_prefix(['+', '-']).unwrap_or(&lower);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return false;
    }
    let bare = unsigned.replace('_', "");
    let of_base = |prefix: &str, base: u32| {
        bare.strip_prefix(prefix).is_some_and(|digits| {
            !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(base))
        })
    };
    // Sixties (`1:30`) are numbers of YAML 1.1; days and times are times.
    let sixties = bare.contains(':')
        && bare.split([':', '.']).all(|part| {
            !part.is_empty() && part.len() <= 2 && part.chars().all(|c| c.is_ascii_digit())
        });
    bare.parse::<f64>().is_ok()
        || of_base("0x", 16)
        || of_base("0o", 8)
        || of_base("0b", 2)
        || sixties
        || is_time(text)
}

/// `2001-12-14`, `2001-12-14T21:59:43.10Z`.
fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = |range: std::ops::Range<usize>| {
        bytes.get(range).is_some_and(|part| part.iter().all(u8::is_ascii_digit))
    };
    digits(0..4)
        && bytes.get(4) == Some(&b'-')
        && chrono::DateTime::parse_from_rfc3339(text).is_ok()
        || text.len() <= 10 && chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
}

fn is_plain(text: &str) -> bool {
    let starts = |c: char| "-?:,[]{}#&*!|>'\"%@`".contains(c);
    let first = text.chars().next().is_some_and(|first| {
        starts(first)
            && !(matches!(first, '-' | '?' | ':')
                && text.chars().nth(1).is_some_and(|second| !second.is_whitespace()))
    });
    let edges = text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace);
    let inside = text.contains(": ") || text.ends_with(':') || text.contains(" #");
    !(first || edges || inside || text.starts_with("---") || text.starts_with("..."))
}

fn double_quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control() && (c as u32) < 0x100 => {
                write!(quoted, "\\x{:02x}", c as u32).unwrap_or_default();
            }
            '\u{feff}' => quoted.push_str("\\uFEFF"),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// The shape of `kubectl get -o yaml` and of crictl's documented YAML.
    #[test]
    fn documents_look_as_kubernetes_tools_write_them() {
        let value = json!({
            "items": [{"metadata": {"name": "a", "attempt": 1}, "id": "1"}, "x", [1, ["b"]]],
            "createdAt": "2024-05-04T10:21:03.5Z",
            "annotations": {}, "list": [], "none": null, "on": true, "size": "1700",
            "text": "two\nlines\n", "empty": "",
        });
        let expected = "annotations: {}\ncreatedAt: \"2024-05-04T10:21:03.5Z\"\nempty: \"\"\nitems:\n- id: \"1\"\n  metadata:\n    attempt: 1\n    name: a\n- x\n- - 1\n  - - b\nlist: []\nnone: null\n\"on\": true\nsize: \"1700\"\ntext: |\n  two\n  lines\n";
        assert_eq!(document(&value), expected);
    }

    #[test]
    fn strings_that_would_be_read_as_something_else_are_quoted() {
        for (text, written) in [
            ("plain words", "plain words"),
            ("docker.io/library/busybox:latest", "docker.io/library/busybox:latest"),
            ("a: b", "'a: b'"),
            ("it's", "it's"),
            ("it's #1", "'it''s #1'"),
            ("x # y", "'x # y'"),
            ("- a", "'- a'"),
            ("-a", "-a"),
            ("*", "'*'"),
            (" a", "' a'"),
            ("{}", "'{}'"),
            ("True", "\"True\""),
            ("0x1F", "\"0x1F\""),
            ("1e3", "\"1e3\""),
            ("-1", "\"-1\""),
            ("1.2.3", "1.2.3"),
            ("10.0.0.1", "10.0.0.1"),
            ("12:30", "\"12:30\""),
            ("a\tb", "\"a\\tb\""),
            ("\u{1b}[0m", "\"\\x1b[0m\""),
        ] {
            assert_eq!(string(text, None), written, "{text:?}");
        }
        assert_eq!(string("a\nb", Some(2)), "|-\n  a\n  b");
        assert_eq!(string("a\n\n", Some(2)), "|+\n  a\n");
        assert_eq!(string("a \nb", Some(2)), "\"a \\nb\"");
    }

    fn value() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            "[ -~]{0,12}",
            "[a-z:#'\"\\-? ,\\n\\t]{0,12}",
            "[0-9eE:x.+-]{0,8}",
            Just("null".to_owned()),
            "\\PC{0,6}",
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[ -~]{1,6}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// Read again by another's parser.
        #[test]
        fn what_was_written_is_read_as_it_was(value in value()) {
            let text = document(&value);
            let read: Value = serde_saphyr::from_str(&text).map_err(|error| {
                TestCaseError::fail(format!("{error}\n{text}"))
            })?;
            prop_assert_eq!(read, value, "{}", text);
        }
    }
}
