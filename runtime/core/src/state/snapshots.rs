//! Writable and read-only views over layers. Committed snapshots are the layers
//! themselves and have no row.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::survey::Stored;
use super::{Labels, json, labels_to_text, now, to_time};

/// What a snapshot is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotKind {
    /// An unpacked layer.
    Committed,
    /// Writable.
    Active,
    /// Read-only.
    View,
}

impl SnapshotKind {
    /// As containerd spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Committed => "Committed",
            Self::Active => "Active",
            Self::View => "View",
        }
    }

    fn parse(text: &str) -> rusqlite::Result<Self> {
        match text {
            "Active" => Ok(Self::Active),
            "View" => Ok(Self::View),
            _ => Err(rusqlite::Error::InvalidQuery),
        }
    }
}

/// An active or view snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotRow {
    /// The number that names its folder.
    pub id: i64,
    /// The caller's name for it.
    pub key: String,
    /// Active or view.
    pub kind: SnapshotKind,
    /// The layers below it, topmost first, by their folders' names.
    pub layers: Vec<String>,
    /// The chain id of the topmost layer; empty over nothing.
    pub parent: String,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// Labels.
    pub labels: Labels,
}

impl Stored for SnapshotRow {
    const TABLE: &'static str = "snapshots";
    const KEY: &'static [&'static str] = &["key"];

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Self::from_row(row)
    }
}

impl SnapshotRow {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            key: row.get("key")?,
            kind: SnapshotKind::parse(&row.get::<_, String>("kind")?)?,
            layers: json(row, "layers")?,
            parent: row.get("parent")?,
            created: to_time(row.get("created")?),
            labels: json(row, "labels")?,
        })
    }

    /// All, by key.
    pub fn list(connection: &Connection) -> rusqlite::Result<Vec<Self>> {
        connection
            .prepare_cached("SELECT * FROM snapshots ORDER BY key")?
            .query_map([], Self::from_row)?
            .collect()
    }

    /// The one called `key`.
    pub fn get(connection: &Connection, key: &str) -> rusqlite::Result<Option<Self>> {
        connection
            .prepare_cached("SELECT * FROM snapshots WHERE key = ?1")?
            .query_row([key], Self::from_row)
            .optional()
    }

    /// Adds one; its number is in the result.
    pub fn insert(
        connection: &Connection,
        key: &str,
        kind: SnapshotKind,
        layers: &[String],
        parent: &str,
    ) -> rusqlite::Result<Self> {
        let created = now();
        let layers_text = serde_json::to_string(layers).expect("a list of strings is JSON");
        let labels = Labels::new();
        connection
            .prepare_cached(
                "INSERT INTO snapshots (key, kind, layers, parent, created, labels) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                key,
                kind.as_str(),
                layers_text,
                parent,
                created,
                labels_to_text(&labels)
            ])?;
        Ok(Self {
            id: connection.last_insert_rowid(),
            key: key.to_owned(),
            kind,
            layers: layers.to_vec(),
            parent: parent.to_owned(),
            created: to_time(created),
            labels,
        })
    }

    /// Forgets it; whether it was there.
    pub fn delete(connection: &Connection, key: &str) -> rusqlite::Result<bool> {
        let deleted =
            connection.prepare_cached("DELETE FROM snapshots WHERE key = ?1")?.execute([key])?;
        Ok(deleted > 0)
    }
}
