//! A tar reader for foreign archives (ustar, pax, GNU and v7 headers), and a writer.
//!
//! The reader differs from general ones in what it refuses. Where two well-known readers
//! disagree about where the next header lies (a size on an entry that has no content,
//! an extended size on a hard link), an archive could show one content to a scanner
//! and another to us (CVE-2025-62518, RUSTSEC-2026-0113); such archives are errors.
//! One number, the effective size, serves both reading an entry and skipping it.
//!
//! Formats: POSIX.1-2017 `pax`, "Extended Header" and "ustar Interchange Format";
//! GNU tar manual, "Basic Tar Format" and "Sparse Formats".

mod archive;
mod header;
mod pax;
mod sparse;
mod write;

pub use archive::Archive;
pub use write::Writer;

use std::io;

use thiserror::Error;

/// Extended headers and long names larger than this are refused unless told otherwise.
pub const DEFAULT_HEADER_LIMIT: u64 = 1 << 20;

/// What an entry is, by its type flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `0`, NUL and `7`; `S` and pax sparse files too.
    File,
    /// `1`
    HardLink,
    /// `2`
    Symlink,
    /// `3`
    CharDevice,
    /// `4`
    BlockDevice,
    /// `5`, and a v7 file whose name ends with a slash.
    Folder,
    /// `6`
    Fifo,
}

/// A point in time: seconds since 1970 rounded down, and the nanoseconds after them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Time {
    /// Seconds since 1970-01-01, negative before it.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanoseconds: u32,
}

/// An extended attribute as the archive carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Xattr {
    /// Full name with its namespace, such as `security.capability`.
    pub name: Vec<u8>,
    /// The value, any bytes.
    pub value: Vec<u8>,
}

/// A piece of a sparse file that is in the archive; what lies between pieces is a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Where in the file the piece begins, in bytes.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
}

/// One entry with every extension applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name as written: not normalised, never empty, without NUL.
    pub path: Vec<u8>,
    /// The target of a link, without NUL; empty for everything else.
    pub link: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// The twelve permission bits.
    pub mode: u32,
    /// Numeric owner; never `u32::MAX`, which means "unchanged" to the kernel.
    pub uid: u32,
    /// Numeric group; never `u32::MAX`.
    pub gid: u32,
    /// Modification time.
    pub mtime: Time,
    /// Length of the file as it will be read, holes included.
    pub length: u64,
    /// The pieces of a sparse file, ascending and apart; `None` for any other file.
    pub sparse: Option<Vec<Piece>>,
    /// Device number, major and minor; zero for everything else.
    pub device: (u32, u32),
    /// Extended attributes in the order of the archive.
    pub xattrs: Vec<Xattr>,
}

/// Why an archive can't be read on.
#[derive(Debug, Error)]
pub enum TarError {
    /// The reader below failed.
    #[error("the archive could not be read at byte {position}")]
    Read {
        /// Where in the archive.
        position: u64,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// The archive ends too early.
    #[error("the archive ends at byte {position} inside {what}")]
    Truncated {
        /// Where in the archive.
        position: u64,
        /// A header, an entry's content, …
        what: &'static str,
    },
    /// A header that is no header, or says impossible things.
    #[error("the header before byte {position} {what}")]
    Header {
        /// Where the header ends.
        position: u64,
        /// What is wrong with it, a predicate.
        what: &'static str,
    },
    /// An entry that can't be understood in only one way.
    #[error("`{path}` {what}")]
    Entry {
        /// Its name, escaped where not printable.
        path: String,
        /// What is wrong with it, a predicate.
        what: &'static str,
    },
    /// An entry of a type that layers don't have.
    #[error("`{path}` has the unknown type {flag:?}")]
    Type {
        /// Its name, escaped where not printable.
        path: String,
        /// The type flag.
        flag: char,
    },
}

/// A name for messages: printable, whatever bytes it has.
pub(crate) fn printable(name: &[u8]) -> String {
    const LONGEST: usize = 300;
    match name.get(..LONGEST) {
        Some(start) => format!("{}…", start.escape_ascii()),
        None => match std::str::from_utf8(name) {
            Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
            _ => name.escape_ascii().to_string(),
        },
    }
}
