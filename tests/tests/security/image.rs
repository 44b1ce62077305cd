//! Images written entry by entry, as an OCI layout in a tar, and brought in by `ctr images import`.

use std::fs;

use isopod_tests::{Outcome, TestContext};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tar::{EntryType, Header};

/// An image with busybox's programs, an `/etc/passwd` and an `/etc/group` in its first layer.
pub struct Image {
    layers: Vec<Layer>,
    config: Value,
}

/// One layer, uncompressed.
pub struct Layer {
    tar: tar::Builder<Vec<u8>>,
}

impl Layer {
    pub fn new() -> Self {
        Self { tar: tar::Builder::new(Vec::new()) }
    }

    fn entry(mut self, kind: EntryType, path: &str, mode: u32, target: &str, bytes: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_700_000_000);
        header.set_size(bytes.len() as u64);
        // As it is: the crate's own setters refuse what is hostile.
        let raw = header.as_old_mut();
        raw.name[..path.len()].copy_from_slice(path.as_bytes());
        raw.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        self.tar.append(&header, bytes).unwrap();
        self
    }

    pub fn folder(self, path: &str) -> Self {
        self.entry(EntryType::Directory, path, 0o755, "", &[])
    }

    pub fn file(self, path: &str, mode: u32, bytes: impl AsRef<[u8]>) -> Self {
        self.entry(EntryType::Regular, path, mode, "", bytes.as_ref())
    }

    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, path, 0o777, target, &[])
    }

    pub fn hard_link(self, path: &str, target: &str) -> Self {
        self.entry(EntryType::Link, path, 0o644, target, &[])
    }

    pub fn fifo(self, path: &str) -> Self {
        self.entry(EntryType::Fifo, path, 0o644, "", &[])
    }

    /// A file of `size` bytes without any content, as GNU tar writes it.
    pub fn hole(mut self, path: &str, size: u64) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::GNUSparse);
        header.set_path(path).unwrap();
        header.set_mode(0o644);
        header.set_size(0);
        header.set_mtime(0);
        let gnu = header.as_gnu_mut().unwrap();
        // One piece of nothing at the end.
        gnu.sparse[0].offset.copy_from_slice(format!("{size:011o}\0").as_bytes());
        gnu.sparse[0].numbytes.copy_from_slice(b"00000000000\0");
        gnu.realsize.copy_from_slice(format!("{size:011o}\0").as_bytes());
        header.set_cksum();
        self.tar.append(&header, &[][..]).unwrap();
        self
    }

    pub fn bytes(self) -> Vec<u8> {
        self.tar.into_inner().unwrap()
    }
}

const APPLETS: &[&str] = &[
    "sh", "cat", "chmod", "chown", "cp", "cut", "dd", "dmesg", "echo", "env", "grep", "head", "id",
    "kill", "ln", "ls", "mkdir", "mkfifo", "mknod", "mount", "mv", "ps", "readlink", "rm", "sed",
    "sleep", "sort", "stat", "touch", "tr", "true", "tty", "umount", "unshare", "wc", "yes",
];

/// The layer that others lie on.
pub fn busybox() -> Layer {
    let program = fs::read("/bin/busybox").expect("busybox-static is installed");
    let mut layer = Layer::new();
    for folder in ["bin", "etc", "tmp", "root"] {
        layer = layer.folder(folder);
    }
    layer = layer.file("bin/busybox", 0o755, program);
    for applet in APPLETS {
        layer = layer.symlink(&format!("bin/{applet}"), "busybox");
    }
    let passwd = "root:x:0:0::/root:/bin/sh\nredis:x:999:1000::/tmp:/bin/sh\n";
    layer.file("etc/passwd", 0o644, passwd).file(
        "etc/group",
        0o644,
        "redis:x:1000:\naudio:x:29:redis\n",
    )
}

impl Image {
    pub fn new() -> Self {
        let config = json!({
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Cmd": ["sh"],
        });
        Self { layers: vec![busybox()], config }
    }

    /// With another layer on top.
    pub fn layer(mut self, layer: Layer) -> Self {
        self.layers.push(layer);
        self
    }

    /// With `key` of the config's `config`.
    pub fn says(mut self, key: &str, value: Value) -> Self {
        self.config[key] = value;
        self
    }

    /// Documents and blobs as an archive that names the image `name`.
    pub fn archive(self, name: &str) -> Vec<u8> {
        let layers: Vec<Vec<u8>> = self.layers.into_iter().map(Layer::bytes).collect();
        let config = json!({
            "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
            "os": "linux",
            "config": self.config,
            "rootfs": {"type": "layers", "diff_ids": layers.iter().map(|l| digest(l)).collect::<Vec<_>>()},
        });
        let config = config.to_string().into_bytes();
        let mut archive = Archive::new();
        let layers: Vec<Value> = layers.iter().map(|layer| archive.blob(LAYER, layer)).collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": archive.blob("application/vnd.oci.image.config.v1+json", &config),
            "layers": layers,
        });
        let mut manifest = archive.blob(MANIFEST, manifest.to_string().as_bytes());
        manifest["annotations"] = json!({"io.containerd.image.name": name});
        archive.finish(&json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest]}))
    }

    /// Brings it in under this name.
    #[track_caller]
    pub fn import(self, context: &TestContext, name: &str) {
        import(context, &self.archive(name)).succeeds();
    }
}

pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";

pub fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// An OCI layout being written.
pub struct Archive {
    files: Layer,
}

impl Archive {
    pub fn new() -> Self {
        Self { files: Layer::new().file("oci-layout", 0o644, r#"{"imageLayoutVersion":"1.0.0"}"#) }
    }

    /// Adds a blob and describes it.
    pub fn blob(&mut self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = digest(bytes);
        self.file(&format!("blobs/{}", digest.replace(':', "/")), bytes);
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    pub fn file(&mut self, path: &str, bytes: &[u8]) {
        let files = std::mem::replace(&mut self.files, Layer::new());
        self.files = files.file(path, 0o644, bytes);
    }

    pub fn finish(mut self, index: &Value) -> Vec<u8> {
        self.file("index.json", index.to_string().as_bytes());
        self.files.bytes()
    }
}

/// `ctr images import` of an archive.
pub fn import(context: &TestContext, archive: &[u8]) -> Outcome {
    let path = context.path("image.tar");
    fs::write(&path, archive).unwrap();
    let outcome = context.isopod(["ctr", "images", "import", path.to_str().unwrap()]);
    fs::remove_file(path).unwrap();
    outcome
}
