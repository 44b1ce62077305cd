//! The container's view of its own control groups in the layout of version 1, where libcontainer can't mount
//! it: for a process without a parent in its pid namespace it looks itself up in `/proc` by the number that it
//! has in there. In a new namespace that is 1, which is somebody; in a joined one it is nobody, or anybody.
//!
//! So the mount is replaced by what it stands for: a folder of binds, one a hierarchy.

use std::path::Path;

use isopod_sys::cgroup::Hierarchies;
use oci_spec::OciSpecError;
use oci_spec::runtime::{LinuxNamespaceType, Mount, MountBuilder, Spec};

const TMPFS: [&str; 4] = ["noexec", "nosuid", "nodev", "mode=755"];
const BIND: [&str; 4] = ["bind", "noexec", "nosuid", "nodev"];

/// Replaces the mounts of control groups in `spec`, whose process is to be in `cgroup`, if it has to be.
pub(super) fn replace(
    spec: &mut Spec,
    hierarchies: &Hierarchies,
    cgroup: &Path,
) -> Result<(), OciSpecError> {
    if hierarchies.is_unified() || !joins_pids(spec) {
        return Ok(());
    }
    let mut mounts = Vec::new();
    for mount in spec.mounts().iter().flatten() {
        match mount.typ().as_deref() {
            Some("cgroup") => mounts.extend(binds(mount, hierarchies, cgroup)?),
            _ => mounts.push(mount.clone()),
        }
    }
    spec.set_mounts(Some(mounts));
    Ok(())
}

fn joins_pids(spec: &Spec) -> bool {
    let linux = spec.linux().as_ref();
    let mut namespaces = linux.and_then(|linux| linux.namespaces().as_ref()).into_iter().flatten();
    namespaces.any(|one| one.typ() == LinuxNamespaceType::Pid && one.path().is_some())
}

/// A tmpfs, and in it each hierarchy under all of its names (`cpu,cpuacct` is `cpu` too). The tmpfs itself
/// becomes read-only with the other paths that are.
fn binds(
    mount: &Mount,
    hierarchies: &Hierarchies,
    cgroup: &Path,
) -> Result<Vec<Mount>, OciSpecError> {
    let place = mount.destination();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut mounts = vec![
        MountBuilder::default()
            .typ("tmpfs")
            .source("tmpfs")
            .destination(place)
            .options(words(&TMPFS))
            .build()?,
    ];
    let mut options = words(&BIND);
    options.extend(mount.options().iter().flatten().filter(|option| *option == "ro").cloned());
    for (name, folder) in hierarchies.v1_folders(cgroup) {
        let others = name.split(',').filter(|part| *part != name);
        for name in [name.as_str()].into_iter().chain(others) {
            mounts.push(
                MountBuilder::default()
                    .typ("bind")
                    .source(&folder)
                    .destination(place.join(name))
                    .options(options.clone())
                    .build()?,
            );
        }
    }
    Ok(mounts)
}
