//! `--output`: objects as JSON and YAML, in the form of the original.

use std::collections::HashMap;

use isopod_cri_protocol::json::{Name, to_value};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::output::template::Format as Template;
use crate::output::yaml;

/// How a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ListFormat {
    /// The interface's answer.
    Json,
    /// The same.
    Yaml,
    /// Columns.
    Table,
}

impl ListFormat {
    /// How the interface's answer is written; `None` where a table is.
    pub fn data(self) -> Option<DataFormat> {
        match self {
            Self::Json => Some(DataFormat::Json),
            Self::Yaml => Some(DataFormat::Yaml),
            Self::Table => None,
        }
    }
}

/// How what has no table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum DataFormat {
    /// The interface's answer.
    Json,
    /// The same.
    Yaml,
}

/// How what has no table may be written by a template too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum TemplateFormat {
    /// The interface's answer.
    Json,
    /// The same.
    Yaml,
    /// By --template.
    GoTemplate,
}

/// How one object after the other is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum StatusFormat {
    /// The status, and what the runtime adds to it.
    Json,
    /// The same.
    Yaml,
    /// By --template.
    GoTemplate,
    /// Lines.
    Table,
}

/// Where a value goes without columns.
#[derive(Debug)]
pub enum Written {
    /// Indented by two.
    Json,
    /// Sorted by keys, and a blank line.
    Yaml,
    /// Whatever it makes of it.
    Template(Template),
}

impl Written {
    /// A template needs its format, and the other way round.
    ///
    /// # Errors
    /// One without the other; a template that is none.
    pub fn of(format: TemplateFormat, template: Option<&str>) -> Result<Self, Error> {
        match (format, template) {
            (TemplateFormat::GoTemplate, Some(text)) => Ok(Self::Template(Template::parse(text)?)),
            (TemplateFormat::GoTemplate, None) => Err(Error::Argument(
                "-o go-template needs a --template, as in '{{.status.id}}'".to_owned(),
            )),
            (_, Some(_)) => {
                Err(Error::Argument("--template needs -o go-template beside it".to_owned()))
            }
            (TemplateFormat::Json, None) => Ok(Self::Json),
            (TemplateFormat::Yaml, None) => Ok(Self::Yaml),
        }
    }

    /// The text, its line feed included.
    ///
    /// # Errors
    /// A template that asks for what is not there.
    pub fn render(&self, value: &Value) -> Result<String, Error> {
        Ok(match self {
            Self::Json => serde_json::to_string_pretty(value)? + "\n",
            Self::Yaml => yaml::document(value) + "\n",
            Self::Template(template) => template.render_strictly(value)? + "\n",
        })
    }
}

impl From<DataFormat> for Written {
    fn from(format: DataFormat) -> Self {
        match format {
            DataFormat::Json => Self::Json,
            DataFormat::Yaml => Self::Yaml,
        }
    }
}

impl StatusFormat {
    /// Nothing for the table.
    ///
    /// # Errors
    /// As [`Written::of`].
    pub fn written(self, template: Option<&str>) -> Result<Option<Written>, Error> {
        let format = match self {
            Self::Table if template.is_some() => TemplateFormat::Json,
            Self::Table => return Ok(None),
            Self::Json => TemplateFormat::Json,
            Self::Yaml => TemplateFormat::Yaml,
            Self::GoTemplate => TemplateFormat::GoTemplate,
        };
        Written::of(format, template).map(Some)
    }
}

/// A whole answer of the interface.
///
/// # Errors
/// None that can happen: the same type as its neighbours'.
pub fn message(format: DataFormat, message: &impl Name) -> Result<String, Error> {
    Written::from(format).render(&to_value(message))
}

/// A status with what the runtime says beside it: JSON objects as such, everything else as text without its quotes.
///
/// # Errors
/// Something that begins as an object and is none.
pub fn status(status: Value, info: &HashMap<String, String>) -> Result<Map<String, Value>, Error> {
    let mut all = Map::new();
    all.insert("status".to_owned(), status);
    for (key, text) in info {
        let value = if text.starts_with('{') {
            serde_json::from_str(text)
                .map_err(Error::doing(format!("the runtime's information {key:?} is no JSON")))?
        } else {
            text.trim_matches('"').into()
        };
        all.insert(key.clone(), value);
    }
    Ok(all)
}

/// One object as it is, several as an array; keys sorted on every level, as Go's maps are written.
///
/// # Errors
/// As [`Written::render`].
pub fn statuses(written: &Written, mut all: Vec<Map<String, Value>>) -> Result<String, Error> {
    let value = match all.len() {
        1 => Value::Object(all.swap_remove(0)),
        _ => all.into_iter().map(Value::Object).collect(),
    };
    written.render(&sorted(value))
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut entries: Vec<_> = object.into_iter().collect();
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            entries.into_iter().map(|(key, value)| (key, sorted(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        single => single,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn information_of_the_runtime_stands_beside_the_status() {
        let info = HashMap::from([
            ("info".to_owned(), r#"{"pid":7,"config":{"b":1,"a":2}}"#.to_owned()),
            ("golang".to_owned(), "\"go1.19\"".to_owned()),
        ]);
        let all = status(json!({"id": "x", "a": 1}), &info).unwrap();
        let expected = "{\n  \"golang\": \"go1.19\",\n  \"info\": {\n    \"config\": {\n      \"a\": 2,\n      \"b\": 1\n    },\n    \"pid\": 7\n  },\n  \"status\": {\n    \"a\": 1,\n    \"id\": \"x\"\n  }\n}\n";
        assert_eq!(statuses(&Written::Json, vec![all.clone()]).unwrap(), expected);
        let several = statuses(&Written::Json, vec![all.clone(), all]).unwrap();
        assert!(several.starts_with("[\n  {"), "{several}");
    }

    #[test]
    fn a_template_and_its_format_belong_together() {
        let parsed = |format, template| Written::of(format, template);
        assert!(parsed(TemplateFormat::GoTemplate, None).is_err());
        assert!(parsed(TemplateFormat::Json, Some("{{.a}}")).is_err());
        assert!(parsed(TemplateFormat::GoTemplate, Some("{{.a")).is_err());
        let written = parsed(TemplateFormat::GoTemplate, Some("{{.a}}")).unwrap();
        assert_eq!(written.render(&json!({"a": "1"})).unwrap(), "1\n");
        assert!(written.render(&json!({})).is_err(), "a key that is not there is an error");
        assert!(StatusFormat::Table.written(Some("x")).is_err());
        assert!(StatusFormat::Table.written(None).unwrap().is_none());
    }
}
