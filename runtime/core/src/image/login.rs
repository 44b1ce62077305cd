//! Whether a registry takes a credential.

use super::pull::network;
use crate::Result;

/// Asks `registry` (`host[:port]`, or `docker.io`) about the credential that `config` has for it.
///
/// # Errors
/// [`crate::ErrorKind::Unauthorized`] where it is wrong; the registry can't be asked.
pub fn log_in(registry: &str, config: isopod_registry::Config) -> Result<()> {
    let network = network()?;
    let taken = network.block_on(isopod_registry::Client::new(config).log_in(registry));
    network.shutdown_background();
    Ok(taken?)
}
