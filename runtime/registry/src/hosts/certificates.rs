//! Docker's folder of certificates for one host: `*.crt` are authorities, `*.cert` client
//! certificates, each with its `*.key` unless the key is in the same file.

use std::io;
use std::path::{Path, PathBuf};

use super::HostsError;
use crate::endpoint::TlsOptions;

/// What lies in `folder`, or `None` if there is no such folder or nothing of use in it.
pub(super) fn read(folder: &Path) -> Result<Option<TlsOptions>, HostsError> {
    let error = |source| HostsError::Read { path: folder.to_owned(), source };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(source) => return Err(error(source)),
    };
    let mut files: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>().map_err(error)?;
    // The order of a folder is nobody's intention.
    files.sort();
    let with = |extension: &str| {
        let files =
            files.iter().filter(move |file| file.extension().is_some_and(|e| e == extension));
        files.cloned().collect::<Vec<_>>()
    };
    let authorities = with("crt");
    let identities: Vec<_> = with("cert")
        .into_iter()
        .map(|certificate| {
            let key = certificate.with_extension("key");
            let key = files.contains(&key).then_some(key);
            (certificate, key)
        })
        .collect();
    if authorities.is_empty() && identities.is_empty() {
        return Ok(None);
    }
    Ok(Some(TlsOptions { authorities, identities, skip_verify: false }))
}
