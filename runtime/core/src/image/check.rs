//! Whether all of an image is there.

use isopod_image::document::Document;
use isopod_image::{Descriptor, Platform};

use super::documents::{details_of, layer_names, manifest_for, read_document};
use super::{Image, Images};
use crate::Result;

/// What of an image is in the store.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Check {
    /// Blobs it consists of, as far as its documents tell.
    pub total: usize,
    /// Those that are there and are what their digests say.
    pub present: usize,
    /// Those that are not there.
    pub missing: Vec<Descriptor>,
    /// Those whose bytes are not what their digests say.
    pub damaged: Vec<Descriptor>,
    /// Bytes that are there.
    pub size_present: u64,
    /// Bytes in all.
    pub size_total: u64,
    /// Whether its layers are unpacked.
    pub unpacked: bool,
}

impl Check {
    /// Whether nothing is missing or damaged.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.damaged.is_empty()
    }
}

impl Images<'_> {
    /// Looks for every blob of `image` on `platform` and reads it through. What is missing or damaged
    /// is a result, no error. A damaged layer is removed, so that the next pull brings it
    /// in again; damaged documents are replaced by a pull anyway.
    ///
    /// # Errors
    /// [`NoPlatform`](crate::Error::NoPlatform); a document says what can't be.
    pub fn check(&self, image: &Image, platform: &Platform) -> Result<Check> {
        let mut check = Check::default();
        self.look(&mut check, &image.target)?;
        if !check.is_complete() {
            return Ok(check);
        }
        let manifest = manifest_for(self.runtime, image, platform)?;
        if manifest.digest != image.target.digest {
            self.look(&mut check, &manifest)?;
        }
        if !check.is_complete() {
            return Ok(check);
        }
        let Document::Manifest(parsed) = read_document(self.runtime, &manifest, &image.name)?
        else {
            return Ok(check);
        };
        self.look(&mut check, &parsed.config)?;
        let config_is_whole = check.is_complete();
        for layer in &parsed.layers {
            self.look(&mut check, layer)?;
        }
        for layer in &check.damaged {
            if layer.digest != parsed.config.digest {
                self.runtime.content().remove_if_damaged(&layer.digest)?;
            }
        }
        if config_is_whole {
            let details = details_of(self.runtime, &manifest, &image.name)?;
            check.unpacked = layer_names(self.runtime, &details).is_some();
        }
        Ok(check)
    }

    fn look(&self, check: &mut Check, descriptor: &Descriptor) -> Result<()> {
        let content = self.runtime.content();
        check.total += 1;
        check.size_total += descriptor.size;
        match content.size(&descriptor.digest)? {
            None => check.missing.push(descriptor.clone()),
            Some(size) if size == descriptor.size && content.is_whole(&descriptor.digest)? => {
                check.present += 1;
                check.size_present += descriptor.size;
            }
            Some(_) => check.damaged.push(descriptor.clone()),
        }
        Ok(())
    }
}
