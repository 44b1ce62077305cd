//! `events`: what happens to containers, as it happens.

use isopod_cri_client::{CallError, v1, within};
use isopod_cri_protocol::json::to_value;

use super::format::{TemplateFormat, Written};
use super::session::Session;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Show what happens to containers, until it is ended
#[derive(Debug, clap::Args)]
pub struct Args {
    /// json, yaml or go-template
    #[arg(short, long, value_name = "FORMAT", default_value = "json")]
    output: TemplateFormat,
    /// A Go template, for -o go-template
    #[arg(long, value_name = "TEMPLATE")]
    template: Option<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let written = Written::of(self.output, self.template.as_deref())?;
        let session = Session::new(context)?;
        let mut client = session.runtime()?;
        session.wait(async {
            let doing = || Error::doing::<CallError>("getting container events");
            // The answer itself may come with the first event: there is nothing to be late for.
            let call = client.get_container_events(v1::GetEventsRequest {});
            let mut events = within(None, call).await.map_err(doing())?;
            loop {
                let event = events.message().await.map_err(CallError::from).map_err(doing())?;
                let Some(event) = event else { return Ok(0) };
                context.printer.data(written.render(&to_value(&event))?.as_bytes())?;
            }
        })
    }
}
