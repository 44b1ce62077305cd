//! The document of a whole container, field by field.

use std::path::Path;

use isopod_image::config::ContainerConfig;
use isopod_sys::root::Root;
use oci_spec::runtime::{LinuxNamespaceType, Process};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::host::Host;
use crate::mounts::Mount;
use crate::request::AppArmor;
use crate::testing::host;

struct Fixture {
    folder: TempDir,
    root: Root,
    image: ContainerConfig,
    host: Host,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("etc")).unwrap();
    let passwd = "root:x:0:0::/root:/bin/sh\nredis:x:999:1000::/data:/bin/false\n";
    std::fs::write(folder.path().join("etc/passwd"), passwd).unwrap();
    let root = Root::open(folder.path()).unwrap();
    let words = |list: &[&str]| list.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    let image = ContainerConfig {
        entrypoint: words(&["entry", "point"]),
        cmd: words(&["cmd"]),
        env: words(&["PATH=/image/bin", "A=image"]),
        working_dir: "/data/".to_owned(),
        ..Default::default()
    };
    Fixture { folder, root, image, host: host() }
}

impl Fixture {
    fn request(&self) -> SpecRequest<'_> {
        SpecRequest::new(&self.image, &self.root, "rootfs", &self.host, Profile::Docker)
    }

    fn ctr(&self) -> SpecRequest<'_> {
        SpecRequest { profile: Profile::Ctr, ..self.request() }
    }
}

fn process(request: &SpecRequest<'_>) -> Process {
    build(request).unwrap().process().clone().unwrap()
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn entry_point_and_command_combine_as_docker_has_them() {
    let fixture = fixture();
    for (entrypoint, args, expected) in [
        (None, vec![], vec!["entry", "point", "cmd"]),
        (None, vec!["a", "b"], vec!["entry", "point", "a", "b"]),
        (Some(vec!["sh"]), vec![], vec!["sh"]),
        (Some(vec!["sh"]), vec!["-c"], vec!["sh", "-c"]),
        (Some(vec![""]), vec!["ls"], vec!["ls"]),
    ] {
        let mut request = fixture.request();
        request.process.entrypoint = entrypoint.map(|list| words(&list));
        request.process.args = words(&args);
        assert_eq!(process(&request).args(), &Some(words(&expected)));
    }
    let mut cleared = fixture.request();
    cleared.process.entrypoint = Some(words(&[""]));
    assert!(matches!(build(&cleared), Err(SpecError::NoCommand)));
}

#[test]
fn arguments_of_ctr_replace_the_whole_command() {
    let fixture = fixture();
    assert_eq!(process(&fixture.ctr()).args(), &Some(words(&["entry", "point", "cmd"])));
    let mut request = fixture.ctr();
    request.process.args = words(&["sh", "-c"]);
    assert_eq!(process(&request).args(), &Some(words(&["sh", "-c"])));
    request.process.entrypoint = Some(words(&["env"]));
    assert_eq!(process(&request).args(), &Some(words(&["env", "sh", "-c"])));
}

#[test]
fn the_environment_is_the_defaults_then_the_image_then_the_request() {
    let fixture = fixture();
    let mut request = fixture.request();
    request.hostname = Some("web".to_owned());
    request.process.terminal = true;
    request.process.env = words(&["A=request", "B=1"]);
    let expected =
        ["PATH=/image/bin", "HOSTNAME=web", "TERM=xterm", "A=request", "B=1", "HOME=/root"];
    assert_eq!(process(&request).env(), &Some(words(&expected)));
    let ctr = SpecRequest { hostname: Some("web".to_owned()), ..fixture.ctr() };
    assert_eq!(process(&ctr).env(), &Some(words(&["PATH=/image/bin", "A=image", "HOME=/root"])));
    // PATH can't be taken away: the executable is looked up in it.
    request.process.env = words(&["PATH"]);
    assert!(process(&request).env().as_ref().unwrap().iter().any(|e| e.starts_with("PATH=/usr")));
}

#[test]
fn user_and_working_directory_come_from_the_image_unless_asked_for() {
    let mut fixture = fixture();
    fixture.image.user = "redis".to_owned();
    let spec = process(&fixture.request());
    assert_eq!((spec.user().uid(), spec.user().gid()), (999, 1000));
    assert_eq!(spec.cwd(), Path::new("/data"));
    assert!(spec.env().as_ref().unwrap().contains(&"HOME=/data".to_owned()));
    let mut request = fixture.request();
    request.process.user = Some("5:6".to_owned());
    request.process.cwd = Some("/a/../b".into());
    let spec = process(&request);
    assert_eq!((spec.user().uid(), spec.user().gid()), (5, 6));
    assert_eq!(spec.cwd(), Path::new("/b"));
    request.process.cwd = Some("relative".into());
    assert!(matches!(build(&request), Err(SpecError::WorkingDirectory(_))));
    fixture.image.working_dir = "srv/../www".to_owned();
    assert_eq!(process(&fixture.request()).cwd(), Path::new("/www"));
}

#[test]
fn a_default_container_is_confined() {
    let fixture = fixture();
    let spec = build(&fixture.request()).unwrap();
    let linux = spec.linux().as_ref().unwrap();
    let process = spec.process().as_ref().unwrap();
    assert!(linux.seccomp().is_some());
    assert_eq!(process.apparmor_profile().as_deref(), Some("isopod-default"));
    let capabilities = capabilities::granted_to(process.capabilities().as_ref());
    assert_eq!(capabilities, CapabilitySet::container_default());
    assert_eq!(linux.masked_paths().as_ref().unwrap().len(), MASKED.len());
    for path in READ_ONLY {
        assert!(linux.readonly_paths().as_ref().unwrap().iter().any(|p| p == path), "{path}");
    }
    let first = &linux.resources().as_ref().unwrap().devices().as_ref().unwrap()[0];
    assert!(!first.allow());
    assert_eq!(first.to_string(), "a *:* rwm");
    assert_eq!(linux.rootfs_propagation().as_deref(), Some("private"));
    // Absent, not false: libcontainer takes its presence for true.
    assert_eq!(process.no_new_privileges(), None);
}

#[test]
fn cgroups_of_version_1_are_made_read_only_one_by_one() {
    let mut fixture = fixture();
    let read_only = |request: &SpecRequest<'_>| {
        build(request).unwrap().linux().as_ref().unwrap().readonly_paths().clone().unwrap()
    };
    let list = read_only(&fixture.request());
    for path in ["/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/cpu,cpuacct"] {
        assert!(list.iter().any(|listed| listed == path), "{path}");
    }
    let mut unconfined = fixture.request();
    unconfined.security.system_paths = SystemPaths::Unconfined;
    assert!(read_only(&unconfined).contains(&"/sys/fs/cgroup/memory".to_owned()));
    assert!(!read_only(&fixture.ctr()).iter().any(|path| path.starts_with("/sys/fs/cgroup")));
    fixture.host.cgroups = CgroupLayout::V2;
    assert_eq!(read_only(&fixture.request()), READ_ONLY.map(str::to_owned));
}

#[test]
fn a_privileged_container_holds_what_the_runtime_holds() {
    let fixture = fixture();
    let mut request = fixture.request();
    request.security.privileged = true;
    let spec = build(&request).unwrap();
    let linux = spec.linux().as_ref().unwrap();
    let process = spec.process().as_ref().unwrap();
    assert_eq!(capabilities::granted_to(process.capabilities().as_ref()), host().capabilities);
    assert!(linux.seccomp().is_none() && process.apparmor_profile().is_none());
    assert_eq!(linux.masked_paths(), &Some(Vec::new()));
    assert_eq!(linux.readonly_paths(), &Some(Vec::new()));
    assert!(linux.resources().as_ref().unwrap().devices().as_ref().unwrap()[0].allow());
    assert!(linux.devices().as_ref().unwrap().iter().any(|d| d.path() == Path::new("/dev/null")));
}

#[test]
fn what_the_machine_cannot_give_is_refused() {
    let mut fixture = fixture();
    fixture.host.seccomp = false;
    assert!(matches!(build(&fixture.request()), Err(SpecError::NoSeccomp)));
    let mut unconfined = fixture.request();
    unconfined.security.seccomp = Seccomp::Unconfined;
    assert!(build(&unconfined).is_ok());

    fixture.host.seccomp = true;
    fixture.host.apparmor = false;
    fixture.host.default_apparmor = None;
    assert_eq!(process(&fixture.request()).apparmor_profile(), &None);
    let mut named = fixture.request();
    named.security.apparmor = AppArmor::Named("mine".to_owned());
    assert!(matches!(build(&named), Err(SpecError::NoAppArmor(_))));

    fixture.host.capabilities = CapabilitySet::container_default();
    let mut oom = fixture.request();
    oom.oom_score_adj = Some(-1);
    assert!(matches!(build(&oom), Err(SpecError::OomScoreTooLow { asked: -1, held: 0 })));
    oom.oom_score_adj = Some(1001);
    assert!(matches!(build(&oom), Err(SpecError::OomScore(1001))));
    oom.oom_score_adj = Some(500);
    assert_eq!(process(&oom).oom_score_adj(), Some(500));
}

#[test]
fn host_namespaces_take_names_and_parameters_with_them() {
    let fixture = fixture();
    let sysctls = |request: &SpecRequest<'_>| {
        build(request).unwrap().linux().as_ref().unwrap().sysctl().clone().unwrap_or_default()
    };
    assert_eq!(sysctls(&fixture.request())["net.ipv4.ip_unprivileged_port_start"], "0");
    let mut request = fixture.request();
    request.namespaces.network = Namespace::Host;
    request.namespaces.uts = Namespace::Host;
    assert!(sysctls(&request).is_empty());
    let spec = build(&request).unwrap();
    let kinds: Vec<_> = spec
        .linux()
        .as_ref()
        .unwrap()
        .namespaces()
        .as_ref()
        .unwrap()
        .iter()
        .map(|n| n.typ())
        .collect();
    assert!(!kinds.contains(&LinuxNamespaceType::Network));
    request.hostname = Some("web".to_owned());
    assert!(matches!(build(&request), Err(SpecError::Namespace(NamespaceError::NeedsUts(_)))));
}

#[test]
fn nothing_an_image_says_reaches_paths_annotations_or_policies() {
    let mut fixture = fixture();
    let plain = build(&fixture.request()).unwrap();
    let hostile = [
        "io.kubernetes.pod.name",
        "org.systemd.property.ExecStart",
        "run.oci.handler",
        "org.criu.config",
        "isopod.home",
        "nerdctl/network-namespace",
        "com.docker.network.bridge.name",
    ];
    for label in hostile {
        fixture.image.labels.insert(label.to_owned(), "/etc/shadow".to_owned());
    }
    fixture.image.volumes.extend(["/etc", "/../../etc", "/proc/sys", ""].map(str::to_owned));
    fixture.image.exposed_ports.insert("80/tcp; rm -rf /".to_owned());
    fixture.image.stop_signal = "../../etc/passwd".to_owned();
    // HashMaps have no order: the documents are compared as values.
    let value = |spec: &Spec| serde_json::to_value(spec).unwrap();
    let built = build(&fixture.request()).unwrap();
    let mut without = value(&built);
    let mut plain = value(&plain);
    for document in [&mut without, &mut plain] {
        for set in ["bounding", "effective", "permitted"] {
            let list = document["process"]["capabilities"][set].as_array_mut().unwrap();
            list.sort_by_key(ToString::to_string);
        }
    }
    assert_eq!(without, plain);
    // What the image says of its process is its own, and ends there.
    fixture.image.user = "-1".to_owned();
    assert!(matches!(build(&fixture.request()), Err(SpecError::User(_))));
}

#[test]
fn annotations_that_steer_a_runtime_are_refused() {
    let fixture = fixture();
    let mut request = fixture.request();
    request.annotations = vec![("io.kubernetes.pod.name".into(), "web".into())];
    let spec = build(&request).unwrap();
    assert_eq!(spec.annotations().as_ref().unwrap()["io.kubernetes.pod.name"], "web");
    for key in
        ["", "run.oci.hooks.stderr", "org.systemd.property.X", "isopod.home", "org.criu.config"]
    {
        request.annotations = vec![(key.to_owned(), String::new())];
        assert!(matches!(build(&request), Err(SpecError::Annotation(_))), "{key:?}");
    }
}

#[test]
fn the_document_survives_being_written_and_read() {
    let fixture = fixture();
    let mut request = fixture.request();
    request.mounts = vec![Mount::tmpfs("/scratch")];
    request.cgroups_path = Some("/isopod/x".into());
    request.ulimits = vec![crate::ulimit::parse("nofile=10:20").unwrap()];
    let spec = build(&request).unwrap();
    let path = fixture.folder.path().join("config.json");
    spec.save(&path).unwrap();
    assert_eq!(Spec::load(&path).unwrap(), spec);
    assert!(std::fs::metadata(&path).unwrap().len() < 16 * 1024);
}

fn an_image() -> impl Strategy<Value = ContainerConfig> {
    let text = || "[/.:=a-z0-9\\-\\PC]{0,16}";
    let list = move || proptest::collection::vec(text(), 0..4);
    let labels = proptest::collection::btree_map(text(), text(), 0..4);
    (text(), text(), list(), list(), list(), list(), labels).prop_map(
        |(user, working_dir, env, entrypoint, cmd, volumes, labels)| ContainerConfig {
            user,
            working_dir,
            env,
            entrypoint,
            cmd,
            volumes: volumes.into_iter().collect(),
            labels,
            ..Default::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_an_image_says_only_its_own_process_changes(image in an_image()) {
        let mut fixture = fixture();
        let plain = build(&fixture.request()).unwrap();
        fixture.image = image;
        if let Ok(built) = build(&fixture.request()) {
            prop_assert_eq!(built.linux(), plain.linux());
            prop_assert_eq!(built.mounts(), plain.mounts());
            prop_assert_eq!(built.root(), plain.root());
            prop_assert_eq!((built.hooks(), built.hostname()), (&None, &None));
            for key in built.annotations().iter().flat_map(|notes| notes.keys()) {
                prop_assert_eq!(key, crate::process::HOME_ANNOTATION.0);
            }
            let process = built.process().as_ref().unwrap();
            prop_assert!(process.cwd().is_absolute());
            let sets = process.capabilities().as_ref().unwrap();
            prop_assert_eq!(capabilities::granted_to(Some(sets)), CapabilitySet::container_default());
            prop_assert!(sets.inheritable().as_ref().unwrap().is_empty());
        }
    }
}
