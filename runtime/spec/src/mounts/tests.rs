//! Mounts and their options, against what runc writes.

use super::*;
use crate::host::CgroupLayout;
use crate::namespaces::Namespace;
use crate::request::{Profile, SharedMemory};

fn docker(ipc: &Namespace, privileged: bool) -> Vec<OciMount> {
    defaults(&DefaultMounts {
        profile: Profile::Docker,
        privileged,
        ipc,
        shared_memory: &SharedMemory::Usual,
        cgroups: &CgroupLayout::V2,
        shm_size: None,
    })
}

fn options(mounts: &[OciMount], place: &str) -> Vec<String> {
    let mount = mounts.iter().find(|m| m.destination() == Path::new(place)).unwrap();
    mount.options().clone().unwrap()
}

#[test]
fn the_defaults_cover_what_runc_mounts_with_no_option_less() {
    let folder = tempfile::tempdir().unwrap();
    let mut runc = std::process::Command::new("runc");
    assert!(runc.args(["spec", "--bundle"]).arg(folder.path()).status().unwrap().success());
    let theirs = oci_spec::runtime::Spec::load(folder.path().join("config.json")).unwrap();
    let ours = docker(&Namespace::New, false);
    for theirs in theirs.mounts().as_ref().unwrap() {
        let mount = ours.iter().find(|m| m.destination() == theirs.destination()).unwrap();
        assert_eq!((mount.typ(), mount.source()), (theirs.typ(), theirs.source()));
        for option in theirs.options().iter().flatten() {
            let option = option.replace("size=65536k", "size=67108864");
            let has = |wanted: &str| {
                mount
                    .options()
                    .iter()
                    .flatten()
                    .any(|o| o.replace("size=65536k", "size=67108864") == wanted)
            };
            assert!(has(&option), "{:?} {option}", theirs.destination());
        }
    }
    assert_eq!(ours.len(), theirs.mounts().as_ref().unwrap().len());
}

#[test]
fn sysfs_and_cgroups_are_read_only_unless_privileged() {
    for place in ["/sys", "/sys/fs/cgroup"] {
        assert!(options(&docker(&Namespace::New, false), place).contains(&"ro".to_owned()));
        assert!(options(&docker(&Namespace::New, true), place).contains(&"rw".to_owned()));
    }
}

#[test]
fn the_hosts_ipc_brings_the_hosts_shared_memory() {
    let mounts = docker(&Namespace::Host, false);
    let mount = mounts.iter().find(|m| m.destination() == Path::new("/dev/shm")).unwrap();
    assert_eq!(mount.typ().as_deref(), Some("bind"));
    assert_eq!(mount.source().as_deref(), Some(Path::new("/dev/shm")));
}

#[test]
fn a_request_replaces_a_default_and_comes_after_its_folder() {
    let files = [
        (PathBuf::from("/state/hosts"), PathBuf::from("/etc/hosts")),
        (PathBuf::from("/state/hostname"), PathBuf::from("/etc/hostname")),
    ];
    let requested = [
        Mount::bind("/srv/a", "/data/deep/er"),
        Mount::bind("/srv/shm", "/dev/shm"),
        Mount::bind("/srv/hosts", "/etc/hosts"),
        Mount::tmpfs("/data"),
    ];
    let mounts = assemble(docker(&Namespace::New, false), &files, &requested, false).unwrap();
    let places: Vec<_> = mounts.iter().map(|m| m.destination().to_str().unwrap()).collect();
    let at = |place: &str| places.iter().position(|p| *p == place).unwrap();
    assert!(at("/data") < at("/data/deep/er"));
    assert!(at("/dev") < at("/dev/shm"));
    assert_eq!(places.iter().filter(|p| **p == "/dev/shm").count(), 1);
    assert_eq!(mounts[at("/dev/shm")].source().as_deref(), Some(Path::new("/srv/shm")));
    assert_eq!(mounts[at("/etc/hosts")].source().as_deref(), Some(Path::new("/srv/hosts")));
    assert_eq!(mounts[at("/etc/hostname")].source().as_deref(), Some(Path::new("/state/hostname")));
}

#[test]
fn bad_places_and_repetitions_are_refused() {
    let assemble = |mounts: &[Mount]| assemble(Vec::new(), &[], mounts, false).unwrap_err();
    let bind = |destination: &str| Mount::bind("/srv", destination);
    assert!(matches!(assemble(&[bind("data")]), MountError::Destination(_)));
    assert!(matches!(assemble(&[bind("/a/..")]), MountError::Destination(_)));
    assert!(matches!(assemble(&[bind("/proc/sys/kernel")]), MountError::InsideProc(_)));
    assert!(matches!(assemble(&[bind("/data"), bind("/data/")]), MountError::Twice(_)));
    assert!(matches!(assemble(&[Mount::bind("srv", "/data")]), MountError::Source(_)));
    let kind = MountKind::Kernel { kind: "ext4".into(), source: "/dev/sda".into() };
    assert!(matches!(assemble(&[Mount::new(kind, "/a".into())]), MountError::Kind(_)));
}

#[test]
fn an_option_nobody_would_apply_is_refused() {
    for (mount, option, fine) in [
        (Mount::bind("/srv", "/a"), "nosuid", true),
        (Mount::bind("/srv", "/a"), "rnoexec", true),
        (Mount::bind("/srv", "/a"), "sync", false),
        (Mount::bind("/srv", "/a"), "remount", false),
        (Mount::bind("/srv", "/a"), "size=1m", false),
        (Mount::bind("/srv", "/a"), "idmap", false),
        (Mount::bind("/srv", "/a"), "rshared", false),
        (Mount::tmpfs("/a"), "size=1m", true),
        (Mount::tmpfs("/a"), "mode=", false),
        (Mount::tmpfs("/a"), "tmpcopyup", false),
        (Mount::tmpfs("/a"), "size=1m,suid", false),
    ] {
        let mut mount = mount;
        mount.options.push(option.to_owned());
        assert_eq!(mount.to_oci(false).is_ok(), fine, "{option}");
    }
}

#[test]
fn read_only_binds_are_read_only_to_the_bottom() {
    let mount = Mount::bind("/srv", "/a").read_only().to_oci(false).unwrap();
    assert_eq!(mount.options().as_deref().unwrap(), ["rbind", "ro", "rro"]);
    let shallow = Mount { access: Access::ReadOnly, ..Mount::bind("/srv", "/a") };
    assert_eq!(shallow.to_oci(false).unwrap().options().as_deref().unwrap(), ["rbind", "ro"]);
}

#[test]
fn one_propagation_holds_for_all_mounts() {
    let with = |propagation| Mount { propagation, ..Mount::bind("/srv", "/a") };
    let (slave, shared) = (Some(Propagation::Slave), Some(Propagation::Shared));
    assert_eq!(propagation(&[]), Ok(Propagation::Private));
    assert_eq!(propagation(&[with(None), with(slave)]), Ok(Propagation::Slave));
    assert_eq!(
        propagation(&[with(slave), with(shared)]),
        Err(MountError::Propagation("slave", "shared"))
    );
}

#[test]
fn a_label_is_refused_only_where_selinux_would_want_it() {
    let mount = Mount { relabel: true, ..Mount::bind("/srv", "/a") };
    assert!(mount.to_oci(false).is_ok());
    assert!(matches!(mount.to_oci(true), Err(MountError::Relabel(_))));
}
