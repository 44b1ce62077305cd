//! `rmi`: images.

use std::collections::BTreeSet;

use isopod_cri_client::{v1, within};

use super::images;
use super::selection::{Containers, image_of};
use super::session::Session;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Remove images
#[derive(Debug, clap::Args)]
pub struct Args {
    /// All there are
    #[arg(short, long)]
    all: bool,
    /// All that no container uses and nobody pinned
    #[arg(short = 'q', long)]
    prune: bool,
    /// Images
    #[arg(value_name = "IMAGE-ID", required_unless_present_any = ["all", "prune"])]
    images: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] [IMAGE-ID...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let session = Session::new(context)?;
        let mut ids: BTreeSet<String> = self.images.iter().cloned().collect();
        if self.all || self.prune {
            let every = images::list(&session, "", &[])?;
            let meant = every.into_iter().filter(|image| !(self.prune && image.pinned));
            ids.extend(meant.map(|image| image.id));
        }
        if self.prune {
            for used in self.used(&session)? {
                ids.remove(&used);
            }
        }
        if ids.is_empty() {
            session.note("No images to remove");
        }
        session.images()?;
        let ids: Vec<String> = ids.into_iter().collect();
        session.all_at_once(&ids, |id| self.remove(&session, id))
    }
}

impl Args {
    /// Ids of images that containers were made of.
    fn used(&self, session: &Session<'_>) -> Result<BTreeSet<String>, Error> {
        let every = Containers { all: true, ..Containers::default() };
        let every = every.list(session).map_err(Error::doing("listing containers"))?;
        let names: BTreeSet<String> = every
            .into_iter()
            .filter_map(|container| container.image.map(|image| image.image))
            .collect();
        let mut used = BTreeSet::new();
        for name in names {
            // Whatever can't be told for sure stays: an error ends this.
            let image = image_of(session, &name)
                .map_err(Error::doing(format!("getting the status of image {name:?}")))?;
            used.extend(image.map(|image| image.id));
        }
        Ok(used)
    }

    async fn remove(&self, session: &Session<'_>, id: String) -> Result<(), Error> {
        let mut client = session.images()?;
        let spec = Some(v1::ImageSpec { image: id.clone(), ..v1::ImageSpec::default() });
        let request = v1::ImageStatusRequest { image: spec.clone(), verbose: false };
        let image = within(Some(session.settings.read), client.image_status(request))
            .await
            .map_err(Error::doing(format!("getting the status of image {id:?}")))?
            .image;
        let Some(image) = image else {
            // Somebody else was faster, which is what a prune wants.
            return match self.prune {
                true => Ok(()),
                false => Err(Error::Argument(format!("no such image {id:?} present"))),
            };
        };
        let request = v1::RemoveImageRequest { image: spec };
        within(Some(session.settings.change), client.remove_image(request))
            .await
            .map_err(Error::doing(format!("removing image {id:?}")))?;
        let names = if image.repo_tags.is_empty() { image.repo_digests } else { image.repo_tags };
        for name in names {
            session.context.printer.line(format_args!("Deleted: {name}"))?;
        }
        Ok(())
    }
}
