//! An image as docker's `inspect` writes it.

use chrono::{DateTime, Utc};
use isopod_image::config::ContainerConfig;
use isopod_image::{Descriptor, ImageConfig};
use isopod_runtime::image::ImageDetails;
use serde_json::{Map, Value as Json, json};

use crate::output::time;

/// What is shown.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// Its documents.
    pub details: &'a ImageDetails,
    /// What its name points at.
    pub target: &'a Descriptor,
    /// Its names, in short form.
    pub tags: Vec<String>,
    /// `repository@digest`, in short form.
    pub digests: Vec<String>,
    /// Bytes of its unpacked layers.
    pub size: u64,
    /// When its name last moved.
    pub tagged: DateTime<Utc>,
}

/// The object.
#[must_use]
pub fn json(subject: &Subject<'_>) -> Json {
    let ImageConfig {
        created,
        author,
        architecture,
        variant,
        os,
        os_version,
        config,
        rootfs,
        history,
        ..
    } = &subject.details.config;
    let comment = history.last().and_then(|step| step.comment.clone()).unwrap_or_default();
    let mut object = json!({
        "Id": subject.details.id().to_string(),
        "RepoTags": subject.tags,
        "RepoDigests": subject.digests,
        "Parent": "",
        "Comment": comment,
        "Created": created.as_ref().map_or(time::NEVER, |created| created.as_str()),
        "DockerVersion": "",
        "Author": author.as_deref().unwrap_or_default(),
        "Config": self::config(config),
        "Architecture": architecture,
        "Os": os,
        "Size": subject.size,
        "GraphDriver": { "Data": null, "Name": "overlayfs" },
        "RootFS": {
            "Type": rootfs.kind,
            "Layers": rootfs.diff_ids.iter().map(ToString::to_string).collect::<Vec<_>>(),
        },
        "Metadata": { "LastTagTime": time::rfc3339_nano(subject.tagged) },
        "Descriptor": {
            "mediaType": subject.target.media_type,
            "digest": subject.target.digest.to_string(),
            "size": subject.target.size,
        },
    });
    if let Json::Object(fields) = &mut object {
        for (key, value) in [("Variant", variant), ("OsVersion", os_version)] {
            if let Some(value) = value {
                fields.insert(key.to_owned(), value.as_str().into());
            }
        }
    }
    object
}

/// The part of a config that a container takes over, in docker's spelling.
#[must_use]
pub fn config(config: &ContainerConfig) -> Json {
    let set = |names: &std::collections::BTreeSet<String>| -> Json {
        match names.is_empty() {
            true => Json::Null,
            false => {
                names.iter().map(|name| (name.clone(), json!({}))).collect::<Map<_, _>>().into()
            }
        }
    };
    let list = |words: &[String]| if words.is_empty() { Json::Null } else { json!(words) };
    let mut object = json!({
        "User": config.user,
        "ExposedPorts": set(&config.exposed_ports),
        "Env": list(&config.env),
        "Cmd": list(&config.cmd),
        "Volumes": set(&config.volumes),
        "WorkingDir": config.working_dir,
        "Entrypoint": list(&config.entrypoint),
        "OnBuild": list(&config.on_build),
        "Labels": if config.labels.is_empty() { Json::Null } else { json!(config.labels) },
    });
    if let Json::Object(fields) = &mut object {
        if !config.stop_signal.is_empty() {
            fields.insert("StopSignal".to_owned(), config.stop_signal.as_str().into());
        }
        if !config.shell.is_empty() {
            fields.insert("Shell".to_owned(), json!(config.shell));
        }
        if config.args_escaped {
            fields.insert("ArgsEscaped".to_owned(), true.into());
        }
        if let Some(check) = &config.healthcheck
            && let Ok(check) = serde_json::to_value(check)
        {
            fields.insert("Healthcheck".to_owned(), check);
        }
    }
    object
}
