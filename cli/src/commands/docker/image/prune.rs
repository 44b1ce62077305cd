//! `image prune`: images that no container uses.

use isopod_runtime::image::{Image, ImageDetails};

use super::names;
use crate::commands::docker::prune::{Filters, PruneArgs, Pruned};
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Remove images that no container uses
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Remove those with a name too
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    how: PruneArgs,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let filters = Filters::parse(&self.how.filter, &["label", "until"])?;
        let warning = match self.all {
            true => {
                "WARNING! This will remove all images without at least one container associated to them."
            }
            false => "WARNING! This will remove all dangling images.",
        };
        self.how.carry_out(context, warning, true, || Ok(vec![prune(context, &filters, self.all)?]))
    }
}

/// Removes images without a name that no container uses; with `all` those with a name too.
///
/// # Errors
/// The images can't be listed, or their content can't be removed.
pub fn prune(context: &Context, filters: &Filters, all: bool) -> Result<Pruned, Error> {
    let fits = |image: &Image, details: Option<&ImageDetails>| {
        // docker goes by the time of the build; where there is none, by when it came here.
        let built = details.and_then(|details| details.config.created.as_ref());
        let labels = details.map(|details| details.config.config.labels.clone());
        let created = built.map_or(image.created, |built| built.utc());
        filters.fit(created, &labels.unwrap_or_default())
    };
    let runtime = context.runtime()?;
    let removed = runtime.images().prune(all, &fits)?;
    runtime.record_prune("image", removed.reclaimed);
    let mut pruned = Pruned::new("Deleted Images");
    let named = removed.untagged.iter().filter(|name| !names::is_nameless(name));
    pruned.removed.extend(named.map(|name| format!("untagged: {}", names::familiar(name))));
    pruned.removed.extend(removed.deleted.iter().map(|digest| format!("deleted: {digest}")));
    pruned.reclaimed = removed.reclaimed;
    Ok(pruned)
}
