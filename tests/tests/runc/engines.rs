//! Debian's podman and containerd with ours as their runtime, and with runc: what they print is the same.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use isopod_tests::binary;

use crate::bundle::Bundle;

/// Both write below `/run`, which is a fresh one here, and mounts stay inside.
const BEGIN: &str = "mount -t tmpfs tmpfs /run || exit 99\nexec 2>&1\n";

const PODMAN: &str = r#"
export CONTAINERS_CONF=$D/containers.conf
P="timeout 60 podman --root $D/root --runroot $D/runroot --tmpdir $D/tmp --storage-driver vfs --runtime $RUNTIME"
RUN="run --cgroup-parent $CGROUP --network none"
$P $RUN --rm --rootfs $ROOTFS sh -c 'id; pwd; echo hi; exit 5'; echo "run $?"
$P $RUN --rm --user 3:4 --workdir /bin --env A=b --cap-add CHOWN --rootfs $ROOTFS sh -c 'id; pwd; echo $A; grep -E "Cap|Sec|NoNew" /proc/self/status'; echo "run $?"
$P $RUN --rm --rootfs $ROOTFS nonono 2>/dev/null; echo "absent $?"
$P $RUN -d --name a --rootfs $ROOTFS sh -c 'echo logged; trap "exit 3" TERM; while :; do sleep 0.1; done' > /dev/null; echo "run -d $?"
$P exec a sh -c 'id; exit 6'; echo "exec $?"
$P exec -d a sh -c 'echo from the background > /tmp/mark' > /dev/null; echo "exec -d $?"
$P pause a; echo "pause $?"
$P ps -a --format '{{.Names}} {{.State}}'
$P unpause a; echo "unpause $?"
$P stats --no-stream --format '{{.Name}}' a
$P inspect --format '{{.State.Status}} {{.State.ExitCode}}' a
$P stop -t 10 a; echo "stop $?"
$P logs a
$P inspect --format '{{.State.Status}} {{.State.ExitCode}}' a
$P rm a; echo "rm $?"
$P $RUN -dt --name t --rootfs $ROOTFS sh -c 'tty; stty -a | grep -c speed' > /dev/null; echo "run -dt $?"
$P wait t
$P logs t
$P rm t
$P ps -a --format '{{.Names}}'
"#;

const CONTAINERD: &str = r#"
containerd -c $D/config.toml > $D/log 2>&1 &
PID=$!
for i in $(seq 200); do [ -S $D/c.sock ] && break; sleep 0.1; done
C="timeout --foreground 60 ctr -a $D/c.sock"
RUN="run --runtime io.containerd.runc.v2 --runc-binary $RUNTIME --rootfs"
$C $RUN --rm --cgroup $CGROUP/one $ROOTFS one /bin/sh -c 'id; exit 5'; echo "run $?"
$C $RUN -d --cgroup $CGROUP/two $ROOTFS two /bin/sleep 1000; echo "run -d $?"
$C tasks ls | awk '{print $1, $3}'
$C tasks exec --exec-id e1 two /bin/sh -c 'echo exec; exit 3'; echo "exec $?"
$C tasks ps two | wc -l
$C tasks pause two; $C tasks ls | awk '{print $1, $3}'
$C tasks resume two; $C tasks ls | awk '{print $1, $3}'
$C tasks metrics two | grep -c memory
$C tasks kill -s 9 two
for i in $(seq 100); do $C tasks ls | grep -q STOPPED && break; sleep 0.1; done
$C tasks rm two 2>/dev/null; echo "rm $?"
$C containers rm two
$C tasks ls -q; $C containers ls -q
script -qec "$C $RUN --rm -t --cgroup $CGROUP/three $ROOTFS three /bin/sh -c 'tty; exit 7'" /dev/null < /dev/null; echo "run -t $?"
kill $PID; wait $PID
"#;

/// Runs `script` with a runtime, in a mount namespace of its own.
fn transcript(bundle: &Bundle, script: &str, name: &str, runtime: &Path, cgroup: &str) -> String {
    let folder = bundle.path(name);
    fs::create_dir(&folder).unwrap();
    let limits = r#"default_ulimits = ["nofile=1024:1024","nproc=1024:1024"]"#;
    let podman = format!(
        "[containers]\n{limits}\n[engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n"
    );
    fs::write(folder.join("containers.conf"), podman).unwrap();
    let at = folder.display();
    let without: Vec<String> = [
        "grpc.v1.cri",
        "snapshotter.v1.btrfs",
        "snapshotter.v1.zfs",
        "snapshotter.v1.devmapper",
        "snapshotter.v1.aufs",
    ]
    .iter()
    .map(|plugin| format!("\"io.containerd.{plugin}\""))
    .collect();
    let containerd = format!(
        "version = 2\nroot = \"{at}/croot\"\nstate = \"{at}/cstate\"\ndisabled_plugins = [{}]\n[grpc]\naddress = \"{at}/c.sock\"\n",
        without.join(", ")
    );
    fs::write(folder.join("config.toml"), containerd).unwrap();
    let output = Command::new("unshare")
        .args(["--mount", "bash", "-c", &format!("{BEGIN}{script}")])
        .env("D", &folder)
        .env("RUNTIME", runtime)
        .env("ROOTFS", bundle.path("bundle/rootfs"))
        .env("CGROUP", cgroup)
        .env("HOME", &folder)
        .output()
        .unwrap();
    remove_groups(cgroup);
    let text = String::from_utf8_lossy(&output.stdout);
    // Warnings of this machine's other packages come and go.
    let lines = text.lines().filter(|line| !line.contains("CNI config"));
    lines.map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// What engines make above their containers' groups, in every hierarchy.
fn remove_groups(cgroup: &str) {
    for hierarchy in fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
        let top = hierarchy.path().join(&cgroup[1..]);
        Command::new("find")
            .arg(&top)
            .args(["-depth", "-type", "d", "-exec", "rmdir", "{}", ";"])
            .output()
            .unwrap();
        assert!(!top.exists(), "{} is left", top.display());
    }
}

/// Ours by the name of the original; engines start it with an environment of their own.
fn wrapped(bundle: &Bundle) -> PathBuf {
    let link = bundle.path("link");
    fs::create_dir(&link).unwrap();
    symlink(binary::isopod(), link.join("runc")).unwrap();
    let wrapper = bundle.path("wrapped");
    fs::create_dir(&wrapper).unwrap();
    let wrapper = wrapper.join("runc");
    let text = format!(
        "#!/bin/sh\nexport ISOPOD_ROOT={}\nexec {} \"$@\"\n",
        bundle.path("data").display(),
        link.join("runc").display()
    );
    fs::write(&wrapper, text).unwrap();
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    wrapper
}

#[track_caller]
fn same(engine: &str, script: &str, expected: &str) {
    let bundle = Bundle::new();
    fs::create_dir(bundle.path("bundle/rootfs/tmp")).unwrap();
    let own = format!("/isopod-{engine}-test-{}", std::process::id());
    let original = Path::new("/usr/sbin/runc");
    let theirs = transcript(&bundle, script, "by-runc", original, &format!("{own}-theirs"));
    let ours = transcript(&bundle, script, "by-ours", &wrapped(&bundle), &format!("{own}-ours"));
    assert!(theirs.contains(expected), "{engine} works with runc:\n{theirs}");
    assert_eq!(ours, theirs);
}

#[test]
fn podman_runs_containers_as_with_runc() {
    same("podman", PODMAN, "\nrun -dt 0\n");
}

#[test]
fn containerd_runs_containers_as_with_runc() {
    same("containerd", CONTAINERD, "\nrun -t 7\n");
}
