//! `runc kill`.

use isopod_oci::Error;
use isopod_spec::signal;

use super::{Failure, Globals, Verb};
use crate::commands::Status;

/// Send a signal to a container's first process (SIGTERM if none is named)
#[derive(Debug, clap::Args)]
pub struct Kill {
    /// Send it to all processes of the container
    #[arg(short, long)]
    all: bool,
    /// The container and the signal, by name or number
    #[arg(trailing_var_arg = true)]
    arguments: Vec<String>,
}

impl Verb for Kill {
    const USAGE: &'static str = "[--all] <container-id> [signal]";

    fn run(self, globals: &Globals) -> Result<Status, Failure> {
        let (id, name) = match self.arguments.as_slice() {
            [id] => (id, "SIGTERM"),
            [id, name] => (id, name.as_str()),
            [] => return Err(Failure::new("runc: \"kill\" requires a minimum of 1 argument")),
            _ => return Err(Failure::new("runc: \"kill\" requires a maximum of 2 arguments")),
        };
        let container = globals.store().load(id)?;
        let unknown = || Error::Signal(name.to_owned());
        let signal = signal::parse(name).map_err(|_| unknown())?;
        let signal = isopod_sys::process::signal(signal.number()).ok_or_else(unknown)?;
        container.kill(signal, self.all)?;
        Ok(0)
    }
}
