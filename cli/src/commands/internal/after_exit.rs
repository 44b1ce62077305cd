//! `internal after-exit`: removes a container that was to go when it ended.

use isopod_runtime::ErrorKind;
use isopod_runtime::container::RemoveOptions;

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Remove a container that was to go when it ended
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
        let options = RemoveOptions { force: false, volumes: true, keep_snapshot: false };
        let removed = containers.find(&self.id).and_then(|container| {
            if container.id() == self.id && container.record().auto_remove {
                container.remove(options)?;
            }
            Ok(())
        });
        match removed {
            // Whoever waited for it in the foreground was faster.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
            other => Ok(other.map(|()| 0)?),
        }
    }
}
