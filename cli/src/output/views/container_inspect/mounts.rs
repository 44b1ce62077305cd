//! docker's `Mounts`: where each part of the container's file tree comes from.

use std::collections::BTreeMap;
use std::path::PathBuf;

use isopod_runtime::container::{Mount, Record};
use serde_json::{Value as Json, json};

/// All of them; `folders` are those of the volumes on the host, by name.
pub fn json(record: &Record, folders: &BTreeMap<String, PathBuf>) -> Vec<Json> {
    let volumes = record.volumes.iter().map(|volume| {
        json!({
            "Type": "volume",
            "Name": volume.name,
            "Source": folders.get(&volume.name),
            "Destination": volume.destination,
            "Driver": "local",
            "Mode": volume.options.join(","),
            "RW": is_writable(&volume.options),
            "Propagation": "",
        })
    });
    let others = record.settings.mounts.iter().filter_map(|mount| match mount {
        Mount::Volume { .. } => None,
        Mount::Bind { source, destination, options, .. } => {
            Some(mount_of("bind", &source.to_string_lossy(), destination, options))
        }
        Mount::Image { source, destination, options, .. } => {
            let options = [&options[..], &["ro".to_owned()]].concat();
            Some(mount_of("image", source, destination, &options))
        }
        Mount::Tmpfs { destination, options } => Some(mount_of("tmpfs", "", destination, options)),
        Mount::Other { fs_type, source, destination, options } => {
            Some(mount_of(fs_type, source, destination, options))
        }
    });
    volumes.chain(others).collect()
}

fn mount_of(kind: &str, source: &str, destination: &str, options: &[String]) -> Json {
    let propagation = options.iter().find(|option| {
        matches!(option.trim_start_matches('r'), "private" | "slave" | "shared")
            || option.as_str() == "rprivate"
    });
    json!({
        "Type": kind,
        "Source": source,
        "Destination": destination,
        "Mode": options.join(","),
        "RW": is_writable(options),
        "Propagation": propagation.map_or("rprivate", String::as_str),
    })
}

fn is_writable(options: &[String]) -> bool {
    !options.iter().any(|option| option == "ro" || option == "readonly")
}
