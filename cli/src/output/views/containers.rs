//! Rows of `ps`: docker's fields, headers and truncation.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use isopod_runtime::container::{Condition, Port};
use isopod_runtime::network::Published;
use serde_json::{Value as Json, json};

use super::state::State;
use super::{labels, ports};
use crate::output::table::printable;
use crate::output::{time, units};

/// docker's default for `ps`.
pub const TABLE: &str =
    "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";
/// What nerdctl's `wide` adds to it, before the size.
pub const WIDE_COLUMNS: &str = "\t{{.Runtime}}\t{{.Platform}}";
/// What `--size` adds to it.
pub const SIZE_COLUMN: &str = "\t{{.Size}}";
/// A header for each field.
pub const HEADERS: &[(&str, &str)] = &[
    ("ID", "CONTAINER ID"),
    ("Names", "NAMES"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("CreatedAt", "CREATED AT"),
    ("RunningFor", "CREATED"),
    ("Ports", "PORTS"),
    ("State", "STATE"),
    ("Status", "STATUS"),
    ("Size", "SIZE"),
    ("Labels", "LABELS"),
    ("Mounts", "MOUNTS"),
    ("LocalVolumes", "LOCAL VOLUMES"),
    ("Networks", "NETWORKS"),
    ("HealthStatus", "HEALTH STATUS"),
    ("Runtime", "RUNTIME"),
    ("Platform", "PLATFORM"),
];
/// Characters of a command that are shown.
pub(super) const COMMAND: usize = 20;
/// Characters of a mount's name that are shown.
const MOUNT: usize = 15;

/// A container as a list shows it.
#[derive(Debug, Clone)]
pub struct Row {
    /// 64 hex digits, or ctr's own id.
    pub id: String,
    /// As the user named it, in docker's short form.
    pub image: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// What it does.
    pub state: State,
    /// What its health checks say; `None` without checks.
    pub health: Option<Condition>,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Names of volumes, or folders of the host.
    pub mounts: Vec<String>,
    /// How many of these are volumes.
    pub volumes: usize,
    /// `none`, `host`, or the names of its networks.
    pub networks: Vec<String>,
    /// Where its ports are published.
    pub published: Vec<Published>,
    /// Ports that it listens on; none where it does not run.
    pub exposed: Vec<Port>,
    /// What its image was made for, as in `linux/amd64`; only where asked for.
    pub platform: Option<String>,
    /// Bytes of the writable layer, and of it with the image; only where asked for.
    pub size: Option<(u64, u64)>,
}

/// The fields of a row; `truncate` shortens ids, commands and mounts.
#[must_use]
pub fn fields(row: &Row, truncate: bool, now: DateTime<Utc>) -> Json {
    let shortened = |text: &str, length: usize| match truncate {
        true => ellipsis(text, length),
        false => text.to_owned(),
    };
    let mounts: Vec<String> = row.mounts.iter().map(|mount| shortened(mount, MOUNT)).collect();
    let mut fields = json!({
        "Command": quoted(&shortened(&words(&row.command), COMMAND)),
        "CreatedAt": time::go_default(row.created),
        "HealthStatus": row.health.map_or("", Condition::as_str),
        "ID": if truncate { short_id(&row.id) } else { &row.id },
        "Image": printable(&row.image),
        "Labels": labels::joined(&row.labels, ""),
        "LocalVolumes": row.volumes.to_string(),
        "Mounts": printable(&mounts.join(",")),
        "Names": row.name,
        "Networks": row.networks.join(","),
        "Ports": ports::cell(&row.exposed, &row.published),
        "RunningFor": time::ago(row.created, now),
        "Size": size(row.size),
        "State": row.state.word(),
        "Status": status(row, now),
        "_labels": row.labels,
    });
    // Only for nerdctl's wide list: docker's rows have no such fields.
    if let (Some(platform), Some(fields)) = (&row.platform, fields.as_object_mut()) {
        fields.insert("Platform".to_owned(), platform.as_str().into());
        fields.insert("Runtime".to_owned(), "isopod".into());
    }
    fields
}

/// docker's STATUS column: with the health of one that runs.
fn status(row: &Row, now: DateTime<Utc>) -> String {
    let status = row.state.status(now);
    match (row.state, row.health) {
        (State::Running { .. }, Some(Condition::Starting)) => {
            format!("{status} (health: starting)")
        }
        (State::Running { .. }, Some(health)) => format!("{status} ({})", health.as_str()),
        _ => status,
    }
}

fn size(size: Option<(u64, u64)>) -> String {
    match size {
        None => "0B".to_owned(),
        Some((writable, 0)) => units::decimal(writable),
        Some((writable, all)) => {
            format!("{} (virtual {})", units::decimal(writable), units::decimal(all))
        }
    }
}

/// The first twelve characters of an id.
#[must_use]
pub fn short_id(id: &str) -> &str {
    let id = id.strip_prefix("sha256:").unwrap_or(id);
    id.char_indices().nth(12).map_or(id, |(end, _)| &id[..end])
}

/// At most `length` characters, the last an ellipsis where some are left out.
pub fn ellipsis(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    text.chars().take(length - 1).chain(['…']).collect()
}

/// Go's `strconv.Quote`: printable text in quotes, the rest escaped.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out + "\""
}

/// A command line as docker lists it: arguments with a space in them stand in quotes.
pub fn words(command: &[String]) -> String {
    let (program, arguments) =
        command.split_first().map_or(("", &[][..]), |(p, a)| (p.as_str(), a));
    arguments.iter().fold(program.to_owned(), |line, argument| match argument.contains(' ') {
        true => format!("{line} '{argument}'"),
        false => format!("{line} {argument}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::template;

    fn row() -> Row {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        Row {
            id: "4c01db0b339c1f2a".repeat(4),
            image: "redis:alpine".into(),
            command: vec!["docker-entrypoint.sh".into(), "redis-server".into()],
            created: at(1000),
            state: State::Running { since: Some(at(1001)) },
            health: None,
            name: "redis".into(),
            labels: [("a".to_owned(), "1".to_owned())].into(),
            mounts: vec!["a-volume-with-a-long-name".into()],
            volumes: 1,
            networks: vec!["none".into()],
            published: Vec::new(),
            exposed: Vec::new(),
            platform: Some("linux/amd64".into()),
            size: Some((2, 21_500_000)),
        }
    }

    fn shown(format: Option<&str>, truncate: bool) -> String {
        let now = DateTime::from_timestamp(1017, 0).unwrap();
        let rows = [fields(&row(), truncate, now)];
        template::list(format, TABLE, HEADERS, &rows).unwrap()
    }

    #[test]
    fn ps_prints_dockers_columns() {
        insta::assert_snapshot!(shown(None, true), @r#"
        CONTAINER ID   IMAGE          COMMAND                  CREATED          STATUS          PORTS     NAMES
        4c01db0b339c   redis:alpine   "docker-entrypoint.s…"   17 seconds ago   Up 16 seconds             redis
        "#);
    }

    #[test]
    fn the_status_of_one_that_runs_says_how_healthy_it_is() {
        let now = DateTime::from_timestamp(1181, 0).unwrap();
        let shown = |change: fn(&mut Row)| {
            let mut row = row();
            change(&mut row);
            fields(&row, true, now)["Status"].as_str().unwrap().to_owned()
        };
        assert_eq!(shown(|row| row.health = Some(Condition::Healthy)), "Up 3 minutes (healthy)");
        assert_eq!(
            shown(|row| row.health = Some(Condition::Starting)),
            "Up 3 minutes (health: starting)"
        );
        assert_eq!(
            shown(|row| {
                row.state = State::Restarting { code: 1, at: DateTime::from_timestamp(1001, 0) };
                row.health = Some(Condition::Unhealthy);
            }),
            "Restarting (1) 3 minutes ago"
        );
    }

    #[test]
    fn nothing_is_cut_with_no_trunc() {
        let text = shown(Some("{{.ID}} {{.Command}} {{.Mounts}}"), false);
        assert!(text.starts_with(&"4c01db0b339c1f2a".repeat(4)), "{text}");
        assert!(text.contains("\"docker-entrypoint.sh redis-server\" a-volume-with-a-long-name"));
    }

    #[test]
    fn templates_reach_every_published_field() {
        for (field, _) in HEADERS {
            shown(Some(&format!("{{{{.{field}}}}}")), true);
        }
        assert_eq!(shown(Some("{{.Size}}"), true), "2B (virtual 21.5MB)\n");
        assert_eq!(shown(Some("{{.Label \"a\"}}|{{.Label \"b\"}}"), true), "1|\n");
        assert!(!shown(Some("json"), true).contains("_labels"));
    }

    #[test]
    fn quotes_are_gos() {
        assert_eq!(quoted("sh -c \"a\n\u{1b}\""), r#""sh -c \"a\n\x1b\"""#);
    }
}
