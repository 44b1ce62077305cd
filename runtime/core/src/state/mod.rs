//! The database: what must be agreed on between processes. SQLite in WAL mode, short
//! transactions, one connection a [`State`], never carried across a fork.
//!
//! Blobs and layers are not in it: their folders, committed by rename, are the truth.

mod containers;
mod database;
mod images;
mod namespaces;
mod networks;
mod rescue;
mod snapshots;
mod survey;
mod volumes;

pub use containers::{ContainerRow, NewContainer};
pub use database::{Durability, State};
pub use images::ImageRow;
pub use namespaces::NamespaceRow;
pub use networks::{EndpointRow, NetworkRow};
pub(crate) use rescue::{Health, examine, salvage};
pub use snapshots::{SnapshotKind, SnapshotRow};
pub(crate) use survey::Rows;
pub use volumes::VolumeRow;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeZone, Utc};
use rusqlite::{Connection, OptionalExtension, Params, Row};

/// Labels as every object carries them.
pub type Labels = BTreeMap<String, String>;

type Read<T> = fn(&Row<'_>) -> rusqlite::Result<T>;

/// What `sql` finds, each row read by `read`.
fn rows<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    read: Read<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare_cached(sql)?.query_map(parameters, read)?.collect()
}

/// The first row that `sql` finds.
fn row<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    read: Read<T>,
) -> rusqlite::Result<Option<T>> {
    connection.prepare_cached(sql)?.query_row(parameters, read).optional()
}

/// Executes `sql`; how many rows that changed.
fn change(connection: &Connection, sql: &str, parameters: impl Params) -> rusqlite::Result<usize> {
    connection.prepare_cached(sql)?.execute(parameters)
}

fn to_time(nanoseconds: i64) -> DateTime<Utc> {
    Utc.timestamp_nanos(nanoseconds)
}

fn now() -> i64 {
    Utc::now().timestamp_nanos_opt().expect("the year is before 2262")
}

fn labels_to_text(labels: &Labels) -> String {
    serde_json::to_string(labels).expect("a map of strings is JSON")
}

/// Reads a JSON column; SQLite's own conversion error names the column for us.
fn json<T: serde::de::DeserializeOwned>(
    row: &rusqlite::Row<'_>,
    column: &str,
) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| {
        let index = row.as_ref().column_index(column).unwrap_or_default();
        rusqlite::Error::FromSqlConversionFailure(
            index,
            rusqlite::types::Type::Text,
            Box::new(error),
        )
    })
}
