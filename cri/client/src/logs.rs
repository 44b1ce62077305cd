//! Containers' output in the files that CRI runtimes write: one record a line, `<RFC3339Nano> stdout|stderr P|F text`
//! (Kubernetes' design proposal "kubelet-cri-logging"). A record of tag `P` is a part of a line; the rest follows.
//!
//! - [`record`]: a line of a file;
//! - [`selection`]: which records are wanted, and how they are written;
//! - [`file`]: reading a file from a number of lines before its end, and on while it is rotated.

pub mod file;
pub mod record;
pub mod selection;

use std::path::PathBuf;

pub use file::LogFile;
pub use record::{Record, Stream};
pub use selection::{Selection, Selector, Verdict};

/// Why a log can't be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file.
    #[error("cannot read log {path:?}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Something else than this format.
    #[error("log {path:?} has a line that no container runtime writes: {line:?}")]
    Format {
        /// Which.
        path: PathBuf,
        /// Its beginning.
        line: String,
    },
}
