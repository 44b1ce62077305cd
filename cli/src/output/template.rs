//! `--format`: Go templates with docker's functions over JSON-shaped values.
//!
//! A format is `json`, `table <template>` or a template; `\t` and `\n` written with a
//! backslash mean tab and line feed. The language is gtmpl's; docker's own functions
//! (`json`, `join`, `split`, `lower`, `upper`, `title`, `pad`, `truncate`) are added here.

use std::cell::RefCell;
use std::collections::HashMap;

use gtmpl::{Context, FuncError, Template, Value};
use serde_json::Value as Json;

use super::table::{DOCKER, Table};

/// A format that can't be read or applied.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The template does not follow the grammar.
    #[error("template {text:?} can't be parsed: {reason}")]
    Parse {
        /// The template.
        text: String,
        /// What the parser said.
        reason: String,
    },
    /// It names what is not there, or calls a function wrongly.
    #[error("template {text:?} can't be applied: {reason}")]
    Execute {
        /// The template.
        text: String,
        /// What went wrong.
        reason: String,
    },
}

/// A parsed template.
pub struct Format {
    text: String,
    template: Template,
}

impl Format {
    /// Parses `text`, docker's escapes included.
    ///
    /// # Errors
    /// The grammar.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let text = text.replace("\\t", "\t").replace("\\n", "\n");
        // The one method with an argument that docker's values have; gtmpl has none, a function does.
        let text = text.replace(".Label \"", "label ._labels \"");
        let mut template = Template::default();
        template.add_funcs(FUNCTIONS);
        template.parse(text.as_str()).map_err(|error| TemplateError::Parse {
            text: text.clone(),
            reason: error.to_string(),
        })?;
        Ok(Self { text, template })
    }

    /// Applies it to one value.
    ///
    /// # Errors
    /// A field that the value lacks, a function that fails.
    pub fn render(&self, value: &Json) -> Result<String, TemplateError> {
        let context = Context::from(to_value(value, true));
        let before = RENDERED.replace(without_methods(value));
        let rendered = self.template.render(&context);
        RENDERED.set(before);
        rendered.map_err(|error| TemplateError::Execute {
            text: self.text.clone(),
            reason: error.to_string(),
        })
    }
}

/// A list in the format a user asked for; `default` is the table's template.
///
/// `headers` holds a header for each field, as docker's formatter does for `table`.
///
/// # Errors
/// See [`Format`].
pub fn list(
    format: Option<&str>,
    default: &str,
    headers: &[(&str, &str)],
    rows: &[Json],
) -> Result<String, TemplateError> {
    let format = match format {
        None | Some("" | "table") => default,
        Some("json") => "{{json .}}",
        Some(format) => format,
    };
    match format.strip_prefix("table ") {
        Some(template) => as_table(template.trim(), headers, rows),
        None => as_lines(format, rows),
    }
}

fn as_lines(template: &str, rows: &[Json]) -> Result<String, TemplateError> {
    let format = Format::parse(template)?;
    rows.iter().map(|row| Ok(format.render(row)? + "\n")).collect()
}

fn as_table(
    template: &str,
    headers: &[(&str, &str)],
    rows: &[Json],
) -> Result<String, TemplateError> {
    let format = Format::parse(template)?;
    let header =
        headers.iter().map(|(field, text)| ((*field).to_owned(), Json::from(*text))).collect();
    let mut table = Table::bare(DOCKER);
    table.row(format.render(&Json::Object(header))?.split('\t'));
    for row in rows {
        table.row(format.render(row)?.split('\t'));
    }
    Ok(table.render())
}

type Function = fn(&[Value]) -> Result<Value, FuncError>;

const FUNCTIONS: &[(&str, Function)] = &[
    ("json", json),
    ("join", join),
    ("split", split),
    ("lower", |args| Ok(text("lower", args)?.to_lowercase().into())),
    ("upper", |args| Ok(text("upper", args)?.to_uppercase().into())),
    ("title", |args| Ok(title(text("title", args)?).into())),
    ("label", label),
    ("pad", pad),
    ("truncate", truncate),
];

fn text<'a>(function: &str, args: &'a [Value]) -> Result<&'a str, FuncError> {
    match args {
        [Value::String(text)] => Ok(text),
        _ => Err(FuncError::Generic(format!("{function} takes one string"))),
    }
}

thread_local! {
    /// What is being rendered. gtmpl's maps have no order, and its functions no context, while docker's JSON
    /// has the order of its structures: it is looked up here.
    static RENDERED: RefCell<Json> = const { RefCell::new(Json::Null) };
}

fn json(args: &[Value]) -> Result<Value, FuncError> {
    match args {
        [value] => {
            let value = from_value(value);
            let text = RENDERED.with_borrow(|whole| match find(whole, &value) {
                Some(ordered) => ordered.to_string(),
                None => value.to_string(),
            });
            Ok(text.into())
        }
        _ => Err(FuncError::ExactlyXArgs("json".into(), 1)),
    }
}

/// The part of `whole` that equals `part`, whatever the order of its keys.
fn find<'j>(whole: &'j Json, part: &Json) -> Option<&'j Json> {
    if whole == part {
        return Some(whole);
    }
    match whole {
        Json::Array(items) => items.iter().find_map(|item| find(item, part)),
        Json::Object(fields) => fields.values().find_map(|field| find(field, part)),
        _ => None,
    }
}

/// Without the keys that serve methods, and with those of maps sorted.
fn without_methods(value: &Json) -> Json {
    match value {
        Json::Array(items) => items.iter().map(without_methods).collect(),
        Json::Object(fields) => {
            let shown = fields.iter().filter(|(name, _)| !name.starts_with('_'));
            let mut fields: serde_json::Map<String, Json> =
                shown.map(|(k, v)| (k.clone(), without_methods(v))).collect();
            if !is_struct(&fields) {
                fields.sort_keys();
            }
            Json::Object(fields)
        }
        other => other.clone(),
    }
}

/// `join LIST SEPARATOR`.
fn join(args: &[Value]) -> Result<Value, FuncError> {
    match args {
        [Value::Array(items), Value::String(separator)] => {
            let items: Vec<String> = items.iter().map(ToString::to_string).collect();
            Ok(items.join(separator).into())
        }
        [Value::Nil | Value::NoValue, Value::String(_)] => Ok("".into()),
        _ => Err(FuncError::Generic("join takes a list and a separator".into())),
    }
}

/// `split TEXT SEPARATOR`.
fn split(args: &[Value]) -> Result<Value, FuncError> {
    match args {
        [Value::String(text), Value::String(separator)] => {
            Ok(Value::Array(text.split(separator.as_str()).map(Value::from).collect()))
        }
        _ => Err(FuncError::Generic("split takes a string and a separator".into())),
    }
}

/// `.Label KEY`: empty where there is none.
fn label(args: &[Value]) -> Result<Value, FuncError> {
    match args {
        [Value::Map(labels) | Value::Object(labels), Value::String(key)] => {
            Ok(labels.get(key).cloned().unwrap_or_else(|| "".into()))
        }
        _ => Err(FuncError::Generic(".Label takes the name of a label".into())),
    }
}

/// `pad TEXT BEFORE AFTER`: that many spaces around a text that is not empty.
fn pad(args: &[Value]) -> Result<Value, FuncError> {
    let error = || FuncError::Generic("pad takes a string and two numbers".into());
    let [Value::String(text), before, after] = args else { return Err(error()) };
    if text.is_empty() {
        return Ok("".into());
    }
    let spaces = |value: &Value| count(value).map(|n| " ".repeat(n)).ok_or_else(error);
    Ok(format!("{}{text}{}", spaces(before)?, spaces(after)?).into())
}

/// `truncate TEXT LENGTH`.
fn truncate(args: &[Value]) -> Result<Value, FuncError> {
    match args {
        [Value::String(text), length] => {
            let length = count(length)
                .ok_or_else(|| FuncError::Generic("truncate takes a length".into()))?;
            Ok(text.chars().take(length).collect::<String>().into())
        }
        _ => Err(FuncError::Generic("truncate takes a string and a length".into())),
    }
}

fn count(value: &Value) -> Option<usize> {
    match value {
        Value::Number(number) => number.as_u64().and_then(|n| usize::try_from(n).ok()),
        _ => None,
    }
}

/// Each word's first letter in upper case, as Go's deprecated `strings.Title`.
fn title(text: &str) -> String {
    let mut start = true;
    text.chars()
        .flat_map(|c| {
            let upper = start;
            start = !c.is_alphanumeric() && c != '\'' && c != '_';
            if upper { c.to_uppercase().collect::<Vec<_>>() } else { vec![c] }
        })
        .collect()
}

/// Structs have fields (a missing one is an error), maps such as labels have keys (a
/// missing one is empty). The names tell: fields begin with a capital in every view.
fn to_value(json: &Json, top: bool) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(value) => (*value).into(),
        Json::Number(number) => number
            .as_i64()
            .map(Value::from)
            .or_else(|| number.as_u64().map(Value::from))
            .or_else(|| number.as_f64().map(Value::from))
            .unwrap_or(Value::Nil),
        Json::String(text) => text.as_str().into(),
        Json::Array(items) => Value::Array(items.iter().map(|i| to_value(i, false)).collect()),
        Json::Object(fields) => {
            let is_struct = top || is_struct(fields);
            let fields: HashMap<String, Value> =
                fields.iter().map(|(name, field)| (name.clone(), to_value(field, false))).collect();
            if is_struct { Value::Object(fields) } else { Value::Map(fields) }
        }
    }
}

fn is_struct(fields: &serde_json::Map<String, Json>) -> bool {
    let capital = |name: &String| name.starts_with(|c: char| c.is_ascii_uppercase());
    !fields.is_empty() && fields.keys().all(capital)
}

/// Keys are sorted, as Go's encoder does for maps: gtmpl's have no order of their own.
/// Those that begin with an underscore serve methods and are no fields.
fn from_value(value: &Value) -> Json {
    match value {
        Value::NoValue | Value::Nil | Value::Function(_) => Json::Null,
        Value::Bool(value) => (*value).into(),
        Value::String(text) => text.as_str().into(),
        Value::Number(number) => number
            .as_i64()
            .map(Json::from)
            .or_else(|| number.as_u64().map(Json::from))
            .or_else(|| number.as_f64().map(Json::from))
            .unwrap_or(Json::Null),
        Value::Array(items) => items.iter().map(from_value).collect(),
        Value::Object(fields) | Value::Map(fields) => {
            let mut names: Vec<&String> =
                fields.keys().filter(|name| !name.starts_with('_')).collect();
            names.sort_unstable();
            let fields = names.into_iter().map(|name| (name.clone(), from_value(&fields[name])));
            Json::Object(fields.collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rendered(template: &str, value: &Json) -> String {
        Format::parse(template).unwrap().render(value).unwrap()
    }

    /// What each function prints is from docker's page on formatting.
    #[test]
    fn dockers_functions_are_there() {
        let value = json!({"Name": "redis", "Args": ["a", "b"], "Labels": {"z": "1", "a": "2"},
            "Size": 12, "Up": true});
        assert_eq!(rendered("{{json .Args}}", &value), r#"["a","b"]"#);
        assert_eq!(rendered("{{json .Labels}}", &value), r#"{"a":"2","z":"1"}"#);
        assert_eq!(rendered(r#"{{join .Args " , "}}"#, &value), "a , b");
        assert_eq!(rendered(r#"{{split .Name "d"}}"#, &value).matches("re").count(), 1);
        assert_eq!(rendered("{{lower \"ABC\"}}{{upper .Name}}", &value), "abcREDIS");
        assert_eq!(rendered("{{title \"hello wide world\"}}", &value), "Hello Wide World");
        assert_eq!(rendered("{{println .Name}}", &value), "redis\n");
        assert_eq!(rendered(r"{{.Name}}\t{{.Size}}", &value), "redis\t12");
        assert_eq!(rendered("{{pad .Name 1 2}}|", &value), " redis  |");
        assert_eq!(rendered("{{truncate .Name 3}}", &value), "red");
        assert_eq!(rendered("{{if .Up}}yes{{else}}no{{end}}", &value), "yes");
        assert_eq!(rendered("{{range .Args}}<{{.}}>{{end}}", &value), "<a><b>");
        assert_eq!(rendered(r#"{{index .Labels "z"}}"#, &value), "1");
        assert_eq!(rendered("{{.Labels.a}}", &value), "2");
    }

    /// Go writes structures in the order of their fields and maps by their keys, which views keep sorted.
    #[test]
    fn json_has_the_order_of_the_view() {
        let value =
            json!({"Name": "redis", "Id": 1, "State": {"Running": true, "Pid": 7}, "_m": 0});
        assert_eq!(
            rendered("{{json .}}", &value),
            r#"{"Name":"redis","Id":1,"State":{"Running":true,"Pid":7}}"#
        );
        assert_eq!(rendered("{{json .State}}", &value), r#"{"Running":true,"Pid":7}"#);
        assert_eq!(
            rendered("{{range .L}}{{json .}}{{end}}", &json!({"L": [{"B": 1, "A": 2}]})),
            r#"{"B":1,"A":2}"#
        );
    }

    #[test]
    fn a_field_that_is_not_there_is_an_error() {
        let error = Format::parse("{{.Nope}}").unwrap().render(&json!({"Name": 1})).unwrap_err();
        assert!(error.to_string().contains("Nope"), "{error}");
        assert!(Format::parse("{{.Name").is_err());
    }

    #[test]
    fn a_table_format_prints_headers_and_aligned_rows() {
        let rows = [json!({"Names": "redis", "Status": "Up 3 seconds"})];
        let headers = [("Names", "NAMES"), ("Status", "STATUS")];
        let text = list(Some(r"table {{.Names}}\t{{.Status}}"), "", &headers, &rows).unwrap();
        assert_eq!(text, "NAMES     STATUS\nredis     Up 3 seconds\n");
        let text = list(Some("{{.Names}}"), "", &headers, &rows).unwrap();
        assert_eq!(text, "redis\n");
        let text = list(Some("json"), "", &headers, &rows).unwrap();
        assert_eq!(text, "{\"Names\":\"redis\",\"Status\":\"Up 3 seconds\"}\n");
    }
}
