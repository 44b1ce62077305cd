//! Names of images as docker's users type and read them.

use isopod_image::{Digest, Platform, Reference};
use isopod_runtime::container::Container;
use isopod_runtime::image::{Image, Images};

use crate::error::Error;

/// What an image without a name is called.
const NONE: &str = "<none>";

/// Parses what a user typed: `redis` is `docker.io/library/redis:latest`.
///
/// # Errors
/// It breaks the grammar.
pub fn parse(text: &str) -> Result<Reference, Error> {
    Reference::parse(text).map_err(Error::argument)
}

/// Parses a name for a new image, which has no digest yet.
///
/// # Errors
/// It breaks the grammar, or has a digest.
pub fn to_be_given(text: &str) -> Result<Reference, Error> {
    let reference = parse(text)?;
    if reference.digest().is_some() {
        return Err(Error::Argument(format!("{text}: a digest can't be given to a new image")));
    }
    Ok(reference)
}

/// An image's id on this machine.
///
/// # Errors
/// Its documents are missing or damaged.
pub fn id(images: &Images<'_>, image: &Image) -> Result<Digest, Error> {
    Ok(images.details(image, &Platform::host())?.id().clone())
}

/// Whether a stored name is none that anybody gave.
#[must_use]
pub fn is_nameless(name: &str) -> bool {
    name.starts_with(NONE)
}

/// A stored name in docker's short form; as it is where it follows no grammar.
#[must_use]
pub fn familiar(name: &str) -> String {
    Reference::parse(name).map_or_else(|_| name.to_owned(), |reference| reference.familiar())
}

/// The image of a container as `ps` shows it: as it was asked for, or its short id once that name means another
/// image or none (docker).
#[must_use]
pub fn of_container(container: &Container<'_>, images: &Images<'_>) -> String {
    let record = container.record();
    let Some(used) = &record.image else { return String::new() };
    let is_still = images.get(&used.name).is_ok_and(|image| image.target.digest == used.target);
    if is_still { record.image_as_asked() } else { used.id.short().to_owned() }
}

/// Repository and tag as `images` shows them.
#[must_use]
pub fn split(name: &str) -> (String, Option<String>) {
    match Reference::parse(name) {
        Ok(reference) => (reference.familiar_name(), reference.tag().map(ToOwned::to_owned)),
        Err(_) if is_nameless(name) => (NONE.to_owned(), None),
        Err(_) => (name.to_owned(), None),
    }
}

/// `repository@digest` in docker's short form.
#[must_use]
pub fn with_digest(image: &Image) -> String {
    format!("{}@{}", split(&image.name).0, image.target.digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_as_docker_shows_them() {
        assert_eq!(familiar("docker.io/library/redis:alpine"), "redis:alpine");
        assert_eq!(familiar("quay.io/a/b:1"), "quay.io/a/b:1");
        let (name, tag) = split("docker.io/grafana/grafana:latest");
        assert_eq!((name.as_str(), tag.as_deref()), ("grafana/grafana", Some("latest")));
        let untagged = format!("docker.io/library/redis@sha256:{}", "0".repeat(64));
        assert_eq!(split(&untagged), ("redis".to_owned(), None));
        assert!(parse("UPPER").is_err());
    }
}
