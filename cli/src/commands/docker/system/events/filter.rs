//! `--filter` of `events`.

use isopod_runtime::event::Entry;

use crate::error::Error;

/// Those of one kind are alternatives but for labels, as in docker.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Filters {
    all: Vec<(String, String)>,
}

/// The kinds of objects that have a filter of their name.
const OBJECTS: [&str; 3] = ["container", "network", "volume"];
/// Further kinds of filters.
const OTHERS: [&str; 5] = ["event", "image", "label", "scope", "type"];
/// docker's, for what does not exist here.
const FOREIGN: [&str; 6] = ["config", "daemon", "node", "plugin", "secret", "service"];
/// Actions that carry more words after a colon.
const WORDY: [&str; 3] = ["exec_create", "exec_start", "health_status"];

impl Filters {
    /// Parses `key=value` each.
    ///
    /// # Errors
    /// No such filter.
    pub fn parse(texts: &[String]) -> Result<Self, Error> {
        let mut all = Vec::new();
        for text in texts {
            let error = |reason: &str| Error::Value {
                what: "--filter",
                value: text.clone(),
                reason: reason.to_owned(),
            };
            let (key, value) = text.split_once('=').ok_or_else(|| error("it has no ="))?;
            if FOREIGN.contains(&key) {
                return Err(error("there are no such objects here"));
            }
            if !OBJECTS.contains(&key) && !OTHERS.contains(&key) {
                return Err(error(
                    "filters are container, event, image, label, network, scope, type and volume",
                ));
            }
            all.push((key.to_owned(), value.to_owned()));
        }
        Ok(Self { all })
    }

    /// Whether `entry` fits.
    #[must_use]
    pub fn fit(&self, entry: &Entry) -> bool {
        self.all.iter().all(|(key, value)| match key.as_str() {
            "label" => matches(entry, key, value),
            _ => self.all.iter().any(|(other, value)| other == key && matches(entry, key, value)),
        })
    }
}

fn matches(entry: &Entry, key: &str, value: &str) -> bool {
    let attribute = |name: &str| entry.attributes.get(name).map_or("", String::as_str);
    match key {
        "event" if WORDY.contains(&value) => entry.action.split(": ").next() == Some(value),
        "event" => entry.action == value,
        "type" => entry.kind == value,
        // All that happens here happens on this machine.
        "scope" => value == "local",
        "label" => match value.split_once('=') {
            Some((key, value)) => entry.attributes.get(key).is_some_and(|found| found == value),
            None => entry.attributes.contains_key(value),
        },
        "image" => {
            let name = attribute(if entry.kind == "image" { "name" } else { "image" });
            [entry.id.as_str(), without_tag(&entry.id), name, without_tag(name)].contains(&value)
        }
        kind => {
            entry.kind == kind
                && (entry.id.starts_with(value) || attribute("name").starts_with(value))
        }
    }
}

/// `redis` of `redis:alpine`; a port is no tag.
fn without_tag(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(texts: &[&str], entry: &Entry) -> bool {
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        Filters::parse(&texts).unwrap().fit(entry)
    }

    /// The examples of docker's reference of `events` («Filter events by criteria»).
    #[test]
    fn filters_are_dockers() {
        let stop = Entry::now(
            "container",
            "stop",
            "0fdb48addc82871eb34eb23a847cfd033dedd1a0a37bef2e6d9eb3870fc7ff37",
        )
        .with("image", "alpine:latest")
        .with("name", "test")
        .with("app", "web");
        let attached = Entry::now("container", "exec_start: sh -c true", "4386fb97867d")
            .with("image", "redis");
        let volume =
            Entry::now("volume", "create", "test-event-volume-local").with("driver", "local");
        assert!(fits(&["event=stop"], &stop));
        assert!(!fits(&["event=stop"], &volume));
        assert!(fits(&["image=alpine"], &stop));
        assert!(fits(&["image=alpine:latest"], &stop));
        assert!(!fits(&["image=alp"], &stop));
        assert!(fits(&["container=test"], &stop));
        assert!(fits(&["container=0fdb48addc82"], &stop));
        assert!(fits(&["container=4386fb97867d", "container=0fdb48addc82"], &stop));
        assert!(!fits(&["container=test", "event=start"], &stop));
        assert!(!fits(&["container=test"], &volume), "only containers");
        assert!(fits(&["type=volume"], &volume));
        assert!(!fits(&["type=network"], &volume));
        assert!(fits(&["volume=test-event"], &volume));
        assert!(fits(&["label=app"], &stop));
        assert!(!fits(&["label=app=db"], &stop));
        assert!(fits(&["event=exec_start"], &attached));
        assert!(!fits(&["event=exec"], &attached));
        assert!(fits(&["scope=local"], &volume) && !fits(&["scope=swarm"], &volume));
    }

    #[test]
    fn what_is_no_filter_is_refused_by_name() {
        for wrong in ["colour=red", "daemon=x", "event"] {
            let error = Filters::parse(&[wrong.to_owned()]).unwrap_err().to_string();
            assert!(error.contains(wrong), "{error}");
        }
    }
}
