//! Removing images that nothing uses.

use std::collections::BTreeSet;

use isopod_image::Platform;

use super::{Image, ImageDetails, Images, Removed};
use crate::container::Record;
use crate::state::ContainerRow;
use crate::{Error, Result};

/// Whether an image is one of those that a caller wants to remove; its documents are there unless they
/// are missing or damaged.
pub type Fits<'a> = &'a dyn Fn(&Image, Option<&ImageDetails>) -> bool;

impl Images<'_> {
    /// Removes the images that no container of any namespace uses and that `fits` accepts: those without a
    /// name, with `all` also those with one.
    ///
    /// # Errors
    /// The database or a container's record can't be read; something can't be removed.
    pub fn prune(&self, all: bool, fits: Fits<'_>) -> Result<Removed> {
        let rows = self.runtime.state().read(ContainerRow::list_all)?;
        let records = rows.iter().map(Record::parse).collect::<Result<Vec<_>>>()?;
        let used: BTreeSet<_> =
            records.iter().flat_map(|record| record.targets().cloned()).collect();
        let mut going = Vec::new();
        for image in self.list()? {
            if used.contains(&image.target.digest) || !(all || image.is_nameless()) {
                continue;
            }
            let details = self.details(&image, &Platform::host()).ok();
            if !fits(&image, details.as_ref()) {
                continue;
            }
            match self.forget(std::slice::from_ref(&image.name), false) {
                Ok(()) => going.push(image.name),
                // Somebody was faster, to use it or to remove it.
                Err(Error::InUse { .. } | Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.collected(going)
    }
}
