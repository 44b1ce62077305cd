//! `network prune`: networks that no container is to be on.

use crate::commands::docker::prune::{Filters, PruneArgs, Pruned};
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Remove networks that no container uses
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    how: PruneArgs,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let filters = Filters::parse(&self.how.filter, &["label", "until"])?;
        let warning =
            "WARNING! This will remove all custom networks not used by at least one container.";
        self.how.carry_out(context, warning, false, || Ok(vec![prune(context, &filters)?]))
    }
}

/// Removes networks that no container uses.
///
/// # Errors
/// The networks can't be listed; one can't be removed.
pub fn prune(context: &Context, filters: &Filters) -> Result<Pruned, Error> {
    let mut pruned = Pruned::new("Deleted Networks");
    let fits =
        |network: &isopod_runtime::network::Network| filters.fit(network.created, &network.labels);
    let removed = context.runtime()?.networks().prune(fits)?;
    context.runtime()?.record_prune("network", 0);
    pruned.removed.extend(removed.into_iter().map(|network| network.name));
    Ok(pruned)
}
