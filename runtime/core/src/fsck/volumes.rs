//! Volumes: a row and a folder each, and who uses them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::finding::Findings;
use super::look::{Look, entries, named};
use super::{aside, kinds};
use crate::state::{ContainerRow, Durability, Labels, VolumeRow};
use crate::volume::{LEAVING, TRASH, check_name};
use crate::{Error, Result, Runtime};

/// Keeps the folder of a volume that nobody knows, under `damaged/`. The caller holds the lock of all volumes.
pub(crate) fn put_volume_aside(runtime: &Runtime, folder: &Path) -> Result<()> {
    aside::put_if_there(runtime.layout(), "volumes", folder)
}

pub(super) fn check(look: &Look<'_>, found: &mut Findings) -> Result<()> {
    folders(look, found)?;
    uses(look, found);
    Ok(())
}

fn folders(look: &Look<'_>, found: &mut Findings) -> Result<()> {
    let runtime = look.runtime;
    let broken = look.rows.broken.iter().filter(|row| row.table == "volumes");
    let broken = broken.filter_map(|row| row.value("name"));
    // One that a container has gets its row back.
    let mounted = look.containers.iter().filter_map(|(_, record)| record.as_ref().ok());
    let mounted = mounted.flat_map(|record| &record.volumes).map(|volume| volume.name.as_str());
    let rows = look.rows.volumes.iter().map(|row| row.name.as_str());
    let known: BTreeSet<&str> = rows.chain(broken).chain(mounted).collect();
    for (path, name, metadata) in entries(&runtime.layout().volumes())? {
        let name = name.to_string_lossy().into_owned();
        let object = path.display().to_string();
        if name.starts_with(TRASH) && metadata.is_dir() {
            found.add(kinds::VOLUME_LEFTOVER, object, "its removal was killed").mend(move |_| {
                match fs::remove_dir_all(&path) {
                    // Its remover was not killed.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
                    other => other.map_err(Error::io("cannot remove", &path)),
                }
            });
        } else if let Some(volume) = name.strip_prefix(LEAVING) {
            let volume = volume.to_owned();
            let detail = "its removal was killed, or a command is at it";
            found
                .add(kinds::VOLUME_LEFTOVER, object, detail)
                .mend(move |runtime| runtime.volumes().remove_folder_if_gone(&volume));
        } else if metadata.is_dir()
            && !known.contains(&*name)
            && runtime.volumes().is_leaving(&name)
        {
            // Its mark has been told of.
        } else if !metadata.is_dir() || !known.contains(&*name) {
            let detail = match metadata.is_dir() && check_name(&name).is_ok() {
                true => "no volume of this name is known",
                false => "no volume has such a name",
            };
            found.add(kinds::VOLUME_FOREIGN, object, detail).mend(move |runtime| {
                let _lock = runtime.volumes().lock()?;
                match runtime.state().read(|c| VolumeRow::get(c, &name))? {
                    Some(_) => Ok(()),
                    None => aside::put(runtime.layout(), "volumes", &path),
                }
            });
        }
    }
    for row in &look.rows.volumes {
        let name = row.name.clone();
        let data = runtime.volumes().data_folder(&name);
        if row.options.is_empty() && !data.is_dir() {
            let detail = "its folder is gone, with all that was in it";
            found
                .add(kinds::VOLUME_FOLDER_MISSING, name.clone(), detail)
                .mend(move |runtime| runtime.volumes().restore(&name));
        }
    }
    Ok(())
}

fn uses(look: &Look<'_>, found: &mut Findings) {
    let known = |namespace: &str, id: &str| {
        let is_it = |(row, _): &&(ContainerRow, _)| row.namespace == namespace && row.id == id;
        look.containers.iter().any(|pair| is_it(&pair))
            || look
                .rows
                .broken
                .iter()
                .any(|b| b.table == "containers" && b.values == [namespace, id])
    };
    for (volume, namespace, id) in &look.rows.uses {
        if known(namespace, id) {
            continue;
        }
        let detail = format!("container {namespace}/{id}, which is to use it, is not known");
        let (namespace, id) = (namespace.clone(), id.clone());
        found.add(kinds::VOLUME_USE_STALE, format!("volume {volume}"), detail).mend(
            move |runtime| {
                let state = runtime.state();
                state.write(Durability::Power, |transaction| {
                    let wrap = state.error();
                    let row = ContainerRow::exact(transaction, &namespace, &id).map_err(&wrap)?;
                    match row {
                        Some(row) if row.id == id => Ok(()),
                        _ => VolumeRow::release(transaction, &namespace, &id).map_err(&wrap),
                    }
                })
            },
        );
    }
    for (row, record) in &look.containers {
        let Ok(record) = record else { continue };
        for volume in &record.volumes {
            let (name, anonymous) = (volume.name.clone(), volume.anonymous);
            let (namespace, id) = (row.namespace.clone(), row.id.clone());
            if !look.rows.volumes.iter().any(|row| row.name == volume.name) {
                let detail = format!("volume {name}, which is mounted in it, is not known");
                found.add(kinds::CONTAINER_VOLUME_MISSING, named(row), detail).mend(
                    move |runtime| {
                        let state = runtime.state();
                        let nothing = Labels::new();
                        state.write(Durability::Power, |transaction| {
                            let wrap = state.error();
                            VolumeRow::insert(transaction, &name, anonymous, &nothing, &nothing)
                                .map_err(&wrap)?;
                            VolumeRow::add_use(transaction, &name, &namespace, &id).map_err(&wrap)
                        })?;
                        runtime.volumes().restore(&name)
                    },
                );
            } else if !look.rows.uses.contains(&(name.clone(), namespace.clone(), id.clone())) {
                let detail = format!("it is not noted that {} uses it", named(row));
                found.add(kinds::VOLUME_USE_MISSING, format!("volume {name}"), detail).mend(
                    move |runtime| {
                        let state = runtime.state();
                        state.write(Durability::Power, |transaction| {
                            let wrap = state.error();
                            let row = ContainerRow::exact(transaction, &namespace, &id);
                            match row.map_err(&wrap)? {
                                Some(row) if row.id == id => {
                                    VolumeRow::add_use(transaction, &name, &namespace, &id)
                                        .map_err(&wrap)
                                }
                                _ => Ok(()),
                            }
                        })
                    },
                );
            }
        }
    }
}
