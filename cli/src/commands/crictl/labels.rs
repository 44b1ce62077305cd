//! `--label key=value` and `--annotation key=value`.

use std::collections::HashMap;

use crate::error::Error;

/// What was given as a map; the last of two equal keys counts.
///
/// # Errors
/// Text without one equals sign.
pub fn parse(what: &'static str, given: &[String]) -> Result<HashMap<String, String>, Error> {
    given
        .iter()
        .map(|text| match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
            _ => Err(Error::Value {
                what,
                value: text.clone(),
                reason: "it is not of the form key=value".to_owned(),
            }),
        })
        .collect()
}
