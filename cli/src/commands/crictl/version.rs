//! `version`: what the runtime is.

use isopod_cri_client::v1;

use super::session::{CRI_VERSION, Session};
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Show which runtime answers
#[derive(Debug, clap::Args)]
pub struct Args {}

impl Verb for Args {
    const USAGE: &'static str = "";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let session = Session::new(context)?;
        let mut client = session.runtime()?;
        let request = v1::VersionRequest { version: CRI_VERSION.to_owned() };
        let answer = session
            .ask(client.version(request))
            .map_err(Error::doing("getting the runtime version"))?;
        // Two spaces: as the original's.
        let text = format!(
            "Version:  {}\nRuntimeName:  {}\nRuntimeVersion:  {}\nRuntimeApiVersion:  {}\n",
            answer.version, answer.runtime_name, answer.runtime_version, answer.runtime_api_version
        );
        context.printer.data(text.as_bytes())?;
        Ok(0)
    }
}
