//! `ctr content delete`.

use isopod_runtime::Error as RuntimeError;

use super::digest;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Permanently delete one or more blobs, whoever needs them
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Their digests
    #[arg(value_name = "DIGEST", required = true)]
    digests: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "<digest> [<digest>...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let content = context.runtime()?.content();
        context.each(&self.digests, |text| {
            let digest = digest(text)?;
            if !content.remove(&digest)? {
                let name = digest.to_string();
                return Err(RuntimeError::NotFound { what: "blob", name }.into());
            }
            Ok(context.printer.line(digest)?)
        })
    }
}
