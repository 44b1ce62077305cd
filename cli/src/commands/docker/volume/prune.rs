//! `volume prune`: volumes that no container uses.

use isopod_runtime::ErrorKind;

use crate::commands::docker::prune::{Filters, PruneArgs, Pruned};
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Remove volumes that no container uses
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
        let filters = Filters::parse(&self.how.filter, &["all", "label"])?;
        let all = match filters.other("all") {
            None => self.all,
            Some("true" | "1") => true,
            Some("false" | "0") => self.all,
            Some(other) => {
                return Err(Error::Value {
                    what: "--filter",
                    value: format!("all={other}"),
                    reason: "it is neither true nor false".to_owned(),
                });
            }
        };
        let warning = match all {
            true => {
                "WARNING! This will remove all local volumes not used by at least one container."
            }
            false => {
                "WARNING! This will remove anonymous local volumes not used by at least one container."
            }
        };
        self.how.carry_out(context, warning, true, || Ok(vec![prune(context, &filters, all)?]))
    }
}

/// Removes unnamed volumes that no container uses; with `all` those with a name too.
///
/// # Errors
/// The volumes can't be listed.
pub fn prune(context: &Context, filters: &Filters, all: bool) -> Result<Pruned, Error> {
    let runtime = context.runtime()?;
    let mut pruned = Pruned::new("Deleted Volumes");
    for found in runtime.volumes().details()? {
        let volume = found.volume;
        let may_go = found.users.is_empty() && (all || volume.anonymous);
        if !may_go || !filters.fit(volume.created, &volume.shown_labels()) {
            continue;
        }
        match runtime.volumes().remove(&volume.name) {
            Ok(removed) => {
                pruned.reclaimed += removed.size;
                pruned.removed.push(removed.name);
            }
            // Somebody was faster, one way or the other.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict) => {}
            Err(error) => pruned.failed.push(error.into()),
        }
    }
    runtime.record_prune("volume", pruned.reclaimed);
    Ok(pruned)
}
