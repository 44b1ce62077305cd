//! `key=value` words after an object's name, as ctr's `label` commands take them.

use std::collections::BTreeMap;

use crate::error::Error;

/// What is to change: an empty value takes the label away, a word without `=` sets `true`.
///
/// # Errors
/// A label without a key.
pub fn changes(words: &[String]) -> Result<BTreeMap<String, Option<String>>, Error> {
    words
        .iter()
        .map(|word| {
            let (key, value) = word.split_once('=').unwrap_or((word, "true"));
            if key.is_empty() {
                return Err(Error::Value {
                    what: "label",
                    value: word.clone(),
                    reason: "it has no key".to_owned(),
                });
            }
            Ok((key.to_owned(), Some(value.to_owned()).filter(|value| !value.is_empty())))
        })
        .collect()
}

/// Labels of a new object.
///
/// # Errors
/// As [`changes`].
pub fn new(words: &[String]) -> Result<BTreeMap<String, String>, Error> {
    let changes = changes(words)?;
    Ok(changes.into_iter().filter_map(|(key, value)| Some((key, value?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_value_takes_a_label_away() {
        let words = ["a=1", "b=", "c"].map(str::to_owned);
        let changes = changes(&words).unwrap();
        assert_eq!(changes["a"].as_deref(), Some("1"));
        assert_eq!(changes["b"], None);
        assert_eq!(changes["c"].as_deref(), Some("true"));
        assert_eq!(new(&words).unwrap().len(), 2);
        assert!(new(&["=x".to_owned()]).is_err());
    }
}
