//! Images by name.

use chrono::{DateTime, Utc};
use isopod_image::document::Descriptor;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::survey::Stored;
use super::{Labels, json, labels_to_text, now, to_time};

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

    /// Points `name` at `target`; labels of an existing name stay, and `labels` are added.
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
        Ok(Self {
            name: name.to_owned(),
            target: target.clone(),
            created: before.map_or_else(|| to_time(now), |row| row.created),
            updated: to_time(now),
            labels: all,
        })
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
