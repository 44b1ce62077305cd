//! Which servers stand for a registry: mirrors first, the registry itself last.
//!
//! The most special rule wins: a folder for this very registry in one of the `certs.d` roots
//! (in their order), then a matching entry of `registries.conf`, then a `_default` folder,
//! then the registry's own name.

mod certificates;
mod hosts_toml;
mod registries_conf;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use isopod_image::Reference;

use crate::endpoint::{Endpoint, Scheme, TlsOptions, is_loopback_host, server_of};
use crate::proxy::ProxyError;

pub use registries_conf::{RegistriesConf, ShortNameError};

/// Why a file about hosts is unusable. Every variant names the file.
#[derive(Debug, thiserror::Error)]
pub enum HostsError {
    /// It cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no TOML, or has a field that does not exist or has another type.
    #[error("{} is malformed", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A field has a value without meaning.
    #[error("{} has an unusable {field}: {value:?}", .path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// A proxy is no URL.
    #[error("{} has an unusable proxy", .path.display())]
    Proxy {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ProxyError,
    },
    /// The configuration forbids this registry or repository.
    #[error("{} blocks {name}", .path.display())]
    Blocked {
        /// The file.
        path: PathBuf,
        /// What it forbids.
        name: String,
    },
}

/// Where the configuration of hosts lies, and what was asked for on the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostsConfig {
    /// Folders in the manner of containerd's `certs.d`, the most important first.
    pub roots: Vec<PathBuf>,
    /// Folders with docker's certificates (`<host>/ca.crt`, `*.cert`, `*.key`).
    pub docker_roots: Vec<PathBuf>,
    /// What `registries.conf` and its drop-ins say.
    pub registries: RegistriesConf,
    /// Registries that are spoken to in plain HTTP (`--plain-http`).
    pub plain_http: Vec<String>,
    /// Registries whose certificates are not checked (`--skip-verify`).
    pub skip_verify: Vec<String>,
}

impl HostsConfig {
    /// The servers for `reference`, in the order in which to ask them.
    ///
    /// # Errors
    /// A file is unreadable or malformed, or blocks the reference.
    pub fn endpoints(&self, reference: &Reference) -> Result<Vec<Endpoint>, HostsError> {
        let registry = reference.registry();
        let mut endpoints = match self.own_folder(registry)? {
            Some(folder) => folder.endpoints(reference),
            None => match self.registries.endpoints(reference)? {
                Some(endpoints) => endpoints,
                None => match self.default_folder()? {
                    Some(folder) => folder.endpoints(reference),
                    None => vec![Endpoint::upstream(registry, reference.repository())],
                },
            },
        };
        for endpoint in &mut endpoints {
            if endpoint.registry == registry {
                self.apply_options(registry, endpoint);
            }
            self.add_docker_certificates(endpoint)?;
        }
        Ok(endpoints)
    }

    fn own_folder(&self, registry: &str) -> Result<Option<hosts_toml::Folder>, HostsError> {
        let names = folder_names(registry);
        self.first_folder(&names)
    }

    fn default_folder(&self) -> Result<Option<hosts_toml::Folder>, HostsError> {
        self.first_folder(&["_default".to_owned()])
    }

    fn first_folder(&self, names: &[String]) -> Result<Option<hosts_toml::Folder>, HostsError> {
        for root in &self.roots {
            for name in names {
                if let Some(folder) = hosts_toml::Folder::read(&root.join(name))? {
                    return Ok(Some(folder));
                }
            }
        }
        Ok(None)
    }

    /// What the command line says is about the registry itself, never about a mirror.
    fn apply_options(&self, registry: &str, endpoint: &mut Endpoint) {
        if self.plain_http.iter().any(|host| host == registry) {
            endpoint.scheme = Scheme::Http;
        }
        if self.skip_verify.iter().any(|host| host == registry) {
            endpoint.tls.skip_verify = true;
        }
    }

    fn add_docker_certificates(&self, endpoint: &mut Endpoint) -> Result<(), HostsError> {
        let own = !endpoint.tls.authorities.is_empty() || !endpoint.tls.identities.is_empty();
        if own || endpoint.scheme == Scheme::Http {
            return Ok(());
        }
        for root in &self.docker_roots {
            let Some(found) = certificates::read(&root.join(&endpoint.host))? else { continue };
            // Somebody who gives an authority wants it checked, even on loopback.
            let skip_verify = endpoint.tls.skip_verify
                && (found.authorities.is_empty() || !is_loopback_host(&endpoint.host));
            endpoint.tls = TlsOptions { skip_verify, ..found };
            return Ok(());
        }
        Ok(())
    }
}

/// A registry's folder: containerd's form for systems without colons in file names first.
fn folder_names(registry: &str) -> Vec<String> {
    match registry.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            vec![format!("{host}_{port}_"), registry.to_owned()]
        }
        _ => vec![registry.to_owned()],
    }
}

/// The text of a file, or `None` if there is none.
fn read_optional(path: &Path) -> Result<Option<String>, HostsError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(HostsError::Read { path: path.to_owned(), source }),
    }
}

/// The `?ns=` of a server that stands for another registry.
fn namespace(registry: &str, host: &str) -> Option<String> {
    (host != registry && host != server_of(registry)).then(|| registry.to_owned())
}
