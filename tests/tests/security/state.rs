//! Row 10: what an instance keeps is its owner's alone, and its sockets have paths (CVE-2020-15257,
//! CVE-2024-25621).

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use isopod_tests::TestContext;

use crate::image::Image;

const IMAGE: &str = "localhost/state:latest";

/// Everything below a folder; file systems of containers are their own affair.
fn tree(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap().map(Result::unwrap) {
            found.push(entry.path());
            if entry.file_type().unwrap().is_dir()
                && !["fs", "work", "_data"].iter().any(|n| entry.file_name() == *n)
            {
                folders.push(entry.path());
            }
        }
    }
    found
}

fn context() -> TestContext {
    let context = TestContext::without_registries();
    // Made by the product, under the widest mask a caller can have.
    for name in ["root", "state"] {
        fs::remove_dir(context.path(name)).unwrap();
    }
    Image::new().import(&context, IMAGE);
    let run = ["run", "-d", "-it", "--name", "c1", "--network", "none", "-v", "named:/v", IMAGE];
    let words = run.iter().chain(&["sleep", "600"]);
    let widest = ["-c", "umask 0; exec \"$@\"", "caller"];
    let program = isopod_tests::binary::isopod();
    let mut command = isopod_tests::Invocation::new(
        "sh",
        widest
            .iter()
            .map(|w| (*w).to_owned())
            .chain([program.to_str().unwrap().to_owned()])
            .chain(words.map(|w| (*w).to_owned())),
    );
    for (name, value) in [
        ("ISOPOD_ROOT", context.path("root")),
        ("ISOPOD_STATE", context.path("state")),
        ("ISOPOD_CONFIG", context.path("config.toml")),
        ("HOME", context.path("home")),
    ] {
        command = command.env(name, value);
    }
    command.run().succeeds();
    context.isopod(["exec", "-d", "c1", "sleep", "600"]).succeeds();
    context
}

#[test]
fn folders_are_their_owners_alone_and_sockets_too() {
    let context = context();
    let mut sockets = 0;
    for top in ["root", "state"] {
        let top = context.path(top);
        assert_eq!(fs::metadata(&top).unwrap().mode() & 0o7777, 0o700, "{}", top.display());
        for path in tree(&top) {
            let about = fs::symlink_metadata(&path).unwrap();
            assert_eq!((about.uid(), about.gid()), (0, 0), "{}", path.display());
            let mode = about.mode() & 0o7777;
            let is_inside = path
                .components()
                .any(|part| part.as_os_str() == "fs" || part.as_os_str() == "_data");
            if about.file_type().is_socket() {
                sockets += 1;
                assert_eq!(mode, 0o600, "{}", path.display());
            } else if about.is_dir() && !is_inside && !path.ends_with("work") {
                // What libcontainer makes lies in a folder that is shut.
                let is_libcontainers = path.components().any(|part| part.as_os_str() == "oci");
                let bits = if is_libcontainers { 0o022 } else { 0o077 };
                assert_eq!(mode & bits, 0, "{mode:o} {}", path.display());
            } else if about.is_file() && !is_inside {
                assert_eq!(mode & 0o022, 0, "others can write {}", path.display());
            }
        }
    }
    assert!(sockets > 0, "a monitor listens");
}

#[test]
fn no_socket_of_ours_is_abstract() {
    // Those of others come and go; ours would have a process of this instance behind it.
    let context = context();
    let table = fs::read_to_string("/proc/net/unix").unwrap();
    let abstract_ones: Vec<&str> = table
        .lines()
        .filter(|line| line.split_whitespace().nth(7).is_some_and(|path| path.starts_with('@')))
        .filter_map(|line| line.split_whitespace().nth(6))
        .collect();
    let folder = context.folder();
    let held = isopod_tests::leftovers::processes_that_hold(folder);
    assert!(!held.is_empty(), "a container runs");
    for (pid, why) in held {
        for entry in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
            let target = fs::read_link(entry.path()).unwrap_or_default();
            let inode = target
                .to_str()
                .and_then(|t| t.strip_prefix("socket:["))
                .map(|t| t.trim_end_matches(']'));
            assert!(inode.is_none_or(|inode| !abstract_ones.contains(&inode)), "{pid} {why}");
        }
    }
    let ours = table.lines().filter(|line| line.contains("isopod") && line.contains('@'));
    assert_eq!(ours.count(), 0, "{table}");
}

#[test]
fn another_user_cannot_connect() {
    let context = context();
    let sockets: Vec<PathBuf> = tree(&context.path("state"))
        .into_iter()
        .filter(|path| fs::symlink_metadata(path).unwrap().file_type().is_socket())
        .collect();
    // Even past the folders, which are shut: through a descriptor that root has open.
    for socket in sockets {
        let link = context.folder().join("s");
        fs::hard_link(&socket, &link).unwrap();
        UnixStream::connect(&link).expect("its owner can");
        let script = format!(
            "import socket; socket.socket(socket.AF_UNIX).connect({:?})",
            link.to_str().unwrap()
        );
        let mode = "chmod 755 \"$1\"; setpriv --reuid 65534 --regid 65534 --clear-groups /usr/bin/python3 -c \"$2\"; echo $?; chmod 700 \"$1\"";
        let told = Command::new("sh")
            .args(["-c", mode, "sh"])
            .arg(context.folder())
            .arg(&script)
            .output()
            .unwrap();
        let complaint = String::from_utf8_lossy(&told.stderr).into_owned();
        assert!(complaint.contains("PermissionError"), "{} {complaint}", socket.display());
        fs::remove_file(link).unwrap();
    }
}

/// The mode alone is not relied on: the peer's credentials are looked at too.
#[test]
fn another_user_who_gets_through_is_not_answered() {
    let context = context();
    let socket = tree(&context.path("state"))
        .into_iter()
        .find(|path| path.file_name().is_some_and(|name| name == "monitor.sock"))
        .unwrap();
    let link = context.folder().join("s");
    fs::hard_link(&socket, &link).unwrap();
    let script = format!(
        "import socket\ns = socket.socket(socket.AF_UNIX)\ns.settimeout(20)\ns.connect({:?})\nprint(len(s.recv(1)))",
        link.to_str().unwrap()
    );
    let mode = "chmod 755 \"$1\"; chmod 666 \"$3\"; setpriv --reuid 65534 --regid 65534 --clear-groups /usr/bin/python3 -c \"$2\"; chmod 700 \"$1\"; chmod 600 \"$3\"";
    let told = Command::new("sh")
        .args(["-c", mode, "sh"])
        .arg(context.folder())
        .arg(&script)
        .arg(&link)
        .output()
        .unwrap();
    let heard = String::from_utf8_lossy(&told.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(heard == "0\n" || complaint.contains("ConnectionReset"), "{heard} {complaint}");
    fs::remove_file(link).unwrap();
}
