//! Images by name.

use chrono::{DateTime, Utc};
use isopod_image::Digest;
use isopod_image::document::Descriptor;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::survey::Stored;
use super::{Labels, json, labels_to_text, now, to_time};

/// What stands before the digest in the name of an image that has no name.
const NAMELESS: &str = "<none>@";

/// By the expression of the index, which is used for no other.
const HAS_NAME: &str = "SELECT EXISTS (SELECT 1 FROM images WHERE \
    CASE WHEN json_valid(target) THEN json_extract(target, '$.digest') END = ?1)";

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
            && !Self::has_name(connection, &before.target.digest)?
        {
            let nameless = Self::nameless(&before.target.digest);
            Self::put(connection, &nameless, &before.target, &before.labels)?;
        }
        Ok(row)
    }

    /// Whether any name points at `target`.
    pub fn has_name(connection: &Connection, target: &Digest) -> rusqlite::Result<bool> {
        connection.prepare_cached(HAS_NAME)?.query_row([target.to_string()], |row| row.get(0))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Durability, State};

    /// A pull that moves a name asks this of every image that there is.
    #[test]
    fn whether_a_digest_has_a_name_is_looked_up_and_not_searched() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::create(&folder.path().join("state.db")).unwrap();
        let target = |text: &str| Descriptor::of("application/json", text.as_bytes());
        state
            .write(Durability::Process, |transaction| {
                let put = |name: &str, text: &str| {
                    ImageRow::put(transaction, name, &target(text), &Labels::new()).unwrap();
                };
                put("a:1", "one");
                put("a:2", "two");
                // Damage that is told of elsewhere is no reason to refuse the row.
                transaction
                    .execute("UPDATE images SET target = '{' WHERE name = 'a:2'", [])
                    .unwrap();
                Ok(())
            })
            .unwrap();
        let has = |text: &str| state.read(|c| ImageRow::has_name(c, &target(text).digest)).unwrap();
        assert!(has("one") && !has("two") && !has("three"));
        let plan: Vec<String> = state
            .read(|c| {
                let mut statement = c.prepare(&format!("EXPLAIN QUERY PLAN {HAS_NAME}"))?;
                statement.query_map(["x"], |row| row.get("detail"))?.collect()
            })
            .unwrap();
        assert!(plan.iter().any(|step| step.contains("images_by_digest")), "{plan:?}");
    }
}
