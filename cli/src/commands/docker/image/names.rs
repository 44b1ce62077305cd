//! Names of images as docker's users type and read them.

use isopod_image::Reference;
use isopod_runtime::image::Image;

use crate::error::Error;

/// Parses what a user typed: `redis` is `docker.io/library/redis:latest`.
///
/// # Errors
/// It breaks the grammar.
pub fn parse(text: &str) -> Result<Reference, Error> {
    Reference::parse(text).map_err(Error::argument)
}

/// A stored name in docker's short form; as it is where it follows no grammar.
#[must_use]
pub fn familiar(name: &str) -> String {
    Reference::parse(name).map_or_else(|_| name.to_owned(), |reference| reference.familiar())
}

/// Repository and tag as `images` shows them.
#[must_use]
pub fn split(name: &str) -> (String, Option<String>) {
    match Reference::parse(name) {
        Ok(reference) => (reference.familiar_name(), reference.tag().map(ToOwned::to_owned)),
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
