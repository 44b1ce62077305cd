//! The registries on loopback that `scripts/registry start` made, as it described them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::binary;

/// What `fixtures.json` says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fixtures {
    version: u32,
    registries: BTreeMap<String, Registry>,
    /// A tree of `hosts.toml` files by which `docker.io`, and each registry, is found.
    pub hosts_dir: PathBuf,
    /// The OCI image layout that the registries were filled from.
    pub layout: PathBuf,
    images: BTreeMap<String, Image>,
}

/// One registry; what does not apply to its kind is absent.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    /// `127.0.0.1:<port>`.
    pub address: String,
    /// The authority that signed its certificate (PEM).
    pub ca: Option<PathBuf>,
    /// Who may pull what is not open to all.
    pub user: Option<String>,
    pub password: Option<String>,
    /// The token server's address, and one line for each request it answered:
    /// method, path, user or `-`, scopes or `-`, status.
    pub realm: Option<String>,
    pub log: Option<PathBuf>,
    /// The registry's own log, one request a line.
    pub access_log: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    digest: String,
}

impl Fixtures {
    /// Reads `$ISOPOD_TEST_FIXTURES`, else what `scripts/registry start` left in its default folder.
    pub fn load() -> Self {
        let file = std::env::var_os("ISOPOD_TEST_FIXTURES")
            .map(PathBuf::from)
            .unwrap_or_else(|| binary::fixtures_folder().join("registries/fixtures.json"));
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| {
            panic!(
                "no test registries ({}: {error}): run scripts/test, or scripts/registry start",
                file.display()
            )
        });
        let fixtures: Self = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{} is not understood: {error}", file.display()));
        assert_eq!(fixtures.version, 1, "{} is of another version", file.display());
        fixtures
    }

    /// Plain HTTP, open to all.
    pub fn plain(&self) -> &Registry {
        self.registry("plain")
    }

    /// TLS with an authority of its own.
    pub fn tls(&self) -> &Registry {
        self.registry("tls")
    }

    /// Bearer tokens; `library/*` and `test/*` are open to all, the rest to one user.
    pub fn token(&self) -> &Registry {
        self.registry("token")
    }

    /// Basic authentication for everything.
    pub fn basic(&self) -> &Registry {
        self.registry("basic")
    }

    fn registry(&self, kind: &str) -> &Registry {
        self.registries.get(kind).unwrap_or_else(|| panic!("no registry of kind {kind} runs"))
    }

    /// The manifest's (or index's) digest of an image such as `library/redis:alpine`,
    /// as the peer that pushed it computed it.
    pub fn digest_of(&self, image: &str) -> &str {
        let found = self.images.get(image);
        &found.unwrap_or_else(|| panic!("the registries hold no {image}")).digest
    }
}

impl Registry {
    /// A reference to an image here: `registry.reference("library/redis:alpine")`.
    pub fn reference(&self, image: &str) -> String {
        format!("{}/{image}", self.address)
    }
}
