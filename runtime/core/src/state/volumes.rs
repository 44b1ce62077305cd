//! Volumes and who uses them.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, Row, params};

use super::survey::Stored;
use super::{Labels, change, json, labels_to_text, now, row, rows, to_time};

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeRow {
    /// Its name; 64 hex characters for an anonymous one.
    pub name: String,
    /// Made for one container, and removed with it where asked.
    pub anonymous: bool,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// Labels.
    pub labels: Labels,
    /// What its driver was told (`type`, `device`, `o`).
    pub options: Labels,
}

impl Stored for VolumeRow {
    const TABLE: &'static str = "volumes";
    const KEY: &'static [&'static str] = &["name"];

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Self::from_row(row)
    }
}

impl VolumeRow {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            name: row.get("name")?,
            anonymous: row.get("anonymous")?,
            created: to_time(row.get("created")?),
            labels: json(row, "labels")?,
            options: json(row, "options")?,
        })
    }

    /// All, by name.
    pub fn list(connection: &Connection) -> rusqlite::Result<Vec<Self>> {
        rows(connection, "SELECT * FROM volumes ORDER BY name", [], Self::from_row)
    }

    /// The one called `name`.
    pub fn get(connection: &Connection, name: &str) -> rusqlite::Result<Option<Self>> {
        row(connection, "SELECT * FROM volumes WHERE name = ?1", [name], Self::from_row)
    }

    /// Makes `name` if it is missing; whether it was. The column `populated` is an earlier release's.
    pub fn insert(
        connection: &Connection,
        name: &str,
        anonymous: bool,
        labels: &Labels,
        options: &Labels,
    ) -> rusqlite::Result<bool> {
        let added = connection
            .prepare_cached("INSERT OR IGNORE INTO volumes VALUES (?1, ?2, 0, ?3, ?4, ?5)")?
            .execute(params![
                name,
                anonymous,
                now(),
                labels_to_text(labels),
                labels_to_text(options)
            ])?;
        Ok(added > 0)
    }

    /// Notes that a container uses it.
    pub fn add_use(
        connection: &Connection,
        name: &str,
        namespace: &str,
        container: &str,
    ) -> rusqlite::Result<()> {
        change(
            connection,
            "INSERT OR IGNORE INTO volume_uses VALUES (?1, ?2, ?3)",
            [name, namespace, container],
        )
        .map(drop)
    }

    /// The containers that use it, as `namespace/id`.
    pub fn uses(connection: &Connection, name: &str) -> rusqlite::Result<Vec<String>> {
        rows(
            connection,
            "SELECT namespace || '/' || container FROM volume_uses WHERE volume = ?1 \
                 ORDER BY 1",
            [name],
            |row| row.get(0),
        )
    }

    /// Those a container uses.
    pub fn of_container(
        connection: &Connection,
        namespace: &str,
        container: &str,
    ) -> rusqlite::Result<Vec<Self>> {
        rows(
            connection,
            "SELECT volumes.* FROM volumes JOIN volume_uses ON volume = volumes.name \
                 WHERE namespace = ?1 AND container = ?2 ORDER BY volumes.name",
            [namespace, container],
            Self::from_row,
        )
    }

    /// Forgets a container's uses.
    pub fn release(
        connection: &Connection,
        namespace: &str,
        container: &str,
    ) -> rusqlite::Result<()> {
        change(
            connection,
            "DELETE FROM volume_uses WHERE namespace = ?1 AND container = ?2",
            [namespace, container],
        )
        .map(drop)
    }

    /// Forgets it; whether it was there.
    pub fn delete(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
        Ok(change(connection, "DELETE FROM volumes WHERE name = ?1", [name])? > 0)
    }
}
