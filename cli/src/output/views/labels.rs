//! Labels in one cell.

use std::collections::BTreeMap;

use crate::output::table::printable;

/// `a=1,b=2`, or `empty` where there are none.
#[must_use]
pub fn joined(labels: &BTreeMap<String, String>, empty: &str) -> String {
    if labels.is_empty() {
        return empty.to_owned();
    }
    let pairs: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    printable(&pairs.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sorted_and_never_control_the_terminal() {
        let labels = [("b", "2"), ("a", "1\u{1b}[2J")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(joined(&labels.into(), "-"), "a=1?[2J,b=2");
        assert_eq!(joined(&BTreeMap::new(), "-"), "-");
    }
}
