//! Whether all of an image is there.

use isopod_image::{Descriptor, Platform};

use super::{Image, Images};
use crate::{Error, Result};

/// What of an image is in the store.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Check {
    /// Blobs it consists of, as far as its documents tell.
    pub total: usize,
    /// Those that are there with the right size.
    pub present: usize,
    /// The others.
    pub missing: Vec<Descriptor>,
    /// Bytes that are there.
    pub size_present: u64,
    /// Bytes in all.
    pub size_total: u64,
    /// Whether its layers are unpacked.
    pub unpacked: bool,
}

impl Check {
    /// Whether nothing is missing.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }
}

impl Images<'_> {
    /// Looks for every blob of `image` on `platform`. Missing ones are a result, no error.
    ///
    /// # Errors
    /// [`Error::NoPlatform`]; a document is damaged.
    pub fn check(&self, image: &Image, platform: &Platform) -> Result<Check> {
        let mut check = Check::default();
        let manifest = match super::documents::manifest_for(self.runtime, image, platform) {
            Ok(manifest) => manifest,
            Err(Error::MissingBlob { .. }) => {
                check.add(&image.target, false);
                return Ok(check);
            }
            Err(error) => return Err(error),
        };
        if manifest.digest != image.target.digest {
            check.add(&image.target, true);
        }
        let details = match super::documents::details_of(self.runtime, &manifest, &image.name) {
            Ok(details) => details,
            Err(Error::MissingBlob { digest, .. }) => {
                check.add(&manifest, digest != manifest.digest);
                return Ok(check);
            }
            Err(error) => return Err(error),
        };
        check.add(&manifest, true);
        let parts = std::iter::once(&details.manifest.config).chain(&details.manifest.layers);
        for descriptor in parts {
            let size = self.runtime.content().size(&descriptor.digest)?;
            check.add(descriptor, size == Some(descriptor.size));
        }
        check.unpacked = super::documents::layer_names(self.runtime, &details).is_some();
        Ok(check)
    }
}

impl Check {
    fn add(&mut self, descriptor: &Descriptor, present: bool) {
        self.total += 1;
        self.size_total += descriptor.size;
        if present {
            self.present += 1;
            self.size_present += descriptor.size;
        } else {
            self.missing.push(descriptor.clone());
        }
    }
}
