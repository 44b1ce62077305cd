//! Containers by namespace and id. Their whole description is one JSON record; the
//! columns beside it are what queries need.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::survey::Stored;
use super::{Labels, json, labels_to_text, now, to_time};

/// A container as the database knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerRow {
    /// Its namespace.
    pub namespace: String,
    /// Its id, unique in the namespace.
    pub id: String,
    /// Its name, unique in the namespace; `ctr`'s containers have none.
    pub name: Option<String>,
    /// The image's canonical reference when it was created.
    pub image: Option<String>,
    /// When it was created.
    pub created: DateTime<Utc>,
    /// Labels.
    pub labels: Labels,
    /// [`crate::container::Record`] as JSON.
    pub record: String,
}

/// What a new row needs.
#[derive(Debug, Clone, Copy)]
pub struct NewContainer<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its id.
    pub id: &'a str,
    /// Its name.
    pub name: Option<&'a str>,
    /// The image's canonical reference.
    pub image: Option<&'a str>,
    /// Labels.
    pub labels: &'a Labels,
    /// The record.
    pub record: &'a str,
}

impl Stored for ContainerRow {
    const TABLE: &'static str = "containers";
    const KEY: &'static [&'static str] = &["namespace", "id"];

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Self::from_row(row)
    }
}

impl ContainerRow {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            namespace: row.get("namespace")?,
            id: row.get("id")?,
            name: row.get("name")?,
            image: row.get("image")?,
            created: to_time(row.get("created")?),
            labels: json(row, "labels")?,
            record: row.get("record")?,
        })
    }

    /// Those of `namespace`, newest first, as `ps` shows them.
    pub fn list(connection: &Connection, namespace: &str) -> rusqlite::Result<Vec<Self>> {
        connection
            .prepare_cached(
                "SELECT * FROM containers WHERE namespace = ?1 ORDER BY created DESC, id",
            )?
            .query_map([namespace], Self::from_row)?
            .collect()
    }

    /// Those of every namespace.
    pub fn list_all(connection: &Connection) -> rusqlite::Result<Vec<Self>> {
        connection
            .prepare_cached("SELECT * FROM containers ORDER BY namespace, created DESC, id")?
            .query_map([], Self::from_row)?
            .collect()
    }

    /// The one with this id or name; an id wins.
    pub fn exact(
        connection: &Connection,
        namespace: &str,
        text: &str,
    ) -> rusqlite::Result<Option<Self>> {
        connection
            .prepare_cached(
                "SELECT * FROM containers WHERE namespace = ?1 AND (id = ?2 OR name = ?2) \
                 ORDER BY id = ?2 DESC LIMIT 1",
            )?
            .query_row([namespace, text], Self::from_row)
            .optional()
    }

    /// Those whose id begins with `prefix`; at most three, enough to call it ambiguous.
    pub fn with_prefix(
        connection: &Connection,
        namespace: &str,
        prefix: &str,
    ) -> rusqlite::Result<Vec<Self>> {
        connection
            .prepare_cached(
                "SELECT * FROM containers WHERE namespace = ?1 \
                 AND substr(id, 1, length(?2)) = ?2 ORDER BY id LIMIT 3",
            )?
            .query_map([namespace, prefix], Self::from_row)?
            .collect()
    }

    /// Adds a row. The caller has checked that id and name are free, in the same transaction.
    pub fn insert(connection: &Connection, new: &NewContainer<'_>) -> rusqlite::Result<Self> {
        let created = now();
        connection
            .prepare_cached("INSERT INTO containers VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
            .execute(params![
                new.namespace,
                new.id,
                new.name,
                new.image,
                created,
                labels_to_text(new.labels),
                new.record
            ])?;
        Ok(Self {
            namespace: new.namespace.to_owned(),
            id: new.id.to_owned(),
            name: new.name.map(str::to_owned),
            image: new.image.map(str::to_owned),
            created: to_time(created),
            labels: new.labels.clone(),
            record: new.record.to_owned(),
        })
    }

    /// Replaces the labels.
    pub fn set_labels(
        connection: &Connection,
        namespace: &str,
        id: &str,
        labels: &Labels,
    ) -> rusqlite::Result<bool> {
        let changed = connection
            .prepare_cached("UPDATE containers SET labels = ?3 WHERE namespace = ?1 AND id = ?2")?
            .execute(params![namespace, id, labels_to_text(labels)])?;
        Ok(changed > 0)
    }

    /// Gives it another name. The caller has checked that it is free, in the same transaction.
    pub fn set_name(
        connection: &Connection,
        namespace: &str,
        id: &str,
        name: &str,
    ) -> rusqlite::Result<bool> {
        let changed = connection
            .prepare_cached("UPDATE containers SET name = ?3 WHERE namespace = ?1 AND id = ?2")?
            .execute([namespace, id, name])?;
        Ok(changed > 0)
    }

    /// Replaces the record; whether it was there.
    pub fn set_record(
        connection: &Connection,
        namespace: &str,
        id: &str,
        record: &str,
    ) -> rusqlite::Result<bool> {
        let changed = connection
            .prepare_cached("UPDATE containers SET record = ?3 WHERE namespace = ?1 AND id = ?2")?
            .execute([namespace, id, record])?;
        Ok(changed > 0)
    }

    /// Forgets it; whether it was there.
    pub fn delete(connection: &Connection, namespace: &str, id: &str) -> rusqlite::Result<bool> {
        let deleted = connection
            .prepare_cached("DELETE FROM containers WHERE namespace = ?1 AND id = ?2")?
            .execute([namespace, id])?;
        Ok(deleted > 0)
    }
}
