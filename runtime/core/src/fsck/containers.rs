//! Containers: their records, folders and snapshots, and what dead monitors left.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use chrono::{TimeDelta, Utc};
use isopod_monitor_protocol::{data, state};
use isopod_sys::lock::Lock;

use super::finding::Findings;
use super::look::{Look, entries, lives, named, removal};
use super::{aside, kinds};
use crate::container::{Container, Network, Record};
use crate::image::details_of;
use crate::layout::private_folder;
use crate::network::BUILT_IN;
use crate::state::{ContainerRow, Durability};
use crate::{Error, Result, Runtime};

/// How long ago one has ended whose remover is not at it any more.
const PATIENCE: TimeDelta = TimeDelta::seconds(10);

pub(super) fn check(look: &Look<'_>, found: &mut Findings) -> Result<()> {
    for (row, record) in &look.containers {
        match record {
            Err(error) => {
                let advice = format!("{}; what it wrote goes with it", removal(row));
                found
                    .add(kinds::CONTAINER_UNREADABLE, named(row), super::words(error))
                    .advise(advice);
            }
            Ok(record) => {
                parts(look, row, record, found);
                networks(look, row, record, found);
                life(look, row, found)?;
            }
        }
    }
    for top in [look.runtime.layout().root(), look.runtime.layout().state()] {
        unknown(look, &top.join("containers"), found)?;
    }
    Ok(())
}

/// Its folder and its snapshot.
fn parts(look: &Look<'_>, row: &ContainerRow, record: &Record, found: &mut Findings) {
    let folder = look.runtime.layout().container_data(&row.namespace, &row.id);
    if !folder.is_dir() {
        let detail = "its folder is gone, with its log and how it ended";
        let row = row.clone();
        found.add(kinds::CONTAINER_FOLDER_MISSING, named(&row), detail).mend(move |runtime| {
            with(runtime, &row, |container| match container.finish_creation() {
                // Its snapshot has no row either, which is mended next.
                Err(Error::NotFound { .. }) => {
                    private_folder(&folder).map_err(Error::io("cannot make", &folder))
                }
                other => other,
            })
        });
    }
    let Some(key) = record.snapshot.clone() else { return };
    let is_there = look.rows.snapshots.iter().any(|snapshot| snapshot.key == key)
        || look.rows.broken.iter().any(|b| b.table == "snapshots" && b.values == [key.as_str()]);
    if is_there {
        return;
    }
    let detail = "its writable folder has no row: what it wrote is lost";
    let (row, record) = (row.clone(), record.clone());
    found.add(kinds::CONTAINER_SNAPSHOT_MISSING, named(&row), detail).mend(move |runtime| {
        with(runtime, &row, |_| {
            let _not_now = runtime.hold_collection()?;
            let parent = match &record.image {
                Some(image) => details_of(runtime, &image.manifest, &image.name)
                    .map(|details| details.top_chain_id())
                    .unwrap_or_default(),
                None => String::new(),
            };
            match runtime.snapshots().prepare(&key, &record.layers, &parent, Durability::Power) {
                Err(Error::AlreadyExists { .. }) => Ok(()),
                other => other.map(drop),
            }
        })
    });
}

/// The networks that it is to be on whenever it runs.
fn networks(look: &Look<'_>, row: &ContainerRow, record: &Record, found: &mut Findings) {
    let Network::Networks(attachments) = &record.settings.network else { return };
    for attachment in attachments {
        let name = &attachment.network;
        if attachment.leaving {
            let (row, network) = (row.clone(), name.clone());
            found
                .add(
                    kinds::CONTAINER_LEAVING,
                    format!("{} on network {name}", named(&row)),
                    "it was being disconnected, and whoever did that was killed",
                )
                .mend(move |runtime| {
                    let container = runtime.containers(&row.namespace).by_id(&row.id)?;
                    let Some(container) = container else { return Ok(()) };
                    match runtime.networks().disconnect(&container, &network) {
                        Err(Error::NotFound { .. }) => Ok(()),
                        other => other,
                    }
                });
            continue;
        }
        let is_known = BUILT_IN.contains(&name.as_str())
            || look.rows.networks.iter().any(|n| n.name == *name || n.id == *name);
        if !is_known {
            let shown = row.name.as_deref().unwrap_or(&row.id);
            found
                .add(
                    kinds::CONTAINER_NETWORK_MISSING,
                    format!("{} on network {name}", named(row)),
                    "there is no such network, and it can't be started",
                )
                .advise(format!(
                    "isopod network create {name}, or isopod network disconnect {name} {shown}"
                ));
        }
    }
}

/// What it says that it does, and what is true.
fn life(look: &Look<'_>, row: &ContainerRow, found: &mut Findings) -> Result<()> {
    let runtime = look.runtime;
    let Some(container) = runtime.containers(&row.namespace).by_id(&row.id)? else { return Ok(()) };
    let is_alive = look.lives(&row.namespace, &row.id)?;
    match container.claims_life() {
        Err(Error::Corrupt { detail, .. }) => {
            let row = row.clone();
            let finding = found.add(kinds::STATUS_DAMAGED, named(&row), detail);
            if is_alive {
                finding
                    .leave()
                    .advise("its monitor lives, and writes the file anew when something happens");
                return Ok(());
            }
            finding.mend(move |runtime| {
                with(runtime, &row, |container| {
                    let path = container.data().join(data::STATUS);
                    aside::put(runtime.layout(), "containers", &path)
                })
            });
        }
        Err(error) => return Err(error),
        Ok(true) if !is_alive => {
            let row = row.clone();
            let detail = "it is said to run, and its monitor is gone";
            found.add(kinds::MONITOR_DEAD, named(&row), detail).mend(move |runtime| {
                let containers = runtime.containers(&row.namespace);
                let Some(container) = containers.by_id(&row.id)? else { return Ok(()) };
                container.status()?;
                containers.after_exit(&row.id)
            });
        }
        Ok(true) => {}
        Ok(false) => {
            let status = container.status()?;
            let ended_before = status.finished_at().is_some_and(|at| at < Utc::now() - PATIENCE);
            if container.record().auto_remove && ended_before && !is_alive {
                let row = row.clone();
                let detail = "it was to be removed when it ended, and was not";
                found
                    .add(kinds::CONTAINER_ENDED, named(&row), detail)
                    .mend(move |runtime| runtime.containers(&row.namespace).after_exit(&row.id));
            }
            if !is_alive {
                socket(&container, row, found);
            }
        }
    }
    Ok(())
}

/// The door of a monitor that is gone; whoever binds it anew has the monitor's lock by then.
fn socket(container: &Container<'_>, row: &ContainerRow, found: &mut Findings) {
    let path = container.state().join(state::SOCKET);
    if path.symlink_metadata().is_err() {
        return;
    }
    let row = row.clone();
    found.add(kinds::SOCKET_STALE, path.display().to_string(), "no monitor listens at it").mend(
        move |runtime| {
            with(runtime, &row, |_| match fs::remove_file(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                other => other.map_err(Error::io("cannot remove", &path)),
            })
        },
    );
}

/// Folders of containers that have no row.
fn unknown(look: &Look<'_>, top: &Path, found: &mut Findings) -> Result<()> {
    let broken = look.rows.broken.iter().filter(|row| row.table == "containers");
    let broken = broken.map(|row| (row.values[0].as_str(), row.values[1].as_str()));
    let rows = look.rows.containers.iter().map(|row| (row.namespace.as_str(), row.id.as_str()));
    let known: BTreeSet<(&str, &str)> = rows.chain(broken).collect();
    for (folder, namespace, metadata) in entries(top)? {
        if !metadata.is_dir() {
            foreign(&folder, found);
            continue;
        }
        let namespace = namespace.to_string_lossy().into_owned();
        for (path, id, metadata) in entries(&folder)? {
            let id = id.to_string_lossy().into_owned();
            if !metadata.is_dir() {
                foreign(&path, found);
                continue;
            }
            if known.contains(&(namespace.as_str(), id.as_str())) {
                continue;
            }
            let object = path.display().to_string();
            if look.lives(&namespace, &id)? {
                found
                    .add(
                        kinds::MONITOR_UNKNOWN,
                        object,
                        "a monitor lives, and its container has no row",
                    )
                    .advise("end the container's processes: the monitor ends with them");
                continue;
            }
            let detail = "its container's row is gone: a removal was killed";
            let namespace = namespace.clone();
            found.add(kinds::CONTAINER_LEFTOVER, object, detail).mend(move |runtime| {
                let _alone = runtime.hold_collection_alone()?;
                let row = runtime.state().read(|c| ContainerRow::exact(c, &namespace, &id))?;
                if row.is_some_and(|row| row.id == id) || lives(runtime, &namespace, &id)? {
                    return Ok(());
                }
                // A remover that was not killed holds this until all of it has gone.
                let operation = path.join("operation.lock");
                if Lock::is_held(&operation).map_err(Error::io("cannot lock", &operation))? {
                    return Ok(());
                }
                match fs::remove_dir_all(&path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    other => other.map_err(Error::io("cannot remove", &path))?,
                }
                // A namespace's folder goes with its last container; a full one stays.
                path.parent().map(fs::remove_dir);
                Ok(())
            });
        }
    }
    Ok(())
}

fn foreign(path: &Path, found: &mut Findings) {
    let path = path.to_owned();
    found
        .add(kinds::CONTAINER_FOREIGN, path.display().to_string(), "it is no folder of a container")
        .mend(move |runtime| match path.starts_with(runtime.layout().root()) {
            true => aside::put(runtime.layout(), "containers", &path),
            // Another file system, which a boot empties.
            false => match fs::remove_file(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                other => other.map_err(Error::io("cannot remove", &path)),
            },
        });
}

/// Does something to a container that does not run, while no command starts or removes it. One that was removed needs
/// nothing.
pub(super) fn with(
    runtime: &Runtime,
    row: &ContainerRow,
    work: impl FnOnce(&Container<'_>) -> Result<()>,
) -> Result<()> {
    let Some(container) = runtime.containers(&row.namespace).by_id(&row.id)? else { return Ok(()) };
    let _operation = match container.lock_operation() {
        Err(Error::NotFound { .. }) => return Ok(()),
        other => other?,
    };
    match lives(runtime, &row.namespace, &row.id)? {
        true => {
            Err(Error::InUse { what: "container", name: named(row), by: "its monitor".to_owned() })
        }
        false => work(&container),
    }
}
