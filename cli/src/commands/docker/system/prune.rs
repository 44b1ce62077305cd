//! `system prune`: everything that nothing uses, kind by kind.

use crate::commands::docker::prune::{Filters, PruneArgs, Pruned};
use crate::commands::docker::{container, image, network, volume};
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Remove containers that do not run, unused networks and images
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Remove images with a name too
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    how: PruneArgs,
    /// Remove unnamed volumes too
    #[arg(long)]
    volumes: bool,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let filters = Filters::parse(&self.how.filter, &["label", "until"])?;
        if self.volumes && filters.has_until() {
            return Err(Error::Argument(
                "volumes have no until: leave --volumes or --filter until=… out".to_owned(),
            ));
        }
        let warning = self.warning();
        self.how.carry_out(context, &warning, true, || self.prune(context, &filters))
    }
}

impl Args {
    /// In docker's words and order.
    fn warning(&self) -> String {
        let mut warning = "WARNING! This will remove:\n  - all stopped containers\n".to_owned();
        warning.push_str("  - all networks not used by at least one container\n");
        if self.volumes {
            warning.push_str("  - all anonymous volumes not used by at least one container\n");
        }
        warning.push_str(match self.all {
            true => "  - all images without at least one container associated to them\n",
            false => "  - all dangling images\n",
        });
        if !self.how.filter.is_empty() {
            warning.push_str("\n  Items to be pruned will be filtered with:\n");
            let mut filters = self.how.filter.clone();
            filters.sort_unstable();
            for filter in filters {
                warning.push_str(&format!("  - {filter}\n"));
            }
        }
        warning
    }

    /// Containers first, since they hold the others.
    fn prune(&self, context: &Context, filters: &Filters) -> Result<Vec<Pruned>, Error> {
        let mut pruned = vec![
            container::prune::prune(context, filters)?,
            network::prune::prune(context, filters)?,
        ];
        if self.volumes {
            pruned.push(volume::prune::prune(context, filters, false)?);
        }
        pruned.push(image::prune::prune(context, filters, self.all)?);
        Ok(pruned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(all: bool, volumes: bool, filter: &[&str]) -> Args {
        let filter = filter.iter().map(ToString::to_string).collect();
        Args { all, volumes, how: PruneArgs { filter, force: false } }
    }

    /// docker's reference of `system prune`, but for the build cache that is not here.
    #[test]
    fn the_warning_says_what_will_go() {
        assert_eq!(
            args(false, false, &[]).warning(),
            "WARNING! This will remove:\n  - all stopped containers\n  - all networks not used by at \
             least one container\n  - all dangling images\n"
        );
        assert_eq!(
            args(true, true, &["until=24h", "label=a"]).warning(),
            "WARNING! This will remove:\n  - all stopped containers\n  - all networks not used by at \
             least one container\n  - all anonymous volumes not used by at least one container\n  - \
             all images without at least one container associated to them\n\n  Items to be pruned \
             will be filtered with:\n  - label=a\n  - until=24h\n"
        );
    }
}
