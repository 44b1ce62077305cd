//! Namespaces: containers of different users of the runtime that don't see each other.
//! One exists because it was created, or because something is in it.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::survey::Stored;
use super::{Labels, json, labels_to_text, now, to_time};

/// A namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceRow {
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// Labels.
    pub labels: Labels,
}

impl Stored for NamespaceRow {
    const TABLE: &'static str = "namespaces";
    const KEY: &'static [&'static str] = &["name"];

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Self::from_row(row)
    }
}

impl NamespaceRow {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            name: row.get("name")?,
            created: to_time(row.get("created")?),
            labels: json(row, "labels")?,
        })
    }

    /// All, by name.
    pub fn list(connection: &Connection) -> rusqlite::Result<Vec<Self>> {
        connection
            .prepare_cached("SELECT * FROM namespaces ORDER BY name")?
            .query_map([], Self::from_row)?
            .collect()
    }

    /// The one called `name`.
    pub fn get(connection: &Connection, name: &str) -> rusqlite::Result<Option<Self>> {
        connection
            .prepare_cached("SELECT * FROM namespaces WHERE name = ?1")?
            .query_row([name], Self::from_row)
            .optional()
    }

    /// Makes `name` if it is missing; whether it was.
    pub fn ensure(connection: &Connection, name: &str, labels: &Labels) -> rusqlite::Result<bool> {
        let added = connection
            .prepare_cached("INSERT OR IGNORE INTO namespaces VALUES (?1, ?2, ?3)")?
            .execute(params![name, now(), labels_to_text(labels)])?;
        Ok(added > 0)
    }

    /// Replaces the labels of `name`.
    pub fn set_labels(
        connection: &Connection,
        name: &str,
        labels: &Labels,
    ) -> rusqlite::Result<bool> {
        let changed = connection
            .prepare_cached("UPDATE namespaces SET labels = ?2 WHERE name = ?1")?
            .execute(params![name, labels_to_text(labels)])?;
        Ok(changed > 0)
    }

    /// Forgets `name`; whether it was there.
    pub fn delete(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
        let deleted =
            connection.prepare_cached("DELETE FROM namespaces WHERE name = ?1")?.execute([name])?;
        Ok(deleted > 0)
    }
}
