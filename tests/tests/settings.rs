//! What `run` is told, read back inside the container and from the kernel.
#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; clippy only knows functions marked as tests"
)]

use std::fs;
use std::os::unix::fs::MetadataExt;

use isopod_tests::{TestContext, leftovers, until};

fn busybox() -> TestContext {
    TestContext::with(["busybox"])
}

fn run<'a>(words: &[&'a str]) -> Vec<&'a str> {
    ["run", "--rm", "--network", "none"].iter().chain(words).copied().collect()
}

#[test]
fn environment_user_folder_and_command_are_as_said() {
    let context = busybox();
    let file = context.path("env");
    fs::write(&file, "A=1\n# no\nB=two words\nHERE\n").unwrap();
    let words = run(&[
        "--env-file",
        file.to_str().unwrap(),
        "-e",
        "C=3",
        "-e",
        "A=9",
        "-e",
        "FROM",
        "busybox",
        "env",
    ]);
    let outcome = context.command(words).env("HERE", "h").env("FROM", "f").run();
    for line in ["A=9", "B=two words", "C=3", "HERE=h", "FROM=f", "HOME=/root"] {
        assert!(outcome.lines().contains(&line), "{line}\n{outcome}");
    }
    let script = "id -u; id -g; id -G; pwd; hostname; cat /etc/hostname";
    let words = run(&[
        "-u",
        "12:34",
        "--group-add",
        "56",
        "-w",
        "/new/folder",
        "-h",
        "named",
        "busybox",
        "sh",
        "-c",
        script,
    ]);
    context.isopod(words).prints("12\n34\n34 56\n/new/folder\nnamed\nnamed\n");
    context
        .isopod(run(&["-w", "/etc/passwd", "busybox", "pwd"]))
        .fails_with(125)
        .complains_of("/etc/passwd");
    context.isopod(run(&["--entrypoint", "/bin/echo", "busybox", "a", "b"])).prints("a b\n");
    context.isopod(run(&["-u", "nobody", "busybox", "id", "-un"])).prints("nobody\n");
}

#[test]
fn without_a_network_there_is_loopback_and_with_the_hosts_there_is_the_hosts() {
    let context = busybox();
    let script = "ls /sys/class/net; ip -o addr show lo | grep -c inet; nc -l -p 7777 127.0.0.1 & \
                  until echo heard | nc 127.0.0.1 7777 2>/dev/null; do sleep 0.1; done; wait";
    let outcome = context.isopod(run(&["busybox", "sh", "-c", script]));
    assert!(outcome.succeeds().stdout.starts_with("lo\n2\n"), "{outcome}");
    outcome.mentions("heard");
    let own = fs::read_link("/proc/self/ns/net").unwrap();
    let words = ["run", "--rm", "--network", "host", "busybox", "readlink", "/proc/self/ns/net"];
    context.isopod(words).prints(&format!("{}\n", own.display()));
    let words = ["run", "--rm", "--network", "host", "busybox", "hostname"];
    context.isopod(words).prints(&fs::read_to_string("/proc/sys/kernel/hostname").unwrap());
    let resolv = [
        "run",
        "--rm",
        "--network",
        "host",
        "busybox",
        "grep",
        "-h",
        "nameserver",
        "/etc/resolv.conf",
    ];
    let hosts = fs::read_to_string("/etc/resolv.conf").unwrap();
    for line in context.isopod(resolv).lines() {
        assert!(hosts.contains(line), "{line} is not in\n{hosts}");
    }
    context.isopod(run(&["busybox", "grep", "-c", "localhost", "/etc/hosts"])).prints("2\n");
}

#[test]
fn capabilities_are_added_and_dropped() {
    let context = busybox();
    let effective = |words: &[&str]| {
        let words = run(
            &[words, &["busybox", "sed", "-n", "s/CapEff:\t//p", "/proc/self/status"]].concat()
        );
        let outcome = context.isopod(words);
        u64::from_str_radix(outcome.line(), 16).unwrap()
    };
    // capability.h: CHOWN is 0, NET_RAW 13, SYS_ADMIN 21; docker's default is a80425fb.
    assert_eq!(effective(&[]), 0xa804_25fb);
    assert_eq!(effective(&["--cap-drop", "ALL"]), 0);
    assert_eq!(
        effective(&["--cap-drop", "ALL", "--cap-add", "CHOWN", "--cap-add", "cap_net_raw"]),
        1 | 1 << 13
    );
    assert_eq!(effective(&["--cap-add", "SYS_ADMIN"]), 0xa804_25fb | 1 << 21);
    assert_eq!(effective(&["-u", "1"]), 0);
    context.isopod(run(&["--cap-drop", "CHOWN", "busybox", "chown", "1", "/tmp"])).fails_with(1);
}

#[test]
fn a_read_only_root_takes_writes_only_where_it_is_told_to() {
    let context = busybox();
    let script = "touch /x 2>/dev/null || echo refused; touch /t/x /v/x /dev/shm/x && echo taken";
    context
        .isopod(run(&["--read-only", "--tmpfs", "/t", "-v", "/v", "busybox", "sh", "-c", script]))
        .prints("refused\ntaken\n");
}

/// The first line of a file of the container's cgroup, in the hierarchy that has the controller.
fn limit(context: &TestContext, controller: &str, v1: &str, v2: &str) -> String {
    let cgroup = leftovers::cgroups_below(&context.cgroup());
    let is_v1 = std::path::Path::new("/sys/fs/cgroup").join(controller).is_dir();
    let file = if is_v1 { v1 } else { v2 };
    let found = cgroup.iter().find_map(|cgroup| {
        let of_controller = !is_v1 || cgroup.starts_with(format!("/sys/fs/cgroup/{controller}"));
        let is_leaf = !cgroup.ends_with("monitors") && cgroup.components().count() > 6;
        (of_controller && is_leaf).then(|| fs::read_to_string(cgroup.join(file)).ok()).flatten()
    });
    let text = found.unwrap_or_else(|| panic!("no {file} in {cgroup:?}"));
    text.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn limits_are_in_the_kernels_files() {
    let context = busybox();
    context
        .isopod([
            "run",
            "-d",
            "--network",
            "none",
            "--name",
            "c1",
            "--memory",
            "64m",
            "--cpus",
            "0.5",
            "--cpu-shares",
            "512",
            "--pids-limit",
            "50",
            "--cpuset-cpus",
            "0",
            "busybox",
            "sleep",
            "1000",
        ])
        .succeeds();
    assert_eq!(limit(&context, "memory", "memory.limit_in_bytes", "memory.max"), "67108864");
    assert_eq!(limit(&context, "pids", "pids.max", "pids.max"), "50");
    assert_eq!(limit(&context, "cpuset", "cpuset.cpus", "cpuset.cpus"), "0");
    let quota = limit(&context, "cpu", "cpu.cfs_quota_us", "cpu.max");
    assert!(["50000", "50000 100000"].contains(&quota.as_str()), "{quota}");
    if std::path::Path::new("/sys/fs/cgroup/cpu").is_dir() {
        assert_eq!(limit(&context, "cpu", "cpu.shares", ""), "512");
    }
    context.isopod(["exec", "c1", "nproc"]).prints("1\n");
}

#[test]
fn limits_hold() {
    let context = busybox();
    let words = [
        "run",
        "--network",
        "none",
        "--name",
        "m1",
        "--memory",
        "20m",
        "busybox",
        "tail",
        "/dev/zero",
    ];
    context.isopod(words).fails_with(137);
    let format = "{{.State.OOMKilled}} {{.State.ExitCode}}";
    context.isopod(["inspect", "-f", format, "m1"]).prints("true 137\n");
    let script = "i=0; while [ $i -lt 20 ]; do sleep 5 & i=$((i+1)); done";
    let words = run(&["--pids-limit", "8", "busybox", "sh", "-c", script]);
    context.isopod(words).fails_with(2).complains_of("can't fork");
    // A quarter of a processor, measured by what the process was given.
    let script = "end=$(($(date +%s)+3)); while [ $(date +%s) -lt $end ]; do :; done; \
                  cat /sys/fs/cgroup/cpuacct/cpuacct.usage 2>/dev/null || sed -n 's/usage_usec \\(.*\\)/\\1000/p' /sys/fs/cgroup/cpu.stat";
    let used = context.isopod(run(&["--cpus", "0.25", "busybox", "sh", "-c", script]));
    let used: u64 = used.line().parse().unwrap();
    assert!(used < 1_500_000_000, "{used} ns in 3 to 4 s");
}

/// What docker 20.10 prints for the same, and that it warns of it without a limit; on cgroup v2 it warns and
/// goes on as if nothing had been said.
#[test]
fn the_out_of_memory_killer_is_disabled_where_the_kernel_can() {
    let context = busybox();
    let control = "/sys/fs/cgroup/memory/memory.oom_control";
    let asked = run(&["-m", "20m", "--oom-kill-disable", "busybox", "cat", control]);
    if !std::path::Path::new(control).parent().is_some_and(std::path::Path::is_dir) {
        context.isopod(asked).fails_with(125).complains_of("cgroup v2 has no such setting");
        return;
    }
    let outcome = context.isopod(asked);
    outcome.prints("oom_kill_disable 1\nunder_oom 0\noom_kill 0\n").never_mentions("--memory");
    let unlimited = run(&["--oom-kill-disable", "busybox", "true"]);
    context.isopod(unlimited).succeeds().complains_of("(--memory)");
    context.isopod(run(&["busybox", "head", "-n1", control])).prints("oom_kill_disable 0\n");
}

/// docker 20.10: «Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available», and the like.
#[test]
fn more_processors_than_there_are_and_less_memory_than_a_process_needs_are_refused() {
    let context = busybox();
    for (flag, value, why) in [
        ("--cpus", "100000", "100000 processors"),
        ("--cpus", "0.001", "0.01"),
        ("--memory", "5m", "memory limit"),
        ("--cpu-shares", "1", "2 to 262144"),
    ] {
        context.isopod(run(&[flag, value, "busybox", "true"])).fails_with(125).complains_of(why);
    }
    context.isopod(["create", "--network", "none", "--name", "made", "busybox", "true"]).succeeds();
    context.isopod(["update", "--cpus", "100000", "made"]).fails_with(1).complains_of("processors");
    for none in ["0", "-1"] {
        context.isopod(run(&["--pids-limit", none, "busybox", "true"])).succeeds();
    }
    assert_eq!(context.isopod(["ps", "-aq"]).lines().len(), 1);
}

#[test]
fn folders_of_the_host_are_shared_as_said() {
    let context = busybox();
    let folder = context.path("shared");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("from-host"), "host\n").unwrap();
    let bind = |options: &str| format!("{}:/b{options}", folder.display());
    let script = "cat /b/from-host; echo container > /b/from-container";
    context
        .isopod(run(&["-v", &bind(""), "busybox", "sh", "-c", script]))
        .succeeds()
        .prints("host\n");
    assert_eq!(fs::read_to_string(folder.join("from-container")).unwrap(), "container\n");
    let read_only = bind(":ro");
    let words = run(&["-v", &read_only, "busybox", "touch", "/b/x"]);
    context.isopod(words).fails_with(1).complains_of("Read-only");
    let mount = format!("type=bind,source={},target=/b,readonly", folder.display());
    context.isopod(run(&["--mount", &mount, "busybox", "touch", "/b/x"])).fails_with(1);
    // -v makes a folder that is missing, as docker does; a single file can be shared too.
    let missing = context.path("missing/deep");
    let volume = format!("{}:/m", missing.display());
    context.isopod(run(&["-v", &volume, "busybox", "touch", "/m/x"])).succeeds();
    assert!(missing.join("x").exists());
    let file = format!("{}:/etc/one:ro", folder.join("from-host").display());
    context.isopod(run(&["-v", &file, "busybox", "cat", "/etc/one"])).prints("host\n");
    let words = run(&[
        "--tmpfs",
        "/t:size=1m,mode=1700",
        "busybox",
        "sh",
        "-c",
        "stat -c %a /t; head -c 2m /dev/zero > /t/x",
    ]);
    context.isopod(words).fails_with(1).prints("1700\n");
}

#[test]
fn a_folder_on_a_file_or_in_the_way_of_devices_is_told_by_name() {
    let context = busybox();
    let file = context.path("file");
    fs::write(&file, "x").unwrap();
    let (file, folder) = (file.to_str().unwrap().to_owned(), context.path(""));
    let folder = folder.to_str().unwrap();
    for (source, target) in
        [(file.as_str(), "/bin"), (folder, "/etc/passwd"), ("vol", "/etc/passwd")]
    {
        let volume = format!("{source}:{target}");
        let refused = context.isopod(run(&["-v", &volume, "busybox", "true"]));
        refused.fails_with(125).complains_of(target);
        assert!(source == "vol" || refused.stderr.contains(source), "{refused}");
    }
    for target in ["/dev", "/dev/null"] {
        let volume = format!("{target}:{target}");
        context
            .isopod(run(&["-v", &volume, "busybox", "true"]))
            .fails_with(125)
            .complains_of(target);
    }
    assert!(context.containers().is_empty());
    let volume = format!("{file}:/etc/passwd");
    context.isopod(run(&["-v", &volume, "busybox", "cat", "/etc/passwd"])).prints("x");
}

#[test]
fn volumes_outlive_containers_and_begin_with_the_images_content() {
    let context = TestContext::with(["busybox", "redis:alpine"]);
    let words = ["run", "-d", "--network", "none", "--name", "r1", "redis:alpine"];
    context.isopod(words).succeeds();
    // The image's VOLUME /data belongs to its user redis, and so does the volume.
    let id = context.isopod(["exec", "r1", "id", "-u", "redis"]).line().to_owned();
    context.isopod(["exec", "r1", "stat", "-c", "%u", "/data"]).prints(&format!("{id}\n"));
    until("redis", || context.isopod(["exec", "r1", "redis-cli", "ping"]).stdout == "PONG\n");
    context.isopod(["exec", "r1", "redis-cli", "set", "k", "v"]).prints("OK\n");
    let volumes = || fs::read_dir(context.path("root/volumes")).unwrap().count();
    assert_eq!(volumes(), 1);
    let folder = context.path("root/volumes").read_dir().unwrap().next().unwrap().unwrap().path();
    assert_eq!(fs::metadata(folder.join("_data")).unwrap().uid().to_string(), id);
    // A restart keeps what was saved; rm leaves the volume, rm -v does not.
    context.isopod(["restart", "r1"]).succeeds();
    until("redis", || context.isopod(["exec", "r1", "redis-cli", "get", "k"]).stdout == "v\n");
    context.isopod(["rm", "-f", "r1"]).succeeds();
    assert_eq!(volumes(), 1);
    context.isopod(words).succeeds();
    assert_eq!(volumes(), 2);
    context.isopod(["rm", "-f", "-v", "r1"]).succeeds();
    assert_eq!(volumes(), 1);
    // A named one is never removed with a container.
    context.isopod(run(&["-v", "kept:/v", "busybox", "sh", "-c", "echo x > /v/f"])).succeeds();
    context.isopod(run(&["-v", "kept:/v:ro", "busybox", "cat", "/v/f"])).prints("x\n");
    context
        .isopod(["create", "--network", "none", "--name", "c1", "-v", "kept:/v", "busybox"])
        .succeeds();
    context.isopod(["rm", "-v", "c1"]).succeeds();
    assert!(context.path("root/volumes/kept/_data/f").exists());
    // Content is copied in once, into an empty volume, and not where that is not wanted.
    context.isopod(run(&["-v", "etc:/etc", "busybox", "test", "-s", "/etc/passwd"])).succeeds();
    context
        .isopod(run(&["-v", "none:/etc:nocopy", "busybox", "test", "-e", "/etc/passwd"]))
        .fails_with(1);
}

/// What makes a container is in its groups meanwhile: it isn't refused for that, and isn't counted once the
/// program runs.
#[test]
fn processes_are_limited_to_the_containers_own() {
    let context = busybox();
    for limit in [2, 3, 4] {
        let shell = |others: usize| {
            // Beside the shell, which is the first process, and whose end is theirs.
            let script = "sleep 9 & ".repeat(others) + "echo all";
            let limit = limit.to_string();
            context.isopod(run(&["--pids-limit", &limit, "busybox", "sh", "-c", &script]))
        };
        shell(limit - 1).succeeds().prints("all\n");
        shell(limit).complains_of("fork");
    }
}
