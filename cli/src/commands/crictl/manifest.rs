//! The files that describe pods and containers: JSON or YAML, named as the interface names its fields.

use std::path::Path;

use isopod_cri_client::v1;
use isopod_cri_protocol::json::{self, Name};
use serde_json::Value;

use super::session::Session;
use crate::error::Error;

/// Reads a pod's configuration; one without a UID is given one.
///
/// # Errors
/// The file; what a runtime would refuse it for: no metadata, name or namespace.
pub fn pod(session: &Session<'_>, path: &Path) -> Result<v1::PodSandboxConfig, Error> {
    let mut config: v1::PodSandboxConfig = read(session, path)?;
    let Some(metadata) = &mut config.metadata else {
        return Err(lacks(path, "metadata"));
    };
    for (what, value) in
        [("metadata.name", &metadata.name), ("metadata.namespace", &metadata.namespace)]
    {
        if value.is_empty() {
            return Err(lacks(path, what));
        }
    }
    if metadata.uid.is_empty() {
        metadata.uid = uuid()?;
    }
    Ok(config)
}

/// Reads a container's configuration.
///
/// # Errors
/// The file; what a runtime would refuse it for: no metadata, name or image.
pub fn container(session: &Session<'_>, path: &Path) -> Result<v1::ContainerConfig, Error> {
    let mut config: v1::ContainerConfig = read(session, path)?;
    if config.metadata.as_ref().is_none_or(|metadata| metadata.name.is_empty()) {
        return Err(lacks(path, "metadata.name"));
    }
    let Some(image) = config.image.as_mut().filter(|image| !image.image.is_empty()) else {
        return Err(lacks(path, "image.image"));
    };
    if image.user_specified_image.is_empty() {
        image.user_specified_image.clone_from(&image.image);
    }
    Ok(config)
}

/// The words `jsonschema` and `js` where a file could stand.
#[must_use]
pub fn is_schema(word: &Path) -> bool {
    word == Path::new("jsonschema") || word == Path::new("js")
}

/// The schema of a file, as text.
///
/// # Errors
/// None that can happen: the same type as its neighbours'.
pub fn schema<M: Name>() -> Result<String, Error> {
    Ok(serde_json::to_string_pretty(&json::schema::<M>())? + "\n")
}

/// What the interface doesn't know is said and left out: the original leaves it out in silence.
fn read<M: Name + Default>(session: &Session<'_>, path: &Path) -> Result<M, Error> {
    let text = std::fs::read_to_string(path).map_err(Error::file("read", path))?;
    let shown = path.display();
    let value: Value = match serde_json::from_str(&text) {
        Ok(value) => value,
        // JSON is YAML nearly always; the parser of YAML says better what is wrong with either.
        Err(_) => serde_saphyr::from_str(&text).map_err(|error| {
            let error = error.to_string();
            let reason = error.lines().next().unwrap_or_default();
            Error::Argument(format!("{shown} is neither JSON nor YAML: {reason}"))
        })?,
    };
    let read = json::from_value(&value)
        .map_err(|error| Error::Argument(format!("{shown} can't be used: {error}")))?;
    if !read.unknown.is_empty() {
        session.context.printer.warn(format_args!(
            "{shown}: left out what CRI v1 doesn't know: {}",
            read.unknown.join(", ")
        ));
    }
    Ok(read.message)
}

fn lacks(path: &Path, what: &str) -> Error {
    Error::Argument(format!("{} can't be used: {what} is missing", path.display()))
}

/// A random UUID from the kernel.
fn uuid() -> Result<String, Error> {
    let path = Path::new("/proc/sys/kernel/random/uuid");
    let text = std::fs::read_to_string(path).map_err(Error::file("read", path))?;
    Ok(text.trim().to_owned())
}
