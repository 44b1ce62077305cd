//! Everything that enters from outside, gathered once by whoever starts a [`crate::Client`].

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::Resolve;

use crate::address::{Classify, Reach};
use crate::auth::Credentials;
use crate::hosts::{HostsConfig, HostsError, RegistriesConf};
use crate::proxy::{Proxies, ProxyError};
use crate::retry::RetryPolicy;
use crate::tls::Roots;

/// Whether layers that registries may not have are fetched from the URLs their descriptors name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ForeignLayers {
    /// Only registries are asked.
    #[default]
    Refuse,
    /// Their `https` URLs are asked, without credentials, where the registry has nothing.
    Fetch,
}

/// Bounds of waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, unless its host has a `dial_timeout`.
    pub connect: Duration,
    /// Between two pieces of a body, and for the head of a response.
    pub idle: Duration,
    /// For a whole manifest, configuration or token.
    pub document: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            idle: Duration::from_secs(30),
            document: Duration::from_secs(120),
        }
    }
}

/// What a [`crate::Client`] needs to know.
#[derive(Clone)]
pub struct Config {
    /// Sent as `User-Agent`.
    pub user_agent: String,
    /// Which servers stand for which registry.
    pub hosts: HostsConfig,
    /// Who we are.
    pub credentials: Credentials,
    /// Whom we trust.
    pub roots: Roots,
    /// What goes through which proxy.
    pub proxies: Proxies,
    /// How often things are tried.
    pub retry: RetryPolicy,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// Whether foreign layers are fetched.
    pub foreign_layers: ForeignLayers,
    /// Resolves host names in place of the system.
    pub resolver: Option<Arc<dyn Resolve>>,
    /// Tells near addresses from far ones.
    pub(crate) classify: Classify,
}

/// Why the environment gives no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// `HTTP_PROXY` or `HTTPS_PROXY` is no URL.
    #[error("the environment has an unusable proxy")]
    Proxy(#[from] ProxyError),
    /// `registries.conf` is unusable.
    #[error("unusable registries.conf")]
    Registries(#[from] HostsError),
}

impl Default for Config {
    /// No mirrors, no credentials, no proxies; the system's authorities.
    fn default() -> Self {
        Self {
            user_agent: concat!("isopod/", env!("CARGO_PKG_VERSION")).to_owned(),
            hosts: HostsConfig::default(),
            credentials: Credentials::default(),
            roots: Roots::system(),
            proxies: Proxies::default(),
            retry: RetryPolicy::default(),
            timeouts: Timeouts::default(),
            foreign_layers: ForeignLayers::default(),
            resolver: None,
            classify: Reach::of,
        }
    }
}

impl Config {
    /// What this machine and user have configured. `variable` looks up an environment variable.
    ///
    /// Read are: `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY` (lower case first), `SSL_CERT_FILE`,
    /// `SSL_CERT_DIR`, `REGISTRY_AUTH_FILE`, `XDG_RUNTIME_DIR`, `XDG_CONFIG_HOME`,
    /// `DOCKER_CONFIG`, `HOME`, `CONTAINERS_REGISTRIES_CONF`; below `etc` (`/etc`) the folders
    /// `isopod/certs.d`, `containerd/certs.d`, `docker/certs.d` and `containers`.
    ///
    /// # Errors
    /// A proxy is no URL, or `registries.conf` is unusable.
    pub fn from_environment(
        variable: impl Fn(&str) -> Option<String>,
        etc: &Path,
    ) -> Result<Self, ConfigError> {
        let get = |name: &str| variable(name).filter(|value| !value.is_empty());
        let path = |name: &str| get(name).map(PathBuf::from);
        let either = |lower: &str| get(lower).or_else(|| get(&lower.to_ascii_uppercase()));
        // Under CGI, HTTP_PROXY is what a client's `Proxy:` header says (httpoxy).
        let http = get("http_proxy")
            .or_else(|| get("REQUEST_METHOD").is_none().then(|| get("HTTP_PROXY")).flatten());
        let proxies = Proxies::new(
            http.as_deref(),
            either("https_proxy").as_deref(),
            either("no_proxy").as_deref(),
        )?;
        let roots = match (path("SSL_CERT_FILE"), path("SSL_CERT_DIR")) {
            (None, None) => Roots::system(),
            (file, folder) => Roots::files(file, folder),
        };
        let home = path("HOME");
        let user_config =
            path("XDG_CONFIG_HOME").or_else(|| home.as_ref().map(|home| home.join(".config")));
        Ok(Self {
            hosts: HostsConfig {
                roots: vec![etc.join("isopod/certs.d"), etc.join("containerd/certs.d")],
                docker_roots: vec![etc.join("docker/certs.d")],
                registries: load_registries(path, user_config.as_deref(), etc)?,
                ..HostsConfig::default()
            },
            credentials: Credentials {
                files: credential_files(path, user_config.as_deref(), home.as_deref()),
                ..Credentials::default()
            },
            roots,
            proxies,
            ..Self::default()
        })
    }
}

/// The file that a login is kept in: `$REGISTRY_AUTH_FILE`, else docker's `config.json`, which all of
/// docker, podman and containerd's tools read. `None` without a home.
#[must_use]
pub fn login_file(variable: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    path("REGISTRY_AUTH_FILE").or_else(|| {
        let folder = path("DOCKER_CONFIG").or_else(|| Some(path("HOME")?.join(".docker")));
        Some(folder?.join("config.json"))
    })
}

/// A user's own `registries.conf` takes the place of the system's.
fn load_registries(
    path: impl Fn(&str) -> Option<PathBuf>,
    user_config: Option<&Path>,
    etc: &Path,
) -> Result<RegistriesConf, HostsError> {
    if let Some(file) = path("CONTAINERS_REGISTRIES_CONF") {
        return RegistriesConf::load(&file, &file.with_extension("conf.d"));
    }
    let user = user_config.map(|folder| folder.join("containers/registries.conf"));
    let file =
        user.filter(|file| file.exists()).unwrap_or_else(|| etc.join("containers/registries.conf"));
    RegistriesConf::load(&file, &file.with_extension("conf.d"))
}

/// The files of containers-auth.json(5) in their order; `REGISTRY_AUTH_FILE` takes the place
/// of the first.
fn credential_files(
    path: impl Fn(&str) -> Option<PathBuf>,
    user_config: Option<&Path>,
    home: Option<&Path>,
) -> Vec<PathBuf> {
    let primary = path("REGISTRY_AUTH_FILE")
        .or_else(|| path("XDG_RUNTIME_DIR").map(|folder| folder.join("containers/auth.json")));
    let docker = path("DOCKER_CONFIG").or_else(|| home.map(|home| home.join(".docker")));
    primary
        .into_iter()
        .chain(user_config.map(|folder| folder.join("containers/auth.json")))
        .chain(docker.map(|folder| folder.join("config.json")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn config(variables: &[(&str, &str)], etc: &Path) -> Result<Config, ConfigError> {
        let variables: BTreeMap<_, _> = variables.iter().copied().collect();
        Config::from_environment(|name| variables.get(name).map(ToString::to_string), etc)
    }

    #[test]
    fn credential_files_have_the_order_of_the_manual_page() {
        let etc = tempfile::tempdir().unwrap();
        let files = |variables: &[(&str, &str)]| -> Vec<String> {
            let config = config(variables, etc.path()).unwrap();
            config.credentials.files.iter().map(|file| file.display().to_string()).collect()
        };
        assert_eq!(
            files(&[("HOME", "/h"), ("XDG_RUNTIME_DIR", "/run/user/0")]),
            [
                "/run/user/0/containers/auth.json",
                "/h/.config/containers/auth.json",
                "/h/.docker/config.json"
            ]
        );
        assert_eq!(
            files(&[
                ("HOME", "/h"),
                ("XDG_RUNTIME_DIR", "/r"),
                ("REGISTRY_AUTH_FILE", "/a.json"),
                ("DOCKER_CONFIG", "/d"),
                ("XDG_CONFIG_HOME", "/x")
            ]),
            ["/a.json", "/x/containers/auth.json", "/d/config.json"]
        );
        assert!(files(&[("HOME", "")]).is_empty());
    }

    #[test]
    fn proxies_come_from_either_case_and_never_from_a_cgi_request() {
        let etc = tempfile::tempdir().unwrap();
        let url = "http://a.io/".parse().unwrap();
        let through = |variables: &[(&str, &str)]| {
            config(variables, etc.path()).unwrap().proxies.for_url(&url).is_some()
        };
        assert!(through(&[("HTTP_PROXY", "p:1")]));
        assert!(through(&[("http_proxy", "p:1")]));
        assert!(!through(&[("http_proxy", "p:1"), ("no_proxy", "a.io")]));
        assert!(!through(&[("HTTP_PROXY", "p:1"), ("REQUEST_METHOD", "GET")]));
        assert!(config(&[("HTTPS_PROXY", "ftp://x")], etc.path()).is_err());
    }

    #[test]
    fn a_users_registries_conf_takes_the_place_of_the_systems() {
        let etc = tempfile::tempdir().unwrap();
        let user = tempfile::tempdir().unwrap();
        for folder in [etc.path(), user.path()] {
            std::fs::create_dir(folder.join("containers")).unwrap();
        }
        std::fs::write(etc.path().join("containers/registries.conf"), "nonsense = 1").unwrap();
        let home = user.path().to_str().unwrap();
        assert!(config(&[("XDG_CONFIG_HOME", home)], etc.path()).is_err());
        std::fs::write(user.path().join("containers/registries.conf"), "").unwrap();
        assert!(config(&[("XDG_CONFIG_HOME", home)], etc.path()).is_ok());
    }
}
