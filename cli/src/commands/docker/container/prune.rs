//! `container prune`: all containers that do not run.

use isopod_runtime::ErrorKind;
use isopod_runtime::container::RemoveOptions;

use crate::commands::docker::prune::{Filters, PruneArgs, Pruned};
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Remove all containers that do not run
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    how: PruneArgs,
}

/// The filters that docker has for it.
pub const FILTERS: &[&str] = &["label", "until"];

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let filters = Filters::parse(&self.how.filter, FILTERS)?;
        let warning = "WARNING! This will remove all stopped containers.";
        self.how.carry_out(context, warning, true, || Ok(vec![prune(context, &filters)?]))
    }
}

/// Removes the containers that do not run and fit.
///
/// # Errors
/// They can't be listed; what concerns one of them is in the result.
pub fn prune(context: &Context, filters: &Filters) -> Result<Pruned, Error> {
    let listing = context.containers()?.list()?;
    let mut pruned = Pruned::new("Deleted Containers");
    pruned.failed = listing.damaged.into_iter().map(Error::from).collect();
    for container in listing.containers {
        if !filters.fit(container.created(), container.labels()) {
            continue;
        }
        match container.status() {
            Ok(status) if status.phase.is_alive() => continue,
            Ok(_) => {}
            Err(error) => {
                pruned.failed.push(error.into());
                continue;
            }
        }
        let size = container.written_bytes().unwrap_or(0);
        match container.remove(RemoveOptions::default()) {
            Ok(()) => {
                pruned.removed.push(container.id().to_owned());
                pruned.reclaimed += size;
            }
            // Somebody started or removed it since we looked.
            Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) => {}
            Err(error) => pruned.failed.push(error.into()),
        }
    }
    context.runtime()?.record_prune("container", pruned.reclaimed);
    Ok(pruned)
}
