//! An image's configuration and the chain ids of its layers.
//!
//! Shapes: OCI image-spec, config.md; Docker's image JSON for what that leaves out
//! (`Healthcheck`, `Shell`, `OnBuild`). Unknown fields are dropped, `null` is absence: what an
//! image says beyond this reaches nothing.

mod serde_forms;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Digester};
use crate::document::{MAX_CONFIG, Manifest};
use crate::platform::Platform;
use crate::timestamp::Timestamp;
use serde_forms::{duration, null_is_default, set};

/// Why bytes are no configuration, or not the one of their manifest.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Larger than [`MAX_CONFIG`].
    #[error("image configuration of {0} bytes is larger than the {MAX_CONFIG} allowed")]
    TooLarge(u64),
    /// No JSON of the expected shape.
    #[error("image configuration is malformed")]
    Malformed(#[source] serde_json::Error),
    /// The root file system is not made of layers.
    #[error("image configuration has the unsupported rootfs type {0:?}")]
    RootfsType(String),
    /// Manifest and configuration disagree on the number of layers.
    #[error("manifest has {layers} layers but its configuration {diff_ids} diff ids")]
    LayerCount {
        /// In the manifest.
        layers: usize,
        /// In the configuration.
        diff_ids: usize,
    },
}

/// What an image says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// When it was built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// Who built it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// `amd64` and the like.
    #[serde(default, deserialize_with = "null_is_default")]
    pub architecture: String,
    /// `v7` and the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// `linux`.
    #[serde(default, deserialize_with = "null_is_default")]
    pub os: String,
    /// The version of Windows it needs.
    #[serde(default, rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// What the operating system must offer.
    #[serde(
        default,
        rename = "os.features",
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub os_features: Vec<String>,
    /// How a container of it runs unless told otherwise.
    #[serde(default, deserialize_with = "null_is_default")]
    pub config: ContainerConfig,
    /// Its layers.
    pub rootfs: RootFs,
    /// How each layer came about, lowest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub history: Vec<History>,
}

/// How a container runs unless told otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainerConfig {
    /// `user[:group]`, names or numbers, as written.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_default")]
    pub user: String,
    /// `port[/protocol]`, as written.
    #[serde(skip_serializing_if = "BTreeSet::is_empty", with = "set")]
    pub exposed_ports: BTreeSet<String>,
    /// `NAME=value`, as written.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub env: Vec<String>,
    /// Words before the command.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub entrypoint: Vec<String>,
    /// The command, or the entry point's arguments.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub cmd: Vec<String>,
    /// Paths that want a volume.
    #[serde(skip_serializing_if = "BTreeSet::is_empty", with = "set")]
    pub volumes: BTreeSet<String>,
    /// Where the process starts.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_default")]
    pub working_dir: String,
    /// Free-form notes; reserved ones are stripped by whoever uses them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_is_default")]
    pub labels: BTreeMap<String, String>,
    /// A signal's name or number, as written.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_default")]
    pub stop_signal: String,
    /// How to tell that it works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// The shell that wraps commands given as one string.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub shell: Vec<String>,
    /// Instructions for builds upon this image.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub on_build: Vec<String>,
    /// On Windows: the command is already escaped.
    #[serde(skip_serializing_if = "std::ops::Not::not", deserialize_with = "null_is_default")]
    pub args_escaped: bool,
}

/// How to tell that a container works. A zero time or count means the runtime's default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", word…]` or `["CMD-SHELL", line]`; empty inherits.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub test: Vec<String>,
    /// Between two checks.
    #[serde(skip_serializing_if = "Duration::is_zero", with = "duration")]
    pub interval: Duration,
    /// For one check.
    #[serde(skip_serializing_if = "Duration::is_zero", with = "duration")]
    pub timeout: Duration,
    /// In which failures do not count.
    #[serde(skip_serializing_if = "Duration::is_zero", with = "duration")]
    pub start_period: Duration,
    /// Between two checks in that period.
    #[serde(skip_serializing_if = "Duration::is_zero", with = "duration")]
    pub start_interval: Duration,
    /// Failures in a row that make it unhealthy.
    #[serde(skip_serializing_if = "is_zero", deserialize_with = "null_is_default")]
    pub retries: u32,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// The layers of an image by what they unpack to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The digest of each uncompressed layer, lowest first.
    #[serde(deserialize_with = "null_is_default")]
    pub diff_ids: Vec<Digest>,
}

impl Default for RootFs {
    fn default() -> Self {
        Self { kind: "layers".to_owned(), diff_ids: Vec::new() }
    }
}

/// How a layer came about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// By which command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// By whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// A free-form note.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// It changed no file, so that no layer stands for it.
    #[serde(skip_serializing_if = "std::ops::Not::not", deserialize_with = "null_is_default")]
    pub empty_layer: bool,
}

impl ImageConfig {
    /// Reads a configuration.
    ///
    /// # Errors
    /// It is larger than [`MAX_CONFIG`], malformed, or not made of layers.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        let size = bytes.len() as u64;
        if size > MAX_CONFIG {
            return Err(ConfigError::TooLarge(size));
        }
        let config: Self = serde_json::from_slice(bytes).map_err(ConfigError::Malformed)?;
        if config.rootfs.kind != "layers" {
            return Err(ConfigError::RootfsType(config.rootfs.kind));
        }
        Ok(config)
    }

    /// Whether this can be the configuration of `manifest`.
    ///
    /// # Errors
    /// They disagree on the number of layers.
    pub fn check(&self, manifest: &Manifest) -> Result<(), ConfigError> {
        let (layers, diff_ids) = (manifest.layers.len(), self.rootfs.diff_ids.len());
        if layers == diff_ids { Ok(()) } else { Err(ConfigError::LayerCount { layers, diff_ids }) }
    }

    /// The platform it was built for, normalized.
    #[must_use]
    pub fn platform(&self) -> Platform {
        Platform {
            os_version: self.os_version.clone(),
            os_features: self.os_features.clone(),
            ..Platform::with_variant(&self.os, &self.architecture, self.variant.as_deref())
        }
    }
}

/// The chain id of each layer: what names it together with everything beneath it
/// (image-spec, config.md, "Layer ChainID").
#[must_use]
pub fn chain_ids(diff_ids: &[Digest]) -> Vec<Digest> {
    let mut chain: Vec<Digest> = Vec::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        let id = match chain.last() {
            None => diff_id.clone(),
            Some(below) => {
                let mut digester = Digester::new(crate::digest::Algorithm::Sha256);
                digester.update(below.as_str().as_bytes());
                digester.update(b" ");
                digester.update(diff_id.as_str().as_bytes());
                digester.finish()
            }
        };
        chain.push(id);
    }
    chain
}
