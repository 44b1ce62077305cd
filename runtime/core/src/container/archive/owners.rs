//! What owners are called in a running container with a user namespace: its files, seen from outside, belong to ids of
//! the host's, and only who acts as one of those can make any.

use isopod_sys::idmap::IdMap;
use isopod_sys::process;
use rustix::fs::{Gid, Uid};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid};

/// Whom the kernel shows where an id is nobody's (`/proc/sys/kernel/overflowuid`).
const NOBODY: u32 = 65_534;

/// Owners as they are on the disk, or translated by maps of users and groups.
#[derive(Debug, Clone, Default)]
pub(super) struct Owners(Option<(IdMap, IdMap)>);

impl Owners {
    /// Those of a container with these maps.
    pub fn mapped(uids: IdMap, gids: IdMap) -> Self {
        Self(Some((uids, gids)))
    }

    /// What the container calls the host's ids.
    pub fn inside(&self, uid: u32, gid: u32) -> (u32, u32) {
        match &self.0 {
            None => (uid, gid),
            Some((uids, gids)) => {
                (uids.inside(uid).unwrap_or(NOBODY), gids.inside(gid).unwrap_or(NOBODY))
            }
        }
    }

    /// What the host calls the container's ids.
    ///
    /// # Errors
    /// `EOVERFLOW`, as the kernel has it, for an id that the container has not.
    pub fn outside(&self, uid: u32, gid: u32) -> Result<(Uid, Gid), Errno> {
        let (uid, gid) = match &self.0 {
            None => (uid, gid),
            Some((uids, gids)) => (
                uids.outside(uid).ok_or(Errno::OVERFLOW)?,
                gids.outside(gid).ok_or(Errno::OVERFLOW)?,
            ),
        };
        Ok((Uid::from_raw(uid), Gid::from_raw(gid)))
    }

    /// Does `work` as the container's root: whoever the host's root is, the file systems in there know him not.
    ///
    /// # Errors
    /// This thread may not act as somebody else.
    pub fn as_root<T>(&self, work: impl FnOnce() -> T) -> std::io::Result<T> {
        if self.0.is_none() {
            return Ok(work());
        }
        let (uid, gid) = self.outside(0, 0)?;
        process::act_as(uid.as_raw(), gid.as_raw())?;
        let done = work();
        process::act_as(geteuid().as_raw(), getegid().as_raw())?;
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isopod_sys::idmap::IdRange;

    #[test]
    fn owners_are_translated_both_ways() {
        let map = |outside| IdMap::new(vec![IdRange { inside: 0, outside, count: 10 }]).unwrap();
        let owners = Owners::mapped(map(1000), map(2000));
        assert_eq!(owners.inside(1003, 2004), (3, 4));
        assert_eq!(owners.inside(0, 2010), (NOBODY, NOBODY));
        let (uid, gid) = owners.outside(3, 4).unwrap();
        assert_eq!((uid.as_raw(), gid.as_raw()), (1003, 2004));
        assert_eq!(owners.outside(10, 0), Err(Errno::OVERFLOW));
        assert_eq!(Owners::default().inside(1003, 2004), (1003, 2004));
    }
}
