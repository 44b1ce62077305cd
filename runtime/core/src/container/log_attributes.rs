//! What a log says of its container beside each line: docker's `labels`, `labels-regex`, `env`, `env-regex`
//! and `tag` of json-file. Found anew at every start, as a container may have another name by then.

use std::collections::BTreeMap;

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::Container;
use crate::{Error, Result};

/// Which labels and variables, and the tag; nothing by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogAttributes {
    /// Labels by name; those that the container has not are left out.
    pub labels: Vec<String>,
    /// Labels whose name matches somewhere.
    pub labels_regex: Option<String>,
    /// Variables by name.
    pub env: Vec<String>,
    /// Variables whose name matches somewhere.
    pub env_regex: Option<String>,
    /// Text with fields such as `{{.Name}}`, see [`LogAttributes::check`].
    pub tag: Option<String>,
}

/// What attributes are taken from.
struct Subject<'a> {
    labels: &'a BTreeMap<String, String>,
    environment: Vec<(String, String)>,
    /// A field of docker's tags by its name.
    field: &'a dyn Fn(&str) -> Option<String>,
}

/// Fields that a tag may have (docker's documentation, «Customize log driver output»).
const FIELDS: [&str; 7] =
    ["DaemonName", "FullID", "ID", "ImageFullID", "ImageID", "ImageName", "Name"];

impl LogAttributes {
    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Refuses what no start could do.
    ///
    /// # Errors
    /// A regular expression that is none; a tag with anything else than `{{.ID}}`, `{{.FullID}}`, `{{.Name}}`,
    /// `{{.ImageID}}`, `{{.ImageFullID}}`, `{{.ImageName}}` and `{{.DaemonName}}` between braces.
    pub fn check(&self) -> Result<()> {
        let known = |name: &str| FIELDS.contains(&name).then(String::new);
        let subject = Subject { labels: &BTreeMap::new(), environment: Vec::new(), field: &known };
        self.found(&subject).map(drop)
    }

    fn found(&self, subject: &Subject<'_>) -> Result<BTreeMap<String, String>> {
        let mut found = BTreeMap::new();
        let environment = subject.environment.iter().map(|(name, value)| (name, value));
        take(&mut found, subject.labels.iter(), &self.labels, self.labels_regex.as_deref())?;
        take(&mut found, environment, &self.env, self.env_regex.as_deref())?;
        if let Some(tag) = &self.tag {
            let tag = expand(tag, subject.field)?;
            if !tag.is_empty() {
                found.insert("tag".to_owned(), tag);
            }
        }
        Ok(found)
    }
}

fn take<'a>(
    into: &mut BTreeMap<String, String>,
    from: impl Iterator<Item = (&'a String, &'a String)>,
    names: &[String],
    pattern: Option<&str>,
) -> Result<()> {
    let pattern = pattern.map(Regex::new).transpose().map_err(|error| {
        let pattern = pattern.unwrap_or_default();
        let why = error.to_string();
        let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        Error::Invalid(format!("log option {pattern:?} is no regular expression: {why}"))
    })?;
    let is_wanted = |name: &String| {
        names.contains(name) || pattern.as_ref().is_some_and(|pattern| pattern.is_match(name))
    };
    let wanted = from.filter(|(name, _)| is_wanted(name));
    into.extend(wanted.map(|(name, value)| (name.clone(), value.clone())));
    Ok(())
}

/// Puts the fields' values in their places.
fn expand(tag: &str, field: &dyn Fn(&str) -> Option<String>) -> Result<String> {
    let refuse = |action: &str| {
        Error::Invalid(format!(
            "log tag {tag:?} can't be made: {action} is none of {{{{.{}}}}}",
            FIELDS.join("}}, {{.")
        ))
    };
    let mut text = String::new();
    let mut rest = tag;
    while let Some((before, action)) = rest.split_once("{{") {
        text.push_str(before);
        let (inner, after) =
            action.split_once("}}").ok_or_else(|| refuse(&format!("{{{{{action}")))?;
        let value = inner.trim().strip_prefix('.').and_then(field);
        text.push_str(&value.ok_or_else(|| refuse(&format!("{{{{{inner}}}}}")))?);
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

impl Container<'_> {
    /// What its log says beside each line of the next run.
    pub(super) fn log_attributes(&self, of: &LogAttributes) -> Result<BTreeMap<String, String>> {
        if of.is_empty() {
            return Ok(BTreeMap::new());
        }
        let environment = self.record.environment();
        let image = self.record.image.as_ref();
        let field = |name: &str| {
            // docker's short ids are what stands first in the long ones, `sha256:` included.
            let short = |id: String| id.chars().take(12).collect();
            let image_id = || image.map(|image| image.id.to_string()).unwrap_or_default();
            Some(match name {
                "DaemonName" => "isopod".to_owned(),
                "FullID" => self.id().to_owned(),
                "ID" => short(self.id().to_owned()),
                "ImageFullID" => image_id(),
                "ImageID" => short(image_id()),
                "ImageName" => self.record.image_as_asked(),
                "Name" => self.name().to_owned(),
                _ => return None,
            })
        };
        let pair = |entry: &String| {
            entry.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        let environment = environment.iter().filter_map(pair).collect();
        of.found(&Subject { labels: self.labels(), environment, field: &field })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(of: &LogAttributes) -> Vec<(String, String)> {
        let labels = [("a", "1"), ("ab", "2"), ("role", "web")];
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let environment = [("PATH", "/bin"), ("A", "x=y")];
        let environment =
            environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let field = |name: &str| (name == "Name").then(|| "box".to_owned());
        let subject = Subject { labels: &labels, environment, field: &field };
        of.found(&subject).unwrap().into_iter().collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn labels_and_variables_are_taken_by_name_and_by_pattern() {
        let by_name = LogAttributes {
            labels: vec!["role".into(), "gone".into()],
            env: vec!["A".into()],
            ..LogAttributes::default()
        };
        assert_eq!(found(&by_name), pairs(&[("A", "x=y"), ("role", "web")]));
        let by_pattern = LogAttributes {
            labels_regex: Some("^a".into()),
            env_regex: Some("TH".into()),
            ..LogAttributes::default()
        };
        assert_eq!(found(&by_pattern), pairs(&[("PATH", "/bin"), ("a", "1"), ("ab", "2")]));
    }

    #[test]
    fn a_tag_has_its_fields_filled_in_and_an_empty_one_is_none() {
        let tag = |tag: &str| LogAttributes { tag: Some(tag.into()), ..LogAttributes::default() };
        assert_eq!(found(&tag("x/{{.Name}}/{{ .Name }}!")), pairs(&[("tag", "x/box/box!")]));
        assert_eq!(found(&tag("")), []);
        for wrong in ["{{", "{{.Foo}}", "{{upper .Name}}", "{{Name}}"] {
            let error = tag(wrong).check().unwrap_err().to_string();
            assert!(error.contains(wrong) && error.contains("{{.ImageName}}"), "{error}");
        }
    }

    #[test]
    fn a_pattern_that_is_none_is_refused() {
        let wrong = LogAttributes { labels_regex: Some("(".into()), ..LogAttributes::default() };
        assert!(wrong.check().unwrap_err().to_string().contains("\"(\""));
    }
}
