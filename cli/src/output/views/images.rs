//! Rows of `images`: docker's fields and headers.

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use super::containers::short_id;
use crate::output::{time, units};

/// docker's default for `images`.
pub const TABLE: &str = "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{if .CreatedSince}}{{.CreatedSince}}{{else}}N/A{{end}}\t{{.Size}}";
/// The same with `--digests`.
pub const TABLE_WITH_DIGESTS: &str = "table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{if .CreatedSince}}{{.CreatedSince}}{{else}}N/A{{end}}\t{{.Size}}";
/// A header for each field.
pub const HEADERS: &[(&str, &str)] = &[
    ("ID", "IMAGE ID"),
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("Digest", "DIGEST"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Size", "SIZE"),
    ("Containers", "CONTAINERS"),
    ("VirtualSize", "SIZE"),
    ("SharedSize", "SHARED SIZE"),
    ("UniqueSize", "UNIQUE SIZE"),
];
const NONE: &str = "<none>";
const UNKNOWN: &str = "N/A";

/// A name of an image.
#[derive(Debug, Clone)]
pub struct Row {
    /// The config's digest, its algorithm before it.
    pub id: String,
    /// In docker's short form.
    pub repository: String,
    /// Where the name has one.
    pub tag: Option<String>,
    /// The digest that the name points at.
    pub digest: String,
    /// When the image was built, where it says so.
    pub created: Option<DateTime<Utc>>,
    /// Bytes of its unpacked layers; of the packed ones where it is not unpacked.
    pub size: u64,
}

/// The fields of a row.
#[must_use]
pub fn fields(row: &Row, truncate: bool, now: DateTime<Utc>) -> Json {
    json!({
        "Containers": UNKNOWN,
        "CreatedAt": row.created.map_or_else(|| UNKNOWN.to_owned(), time::go_default),
        "CreatedSince": row.created.map(|created| time::ago(created, now)).unwrap_or_default(),
        "Digest": row.digest,
        "ID": if truncate { short_id(&row.id) } else { &row.id },
        "Repository": row.repository,
        "SharedSize": UNKNOWN,
        "Size": units::decimal(row.size),
        "Tag": row.tag.as_deref().unwrap_or(NONE),
        "UniqueSize": UNKNOWN,
        "VirtualSize": units::decimal(row.size),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::template;

    #[test]
    fn images_prints_dockers_columns() {
        let row = Row {
            id: format!("sha256:{}", "77af4d6b9913".repeat(5)),
            repository: "redis".into(),
            tag: Some("alpine".into()),
            digest: format!("sha256:{}", "cbbf2f9a99b4".repeat(5)),
            created: DateTime::from_timestamp(0, 0),
            size: 116_600_000,
        };
        let untagged = Row { tag: None, created: None, ..row.clone() };
        let now = DateTime::from_timestamp(3 * 86400, 0).unwrap();
        let rows = [fields(&row, true, now), fields(&untagged, true, now)];
        insta::assert_snapshot!(template::list(None, TABLE, HEADERS, &rows).unwrap(), @r"
        REPOSITORY   TAG       IMAGE ID       CREATED      SIZE
        redis        alpine    77af4d6b9913   3 days ago   117MB
        redis        <none>    77af4d6b9913   N/A          117MB
        ");
        for (field, _) in HEADERS {
            template::list(Some(&format!("{{{{.{field}}}}}")), "", HEADERS, &rows).unwrap();
        }
    }
}
