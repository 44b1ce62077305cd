//! The same archives through GNU tar, and the same images through umoci and podman.

use std::path::{Path, PathBuf};
use std::process::Command;

use isopod_image::digest::Digest;
use isopod_layer::WhiteoutEncoding;

use crate::archive::Tar;
use crate::image::Stack;
use crate::look::{Look, assert_same, look};
use crate::scratch::{folder, merged, scratch, standalone};

#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.env("TMPDIR", "/tmp").output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn shell(folder: &Path, script: &str) {
    run(Command::new("bash").args(["-euc", script]).current_dir(folder));
}

/// Everything a file system can hold, made by the tools that people use for it.
fn rich_tree(root: &Path) -> PathBuf {
    let tree = folder(root, "tree");
    shell(
        &tree,
        r#"
        mkdir -p etc usr/bin var/empty "deep/$(printf 'd%.0s' {1..120})/$(printf 'e%.0s' {1..150})"
        printf hello > etc/greeting; chmod 640 etc/greeting; chown 12345:54321 etc/greeting
        printf x > usr/bin/su; chown 0:7 usr/bin/su; chmod 6755 usr/bin/su
        printf y > usr/bin/ping; setcap cap_net_raw+ep usr/bin/ping
        ln usr/bin/su usr/bin/also-su; ln -s ../../etc/greeting usr/bin/link
        ln -s "/$(printf 't%.0s' {1..200})" etc/long-link; chown -h 5:6 etc/long-link
        printf z > "deep/$(printf 'd%.0s' {1..120})/$(printf 'e%.0s' {1..150})/$(printf 'f%.0s' {1..200})"
        printf '' > etc/empty; printf w > $'etc/odd \t\xff\n name'
        chmod 1777 var/empty; chmod 2750 etc; chown 0:42 etc
        mknod etc/null c 1 3; mknod etc/disk b 259 1048575; mkfifo etc/pipe; chmod 622 etc/pipe
        setfattr -n user.note -v 'a=b%c' etc/greeting; setfattr -n trusted.note -v t var/empty
        setfattr -n user.empty etc/greeting; setfattr -n trusted.link -v l -h etc/long-link
        truncate -s 3M var/holes; printf mid | dd of=var/holes bs=1 seek=1500000 conv=notrunc status=none
        printf end | dd of=var/holes bs=1 seek=3000000 conv=notrunc status=none
        truncate -s 1M var/only-a-hole
        for i in $(seq 40); do printf p | dd of=var/many bs=1 seek=$((i*70000)) conv=notrunc status=none; done
        head -c 300000 /dev/urandom > var/random
        touch -h -d '2001-02-03 04:05:06.789012345' etc/greeting usr/bin/link usr/bin/su
        touch -h -d '1969-12-31 23:59:58.25' etc/empty
        touch -d '1999-09-09 09:09:09.123456789' usr usr/bin var/empty etc deep
        "#,
    );
    tree
}

/// What GNU tar makes of an archive.
fn gnu_tar(archive: &Path, into: &Path) {
    run(Command::new("tar")
        .args(["-x", "--xattrs", "--xattrs-include=*", "--numeric-owner", "--same-owner", "-p"])
        .arg("-f")
        .arg(archive)
        .arg("-C")
        .arg(into));
}

#[test]
fn every_format_of_gnu_tar_comes_out_as_gnu_tar_takes_it_out() {
    let root = scratch();
    let tree = rich_tree(root.path());
    let formats = [
        "--format=posix --sparse --sparse-version=1.0 --xattrs --xattrs-include=*",
        "--format=posix --sparse --sparse-version=0.1 --xattrs --xattrs-include=*",
        "--format=posix --sparse --sparse-version=0.0",
        "--format=posix --pax-option=globexthdr.name=g,comment=made",
        "--format=posix --pax-option=mtime=1577836800.5",
        "--format=gnu --sparse",
        "--format=oldgnu",
        "--format=ustar --exclude=*fffff* --exclude=./deep --exclude=long-link --exclude=empty",
        "--format=v7 --exclude=*fffff* --exclude=./deep --exclude=long-link --exclude=empty \
         --exclude=etc/null --exclude=etc/disk --exclude=etc/pipe",
    ];
    for (number, format) in formats.into_iter().enumerate() {
        let archive = root.path().join(format!("{number}.tar"));
        run(Command::new("tar")
            .args(format.split_whitespace())
            .args(["--numeric-owner", "-cf"])
            .arg(&archive)
            .arg("-C")
            .arg(&tree)
            .arg("."));
        let theirs = folder(root.path(), &format!("{number}-gnu"));
        gnu_tar(&archive, &theirs);
        let ours = folder(root.path(), &format!("{number}-isopod"));
        let unpacked = standalone(&std::fs::read(&archive).unwrap(), &ours).expect(format);
        assert_eq!(unpacked.self_contained, Ok(()), "{format}");
        assert_eq!(unpacked.skipped, [], "{format}");
        let view = Look { holes: format.contains("--sparse"), ..Look::default() };
        assert_same(("gnu", &look(&theirs, view)), ("isopod", &look(&ours, view)));
        // Over an empty folder the other way of writing must make the same.
        let over = folder(root.path(), &format!("{number}-merged"));
        merged(&std::fs::read(&archive).unwrap(), &over).expect(format);
        assert_same(("standalone", &look(&ours, view)), ("merged", &look(&over, view)));
        // What was packed is what came out, where the format can say it.
        if format.contains("--xattrs") {
            assert_same(("packed", &look(&tree, view)), ("isopod", &look(&ours, view)));
        }
    }
}

#[test]
fn access_control_lists_do_not_spread_to_what_is_made_below() {
    // Records as libarchive and Go's tar write them: user 1000 may read and write.
    let acl = b"\x02\0\0\0\x01\0\x07\0\xff\xff\xff\xff\x02\0\x06\0\xe8\x03\0\0\x04\0\x05\0\xff\xff\xff\xff\
                \x10\0\x07\0\xff\xff\xff\xff\x20\0\x05\0\xff\xff\xff\xff";
    let key = "SCHILY.xattr.system.posix_acl_default";
    let tar = Tar::new()
        .pax(&[(key, &acl[..])])
        .folder("d")
        .folder("d/sub")
        .file("d/sub/file", "x")
        .file("d/file", "x")
        .finish();
    let root = scratch();
    let into = folder(root.path(), "into");
    let unpacked = standalone(&tar, &into).unwrap();
    assert_eq!(unpacked.skipped, []);
    let lines = look(&into, Look::default());
    assert!(lines["/d"].contains("system.posix_acl_default"), "{lines:?}");
    for path in ["/d/sub", "/d/file", "/d/sub/file"] {
        assert!(!lines[path].contains("posix_acl"), "{path}: {}", lines[path]);
    }
    // The same over a parent whose folder has the list already.
    let again = Tar::new().file("d/new", "x").folder("d/new-folder").finish();
    merged(&again, &into).unwrap();
    let lines = look(&into, Look::default());
    assert!(!lines["/d/new"].contains("posix_acl"), "{}", lines["/d/new"]);
    assert!(!lines["/d/new-folder"].contains("posix_acl"), "{}", lines["/d/new-folder"]);
}

/// Layers with everything that happens between layers.
fn layers(root: &Path, without: &str) -> Vec<Vec<u8>> {
    let tree = rich_tree(root);
    shell(&tree, without);
    let base = root.join("base.tar");
    run(Command::new("tar")
        .args(["--format=posix", "--xattrs", "--xattrs-include=*", "--numeric-owner", "-cf"])
        .arg(&base)
        .arg("-C")
        .arg(&tree)
        .arg("."));
    let second = Tar::new()
        .folder("app")
        .file("app/one", "1")
        .file("app/two", "2")
        .folder("app/data")
        .file("app/data/old", "old")
        .folder("app/gone")
        .file("app/gone/file", "x")
        .folder("app/kept")
        .file("app/kept/lower", "l")
        .symlink("app/link", "data")
        .file("app/becomes-folder", "f")
        .folder("app/becomes-file")
        .file("app/becomes-file/x", "x")
        .finish();
    // A hard link into a lower layer, implicit parents, deletions, an opaque folder, and
    // each kind of file in the place of each other.
    let third = Tar::new()
        .file("etc/new", "in a folder without entry")
        .hard_link("etc/hard", "app/one")
        .entry(b'0', "app/.wh.two", "", b"")
        .entry(b'0', "app/.wh.gone", "", b"")
        .entry(b'0', "app/.wh.never-there", "", b"")
        .entry(b'0', "app/data/.wh..wh..opq", "", b"")
        .file("app/data/new", "new")
        .folder("app/becomes-folder")
        .file("app/becomes-folder/y", "y")
        .file("app/becomes-file", "now a file")
        .finish();
    // Self-contained, with whiteouts.
    let fourth = Tar::new()
        .folder("app")
        .folder("app/kept")
        .entry(b'0', "app/kept/.wh.lower", "", b"")
        .entry(b'0', "app/.wh.one", "", b"")
        .folder("app/data")
        .entry(b'0', "app/data/.wh..wh..opq", "", b"")
        .file("app/data/newest", "newest")
        .hard_link("app/data/same", "app/data/newest")
        .folder("usr")
        .folder("usr/bin")
        .file("usr/bin/ping", "no capability any more")
        .finish();
    vec![std::fs::read(base).unwrap(), second, third, fourth]
}

/// An image layout with these layers, uncompressed.
fn layout(root: &Path, layers: &[Vec<u8>]) -> PathBuf {
    let layout = folder(root, "layout");
    let blobs = layout.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let put = |bytes: &[u8]| {
        let digest = Digest::sha256(bytes);
        std::fs::write(blobs.join(digest.hex()), bytes).unwrap();
        format!(r#""digest":"{digest}","size":{}"#, bytes.len())
    };
    let descriptor = |kind: &str, blob: String| {
        format!(r#"{{"mediaType":"application/vnd.oci.image.{kind}",{blob}}}"#)
    };
    let list = |items: Vec<String>| items.join(",");
    let diff_ids = list(layers.iter().map(|l| format!(r#""{}""#, Digest::sha256(l))).collect());
    let config = put(format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{}},
               "rootfs":{{"type":"layers","diff_ids":[{diff_ids}]}}}}"#
    )
    .as_bytes());
    let config = descriptor("config.v1+json", config);
    let tars = list(layers.iter().map(|l| descriptor("layer.v1.tar", put(l))).collect());
    let manifest = put(format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
               "config":{config},"layers":[{tars}]}}"#
    )
    .as_bytes());
    let manifest = format!(
        r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json",{manifest},
           "annotations":{{"org.opencontainers.image.ref.name":"latest"}}}}"#
    );
    std::fs::write(
        layout.join("index.json"),
        format!(r#"{{"schemaVersion":2,"manifests":[{manifest}]}}"#),
    )
    .unwrap();
    std::fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    layout
}

/// Go's tar, and so both peers, drops attributes without a value.
const UNKNOWN_TO_GO: &str = "setfattr -x user.empty etc/greeting";

/// podman drops trusted attributes, and has no time before 1970.
const UNKNOWN_TO_PODMAN: &str = "setfattr -x trusted.note var/empty; touch -d @5.25 etc/empty
    setfattr -x trusted.link -h etc/long-link; touch -d @7 etc";

#[test]
fn an_image_looks_as_umoci_unpacks_it() {
    let root = scratch();
    let layers = layers(root.path(), UNKNOWN_TO_GO);
    let layout = layout(root.path(), &layers);
    let bundle = root.path().join("bundle");
    run(Command::new("umoci")
        .arg("unpack")
        .arg("--image")
        .arg(format!("{}:latest", layout.display()))
        .arg(&bundle));
    let theirs = look(&bundle.join("rootfs"), Look::default());

    for encoding in
        [WhiteoutEncoding::Device, WhiteoutEncoding::UserDevice, WhiteoutEncoding::UserXattr]
    {
        let stacks = folder(root.path(), &format!("{encoding:?}"));
        let mut stack = Stack::new(&stacks, encoding);
        let alone: Vec<bool> =
            layers.iter().map(|layer| stack.add(layer).unwrap().is_ok()).collect();
        assert_eq!(alone, [true, true, false, true], "{encoding:?}");
        let ours = look(&stack.mount().path(), Look::default());
        assert_same(("umoci", &theirs), ("isopod", &ours));
    }

    let stacks = folder(root.path(), "merged");
    let mut stack = Stack::new(&stacks, WhiteoutEncoding::Device);
    layers.iter().for_each(|layer| stack.add_merged(layer).unwrap());
    let ours = look(&stack.mount().path(), Look::default());
    assert_same(("umoci", &theirs), ("isopod, all merged", &ours));
}

/// What podman mounts for the image, from a store of its own. With its vfs driver, as its
/// overlay driver can't unpack a hard link to a file of another layer.
fn podman(root: &Path, layout: &Path) -> std::collections::BTreeMap<String, String> {
    let store = folder(root, "podman");
    let script = format!(
        "set -e; podman() {{ command podman --root $PWD/store --runroot $PWD/run --tmpdir $PWD/tmp \
           --storage-driver vfs --events-backend none \"$@\"; }}
         # podman makes a name of the path, and takes lower-case ones only.
         mount --bind {layout} /mnt
         podman pull -q oci:/mnt:latest >id 2>/dev/null
         podman image mount $(cat id) >place 2>/dev/null
         # Looked at in here: the mount is in this namespace only.
         exec 3<\"$(cat place)\"; echo ready; read answer || true; podman image umount -f $(cat id) >/dev/null 2>&1 || true",
        layout = layout.display()
    );
    let mut child = Command::new("unshare")
        .args(["-m", "bash", "-c", &script])
        .current_dir(&store)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut output, &mut line).unwrap();
    assert_eq!(line, "ready\n");
    let seen = look(Path::new(&format!("/proc/{}/fd/3", child.id())), PODMAN_LOOK);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    seen
}

/// It also gives a folder without an entry the time of unpacking.
const PODMAN_LOOK: Look = Look { folder_times: false, holes: true, raw: false };

#[test]
fn an_image_looks_as_podman_mounts_it() {
    let root = scratch();
    let layers = layers(root.path(), &format!("{UNKNOWN_TO_GO}; {UNKNOWN_TO_PODMAN}"));
    let layout = layout(root.path(), &layers);
    let mut stack = Stack::new(root.path(), WhiteoutEncoding::Device);
    layers.iter().for_each(|layer| drop(stack.add(layer).unwrap()));
    let ours = look(&stack.mount().path(), PODMAN_LOOK);
    let theirs = podman(root.path(), &layout);
    assert_same(("podman", &theirs), ("isopod", &ours));
}
