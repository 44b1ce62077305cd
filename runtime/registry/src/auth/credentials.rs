//! Who we are to which server: options, `auth.json`, docker's `config.json` and its helpers.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use isopod_image::reference::DEFAULT_REGISTRY;
use serde::{Deserialize, Deserializer};

use super::credential_helper;

/// Proof of who we are. Its `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Credential {
    /// A user and password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// What a token server gives tokens for (OAuth2's refresh token).
    IdentityToken(String),
    /// A token for the registry itself.
    RegistryToken(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { user, .. } => write!(f, "Password({user})"),
            Self::IdentityToken(_) => f.write_str("IdentityToken"),
            Self::RegistryToken(_) => f.write_str("RegistryToken"),
        }
    }
}

/// Why credentials cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// A file cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is no JSON of the expected shape.
    #[error("{} is malformed", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A file is JSON of another shape than its readers expect.
    #[error("{} holds no object of auths", .path.display())]
    Shape {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be written.
    #[error("cannot write {}", .path.display())]
    Write {
        /// The file, its folder or its lock.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An `auth` is not the base64 of `user:password`.
    #[error("{} has an unusable auth for {key}", .path.display())]
    Auth {
        /// The file.
        path: PathBuf,
        /// Its key in `auths`.
        key: String,
    },
    /// A helper's name is more than a name.
    #[error("{0:?} is no name of a credential helper")]
    HelperName(String),
    /// A helper could not be run.
    #[error("cannot run {program}")]
    HelperStart {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// A helper failed.
    #[error("{program} failed: {message}")]
    HelperFailed {
        /// The program.
        program: String,
        /// What it said, or how it ended.
        message: String,
    },
    /// A helper did not end in time.
    #[error("{program} did not answer within {} s", .limit.as_secs_f32())]
    HelperTimeout {
        /// The program.
        program: String,
        /// The bound.
        limit: Duration,
    },
}

/// Where credentials come from, the most important first.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Given on the command line or by an API, each for one registry (`host[:port]`, or
    /// `docker.io`).
    pub explicit: Vec<(String, Credential)>,
    /// `auth.json` and `config.json` files; missing ones say nothing.
    pub files: Vec<PathBuf>,
    /// The bound of one helper's run.
    pub helper_timeout: Duration,
}

impl Default for Credentials {
    fn default() -> Self {
        Self { explicit: Vec::new(), files: Vec::new(), helper_timeout: Duration::from_secs(30) }
    }
}

impl Credentials {
    /// The credential for `repository` on `registry`, if there is one. Files are read and
    /// helpers run now: logging in takes effect without starting anything again. Blocks.
    ///
    /// # Errors
    /// A file is unreadable or malformed, or a helper fails.
    pub fn find(
        &self,
        registry: &str,
        repository: &str,
    ) -> Result<Option<Credential>, CredentialError> {
        if let Some((_, credential)) = self.explicit.iter().find(|(host, _)| host == registry) {
            return Ok(Some(credential.clone()));
        }
        for path in &self.files {
            let found = match std::fs::read(path) {
                Ok(bytes) => self.find_in(path, &bytes, registry, repository)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(source) => return Err(CredentialError::Read { path: path.clone(), source }),
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn find_in(
        &self,
        path: &std::path::Path,
        bytes: &[u8],
        registry: &str,
        repository: &str,
    ) -> Result<Option<Credential>, CredentialError> {
        let file: File = serde_json::from_slice(bytes)
            .map_err(|source| CredentialError::Malformed { path: path.to_owned(), source })?;
        let hosts = names_of(registry);
        if let Some(helper) = hosts.iter().find_map(|host| file.cred_helpers.get(*host)) {
            return self.ask(helper, registry);
        }
        for key in keys(&hosts, repository) {
            // As spelled, before any other spelling: that is what a login writes.
            let Some((key, entry)) = file
                .auths
                .get_key_value(&key)
                .or_else(|| file.auths.iter().find(|(name, _)| same_key(name, &key)))
            else {
                continue;
            };
            // Go, in which docker reads it, takes null for an entry that says nothing.
            let Some(entry) = entry else { continue };
            let credential = entry
                .credential()
                .map_err(|()| CredentialError::Auth { path: path.to_owned(), key: key.clone() })?;
            if credential.is_some() {
                return Ok(credential);
            }
        }
        match file.creds_store.filter(|store| !store.is_empty()) {
            Some(store) => self.ask(&store, registry),
            None => Ok(None),
        }
    }

    fn ask(&self, name: &str, registry: &str) -> Result<Option<Credential>, CredentialError> {
        credential_helper::get(name, server_key(registry), self.helper_timeout)
    }
}

/// The key under which docker stores docker.io, and the host for every other registry.
pub(super) fn server_key(registry: &str) -> &str {
    if registry == DEFAULT_REGISTRY { "https://index.docker.io/v1/" } else { registry }
}

/// The names under which files have a registry.
pub(super) fn names_of(registry: &str) -> Vec<&str> {
    if registry == DEFAULT_REGISTRY {
        vec!["https://index.docker.io/v1/", DEFAULT_REGISTRY, "index.docker.io"]
    } else {
        vec![registry]
    }
}

/// The keys that may hold a repository's credential, the most special first.
fn keys(hosts: &[&str], repository: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let mut path = Some(repository);
    while let Some(part) = path {
        keys.extend(
            hosts.iter().filter(|host| !host.contains("//")).map(|h| format!("{h}/{part}")),
        );
        path = part.rsplit_once('/').map(|(above, _)| above);
    }
    keys.extend(hosts.iter().map(|host| (*host).to_owned()));
    keys
}

/// docker's keys may be URLs, whose host alone counts; the others are taken as they are.
pub(super) fn same_key(name: &str, key: &str) -> bool {
    let plain = name.trim_end_matches('/');
    if plain == key.trim_end_matches('/') {
        return true;
    }
    let rest = name.strip_prefix("https://").or_else(|| name.strip_prefix("http://"));
    match rest {
        Some(rest) => rest.split('/').next() == Some(key),
        None => plain.strip_suffix("/v1").or_else(|| plain.strip_suffix("/v2")) == Some(key),
    }
}

/// Whether these are credentials that [`Credentials::find`] reads.
pub(super) fn check(path: &std::path::Path, bytes: &[u8]) -> Result<(), CredentialError> {
    match serde_json::from_slice::<File>(bytes) {
        Ok(_) => Ok(()),
        Err(source) => Err(CredentialError::Malformed { path: path.to_owned(), source }),
    }
}

// Other fields are other programs' business.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default, deserialize_with = "null_is_empty")]
    auths: BTreeMap<String, Option<Entry>>,
    creds_store: Option<String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

impl Entry {
    fn credential(&self) -> Result<Option<Credential>, ()> {
        let given = |field: &Option<String>| field.clone().filter(|text| !text.is_empty());
        if let Some(token) = given(&self.identitytoken) {
            return Ok(Some(Credential::IdentityToken(token)));
        }
        if let Some(token) = given(&self.registrytoken) {
            return Ok(Some(Credential::RegistryToken(token)));
        }
        if let Some(auth) = given(&self.auth) {
            return decode_auth(&auth).map(Some);
        }
        Ok(match (given(&self.username), given(&self.password)) {
            (Some(user), Some(password)) => Some(Credential::Password { user, password }),
            _ => None,
        })
    }
}

/// base64 of `user:password`; docker pads it with NULs in old files.
fn decode_auth(auth: &str) -> Result<Credential, ()> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let bytes = LENIENT.decode(auth.trim()).map_err(drop)?;
    let text = String::from_utf8(bytes).map_err(drop)?;
    let (user, password) = text.split_once(':').ok_or(())?;
    let password = password.trim_end_matches('\0').to_owned();
    if user.is_empty() {
        Err(())
    } else {
        Ok(Credential::Password { user: user.to_owned(), password })
    }
}

fn null_is_empty<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;

    fn find(
        json: &str,
        registry: &str,
        repository: &str,
    ) -> Result<Option<String>, CredentialError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("auth.json");
        std::fs::write(&path, json).unwrap();
        let credentials = Credentials { files: vec![path], ..Credentials::default() };
        credentials.find(registry, repository).map(|found| {
            found.map(|credential| match credential {
                Credential::Password { user, password } => format!("{user}:{password}"),
                Credential::IdentityToken(token) => format!("identity {token}"),
                Credential::RegistryToken(token) => format!("registry {token}"),
            })
        })
    }

    fn auth(text: &str) -> String {
        STANDARD.encode(text)
    }

    #[test]
    fn a_credential_is_found_for_its_own_registry_only() {
        let json = format!(
            r#"{{"auths": {{"https://index.docker.io/v1/": {{"auth": "{}"}}, "https://quay.io": {{"auth": "{}"}},
                "r.io:5000": {{"identitytoken": "id"}}, "t.io": {{"registrytoken": "rt"}}, "empty.io": {{}}, "null.io": null}},
                "HttpHeaders": {{"x": "y"}}, "credHelpers": null}}"#,
            auth("hub:a:b"),
            auth("quay:q")
        );
        let get = |registry: &str| find(&json, registry, "a/b").unwrap();
        assert_eq!(get("docker.io").as_deref(), Some("hub:a:b"));
        assert_eq!(get("quay.io").as_deref(), Some("quay:q"));
        assert_eq!(get("r.io:5000").as_deref(), Some("identity id"));
        assert_eq!(get("t.io").as_deref(), Some("registry rt"));
        for other in
            ["r.io", "quay.io:443", "evil-quay.io", "quay.io.evil.io", "empty.io", "null.io", "io"]
        {
            assert_eq!(get(other), None, "{other}");
        }
    }

    #[test]
    fn the_most_special_path_wins() {
        let json = format!(
            r#"{{"auths": {{"r.io": {{"auth": "{}"}}, "r.io/a": {{"auth": "{}"}}, "r.io/a/b": {{"auth": "{}"}}}}}}"#,
            auth("u:host"),
            auth("u:a"),
            auth("u:ab")
        );
        let get = |repository: &str| find(&json, "r.io", repository).unwrap().unwrap();
        assert_eq!(get("a/b"), "u:ab");
        assert_eq!(get("a/b/c"), "u:ab");
        assert_eq!(get("a/c"), "u:a");
        assert_eq!(get("ab"), "u:host");
    }

    #[test]
    fn what_is_given_explicitly_comes_first() {
        let given = Credential::Password { user: "u".into(), password: "p".into() };
        let credentials = Credentials {
            explicit: vec![("quay.io".into(), given.clone())],
            files: vec!["/does/not/exist".into()],
            ..Credentials::default()
        };
        assert_eq!(credentials.find("quay.io", "a").unwrap(), Some(given));
        assert_eq!(credentials.find("docker.io", "a").unwrap(), None);
    }

    #[test]
    fn broken_files_are_errors_that_name_them_and_no_secret() {
        for json in [
            "{",
            r#"{"auths": []}"#,
            r#"{"auths": {"r.io": {"auth": "%%%"}}}"#,
            r#"{"auths": {"r.io": {"auth": "bm9jb2xvbg=="}}}"#,
        ] {
            let error = find(json, "r.io", "a").unwrap_err();
            assert!(error.to_string().contains("auth.json"), "{error}");
        }
        let secret = Credential::Password { user: "u".into(), password: "hunter2".into() };
        assert!(!format!("{secret:?}").contains("hunter2"));
    }
}
