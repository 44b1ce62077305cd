//! Which tags a registry has.

use isopod_image::Reference;

use super::Images;
use super::pull::network;
use crate::Result;

impl Images<'_> {
    /// The tags that the registry of `reference` lists for its repository, sorted.
    ///
    /// # Errors
    /// [`crate::Error::Registry`].
    pub fn tags_at_registry(
        &self,
        reference: &Reference,
        registry: isopod_registry::Config,
    ) -> Result<Vec<String>> {
        let network = network()?;
        let tags = network.block_on(isopod_registry::Client::new(registry).tags(reference));
        network.shutdown_background();
        Ok(tags?)
    }
}
