//! `system disable`: no longer started at boot, by systemd.

use super::unit::{Place, Unit};
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Have systemd start no containers at boot any more
///
/// Removes the unit that enable wrote. Containers that run are left alone, unless --now stops them.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Call stop-all now too
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    place: Place,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS]";

    fn run(self, _context: &Context) -> Result<Status, Error> {
        let unit = Unit::of(self.place)?;
        if self.now {
            unit.now("stop")?;
        }
        unit.disable()?;
        Ok(0)
    }
}
