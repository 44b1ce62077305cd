//! Pulling an image: for `pull`, and before `create` and `run`.

use std::collections::HashMap;
use std::time::Duration;

use isopod_cri_client::{v1, within};

use super::credential::CredentialArgs;
use super::globals::duration;
use super::session::Session;
use crate::env;
use crate::error::Error;

/// The flags of whatever pulls.
#[derive(Debug, Default, clap::Args)]
pub struct PullArgs {
    #[command(flatten)]
    credential: CredentialArgs,
    /// How long a pull may take, 0 for as long as it takes (CRICTL_PULL_TIMEOUT)
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pull_timeout: Option<Duration>,
}

/// Whether `create` or `run` pulls.
#[derive(Debug, Default, clap::Args)]
pub struct WhetherArgs {
    /// Don't pull the image, whatever the configuration file says
    #[arg(long, conflicts_with = "with_pull")]
    no_pull: bool,
    /// Pull the image, whatever the configuration file says
    #[arg(long)]
    with_pull: bool,
}

impl WhetherArgs {
    /// The flags', or else `default`.
    #[must_use]
    pub fn or(&self, default: bool) -> bool {
        self.with_pull || default && !self.no_pull
    }
}

impl PullArgs {
    /// Pulls an image, for a pod if one is given; its reference.
    ///
    /// # Errors
    /// Credentials that can't be meant; the runtime's.
    pub fn pull(
        &self,
        session: &Session<'_>,
        image: &str,
        annotations: HashMap<String, String>,
        sandbox_config: Option<v1::PodSandboxConfig>,
    ) -> Result<String, Error> {
        let limit = match (self.pull_timeout, env::text(env::CRICTL_PULL_TIMEOUT)) {
            (Some(limit), _) => limit,
            (None, Some(text)) => duration(&text).map_err(|reason| Error::Value {
                what: env::CRICTL_PULL_TIMEOUT,
                value: text,
                reason,
            })?,
            (None, None) => Duration::ZERO,
        };
        let spec =
            v1::ImageSpec { image: image.to_owned(), annotations, ..v1::ImageSpec::default() };
        let request = v1::PullImageRequest {
            image: Some(spec),
            auth: self.credential.config(session.context)?,
            sandbox_config,
        };
        let mut client = session.images()?;
        let limit = Some(limit).filter(|limit| !limit.is_zero());
        let response = session.wait(within(limit, client.pull_image(request)));
        Ok(response.map_err(Error::doing(format!("pulling image {image:?}")))?.image_ref)
    }

    /// Pulls a container's image and those that are mounted in it.
    ///
    /// # Errors
    /// As [`PullArgs::pull`].
    pub fn pull_for(
        &self,
        session: &Session<'_>,
        config: &v1::ContainerConfig,
        pod: &v1::PodSandboxConfig,
    ) -> Result<(), Error> {
        let own = config.image.iter();
        let mounted = config.mounts.iter().filter_map(|mount| mount.image.as_ref());
        for image in own.chain(mounted).filter(|image| !image.image.is_empty()) {
            tracing::debug!(image = image.image, "pulling");
            self.pull(session, &image.image, image.annotations.clone(), Some(pod.clone()))?;
        }
        Ok(())
    }
}
