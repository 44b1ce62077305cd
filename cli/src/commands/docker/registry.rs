//! Credentials of registries: `login`, `logout`.

mod login;
mod logout;

use isopod_image::Reference;
use isopod_image::reference::DEFAULT_REGISTRY;
use isopod_registry::auth::{CredentialStore, Credentials};

use crate::commands::Entry;
use crate::env;
use crate::error::Error;

/// `login`.
pub const LOGIN: Entry = Entry::verb::<login::Args>("login").without_root();
/// `logout`.
pub const LOGOUT: Entry = Entry::verb::<logout::Args>("logout").without_root();

/// The registry that a user means: `host[:port]`; docker's for none, and for its old URLs.
///
/// # Errors
/// It is no host.
fn server(typed: Option<&str>) -> Result<String, Error> {
    let Some(typed) = typed else { return Ok(DEFAULT_REGISTRY.to_owned()) };
    let bare = typed.strip_prefix("https://").or_else(|| typed.strip_prefix("http://"));
    let host = bare.unwrap_or(typed).split('/').next().unwrap_or_default();
    if matches!(host, "docker.io" | "index.docker.io" | "registry-1.docker.io") {
        return Ok(DEFAULT_REGISTRY.to_owned());
    }
    let parsed = Reference::parse(&format!("{host}/a/b"));
    match parsed.is_ok_and(|reference| reference.registry() == host) {
        true => Ok(host.to_owned()),
        false => Err(Error::Argument(format!(
            "{typed:?} is no registry: give host[:port], as in registry.example.com:5000"
        ))),
    }
}

/// Where logins are kept.
///
/// # Errors
/// There is no home to keep them in.
fn store() -> Result<CredentialStore, Error> {
    let file = isopod_registry::config::login_file(env::of_registries).ok_or_else(|| {
        Error::Argument(
            "there is no place for a login: set HOME, DOCKER_CONFIG or REGISTRY_AUTH_FILE"
                .to_owned(),
        )
    })?;
    let helper_timeout = Credentials::default().helper_timeout;
    Ok(CredentialStore { file, helper_timeout })
}

#[cfg(test)]
mod tests {
    use super::server;

    #[test]
    fn a_registry_is_a_host_and_dockers_has_many_names() {
        for hub in [None, Some("docker.io"), Some("https://index.docker.io/v1/")] {
            assert_eq!(server(hub).unwrap(), "docker.io");
        }
        for (typed, host) in [
            ("quay.io", "quay.io"),
            ("localhost:5000", "localhost:5000"),
            ("https://r.io:443/v2/", "r.io:443"),
        ] {
            assert_eq!(server(Some(typed)).unwrap(), host);
        }
        for wrong in ["", "quay", "a b.io", "user@host.io"] {
            assert!(server(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
