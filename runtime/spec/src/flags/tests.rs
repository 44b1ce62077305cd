//! Values of command lines, as the originals read them.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::mounts::Access;

fn mount(flag: MountFlag) -> Mount {
    match flag {
        MountFlag::Mount(mount) => mount,
        MountFlag::Volume(volume) => panic!("{volume:?}"),
    }
}

fn named(flag: MountFlag) -> VolumeMount {
    match flag {
        MountFlag::Volume(volume) => volume,
        MountFlag::Mount(mount) => panic!("{mount:?}"),
    }
}

#[test]
fn volumes_are_told_from_paths() {
    assert_eq!(mount(parse_volume("/srv:/data").unwrap()), Mount::bind("/srv", "/data"));
    let read_only = mount(parse_volume("/srv:/data:ro,rslave,z").unwrap());
    assert_eq!(read_only.access, Access::ReadOnlyRecursive);
    assert_eq!(read_only.propagation, Some(Propagation::Slave));
    assert!(read_only.relabel);
    let volume = named(parse_volume("cache:/data:nocopy,ro").unwrap());
    assert_eq!(volume.source, VolumeSource::Named("cache".to_owned()));
    assert!(volume.no_copy);
    assert_eq!(volume.clone().at("/store/cache"), Mount::bind("/store/cache", "/data").read_only());
    let volume = named(parse_volume("/data").unwrap());
    assert_eq!(
        (volume.source.clone(), volume.destination()),
        (VolumeSource::Anonymous, Path::new("/data"))
    );
}

#[test]
fn volumes_that_make_no_sense_are_refused() {
    for flag in [
        "",
        ":",
        "/a:",
        ":/a",
        "/a:/b:",
        "/a:/b:ro:rw",
        "/a:/b:ro,rw",
        "/a:/b:readonly",
        "/a:b",
        "/a:/",
        "/a:/b/..",
        "./a:/b",
        "../a:/b",
        "a/b:/c",
        "x:/c",
        "/a:/b:nocopy",
        "name:/b:rshared",
        "/a:/b:shared,slave",
        "/a:/b:U",
        "-name:/b",
    ] {
        assert!(parse_volume(flag).is_err(), "{flag:?}");
    }
}

#[test]
fn mounts_are_read_as_docker_reads_them() {
    let bind = mount(parse_mount("type=bind,source=/srv,target=/data,readonly").unwrap());
    assert_eq!(bind, Mount::bind("/srv", "/data").read_only());
    let bind = mount(
        parse_mount("TYPE=bind,src=/srv,dst=/data,ro=false,bind-propagation=rshared").unwrap(),
    );
    assert_eq!((bind.access, bind.propagation), (Access::ReadWrite, Some(Propagation::Shared)));
    let shallow =
        mount(parse_mount("type=bind,src=/srv,dst=/data,ro,bind-recursive=disabled").unwrap());
    let MountKind::Bind { recursive, .. } = shallow.kind else { panic!() };
    assert_eq!((recursive, shallow.access), (false, Access::ReadOnly));
    let tmpfs = mount(parse_mount("type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1770").unwrap());
    assert_eq!(tmpfs.options, ["noexec", "nosuid", "nodev", "size=1048576", "mode=1770"]);
    let volume = named(parse_mount("source=cache,destination=/data,volume-nocopy").unwrap());
    assert_eq!(volume.source, VolumeSource::Named("cache".to_owned()));
    let volume = named(parse_mount("type=volume,dst=/data").unwrap());
    assert_eq!(volume.source, VolumeSource::Anonymous);
    let quoted = mount(parse_mount(r#"type=bind,"src=/a,""b""",dst=/data"#).unwrap());
    assert!(
        matches!(&quoted.kind, MountKind::Bind { source, .. } if source == Path::new("/a,\"b\""))
    );
}

#[test]
fn mounts_with_unknown_unsupported_or_missing_keys_are_refused_by_name() {
    for (flag, word) in [
        ("type=bind,dst=/d", "source"),
        ("type=bind,src=/s", "destination"),
        ("type=nfs,dst=/d", "nfs"),
        ("type=image,src=x,dst=/d", "image"),
        ("type=bind,src=/s,dst=/d,volume-nocopy", "volume-nocopy"),
        ("type=bind,src=/s,dst=/d,tmpfs-size=1", "tmpfs-size"),
        ("type=tmpfs,src=/s,dst=/d", "src"),
        ("type=bind,src=/s,dst=/d,bogus=1", "bogus"),
        ("type=bind,src=/s,dst=/d,ro=maybe", "ro=maybe"),
        ("type=bind,src=/s,dst=/d,bind-propagation=up", "up"),
        ("type=volume,src=v1,dst=/d,volume-opt=o=a", "volume-opt"),
        ("type=volume,src=v1,dst=/d,volume-driver=nfs", "volume-driver"),
        ("type=volume,src=../x,dst=/d", "../x"),
        ("type=tmpfs,dst=/d,tmpfs-mode=99", "tmpfs-mode"),
        ("type=bind,src=/s,dst=d", "destination"),
        ("type=bind,\"src=/s,dst=/d", "quotes"),
        ("type=bind,\"src=/s\"x,dst=/d", "quotes"),
        ("", "unknown"),
    ] {
        let error = parse_mount(flag).unwrap_err().to_string();
        assert!(error.contains(word), "{flag}: {error}");
    }
}

#[test]
fn a_tmpfs_takes_sizes_and_flags() {
    let tmpfs = parse_tmpfs("/t:size=64m,mode=1770,exec").unwrap();
    assert_eq!(tmpfs.options, ["noexec", "nosuid", "nodev", "size=67108864", "mode=1770", "exec"]);
    assert!(tmpfs.to_oci(false).is_ok());
    assert_eq!(parse_tmpfs("/t:size=50%").unwrap().options.last().unwrap(), "size=50%");
    for flag in ["", "t", "/", "/t:size=x", "/t:a,,b"] {
        assert!(parse_tmpfs(flag).is_err(), "{flag}");
    }
    assert!(parse_tmpfs("/t:bogus=1").unwrap().to_oci(false).is_err());
}

#[test]
fn mounts_of_ctr_are_read_with_their_options() {
    let bind = parse_ctr_mount("type=bind,src=/srv,dst=/data,options=rbind:ro:nosuid").unwrap();
    assert_eq!(
        bind.to_oci(false).unwrap().options().as_deref().unwrap(),
        ["rbind", "nosuid", "ro"]
    );
    let slave = parse_ctr_mount("type=bind,src=/srv,dst=/data,options=bind:rslave").unwrap();
    assert_eq!(slave.propagation, Some(Propagation::Slave));
    let tmpfs = parse_ctr_mount("type=tmpfs,src=tmpfs,dst=/t,options=size=1m:mode=700").unwrap();
    assert_eq!(
        (tmpfs.kind, tmpfs.options),
        (MountKind::Tmpfs, vec!["size=1m".into(), "mode=700".into()])
    );
    for flag in [
        "",
        "type=bind,dst=/d",
        "src=/s,dst=/d",
        "type=bind,src=/s",
        "type=bind,src=/s,dst=/d,ro",
        "type=bind,src=/s,dst=/d,options=shared:slave",
    ] {
        assert!(parse_ctr_mount(flag).is_err(), "{flag}");
    }
    let device = parse_ctr_mount("type=ext4,src=/dev/sda,dst=/d").unwrap();
    assert!(device.to_oci(false).is_err());
}

proptest! {
    /// docker's page on volumes, `--volume`: which of the three forms it is, by the slash in front of the source.
    #[test]
    fn a_volume_is_what_its_form_says(
        source in "(/[a-z]{1,3}(/[a-z]{1,2})?|[a-zA-Z0-9][a-zA-Z0-9_.-]{1,5})?",
        destination in "/[a-z]{1,4}(/[a-z.]{1,3}[a-z])?",
        options in "((ro|rw)(,(z|Z|cached))?)?",
    ) {
        let text = match (&*source, &*options) {
            ("", _) => destination.clone(),
            (_, "") => format!("{source}:{destination}"),
            _ => format!("{source}:{destination}:{options}"),
        };
        let is_read_only = !source.is_empty() && options.starts_with("ro");
        let (kind, mount) = match parse_volume(&text).unwrap() {
            MountFlag::Mount(mount) => ("bind", mount),
            MountFlag::Volume(volume) => match volume.source {
                VolumeSource::Anonymous => ("anonymous", volume.mount),
                VolumeSource::Named(name) => {
                    prop_assert_eq!(&name, &source);
                    ("named", volume.mount)
                }
            },
        };
        let expected = match source.chars().next() {
            None => "anonymous",
            Some('/') => "bind",
            Some(_) => "named",
        };
        prop_assert_eq!(kind, expected, "{}", &text);
        prop_assert_eq!(mount.access != Access::ReadWrite, is_read_only, "{}", &text);
        prop_assert_eq!(mount.destination, Path::new(&destination));
    }

    #[test]
    fn no_text_panics_and_no_destination_leaves_the_container(
        text in "(type=(bind|tmpfs|volume),)?[a-z=,/.:\"]{0,40}|\\PC{0,30}",
    ) {
        let inside = |path: &Path| path.is_absolute() && path != Path::new("/")
            && !path.components().any(|c| c == std::path::Component::ParentDir);
        for flag in [parse_mount(&text), parse_volume(&text)].into_iter().flatten() {
            match flag {
                MountFlag::Mount(mount) => prop_assert!(inside(&mount.destination)),
                MountFlag::Volume(volume) => {
                    prop_assert!(inside(volume.destination()));
                    if let VolumeSource::Named(name) = &volume.source {
                        prop_assert!(!name.contains('/') && name != "..");
                    }
                }
            }
        }
        for mount in [parse_tmpfs(&text), parse_ctr_mount(&text)].into_iter().flatten() {
            prop_assert!(inside(&mount.destination));
        }
    }

    #[test]
    fn any_path_survives_quoting(path in "/[^\0\n]{0,20}") {
        let flag = format!("type=bind,\"src={}\",dst=/d", path.replace('"', "\"\""));
        let parsed = mount(parse_mount(&flag).unwrap());
        let MountKind::Bind { source, .. } = parsed.kind else { panic!() };
        prop_assert_eq!(source, Path::new(&path));
    }
}
