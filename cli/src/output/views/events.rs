//! An event as docker prints it.

use chrono::{DateTime, Local, SecondsFormat};
use isopod_runtime::event::Entry;
use serde_json::{Value as Json, json};

use crate::output::table::printable;

const SCOPE: &str = "local";

/// docker's line: time, type, action, object, and in brackets what else is known.
#[must_use]
pub fn line(entry: &Entry) -> String {
    let time = DateTime::from_timestamp_nanos(entry.time.0).with_timezone(&Local);
    let time = time.to_rfc3339_opts(SecondsFormat::Nanos, true);
    let known: Vec<String> =
        entry.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let line = format!("{time} {} {} {}", entry.kind, entry.action, entry.id);
    printable(&match known.is_empty() {
        true => line,
        false => format!("{line} ({})", known.join(", ")),
    })
}

/// With the keys of docker's API, in its order.
#[must_use]
pub fn json(entry: &Entry) -> Json {
    let mut message = serde_json::Map::new();
    let mut put = |key: &str, value: Json| message.insert(key.to_owned(), value);
    // The names of an earlier API, which docker writes for these two types still.
    if matches!(entry.kind.as_str(), "container" | "image") {
        put("status", entry.action.as_str().into());
        put("id", entry.id.as_str().into());
        if let Some(image) = entry.attributes.get("image") {
            put("from", image.as_str().into());
        }
    }
    put("Type", entry.kind.as_str().into());
    put("Action", entry.action.as_str().into());
    put("Actor", json!({"ID": entry.id, "Attributes": entry.attributes}));
    put("scope", SCOPE.into());
    put("time", entry.time.0.div_euclid(1_000_000_000).into());
    put("timeNano", entry.time.0.into());
    message.into()
}

/// With the names of fields that docker's templates know.
#[must_use]
pub fn fields(entry: &Entry) -> Json {
    let is_old = matches!(entry.kind.as_str(), "container" | "image");
    let of_old = |text: &str| if is_old { text.to_owned() } else { String::new() };
    json!({
        "Status": of_old(&entry.action),
        "ID": of_old(&entry.id),
        "From": of_old(entry.attributes.get("image").map_or("", String::as_str)),
        "Type": entry.kind,
        "Action": entry.action,
        "Actor": {"ID": entry.id, "Attributes": entry.attributes},
        "Scope": SCOPE,
        "Time": entry.time.0.div_euclid(1_000_000_000),
        "TimeNano": entry.time.0,
    })
}

#[cfg(test)]
mod tests {
    use isopod_monitor_protocol::time::Timestamp;

    use super::*;
    use crate::output::template::Format;

    fn entry() -> Entry {
        let mut entry = Entry::now("container", "create", "0fdb48addc82")
            .with("name", "test")
            .with("image", "alpine:latest");
        entry.time = Timestamp(1_483_633_159_031_260_631);
        entry
    }

    /// docker's reference of `events`, in UTC.
    #[test]
    fn a_line_is_dockers() {
        if Local::now().offset().local_minus_utc() == 0 {
            assert_eq!(
                line(&entry()),
                "2017-01-05T16:19:19.031260631Z container create 0fdb48addc82 (image=alpine:latest, name=test)"
            );
        }
        let bare = Entry { attributes: Default::default(), ..entry() };
        assert!(line(&bare).ends_with(" container create 0fdb48addc82"));
    }

    #[test]
    fn names_that_a_container_chose_never_control_the_terminal() {
        let line = line(&entry().with("label", "a\u{1b}[2J\n"));
        assert!(!line.contains(['\u{1b}', '\n']), "{line:?}");
    }

    /// The keys and their order are those of docker's API (`GET /events`).
    #[test]
    fn json_is_dockers() {
        assert_eq!(
            json(&entry()).to_string(),
            r#"{"status":"create","id":"0fdb48addc82","from":"alpine:latest","Type":"container","Action":"create","Actor":{"ID":"0fdb48addc82","Attributes":{"image":"alpine:latest","name":"test"}},"scope":"local","time":1483633159,"timeNano":1483633159031260631}"#
        );
    }

    /// The template in docker's reference of `events` («Format the output»).
    #[test]
    fn templates_reach_dockers_fields() {
        let format = "Type={{.Type}}  Status={{.Status}}  ID={{.ID}} {{.Actor.Attributes.name}}";
        assert_eq!(
            Format::parse(format).unwrap().render(&fields(&entry())).unwrap(),
            "Type=container  Status=create  ID=0fdb48addc82 test"
        );
    }
}
