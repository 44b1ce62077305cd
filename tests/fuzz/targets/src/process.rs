//! An image's configuration and what is built from it: nothing of an image reaches beyond its container.

use std::fs;
use std::sync::OnceLock;

use isopod_image::{ImageConfig, chain_ids};
use isopod_spec::capabilities::CapabilitySet;
use isopod_spec::host::CgroupLayout;
use isopod_spec::seccomp::Machine;
use isopod_spec::ulimit::HardLimits;
use isopod_spec::{Host, Profile, SpecRequest, build};
use isopod_sys::root::Root;
use oci_spec::runtime::Spec;

use crate::scratch;

/// `application/vnd.oci.image.config.v1+json`.
pub fn image_config(data: &[u8]) {
    let Ok(config) = ImageConfig::parse(data) else { return };
    let written = serde_json::to_vec(&config).unwrap();
    let again = ImageConfig::parse(&written);
    assert_eq!(again.as_ref().ok(), Some(&config), "written again it is another: {again:?}");
    assert_eq!(chain_ids(&config.rootfs.diff_ids).len(), config.rootfs.diff_ids.len());
    let _ = config.platform();

    let (root, host) = (root(), host());
    let plain = isopod_image::config::ContainerConfig::default();
    for profile in [Profile::Docker, Profile::Ctr] {
        let mut request = SpecRequest::new(&config.config, root, "rootfs", &host, profile);
        request.cgroups_path = Some("/isopod/x".into());
        let Ok(spec) = build(&request) else { continue };
        let mut bare = SpecRequest::new(&plain, root, "rootfs", &host, profile);
        bare.cgroups_path = Some("/isopod/x".into());
        bare.process.args = vec!["true".to_owned()];
        says_no_more_than_its_process(&spec, &build(&bare).unwrap(), &config.config.env);
    }
}

/// Beside the process everything is as for an image that says nothing.
fn says_no_more_than_its_process(spec: &Spec, plain: &Spec, said: &[String]) {
    assert_eq!(spec.linux(), plain.linux(), "the image reached the kernel's part");
    assert_eq!(spec.mounts(), plain.mounts());
    assert_eq!(spec.root(), plain.root());
    assert_eq!(spec.hooks(), plain.hooks());
    assert_eq!(spec.hostname(), plain.hostname());
    let (process, usual) = (spec.process().as_ref().unwrap(), plain.process().as_ref().unwrap());
    assert_eq!(process.rlimits(), usual.rlimits());
    assert_eq!(process.apparmor_profile(), usual.apparmor_profile());
    assert_eq!(process.no_new_privileges(), usual.no_new_privileges());
    let sets = |process: &oci_spec::runtime::Process| {
        let sets = process.capabilities().clone().unwrap();
        (sets.bounding().clone(), sets.inheritable().clone(), sets.ambient().clone())
    };
    assert_eq!(sets(process), sets(usual));
    assert!(process.cwd().is_absolute() && process.user().uid() != u32::MAX);
    let args = process.args().as_deref().unwrap_or_default();
    let env = process.env().as_deref().unwrap_or_default();
    assert!(!args.is_empty());
    assert!(args.iter().chain(env).all(|word| !word.contains('\0')), "{args:?} {env:?}");
    assert!(env.iter().all(|entry| entry.find('=').is_some_and(|at| at > 0)), "{env:?}");
    // As with docker: one that the image has, whatever it is, else its user's.
    let is_home = |entry: &String| entry.starts_with("HOME=/") || said.contains(entry);
    assert!(env.iter().any(|entry| entry.starts_with("HOME=") && is_home(entry)), "{env:?}");
    let written = serde_json::to_vec(spec).unwrap();
    assert_eq!(&serde_json::from_slice::<Spec>(&written).unwrap(), spec);
}

/// A root file system with a few users.
fn root() -> &'static Root {
    static ROOT: OnceLock<(tempfile::TempDir, Root)> = OnceLock::new();
    let (_folder, root) = ROOT.get_or_init(|| {
        let folder = scratch::folder();
        fs::create_dir(folder.path().join("etc")).unwrap();
        let passwd = "root:x:0:0:root:/root:/bin/sh\nredis:x:999:1000::/data:/bin/false\n";
        fs::write(folder.path().join("etc/passwd"), passwd).unwrap();
        fs::write(folder.path().join("etc/group"), "root:x:0:\nredis:x:1000:redis\n").unwrap();
        let root = Root::open(folder.path()).unwrap();
        (folder, root)
    });
    root
}

/// A machine with everything on.
fn host() -> Host {
    let places = ["cpu,cpuacct", "memory", "systemd"];
    Host {
        capabilities: CapabilitySet::up_to(40),
        cgroups: CgroupLayout::V1(
            places.map(|name| format!("/sys/fs/cgroup/{name}").into()).into(),
        ),
        swap_accounting: true,
        seccomp: true,
        apparmor: true,
        default_apparmor: Some("isopod-default".to_owned()),
        selinux: false,
        machine: Machine::X86_64,
        kernel: (6, 1),
        oom_score_adj: 0,
        limits: HardLimits::NONE,
        processors: Some("0-7".to_owned()),
        memory_nodes: None,
    }
}
