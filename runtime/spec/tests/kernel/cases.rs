//! What a container sees of itself.

use isopod_spec::capabilities::CapabilitySet;
use isopod_spec::mounts::Mount;
use isopod_spec::namespaces::Namespace;
use isopod_spec::seccomp::Seccomp;

use crate::rig::{RUNTIMES, Rig};

/// A case by the sentence it holds.
pub const ALL: &[(&str, fn())] = &[
    ("a_default_container_is_confined", a_default_container_is_confined),
    ("inheritable_capabilities_are_empty", inheritable_capabilities_are_empty),
    ("users_and_groups_of_the_image_apply", users_and_groups_of_the_image_apply),
    ("kernel_paths_are_hidden_and_read_only", kernel_paths_are_hidden_and_read_only),
    ("cgroups_cannot_be_written", cgroups_cannot_be_written),
    ("namespaces_cannot_be_made_inside", namespaces_cannot_be_made_inside),
    ("clone_cannot_make_namespaces_but_processes", clone_cannot_make_namespaces_but_processes),
    ("the_host_keeps_its_sysctls", the_host_keeps_its_sysctls),
    ("mounts_are_as_asked_for", mounts_are_as_asked_for),
    ("host_namespaces_are_the_hosts", host_namespaces_are_the_hosts),
    ("a_privileged_container_runs", a_privileged_container_runs),
    ("an_own_profile_filters", an_own_profile_filters),
    ("a_container_like_ctrs_runs", a_container_like_ctrs_runs),
    ("namespaces_of_others_are_joined", namespaces_of_others_are_joined),
    ("limits_and_devices_apply", limits_and_devices_apply),
];

fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let line = status.lines().find(|line| line.starts_with(&format!("{name}:")));
    line.unwrap_or_else(|| panic!("no {name} in {status}"))[name.len() + 1..].trim()
}

fn a_default_container_is_confined() {
    let rig = Rig::new();
    for runtime in RUNTIMES {
        let status = rig.output(runtime, "cat /proc/self/status", |_| {});
        let expected = CapabilitySet::container_default().intersection(rig.host.capabilities);
        for set in ["CapBnd", "CapPrm", "CapEff"] {
            let bits = u64::from_str_radix(field(&status, set), 16).unwrap();
            assert_eq!(bits, expected.bits(), "{runtime:?} {set}");
        }
        assert_eq!(field(&status, "Seccomp"), "2", "{runtime:?}");
        assert_eq!(field(&status, "NoNewPrivs"), "0", "{runtime:?}");
        let asked = |request: &mut isopod_spec::SpecRequest<'_>| {
            request.security.no_new_privileges = true;
        };
        let status = rig.output(runtime, "cat /proc/self/status", asked);
        assert_eq!(field(&status, "NoNewPrivs"), "1", "{runtime:?}");
        assert_eq!(field(&status, "Seccomp"), "2", "{runtime:?}");
    }
}

fn inheritable_capabilities_are_empty() {
    let rig = Rig::new();
    for runtime in RUNTIMES {
        for (user, privileged) in [("root", false), ("redis", false), ("root", true)] {
            let status = rig.output(runtime, "cat /proc/self/status", |request| {
                request.process.user = Some(user.to_owned());
                request.security.privileged = privileged;
            });
            for set in ["CapInh", "CapAmb"] {
                assert_eq!(field(&status, set), "0000000000000000", "{runtime:?} {user}");
            }
            if user == "redis" {
                assert_eq!(field(&status, "CapEff"), "0000000000000000", "{runtime:?}");
            }
        }
    }
}

fn users_and_groups_of_the_image_apply() {
    let mut rig = Rig::new();
    rig.image.user = "redis".to_owned();
    rig.image.working_dir = "/data".to_owned();
    for runtime in RUNTIMES {
        let script = "echo $(id -u) $(id -g) $(id -G) $HOME $PWD $(hostname)";
        let seen = rig.output(runtime, script, |request| {
            request.process.group_add = vec!["44".to_owned()];
            request.hostname = Some("web".to_owned());
        });
        assert_eq!(seen.trim(), "999 1000 1000 29 44 /data /data web", "{runtime:?}");
    }
}

fn kernel_paths_are_hidden_and_read_only() {
    let rig = Rig::new();
    for runtime in RUNTIMES {
        let script =
            "cat /proc/kcore /proc/keys /proc/timer_list /proc/interrupts 2>/dev/null | wc -c
            ls /sys/firmware /proc/acpi /proc/scsi 2>/dev/null | grep -v : | grep . | wc -l
            echo 1 2>/dev/null > /proc/sys/vm/drop_caches || echo refused
            echo h 2>/dev/null > /proc/sysrq-trigger || echo refused
            touch /sys/kernel/x 2>/dev/null || echo refused";
        let seen = rig.output(runtime, script, |_| {});
        let seen: Vec<_> = seen.split_whitespace().collect();
        assert_eq!(seen, ["0", "0", "refused", "refused", "refused"], "{runtime:?}");
    }
}

fn cgroups_cannot_be_written() {
    let rig = Rig::new();
    for runtime in RUNTIMES {
        let script = "cd /sys/fs/cgroup; ls | wc -l
            for d in . *; do
              [ -d $d ] && mkdir $d/inside 2>/dev/null && echo $d is writable
              for f in $d/memory.limit_in_bytes $d/pids.max $d/cgroup.procs; do
                [ -e $f ] && echo 0 2>/dev/null > $f && echo $f is writable
              done
            done; true";
        let seen = rig.output(runtime, script, |request| {
            request.resources.memory = Some(64 << 20);
            request.resources.pids_limit = Some(100);
        });
        let mut lines = seen.lines();
        assert_ne!(lines.next(), Some("0"), "{runtime:?} mounted no cgroup");
        assert_eq!(lines.next(), None, "{runtime:?}");
        // Raising it is what the limit is there against; reading it is fine.
        let limit =
            "cat /sys/fs/cgroup/memory/memory.limit_in_bytes || cat /sys/fs/cgroup/memory.max";
        let seen = rig.output(runtime, limit, |request| {
            request.resources.memory = Some(64 << 20);
        });
        assert_eq!(seen.trim(), (64 << 20).to_string(), "{runtime:?}");
    }
}

fn namespaces_cannot_be_made_inside() {
    let rig = Rig::new();
    for runtime in RUNTIMES {
        for flag in ["-U", "-m", "-n"] {
            let script = format!("unshare {flag} true 2>/dev/null && echo made; true");
            let seen = rig.output(runtime, &script, |request| {
                // What the filter alone holds back: user namespaces need no capability.
                request.process.user = Some("redis".to_owned());
            });
            assert_eq!(seen, "", "{runtime:?} unshare {flag}");
        }
        let seen = rig.output(runtime, "cat /proc/self/status", |_| {});
        assert_eq!(field(&seen, "Seccomp"), "2", "{runtime:?}");
    }
    for runtime in RUNTIMES {
        let seen = rig.output(runtime, "unshare -U true && echo made", |request| {
            request.security.seccomp = Seccomp::Unconfined;
        });
        assert_eq!(seen, "made\n", "{runtime:?}");
    }
}

fn clone_cannot_make_namespaces_but_processes() {
    let rig = Rig::new();
    let number = if cfg!(target_arch = "aarch64") { 220 } else { 56 };
    for runtime in RUNTIMES {
        for (flags, expected) in [("0", "made"), ("0x10000000", "refused")] {
            // Debian's perl, from the host: the shell's applets call clone without flags.
            let script = format!(
                "/usr/bin/perl -e '$p = syscall({number}, {flags} | 17, 0, 0, 0, 0);
                exit if $p == 0; print $p > 0 ? qq(made) : qq(refused)'"
            );
            let seen = rig.output(runtime, &script, |request| {
                let places = ["/usr", "/lib", "/lib64"];
                request.mounts = places.map(|place| Mount::bind(place, place).read_only()).into();
            });
            assert_eq!(seen, expected, "{runtime:?} {flags}");
        }
    }
}

fn the_host_keeps_its_sysctls() {
    let rig = Rig::new();
    let read = |name: &str| std::fs::read_to_string(format!("/proc/sys/{name}")).unwrap();
    let names = ["kernel/shmmni", "net/ipv4/ip_unprivileged_port_start", "kernel/msgmax"];
    let before = names.map(read);
    for runtime in RUNTIMES {
        let script =
            "cd /proc/sys; cat kernel/shmmni net/ipv4/ip_unprivileged_port_start kernel/msgmax";
        let seen = rig.output(runtime, script, |request| {
            request.sysctls =
                vec![("kernel.shmmni".into(), "77".into()), ("kernel.msgmax".into(), "777".into())];
        });
        assert_eq!(seen.split_whitespace().collect::<Vec<_>>(), ["77", "0", "777"], "{runtime:?}");
    }
    assert_eq!(names.map(read), before);
}

fn mounts_are_as_asked_for() {
    let rig = Rig::new();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("file"), "from the host").unwrap();
    for runtime in RUNTIMES {
        let script = "cat /in/file; touch /in/x 2>/dev/null || echo ' read-only'
            touch /t/x && touch /writable/new && echo writable
            grep ' /t ' /proc/self/mountinfo | grep -o 'size=[0-9k]*'
            grep ' /dev/shm ' /proc/self/mountinfo | grep -o 'size=[0-9k]*'
            grep -cE 'shared:|master:' /proc/self/mountinfo; touch /x 2>/dev/null || echo root read-only";
        let seen = rig.output(runtime, script, |request| {
            let mut tmpfs = Mount::tmpfs("/t");
            tmpfs.options.push("size=1m".to_owned());
            request.mounts = vec![
                Mount::bind(outside.path(), "/in").read_only(),
                Mount::bind(outside.path(), "/writable"),
                tmpfs,
            ];
            request.shm_size = Some(4 << 20);
            request.read_only_rootfs = true;
        });
        let expected =
            "from the host read-only\nwritable\nsize=1024k\nsize=4096k\n0\nroot read-only\n";
        assert_eq!(seen, expected, "{runtime:?}");
    }
}

fn host_namespaces_are_the_hosts() {
    let rig = Rig::new();
    let link = |name: &str| std::fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
    let hosts: Vec<_> = ["net", "ipc", "pid", "uts"].map(link).to_vec();
    for runtime in RUNTIMES {
        let script = "cd /proc/self/ns; for n in net ipc pid uts; do ls -l $n; done | grep -o '[a-z]*:.[0-9]*.$'";
        let seen = rig.output(runtime, script, |request| {
            request.namespaces.network = Namespace::Host;
            request.namespaces.ipc = Namespace::Host;
            request.namespaces.pid = Namespace::Host;
            request.namespaces.uts = Namespace::Host;
        });
        let seen: Vec<_> = seen.lines().map(std::path::PathBuf::from).collect();
        assert_eq!(seen, hosts, "{runtime:?}");
        let seen = rig.output(runtime, script, |_| {});
        for (line, host) in seen.lines().zip(&hosts) {
            assert_ne!(std::path::Path::new(line), host, "{runtime:?}");
        }
    }
}

fn a_privileged_container_runs() {
    let rig = Rig::new();
    for runtime in RUNTIMES {
        let status = rig.output(runtime, "cat /proc/self/status", |request| {
            request.security.privileged = true;
        });
        let bits = u64::from_str_radix(field(&status, "CapEff"), 16).unwrap();
        assert_eq!(bits, rig.host.capabilities.bits(), "{runtime:?}");
        assert_eq!(field(&status, "Seccomp"), "0", "{runtime:?}");
    }
}

fn an_own_profile_filters() {
    let rig = Rig::new();
    let published = std::fs::read("/usr/share/containers/seccomp.json").unwrap();
    let closed = br#"{"defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}"#;
    for runtime in RUNTIMES {
        for (profile, expected) in [(&published[..], "made\n"), (&closed[..], "refused\n")] {
            let script = "mkdir /tmp/$$ 2>/dev/null && echo made || echo refused";
            let seen = rig.output(runtime, script, |request| {
                request.security.seccomp = Seccomp::Profile(profile.to_vec());
            });
            assert_eq!(seen, expected, "{runtime:?}");
            std::fs::remove_dir_all(rig.rootfs().join("tmp")).unwrap();
            std::fs::create_dir(rig.rootfs().join("tmp")).unwrap();
        }
    }
}

fn a_container_like_ctrs_runs() {
    let rig = Rig::new();
    for runtime in RUNTIMES {
        let script = "ulimit -n; touch /run/x && echo writable; env | grep -c HOSTNAME; ls /sys/fs/cgroup | wc -l";
        let seen = rig.output(runtime, script, |request| {
            request.profile = isopod_spec::Profile::Ctr;
            request.hostname = Some("web".to_owned());
        });
        assert_eq!(seen.split_whitespace().collect::<Vec<_>>(), ["1024", "writable", "0", "0"]);
    }
}

fn namespaces_of_others_are_joined() {
    let rig = Rig::new();
    let sleeper = std::process::Command::new("unshare")
        .args(["--net", "--ipc", "--uts", "sleep", "60"])
        .spawn();
    let mut sleeper = sleeper.unwrap();
    let path = |name: &str| format!("/proc/{}/ns/{name}", sleeper.id());
    let link = |name: &str| std::fs::read_link(path(name)).unwrap();
    let hosts = std::fs::read_link("/proc/self/ns/net").unwrap();
    while link("net") == hosts {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let expected = ["net", "ipc", "uts"].map(link);
    let result = std::panic::catch_unwind(|| {
        for runtime in RUNTIMES {
            let script = "cd /proc/self/ns; for n in net ipc uts; do ls -l $n; done | grep -o '[a-z]*:.[0-9]*.$'";
            let seen = rig.output(runtime, script, |request| {
                request.namespaces.network = Namespace::Path(path("net").into());
                request.namespaces.ipc = Namespace::Path(path("ipc").into());
                request.namespaces.uts = Namespace::Path(path("uts").into());
                request.namespaces.cgroup = Namespace::Host;
            });
            let seen: Vec<_> = seen.lines().map(std::path::PathBuf::from).collect();
            assert_eq!(seen, expected, "{runtime:?}");
        }
    });
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    result.unwrap();
}

fn limits_and_devices_apply() {
    let rig = Rig::new();
    for runtime in RUNTIMES {
        let script = "ulimit -n; cat /proc/self/oom_score_adj; ls -l /dev/mine | grep -o '1, *5'
            head -c 1 /dev/mine | wc -c";
        let seen = rig.output(runtime, script, |request| {
            request.ulimits = vec![isopod_spec::ulimit::parse("nofile=77:88").unwrap()];
            request.oom_score_adj = Some(321);
            let device = isopod_spec::devices::DeviceRequest::parse("/dev/zero:/dev/mine:r");
            request.devices = vec![device.unwrap()];
        });
        let seen: Vec<_> = seen.lines().map(|line| line.replace(' ', "")).collect();
        assert_eq!(seen, ["77", "321", "1,5", "1"], "{runtime:?}");
    }
}
