//! `--filter` of `images`.

use chrono::{DateTime, Utc};
use isopod_image::Platform;
use isopod_runtime::image::{ImageDetails, Images};

use super::list::Item;
use crate::error::Error;
use crate::output::time;

/// One condition.
#[derive(Debug, PartialEq, Eq)]
pub enum Filter {
    /// A name, or a pattern with `*` and `?` in which `*` stops at slashes.
    Reference(String),
    /// A label of the config, with a value or any.
    Label(String, Option<String>),
    /// Whether it has no name.
    Dangling(bool),
    /// Built before this image.
    Before(String),
    /// Built after it.
    Since(String),
    /// Built before this time.
    Until(DateTime<Utc>),
}

impl Filter {
    /// Parses `key=value`.
    ///
    /// # Errors
    /// No such filter.
    pub fn parse(text: &str, now: DateTime<Utc>) -> Result<Self, Error> {
        let error = |reason: &str| Error::Value {
            what: "--filter",
            value: text.to_owned(),
            reason: reason.to_owned(),
        };
        let (key, value) = text.split_once('=').ok_or_else(|| error("it has no ="))?;
        let value = value.to_owned();
        Ok(match key {
            "reference" => Self::Reference(value),
            "label" => match value.split_once('=') {
                Some((key, value)) => Self::Label(key.to_owned(), Some(value.to_owned())),
                None => Self::Label(value, None),
            },
            "dangling" => Self::Dangling(match value.as_str() {
                "true" | "1" => true,
                "false" | "0" => false,
                _ => return Err(error("it is neither true nor false")),
            }),
            "before" => Self::Before(value),
            "since" => Self::Since(value),
            "until" => Self::Until(
                time::parse_point(&value, now)
                    .ok_or_else(|| error("it is neither a time nor a duration"))?,
            ),
            _ => {
                return Err(error(
                    "filters are reference, label, before, since, until and dangling",
                ));
            }
        })
    }

    /// Whether `item` fits all of them.
    ///
    /// # Errors
    /// `before` or `since` name no image.
    pub fn all_match(filters: &[Self], item: &Item, images: &Images<'_>) -> Result<bool, Error> {
        for filter in filters {
            if !filter.matches(item, images)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn matches(&self, item: &Item, images: &Images<'_>) -> Result<bool, Error> {
        let built = |name: &str| -> Result<_, Error> {
            let other = images.find(name)?;
            let details = images.details(&other, &Platform::host())?;
            Ok(details.config.created.map(|created| created.utc()))
        };
        Ok(match self {
            Self::Reference(pattern) => is_named(item, pattern),
            Self::Label(key, value) => has_label(item.details.as_ref(), key, value.as_deref()),
            Self::Dangling(wanted) => item.image.is_nameless() == *wanted,
            Self::Until(time) => is_older(item.details.as_ref(), *time),
            Self::Before(name) => item.row.created < built(name)?,
            Self::Since(name) => item.row.created > built(name)?,
        })
    }
}

fn has_label(details: Option<&ImageDetails>, key: &str, value: Option<&str>) -> bool {
    let labels = details.map(|details| &details.config.config.labels);
    let found = labels.and_then(|labels| labels.get(key));
    found.is_some_and(|found| value.is_none_or(|value| value == found))
}

/// Whether it was built before `time`; what does not say when was not.
fn is_older(details: Option<&ImageDetails>, time: DateTime<Utc>) -> bool {
    let created = details.and_then(|details| details.config.created.as_ref());
    created.is_some_and(|created| created.utc() < time)
}

/// A pattern without a tag fits every tag; familiar and canonical names both fit.
fn is_named(item: &Item, pattern: &str) -> bool {
    let Some(reference) = item.reference() else { return false };
    [reference.familiar(), reference.familiar_name(), reference.to_string(), reference.name()]
        .iter()
        .any(|name| fits(pattern.as_bytes(), name.as_bytes()))
}

/// `*` is any run of characters but a slash, `?` any one but a slash (Go's `path.Match`).
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.first(), text.first()) {
        (None, None) => true,
        (Some(b'*'), _) => {
            fits(&pattern[1..], text)
                || text.first().is_some_and(|c| *c != b'/') && fits(pattern, &text[1..])
        }
        (Some(b'?'), Some(c)) if *c != b'/' => fits(&pattern[1..], &text[1..]),
        (Some(p), Some(c)) if p == c => fits(&pattern[1..], &text[1..]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Filter, Error> {
        Filter::parse(text, Utc::now())
    }

    #[test]
    fn patterns_are_gos() {
        assert!(fits(b"redis*", b"redis:alpine"));
        assert!(fits(b"*/redis:*", b"library/redis:alpine"));
        assert!(!fits(b"*", b"library/redis"));
        assert!(fits(b"redi?", b"redis"));
        assert!(!fits(b"redis", b"redis:alpine"));
    }

    #[test]
    fn an_unknown_filter_is_refused_by_name() {
        assert_eq!(parse("label=a=b").unwrap(), Filter::Label("a".into(), Some("b".into())));
        let error = parse("colour=red").unwrap_err();
        assert!(error.to_string().contains("colour=red"), "{error}");
        assert!(parse("dangling=perhaps").is_err());
        assert!(parse("reference").is_err());
    }
}
