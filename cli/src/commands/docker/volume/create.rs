//! `volume create`.

use isopod_runtime::volume::NewVolume;

use crate::commands::{Status, Verb, environment};
use crate::context::Context;
use crate::error::Error;

/// Create a volume
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Driver; local is the only one
    #[arg(short, long, value_name = "DRIVER", default_value = "local")]
    driver: String,
    /// Set a label
    #[arg(long, value_name = "KEY[=VALUE]")]
    label: Vec<String>,
    /// Tell the driver what to mount (type=, device=, o=)
    #[arg(short, long, value_name = "KEY=VALUE")]
    opt: Vec<String>,
    /// Its name, as older scripts say it
    #[arg(long = "name", value_name = "VOLUME", hide = true, conflicts_with = "name")]
    old_name: Option<String>,
    /// Its name; 64 random characters if it is left out
    #[arg(value_name = "VOLUME")]
    name: Option<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] [VOLUME]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        check_driver("--driver", &self.driver)?;
        let new = NewVolume {
            // An empty name is docker's way to leave it out.
            name: self.name.or(self.old_name).filter(|name| !name.is_empty()),
            labels: environment::labels(&[], &self.label)?,
            options: environment::pairs("--opt", &self.opt)?,
        };
        let created = context.runtime()?.volumes().create(&new)?;
        context.printer.line(created.name)?;
        Ok(0)
    }
}

/// There are no plugins, so that there is one driver.
///
/// # Errors
/// It is another one.
pub fn check_driver(what: &'static str, driver: &str) -> Result<(), Error> {
    match driver {
        "local" | "" => Ok(()),
        other => Err(Error::Value {
            what,
            value: other.to_owned(),
            reason: "there are no plugins, and local is the only driver".to_owned(),
        }),
    }
}
