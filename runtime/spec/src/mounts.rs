//! Mounts of a container: the ones every container has, the ones a request adds, and in
//! which order (runtime-spec, config.md, "Mounts").
//!
//! libcontainer 0.7 takes the propagation of a mount in silence and drops it, and
//! passes words it does not know to the file system. So propagation is said once for the
//! whole container here, and every word is held against a list.

mod defaults;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use oci_spec::runtime::{Mount as OciMount, MountBuilder};

use crate::paths::{self, PathError};

pub use defaults::DefaultMounts;
pub(crate) use defaults::{CGROUP, defaults};

/// Why a mount is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MountError {
    /// Where it should lie is no place for it.
    #[error("mount destination is refused")]
    Destination(#[source] PathError),
    /// A source on the host is an absolute path.
    #[error("mount source is refused")]
    Source(#[source] PathError),
    /// Two mounts for one place.
    #[error("{0:?} is mounted on twice")]
    Twice(PathBuf),
    /// The kernel's own.
    #[error("{0:?} lies inside /proc, where nothing may be mounted")]
    InsideProc(PathBuf),
    /// Would be passed on in silence.
    #[error("mount option {option:?} is not supported for {kind}")]
    Option {
        /// As written.
        option: String,
        /// The kind of the mount.
        kind: String,
    },
    /// A file system the container has no business with.
    #[error("mount type {0:?} is not supported")]
    Kind(String),
    /// One container has one propagation.
    #[error("mounts ask for {0} and {1} propagation; one container can have only one of them")]
    Propagation(&'static str, &'static str),
    /// This crate sets no labels.
    #[error("{0:?} asks for an SELinux label, which is not supported on this SELinux host")]
    Relabel(PathBuf),
}

/// How mounts made later on one side reach the other (mount_namespaces(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// Not at all.
    Private,
    /// From the host into the container.
    Slave,
    /// Both ways.
    Shared,
}

impl Propagation {
    /// Reads `rprivate`, `private`, `rslave`, `slave`, `rshared` or `shared`.
    ///
    /// With libcontainer the recursive and the plain word mean the same.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "private" | "rprivate" => Some(Self::Private),
            "slave" | "rslave" => Some(Self::Slave),
            "shared" | "rshared" => Some(Self::Shared),
            _ => None,
        }
    }

    /// The word of a specification's `rootfsPropagation`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Slave => "slave",
            Self::Shared => "shared",
        }
    }
}

/// Whether a mount can be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// It can.
    #[default]
    ReadWrite,
    /// Not the mount itself; what is mounted below it still can.
    ReadOnly,
    /// Nothing of it (`mount_setattr(2)`, Linux 5.12).
    ReadOnlyRecursive,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountKind {
    /// A file or folder of the host.
    Bind {
        /// The host's path; it must exist when the container starts.
        source: PathBuf,
        /// With everything mounted below it.
        recursive: bool,
    },
    /// Memory.
    Tmpfs,
    /// A file system of the kernel, by type and source.
    Kernel {
        /// `proc`, `sysfs`, `mqueue`, `devpts`, `overlay` or `cgroup2`.
        kind: String,
        /// What the type takes for a source.
        source: String,
    },
    /// A file system with content of its own, on a disk or another machine.
    Content {
        /// One of [`CONTENT_KINDS`].
        kind: String,
        /// The device, or what the type takes for one.
        source: String,
    },
}

/// File systems that show disks or other machines, none of the kernel's own state.
pub const CONTENT_KINDS: [&str; 14] = [
    "9p", "btrfs", "ceph", "cifs", "erofs", "exfat", "ext2", "ext3", "ext4", "f2fs", "iso9660",
    "nfs", "nfs4", "xfs",
];

/// A mount a request adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where in the container.
    pub destination: PathBuf,
    /// What.
    pub kind: MountKind,
    /// Whether for writing.
    pub access: Access,
    /// `None` for whatever the container has.
    pub propagation: Option<Propagation>,
    /// `:z`, `:Z` or `relabel=`: nothing to do without SELinux.
    pub relabel: bool,
    /// Further words, each held against a list.
    pub options: Vec<String>,
}

impl Mount {
    /// A bind mount with everything below it, for writing.
    #[must_use]
    pub fn bind(source: impl Into<PathBuf>, destination: impl Into<PathBuf>) -> Self {
        let kind = MountKind::Bind { source: source.into(), recursive: true };
        Self::new(kind, destination.into())
    }

    /// A tmpfs with docker's options for one: no devices, set-user-id files or programs.
    #[must_use]
    pub fn tmpfs(destination: impl Into<PathBuf>) -> Self {
        let options = ["noexec", "nosuid", "nodev"].map(str::to_owned).to_vec();
        Self { options, ..Self::new(MountKind::Tmpfs, destination.into()) }
    }

    /// Read-only, all of it.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.access = Access::ReadOnlyRecursive;
        self
    }

    pub(crate) fn new(kind: MountKind, destination: PathBuf) -> Self {
        Self {
            destination,
            kind,
            access: Access::ReadWrite,
            propagation: None,
            relabel: false,
            options: Vec::new(),
        }
    }

    /// The document's form.
    ///
    /// # Errors
    /// See [`MountError`].
    pub fn to_oci(&self, selinux: bool) -> Result<OciMount, MountError> {
        let destination = paths::destination(&self.destination).map_err(MountError::Destination)?;
        if destination.starts_with("/proc") && destination != Path::new("/proc") {
            return Err(MountError::InsideProc(destination));
        }
        if self.relabel && selinux {
            return Err(MountError::Relabel(destination));
        }
        let (kind, source, mut options) = match &self.kind {
            MountKind::Bind { source, recursive } => {
                let source = paths::clean(source).map_err(MountError::Source)?;
                let word = if *recursive { "rbind" } else { "bind" };
                ("bind", source, vec![word.to_owned()])
            }
            MountKind::Tmpfs => ("tmpfs", "tmpfs".into(), Vec::new()),
            MountKind::Kernel { kind, source } => {
                if !KERNEL_KINDS.contains(&kind.as_str()) {
                    return Err(MountError::Kind(kind.clone()));
                }
                (kind.as_str(), source.into(), Vec::new())
            }
            MountKind::Content { kind, source } => {
                if !CONTENT_KINDS.contains(&kind.as_str()) {
                    return Err(MountError::Kind(kind.clone()));
                }
                (kind.as_str(), source.into(), Vec::new())
            }
        };
        for option in &self.options {
            if !is_allowed(option, &self.kind) {
                return Err(MountError::Option { option: option.clone(), kind: kind.to_owned() });
            }
            options.push(option.clone());
        }
        match self.access {
            Access::ReadWrite => {}
            Access::ReadOnly => options.push("ro".to_owned()),
            Access::ReadOnlyRecursive => options.extend(["ro", "rro"].map(str::to_owned)),
        }
        Ok(oci(&destination, kind, &source, &options))
    }
}

const KERNEL_KINDS: [&str; 6] = ["proc", "sysfs", "mqueue", "devpts", "overlay", "cgroup2"];

/// Words that are flags of a mount, and that libcontainer sets rather than drops.
const FLAGS: [&str; 31] = [
    "ro",
    "rw",
    "suid",
    "nosuid",
    "dev",
    "nodev",
    "exec",
    "noexec",
    "atime",
    "noatime",
    "diratime",
    "nodiratime",
    "relatime",
    "norelatime",
    "strictatime",
    "nostrictatime",
    "defaults",
    "rro",
    "rrw",
    "rsuid",
    "rnosuid",
    "rdev",
    "rnodev",
    "rexec",
    "rnoexec",
    "rrelatime",
    "rnorelatime",
    "rnoatime",
    "ratime",
    "rnosymfollow",
    "rsymfollow",
];

/// Names of `name=value` options of tmpfs(5).
const TMPFS_DATA: [&str; 8] =
    ["gid", "huge", "mode", "mpol", "nr_blocks", "nr_inodes", "size", "uid"];

fn is_allowed(option: &str, kind: &MountKind) -> bool {
    if FLAGS.contains(&option) {
        return true;
    }
    let plain = !option.contains(['\0', '\n', ',']);
    match (kind, option.split_once('=')) {
        (MountKind::Tmpfs, Some((name, value))) => {
            plain && TMPFS_DATA.contains(&name) && !value.is_empty()
        }
        (MountKind::Kernel { .. } | MountKind::Content { .. }, _) => plain && !option.is_empty(),
        _ => false,
    }
}

/// All mounts of a container: the defaults that no request replaces, `files` (source and
/// destination of the generated `/etc/hosts` and its kin) likewise, then the request's; each
/// after the folder it lies in.
///
/// # Errors
/// See [`MountError`].
pub fn assemble(
    defaults: Vec<OciMount>,
    files: &[(PathBuf, PathBuf)],
    requested: &[Mount],
    selinux: bool,
) -> Result<Vec<OciMount>, MountError> {
    let mut added: Vec<OciMount> = Vec::with_capacity(requested.len());
    for mount in requested {
        let mount = mount.to_oci(selinux)?;
        if added.iter().any(|earlier| earlier.destination() == mount.destination()) {
            return Err(MountError::Twice(mount.destination().clone()));
        }
        added.push(mount);
    }
    let mut mounts = defaults;
    for (source, destination) in files {
        mounts.push(Mount::bind(source, destination).to_oci(selinux)?);
    }
    mounts.retain(|mount| {
        let place = mount.destination();
        !added.iter().any(|added| {
            added.destination() == place
                || (added.destination() == Path::new("/dev") && place.starts_with("/dev"))
        })
    });
    mounts.extend(added);
    mounts.sort_by_key(|mount| mount.destination().components().count());
    Ok(mounts)
}

/// The propagation of a container's mounts: what its mounts ask for, private unless one
/// asks for more.
///
/// # Errors
/// [`MountError::Propagation`] where mounts disagree.
pub fn propagation(requested: &[Mount]) -> Result<Propagation, MountError> {
    let mut asked = requested.iter().filter_map(|mount| mount.propagation);
    let Some(first) = asked.next() else { return Ok(Propagation::Private) };
    match asked.find(|other| *other != first) {
        None => Ok(first),
        Some(other) => Err(MountError::Propagation(first.name(), other.name())),
    }
}

fn oci(destination: &Path, kind: &str, source: &Path, options: &[String]) -> OciMount {
    MountBuilder::default()
        .destination(destination)
        .typ(kind)
        .source(source)
        .options(options)
        .build()
        .expect("a mount without id mappings is always valid")
}
