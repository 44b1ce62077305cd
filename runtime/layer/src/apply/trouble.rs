//! What goes wrong with one entry, before its name is put to it.

use rustix::io::Errno;
use thiserror::Error;

use super::NotSelfContained;
use crate::error::{Cause, Limit};
use crate::tar::{TarError, printable};

/// What no layer may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// More `..` than folders before them.
    #[error("leads out of the layer")]
    Escapes,
    /// A name with more than 255 bytes, or a path with more than 4,096.
    #[error("has a name longer than the kernel's limit")]
    TooLong,
    /// A NUL in a name or link target.
    #[error("has a NUL in its name")]
    Nul,
    /// The root can only be a folder.
    #[error("would replace the layer's root")]
    Root,
    /// A whiteout of nothing, of `.` or of `..`.
    #[error("deletes a file with an impossible name")]
    ImpossibleWhiteout,
    /// A folder named like a whiteout.
    #[error("lies in a folder named like a deleted file")]
    WhiteoutFolder,
    /// A file where a folder is needed.
    #[error("lies below a file")]
    BelowFile,
    /// More than 40 symlinks on the way.
    #[error("lies behind too many symlinks")]
    SymlinkLoop,
    /// A hard link to a folder.
    #[error("is a hard link to a folder")]
    FolderLink,
    /// A hard link whose target does not exist.
    #[error("is a hard link to a file that does not exist")]
    DanglingLink,
}

/// Why an entry was not applied.
#[derive(Debug)]
pub(super) enum Trouble {
    Kernel { action: &'static str, errno: Errno },
    Refused(Refusal),
    Limit(Limit),
    Tar(TarError),
    NotSelfContained(NotSelfContained),
}

/// Makes a [`Trouble`] of a system call's error: `.map_err(doing("create"))`.
pub(super) fn doing(action: &'static str) -> impl Fn(Errno) -> Trouble {
    move |errno| Trouble::Kernel { action, errno }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<TarError> for Trouble {
    fn from(error: TarError) -> Self {
        Self::Tar(error)
    }
}

impl Trouble {
    pub fn with_path(self, path: &[u8]) -> Cause {
        let path = printable(path);
        match self {
            Self::Kernel { action, errno } => Cause::Write { action, path, source: errno.into() },
            Self::Refused(refusal) => Cause::Refused { path, refusal },
            Self::Limit(limit) => Cause::Limit { path, limit },
            Self::Tar(error) => Cause::Tar(error),
            Self::NotSelfContained(_) => {
                unreachable!("ends the writing of a standalone layer without an error")
            }
        }
    }
}
