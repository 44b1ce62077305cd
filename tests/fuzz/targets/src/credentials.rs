//! docker's file of credentials: what is not understood stays, and what is kept is found again.

use std::fs;
use std::time::Duration;

use isopod_registry::auth::{Credential, CredentialStore, Credentials, Kept};

use crate::scratch;

/// `config.json` or `auth.json`.
pub fn docker_config(data: &[u8]) {
    // Helpers are programs: those of this machine are none of a test's business.
    let names_helpers = ["credHelpers", "credsStore", "\\u"]
        .iter()
        .any(|word| data.windows(word.len()).any(|window| window == word.as_bytes()));
    let folder = scratch::folder();
    let file = folder.path().join("config.json");
    fs::write(&file, data).unwrap();
    if names_helpers {
        return;
    }
    let find = |registry: &str| {
        let files = vec![file.clone()];
        Credentials { files, ..Credentials::default() }.find(registry, "no-entry-is-about/this")
    };
    for registry in ["docker.io", "registry.example:5000", "localhost"] {
        let _ = find(registry);
    }
    let store = CredentialStore { file: file.clone(), helper_timeout: Duration::from_secs(1) };
    match store.keep("registry.example:5000", "user", "pass:word") {
        Ok(kept) => {
            assert_eq!(kept, Kept::File(file.clone()));
            let found = find("registry.example:5000").map_err(|error| error.to_string());
            let user = Credential::Password { user: "user".into(), password: "pass:word".into() };
            assert_eq!(found, Ok(Some(user)), "kept, and not found");
        }
        Err(_) => assert_eq!(fs::read(&file).unwrap(), data, "refused, and changed"),
    }
}
