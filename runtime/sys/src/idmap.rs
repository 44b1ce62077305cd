//! Maps of user and group ids: read, translated both ways, made into user namespaces and laid over mounts.
//!
//! user_namespaces(7), "User and group ID mappings"; mount_setattr(2), "ID-mapped mounts".

#![allow(unsafe_code)]

use std::fmt;
use std::fs::{self, File};
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::str::FromStr;

/// As many ranges as the kernel takes in one map (user_namespaces(7), since Linux 4.15).
pub const MOST_RANGES: usize = 340;

/// The last id that is one: 4294967295 means "unchanged" to the kernel.
const LAST: u64 = u32::MAX as u64 - 1;

/// Why something is no map.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdMapError {
    /// Nothing is mapped.
    #[error("a map of ids needs at least one range")]
    Empty,
    /// More than the kernel takes.
    #[error("a map of ids has at most 340 ranges, not {0}")]
    TooMany(usize),
    /// Not `inside outside count`.
    #[error("{0:?} is no range of ids: give three numbers, as in 0:100000:65536")]
    Malformed(String),
    /// A range without ids, or one that goes beyond 4294967294.
    #[error("range {0} of ids is empty or goes beyond 4294967294")]
    OutOfRange(IdRange),
    /// Two ranges have an id in common, inside or outside.
    #[error("ranges {0} and {1} of ids overlap")]
    Overlap(IdRange, IdRange),
}

/// A range of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdRange {
    /// The first id in the namespace, or on the disk.
    pub inside: u32,
    /// The first id of the host's that stands for it.
    pub outside: u32,
    /// How many there are.
    pub count: u32,
}

impl fmt::Display for IdRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}", self.inside, self.outside, self.count)
    }
}

impl FromStr for IdRange {
    type Err = IdMapError;

    /// `inside:outside:count`, nothing but digits in each (security.md, row 7).
    fn from_str(text: &str) -> Result<Self, IdMapError> {
        let malformed = || IdMapError::Malformed(text.to_owned());
        let number = |part: &str| {
            let plain = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| part.parse().ok()).flatten().ok_or_else(malformed)
        };
        let parts: Vec<&str> = text.split(':').collect();
        let [inside, outside, count] = parts[..] else { return Err(malformed()) };
        let range =
            Self { inside: number(inside)?, outside: number(outside)?, count: number(count)? };
        if range.is_whole() { Ok(range) } else { Err(IdMapError::OutOfRange(range)) }
    }
}

impl IdRange {
    fn is_whole(&self) -> bool {
        let fits = |first: u32| u64::from(first) + u64::from(self.count) <= LAST + 1;
        self.count > 0 && fits(self.inside) && fits(self.outside)
    }

    fn meets(&self, other: &Self) -> bool {
        let meet = |one: u32, two: u32| {
            u64::from(one) < u64::from(two) + u64::from(other.count)
                && u64::from(two) < u64::from(one) + u64::from(self.count)
        };
        meet(self.inside, other.inside) || meet(self.outside, other.outside)
    }
}

/// Which ids of a namespace are which of the host's: ranges that have nothing in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdMap {
    ranges: Vec<IdRange>,
}

impl IdMap {
    /// Takes ranges that are whole and apart from each other.
    ///
    /// # Errors
    /// [`IdMapError`].
    pub fn new(ranges: Vec<IdRange>) -> Result<Self, IdMapError> {
        if ranges.is_empty() {
            return Err(IdMapError::Empty);
        }
        if ranges.len() > MOST_RANGES {
            return Err(IdMapError::TooMany(ranges.len()));
        }
        for (index, range) in ranges.iter().enumerate() {
            if !range.is_whole() {
                return Err(IdMapError::OutOfRange(*range));
            }
            if let Some(other) = ranges[..index].iter().find(|other| other.meets(range)) {
                return Err(IdMapError::Overlap(*other, *range));
            }
        }
        Ok(Self { ranges })
    }

    /// The ranges, in the order they were given.
    #[must_use]
    pub fn ranges(&self) -> &[IdRange] {
        &self.ranges
    }

    /// What an id of the namespace is on the host; `None` for one that is not mapped.
    #[must_use]
    pub fn outside(&self, inside: u32) -> Option<u32> {
        self.ranges.iter().find_map(|range| {
            let offset = inside.checked_sub(range.inside)?;
            (offset < range.count).then(|| range.outside + offset)
        })
    }

    /// What an id of the host is in the namespace; `None` for one that is not mapped.
    #[must_use]
    pub fn inside(&self, outside: u32) -> Option<u32> {
        self.ranges.iter().find_map(|range| {
            let offset = outside.checked_sub(range.outside)?;
            (offset < range.count).then(|| range.inside + offset)
        })
    }

    /// As the kernel's `uid_map` and `gid_map` are written.
    #[must_use]
    pub fn to_kernel(&self) -> String {
        let line =
            |range: &IdRange| format!("{} {} {}\n", range.inside, range.outside, range.count);
        self.ranges.iter().map(line).collect()
    }
}

/// A user namespace and what was made inside of it.
#[derive(Debug)]
pub struct Users {
    /// The user namespace.
    pub users: OwnedFd,
    /// A network namespace that belongs to it, with its `lo` down.
    pub network: OwnedFd,
}

/// Makes a user namespace with these maps, and a network namespace in it; descriptors keep them. Nobody lives there.
///
/// A child process makes them, for a process with threads can't be in two user namespaces: it waits for its end, which
/// comes with this process's too.
///
/// # Errors
/// `clone(2)` failed (`ENOSPC`: `/proc/sys/user/max_user_namespaces`), or the kernel refuses a map.
pub fn make_users(uids: &IdMap, gids: &IdMap) -> io::Result<Users> {
    let (wait, hold) = io::pipe()?;
    let child = Child::start(&wait, &hold)?;
    let path = |name: &str| format!("/proc/{}/{name}", child.pid);
    // Who may map everything needn't have setgroups(2) forbidden (user_namespaces(7)).
    fs::write(path("uid_map"), uids.to_kernel())?;
    fs::write(path("gid_map"), gids.to_kernel())?;
    let open = |name: &str| File::open(path(name)).map(OwnedFd::from);
    Ok(Users { users: open("ns/user")?, network: open("ns/net")? })
}

/// Killed and reaped when dropped.
struct Child {
    pid: libc::pid_t,
}

impl Child {
    fn start(wait: &PipeReader, hold: &PipeWriter) -> io::Result<Self> {
        let (wait, hold) = (wait.as_raw_fd(), hold.as_raw_fd());
        let flags = libc::CLONE_NEWUSER | libc::CLONE_NEWNET | libc::SIGCHLD;
        // SAFETY: without CLONE_VM and a stack it acts as fork. The caller may have threads: the child makes
        // system calls alone, on memory of its own, and never returns.
        let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
        match pid {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                let mut byte = 0_u8;
                // SAFETY: both descriptors are the child's copies; the byte outlives the call.
                unsafe {
                    libc::close(hold);
                    libc::read(wait, (&raw mut byte).cast(), 1);
                    libc::_exit(0)
                }
            }
            pid => Ok(Self { pid: i32::try_from(pid).expect("a process id fits in 32 bits") }),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // SAFETY: it is our own child and was not waited for, so nobody else has its id.
        unsafe {
            libc::kill(self.pid, libc::SIGKILL);
            libc::waitpid(self.pid, std::ptr::null_mut(), 0);
        }
    }
}

/// Has a mount that is attached nowhere show the ids that its files have on the disk as those that they are in the user
/// namespace `users`, with `recursive` the mounts below it too.
///
/// # Errors
/// `EINVAL` for a file system that can't be mounted so, `EPERM` for one that is already.
pub fn map_mount(tree: BorrowedFd<'_>, users: BorrowedFd<'_>, recursive: bool) -> io::Result<()> {
    let attributes = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_IDMAP,
        attr_clr: 0,
        propagation: 0,
        userns_fd: u64::try_from(users.as_raw_fd()).map_err(|_| io::ErrorKind::InvalidInput)?,
    };
    let below = if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a C string, and the attributes are a whole structure of the size given; the kernel reads
    // both during the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_fd().as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | below,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The kind of the file system that `place` lies on, for a message: its name in `/proc/filesystems` where it is one of
/// the usual ones, else its number (statfs(2)).
#[must_use]
pub fn file_system(place: BorrowedFd<'_>) -> String {
    let Ok(about) = rustix::fs::fstatfs(place) else { return "an unknown file system".to_owned() };
    let name = match about.f_type as u64 & 0xffff_ffff {
        0xef53 => "ext4",
        0x5846_5342 => "xfs",
        0x9123_683e => "btrfs",
        0x0102_1994 => "tmpfs",
        0x794c_7630 => "overlay",
        0x6969 => "nfs",
        0xff53_4d42 | 0xfe53_4d42 | 0x517b => "cifs",
        0x0102_1997 => "9p",
        0x6573_5546 => "fuse",
        0x9fa0 => "proc",
        0x6265_6572 => "sysfs",
        0x27_e0eb => "cgroup",
        0x6367_7270 => "cgroup2",
        0x2fc1_2fc1 => "zfs",
        0x2011_bab0 => "exfat",
        0x4d44 => "vfat",
        other => return format!("file system {other:#x}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests;
