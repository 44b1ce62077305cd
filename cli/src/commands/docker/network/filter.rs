//! `--filter` of `network ls`.

use isopod_runtime::network::Network;

use crate::error::Error;

/// One condition.
#[derive(Debug, PartialEq, Eq)]
pub enum Filter {
    /// The driver's name.
    Driver(String),
    /// Beginning of the id.
    Id(String),
    /// A label, with a value or any.
    Label(String, Option<String>),
    /// Part of the name.
    Name(String),
    /// docker's word: all of ours are `local`.
    Scope(String),
    /// Built in, or made by somebody.
    BuiltIn(bool),
    /// Nobody is on it.
    Dangling(bool),
}

impl Filter {
    /// Parses `key=value`.
    ///
    /// # Errors
    /// No such filter, or a value that can't be.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (key, value) = split(text)?;
        let error = |reason: &str| Err(invalid(text, reason));
        Ok(match key {
            "driver" => Self::Driver(value.to_owned()),
            "id" => Self::Id(value.to_owned()),
            "label" => {
                let (key, value) = label(value);
                Self::Label(key, value)
            }
            "name" => Self::Name(value.to_owned()),
            "scope" if matches!(value, "local" | "global" | "swarm") => {
                Self::Scope(value.to_owned())
            }
            "scope" => return error("scopes are local, global and swarm"),
            "type" if value == "builtin" => Self::BuiltIn(true),
            "type" if value == "custom" => Self::BuiltIn(false),
            "type" => return error("types are builtin and custom"),
            "dangling" => match value {
                "true" | "1" => Self::Dangling(true),
                "false" | "0" => Self::Dangling(false),
                _ => return error("it is neither true nor false"),
            },
            _ => {
                return error("filters are dangling, driver, id, label, name, scope and type");
            }
        })
    }

    /// Whether all kinds of filters fit: those of one kind are alternatives, as in docker.
    #[must_use]
    pub fn all_match(filters: &[Self], network: &Network, is_used: bool) -> bool {
        filters.iter().all(|filter| {
            let is_of_labels = matches!(filter, Self::Label(..));
            let same = |other: &&Self| {
                !is_of_labels && std::mem::discriminant(*other) == std::mem::discriminant(filter)
            };
            filter.matches(network, is_used)
                || filters.iter().filter(same).any(|other| other.matches(network, is_used))
        })
    }

    fn matches(&self, network: &Network, is_used: bool) -> bool {
        let has = |key: &String, value: &Option<String>| {
            let found = network.labels.get(key);
            found.is_some_and(|found| value.as_ref().is_none_or(|value| value == found))
        };
        match self {
            Self::Driver(name) => network.record.driver.as_str() == name,
            Self::Id(prefix) => network.id.starts_with(prefix.as_str()),
            Self::Label(key, value) => has(key, value),
            Self::Name(part) => network.name.contains(part.as_str()),
            Self::Scope(scope) => scope == "local",
            Self::BuiltIn(wanted) => network.is_built_in() == *wanted,
            Self::Dangling(wanted) => (!is_used && !network.is_built_in()) == *wanted,
        }
    }
}

fn split(text: &str) -> Result<(&str, &str), Error> {
    text.split_once('=').ok_or_else(|| invalid(text, "it has no ="))
}

fn label(value: &str) -> (String, Option<String>) {
    match value.split_once('=') {
        Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
        None => (value.to_owned(), None),
    }
}

fn invalid(value: &str, reason: &str) -> Error {
    Error::Value { what: "--filter", value: value.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_that_are_not_known_are_refused_by_name() {
        assert_eq!(Filter::parse("driver=bridge").unwrap(), Filter::Driver("bridge".into()));
        assert_eq!(Filter::parse("type=custom").unwrap(), Filter::BuiltIn(false));
        for wrong in ["colour=red", "type=odd", "dangling=maybe", "name", "scope=here", "until=1h"]
        {
            assert!(Filter::parse(wrong).unwrap_err().to_string().contains(wrong), "{wrong}");
        }
    }
}
