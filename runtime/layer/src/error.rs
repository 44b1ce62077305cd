//! Why a layer was not unpacked.

use std::error::Error;
use std::{fmt, io};

use isopod_image::digest::Digest;
use thiserror::Error;

use crate::apply::Refusal;
use crate::compression::{Compression, ZSTD_WINDOW_LIMIT};
use crate::tar::TarError;

/// A layer that could not be unpacked, or must not be.
///
/// Its folder may hold a part of it and is to be removed.
#[derive(Debug)]
pub struct LayerError {
    /// What happened.
    pub cause: Cause,
    /// What had arrived, read to its end in spite of the failure: if it is not what the
    /// descriptor promised, that is the better explanation. `None` where reading failed
    /// or the failure was ours and not the layer's.
    pub arrived: Option<Arrived>,
}

/// The bytes of a layer as they came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// Their digest.
    pub digest: Digest,
    /// Their number.
    pub size: u64,
}

impl fmt::Display for LayerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl Error for LayerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source()
    }
}

/// What went wrong with a layer.
#[derive(Debug, Error)]
pub enum Cause {
    /// The input failed.
    #[error("the layer's bytes could not be read")]
    Input(#[source] io::Error),
    /// The compressed bytes are malformed or end too early.
    #[error("the layer is not sound {compression} data")]
    Inflate {
        /// How it was to be decompressed.
        compression: Compression,
        /// What the decoder said.
        #[source]
        source: io::Error,
    },
    /// A zstd frame needs more memory than one layer gets.
    #[error("the layer needs a zstd window larger than the limit of {ZSTD_WINDOW_LIMIT} bytes")]
    Window,
    /// The archive is malformed or ambiguous.
    #[error(transparent)]
    Tar(#[from] TarError),
    /// An entry asks for what no layer may do.
    #[error("`{path}` {refusal}")]
    Refused {
        /// The entry's name, escaped where not printable.
        path: String,
        /// What it asked for.
        refusal: Refusal,
    },
    /// The layer costs more than it may.
    #[error("`{path}` exceeds the limit of {limit}")]
    Limit {
        /// The name of the entry that went beyond, escaped where not printable.
        path: String,
        /// What was exceeded.
        limit: Limit,
    },
    /// The archive expands beyond its limit.
    #[error("the layer expands to more than {0} bytes")]
    Expansion(u64),
    /// The kernel refused to write an entry.
    #[error("could not {action} `{path}`")]
    Write {
        /// What was tried, an infinitive.
        action: &'static str,
        /// The entry's name, escaped where not printable.
        path: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// A standalone layer needs an empty folder.
    #[error("the folder for the layer is not empty")]
    NotEmpty,
    /// The folder for the layer could not be used at all.
    #[error("the folder for the layer could not be read")]
    Folder(#[source] io::Error),
    /// The second thread could not be started.
    #[error("no thread could be started to decompress the layer")]
    Thread(#[source] io::Error),
}

impl Cause {
    /// Whether the layer's own bytes are at fault, so that their digest is worth knowing.
    pub(crate) fn is_in_the_bytes(&self) -> bool {
        match self {
            Self::Inflate { .. }
            | Self::Window
            | Self::Tar(_)
            | Self::Refused { .. }
            | Self::Limit { .. }
            | Self::Expansion(_) => true,
            Self::Input(_)
            | Self::Write { .. }
            | Self::NotEmpty
            | Self::Folder(_)
            | Self::Thread(_) => false,
        }
    }
}

/// A bound of [`Limits`](crate::Limits), with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Limit {
    /// Content written by the layer.
    #[error("{0} bytes of files in one layer")]
    DiskBytes(u64),
    /// Number of entries.
    #[error("{0} entries in one layer")]
    Entries(u64),
    /// Length of a file with its holes.
    #[error("{0} bytes for the length of one file")]
    FileLength(u64),
    /// Extended attributes of one entry.
    #[error("{0} bytes of extended attributes on one file")]
    XattrBytes(u64),
}
