//! Sources of bind mounts in a container with a user namespace, and mounts with mapped ids, which libcontainer has not
//! (runtime-spec, config.md, "Mounts": `uidMappings`, `gidMappings`, `idmap`, `ridmap`).
//!
//! They are opened as the caller of the command, laid on a [`Shelf`], and libcontainer is told to bind what lies there.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use isopod_sys::idmap::{self, IdMap, IdRange};
use isopod_sys::tree;
use nix::sched::{CloneFlags, setns, unshare};
use oci_spec::runtime::{LinuxIdMapping, LinuxNamespaceType, Mount, Spec};
use rustix::fs::{CWD, Mode, OFlags, openat};

use super::{OciError, Result, system};
use crate::launcher::shelf::{self, Shelf};

/// Whether ids are mapped, and how far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    Mount,
    Recursive,
}

/// This process in a mount namespace of its own, until it leaves.
#[derive(Debug)]
pub struct Shown {
    former: OwnedFd,
    folder: OwnedFd,
}

impl Shown {
    /// Goes back to where this process was.
    pub fn leave(self) -> Result<()> {
        setns(&self.former, CloneFlags::CLONE_NEWNS).map_err(system("leave a mount namespace"))?;
        rustix::process::fchdir(&self.folder).map_err(system("go back to the working folder"))
    }
}

/// Makes the mounts that `spec` binds, if libcontainer can't, and changes `spec` to bind those. None of the paths in
/// `needed` is hidden meanwhile.
pub fn show(spec: &mut Spec, bundle: &Path, needed: &[&Path]) -> Result<Option<Shown>> {
    let mut mounts = spec.mounts().clone().unwrap_or_default();
    let container = Container::of(spec)?;
    let mut trees = Vec::new();
    for (index, mount) in mounts.iter_mut().enumerate() {
        let mapping = mapping(mount)?;
        let wanted = mapping.is_some();
        if is_bind(mount) && (wanted || container.has_users) {
            let tree = open(mount, bundle)?;
            let tree = match mapping {
                Some(depth) => map(mount, tree, depth, &container)?,
                None => tree,
            };
            trees.push((index, tree));
        } else if wanted {
            let place = mount.destination().display();
            return refuse(format!("mount {place}: only bind mounts can have mapped ids"));
        }
        forget(mount);
    }
    if trees.is_empty() {
        return Ok(None);
    }
    let folder = openat(CWD, ".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(system("open the working folder"))?;
    let former = File::open("/proc/self/ns/mnt").map_err(system("open a namespace"))?.into();
    unshare(CloneFlags::CLONE_NEWNS).map_err(system("make a mount namespace"))?;
    let shown = Shown { former, folder };
    let mut shelf = Shelf::raise(needed).map_err(system("show the sources of mounts"))?;
    for (index, tree) in trees {
        let place = shelf.put(tree.as_fd()).map_err(system("show the source of a mount"))?;
        mounts[index].set_source(Some(place));
    }
    spec.set_mounts(Some(mounts));
    Ok(Some(shown))
}

/// What of the container its mounts depend on.
struct Container {
    has_users: bool,
    /// A user namespace with its map, where it has one.
    users: Option<OwnedFd>,
}

impl Container {
    fn of(spec: &Spec) -> Result<Self> {
        let linux = spec.linux().as_ref();
        let namespaces = linux.and_then(|linux| linux.namespaces().as_ref());
        let user = namespaces.into_iter().flatten().find(|n| n.typ() == LinuxNamespaceType::User);
        let Some(user) = user else { return Ok(Self { has_users: false, users: None }) };
        let maps = linux.map(|linux| (linux.uid_mappings(), linux.gid_mappings()));
        let users = match (user.path(), maps) {
            (Some(path), _) => {
                let opened = File::open(path).map_err(|error| {
                    OciError::Start(format!("user namespace {}: {error}", path.display()))
                })?;
                Some(OwnedFd::from(opened))
            }
            (None, Some((Some(uids), Some(gids)))) if !uids.is_empty() && !gids.is_empty() => {
                // Checked, whether a mount asks for them or not.
                let maps = (ids("linux.uidMappings", uids)?, ids("linux.gidMappings", gids)?);
                Some(make(&maps)?)
            }
            _ => {
                return refuse(
                    "a new user namespace needs linux.uidMappings and linux.gidMappings",
                );
            }
        };
        Ok(Self { has_users: true, users })
    }
}

fn refuse<T>(why: impl Into<String>) -> Result<T> {
    Err(OciError::Spec(why.into()))
}

fn is_bind(mount: &Mount) -> bool {
    let says = |word: &str| mount.options().iter().flatten().any(|option| option == word);
    mount.typ().as_deref() == Some("bind") || says("bind") || says("rbind")
}

/// Whether ids are to be mapped: by an option, or by the mere presence of maps, as in runc.
fn mapping(mount: &Mount) -> Result<Option<Depth>> {
    let says = |word: &str| mount.options().iter().flatten().any(|option| option == word);
    let has =
        |maps: &Option<Vec<LinuxIdMapping>>| maps.as_ref().is_some_and(|maps| !maps.is_empty());
    let (uids, gids) = (has(mount.uid_mappings()), has(mount.gid_mappings()));
    if uids != gids {
        let place = mount.destination().display();
        return refuse(format!("mount {place}: uidMappings and gidMappings go together"));
    }
    Ok(match (says("ridmap"), says("idmap") || uids) {
        (true, _) => Some(Depth::Recursive),
        (false, true) => Some(Depth::Mount),
        (false, false) => None,
    })
}

/// The source, attached nowhere.
fn open(mount: &Mount, bundle: &Path) -> Result<OwnedFd> {
    let place = mount.destination().display();
    let Some(source) = mount.source() else {
        return refuse(format!("mount {place} has no source"));
    };
    let source = bundle.join(source);
    let recursive = mount.options().iter().flatten().any(|option| option == "rbind");
    let opened = if recursive { tree::bind(&source) } else { tree::bind_alone(&source) };
    opened.map_err(|error| {
        OciError::Start(format!("mount {place}: source {}: {error}", source.display()))
    })
}

fn map(mount: &Mount, tree: OwnedFd, depth: Depth, container: &Container) -> Result<OwnedFd> {
    let place = mount.destination().display();
    let own = match (mount.uid_mappings(), mount.gid_mappings()) {
        (Some(uids), Some(gids)) if !uids.is_empty() => {
            Some(make(&(ids("uidMappings", uids)?, ids("gidMappings", gids)?))?)
        }
        _ => None,
    };
    let Some(users) = own.as_ref().or(container.users.as_ref()) else {
        return refuse(format!(
            "mount {place}: which ids are mapped is said neither by it nor by a user namespace"
        ));
    };
    shelf::map(tree, users.as_fd(), depth == Depth::Recursive)
        .map_err(|error| OciError::Start(format!("mount {place}: {error}")))
}

fn make((uids, gids): &(IdMap, IdMap)) -> Result<OwnedFd> {
    let made = idmap::make_users(uids, gids).map_err(system("make a user namespace"))?;
    Ok(made.users)
}

fn ids(what: &str, maps: &[LinuxIdMapping]) -> Result<IdMap> {
    let range = |map: &LinuxIdMapping| IdRange {
        inside: map.container_id(),
        outside: map.host_id(),
        count: map.size(),
    };
    IdMap::new(maps.iter().map(range).collect())
        .map_err(|error| OciError::Spec(format!("{what}: {error}")))
}

/// Leaves nothing for libcontainer, which would take the words for the file system's.
fn forget(mount: &mut Mount) {
    mount.set_uid_mappings(None);
    mount.set_gid_mappings(None);
    let options: Option<Vec<String>> = mount.options().as_ref().map(|options| {
        options.iter().filter(|word| *word != "idmap" && *word != "ridmap").cloned().collect()
    });
    mount.set_options(options);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn asked(mount: Value) -> Result<Option<Depth>> {
        mapping(&serde_json::from_value(mount).unwrap())
    }

    #[test]
    fn maps_are_asked_for_by_words_or_by_being_there() {
        let map = json!([{"containerID": 0, "hostID": 1000, "size": 1}]);
        let with = |options: &[&str], uids: &Value, gids: &Value| {
            asked(
                json!({"destination": "/a", "options": options, "uidMappings": uids, "gidMappings": gids}),
            )
        };
        let none = Value::Null;
        assert_eq!(with(&["rbind"], &none, &none).unwrap(), None);
        assert_eq!(with(&["rbind", "idmap"], &none, &none).unwrap(), Some(Depth::Mount));
        assert_eq!(with(&["rbind", "ridmap"], &map, &map).unwrap(), Some(Depth::Recursive));
        assert_eq!(with(&["rbind"], &map, &map).unwrap(), Some(Depth::Mount));
        assert!(with(&["rbind"], &map, &none).unwrap_err().to_string().contains("go together"));
    }

    #[test]
    fn libcontainer_hears_nothing_of_them() {
        let map = json!([{"containerID": 0, "hostID": 1000, "size": 1}]);
        let mut mount = serde_json::from_value(json!({
            "destination": "/a", "options": ["ro", "idmap", "rbind", "ridmap"], "uidMappings": map, "gidMappings": map,
        }))
        .unwrap();
        forget(&mut mount);
        assert_eq!(mount.options().as_deref().unwrap(), ["ro", "rbind"]);
        assert_eq!((mount.uid_mappings(), mount.gid_mappings()), (&None, &None));
    }
}
