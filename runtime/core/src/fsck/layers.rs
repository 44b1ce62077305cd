//! Unpacked layers: each described, under its own name, whole, and there for every container that has it.

use std::fs;
use std::path::PathBuf;

use isopod_image::document::Document;

use super::finding::{Findings, Found};
use super::look::{Look, entries, is_old, lives, named};
use super::{aside, kinds};
use crate::container::Record;
use crate::image::{NoProgress, details_of, ensure, read_document};
use crate::snapshot::LayerName;
use crate::snapshot::layers::{LayerDescription, Layers, SETTLED, STAGING, VERSION};
use crate::state::{ContainerRow, Rows};
use crate::{Error, Result, Runtime};

pub(super) fn check(look: &Look<'_>, found: &mut Findings) -> Result<()> {
    let runtime = look.runtime;
    let is_pulling = is_pulling(runtime)?;
    for (path, name, metadata) in entries(&runtime.layout().layers())? {
        let text = name.to_string_lossy().into_owned();
        let object = path.display().to_string();
        if text.starts_with(STAGING) {
            if !is_pulling && is_old(&metadata) {
                let detail = "what unpacked or removed it is gone";
                found
                    .add(kinds::LAYER_LEFTOVER, object, detail)
                    .mend(move |runtime| remove_staging(runtime, &path));
            }
            continue;
        }
        let Some(layer) = LayerName::parse(&text).filter(|_| metadata.is_dir()) else {
            found
                .add(kinds::LAYER_FOREIGN, object, "no layer has such a name")
                .mend(move |runtime| aside::put(runtime.layout(), "layers", &path));
            continue;
        };
        if let Some(what) = damage(runtime.layers(), &layer) {
            let finding = found.add(kinds::LAYER_DAMAGED, text, what);
            replace(look, &layer, finding);
        } else if !path.join(SETTLED).exists() && !runtime.layers().is_usable(&layer) {
            let detail =
                "it was unpacked before the machine was started anew, and not synced by then";
            let finding = found.add(kinds::LAYER_UNSETTLED, text, detail);
            replace(look, &layer, finding);
        }
    }
    for (row, record) in &look.containers {
        if let Ok(record) = record {
            needed(look, row, record, found);
        }
    }
    Ok(())
}

/// What is wrong with a layer, as far as it can be told without its blob.
fn damage(layers: &Layers, name: &LayerName) -> Option<String> {
    if !layers.path(name).is_dir() {
        return Some("its folder of files is gone".to_owned());
    }
    let description = match layers.describe(name) {
        Err(Error::NotFound { .. }) => return Some("its description is gone".to_owned()),
        Err(error) => return Some(super::words(&error)),
        Ok(description) => description,
    };
    let LayerDescription { version, diff_id, chain_id, .. } = &description;
    if *version > VERSION {
        // A newer release's: nothing that we could judge.
        return None;
    }
    let expected = match chain_id {
        None => LayerName::of_diff(layers.encoding(), diff_id),
        Some(chain_id) => LayerName::of_chain(layers.encoding(), chain_id),
    };
    (expected != *name).then(|| format!("it is described as {}", expected.as_str()))
}

/// How a layer that can't be relied on goes: unless a container that runs has it mounted. Whoever wants it unpacks
/// it again.
pub(super) fn replace(look: &Look<'_>, layer: &LayerName, found: &mut Found) {
    if let Some(user) = look.containers.iter().find_map(|(row, record)| {
        let uses = record.as_ref().is_ok_and(|record| needs(record, layer));
        (uses && look.lives(&row.namespace, &row.id).unwrap_or(true)).then(|| named(row))
    }) {
        found.leave().advise(format!("stop {user}, which has it mounted, and repair again"));
        return;
    }
    let layer = layer.clone();
    found.mend(move |runtime| {
        let _alone = runtime.hold_collection_alone()?;
        let rows = runtime.state().read(Rows::read)?;
        for row in &rows.containers {
            let Ok(record) = Record::parse(row) else { continue };
            if needs(&record, &layer) && lives(runtime, &row.namespace, &row.id)? {
                return Err(Error::InUse {
                    what: "layer",
                    name: layer.as_str().to_owned(),
                    by: named(row),
                });
            }
        }
        let folder = runtime.layout().layers().join(layer.as_str());
        aside::put(runtime.layout(), "layers", &folder)
    });
}

fn needs(record: &Record, layer: &LayerName) -> bool {
    let mounted = record.images.iter().flat_map(|image| &image.layers);
    record.layers.iter().chain(mounted).any(|needed| needed == layer)
}

/// Layers of a container that are not there: unpacked again from what its record names.
fn needed(look: &Look<'_>, row: &ContainerRow, record: &Record, found: &mut Findings) {
    let layers = look.runtime.layers();
    let own = record.image.iter().map(|image| (&image.manifest, &record.layers, &image.name));
    let mounted = record.images.iter().map(|i| (&i.manifest, &i.layers, &i.name));
    for (manifest, names, image) in own.chain(mounted) {
        let missing: Vec<&str> = names
            .iter()
            .filter(|name| !layers.path(name).is_dir())
            .map(LayerName::as_str)
            .collect();
        if missing.is_empty() {
            continue;
        }
        let detail = format!("layer {} of image {image} is missing", missing.join(", "));
        let (manifest, names, image) = (manifest.clone(), names.clone(), image.clone());
        found.add(kinds::CONTAINER_LAYER_MISSING, named(row), detail).mend(move |runtime| {
            if !matches!(read_document(runtime, &manifest, &image)?, Document::Manifest(_)) {
                return Err(Error::NotFound {
                    what: "manifest",
                    name: manifest.digest.to_string(),
                });
            }
            let details = details_of(runtime, &manifest, &image)?;
            let there = ensure(runtime, &details, &NoProgress)?;
            match names.iter().find(|name| !there.contains(name)) {
                None => Ok(()),
                Some(name) => {
                    Err(Error::NotFound { what: "layer", name: name.as_str().to_owned() })
                }
            }
        });
    }
}

/// Whether a pull, an import or an unpacking holds a lease.
fn is_pulling(runtime: &Runtime) -> Result<bool> {
    for (path, name, _) in entries(&runtime.layout().root().join("leases"))? {
        let is_held = || isopod_sys::lock::Lock::is_held(&path);
        if !name.to_string_lossy().starts_with('.')
            && is_held().map_err(Error::io("cannot lock", &path))?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn remove_staging(runtime: &Runtime, path: &PathBuf) -> Result<()> {
    let _alone = runtime.hold_collection_alone()?;
    if is_pulling(runtime)? {
        return Ok(());
    }
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(Error::io("cannot remove", path)),
    }
}
