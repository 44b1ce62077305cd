//! `ctr images …`.

mod access;
mod check;
mod delete;
mod export;
mod import;
mod inspect;
mod label;
mod list;
mod pull;
mod push;
mod tag;
mod usage;

use isopod_image::document::{Document, MAX_MANIFEST};
use isopod_image::{Descriptor, Platform, Reference};
use isopod_runtime::Runtime;
use isopod_runtime::image::Image;

use crate::commands::Entry;
use crate::error::Error;

/// Sorted by name.
pub const TABLE: &[Entry] = &[
    Entry::verb::<check::Args>("check"),
    Entry::verb::<delete::Args>("delete").aliases(&["del", "remove", "rm"]),
    Entry::verb::<export::Args>("export"),
    Entry::verb::<import::Args>("import"),
    Entry::verb::<inspect::Args>("inspect").aliases(&["i"]),
    Entry::verb::<label::Args>("label"),
    Entry::verb::<list::Args>("list").aliases(&["ls"]),
    Entry::verb::<pull::Args>("pull"),
    Entry::verb::<push::Args>("push"),
    Entry::verb::<tag::Args>("tag"),
    Entry::verb::<usage::Args>("usage"),
];

/// ctr spells references out.
///
/// # Errors
/// A part is missing, or breaks the grammar.
pub fn reference(text: &str) -> Result<Reference, Error> {
    Reference::parse_strict(text).map_err(Error::argument)
}

/// `--platform`, or this machine's.
///
/// # Errors
/// It names none.
pub fn platform(text: Option<&str>) -> Result<Platform, Error> {
    match text {
        Some(text) => text.parse().map_err(Error::argument),
        None => Ok(Platform::host()),
    }
}

/// What an image's name points at, read from the store.
///
/// # Errors
/// It is missing or damaged.
pub fn document(
    runtime: &Runtime,
    descriptor: &Descriptor,
    owner: &str,
) -> Result<(Vec<u8>, Document), Error> {
    let bytes = runtime.content().document(&descriptor.digest, MAX_MANIFEST, owner)?;
    let document =
        Document::parse(&bytes, Some(&descriptor.media_type)).map_err(Error::argument)?;
    Ok((bytes, document))
}

/// The platforms that an image is for, sorted; `-` where that can't be told.
#[must_use]
pub fn platforms(runtime: &Runtime, image: &Image) -> String {
    let mut names: Vec<String> = match document(runtime, &image.target, &image.name) {
        Ok((_, Document::Index(index))) => index.platforms().map(ToString::to_string).collect(),
        Ok((_, Document::Manifest(_))) => {
            let details = runtime.images().details(image, &Platform::host());
            details.map(|d| d.config.platform().to_string()).into_iter().collect()
        }
        Err(_) => Vec::new(),
    };
    names.sort();
    names.dedup();
    if names.is_empty() { "-".to_owned() } else { names.join(",") }
}
