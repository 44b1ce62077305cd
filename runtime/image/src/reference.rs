//! What people type to name an image: `redis:alpine`, `localhost:5000/x@sha256:…`.
//!
//! Grammar: the distribution project's `reference` package (also OCI distribution-spec,
//! "Pulling manifests"); defaults and the short form are docker's.

mod grammar;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::digest::{self, Digest};

/// The registry that a name without one means.
pub const DEFAULT_REGISTRY: &str = "docker.io";
/// The repository's folder that a docker.io name without one means.
pub const OFFICIAL_FOLDER: &str = "library";
/// The tag that a name without tag and digest means.
pub const DEFAULT_TAG: &str = "latest";
/// The longest `registry/repository`, in bytes.
pub const MAX_NAME: usize = 255;
/// The longest tag, in bytes.
pub const MAX_TAG: usize = 128;

/// Why a string names no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The string is empty.
    #[error("image reference is empty")]
    Empty,
    /// The registry is neither a host name nor an address, or its port is no port.
    #[error("image reference {0:?} has a malformed registry")]
    Registry(String),
    /// The repository breaks the grammar.
    #[error("image reference {0:?} has a malformed repository")]
    Repository(String),
    /// The repository has upper-case letters.
    #[error("image reference {0:?} has upper-case letters in its repository")]
    UpperCase(String),
    /// The tag breaks the grammar.
    #[error("image reference {0:?} has a malformed tag")]
    Tag(String),
    /// What follows `@` is no digest.
    #[error("image reference {reference:?} has a malformed digest")]
    Digest {
        /// What was parsed.
        reference: String,
        /// What is wrong with the digest.
        source: digest::ParseError,
    },
    /// Registry and repository are longer than [`MAX_NAME`].
    #[error("image reference starting with {0:?} has a name of more than {MAX_NAME} characters")]
    TooLong(String),
    /// 64 hexadecimal characters, which would be confused with an image id.
    #[error("image reference {0:?} is an image id, not a name")]
    ImageId(String),
    /// Where nothing is assumed, the registry must be spelled out.
    #[error("image reference {0:?} names no registry (docker.io/library/… is spelled out here)")]
    NoRegistry(String),
    /// Where nothing is assumed, a tag or digest must be spelled out.
    #[error("image reference {0:?} has neither tag nor digest")]
    NoObject(String),
}

/// A registry, a repository on it, and a tag, a digest or both.
///
/// Every part is known to fit its grammar and so may be part of a URL as it stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// Parses as docker does: `redis` is `docker.io/library/redis:latest`.
    ///
    /// # Errors
    /// The string breaks the grammar or a length limit.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let parts = Parts::split(text)?;
        let (registry, repository) = match parts.name.split_once('/') {
            Some((first, rest)) if grammar::looks_like_registry(first) => (first, rest),
            _ => (DEFAULT_REGISTRY, parts.name),
        };
        if parts.tag.is_none() && parts.digest.is_none() && grammar::is_image_id(parts.name) {
            return Err(ParseError::ImageId(text.to_owned()));
        }
        let mut reference = Self::assemble(text, registry, repository, &parts)?;
        if reference.tag.is_none() && reference.digest.is_none() {
            reference.tag = Some(DEFAULT_TAG.to_owned());
        }
        Ok(reference)
    }

    /// Parses as `ctr` does: registry, repository and a tag or digest are spelled out.
    ///
    /// docker.io's own aliases (`index.docker.io`, a missing `library/`) are still resolved:
    /// they name no other image.
    ///
    /// # Errors
    /// A part is missing, or the string breaks the grammar or a length limit.
    pub fn parse_strict(text: &str) -> Result<Self, ParseError> {
        let parts = Parts::split(text)?;
        let (registry, repository) = parts
            .name
            .split_once('/')
            .filter(|(first, _)| grammar::looks_like_registry(first))
            .ok_or_else(|| ParseError::NoRegistry(text.to_owned()))?;
        let reference = Self::assemble(text, registry, repository, &parts)?;
        if reference.tag.is_none() && reference.digest.is_none() {
            return Err(ParseError::NoObject(text.to_owned()));
        }
        Ok(reference)
    }

    fn assemble(
        text: &str,
        registry: &str,
        repository: &str,
        parts: &Parts<'_>,
    ) -> Result<Self, ParseError> {
        let registry = if registry == "index.docker.io" { DEFAULT_REGISTRY } else { registry };
        if !grammar::is_registry(registry) {
            return Err(ParseError::Registry(text.to_owned()));
        }
        if repository.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(ParseError::UpperCase(text.to_owned()));
        }
        if !grammar::is_repository(repository) {
            return Err(ParseError::Repository(text.to_owned()));
        }
        let repository = if registry == DEFAULT_REGISTRY && !repository.contains('/') {
            format!("{OFFICIAL_FOLDER}/{repository}")
        } else {
            repository.to_owned()
        };
        if registry.len() + 1 + repository.len() > MAX_NAME {
            return Err(ParseError::TooLong(text.chars().take(60).collect()));
        }
        if parts.tag.is_some_and(|tag| !grammar::is_tag(tag)) {
            return Err(ParseError::Tag(text.to_owned()));
        }
        let digest = parts
            .digest
            .map(str::parse)
            .transpose()
            .map_err(|source| ParseError::Digest { reference: text.to_owned(), source })?;
        Ok(Self {
            registry: registry.to_owned(),
            repository,
            tag: parts.tag.map(str::to_owned),
            digest,
        })
    }

    /// `host[:port]`; `docker.io` for Docker Hub, whatever its servers are called.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// `library/redis`.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// `alpine`.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// What follows `@`; where present it decides which image is meant.
    #[must_use]
    pub const fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// `registry/repository`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// docker's short form of [`Self::name`]: `redis`, `someone/thing`, `quay.io/a/b`.
    #[must_use]
    pub fn familiar_name(&self) -> String {
        if self.registry != DEFAULT_REGISTRY {
            return self.name();
        }
        let official = self.repository.strip_prefix("library/").filter(|rest| !rest.contains('/'));
        let short = official.unwrap_or(&self.repository);
        // `docker.io/localhost/x` must not come back as `x` of the registry `localhost`.
        match short.split_once('/') {
            Some((first, _)) if grammar::looks_like_registry(first) => self.name(),
            _ => short.to_owned(),
        }
    }

    /// docker's short form: `redis:alpine`.
    #[must_use]
    pub fn familiar(&self) -> String {
        self.with_suffix(self.familiar_name())
    }

    /// The same repository under another tag, without digest.
    ///
    /// # Errors
    /// `tag` breaks the grammar.
    pub fn with_tag(&self, tag: &str) -> Result<Self, ParseError> {
        if !grammar::is_tag(tag) {
            return Err(ParseError::Tag(format!("{}:{tag}", self.name())));
        }
        Ok(Self { tag: Some(tag.to_owned()), digest: None, ..self.clone() })
    }

    /// The same repository at a digest, without tag.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    fn with_suffix(&self, mut text: String) -> String {
        if let Some(tag) = &self.tag {
            text.push(':');
            text.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            text.push('@');
            text.push_str(digest.as_str());
        }
        text
    }
}

/// A reference cut at its separators, nothing checked.
struct Parts<'a> {
    name: &'a str,
    tag: Option<&'a str>,
    digest: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Result<Self, ParseError> {
        if text.is_empty() {
            return Err(ParseError::Empty);
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        // A colon before the last slash belongs to the registry's port.
        let after_slash = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[after_slash..].find(':') {
            Some(colon) => (&rest[..after_slash + colon], Some(&rest[after_slash + colon + 1..])),
            None => (rest, None),
        };
        Ok(Self { name, tag, digest })
    }
}

impl FromStr for Reference {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Reference {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        Self::parse(&text)
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.to_string()
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with_suffix(self.name()))
    }
}
