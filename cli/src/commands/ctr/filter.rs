//! containerd's filters, as far as lists take them: `name==redis`, `labels."a.b"!=c`,
//! `labels.a` for one that is there. Conditions joined by commas all have to fit; of
//! several filters one has to.

use std::collections::BTreeMap;

use crate::error::Error;

/// A filter: conditions that all have to fit.
#[derive(Debug, PartialEq, Eq)]
pub struct Filter(Vec<Condition>);

#[derive(Debug, PartialEq, Eq)]
struct Condition {
    field: String,
    test: Test,
}

#[derive(Debug, PartialEq, Eq)]
enum Test {
    Present,
    Is(String),
    IsNot(String),
}

/// What filters look at.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Field names and values, such as `("name", "redis")`.
    pub fields: &'a [(&'a str, &'a str)],
    /// `labels.…`.
    pub labels: &'a BTreeMap<String, String>,
}

/// Parses each filter, for objects with these fields.
///
/// # Errors
/// An operator or field that is not known.
pub fn parse(texts: &[String], fields: &[&str]) -> Result<Vec<Filter>, Error> {
    texts.iter().map(|text| one(text, fields)).collect()
}

/// Whether `subject` fits one of `filters`; without filters everything does.
#[must_use]
pub fn any_fits(filters: &[Filter], subject: Subject<'_>) -> bool {
    filters.is_empty() || filters.iter().any(|filter| filter.fits(subject))
}

fn one(text: &str, fields: &[&str]) -> Result<Filter, Error> {
    let error = |reason: String| Error::Value { what: "filter", value: text.to_owned(), reason };
    let conditions = text.split(',').map(|part| {
        if part.contains("~=") {
            return Err(error("regular expressions (~=) are not supported yet".to_owned()));
        }
        let (field, test) = match (part.split_once("=="), part.split_once("!=")) {
            (Some((field, value)), _) => (field, Test::Is(unquoted(value))),
            (None, Some((field, value))) => (field, Test::IsNot(unquoted(value))),
            (None, None) => (part, Test::Present),
        };
        let field = match field.strip_prefix("labels.") {
            Some(label) => format!("labels.{}", unquoted(label)),
            None if fields.contains(&field) => field.to_owned(),
            None => {
                let known = fields.join(", ");
                return Err(error(format!("fields are {known} and labels.KEY")));
            }
        };
        Ok(Condition { field, test })
    });
    Ok(Filter(conditions.collect::<Result<_, _>>()?))
}

fn unquoted(text: &str) -> String {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).to_owned()
}

impl Filter {
    fn fits(&self, subject: Subject<'_>) -> bool {
        self.0.iter().all(|condition| {
            let value = match condition.field.strip_prefix("labels.") {
                Some(label) => subject.labels.get(label).map(String::as_str),
                None => subject
                    .fields
                    .iter()
                    .find(|(name, _)| *name == condition.field)
                    .map(|(_, value)| *value),
            };
            match &condition.test {
                Test::Present => value.is_some_and(|value| !value.is_empty()),
                Test::Is(wanted) => value == Some(wanted),
                Test::IsNot(wanted) => value != Some(wanted),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(filter: &str) -> bool {
        let labels = [("a.b".to_owned(), "c".to_owned())].into();
        let filters = parse(&[filter.to_owned()], &["name"]).unwrap();
        any_fits(&filters, Subject { fields: &[("name", "redis")], labels: &labels })
    }

    #[test]
    fn conditions_are_read_as_containerd_reads_them() {
        assert!(fits("name==redis"));
        assert!(fits("name==\"redis\",labels.\"a.b\"==c"));
        assert!(!fits("name==redis,labels.a.b==d"));
        assert!(fits("labels.a.b"));
        assert!(fits("labels.x!=1"));
        assert!(!fits("name!=redis"));
    }

    #[test]
    fn what_is_not_supported_is_refused() {
        for wrong in ["name~=^re", "colour==red", "name=redis"] {
            assert!(parse(&[wrong.to_owned()], &["name"]).is_err(), "{wrong}");
        }
    }
}
