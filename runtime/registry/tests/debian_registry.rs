//! Against the registry that Debian ships (`docker-registry`), filled by skopeo, on loopback.

#![allow(clippy::unwrap_used)] // Helpers of tests count as tests.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use isopod_image::document::{MAX_CONFIG, media_types};
use isopod_image::{Descriptor, Document, ImageConfig, Index, Manifest, Platform, Reference};
use isopod_registry::auth::Credential;
use isopod_registry::{Client, Config, ErrorKind};

/// `u` and `pass:word`, by libxcrypt's bcrypt.
const HTPASSWD: &str = "u:$2b$05$abcdefghijklmnopqrstuuDIEddBSuRWBBEY6g5zv60IAP5bSSfki\n";

struct Registry {
    process: Child,
    host: String,
    folder: tempfile::TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

impl Registry {
    fn start(auth: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.yml");
        std::fs::write(folder.path().join("htpasswd"), HTPASSWD).unwrap();
        let auth = auth.replace("FOLDER", folder.path().to_str().unwrap());
        let data = folder.path().join("data");
        let text = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:0\n{auth}",
            data.display()
        );
        std::fs::write(&config, text).unwrap();
        let mut process = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("Debian's docker-registry is installed");
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        let host = log
            .by_ref()
            .map(|line| line.unwrap())
            .find_map(|line| {
                let (_, rest) = line.split_once("listening on ")?;
                Some(rest.split('"').next()?.to_owned())
            })
            .expect("the registry says where it listens");
        // A full pipe would stop it.
        std::thread::spawn(move || log.for_each(drop));
        Self { process, host, folder }
    }

    fn skopeo(&self, arguments: &[&str]) -> Vec<u8> {
        let output = Command::new("skopeo").args(arguments).output().expect("skopeo is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn reference(&self, rest: &str) -> Reference {
        Reference::parse(&format!("{}/{rest}", self.host)).unwrap()
    }

    fn push(&self, layout: &Path, rest: &str, more: &[&str]) {
        let source = format!("oci:{}:image", layout.display());
        let target = format!("docker://{}/{rest}", self.host);
        let policy = ["--insecure-policy", "copy", "--dest-tls-verify=false"];
        self.skopeo(&[&policy[..], more, &[&source, &target]].concat());
    }
}

/// An image layout with an index of two platforms, one layer of `length` bytes each.
fn layout(folder: &Path, length: usize) -> Vec<Vec<u8>> {
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let store = |media_type: &str, bytes: &[u8]| {
        let descriptor = Descriptor::of(media_type, bytes);
        std::fs::write(blobs.join(descriptor.digest.hex()), bytes).unwrap();
        descriptor
    };
    let mut layers = Vec::new();
    let mut entries = Vec::new();
    for (place, architecture) in ["arm64", "amd64"].into_iter().enumerate() {
        let layer: Vec<u8> = (0..length).map(|at| (at * 31 / 7 + place) as u8).collect();
        let stored = store(media_types::OCI_LAYER, &layer);
        let mut config = ImageConfig {
            architecture: architecture.into(),
            os: "linux".into(),
            ..Default::default()
        };
        config.rootfs.diff_ids = vec![stored.digest.clone()];
        let config = store(media_types::OCI_CONFIG, &serde_json::to_vec(&config).unwrap());
        let manifest = serde_json::to_vec(&Manifest::new(config, vec![stored])).unwrap();
        let mut entry = store(media_types::OCI_MANIFEST, &manifest);
        entry.platform = Some(Platform::new("linux", architecture));
        entries.push(entry);
        layers.push(layer);
    }
    let index = serde_json::to_vec(&Index::new(entries)).unwrap();
    let mut top = store(media_types::OCI_INDEX, &index);
    top.annotations.insert("org.opencontainers.image.ref.name".into(), "image".into());
    std::fs::write(folder.join("index.json"), serde_json::to_vec(&Index::new(vec![top])).unwrap())
        .unwrap();
    std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    layers
}

async fn read(client: &Client, reference: &Reference, layer: &Descriptor, offset: u64) -> Vec<u8> {
    let mut stream = client.open_blob(reference, layer, offset).await.unwrap();
    let mut all = Vec::new();
    while let Some(bytes) = stream.chunk().await.unwrap() {
        all.extend_from_slice(&bytes);
    }
    all
}

#[tokio::test]
async fn an_image_that_skopeo_pushed_is_pulled_whole() {
    let registry = Registry::start("");
    let source = registry.folder.path().join("layout");
    let layers = layout(&source, 3_000_000);
    registry.push(&source, "some/image:v1", &["--all", "--preserve-digests"]);

    let client = Client::new(Config::default());
    let reference = registry.reference("some/image:v1");
    let resolved = client.resolve(&reference).await.unwrap();
    let target = format!("docker://{}/some/image:v1", registry.host);
    let raw = registry.skopeo(&["inspect", "--raw", "--tls-verify=false", &target]);
    assert_eq!(resolved.bytes[..], raw[..]);
    let Document::Index(index) = &resolved.document else { panic!("{resolved:?}") };

    let entry = index.select(&Platform::new("linux", "amd64")).unwrap();
    let bytes = client.manifest(&reference, entry).await.unwrap();
    let document = Document::parse(&bytes, Some(&entry.media_type)).unwrap();
    let Document::Manifest(manifest) = document else { panic!("{document:?}") };
    let config = client.blob_bytes(&reference, &manifest.config, MAX_CONFIG).await.unwrap();
    let config = ImageConfig::parse(&config).unwrap();
    config.check(&manifest).unwrap();
    assert_eq!(config.platform(), Platform::new("linux", "amd64"));

    let layer = &manifest.layers[0];
    assert!(read(&client, &reference, layer, 0).await == layers[1]);
    assert!(read(&client, &reference, layer, 1_234_567).await == layers[1][1_234_567..]);

    let by_digest = reference.with_digest(entry.digest.clone());
    assert_eq!(client.resolve(&by_digest).await.unwrap().bytes, bytes);
}

#[tokio::test]
async fn a_docker_schema_2_image_is_read_as_such() {
    let registry = Registry::start("");
    let source = registry.folder.path().join("layout");
    layout(&source, 1000);
    registry.push(&source, "docker/image:v2s2", &["--format", "v2s2"]);
    let client = Client::new(Config::default());
    let resolved = client.resolve(&registry.reference("docker/image:v2s2")).await.unwrap();
    assert_eq!(resolved.descriptor.media_type, media_types::DOCKER_MANIFEST);
    let Document::Manifest(manifest) = resolved.document else { panic!() };
    assert!(manifest.is_image());
}

#[tokio::test]
async fn what_the_registry_does_not_have_is_not_found() {
    let registry = Registry::start("");
    let client = Client::new(Config::default());
    let reference = registry.reference("no/such:image");
    let error = client.resolve(&reference).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("MANIFEST_UNKNOWN"), "{error}");
    let layer = Descriptor::of(media_types::OCI_LAYER, b"x");
    let error = client.open_blob(&reference, &layer, 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_registry_behind_a_password_opens_to_the_right_one_only() {
    let registry =
        Registry::start("auth:\n  htpasswd:\n    realm: basic-realm\n    path: FOLDER/htpasswd\n");
    let source = registry.folder.path().join("layout");
    let layers = layout(&source, 1000);
    registry.push(&source, "a:1", &["--all", "--preserve-digests", "--dest-creds", "u:pass:word"]);
    let reference = registry.reference("a:1");
    let with = |credential: Option<Credential>| {
        let mut config = Config::default();
        config.credentials.explicit =
            credential.into_iter().map(|credential| (registry.host.clone(), credential)).collect();
        Client::new(config)
    };
    let password =
        |password: &str| Credential::Password { user: "u".into(), password: password.into() };
    for wrong in [None, Some(password("pass"))] {
        let error = with(wrong).resolve(&reference).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error}");
    }
    let client = with(Some(password("pass:word")));
    client.resolve(&reference).await.unwrap();
    let layer = Descriptor::of(media_types::OCI_LAYER, &layers[0]);
    assert!(read(&client, &reference, &layer, 0).await == layers[0]);
}
