//! Images written by a test, byte for byte: into an OCI image layout that [`crate::Served`] serves.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// An entry of a layer's tar.
#[derive(Debug, Clone, Copy)]
pub enum Entry<'a> {
    Folder(&'a str),
    /// Of this mode.
    FolderOf(&'a str, u32),
    File(&'a str, &'a [u8]),
    /// Path, and the path in the image that it is another name of.
    HardLink(&'a str, &'a str),
}

/// A blob that a manifest may name as a layer.
#[derive(Debug, Clone)]
pub struct Layer {
    pub blob: String,
    pub diff_id: String,
    pub size: u64,
    media_type: &'static str,
}

/// A layout under construction.
#[derive(Debug)]
pub struct Handmade {
    pub folder: PathBuf,
    named: Vec<Value>,
}

impl Handmade {
    /// In a new folder.
    pub fn new(folder: PathBuf) -> Self {
        fs::create_dir_all(folder.join("blobs/sha256")).expect("the folder is the test's");
        let marker = br#"{"imageLayoutVersion":"1.0.0"}"#;
        fs::write(folder.join("oci-layout"), marker).expect("the folder is the test's");
        Self { folder, named: Vec::new() }
    }

    /// Stores bytes; their digest.
    pub fn blob(&self, bytes: &[u8]) -> String {
        let hex = sha256(bytes);
        fs::write(self.folder.join("blobs/sha256").join(&hex), bytes).expect("the folder is ours");
        format!("sha256:{hex}")
    }

    /// An uncompressed layer.
    pub fn layer(&self, entries: &[Entry<'_>]) -> Layer {
        let tar = tar(entries);
        let blob = self.blob(&tar);
        let media_type = "application/vnd.oci.image.layer.v1.tar";
        Layer { diff_id: blob.clone(), blob, size: tar.len() as u64, media_type }
    }

    /// A layer of these gzip bytes, said to be of this diff id.
    pub fn gzip_layer(&self, bytes: &[u8], diff_id: &str) -> Layer {
        let media_type = "application/vnd.oci.image.layer.v1.tar+gzip";
        let (size, diff_id) = (bytes.len() as u64, diff_id.to_owned());
        Layer { blob: self.blob(bytes), diff_id, size, media_type }
    }

    /// An image of these layers, bottom first; the digest of its manifest.
    pub fn image(&mut self, name: &str, layers: &[&Layer]) -> String {
        let diff_ids: Vec<_> = layers.iter().map(|layer| &layer.diff_id).collect();
        let config = json!({
            "architecture": if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" },
            "os": "linux",
            "config": {"Cmd": ["true"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config = config.to_string().into_bytes();
        let kind = "application/vnd.oci.image.config.v1+json";
        let config = json!({"mediaType": kind, "digest": self.blob(&config), "size": config.len()});
        let layers: Vec<_> = layers
            .iter()
            .map(|l| json!({"mediaType": l.media_type, "digest": l.blob, "size": l.size}))
            .collect();
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let manifest =
            json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers});
        self.name(name, kind, manifest.to_string().as_bytes())
    }

    /// Stores a document of any kind and names it; its digest.
    pub fn name(&mut self, name: &str, media_type: &str, document: &[u8]) -> String {
        let digest = self.blob(document);
        let annotations = json!({"org.opencontainers.image.ref.name": name});
        self.named.push(json!({"mediaType": media_type, "digest": digest,
            "size": document.len(), "annotations": annotations}));
        let index = json!({"schemaVersion": 2, "manifests": self.named});
        let path = self.folder.join("index.json");
        fs::write(path, index.to_string()).expect("the folder is ours");
        digest
    }
}

/// SHA-256 in hex, by coreutils.
pub fn sha256(bytes: &[u8]) -> String {
    let printed = filter("sha256sum", &[], bytes);
    String::from_utf8_lossy(&printed[..64]).into_owned()
}

/// What a program makes of its standard input.
pub fn filter(program: &str, args: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("could not start {program}: {error}"));
    let mut pipe = child.stdin.take().expect("stdin is piped");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || pipe.write_all(&input));
    let output = child.wait_with_output().expect("the child is ours");
    writer.join().expect("the writer does not panic").expect("the program reads all of it");
    assert!(output.status.success(), "{program} failed");
    output.stdout
}

/// An archive in the ustar format (POSIX.1-2001, pax), owned by root, of one time.
pub fn tar(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut archive = Vec::new();
    for entry in entries {
        let (path, kind, mode, link, content): (_, _, _, _, &[u8]) = match entry {
            Entry::Folder(path) => (path, b'5', 0o755, "", &[]),
            Entry::FolderOf(path, mode) => (path, b'5', *mode, "", &[]),
            Entry::File(path, content) => (path, b'0', 0o755, "", content),
            Entry::HardLink(path, target) => (path, b'1', 0o755, *target, &[]),
        };
        archive.extend_from_slice(&header(path, kind, mode, link, content.len()));
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

fn header(path: &str, kind: u8, mode: u32, link: &str, size: usize) -> [u8; 512] {
    let mut header = [0; 512];
    let mut put = |at: usize, text: &str| {
        header[at..at + text.len()].copy_from_slice(text.as_bytes());
    };
    put(0, path);
    put(100, &format!("{mode:07o}"));
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{size:011o}"));
    put(136, "14000000000");
    put(148, "        ");
    put(157, link);
    put(257, "ustar\x0000");
    header[156] = kind;
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

/// Damages a file in its middle.
pub fn flip_a_byte(path: &Path) {
    let mut bytes = fs::read(path).expect("the file is there");
    let at = bytes.len() / 2;
    bytes[at] ^= 0x20;
    fs::write(path, bytes).expect("the file is ours");
}
