//! Writable folders: a row and a folder each.

use std::collections::BTreeMap;
use std::fs;

use super::finding::Findings;
use super::look::{Look, entries};
use super::{aside, kinds};
use crate::state::SnapshotRow;
use crate::{Error, Result};

pub(super) fn check(look: &Look<'_>, found: &mut Findings) -> Result<()> {
    let runtime = look.runtime;
    let known: BTreeMap<String, &SnapshotRow> =
        look.rows.snapshots.iter().map(|row| (row.id.to_string(), row)).collect();
    for (path, name, metadata) in entries(&runtime.layout().snapshots())? {
        let name = name.to_string_lossy();
        let object = path.display().to_string();
        if !metadata.is_dir() || name.parse::<i64>().is_err() {
            found
                .add(kinds::SNAPSHOT_FOREIGN, object, "no snapshot has such a name")
                .mend(move |runtime| aside::put(runtime.layout(), "snapshots", &path));
        } else if !known.contains_key(&*name)
            && !look
                .rows
                .broken
                .iter()
                .any(|b| b.table == "snapshots" && b.value("id") == Some(&name))
        {
            let detail = "its row is gone: a removal was killed";
            let id = name.into_owned();
            found.add(kinds::SNAPSHOT_LEFTOVER, object, detail).mend(move |runtime| {
                let _alone = runtime.hold_collection_alone()?;
                let rows = runtime.state().read(SnapshotRow::list)?;
                if rows.iter().any(|row| row.id.to_string() == id) {
                    return Ok(());
                }
                match fs::remove_dir_all(&path) {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
                    other => other.map_err(Error::io("cannot remove", &path)),
                }
            });
        }
    }
    for row in &look.rows.snapshots {
        let folder = runtime.snapshots().folder(row);
        let missing: Vec<&str> =
            ["fs", "work"].into_iter().filter(|part| !folder.join(part).is_dir()).collect();
        if missing.is_empty() {
            continue;
        }
        let detail = match missing.contains(&"fs") {
            true => "its folder is gone, with all that was written in it",
            false => "overlayfs' work folder is gone",
        };
        let row = row.clone();
        found.add(kinds::SNAPSHOT_FOLDER_MISSING, row.key.clone(), detail).mend(move |runtime| {
            let _alone = runtime.hold_collection_alone()?;
            runtime.snapshots().complete(&row)
        });
    }
    Ok(())
}
