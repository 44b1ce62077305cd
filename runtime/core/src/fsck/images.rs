//! Whether all of an image is there that its documents name: on this machine's platform, or on those whose manifest
//! is there where it has none for this one. Of other platforms a part may be there and the rest not.

use isopod_image::document::Document;
use isopod_image::{Descriptor, Platform};

use super::finding::Findings;
use super::kinds;
use super::look::Look;
use crate::image::{details_of, read_document};
use crate::state::ImageRow;
use crate::{Error, Result, Runtime};

pub(super) fn check(look: &Look<'_>, found: &mut Findings) -> Result<()> {
    for image in &look.rows.images {
        let verdict = judge(look.runtime, image)?;
        let (kind, detail) = match verdict {
            None => continue,
            Some(Wrong::Missing(what)) => (kinds::IMAGE_INCOMPLETE, what),
            Some(Wrong::Damaged(what)) => (kinds::IMAGE_DAMAGED, what),
        };
        found.add(kind, image.name.clone(), detail).advise(advice(image));
    }
    Ok(())
}

enum Wrong {
    Missing(String),
    Damaged(String),
}

fn advice(image: &ImageRow) -> String {
    match image.name.starts_with("<none>@") {
        true => format!("isopod rmi {}, or load it again", image.target.digest),
        false => format!(
            "isopod pull {0}; if it was made here: isopod rmi {0}, and make it again",
            image.name
        ),
    }
}

fn judge(runtime: &Runtime, image: &ImageRow) -> Result<Option<Wrong>> {
    let document = match read_document(runtime, &image.target, &image.name) {
        Err(error) => return wrong(error, "its manifest"),
        Ok(document) => document,
    };
    let manifests = match document {
        Document::Manifest(_) => vec![image.target.clone()],
        Document::Index(index) => match index.select(&Platform::host()) {
            Some(ours) => vec![ours.clone()],
            None => {
                let is_there =
                    |d: &Descriptor| Ok::<_, Error>(runtime.content().size(&d.digest)?.is_some());
                let mut there = Vec::new();
                for manifest in index.manifests {
                    if is_there(&manifest)? {
                        there.push(manifest);
                    }
                }
                there
            }
        },
    };
    for manifest in manifests {
        if let Some(wrong) = judge_manifest(runtime, &manifest, image)? {
            return Ok(Some(wrong));
        }
    }
    Ok(None)
}

fn judge_manifest(
    runtime: &Runtime,
    manifest: &Descriptor,
    image: &ImageRow,
) -> Result<Option<Wrong>> {
    let parsed = match read_document(runtime, manifest, &image.name) {
        Err(error) => return wrong(error, "its manifest"),
        // An index inside an index names no platform.
        Ok(Document::Index(_)) => return Ok(None),
        Ok(Document::Manifest(parsed)) => parsed,
    };
    if parsed.is_image()
        && let Err(error) = details_of(runtime, manifest, &image.name)
    {
        return wrong(error, "its config");
    }
    let (mut missing, mut bytes) = (0, 0);
    for layer in std::iter::once(&parsed.config).chain(&parsed.layers) {
        match runtime.content().size(&layer.digest)? {
            Some(size) if size == layer.size => {}
            // One of another length has been named by the look at blobs; without that it is told here.
            _ => {
                missing += 1;
                bytes += layer.size;
            }
        }
    }
    let total = parsed.layers.len() + 1;
    Ok((missing > 0).then(|| {
        Wrong::Missing(format!("{missing} of its {total} blobs are missing, {bytes} bytes"))
    }))
}

fn wrong(error: Error, what: &str) -> Result<Option<Wrong>> {
    match error {
        Error::MissingBlob { digest, .. } => {
            Ok(Some(Wrong::Missing(format!("{what} {digest} is missing"))))
        }
        error @ (Error::Corrupt { .. } | Error::Document { .. } | Error::Config { .. }) => {
            Ok(Some(Wrong::Damaged(super::words(&error))))
        }
        error => Err(error),
    }
}
