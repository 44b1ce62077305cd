//! Rows 13, 16, 17 and 19: archives and registries that lie, through the commands that people use.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;

use isopod_tests::{Outcome, TestContext};
use serde_json::{Value, json};

use crate::image::{Archive, INDEX, Image, LAYER, Layer, MANIFEST, digest, import};

const NAME: &str = "localhost/hostile:latest";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// Everything of a hostile image by its digest, and its manifest.
struct Documents {
    blobs: BTreeMap<String, Vec<u8>>,
    manifest: Vec<u8>,
    media_type: &'static str,
}

fn documents(layers: Vec<Layer>) -> Documents {
    let layers: Vec<Vec<u8>> = layers.into_iter().map(Layer::bytes).collect();
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": layers.iter().map(|l| digest(l)).collect::<Vec<_>>()},
    });
    let config = config.to_string().into_bytes();
    let describe = |kind: &str, bytes: &[u8]| json!({"mediaType": kind, "digest": digest(bytes), "size": bytes.len()});
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": describe(CONFIG, &config),
        "layers": layers.iter().map(|layer| describe(LAYER, layer)).collect::<Vec<_>>(),
    });
    let mut blobs: BTreeMap<String, Vec<u8>> =
        layers.into_iter().map(|l| (digest(&l), l)).collect();
    blobs.insert(digest(&config), config);
    Documents { blobs, manifest: manifest.to_string().into_bytes(), media_type: MANIFEST }
}

impl Documents {
    fn edit(mut self, change: impl FnOnce(&mut Value)) -> Self {
        let mut manifest: Value = serde_json::from_slice(&self.manifest).unwrap();
        change(&mut manifest);
        self.manifest = manifest.to_string().into_bytes();
        self
    }

    /// As an archive; the blobs are named by what they are said to be.
    fn import(&self, context: &TestContext) -> Outcome {
        let mut archive = Archive::new();
        for (digest, bytes) in &self.blobs {
            archive.file(&format!("blobs/{}", digest.replace(':', "/")), bytes);
        }
        let mut manifest = archive.blob(self.media_type, &self.manifest);
        manifest["annotations"] = json!({"io.containerd.image.name": NAME});
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest]});
        import(context, &archive.finish(&index))
    }

    /// From a registry of its own on loopback.
    fn pull(self, context: &TestContext) -> Outcome {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let documents = Arc::new(self);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let documents = Arc::clone(&documents);
                thread::spawn(move || documents.serve(&stream));
            }
        });
        context.configure_host(&host, &format!("server = \"http://{host}\"\n[host.\"http://{host}\"]\ncapabilities = [\"pull\", \"resolve\"]\n"));
        context.isopod(["pull", "-q", &format!("{host}/hostile:latest")])
    }

    /// One request a connection; what doesn't exist is not found. `None` for a body without end.
    fn serve(&self, mut stream: &TcpStream) -> Option<()> {
        let mut lines = BufReader::new(stream).lines();
        let request = lines.next()?.ok()?;
        while !lines.next()?.ok()?.is_empty() {}
        let mut words = request.split(' ');
        let (method, path) = (words.next()?, words.next()?);
        let name = path.rsplit('/').next()?;
        let (status, kind, body) = if path == "/v2/" {
            ("200 OK", "application/json", &b"{}"[..])
        } else if path.contains("/manifests/") {
            ("200 OK", self.media_type, self.manifest.as_slice())
        } else if let Some(blob) = self.blobs.get(name) {
            ("200 OK", "application/octet-stream", blob.as_slice())
        } else {
            ("404 Not Found", "text/plain", &b""[..])
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        if method != "HEAD" {
            stream.write_all(body).ok()?;
        }
        Some(())
    }
}

/// What is in a folder: names, types, modes, sizes, links.
fn look(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let about = fs::symlink_metadata(&next).unwrap();
        found.insert(
            next.clone(),
            format!("{:o} {} {} {}", about.mode(), about.uid(), about.nlink(), about.size()),
        );
        if about.is_dir() {
            folders.extend(fs::read_dir(&next).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    found
}

/// Both ways to bring an image in; each either refuses it or unpacks it inside.
#[track_caller]
fn both(make: impl Fn() -> Documents, check: impl Fn(&TestContext, &Outcome)) {
    for pulls in [false, true] {
        let context = TestContext::without_registries();
        let documents = make();
        let outcome = if pulls { documents.pull(&context) } else { documents.import(&context) };
        outcome.never_mentions("panicked");
        check(&context, &outcome);
        let fsck = context.isopod(["images", "-q"]);
        fsck.succeeds();
    }
}

/// The third: the same tar as a root file system.
#[track_caller]
fn as_a_root(tar: &[u8], check: impl Fn(&TestContext, &Outcome)) {
    let context = TestContext::without_registries();
    let outcome = context.command(["import", "-", "hostile:1"]).stdin(tar).run();
    outcome.never_mentions("panicked");
    check(&context, &outcome);
    context.isopod(["images", "-q"]).succeeds();
}

#[track_caller]
fn refused(context: &TestContext, outcome: &Outcome) {
    assert_ne!(outcome.code, 0, "{outcome}");
    assert!(outcome.stderr.len() > 20, "it says why\n{outcome}");
    context.isopod(["images", "-q"]).succeeds().prints_nothing();
    let layers = fs::read_dir(context.path("root/layers")).into_iter().flatten().count();
    assert_eq!(layers, 0, "no layer stays\n{outcome}");
}

/// In words, and the layers that make it.
type Attack<'a> = (&'a str, Box<dyn Fn() -> Vec<Layer> + 'a>);

#[test]
fn layers_write_read_and_link_nothing_outside() {
    let canary = tempfile::tempdir().unwrap();
    fs::create_dir(canary.path().join("folder")).unwrap();
    fs::write(canary.path().join("secret"), "the host's").unwrap();
    let before = look(canary.path());
    let out = canary.path().to_str().unwrap();
    let climb = format!("../../../../../../../../../../../..{out}");
    let attacks: Vec<Attack<'_>> = vec![
        (
            "a name that climbs",
            Box::new({
                let climb = climb.clone();
                move || vec![Layer::new().file(&format!("{climb}/new"), 0o644, "x")]
            }),
        ),
        (
            "a folder that climbs",
            Box::new({
                let climb = climb.clone();
                move || vec![Layer::new().folder(&format!("{climb}/made"))]
            }),
        ),
        (
            "an absolute name",
            Box::new(move || vec![Layer::new().file(&format!("{out}/new"), 0o644, "x")]),
        ),
        (
            "through a symlink",
            Box::new(move || {
                vec![Layer::new().symlink("link", out).file("link/new", 0o644, "x").file(
                    "link/secret",
                    0o777,
                    "x",
                )]
            }),
        ),
        (
            "through a symlink of a lower layer",
            Box::new(move || {
                vec![
                    Layer::new().symlink("link", out),
                    Layer::new().file("link/new", 0o644, "x").folder("link/folder"),
                ]
            }),
        ),
        (
            "over a symlink",
            Box::new(move || {
                vec![
                    Layer::new().symlink("link", &format!("{out}/secret")).file("link", 0o777, "x"),
                ]
            }),
        ),
        (
            "a hard link to it",
            Box::new(move || vec![Layer::new().hard_link("stolen", &format!("{out}/secret"))]),
        ),
        (
            "a hard link that climbs",
            Box::new({
                let climb = climb.clone();
                move || vec![Layer::new().hard_link("stolen", &format!("{climb}/secret"))]
            }),
        ),
        (
            "a hard link through a symlink",
            Box::new(move || {
                vec![Layer::new().symlink("link", out).hard_link("stolen", "link/secret")]
            }),
        ),
        (
            "a whiteout that climbs",
            Box::new({
                let climb = climb.clone();
                move || vec![Layer::new().file(&format!("{climb}/.wh.secret"), 0o644, "")]
            }),
        ),
        (
            "a whiteout through a symlink",
            Box::new(move || {
                vec![Layer::new().symlink("link", out).file("link/.wh.secret", 0o644, "")]
            }),
        ),
        (
            "an opaque folder through a symlink",
            Box::new(move || {
                vec![Layer::new().symlink("link", out).file("link/.wh..wh..opq", 0o644, "")]
            }),
        ),
        (
            "a whiteout of dots",
            Box::new(move || {
                vec![Layer::new().folder("a").file("a/.wh...", 0o644, "").file(".wh..", 0o644, "")]
            }),
        ),
    ];
    for (what, layers) in &attacks {
        let check = |context: &TestContext, outcome: &Outcome| {
            assert_eq!(look(canary.path()), before, "{what}\n{outcome}");
            // Nor is it taken in: no file of any layer is the host's, by content or by inode.
            for (path, _) in look(&context.path("root")) {
                // The process that syncs layers comes and goes with files of its own.
                let Ok(about) = fs::symlink_metadata(&path) else { continue };
                if about.is_file() && about.size() < 100 {
                    let text = fs::read(&path).unwrap();
                    assert!(
                        !String::from_utf8_lossy(&text).contains("the host's"),
                        "{what} {}",
                        path.display()
                    );
                }
            }
        };
        both(|| documents(layers()), check);
        if let Ok([layer]) = <[Layer; 1]>::try_from(layers()) {
            as_a_root(&layer.bytes(), check);
        }
    }
}

#[test]
fn an_archives_own_names_are_only_names() {
    let canary = tempfile::tempdir().unwrap();
    let context = TestContext::without_registries();
    let out = format!("../../../../../../../../../..{}", canary.path().display());
    let image = Image::new().archive(NAME);
    let mut archive = tar::Archive::new(image.as_slice());
    let mut hostile = Layer::new()
        .file(&format!("{out}/new"), 0o644, "x")
        .symlink("blobs/sha256/link", canary.path().to_str().unwrap())
        .file("blobs/sha256/link", 0o644, "x");
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        hostile = hostile.file(&path, 0o644, bytes);
    }
    let outcome = import(&context, &hostile.bytes());
    outcome.never_mentions("panicked");
    assert_eq!(look(canary.path()).len(), 1, "{outcome}");
}

#[test]
fn digests_that_are_paths_are_refused() {
    for bad in [
        "sha256:../../../../../../etc/passwd",
        "sha256:",
        "../../x",
        "sha256:ABCDEF",
        "sha512:../x",
        "md5:d41d8cd98f00b204e9800998ecf8427e",
        "sha256/../..:00",
    ] {
        for place in ["/config/digest", "/layers/0/digest"] {
            both(
                || {
                    documents(vec![Layer::new().folder("a")])
                        .edit(|m| *m.pointer_mut(place).unwrap() = json!(bad))
                },
                |context, outcome| refused(context, outcome),
            );
        }
    }
}

#[test]
fn bytes_that_are_not_what_they_are_named_by_are_refused() {
    let flipped = |which: usize| {
        let mut documents = documents(vec![Layer::new().file("a", 0o644, "some content")]);
        let bytes = documents.blobs.values_mut().nth(which).unwrap();
        // A byte that both JSON and tar take as it is.
        let at = bytes.iter().position(|byte| *byte == b'a').unwrap();
        bytes[at] = b'b';
        documents
    };
    for which in 0..2 {
        both(
            || flipped(which),
            |context, outcome| {
                refused(context, outcome);
                outcome.complains_of("sha256:");
            },
        );
    }
    // The layer is what its descriptor says, but not what the config says it unpacks to.
    let swapped = || {
        let mut all = documents(vec![Layer::new().folder("a")]);
        let other = Layer::new().folder("b").bytes();
        let digest_of_other = digest(&other);
        all = all.edit(|manifest| {
            manifest["layers"][0]["digest"] = json!(digest_of_other);
            manifest["layers"][0]["size"] = json!(other.len());
        });
        all.blobs.insert(digest(&other), other);
        all
    };
    both(swapped, |context, outcome| {
        assert_ne!(outcome.code, 0, "{outcome}");
        let layers = fs::read_dir(context.path("root/layers")).into_iter().flatten().count();
        assert_eq!(layers, 0, "{outcome}");
    });
}

#[test]
fn hybrid_documents_are_refused() {
    both(
        || {
            let mut documents = documents(vec![Layer::new().folder("a")]).edit(|manifest| {
                manifest.as_object_mut().unwrap().remove("mediaType");
                manifest["manifests"] = json!([]);
            });
            documents.media_type = INDEX;
            documents
        },
        refused,
    );
    both(
        || {
            documents(vec![Layer::new().folder("a")])
                .edit(|manifest| manifest["manifests"] = json!([]))
        },
        |context, outcome| refused(context, outcome),
    );
    both(
        || {
            documents(vec![Layer::new().folder("a")])
                .edit(|manifest| manifest["mediaType"] = json!(INDEX))
        },
        |context, outcome| refused(context, outcome),
    );
    both(
        || {
            let mut documents = documents(vec![Layer::new().folder("a")]);
            documents.media_type = INDEX;
            documents
        },
        |context, outcome| refused(context, outcome),
    );
}

#[test]
fn sizes_that_lie_are_refused() {
    for lie in [json!(1), json!(1_u64 << 40), json!(-1), json!(u64::MAX)] {
        for place in ["/config/size", "/layers/0/size"] {
            both(
                || {
                    documents(vec![Layer::new().folder("a")])
                        .edit(|m| *m.pointer_mut(place).unwrap() = lie.clone())
                },
                |context, outcome| {
                    assert_ne!(outcome.code, 0, "{place} {lie} {outcome}");
                    let layers =
                        fs::read_dir(context.path("root/layers")).into_iter().flatten().count();
                    assert_eq!(layers, 0, "{place} {lie} {outcome}");
                },
            );
        }
    }
}

#[test]
fn documents_over_their_cap_are_refused() {
    let padding = "x".repeat(5 << 20);
    both(
        || {
            documents(vec![Layer::new().folder("a")])
                .edit(|m| m["annotations"] = json!({"a": padding.clone()}))
        },
        |context, outcome| refused(context, outcome),
    );
}

/// 2 GiB of zeros in a hundred kilobytes or so, as a file in a tar.
fn bomb() -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path("zeros").unwrap();
    header.set_size(2 << 30);
    header.set_mode(0o644);
    header.set_cksum();
    let folder = tempfile::tempdir().unwrap();
    let head = folder.path().join("head");
    fs::write(&head, header.as_bytes()).unwrap();
    let script = "(cat \"$1\"; head -c 2147484672 /dev/zero) | zstd -1 -q";
    let made = Command::new("sh").args(["-c", script, "sh"]).arg(&head).output().unwrap();
    assert!(made.status.success() && made.stdout.len() < 1 << 20, "{}", made.stdout.len());
    made.stdout
}

#[test]
fn a_bomb_of_zeros_is_refused_and_leaves_nothing() {
    let bomb = bomb();
    let make = || {
        let mut all = documents(vec![Layer::new().folder("a")]).edit(|manifest| {
            manifest["layers"][0] = json!({
                "mediaType": "application/vnd.oci.image.layer.v1.tar+zstd",
                "digest": digest(&bomb), "size": bomb.len(),
            });
        });
        all.blobs.insert(digest(&bomb), bomb.clone());
        all
    };
    let check = |context: &TestContext, outcome: &Outcome| {
        assert_ne!(outcome.code, 0, "{outcome}");
        outcome.complains_of("limit");
        let left: u64 = look(&context.path("root"))
            .keys()
            .map(|path| fs::symlink_metadata(path).unwrap().blocks() * 512)
            .sum();
        assert!(left < 64 << 20, "{left} bytes are left");
    };
    both(make, check);
    as_a_root(&bomb, check);
}
