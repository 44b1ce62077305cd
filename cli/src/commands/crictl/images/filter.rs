//! `--filter` of images.

use isopod_cri_client::v1::Image;
use regex::Regex;

use crate::error::Error;
use crate::output::views::crictl::images as view;

/// One of them.
#[derive(Debug)]
pub enum Filter {
    /// Those without a tag, or those with one.
    Dangling(bool),
    /// Those whose repository matches.
    Reference(Regex),
    /// What the list has after this image.
    Before(String),
    /// What the list has before this image.
    Since(String),
}

/// Reads what was given.
///
/// # Errors
/// A filter that is not known; a value that it can't have.
pub fn parse(given: &[String]) -> Result<Vec<Filter>, Error> {
    let error = |value: &str, reason: &str| Error::Value {
        what: "--filter",
        value: value.to_owned(),
        reason: reason.to_owned(),
    };
    given
        .iter()
        .map(|text| match text.split_once('=') {
            Some(("dangling", value)) => crate::commands::go_bool(value)
                .map(Filter::Dangling)
                .map_err(|reason| error(text, &reason)),
            Some(("reference", value)) => Regex::new(value)
                .map(Filter::Reference)
                .map_err(|_| error(text, "it is no regular expression")),
            Some(("before", value)) => Ok(Filter::Before(value.to_owned())),
            Some(("since", value)) => Ok(Filter::Since(value.to_owned())),
            _ => Err(error(text, "there are dangling=, reference=, before= and since=")),
        })
        .collect()
}

/// What is left, in the same order.
#[must_use]
pub fn apply(filters: &[Filter], mut images: Vec<Image>) -> Vec<Image> {
    for filter in filters {
        match filter {
            Filter::Dangling(dangling) => {
                images.retain(|image| image.repo_tags.is_empty() == *dangling);
            }
            Filter::Reference(pattern) => {
                images.retain(|image| pattern.is_match(&view::repository(image).0));
            }
            // The order is that of names, which is all that the interface tells of age.
            Filter::Before(name) => {
                if let Some(at) = images.iter().rposition(|image| is(image, name)) {
                    images.drain(..=at);
                }
            }
            Filter::Since(name) => {
                if let Some(at) = images.iter().position(|image| is(image, name)) {
                    images.truncate(at);
                }
            }
        }
    }
    images
}

/// By `name:tag`, the beginning of an id, or `name@digest`.
fn is(image: &Image, name: &str) -> bool {
    let id = image.id.as_str();
    match (name.contains('@'), name.contains(':')) {
        (true, _) => image.repo_digests.first().is_some_and(|digest| digest.starts_with(name)),
        (false, true) => image.repo_tags.iter().any(|tag| tag == name) || id.starts_with(name),
        (false, false) => {
            id.starts_with(name) || id.strip_prefix("sha256:").unwrap_or(id).starts_with(name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images() -> Vec<Image> {
        ["a:1", "b:1", "c:1"]
            .iter()
            .map(|tag| Image {
                id: format!("sha256:{}", &tag[..1].repeat(64)),
                repo_tags: vec![(*tag).to_owned()],
                repo_digests: vec![format!("{}@sha256:0{tag}", &tag[..1])],
                ..Image::default()
            })
            .chain([Image { id: "sha256:dd".into(), ..Image::default() }])
            .collect()
    }

    fn left(filters: &[&str]) -> Vec<String> {
        let filters: Vec<String> = filters.iter().map(|text| (*text).to_owned()).collect();
        let left = apply(&parse(&filters).unwrap(), images());
        left.iter().map(|image| image.id[7..8].to_owned()).collect()
    }

    /// The conditions of cri-tools' `cmd/crictl/image_test.go`: a list goes from the newest to the oldest.
    #[test]
    fn filters_leave_what_they_name() {
        assert_eq!(left(&["dangling=true"]), ["d"]);
        assert_eq!(left(&["dangling=false"]), ["a", "b", "c"]);
        assert_eq!(left(&["reference=^[ab]$"]), ["a", "b"]);
        assert_eq!(left(&["before=b:1"]), ["c", "d"]);
        assert_eq!(left(&["since=b:1"]), ["a"]);
        assert_eq!(left(&["since=cccc"]), ["a", "b"]);
        assert_eq!(left(&["since=b@sha256:0b"]), ["a"]);
        assert_eq!(left(&["since=c:1", "before=a:1"]), ["b"]);
        assert!(parse(&["size=3".to_owned()]).is_err());
        assert!(parse(&["dangling=perhaps".to_owned()]).is_err());
        assert!(parse(&["reference=[".to_owned()]).is_err());
    }
}
