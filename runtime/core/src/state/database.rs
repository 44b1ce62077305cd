//! Opening, migrating and transacting.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use isopod_sys::step::step;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::{Error, Result};

/// How long a writer waits for another before it gives up. Transactions here take
/// microseconds; a minute means that somebody is stopped in one.
const BUSY: Duration = Duration::from_secs(60);

/// `PRAGMA user_version` of the schema below.
pub(super) const SCHEMA_VERSION: i64 = SCHEMAS.len() as i64;

/// What each version adds to the one before.
const SCHEMAS: [&str; 3] = [FIRST, NETWORKS, IMAGES_BY_DIGEST];

/// A target that is no JSON is damage to be told of, and no reason for SQLite to refuse the row.
const IMAGES_BY_DIGEST: &str = "
CREATE INDEX images_by_digest ON images
    (CASE WHEN json_valid(target) THEN json_extract(target, '$.digest') END);
";

const NETWORKS: &str = "
CREATE TABLE networks (
    id      TEXT PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    created INTEGER NOT NULL,
    labels  TEXT NOT NULL,
    record  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE endpoints (
    network   TEXT NOT NULL,
    namespace TEXT NOT NULL,
    container TEXT NOT NULL,
    ip        TEXT,
    ip6       TEXT,
    record    TEXT NOT NULL,
    PRIMARY KEY (network, namespace, container)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX endpoint_addresses ON endpoints (network, ip) WHERE ip IS NOT NULL;
CREATE UNIQUE INDEX endpoint_addresses6 ON endpoints (network, ip6) WHERE ip6 IS NOT NULL;
CREATE INDEX endpoints_of_containers ON endpoints (namespace, container);

ALTER TABLE volumes ADD COLUMN options TEXT NOT NULL DEFAULT '{}';
";

const FIRST: &str = "
CREATE TABLE namespaces (
    name    TEXT PRIMARY KEY,
    created INTEGER NOT NULL,
    labels  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE images (
    name    TEXT PRIMARY KEY,
    target  TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    labels  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE containers (
    namespace TEXT NOT NULL,
    id        TEXT NOT NULL,
    name      TEXT,
    image     TEXT,
    created   INTEGER NOT NULL,
    labels    TEXT NOT NULL,
    record    TEXT NOT NULL,
    PRIMARY KEY (namespace, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX container_names ON containers (namespace, name) WHERE name IS NOT NULL;

CREATE TABLE snapshots (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    key       TEXT NOT NULL UNIQUE,
    kind      TEXT NOT NULL,
    layers    TEXT NOT NULL,
    parent    TEXT NOT NULL,
    created   INTEGER NOT NULL,
    labels    TEXT NOT NULL
) STRICT;

CREATE TABLE volumes (
    name      TEXT PRIMARY KEY,
    anonymous INTEGER NOT NULL,
    populated INTEGER NOT NULL,
    created   INTEGER NOT NULL,
    labels    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE volume_uses (
    volume    TEXT NOT NULL,
    namespace TEXT NOT NULL,
    container TEXT NOT NULL,
    PRIMARY KEY (volume, namespace, container)
) STRICT, WITHOUT ROWID;
";

/// What a committed transaction survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The death of every process, but not a power cut: for what a power cut ends anyway.
    Process,
    /// A power cut: the log is synced before the call returns.
    Power,
}

/// A connection of this process.
#[derive(Debug)]
pub struct State {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl State {
    /// Opens the database at `path`, migrating it.
    ///
    /// # Errors
    /// [`Error::Database`]; [`Error::Version`] for one that a newer release wrote;
    /// [`Error::Corrupt`] for a file that is no database, or is gone or empty: with a new one, everything
    /// beside it would be taken for garbage.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Err(damaged(path, "it is gone"));
        }
        Self::prepare(path, false)
    }

    /// Opens the database at `path`, creating it if it is not there or empty.
    ///
    /// # Errors
    /// As [`State::open`].
    pub fn create(path: &Path) -> Result<Self> {
        // SQLite would make it readable for everybody, should somebody else have made the root's folder.
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(Error::io("cannot make", path))?;
        Self::prepare(path, true)
    }

    fn prepare(path: &Path, may_create: bool) -> Result<Self> {
        let mut connection = connect(path, may_create).map_err(database(path))?;
        let version = match patiently(|| user_version(&connection)) {
            Ok(version) => version,
            Err(source)
                if source.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) =>
            {
                return Err(damaged(path, "it is not a database"));
            }
            Err(source) => return Err(database(path)(source)),
        };
        if version == 0 && !may_create {
            return Err(damaged(path, "it is empty"));
        }
        if version > SCHEMA_VERSION {
            return Err(Error::Version {
                path: path.to_owned(),
                found: u32::try_from(version).unwrap_or(u32::MAX),
                known: u32::try_from(SCHEMA_VERSION).expect("a small constant"),
            });
        }
        if version < SCHEMA_VERSION {
            patiently(|| migrate(&mut connection)).map_err(database(path))?;
        }
        Ok(Self { path: path.to_owned(), connection: Mutex::new(connection) })
    }

    /// The database's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `work` in a read transaction: one state of the database, whoever writes beside it.
    ///
    /// # Errors
    /// [`Error::Database`], or what `work` returned.
    pub fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let connection = self.lock();
        let transaction = patiently(|| {
            let begun = Transaction::new_unchecked(&connection, TransactionBehavior::Deferred)?;
            // Only the first look takes the lock.
            begun.pragma_query_value(None, "user_version", |_| Ok(()))?;
            Ok(begun)
        })
        .map_err(database(&self.path))?;
        work(&transaction).map_err(database(&self.path))
    }

    /// Runs `work` in a write transaction, committed if it returns `Ok`.
    ///
    /// # Errors
    /// [`Error::Database`], or what `work` returned; nothing is written then.
    pub fn write<T>(
        &self,
        durability: Durability,
        work: impl FnOnce(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        let connection = self.lock();
        let level = match durability {
            Durability::Process => "NORMAL",
            Durability::Power => "FULL",
        };
        connection.pragma_update(None, "synchronous", level).map_err(database(&self.path))?;
        let begin = || Transaction::new_unchecked(&connection, TransactionBehavior::Immediate);
        let transaction = patiently(begin).map_err(database(&self.path))?;
        step("state.begun");
        let value = work(&transaction)?;
        step("state.written");
        transaction.commit().map_err(database(&self.path))?;
        step("state.committed");
        Ok(value)
    }

    /// A panic in another thread's transaction rolled it back, and leaves nothing to fear.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wraps an error of the database for use inside [`State::write`].
    pub fn error(&self) -> impl Fn(rusqlite::Error) -> Error + '_ {
        |source| database(&self.path)(source)
    }
}

/// SQLITE_IOERR_SHMSIZE: the shared memory beside the database can't grow (sqlite.org/rescode.html).
const SHARED_MEMORY: i32 = 4874;

pub(super) fn database(path: &Path) -> impl FnOnce(rusqlite::Error) -> Error {
    let path = path.to_owned();
    // What SQLite says where the file that its processes share can't grow.
    const SHARED_FILE_CANNOT_GROW: i32 = 4874;
    let is_full = |error: &rusqlite::Error| {
        error.sqlite_error().is_some_and(|error| {
            error.code == rusqlite::ErrorCode::DiskFull
                || error.extended_code == SHARED_FILE_CANNOT_GROW
        })
    };
    move |source| match source.sqlite_error_code() {
        _ if is_full(&source) => Error::Io {
            action: "cannot use the database",
            path,
            source: rustix::io::Errno::NOSPC.into(),
        },
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
            Error::Corrupt { path, detail: source.to_string() }
        }
        // SQLite's own words for it are «disk I/O error», or «database or disk is full».
        Some(rusqlite::ErrorCode::DiskFull) => full(path),
        _ if source.sqlite_error().is_some_and(|error| error.extended_code == SHARED_MEMORY) => {
            full(path)
        }
        _ => Error::Database { path, source },
    }
}

fn full(path: PathBuf) -> Error {
    let source = rustix::io::Errno::NOSPC.into();
    Error::Io { action: "cannot write the database", path, source }
}

fn damaged(path: &Path, what: &str) -> Error {
    let detail = format!(
        "{what}; restore it, or have `isopod system fsck --repair` make one of what is left"
    );
    Error::Corrupt { path: path.to_owned(), detail }
}

pub(super) fn connect(path: &Path, may_create: bool) -> rusqlite::Result<Connection> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, may_create);
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

pub(super) fn user_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// SQLite waits by itself where it can; while another process ends as the last one that had the database
/// open, or turns a new one to WAL mode, it says at once that it is busy (sqlite.org/wal.html, section 8).
pub(super) fn patiently<T>(
    mut attempt: impl FnMut() -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let end = Instant::now() + BUSY;
    loop {
        match attempt() {
            Err(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
                    && Instant::now() < end =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            other => return other,
        }
    }
}

/// WAL mode stays with the file, so that only its creator pays for setting it.
fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have migrated between our look and our lock.
    let found = user_version(&transaction)?;
    if found < SCHEMA_VERSION {
        for schema in &SCHEMAS[usize::try_from(found).unwrap_or(0)..] {
            transaction.execute_batch(schema)?;
        }
        transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    }
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn a_file_that_is_no_database_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        std::fs::write(&path, vec![b'x'; 8192]).unwrap();
        let error = State::open(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("state.db"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), vec![b'x'; 8192]);
    }

    #[test]
    fn a_database_of_a_newer_release_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        let error = State::open(&path).unwrap_err();
        assert!(error.to_string().contains("version 99"), "{error}");
    }

    #[test]
    fn many_threads_open_a_new_database_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| State::create(&path).map(drop).unwrap());
            }
        });
    }

    #[test]
    fn a_failed_write_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::create(&folder.path().join("state.db")).unwrap();
        let refused = state.write(Durability::Process, |transaction| {
            transaction
                .execute("INSERT INTO namespaces VALUES ('a', 0, '{}')", [])
                .map_err(state.error())?;
            Err::<(), _>(Error::Invalid("changed my mind".to_owned()))
        });
        assert!(refused.is_err());
        let count: i64 = state
            .read(|c| c.query_row("SELECT count(*) FROM namespaces", [], |row| row.get(0)))
            .unwrap();
        assert_eq!(count, 0);
    }
}
