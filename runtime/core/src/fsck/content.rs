//! The image layout: its marker and index, blobs, and what is on its way in.

use std::fs;
use std::io;

use isopod_image::Digest;
use isopod_image::digest::Algorithm;
use isopod_sys::lock::Lock;
use serde_json::Value as Json;

use super::finding::Findings;
use super::look::{Look, entries, is_old};
use super::{aside, kinds};
use crate::content::ingest::Begin;
use crate::{Error, Result, Runtime};

pub(super) fn check(look: &Look<'_>, found: &mut Findings) -> Result<()> {
    marker(look.runtime, found);
    index(look, found)?;
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        blobs(look, algorithm, found)?;
    }
    ingest(look.runtime, found)
}

/// image-spec, image-layout.md: `oci-layout` holds the version of the layout.
fn marker(runtime: &Runtime, found: &mut Findings) {
    let path = runtime.content().folder().join("oci-layout");
    let version = |bytes: Vec<u8>| {
        let json: Json = serde_json::from_slice(&bytes).ok()?;
        Some(json.get("imageLayoutVersion")?.as_str()? == "1.0.0")
    };
    if fs::read(&path).ok().and_then(version) != Some(true) {
        let object = path.display().to_string();
        found
            .add(kinds::CONTENT_MARKER, object, "it does not say that this is an image layout")
            .mend(move |runtime| {
                aside::put(runtime.layout(), "content", &path)?;
                runtime.content().prepare()
            });
    }
}

/// `index.json` says what the database says; nothing of ours reads it, but others do.
fn index(look: &Look<'_>, found: &mut Findings) -> Result<()> {
    if look.rows.broken.iter().any(|row| row.table == "images") {
        // What it should name is known when they are mended.
        return Ok(());
    }
    let path = look.runtime.content().folder().join("index.json");
    let expected = look.runtime.content().index_of(&look.rows.images);
    let detail = match fs::read(&path) {
        Ok(bytes) if bytes == expected => return Ok(()),
        Ok(bytes) if serde_json::from_slice::<Json>(&bytes).is_err() => "it is no JSON",
        Ok(_) => "it names other images than the database",
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if look.rows.images.is_empty() {
                return Ok(());
            }
            "it is gone"
        }
        Err(error) => return Err(Error::io("cannot read", &path)(error)),
    };
    found
        .add(kinds::CONTENT_INDEX, path.display().to_string(), detail)
        .mend(|runtime| runtime.images().write_index());
    Ok(())
}

fn blobs(look: &Look<'_>, algorithm: Algorithm, found: &mut Findings) -> Result<()> {
    let runtime = look.runtime;
    let folder = runtime.content().folder().join("blobs").join(algorithm.as_str());
    for (path, name, metadata) in entries(&folder)? {
        let name = name.to_string_lossy();
        let object = path.display().to_string();
        if name.starts_with('.') && metadata.is_file() {
            // Those of dead writers are found with all others (folders).
            if is_old(&metadata) && !name.ends_with(".tmp") {
                found.add(kinds::CONTENT_LEFTOVER, object, "its writer is gone").mend(move |_| {
                    fs::remove_file(&path).map_err(Error::io("cannot remove", &path))
                });
            }
            continue;
        }
        let digest = format!("{}:{name}", algorithm.as_str()).parse::<Digest>();
        let Some(digest) = digest.ok().filter(|_| metadata.is_file()) else {
            let detail = "a blob is a file that is named by its digest";
            found
                .add(kinds::BLOB_FOREIGN, object, detail)
                .mend(move |runtime| aside::put(runtime.layout(), "blobs", &path));
            continue;
        };
        let is_empty = metadata.len() == 0;
        let detail = match is_empty || !look.options.quick {
            false => continue,
            true if look.is_whole(&digest, &metadata)? => continue,
            true if is_empty => "it is empty".to_owned(),
            true => format!("its {} bytes are not what its name says", metadata.len()),
        };
        let owners = look.owners(&digest).join(", ");
        let finding = found.add(kinds::BLOB_DAMAGED, digest.to_string(), detail);
        if !owners.is_empty() {
            finding.finding.detail.push_str(&format!("; of image {owners}"));
        }
        finding.mend(move |runtime| match runtime.content().is_whole(&digest) {
            Ok(true) | Err(Error::NotFound { .. }) => Ok(()),
            Ok(false) => aside::put(runtime.layout(), "blobs", &path),
            Err(error) => Err(error),
        });
    }
    Ok(())
}

/// What transfers left that nobody goes on with: a partial blob is kept as long as a next pull may want it.
fn ingest(runtime: &Runtime, found: &mut Findings) -> Result<()> {
    let folder = runtime.content().ingest_folder();
    for (path, name, metadata) in entries(&folder)? {
        let name = name.to_string_lossy().into_owned();
        let object = path.display().to_string();
        let lock = name.strip_suffix(".lock");
        let digest = lock.unwrap_or(&name).replacen('-', ":", 1).parse::<Digest>();
        if !metadata.is_file() || (digest.is_err() && !name.starts_with("spool-")) {
            found
                .add(kinds::FILE_FOREIGN, object, "nothing of ours has such a name")
                .mend(move |runtime| aside::put(runtime.layout(), "ingest", &path));
            continue;
        }
        let Ok(digest) = digest else {
            if is_old(&metadata) {
                found
                    .add(kinds::CONTENT_LEFTOVER, object, "an import left it long ago")
                    .mend(move |_| remove(&path));
            }
            continue;
        };
        let held = match lock {
            Some(_) => Lock::is_held(&path),
            None => Lock::is_held(&folder.join(format!("{name}.lock"))),
        };
        if held.map_err(Error::io("cannot lock", &path))? {
            continue;
        }
        let stem = lock.unwrap_or(&name).to_owned();
        if lock.is_some() {
            if folder.join(&stem).exists() {
                // It goes with its partial blob, or with the next transfer.
                continue;
            }
            found
                .add(kinds::CONTENT_LEFTOVER, object, "nothing is brought in under this lock")
                .mend(move |_| {
                    // The holder removes it; one that begins now makes another.
                    match Lock::try_exclusive(&path).map_err(Error::io("cannot lock", &path))? {
                        Some(_ours) => remove(&path),
                        None => Ok(()),
                    }
                });
        } else if runtime.content().size(&digest)?.is_some() || is_old(&metadata) {
            let detail = "nobody has gone on with this part of a blob for long";
            found.add(kinds::CONTENT_LEFTOVER, object, detail).mend(move |runtime| {
                match runtime.content().begin(&digest, false)? {
                    Begin::Ours(ingest) => ingest.discard(),
                    Begin::Busy => Ok(()),
                    // The blob is there, so that nobody needs this any more.
                    Begin::Exists => remove(&path),
                }
            });
        }
    }
    Ok(())
}

fn remove(path: &std::path::Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(Error::io("cannot remove", path)),
    }
}
