//! The folders of an instance: there, shut (security.md, row 10), and the small things in them: leases, the monitors'
//! programs, the reserve.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use isopod_image::Digest;
use isopod_sys::lock::Lock;

use super::finding::Findings;
use super::look::{Look, entries};
use super::{aside, kinds};
use crate::doctor::PROBE;
use crate::layout::{Layout, ROOT_ENTRIES, STATE_ENTRIES, private_folder};
use crate::{Error, Result, Runtime, reserve};

/// Bits that nobody but the owner may have.
const OTHERS: u32 = 0o077;
const WRITABLE_BY_OTHERS: u32 = 0o022;

pub(super) fn check(look: &Look<'_>, found: &mut Findings) -> Result<()> {
    let layout = look.runtime.layout();
    missing(layout, found);
    modes(layout, found)?;
    leases(layout, found)?;
    programs(layout, found)?;
    hollow_reserve(layout, found);
    temporaries(look.runtime, found)?;
    unknown(layout, found)
}

fn missing(layout: &Layout, found: &mut Findings) {
    let content = layout.content();
    let blobs = content.join("blobs");
    let folders = [
        layout.state().to_owned(),
        layout.layers(),
        layout.snapshots(),
        layout.volumes(),
        layout.programs(),
        content.join("ingest"),
        blobs.join("sha256"),
        blobs.join("sha512"),
    ];
    for folder in folders.into_iter().filter(|folder| !folder.is_dir()) {
        let object = folder.display().to_string();
        found.add(kinds::FOLDER_MISSING, object, "it is gone, or no folder").mend(move |runtime| {
            if folder.symlink_metadata().is_ok_and(|metadata| !metadata.is_dir()) {
                aside::put(runtime.layout(), "folders", &folder)?;
            }
            private_folder(&folder).map_err(Error::io("cannot make", &folder))
        });
    }
}

fn modes(layout: &Layout, found: &mut Findings) -> Result<()> {
    for top in [layout.root(), layout.state()] {
        open(top, WRITABLE_BY_OTHERS, found);
    }
    // Earlier releases made it readable, which is no harm behind a folder that is shut.
    if layout.root().symlink_metadata().is_ok_and(|root| root.mode() & 0o011 != 0) {
        open(&layout.database(), OTHERS, found);
    }
    let content = layout.content();
    let mut shut = vec![
        content.clone(),
        content.join("blobs"),
        content.join("ingest"),
        layout.layers(),
        layout.snapshots(),
        layout.volumes(),
        layout.programs(),
        layout.root().join("leases"),
        layout.root().join("events"),
    ];
    let mut tops = vec![
        content.join("blobs"),
        layout.layers(),
        layout.snapshots(),
        layout.volumes(),
        layout.programs(),
        layout.state().join("networks"),
    ];
    for top in [layout.root(), layout.state()] {
        let containers = top.join("containers");
        shut.push(containers.clone());
        tops.extend(entries(&containers)?.into_iter().filter(|e| e.2.is_dir()).map(|e| e.0));
        tops.push(containers);
    }
    shut.push(layout.state().join("networks"));
    for top in tops {
        shut.extend(entries(&top)?.into_iter().filter(|e| e.2.is_dir()).map(|e| e.0));
    }
    shut.iter().for_each(|folder| open(folder, OTHERS, found));
    Ok(())
}

/// A file or folder that has bits it may not have.
fn open(path: &Path, forbidden: u32, found: &mut Findings) {
    let Ok(metadata) = path.symlink_metadata() else { return };
    let open = metadata.mode() & forbidden;
    if open == 0 || metadata.is_symlink() {
        return;
    }
    let detail = format!("its mode is {:04o}", metadata.mode() & 0o7777);
    let path = path.to_owned();
    found.add(kinds::MODE_OPEN, path.display().to_string(), detail).mend(move |_| {
        let mode = metadata.mode() & 0o7777 & !forbidden;
        match fs::set_permissions(&path, fs::Permissions::from_mode(mode)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(Error::io("cannot set the mode of", &path)),
        }
    });
}

/// Files of processes that have ended. Whoever takes one locks it before it lets go of the collection.
fn leases(layout: &Layout, found: &mut Findings) -> Result<()> {
    for (path, name, metadata) in entries(&layout.root().join("leases"))? {
        let name = name.to_string_lossy();
        let object = path.display().to_string();
        if name.starts_with('.') {
            // Being written, or a dead writer's (temporaries).
        } else if !metadata.is_file() {
            foreign(&path, "leases", found);
        } else if !Lock::is_held(&path).map_err(Error::io("cannot lock", &path))? {
            found.add(kinds::LEASE_DEAD, object, "its process has ended").mend(move |runtime| {
                let _alone = runtime.hold_collection_alone()?;
                match Lock::is_held(&path).map_err(Error::io("cannot lock", &path))? {
                    true => Ok(()),
                    false => remove(&path),
                }
            });
        } else if fs::read(&path)
            .is_ok_and(|bytes| serde_json::from_slice::<Vec<Digest>>(&bytes).is_err())
        {
            found
                .add(kinds::LEASE_DAMAGED, object, "it can't be read, and its process lives")
                .advise("wait for the pulls and imports that run, or end them");
        }
    }
    Ok(())
}

/// Each lies in a folder that is named by its digest.
fn programs(layout: &Layout, found: &mut Findings) -> Result<()> {
    for (folder, digest, metadata) in entries(&layout.programs())? {
        let digest = digest.to_string_lossy().into_owned();
        let is_digest = digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit());
        if !metadata.is_dir() || !is_digest {
            foreign(&folder, "bin", found);
            continue;
        }
        for (path, name, metadata) in entries(&folder)? {
            let name = name.to_string_lossy();
            let mode = match &*name {
                "isopod-monitor" => 0o500,
                "init" => 0o555,
                other => {
                    // What is being written, or was to be (temporaries).
                    if !(other.starts_with('.') && other.ends_with(".tmp")) {
                        foreign(&path, "bin", found);
                    }
                    continue;
                }
            };
            let detail = match fs::read(&path) {
                _ if !metadata.is_file() => "it is no file",
                _ if metadata.mode() & 0o7777 != mode => "its mode is not the one it was made with",
                Ok(bytes) if Digest::sha256(&bytes).hex() == digest => continue,
                Ok(_) => "its bytes are not what its folder's name says",
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(Error::io("cannot read", &path)(error)),
            };
            // Monitors that run have what they run on a mount of their own.
            found
                .add(kinds::PROGRAM_DAMAGED, path.display().to_string(), detail)
                .mend(move |runtime| aside::put(runtime.layout(), "bin", &path));
        }
    }
    Ok(())
}

fn hollow_reserve(layout: &Layout, found: &mut Findings) {
    let path = layout.root().join("reserve");
    if path.symlink_metadata().is_ok_and(|m| !m.is_file() || m.blocks() * 512 < reserve::SIZE) {
        let object = path.display().to_string();
        found.add(kinds::RESERVE_HOLLOW, object, "it keeps no room").mend(move |runtime| {
            aside::put(runtime.layout(), "root", &path)?;
            reserve::keep(runtime.layout().root());
            Ok(())
        });
    }
}

/// What killed writers left.
fn temporaries(runtime: &Runtime, found: &mut Findings) -> Result<()> {
    let leases = runtime.layout().root().join("leases");
    for temporary in runtime.dead_temporaries()? {
        let object = temporary.path.display().to_string();
        let kind = match temporary.path.starts_with(&leases) {
            true => kinds::LEASE_DEAD,
            false => kinds::CONTENT_LEFTOVER,
        };
        found.add(kind, object, "its writer is gone").mend(move |_| temporary.remove());
    }
    Ok(())
}

/// What lies among the instance's own things and is none: somebody's. Below the folders that each kind of object has, its
/// check looks.
fn unknown(layout: &Layout, found: &mut Findings) -> Result<()> {
    let content = layout.content();
    let blobs = content.join("blobs");
    let tops: [(&Path, &[&str]); 6] = [
        (layout.root(), ROOT_ENTRIES),
        (layout.state(), STATE_ENTRIES),
        (&content, &["oci-layout", "index.json", "blobs", "ingest"]),
        (&blobs, &["sha256", "sha512"]),
        (&layout.root().join("events"), &["journal", "journal.1"]),
        (&layout.state().join("networks"), &["rules.lock", "parents.lock"]),
    ];
    for (top, known) in tops {
        for (path, name, metadata) in entries(top)? {
            let name = name.to_string_lossy();
            // Networks' own folders; what is being written; where a disk is mounted, its file system's.
            let is_a_networks = top.ends_with("networks") && metadata.is_dir();
            let is_in_work = name.ends_with(".tmp") || name.starts_with(PROBE);
            if known.contains(&&*name) || is_a_networks || is_in_work || name == "lost+found" {
                continue;
            }
            found
                .add(
                    kinds::ENTRY_UNKNOWN,
                    path.display().to_string(),
                    "nothing of ours has such a name",
                )
                .advise("move it away: it is nobody's but yours");
        }
    }
    Ok(())
}

/// Something that is not ours among what is.
fn foreign(path: &Path, kind: &'static str, found: &mut Findings) {
    let path = path.to_owned();
    let object = path.display().to_string();
    found
        .add(kinds::FILE_FOREIGN, object, "nothing of ours has such a name")
        .mend(move |runtime: &Runtime| aside::put(runtime.layout(), kind, &path));
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(Error::io("cannot remove", path)),
    }
}
