//! `runc run`.

use isopod_oci::request::Job;

use super::create::BundleArgs;
use super::ends::EndsArgs;
use super::execute::execute;
use super::{Failure, Globals, Verb, one};
use crate::commands::Status;

/// Create a container from a bundle and start it
#[derive(Debug, clap::Args)]
pub struct Run {
    #[command(flatten)]
    bundle: BundleArgs,
    /// Leave it running
    #[arg(short, long)]
    detach: bool,
    /// Don't delete it after its end
    #[arg(long)]
    keep: bool,
    /// Don't adopt what its processes leave
    #[arg(long)]
    no_subreaper: bool,
    #[command(flatten)]
    ends: EndsArgs,
    /// The container's new id
    #[arg(trailing_var_arg = true)]
    arguments: Vec<String>,
}

impl Verb for Run {
    const USAGE: &'static str = "[options] <container-id>";

    fn run(self, globals: &Globals) -> Result<Status, Failure> {
        let id = one("run", self.arguments)?;
        let ends = self.ends.check(self.detach)?;
        let inherited = ends.inherited();
        let mut job =
            self.bundle.job(globals, ends).map_err(|failure| failure.after("runc run failed: "))?;
        job.run = true;
        job.keep = self.keep;
        job.no_subreaper = self.no_subreaper;
        Err(execute(globals, id, Job::Create(job), inherited))
    }
}
