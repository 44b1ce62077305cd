//! `diff`: how a container's file system differs from its image's.

use std::fmt::Write as _;

use isopod_runtime::container::ChangeKind;

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::table::printable;

/// Show what a container has added (A), changed (C) and deleted (D)
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name or id
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Verb for Args {
    const USAGE: &'static str = "CONTAINER";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let container = context.containers()?.find(&self.container)?;
        let mut text = String::new();
        for change in container.changes()? {
            let kind = match change.kind {
                ChangeKind::Added => 'A',
                ChangeKind::Changed => 'C',
                ChangeKind::Deleted => 'D',
            };
            // Writing to a String can't fail.
            writeln!(text, "{kind} {}", printable(&change.path.to_string_lossy())).ok();
        }
        context.printer.data(text.as_bytes())?;
        Ok(0)
    }
}
