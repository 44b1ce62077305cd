//! `internal after-exit`: what is left to do when a container has ended and its monitor is gone.

use isopod_runtime::ErrorKind;
use isopod_runtime::container::{Container, RemoveOptions};

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Give back what a container that has ended had, and remove it if it was to go
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its namespace
    namespace: String,
    /// Its id
    id: String,
}

impl Verb for Args {
    const USAGE: &'static str = "NAMESPACE ID";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let containers = context.runtime()?.containers(&self.namespace);
        let done = match containers.find(&self.id) {
            Ok(container) if container.id() == self.id => after(&container),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        match done {
            // Whoever waited for it in the foreground was faster.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
            other => Ok(other.map(|()| 0)?),
        }
    }
}

/// Each step does nothing where somebody has done it already.
fn after(container: &Container<'_>) -> isopod_runtime::Result<()> {
    container.release_if_over()?;
    remove(container)
}

fn remove(container: &Container<'_>) -> isopod_runtime::Result<()> {
    match container.record().auto_remove {
        true => {
            container.remove(RemoveOptions { force: false, volumes: true, keep_snapshot: false })
        }
        false => Ok(()),
    }
}
