//! `ctr images usage`: what each layer of an image takes of the disk.

use isopod_image::Platform;

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::table::{CTR, Table};
use crate::output::units;

/// Display what the snapshots of an image take of the disk
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its reference
    #[arg(value_name = "REF")]
    image: String,
}

impl Verb for Args {
    const USAGE: &'static str = "[flags] <ref>";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let runtime = context.runtime()?;
        let image = runtime.images().get(&self.image)?;
        let details = runtime.images().details(&image, &Platform::host())?;
        let mut table = Table::new(CTR, &["KEY", "SIZE", "INODES", ""]);
        for chain_id in details.chain_ids.iter().rev() {
            let key = chain_id.to_string();
            let usage = runtime.snapshots().usage(&key)?;
            table.row([key, units::ctr(usage.size), usage.inodes.to_string(), String::new()]);
        }
        context.printer.data(table.render().as_bytes())?;
        Ok(0)
    }
}
