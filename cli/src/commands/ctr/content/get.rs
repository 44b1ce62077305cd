//! `ctr content get`.

use std::io::{self, Read};

use super::digest;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

const CHUNK: usize = 1 << 20;

/// Write the data of a blob to standard output
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its digest
    #[arg(value_name = "DIGEST")]
    digest: String,
}

impl Verb for Args {
    const USAGE: &'static str = "<digest>";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let mut blob = context.runtime()?.content().open(&digest(&self.digest)?)?;
        let mut chunk = vec![0; CHUNK];
        loop {
            match blob.read(&mut chunk) {
                Ok(0) => return Ok(0),
                Ok(count) => context.printer.data(&chunk[..count])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(Error::File { action: "read blob", path: self.digest, source });
                }
            }
        }
    }
}
