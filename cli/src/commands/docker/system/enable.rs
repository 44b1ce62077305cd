//! `system enable`: have them started at every boot, by systemd.

use super::unit::{Place, Unit};
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Have systemd start containers with a restart policy at every boot
///
/// Writes the one unit, isopod.service: it calls start-all at boot, and stop-all at shutdown.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Call start-all now too
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    place: Place,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let unit = Unit::of(self.place)?;
        unit.enable(context)?;
        if self.now {
            unit.now("start")?;
        }
        Ok(0)
    }
}
