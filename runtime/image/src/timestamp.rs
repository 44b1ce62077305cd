//! Times in documents that keep the text they came as.
//!
//! A configuration is content-addressed: writing `…12Z` for `…120Z` would make another image of it.

use std::fmt;

use chrono::{DateTime, FixedOffset, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// An RFC 3339 time as a document spells it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp {
    text: String,
    time: DateTime<FixedOffset>,
}

/// A string is no RFC 3339 time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an RFC 3339 time")]
pub struct ParseError {
    text: String,
    source: chrono::ParseError,
}

impl Timestamp {
    /// The time it names.
    #[must_use]
    pub const fn time(&self) -> DateTime<FixedOffset> {
        self.time
    }

    /// The same in UTC.
    #[must_use]
    pub const fn utc(&self) -> DateTime<Utc> {
        self.time.to_utc()
    }

    /// The text it came as.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self { text: time.to_rfc3339_opts(SecondsFormat::AutoSi, true), time: time.fixed_offset() }
    }
}

impl TryFrom<String> for Timestamp {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        match DateTime::parse_from_rfc3339(&text) {
            Ok(time) => Ok(Self { text, time }),
            Err(source) => Err(ParseError { text, source }),
        }
    }
}

impl From<Timestamp> for String {
    fn from(timestamp: Timestamp) -> Self {
        timestamp.text
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_keeps_its_text() {
        for text in [
            "2024-05-22T18:18:40.12Z",
            "2024-05-22T18:18:40.120000000Z",
            "2024-05-22T18:18:40+02:00",
            "0001-01-01T00:00:00Z",
        ] {
            let json = format!("{text:?}");
            let timestamp: Timestamp = serde_json::from_str(&json).unwrap();
            assert_eq!(serde_json::to_string(&timestamp).unwrap(), json);
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "yesterday", "2024-13-01T00:00:00Z", "2024-05-22"] {
            assert!(Timestamp::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
