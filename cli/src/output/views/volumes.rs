//! Rows of `volume ls` and what `volume inspect` prints: docker's fields and headers.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value as Json, json};

use super::labels;
use crate::output::units;

/// docker's default for `volume ls`.
pub const TABLE: &str = "table {{.Driver}}\t{{.Name}}";
/// A header for each field.
pub const HEADERS: &[(&str, &str)] = &[
    ("Name", "VOLUME NAME"),
    ("Driver", "DRIVER"),
    ("Scope", "SCOPE"),
    ("Mountpoint", "MOUNTPOINT"),
    ("Labels", "LABELS"),
    ("Links", "LINKS"),
    ("Size", "SIZE"),
    ("Availability", "AVAILABILITY"),
    ("Group", "GROUP"),
    ("Status", "STATUS"),
];
const UNKNOWN: &str = "N/A";
const DRIVER: &str = "local";
const SCOPE: &str = "local";

/// A volume.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Its folder on the host.
    pub mountpoint: String,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// Its labels, docker's mark of unnamed ones included.
    pub labels: BTreeMap<String, String>,
    /// What its driver was told.
    pub options: BTreeMap<String, String>,
    /// How many containers use it and the bytes it takes; only where that was counted.
    pub usage: Option<(usize, u64)>,
}

/// The fields of a row.
#[must_use]
pub fn fields(row: &Row) -> Json {
    let (links, size) = match row.usage {
        Some((links, size)) => (links.to_string(), units::decimal(size)),
        None => (UNKNOWN.to_owned(), UNKNOWN.to_owned()),
    };
    json!({
        // Of docker's clusters.
        "Availability": UNKNOWN,
        "Driver": DRIVER,
        "Group": UNKNOWN,
        "Labels": labels::joined(&row.labels, ""),
        "Links": links,
        "Mountpoint": row.mountpoint,
        "Name": row.name,
        "Scope": SCOPE,
        "Size": size,
        "Status": UNKNOWN,
        "_labels": row.labels,
    })
}

/// docker's `volume inspect`.
#[must_use]
pub fn inspect(row: &Row) -> Json {
    json!({
        "CreatedAt": row.created.to_rfc3339_opts(SecondsFormat::Secs, true),
        "Driver": DRIVER,
        "Labels": row.labels,
        "Mountpoint": row.mountpoint,
        "Name": row.name,
        "Options": row.options,
        "Scope": SCOPE,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{json, template};

    fn row(name: &str) -> Row {
        Row {
            name: name.to_owned(),
            mountpoint: format!("/var/lib/docker/volumes/{name}/_data"),
            created: DateTime::from_timestamp(1_587_294_021, 5).unwrap(),
            labels: BTreeMap::new(),
            options: BTreeMap::new(),
            usage: None,
        }
    }

    /// docker's reference of `volume ls`.
    #[test]
    fn ls_prints_dockers_columns() {
        let rows = [fields(&row("rosemary")), fields(&row("tyler"))];
        let shown = |format: Option<&str>| template::list(format, TABLE, HEADERS, &rows).unwrap();
        assert_eq!(shown(None), "DRIVER    VOLUME NAME\nlocal     rosemary\nlocal     tyler\n");
        assert_eq!(
            shown(Some("json")).lines().next().unwrap(),
            r#"{"Availability":"N/A","Driver":"local","Group":"N/A","Labels":"","Links":"N/A","Mountpoint":"/var/lib/docker/volumes/rosemary/_data","Name":"rosemary","Scope":"local","Size":"N/A","Status":"N/A"}"#
        );
        assert_eq!(shown(Some("{{.Name}}: {{.Driver}}")), "rosemary: local\ntyler: local\n");
        for (field, _) in HEADERS {
            shown(Some(&format!("{{{{.{field}}}}}")));
        }
    }

    /// The output in docker's reference of `volume inspect`, with the indentation of its releases.
    #[test]
    fn inspect_prints_dockers_keys() {
        let name = "8140a838303144125b4f54653b47ede0486282c623c3551fbc7f390cdc3e9cf5";
        let expected = format!(
            r#"{{
    "CreatedAt": "2020-04-19T11:00:21Z",
    "Driver": "local",
    "Labels": {{}},
    "Mountpoint": "/var/lib/docker/volumes/{name}/_data",
    "Name": "{name}",
    "Options": {{}},
    "Scope": "local"
}}"#
        );
        assert_eq!(json::indented(&inspect(&row(name))).unwrap(), expected);
    }
}
