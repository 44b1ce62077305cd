//! Images by name.

use chrono::{DateTime, Utc};
use isopod_image::Digest;
use isopod_image::document::Descriptor;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::survey::Stored;
use super::{Labels, json, labels_to_text, now, to_time};

/// What stands before the digest in the name of an image that has no name.
const NAMELESS: &str = "<none>@";

/// A name and what it points at.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageRow {
    /// The canonical reference.
    pub name: String,
    /// The manifest or index.
    pub target: Descriptor,
    /// When the name first appeared.
    pub created: DateTime<Utc>,
    /// When its target or labels last changed.
    pub updated: DateTime<Utc>,
    /// Labels.
    pub labels: Labels,
}

impl Stored for ImageRow {
    const TABLE: &'static str = "images";
    const KEY: &'static [&'static str] = &["name"];

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Self::from_row(row)
    }
}

impl ImageRow {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            name: row.get("name")?,
            target: json(row, "target")?,
            created: to_time(row.get("created")?),
            updated: to_time(row.get("updated")?),
            labels: json(row, "labels")?,
        })
    }

    /// What tells an image without a name from others.
    pub fn nameless(target: &Digest) -> String {
        format!("{NAMELESS}{target}")
    }

    /// Whether `name` is one that nobody gave.
    pub fn is_nameless(name: &str) -> bool {
        name.starts_with(NAMELESS)
    }

    /// All, by name.
    pub fn list(connection: &Connection) -> rusqlite::Result<Vec<Self>> {
        connection
            .prepare_cached("SELECT * FROM images ORDER BY name")?
            .query_map([], Self::from_row)?
            .collect()
    }

    /// The one called `name`.
    pub fn get(connection: &Connection, name: &str) -> rusqlite::Result<Option<Self>> {
        connection
            .prepare_cached("SELECT * FROM images WHERE name = ?1")?
            .query_row([name], Self::from_row)
            .optional()
    }

    /// Points `name` at `target`, which is not without a name then; labels of an existing name stay, and
    /// `labels` are added.
    pub fn put(
        connection: &Connection,
        name: &str,
        target: &Descriptor,
        labels: &Labels,
    ) -> rusqlite::Result<Self> {
        let before = Self::get(connection, name)?;
        let mut all = before.as_ref().map(|row| row.labels.clone()).unwrap_or_default();
        all.extend(labels.clone());
        let target_text = serde_json::to_string(target).expect("a descriptor is JSON");
        let now = now();
        connection
            .prepare_cached(
                "INSERT INTO images (name, target, created, updated, labels) \
                 VALUES (?1, ?2, ?3, ?3, ?4) ON CONFLICT (name) DO UPDATE \
                 SET target = ?2, updated = ?3, labels = ?4",
            )?
            .execute(params![name, target_text, now, labels_to_text(&all)])?;
        if !Self::is_nameless(name) {
            Self::delete(connection, &Self::nameless(&target.digest))?;
        }
        Ok(Self {
            name: name.to_owned(),
            target: target.clone(),
            created: before.map_or_else(|| to_time(now), |row| row.created),
            updated: to_time(now),
            labels: all,
        })
    }

    /// As [`Self::put`]; an image that loses its last name so stays without one (docker's dangling images).
    pub fn put_keeping(
        connection: &Connection,
        name: &str,
        target: &Descriptor,
        labels: &Labels,
    ) -> rusqlite::Result<Self> {
        let before = Self::get(connection, name)?;
        let row = Self::put(connection, name, target, labels)?;
        if let Some(before) = before
            && before.target.digest != target.digest
            && !Self::list(connection)?.iter().any(|row| row.target.digest == before.target.digest)
        {
            let nameless = Self::nameless(&before.target.digest);
            Self::put(connection, &nameless, &before.target, &before.labels)?;
        }
        Ok(row)
    }

    /// Replaces the labels of `name`.
    pub fn set_labels(
        connection: &Connection,
        name: &str,
        labels: &Labels,
    ) -> rusqlite::Result<bool> {
        let changed = connection
            .prepare_cached("UPDATE images SET labels = ?2, updated = ?3 WHERE name = ?1")?
            .execute(params![name, labels_to_text(labels), now()])?;
        Ok(changed > 0)
    }

    /// Forgets `name`; whether it was there.
    pub fn delete(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
        let deleted =
            connection.prepare_cached("DELETE FROM images WHERE name = ?1")?.execute([name])?;
        Ok(deleted > 0)
    }
}
