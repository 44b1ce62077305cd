//! Commands that runc has and we have not, refused by name.

use super::{Failure, Globals, Verb};
use crate::commands::Status;

/// Why there are no checkpoints.
pub const REASON: &str = "checkpoints need criu, which is not part of this program";

macro_rules! unsupported {
    ($verb:ident, $name:literal, $about:literal) => {
        #[doc = $about]
        #[derive(Debug, clap::Args)]
        pub struct $verb {
            #[arg(hide = true, allow_hyphen_values = true, trailing_var_arg = true)]
            arguments: Vec<String>,
        }

        impl Verb for $verb {
            const USAGE: &'static str = "<container-id>";

            fn run(self, _: &Globals) -> Result<Status, Failure> {
                let of = self.arguments.last().map_or(String::new(), |id| format!(" ({id})"));
                Err(Failure::new(format!("`runc {}` is not supported{of}: {REASON}", $name)))
            }
        }
    };
}

unsupported!(Checkpoint, "checkpoint", "Not supported: freeze a container into files");
unsupported!(Restore, "restore", "Not supported: restore a container from files");
