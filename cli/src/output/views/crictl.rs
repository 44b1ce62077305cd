//! What crictl prints of a runtime's answers: tables with short ids, and lines where more was asked for.

pub mod containers;
pub mod images;
pub mod pods;
pub mod stats;
pub mod status;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use chrono::{DateTime, Local, SecondsFormat, Utc};

use crate::output::time;

/// How much of an id is shown, in characters.
const ID_LENGTH: usize = 13;

/// The beginning of an id, after `prefix`.
fn short(id: &str, prefix: &str) -> String {
    id.strip_prefix(prefix).unwrap_or(id).chars().take(ID_LENGTH).collect()
}

/// A time that the interface gives in nanoseconds since 1970.
fn at(nanoseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_nanos(nanoseconds)
}

/// `5 seconds ago`.
fn ago(nanoseconds: i64, now: DateTime<Utc>) -> String {
    time::ago(at(nanoseconds), now)
}

/// Go's way to write a time in local time (`2024-05-04 10:21:03.123456789 +0000 UTC`).
fn go_time(nanoseconds: i64) -> String {
    let time = at(nanoseconds);
    let fraction = match time.timestamp_subsec_nanos() {
        0 => String::new(),
        nanos => format!(".{}", format!("{nanos:09}").trim_end_matches('0')),
    };
    let local = time.with_timezone(&Local);
    if local.offset().local_minus_utc() == 0 {
        return format!("{}{fraction} +0000 UTC", local.format("%Y-%m-%d %H:%M:%S"));
    }
    format!("{}{fraction} {}", local.format("%Y-%m-%d %H:%M:%S"), local.format("%z %z"))
}

/// RFC 3339 in local time with as many digits as are needed (Go's `RFC3339Nano`).
fn rfc3339(nanoseconds: i64) -> String {
    let local = at(nanoseconds).with_timezone(&Local);
    let text = local.to_rfc3339_opts(SecondsFormat::Nanos, true);
    let zone = text.rfind(['Z', '+', '-']).filter(|at| *at > 10).unwrap_or(text.len());
    let (time, zone) = text.split_at(zone);
    format!("{}{zone}", time.trim_end_matches('0').trim_end_matches('.'))
}

/// A heading, and a line for each pair, sorted; nothing where there are none.
fn pairs(text: &mut String, heading: &str, pairs: &HashMap<String, String>) {
    if pairs.is_empty() {
        return;
    }
    writeln!(text, "{heading}:").unwrap_or_default();
    for (key, value) in pairs.iter().collect::<BTreeMap<_, _>>() {
        writeln!(text, "\t{key} -> {value}").unwrap_or_default();
    }
}

/// `map[a:1 b:2]`: Go's way to write a map.
fn go_map(map: &HashMap<String, String>) -> String {
    let sorted: BTreeMap<_, _> = map.iter().collect();
    let entries: Vec<String> = sorted.into_iter().map(|(k, v)| format!("{k}:{v}")).collect();
    format!("map[{}]", entries.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The formats of Go's `time` package's documentation.
    #[test]
    fn times_are_written_as_go_writes_them() {
        let fraction = |nanoseconds| rfc3339(nanoseconds).replace("+00:00", "Z");
        if Local::now().offset().local_minus_utc() == 0 {
            assert_eq!(fraction(1_500_000_000), "1970-01-01T00:00:01.5Z");
            assert_eq!(fraction(2_000_000_000), "1970-01-01T00:00:02Z");
            assert_eq!(go_time(1_000_000_010), "1970-01-01 00:00:01.00000001 +0000 UTC");
            assert_eq!(go_time(0), "1970-01-01 00:00:00 +0000 UTC");
        }
    }

    #[test]
    fn ids_are_shown_by_thirteen_characters() {
        assert_eq!(short("sha256:0123456789abcdef", "sha256:"), "0123456789abc");
        assert_eq!(short("1f73f2d81bf98aaa", ""), "1f73f2d81bf98");
        assert_eq!(short("x", ""), "x");
    }

    #[test]
    fn maps_are_written_as_go_writes_them() {
        let map = HashMap::from([("b".into(), "2".into()), ("a".into(), "{}".into())]);
        assert_eq!(go_map(&map), "map[a:{} b:2]");
    }
}
