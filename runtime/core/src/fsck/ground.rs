//! What must be right before anything else can be looked at: the layout's version and the database.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use isopod_image::{Descriptor, Digest};
use isopod_monitor_protocol::state;
use isopod_sys::atomic::{self, Durability};
use isopod_sys::lock::Lock;
use serde::Deserialize;

use super::finding::{Finding, Findings};
use super::kinds;
use super::look::entries;
use super::{Options, Report, aside, words};
use crate::content::Content;
use crate::layout::{self, Layout};
use crate::state::{
    ContainerRow, Health, ImageRow, Labels, SnapshotRow, State, VolumeRow, examine, salvage,
};
use crate::{Error, Result};

/// The annotation that names an image in `index.json` (image-spec, annotations.md).
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// What matters of `index.json`.
#[derive(Deserialize)]
struct Named {
    manifests: Vec<Descriptor>,
}

/// Whether no instance was ever made there.
pub(super) fn is_nothing(layout: &Layout) -> bool {
    !layout.database().exists() && !layout.version().exists() && !layout.content().exists()
}

/// See the module. What can't be mended is left in `report`, and nothing else can be looked at then.
pub(super) fn check(layout: &Layout, options: Options, report: &mut Report) -> Result<()> {
    let mut settle = |finding: Finding, mend: &dyn Fn() -> Result<()>| match options.repair {
        false => report.left.push(finding),
        true => match mend() {
            Ok(()) => report.mended.push(finding),
            Err(error) => {
                report.left.push(Finding { failure: Some(words(&error)), ..finding });
            }
        },
    };
    if let Some(finding) = version(layout)? {
        settle(finding, &|| {
            let path = layout.version();
            let text = format!("{}\n", layout::VERSION);
            atomic::write(&path, text.as_bytes(), 0o600, Durability::Power)
                .map_err(Error::io("cannot write", &path))
        });
    }
    if let Some(finding) = database(layout)? {
        settle(finding, &|| rebuild(layout));
    }
    Ok(())
}

fn finding(kind: &'static kinds::Kind, path: &Path, detail: &str) -> Finding {
    let mut findings = Findings::default();
    findings.add(kind, path.display().to_string(), detail).finding.clone()
}

fn version(layout: &Layout) -> Result<Option<Finding>> {
    let path = layout.version();
    let found = |detail: &str| Ok(Some(finding(kinds::LAYOUT_DAMAGED, &path, detail)));
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return found("it is gone"),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return found("it is no text"),
        other => other.map_err(Error::io("cannot read", &path))?,
    };
    match text.trim().parse::<u32>() {
        Ok(version) if version > layout::VERSION => {
            Err(Error::Version { path, found: version, known: layout::VERSION })
        }
        Ok(layout::VERSION) => Ok(None),
        _ => found(&format!("{:?} is no format version", text.trim())),
    }
}

fn database(layout: &Layout) -> Result<Option<Finding>> {
    let path = layout.database();
    let found = |kind, detail: &str| {
        let mut finding = finding(kind, &path, detail);
        finding.advice = Some(
            "restore it from a backup, if there is one; containers that its rows alone knew can't be \
             brought back, and what they wrote is kept in damaged/"
                .to_owned(),
        );
        Ok(Some(finding))
    };
    match examine(&path)? {
        Health::Whole => Ok(None),
        Health::Missing => found(kinds::DATABASE_MISSING, "it is gone"),
        Health::Empty => found(kinds::DATABASE_DAMAGED, "it is empty"),
        Health::Foreign => found(kinds::DATABASE_DAMAGED, "it is not a database"),
        Health::Damaged(words) => found(kinds::DATABASE_DAMAGED, &words),
    }
}

/// Makes a database of what can be read of the old one, of `index.json` and of the folders, and moves the old one
/// aside. A repair that is killed in between is gone on with by the next.
fn rebuild(layout: &Layout) -> Result<()> {
    let (path, rebuilt) = (layout.database(), layout.root().join("state.db.rebuilt"));
    if !rebuilt.exists() || path.exists() {
        let draft = layout.root().join("state.db.draft");
        for file in beside(&draft).into_iter().chain([rebuilt.clone()]) {
            remove(&file)?;
        }
        let state = State::create(&draft)?;
        if path.exists() {
            salvage(&path, &state)?;
        }
        images(layout, &state)?;
        volumes(layout, &state)?;
        if let Err(error) = refuse_living(layout, &state) {
            drop(state);
            beside(&draft).iter().try_for_each(|file| remove(file))?;
            return Err(error);
        }
        // The last connection takes the log into the file when it closes.
        drop(state);
        fs::rename(&draft, &rebuilt).map_err(Error::io("cannot rename", &draft))?;
    }
    // Its log first: one that is not its own would spoil the new one.
    for file in beside(&path).into_iter().rev() {
        aside::put(layout, "database", &file)?;
    }
    let state = State::open(&rebuilt)?;
    move_unknown(layout, &state)?;
    drop(state);
    fs::rename(&rebuilt, &path).map_err(Error::io("cannot rename", &rebuilt))?;
    fs::File::open(layout.root())
        .and_then(|folder| folder.sync_all())
        .map_err(Error::io("cannot sync", layout.root()))
}

/// A database's files.
fn beside(path: &Path) -> [PathBuf; 3] {
    let with = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    [path.to_owned(), with("-wal"), with("-shm")]
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(Error::io("cannot remove", path)),
    }
}

/// The images that `index.json` names and the database does not, where their manifests are there.
fn images(layout: &Layout, state: &State) -> Result<()> {
    let content = Content::new(layout);
    let Ok(bytes) = fs::read(layout.content().join("index.json")) else { return Ok(()) };
    let Ok(index) = serde_json::from_slice::<Named>(&bytes) else { return Ok(()) };
    state.write(crate::state::Durability::Power, |transaction| {
        let wrap = state.error();
        for descriptor in index.manifests {
            let Some(name) = descriptor.annotations.get(REF_NAME).cloned() else { continue };
            let is_there = content.size(&descriptor.digest)?.is_some();
            if is_there && ImageRow::get(transaction, &name).map_err(&wrap)?.is_none() {
                let target = unnamed(descriptor);
                ImageRow::put(transaction, &name, &target, &Labels::new()).map_err(&wrap)?;
            }
        }
        Ok(())
    })
}

/// As it was before it was named in the index.
fn unnamed(mut descriptor: Descriptor) -> Descriptor {
    descriptor.annotations.remove(REF_NAME);
    descriptor
}

/// The volumes whose folders are there. What their driver was told is not known any more.
fn volumes(layout: &Layout, state: &State) -> Result<()> {
    let folders = entries(&layout.volumes())?;
    state.write(crate::state::Durability::Power, |transaction| {
        for (_, name, metadata) in &folders {
            let name = name.to_string_lossy();
            if !metadata.is_dir() || crate::volume::check_name(&name).is_err() {
                continue;
            }
            let is_anonymous = name.parse::<Digest>().is_ok()
                || name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
            let nothing = Labels::new();
            VolumeRow::insert(transaction, &name, is_anonymous, &nothing, &nothing)
                .map_err(state.error())?;
        }
        Ok(())
    })
}

/// A container that runs and that the new database does not know could not be stopped by anybody any more.
fn refuse_living(layout: &Layout, state: &State) -> Result<()> {
    for (namespace, id, folder) in containers(&layout.state().join("containers"))? {
        let lock = folder.join(state::LOCK);
        let lives = Lock::is_held(&lock).map_err(Error::io("cannot lock", &lock))?;
        let known = state.read(|c| ContainerRow::exact(c, &namespace, &id))?;
        if lives && known.is_none() {
            return Err(Error::InUse {
                what: "the database",
                name: layout.database().display().to_string(),
                by: format!(
                    "container {id}, which runs and whose row can't be read: end its processes first"
                ),
            });
        }
    }
    Ok(())
}

/// `(namespace, id, folder)` of those in a folder of containers.
fn containers(top: &Path) -> Result<Vec<(String, String, PathBuf)>> {
    let mut found = Vec::new();
    for (folder, namespace, metadata) in entries(top)? {
        if !metadata.is_dir() {
            continue;
        }
        for (path, id, metadata) in entries(&folder)? {
            if metadata.is_dir() {
                let text = |name: &std::ffi::OsStr| name.to_string_lossy().into_owned();
                found.push((text(&namespace), text(&id), path));
            }
        }
    }
    Ok(found)
}

/// What containers wrote that nobody knows any more is moved aside: the collector would take it for garbage.
fn move_unknown(layout: &Layout, state: &State) -> Result<()> {
    for (namespace, id, folder) in containers(&layout.root().join("containers"))? {
        if state.read(|c| ContainerRow::exact(c, &namespace, &id))?.is_none() {
            aside::put(layout, "containers", &folder)?;
        }
    }
    let rows = state.read(SnapshotRow::list)?;
    let known: BTreeSet<String> = rows.iter().map(|row| row.id.to_string()).collect();
    for (folder, name, _) in entries(&layout.snapshots())? {
        if !known.contains(&*name.to_string_lossy()) {
            aside::put(layout, "snapshots", &folder)?;
        }
    }
    // A number that was given out once is never given out again.
    Ok(())
}
