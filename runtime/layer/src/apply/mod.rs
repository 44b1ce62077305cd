//! From entries to a folder: what a layer may write, and where (security.md, row 13).
//!
//! Every change is made by one call with the descriptor of a folder and a single name in
//! it, never a path; folders are opened one at a time without following symlinks. So
//! nothing an archive says can name a file outside, in whatever order it says it.
//!
//! - `name` turns an entry's path into names and finds whiteouts among them
//! - `chain` holds the open folders from the root to where we are
//! - `tree` remembers which folders and files are this layer's own
//! - `applier` walks to an entry's folder, `create` makes the entry there
//! - `metadata` sets owners, modes, times and attributes
//! - `whiteout` hides or removes what lower layers have, `remove` removes trees
//!
//! Semantics: OCI image-spec, layer.md, "Applying Changesets".

mod applier;
mod chain;
mod create;
mod metadata;
mod name;
mod remove;
mod tree;
mod trouble;
mod whiteout;

use std::io::BufRead;
use std::os::fd::BorrowedFd;

use thiserror::Error;

use crate::error::Cause;
use crate::limits::Limits;
use crate::tar::Archive;
use applier::Applier;
use trouble::Trouble;

pub use trouble::Refusal;

/// Where a layer goes.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// An empty folder that becomes a lower layer of overlayfs, in its format. Right only
    /// for a self-contained layer: any other one is found out, and writing stops.
    Standalone {
        /// The folder, opened for reading.
        folder: BorrowedFd<'a>,
        /// How what the layer deletes is written down.
        whiteouts: WhiteoutEncoding,
    },
    /// The parents' files, changed in place: usually a mounted overlay of the parents with
    /// a fresh upper folder, which then is the layer. Nobody else may use it meanwhile.
    Merged {
        /// The folder, opened for reading.
        folder: BorrowedFd<'a>,
    },
    /// Nowhere: only the digests are wanted, and the archive is not even parsed.
    Discard,
}

/// How a standalone folder tells overlayfs that something in lower layers is gone
/// (Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WhiteoutEncoding {
    /// Character devices 0/0 and `trusted.overlay.opaque`: for mounts by the host's root.
    Device,
    /// Character devices 0/0 and `user.overlay.opaque`: for mounts with `userxattr` in a
    /// user namespace, where devices of this one number may be made since Linux 5.8.
    UserDevice,
    /// Empty files with `user.overlay.whiteout`, and `user.overlay.opaque`: for mounts with
    /// `userxattr` where no device can be made. Understood since Linux 6.7.
    UserXattr,
}

/// Why a layer can't be unpacked alone: what it means depends on its parents.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotSelfContained {
    /// A hard link to a file that is not in the layer before it.
    #[error("`{path}` is a hard link to `{target}`, which is not in the layer")]
    HardLink {
        /// The link.
        path: String,
        /// The file it links to.
        target: String,
    },
    /// A folder whose mode and owner only a parent knows.
    #[error("the folder `{path}` has no entry in the layer")]
    ImplicitParent {
        /// The folder.
        path: String,
    },
    /// A path through a symlink, which a parent could lead elsewhere.
    #[error("`{path}` lies behind a symlink")]
    ThroughSymlink {
        /// The entry.
        path: String,
    },
    /// The layer empties the root, which overlayfs can't express.
    #[error("the layer hides everything below it")]
    RootOpaque,
}

/// Something in the layer that was left out, on purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The entry, escaped where not printable.
    pub path: String,
    /// What of it.
    pub what: SkippedWhat,
}

/// What was left out of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SkippedWhat {
    /// The character device 0/0, which overlayfs takes for a whiteout: the name is gone
    /// from the layer's view instead, as overlayfs would have it.
    #[error("the device 0/0, which means a deleted file here")]
    WhiteoutDevice,
    /// Book-keeping of aufs, `.wh..wh.*`.
    #[error("a file of aufs's own")]
    AufsMetadata,
    /// An attribute that overlayfs itself would obey.
    #[error("the attribute `{0}`, which is overlayfs's own")]
    OverlayXattr(String),
    /// An attribute of a security module, whose labels are the host's to give.
    #[error("the attribute `{0}`, which is the host's to set")]
    PolicyXattr(String),
    /// An attribute that this kind of file, this file system or this user can't have.
    #[error("the attribute `{0}`, which can't be set here")]
    UnsupportedXattr(String),
}

/// What became of a layer's entries.
#[derive(Debug)]
pub(crate) struct Applied {
    pub entries: u64,
    pub disk_bytes: u64,
    pub self_contained: Result<(), NotSelfContained>,
    pub skipped: Vec<Skipped>,
    pub skipped_count: u64,
}

/// Applies the entries of `archive` until its end, or until the layer shows not to be
/// self-contained where it must be.
pub(crate) fn apply<R: BufRead>(
    archive: &mut Archive<R>,
    target: Target<'_>,
    limits: &Limits,
) -> Result<Applied, Cause> {
    let mut applier = match target {
        Target::Discard => return Ok(Applied::nothing()),
        Target::Standalone { folder, whiteouts } => {
            if !remove::list(folder).map_err(|e| Cause::Folder(e.into()))?.is_empty() {
                return Err(Cause::NotEmpty);
            }
            Applier::new(folder, Some(whiteouts), limits)?
        }
        Target::Merged { folder } => Applier::new(folder, None, limits)?,
    };
    while let Some(entry) = archive.next()? {
        match applier.entry(&entry, archive) {
            Ok(()) => {}
            Err(Trouble::NotSelfContained(reason)) => return Ok(applier.broken_off(reason)),
            Err(trouble) => return Err(trouble.with_path(&entry.path)),
        }
    }
    applier.finish().map_err(|trouble| trouble.with_path(b"/"))
}

impl Applied {
    fn nothing() -> Self {
        let self_contained = Ok(());
        Self { entries: 0, disk_bytes: 0, self_contained, skipped: Vec::new(), skipped_count: 0 }
    }
}
