//! A user namespace of a container's own: which ids of the host's it has, what goes together with it, and how the
//! specification says so. Files are mapped on the way in (`docs/monitor.md`), so that on the disk they keep the
//! ids that they have in the image: nothing is changed owner, and what a container wrote can be committed, copied and
//! used by another with other ids.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use isopod_sys::idmap::{self, IdMap, IdRange};
use isopod_sys::lock::Lock;
use oci_spec::runtime::{
    LinuxIdMapping, LinuxIdMappingBuilder, LinuxNamespaceBuilder, LinuxNamespaceType, Spec,
};

use super::record::Record;
use super::settings::{Mount, Namespace, Network, Settings, UserNamespace, Users};
use crate::layout::private_folder;
use crate::state::ContainerRow;
use crate::{Error, Result, Runtime};

/// Whose subordinate ids containers take, as podman's `--userns=auto` does.
const OWNER: &str = "containers";

/// How many ids a container has unless told otherwise: as many as images use.
const USUAL_SIZE: u32 = 65_536;

/// What docker sets for everybody, and who has fewer groups can't have.
const PING_GROUPS: &str = "net.ipv4.ping_group_range";

impl UserNamespace {
    /// Its maps, of users and of groups.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a range that is none, or one with the host's root in it.
    pub fn maps(&self) -> Result<(IdMap, IdMap)> {
        let map = |outside: u32| {
            if outside == 0 {
                return Err(Error::Invalid(
                    "a user namespace must not have the host's root in it: begin above 0"
                        .to_owned(),
                ));
            }
            let range = IdRange { inside: 0, outside, count: self.size };
            IdMap::new(vec![range]).map_err(|error| Error::Invalid(error.to_string()))
        };
        Ok((map(self.uid)?, map(self.gid)?))
    }

    /// Makes the namespace, and a network namespace that belongs to it.
    pub(super) fn make(&self) -> Result<idmap::Users> {
        let (uids, gids) = self.maps()?;
        idmap::make_users(&uids, &gids)
            .map_err(|source| Error::System { action: "cannot make a user namespace", source })
    }
}

impl Settings {
    /// The user namespace of its own that a created container has.
    #[must_use]
    pub fn user_namespace(&self) -> Option<UserNamespace> {
        match self.users {
            Users::Mapped(users) => Some(users),
            Users::Host | Users::Auto { .. } => None,
        }
    }
}

/// Refuses what can't be in a user namespace, rather than weaken either of the two.
pub(super) fn check(settings: &Settings) -> Result<()> {
    let Some(users) = settings.user_namespace() else { return Ok(()) };
    users.maps()?;
    let own = &settings.namespaces;
    let is_own = |namespace: &Namespace| *namespace == Namespace::Private;
    let lingers = |mount: &Mount| match mount {
        Mount::Bind { options, .. } | Mount::Volume { options, .. } => {
            options.iter().any(|option| option.ends_with("slave") || option.ends_with("shared"))
        }
        _ => false,
    };
    // libcontainer binds a device there from under the very name.
    let is_renamed = |device: &String| {
        let mut words = device.split(':');
        let host = words.next();
        words.next().is_some_and(|inside| inside.starts_with('/') && Some(inside) != host)
    };
    let reasons = [
        (settings.privileged, "privileged containers"),
        (
            matches!(
                settings.network,
                Network::Host | Network::Namespace(_) | Network::Container(_)
            ),
            "a network namespace of somebody else's",
        ),
        (!is_own(&own.pid), "a pid namespace of somebody else's"),
        (!is_own(&own.ipc), "an IPC namespace of somebody else's"),
        (!is_own(&own.uts), "a UTS namespace of somebody else's"),
        (!is_own(&own.cgroup), "a cgroup namespace of somebody else's"),
        (
            settings.rootfs_propagation.is_some() || settings.mounts.iter().any(lingers),
            "mounts that propagate",
        ),
        (settings.devices.iter().any(is_renamed), "devices under another name"),
    ];
    match reasons.iter().find(|(is_there, _)| *is_there) {
        None => Ok(()),
        Some((_, what)) => Err(Error::Unsupported(format!(
            "{what} can't be had with a user namespace of the container's own: use the host's"
        ))),
    }
}

/// Has `spec` say which user namespace the monitor is handed, and what it maps.
pub(super) fn join(spec: &mut Spec, users: UserNamespace, path: PathBuf) -> Result<()> {
    let process = spec.process().as_ref().map(|process| process.user().clone()).unwrap_or_default();
    let ids = [process.uid(), process.gid()];
    let others = process.additional_gids().clone().unwrap_or_default();
    if let Some(id) = ids.iter().chain(&others).find(|id| **id >= users.size) {
        return Err(Error::Invalid(format!(
            "id {id} of the container's process is not among the {} of its user namespace: give it more",
            users.size
        )));
    }
    let linux = spec.linux_mut().as_mut();
    let Some(linux) = linux else { return Ok(()) };
    let wrong = |error: oci_spec::OciSpecError| Error::Invalid(error.to_string());
    let namespace = LinuxNamespaceBuilder::default().typ(LinuxNamespaceType::User).path(path);
    let mut namespaces = linux.namespaces().clone().unwrap_or_default();
    namespaces.push(namespace.build().map_err(wrong)?);
    linux.set_namespaces(Some(namespaces));
    let map = |outside: u32| -> Result<Option<Vec<LinuxIdMapping>>> {
        let map = LinuxIdMappingBuilder::default().container_id(0u32).host_id(outside);
        Ok(Some(vec![map.size(users.size).build().map_err(wrong)?]))
    };
    linux.set_uid_mappings(map(users.uid)?);
    linux.set_gid_mappings(map(users.gid)?);
    if let Some(sysctls) = linux.sysctl_mut() {
        // All groups that there are, instead of all that there could be.
        if let Some(range) = sysctls.get_mut(PING_GROUPS) {
            *range = format!("0 {}", users.size - 1);
        }
    }
    Ok(())
}

/// Ids for a container, given to nobody else as long as this is held.
#[derive(Debug)]
pub(super) struct Allocated {
    _lock: Option<Lock>,
}

/// Turns a wish for any ids into ids that no other container has.
pub(super) fn allocate(runtime: &Runtime, settings: &mut Settings) -> Result<Allocated> {
    let Users::Auto { size } = settings.users else { return Ok(Allocated { _lock: None }) };
    let size = size.unwrap_or(USUAL_SIZE);
    let folder = runtime.layout().state();
    let path = folder.join("users.lock");
    let lock = private_folder(folder)
        .and_then(|()| Lock::exclusive(&path))
        .map_err(Error::io("cannot lock", &path))?;
    let taken = runtime.state().read(ContainerRow::list_all)?;
    // One that can't be read may have any; its user namespace is none that could be joined from another's.
    let taken: Vec<UserNamespace> =
        taken.iter().filter_map(|row| Record::parse(row).ok()?.settings.user_namespace()).collect();
    let find = |path: &str, first: fn(&UserNamespace) -> u32| -> Result<u32> {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            other => other.map_err(Error::io("cannot read", Path::new(path)))?,
        };
        let used: Vec<(u32, u32)> = taken.iter().map(|one| (first(one), one.size)).collect();
        free(&subordinate(&text, OWNER), &used, size).ok_or_else(|| {
            Error::Invalid(format!(
                "{path} has no {size} ids for user {OWNER} that no container has: \
                 add a line such as {OWNER}:2147483647:2147483648"
            ))
        })
    };
    let uid = find("/etc/subuid", |users| users.uid)?;
    let gid = find("/etc/subgid", |users| users.gid)?;
    settings.users = Users::Mapped(UserNamespace { uid, gid, size });
    Ok(Allocated { _lock: Some(lock) })
}

/// The ranges of a user, first and count, by subuid(5); lines that are none are passed over.
fn subordinate(text: &str, owner: &str) -> Vec<(u32, u32)> {
    let range = |line: &str| {
        let mut fields = line.split(':');
        let (name, first, count) = (fields.next()?, fields.next()?, fields.next()?);
        let number = |text: &str| {
            let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
            is_plain.then(|| text.parse::<u32>().ok()).flatten()
        };
        let (first, count) = (number(first)?, number(count)?);
        let is_whole = name == owner && fields.next().is_none() && first > 0;
        is_whole.then_some((first, count))
    };
    text.lines().filter_map(range).collect()
}

/// The first of `size` ids in one of the ranges `ours` that is in none of `used`.
fn free(ours: &[(u32, u32)], used: &[(u32, u32)], size: u32) -> Option<u32> {
    let end = |(first, count): &(u32, u32)| u64::from(*first) + u64::from(*count);
    for range in ours {
        // Either at the beginning, or behind somebody.
        let mut starts: Vec<u64> = used.iter().map(end).collect();
        starts.push(range.0.into());
        starts.sort_unstable();
        let fits = |start: &u64| {
            let last = start + u64::from(size);
            let is_free = used.iter().all(|one| end(one) <= *start || u64::from(one.0) >= last);
            // 4294967295 is no id.
            *start >= range.0.into() && last <= end(range).min(u32::MAX.into()) && is_free
        };
        if let Some(start) = starts.iter().find(|start| fits(start)) {
            return u32::try_from(*start).ok().filter(|_| size > 0);
        }
    }
    None
}

/// A descriptor of it for the monitor, and the network namespace for whoever connects it.
pub(super) fn split(made: Option<idmap::Users>) -> (Option<OwnedFd>, Option<OwnedFd>) {
    made.map_or((None, None), |made| (Some(made.users), Some(made.network)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_whole_lines_of_the_owner_count() {
        let text = "root:1:2\ncontainers:100000:65536\n# containers:5:5\ncontainers:7\ncontainers:a:7\n\
                    containers:0:10\ncontainers:+5:5\ncontainers:5:5:5\ncontainersx:9:9\ncontainers:200000:10";
        assert_eq!(subordinate(text, OWNER), [(100_000, 65_536), (200_000, 10)]);
    }

    proptest! {
        /// However many come and go: nobody gets an id that another has, or that is not ours.
        #[test]
        fn nobody_gets_what_another_has(
            ours in prop::collection::vec((1u32..200, 0u32..60), 1..4),
            sizes in prop::collection::vec(0u32..20, 1..20),
            leaves in prop::collection::vec(any::<bool>(), 20),
        ) {
            let mut used: Vec<(u32, u32)> = Vec::new();
            for (size, leaves) in sizes.into_iter().zip(leaves) {
                let is_used = |id: u32| used.iter().any(|(first, count)| (*first..first + count).contains(&id));
                let is_ours = |id: u32| ours.iter().any(|(first, count)| (*first..first + count).contains(&id));
                match free(&ours, &used, size) {
                    Some(first) => {
                        prop_assert!(size > 0);
                        prop_assert!((first..first + size).all(|id| is_ours(id) && !is_used(id)));
                        used.push((first, size));
                    }
                    None => {
                        // There is indeed no room in any one range.
                        let fits = |(from, count): &(u32, u32)| (*from..from + count).any(|first| {
                            size > 0 && first + size <= from + count && (first..first + size).all(|id| !is_used(id))
                        });
                        prop_assert!(!ours.iter().any(fits));
                    }
                }
                if leaves && !used.is_empty() {
                    used.remove(0);
                }
            }
        }
    }

    #[test]
    fn the_last_ids_are_none() {
        assert_eq!(free(&[(u32::MAX - 10, 11)], &[], 10), Some(u32::MAX - 10));
        assert_eq!(free(&[(u32::MAX - 9, 10)], &[], 10), None);
    }

    #[test]
    fn the_hosts_root_is_in_no_user_namespace() {
        for (uid, gid) in [(0, 1000), (1000, 0)] {
            assert!(UserNamespace { uid, gid, size: 10 }.maps().is_err());
        }
        assert!(UserNamespace { uid: 1000, gid: u32::MAX - 5, size: 10 }.maps().is_err());
        assert!(UserNamespace { uid: 1000, gid: 2000, size: 0 }.maps().is_err());
        let (uids, gids) = UserNamespace { uid: 1000, gid: 2000, size: 10 }.maps().unwrap();
        assert_eq!((uids.outside(9), gids.outside(10)), (Some(1009), None));
    }
}
