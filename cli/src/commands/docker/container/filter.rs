//! `--filter` of `ps`.

use chrono::{DateTime, Utc};
use isopod_runtime::container::{Condition, Container, Containers, Port};
use regex::Regex;

use super::ports;
use crate::commands::docker::image::names;
use crate::context::Context;
use crate::error::Error;
use crate::output::views::containers::Row;

/// One condition.
#[derive(Debug, PartialEq, Eq)]
pub enum Filter {
    /// A regular expression that the name fits somewhere, with a slash before it or not.
    Name(Pattern),
    /// Beginning of the id.
    Id(String),
    /// A label, with a value or any.
    Label(String, Option<String>),
    /// docker's word for what it does.
    Status(String),
    /// It ended with this status.
    Exited(i32),
    /// Made from this image: as typed, then its target's digest.
    Ancestor(String),
    /// Created before this container.
    Before(String),
    /// Created after it.
    Since(String),
    /// The two above with the container's time.
    Created { before: Option<DateTime<Utc>>, since: Option<DateTime<Utc>> },
    /// Uses this volume, or mounts on this path.
    Volume(String),
    /// Is on this network, by name or id.
    Network(String),
    /// One of these ports of the host leads to it.
    Publish(Vec<Port>),
    /// It listens on one of these.
    Expose(Vec<Port>),
    /// docker's word for its health.
    Health(String),
}

/// A regular expression over names.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    fn parse(text: &str) -> Option<Self> {
        Regex::new(text).ok().map(Self)
    }

    /// docker's names begin with a slash inside, and a filter may mean either.
    fn fits(&self, name: &str) -> bool {
        self.0.is_match(name) || self.0.is_match(&format!("/{name}"))
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

const STATUSES: [&str; 7] =
    ["created", "restarting", "running", "removing", "paused", "exited", "dead"];

const HEALTHS: [&str; 4] = ["starting", "healthy", "unhealthy", "none"];

impl Filter {
    /// Parses `key=value`.
    ///
    /// # Errors
    /// No such filter, or a value that can't be.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let error = |reason: &str| Error::Value {
            what: "--filter",
            value: text.to_owned(),
            reason: reason.to_owned(),
        };
        let (key, value) = text.split_once('=').ok_or_else(|| error("it has no ="))?;
        let owned = value.to_owned();
        Ok(match key {
            "name" => Self::Name(
                Pattern::parse(value).ok_or_else(|| error("it is no regular expression"))?,
            ),
            "id" => Self::Id(owned),
            "label" => match value.split_once('=') {
                Some((key, value)) => Self::Label(key.to_owned(), Some(value.to_owned())),
                None => Self::Label(owned, None),
            },
            "status" if STATUSES.contains(&value) => Self::Status(owned),
            "status" => return Err(error("no container can have this status")),
            "exited" => Self::Exited(value.parse().map_err(|_| error("it is no exit status"))?),
            "ancestor" => Self::Ancestor(owned),
            "before" => Self::Before(owned),
            "since" => Self::Since(owned),
            "volume" => Self::Volume(owned),
            "network" => Self::Network(owned),
            "publish" => Self::Publish(ports::expose(value).map_err(|_| error("it is no port"))?),
            "expose" => Self::Expose(ports::expose(value).map_err(|_| error("it is no port"))?),
            "health" if HEALTHS.contains(&value) => Self::Health(owned),
            "health" => return Err(error("health is starting, healthy, unhealthy or none")),
            "is-task" | "isolation" => {
                return Err(error("this filter is not supported yet"));
            }
            _ => return Err(error("there is no such filter")),
        })
    }

    /// Looks up what a filter names, once for all containers.
    ///
    /// # Errors
    /// There is no such container.
    pub fn resolve(self, containers: &Containers<'_>, context: &Context) -> Result<Self, Error> {
        let created = |name: &str| containers.find(name).map(|container| container.created());
        Ok(match self {
            Self::Before(name) => Self::Created { before: Some(created(&name)?), since: None },
            Self::Since(name) => Self::Created { before: None, since: Some(created(&name)?) },
            Self::Ancestor(name) => match context.runtime()?.images().find(&name) {
                Ok(image) => Self::Ancestor(image.target.digest.to_string()),
                // Its containers may outlive its name.
                Err(_) => Self::Ancestor(name),
            },
            // A container knows its networks by name.
            Self::Network(text) => match context.runtime()?.networks().find(&text) {
                Ok(network) => Self::Network(network.name),
                Err(_) => Self::Network(text),
            },
            other => other,
        })
    }

    /// Whether it asks for containers that do not run, so that all are looked at.
    #[must_use]
    pub fn is_about_the_ended(&self) -> bool {
        matches!(self, Self::Status(_) | Self::Exited(_) | Self::Created { .. })
    }

    /// Whether all kinds of filters fit: those of one kind are alternatives, as in docker.
    #[must_use]
    pub fn all_match(filters: &[Self], container: &Container<'_>, row: &Row) -> bool {
        filters.iter().all(|filter| {
            // Labels are the exception: every one must fit.
            let alternatives = filters.iter().filter(|other| {
                !matches!(filter, Self::Label(..))
                    && std::mem::discriminant(*other) == std::mem::discriminant(filter)
            });
            filter.matches(container, row)
                || alternatives.into_iter().any(|other| other.matches(container, row))
        })
    }

    fn matches(&self, container: &Container<'_>, row: &Row) -> bool {
        let record = container.record();
        match self {
            Self::Name(pattern) => pattern.fits(&row.name),
            Self::Id(prefix) => row.id.starts_with(prefix.as_str()),
            Self::Label(key, value) => row
                .labels
                .get(key)
                .is_some_and(|found| value.as_ref().is_none_or(|value| value == found)),
            Self::Status(status) => row.state.word() == status,
            Self::Exited(code) => row.state.exit_code() == Some(*code),
            Self::Ancestor(name) => record.image.as_ref().is_some_and(|image| {
                image.target.to_string() == *name
                    || image.id.to_string() == *name
                    || row.image == *name
                    || names::parse(name).is_ok_and(|name| name.to_string() == image.name)
            }),
            Self::Before(_) | Self::Since(_) => false,
            Self::Created { before, since } => {
                before.is_none_or(|before| row.created < before)
                    && since.is_none_or(|since| row.created > since)
            }
            Self::Volume(name) => {
                record.volumes.iter().any(|v| v.name == *name || v.destination == *name)
                    || record.settings.mounts.iter().any(|mount| mount.destination() == name)
            }
            Self::Network(name) => row.networks.iter().any(|network| network == name),
            Self::Publish(ports) => row.published.iter().any(|one| {
                let port = Port { port: one.host.port(), protocol: one.protocol };
                ports.contains(&port)
            }),
            Self::Expose(ports) => {
                let published = row
                    .published
                    .iter()
                    .map(|one| Port { port: one.target.port(), protocol: one.protocol });
                row.exposed.iter().copied().chain(published).any(|port| ports.contains(&port))
            }
            Self::Health(word) => row.health.map_or("none", Condition::as_str) == word,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_that_are_not_known_are_refused_by_name() {
        assert_eq!(Filter::parse("status=exited").unwrap(), Filter::Status("exited".into()));
        assert_eq!(Filter::parse("exited=137").unwrap(), Filter::Exited(137));
        let name = |pattern: &str, name: &str| Pattern::parse(pattern).unwrap().fits(name);
        assert!(name("redis", "my-redis-1") && name("/redis", "redis") && name("^/red", "redis"));
        assert!(name("^redis$", "redis") && !name("^redis$", "redis2") && name("a|s$", "redis"));
        for wrong in ["status=asleep", "exited=x", "colour=red", "name", "health=fine", "name=("] {
            assert!(Filter::parse(wrong).unwrap_err().to_string().contains(wrong), "{wrong}");
        }
    }

    mod properties {
        use super::*;
        use proptest::prelude::*;

        proptest! {
            #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

            /// docker's page on `ps --filter`: a key, the first `=`, and a value in which anything may be.
            #[test]
            fn a_value_is_all_behind_the_first_equals_sign(key in "[a-z]{2,8}|id|label|volume|since", value in "[a-z=:/ .-]{0,12}") {
                let parsed = Filter::parse(&format!("{key}={value}"));
                let expected = match key.as_str() {
                    "id" => Some(Filter::Id(value.clone())),
                    "volume" => Some(Filter::Volume(value.clone())),
                    "network" => Some(Filter::Network(value.clone())),
                    "since" => Some(Filter::Since(value.clone())),
                    "before" => Some(Filter::Before(value.clone())),
                    "ancestor" => Some(Filter::Ancestor(value.clone())),
                    "label" => Some(match value.find('=') {
                        Some(at) => Filter::Label(value[..at].to_owned(), Some(value[at + 1..].to_owned())),
                        None => Filter::Label(value.clone(), None),
                    }),
                    "name" | "status" | "exited" | "publish" | "expose" | "health" => return Ok(()),
                    _ => None,
                };
                prop_assert_eq!(parsed.ok(), expected, "{}={}", key, value);
            }

            /// What a wait status or docker's own words can't be is refused, with what was said.
            #[test]
            fn numbers_and_words_are_exactly_those_that_there_are(number: i64, word in "[a-z]{4,10}") {
                let parsed = Filter::parse(&format!("exited={number}"));
                prop_assert_eq!(parsed.ok(), i32::try_from(number).ok().map(Filter::Exited));
                for (key, words) in [("status", &STATUSES[..]), ("health", &HEALTHS[..])] {
                    let text = format!("{key}={word}");
                    match Filter::parse(&text) {
                        Ok(_) => prop_assert!(words.contains(&word.as_str())),
                        Err(error) => prop_assert!(error.to_string().contains(&text) && !words.contains(&word.as_str())),
                    }
                }
                prop_assert!(Filter::parse(&word).is_err());
            }
        }
    }
}
