//! Keeping and forgetting credentials in the file that docker and podman read (`config.json`,
//! `auth.json`), or with the helper that it names. What else the file holds stays as it is.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::credential_helper;
use super::credentials::{CredentialError, check, names_of, same_key, server_key};

/// A file of credentials that is written to.
#[derive(Debug, Clone)]
pub struct CredentialStore {
    /// The file; it and its folder are made when they are missing.
    pub file: PathBuf,
    /// The bound of one helper's run.
    pub helper_timeout: Duration,
}

/// Where a credential went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// Into the file, where it is only encoded.
    File(PathBuf),
    /// With this helper.
    Helper(String),
}

impl CredentialStore {
    /// Keeps a user and password for `registry` (`host[:port]`, or `docker.io`).
    ///
    /// # Errors
    /// The file is malformed or can't be written, a helper fails; the file is then as it was.
    pub fn keep(
        &self,
        registry: &str,
        user: &str,
        password: &str,
    ) -> Result<Kept, CredentialError> {
        let _alone = self.lock()?;
        let mut file = self.read()?;
        let key = server_key(registry);
        let helper = helper_for(&file, registry);
        let mut entry = Map::new();
        match &helper {
            Some(helper) => {
                credential_helper::store(helper, key, user, password, self.helper_timeout)?;
            }
            None => {
                let auth = STANDARD.encode(format!("{user}:{password}"));
                entry.insert("auth".to_owned(), auth.into());
            }
        }
        let auths = self.auths(&mut file)?;
        // Another spelling of the same registry must not keep an older credential.
        remove(auths, registry);
        auths.insert(key.to_owned(), entry.into());
        self.write(&file)?;
        Ok(helper.map_or_else(|| Kept::File(self.file.clone()), Kept::Helper))
    }

    /// Forgets what is kept for `registry`; whether there was something.
    ///
    /// # Errors
    /// As [`Self::keep`].
    pub fn forget(&self, registry: &str) -> Result<bool, CredentialError> {
        if !self.file.exists() {
            return Ok(false);
        }
        let _alone = self.lock()?;
        let mut file = self.read()?;
        let mut found = false;
        if let Some(helper) = helper_for(&file, registry) {
            let key = server_key(registry);
            found = credential_helper::get(&helper, key, self.helper_timeout)?.is_some();
            if found {
                credential_helper::erase(&helper, key, self.helper_timeout)?;
            }
        }
        let auths = self.auths(&mut file)?;
        let is_changed = remove(auths, registry);
        if is_changed {
            self.write(&file)?;
        }
        Ok(found || is_changed)
    }

    /// One writer at a time: two logins at once keep both credentials.
    fn lock(&self) -> Result<File, CredentialError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| CredentialError::Write { path, source }
        };
        let folder = self.file.parent().unwrap_or(Path::new("."));
        // docker's own mode of a folder that holds credentials.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed(folder))?;
        // The folder itself, so that nothing is left beside the file.
        let lock = File::open(folder).map_err(failed(folder))?;
        lock.lock().map_err(failed(folder))?;
        Ok(lock)
    }

    fn read(&self) -> Result<Value, CredentialError> {
        let mut text = String::new();
        match File::open(&self.file).and_then(|mut file| file.read_to_string(&mut text)) {
            Ok(_) if text.trim().is_empty() => return Ok(Value::Object(Map::new())),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Value::Object(Map::new()));
            }
            Err(source) => return Err(CredentialError::Read { path: self.file.clone(), source }),
        }
        // A file with one entry that no reader understands is no place for another: nothing would find it.
        check(&self.file, text.as_bytes())?;
        serde_json::from_str(&text)
            .map_err(|source| CredentialError::Malformed { path: self.file.clone(), source })
    }

    fn auths<'f>(
        &self,
        file: &'f mut Value,
    ) -> Result<&'f mut Map<String, Value>, CredentialError> {
        let shape = || CredentialError::Shape { path: self.file.clone() };
        let auths = file.as_object_mut().ok_or_else(shape)?.entry("auths").or_insert(Value::Null);
        if auths.is_null() {
            *auths = Value::Object(Map::new());
        }
        auths.as_object_mut().ok_or_else(shape)
    }

    /// Whole or not at all, and for the user's eyes only. A link is written through, to where it leads. What lies
    /// at the temporary name, left by a process that was killed or laid there by somebody else, is replaced.
    fn write(&self, file: &Value) -> Result<(), CredentialError> {
        let target = fs::canonicalize(&self.file).unwrap_or_else(|_| self.file.clone());
        let failed = |source| CredentialError::Write { path: target.clone(), source };
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let temporary = target.with_file_name(format!(".{name}.{}.new", std::process::id()));
        let mut text = serde_json::to_string_pretty(file).expect("JSON that was read is JSON");
        text.push('\n');
        fs::remove_file(&temporary).ok();
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&temporary, &target));
        if written.is_err() {
            // What can't be written can't always be removed either; the error says the rest.
            fs::remove_file(&temporary).ok();
        }
        written.map_err(failed)
    }
}

/// Removes what is kept for a registry, however it is spelled: docker once wrote URLs. What is kept for one of
/// its repositories stays. Whether there was something.
fn remove(auths: &mut Map<String, Value>, registry: &str) -> bool {
    let before = auths.len();
    auths.retain(|name, _| !names_of(registry).iter().any(|host| same_key(name, host)));
    auths.len() < before
}

/// The helper that the file names for a registry.
fn helper_for(file: &Value, registry: &str) -> Option<String> {
    let given = |value: &Value| value.as_str().filter(|name| !name.is_empty()).map(str::to_owned);
    let own = names_of(registry).into_iter().find_map(|name| given(&file["credHelpers"][name]));
    own.or_else(|| given(&file["credsStore"]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Credential, Credentials};
    use std::os::unix::fs::PermissionsExt;

    fn store(folder: &Path) -> CredentialStore {
        let file = folder.join("deep/config.json");
        CredentialStore { file, helper_timeout: Duration::from_secs(20) }
    }

    fn found(store: &CredentialStore, registry: &str) -> Option<Credential> {
        let files = vec![store.file.clone()];
        Credentials { files, ..Credentials::default() }.find(registry, "a/b").unwrap()
    }

    fn password(user: &str, password: &str) -> Option<Credential> {
        Some(Credential::Password { user: user.into(), password: password.into() })
    }

    #[test]
    fn what_is_kept_is_found_and_what_is_forgotten_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        assert_eq!(store.keep("r.io:5000", "u", "p:q").unwrap(), Kept::File(store.file.clone()));
        store.keep("docker.io", "hub", "secret").unwrap();
        assert_eq!(found(&store, "r.io:5000"), password("u", "p:q"));
        assert_eq!(found(&store, "docker.io"), password("hub", "secret"));
        assert_eq!(found(&store, "r.io"), None);
        let mode = fs::metadata(&store.file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(store.forget("docker.io").unwrap());
        assert!(!store.forget("docker.io").unwrap());
        assert_eq!(found(&store, "docker.io"), None);
        assert_eq!(found(&store, "r.io:5000"), password("u", "p:q"));
    }

    /// docker's own key for its hub is a URL, and the others are bare hosts.
    #[test]
    fn keys_are_dockers_and_what_else_is_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        fs::create_dir_all(store.file.parent().unwrap()).unwrap();
        let before = r#"{"HttpHeaders": {"x": "y"}, "auths": {"docker.io": {"auth": "b2xk"}, "q.io": {"auth": "cTpx"}}, "psFormat": "json"}"#;
        fs::write(&store.file, before).unwrap();
        store.keep("docker.io", "a", "b").unwrap();
        let after: Value = serde_json::from_slice(&fs::read(&store.file).unwrap()).unwrap();
        let expected = serde_json::json!({
            "HttpHeaders": {"x": "y"},
            "auths": {"https://index.docker.io/v1/": {"auth": "YTpi"}, "q.io": {"auth": "cTpx"}},
            "psFormat": "json",
        });
        assert_eq!(after, expected);
    }

    /// docker's `logout` forgets these spellings too, and its `login` is found before them.
    #[test]
    fn older_spellings_of_a_registry_go_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        fs::create_dir_all(store.file.parent().unwrap()).unwrap();
        let old = r#"{"auths": {"https://r.io:5000": {"auth": "b2xkOm9sZA=="}, "http://r.io:5000/v1/": {"auth": "b2xkOm9sZA=="},
            "r.io:5000/v2/": {"auth": "b2xkOm9sZA=="}, "r.io:5000/team": {"auth": "dDp0"}, "https://r.io": {"auth": "cTpx"}}}"#;
        fs::write(&store.file, old).unwrap();
        assert_eq!(found(&store, "r.io:5000"), password("old", "old"));
        store.keep("r.io:5000", "new", "new").unwrap();
        assert_eq!(found(&store, "r.io:5000"), password("new", "new"));
        assert!(store.forget("r.io:5000").unwrap());
        assert_eq!(found(&store, "r.io:5000"), None);
        assert_eq!(found(&store, "r.io"), password("q", "q"));
        let after = fs::read_to_string(&store.file).unwrap();
        assert!(after.contains("r.io:5000/team"), "{after}");
        // Another program's spelling beside its own: as spelled comes first.
        let both = r#"{"auths": {"https://r.io": {"auth": "b2xkOm9sZA=="}, "r.io": {"auth": "bmV3Om5ldw=="}}}"#;
        fs::write(&store.file, both).unwrap();
        assert_eq!(found(&store, "r.io"), password("new", "new"));
    }

    #[test]
    fn a_file_that_is_not_understood_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        fs::create_dir_all(store.file.parent().unwrap()).unwrap();
        let texts = [
            "{",
            "[]",
            r#"{"auths": 7}"#,
            r#"{"auths": {"q.io": 7}}"#,
            r#"{"credHelpers": {"q.io": []}}"#,
        ];
        for text in texts {
            fs::write(&store.file, text).unwrap();
            let error = store.keep("r.io", "u", "p").unwrap_err();
            assert!(error.to_string().contains("config.json"), "{error}");
            assert!(store.forget("r.io").is_err(), "{text}");
            assert_eq!(fs::read_to_string(&store.file).unwrap(), text);
        }
    }

    /// A folder may be one that others write to (`DOCKER_CONFIG=/tmp`), and what they lay there is not theirs to read.
    #[test]
    fn nobodys_file_or_link_gets_a_password() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let parent = store.file.parent().unwrap();
        fs::create_dir_all(parent).unwrap();
        let place = parent.join(format!(".config.json.{}.new", std::process::id()));
        let theirs = folder.path().join("theirs");
        fs::write(&theirs, "before").unwrap();
        std::os::unix::fs::symlink(&theirs, &place).unwrap();
        store.keep("r.io", "u", "p").unwrap();
        assert_eq!(fs::read_to_string(&theirs).unwrap(), "before");
        // A second name of the file would show it what is written to it.
        fs::hard_link(&theirs, &place).unwrap();
        store.keep("r.io", "u", "p").unwrap();
        assert_eq!(fs::read_to_string(&theirs).unwrap(), "before");
        assert_eq!(found(&store, "r.io"), password("u", "p"));
    }

    #[test]
    fn a_folder_that_is_made_for_it_is_the_users_own() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        store.keep("r.io", "u", "p").unwrap();
        let mode = fs::metadata(store.file.parent().unwrap()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn logins_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        std::thread::scope(|scope| {
            for number in 0..8 {
                let store = &store;
                scope.spawn(move || store.keep(&format!("r{number}.io"), "u", "p").unwrap());
            }
        });
        for number in 0..8 {
            assert_eq!(found(&store, &format!("r{number}.io")), password("u", "p"));
        }
    }
}
