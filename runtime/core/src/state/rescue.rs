//! A database that can't be used: what is wrong with it, and what of it can still be read.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params_from_iter};

use super::database::{SCHEMA_VERSION, State, connect, database, patiently, user_version};
use crate::{Error, Result};

/// How many of SQLite's complaints are told.
const COMPLAINTS: usize = 3;

/// Tables in the order in which they are saved.
const TABLES: [&str; 8] = [
    "namespaces",
    "images",
    "containers",
    "snapshots",
    "volumes",
    "volume_uses",
    "networks",
    "endpoints",
];

/// What a database's file is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Health {
    /// As it should be.
    Whole,
    /// There is no file.
    Missing,
    /// A file with no schema in it.
    Empty,
    /// Something else, or so damaged that SQLite does not know it.
    Foreign,
    /// SQLite's words for what is wrong.
    Damaged(String),
}

/// Has SQLite go over the whole file (`PRAGMA integrity_check`), and looks for every table.
///
/// # Errors
/// It can't be opened; [`Error::Version`] for one of a newer release.
pub(crate) fn examine(path: &Path) -> Result<Health> {
    if !path.exists() {
        return Ok(Health::Missing);
    }
    let connection = connect(path, false).map_err(database(path))?;
    let version = match patiently(|| user_version(&connection)) {
        Ok(version) => version,
        Err(error) => return judged(path, error),
    };
    if version > SCHEMA_VERSION {
        return Err(Error::Version {
            path: path.to_owned(),
            found: u32::try_from(version).unwrap_or(u32::MAX),
            known: u32::try_from(SCHEMA_VERSION).expect("a small constant"),
        });
    }
    if version == 0 {
        return Ok(Health::Empty);
    }
    match complaints(&connection, version) {
        Ok(complaints) if complaints.is_empty() => Ok(Health::Whole),
        Ok(complaints) => Ok(Health::Damaged(complaints.join("; "))),
        Err(error) => judged(path, error),
    }
}

fn judged(path: &Path, error: rusqlite::Error) -> Result<Health> {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => Ok(Health::Foreign),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::Unknown) => {
            Ok(Health::Damaged(error.to_string()))
        }
        _ => Err(database(path)(error)),
    }
}

fn complaints(connection: &Connection, version: i64) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(&format!("PRAGMA integrity_check({COMPLAINTS})"))?;
    let words = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mut found: Vec<String> = words.collect::<rusqlite::Result<_>>()?;
    found.retain(|words| words != "ok");
    for table in TABLES {
        let is_later = matches!(table, "networks" | "endpoints") && version < 2;
        if !is_later && !has_table(connection, table)? {
            found.push(format!("table {table} is missing"));
        }
    }
    Ok(found)
}

fn has_table(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    Ok(connection.query_row(sql, [table], |_| Ok(())).optional()?.is_some())
}

/// Copies every row that can be read in `from` to the new database `to`; how many.
///
/// # Errors
/// The new one can't be written. What can't be read of the old one is none.
pub(crate) fn salvage(from: &Path, to: &State) -> Result<usize> {
    let Ok(old) = connect(from, false) else { return Ok(0) };
    let mut saved = 0;
    for table in TABLES {
        saved += to.write(super::Durability::Process, |new| {
            Ok(copy(&old, new, table).map_err(to.error())?.unwrap_or(0))
        })?;
    }
    Ok(saved)
}

/// `None` where the old table can't be read at all.
fn copy(old: &Connection, new: &Connection, table: &str) -> rusqlite::Result<Option<usize>> {
    let mut columns = columns(new, table)?;
    match self::columns(old, table) {
        // An earlier schema has fewer; the rest has defaults.
        Ok(there) => columns.retain(|column| there.contains(column)),
        Err(_) => return Ok(None),
    }
    let list = columns.join(", ");
    let Ok(mut statement) = old.prepare(&format!("SELECT {list} FROM {table} NOT INDEXED")) else {
        return Ok(None);
    };
    let Ok(mut rows) = statement.query([]) else { return Ok(None) };
    let marks: Vec<String> = (1..=columns.len()).map(|n| format!("?{n}")).collect();
    let sql = format!("INSERT OR IGNORE INTO {table} ({list}) VALUES ({})", marks.join(", "));
    let mut saved = 0;
    // The first page that can't be read ends it.
    while let Ok(Some(row)) = rows.next() {
        let values: rusqlite::Result<Vec<Value>> =
            (0..columns.len()).map(|index| row.get(index)).collect();
        let Ok(values) = values else { continue };
        // A value of another type than the column's is damage too, and stays behind.
        saved += new.execute(&sql, params_from_iter(values)).unwrap_or(0);
    }
    Ok(Some(saved))
}

fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
    statement.query_map([table], |row| row.get(0))?.collect()
}
