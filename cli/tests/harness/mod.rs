//! An instance of its own for each test: folders, an image, and nothing left when it is dropped.

#![allow(dead_code, reason = "each test file uses its part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The image's name.
pub const IMAGE: &str = "docker.io/library/box:latest";
const APPLETS: [&str; 12] =
    ["cat", "echo", "env", "false", "head", "id", "ls", "pwd", "sh", "sleep", "stty", "true"];

/// An isopod with its own root, state and cgroup.
pub struct Instance {
    folder: tempfile::TempDir,
}

/// What a command did.
#[derive(Debug)]
pub struct Done {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self {
            status: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

impl Instance {
    /// Empty.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().file_name().unwrap().to_string_lossy().replace('.', "");
        let config = format!("cgroup_parent = \"/isopod-test-{name}\"\n");
        fs::write(folder.path().join("config.toml"), config).unwrap();
        Self { folder }
    }

    /// With an image of busybox.
    pub fn with_image() -> Self {
        let instance = Self::new();
        instance.load();
        instance
    }

    /// Imports the image of busybox, with what lies in `rootfs` already.
    pub fn load(&self) {
        let archive = self.archive();
        let done = self.run(&["ctr", "images", "import", archive.to_str().unwrap()]);
        assert_eq!(done.status, 0, "{done:?}");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command on this instance, not started yet.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isopod"));
        command
            .args(arguments)
            .env("ISOPOD_ROOT", self.path("root"))
            .env("ISOPOD_STATE", self.path("state"))
            .env("ISOPOD_CONFIG", self.path("config.toml"))
            .env_remove("CONTAINERD_NAMESPACE")
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Done {
        self.command(arguments).output().unwrap().into()
    }

    /// Runs a command that must succeed; its standard output without the last line feed.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments);
        assert_eq!(done.status, 0, "{arguments:?}: {done:?}");
        done.out.trim_end_matches('\n').to_owned()
    }

    /// What `docker save` writes, made by GNU tar and sha256sum.
    fn archive(&self) -> PathBuf {
        let root = self.rootfs();
        let folder = self.path("archive");
        fs::create_dir(&folder).unwrap();
        tar(&root, &["."], &folder.join("layer.tar"));
        let digest = Command::new("sha256sum").arg(folder.join("layer.tar")).output().unwrap();
        let digest = String::from_utf8(digest.stdout).unwrap()[..64].to_owned();
        let config = format!(
            r#"{{"architecture":"{}","os":"linux","config":{{"Env":["PATH=/bin"],"Cmd":["sh"]}},"rootfs":{{"type":"layers","diff_ids":["sha256:{digest}"]}}}}"#,
            match std::env::consts::ARCH {
                "x86_64" => "amd64",
                "aarch64" => "arm64",
                other => other,
            }
        );
        fs::write(folder.join("config.json"), config).unwrap();
        let manifest =
            r#"[{"Config":"config.json","RepoTags":["box:latest"],"Layers":["layer.tar"]}]"#;
        fs::write(folder.join("manifest.json"), manifest).unwrap();
        let archive = self.path("box.tar");
        tar(&folder, &["manifest.json", "config.json", "layer.tar"], &archive);
        archive
    }

    /// The same folder for `ctr run --rootfs`.
    pub fn rootfs_for_ctr(&self) -> String {
        let root = self.path("rootfs");
        let root = if root.exists() { root } else { self.rootfs() };
        root.to_str().unwrap().to_owned()
    }

    /// A root file system of busybox, which must be the static one.
    pub fn rootfs(&self) -> PathBuf {
        let root = self.path("rootfs");
        fs::create_dir_all(root.join("bin")).unwrap();
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::copy("/bin/busybox", root.join("bin/busybox")).expect("busybox-static is installed");
        for applet in APPLETS {
            symlink("busybox", root.join("bin").join(applet)).unwrap();
        }
        fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").unwrap();
        root
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let ids = self.run(&["ps", "-aq", "--no-trunc"]).out;
        for id in ids.lines() {
            self.run(&["rm", "-f", "-v", id]);
        }
    }
}

fn tar(folder: &Path, names: &[&str], archive: &Path) {
    let status =
        Command::new("tar").arg("-C").arg(folder).arg("-cf").arg(archive).args(names).status();
    assert!(status.unwrap().success());
}
